# SPDX-License-Identifier: BSD-2-Clause
"""Numbered datagrams of several sizes and flows: what was sent must be received, byte by byte, each datagram
once, and those of one flow in order."""

import struct
import time

from harness import check, equal, receive, sender, silent

# Payloads: small ones, and those of the largest packets that an MTU of 1500 leaves room for.
SIZES = (64, 512, 1400, 1472)
FLOWS = 8

# Sent in one go; then a short break, because the smallest network card has a ring of 256 entries.
BURST = 16
BREAK_SECONDS = 0.004


def payload(number, size):
    """The datagram with this number."""
    return struct.pack("!I", number) + bytes((number + i) % 251 for i in range(size - 4))


class Stream:
    """Datagrams from several sockets with an address of their own in a namespace, to a group."""

    def __init__(self, namespace, address, group="239.1.1.1", port=5000):
        self.sockets = [sender(namespace, address) for _ in range(FLOWS)]
        self.to = (group, port)
        self.sent = []

    def send(self, count, sizes=SIZES):
        """Send `count` datagrams of each size. Returns their number."""
        first = len(self.sent)
        for number in range(first, first + count * len(sizes)):
            datagram = payload(number, sizes[number % len(sizes)])
            self.sockets[number % FLOWS].sendto(datagram, self.to)
            self.sent.append(datagram)
            if number % BURST == BURST - 1:
                time.sleep(BREAK_SECONDS)
        return len(self.sent) - first


def check_received(output, sent):
    """Exactly the datagrams in the list `sent` arrive at the socket `output`."""
    received = [receive(output)[0] for _ in sent]
    check(silent(output), "more datagrams than were sent")
    numbers = [struct.unpack("!I", datagram[:4])[0] for datagram in received]
    equal(len(set(numbers)), len(numbers), "datagrams without those that arrived twice")
    equal(sorted(received), sorted(sent), "payloads")
    for flow in range(FLOWS):
        of_flow = [number for number in numbers if number % FLOWS == flow]
        overtaken = [pair for pair in zip(of_flow, of_flow[1:]) if pair[0] > pair[1]]
        equal(overtaken, [], f"datagrams of flow {flow} that arrived after a later one")
