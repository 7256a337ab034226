#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The meaning of rules: which packets are relayed to where."""

import collections
import json
import re
import signal
import socket
import struct

from control import Client
from harness import (CommandFailed, Daemon, Sink, Skip, Star, check, equal, in_order, interface_of, main,
                     program, queue_drops, receive, receiver, relay_stream, rule_of, sender, silent,
                     start, test, wait_until)

UDP_SEGMENT = 103  # linux/udp.h
SKB_MODE = """
rules:
  - in: 239.1.1.1:5000@in0
    out: [ 239.2.2.2:6000@out0 ]
interfaces:
  in0: { mode: skb }
"""
PACED = ("--rate", "20000", "--count", "20000")


@test
def one_to_one():
    """One multicast input and output, from a source that the reverse-path check would drop"""
    star = Star()
    for device in ("all", "in0"):
        star.relay.sysctl(f"net/ipv4/conf/{device}/rp_filter", 1)
    daemon = Daemon(star.relay, "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    sent, stats, (report,) = relay_stream(
        daemon, star.source,
        lambda: [Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")],
        "--source", "10.9.9.9", *PACED)
    equal(report["flows"][0]["source"], "10.2.0.1", "source address of the relayed packets")
    rule = rule_of(stats, "cam1")
    equal(rule["state"], "active", "state")
    check(rule["received_bytes"] >= sent["sent_bytes"], "fewer bytes received than sent")


@test
def fan_out():
    """One multicast input, two multicast outputs on different interfaces and a unicast output"""
    star = Star(receivers=3)
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 "
                    "out 239.3.3.3:6001@out1 out 10.2.2.2:6002")
    _, stats, reports = relay_stream(
        daemon, star.source,
        lambda: [Sink(star.receivers[i], "r0", "--port", str(6000 + i)) for i in range(3)], *PACED)
    equal([report["flows"][0]["group"] for report in reports],
          ["239.2.2.2", "239.3.3.3", "10.2.2.2"], "destinations")
    equal([o["to"] for o in stats["rules"][0]["outputs"]],
          ["239.2.2.2:6000@out0", "239.3.3.3:6001@out1", "10.2.2.2:6002"], "outputs")


@test
def counters_while_packets_flow():
    """At any moment, no stage has counted more packets than the previous one"""
    star = Star()
    daemon = Daemon(star.relay, *(f"r{i} in 239.1.1.{i + 1}:5000@in0 out 239.2.2.2:{6000 + i}@out0 "
                                  f"out 239.2.2.3:{6000 + i}@out0 pps 2000" for i in range(16)))
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--group", "239.1.1.1", "--flows",
                   "16", "--flow-by", "group", "--rate", "100000")
    seen = set()
    with Client(daemon.socket) as control:
        def enough():
            stats = control.call("stats.show")
            check_stages(stats)
            seen.add(stats["totals"]["steered_packets"])
            return len(seen) == 200

        wait_until(enough, "200 different numbers of steered packets")
    equal(stream.stop(signal.SIGINT), 0, "exit code of xmcast-gen")
    daemon.settle(steered=json.loads(stream.output)["sent_packets"])


def check_stages(stats):
    """Check what relay/books.h guarantees for counters that are read while packets flow."""
    def ordered(later, earlier, what):
        check(later <= earlier, f"{what}: {later}, more than {earlier}")

    for rule in stats["rules"]:
        for output in rule["outputs"]:
            name = f"{rule['name']} to {output['to']}"
            ordered(output["sent_packets"] + output["send_errors"], output["submitted_packets"],
                     f"{name}: sent or refused")
            ordered(output["submitted_packets"] + output["dropped_packets"],
                     rule["received_packets"], f"{name}: submitted or limited")
    worker, interface = stats["workers"][0], interface_of(stats, "in0")
    ordered(sum(rule["received_packets"] for rule in stats["rules"]) +
             sum(worker["drops"].values()), worker["received_packets"], "received by rule")
    ordered(worker["received_packets"] + sum(map(queue_drops, interface["queues"])),
             interface["verdicts"]["steered"], "received or dropped")


