#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Coexistence with libxdp's dispatcher, with which xdp-loader and xdp-filter run several programs on one
interface. Needs a kernel that supports extension programs (BPF_PROG_TYPE_EXT), and a bpffs."""

from harness import (Daemon, Skip, Star, check, equal, interface_of, main, need, receive, receiver,
                     rule_of, sender, test, wait_until)

RULE = "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


def filtered(namespace, device):
    """Load xdp-filter, which uses a dispatcher, on an interface."""
    need("xdp-filter", "xdp-loader")
    done = namespace.run("xdp-filter", "load", device, "--features", "udp", check=False)
    status = namespace.run("xdp-loader", "status", device, check=False)
    if "xdp_dispatcher" not in status.stdout:
        raise Skip(f"no dispatcher: {(done.stderr or status.stdout).strip()[-200:]}")


def relays(star, text):
    """Check that a datagram is relayed."""
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(text, ("239.1.1.1", 5000))
    equal(receive(output)[0], text, "payload")


@test
def on_the_input():
    """A dispatcher on the input: pending with the reason; active once it is unloaded"""
    star = Star()
    filtered(star.relay, "in0")
    daemon = Daemon(star.relay, RULE)
    rule = rule_of(daemon.stats(), "a")
    equal(rule["state"], "pending", "state beside a dispatcher")
    check("another XDP program" in rule["reason"], f"reason: {rule['reason']}")
    star.relay.run("xdp-filter", "unload", "in0")
    wait_until(lambda: rule_of(daemon.stats(), "a")["state"] == "active", "the rule is active")
    daemon.ready = ""  # the worker was started later
    relays(star, b"alone")


@test
def elsewhere():
    """A dispatcher on the output or on an interface without rules does not matter"""
    star = Star(sources=2)
    filtered(star.relay, "out0")
    filtered(star.relay, "in1")
    daemon = Daemon(star.relay, RULE)
    relays(star, b"beside")
    daemon.settle(steered=1)
    equal([i["name"] for i in daemon.stats()["interfaces"]], ["in0"], "interfaces")


@test
def comes_late():
    """xdp-loader cannot attach while the relay is attached, and disturbs nothing"""
    star = Star(sources=2)
    filtered(star.relay, "in1")
    daemon = Daemon(star.relay, RULE)
    done = star.relay.run("xdp-filter", "load", "in0", "--features", "udp", check=False)
    check(done.returncode != 0, "xdp-filter replaced our program")
    relays(star, b"still here")
    equal(interface_of(daemon.stats(), "in0")["state"], "active", "state of the interface")


main()
