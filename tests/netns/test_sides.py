#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules with several inputs and `select first`: the first input that flows is relayed, never two at once."""

import contextlib
import re
import time

from harness import (PATIENCE, Daemon, Star, check, check_books, equal, main, receive, receiver, rule_of, sender,
                     silent, test, wait_until, work_directory)
from ipv4 import groups
from manager import Manager
from restarts import stored_daemon, take_over

A, B, OUT = "239.1.1.1", "239.1.1.2", "239.2.2.2"

# Longer than a busy machine keeps this program and then the daemon waiting: a side that sends is not silent.
HOLD = "hold 6s"


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

    def select_second(self, rule):
        """B is relayed, because A is silent; then this rule takes the place of the first one, and counts from 0."""
        self.wait_state(0, "silent")
        self.send(1, b"b1")
        self.expect(b"b1")
        self.daemon.ctl("rule", "replace", rule)
        self.sent = [0, 0]

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
    sides = Sides(f"{HOLD} return 10s")
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


def runs(payloads):
    """The sides of what was received, one letter for each time that they change."""
    letters = [payload[:1].decode() for payload in payloads]
    return "".join(letter for i, letter in enumerate(letters) if not i or letters[i - 1] != letter)


class Pump:
    """Sends numbered datagrams by both sides until something has happened, and notes what arrives."""

    def __init__(self, sides):
        self.sides, self.number, self.received = sides, 0, []
        self.last = [0, 0]  # when each side has sent
        self.sides.sock.setblocking(False)

    def _read(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.received.append(self.sides.sock.recv(2048))

    def send(self, sides, slow=()):
        """Send by these sides, one datagram of each every millisecond; of those that are slow, every second."""
        for _ in range(20):
            for side in sides:
                if side not in slow or time.monotonic() - self.last[side] > 1:
                    self.sides.send(side, b"%c%d" % (65 + side, self.number))
                    self.last[side] = time.monotonic()
            self.number += 1
            time.sleep(0.001)
        self._read()

    def until(self, sides, condition, what, slow=()):
        """Send by these sides until condition() holds. Not for ever."""
        end = time.monotonic() + PATIENCE
        while not condition():
            check(time.monotonic() < end, f"not in time: {what}")
            self.send(sides, slow)

    def finish(self):
        """All that was relayed was received, in order, and of one side after the other."""
        self.sides.wait_received()
        self.sides.daemon.settle()
        rule = self.sides.rule()
        used = sum(side["used_packets"] for side in rule["sides"])
        end = time.monotonic() + PATIENCE
        while len(self.received) < used and time.monotonic() < end:
            self._read()
        equal(len(self.received), used, "received")
        equal(rule["outputs"][0]["sent_packets"], used, "sent")
        for side in rule["sides"]:
            name = side["name"]
            numbers = [int(p[1:]) for p in self.received if p[:1] == name.encode()]
            check(all(a < b for a, b in zip(numbers, numbers[1:])), f"{name} in order, none twice")
            equal(len(numbers), side["used_packets"], f"received of {name}")
            equal(side["used_packets"] + side["inactive_packets"] + side["side_change_packets"],
                  side["received_packets"], f"all of {name}")
        for reason, key in (("inactive_side", "inactive_packets"), ("side_change", "side_change_packets")):
            equal(rule["outputs"][0]["drops"][reason], sum(side[key] for side in rule["sides"]), reason)
        # The first one that is relayed may be that of a side that was not selected at the beginning.
        check(len(runs(self.received)) <= rule["switches"] + 1,
              f"{rule['switches']} switches, but {runs(self.received)}: something old was sent")
        check_books(self.sides.daemon.stats())
        self.sides.daemon.stop()
        return rule


@test
def there_and_back():
    """The first side stops, flaps, comes back, and both stop: one side after the other leaves, nothing old or twice"""
    sides = Sides(f"{HOLD} return 7s")
    pump = Pump(sides)
    log = sides.daemon.process

    def reported():
        """What happened to A, by the last line about it."""
        return ([None] + re.findall("side-(lost|back) rule=cam1 side=A", log.log()))[-1]

    # Events come once a second: what happened in between is not reported.
    pump.until((0, 1), lambda: reported() == "back" and sides.side(1)["inactive_packets"] > 100, "A is relayed")
    pump.until((1,), lambda: reported() == "lost" and runs(pump.received).endswith("AB"), "B is relayed")
    # For longer than `return`, but never without a gap of `hold`.
    used, begin = sides.side(0)["used_packets"], time.monotonic()
    while time.monotonic() < begin + 8:
        pump.send((1, 0))
        pump.until((1,), lambda: sides.side(0)["state"] == "silent", "A is silent")
    equal(sides.side(0)["used_packets"], used, "of A, which flaps")
    pump.until((1, 0), lambda: runs(pump.received).endswith("ABA"), "A is relayed")
    log.wait_line("side-selected rule=cam1 side=A before=B cause=returned")
    sides.wait_state(1, "silent")
    sides.wait_state(0, "silent")
    check(sides.side(0)["selected"], "A stays selected while nothing arrives")
    pump.send((1,))
    rule = pump.finish()
    equal(pump.received[-20:], [b"B%d" % i for i in range(pump.number - 20, pump.number)], "what arrives first")
    check("ABAB" in runs(pump.received), runs(pump.received))


@test
def slow():
    """A side that sends less than `below` counts as silent, until it has been fast for `return`"""
    sides = Sides(f"{HOLD} below 3pps return 1s")
    pump = Pump(sides)
    pump.until((0, 1), lambda: sides.side(0)["used_packets"] > 100 and sides.side(0)["selected"], "A is relayed")
    pump.until((0, 1), lambda: runs(pump.received).endswith("AB"), "B is relayed", slow=(0,))
    equal(sides.side(0)["state"], "silent", "state of A")
    sides.daemon.process.wait_line("side-selected rule=cam1 side=B before=A cause=slow")
    pump.until((0, 1), lambda: runs(pump.received).endswith("ABA"), "A is relayed")
    pump.finish()


@test
def never():
    """`return never`: the first one is relayed again only once the second one is silent"""
    sides = Sides(f"{HOLD} return never")
    pump = Pump(sides)
    pump.until((1,), lambda: sides.side(1)["selected"], "B is relayed")
    used = sides.side(0)["used_packets"]
    pump.until((1, 0), lambda: sides.side(0)["received_packets"] > 200, "A flows")
    equal(sides.side(0)["used_packets"], used, "A is not relayed")
    sides.wait_state(1, "silent")
    pump.until((0,), lambda: sides.side(0)["used_packets"] > 100, "A is relayed")
    pump.finish()


@test
def one_interface():
    """Both sides come in by one interface"""
    star = Star()
    daemon = Daemon(star.relay, f"cam1 in A:{A}:5000@in0 in B:{B}:5001@in0 select first {HOLD} out {OUT}:6000@out0")
    source, sock = sender(star.source, "10.1.0.1"), receiver(star.receiver, 6000, OUT, "10.2.0.2")
    source.sendto(b"a", (A, 5000))
    equal(receive(sock)[0], b"a", "of A")
    equal(groups(star.relay, "in0"), {A, B}, "groups")
    source.sendto(b"b", (B, 5001))
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["sides"][1]["inactive_packets"] == 1, "B is not relayed")
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["sides"][0]["state"] == "silent", "A is silent")
    source.sendto(b"B", (B, 5001))
    equal(receive(sock)[0], b"B", "of B")
    daemon.settle()
    check_books(daemon.stats())
    daemon.stop()


