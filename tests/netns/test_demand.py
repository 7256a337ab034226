#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Streams on demand: outputs `when joined` send while a receiver has joined, as the kernel's own hosts report it,
and inputs `on demand` are joined while an output is wanted."""

import contextlib
import os
import re
import socket
import struct

from control import Client
from demanded import QUICK, rule, start
from group_messages import (ALLOW, IS_EXCLUDE, TO_EXCLUDE, TO_INCLUDE, frame4, query3, report2, report3,
                            send_frames)
from harness import (Daemon, Namespace, Star, check, equal, main, need, receive, receiver, rule_of,
                     sender, silent, test, veth, wait_until)
from harness import Skip, start as start_program
from ipv4 import groups
from ipv6 import Star6, groups6, index, receiver6, sender6
from kernel_rules import V4, star_for, wait_rule
from restarts import take_over
from routers import FRR, frr, path, routed_interfaces
from wire import UDP, frame, ip, mac_of_group, udp

IN, OUT = "239.1.1.1", "239.2.2.2"
RULE = f"tv in {IN}:5000@in0 on demand out {OUT}:6000@out0 when joined"


def wait_state(daemon, wanted, name="tv"):
    """Wait until the rule has this state."""
    wait_until(lambda: rule(daemon, name)["state"] == wanted, f"rule {name} is {wanted}")


def not_joined(daemon, output=0, name="tv"):
    """Datagrams that nobody wanted."""
    return rule(daemon, name)["outputs"][output]["drops"]["not_joined"]


def listed(daemon):
    """The receivers that the daemon knows: {(group, host): item}."""
    answer = Client(daemon.socket).call("receiver.list", limit=500)
    return {(item["group"], item["host"]): item for item in answer["receivers"]}


@test
def joined_and_left():
    """A datagram leaves while a receiver has joined; the input is joined and left with it"""
    star = Star()
    daemon = start(star, RULE)
    source = sender(star.source, "10.1.0.1")
    equal(rule(daemon)["state"], "idle", "state without receivers")
    equal(groups(star.relay, "in0"), set(), "groups on in0 without receivers")
    source.sendto(b"nobody", (IN, 5000))
    wait_until(lambda: not_joined(daemon) == 1, "counted")
    told = daemon.ctl("explain", "tv", check=False).stdout
    check(f"no receiver on out0 has joined {OUT}" in told and "the input is not joined" in told, told)
    with receiver(star.receiver, 6000, OUT, "10.2.0.2") as sock:
        wait_state(daemon, "active")
        equal(groups(star.relay, "in0"), {IN}, "groups on in0 with a receiver")
        told = daemon.ctl("group", "list").stdout
        check(re.search(rf"{OUT} +out0 +10\.2\.0\.2 +exclude( +-)? +IGMPv3", told), told)
        source.sendto(b"wanted", (IN, 5000))
        equal(receive(sock)[0], b"wanted", "payload")
    wait_state(daemon, "idle")
    wait_until(lambda: not groups(star.relay, "in0"), "the input is left")
    daemon.settle()
    daemon.stop()


@test
def versions():
    """Hosts of IGMPv1, v2 and v3: each is heard; of v1 the stream does not end when it leaves"""
    star = Star()
    daemon = start(star, RULE)
    for version in (3, 2, 1):
        star.receiver.sysctl("net/ipv4/conf/r0/force_igmp_version", version)
        with receiver(star.receiver, 6000, OUT, "10.2.0.2"):
            wait_state(daemon, "active")
            wait_until(lambda: [item["version"] for item in listed(daemon).values()] == [f"IGMPv{version}"],
                       f"version {version}")
        if version > 1:
            wait_state(daemon, "idle")
    # A later leave of IGMPv2 shows that one of IGMPv1 would have been seen.
    send_frames(star.receiver, "r0", [frame4(report2(OUT, 0x17), "10.2.0.2", to="224.0.0.2"),
                                      frame4(report2("239.9.9.9"), "10.2.0.9", to="239.9.9.9")])
    wait_until(lambda: ("239.9.9.9", "10.2.0.9") in listed(daemon), "the later report")
    equal(rule(daemon)["state"], "active", "state with IGMPv1")
    daemon.stop()


@test
def versions6():
    """Hosts of MLDv1 and v2"""
    star = Star6()
    daemon = start(star, "tv in [ff3e::1]:5000@in0 on demand out [ff3e::2]:6000@out0 when joined")
    source = sender6(star.source, "s0")
    for version in (2, 1):
        star.receiver.sysctl("net/ipv6/conf/r0/force_mld_version", version)
        with contextlib.closing(receiver6(star.receiver, 6000, "ff3e::2", "r0")) as sock:
            wait_state(daemon, "active")
            check("ff3e::1" in groups6(star.relay, "in0"), "the input is joined")
            source.sendto(b"wanted", ("ff3e::1", 5000))
            equal(sock.recv(100), b"wanted", "payload")
        wait_state(daemon, "idle")
    wait_until(lambda: "ff3e::1" not in groups6(star.relay, "in0"), "the input is left")
    daemon.stop()


@test
def outputs():
    """Of two outputs the one that is wanted sends, on both paths; `path auto` stays on the kernel path"""
    star = star_for(V4, receivers=2)
    paths = {"user": "user", "kernel": "kernel", "auto": "kernel"}
    daemon = start(star, *(f"{name} in 239.1.1.{i}:5000@in0 path {name} out 239.2.2.{i}:6000@out0 when joined "
                           f"out 239.2.2.{i}:6000@out1 when joined" for i, name in enumerate(paths)))
    source = sender(star.source, "10.1.0.1")
    for i, (name, path) in enumerate(paths.items()):
        wait_rule(daemon, name, path=path, state="idle")
        with receiver(star.receivers[1], 6000, f"239.2.2.{i}", "10.2.1.2") as sock:
            wait_rule(daemon, name, path=path)
            daemon.thread_inputs()
            source.sendto(b"one", (f"239.1.1.{i}", 5000))
            equal(receive(sock)[0], b"one", "payload")
            equal([output["wanted"] for output in rule(daemon, name)["outputs"]], [False, True], f"{name}: wanted")
        wait_rule(daemon, name, path=path, state="idle")
        source.sendto(b"nobody", (f"239.1.1.{i}", 5000))
        wait_until(lambda name=name: [not_joined(daemon, n, name) for n in (0, 1)] == [2, 1], f"{name}: not joined")
        equal([output["sent_packets"] for output in rule(daemon, name)["outputs"]], [0, 1], f"{name}: sent")
    daemon.settle()
    daemon.stop()


@test
def kernel_and_user():
    """On the kernel path what receivers want counts for packets that take the user path, too"""
    star = star_for(V4)
    daemon = start(star, f"k in {IN}:5000@in0 path kernel out {OUT}:6000@out0 when joined")
    # Of packets without a source the user path checks whether an output keeps it.
    packet = ip("0.0.0.0", IN, UDP, udp("0.0.0.0", IN, (40000, 5000), b"by user space"))
    frames = [frame(packet, mac_of_group(IN))]
    wait_rule(daemon, "k", path="kernel", state="idle")
    with receiver(star.receivers[0], 6000, OUT, "10.2.0.2") as sock:
        wait_rule(daemon, "k", path="kernel")
        send_frames(star.source, "s0", frames)
        equal(receive(sock)[0], b"by user space", "payload")
    wait_rule(daemon, "k", path="kernel", state="idle")
    send_frames(star.source, "s0", frames)
    wait_until(lambda: not_joined(daemon, name="k") == 1, "counted")
    equal(daemon.stats()["interfaces"][0]["verdicts"]["steered"], 2, "packets on the user path")
    daemon.stop()


@test
def missing_output():
    """Of an output interface that does not exist the reason is shown; once it does, receivers decide"""
    star = Star()
    daemon = Daemon(star.relay, config=f"rules: ['{RULE.replace('out0', 'out9')}']\n{QUICK}")
    wait_state(daemon, "pending")
    check("out9 does not exist" in rule(daemon)["reason"], rule(daemon))
    star.relay.ip("link set out0 name out9")
    wait_state(daemon, "idle")
    daemon.stop()


@test
def sources():
    """`from keep` of a rule with a source: INCLUDE and EXCLUDE of that source count"""
    star = Star()
    daemon = start(star, f"a in {IN}:5000@in0 source 10.1.0.1 out {OUT}:6000@out0 from keep when joined",
                   f"b in {IN}:5000@in0 source 10.1.0.9 out {OUT}:6000@out0 from keep when joined")

    def expect(a, b):
        wait_until(lambda: (rule(daemon, "a")["state"], rule(daemon, "b")["state"]) == (a, b), f"a {a}, b {b}")

    options = {"MCAST_JOIN_SOURCE_GROUP": 46, "MCAST_BLOCK_SOURCE": 43, "MCAST_JOIN_GROUP": 42}
    interface = index(star.receiver, "r0")

    def address(text):
        return struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(text))

    def option(sock, name, *addresses):
        sock.setsockopt(socket.IPPROTO_IP, options[name],
                        struct.pack("=i4x", interface) + b"".join(map(address, addresses)))

    with receiver(star.receiver, 6000) as sock:
        option(sock, "MCAST_JOIN_SOURCE_GROUP", OUT, "10.1.0.1")
        expect("active", "idle")
        equal(listed(daemon)[OUT, "10.2.0.2"]["sources"], ["10.1.0.1"], "sources")
    expect("idle", "idle")
    with receiver(star.receiver, 6000) as sock:
        option(sock, "MCAST_JOIN_GROUP", OUT)
        expect("active", "active")
        option(sock, "MCAST_BLOCK_SOURCE", OUT, "10.1.0.1")
        expect("idle", "active")
    expect("idle", "idle")
    daemon.stop()


class Shared:
    """Two receivers on the relay's output interface: out0 ── a bridge without snooping ── r0, r1."""

    def __init__(self, address="10.2.0.5"):
        self.star = Star(receivers=0)
        self.relay, self.hub = self.star.relay, Namespace("hub")
        self.receivers = [Namespace("receiver0"), Namespace("receiver1")]
        self.hub.ip("link add br0 type bridge mcast_snooping 0")
        self.hub.ip("link set br0 up")
        veth(self.relay, "out0", self.hub, "p0", near_addr=f"{address}/24")
        for i, host in enumerate(self.receivers):
            veth(host, "r0", self.hub, f"p{i + 1}", near_addr=f"10.2.0.{i + 10}/24")
        for i in range(3):
            self.hub.ip(f"link set p{i} master br0")


