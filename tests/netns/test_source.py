#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sources: prefixes, many groups, several sources of one group."""

import threading

from control import Client
from harness import (Daemon, Sink, Star, check, diagnose, equal, group_mac, main, packet_socket,
                     receive, receiver, relay_stream, rule_of, sender, silent, test, udp_frame)
from ipv4 import groups, sources
from ipv6 import Star6, groups6, sender6, sources6

SOURCE6 = "fd01::1"


class Wire:
    """Sends IPv4 packets with any source address to a relay."""

    def __init__(self, star, group="239.1.1.1"):
        self.star, self.group = star, group
        self.socket = packet_socket(star.source, "s0")

    def send(self, source, payload, group=None, port=5000):
        """One packet."""
        group = group or self.group
        self.socket.send(udp_frame(group_mac(group), source, group, port, payload))


def received(daemon):
    """Packets received, by rule."""
    return {rule["name"]: rule["received_packets"] for rule in daemon.stats()["rules"]}


def check_each_its_own(star, daemon, wire, expected, others=()):
    """Send a packet from each source. Output 6000 + N must receive only that of the N-th expected source;
    packets of the others must match no rule."""
    sinks = [receiver(star.receiver, 6000 + i, "239.2.2.2", "10.2.0.2")
             for i in range(len(expected))]
    for source in (*expected, *others):
        wire.send(source, source.encode())
    daemon.settle(steered=len(expected))
    for sink, source in zip(sinks, expected):
        equal(receive(sink)[0], source.encode(), "payload")
        check(silent(sink), "more than its own packets")


@test
def most_specific():
    """Among a host, prefixes of four lengths and any source, the most specific rule matches"""
    star = Star()
    sources = {"host": "10.9.9.9", "p31": "10.9.9.8/31", "p24": "10.9.9.0/24", "p16": "10.9.0.0/16",
               "p8": "10.0.0.0/8", "any": None}
    rules = [f"{name} in 239.1.1.1:5000@in0{f' source {source}' if source else ''} "
             f"out 239.2.2.2:{6000 + i}@out0" for i, (name, source) in enumerate(sources.items())]
    # In an arbitrary order.
    daemon = Daemon(star.relay, *sorted(rules, key=lambda rule: rule[1:]))
    check_each_its_own(star, daemon, Wire(star), ("10.9.9.9", "10.9.9.8", "10.9.9.10", "10.9.8.9",
                                                  "10.8.9.9", "11.9.9.9"))
    equal(set(received(daemon).values()), {1}, "packets of each rule")
    equal(rule_of(daemon.stats(), "p24")["source"], "10.9.9.0/24", "source in the statistics")


def config_of(wanted, source=None):
    """A configuration with a rule for each group. They send to ports 6000 to 6009."""
    text = "rules:\n"
    for i, group in enumerate(wanted):
        name = f"[{group}]" if ":" in group else group
        text += (f"  - r{i} in {name}:5000@in0 {f'source {source}' if source else ''} "
                 f"out 10.2.0.2:{6000 + i % 10}\n")
    return text


def filters(wanted, source):
    """The entries of /proc for groups that are joined for one source."""
    return {(group, source, 1, 0) for group in wanted}


