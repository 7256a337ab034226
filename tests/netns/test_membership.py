#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Group memberships: the kernel has joined the groups of the rules."""

import itertools

from control import Client
from harness import Daemon, Namespace, Star, check, equal, main, rule_of, test, wait_until
from ipv4 import groups, sources


@test
def one_group():
    """The group of a rule is joined on its input interface, and on no other"""
    star = Star()
    Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    equal(groups(star.relay, "in0"), {"239.1.1.1"}, "groups on in0")
    equal(groups(star.relay, "out0"), set(), "groups on out0")


@test
def hundred_groups():
    """100 groups, more than one socket can join"""
    star = Star()
    wanted = {f"239.1.{i}.1" for i in range(100)}
    daemon = Daemon(star.relay, *(f"in {group}:5000@in0 out 239.2.2.2:6000@out0"
                                  for group in sorted(wanted)))
    check("active=100" in daemon.ready, daemon.ready)
    equal(groups(star.relay, "in0"), wanted, "groups on in0")
    daemon.stop()
    equal(groups(star.relay, "in0"), set(), "groups after the end")


@test
def source_specific():
    """Rules with a source join for those sources only"""
    star = Star()
    Daemon(star.relay, "in 239.1.1.1:5000@in0 source 10.9.9.9 out 239.2.2.2:6000@out0",
           "in 239.1.1.1:5000@in0 source 10.9.9.8 out 239.2.2.2:6001@out0")
    equal(groups(star.relay, "in0"), {"239.1.1.1"}, "groups on in0")
    equal(sources(star.relay, "in0"), {("239.1.1.1", "10.9.9.9", 1, 0),
                                       ("239.1.1.1", "10.9.9.8", 1, 0)}, "sources on in0")


@test
def many_sources():
    """30 sources of one group, more than one socket can join"""
    star = Star()
    wanted = {f"10.9.9.{i}" for i in range(1, 31)}
    daemon = Daemon(star.relay, *(f"in 239.1.1.1:5000@in0 source {source} out 239.2.2.2:6000@out0"
                                  for source in sorted(wanted)))
    check("active=30" in daemon.ready, daemon.ready)
    equal({source for _, source, _, _ in sources(star.relay, "in0")}, wanted, "sources on in0")


@test
def any_beside_source():
    """(*,G) beside (S,G): the host accepts the group from every source"""
    star = Star()
    Daemon(star.relay, "in 239.1.1.1:5000@in0 source 10.9.9.9 out 239.2.2.2:6000@out0",
           "in 239.1.1.1:5000@in0 out 239.2.2.2:6001@out0")
    equal(groups(star.relay, "in0"), {"239.1.1.1"}, "groups on in0")
    for _, source, _, excluded in sources(star.relay, "in0"):
        equal(excluded, 0, f"excluded {source}")


@test
def same_group_many_ports():
    """Rules that share a group, on two interfaces"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, *(f"in 239.1.1.1:{port}@{device} out 239.2.2.2:{port}@out0"
                                  for port in range(5000, 5030) for device in ("in0", "in1")))
    check("active=60" in daemon.ready, daemon.ready)
    for device in ("in0", "in1"):
        equal(groups(star.relay, device), {"239.1.1.1"}, f"groups on {device}")


@test
def interface_away():
    """A source that was left while its interface was in another namespace is joined again"""
    star, elsewhere = Star(), Namespace("elsewhere")
    text = "cam in 239.1.1.1:5000@in0 source 10.1.0.1 out 239.2.2.2:6000@out0"
    # The other rule keeps the socket with the memberships open.
    daemon = Daemon(star.relay, text,
                    "other in 239.1.1.2:5000@out0 source 10.1.0.1 out 239.2.2.2:6001@out0")
    control = Client(daemon.socket)
    star.relay.ip(f"link set in0 netns {elsewhere.name}")
    control.call("rule.del", names=["cam"])
    elsewhere.ip(f"link set in0 netns {star.relay.name}")
    star.relay.ip("link set in0 up")
    control.call("rule.add", rules=[text])
    wait_until(lambda: rule_of(daemon.stats(), "cam")["state"] == "active", "it is active")
    equal(sources(star.relay, "in0"), {("239.1.1.1", "10.1.0.1", 1, 0)}, "sources on in0")
    daemon.ready = ""


@test
def all_orders():
    """(*,G) and (S,G) are added and deleted in every order: the memberships are right each time"""
    star = Star()
    texts = {"any": "", "a": " source 10.9.9.1", "b": " source 10.9.9.2"}
    texts = {name: f"{name} in 239.1.1.1:5000@in0{source} out 239.2.2.2:6000@out0"
             for name, source in texts.items()}
    daemon = Daemon(star.relay, config="rules: []")
    control = Client(daemon.socket)

    def look(present):
        equal(groups(star.relay, "in0"), {"239.1.1.1"} if present else set(), f"groups: {present}")
        # With a join for all sources the kernel counts, for each filter, the sockets that accept it.
        wanted = {address for name, address in (("a", "10.9.9.1"), ("b", "10.9.9.2"))
                  if name in present}
        equal({source for _, source, included, _ in sources(star.relay, "in0") if included},
              wanted, f"sources: {present}")

    for coming in itertools.permutations(texts):
        for going in itertools.permutations(texts):
            present = []
            for name in coming:
                control.call("rule.add", rules=[texts[name]])
                look(present := present + [name])
            for name in going:
                control.call("rule.del", names=[name])
                present.remove(name)
                look(present)
    daemon.ready = ""


@test
def low_limits():
    """One group and one source per socket: as many sockets as necessary"""
    star = Star()
    star.relay.sysctl("net/ipv4/igmp_max_memberships", 1)
    star.relay.sysctl("net/ipv4/igmp_max_msf", 1)
    daemon = Daemon(star.relay, *(f"in 239.1.1.{i % 3}:5000@in0 source 10.9.9.{i} "
                                  "out 239.2.2.2:6000@out0" for i in range(1, 31)))
    check("active=30" in daemon.ready, daemon.ready)
    equal({(group, source) for group, source, _, _ in sources(star.relay, "in0")},
          {(f"239.1.1.{i % 3}", f"10.9.9.{i}") for i in range(1, 31)}, "sources on in0")


@test
def failing_join():
    """A failed join is logged with rule, interface and reason; rules without a join are active"""
    star = Star()
    star.relay.sysctl("net/ipv4/igmp_max_memberships", 0)
    daemon = Daemon(star.relay, "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0",
                    "host in 10.1.0.2:5000@in0 out 239.2.2.2:6000@out0")
    stats = daemon.stats()
    equal(rule_of(stats, "cam1")["state"], "pending", "state of cam1")
    equal(rule_of(stats, "host")["state"], "active", "state of host")
    for word in ("239.1.1.1", "in0", "raise sysctl net.ipv4.igmp_max_memberships"):
        check(word in rule_of(stats, "cam1")["reason"], rule_of(stats, "cam1")["reason"])
    daemon.process.wait_line(r"rule=cam1.*239\.1\.1\.1.*in0")


main()
