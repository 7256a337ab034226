#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl import: a configuration of another relay is imported, the daemon starts with the result, and
the packets leave as that relay sends them. The words themselves are tested in tests/unit/test_import.c."""

import contextlib
import json
import os
import re
import shlex
import socket as sockets

from harness import (EXIT_REFUSED, EXIT_USAGE, ROOT, Daemon, Star, check, equal, main, need, program,
                     receive, receiver, run, sender, start, test, wait_until, work_directory, write_file)
from ipv4 import groups

SOURCE = "10.1.0.1"


def imported(peer, *words, code=0):
    """Run `xmcastctl import`; returns what it prints on stdout and on stderr."""
    done = run(program("xmcastctl"), "import", peer, *words, check=False)
    equal(done.returncode, code, f"exit code of import {peer}; {done.stderr}")
    return done.stdout, done.stderr


def run_imported(star, peer, *words):
    """Import on the relay's machine into a file, and start the daemon with it."""
    path = os.path.join(work_directory(), "imported.yaml")
    if os.path.exists(path):
        os.remove(path)
    done = star.relay.run(program("xmcastctl"), "import", peer, "-o", path, *words)
    equal(done.stdout, "", "printed beside the file")
    return Daemon(star.relay, arguments=("-c", path))


def pass_one(star, daemon, group=("239.1.1.1", 5000), to=("239.1.1.1", 5000)):
    """A datagram with TTL 8 passes through a daemon, or another program: source address, source port as it
    was sent, TTL."""
    with contextlib.closing(receiver(star.receiver, to[1], to[0], "10.2.0.2")) as sink, \
            contextlib.closing(sender(star.source, SOURCE)) as sock:
        if daemon:
            wait_until(lambda: any(rule["state"] == "active" for rule in daemon.stats()["rules"]), "a rule is active")
        sock.sendto(b"imported", group)
        if daemon:
            daemon.settle(steered=1)
        payload, address, ttl, _ = receive(sink)
        equal(payload, b"imported", "payload")
        return address[0], address[1] == sock.getsockname()[1], ttl


@test
def smcroute():
    """smcroute.conf: packets leave as smcroute lets the kernel route them"""
    need("smcrouted")
    star = Star()
    config = write_file("smcroute.conf", "phyint in0 enable ttl-threshold 3\n"
                        "phyint out0 enable\n"
                        "mgroup from in0 group 239.1.1.1\n"
                        f"mroute from in0 source {SOURCE} group 239.1.1.1 to out0\n")
    files = [os.path.join(work_directory(), name) for name in ("smcroute.pid", "smcroute.sock")]
    peer = start(star.relay, "smcrouted", "-n", "-N", "-f", config, "-i", star.relay.name, "-P",
                 files[0], "-u", files[1])
    wait_until(lambda: len(star.relay.read("/proc/net/ip_mr_cache").splitlines()) > 1,
               "smcroute's route is in the kernel")
    routed = pass_one(star, None)
    peer.stop()
    equal(routed, (SOURCE, True, 7), "source, port kept, TTL")
    equal(pass_one(star, run_imported(star, "smcroute", config)), routed, "the same, imported")


@test
def igmpproxy():
    """igmpproxy.conf: any group of its whitelist, from a network that it accepts"""
    star = Star()
    config = write_file("igmpproxy.conf", "quickleave\nphyint in0 upstream ratelimit 0 threshold 1\n"
                        "    altnet 10.1.0.0/24\n    whitelist 239.1.1.0/30\n"
                        "phyint out0 downstream ratelimit 0 threshold 1\n")
    daemon = run_imported(star, "igmpproxy", config)
    (rule,) = daemon.stats()["rules"]
    equal((rule["in"], rule["groups"]), ("239.1.1.0/30:any@in0", 0), "the rule")
    equal(pass_one(star, daemon), (SOURCE, True, 7), "source, port kept, TTL")