@test
def hundred_rules():
    """100 rules: every flow reaches only its own output"""
    star = Star()
    rules = [f"r{i} in 239.1.1.{i % 10 + 1}:{5000 + i}@in0 out 239.2.2.{i % 7 + 1}:{6000 + i}@out0"
             for i in range(100)]
    daemon = Daemon(star.relay, *rules)
    sock = sender(star.source, "10.1.0.1")
    inputs = [receiver(star.receiver, 6000 + i, f"239.2.2.{i % 7 + 1}", "10.2.0.2")
              for i in range(100)]
    for turn in range(5):
        for i in range(100):
            sock.sendto(b"flow %d, turn %d" % (i, turn), (f"239.1.1.{i % 10 + 1}", 5000 + i))
        daemon.settle(steered=100 * (turn + 1))
    for i, sink in enumerate(inputs):
        for turn in range(5):
            equal(receive(sink)[0], b"flow %d, turn %d" % (i, turn), f"payload on output {i}")
        check(silent(sink), f"output {i} got more than its own packets")
    for rule in daemon.stats()["rules"]:
        equal(rule["received_packets"], 5, f"{rule['name']} received")


@test
def ten_thousand_rules():
    """10,000 rules, each with a group of its own: first, middle and last relay"""
    def group(i):
        return f"239.{10 + i // 2500}.{i // 250 % 10}.{i % 250 + 1}"

    star = Star()
    config = "statistics: { interval: 0 }\nrules:\n" + "".join(
        f"  - {{ in: '{group(i)}:{20000 + i}@in0', out: ['239.2.2.2:{30000 + i}@out0'] }}\n"
        for i in range(10000))
    daemon = Daemon(star.relay, config=config)
    check("active=10000 pending=0" in daemon.ready, daemon.ready)
    sock = sender(star.source, "10.1.0.1")
    chosen = (0, 4999, 9999)
    outputs = [receiver(star.receiver, 30000 + i, "239.2.2.2", "10.2.0.2") for i in chosen]
    for i, output in zip(chosen, outputs):
        sock.sendto(b"rule %d" % i, (group(i), 20000 + i))
        equal(receive(output)[0], b"rule %d" % i, "payload")
    stats = daemon.settle(steered=3)
    equal(len(stats["rules"]), 10000, "rules in the statistics")


@test
def two_ingress_interfaces():
    """Two ingress interfaces at once, the same group on both"""
    star = Star(sources=2, receivers=2)
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0",
                    "b in 239.1.1.1:5000@in1 out 239.2.2.2:6000@out1")
    outputs = [receiver(r, 6000, "239.2.2.2", f"10.2.{i}.2") for i, r in enumerate(star.receivers)]
    for i, source in enumerate(star.sources):
        sender(source, f"10.1.{i}.1").sendto(b"from %d" % i, ("239.1.1.1", 5000))
    for i, output in enumerate(outputs):
        equal(receive(output)[0], b"from %d" % i, "payload")
    stats = daemon.settle(steered=2)
    check(all(map(silent, outputs)), "a packet of the other interface came out")
    equal([interface_of(stats, name)["verdicts"]["steered"] for name in ("in0", "in1")], [1, 1],
          "steered")


@test
def input_and_output_on_one_interface():
    """The same interface is input of one rule and output of another, and of one and the same"""
    star = Star()
    daemon = Daemon(star.relay, "there in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0",
                    "back in 239.3.3.3:7000@out0 out 239.4.4.4:8000@in0",
                    "echo in 239.5.5.5:5000@in0 out 239.6.6.6:6000@in0")
    there = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    back = receiver(star.source, 8000, "239.4.4.4", "10.1.0.1")
    echo = receiver(star.source, 6000, "239.6.6.6", "10.1.0.1")
    source, far = sender(star.source, "10.1.0.1"), sender(star.receiver, "10.2.0.2")
    for i in range(50):
        source.sendto(b"there %d" % i, ("239.1.1.1", 5000))
        far.sendto(b"back %d" % i, ("239.3.3.3", 7000))
        source.sendto(b"echo %d" % i, ("239.5.5.5", 5000))
    for i in range(50):
        equal(receive(there)[0], b"there %d" % i, "there")
        equal(receive(back)[0], b"back %d" % i, "back")
        equal(receive(echo)[0], b"echo %d" % i, "echo")
    daemon.settle(steered=150)
    check(silent(there) and silent(back) and silent(echo), "more came than was sent")


@test
def unicast_input():
    """A rule's input may be a host's own address"""
    star = Star()
    daemon = Daemon(star.relay, "in 10.1.0.2:5000@in0 out 239.2.2.2:6000@out0 out 10.2.0.2:6001")
    local = receiver(star.relay, 5000)
    outputs = [receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2"),
               receiver(star.receiver, 6001)]
    sender(star.source, "10.1.0.1").sendto(b"unicast", ("10.1.0.2", 5000))
    for output in outputs:
        equal(receive(output)[0], b"unicast", "payload")
    daemon.settle(steered=1)
    check(silent(local), "the steered packet reached the stack as well")


