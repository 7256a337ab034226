#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counters of rules on the kernel path: every packet is accounted for, also under overload."""

import re
import signal

from control import Client
from harness import (Daemon, Sink, check, diagnose, equal, generate, interface_of, main, program,
                     rule_of, start, test, wait_until)
from kernel_rules import V4, Bench, Output, kernel_rule, star_for, wait_rule

# Device that each output of a test leaves by, by the address that it sends to.
COPIES = [f"239.2.2.{number}" for number in range(1, 9)]


def check_devices(stats, rules, iface="in0"):
    """The copies handed to each device are those that it sent and dropped. `rules`: the outputs of each
    rule, by its name."""
    handed = {}
    for name, outputs in rules.items():
        for output, counts in zip(outputs, rule_of(stats, name)["outputs"]):
            device = f"out{output.device}"
            handed[device] = handed.get(device, 0) + counts["sent_packets"]
    redirected = interface_of(stats, iface)["redirected"]
    for device, counts in redirected.items():
        equal(sum(counts["drops"].values()), counts["dropped_packets"],
              f"{device}: drops by reason")
    equal({device: count for device, count in handed.items() if count},
          {device: counts["sent_packets"] + counts["dropped_packets"]
           for device, counts in redirected.items()
           if counts["sent_packets"] + counts["dropped_packets"]},
          "copies that the outputs have handed to each device, against those sent and dropped by it")


def wait_received(namespace, packets):
    """Wait until the program at the receiving end has seen the packets that its device has accepted."""
    def seen():
        counters = namespace.run("ethtool", "-S", "r0").stdout
        return sum(int(number) for number in re.findall(r"rx_queue_\d+_xdp_packets: (\d+)", counters)) >= packets

    wait_until(seen, f"the receiver has seen {packets} packets")


def carry(star, *rules, **options):
    """Start a daemon with rules on the kernel path and wait until they are active."""
    daemon = Daemon(star.relay, *rules)
    wait_rule(daemon, *(rule.split()[0] for rule in rules), **options)
    return daemon


@test
def overload():
    """Flat out, with more copies than a device accepts: each packet is sent, or counted with a reason"""
    star = star_for(V4, receivers=2)
    outputs = [Output(to, 6000, device=0) for to in COPIES] + [Output("239.2.3.1", device=1)]
    daemon = carry(star, kernel_rule(V4, outputs))
    # As XDP programs: behind tc is a queue of the CPU, which overflows when the machine is busy.
    sinks = [Sink(namespace, "r0", "--port", "6000", "--xdp") for namespace in star.receivers]
    sent = generate(star.source, "s0", "--duration", "1", "--size", "64-1400")
    stats = daemon.settle(sent["sent_packets"])
    rule = rule_of(stats, "k")
    equal(rule["received_packets"], sent["sent_packets"], "received")
    equal(rule["received_bytes"], sent["sent_bytes"], "bytes received")
    redirected = interface_of(stats, "in0")["redirected"]
    check(redirected["out0"]["drops"]["ring_full"] > 0,
          f"8 copies fit the ring of the device: no overload: {redirected}")
    check_devices(stats, {"k": outputs})
    for device, sink in enumerate(sinks):
        accepted = redirected[f"out{device}"]["sent_packets"]
        wait_received(star.receivers[device], accepted)
        report = sink.stop()
        equal(report["received_packets"], accepted,
              f"received behind out{device}, against sent by it")
        for fault in ("duplicated", "reordered", "corrupted", "malformed"):
            equal(report[fault], 0, fault)
    diagnose(f"{sent['sent_packets']} packets; out0 sent {redirected['out0']['sent_packets']}, "
             f"dropped {redirected['out0']['dropped_packets']}")


@test
def unusable_outputs():
    """Packets of outputs that cannot send are counted by reason; the other outputs go on"""
    star = star_for(V4, receivers=2)
    star.relay.ip("link set out1 down")
    star.receiver.ip("link set r0 arp off")
    outputs = [Output("239.2.2.1"), Output("239.2.2.2", device=1), Output("10.2.0.2"),
               Output("239.2.2.3", device=7), Output("239.2.2.4", 6001)]
    daemon = carry(star, kernel_rule(V4, outputs), impaired=True)

    def reasons():
        found = daemon_reasons(daemon)
        return found if len(found) == 3 else None

    found = wait_until(reasons, "three outputs have a reason")
    sent = generate(star.source, "s0", "--count", "1000", "--rate", "10000")["sent_packets"]
    check(sent > 0, "nothing was sent")
    stats = daemon.settle(sent)
    counts = rule_of(stats, "k")["outputs"]
    for number, reason in ((1, "ENETDOWN"), (2, "unreachable"), (3, "ENODEV")):
        lost = {name: count for key in ("errors", "drops")
                for name, count in counts[number][key].items() if count}
        equal(lost, {reason: sent}, f"lost to {counts[number]['to']}")
        equal(counts[number]["sent_packets"], 0, f"sent to {counts[number]['to']}")
    for number in (0, 4):
        equal(counts[number]["sent_packets"], sent, f"sent to {counts[number]['to']}")
    check_devices(stats, {"k": outputs})
    for to, word in (("239.2.2.2", "out1"), ("239.2.2.3", "out7"), ("10.2.0.2", "10.2.0.2")):
        check(any(word in reason for name, reason in found.items() if to in name),
              f"reason of {to}: {found}")


