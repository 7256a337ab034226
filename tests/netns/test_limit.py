#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""No amplification: limits of outputs hold, and rules that form a loop are refused."""

import json
import signal
import time

from harness import (EXIT_CONFIG, Daemon, Sink, Star, check, equal, generate, interface_of, main,
                     program, receive, receiver, rule_of, sender, start, test, veth, wait_until,
                     write_file)
from netns import Namespace, run

IN = "in 239.1.1.1:5000@in0"
OUT = "out 239.2.2.2:6000@out0"

# The fraction by which counts may deviate: the bucket may not be full when the first packet arrives, and
# the first pass may take long on a busy machine.
TOLERANCE = 0.2


def relay_limited(star, daemon, *options):
    """Relay a stream. Returns the generator's report, the rule's counters, the seconds that it took, those for
    which the relay's threads waited for a CPU, and the sink's report. Checks the counters."""
    sink = Sink(star.receiver, "r0", "--port", "6000")
    started, waited = time.monotonic(), daemon.cpu_waited()
    sent = generate(star.source, "s0", *options)
    stats = daemon.settle(steered=sent["sent_packets"])
    seconds, waited = time.monotonic() - started, daemon.cpu_waited() - waited
    return sent, stats["rules"][0], seconds, waited, sink.stop()


def check_order(report):
    """All packets that arrived are in order, intact and not duplicated."""
    for fault in ("duplicated", "reordered", "stale", "corrupted", "malformed"):
        equal(report[fault], 0, fault)


def check_limited(rule, report, least, most):
    """Between `least` and `most` packets were sent and received, the others counted as rate_limited."""
    output = rule["outputs"][0]
    check(least <= output["sent_packets"] <= most,
          f"{output['sent_packets']} sent, {least:.0f} to {most:.0f} expected: {output}")
    equal(output["drops"]["rate_limited"],
          rule["received_packets"] - output["submitted_packets"], "rate_limited")
    equal(report["received_packets"], output["sent_packets"], "received by the sink")
    check_order(report)


@test
def packets_a_second():
    """An output with `pps` sends as much as the limit allows, in order, and counts the rest"""
    star = Star()
    daemon = Daemon(star.relay, f"{IN} {OUT} pps 2000 burst 500ms out 10.2.0.2:6001")
    _, rule, seconds, waited, report = relay_limited(star, daemon, "--rate", "20000", "--count", "60000")
    # At least the time at the given rate, at most the time until all had passed. The bucket does not grow beyond
    # the burst while nothing takes from it.
    check_limited(rule, report, 2000 * (3 + 0.5 - waited) * (1 - TOLERANCE),
                  2000 * (seconds + 0.5) * (1 + TOLERANCE))
    other = rule["outputs"][1]
    equal(sum(other["drops"].values()), 0, "drops of the other output")
    equal(other["submitted_packets"], rule["received_packets"], "submitted to the other output")


@test
def bits_a_second():
    """An output with `rate` limits the bits of IP packets"""
    star = Star()
    daemon = Daemon(star.relay, f"{IN} {OUT} rate 8mbit burst 100ms")
    # 972 bytes and 28 bytes of headers: 1000 packets/s.
    _, rule, seconds, waited, report = relay_limited(star, daemon, "--rate", "10000", "--count", "30000",
                                             "--size", "972")
    check_limited(rule, report, 1000 * (3 + 0.1 - waited) * (1 - TOLERANCE),
                  1000 * (seconds + 0.1) * (1 + TOLERANCE))


@test
def burst():
    """Packets at once pass up to the burst; then the bucket is refilled at the rate"""
    star = Star()
    daemon = Daemon(star.relay, f"{IN} {OUT} pps 100 burst 10s")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    started = time.monotonic()
    for number in range(3000):
        sock.sendto(number.to_bytes(4, "big"), ("239.1.1.1", 5000))
        if number % 200 == 199:  # the veth's ring holds 256 packets
            daemon.wait_steered(number + 1)
    rule = daemon.settle(steered=3000)["rules"][0]
    passed = rule["outputs"][0]["sent_packets"]
    # 1,000 of the burst, one that overdraws it, and those that the rate has added since.
    check(1001 <= passed <= 1001 + 100 * (time.monotonic() - started) + 1, f"{passed} passed")
    for number in range(1001):
        equal(receive(output)[0], number.to_bytes(4, "big"), "payload")

    def refilled():
        sock.sendto(b"again", ("239.1.1.1", 5000))
        return daemon.stats()["rules"][0]["outputs"][0]["sent_packets"] > passed

    wait_until(refilled, "the bucket is refilled")


@test
def within_the_limit():
    """A stream below its limits loses nothing"""
    star = Star()
    daemon = Daemon(star.relay, f"{IN} {OUT} pps 20000 rate 1gbit burst 2s")
    sent, rule, _, _, report = relay_limited(star, daemon, "--rate", "5000", "--count", "20000")
    output = rule["outputs"][0]
    equal(output["drops"]["rate_limited"], 0, "rate_limited")
    equal(output["sent_packets"] + output["send_errors"], sent["sent_packets"], "sent")
    check_order(report)


