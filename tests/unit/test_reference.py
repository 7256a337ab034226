#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The reference of settings and options that is committed is the one that the tables make."""

import difflib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, os.environ.get("XMCAST_BUILD", "build"), "xmcast-reference")
DOCUMENTS = (("yaml", "docs/xmcast.yaml"), ("man", "docs/man/xmcast.yaml.5"),
             ("man", "docs/man/xmcastd.8"))


def difference(kind, path):
    """Lines of a diff between the document and what the program makes of it."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        committed = file.read()
    made = subprocess.run([PROGRAM, kind], input=committed, capture_output=True, check=True,
                          encoding="utf-8").stdout
    return list(difflib.unified_diff(committed.splitlines(), made.splitlines(), path, "generated",
                                     lineterm="", n=0))


def main():
    """TAP, one test a document."""
    print(f"1..{len(DOCUMENTS)}")
    failed = False
    for number, (kind, path) in enumerate(DOCUMENTS, 1):
        lines = difference(kind, path)
        failed |= bool(lines)
        print(f"{'not ' if lines else ''}ok {number} - {path} is generated from user/rules")
        for line in lines + (["run `make reference`"] if lines else []):
            print(f"# {line}")
    return failed


sys.exit(main())
