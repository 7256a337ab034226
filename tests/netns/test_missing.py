#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Packets vanish between the XDP program and the socket, without a counter: the daemon notices, says so, and
receives in another way. The socket of another device is put into the map, so that the kernel refuses the packets."""

import json
import re
import time

from follow import RULE, reopens, wait_active
from harness import (Daemon, Star, backlog_empty, check, equal, interface_of, main, receive, receiver, sender, test,
                     wait_until)
from stolen import ForeignSocket


class Stream:
    """Numbered datagrams, a few now and then, and what becomes of them."""

    def __init__(self, star, daemon):
        self.daemon = daemon
        self.output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        self.source = sender(star.source, "10.1.0.1")
        self.sent = 0
        self.foreign = ForeignSocket(star.relay, "out0")

    def send(self):
        """Ten datagrams."""
        for _ in range(10):
            self.source.sendto(b"%d" % self.sent, ("239.1.1.1", 5000))
            self.sent += 1
        time.sleep(0.1)

    def send_until(self, condition, what):
        """Send on until the condition holds."""
        def step():
            self.send()
            return condition()

        return wait_until(step, what)

    def map_id(self):
        """The kernel's number of the map of sockets; None while the interface is not open."""
        shown = json.loads(self.daemon.ctl("-j", "iface", "show", "in0").stdout)
        return (shown["attach"] or {}).get("maps", {}).get("sockets")

    def steal(self):
        """From now on packets vanish."""
        self.foreign.take_place(self.map_id())

    def events(self):
        """The reported losses: how it is opened after each."""
        return re.findall(r"packets-missing iface=in0 .*next=(\w+)", self.daemon.process.log())

    def vanished(self):
        """Packets that are in no counter, once nothing is on its way."""
        totals = self.daemon.stats()["totals"]
        return totals["steered_packets"] - totals["received_packets"] - totals["dropped_packets"]

    def missing(self):
        """What the daemon says that is missing."""
        return interface_of(self.daemon.stats(), "in0")["missing_packets"]


def losing(daemon):
    """A daemon that loses packets because the test lets it."""
    daemon.loses_packets = True
    return reopens(daemon)


@test
def another_mode():
    """Native: reported, opened in skb mode, and kept in it, because the books close there"""
    star = Star()
    daemon = losing(Daemon(star.relay, RULE))
    stream = Stream(star, daemon)
    stream.send()
    daemon.settle(steered=10)
    equal(stream.missing(), 0, "missing")
    stream.steal()
    stream.send_until(stream.events, "the loss is reported")
    stream.send_until(lambda: interface_of(daemon.stats(), "in0")["mode"] == "skb", "it is opened in skb mode")
    wait_active(daemon)
    stream.send_until(lambda: "packets-missing-ended" in daemon.process.log(), "the fall-back has proved itself")
    equal(stream.events(), ["skb"], "reports")
    wait_until(backlog_empty, "all that was sent has arrived")
    wait_until(lambda: stream.vanished() == stream.missing(), "every packet that has vanished is counted")
    check(stream.missing() >= 30, f"{stream.missing()} are missing")
    hint = interface_of(daemon.stats(), "in0")["hint"]
    check("have arrived nowhere" in hint and hint in daemon.ctl("iface", "show", "in0").stdout, hint)
    numbers = {int(receive(stream.output)[0]) for _ in range(daemon.stats()["totals"]["received_packets"])}
    check(set(range(10)) <= numbers and stream.sent - 1 in numbers, "those that were received were sent")
    log = daemon.stop()
    check("xdp_mode=skb" in log, "the mode in the log")


@test
def nothing_to_try():
    """skb mode: reported once, with the likely cause; the rule stays active"""
    star = Star()
    daemon = losing(Daemon(star.relay, config=f"rules: [ {RULE} ]\ninterfaces: {{ in0: {{ mode: skb }} }}\n"))
    stream = Stream(star, daemon)
    stream.steal()
    stream.send_until(stream.events, "the loss is reported")
    before = stream.sent
    stream.send_until(lambda: stream.sent >= before + 400, "more")
    equal(stream.events(), ["none"], "reports")
    check("another program has changed the map of sockets" in interface_of(daemon.stats(), "in0")["hint"], "cause")
    equal(interface_of(daemon.stats(), "in0")["mode"], "skb", "mode")
    wait_until(lambda: stream.missing() >= before, "what is missing is counted")
    equal(daemon.stats()["totals"]["received_packets"], 0, "received")
    daemon.stop()


@test
def nothing_helps():
    """Packets vanish in skb mode as well: native mode again, and nothing more is tried"""
    star = Star()
    daemon = losing(Daemon(star.relay, RULE))
    stream = Stream(star, daemon)
    stolen = set()

    def steal_again():
        number = stream.map_id()
        if number and number not in stolen:
            stream.foreign.take_place(number)
            stolen.add(number)
        return len(stolen) == 3 and stream.events()[1:]

    stream.send_until(steal_again, "it was opened three times")
    wait_until(lambda: interface_of(daemon.stats(), "in0")["mode"] == "native", "native mode again")
    before = stream.sent
    stream.send_until(lambda: stream.sent >= before + 600, "more")
    equal(stream.events(), ["skb", "none"], "reports")
    equal(len(stolen), 3, "times opened")
    daemon.stop()


if __name__ == "__main__":
    main()
