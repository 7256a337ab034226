#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel path from end to end: packets that are relayed without leaving the kernel, and their books.
See also test_kernel_headers.py, test_kernel_books.py and test_kernel_changes.py."""

import json
import os
import re

from control import Client, Refused
from follow import plug_input, reopens
from harness import (Daemon, check, equal, interface_of, main, packet_socket, receive, receiver,
                     rule_of, sender, silent, test, wait_until)
from kernel_rules import V4, star_for, wait_rule

RULE = "k in 239.1.1.1:5000@in0 path {} out 239.2.2.2:6000@out0"
TWO = RULE + " out 239.2.2.3:6000@out1"


class Flow:
    """Datagrams through the rules above, one after the other."""

    def __init__(self, star, group="239.2.2.2", index=0, address="10.1.0.1"):
        self.source = sender(star.sources[0], address)
        self.output = receiver(star.receivers[index], 6000, group, f"10.2.{index}.2")
        self.count = 0

    def relay(self, count=1):
        """Send some, each of which must arrive."""
        for _ in range(count):
            self.count += 1
            self.source.sendto(b"%d" % self.count, ("239.1.1.1", 5000))
            equal(receive(self.output)[0], b"%d" % self.count, "payload")


def check_not_carried(daemon, flow, rule, reason):
    """The rule, with path kernel, is pending with this reason. With path auto it takes the user path, with
    the same reason."""
    wait_rule(daemon, "k", state="pending", reason=reason)
    Client(daemon.socket).call("rule.replace", rules=[rule.format("auto")])
    wait_rule(daemon, "k", path="user", reason=reason)
    flow.relay(2)
    daemon.ready = ""


@test
def one_output():
    """One group to one group: payloads of every length arrive byte by byte, and every counter is exact"""
    star = star_for(V4)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 path kernel out 239.2.2.2:6000@out0 "
                    "ttl 5 dscp 10")
    wait_rule(daemon, "k")
    payloads = [os.urandom(length) for length in (0, 1, 2, 3, 17, 18, 19, 1000, 1471, 1472)]
    ports = set()
    for payload in payloads:
        source.sendto(payload, ("239.1.1.1", 5000))
        got, (address, port), ttl, dscp = receive(output)
        equal(got, payload, f"payload of {len(payload)} bytes")
        equal((address, ttl, dscp), ("10.2.0.1", 5, 10), "source address, TTL, DSCP")
        ports.add(port)
    equal(len(ports), 1, "source ports")
    stats = daemon.settle(len(payloads))
    count, size = len(payloads), sum(map(len, payloads))
    rule, interface = rule_of(stats, "k"), interface_of(stats, "in0")
    equal((rule["received_packets"], rule["received_bytes"]), (count, size), "received")
    counts = rule["outputs"][0]
    equal((counts["submitted_packets"], counts["sent_packets"], counts["sent_bytes"]),
          (count, count, size), "submitted and sent")
    equal((interface["verdicts"]["steered"], interface["verdicts"]["forwarded"]), (0, count),
          "verdicts")
    equal(interface["redirected"]["out0"]["sent_packets"], count, "sent by the device")
    equal(interface["redirected"]["out0"]["dropped_packets"], 0, "dropped by the device")
    check("path_reason" not in rule, f"path_reason: {rule.get('path_reason')}")
    check(re.search(rf"final-statistics .*steered={count} received={count} submitted={count} "
                    rf"sent={count} sent_bytes={size} send_errors=0 ", daemon.stop()),
          "the final statistics differ")


@test
def auto():
    """path auto takes the user path while an output has an obstacle, and says which; counters go on"""
    star = star_for(V4)
    flow = Flow(star)
    daemon = Daemon(star.relay, RULE.format("auto"))
    first = wait_rule(daemon, "k")
    flow.relay(3)
    for _ in range(3):
        star.relay.ip("link set out0 mtu 1400")
        rule = wait_rule(daemon, "k", path="user")
        equal(rule["path_reason"],
              "the MTU of output interface out0, 1400, is below that of the input, 1500",
              "path_reason")
        flow.relay(2)
        star.relay.ip("link set out0 mtu 1500")
        check("path_reason" not in wait_rule(daemon, "k"), "a reason on the kernel path")
        flow.relay(2)
    stats = daemon.settle(flow.count)
    rule = rule_of(stats, "k")
    equal((rule["received_packets"], rule["outputs"][0]["sent_packets"]), (flow.count,) * 2,
          "received and sent on both paths")
    equal(interface_of(stats, "in0")["verdicts"]["steered"], 6, "packets on the user path")
    equal(first["in"], rule["in"], "input")


@test
def skb_mode():
    """In skb mode: one output, on the kernel path; of two, strict rules are pending, auto takes the user path"""
    star = star_for(V4, receivers=2)
    flow = Flow(star)
    config = "rules: [ '{}' ]\ninterfaces: {{ in0: {{ mode: skb }} }}\n"
    daemon = Daemon(star.relay, config=config.format(RULE.format("kernel")))
    wait_rule(daemon, "k")
    # The checksums of what a socket sends are unfinished.
    flow.relay(5)
    rule = rule_of(daemon.settle(5), "k")
    equal(rule["outputs"][0]["sent_packets"], 5, "sent")
    Client(daemon.socket).call("rule.replace", rules=[TWO.format("kernel")])
    check_not_carried(daemon, flow, TWO, "^in skb mode the kernel path supports one output$")


@test
def without_perfmon():
    """Without CAP_PERFMON path kernel is pending with the reason, and path auto takes the user path"""
    star = star_for(V4)
    flow = Flow(star)
    everything_else = "+net_admin,+net_raw,+bpf,+ipc_lock"
    daemon = Daemon(star.relay, RULE.format("kernel"), prefix=(
        "setpriv", "--bounding-set=-all," + everything_else, "--inh-caps=-all," + everything_else))
    check_not_carried(daemon, flow, RULE, "CAP_PERFMON")


@test
def default_path():
    """relay.path is the path of rules that name none; a reload that changes it changes their path"""
    star = star_for(V4)
    flow = Flow(star)
    text = "rules: [ 'k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0' ]\nrelay: {{ path: {} }}\n"
    daemon = Daemon(star.relay, config=text.format("kernel"))
    for path in ("user", "auto", "user", "kernel"):
        with open(daemon.config, "w", encoding="ascii") as file:
            file.write(text.format(path))
        Client(daemon.socket).call("config.reload")
        wait_rule(daemon, "k", path="user" if path == "user" else "kernel")
        flow.relay(2)
    daemon.ready = ""


@test
def mac_address_of_an_output():
    """The MAC address of an output's interface is followed; then no packet leaves with the old one"""
    star = star_for(V4)
    flow = Flow(star)
    daemon = Daemon(star.relay, RULE.format("kernel"))
    wait_rule(daemon, "k")
    flow.relay()
    wire = packet_socket(star.receiver, "r0")
    mac = "02:00:00:00:00:99"
    star.relay.ip(f"link set out0 address {mac}")

    def source():
        flow.relay()
        while True:
            frame = wire.recv(2000)
            if frame.endswith(b"%d" % flow.count):
                return frame[6:12].hex(":")

    wait_until(lambda: source() == mac, "the new MAC address is used")
    for _ in range(10):
        equal(source(), mac, "source MAC address")


