#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages: without a fault, and with each option, command and setting that there is."""

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


def has_options(page, text, usage, least=9):
    """All options that a program's help begins a line with, of which there are `least` or more."""
    options = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)(?=[ ,=\[])",
                             "\n".join(re.findall(r"^ +(-.{0,34})", usage + " ", re.M))))
    check(len(options) >= least, f"the help is not to be read: {options}")
    for option in sorted(options):
        check(re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{page}: no {option}")


@test
def daemon_options():
    """xmcastd.8 has every option of xmcastd --help"""
    has_options("xmcastd.8", rendered("xmcastd.8"), run(program("xmcastd"), "--help").stdout)


@test
def exporter_options():
    """xmcast-exporter.8 has every option of xmcast-exporter --help"""
    has_options("xmcast-exporter.8", rendered("xmcast-exporter.8"),
                run(program("xmcast-exporter"), "--help").stdout, least=8)


@test
def cluster_options():
    """xmcast-cluster.8 has every option of xmcast-cluster --help"""
    has_options("xmcast-cluster.8", rendered("xmcast-cluster.8"),
                run(program("xmcast-cluster"), "--help").stdout, least=7)


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


def grammar(text):
    """The grammar of a rule in a text, with single blanks."""
    return re.sub(r"\s+", " ", re.search(r"\[NAME\] in .*?\[out \.\.\.\]", text, re.S)[0])


@test
def rule_grammar():
    """The grammar of a rule is the same in README.md, both helps and xmcastd.8, with every option"""
    expected = grammar(run(program("xmcastd"), "--help").stdout)
    equal(grammar(run(program("xmcastctl"), "help", "rule", "add").stdout), expected, "xmcastctl")
    equal(grammar(rendered("xmcastd.8")), expected, "xmcastd.8")
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        equal(grammar(file.read()), expected, "README.md")
    completed = set()
    for words in (["x"], ["x", "in", "239.1.1.1:5@e"], ["x", "in", "239.1.1.1:5@e", "out", "10.0.0.1:5"]):
        completed |= set(run(program("xmcastctl"), "complete", "--socket", "/nonexistent", "rule", "add",
                             *words, "").stdout.split())
    equal(set(re.findall(r"(?<![\w|.])[a-z_]{2,}(?= [A-Z\[a-z]|\])", expected)) | {"in", "out"},
          completed, "options")


@test
def tools_options():
    """xmcast-gen.1 and xmcast-sink.1 have every option of their programs' help"""
    for name in ("xmcast-gen", "xmcast-sink"):
        has_options(f"{name}.1", rendered(f"{name}.1"), run(program(name), "--help").stdout)


# A setting in docs/xmcast.yaml, where it may be a comment.
SETTING = re.compile(r"^( {0,8})(?:# )?(- )?([a-z_0-9]+): ?")


def documented_settings():
    """Section and name of every setting in docs/xmcast.yaml."""
    section, settings = None, set()
    with open(os.path.join(ROOT, "docs/xmcast.yaml"), encoding="utf-8") as file:
        for line in file:
            match = SETTING.match(line)
            if match and not match[1] and not match[2] and not line.startswith("#"):
                section = match[3]
            elif match and section and (match[1] or not line.startswith("#")):
                settings.add((section, match[3]))
    return settings - {("interfaces", "eth0"), ("groups", "tv")}  # names that a user gives


@test
def settings():
    """xmcast.yaml.5 has every setting in the section that it is of, and so has docs/xmcast.yaml"""
    rendered("xmcast.yaml.5")
    with open(os.path.join(ROOT, "docs/man/xmcast.yaml.5"), encoding="utf-8") as file:
        sections = dict(part.split("\n", 1) for part in file.read().split("\n.Ss ")[1:])
    page = {(section, name) for section, text in sections.items()
            for name in re.findall(r"^\.It Li ([a-z_]+)", text, re.M)}
    equal(page, documented_settings(), "settings of the page, and of docs/xmcast.yaml")
    check(len(page) > 30, f"the page is not to be read: {page}")


@test
def installed():
    """make install has every page, each in the directory of its section"""
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        words = re.search(r"for section in ([0-9 ]+);.*?docs/man", file.read(), re.S)[1].split()
    pages = os.listdir(os.path.join(ROOT, "docs/man"))
    equal(sorted({page.rsplit(".", 1)[1] for page in pages}), sorted(words), "sections")


main()