@test
def last_member():
    """When one of two receivers leaves, the other is asked and answers, although IGMPv2 has hidden it"""
    shared = Shared()
    for host in shared.receivers:
        host.sysctl("net/ipv4/conf/r0/force_igmp_version", 2)
    daemon = start(shared, RULE, settings="demand: {last_member_interval: 200ms, linger: 100ms}\n")
    first = receiver(shared.receivers[0], 6000, OUT, "10.2.0.10")
    wait_state(daemon, "active")
    second = receiver(shared.receivers[1], 6000, OUT, "10.2.0.11")
    # Each host hears the other's report: only the last one that has sent one reports a leave.
    wait_until(lambda: len(listed(daemon)) == 2, "both are known")
    second.close()
    wait_until(lambda: list(listed(daemon)) == [(OUT, "10.2.0.10")], "the one that is left has answered")
    equal(rule(daemon)["state"], "active", "state with one receiver")
    first.close()
    wait_state(daemon, "idle")
    daemon.stop()


@test
def forged_leave():
    """A host in whose name another one leaves is asked, also where streams end at once, and has its stream again"""
    star = Star()
    daemon = start(star, RULE, settings="demand: {leave: fast, last_member_interval: 200ms, query_interval: 600s}\n")
    daemon.process.wait_line("querier-started iface=out0 family=ipv4")

    def queries():
        return daemon.stats()["receivers"]["sent_queries"]

    with receiver(star.receiver, 6000, OUT, "10.2.0.2"):
        wait_state(daemon, "active")
        before = queries()
        leave = frame4(report3((TO_INCLUDE, OUT, [])), "10.2.0.2")
        send_frames(star.receiver, "r0", [leave[:6] + bytes.fromhex(star.receiver.mac("r0").replace(":", "")) +
                                          leave[12:]])
        wait_until(lambda: queries() > before, "it is asked")
        wait_until(lambda: (OUT, "10.2.0.2") in listed(daemon), "it is known again")
        wait_state(daemon, "active")
    daemon.stop()


