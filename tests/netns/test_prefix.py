#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prefixes of groups: each group is relayed while a receiver has joined it, as a rule of its own would."""

import contextlib
import itertools
import os
import resource
import socket
import struct

from control import Client
from demanded import QUICK, rule, start
from group_messages import ALLOW, TO_EXCLUDE, TO_INCLUDE, frame4, report3, send_frames
from harness import (Daemon, Star, check, check_books, equal, main, receive, receiver, rule_of, sender, test,
                     wait_until)
from ipv4 import groups
from ipv6 import Star6, groups6, index, receiver6, sender6
from kernel_rules import V4, V6, bracketed, star_for
from restarts import take_over
from wire import is_ipv6

RULE = "tv in 239.1.0.0/16:any@in0 out same@out0 when joined"


def known(daemon):
    """The receivers that the daemon knows."""
    return Client(daemon.socket).call("receiver.list", limit=500)["receivers"]


def wait_groups(daemon, count, name="tv"):
    """Wait until the rule relays this number of groups."""
    def reached():
        counted = rule(daemon, name)
        return counted["groups"] == count and (not count or counted["state"] == "active")

    wait_until(reached, f"rule {name} relays {count} groups")


@test
def one_by_one():
    """Two groups of a prefix: each is joined, sent and left with its receiver; group and port are kept"""
    star = Star()
    daemon = start(star, RULE)
    source = sender(star.source, "10.1.0.1")
    equal(rule(daemon)["state"], "idle", "state without receivers")
    equal(groups(star.relay, "in0"), set(), "groups on in0 without receivers")
    told = daemon.ctl("explain", "tv", check=False).stdout
    check("no receiver on out0 has joined a group of 239.1.0.0/16" in told, told)
    with receiver(star.receiver, 6000, "239.1.5.5", "10.2.0.2") as first:
        wait_groups(daemon, 1)
        equal(groups(star.relay, "in0"), {"239.1.5.5"}, "groups on in0")
        source.sendto(b"first", ("239.1.5.5", 6000))
        source.sendto(b"nobody", ("239.1.5.6", 6000))
        equal(receive(first)[0], b"first", "payload")
        equal(rule(daemon)["state"], "active", "state")
        with receiver(star.receiver, 7000, "239.1.255.255", "10.2.0.2") as second:
            wait_groups(daemon, 2)
            source.sendto(b"second", ("239.1.255.255", 7000))
            equal(receive(second)[0], b"second", "payload")
            equal(groups(star.relay, "in0"), {"239.1.5.5", "239.1.255.255"}, "groups on in0")
        wait_groups(daemon, 1)
        equal(rule_of(daemon.settle(), "tv")["received_packets"], 2, "received, with what ended")
        source.sendto(b"third", ("239.1.5.5", 6000))
        equal(receive(first)[0], b"third", "payload")
    wait_groups(daemon, 0)
    wait_until(lambda: not groups(star.relay, "in0"), "all groups are left")
    stats = daemon.settle()
    counted = rule_of(stats, "tv")
    equal((counted["state"], counted["received_packets"], counted["outputs"][0]["sent_packets"]), ("idle", 3, 3),
          "counters in the end")
    check_books(stats)
    daemon.stop()


@test
def both_paths():
    """A prefix on the kernel path and one on the user path: what leaves has its source, and a TTL one less"""
    star = star_for(V4, receivers=2)
    options = "from keep ttl dec when joined"
    daemon = start(star, *(f"{name} in 239.{i}.0.0/16:any@in0 path {name} out same@out0 {options} "
                           f"out same:7000@out1 {options}" for i, name in ((1, "user"), (2, "kernel"))))
    source = sender(star.source, "10.1.0.1", ttl=9)
    for i, name in ((1, "user"), (2, "kernel")):
        group = f"239.{i}.77.5"
        with receiver(star.receivers[1], 7000, group, "10.2.1.2") as sock:
            wait_groups(daemon, 1, name)
            wait_until(lambda name=name: rule(daemon, name)["state"] == "active", f"{name} is active")
            equal(rule(daemon, name)["path"], name, "path")
            daemon.thread_inputs()
            source.sendto(b"one", (group, 5000))
            payload, address, ttl, _ = receive(sock)
            equal((payload, address[0], ttl), (b"one", "10.1.0.1", 8), "payload, source and TTL")
            equal([output["wanted"] for output in rule(daemon, name)["outputs"]], [False, True], "wanted")
        wait_groups(daemon, 0, name)
        outputs = rule_of(daemon.settle(), name)["outputs"]
        equal([output["sent_packets"] for output in outputs], [0, 1], f"{name}: sent")
        equal([output["drops"]["not_joined"] for output in outputs], [1, 0], f"{name}: dropped")
    check_books(daemon.settle())
    daemon.stop()


