# SPDX-License-Identifier: BSD-2-Clause
"""Daemons with streams on demand."""

from harness import Daemon, rule_of

QUICK = "demand: {linger: 100ms, leave: fast}\n"


def start(star, *rules, settings=QUICK):
    """A daemon that hears receivers."""
    texts = "".join(f"- '{rule}'\n" for rule in rules)
    daemon = Daemon(star.relay, config=f"rules:\n{texts}{settings}")
    daemon.process.wait_line("receivers-heard")
    return daemon


def rule(daemon, name="tv"):
    """A rule of the statistics."""
    return rule_of(daemon.stats(), name)
