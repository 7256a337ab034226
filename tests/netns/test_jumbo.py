#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""MTU 9000 and more: packets that fit one frame, several, or none; on both paths, in both modes."""

import random

from follow import RULE, reopens, wait_active
from harness import (Daemon, Star, check, check_books, equal, interface_of, main, receive, receiver, rule_of, sender,
                     test, wait_until)

FRAME = 4096 - 256 - 42  # payload that one frame holds
SIZES = [0, 1, 1316, 1472, FRAME - 1, FRAME, FRAME + 1, 5000, 2 * FRAME, 2 * FRAME + 42, 8000, 8971, 8972]
TOO_LARGE = 5 * (4096 - 256) - 42  # the largest payload that is received


def payload(number, size):
    """The bytes of a datagram: random, but always the same."""
    return random.Random(number).randbytes(size)


def relay_exactly(star, daemon, sizes, *, rounds=20, group="239.1.1.1", steered=True):
    """Datagrams of these sizes, mixed, arrive byte-exact and in order. Returns the counters."""
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    order = random.Random(7).choices(sizes, k=rounds * len(sizes))
    before = daemon.stats()["totals"]["steered_packets"]
    for i, size in enumerate(order):
        source.sendto(payload(i, size), (group, 5000))
        if i % 20 == 19:
            daemon.wait_steered(before + i + 1)
    for i, size in enumerate(order):
        found = receive(output)[0]
        check(found == payload(i, size), f"datagram {i} of {size} bytes differs: {len(found)} bytes")
    stats = daemon.settle(steered=before + len(order) if steered else None)
    check_books(stats)
    equal(rule_of(stats, "a")["received_bytes"], sum(order), "bytes received")
    equal(rule_of(stats, "a")["outputs"][0]["sent_bytes"], sum(order), "bytes sent")
    return stats


def config(mode, rule=RULE):
    """A file with a rule and the mode of its interface."""
    return f"rules: [ {rule} ]\ninterfaces: {{ in0: {{ mode: {mode} }} }}\n"


@test
def native():
    """MTU 9000, native: every size up to 8,972 bytes, whole and in order"""
    star = Star(mtu=9000, out_mtu=9000)
    daemon = Daemon(star.relay, config=config("native"))
    stats = relay_exactly(star, daemon, SIZES)
    equal(interface_of(stats, "in0")["verdicts"]["too_large"], 0, "too large")
    daemon.stop()


@test
def skb():
    """MTU 9000, skb mode: the same"""
    star = Star(mtu=9000, out_mtu=9000)
    daemon = Daemon(star.relay, config=config("skb"))
    relay_exactly(star, daemon, SIZES)
    daemon.stop()


@test
def small_packets():
    """MTU 9000, and a stream of 1,316 bytes"""
    star = Star(mtu=9000)
    for mode in ("native", "skb"):
        daemon = Daemon(star.relay, config=config(mode))
        relay_exactly(star, daemon, [1316], rounds=200)
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
    source = sender(star.source, "10.1.0.1")
    for i, size in enumerate(SIZES):
        source.sendto(payload(i, size), ("239.1.1.1", 5000))
    # Sockets without a group of their own would receive those of the others on the interface.
    for i, size in enumerate(SIZES):
        for n, output in enumerate(outputs):
            check(receive(output)[0] == payload(i, size), f"output {n}, datagram {i} of {size} bytes")
    stats = daemon.settle(steered=len(SIZES))
    check_books(stats)
    daemon.stop()


@test
def kernel_path():
    """The kernel path takes packets in one buffer, the user path those in several"""
    star = Star(mtu=9000, out_mtu=9000)
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    star.relay.run("ethtool", "-K", "out0", "gro", "on")
    daemon = Daemon(star.relay, RULE.replace(" out ", " path kernel out ", 1))
    equal(rule_of(daemon.stats(), "a")["path"], "kernel", "path")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    for i, size in enumerate(SIZES):
        source.sendto(payload(i, size), ("239.1.1.1", 5000))
        check(receive(output)[0] == payload(i, size), f"datagram {i} of {size} bytes")
    stats = daemon.settle(steered=len(SIZES))
    check_books(stats)
    verdicts = interface_of(stats, "in0")["verdicts"]
    equal(verdicts["steered"] + verdicts["forwarded"], len(SIZES), "on either path")
    check(verdicts["forwarded"] >= 4, f"the kernel path has carried {verdicts['forwarded']}")
    check(verdicts["steered"] >= 4, f"the user path has carried {verdicts['steered']}")
    daemon.stop()


@test
def too_large():
    """What does not fit the frames of one packet goes to the stack, and is counted"""
    star = Star(mtu=60000, out_mtu=60000)
    for mode in ("native", "skb"):
        daemon = Daemon(star.relay, config=config(mode))
        local = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
        output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        source = sender(star.source, "10.1.0.1")
        for i, size in enumerate([TOO_LARGE + 1, TOO_LARGE, 40000, 100]):
            source.sendto(payload(i, size), ("239.1.1.1", 5000))
        for i, size in ((1, TOO_LARGE), (3, 100)):
            check(receive(output)[0] == payload(i, size), f"relayed: {size} bytes, {mode}")
        for i, size in ((0, TOO_LARGE + 1), (2, 40000)):
            check(receive(local)[0] == payload(i, size), f"passed to the stack: {size} bytes, {mode}")
        stats = daemon.settle(steered=2)
        equal(interface_of(stats, "in0")["verdicts"]["too_large"], 2, "too large")
        check_books(stats)
        daemon.stop()
        local.close()


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
            size = mtu - 28 - i
            source.sendto(payload(i, size), ("239.1.1.1", 5000))
            check(receive(output)[0] == payload(i, size), f"{size} bytes at MTU {mtu}")
    daemon.settle(steered=80)


if __name__ == "__main__":
    main()
