#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The network changes behind the relay: output interfaces, their addresses and their MTU."""

import time

from follow import (RULE, reopens, output_of, plug_input, plug_output, resumes, states, wait_active,
                    wait_pending)
from harness import (Daemon, Star, check, equal, generate, know, main, receive, receiver, sender, test,
                     wait_until)
from netns import Namespace


@test
def output_recreated():
    """One of two output interfaces is deleted and created again: the other output is not affected"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, RULE + " out 239.2.2.2:6000@out1 out 10.2.1.2:6001@out1")
    first = receiver(star.receivers[0], 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    for i in range(2):
        star.relay.ip("link del out1")
        wait_until(lambda: "does not exist" in output_of(daemon, 1).get("reason", ""), "a reason")
        equal(states(daemon), ("active", "active"), "states while out1 is away")
        source.sendto(b"%d" % i, ("239.1.1.1", 5000))
        while (payload := receive(first)[0]) == b"probe":
            pass  # of the last round
        equal(payload, b"%d" % i, "payload on out0")
        wait_until(lambda: output_of(daemon, 1)["errors"].get("ENODEV"), "ENODEV is counted")
        plug_output(star, 1)
        since = time.monotonic()
        again = receiver(star.receivers[1], 6000, "239.2.2.2", "10.2.1.2")
        unicast = receiver(star.receivers[1], 6001)
        resumes("output created again", source, again, since)
        resumes("unicast output created again", source, unicast, since)
        wait_until(lambda: "reason" not in output_of(daemon, 1), "no reason any more")
    daemon.settle()


@test
def output_down():
    """The only output interface is set down, deleted and created again: pending in between"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    source = sender(star.source, "10.1.0.1")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    star.relay.ip("link set out0 down")
    wait_pending(daemon, "output interface out0 is down: run")
    star.relay.ip("link set out0 up")
    resumes("output down and up", source, output, time.monotonic())
    wait_active(daemon)
    star.relay.ip("link del out0")
    wait_pending(daemon, "output interface out0 does not exist")
    plug_output(star)
    since = time.monotonic()
    resumes("output created again", source, receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2"),
            since)
    wait_active(daemon)


@test
def output_moved():
    """An output interface moves to another namespace and back"""
    star, elsewhere = Star(), Namespace("elsewhere")
    Daemon(star.relay, RULE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    star.relay.ip(f"link set out0 netns {elsewhere.name}")
    elsewhere.ip(f"link set out0 netns {star.relay.name}")
    star.relay.ip("address add 10.2.0.1/24 dev out0")
    star.relay.ip("link set out0 up")
    resumes("output moved", sender(star.source, "10.1.0.1"), output, time.monotonic())


@test
def late_interfaces():
    """Interfaces that were missing at the start appear: an input, an only output, one of two outputs"""
    star = Star(sources=2, receivers=2)
    star.relay.ip("link del in1")
    star.relay.ip("link del out1")
    daemon = reopens(Daemon(star.relay, "a in 239.1.1.1:5000@in1 out 239.2.2.2:6000@out0",
                         "b in 239.1.1.2:5000@in0 out 239.2.2.2:6000@out1",
                         "c in 239.1.1.3:5000@in0 out 239.2.2.2:6001@out1 "
                         "out 239.2.2.2:6001@out0"))
    equal([rule["state"] for rule in daemon.stats()["rules"]], ["pending", "pending", "active"],
          "states")
    plug_input(star, 1)
    since = time.monotonic()
    output = receiver(star.receivers[0], 6000, "239.2.2.2", "10.2.0.2")
    resumes("late input", sender(star.sources[1], "10.1.1.1"), output, since)
    plug_output(star, 1)
    since = time.monotonic()
    source = sender(star.source, "10.1.0.1")
    outputs = [receiver(star.receivers[1], port, "239.2.2.2", "10.2.1.2")
               for port in (6000, 6001)]
    resumes("late only output", source, outputs[0], since, "239.1.1.2")
    resumes("late other output", source, outputs[1], since, "239.1.1.3")
    for name in "abc":
        wait_active(daemon, name)


@test
def output_mtu():
    """Batches grow again when the output's MTU grows"""
    star = Star()
    daemon = Daemon(star.relay, RULE)

    def sizes():
        return output_of(daemon, 0)["gso_max_bytes"]

    for namespace, device in ((star.relay, "out0"), (star.receiver, "r0")):
        namespace.ip(f"link set {device} mtu 1000")
    wait_until(lambda: generate(star.source, "s0", "--count", "2000") and sizes() < 1400,
               "batches are refused")
    for namespace, device in ((star.relay, "out0"), (star.receiver, "r0")):
        namespace.ip(f"link set {device} mtu 1500")
    wait_until(lambda: sizes() == 65535, "batches have their full size again")


@test
def mtu_between_looks():
    """The output's MTU is smaller for a moment, between two looks: what batches have learned is forgotten"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    source = sender(star.source, "10.1.0.1")

    def refused():
        return output_of(daemon, 0)["gso_refused_batches"]

    learned = 0
    for i in range(10):
        before = refused()
        # The alias is announced, too. Looks are at least 50 ms apart.
        star.relay.run("ip", "-batch", "-", input=f"link set out0 alias x{i}\nlink set out0 mtu 1000\n")
        for _ in range(200):
            source.sendto(bytes(1400), ("239.1.1.1", 5000))
        star.relay.ip("link set out0 mtu 1500")
        daemon.settle(steered=200 * (i + 1))
        learned += refused() > before
        wait_until(lambda: output_of(daemon, 0)["gso_max_bytes"] == 65535, "batches have their full size again")
    check(learned, "no batch was refused")


@test
def mtu_without_interface():
    """An output without interface: batches grow again by themselves, and at once with a new route"""
    star = Star()
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 10.2.0.2:6000")

    def sizes():
        return output_of(daemon, 0)["gso_max_bytes"]

    def set_mtu(mtu):
        for namespace, device in ((star.relay, "out0"), (star.receiver, "r0")):
            namespace.ip(f"link set {device} mtu {mtu}")

    def stream_until(condition, what):
        wait_until(lambda: generate(star.source, "s0", "--count", "2000") and condition(), what)

    set_mtu(1000)
    stream_until(lambda: sizes() < 1400, "batches are refused")
    set_mtu(1500)
    stream_until(lambda: sizes() == 65535, "batches are tried again")
    set_mtu(1000)
    stream_until(lambda: sizes() < 1400, "batches are refused again")
    set_mtu(1500)
    star.relay.ip("route add 10.2.0.2/32 dev out0")
    wait_until(lambda: sizes() == 65535, "the new route voids the limit")


@test
def refusals_after_a_new_address():
    """ICMP errors do not become send errors, also after the address and the route have changed"""
    star = Star()
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 10.2.0.2:6000")
    source = sender(star.source, "10.1.0.1")

    def refused():
        """Send some packets one by one and return how many failed."""
        before = daemon.settle()
        for i in range(20):
            source.sendto(b"x", ("239.1.1.1", 5000))
            daemon.settle(before["totals"]["steered_packets"] + i + 1)
        return daemon.stats()["totals"]["send_errors"] - before["totals"]["send_errors"]

    equal(refused(), 0, "send errors with a closed port")
    star.relay.ip("address del 10.2.0.1/24 dev out0")
    star.relay.ip("address add 10.2.0.7/24 dev out0")
    know(star.relay, "out0", "10.2.0.2", star.receiver, "r0")
    wait_until(lambda: refused() == 0, "no send errors any more")


main()
