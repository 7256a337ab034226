# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl run against a daemon that says what the test wants: what its tests have in common."""

import os

from fake_daemon import FakeDaemon, answers
from harness import EXIT_DONE, EXIT_UNREACHABLE, EXIT_USAGE, check, equal, program, run, work_directory

# Seconds until what should have ended is killed.
PATIENCE = 30

# Every object and verb, with words that it takes.
COMMANDS = ("rule list", "rule list cam[12]", "rule show cam1",
            "rule add cam9 in 239.1.1.9:5000@in0 out 10.2.0.3:7009", "rule del cam1 cam2",
            "rule replace cam1 in 239.1.1.1:5000@in0 out 10.2.0.3:7009", "rule set cam1 ttl 9",
            "rule rename cam1 cam9", "rule enable spare4",
            "rule disable cam1", "config show", "config save", "config reload", "config diff",
            "config confirm", "config rollback", "config status",
            "stats show", "stats reset-peaks", "iface list", "iface show in0", "worker list",
            "explain 10.9.9.9 > 239.1.1.1:5000@in0.7", "explain cam1", "group list", "log show", "log set steering debug", "ping", "version")


def serve(**other):
    """A fake daemon; `other`: methods that answer differently."""
    serve.count = getattr(serve, "count", 0) + 1
    return FakeDaemon(os.path.join(work_directory(), f"fake{serve.count}.sock"), answers(**other))


def environment(**more):
    """Nothing of the caller's that changes the output."""
    keep = {key: value for key, value in os.environ.items()
            if key not in ("COLUMNS", "NO_COLOR", "XMCAST_SOCKET")}
    return {**keep, "TERM": "xterm", "LC_ALL": "C", **more}


def ctl(daemon, *words, code=EXIT_DONE, **options):
    """Run xmcastctl on a daemon, or none; check how it ends."""
    socket = ("--socket", daemon.path) if daemon else ()
    done = run(program("xmcastctl"), *socket, *words, check=False, env=environment(), **options)
    equal(done.returncode, code, f"exit code of {' '.join(words)}\n{done.stdout}{done.stderr}")
    if code in (EXIT_USAGE, EXIT_UNREACHABLE):
        check(not done.stdout and done.stderr, f"{words}: {done.stdout!r} {done.stderr!r}")
    return done


def verbs():
    """Objects and verbs as the help has them."""
    listed = {}
    for line in ctl(None, "help").stdout.split("objects and verbs:\n")[1].split("\n\n")[0].split(
            "\n"):
        if line.startswith("   "):
            listed[next(reversed(listed))] = line.split()
        else:
            listed[line.split()[0]] = []
    return listed


def many(count):
    """Rules for rule.list."""
    return [{"name": f"r{i}", "rule": f"r{i} in 239.1.{i >> 8}.{i & 255}:1@x out 10.0.0.1:1",
             "enabled": True, "state": "active", "flow": "never", "rate_pps": 0, "rate_bps": 0,
             "outputs": 1} for i in range(count)]
