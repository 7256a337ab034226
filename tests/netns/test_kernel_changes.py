#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules on the kernel path while rules, neighbours, addresses and links change, and daemons die."""

import glob
import json
import os
import random
import re
import signal
import struct
import time

from bpffs import bpffs
from control import Client
from harness import (Daemon, Sink, backlog_empty, check, check_clean, checksum, diagnose, equal, generate,
                     interface_of, lossless, main, netns, packet_socket, program, receive, receiver,
                     rule_of, run, sender, silent, start, test, veth, wait_until)
from kernel_rules import V4, V6, Bench, Output, kernel_rule, star_for, wait_rule
from wire import UDP, Capture, frame, ip, mac_of_group, packed, udp

RATE = int(os.environ.get("XMCAST_CHURN_RATE", "20000"))
# As many changes as this, unless the machine is too slow for them.
CHANGES, SECONDS = 1000, 60
STREAMS = 20

OUT = Output("239.2.2.1")


def find(daemon, name="k"):
    """The counters of a rule."""
    return rule_of(daemon.stats(), name)


def flows_with(bench, predicate, what, port=5000):
    """Send datagrams until the copy of one satisfies predicate(). Others may be lost meanwhile."""
    number = 0

    def seen():
        nonlocal number
        number += 1
        bench.send(bench.udp(b"%d" % number, port=port))
        return any(predicate(copy) for copy in bench.captures[0].rest())

    wait_until(seen, what)


# ---- rules change ----------------------------------------------------------------------------------

class Churn:
    """Random changes of rules on both paths, beside the rules that carry streams."""

    def __init__(self, control, seed):
        self.control, self.random, self.names, self.count = control, random.Random(seed), set(), 0

    def _text(self, name):
        number = int(name[1:])
        path = self.random.choice(("user", "kernel", "auto"))
        outs = "".join(f" out 239.4.4.{i + 1}:7000@out{self.random.randrange(2)}"
                       f" ttl {self.random.randint(1, 8)}"
                       for i in range(self.random.choice((1, 1, 2, 5))))
        return f"{name} in 239.3.{number // 200}.{number % 200}:5000@in0 path {path}{outs}"

    def _operation(self):
        kind = self.random.choice(("add", "add", "del", "replace", "enable", "disable"))
        if kind == "add" or not self.names:
            name = f"r{self.count}"
            self.count += 1
            self.names.add(name)
            return {"do": "add", "rule": self._text(name)}
        name = self.random.choice(sorted(self.names))
        if kind == "replace":
            return {"do": "replace", "rule": self._text(name)}
        if kind == "del":
            self.names.remove(name)
        return {"do": kind, "name": name}

    def step(self):
        """One transaction of some operations. Returns how many."""
        operations = [self._operation() for _ in range(self.random.choice((1, 5, 20)))]
        self.control.call("rule.change", operations=operations)
        return len(operations)


def device_drops(stats):
    """What the devices dropped of the packets that were redirected to them."""
    return sum(counts["dropped_packets"] for counts in interface_of(stats, "in0")["redirected"].values())