@test
def one_missing():
    """A side whose interface does not exist is pending, the other one is relayed; it joins in when it exists"""
    star = Star(sources=2)
    star.relay.ip("link set in0 down", "link set in0 name away")  # before Linux 6.2 only what is down is renamed
    daemon = Daemon(star.relay, cam("hold 100ms"))
    sources = [sender(star.sources[0], "10.1.0.1"), sender(star.sources[1], "10.1.1.1")]
    sock = receiver(star.receiver, 6000, OUT, "10.2.0.2")
    rule = rule_of(daemon.stats(), "cam1")
    equal([side["state"] for side in rule["sides"]], ["pending", "silent"], "states of the sides")
    check("in0 does not exist" in rule["sides"][0]["reason"], rule["sides"][0]["reason"])
    equal(rule["state"], "active", "state of the rule")

    def relayed():
        sources[1].sendto(b"b", (B, 5000))
        return rule_of(daemon.stats(), "cam1")["sides"][1]["used_packets"] > 0
    wait_until(relayed, "B is relayed")
    equal(receive(sock)[0], b"b", "of B")
    port = sock.getsockname()[1]
    star.relay.ip("link set away down")
    star.relay.ip("link set away name in0")
    star.relay.ip("link set in0 up")
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["sides"][0]["state"] != "pending", "A is there")
    wait_until(lambda: groups(star.relay, "in0") == {A}, "A is joined")
    wait_until(lambda: star.sources[0].running("s0"), "s0 transmits")
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["sides"][1]["state"] == "silent", "B is silent")
    # Another process may have sent from its own port; both sides send from one.
    ports = {receive_from(sources[0], (A, 5000), sock), receive_from(sources[1], (B, 5000), sock, daemon)}
    equal(len(ports), 1, f"source ports of both sides, received on {port}")
    check_books(daemon.stats(), totals=False)
    equal(daemon.process.stop(), 0, "exit code")


def receive_from(source, to, sock, daemon=None):
    """Send one datagram, after the other side has become silent. Returns the port from which it is sent."""
    if daemon:
        wait_until(lambda: rule_of(daemon.stats(), "cam1")["sides"][0]["state"] == "silent", "A is silent")
    source.sendto(b"x", to)
    while True:
        payload, address, _, _ = receive(sock)
        if payload == b"x":
            return address[1]