@test
def found_at_start():
    """A receiver that joined before the relay started is found by its first query"""
    star = Star()
    with receiver(star.receiver, 6000, OUT, "10.2.0.2"):
        daemon = start(star, RULE)
        wait_state(daemon, "active")
        daemon.process.wait_line("querier-started iface=out0 family=ipv4")
        daemon.stop()
        daemon = Daemon(star.relay, config=f"rules: ['{RULE}']\ndemand: {{querier: off}}\n")
        daemon.process.wait_line("receivers-heard")
        send_frames(star.receiver, "r0", [frame4(report2("239.9.9.9"), "10.2.0.9", to="239.9.9.9")])
        wait_until(lambda: listed(daemon), "a report")
        # The host may still answer the query of the first daemon.
        equal(daemon.stats()["receivers"]["sent_queries"], 0, "queries where nobody asks")
        check(not daemon.process.find_line("querier-started"), daemon.process.log())
        daemon.stop()


@test
def found_at_start6():
    """The same with MLD, before the interface has the address from which it asks"""
    star = Star6()
    with contextlib.closing(receiver6(star.receiver, 6000, "ff3e::2", "r0")):
        star.relay.ip("address flush dev out0 scope link")
        daemon = start(star, "tv in [ff3e::1]:5000@in0 on demand out [ff3e::2]:6000@out0 when joined")
        equal(rule(daemon)["state"], "idle", "state without an address")
        star.relay.ip("address add fe80::1/64 dev out0")
        daemon.process.wait_line("querier-started iface=out0 family=ipv6")
        wait_state(daemon, "active")
        daemon.stop()


