#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Devices below an input interface that merge datagrams (UDP GRO): such datagrams are never relayed."""

import re
import socket
import struct

from follow import reopens, wait_active, wait_pending
from harness import (Daemon, Star, check, equal, in_order, interface_of, main, need, receive, receiver, rule_of,
                     sender, test, wait_until)

COUNT, AT_ONCE = 2000, 40
SIZE = 200
UDP_SEGMENT = 103  # udp(7)
FEATURES = ("rx-gro-list", "rx-udp-gro-forwarding")


def features_of(star, device):
    """Which of the two features are on."""
    text = star.relay.run("ethtool", "-k", device).stdout
    return {name for name in FEATURES if re.search(rf"^{name}: on", text, re.M)}


def switch(star, device, *words):
    """ethtool -K, with GRO."""
    star.relay.run("ethtool", "-K", device, "gro", "on", *words)


def wait_forwarding(star):
    """Wait until the source's link transmits, and a bridge on its other end forwards: after the link was down both
    take the kernel some time."""
    def forwards():
        ports = star.relay.run("bridge", "link", "show").stdout.splitlines()
        return all("state forwarding" in line for line in ports if not line.split()[1].startswith("port0"))

    wait_until(lambda: star.source.running("s0") and forwards(), "the source's link transmits and is forwarded")


class Stacked(Star):
    """A Star whose in0 is below another interface, which has its address."""

    def __init__(self, kind):
        super().__init__()
        need("ethtool")
        self.relay.ip("addr flush dev in0")
        if kind == "bridge":
            self.relay.ip("link add up0 type bridge mcast_snooping 0 forward_delay 0")
            self.relay.ip("link set in0 master up0")
        else:
            self.relay.ip("link add link in0 name up0 type macvlan mode bridge")
        self.relay.ip("link set up0 up")
        self.relay.ip("addr add 10.1.0.2/24 dev up0")
        # Without GRO a veth delivers by the queue of a CPU, and a macvlan always does.
        for device in ("in0", "up0"):
            in_order(self.relay, device)

    def start(self, offloads="report", arguments=()):
        """A daemon with a rule on up0."""
        return reopens(Daemon(self.relay, arguments=arguments, config=(
            "rules: [ a in 239.1.1.1:5000@up0 out 239.2.2.2:6000@out0 ]\n"
            f"interfaces: {{ up0: {{ offloads: {offloads} }} }}\n")))

    def burst(self, daemon):
        """COUNT datagrams of SIZE bytes arrive as they were sent, one by one."""
        wait_forwarding(self)
        output = receiver(self.receiver, 6000, "239.2.2.2", "10.2.0.2")
        source = sender(self.source, "10.1.0.1")
        before = daemon.stats()["totals"]["steered_packets"]
        for first in range(0, COUNT, AT_ONCE):
            datagrams = [struct.pack("!I", i).ljust(SIZE, b".") for i in range(first, first + AT_ONCE)]
            for datagram in datagrams:
                source.sendto(datagram, ("239.1.1.1", 5000))
            equal([receive(output)[0] for _ in datagrams], datagrams, f"datagrams from {first} on")
        daemon.settle(steered=before + COUNT)


def reported(kind, feature):
    """The rule is pending with the command, and active once that has been run; also while it relays."""
    star = Stacked(kind)
    switch(star, "in0", feature, "on")
    daemon = star.start()
    wait_pending(daemon, f"run \"ethtool -K in0 {feature} off\"")
    equal(daemon.stats()["totals"]["steered_packets"], 0, "steered")
    command = re.search(r'run "([^"]*)"', rule_of(daemon.stats(), "a")["reason"])[1]
    star.relay.run(*command.split())
    wait_active(daemon)
    star.burst(daemon)
    switch(star, "in0", *[word for name in FEATURES for word in (name, "on")])
    wait_pending(daemon, "run \"ethtool -K in0 rx-gro-list off rx-udp-gro-forwarding off\"")
    equal(features_of(star, "in0"), set(FEATURES), "left as they are")
    # Without GRO itself nothing is merged.
    star.relay.run("ethtool", "-K", "in0", "gro", "off")
    wait_active(daemon)
    star.burst(daemon)


@test
def bridge_reported():
    """A bridge over a port with rx-udp-gro-forwarding: pending with the command"""
    reported("bridge", "rx-udp-gro-forwarding")


@test
def macvlan_reported():
    """A macvlan over a device with rx-gro-list: pending with the command"""
    reported("macvlan", "rx-gro-list")


@test
def managed():
    """offloads: manage. Switched off, also when it is switched on again; restored at the end"""
    star = Stacked("bridge")
    switch(star, "in0", "rx-gro-list", "on")
    daemon = star.start("manage")
    equal(rule_of(daemon.stats(), "a")["state"], "active", "state")
    equal(features_of(star, "in0"), set(), "features that merge")
    star.burst(daemon)
    switch(star, "in0", "rx-gro-list", "on", "rx-udp-gro-forwarding", "on")
    wait_until(lambda: not features_of(star, "in0"), "switched off again")
    star.burst(daemon)
    equal(rule_of(daemon.stats(), "a")["state"], "active", "state")
    daemon.stop()
    equal(features_of(star, "in0"), set(FEATURES), "restored")