@test
def churn():
    """1,000 random changes on both paths: rules that they do not touch lose, double and reorder nothing"""
    star = star_for(V4, receivers=2)
    several = [Output("239.2.2.2", 7000), Output("239.2.2.3", 7001), Output("239.2.2.4", 7002, 1)]
    daemon = Daemon(star.relay, kernel_rule(V4, several, name="several", port=6000), *(
        kernel_rule(V4, [Output("239.2.2.1", 6000 + i)], name=f"s{i}", port=5000 + i)
        for i in range(STREAMS)))
    streams = ["several", *(f"s{i}" for i in range(STREAMS))]
    wait_rule(daemon, *streams)
    changes = Churn(Client(daemon.socket), 4711)

    def attempt(_number):
        before = daemon.settle()
        sinks = [Sink(star.receiver, "r0", "--port", f"6000-{6000 + STREAMS - 1}"),
                 Sink(star.receivers[1], "r0", "--port", "7002")]
        singles = start(star.source, program("xmcast-gen"), "s0", "-j", "--flows", str(STREAMS),
                        "--rate", str(RATE), "--size", "64-1400")
        copies = start(star.source, program("xmcast-gen"), "s0", "-j", "--port", "6000", "--rate",
                       str(RATE // 10))
        daemon.wait_steered(before["totals"]["steered_packets"] + STREAMS)
        done, end = 0, time.monotonic() + SECONDS
        while done < CHANGES and time.monotonic() < end:
            done += changes.step()
        during = daemon.stats()
        reports = []
        for generator in (singles, copies):
            generator.stop(signal.SIGINT)
            reports.append(json.loads(generator.output))
        after = daemon.settle(before["totals"]["steered_packets"] +
                              sum(report["sent_packets"] for report in reports))
        check(during["totals"]["steered_packets"] < after["totals"]["steered_packets"],
              "no packet came after the last change")
        missing = device_drops(after) - device_drops(before)
        diagnose(f"{done} changes, {after['totals']['steered_packets']} packets, {missing} refused "
                 "by devices")
        for sink, report in zip(sinks, reports):
            check_clean_except(sink.stop(), report, missing)
        for name, rule in ((name, rule_of(after, name)) for name in streams):
            equal([output["drops"]["not_copied"] + output["send_errors"]
                   for output in rule["outputs"]], [0] * len(rule["outputs"]),
                  f"copies of {name} that were not handed to a device")
        return missing

    lossless(attempt)
    daemon.ready = ""


def check_clean_except(report, sent, missing):
    """The sink received all but at most `missing` packets, which the machine lost, each once."""
    lost = sent["sent_packets"] - report["received_packets"]
    check(0 <= lost <= missing, f"{lost} packets lost, {missing} refused by devices")
    check_clean(report, sent, lost)


@test
def path_changes():
    """user, kernel, user under load: nothing is lost or doubled; packets may overtake at that moment"""
    star = star_for(V4, receivers=2)
    outputs = [Output("239.2.2.1"), Output("239.2.2.2", 6001), Output("239.2.2.3", 6000, 1)]
    text = kernel_rule(V4, outputs)
    daemon = Daemon(star.relay, text)
    control = Client(daemon.socket)

    def attempt(_number):
        before = daemon.settle()
        sinks = [Sink(star.receiver, "r0", "--port", "6000-6001"), Sink(star.receivers[1], "r0")]
        generator = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", str(RATE))
        daemon.wait_steered(before["totals"]["steered_packets"] + 1)
        changes, end = 0, time.monotonic() + SECONDS
        while changes < 40 and time.monotonic() < end:
            path = ("user", "kernel")[changes % 2]
            control.call("rule.replace", rules=[text.replace("path kernel", f"path {path}")])
            wait_rule(daemon, "k", path=path)
            changes += 1
        generator.stop(signal.SIGINT)
        sent = json.loads(generator.output)
        after = daemon.settle(before["totals"]["steered_packets"] + sent["sent_packets"])
        totals = {key: after["totals"][key] - before["totals"][key] for key in after["totals"]}
        missing = (device_drops(after) - device_drops(before) + totals["send_errors"]
                   + 3 * totals["dropped_packets"])
        reports = [sink.stop() for sink in sinks]
        received = sum(report["received_packets"] for report in reports)
        equal(received, 3 * sent["sent_packets"] - missing, "received of three outputs")
        for report in reports:
            for fault in ("duplicated", "corrupted", "malformed", "stale"):
                equal(report[fault], 0, fault)
        late = sum(report["reordered"] for report in reports)
        diagnose(f"{changes} changes of the path at {RATE} packets/s: {late} of {received} packets "
                 f"were overtaken; the machine lost {missing}")
        return missing

    lossless(attempt)
    daemon.ready = ""


@test
def headers_change():
    """Rules that are replaced under load: each packet has the old headers or the new ones"""
    star = star_for(V4)
    outputs = [Output("239.2.2.1", ttl=5), Output("239.2.2.2", ttl=5)]
    bench = Bench(V4, star, kernel_rule(V4, outputs))
    others = [[Output("239.2.2.3", 6003, ttl=9)], outputs,
              [Output("239.2.2.5", ttl=3), Output("239.2.2.6", ttl=3), Output("239.2.2.7", ttl=3)]]
    ours = {(output.to, output.port, output.ttl) for some in others for output in some}
    control = Client(bench.daemon.socket)
    start(star.source, program("xmcast-gen"), "s0", "--rate", "2000", "--size", "64-1400")
    for outputs in others * 3:
        control.call("rule.replace", rules=[kernel_rule(V4, outputs)])
        wanted = {(output.to, output.port, output.ttl) for output in outputs}
        seen = set()

        def all_of_them():
            # pylint: disable=cell-var-from-loop
            copies = {(copy.destination, copy.ports[1], copy.data[22])
                      for copy in bench.captures[0].rest()}
            check(copies <= ours, f"headers of no rule: {copies - ours}")
            seen.update(copies)
            return wanted <= seen

        wait_until(all_of_them, f"copies of {wanted}")


# ---- the network changes -----------------------------------------------------------------------------

@test
def neighbour():
    """A neighbour's MAC address is followed; while it is not resolved, its packets are errors"""
    star = star_for(V4)
    outputs = [Output("10.2.0.2", mac=star.receiver.mac("r0")), Output("239.2.2.1")]
    bench = Bench(V4, star, kernel_rule(V4, outputs))
    bench.carry(outputs, bench.udp(b"first"))
    other = "02:00:00:00:77:77"
    star.relay.ip(f"neigh replace 10.2.0.2 lladdr {other} dev out0 nud permanent")
    flows_with(bench, lambda copy: copy.destination == "10.2.0.2"
               and copy.data[:6].hex(":") == other, "the new MAC address is used")
    star.receiver.ip("link set r0 arp off")
    star.relay.ip("neigh del 10.2.0.2 dev out0")

    def refused():
        bench.send(bench.udp(b"unresolved"))
        counts = find(bench.daemon)["outputs"][0]
        return counts["drops"]["unreachable"] and "10.2.0.2" in (counts.get("reason") or "")

    wait_until(refused, "packets to the unresolved neighbour are counted, with a reason")
    bench.captures[0].rest()
    for _ in range(3):
        bench.send(bench.udp(b"group"))
    equal([copy.destination for copy in bench.captures[0].take(3)], ["239.2.2.1"] * 3,
          "copies while the neighbour is not resolved")
    star.receiver.ip("link set r0 arp on")
    flows_with(bench, lambda copy: copy.destination == "10.2.0.2" and
               copy.data[:6].hex(":") == star.receiver.mac("r0"), "the neighbour is resolved again")
    bench.daemon.settle()


def advertisement(number):
    """A neighbour advertisement of receiver 0, with the MAC address of this number."""
    mac, host = number.to_bytes(6, "big"), V6.host.format(0)
    body = b"\x88\0\0\0\x20\0\0\0" + packed(host) + b"\2\1" + mac
    covered = packed(host) + packed("ff02::1") + struct.pack("!II", len(body), 58) + body
    body = body[:2] + struct.pack("!H", checksum(covered)) + body[4:]
    return frame(ip(host, "ff02::1", 58, body, ttl=255), mac_of_group("ff02::1"), mac.hex(":"))


def ran(daemon):
    """Seconds for which the main thread of the daemon has had a CPU."""
    with open(f"/proc/{daemon.process.pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


@test
def neighbour_flood():
    """A host that changes its MAC address thousands of times a second does not keep the control socket
    waiting, although 400 rules send to it"""
    star = star_for(V6)
    daemon = Daemon(star.relay, *(f"k{i} in [ff3e::{i + 1:x}]:5000@in0 path kernel out "
                                  f"[{V6.host.format(0)}]:6000" for i in range(400)))
    wait_rule(daemon, *(f"k{i}" for i in range(400)))
    control, wire = Client(daemon.socket), packet_socket(star.receiver, "r0")
    longest = 0
    for number in range(3000):
        wire.send(advertisement(2 << 40 | number))
        if number % 300 == 299:
            before = ran(daemon)
            control.call("ping")
            longest = max(longest, ran(daemon) - before)
    diagnose(f"until the answer to a ping the daemon worked for {longest * 1000:.0f} ms at most")
    check(longest < 2, f"a ping took {longest:.1f} s")
    capture, source = Capture(star.receiver, "r0"), packet_socket(star.source, "s0")
    group, mac = "ff3e::190", star.receiver.mac("r0")

    def follows():
        source.send(frame(ip(V6.source, group, UDP, udp(V6.source, group, (40000, 5000), b"x")),
                          mac_of_group(group)))
        return any(copy.data[:6].hex(":") == mac for copy in capture.rest()
                   if copy.protocol == UDP)

    # The kernel finds it out by itself, because it asks a neighbour whose address has changed.
    wait_until(follows, "packets go to the right MAC address again")


@test
def gateway():
    """A host's new route is followed: the MAC address and the interface change"""
    star = star_for(V4, receivers=2)
    star.relay.ip("route add 10.77.0.0/16 via 10.2.0.2")
    bench = Bench(V4, star, kernel_rule(V4, [Output("10.77.0.5", named=False)]))
    for device in (1, 0):
        star.relay.ip(f"route replace 10.77.0.0/16 via 10.2.{device}.2")
        mac = star.receivers[device].mac("r0")

        def arrives():
            # pylint: disable=cell-var-from-loop
            bench.send(bench.udp(b"by another way"))
            return any(copy.data[:6].hex(":") == mac and copy.source == f"10.2.{device}.1"
                       for copy in bench.captures[device].rest())

        wait_until(arrives, f"copies leave by out{device}")
    bench.daemon.settle()


@test
def address():
    """The source address is followed, and is the one that the user path has"""
    star = star_for(V4)
    rules = [kernel_rule(V4, [OUT]), kernel_rule(V4, [Output("239.2.2.2")], name="user",
                                                 port=5001).replace("path kernel", "path user")]
    bench = Bench(V4, star, *rules)
    bench.carry([OUT], bench.udp(b"first"))
    # Without an address of its own, an interface sends with one of another.
    for change, source in (("del 10.2.0.1/24 dev out0", "10.1.0.2"),
                           ("add 10.2.0.9/24 dev out0", "10.2.0.9")):
        star.relay.ip(f"address {change}")
        for port, to in ((5000, OUT.to), (5001, "239.2.2.2")):

            def followed():
                # pylint: disable=cell-var-from-loop
                bench.send(bench.udp(b"whose?", port=port))
                return any(copy.destination == to and copy.source == source
                           for copy in bench.captures[0].rest())

            wait_until(followed, f"packets to {to} come from {source}")
    bench.daemon.settle()


@test
def mtu():
    """An output whose MTU is below the input's is not carried: pending, or with auto the user path"""
    star = star_for(V4)
    bench = Bench(V4, star, kernel_rule(V4, [OUT]))
    auto = kernel_rule(V4, [OUT]).replace("path kernel", "path auto")
    star.relay.ip("link set out0 mtu 1400")
    wait_rule(bench.daemon, "k", state="pending", reason="(?i)mtu")
    Client(bench.daemon.socket).call("rule.replace", rules=[auto])
    wait_rule(bench.daemon, "k", path="user", reason="(?i)mtu")
    bench.send(bench.udp(b"by the user path"))
    equal(bench.captures[0].take(1)[0].body[8:], b"by the user path", "payload")
    star.relay.ip("link set out0 mtu 1500")
    wait_rule(bench.daemon, "k")
    bench.carry([OUT], bench.udp(b"by the kernel path"))
    bench.daemon.settle()


@test
def carrier_and_link():
    """The output's interface goes down, and is removed and created again: packets flow again"""
    star = star_for(V4)
    bench = Bench(V4, star, kernel_rule(V4, [OUT]))
    bench.carry([OUT], bench.udp(b"first"))
    for namespace, device in ((star.relay, "out0"), (star.receiver, "r0")):
        namespace.ip(f"link set {device} down")
        wait_rule(bench.daemon, "k", state="pending", reason="out0")
        namespace.ip(f"link set {device} up")
        wait_rule(bench.daemon, "k")
        bench.capture()
        flows_with(bench, lambda copy: True, f"packets flow again after {device} was down")
    star.relay.ip("link del out0")
    wait_rule(bench.daemon, "k", state="pending", reason="out0")
    veth(star.relay, "out0", star.receiver, "r0", near_addr="10.2.0.1/24", far_addr="10.2.0.2/24")
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    wait_rule(bench.daemon, "k")
    bench.capture()
    bench.macs[0] = star.relay.mac("out0")
    flows_with(bench, lambda copy: copy.data[6:12].hex(":") == bench.macs[0],
               "packets flow through the new interface")
    bench.daemon.settle()


@test
def device_moves_away_and_back():
    """The output's interface leaves the namespace and is back before the daemon looks: packets flow again"""
    star = star_for(V4, receivers=2)
    several = [Output("239.2.2.2", 7000), Output("239.2.2.3", 7001, 1)]
    bench = Bench(V4, star, kernel_rule(V4, [OUT]), kernel_rule(V4, several, name="two", port=5001),
                  names=("k", "two"))
    bench.carry([OUT], bench.udp(b"first"))
    bench.carry(several, bench.udp(b"first", port=5001))
    bench.daemon.process.send_signal(signal.SIGSTOP)
    star.relay.ip(f"link set out0 netns {star.receiver.name}")
    star.receiver.ip(f"link set out0 netns {star.relay.name}")
    star.relay.ip("addr add 10.2.0.1/24 dev out0")
    star.relay.ip("link set out0 up")
    bench.daemon.process.send_signal(signal.SIGCONT)
    equal(star.relay.mac("out0"), bench.macs[0], "MAC address")
    wait_rule(bench.daemon, "k", "two")
    for port in (5000, 5001):
        flows_with(bench, lambda copy: True, f"packets to port {port} flow again", port)
    bench.daemon.settle()


@test
def refusing_device():
    """A veth whose other end has neither XDP nor GRO: auto relays on the user path, kernel is pending"""
    star = star_for(V4)
    star.receiver.run("ethtool", "-K", "r0", "gro", "off")
    auto = kernel_rule(V4, [OUT]).replace("path kernel", "path auto")
    daemon = Daemon(star.relay, auto)
    output = receiver(star.receiver, 6000, "239.2.2.1", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")

    def relays(path):
        """Send until the rule is on this path; then each packet must arrive."""
        def on_path():
            source.sendto(b"which path?", ("239.1.1.1", 5000))
            rule = find(daemon)
            return rule["state"] == "active" and rule["path"] == path and rule

        # Before Linux 6.3 nothing reports that a device accepts packets again: the daemon tries it
        # every 30 seconds.
        rule = wait_until(on_path, f"the rule is on the {path} path", 90)
        source.sendto(b"on the path", ("239.1.1.1", 5000))
        while receive(output)[0] != b"on the path":
            pass
        return rule

    for _ in range(2):
        rule = relays("user")
        check("out0" in (rule.get("path_reason") or ""), f"path_reason: {rule.get('path_reason')}")
        star.receiver.run("ethtool", "-K", "r0", "gro", "on")
        relays("kernel")
        star.receiver.run("ethtool", "-K", "r0", "gro", "off")
    relays("user")
    Client(daemon.socket).call("rule.replace", rules=[kernel_rule(V4, [OUT])])

    def pending():
        source.sendto(b"refused", ("239.1.1.1", 5000))
        rule = find(daemon)
        return rule["state"] == "pending" and "out0" in rule["reason"]

    wait_until(pending, "a strict rule is pending")
    daemon.ready = ""


# ---- daemons end ---------------------------------------------------------------------------------

def objects(pid):
    """The BPF objects that a process has open: (kind, id)."""
    found = set()
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        try:
            with open(path, encoding="ascii") as file:
                found |= set(re.findall(r"^(prog|map|link)_id:\s+(\d+)$", file.read(), re.M))
        except OSError:
            pass  # closed meanwhile
    return found


@test
def killed():
    """kill -9 under load: no program, map or link is left, and packets go to the stack"""
    star = star_for(V4, receivers=2)
    outputs = [OUT, Output("239.2.2.2"), Output("239.2.2.3", device=1)]
    stack = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
    source = sender(star.source, "10.1.0.1")
    for _ in range(3):
        bench = Bench(V4, star, kernel_rule(V4, outputs))
        bench.carry(outputs, bench.udp(b"relayed"))
        stream = start(star.source, program("xmcast-gen"), "s0", "--port", "5000", "--rate", "10000")
        bench.daemon.wait_steered(100)
        held = objects(bench.daemon.process.pid)
        check({"prog", "map", "link"} <= {kind for kind, _ in held}, f"objects: {held}")
        bench.daemon.kill()
        stream.stop(signal.SIGINT)
        wait_until(lambda: not any(exists(*item) for item in held), "all BPF objects are gone")
        check("xdp" not in star.relay.ip("link show"), "an XDP program is left")
        # Those of the stream may have filled the socket.
        wait_until(backlog_empty, "the rest of the stream has arrived")
        while not silent(stack):
            receive(stack)
        source.sendto(b"for the stack", ("239.1.1.1", 5000))
        while receive(stack)[0] != b"for the stack":
            pass
        for capture in bench.captures:
            capture.rest()
        source.sendto(b"for the stack alone", ("239.1.1.1", 5000))
        while receive(stack)[0] != b"for the stack alone":
            pass
        for capture in bench.captures:
            equal(capture.rest(), [], "frames without a daemon")


def exists(kind, number):
    """Does this BPF object exist?"""
    return not run("bpftool", kind, "show", "id", number, check=False).returncode


@test
def not_by_the_stack_too():
    """Packets of a rule reach neither local sockets nor routing; without the rule they reach both"""
    star = star_for(V4)
    star.relay.sysctl("net/ipv4/ip_forward", 1)
    own = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
    star.source.ip("route add 10.2.0.0/24 via 10.1.0.2")
    source = sender(star.source, "10.1.0.1")
    rules = [kernel_rule(V4, [OUT]),
             "host in 10.2.0.2:5001@in0 path kernel out 239.2.2.2:6001@out0"]
    bench = Bench(V4, star, *rules, names=("k", "host"))
    routed = receiver(star.receiver, 5001)
    for number in range(20):
        source.sendto(b"%d" % number, ("239.1.1.1", 5000))
        source.sendto(b"%d" % number, ("10.2.0.2", 5001))
    copies = bench.captures[0].take(40)
    equal({(copy.destination, copy.ports[1]) for copy in copies},
          {("239.2.2.1", 6000), ("239.2.2.2", 6001)}, "destinations")
    bench.finish()
    check(silent(own) and silent(routed), "the stack has relayed a packet as well")
    Client(bench.daemon.socket).call("rule.del", names=["k", "host"])
    # What arrives while the program is detached is lost.
    wait_until(lambda: "xdp" not in star.relay.ip("link show in0"), "in0 is detached")
    source.sendto(b"stack", ("239.1.1.1", 5000))
    source.sendto(b"stack", ("10.2.0.2", 5001))
    equal((receive(own)[0], receive(routed)[0]), (b"stack", b"stack"), "payloads without rules")
    equal([copy.ports[1] for copy in bench.captures[0].take(1)], [5001], "copies without rules")
    bench.daemon.ready = ""


@test
def external():
    """An administrator's program carries kernel-path rules; when the daemon is killed, it is inert"""
    star = star_for(V4, receivers=2)
    outputs = [OUT, Output("239.2.2.2"), Output("239.2.2.3", device=1)]
    with bpffs() as place:
        place.load(star.relay)
        stack = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
        source = sender(star.source, "10.1.0.1")
        for _ in range(2):
            daemon = Daemon(star.relay, config=f"rules: [ {json.dumps(kernel_rule(V4, outputs))} ]\n"
                            f"interfaces: {{ in0: {{ attach: external, pins: {place.pins} }} }}\n")

            def active():
                source.sendto(b"wake", ("239.1.1.1", 5000))
                return find(daemon)["state"] == "active"  # pylint: disable=cell-var-from-loop

            wait_until(active, "the rule is active")
            equal(find(daemon)["path"], "kernel", "path")
            bench = Bench(V4, star, daemon=daemon)
            bench.carry(outputs, *(bench.udp(b"%d" % number) for number in range(5)))
            daemon.settle()
            daemon.kill()

            def inert():
                for capture in bench.captures:  # pylint: disable=cell-var-from-loop
                    capture.rest()
                source.sendto(b"inert", ("239.1.1.1", 5000))
                while receive(stack)[0] != b"inert":
                    pass
                return not any(capture.rest() for capture in bench.captures)

            wait_until(inert, "a packet goes to the stack only")


main()