@test
def election():
    """The relay stops asking when a lower address asks, says so, and asks again when that is gone"""
    star = Star()
    daemon = start(star, RULE, settings="demand: {response_time: 100ms}\n")
    daemon.process.wait_line("querier-started iface=out0 family=ipv4")
    client = Client(daemon.socket)

    def querier():
        (interface,) = client.call("receiver.list")["interfaces"]
        return interface["querier"]["ipv4"], interface["asking"]["ipv4"]

    equal(querier(), (None, True), "querier at first")
    send_frames(star.receiver, "r0", [frame4(query3(), "10.2.0.200", to="224.0.0.1"),
                                      frame4(query3(), "0.0.0.0", to="224.0.0.1"),
                                      frame4(query3(response=1, robustness=1, interval=1), "10.2.0.0",
                                             to="224.0.0.1")])
    daemon.process.wait_line("querier-heard iface=out0 querier=10.2.0.0")
    wait_until(lambda: querier() == (None, True), "it asks again")
    wait_until(lambda: len([line for line in daemon.process.lines
                            if "querier-started iface=out0 family=ipv4" in line]) == 2, "it has begun to ask twice")
    daemon.stop()


@test
def snooping_bridge():
    """The output is a bridge with IGMP snooping: the relay's queries make reports reach it, and open ports"""
    star, hosts = Star(receivers=0), [Namespace("host0"), Namespace("host1")]
    star.relay.ip("link add br0 type bridge mcast_snooping 1")
    for i, host in enumerate(hosts):
        veth(host, "r0", star.relay, f"p{i}", near_addr=f"10.2.0.{i + 10}/24")
        star.relay.ip(f"link set p{i} master br0")
    star.relay.ip("address add 10.2.0.1/24 dev br0")
    star.relay.ip("link set br0 up")
    daemon = start(star, RULE.replace("out0", "br0"))
    daemon.process.wait_line("querier-started iface=br0 family=ipv4")
    with receiver(hosts[1], 6000, OUT, "10.2.0.11") as sock:
        wait_state(daemon, "active")
        source = sender(star.source, "10.1.0.1")
        source.sendto(b"through the bridge", (IN, 5000))
        equal(receive(sock)[0], b"through the bridge", "payload")
    wait_state(daemon, "idle")
    daemon.stop()