@test
def ipv6():
    """The same with MLD"""
    star = Star6()
    daemon = start(star, "tv in [ff3e:0:5::]/48:any@in0 out same@out0 when joined")
    source = sender6(star.source, "s0")
    with contextlib.closing(receiver6(star.receiver, 6000, "ff3e:0:5::77", "r0")) as sock:
        wait_groups(daemon, 1)
        check("ff3e:0:5::77" in groups6(star.relay, "in0"), "the group is joined")
        source.sendto(b"wanted", ("ff3e:0:5::77", 6000))
        equal(sock.recv(100), b"wanted", "payload")
        with contextlib.closing(receiver6(star.receiver, 6000, "ff3e:0:6::77", "r0")):
            wait_until(lambda: any(item["group"] == "ff3e:0:6::77" for item in known(daemon)), "it is heard")
            equal(rule(daemon)["groups"], 1, "groups of the prefix")
    wait_groups(daemon, 0)
    daemon.stop()


@test
def more_specific():
    """Groups of a longer prefix and of a rule for one group are theirs, on the same interface and port only"""
    star = Star()
    daemon = start(star, RULE, "narrow in 239.1.7.0/24:any@in0 out same:7000@out0 when joined",
                   "one in 239.1.7.7:any@in0 out 239.9.9.9@out0", "other in 239.1.5.5:5000@in0 out 239.9.9.8@out0")
    for group, name in (("239.1.5.5", "tv"), ("239.1.7.1", "narrow")):
        with receiver(star.receiver, 6000, group, "10.2.0.2"):
            wait_groups(daemon, 1, name)
            equal(sum(item.get("groups", 0) for item in daemon.stats()["rules"]), 1, f"groups for {group}")
        wait_groups(daemon, 0, name)
    with receiver(star.receiver, 6000, "239.1.7.7", "10.2.0.2"):
        wait_until(lambda: any(item["group"] == "239.1.7.7" for item in known(daemon)), "it is heard")
        with receiver(star.receiver, 6000, "239.1.5.6", "10.2.0.2"):
            wait_groups(daemon, 1)
        equal(rule(daemon, "narrow")["groups"], 0, "groups of the longer prefix")
    # Once the rules for one group and for the longer prefix are gone, the shorter one has their groups.
    with receiver(star.receiver, 6000, "239.1.7.7", "10.2.0.2") as sock:
        daemon.ctl("rule", "del", "one")
        wait_groups(daemon, 1, "narrow")
        daemon.ctl("rule", "del", "narrow")
        wait_groups(daemon, 1)
        sender(star.source, "10.1.0.1").sendto(b"tv", ("239.1.7.7", 6000))
        equal(receive(sock)[0], b"tv", "payload")
    daemon.stop()