@test
def input_comes_and_goes():
    """The input's interface is removed and created again: counters go on, and totals never shrink"""
    star = star_for(V4)
    flow = Flow(star)
    daemon = reopens(Daemon(star.relay, RULE.format("kernel")))
    wait_rule(daemon, "k")
    for turn in range(1, 4):
        flow.relay(5)
        star.relay.ip("link del in0")
        wait_rule(daemon, "k", state="pending")
        rule, totals = rule_of(daemon.stats(), "k"), daemon.stats()["totals"]
        equal((rule["received_packets"], rule["outputs"][0]["sent_packets"]), (5 * turn,) * 2,
              "counters without the interface")
        equal((totals["steered_packets"], totals["received_packets"], totals["sent_packets"]),
              (5 * turn,) * 3, "totals without the interface")
        plug_input(star)
        wait_rule(daemon, "k")
        flow.source = sender(star.source, "10.1.0.1")
    flow.relay()
    daemon.settle(flow.count)


@test
def failed_change():
    """A change of rules on both paths that fails at its last rules: everything is as before"""
    star = star_for(V4)
    flow = Flow(star)
    texts = [RULE.format("kernel"), "u in 239.1.1.2:5000@in0 out 239.2.2.2:6001@out0",
             "a in 239.1.1.3:5000@in0 path auto out 239.2.2.2:6001@out0"]
    daemon = Daemon(star.relay, *texts)
    control = Client(daemon.socket)
    wait_rule(daemon, "k")
    star.relay.sysctl("net/ipv4/igmp_max_memberships", 0)
    new = [texts[0] + " out 239.2.2.9:6000@out0", texts[1].replace("in0", "in0 path kernel"),
           texts[2].replace("auto", "user")]
    for turn in range(5):
        flow.relay(2)
        try:
            control.call("rule.change", operations=[
                *({"do": "replace", "rule": text} for text in new),
                *({"do": "add", "rule": f"n{i} in 239.7.7.{i}:5000@in0 path kernel out 239.2.2.2@out0"}
                  for i in range(5))])
            raise AssertionError("the change was applied")
        except Refused as refusal:
            check("cannot join" in str(refusal), f"refusal: {refusal}")
        flow.relay(2)
        equal(rule_of(daemon.stats(), "k")["received_packets"], 4 * (turn + 1), "received")
    daemon.settle(flow.count)


def rules_of(daemon, name):
    """The number of rules with this input interface."""
    listed = json.loads(daemon.ctl("-j", "iface", "list").stdout)["interfaces"]
    return sum(one["rules"] for one in listed if one["name"] == name)


@test
def moved_input():
    """A name moves to another interface that is an input already: its rule moves with its counters"""
    star = star_for(V4, sources=2)
    outputs = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sources = [sender(star.sources[i], f"10.1.{i}.1") for i in range(2)]
    others = [f"o{i} in 239.1.1.{i + 2}:5000@in{i} path kernel out 239.2.2.2:6001@out0"
              for i in range(2)]
    star.relay.ip("link property add dev in0 altname wan")
    daemon = reopens(Daemon(star.relay, RULE.format("kernel").replace("in0", "wan"), *others))
    wait_rule(daemon, "k")
    for turn in range(1, 5):
        index = (turn - 1) % 2
        sources[index].sendto(b"%d" % turn, ("239.1.1.1", 5000))
        equal(receive(outputs)[0], b"%d" % turn, "payload")
        rule = rule_of(daemon.settle(), "k")
        equal((rule["received_packets"], rule["outputs"][0]["sent_packets"]), (turn, turn), "counters")
        star.relay.ip(f"link property del dev in{index} altname wan")
        star.relay.ip(f"link property add dev in{1 - index} altname wan")
        wait_until(lambda: rules_of(daemon, f"in{1 - index}") == 2, "the rule has moved")
        wait_rule(daemon, "k")
        sources[index].sendto(b"old input", ("239.1.1.1", 5000))
    daemon.settle()
    check(silent(outputs), "a packet from the old input was relayed")


main()