@test
def handed_over():
    """After a restart that hands over, what was wanted stays wanted: no datagram is missing"""
    star = Star()
    with receiver(star.receiver, 6000, OUT, "10.2.0.2") as sock:
        daemon = start(star, RULE)
        wait_state(daemon, "active")
        source = sender(star.source, "10.1.0.1")
        second = take_over(daemon, config=f"rules: ['{RULE}']\n{QUICK}")
        source.sendto(b"after", (IN, 5000))
        equal(receive(sock)[0], b"after", "payload")
        equal(rule(second)["state"], "active", "state")
        equal(groups(star.relay, "in0"), {IN}, "groups on in0")
        second.process.wait_line("receivers-heard")
        wait_until(lambda: (OUT, "10.2.0.2") in listed(second), "the receiver has answered")
        second.stop()


@test
def handed_over_unasked():
    """Where the relay does not ask, what was wanted stays wanted until another querier has had time to ask"""
    star = Star()
    settings = "demand: {querier: off, robustness: 2, query_interval: 100s, response_time: 10s}\n"
    with receiver(star.receiver, 6000, OUT, "10.2.0.2"):
        daemon = start(star, RULE, settings=settings)
        send_frames(star.receiver, "r0", [frame4(report2(OUT), "10.2.0.9", to=OUT)])
        wait_state(daemon, "active")
        second = take_over(daemon, config=f"rules: ['{RULE}']\n{settings}")
        left = listed(second)[OUT, None]["remaining_seconds"]
        check(5 < left <= 210, f"wanted for {left} s")
        second.stop()


@test
def beside_pimd():
    """Where FRR's pimd asks, with a lower address, the relay only listens"""
    if not FRR:
        raise Skip("no pimd of FRR's: make deps unpacks it")
    shared = Shared("10.2.0.50")
    daemon = start(shared, RULE, settings="demand: {linger: 100ms, last_member_interval: 200ms}\n")
    frr(shared.receivers[0], "zebra", "hostname router\n", socket="zserv.api")
    frr(shared.receivers[0], "pimd", "interface r0\n ip pim passive\n ip igmp\n")
    daemon.process.wait_line("querier-heard iface=out0 querier=10.2.0.10")
    with receiver(shared.receivers[1], 6000, OUT, "10.2.0.11"):
        wait_state(daemon, "active")
    wait_state(daemon, "idle")
    (interface,) = Client(daemon.socket).call("receiver.list")["interfaces"]
    equal((interface["querier"]["ipv4"], interface["asking"]["ipv4"]), ("10.2.0.10", False), "querier")
    daemon.stop()


