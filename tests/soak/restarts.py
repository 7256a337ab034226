#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make soak-restarts`: restart the daemon again and again while a stream passes, and print what the stream
has met as a table. The short form, without rates to speak of, is tests/netns/test_hand_over.py.

    planned       xmcastd --take-over, on the user path and on the kernel path
    killed        kill -9 by a service manager that keeps the descriptors (--store) and starts the next
                  daemon at once. Between ring and wire are packets of which nobody knows whether they were
                  sent: those that were lost or doubled are counted
    upgrade       --take-over back and forth between this build and one whose XDP maps have another version
                  of the ABI, which is built for this

`gap` is the longest time from one packet of a flow to the next, `unread` the longest during which nobody
read the rings. A busy machine makes both longer, and a source that gets no CPU proves nothing: a row also
fails if less than 95 % of the rate was sent. Other programs must not use the CPUs.
"""

import argparse
import dataclasses
import os
import re
import shutil
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "netns"))

# pylint: disable=wrong-import-position
from harness import ROOT, Daemon, Star, netns  # noqa: E402
from restarts import RULE, Load, planned, stored  # noqa: E402

OFFERED_SHARE = 0.95  # of the rate
HEAD = f"{'':28} {'restarts':>8} {'pkt/s':>8} {'sent':>10} {'lost':>6} {'dup':>4} {'reord':>5} {'gap ms':>7} " \
       f"{'unread':>7} {'IGMP':>4}  verdict"


@dataclasses.dataclass(frozen=True)
class Limit:
    """What an outcome may have at most."""

    lost: int = 0  # lost and doubled
    gap_ms: float = None

    def wrong(self, outcome, rate):
        """What is above the limit, as text."""
        found = []
        if outcome.rate < OFFERED_SHARE * rate:
            found.append(f"only {outcome.rate:.0f} packets/s were sent")
        if outcome.lost + outcome.doubled > self.lost or outcome.reordered:
            found.append(f"lost and doubled above {self.lost}, or reordered")
        if self.gap_ms is not None and outcome.gap_ms > self.gap_ms:
            found.append(f"gap above {self.gap_ms} ms")
        if outcome.messages:
            found.append("IGMP or MLD messages")
        return ", ".join(found)


def kernel_star():
    """A star whose receiver accepts redirected packets."""
    star = Star()
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    return star


def other_build():
    """Build xmcastd with another version of the ABI. Returns the build directory."""
    tree = os.path.join(netns.work_directory(), "other")
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build*", ".git"))
    path = os.path.join(tree, "include", "xmcast", "abi.h")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"(#define XMC_ABI_VERSION) (\d+)", lambda m: f"{m[1]} {int(m[2]) + 1}", text))
    netns.run("make", "-C", tree, "B=build", f"-j{os.cpu_count()}", "build/xmcastd", timeout=900)
    return os.path.join(tree, "build")


def upgrade(load):
    """Take over back and forth between two builds."""
    outcome = planned(Star(), load, build=other_build())
    if not outcome.daemon.process.find_line("not-taken-over .*ABI version"):
        raise AssertionError(f"the other ABI was not logged:\n{outcome.daemon.process.log()}")
    return outcome


def rows(options):
    """Name, limit, load and what runs it, of each row."""
    cpus = sorted(os.sched_getaffinity(0))
    common = {"times": options.times, "frames": options.frames, "source_cpu": str(cpus[0]),
              "relay_cpus": ",".join(map(str, cpus[1:] or cpus))}
    kernel_rule = RULE.replace(" out ", " path kernel out ", 1)
    slow = 20_000 // options.divide
    return {
        "user": ("planned, user path", Limit(), Load(rate=200_000 // options.divide, flows=50, **common),
                 lambda load: planned(Star(), load)),
        "kernel": ("planned, kernel path", Limit(),
                   Load(rate=1_000_000 // options.divide, sink=("--xdp",), **common),
                   lambda load: planned(kernel_star(), load, kernel_rule)),
        "killed": ("kill -9", Limit(lost=100, gap_ms=250), Load(rate=slow, **common),
                   lambda load: stored(Star(), load, end=Daemon.kill, counted=False)),
        "upgrade": ("upgrade to another ABI", Limit(gap_ms=300), Load(rate=slow, **common), upgrade),
    }


def run(name, limit, load, attempt):
    """Run one row and print it. True: it is within its limit."""
    outcome = attempt(load)
    wrong = limit.wrong(outcome, load.rate)
    print(f"{name:28} {load.times:8} {outcome.rate:8.0f} {outcome.sent:10} {outcome.lost:6} {outcome.doubled:4} "
          f"{outcome.reordered:5} {outcome.gap_ms:7.1f} {max(outcome.gaps_ms):7.1f} "
          f"{len(outcome.messages):4}  {wrong or 'ok'}", flush=True)
    if outcome.lost:
        print(f"#   {outcome.uncertain} frames uncertain, {outcome.dropped} did not fit the rings, "
              f"{outcome.refused} refused by the output device", flush=True)
    netns.clean_up()
    return not wrong


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="restarts of each row (100)")
    parser.add_argument("--divide", type=int, default=1, help="all rates by this (1)")
    parser.add_argument("--frames", type=int, default=16384, help="workers.frames (16384)")
    parser.add_argument("row", nargs="*", help="user, kernel, killed, upgrade (all)")
    options = parser.parse_args()
    netns.prepare()
    table = rows(options)
    unknown = set(options.row) - set(table)
    if unknown:
        parser.error(f"no such row: {' '.join(sorted(unknown))}")
    print(HEAD, flush=True)
    good = True
    for key in options.row or table:
        try:
            good &= run(*table[key])
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
            print(f"{netns.process_logs()}\n{table[key][0]:28} FAIL", flush=True)
            netns.clean_up()
            good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
