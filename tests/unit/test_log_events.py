#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every event that the source logs is in docs/log-events.md, and the other way round.

Reads the C source as text: the calls of log_error() and its like, whose first argument begins with
the event's name, and of event_init(). Of the former facility, level and keys are compared as well.
"""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEVELS = ("error", "warning", "info", "debug")

# Every line has these (user/base/log_line.h): an event's own keys are others.
RESERVED = {"time", "level", "facility", "event", "text", "suppressed", "cut"}

# Values that may have spaces.
QUOTED = {"error", "reason", "hint", "path", "socket", "message", "group"}

STRING = r'"(?:[^"\\]|\\.)*"'
CALL = re.compile(r"\b(log_(?:error|warning|info|debug|write)|event_init)\(((?:" + STRING +
                  r"|[^\"();]|\((?:" + STRING + r"|[^\"();])*\))*)\)")


class Event:
    """What is known of one event: sets of names. `keys` None: they are not in the call."""

    def __init__(self, where):
        self.where = where
        self.facilities, self.levels, self.keys = set(), set(), set()


def literals(text):
    """The first string of C source, made of all the literals that follow each other."""
    match = re.search(rf"{STRING}(?:\s*{STRING})*", text)
    if not match:
        return ""
    return "".join(part[1:-1] for part in re.findall(STRING, match[0])).replace('\\"', '"')


def named(prefix, text):
    """Names of an enum in C source: LOG_LEVEL_INFO is info."""
    return {name.lower() for name in re.findall(rf"\b{prefix}_([A-Z]+)\b", text)}


def read_call(function, arguments, own, where, events, faults):
    """Add what one call says of an event."""
    if function == "event_init":
        names, line = re.findall(r'"([a-z][a-z0-9-]*)"', arguments), None
        if "EVENT_NOT_LOGGED" in arguments:
            return
    else:
        line = literals(arguments)
        names = re.findall(r"^([a-z][a-z0-9-]*)(?= |$)", line)
        if not names and not line.startswith("%s"):
            faults.append(f"{where}: a line that does not begin with an event: {line!r}")
    for name in names:
        event = events.setdefault(name, Event(where))
        event.facilities |= named("LOG_FACILITY", arguments) or own
        level = function.removeprefix("log_")
        event.levels |= {level} if level in LEVELS else named("LOG_LEVEL", arguments)
        if line is None:
            event.keys = None
            continue
        keys = re.findall(r"(?<= )([a-z][a-z0-9_]*)=(\"?)", re.sub(r'"[^"]*"', '""', line))
        event.keys |= {key for key, _ in keys}
        for key, quote in keys:
            if key in RESERVED:
                faults.append(f"{where}: {name}: every line has a key {key} of its own")
            if key in QUOTED and not quote:
                faults.append(f"{where}: {name}: {key} may have spaces, and is not in quotes")


def read_source(faults):
    """All events that are logged, by name; and every string in the source."""
    events, strings = {}, set()
    for path in sorted(glob.glob(os.path.join(ROOT, "user/**/*.c"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        own = named("LOG_FACILITY", "".join(re.findall(r"#define LOG_FACILITY (\w+)", text)))
        strings |= {literal[1:-1].split(" ")[0] for literal in re.findall(STRING, text)}
        calls = list(CALL.finditer(text))
        if len(calls) != len(re.findall(r"^[^*\n]*\b(?:log_(?:error|warning|info|debug|write)|"
                                        r"event_init)\(", text, re.M)):
            faults.append(f"{os.path.relpath(path, ROOT)}: a call that this test cannot read")
        for match in calls:
            where = f"{os.path.relpath(path, ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
            if "const char *" not in match[2]:  # a definition
                read_call(match[1], match[2], own, where, events, faults)
    return events, strings


def read_document():
    """The rows of docs/log-events.md by event: facility, levels and keys."""
    rows = {}
    with open(os.path.join(ROOT, "docs/log-events.md"), encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            if len(cells) == 5 and cells[0].startswith("`"):
                rows[cells[0].strip("`")] = (cells[1], set(cells[2].split(" or ")),
                                             set(re.findall(r"`([^`]+)`", cells[3])), cells[4])
    return rows


def read_protocol():
    """Events that clients get, and the log as well."""
    with open(os.path.join(ROOT, "docs/control-protocol.md"), encoding="utf-8") as file:
        table = re.search(r"^\| event \| about .*\n\|-.*\n((?:\|.*\n)+)", file.read(), re.M)
    names = {name for row in table[1].splitlines()
             for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    # It is for the one client that did not read; nothing that an admin could mend.
    return names - {"events-lost"}


def compare(events, strings, rows):
    """What the document says of each event is what the source does."""
    for name, event in sorted(events.items()):
        if name not in rows:
            yield f"{event.where}: {name} is not in docs/log-events.md"
            continue
        facility, levels, keys, meaning = rows[name]
        if event.facilities != {facility}:
            yield f"{event.where}: {name}: facility is {event.facilities}, not {facility}"
        if not levels <= event.levels or (event.keys is not None and event.levels != levels):
            yield f"{event.where}: {name}: levels are {event.levels}, not {levels}"
        if event.keys is not None and event.keys != keys:
            yield f"{event.where}: {name}: keys are {sorted(event.keys)}, not {sorted(keys)}"
        if not meaning:
            yield f"docs/log-events.md: {name} means nothing"
    for name in sorted(rows.keys() - strings):
        yield f"docs/log-events.md: {name} is nowhere in the source"
    for name in sorted((read_protocol() & strings) - rows.keys()):
        yield f"docs/log-events.md: {name}, of docs/control-protocol.md, is missing"


def main():
    """One test."""
    faults = []
    events, strings = read_source(faults)
    faults += compare(events, strings, read_document())
    if len(events) < 30:
        faults.append(f"only {len(events)} events were found: the source cannot be read any more")
    print("1..1")
    print(f"{'not ok' if faults else 'ok'} 1 - docs/log-events.md and the source agree "
          f"({len(events)} events)")
    for fault in faults:
        print(f"# {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
