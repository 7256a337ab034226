#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Check who includes whom in user/: no circles, and the order of directories.

    tools/lint/includes.py [DIRECTORY]      (default: user/ of this tree)

A unit is NAME.c and NAME.h of one directory. Units must not include each other in a circle, neither
directly nor through others. Directories depend on each other in one direction only, see LAYERS; the
programs beside the daemon use a part of them, see PROGRAM_MAY_USE, and must not reach another through
the headers of that part either.

Prints each violation with the lines that cause it. Exit code 1 if there is any.
"""

import collections
import glob
import os
import re
import sys

# A directory may include those of the rows above its own, but not its neighbours in the same row.
LAYERS = (
    ("base",),
    ("links", "rules"),
    ("membership", "steering", "dataplane", "import"),
    ("relay",),
    ("control", "telemetry"),
    ("daemon",),
)

PROGRAMS = ("ctl", "exporter", "cluster")
# steering: "xmcastctl iface detach" removes programs and pins without a daemon. relay: "xmcastctl check
# --live" asks the questions of the relay, by user/relay/survey.h.
PROGRAM_MAY_USE = ("base", "rules", "import", "steering", "control", "telemetry", "relay")

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')

LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}


class Include:
    """One line that includes a file of another unit."""

    def __init__(self, path, line, target):
        self.path, self.line, self.target = path, line, target
        self.source_unit, self.target_unit = unit(path), unit(target)

    def __str__(self):
        return f'{self.path}:{self.line} includes "{self.target}"'


def unit(path):
    """The unit that a file belongs to: its path without the suffix."""
    return os.path.splitext(path)[0]


def directory(path):
    """The directory of a unit or file."""
    return path.split("/")[0]


def read(root):
    """All files below `root` and their includes of each other. Generated headers are in neither."""
    paths = sorted(os.path.relpath(path, root) for suffix in "ch"
                   for path in glob.glob(os.path.join(root, "**", f"*.{suffix}"), recursive=True))
    includes = []
    for path in paths:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                match = INCLUDE.match(line)
                if match and os.path.exists(os.path.join(root, match[1])):
                    includes.append(Include(path, number, match[1]))
    return paths, includes


def shortest_path(graph, start, end):
    """The units on a shortest way from `start` to `end`, at least one step long; None: there is none."""
    before, queue = {}, collections.deque([start])
    while queue:
        here = queue.popleft()
        for there in sorted(graph.get(here, ())):
            if there in before:
                continue
            before[there] = here
            if there == end:
                path = [end, here]
                while path[-1] != start:
                    path.append(before[path[-1]])
                return path[::-1]
            queue.append(there)
    return None


def graph_of(includes):
    """Unit -> {unit that it includes: the line that does}."""
    graph = collections.defaultdict(dict)
    for include in includes:
        if include.source_unit != include.target_unit:
            graph[include.source_unit].setdefault(include.target_unit, include)
    return graph


def lines_of(graph, path):
    """The includes along a way through the graph."""
    return [str(graph[near][far]) for near, far in zip(path, path[1:])]


def circles(includes):
    """For each unit the shortest circle that it is part of, each circle once."""
    graph, found = graph_of(includes), {}
    for start in sorted(graph):
        path = shortest_path(graph, start, start)
        if path:
            found.setdefault(frozenset(path), path)
    return [(f"circle: {' -> '.join(path)}", lines_of(graph, path))
            for path in sorted(found.values(), key=lambda path: (len(path), path))]


def unknown_directories(paths):
    """Directories of which LAYERS and PROGRAMS say nothing."""
    known = {*LEVELS, *PROGRAMS}
    return [(f"unknown directory: {name} is not in LAYERS or PROGRAMS of includes.py", [])
            for name in sorted({directory(path) for path in paths} - known)]


def wrong_order(includes):
    """Includes against the order of LAYERS, by pair of directories."""
    wrong = collections.defaultdict(list)
    for include in includes:
        near, far = directory(include.path), directory(include.target)
        if near == far or near not in LEVELS:
            continue
        if far in PROGRAMS or (far in LEVELS and LEVELS[far] >= LEVELS[near]):
            wrong[near, far].append(str(include))
    return [(f"wrong direction: {near} must not depend on {far}", lines)
            for (near, far), lines in sorted(wrong.items())]


def wrong_programs(includes):
    """Units of programs from which a directory is reached that programs must not use. A source may
    include what it likes where it implements a header; therefore only headers lead further."""
    direct = graph_of(includes)
    headers = graph_of(include for include in includes if include.path.endswith(".h"))
    violations = []
    for start in sorted(name for name in direct if directory(name) in PROGRAMS):
        allowed = {directory(start), *PROGRAM_MAY_USE}
        graph = {**headers, start: direct[start]}
        reached = {far for name in graph for far in graph[name] if directory(far) not in allowed}
        paths = [path for path in (shortest_path(graph, start, end) for end in sorted(reached)) if path]
        # Of the ways into a directory, the shortest shows what to change.
        for name in sorted({directory(path[-1]) for path in paths}):
            path = min((path for path in paths if directory(path[-1]) == name), key=len)
            violations.append((f"program {directory(start)}: {start} must not use {name}",
                               lines_of(graph, path)))
    return violations


def check(root):
    """All violations below `root`: a title and the lines that cause it, of each."""
    paths, includes = read(root)
    return (unknown_directories(paths) + circles(includes) + wrong_order(includes) +
            wrong_programs(includes))


def main():
    """The command line."""
    if len(sys.argv) > 2:
        sys.exit(f"usage: {sys.argv[0]} [DIRECTORY]")
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) == 2 else os.path.join(here, "..", "..", "user")
    violations = check(root)
    for title, lines in violations:
        print("\n    ".join([title, *lines]))
    if violations:
        sys.exit(f"includes: {len(violations)} violations")


if __name__ == "__main__":
    main()
