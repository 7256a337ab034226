#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""MTU 9000 and more: packets that fit one frame, several, or none; on both paths, in both modes."""

import os
import random
import re

from bpffs import bpffs
from follow import RULE, reopens, wait_active
from harness import (Daemon, Star, check, check_books, equal, in_order as deliver_in_order, interface_of, main,
                     receive, receiver, rule_of, sender, test, wait_until)

FRAME = 4096 - 256 - 42  # payload that one frame holds
BUFFER = 4096 - 256 - 320 - 42  # payload that a veth hands to XDP in one buffer
SIZES = [0, 1, 1316, 1472, BUFFER, BUFFER + 1, FRAME - 1, FRAME, FRAME + 1, 5000, 2 * FRAME, 2 * FRAME + 42, 8000, 8971, 8972]
# Before Linux 6.6, AF_XDP sockets receive packets in one frame only.
SEVERAL = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 6)
# The largest payload that is received, by mode.
LARGEST = {mode: 5 * (4096 - 256) - 42 if SEVERAL else BUFFER if mode == "native" else FRAME
           for mode in ("native", "skb")}


def payload(number, size):
    """The bytes of a datagram: random, but always the same."""
    return random.Random(number).randbytes(size)


def send_exactly(star, daemon, sizes, outputs, *, in_order=True, mode="native"):
    # pylint: disable=too-many-arguments
    """Datagrams of these sizes arrive byte-exact and in order at each output, or, if they are too large, in the
    relay's own stack. Returns the counters."""
    largest = LARGEST[mode]
    deliver_in_order(star.relay, "in0")
    local = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
    source = sender(star.source, "10.1.0.1")
    before = daemon.stats()
    for i, size in enumerate(sizes):
        source.sendto(payload(i, size), ("239.1.1.1", 5000))
        if i % 10 == 9:
            daemon.wait_steered(before["totals"]["steered_packets"] +
                                sum(size <= largest for size in sizes[:i + 1]))
    relayed = [size for size in sizes if size <= largest]
    for n, output in enumerate([*outputs, local]):
        expected = [payload(i, size) for i, size in enumerate(sizes) if (size > largest) == (output is local)]
        found = [receive(output)[0] for _ in expected]
        if not in_order:
            found, expected = sorted(found), sorted(expected)
        check(found == expected, f"{n}: {[len(datagram) for datagram in found]}")
    local.close()
    stats = daemon.settle(steered=before["totals"]["steered_packets"] + len(relayed))
    check_books(stats)
    equal(interface_of(stats, "in0")["verdicts"]["too_large"], len(sizes) - len(relayed), "too large")
    equal(rule_of(stats, "a")["received_bytes"], sum(relayed), "bytes received")
    equal(rule_of(stats, "a")["outputs"][0]["sent_bytes"], sum(relayed), "bytes sent")
    return stats


def relay_exactly(star, daemon, sizes, *, rounds=20, mode="native"):
    """The same for a random mix of the sizes, with one output."""
    order = random.Random(7).choices(sizes, k=rounds * len(sizes))
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    return send_exactly(star, daemon, order, [output], mode=mode)


def config(mode, rule=RULE):
    """A file with a rule and the mode of its interface."""
    return f"rules: [ {rule} ]\ninterfaces: {{ in0: {{ mode: {mode} }} }}\n"


@test
def every_size():
    """MTU 9000, native and skb mode: every size up to 8,972 bytes, whole and in order"""
    star = Star(mtu=9000, out_mtu=9000)
    for mode in ("native", "skb"):
        daemon = Daemon(star.relay, config=config(mode))
        relay_exactly(star, daemon, SIZES, mode=mode)
        daemon.stop()


@test
def small_packets():
    """MTU 9000, and a stream of 1,316 bytes"""
    star = Star(mtu=9000)
    for mode in ("native", "skb"):
        daemon = Daemon(star.relay, config=config(mode))
        relay_exactly(star, daemon, [1316], rounds=200, mode=mode)
        daemon.stop()


