#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Any call may fail: a sample of the rounds of `make fault` (tests/fault/sweep.py)."""

import os
import sys

from harness import ROOT, Skip, check, diagnose, main, program, test

sys.path.insert(0, os.path.join(ROOT, "tests", "fault"))

# pylint: disable=wrong-import-position
from sweep import Sweep, parse_arguments  # noqa: E402

# Always the same calls, so that a failure can be reproduced; XMCAST_FAULT_SEED selects others.
SEED = os.environ.get("XMCAST_FAULT_SEED", "1")


def sample(stage, count):
    """Run rounds of this stage, in each of which one call fails."""
    if os.uname().machine != "x86_64":
        raise Skip("the supervisor knows the system calls of x86-64 only")
    program("tests/fault/supervise")
    sweep = Sweep(parse_arguments(["--sample", str(count), "--seed", SEED]))
    sweep.run_stage(stage)
    for line in sweep.wrong:
        diagnose(line)
    check(not sweep.wrong, f"{len(sweep.wrong)} of {count} rounds went wrong")


@test
def start():
    """Start-up"""
    sample("start", 20)


@test
def stop():
    """Shutdown"""
    sample("stop", 10)


@test
def take_over():
    """A daemon takes over from another one, and a call of either fails"""
    sample("take-over", 20)


@test
def killed():
    """A daemon goes on with what a killed one has left in the service manager's store, and a call fails"""
    sample("killed", 25)


@test
def restarted():
    """A daemon leaves everything in the service manager's store, a call fails, and the next one goes on"""
    sample("restarted", 12)


@test
def change():
    """Rules are added, replaced and deleted"""
    sample("change", 20)


@test
def reload():
    """Another configuration is read"""
    sample("reload", 15)


@test
def save():
    """The configuration is written"""
    sample("save", 15)


@test
def query():
    """Every method that reads is called"""
    sample("query", 30)


@test
def monitor():
    """A client monitors events"""
    sample("monitor", 15)


@test
def traffic():
    """Packets are relayed"""
    sample("traffic", 20)


@test
def interface():
    """An interface is set down and up"""
    sample("interface", 3)


main()