@test
def multi_queue():
    """A veth with 4 queues: one worker each, flows on all of them, each flow in order"""
    star = Star(queues=4)
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    check(re.search(r"\bworkers=4\b", daemon.ready), daemon.ready)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    flows = [sender(star.source, "10.1.0.1") for _ in range(64)]
    turns = 40
    for turn in range(turns):
        for i, flow in enumerate(flows):
            flow.sendto(struct.pack("!II", i, turn), ("239.1.1.1", 5000))
        stats = daemon.settle(steered=len(flows) * (turn + 1))
    seen = collections.defaultdict(list)
    for _ in range(len(flows) * turns):
        flow, turn = struct.unpack("!II", receive(output)[0])
        seen[flow].append(turn)
    for flow in range(len(flows)):
        equal(seen[flow], list(range(turns)), f"flow {flow}")
    per_queue = [queue["received_packets"] for queue in interface_of(stats, "in0")["queues"]]
    equal(len(per_queue), 4, "queues")
    check(all(per_queue), f"a queue got nothing: {per_queue}")


@test
def queues_left_to_the_stack():
    """`queues: 1` of 4: packets on the others are counted as no_socket and passed to the stack"""
    star = Star(queues=4)
    daemon = Daemon(star.relay, config="""
rules:
  - in: 239.1.1.1:5000@in0
    out: [ 239.2.2.2:6000@out0 ]
interfaces:
  in0: { queues: 1 }
""")
    local = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
    flows = [sender(star.source, "10.1.0.1") for _ in range(64)]
    for i, flow in enumerate(flows):
        flow.sendto(b"%d" % i, ("239.1.1.1", 5000))

    def verdicts_of_all():
        verdicts = interface_of(daemon.stats(), "in0")["verdicts"]
        return verdicts["steered"] + verdicts["no_socket"] == len(flows) and verdicts

    verdicts = wait_until(verdicts_of_all, "all are steered or passed")
    check(verdicts["no_socket"] > 0, f"all flows on one queue: {verdicts}")
    daemon.settle(steered=verdicts["steered"])
    for _ in range(verdicts["no_socket"]):
        receive(local)
    check(silent(local), "a steered packet also reached the stack")


@test
def source_filter():
    """A rule with a source matches only that source"""
    star = Star()
    star.source.ip("address add 10.1.0.9/24 dev s0")
    daemon = Daemon(star.relay,
                    "in 239.1.1.1:5000@in0 source 10.1.0.1 out 239.2.2.2:6000@out0")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    for address in ("10.1.0.9", "10.1.0.1"):
        sender(star.source, address).sendto(address.encode(), ("239.1.1.1", 5000))
    equal(receive(output)[0], b"10.1.0.1", "relayed")
    stats = daemon.settle(steered=1)
    check(silent(output), "the other source was relayed as well")
    verdicts = interface_of(stats, "in0")["verdicts"]
    check(verdicts["no_rule"] >= 1, f"the other source is not counted: {verdicts}")
    equal(stats["rules"][0]["source"], "10.1.0.1", "source in the statistics")


@test
def source_beside_any():
    """(S,G) beside (*,G): the more specific rule matches its source, the other all the rest"""
    star = Star()
    for last in (8, 9):
        star.source.ip(f"address add 10.1.0.{last}/24 dev s0")
    daemon = Daemon(star.relay, "any in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0",
                    "one in 239.1.1.1:5000@in0 source 10.1.0.1 out 239.2.2.2:6001@out0",
                    "two in 239.1.1.1:5000@in0 source 10.1.0.8 out 239.2.2.2:6002@out0")
    outputs = [receiver(star.receiver, 6000 + i, "239.2.2.2", "10.2.0.2") for i in range(3)]
    for address in ("10.1.0.1", "10.1.0.9", "10.1.0.8"):
        sender(star.source, address).sendto(address.encode(), ("239.1.1.1", 5000))
    equal([receive(output)[0] for output in outputs], [b"10.1.0.9", b"10.1.0.1", b"10.1.0.8"],
          "by rule any, one, two")
    daemon.settle(steered=3)
    check(all(map(silent, outputs)), "a packet was relayed by two rules")


