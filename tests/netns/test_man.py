#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages: without a fault, and with each option and each command that the programs have."""

import os
import re

from harness import ROOT, check, equal, main, need, program, run, test


def rendered(page):
    """A page as text, without any warning of the formatter."""
    need("groff")
    done = run("groff", "-mdoc", "-Tascii", "-ww", "-P-c", "-P-b", "-P-u",
               os.path.join(ROOT, "docs/man", page))
    equal(done.stderr, "", f"warnings about {page}")
    check(len(done.stdout) > 1000, done.stdout)
    return done.stdout


def has_options(page, text, usage):
    """All options that a program's help begins a line with."""
    options = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)(?=[ ,=\[])",
                             "\n".join(re.findall(r"^ +(-.{0,34})", usage + " ", re.M))))
    check(len(options) > 8, f"the help is not to be read: {options}")
    for option in sorted(options):
        check(re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{page}: no {option}")


@test
def daemon_options():
    """xmcastd.8 has every option of xmcastd --help"""
    has_options("xmcastd.8", rendered("xmcastd.8"), run(program("xmcastd"), "--help").stdout)


@test
def client_commands():
    """xmcastctl.8 has every option, object and verb of xmcastctl help"""
    text = rendered("xmcastctl.8")
    usage = run(program("xmcastctl"), "help").stdout
    has_options("xmcastctl.8", text, usage.split("objects and verbs")[0])
    commands = 0
    objects = re.findall(r"^  (\w+) ", usage.split("objects and verbs:")[1], re.M)
    for name in objects:
        for line in run(program("xmcastctl"), "help", name).stdout.splitlines()[1:]:
            words = re.match(r"  (\w+(?: [a-z-]+)?)(?= |$)", line)
            if not words or not words[1].startswith(name):
                continue
            command = re.sub(r" in$", "", words[1])
            commands += 1
            check(re.search(rf"^\s+{command}\b", text, re.M), f"no {command}")
    check(commands > 20, f"only {commands} commands were found")


main()
