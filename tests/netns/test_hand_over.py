#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A restart that nobody sees: a successor takes over from the running daemon (--take-over).

XMCAST_TAKE_OVERS: how many times (10). XMCAST_TAKE_OVER_RATE: packets/s meanwhile (20000).
"""

import json
import os
import re

from harness import (Daemon, Sink, Star, check, check_clean, diagnose, equal, main, program,
                     start, test)

TIMES = int(os.environ.get("XMCAST_TAKE_OVERS", "10"))
RATE = int(os.environ.get("XMCAST_TAKE_OVER_RATE", "20000"))
RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


def take_over(daemon, *rules, arguments=(), **options):
    """Start a successor of the daemon, and wait until it relays and the daemon has ended. Returns it."""
    successor = Daemon(daemon.namespace, *rules, arguments=("--socket", daemon.socket, "--take-over",
                                                            *arguments), **options)
    successor.socket = daemon.socket
    equal(daemon.process.wait(), 0, "exit code of the predecessor")
    return successor


def pause_us(daemon):
    """For how long nobody read the RX rings when this daemon took over."""
    return int(daemon.process.wait_line(r"taken-over\b.*\bpause_us=(\d+)")[1])


class Stream:
    """A stream that xmcast-gen sends in the background."""

    def __init__(self, source, rate, *options):
        self.process = start(source, program("xmcast-gen"), "s0", "-j", "--rate", str(rate),
                             *options, name="xmcast-gen")

    def report(self):
        """Wait until it has ended."""
        self.process.wait(120)
        return json.loads(self.process.output)


@test
def planned():
    """Planned restarts under load: no packet is lost, doubled or reordered"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, RATE, "--count", str(RATE * TIMES), "--flows", "1")
    pauses = []
    for _ in range(TIMES):
        daemon = take_over(daemon, RULE)
        pauses.append(pause_us(daemon))
    sent = stream.report()
    check_clean(sink.stop(), sent)
    diagnose(f"{TIMES} take-overs at {RATE} packets/s, pauses in ms: "
             f"{' '.join(f'{us / 1000:.1f}' for us in pauses)}")


if __name__ == "__main__":
    main()