@test
def skb_mode():
    """`mode: skb` relays as well, and the counters show the mode"""
    star = Star()
    in_order(star.relay, "in0")
    daemon = Daemon(star.relay, config=SKB_MODE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    for i in range(100):
        sock.sendto(b"%d" % i, ("239.1.1.1", 5000))
    for i in range(100):
        equal(receive(output)[0], b"%d" % i, "payload")
    stats = daemon.settle(steered=100)
    equal(interface_of(stats, "in0")["mode"], "skb", "mode")


def segmented(star):
    """A source socket that leaves segmentation into datagrams of 1000 bytes to the device (GSO)."""
    sock = sender(star.source, "10.1.0.1")
    sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    return sock


@test
def segmented_by_the_source():
    """A source on the same host that leaves segmentation to the device: each datagram is relayed"""
    star = Star()
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    payloads = [bytes([i]) * 1000 for i in range(20)] + [b"last"]
    segmented(star).sendto(b"".join(payloads), ("239.1.1.1", 5000))
    for payload in payloads:
        equal(receive(output)[0], payload, "payload")
    daemon.settle(steered=len(payloads))


@test
def segmented_by_the_source_skb():
    """The same in skb mode, where unsegmented packets do not fit a frame: counted, others relayed"""
    star = Star()
    in_order(star.relay, "in0")
    daemon = Daemon(star.relay, config=SKB_MODE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    segmented(star).sendto(bytes(20000), ("239.1.1.1", 5000))
    sender(star.source, "10.1.0.1").sendto(b"good", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"good", "payload")
    verdicts = interface_of(daemon.settle(), "in0")["verdicts"]
    equal(sum(verdicts.values()), 2, f"packets counted: {verdicts}")


@test
def many_outputs():
    """256 outputs of one rule share a frame"""
    star = Star()
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 " + " ".join(
        f"out 239.2.2.{i % 200 + 1}:{6000 + i}@out0" for i in range(256)))
    outputs = [receiver(star.receiver, 6000 + i, f"239.2.2.{i % 200 + 1}", "10.2.0.2")
               for i in range(256)]
    sock = sender(star.source, "10.1.0.1")
    for i in range(10):
        sock.sendto(b"%d" % i, ("239.1.1.1", 5000))
        for output in outputs:  # before the next: a CPU's backlog holds 1,000 packets
            equal(receive(output)[0], b"%d" % i, "payload")
    equal(daemon.settle(steered=10)["totals"]["sent_packets"], 2560, "sent")


@test
def vlan_interfaces():
    """VLAN interfaces as input (without native XDP) and output"""
    star = Star()
    for namespace, device, address in ((star.source, "s0", "10.7.0.1"),
                                       (star.relay, "in0", "10.7.0.2"),
                                       (star.relay, "out0", "10.8.0.1"),
                                       (star.receiver, "r0", "10.8.0.2")):
        add_vlan(namespace, device)
        namespace.ip(f"address add {address}/24 dev {device}.7")
        namespace.ip(f"link set {device}.7 up")
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0.7 out 239.2.2.2:6000@out0.7")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.8.0.2")
    sender(star.source, "10.7.0.1").sendto(b"tagged", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"tagged", "payload")
    stats = daemon.settle(steered=1)
    equal(interface_of(stats, "in0.7")["mode"], "skb", "mode")


def add_vlan(namespace, device):
    """Create DEVICE.7 for VLAN 7."""
    try:
        namespace.ip(f"link add link {device} name {device}.7 type vlan id 7")
    except CommandFailed as error:
        if "Unknown device type" not in str(error):
            raise
        raise Skip("the kernel has no VLAN devices (CONFIG_VLAN_8021Q)") from None


@test
def engines_and_wakeups():
    """Every combination of engine, wake-up and batch size relays the same bytes"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    for engine in ("io_uring", "sendmmsg"):
        for wakeup in ("eventfd", "hybrid", "spin"):
            for gso in ("on", "off"):
                relay_with(star, output, f"{{ engine: {engine}, wakeup: {wakeup}, gso: {gso} }}")


def relay_with(star, output, egress):
    """Relay a hundred datagrams of different sizes with these egress settings."""
    config = f"rules:\n  - in: 239.1.1.1:5000@in0\n    out: [ 239.2.2.2:6000@out0 ]\n" \
             f"egress: {egress}\n"
    daemon = Daemon(star.relay, config=config)
    sock = sender(star.source, "10.1.0.1")
    payloads = [bytes([i]) * (i * 14 % 1400) for i in range(100)]
    for payload in payloads:
        sock.sendto(payload, ("239.1.1.1", 5000))
    for i, payload in enumerate(payloads):
        equal(receive(output)[0], payload, f"payload {i} with egress {egress}")
    daemon.settle(steered=100)
    daemon.stop()


main()