@test
def changed():
    """While a group is relayed other rules change, and its own: the configuration shows the prefix alone"""
    star = Star()
    daemon = start(star, RULE)
    source = sender(star.source, "10.1.0.1")
    with receiver(star.receiver, 6000, "239.1.5.5", "10.2.0.2") as sock:
        wait_groups(daemon, 1)
        source.sendto(b"one", ("239.1.5.5", 6000))
        equal(receive(sock)[0], b"one", "payload")
        told = daemon.ctl("rule", "add", "x", "in", "239.5.5.5:5000@in0", "out", "10.2.0.2:5000").stdout
        check("1 rule" in told or "added" in told, told)
        counted = rule_of(daemon.settle(), "tv")
        equal((counted["groups"], counted["received_packets"]), (1, 1), "groups and counter")
        equal([item["name"] for item in Client(daemon.socket).call("rule.list")["rules"]], ["tv", "x"], "rules")
        check("239.1.5.5" not in daemon.ctl("config", "show").stdout, "the configuration")
        equal(daemon.stats()["total"], 2, "rules in the statistics")
        told = daemon.ctl("explain", "tv", check=False).stdout
        check("239.1.0.0/16:any" in told, told)
        daemon.ctl("rule", "set", "tv", "ttl", "5")
        wait_groups(daemon, 1)
        source.sendto(b"two", ("239.1.5.5", 6000))
        equal(receive(sock)[0], b"two", "payload")
        daemon.ctl("rule", "disable", "tv")
        equal((rule(daemon)["state"], rule(daemon)["groups"]), ("disabled", 0), "disabled")
        wait_until(lambda: not groups(star.relay, "in0") - {"239.5.5.5"}, "the group is left")
        daemon.ctl("rule", "enable", "tv")
        wait_groups(daemon, 1)
        daemon.ctl("rule", "del", "tv")
        wait_until(lambda: groups(star.relay, "in0") == {"239.5.5.5"}, "the group is left")
    daemon.stop()


def option(sock, interface, name, *addresses):
    """Join or leave a group, for a source if there are two addresses (RFC 3678)."""
    number = {"MCAST_JOIN_SOURCE_GROUP": 46, "MCAST_LEAVE_SOURCE_GROUP": 47, "MCAST_BLOCK_SOURCE": 43,
              "MCAST_JOIN_GROUP": 42, "MCAST_LEAVE_GROUP": 45}[name]
    packed = (struct.pack("=HH4x16s104x", socket.AF_INET6, 0, socket.inet_pton(socket.AF_INET6, address))
              if is_ipv6(address) else struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(address))
              for address in addresses)
    level = socket.IPPROTO_IPV6 if is_ipv6(addresses[0]) else socket.IPPROTO_IP
    sock.setsockopt(level, number, struct.pack("=i4x", interface) + b"".join(packed))


def sources_bed():
    """A rule with a prefix for each path, which follows sources, and two addresses of the source; and a function that
    returns the sources for which a group is joined."""
    star = star_for(V4)
    daemon = start(star, *(f"{name} in 239.{i}.0.0/16:any@in0 path {name} out same@out0 from keep when joined"
                           for i, name in ((1, "user"), (2, "kernel"))))
    star.source.ip("address add 10.1.0.9/24 dev s0")
    client = Client(daemon.socket)

    def joined(group):
        return {item["source"] for item in client.call("group.list")["groups"] if item["group"] == group}

    return star, daemon, joined


@test
def by_source():
    """With `from keep`, on both paths, (S,G) is joined for named sources, (*,G) only while others are wanted"""
    star, daemon, joined = sources_bed()
    wanted, other = (sender(star.source, address) for address in ("10.1.0.1", "10.1.0.9"))
    interface = index(star.receivers[0], "r0")

    for i, name in ((1, "user"), (2, "kernel")):
        group = f"239.{i}.5.5"
        with receiver(star.receivers[0], 6000) as sock:

            def arrives(expected, group=group, sock=sock, name=name):
                """Both sources send; the wanted one's second datagram comes last."""
                wait_until(lambda: rule(daemon, name)["state"] == "active", f"{name} is active")
                daemon.thread_inputs()
                received = rule(daemon, name)["received_packets"]
                for payload in expected:
                    (other if payload == b"other" else wanted).sendto(payload, (group, 6000))
                if b"other" not in expected:
                    other.sendto(b"not wanted", (group, 6000))
                    wanted.sendto(b"last", (group, 6000))
                    expected = [*expected, b"last"]
                for payload in expected:
                    equal(receive(sock)[0], payload, f"{name}: payload")
                check(rule(daemon, name)["received_packets"] >= received, "counted")

            option(sock, interface, "MCAST_JOIN_SOURCE_GROUP", group, "10.1.0.1")
            wait_groups(daemon, 1, name)
            equal(joined(group), {"10.1.0.1"}, "joined for")
            arrives([b"one"])
            option(sock, interface, "MCAST_LEAVE_SOURCE_GROUP", group, "10.1.0.1")
            option(sock, interface, "MCAST_JOIN_GROUP", group)
            wait_until(lambda: joined(group) == {None}, "joined for any source")
            arrives([b"two", b"other"])
            option(sock, interface, "MCAST_BLOCK_SOURCE", group, "10.1.0.9")
            wait_groups(daemon, 2, name)
            arrives([b"three"])
            option(sock, interface, "MCAST_LEAVE_GROUP", group)
            # A host that joins again at once does not report that it has left.
            wait_until(lambda: not [item for item in known(daemon) if item["group"] == group], "it has left")
            option(sock, interface, "MCAST_JOIN_SOURCE_GROUP", group, "10.1.0.1")
            wait_until(lambda: joined(group) == {"10.1.0.1"}, "joined for one source again")
            arrives([b"four"])
        wait_groups(daemon, 0, name)
        wait_until(lambda: not joined(group), "nothing is joined")
    check_books(daemon.settle())
    daemon.stop()