@test
def several_queues():
    """The limit applies to the output: all RX queues together keep it"""
    star = Star(queues=4)
    daemon = Daemon(star.relay, f"{IN} {OUT} pps 50 burst 10s")
    flows = [sender(star.source, "10.1.0.1") for _ in range(64)]
    started = time.monotonic()
    for number in range(1, 41):
        for flow in flows:
            flow.sendto(b"x", ("239.1.1.1", 5000))
        if number % 4 == 0:  # the rings of the veth hold 256 packets each
            daemon.wait_steered(number * len(flows))
    stats = daemon.settle(steered=64 * 40)
    output = stats["rules"][0]["outputs"][0]
    per_queue = [queue["received_packets"] for queue in interface_of(stats, "in0")["queues"]]
    check(min(per_queue) > 0, f"a queue received nothing: {per_queue}")
    # A limit per queue would allow four times as many.
    check(501 <= output["sent_packets"] <= 501 + 50 * (time.monotonic() - started) + 1,
          f"{output} of {per_queue}")


@test
def changed_while_packets_flow():
    """A limit is set, changed and lifted while packets flow; another rule loses none"""
    star = Star()
    other = "other in 239.1.1.2:5000@in0 out 239.2.2.3:6001@out0"
    daemon = Daemon(star.relay, f"cam1 {IN} {OUT}", other)
    sink = Sink(star.receiver, "r0", "--port", "6001")
    generator = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "5000", "--flows", "2",
                      "--flow-by", "group")
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["received_packets"], "packets")
    for limit in ("pps 100 burst 10ms", "rate 100kbit", "pps 50 rate 1mbit burst 1s"):
        daemon.ctl("rule", "replace", f"cam1 {IN} {OUT} {limit}")
        wait_until(lambda: rule_of(daemon.stats(), "cam1")["outputs"][0]["drops"]
                   ["rate_limited"], f"{limit} limits")
    daemon.ctl("rule", "replace", f"cam1 {IN} {OUT}")
    equal(sum(rule_of(daemon.stats(), "cam1")["outputs"][0]["drops"].values()), 0, "drops")
    generator.stop(signal.SIGINT)
    sent = json.loads(generator.output)["sent_packets"]
    untouched = rule_of(daemon.settle(steered=sent), "other")
    equal(untouched["outputs"][0]["sent_packets"] + untouched["outputs"][0]["send_errors"],
          untouched["received_packets"], "packets of the other rule")
    equal(sink.stop()["received_packets"], untouched["outputs"][0]["sent_packets"], "its sink")


@test
def changed_all_the_time():
    """A limit that is changed 300 times under traffic: every packet is counted and in order, and another
    rule loses none"""
    star = Star()
    daemon = Daemon(star.relay, f"cam1 {IN} {OUT}",
                    "other in 239.1.1.2:5000@in0 out 239.2.2.3:6001@out0")
    limits = ("", "pps 1 burst 1ms", "pps 999999999", "rate 1kbit burst 10s", "rate 400gbit",
              "pps 10 rate 10mbit")
    sinks = [Sink(star.receiver, "r0", "--port", str(port)) for port in (6000, 6001)]
    generator = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "3000", "--flows",
                      "2", "--flow-by", "group")
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["received_packets"], "packets")
    for i in range(300):
        daemon.ctl("rule", "replace", f"cam1 {IN} {OUT} {limits[i * 5 % len(limits)]}")
    generator.stop(signal.SIGINT)
    sent = json.loads(generator.output)["sent_packets"]
    stats = daemon.settle(steered=sent)
    totals = stats["totals"]
    check(totals["rate_limited_packets"], "nothing was limited")
    equal(totals["sent_packets"] + totals["send_errors"] + totals["rate_limited_packets"], sent,
          "sent, refused and limited")
    reports = [sink.stop() for sink in sinks]
    equal(sum(report["received_packets"] for report in reports), totals["sent_packets"], "sinks")
    for report in reports:
        check_order(report)
    other = rule_of(stats, "other")
    equal(other["outputs"][0]["submitted_packets"], other["received_packets"], "the other rule")


# ---- loops -----------------------------------------------------------------------------------

THERE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:5000@out0"
BACK = "cam2 in 239.2.2.2:5000@out0 out 239.1.1.1:5000@in0"


