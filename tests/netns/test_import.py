#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl import: a configuration of another relay is imported, the daemon starts with the result, and
the packets leave as that relay sends them. The words themselves are tested in tests/unit/test_import.c."""

import json
import os

from harness import (EXIT_REFUSED, EXIT_USAGE, Daemon, Star, check, equal, main, program, receive,
                     receiver, run, sender, test, work_directory, write_file)

SOURCE = "10.1.0.1"


def imported(peer, *words, code=0):
    """Run `xmcastctl import`; returns what it prints on stdout and on stderr."""
    done = run(program("xmcastctl"), "import", peer, *words, check=False)
    equal(done.returncode, code, f"exit code of import {peer}; {done.stderr}")
    return done.stdout, done.stderr


def start(star, peer, *words):
    """Import into a file, and start the daemon with it."""
    path = os.path.join(work_directory(), "imported.yaml")
    if os.path.exists(path):
        os.remove(path)
    equal(imported(peer, "-o", path, *words)[0], "", "printed beside the file")
    return Daemon(star.relay, arguments=("-c", path))


def pass_one(star, daemon, group=("239.1.1.1", 5000), to=("239.1.1.1", 5000)):
    """A datagram with TTL 8 passes through: source address, source port as it was sent, TTL."""
    sink = receiver(star.receiver, to[1], to[0], "10.2.0.2")
    sock = sender(star.source, SOURCE)
    sock.sendto(b"imported", group)
    daemon.settle(steered=1)
    payload, address, ttl, _ = receive(sink)
    equal(payload, b"imported", "payload")
    return address[0], address[1] == sock.getsockname()[1], ttl


@test
def smcroute():
    """smcroute.conf: packets leave as kernel multicast routing sends them, source kept and TTL less one"""
    star = Star()
    config = write_file("smcroute.conf", "phyint in0 enable ttl-threshold 3\n"
                        "mgroup from in0 group 239.1.1.1\n"
                        "mroute from in0 source 10.1.0.0/24 group 239.1.1.1 to out0\n")
    daemon = start(star, "smcroute", config)
    equal(pass_one(star, daemon), (SOURCE, True, 7), "source, port kept, TTL")


@test
def what_it_prints():
    """The result on stdout, the sum of it on stderr; -j; from stdin and from the command line"""
    line = "mroute from in0 group 239.1.1.1 to out0"
    config = write_file("smcroute.conf", f"{line}\nmroute from in0 group 239.0.0.0/8 to out0\n")
    text, said = imported("smcroute", config)
    check("  - in: 239.1.1.1:any@in0\n" in text and f"# {config}:1: {line}\n" in text, text)
    equal(said, f"{config}: 1 rule; 1 line not, or not wholly, carried over: see \"not carried over\" "
          "there\n", "stderr")
    check("smcroute:1: mroute" in imported("smcroute", "--", *line.split())[0], "after --")
    answer = json.loads(run(program("xmcastctl"), "-j", "import", "smcroute", "-",
                            input=line).stdout)
    equal((answer["rules"], answer["lost_lines"]), (1, 0), "-j")
    check("# stdin:1: mroute" in answer["text"], answer["text"])


@test
def refused():
    """Wrong command lines and files that cannot be read write nothing"""
    for words in ((), ("-o",), ("-x", "file"), ("a", "b"), ("--",)):
        check("usage: " in imported("smcroute", *words, code=EXIT_USAGE)[1], words)
    check("cannot read /nonexistent" in imported("smcroute", "/nonexistent", code=EXIT_REFUSED)[1],
          "a file that does not exist")
    check("cannot read /" in imported("smcroute", "/", code=EXIT_REFUSED)[1], "a directory")
    output = os.path.join(work_directory(), "output")
    long = write_file("long", b"\n" * ((1 << 20) + 1))
    said = imported("smcroute", "-o", output, long, code=EXIT_REFUSED)[1]
    check("too long, expected at most" in said and not os.path.exists(output), said)
    check("cannot write /nonexistent/x" in
          imported("smcroute", "-o", "/nonexistent/x", "--", "phyint", "x", code=EXIT_REFUSED)[1],
          "a directory that does not exist")


main()