class OneGroup:
    """A rule for one group on a path, and a receiver that chooses sources of the group that it sends."""

    def __init__(self, number, path, on_demand, version):
        self.name, self.version, self.on_demand = f"{path}{version}", version, on_demand
        self.group, self.to = ((f"239.7.{number}.1", f"239.8.{number}.1") if version == 4 else
                               (f"ff3e::7:{number}", f"ff3e::8:{number}"))
        self.one, self.other = ("10.1.0.1", "10.1.0.9") if version == 4 else ("fd01::1", "fd01::9")
        self.rule = (f"{self.name} in {bracketed(self.group)}:any@in0{' on demand' if on_demand else ''} path {path} "
                     f"out {bracketed(self.to)}@out0 from keep when joined")
        self.daemon = self.sock = self.interface = self.senders = None

    def begin(self, star, daemon):
        """The receiver has joined nothing."""
        self.daemon, self.interface = daemon, index(star.receivers[0], "r0")
        self.sock = (receiver if self.version == 4 else receiver6)(star.receivers[0], 6000)
        self.senders = [sender(star.source, address) if self.version == 4 else sender6(star.source, "s0", address)
                        for address in (self.one, self.other)]

    def say(self, name, *sources):
        """The receiver changes what it wants."""
        option(self.sock, self.interface, name, self.to, *sources)

    def counted(self):
        """The rule's counters."""
        return rule(self.daemon, self.name)

    def joined(self):
        """The sources for which the input is joined; None: all."""
        listed = Client(self.daemon.socket).call("group.list")["groups"]
        return {item["source"] for item in listed if item["group"] == self.group}

    def wait_joined(self, sources):
        """Wait for that; without `on demand` the group is joined always."""
        wait_until(lambda: self.joined() == sources | (set() if self.on_demand else {None}),
                   f"{self.name} joined for {sources}")

    def leaves(self, expected, what):
        """Both sources send one datagram each: so many of each leave."""
        if any(expected):
            wait_until(lambda: self.counted()["state"] == "active", f"{self.name} is active: {what}")
        for sock, count in zip(self.senders, expected):
            before = self.counted()["outputs"][0]
            sock.sendto(b"x", (self.group, 6000))
            wait_until(lambda before=before: sum(moved(before, self.counted()["outputs"][0])) == 1, "it is counted")
            equal(moved(before, self.counted()["outputs"][0])[0], count, f"{self.name}: {what}")


def moved(before, after):
    """How many datagrams of an output were sent, and not wanted, between two readings."""
    return (after["sent_packets"] - before["sent_packets"],
            after["drops"]["not_joined"] - before["drops"]["not_joined"])


