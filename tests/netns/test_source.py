#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sources: prefixes, many groups, several sources of one group."""

from control import Client
from harness import (Daemon, Star, check, equal, group_mac, main, packet_socket, receive, receiver, rule_of,
                     silent, test, udp_frame)
from ipv6 import Star6, groups6, receiver6, sender6, sources6


class Wire:
    """Sends IPv4 packets of any source into a relay, and tells who takes them."""

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


@test
def most_specific():
    """Of a host, prefixes of four lengths and any source the most specific takes the packet"""
    star = Star()
    sources = {"host": "10.9.9.9", "p31": "10.9.9.8/31", "p24": "10.9.9.0/24", "p16": "10.9.0.0/16",
               "p8": "10.0.0.0/8", "any": None}
    rules = [f"{name} in 239.1.1.1:5000@in0{f' source {source}' if source else ''} "
             f"out 239.2.2.2:{6000 + i}@out0" for i, (name, source) in enumerate(sources.items())]
    # In an order that is none.
    daemon = Daemon(star.relay, *sorted(rules, key=lambda rule: rule[1:]))
    sinks = [receiver(star.receiver, 6000 + i, "239.2.2.2", "10.2.0.2")
             for i in range(len(sources))]
    wire = Wire(star)
    for source in ("10.9.9.9", "10.9.9.8", "10.9.9.10", "10.9.8.9", "10.8.9.9", "11.9.9.9"):
        wire.send(source, source.encode())
    daemon.settle(steered=6)
    for sink, source in zip(sinks, ("10.9.9.9", "10.9.9.8", "10.9.9.10", "10.9.8.9", "10.8.9.9",
                                    "11.9.9.9")):
        equal(receive(sink)[0], source.encode(), "payload")
        check(silent(sink), "more than its own packets")
    equal(set(received(daemon).values()), {1}, "packets of each rule")
    equal(rule_of(daemon.stats(), "p24")["source"], "10.9.9.0/24", "source in the statistics")


main()
