#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Words that xmcast no longer uses, in comments, messages and documents: each has a plainer one."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACES = ("bpf", "docs", "include", "packaging", "tests/fuzz", "tests/unit", "tools", "user")
ENDINGS = (".c", ".h", ".md", ".js", ".html", ".yaml", ".service", ".1", ".5", ".8")

# Word: what to write instead.
WORDS = {
    r"[Ww]hoever": "a noun, such as \"the caller\" or \"a user who\"",
    r"[Ss]o (many|long)\b(?! (that|as))": "the number or the time: \"this number of\", \"for this time\"",
    r"[Ff]olders?": "directory",
    r"(to be had|for want of)": "available, out of",
}


def lines():
    """(place, line) of every file."""
    paths = [os.path.join(ROOT, name) for name in os.listdir(ROOT) if name.endswith(".md")]
    for place in PLACES:
        for directory, _, names in os.walk(os.path.join(ROOT, place)):
            paths += [os.path.join(directory, name) for name in names if name.endswith(ENDINGS)]
    for path in sorted(paths):
        # What CHANGELOG.md says of old names stays.
        if os.path.isfile(path) and os.path.basename(path) != "CHANGELOG.md":
            with open(path, encoding="utf-8") as file:
                yield from ((f"{os.path.relpath(path, ROOT)}:{number}", line)
                            for number, line in enumerate(file, 1))


def main():
    """Print what was found. Returns the exit code."""
    pattern = {word: re.compile(rf"\b{word}\b") for word in WORDS}
    found = [f"{place}: {line.strip()}\n    instead: {WORDS[word]}" for place, line in lines()
             for word in WORDS if pattern[word].search(line)]
    for fault in found:
        print(fault)
    print(f"words: {len(found)} that have plainer ones")
    return bool(found)


sys.exit(main())
