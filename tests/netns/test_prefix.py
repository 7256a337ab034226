#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prefixes of groups: each group is relayed while a receiver has joined it, as a rule of its own would."""

import contextlib

from harness import (Daemon, Star, check, check_books, equal, main, receive, receiver, rule_of, sender, silent,
                     test, wait_until)
from ipv4 import groups
from ipv6 import Star6, groups6, receiver6, sender6
from kernel_rules import V4, star_for

QUICK = "demand: {linger: 100ms, leave: fast}\n"
RULE = "tv in 239.1.0.0/16:any@in0 out same@out0 when joined"


def start(star, *rules, settings=QUICK):
    """A daemon that hears receivers."""
    texts = "".join(f"- '{rule}'\n" for rule in rules)
    daemon = Daemon(star.relay, config=f"rules:\n{texts}{settings}")
    daemon.process.wait_line("receivers-heard")
    return daemon


def rule(daemon, name="tv"):
    """A rule of the statistics."""
    return rule_of(daemon.stats(), name)


def wait_groups(daemon, count, name="tv"):
    """Wait until the rule relays this number of groups."""
    wait_until(lambda: rule(daemon, name)["groups"] == count, f"rule {name} relays {count} groups")


@test
def one_by_one():
    """Two groups of a prefix: each is joined, sent and left with its receiver; group and port are kept"""
    star = Star()
    daemon = start(star, RULE)
    source = sender(star.source, "10.1.0.1")
    equal(rule(daemon)["state"], "idle", "state without receivers")
    equal(groups(star.relay, "in0"), set(), "groups on in0 without receivers")
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
        equal(rule(daemon)["received_packets"], 2, "received, with what ended")
        source.sendto(b"third", ("239.1.5.5", 6000))
        equal(receive(first)[0], b"third", "payload")
    wait_groups(daemon, 0)
    wait_until(lambda: not groups(star.relay, "in0"), "all groups are left")
    counted = rule(daemon)
    equal((counted["state"], counted["received_packets"], counted["outputs"][0]["sent_packets"]), ("idle", 3, 3),
          "counters in the end")
    check_books(daemon.settle())
    daemon.stop()


main()
