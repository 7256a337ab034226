#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every event that the source logs is in docs/log-events.md, and the other way round.

Reads the C source as text: the calls of log_error() and its like (user/base/log.h), with the
event's name, its facility and level, and the keys of its fields.
"""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Every line has these (user/base/log_record.h): an event's own keys are others.
RESERVED = {"time", "level", "facility", "event", "suppressed", "cut"}

# Values that may have spaces.
QUOTED = {"error", "reason", "hint", "path", "socket", "message", "group"}

STRING = r'"(?:[^"\\]|\\.)*"'
CALL = re.compile(r"\blog_(error|warning|info|debug|write|event|write_event)\(")
FIELD = re.compile(r'\bLOG_(?:(NAME|TEXT|INT|UINT|COUNTS)\(\s*"([^"]*)"|(ERROR|IFACE)\()')


class Event:
    """What is known of one event: sets of names."""

    def __init__(self, where):
        self.where = where
        self.facilities, self.levels, self.keys = set(), set(), set()


def split(text, start):
    """The arguments of a call, from behind its parenthesis on."""
    arguments, depth = [""], 0
    for match in re.compile(rf"{STRING}|.", re.S).finditer(text, start):
        token = match[0]
        if token == "," and not depth:
            arguments.append("")
            continue
        depth += (token in "([{") - (token in ")]}")
        if depth < 0:
            return [" ".join(argument.split()) for argument in arguments]
        arguments[-1] += token
    return None


def branch(argument, condition, first):
    """One side of "CONDITION ? a : b", if that is what the argument is."""
    match = re.fullmatch(re.escape(condition) + r" \? (.*) : (.*)", argument)
    return match[1 if first else 2] if match and condition else argument


def named(prefix, text):
    """Names of an enum in C source: LOG_LEVEL_INFO is info."""
    return {name.lower() for name in re.findall(rf"\b{prefix}_([A-Z]+)\b", text)}


def read_record(function, arguments, own, where, events, faults):
    """Add what one call, or one side of it, says of an event."""
    facility = arguments.pop(0) if function in ("write", "write_event") else ""
    level = function if function in ("error", "warning", "info", "debug") else arguments.pop(0)
    name = arguments.pop(0)
    if not name.startswith('"'):
        return  # chosen elsewhere
    if not re.fullmatch(r'"[a-z][a-z0-9-]*"', name):
        faults.append(f"{where}: this is no name of an event: {name}")
    name = name[1:-1]
    event = events.setdefault(name, Event(where))
    event.facilities |= named("LOG_FACILITY", facility) or own
    event.levels |= named("LOG_LEVEL", level) or {level}
    for argument in arguments:
        fields = [(kind or other, key or other.lower()) for kind, key, other
                  in FIELD.findall(argument)]
        if not fields and argument != "LOG_NONE":
            faults.append(f"{where}: {name}: a field that this test cannot read: {argument}")
        for kind, key in fields:
            event.keys.add(key)
            if key in RESERVED:
                faults.append(f"{where}: {name}: every line has a key {key} of its own")
            if key in QUOTED and kind == "NAME":
                faults.append(f"{where}: {name}: {key} may have spaces, and is not in quotes")


def read_call(function, arguments, own, where, events, faults):
    """A call whose name depends on a condition is two, whose other arguments may depend on it."""
    conditions = {match[1] for match in (re.fullmatch(r'(.*) \? "[^"]*" : "[^"]*"', argument)
                                         for argument in arguments) if match}
    for condition in conditions or {""}:
        for first in (True, False)[:2 if condition else 1]:
            read_record(function, [branch(argument, condition, first) for argument in arguments],
                        own, where, events, faults)


def read_source(faults):
    """All events that are logged, by name; and every string in the source."""
    events, strings = {}, set()
    for path in sorted(glob.glob(os.path.join(ROOT, "user/**/*.c"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        own = named("LOG_FACILITY", "".join(re.findall(r"#define LOG_FACILITY (\w+)", text)))
        strings |= {literal[1:-1] for literal in re.findall(STRING, text)}
        for match in CALL.finditer(text):
            where = f"{os.path.relpath(path, ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
            arguments = split(text, match.end())
            if arguments:
                read_call(match[1], arguments, own, where, events, faults)
            else:
                faults.append(f"{where}: a call that this test cannot read")
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
        if event.levels != levels:
            yield f"{event.where}: {name}: levels are {event.levels}, not {levels}"
        if event.keys != keys:
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
