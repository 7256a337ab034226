#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules with several inputs and `select first`: the first input that flows is relayed, never two at once."""

from harness import (Daemon, Star, check_books, equal, main, receive, receiver, rule_of, sender, silent, test,
                     wait_until)
from ipv4 import groups

A, B, OUT = "239.1.1.1", "239.1.1.2", "239.2.2.2"


def cam(options="hold 300ms return 10s"):
    """A rule whose sides come in by two interfaces."""
    return f"cam1 in A:{A}:5000@in0 in B:{B}:5000@in1 select first {options} out {OUT}:6000@out0"


class Sides:
    """A relay of one rule with two sides, a sender for each, and a receiver."""

    def __init__(self, options="hold 300ms return 10s", **options_of_daemon):
        self.star = Star(sources=2)
        self.daemon = Daemon(self.star.relay, cam(options), **options_of_daemon)
        self.sources = [sender(self.star.sources[0], "10.1.0.1"), sender(self.star.sources[1], "10.1.1.1")]
        self.sock = receiver(self.star.receiver, 6000, OUT, "10.2.0.2")
        self.sent = [0, 0]

    def send(self, side, payload):
        """Send one datagram of side 0 or 1."""
        self.sources[side].sendto(payload, ((A, B)[side], 5000))
        self.sent[side] += 1

    def rule(self):
        """The rule of the statistics."""
        return rule_of(self.daemon.stats(), "cam1")

    def side(self, number):
        """One of its sides."""
        return self.rule()["sides"][number]

    def wait_received(self):
        """Wait until all that was sent is counted as received, side by side."""
        def counted():
            return [side["received_packets"] for side in self.rule()["sides"]] == self.sent
        wait_until(counted, f"{self.sent} packets received")

    def wait_state(self, side, state):
        """Wait until a side has a state."""
        wait_until(lambda: self.side(side)["state"] == state, f"side {side} is {state}")

    def expect(self, *payloads):
        """These datagrams have arrived, and no others."""
        for payload in payloads:
            equal(receive(self.sock)[0], payload, "payload")

    def finish(self):
        """Nothing more arrives, and the books close."""
        self.wait_received()
        self.daemon.settle()
        assert silent(self.sock), "a datagram that was not expected"
        check_books(self.daemon.stats())
        self.daemon.stop()


@test
def main_and_backup():
    """The first side is relayed while it flows, the second one after `hold` of silence"""
    sides = Sides()
    equal(groups(sides.star.relay, "in0"), {A}, "groups on in0")
    equal(groups(sides.star.relay, "in1"), {B}, "groups on in1")
    sides.send(0, b"a1")
    sides.expect(b"a1")
    sides.send(1, b"b1")
    sides.wait_received()
    equal(sides.side(0)["state"], "selected", "state of A")
    sides.wait_state(0, "silent")
    sides.send(1, b"b2")
    sides.expect(b"b2")
    sides.daemon.process.wait_line("side-selected rule=cam1 side=B before=A cause=silent")
    rule = sides.rule()
    equal([side["used_packets"] for side in rule["sides"]], [1, 1], "used")
    equal([side["inactive_packets"] for side in rule["sides"]], [0, 1], "not used")
    equal(rule["outputs"][0]["drops"]["inactive_side"], 1, "dropped")
    equal(rule["switches"], 1, "switches")
    sides.finish()


if __name__ == "__main__":
    main()
