#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The status page, open for some minutes in a headless Chromium beside a relay with traffic and rules that
come and go: neither the page nor the exporter may hold more at the end than after the first minute.

    tests/soak/page.py [--minutes N]      (default: 10; root)

Prints one line a minute, and exits with 1 if something has grown. `tests/netns/test_page.py leaks_nothing` is the
short form: the same updates as fast as they can be shown.
"""

import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "netns"))

# pylint: disable=wrong-import-position
from browser import Browser  # noqa: E402
from control import Client  # noqa: E402
from harness import Daemon, Exporter, Star, netns, sender  # noqa: E402

# A heap that is collected still varies by this much.
HEAP_GROWTH = 300_000
RSS_GROWTH_KIB = 1024

RULES = [f"cam{i} in 239.1.1.{i}:5000@in0 out 239.2.2.{i}:6000@out0" for i in range(1, 21)]


def rss_kib(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def disturb(control, sockets, second):
    """One second: packets to some rules, others silent; a rule that comes or goes."""
    for _ in range(50):
        for i in range(1, 21):
            if (second // 5 + i) % 4:
                sockets.sendto(b"x" * 200, (f"239.1.1.{i}", 5000))
        time.sleep(0.02)
    if second % 2:
        control.call("rule.add", rules=[f"passing{second} in 239.9.1.1:5000@in0 out 239.9.2.2:6000@out0"])
    else:
        control.call("rule.del", names=[f"passing{second - 1}"])


def main():
    """Run, and compare the last minute with the first."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=int, default=10)
    minutes = max(2, parser.parse_args().minutes)
    netns.prepare()
    star = Star()
    daemon = Daemon(star.relay, *RULES)
    exporter = Exporter(star.relay, daemon.socket)
    control = Client(daemon.socket)
    sockets = sender(star.source, "10.1.0.1")
    first = None
    with Browser(star.relay) as browser:
        browser.open(f"http://127.0.0.1:{Exporter.PORT}/")
        for minute in range(1, minutes + 1):
            for second in range(60):
                disturb(control, sockets, 60 * minute + second + 1)
            held = {**browser.memory(), "exporter_KiB": rss_kib(exporter.process.pid)}
            print(f"minute {minute}: {held}, updates: {browser.evaluate('model.taken')}", flush=True)
            first = first or held
        errors = browser.errors
    daemon.stop()
    grown = [name for name, most in (("JSHeapUsedSize", HEAP_GROWTH), ("Nodes", 200), ("JSEventListeners", 0),
                                     ("exporter_KiB", RSS_GROWTH_KIB)) if held[name] > first[name] + most]
    print(f"grown: {', '.join(grown) or 'nothing'}; console: {errors or 'nothing'}")
    sys.exit(1 if grown or errors else 0)


main()
