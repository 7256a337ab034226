#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Planned moves of a stream between real relays, while it flows: at a sequence number no packet is lost or comes
twice, at a moment none comes twice. What a move at a moment loses is printed: it depends on the machine."""

from cluster import Relays, Stream
from harness import backlog_empty, check, diagnose, equal, main, program, rule_of, run, test, wait_until
from traffic import Traffic

MOVES = 20
NUMBERED = Relays.RULE.replace(" out ", " sequence 6:16 out ", 1)


class Moves:
    """Two relays with a stream through them."""

    def __init__(self, rule, rate):
        self.relays = Relays(count=2, rule=rule)
        wait_until(lambda: self.relays.members() == 2, "two members")
        self.traffic = Traffic(self.relays.source, "10.1.0.9", "239.1.1.1", 5000, rate)
        self.stream = Stream(self.relays.receiver)
        self.stream.wait_more()

    def move(self):
        """Move the stream to the other host. Returns the host that has it now."""
        owner = self.relays.owner()
        other = next(host for host in self.relays.relays if host != owner)
        run(program("xmcastctl"), "--socket", owner.agent.socket, "cluster", "move", "radio", other.name)
        wait_until(lambda: self.relays.owner() == other, f"{other.name} has it")
        self.stream.wait_more()
        # The next move begins when this one is over.
        wait_until(lambda: "left_us" not in (self.record() or ["left_us"]), "the move is over")
        return other

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
        equal(self.stream.doubled, 0, "packets that came twice")
        return min(received) - sent


@test
def at_a_number():
    """20 moves of a stream with sequence numbers: 0 lost, 0 doubled"""
    bed = Moves(NUMBERED, 2000)
    for _ in range(MOVES):
        bed.move()
    check(bed.end() <= 0, "packets that no relay has sent")
    for host in bed.relays.relays:
        check(not host.agent.process.find_line("daemon-lost|leases-refused"), "nothing was refused")


@test
def at_a_moment():
    """20 moves of a stream without: 0 doubled"""
    bed = Moves(Relays.RULE, 2000)
    for _ in range(MOVES):
        bed.move()
    lost = bed.end()
    diagnose(f"{MOVES} moves at a moment have lost {lost} packets at 2,000 packets/s")


main()
