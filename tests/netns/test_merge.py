#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules that merge their inputs: each datagram leaves once, in order, from whichever side had it first."""

import random
import struct
import time

from harness import (Daemon, Star, check_books, equal, main, receive, receiver, rule_of, sender, silent, test,
                     wait_until)

A, B, OUT = "239.1.1.1", "239.1.1.2", "239.2.2.2"


def rtp(sequence, payload=b"", ssrc=0xfeed):
    """An RTP packet."""
    return struct.pack(">BBHII", 0x80, 33, sequence & 0xffff, sequence * 3000 & 0xffffffff, ssrc) + payload


def mold(sequence, *messages, session=b"session  1"):
    """A MoldUDP64 packet."""
    return (struct.pack(">10sQH", session, sequence, len(messages))
            + b"".join(struct.pack(">H", len(message)) + message for message in messages))


class Merge:
    """A relay of one rule with two sides, a sender for each, and a receiver."""

    def __init__(self, how, interfaces=("in0", "in1"), out=f"{OUT}:6000@out0", **options_of_daemon):
        self.star = Star(sources=2)
        self.daemon = Daemon(self.star.relay, f"cam1 in A:{A}:5000@{interfaces[0]} in B:{B}:5000@{interfaces[1]} "
                                              f"merge {how} out {out}", **options_of_daemon)
        sources = [int(name[2:]) for name in interfaces]
        self.sources = [sender(self.star.sources[i], f"10.1.{i}.1") for i in sources]
        self.sock = receiver(self.star.receiver, 6000, OUT, "10.2.0.2")
        self.sent = [0, 0]

    def send(self, side, *payloads):
        """Send datagrams of side 0 or 1."""
        for payload in payloads:
            self.sources[side].sendto(payload, ((A, B)[side], 5000))
            self.sent[side] += 1

    def rule(self):
        """The rule of the statistics."""
        return rule_of(self.daemon.stats(), "cam1")

    def wait_received(self):
        """Wait until all that was sent is counted as received."""
        wait_until(lambda: self.rule()["received_packets"] == sum(self.sent), f"{self.sent} packets received")

    def expect(self, *payloads):
        """These datagrams have arrived."""
        for payload in payloads:
            equal(receive(self.sock)[0], payload, "payload")

    def drops(self):
        """What was not sent, without zeros."""
        return {reason: n for reason, n in self.rule()["outputs"][0]["drops"].items() if n}

    def finish(self, **drops):
        """Nothing more arrives, and the books close with these drops."""
        self.wait_received()
        self.daemon.settle()
        assert silent(self.sock), "a datagram that was not expected"
        equal(self.drops(), drops, "drops")
        check_books(self.daemon.stats())
        self.daemon.stop()


@test
def rtp_once():
    """Two sides with losses: every packet leaves once, in order"""
    merge = Merge("rtp")
    packets = [rtp(65530 + i, b"%d" % i) for i in range(20)]
    merge.send(0, *(p for i, p in enumerate(packets) if i % 5 != 2))
    merge.send(1, *(p for i, p in enumerate(packets) if i % 5 != 3))
    merge.expect(*packets)
    merge.finish(duplicate=12)


if __name__ == "__main__":
    main()