@test
def before_igmpproxy():
    """igmpproxy behind the relay joins when a host does: the stream passes both, and ends at both"""
    need("igmpproxy")
    star, host = Star(), Namespace("host")
    veth(star.receiver, "down0", host, "h0", near_addr="10.3.0.1/24", far_addr="10.3.0.2/24")
    host.ip("route add default dev h0")
    daemon = start(star, RULE.replace("when joined", "ttl 8 when joined"))
    with open(path("igmpproxy.conf"), "w", encoding="ascii") as file:
        file.write("quickleave\nphyint r0 upstream ratelimit 0 threshold 1\n altnet 10.2.0.0/24\n"
                   "phyint down0 downstream ratelimit 0 threshold 1\nphyint lo disabled\n")
    start_program(star.receiver, "igmpproxy", "-n", "-v", path("igmpproxy.conf"), name="igmpproxy")
    wait_until(lambda: routed_interfaces(star.receiver) >= {"r0", "down0"}, "igmpproxy routes")
    equal(rule(daemon)["state"], "idle", "state before a host joins")
    source = sender(star.source, "10.1.0.1")
    with receiver(host, 6000, OUT, "10.3.0.2") as output:
        wait_state(daemon, "active")

        def arrives():
            source.sendto(b"through both", (IN, 5000))
            return not silent(output)

        wait_until(arrives, "the stream reaches the host", pause=0.1)
        equal(receive(output)[0], b"through both", "payload")
    wait_state(daemon, "idle")
    daemon.stop()


@test
def of_one_interface():
    """Settings of an interface come before the others; an older querier is reported; totals keep what has gone"""
    star = Star()
    settings = ("demand: {querier: auto, leave: query, last_member_interval: 25s, linger: 100ms}\n"
                "interfaces: {out0: {querier: off, leave: fast}}\n")
    daemon = start(star, RULE, settings=settings)
    send_frames(star.receiver, "r0", [frame4(b"\x11\x64" + bytes(6), "10.2.0.200", to="224.0.0.1"),
                                      frame4(report2(OUT), "10.2.0.9", to=OUT)])
    daemon.process.wait_line("querier-older iface=out0 querier=10.2.0.200 version=2")
    wait_state(daemon, "active")
    # At once, although the last member query time is 50 s.
    send_frames(star.receiver, "r0", [frame4(report2(OUT, 0x17), "10.2.0.9", to="224.0.0.2")])
    wait_state(daemon, "idle")
    (interface,) = Client(daemon.socket).call("receiver.list")["interfaces"]
    equal((interface["asking"]["ipv4"], interface["sent_queries"]), (False, 0), "queries")
    messages = daemon.stats()["receivers"]["messages"]
    check(messages >= 3, f"{messages} messages")
    star.relay.ip("link set out0 name out9")
    wait_until(lambda: not Client(daemon.socket).call("receiver.list")["interfaces"], "it is not listened to")
    check(daemon.stats()["receivers"]["messages"] >= messages, "messages in the end")
    daemon.stop()


@test
def storm():
    """2,000 hosts join 100 groups each, report again and leave; a limit is counted and said once"""
    star = Star()
    daemon = start(star, RULE, settings="demand: {leave: tracked, max_members: 150000}\n")
    names = [f"239.2.{i}.2" for i in range(2, 102)]

    def reports(kind, hosts):
        message = report3(*((kind, name, []) for name in names))
        return [frame4(message, f"10.{100 + host // 250}.0.{host % 250 + 1}", host) for host in range(hosts)]

    def known():
        return daemon.stats()["receivers"]

    send_frames(star.receiver, "r0", reports(TO_EXCLUDE, 1500))
    wait_until(lambda: known()["members"] == 150000, "150,000 members")
    equal(rule(daemon)["state"], "active", "state")
    send_frames(star.receiver, "r0", reports(IS_EXCLUDE, 2000))
    wait_until(lambda: known()["refused_reports"] == 50000, "those above the limit")
    equal(known()["lost_messages"], 0, "messages lost")
    daemon.process.wait_line("receivers-full")
    equal(len([line for line in daemon.process.lines if "receivers-full" in line]), 1, "warnings")
    send_frames(star.receiver, "r0", reports(TO_INCLUDE, 2000))
    wait_until(lambda: known()["members"] == 0, "all have left")
    equal(rule(daemon)["state"], "idle", "state")
    daemon.stop()