@test
def changes():
    """A reload and a replaced rule keep the selected side; it follows the new options"""
    sides = Sides("hold 200ms return never")
    sides.select_second(cam("hold 10s return 3600s") + " ttl 9")
    check(sides.side(1)["selected"], "B is still selected")
    equal(sides.side(1)["received_packets"], 0, "new counters")
    sides.send(1, b"b2")
    sides.expect(b"b2")
    sides.send(0, b"a1")  # neither silent for 10 s nor good for an hour
    sides.wait_received()
    equal(sides.side(0)["inactive_packets"], 1, "A is not relayed")
    sides.daemon.settle()
    sides.daemon.stop()


@test
def taken_over():
    """A successor relays the side that was selected, and has the counters of both"""
    sides = Sides("hold 200ms return never")
    sides.select_second(cam("hold 60s return never"))
    sides.send(0, b"a1")
    sides.wait_received()
    before = sides.rule()
    sides.daemon = take_over(sides.daemon, cam("hold 60s return never"))
    after = sides.rule()
    for key in ("received_packets", "used_packets", "inactive_packets", "selected"):
        equal([s[key] for s in after["sides"]], [s[key] for s in before["sides"]], key)
    equal(after["switches"], before["switches"], "switches")
    sides.send(1, b"b2")
    sides.expect(b"b2")
    sides.finish()


@test
def killed():
    """kill -9, with a holder of the descriptors: the next process goes on with the side that was selected"""
    star = Star(sources=2)
    manager = Manager(work_directory())
    config = f"rules:\n- {cam('hold 300ms return never')}\n"
    daemon = stored_daemon(star, manager, config=config)
    sources = [sender(star.sources[0], "10.1.0.1"), sender(star.sources[1], "10.1.1.1")]
    sock = receiver(star.receiver, 6000, OUT, "10.2.0.2")
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["sides"][0]["state"] == "silent", "A is silent")
    sources[1].sendto(b"b1", (B, 5000))
    equal(receive(sock)[0], b"b1", "of B")
    daemon.process.wait_line("side-selected")
    daemon.stats()
    daemon.stats()  # in a later turn of the main loop, which stores behind each
    path = daemon.socket
    daemon.kill()
    sources[1].sendto(b"b2", (B, 5000))
    daemon = stored_daemon(star, manager, config=config, socket_path=path)
    equal(receive(sock)[0], b"b2", "sent while nobody ran")
    check(rule_of(daemon.stats(), "cam1")["sides"][1]["selected"], "B is selected")
    daemon.stop()


@test
def with_others():
    """A lease, `when joined` and a rate limit beside several inputs: each counts its own drops, and the books close"""
    star = Star(sources=2)
    rule = (f"cam1 in A:{A}:5000@in0 in B:{B}:5000@in1 select first hold 60s lease tv "
            f"out {OUT}:6000@out0 when joined out 10.2.0.2:7000 pps 1 burst 1ms")
    daemon = Daemon(star.relay, config=f"rules:\n- {rule}\ndemand: {{leave: fast}}\n")
    daemon.process.wait_line("receivers-heard")
    sources = [sender(star.sources[0], "10.1.0.1"), sender(star.sources[1], "10.1.1.1")]
    unicast = receiver(star.receiver, 7000)

    def side(number):
        return rule_of(daemon.stats(), "cam1")["sides"][number]
    sources[0].sendto(b"standby", (A, 5000))
    wait_until(lambda: side(0)["received_packets"] == 1, "received without the lease")
    equal(side(0)["used_packets"], 0, "not relayed without the lease")
    daemon.ctl("lease", "set", "tv", "for", "60s")
    for number in range(3):
        sources[0].sendto(b"%d" % number, (A, 5000))
    sources[1].sendto(b"b", (B, 5000))
    wait_until(lambda: side(0)["received_packets"] == 4 and side(1)["received_packets"] == 1, "received")
    daemon.settle()
    equal(receive(unicast)[0], b"0", "the first one that the limit allows")
    outputs = rule_of(daemon.stats(), "cam1")["outputs"]
    equal([o["drops"]["inactive_side"] for o in outputs], [1, 1], "of B")
    equal([o["drops"]["standby"] for o in outputs], [1, 1], "without the lease")
    equal(outputs[0]["drops"]["not_joined"], 3, "nobody has joined")
    check(outputs[1]["drops"]["rate_limited"] >= 1, "over the limit")
    equal([side(0)["used_packets"], side(1)["used_packets"]], [3, 0], "used")
    check_books(daemon.stats())
    daemon.stop()


@test
def paths():
    """With `relay.path` auto the rule is on the user path, with kernel it is pending; both say why, and explain does"""
    star = Star(sources=2)
    for path, state in (("auto", "active"), ("kernel", "pending")):
        daemon = Daemon(star.relay, config=f"rules:\n- {cam()}\nrelay: {{path: {path}}}\n")
        rule = rule_of(daemon.stats(), "cam1")
        equal((rule["state"], rule["path_reason"]), (state, "several inputs need the user path"), path)
        told = daemon.ctl("explain", "cam1", check=False).stdout
        check("rule: several inputs need the user path" in told, told)
        check(("input B: no packet" in told) == (path == "auto"), told)
        shown = daemon.ctl("rule", "show", "cam1").stdout
        check(f"B     {'silent ' if path == 'auto' else 'pending'}" in shown, shown)
        daemon.stop()


if __name__ == "__main__":
    main()