@test
def smaller_output():
    """The output's MTU is 1500: the kernel sends the datagrams in fragments"""
    star = Star(mtu=9000)
    daemon = Daemon(star.relay, RULE)
    relay_exactly(star, daemon, SIZES, rounds=3)
    daemon.stop()


@test
def several_outputs():
    """Three outputs, of which two are on one interface: each sends every datagram whole"""
    star = Star(mtu=9000, receivers=2, out_mtu=9000)
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 out 239.2.2.3:6000@out0 "
                                "out 239.2.2.2:6000@out1")
    outputs = [receiver(star.receivers[0], 6000, "239.2.2.2", "10.2.0.2"),
               receiver(star.receivers[0], 6000, "239.2.2.3", "10.2.0.2"),
               receiver(star.receivers[1], 6000, "239.2.2.2", "10.2.1.2")]
    send_exactly(star, daemon, SIZES, outputs)
    daemon.stop()


@test
def kernel_path():
    """The kernel path takes packets in one buffer, the user path those in several"""
    star = Star(mtu=9000, out_mtu=9000)
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    star.relay.run("ethtool", "-K", "out0", "gro", "on")
    daemon = Daemon(star.relay, RULE.replace(" out ", " path kernel out ", 1))
    equal(rule_of(daemon.stats(), "a")["path"], "kernel", "path")
    stats = send_exactly(star, daemon, SIZES, [receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")],
                         in_order=False)
    verdicts = interface_of(stats, "in0")["verdicts"]
    check(verdicts["forwarded"] >= 4, f"the kernel path has carried {verdicts['forwarded']}")
    if SEVERAL:
        check(verdicts["steered"] >= 4, f"the user path has carried {verdicts['steered']}")
    daemon.stop()


@test
def too_large():
    """What does not fit the frames of one packet goes to the stack, and is counted"""
    star = Star(mtu=60000, out_mtu=60000)
    for mode in ("native", "skb"):
        daemon = Daemon(star.relay, config=config(mode))
        output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        largest = LARGEST[mode]
        send_exactly(star, daemon, [largest + 1, largest, 40000, 100], [output], mode=mode)
        daemon.stop()


@test
def external_program():
    """A program that somebody else has attached: relays the same sizes, and is opened once"""
    star = Star(mtu=9000, out_mtu=9000)
    with bpffs() as place:
        place.load(star.relay, alone=True)
        daemon = Daemon(star.relay, config=f"rules: [ {RULE} ]\n"
                        f"interfaces: {{ in0: {{ attach: external, pins: {place.pins} }} }}")
        source = sender(star.source, "10.1.0.1")

        def active():
            source.sendto(b"which shows that the program is attached", ("239.1.1.1", 5001))
            return rule_of(daemon.stats(), "a")["state"] == "active"

        wait_until(active, "the rule is active")
        relay_exactly(star, daemon, SIZES, rounds=5)
        equal(daemon.process.log().count("interface-ready"), 1, "times that the interface was opened")
        daemon.stop()


@test
def changing_mtu():
    """The MTU grows and shrinks while it runs: opened again with frames that fit"""
    star = Star(out_mtu=9000)
    daemon = reopens(Daemon(star.relay, RULE))
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    for opened, mtu in enumerate((9000, 1500, 3000, 9000)):
        star.relay.ip(f"link set in0 mtu {mtu}")
        wait_until(lambda n=opened: daemon.process.log().count("interface-ready") > n + 1, "opened again")
        wait_active(daemon)
        # As long as the program is one for packets in one buffer, the kernel limits this MTU.
        star.source.ip(f"link set s0 mtu {mtu}")
        source = sender(star.source, "10.1.0.1")
        for i in range(20):
            size = min(mtu - 28, LARGEST["native"]) - i
            source.sendto(payload(i, size), ("239.1.1.1", 5000))
            check(receive(output)[0] == payload(i, size), f"{size} bytes at MTU {mtu}")
    daemon.settle(steered=80)


if __name__ == "__main__":
    main()