@test
def while_a_device_flaps():
    """An output that stops and starts sending under load: the books close, no packet is counted twice"""
    star = star_for(V4, receivers=2)
    outputs = [Output("239.2.2.1"), *(Output(to, device=1) for to in COPIES[1:5])]
    daemon = carry(star, kernel_rule(V4, outputs))
    generator = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "100000")
    daemon.wait_steered(1)
    for _ in range(15):
        star.relay.ip("link set out1 down")
        wait_until(lambda: len(daemon_reasons(daemon)) == 4, "out1 is down")
        star.relay.ip("link set out1 up")
        wait_until(lambda: not daemon_reasons(daemon), "out1 is up")
    generator.stop(signal.SIGINT)
    check_devices(daemon.settle(), {"k": outputs})


def daemon_reasons(daemon):
    """The reasons of a rule's outputs, by output."""
    rule = rule_of(daemon.stats(), "k")
    return {output["to"]: output["reason"] for output in rule["outputs"] if output.get("reason")}


@test
def two_inputs():
    """What two inputs redirect to one device is counted for each of them"""
    star = star_for(V4, sources=2)
    outputs = [[Output("239.2.2.1")], [Output("239.2.2.2"), Output("239.2.2.3")]]
    daemon = carry(star, *(kernel_rule(V4, outputs[i], name=f"k{i}", iface=f"in{i}")
                           for i in range(2)))
    counts = [generate(namespace, "s0", "--count", count, "--rate", "20000", "--size",
                       "64-1400")["sent_packets"]
              for namespace, count in zip(star.sources, (1000, 300))]
    check(all(counts), f"sent: {counts}")
    stats = daemon.settle(sum(counts))
    for i, count in enumerate(counts):
        equal(rule_of(stats, f"k{i}")["received_packets"], count, f"received on in{i}")
        check_devices(stats, {f"k{i}": outputs[i]}, f"in{i}")


@test
def while_packets_flow():
    """Counters that are read under load never decrease, and report no loss where there is none"""
    star = star_for(V4, receivers=2)
    outputs = [Output("239.2.2.1"), Output("239.2.2.2"), Output("239.2.2.3", device=1)]
    daemon = carry(star, kernel_rule(V4, outputs))
    generator = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "20000")
    before = daemon.wait_steered(1)
    for _ in range(100):
        stats = daemon.stats()
        for old, new in zip([rule_of(before, "k"), *rule_of(before, "k")["outputs"]],
                            [rule_of(stats, "k"), *rule_of(stats, "k")["outputs"]]):
            for key in ("received_packets", "sent_packets", "submitted_packets", "sent_bytes"):
                check(new.get(key, 0) >= old.get(key, 0), f"{key}: {old} then {new}")
        equal([output["drops"]["not_copied"] for output in rule_of(stats, "k")["outputs"]],
              [0, 0, 0], "copies not made")
        for key, value in before["totals"].items():
            check(stats["totals"][key] >= value, f"total {key}: {value}, then {stats['totals'][key]}")
        before = stats
    check(before["totals"]["steered_packets"] > 1, "packets flowed")
    generator.stop(signal.SIGINT)
    check_devices(daemon.settle(), {"k": outputs})


@test
def flow_and_rates():
    """A rule on the kernel path has rates, peaks and a flow state"""
    star = star_for(V4)
    daemon = Daemon(star.relay, kernel_rule(V4, [Output("239.2.2.1")]))
    wait_rule(daemon, "k")
    control = Client(daemon.socket)
    equal(control.call("rule.show", name="k")["flow"], "never", "flow before the first packet")
    start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "5000")

    def flowing():
        rule = control.call("rule.show", name="k")
        return (rule["flow"] == "flowing" and rule["rate_pps"] and rule["peak_pps"]
                and rule["outputs"][0]["rate_pps"] and rule["last_packet_seconds"] is not None)

    wait_until(flowing, "the rule flows, with rates")


@test
def totals_stay():
    """Totals keep what removed rules and closed interfaces have counted"""
    star = star_for(V4)
    outputs = [Output("239.2.2.1"), Output("239.2.2.2")]
    bench = Bench(V4, star, kernel_rule(V4, outputs))
    bench.carry(outputs, *(bench.udp(b"%d" % number) for number in range(10)))
    before = bench.finish()["totals"]
    equal((before["steered_packets"], before["sent_packets"]), (10, 20), "steered and sent")
    Client(bench.daemon.socket).call("rule.del", names=["k"])
    wait_until(lambda: "xdp" not in star.relay.ip("link show in0"), "in0 is detached")
    equal(bench.daemon.stats()["totals"], before, "totals without the rule")
    bench.daemon.ready = ""


main()
