#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long a receiver waits for its stream: from its report to the first datagram, at 5,000 packets/s.

Prints a line for each path, with the input joined all the time and joined on demand. The wait includes up to
0.2 ms until the next packet arrives, and the wake-up of the receiver. The reports are written by the program
itself, because the kernel sends those of its own receivers up to 8 ms after their join."""

import argparse
import contextlib
import os
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "netns"))

# pylint: disable=wrong-import-position
from demanded import rule, start  # noqa: E402
from group_messages import TO_EXCLUDE, TO_INCLUDE, frame4, report3  # noqa: E402
from harness import PATIENCE, discard, program, start as start_program, wait_until  # noqa: E402
from kernel_rules import V4, star_for  # noqa: E402
from sockets import packet_socket  # noqa: E402

IN, OUT, RATE = "239.1.1.1", "239.2.2.2", 5_000


def is_datagram(packet):
    """Is it one of the stream, and not an IGMP query?"""
    return packet[23] == socket.IPPROTO_UDP


def wait_of_one(host, daemon):
    """Join, wait for the first datagram, leave. Returns the wait in ms."""
    before = time.monotonic_ns()
    host.send(frame4(report3((TO_EXCLUDE, OUT, [])), "10.2.0.2"))
    while not is_datagram(host.recv(2048)):
        pass
    waited = time.monotonic_ns() - before
    host.send(frame4(report3((TO_INCLUDE, OUT, [])), "10.2.0.2"))
    wait_until(lambda: not rule(daemon)["outputs"][0]["wanted"], "the output is not wanted")
    host.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while host.recv(2048):
            pass
    host.settimeout(PATIENCE)
    return waited / 1e6


def measure(path, on_demand, joins):
    """The waits of this number of joins."""
    star = star_for(V4)
    options = " on demand" if on_demand else ""
    daemon = start(star, f"tv in {IN}:5000@in0{options} path {path} out {OUT}:6000@out0 when joined")
    traffic = start_program(star.source, program("xmcast-gen"), "s0", "-j", "--source", "10.1.0.1", "--group", IN,
                            "--port", 5000, "--size", 100, "--rate", RATE, "--count", RATE * 60)
    with packet_socket(star.receiver, "r0") as host:
        waits = [wait_of_one(host, daemon) for _ in range(joins)]
    traffic.kill()
    daemon.stop()
    discard()
    return waits


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--joins", type=int, default=50, help="of each kind (50)")
    joins = parser.parse_args().joins
    for path in ("user", "kernel"):
        for on_demand, text in ((False, "joined"), (True, "joined on demand")):
            waits = measure(path, on_demand, joins)
            print(f"{path} path, input {text}: {statistics.median(waits):.2f} ms median, "
                  f"{max(waits):.2f} ms at most, of {joins} joins", flush=True)


if __name__ == "__main__":
    main()
