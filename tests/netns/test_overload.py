#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Overload: the counters add up to the packet, all frames are returned, the daemon answers meanwhile, and it
can be shut down gracefully at any time.

XMCAST_OVERLOAD_SECONDS: duration of the longest flood (5). XMCAST_ANSWER_MS: how long 99 % of the answers
may take meanwhile. The target is 100 on an idle machine; the default is larger because the machine may be
busy.
"""

import json
import os
import re
import signal
import time

from control import Client
from harness import (Daemon, Sink, Star, check, check_clean, diagnose, equal, generate,
                     interface_of, main, need, program, queue_drops, receive, receiver,
                     relay_stream, sanitized, sender, start, test, wait_until)

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 out 10.2.1.2:6001"
SMALL = "workers: {{ frames: {frames}, rx_ring: {rx_ring} }}\n"
OVERLOAD_SECONDS = float(os.environ.get("XMCAST_OVERLOAD_SECONDS", "5"))
ANSWER_MS = float(os.environ.get("XMCAST_ANSWER_MS", "5000"))
RULES = "rules:\n  - " + RULE + "\n"


def flood(star, size):
    """Send flat out for two seconds. Returns the report of xmcast-gen."""
    return generate(star.source, "s0", "--duration", "2", "--size", str(size))


def paced_is_lossless(star, daemon):
    """Check that 10,000 packets/s arrive completely after an overload. Returns the counters."""
    def start_sinks():
        return [Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2"),
                Sink(star.receivers[1], "r0", "--port", "6001")]

    return relay_stream(daemon, star.source, start_sinks, "--rate", "10000", "--count", "10000")[1]


def handfuls_are_lossless(star, daemon):
    """The same with fifty packets at a time, for a daemon with too few frames for any rate."""
    steered = daemon.settle()["totals"]["steered_packets"]
    sock = sender(star.source, "10.1.0.1")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    for _ in range(20):
        for i in range(50):
            sock.sendto(b"%d" % i, ("239.1.1.1", 5000))
        for i in range(50):
            equal(receive(output)[0], b"%d" % i, "payload")
        steered += 50
        stats = daemon.settle(steered=steered)
    return stats


def flood_and_recover(config, recover, size=1400):
    """Flood a daemon, check the counters, and let `recover` check it. Returns the counters after the flood."""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, config=config)
    sent = flood(star, size)
    after = daemon.settle(steered=sent["sent_packets"])
    totals = after["totals"]
    equal(totals["steered_packets"], totals["received_packets"] + totals["dropped_packets"],
          "steered against received and dropped")
    equal(2 * totals["received_packets"], totals["sent_packets"] + totals["send_errors"],
          "received × outputs against sent and errors")
    end = recover(star, daemon)["totals"]
    log = daemon.stop()
    check_final_words(log, end)
    return after


def check_final_words(log, totals=None):
    """Check the end of the log: statistics that add up, and an audit without leaks per interface."""
    line = re.search(r"final-statistics (.*)", log)
    check(line, f"no final statistics:\n{log}")
    words = dict(word.split("=") for word in line[1].split())
    final = {key: int(words[key]) for key in
             ("steered", "received", "submitted", "sent", "send_errors", "dropped", "exhausted")}
    equal(final["steered"], final["received"] + final["dropped"], "final: steered")
    equal(final["submitted"], final["sent"] + final["send_errors"], "final: submitted")
    check(re.search(r"frame-audit.*leaked=0", log), f"no frame audit:\n{log}")
    if totals:
        equal((final["steered"], final["sent"]),
              (totals["steered_packets"], totals["sent_packets"]), "final: steered, sent")
    return final


@test
def flat_out():
    """Flat out for two seconds: exact counters, and afterwards a paced stream is lossless"""
    flood_and_recover(RULES, paced_is_lossless)


@test
def flat_out_singly():
    """The same with one send per packet, so that many packets are dropped"""
    after = flood_and_recover(RULES + "egress: { gso: off }\n", paced_is_lossless, size=64)
    drops = [queue_drops(queue) for queue in interface_of(after, "in0")["queues"]]
    check(sum(drops) > 0, "no overload: nothing was dropped")


@test
def flat_out_sendmmsg():
    """The same with the engine without io_uring"""
    flood_and_recover(RULES + "egress: { engine: sendmmsg }\n", paced_is_lossless)


@test
def flat_out_queues():
    """Flat out from every CPU into a veth with 4 queues: the counters of all workers add up"""
    need("taskset")
    star = Star(receivers=2, queues=4)
    daemon = Daemon(star.relay, RULE)
    streams = [start(star.source, "taskset", "-c", str(cpu), program("xmcast-gen"), "s0", "-j",
                     "--duration", "2") for cpu in os.sched_getaffinity(0)]
    for stream in streams:
        equal(stream.wait(), 0, f"exit code of xmcast-gen: {stream.log()}")
    sent = sum(json.loads(stream.output)["sent_packets"] for stream in streams)
    stats = daemon.settle(steered=sent)
    busy = [q for q in interface_of(stats, "in0")["queues"] if q["received_packets"]]
    equal(len(busy), min(4, len(streams)), "queues with packets")
    check_final_words(daemon.stop(), stats["totals"])


def resident(pid):
    """Resident memory in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.M)[1])


def answer_times(control, until):
    """Request ping and the counters alternately until `until()`. Returns the sorted times in ms."""
    times = []
    while not until():
        for method in ("ping", "stats.show"):
            began = time.monotonic()
            control.call(method)
            times.append((time.monotonic() - began) * 1000)
            time.sleep(0.02)  # stay below the rate limit of a client
    return sorted(times)


