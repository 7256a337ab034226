#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A short form of the soak (`make soak`)."""

import os
import sys
import unittest.mock

from harness import ROOT, check, check_starved, equal, lossless, main, test

sys.path.insert(0, os.path.join(ROOT, "tests", "soak"))

# pylint: disable=wrong-import-position
import soak  # noqa: E402
from bed import Bed  # noqa: E402
from unrest import Unrest  # noqa: E402

ROUNDS, SECONDS, RATE, SEED = 2, 6, 10000, 5


@test
def short_soak():
    """Rules, files, clients and other interfaces change, and the steady streams lose nothing"""
    bed = Bed()
    unrest = Unrest(bed, SEED, recreate=True)
    first, counts = None, {}

    def attempt(number):
        nonlocal first
        row = soak.one_round(bed, unrest, number, soak.Load(SECONDS, RATE), first)
        first = first or row.footprint
        for name, count in unrest.take_counts().items():
            counts[name] = counts.get(name, 0) + count
        # Packets that the machine lost are not the relay's fault, see harness.Passage.
        if row.dropped:
            check_starved(row.waited, {"sent_packets": RATE, "seconds": 1}, bed.daemon.stats(),
                          row.dropped)
        missing = row.refused + row.dropped
        if not missing:
            equal(row.wrong, [], f"round {number}")
        return missing

    for _ in range(ROUNDS):
        lossless(attempt)
    soak.finish(bed)
    for what in ("reload", "clients", "scrapes", "flaps", "hooks"):
        check(counts.get(what), f"no {what} in {counts}")


@test
def search():
    """The search for the throughput ends near it, for every throughput and source"""
    flood = 400000
    for capacity in range(2000, flood + 1, 5990):
        for most, share in ((flood, 1), (flood, 0.97), (capacity // 2, 1), (flood, 0.9)):
            trials = 0

            def played(_bed, rate, capacity=capacity, most=most, share=share):
                nonlocal trials
                trials += 1
                check(trials <= 40, f"does not end: {capacity} of {flood}, source {most} {share}")
                offered = min(rate * share, most)
                return offered, int(max(0, offered - capacity))

            with unittest.mock.patch.multiple(soak, trial=played, say=lambda _text: None):
                found = soak.throughput(None, flood)
            check(found <= capacity, f"{found} is more than {capacity}")
            if share > 1 - soak.TRIAL_PRECISION:
                least = share * (min(capacity, most) * (1 - 2 * soak.TRIAL_PRECISION) - 2000)
                check(found >= least, f"{found} of {capacity}, source {most}, share {share}")


main()