@test
def mcr():
    """MCR's JSON5: another group and port, with the TTL of the file"""
    star = Star()
    config = write_file("rules.json5", """{ multicast_ttl: 5, // all of them
        rules: [ { name: 'hall', input: { interface: "in0", group: "239.1.1.1", port: 5000 },
                   outputs: [ { interface: 'out0', group: '239.2.2.2', port: 6000 }, ] } ] }""")
    daemon = run_imported(star, "mcr", config)
    equal(daemon.stats()["rules"][0]["name"], "hall", "name")
    equal(pass_one(star, daemon, to=("239.2.2.2", 6000)), ("10.2.0.1", False, 5), "source, port, TTL")


@test
def socat():
    """A command of socat as it is typed: packets leave as socat sends them; addresses name interfaces"""
    need("socat")
    star = Star()
    command = ("socat", "-u", "UDP4-RECV:5000,ip-add-membership=239.1.1.1:10.1.0.2,reuseaddr",
               "UDP4-DATAGRAM:239.2.2.2:6000,ip-multicast-if=10.2.0.1,ip-multicast-ttl=3")
    peer = start(star.relay, *command)
    wait_until(lambda: groups(star.relay, "in0") == {"239.1.1.1"}, "socat has joined")
    wait_until(lambda: f":{5000:04X} " in star.relay.read("/proc/net/udp"), "socat has its port")
    sent = pass_one(star, None, to=("239.2.2.2", 6000))
    peer.kill()
    equal(sent, ("10.2.0.1", False, 3), "source, port kept, TTL")
    equal(pass_one(star, run_imported(star, "socat", "--", *command), to=("239.2.2.2", 6000)), sent,
          "the same, imported")


@test
def udp_broadcast_relay():
    """A command of udpbroadcastrelay: broadcasts pass in both directions, as they were sent"""
    star = Star()
    daemon = run_imported(star, "udp-broadcast-relay", "--", "udpbroadcastrelay", "--id", "1", "--port",
                   "6112", "--dev", "in0", "--dev", "out0")
    ends = ((star.source, SOURCE), (star.receiver, "10.2.0.2"))
    for number, (near, far) in enumerate((ends, ends[::-1]), 1):
        sink = receiver(far[0], 6112)
        sock = sender(near[0], near[1])
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_BROADCAST, 1)
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_BINDTODEVICE, b"s0" if number == 1 else b"r0")
        sock.sendto(b"game", ("255.255.255.255", 6112))
        daemon.settle(steered=number)
        equal(receive(sink)[:2], (b"game", sock.getsockname()), "payload and sender")


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
def page():
    """docs/coming-from.md: the commands are in the grammar, and one prints what stands there"""
    with open(os.path.join(ROOT, "docs/coming-from.md"), encoding="utf-8") as file:
        text = file.read()
    commands = [shlex.split(line) for line in re.findall(r"^    xmcastctl (import .*)", text, re.M)]
    equal([words[1] for words in commands],
          ["smcroute", "igmpproxy", "mcr", "socat", "socat", "udp-broadcast-relay"], "commands")
    for words in commands:
        if "--" in words:
            printed = imported(words[1], *words[2:])[0]
        else:
            # The files of the examples are not on this machine: that is what stops it.
            words = words[:words.index("|")] if "|" in words else words
            check("cannot read /etc/" in imported(words[1], *words[2:], code=EXIT_REFUSED)[1], words)
        if words[1] == "socat" and "--" in words:
            check("".join(f"    {line}".rstrip() + "\n" for line in printed.splitlines()) in text,
                  f"not in the page:\n{printed}")


@test
def refused():
    """Wrong command lines and files that cannot be read write nothing"""
    for words in ((), ("-o",), ("-x", "file"), ("a", "b"), ("--",)):
        check("usage: " in imported("smcroute", *words, code=EXIT_USAGE)[1], words)
    done = run(program("xmcastctl"), "import", check=False)
    equal((done.returncode, done.stdout), (EXIT_USAGE, ""), "without a peer")
    check(all(f"import {peer} " in done.stderr for peer in ("smcroute", "igmpproxy", "mcr", "socat")), done)
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
