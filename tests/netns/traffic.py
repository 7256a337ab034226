#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A light, endless stream from an ordinary socket, in a process of its own.

xmcast-gen is exact and fast, but it paces inside the kernel, where it occupies a CPU and delays RCU grace
periods (by 100 ms and more on a machine with two CPUs), and with them everything that attaches, detaches
or closes objects. Where such delays matter, or the CPU time of an hour does, this program is used: it
sends some packets, then sleeps. The payload is an eight-byte number in network order, the four-byte index of the
group, then padding.
"""

import socket
import struct
import sys
import time

from harness import start

TICK = 0.001


class Traffic:
    """Sends RATE packets/s from ADDRESS (in the namespace) to each GROUP:PORT until stop()."""

    def __init__(self, namespace, address, group, port, rate, size=256):
        """`group`: one, or several with commas."""
        self.process = start(namespace, sys.executable, __file__, address, group, str(port),
                             str(rate), str(size), name=f"traffic@{namespace.name}")

    def stop(self):
        """Stop sending."""
        self.process.kill()


def pump(address, groups, port, rate, size):
    """Send forever. Ignores errors, because interfaces may be missing for a while."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    filling = bytes(max(0, size - 12))
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate * len(groups))
        while sent < due:
            number, index = divmod(sent, len(groups))
            try:
                sock.sendto(struct.pack("!QI", number, index) + filling, (groups[index], port))
            except OSError:
                pass
            sent += 1
        time.sleep(TICK)


if __name__ == "__main__":
    pump(sys.argv[1], sys.argv[2].split(","), *map(int, sys.argv[3:]))