@test
def loop_at_the_start():
    """Rules that form a loop are refused at the start and by -t, with the loop"""
    star = Star()
    path = write_file("loop.yaml", f"rules:\n  - {THERE}\n  - {BACK}\n")
    for options in (("-c", path), ("-t", "-c", path), ("--rule", THERE, "--rule", BACK),
                    ("--rule", "x in 239.1.1.1:1@in0 out 239.1.1.1:1@in0")):
        done = star.relay.run(program("xmcastd"), "--socket", "/tmp/none.sock", *options,
                              check=False)
        equal(done.returncode, EXIT_CONFIG, f"exit code of {options}")
        place = f"{path}:3:" if "-c" in options else "--rule:"
        check(place in done.stderr and "loop" in done.stderr, done.stderr)
        if len(options) != 2 or "-c" in options:
            check("cam1 -> cam2 -> cam1" in done.stderr, done.stderr)
    path = write_file("allowed.yaml", f"rules:\n  - {THERE}\n  - {BACK} \n".replace(
        "@out0 out 239.1.1.1", "@out0 may_loop out 239.1.1.1"))
    star.relay.run(program("xmcastd"), "-t", "-c", path)


@test
def no_loops():
    """Rules that only look like a loop are accepted: two directions, local delivery, one direction"""
    for rules in (("in 239.1.1.1:5000@in0 out 239.1.1.1:5000@out0",
                   "in 239.1.1.2:5000@out0 out 239.1.1.2:5000@in0"),
                  ("in 239.1.1.1:5000@in0 out 127.0.0.1:5000", "in 239.1.1.1:5000@out0 out [::1]:5000"),
                  (THERE, BACK.replace(":5000@out0", ":5001@out0", 1)),
                  (THERE, BACK.replace("@out0 out", "@out0 disabled out")),
                  ("in [ff02::fb]:5353@in0 out [ff02::fb]:5353@out0",
                   "in [ff02::fc]:5353@out0 out [ff02::fc]:5353@in0")):
        done = run(program("xmcastd"), "-t", *(word for rule in rules for word in ("--rule", rule)),
                   check=False)
        equal((done.returncode, done.stderr), (0, ""), f"outcome of {rules}")


@test
def loop_across_families():
    """A loop may change the address family: there with IPv6, back with IPv4"""
    done = run(program("xmcastd"), "-t", "--rule", "x in [ff3e::1]:5000@in0 out 239.1.1.1:5000@out0",
               "--rule", "y in 239.1.1.1:5000@out0 out [FF3E:0::1]:5000@in0", check=False)
    equal(done.returncode, EXIT_CONFIG, "exit code")
    check("--rule:2:" in done.stderr and "x -> y -> x" in done.stderr, done.stderr)


@test
def loop_by_a_change():
    """A change that closes a loop is refused completely"""
    star = Star()
    daemon = Daemon(star.relay, THERE, "in 239.9.9.9:9@out0 out 10.1.0.1:9")
    done = daemon.ctl("rule", "add", BACK, check=False)
    equal(done.returncode, 2, "exit code")
    check("cam1 -> cam2 -> cam1" in done.stderr, done.stderr)
    equal(len(daemon.stats()["rules"]), 2, "rules")
    daemon.ctl("rule", "add", BACK.replace(" out ", " disabled out "))
    done = daemon.ctl("rule", "enable", "cam2", check=False)
    equal(done.returncode, 2, "exit code of enable")
    check("cam2 -> cam1" in done.stderr, done.stderr)
    daemon.ctl("rule", "replace", BACK.replace(" out ", " may_loop out "))


@test
def loop_that_is_meant():
    """With may_loop a loop through the network is possible, and a limit of an output bounds it"""
    relay, wire = Namespace("relay"), Namespace("wire")
    for number in (0, 1):
        veth(relay, f"in{number}", wire, f"w{number}", near_addr=f"10.3.{number}.1/24")
    wire.ip("link add br0 type bridge mcast_snooping 0")
    wire.ip("link set br0 up")
    for number in (0, 1):
        wire.ip(f"link set w{number} master br0")
    # Packets sent on in0 come back on in1 as input of the rule, which sends them on in0 again. This does
    # not end, because each round is a new packet with the TTL of the rule, which is 1.
    loop = "a in 239.1.1.1:5000@in1 may_loop out 239.1.1.1:5000@in0"
    daemon = Daemon(relay, loop)
    sock = sender(relay, "10.3.0.1")
    sock.sendto(b"round and round", ("239.1.1.1", 5000))

    def counters():
        return daemon.stats()["rules"][0]["outputs"][0]

    wait_until(lambda: counters()["sent_packets"] > 1000, "packets circulate")
    started = time.monotonic()
    daemon.ctl("rule", "replace", f"{loop} pps 200 burst 100ms")
    # Packets come back before the bucket is refilled, and dropped packets do not come back.
    wait_until(lambda: counters()["drops"]["rate_limited"], "the limit drops packets")
    sent = counters()["sent_packets"]
    check(sent <= 200 * (time.monotonic() - started + 0.1) + 1, f"{sent} sent")
    daemon.settle()
    equal(counters()["sent_packets"], sent, "sent after that")


main()