@test
def of_one_group():
    """Rules for one group: only sources that a receiver wants leave, by IGMPv3 and MLDv2, on both paths"""
    star = star_for(V6)
    star.source.ip("address add 10.1.0.9/24 dev s0")
    star.source.ip("address add fd01::9/64 dev s0 nodad")
    paths = ("user", True), ("kernel", False)
    cases = [OneGroup(i, *path, version) for i, (path, version) in enumerate(itertools.product(paths, (4, 6)))]
    daemon = start(star, *(case.rule for case in cases))

    def every(function):
        for case in cases:
            function(case)

    every(lambda case: case.begin(star, daemon))
    every(lambda case: case.say("MCAST_JOIN_SOURCE_GROUP", case.one))
    every(lambda case: case.wait_joined({case.one}))
    every(lambda case: case.leaves((1, 0), "INCLUDE one"))
    every(lambda case: equal(case.sock.recv(100), b"x", "payload"))
    every(lambda case: case.say("MCAST_LEAVE_SOURCE_GROUP", case.one))
    every(lambda case: wait_until(lambda: case.counted()["state"] == "idle", "idle"))
    every(lambda case: case.say("MCAST_JOIN_GROUP"))
    every(lambda case: case.wait_joined({None}))
    every(lambda case: wait_until(lambda: "sources" not in case.counted(), "no source has a stream of its own"))
    every(lambda case: case.leaves((1, 1), "EXCLUDE none"))
    every(lambda case: case.say("MCAST_BLOCK_SOURCE", case.other))
    every(lambda case: wait_until(lambda: case.counted().get("sources") == 1, "the other source is blocked"))
    every(lambda case: case.leaves((1, 0), "EXCLUDE other"))
    every(lambda case: case.say("MCAST_LEAVE_GROUP"))
    every(lambda case: wait_until(lambda: case.counted()["state"] == "idle", "idle"))
    every(lambda case: case.leaves((0, 0), "nothing"))
    every(lambda case: case.wait_joined(set()))
    check_books(daemon.settle())
    daemon.stop()


@test
def too_many_sources():
    """One report names 33 sources: what is joined by (S,G) stays so, and the others are sent as well"""
    star, daemon, joined = sources_bed()
    one, last = (sender(star.source, address) for address in ("10.1.0.1", "10.1.0.9"))
    interface = index(star.receivers[0], "r0")

    for i, name in ((1, "user"), (2, "kernel")):
        group = f"239.{i}.5.5"
        with receiver(star.receivers[0], 6000) as sock:
            option(sock, interface, "MCAST_JOIN_SOURCE_GROUP", group, "10.1.0.1")
            wait_until(lambda group=group: joined(group) == {"10.1.0.1"}, "joined for one source")
            names = [f"10.9.0.{number}" for number in range(1, 33)] + ["10.1.0.9"]
            send_frames(star.receivers[0], "r0", [frame4(report3((ALLOW, group, names)), "10.2.0.9", 9)])
            wait_until(lambda group=group: None in joined(group), "joined for any source as well")
            # When a group of its own has come and gone, what had ended before has gone as well.
            with receiver(star.receivers[0], 6000, f"239.{i}.6.6", "10.2.0.2"):
                wait_groups(daemon, 3, name)
            wait_groups(daemon, 2, name)
            wait_until(lambda group=group: joined(group) == {None, "10.1.0.1"}, "joined for both")
            wait_until(lambda name=name: rule(daemon, name)["state"] == "active", f"{name} is active")
            daemon.thread_inputs()
            last.sendto(b"last", (group, 6000))
            one.sendto(b"one", (group, 6000))
            equal(receive(sock)[0], b"one", "payload")
            wait_until(lambda name=name: rule(daemon, name)["outputs"][0]["sent_packets"] == 2, "both are sent, once")
    check_books(daemon.settle())
    daemon.stop()


@test
def handed_over():
    """After a restart that hands over, a group that was relayed stays so: no datagram is missing"""
    star = Star()
    with receiver(star.receiver, 6000, "239.1.5.5", "10.2.0.2") as sock:
        daemon = start(star, RULE)
        wait_groups(daemon, 1)
        source = sender(star.source, "10.1.0.1")
        source.sendto(b"before", ("239.1.5.5", 6000))
        equal(receive(sock)[0], b"before", "payload")
        second = take_over(daemon, config=f"rules: ['{RULE}']\n{QUICK}")
        source.sendto(b"after", ("239.1.5.5", 6000))
        equal(receive(sock)[0], b"after", "payload")
        counted = rule_of(second.settle(), "tv")
        equal((counted["groups"], counted["received_packets"]), (1, 2), "groups and counter")
        second.stop()