@test
def long_flood():
    """During a long flood memory does not grow and requests are answered; then it relays as before"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, config=RULES + "egress: { gso: off }\n")
    control = Client(daemon.socket)
    flood(star, 64)  # allocates everything that it needs
    daemon.settle()
    before = resident(daemon.process.pid)
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--size", "64", "--duration",
                   str(OVERLOAD_SECONDS))
    steered = daemon.stats()["totals"]["steered_packets"]
    daemon.wait_steered(steered + 10000)
    times = answer_times(control, lambda: stream.returncode is not None)
    equal(stream.wait(), 0, f"exit code of xmcast-gen: {stream.log()}")
    after = daemon.settle()
    grown = resident(daemon.process.pid) - before
    p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
    diagnose(f"{OVERLOAD_SECONDS:.0f} s of {json.loads(stream.output)['sent_packets']} packets: "
             f"{len(times)} answers, p50 {p50:.1f}, p99 {p99:.1f}, max {times[-1]:.1f} ms; "
             f"memory {grown:+} KiB")
    check(after["totals"]["dropped_packets"] > 0, "no overload: nothing was dropped")
    check(grown < 256 or sanitized(daemon.process.pid), f"resident memory has grown by {grown} KiB")
    check(p99 <= ANSWER_MS, f"99 % of the answers take {p99:.0f} ms")
    paced_is_lossless(star, daemon)


@test
def few_frames():
    """Only 64 frames: buffer exhaustion is counted as such, and ends"""
    after = flood_and_recover(RULES + SMALL.format(frames=64, rx_ring=1024), handfuls_are_lossless)
    check(after["totals"]["buffer_exhausted_packets"] > 0, "no exhaustion with 64 frames")
    queue = interface_of(after, "in0")["queues"][0]
    equal(queue["rx_ring_full"], 0, "RX ring full, although every frame fits")


@test
def small_ring():
    """An RX ring smaller than the number of frames: its overflow has a counter of its own"""
    after = flood_and_recover(RULES + SMALL.format(frames=16384, rx_ring=64), handfuls_are_lossless)
    check(interface_of(after, "in0")["queues"][0]["rx_ring_full"] > 0, "the ring was never full")


def all_submitted(daemon, count):
    """The outputs of the first rule, once this number of packets was sent or refused on the first."""
    outputs = daemon.stats()["rules"][0]["outputs"]
    return outputs[0]["sent_packets"] + outputs[0]["send_errors"] == count and outputs


@test
def slow_output():
    """A slow output: its errors are counted by name, and the other output sends everything"""
    star = Star(receivers=2)
    star.relay.run("tc", "qdisc", "replace", "dev", "out1", "root", "tbf", "rate", "2mbit",
                   "burst", "16kb", "limit", "64mb")
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 "
                    "out 239.3.3.3:6001@out1")
    sink = Sink(star.receiver, "r0", "--port", "6000")
    sent = generate(star.source, "s0", "--rate", "10000", "--count", "20000")
    daemon.wait_steered(sent["sent_packets"])
    good, slow = wait_until(lambda: all_submitted(daemon, sent["sent_packets"]), "all submitted")
    check_clean(sink.stop(), sent, good["send_errors"])
    check(slow["errors"].get("EAGAIN", 0) + slow["errors"].get("ENOBUFS", 0) > 0,
          f"errors of the slow output: {slow['errors']}")
    # Removing the queue releases its packets; then every frame returns, and the counters add up.
    star.relay.run("tc", "qdisc", "del", "dev", "out1", "root")
    daemon.settle(steered=sent["sent_packets"])


@test
def stop_under_load():
    """SIGTERM during a flood: everything received is sent, exit 0, no leaked frame"""
    star = Star(receivers=2)
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon = Daemon(star.relay, RULE)
        stream = start(star.source, program("xmcast-gen"), "s0", "-j")
        daemon.wait_steered(100000)
        log = daemon.stop(number)
        stream.stop()
        final = check_final_words(log)
        equal(2 * final["received"], final["submitted"], "final: received × outputs")
        check(final["steered"] >= 100000, f"final: steered {final['steered']}")


@test
def stop_sends_all():
    """What was received before SIGTERM is sent: the sink received as much as the log says"""
    star = Star()
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    sink = Sink(star.receiver, "r0", "--port", "6000")
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "20000")
    daemon.wait_steered(5000)
    final = check_final_words(daemon.stop())
    stream.stop()
    equal(final["submitted"], final["received"], "submitted against received")
    equal(sink.stop()["received_packets"], final["sent"], "received by the sink")


@test
def second_signal():
    """A second signal ends the daemon immediately, and nothing stays attached"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, RULE)
    stream = start(star.source, program("xmcast-gen"), "s0", "-j")
    daemon.wait_steered(1000)
    daemon.process.send_signal(signal.SIGSTOP)  # so that both signals are pending when it continues
    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.send_signal(signal.SIGINT)
    daemon.process.send_signal(signal.SIGCONT)
    status = daemon.process.wait()
    check(status in (128 + signal.SIGINT, 128 + signal.SIGTERM), f"exit code {status}:\n"
          f"{daemon.process.log()}")
    wait_until(lambda: "xdp" not in star.relay.ip("link show in0"), "the XDP program is detached")
    again = Daemon(star.relay, RULE)
    again.wait_steered(1000)
    stream.stop()
    again.settle()


@test
def same_signal_twice():
    """The same signal twice, as timeout(1) sends it, counts once: a graceful shutdown"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, RULE)
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "20000")
    daemon.wait_steered(1000)
    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.wait_line("stopping ")
    daemon.process.send_signal(signal.SIGTERM)
    status = daemon.process.wait()
    equal(status, 0, "exit code")
    check_final_words(daemon.process.log())
    stream.stop()


main()