def check_thousand(star, source, joins, listed, expected):
    """Run a rule for each group (`joins`: arguments of config_of()). All must be active and joined, as
    `listed` reports for an interface. Packets from the socket `source` to the first, a middle and the last
    group must be relayed, and in the end no group may be joined."""
    daemon = Daemon(star.relay, config=config_of(*joins))
    check("active=1000" in daemon.ready, daemon.ready)
    equal(listed(star.relay, "in0"), expected, "joined")
    wanted = joins[0]
    sinks = [receiver(star.receiver, 6000 + i) for i in range(10)]
    numbers = [0, len(wanted) // 2 + 1, len(wanted) - 1]
    for i in numbers:
        source.sendto(wanted[i].encode(), (wanted[i], 5000))
    daemon.settle(steered=len(numbers))
    for i in numbers:
        equal(receive(sinks[i % 10])[0], wanted[i].encode(), f"payload of group {wanted[i]}")
    daemon.stop()
    equal(listed(star.relay, "in0"), set(), "joined after the end")


def thousand(net):
    """1,000 IPv4 groups that begin with `net`."""
    return [f"{net}.1.{i // 250}.{1 + i % 250}" for i in range(1000)]


def thousand6():
    """1,000 IPv6 groups."""
    return [f"ff3e::1:{i + 1:x}" for i in range(1000)]


@test
def thousand_groups():
    """1,000 groups on one interface, of any source"""
    star, wanted = Star(), thousand(239)
    check_thousand(star, sender(star.source, "10.1.0.1"), (wanted,), groups, set(wanted))


@test
def thousand_channels():
    """1,000 source-specific groups on one interface"""
    star, wanted = Star(), thousand(232)
    check_thousand(star, sender(star.source, "10.1.0.1"), (wanted, "10.1.0.1"), sources,
                   filters(wanted, "10.1.0.1"))


@test
def thousand_groups_ipv6():
    """1,000 groups of IPv6 on one interface, of any source"""
    star, wanted = Star6(), thousand6()
    check_thousand(star, sender6(star.source, "s0", SOURCE6), (wanted,), groups6, set(wanted))


@test
def thousand_channels_ipv6():
    """1,000 source-specific groups of IPv6 on one interface"""
    star, wanted = Star6(), thousand6()
    check_thousand(star, sender6(star.source, "s0", SOURCE6), (wanted, SOURCE6), sources6,
                   filters(wanted, SOURCE6))


@test
def sources_of_one_group():
    """Three sources of one group, each with an output of its own, and a prefix for the rest"""
    star = Star()
    hosts = ("10.9.9.1", "10.9.9.2", "10.9.9.3")
    daemon = Daemon(star.relay, *(f"in 232.1.1.1:5000@in0 source {source} "
                                  f"out 239.2.2.2:{6000 + i}@out0"
                                  for i, source in enumerate(hosts + ("10.9.0.0/16",))))
    check_each_its_own(star, daemon, Wire(star, "232.1.1.1"), hosts + ("10.9.8.7",), ("10.8.8.8",))


@test
def change_beside_traffic():
    """Prefixes of 15 lengths are added and deleted beside a stream, which loses nothing"""
    star = Star()
    daemon = Daemon(star.relay, "cam in 239.1.1.1:5000@in0 source 10.1.0.0/16 "
                    "out 239.2.2.2:6000@out0")
    over, turns = threading.Event(), 0

    def change():
        nonlocal turns
        control = Client(daemon.socket)
        while not over.is_set():
            lengths = range(2 + turns % 2, 32, 2)
            control.call("rule.add", rules=[
                f"p{length} in 239.1.1.1:5000@in0 source 128.0.0.0/{length} "
                "out 239.2.2.2:6001@out0" for length in lengths if length != 16])
            control.call("rule.del", names=[f"p{length}" for length in lengths if length != 16])
            turns += 1

    changes = threading.Thread(target=change)
    changes.start()
    try:
        while turns <= 2 and changes.is_alive():
            relay_stream(daemon, star.source,
                         lambda: [Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")],
                         "--source", "10.1.2.3", "--rate", "10000", "--count", "30000")
    finally:
        over.set()
        changes.join()
    check(turns > 2, f"the rules changed only {turns} times")
    diagnose(f"{turns} changes")
    daemon.ready = ""


@test
def joins():
    """A prefix joins its group for any source, and leaves it; a host joins only for itself"""
    star = Star()
    daemon = Daemon(star.relay, "net in 239.1.1.1:5000@in0 source 10.9.0.0/16 "
                    "out 239.2.2.2:6000@out0",
                    "host in 239.1.1.2:5000@in0 source 10.9.9.9 out 239.2.2.2:6001@out0")
    control = Client(daemon.socket)
    listed = control.call("group.list")["groups"]
    equal([(one["group"], one["source"]) for one in listed],
          [("239.1.1.1", None), ("239.1.1.2", "10.9.9.9")], "group.list")
    equal(groups(star.relay, "in0"), {"239.1.1.1", "239.1.1.2"}, "groups")
    equal(sources(star.relay, "in0"), {("239.1.1.2", "10.9.9.9", 1, 0)}, "filters")
    control.call("rule.del", names=["net"])
    equal(groups(star.relay, "in0"), {"239.1.1.2"}, "groups without the prefix")
    daemon.ready = ""


main()