@test
def handed_over_sources():
    """After a restart that hands over, what was joined for a source stays so, and is joined for no other"""
    star = Star()
    rules = ["tv in 239.1.0.0/16:any@in0 out same@out0 from keep when joined",
             "one in 239.3.3.3:any@in0 on demand out 239.1.5.5@out0 from keep when joined"]
    daemon = start(star, *rules)
    source = sender(star.source, "10.1.0.1")

    def joined(client):
        return {(item["group"], item["source"]) for item in client.call("group.list")["groups"]}

    expected = {("239.1.5.5", "10.1.0.1"), ("239.3.3.3", "10.1.0.1")}
    with receiver(star.receiver, 6000) as sock:
        option(sock, index(star.receiver, "r0"), "MCAST_JOIN_SOURCE_GROUP", "239.1.5.5", "10.1.0.1")
        wait_until(lambda: joined(Client(daemon.socket)) == expected, "both are joined for the source")
        second = take_over(daemon, config="rules: [" + ", ".join(f"'{rule}'" for rule in rules) + f"]\n{QUICK}")
        equal(joined(Client(second.socket)), expected, "joined")
        source.sendto(b"after", ("239.1.5.5", 6000))
        equal(receive(sock)[0], b"after", "payload")
        wait_until(lambda: [one["mode"] for one in known(second) if one["host"]] == ["include"], "it has answered")
        equal(joined(Client(second.socket)), expected, "joined in the end")
        second.stop()


def joined_by(group, number):
    """A host of its own joins this group."""
    return frame4(report3((TO_EXCLUDE, group, [])), f"10.2.1.{number}", number)


@test
def full():
    """A flood of groups of one prefix fills the table of receivers: those of another prefix are found all the same"""
    star = Star()
    daemon = start(star, "all in 239.1.0.0/16:any@in0 out same@out0 when joined",
                   "few in 239.2.0.0/16:any@in0 out same@out0 when joined",
                   settings="demand: {linger: 100ms, leave: fast, max_groups: 50, max_streams: 40}\n")
    send_frames(star.receiver, "r0", [joined_by(f"239.1.7.{i}", i) for i in range(100)])
    wait_groups(daemon, 40, "all")
    wait_until(lambda: daemon.stats()["receivers"]["refused_reports"] >= 10, "the table is full")
    with receiver(star.receiver, 6000, "239.2.1.1", "10.2.0.2") as sock:
        wait_groups(daemon, 1, "few")
        sender(star.source, "10.1.0.1").sendto(b"few", ("239.2.1.1", 6000))
        equal(receive(sock)[0], b"few", "payload")
    send_frames(star.receiver, "r0", [frame4(report3((TO_EXCLUDE, "239.1.8.8", [])), "10.2.0.9", 9)])
    wait_groups(daemon, 0, "few")
    equal(rule(daemon, "all")["groups"], 40, "groups of the flooded one")
    # A prefix that is new while the table is full has room as well.
    daemon.ctl("rule", "add", "new in 239.3.0.0/16:any@in0 out same@out0 when joined")
    with receiver(star.receiver, 6000, "239.3.1.1", "10.2.0.2"):
        wait_groups(daemon, 1, "new")
    daemon.stop()


@test
def refused_room():
    """What is refused to a host that reports too much takes no room of a prefix from other hosts"""
    star = Star()
    daemon = start(star, "few in 239.2.0.0/16:any@in0 out same@out0 when joined",
                   settings="demand: {linger: 100ms, leave: fast, max_groups: 50, max_streams: 40}\n")
    sources = [f"10.9.0.{i}" for i in range(1, 65)]
    frames = [frame4(report3((ALLOW, f"239.9.9.{i}", sources)), "10.2.0.9", 9) for i in range(3)]
    send_frames(star.receiver, "r0", frames + [joined_by(f"239.9.7.{i}", 20 + i) for i in range(47)])
    wait_until(lambda: daemon.stats()["receivers"]["groups"] == 50, "the table is full")
    names = [f"239.2.9.{i}" for i in range(60)]
    send_frames(star.receiver, "r0", [frame4(report3((TO_EXCLUDE, name, [])), "10.2.0.9", 9) for name in names])
    wait_until(lambda: daemon.stats()["receivers"]["refused_reports"] == 60, "the host has its share")
    with receiver(star.receiver, 6000, "239.2.1.1", "10.2.0.2"):
        wait_groups(daemon, 1, "few")
    daemon.stop()


