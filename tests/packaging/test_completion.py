#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Completion of all programs in bash, zsh and fish: every option of their help, interfaces, and nothing that the
typed word leads to. tests/netns/test_ctl_scripts.py has more about xmcastctl in bash. Prints TAP."""

import os
import re
import shutil
import tempfile

from tap import BUILD, ROOT, Skip, check, clean_environment, equal, main, run, test

DIRECTORY = f"{ROOT}/packaging/completion"
PROGRAMS = ("xmcastd", "xmcast-exporter", "xmcast-cluster", "xmcast-gen", "xmcast-sink")


def environment():
    """With the programs of this build in PATH, and no daemon; fish makes directories in HOME."""
    os.makedirs(f"{BUILD}/home", exist_ok=True)
    return clean_environment(PATH=f"{BUILD}:{os.environ['PATH']}", XMCAST_SOCKET="/nonexistent",
                             HOME=f"{BUILD}/home", XDG_CONFIG_HOME=f"{BUILD}/home", XDG_DATA_HOME=f"{BUILD}/home")


def in_bash(line):
    """Candidates for the last word of a line."""
    words = line.split(" ")
    return run("bash", "--norc", "-c", f"""
        source {DIRECTORY}/xmcast.bash
        COMP_WORDS=({' '.join(word or "''" for word in words)}) COMP_CWORD={len(words) - 1}
        _xmcast_program {words[0]} '{words[-1]}' '{words[-2]}'
        printf '%s\\n' "${{COMPREPLY[@]}}" """, env=environment()).stdout.split()


def in_zsh(line):
    """The same. The functions of the completion system print what they are given."""
    words = line.split(" ")
    return run("zsh", "-f", "-c", f"""
        setopt extendedglob
        compadd() {{ [[ $1 == -a ]] && print -rl -- ${{(M)${{(P)2}}:#$PREFIX*}} }}
        _files() {{ print -r -- '<file>' }}
        words=({' '.join(word or "''" for word in words)}) CURRENT={len(words)} PREFIX='{words[-1]}' service={words[0]}
        complete() {{ source {DIRECTORY}/xmcast.zsh }}
        complete""", env=environment()).stdout.split()


def in_fish(line):
    """The same. fish prints candidates with descriptions behind a tabulator."""
    done = run("fish", "--no-config", "-c", f"""
        complete -e {line.split(' ')[0]}
        source {DIRECTORY}/xmcast.fish
        complete -C '{line}'""", env=environment())
    return [text.split("\t")[0] for text in done.stdout.splitlines()]


SHELLS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


def options_of(name):
    """The options that a program's help names, in its usage and in its lists."""
    text = run(f"{BUILD}/{name}", "--help").stdout
    return set(re.findall(r"(?:^|[ \[,|=])(--?[a-zA-Z][a-z-]*)", text, re.M))


def each_shell():
    """The shells, all of which must be there."""
    for name, complete in SHELLS.items():
        if not shutil.which(name):
            raise Skip(f"{name} is not installed")
        yield name, complete


@test
def options():
    """Every option of the help, and those that begin like the word"""
    for shell, complete in each_shell():
        for name in PROGRAMS:
            equal(set(complete(f"{name} -")), options_of(name), f"{name} in {shell}")
        equal(complete("xmcastd --so"), ["--socket"], shell)


@test
def interfaces():
    """xmcast-gen and xmcast-sink begin with an interface"""
    for shell, complete in each_shell():
        for name in ("xmcast-gen", "xmcast-sink"):
            check("lo" in complete(f"{name} l"), f"{name} in {shell}: {complete(f'{name} l')}")


@test
def client():
    """xmcastctl: objects, verbs and files, in zsh and fish as well"""
    for shell, complete in each_shell():
        if shell == "bash":
            continue  # tests/netns/test_ctl_scripts.py
        equal(complete("xmcastctl ru"), ["rule"], shell)
        equal(complete("xmcastctl rule d"), ["del", "disable"], shell)
        check(len(complete("xmcastctl ")) > 10, f"objects in {shell}")
    equal(in_zsh("xmcastctl config check "), ["<file>"], "files in zsh")
    with tempfile.TemporaryDirectory() as directory:
        with open(f"{directory}/some.yaml", "w", encoding="ascii"):
            pass
        equal(in_fish(f"xmcastctl config check {directory}/so"), [f"{directory}/some.yaml"], "files in fish")


@test
def runs_no_typed_path():
    """Completion behind a path runs the program in PATH, never what was typed"""
    with tempfile.TemporaryDirectory() as directory:
        for name in (*PROGRAMS, "xmcastctl"):
            with open(f"{directory}/{name}", "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\ntouch {directory}/ran\n")
            os.chmod(f"{directory}/{name}", 0o755)
            for _, complete in each_shell():
                complete(f"{directory}/{name} -")
        check(not os.path.exists(f"{directory}/ran"), "it was run")


main()
