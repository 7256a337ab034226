#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The health of streams that a rule watches: what was lost, doubled and reordered before it arrived is counted
exactly, whatever the payload is."""

import random
import struct
import time

from harness import Daemon, Star, equal, main, rule_of, sender, test, wait_until

RULE = "cam1 in 239.1.1.1:5000@in0 watch {} out 239.2.2.2:6000@out0"
GROUP = ("239.1.1.1", 5000)
WINDOW = 64
BURST = 16


def send(sock, datagrams):
    """Send them, with breaks, because a veth has a ring of 256 entries."""
    for i, datagram in enumerate(datagrams):
        sock.sendto(datagram, GROUP)
        if i % BURST == BURST - 1:
            time.sleep(0.004)


def health(daemon, received):
    """What is counted about the rule's stream, once so many datagrams have arrived."""
    def arrived():
        rule = rule_of(daemon.stats(), "cam1")
        return rule["received_packets"] >= received and rule

    rule = wait_until(arrived, f"{received} datagrams have arrived")
    equal(rule["received_packets"], received, "datagrams that arrived")
    return rule["watch"]


def rtp(number, ssrc=0x1234, payload=b"x" * 100, kind=33):
    """An RTP packet: its number may have more than 16 bits."""
    return struct.pack("!BBHII", 0x80, kind, number & 0xffff, number * 1800 & 0xffffffff, ssrc) + payload


def damage(numbers, chance, seed):
    """What arrives of a stream: some are lost, some come later, some twice."""
    dice = random.Random(seed)
    arrived = []
    for number in numbers:
        what = dice.random()
        if what < chance:
            continue
        arrived.append(number)
        if what < 2 * chance:
            arrived.append(number)
        elif what < 3 * chance and len(arrived) > 3:
            arrived[-3], arrived[-1] = arrived[-1], arrived[-3]
    return arrived


def judge(arrived):
    """What must be counted: slow and simple. The numbers are whole, not of 16 bits."""
    seen, highest = set(), arrived[0]
    counts = {"reordered_packets": 0, "duplicate_packets": 0, "late_packets": 0}
    for number in arrived:
        if number > highest:
            highest = number
        elif number + WINDOW <= highest:
            counts["late_packets"] += 1
            continue
        elif number in seen:
            counts["duplicate_packets"] += 1
        elif seen:
            counts["reordered_packets"] += 1
        seen.add(number)
    decided = range(arrived[0], highest - WINDOW + 1)
    return counts | {"lost_packets": sum(number not in seen for number in decided)}


@test
def rtp_loss():
    """RTP with seeded loss, reordering and duplicates, over a wrap of the numbers: the counts are exact"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("rtp"))
    arrived = damage(range(65000, 67000), 0.02, 1)
    expected = judge(arrived)
    send(sender(star.source, "10.1.0.1"), [rtp(number) for number in arrived])
    counts = health(daemon, len(arrived))["rtp"]
    equal({key: counts[key] for key in expected}, expected, "counts")
    equal(counts["received_packets"], len(arrived), "RTP packets")
    equal(counts["source_changes"], 0, "changes of the source")
    equal([source["ssrc"] for source in counts["sources"]], ["0x00001234"], "sources")
    equal({key: counts["sources"][0][key] for key in expected}, expected, "counts of the source")
    daemon.settle()


if __name__ == "__main__":
    main()