@test
def shortage():
    """Descriptors are short for the groups of a prefix: its rule can be changed all the same"""
    star = Star()
    daemon = start(star, RULE)
    names = [f"239.1.7.{i}" for i in range(100)]
    send_frames(star.receiver, "r0", [frame4(report3(*((TO_EXCLUDE, name, []) for name in names)), "10.2.0.9", 9)])
    wait_groups(daemon, 100)
    wait_until(lambda: rule(daemon)["state"] == "active", "it is active")
    limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    few = len(os.listdir(f"/proc/{daemon.process.pid}/fd")) + 110
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (few, limits[1]))
    daemon.ctl("rule", "set", "tv", "ttl", "5")
    daemon.process.wait_line("rules-changed generation=2")
    daemon.process.wait_line("rule-pending")  # descriptors were short
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, limits)
    daemon.stop()


@test
def nested():
    """A flood of groups of a longer prefix, whose groups are not those of the shorter one, ends at a limit"""
    star = Star()
    daemon = start(star, RULE, "narrow in 239.1.7.0/24:any@in0 out same@out0 when joined",
                   settings="demand: {linger: 100ms, leave: fast, max_groups: 20, max_streams: 10}\n")
    for first in range(0, 240, 8):
        numbers = range(first, first + 8)
        send_frames(star.receiver, "r0", [joined_by(f"239.1.7.{number}", number) for number in numbers])
        sent = first + 8
        wait_until(lambda sent=sent: len(known(daemon)) + daemon.stats()["receivers"]["refused_reports"] >= sent,
                   "the reports are read")
    wait_groups(daemon, 10, "narrow")
    check(len(known(daemon)) <= 40, f"{len(known(daemon))} groups are known, expected 20 and 10 of each prefix")
    equal(rule(daemon)["groups"], 0, "groups of the shorter prefix")
    daemon.stop()


@test
def flood():
    """One host reports a thousand groups: what was relayed stays, others have room, up to the limit; other rules go on"""
    star = Star()
    daemon = start(star, RULE, "other in 239.5.5.5:5000@in0 on demand out 239.6.6.6:6000@out0 when joined",
                   "second in 239.2.0.0/16:any@in0 out same@out0 when joined",
                   settings="demand: {linger: 100ms, leave: tracked, max_streams: 40}\n")
    source = sender(star.source, "10.1.0.1")
    names = [f"239.1.{i // 250}.{i % 250 + 1}" for i in range(1000)]

    def reports(kind):
        return [frame4(report3(*((kind, name, []) for name in names[i:i + 100])), "10.2.0.9", 9)
                for i in range(0, 1000, 100)]

    with receiver(star.receiver, 6000, "239.1.200.200", "10.2.0.2") as sock:
        wait_groups(daemon, 1)
        send_frames(star.receiver, "r0", reports(TO_EXCLUDE))
        wait_groups(daemon, 30)
        wait_until(lambda: rule(daemon)["refused_groups"] == 971, "those above the host's share")
        equal(rule(daemon)["refused_over_share"], 971, "refused to a host")
        told = daemon.ctl("explain", "tv", check=False).stdout
        check("971 groups are refused because the hosts that want them report too many" in told, told)
        send_frames(star.receiver, "r0", [joined_by(f"239.1.100.{i}", 20 + i) for i in range(20)])
        wait_groups(daemon, 40)
        wait_until(lambda: rule(daemon)["refused_groups"] == 981, "those above the limit")
        source.sendto(b"still", ("239.1.200.200", 6000))
        equal(receive(sock)[0], b"still", "payload")
        told = daemon.ctl("explain", "tv", check=False).stdout
        check("groups that receivers want are above the limit" in told, told)
        with receiver(star.receiver, 6000, "239.6.6.6", "10.2.0.2"), \
                receiver(star.receiver, 6000, "239.2.1.1", "10.2.0.2"):
            wait_until(lambda: rule(daemon, "other")["state"] == "active", "another rule is active")
            wait_groups(daemon, 1, "second")
        daemon.process.wait_line("groups-full")
        equal(len([line for line in daemon.process.lines if "groups-full" in line]), 1, "warnings")
        send_frames(star.receiver, "r0", reports(TO_INCLUDE))
        wait_groups(daemon, 21)
        equal(rule(daemon)["refused_groups"], 0, "refused in the end")
    daemon.stop()


main()