@test
def killed():
    """offloads: manage. A daemon is killed and the port renamed: the next one restores them at its end"""
    star = Stacked("bridge")
    for next_one in ("manage", "report"):
        switch(star, "in0", "rx-gro-list", "on")
        daemon = star.start("manage")
        daemon.kill()
        equal(features_of(star, "in0"), set(), "features that merge")
        star.relay.ip("link set in0 down")
        star.relay.ip("link set in0 name port")
        star.relay.ip("link set port up")
        successor = star.start(next_one, ("--socket", daemon.socket))
        successor.socket = daemon.socket
        star.burst(successor)
        equal(features_of(star, "port"), set(), "features that merge")
        successor.stop()
        equal(features_of(star, "port"), {"rx-gro-list"}, "restored")
        star.relay.ip("link set port down")
        star.relay.ip("link set port name in0")
        star.relay.ip("link set in0 up")


@test
def handed_over():
    """offloads: manage. A successor that takes over restores them at its end, and its predecessor does not"""
    star = Stacked("bridge")
    switch(star, "in0", "rx-gro-list", "on")
    daemon = star.start("manage")
    star.burst(daemon)
    successor = star.start("manage", ("--socket", daemon.socket, "--take-over"))
    successor.socket = daemon.socket
    equal(daemon.process.wait(), 0, "exit code of the predecessor")
    check("to=on" not in daemon.process.log(), "switched on by the predecessor")
    equal(features_of(star, "in0"), set(), "features that merge")
    star.burst(successor)
    equal(interface_of(successor.stats(), "up0")["missing_packets"], 0, "missing")
    successor.stop()
    equal(features_of(star, "in0"), {"rx-gro-list"}, "restored")


@test
def new_port():
    """A port that merges joins the bridge and leaves it"""
    star = Stacked("bridge")
    daemon = star.start()
    wait_active(daemon)
    star.relay.ip("link add port0 type veth peer name port1")
    switch(star, "port0", "rx-gro-list", "on")
    check(rule_of(daemon.stats(), "a")["state"] == "active", "no port yet")
    star.relay.ip("link set port0 master up0")
    wait_pending(daemon, "ethtool -K port0 rx-gro-list off")
    star.relay.ip("link set port0 nomaster")
    wait_active(daemon)
    star.burst(daemon)


@test
def below_below():
    """Two levels: a macvlan over a bridge over a port that merges"""
    star = Stacked("bridge")
    star.relay.ip("addr flush dev up0")
    star.relay.ip("link add link up0 name top0 type macvlan mode bridge")
    star.relay.ip("addr add 10.1.0.2/24 dev top0")
    star.relay.ip("link set top0 up")
    in_order(star.relay, "top0")
    switch(star, "in0", "rx-gro-list", "on")
    daemon = reopens(Daemon(star.relay, "a in 239.1.1.1:5000@top0 out 239.2.2.2:6000@out0"))
    wait_pending(daemon, "ethtool -K in0 rx-gro-list off")
    switch(star, "in0", "rx-gro-list", "off")
    wait_active(daemon)
    star.burst(daemon)


@test
def local_sender():
    """skb mode: what a sender on this host has left to the device to cut is too large, and not relayed as one"""
    star = Star()
    in_order(star.relay, "in0")  # in skb mode it delivers by the queue of a CPU
    for mode, steered, too_large in (("skb", 1, 5), ("native", 51, 0)):
        daemon = Daemon(star.relay, config=(
            "rules: [ a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 ]\n"
            f"interfaces: {{ in0: {{ mode: {mode} }} }}\n"))
        local = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
        output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        source = sender(star.source, "10.1.0.1")
        for i in range(5):
            payload = b"".join(struct.pack("!I", 10 * i + j).ljust(1000, b".") for j in range(10))
            source.sendmsg([payload], [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("H", 1000))], 0,
                           ("239.1.1.1", 5000))
        source.sendto(b"end", ("239.1.1.1", 5000))
        datagrams = [struct.pack("!I", i).ljust(1000, b".") for i in range(50)]
        expected = ([] if mode == "skb" else datagrams) + [b"end"]
        equal([receive(output)[0] for _ in expected], expected, f"relayed in {mode} mode")
        # The stack cuts them, so a local program has what the relay has not.
        for i in range(50 if mode == "skb" else 0):
            equal(receive(local)[0], datagrams[i], f"datagram {i} for the stack")
        verdicts = interface_of(daemon.settle(steered=steered), "in0")["verdicts"]
        equal(verdicts["too_large"], too_large, f"too large in {mode} mode")
        local.close()
        daemon.stop()


@test
def not_concerned():
    """The device's own features merge nothing for a program on the device itself, in any mode"""
    star = Star()
    need("ethtool")
    switch(star, "in0", "rx-gro-list", "on", "rx-udp-gro-forwarding", "on")
    in_order(star.relay, "in0")
    for mode in ("native", "skb"):
        daemon = Daemon(star.relay, config=(
            "rules: [ a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 ]\n"
            f"interfaces: {{ in0: {{ mode: {mode} }} }}\n"))
        equal(rule_of(daemon.stats(), "a")["state"], "active", "state")
        Stacked.burst(star, daemon)
        daemon.stop()


if __name__ == "__main__":
    main()
