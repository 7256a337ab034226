#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Other tools' programs come and go on the input interface, and the relay follows."""

import ctypes
import json
import os
import signal
import struct
import time

from claims import bound
from follow import RULE, reopens, detach_link, resumes, states, wait_active, wait_pending, xdp_links
from harness import (EXIT_REFUSED, Daemon, Sink, Star, check, equal, main, need, receive, receiver, rule_of, sender,
                     test, wait_until)


@test
def program_removed():
    """Our XDP program is detached by somebody: reported, and attached again"""
    need("bpftool")
    star = Star()
    daemon = Daemon(star.relay, RULE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    for _ in range(2):
        since = detach_link(star)
        resumes("program removed", source, output, since)
    wait_active(daemon)
    wait_until(lambda: daemon.process.log().count("interface-impaired iface=in0") == 2, "reports")


def bpf(command, *words):
    """bpf(2) with these 32-bit words as its argument; returns a descriptor, or fails."""
    argument = struct.pack(f"{len(words)}I", *words).ljust(128, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    result = libc.syscall(number, command, argument, len(argument))
    check(result >= 0, f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


@test
def program_replaced():
    """Another program is put into our link (BPF_LINK_UPDATE): ours takes its place again"""
    need("bpftool")
    star = Star()
    daemon = Daemon(star.relay, RULE)
    foreign = Sink(star.relay, "out0", "--xdp", "--port", "9999")
    shown = json.loads(star.relay.run("ip", "-j", "-d", "link", "show", "out0").stdout)
    # BPF_PROG_GET_FD_BY_ID, BPF_LINK_GET_FD_BY_ID, BPF_LINK_UPDATE
    replacement = bpf(13, shown[0]["xdp"]["prog"]["id"])
    link = bpf(30, xdp_links(star, "in0")[0]["id"])
    bpf(29, link, replacement)
    since = time.monotonic()
    for descriptor in (replacement, link):
        os.close(descriptor)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    resumes("program replaced", sender(star.source, "10.1.0.1"), output, since)
    daemon.process.wait_line("has lost its XDP program")
    wait_active(daemon)
    foreign.process.stop()


@test
def program_left_alone():
    """lost_program: leave. What was detached stays so, until a reload"""
    need("bpftool")
    star = Star()
    daemon = Daemon(star.relay, config=f"rules:\n  - {RULE}\n"
                    "interfaces: { in0: { lost_program: leave } }\n")
    detach_link(star)
    wait_pending(daemon, "lost_program: leave")
    daemon.ctl("ping")
    check("xdp" not in star.relay.ip("link show in0"), "attached all the same")
    daemon.ctl("config", "reload")
    equal(states(daemon), ("active", "active"), "states after a reload")


@test
def foreign_program():
    """Another tool's program, set while ours was off: pending with its id, taken over when it leaves"""
    star = Star()
    need("bpftool")
    daemon = Daemon(star.relay, RULE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    daemon.process.send_signal(signal.SIGSTOP)
    detach_link(star)
    foreign = Sink(star.relay, "in0", "--xdp", "--port", "9999")
    daemon.process.send_signal(signal.SIGCONT)
    wait_pending(daemon, "another XDP program (id")
    foreign.process.stop()
    resumes("foreign program gone", sender(star.source, "10.1.0.1"), output, time.monotonic())
    wait_active(daemon)


@test
def foreign_program_first():
    """Another tool's program, there before us: taken over when it leaves"""
    star = Star()
    foreign = Sink(star.relay, "in0", "--xdp", "--port", "9999")
    daemon = reopens(Daemon(star.relay, RULE))
    wait_pending(daemon, "another XDP program (id")
    check("bpftool link detach" in rule_of(daemon.stats(), "a")["reason"], "no advice for a BPF link")
    foreign.process.stop()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    resumes("foreign program gone", sender(star.source, "10.1.0.1"), output, time.monotonic())


def xdp_program(star, device):
    """Id of the XDP program on an interface of the relay."""
    return json.loads(star.relay.run("ip", "-j", "link", "show", device).stdout)[0]["xdp"]["prog"]["id"]


@test
def claimed_by_a_user():
    """A local user claims a foreign program: its rule is pending, the start succeeds, other rules run"""
    star = Star(sources=2)
    foreign = Sink(star.relay, "in0", "--xdp", "--port", "9999")
    name = f"xmcast-xdp-{xdp_program(star, 'in0')}"
    with bound(star.relay, name):
        daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0",
                        "b in 239.1.1.1:5000@in1 out 239.2.2.2:6001@out0")
        check("another XDP program (id" in rule_of(daemon.stats(), "a")["reason"], "reason")
        output = receiver(star.receiver, 6001, "239.2.2.2", "10.2.0.2")
        sender(star.sources[1], "10.1.1.1").sendto(b"b", ("239.1.1.1", 5000))
        equal(receive(output)[0], b"b", "payload")
        daemon.settle(steered=1)
        daemon.stop()
    daemon = reopens(Daemon(star.relay, RULE))
    foreign.process.stop()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    resumes("foreign program gone", sender(star.source, "10.1.0.1"), output, time.monotonic())


@test
def claimed_by_root():
    """A claim by root is genuine: the start is refused, as beside another xmcastd"""
    star = Star()
    foreign = Sink(star.relay, "in0", "--xdp", "--port", "9999")
    with bound(star.relay, f"xmcast-xdp-{xdp_program(star, 'in0')}", prefix=()):
        daemon = Daemon(star.relay, RULE, ready=False)
        equal(daemon.process.wait(), EXIT_REFUSED, f"exit code; log:\n{daemon.process.log()}\n")
        check(daemon.process.find_line("another xmcastd has interface in0"), daemon.process.log())
    foreign.process.stop()


@test
def own_claim_taken():
    """A local user has taken the names for future programs: a daemon runs without its claim"""
    star = Star()
    foreign = Sink(star.relay, "out0", "--xdp", "--port", "9999")
    first = xdp_program(star, "out0")
    foreign.process.stop()
    with bound(star.relay, *(f"xmcast-xdp-{first + i}" for i in range(1, 901))):
        daemon = Daemon(star.relay, RULE, arguments=("-d",))
        daemon.process.wait_line(f"claim-failed program={xdp_program(star, 'in0')} ")
        second = reopens(Daemon(star.relay, RULE))
        wait_pending(second, "another XDP program (id")
        output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        sender(star.source, "10.1.0.1").sendto(b"runs", ("239.1.1.1", 5000))
        equal(receive(output)[0], b"runs", "payload")
        daemon.settle(steered=1)


main()