@test
def full():
    """Reports of groups that no output sends fill the table: a receiver of one that an output sends is still found"""
    star = Star()
    daemon = start(star, RULE, settings="demand: {leave: fast, max_groups: 1, max_members: 1}\n")
    names = ("239.9.9.8", "239.9.9.9")
    send_frames(star.receiver, "r0", [frame4(report2(name), "10.2.0.9", to=name) for name in names])
    wait_until(lambda: daemon.stats()["receivers"]["refused_reports"] == 1, "the table is full")
    with receiver(star.receiver, 6000, OUT, "10.2.0.2"):
        wait_state(daemon, "active")
        equal(set(listed(daemon)), {(names[0], "10.2.0.9"), (OUT, "10.2.0.2")}, "receivers")
    wait_state(daemon, "idle")
    daemon.stop()


@test
def proxies():
    """Proxies without an address count as several hosts, by their MAC addresses"""
    star = Star()
    daemon = start(star, RULE, settings="demand: {leave: tracked, linger: 100ms}\n")
    send_frames(star.receiver, "r0", [frame4(report3((TO_EXCLUDE, OUT, [])), "0.0.0.0", number) for number in (1, 2)])
    wait_until(lambda: rule(daemon)["state"] == "active", "active")
    wait_until(lambda: Client(daemon.socket).call("receiver.list")["total"] == 2, "both are known")
    send_frames(star.receiver, "r0", [frame4(report3((TO_INCLUDE, OUT, [])), "0.0.0.0", 1)])
    wait_until(lambda: Client(daemon.socket).call("receiver.list")["total"] == 1, "one is left")
    equal(rule(daemon)["state"], "active", "state")
    send_frames(star.receiver, "r0", [frame4(report3((TO_INCLUDE, OUT, [])), "0.0.0.0", 2)])
    wait_state(daemon, "idle")
    daemon.stop()


@test
def bad_messages():
    """What is damaged, was forwarded or sent to one host is counted by reason, and changes nothing"""
    star = Star()
    daemon = start(star, RULE)
    good = frame4(report3((TO_EXCLUDE, OUT, []), (ALLOW, OUT, ["10.1.0.1"])), "10.2.0.9")
    to_one = bytes.fromhex(star.relay.mac("out0").replace(":", "")) + good[6:]
    frames = [good[:-1] + bytes([good[-1] ^ 1]), frame4(report2(OUT), "10.2.0.9", ttl=2), good[:14 + 30],
              frame4(report2("10.0.0.1"), "10.2.0.9"), frame4(report2(OUT), "239.1.1.1"),
              frame4(b"\x13\0\0\0\0\0\0\0", "10.2.0.9"), frame4(report2(OUT), "10.2.0.9", to="10.2.0.1"), to_one]
    frames += [good[:14] + os.urandom(60) for _ in range(200)]
    frames += [good[:14 + 24] + os.urandom(40) for _ in range(200)]
    send_frames(star.receiver, "r0", frames)
    send_frames(star.receiver, "r0", [frame4(report2("239.9.9.9"), "10.2.0.9", to="239.9.9.9")])
    wait_until(lambda: ("239.9.9.9", "10.2.0.9") in listed(daemon), "the good report")
    (interface,) = Client(daemon.socket).call("receiver.list")["interfaces"]
    for reason in ("malformed", "checksum", "forwarded"):
        check(interface["bad_messages"][reason] > 0, f"{reason}: {interface}")
    equal(set(listed(daemon)), {("239.9.9.9", "10.2.0.9")}, "receivers")
    equal(rule(daemon)["state"], "idle", "state")
    daemon.stop()


main()
