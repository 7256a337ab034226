#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The check of includes (tools/lint/includes.py) finds what it is for, in trees made up for it."""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINT = os.path.join(ROOT, "tools", "lint", "includes.py")

# Name of the test -> (files with what each includes, lines that must be printed). A tree without
# expected lines must pass.
TREES = {
    "a right tree": ({
        "base/text.h": [], "base/text.c": ["base/text.h"],
        "rules/rule.h": ["base/text.h"], "links/link.h": ["base/text.h"],
        "dataplane/stream.h": ["rules/rule.h"], "relay/relay.h": ["dataplane/stream.h", "links/link.h"],
        "telemetry/stats.h": ["relay/relay.h"], "telemetry/metrics.h": ["base/text.h"],
        "telemetry/metrics.c": ["telemetry/metrics.h", "telemetry/stats.h"],
        "control/client.h": [], "daemon/main.c": ["relay/relay.h", "control/client.h", "made.skel.h"],
        "ctl/ctl.h": [], "ctl/ctl.c": ["ctl/ctl.h", "control/client.h", "telemetry/metrics.h"],
    }, []),
    "a circle of headers": ({
        "base/a.h": ["base/b.h"], "base/b.h": ["base/a.h"],
    }, ["circle: base/a -> base/b -> base/a", 'base/a.h:1 includes "base/b.h"',
        'base/b.h:1 includes "base/a.h"']),
    "a circle through a source": ({
        "base/a.h": [], "base/a.c": ["base/a.h", "base/b.h"], "base/b.h": ["base/c.h"],
        "base/c.h": [], "base/c.c": ["base/c.h", "base/a.h"], "base/d.c": ["base/a.h"],
    }, ["circle: base/a -> base/b -> base/c -> base/a", 'base/a.c:2 includes "base/b.h"',
        'base/c.c:2 includes "base/a.h"']),
    "two circles": ({
        "base/a.h": ["base/b.h"], "base/b.h": ["base/a.h"],
        "base/c.h": ["base/d.h"], "base/d.h": ["base/c.h"],
    }, ["circle: base/a -> base/b -> base/a", "circle: base/c -> base/d -> base/c"]),
    "a wrong direction": ({
        "relay/relay.h": [], "telemetry/stats.h": [],
        "relay/books.c": ["relay/relay.h", "telemetry/stats.h"],
    }, ["wrong direction: relay must not depend on telemetry",
        'relay/books.c:2 includes "telemetry/stats.h"']),
    "neighbours in a row": ({
        "steering/steer.h": [], "dataplane/xsk.h": ["steering/steer.h"],
    }, ["wrong direction: dataplane must not depend on steering"]),
    "a program's header in the daemon": ({
        "ctl/table.h": [], "daemon/main.c": ["ctl/table.h"],
    }, ["wrong direction: daemon must not depend on ctl"]),
    "a program that includes the data path": ({
        "dataplane/xsk.h": [], "ctl/show.c": ["dataplane/xsk.h"],
    }, ["program ctl: ctl/show must not use dataplane"]),
    "a program that reaches the data path": ({
        "dataplane/xsk.h": [], "telemetry/stats.h": ["dataplane/xsk.h"],
        "exporter/main.c": ["telemetry/stats.h"],
    }, ["program exporter: exporter/main must not use dataplane",
        'exporter/main.c:1 includes "telemetry/stats.h"',
        'telemetry/stats.h:1 includes "dataplane/xsk.h"']),
    "a program that uses another": ({
        "ctl/table.h": [], "exporter/main.c": ["ctl/table.h"],
    }, ["program exporter: exporter/main must not use ctl"]),
    "a directory that has no place": ({"misc/odds.h": []}, ["unknown directory: misc"]),
}


def run(files):
    """The check's exit code, and what it prints, for a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        for name, includes in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as file:
                file.write("".join(f'#include "{include}"\n' for include in includes) +
                           "#include <stdio.h>\n")
        done = subprocess.run([sys.executable, LINT, root], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines() + done.stderr.splitlines()


def problem(files, expected):
    """What is wrong with the outcome for a tree, or None."""
    code, lines = run(files)
    seen = "\n".join(lines)
    if code != bool(expected):
        return f"exit code {code}:\n{seen}"
    missing = [line for line in expected if not any(line in one for one in lines)]
    if missing:
        return f"not printed: {missing}; but:\n{seen}"
    titles = sum(not line.startswith(" ") for line in lines)
    wanted = sum(" includes " not in line for line in expected)
    if expected and titles != wanted + 1:  # and the count of violations
        return f"{titles - 1} violations, expected {wanted}:\n{seen}"
    return None


def main():
    """A test for each tree."""
    print(f"1..{len(TREES)}")
    failed = 0
    for number, (name, (files, expected)) in enumerate(TREES.items(), 1):
        wrong = problem(files, expected)
        failed += wrong is not None
        print(f"{'ok' if wrong is None else 'not ok'} {number} - {name}")
        if wrong:
            print("# " + wrong.replace("\n", "\n# "))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
