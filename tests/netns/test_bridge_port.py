#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An input interface that is a port of a bridge: it relays, and a hint names the bridge and both consequences."""

from follow import reopens, wait_active
from harness import (Daemon, Star, check, equal, in_order, interface_of, main, receive, receiver, sender, test,
                     wait_until)

RULE = "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
HINT = ("in0 is a port of the bridge br0: it answers no membership queries, so that a snooping switch ends the "
        "stream, and other ports of the bridge no longer receive it: name br0 in the rules")


def bridge(star):
    """br0 over in0, with its address."""
    star.relay.ip("addr flush dev in0")
    star.relay.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0")
    star.relay.ip("link set in0 master br0")
    star.relay.ip("link set br0 up")
    star.relay.ip("addr add 10.1.0.2/24 dev br0")
    in_order(star.relay, "in0")  # without a program it delivers by the queue of a CPU
    wait_until(lambda: "state forwarding" in star.relay.run("bridge", "link", "show", "dev", "in0").stdout,
               "it forwards")


def relays(star, daemon):
    """100 of 100 datagrams pass."""
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    before = daemon.stats()["totals"]["steered_packets"]
    for i in range(100):
        source.sendto(b"%d" % i, ("239.1.1.1", 5000))
    for i in range(100):
        equal(receive(output)[0], b"%d" % i, "payload")
    daemon.settle(steered=before + 100)


@test
def port():
    """The rule names the port: the hint is in the log, in stats and in iface show"""
    star = Star()
    bridge(star)
    daemon = Daemon(star.relay, RULE)
    equal(interface_of(daemon.stats(), "in0").get("hint"), HINT, "hint")
    equal(daemon.process.log().count("bridge-port iface=in0 bridge=br0"), 1, "lines of the log")
    check(HINT in daemon.ctl("iface", "show", "in0").stdout, "not in iface show")
    relays(star, daemon)
    daemon.stop()


@test
def whole_bridge():
    """The rule names the bridge: no hint"""
    star = Star()
    bridge(star)
    daemon = Daemon(star.relay, RULE.replace("in0", "br0"))
    check("hint" not in interface_of(daemon.stats(), "br0"), "a hint")
    check("bridge-port" not in daemon.process.log(), "a hint in the log")
    relays(star, daemon)


@test
def joins_and_leaves():
    """The interface becomes a port while it relays, and leaves the bridge"""
    star = Star()
    daemon = reopens(Daemon(star.relay, RULE))
    check("hint" not in interface_of(daemon.stats(), "in0"), "a hint")
    bridge(star)
    wait_until(lambda: interface_of(daemon.stats(), "in0").get("hint") == HINT, "the hint")
    star.relay.ip("link set in0 nomaster")
    wait_until(lambda: "hint" not in interface_of(daemon.stats(), "in0"), "no hint")
    wait_active(daemon)
    relays(star, daemon)


if __name__ == "__main__":
    main()
