#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every file of the project that a document names exists, and so does every test.

A name counts if it stands in backquotes and begins with a top-level directory. Behind the path of a
test program may follow the name of a test: `tests/netns/test_relay.py fan_out`. Prints TAP.
"""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = re.compile(r"`((?:bpf|docs|include|packaging|tests|tools|user|vmlinux)/[^`\s]*)(?: (\w+))?`")


def missing(document):
    """What the document names and is not there: a list of texts."""
    found = []
    with open(document, encoding="utf-8") as file:
        for path, test in NAME.findall(file.read()):
            if not glob.glob(os.path.join(ROOT, path)):
                found.append(f"{path} does not exist")
            elif test:
                with open(os.path.join(ROOT, path), encoding="utf-8") as program:
                    if not re.search(rf"^def {test}\(", program.read(), re.M):
                        found.append(f"{path} has no test {test}")
    return found


def main():
    """Check all documents."""
    documents = sorted(glob.glob(os.path.join(ROOT, "*.md")) +
                       glob.glob(os.path.join(ROOT, "docs", "*.md")))
    print(f"1..{len(documents)}")
    good = True
    for number, document in enumerate(documents, 1):
        found = missing(document)
        good &= not found
        print(f"{'not ok' if found else 'ok'} {number} - {os.path.relpath(document, ROOT)}")
        for text in found:
            print(f"# {os.path.basename(document)}: {text}", file=sys.stderr)
    sys.exit(0 if good and documents else 1)


if __name__ == "__main__":
    main()
