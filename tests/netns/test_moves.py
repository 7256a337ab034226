#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Planned moves of a stream between real relays, while it flows: at a sequence number no packet is lost or comes
twice, at a moment none comes twice. What a move at a moment loses is printed: it depends on the machine."""

import json
import re

from cluster import Relays, Stream, call
from harness import backlog_empty, check, diagnose, equal, main, program, rule_of, run, test, wait_until
from traffic import Traffic

MOVES = 20
# No host leaves because a program did not run for half a second.
PATIENT = "settle: 3600s\ndeadline: 1s\nguard: 50ms\ndaemon_timeout: 1s\ninput_timeout: 10s\n"
NUMBERED = Relays.RULE.replace(" out ", " sequence 6:16 out ", 1)


class Moves:
    """Two relays with a stream through them."""

    def __init__(self, rule, rate, more=""):
        self.relays = Relays(count=2, rule=rule, more=PATIENT + more)
        wait_until(lambda: self.relays.members() == 2, "two members")
        self.traffic = Traffic(self.relays.source, "10.1.0.9", "239.1.1.1", 5000, rate)
        self.stream = Stream(self.relays.receiver)
        self.stream.wait_more()
        self.gaps = []  # the longest time without a packet in each move
        self.passed = []  # the packets that had arrived before and after each move, and late() after it
        # Moves at a moment that the new host knew: that moment, when the former host ended, and from when the new
        # host's daemon has it. All CLOCK_MONOTONIC, in ns.
        self.moments = []

    def move(self):
        """Move the stream to the other host. Returns the host that has it now."""
        owner = self.relays.owner()
        self.stream.gap = 0
        other = next(host for host in self.relays.relays if host != owner)
        before, first = len(self.held(other)), self.stream.packets
        run(program("xmcastctl"), "--socket", owner.agent.socket, "cluster", "move", "radio", other.name)
        wait_until(lambda: self.relays.owner() == other and len(self.held(other)) > before, f"{other.name} has it")
        self.stream.wait_more()
        # The next move begins when this one is over.
        wait_until(lambda: "left_us" not in (self.record() or ["left_us"]), "the move is over")
        self.gaps.append(self.stream.gap)
        self.passed.append((first, self.stream.packets, self.late()))
        moment = self.held(other)[-1]
        if moment:
            self.moments.append((moment, self.lease(owner)["until"], self.lease(other)["from"]))
        return other

    @staticmethod
    def held(host):
        """The moments of all moves to this host, as its agent has logged them; 0: it did not know it."""
        lines = (re.search(r"shard-held .*moment=(\d+)", line) for line in host.agent.process.lines)
        return [int(line[1]) for line in lines if line]

    @staticmethod
    def lease(host):
        """What the host's daemon has of the shard."""
        lease = call(host.daemon.socket, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "lease.list"}))
        return lease["result"]["leases"][0]

    def record(self):
        """The shard's value in etcd."""
        return self.relays.hosts[0].etcd.value("/xmcast/shards/radio/0")

    def counts(self):
        """The counters of the rule on both relays."""
        return [rule_of(host.daemon.stats(), "a") for host in self.relays.relays]

    def rests(self):
        """Is nothing on its way any more?"""
        counts, arrived = self.counts(), self.stream.packets
        closed = all(count["received_packets"] == count["outputs"][0]["sent_packets"] +
                     count["outputs"][0]["send_errors"] + sum(count["outputs"][0]["drops"].values())
                     for count in counts)
        return closed and backlog_empty() and (counts, arrived) == (self.counts(), self.stream.packets)

    def late(self):
        """How often etcd or a relay has not answered a request in time so far, as the programs have logged it."""
        lines = (line for host in self.relays.relays
                 for line in host.agent.process.lines + host.daemon.process.lines)
        return sum(bool(re.search("store-unreachable|daemon-lost|move-late|lease-expired", line)) for line in lines)

    def lost_in_time(self):
        """The numbers that are missing in each move in which nobody was late. A line that is read only after its
        move counts for both."""
        marks = [0, *(late for _, _, late in self.passed), self.late()]
        return [self.stream.missing_between(first, last) for i, (first, last, _) in enumerate(self.passed)
                if marks[i] == marks[i + 2]]

    def end(self):
        """Stop the stream. Returns the packets that both relays have received and none has sent."""
        self.traffic.stop()
        wait_until(self.rests, "what was received is sent or dropped, and has arrived")
        counts = self.counts()
        self.stream.stop()
        sent = sum(count["outputs"][0]["sent_packets"] for count in counts)
        received = [count["received_packets"] for count in counts]
        diagnose(f"received {received}, sent {sent}, arrived {self.stream.packets}, "
                 f"missing {self.stream.missing()}, twice {self.stream.doubled}")
        diagnose(f"ms without a packet: {[round(1000 * gap, 1) for gap in self.gaps]}")
        return min(received) - sent


@test
def at_a_number():
    """20 moves of a stream with sequence numbers: 0 doubled, and 0 lost in those in which nobody was late"""
    bed = Moves(NUMBERED, 2000)
    while len(bed.passed) < MOVES or not bed.lost_in_time():
        bed.move()
    lost, in_time = bed.end(), bed.lost_in_time()
    diagnose(f"{len(bed.passed)} moves, {len(in_time)} in time")
    equal(bed.stream.doubled, 0, "packets that came twice")
    for host in bed.relays.relays:
        check(not host.agent.process.find_line("leases-refused"), "nothing was refused")
    # What both relays have not received is the switch's.
    check(sum(in_time) <= max(bed.stream.missing() - lost, 0), f"lost in moves in time: {in_time}")


@test
def at_a_moment():
    """20 moves of a stream without: 0 doubled"""
    bed = Moves(Relays.RULE, 2000)
    for _ in range(MOVES):
        bed.move()
    lost = bed.end()
    equal(bed.stream.doubled, 0, "packets that came twice")
    diagnose(f"{MOVES} moves at a moment have lost {lost} packets at 2,000 packets/s")


@test
def at_a_moment_that_both_know(rate=2000, error=5000):
    """With clock_error a host begins that long after the end of the other one; a clock that is wrong is not believed"""
    # A packet must not take longer than `error` between both hosts' XDP programs.
    bed = Moves(Relays.RULE, rate, f"clock_error: {error}us\n")
    moves = 0
    # A node believes a clock after 16 renewals, and no message that was on its way for 100 ms.
    while moves < MOVES or all(moment != begin for moment, _, begin in bed.moments):
        bed.move()
        moves += 1
    lost = bed.end()
    between = [(moment - end) / 1000 for moment, end, _ in bed.moments]
    diagnose(f"{moves} moves have lost {lost} packets at {rate} packets/s, {bed.stream.doubled} came twice; "
             f"us between hosts: {between}")
    equal(bed.stream.doubled, 0, "packets that came twice")
    # The hosts' time of day is the same clock, which each has read up to 10 us wrong.
    check(all(abs(us - error) < 1000 for us in between), f"each moment is {error} us after the end")
    # A daemon that learns the moment only after it begins at once.
    check(all(begin == moment or begin < end for moment, end, begin in bed.moments),
          f"each begins at its moment: {bed.moments}")


main()
