#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""VLANs as inputs: received natively where they arrive with their tags, each by its own rules only.

Most of it needs VLAN devices (CONFIG_VLAN_8021Q).
"""

import os
import struct

from cards import has_card, load, take_card, wait_carrier
from follow import reopens
from harness import (Daemon, Skip, Star, check, equal, group_mac, interface_of, main, packet_socket, receive,
                     receiver, rule_of, sender, silent, test, udp_frame, wait_until)
from ipv4 import groups
from netns import CommandFailed

GROUP, MAC = "239.1.1.1", group_mac("239.1.1.1")
SIZES = (0, 1, 17, 18, 63, 64, 255, 512, 1000, 1399, 1400, 1471, 1472)
OFFLOADS = (("in0", "rx-vlan-hw-parse"), ("in0", "rx-vlan-stag-hw-parse"))


def vlan(namespace, lower, name, tag, address=None, proto="802.1Q"):
    """Create a VLAN device and set it up."""
    # pylint: disable=too-many-arguments
    try:
        namespace.ip(f"link add link {lower} name {name} type vlan proto {proto} id {tag}")
    except CommandFailed as error:
        if "Unknown device type" not in str(error):
            raise
        raise Skip("the kernel has no VLAN devices (CONFIG_VLAN_8021Q)") from None
    if address:
        namespace.ip(f"address add {address}/24 dev {name}")
    namespace.ip(f"link set {name} up")


def tags_in_frames(star, i=0):
    """Tags are in the frames, as on a wire, and the input does not remove them."""
    for tag in ("vlan", "vlan-stag"):
        star.sources[i].run("ethtool", "-K", "s0", f"tx-{tag}-hw-insert", "off")
        star.relay.run("ethtool", "-K", f"in{i}", f"rx-{tag}-hw-parse", "off")


def hide_tags(star, hidden):
    """The input removes tags of 802.1Q, or not any more."""
    star.relay.run("ethtool", "-K", "in0", "rx-vlan-hw-parse", "on" if hidden else "off")


# What arrives, by the device of the source that sends it; one rule and one port for each.
STREAMS = {"s0": "in0", "s0.100": "in0.100", "s0.200": "in0.200", "s0.ad": "in0.ad",
           "s0.ad.5": "in0.ad.5"}


class Trunk:
    """An untagged stream beside four VLANs: all of the same group and port."""

    def __init__(self, *, path="user"):
        self.star = star = Star()
        for namespace, lower in ((star.source, "s0"), (star.relay, "in0")):
            end = 1 if lower == "s0" else 2
            vlan(namespace, lower, f"{lower}.100", 100, f"10.100.0.{end}")
            vlan(namespace, lower, f"{lower}.200", 200, f"10.200.0.{end}")
            vlan(namespace, lower, f"{lower}.ad", 100, f"10.101.0.{end}", proto="802.1ad")
            vlan(namespace, f"{lower}.ad", f"{lower}.ad.5", 5, f"10.5.0.{end}")
        self.senders = {device: sender(star.source, address) for device, address in zip(
            STREAMS, ("10.1.0.1", "10.100.0.1", "10.200.0.1", "10.101.0.1", "10.5.0.1"))}
        self.outputs = {device: receiver(star.receiver, 6000 + i, "239.2.2.2", "10.2.0.2")
                        for i, device in enumerate(STREAMS)}
        self.rules = [f"r{i} in {GROUP}:5000@{STREAMS[device]} path {path} "
                      f"out 239.2.2.2:{6000 + i}@out0" for i, device in enumerate(STREAMS)]

    def send(self, device, payload):
        """Send by one of the source's devices, and expect it from the rule of that VLAN."""
        self.senders[device].sendto(payload, (GROUP, 5000))
        equal(receive(self.outputs[device])[0], payload, f"payload of {device}")

    def send_all(self, what, devices=tuple(STREAMS)):
        """Numbered packets of every size by all devices. Returns how many."""
        for number, size in enumerate(SIZES):
            for device in devices:
                text = f"{what} {device} {number} ".encode()
                # A veth accepts frames with one tag beyond its MTU.
                self.send(device, (text * 100)[:min(size, 1468 if device == "s0.ad.5" else size)])
        for device, output in self.outputs.items():
            check(silent(output), f"more packets from the rule of {device}")
        return len(SIZES) * len(devices)


def modes(daemon):
    """The mode of each open interface."""
    return {i["name"]: i["mode"] for i in daemon.stats()["interfaces"] if i["state"] == "active"}


def wait_states(daemon, what, **states):
    """Wait until rules have these states; rules that are not named are active."""
    def reached():
        return all(rule["state"] == states.get(rule["name"], "active") for rule in daemon.stats()["rules"])

    wait_until(reached, what)


@test
def trunk():
    """Untagged, 802.1Q, 802.1ad and nested tags on one interface: native, one intake, each its own packets"""
    trunk_ = Trunk()
    tags_in_frames(trunk_.star)
    daemon = Daemon(trunk_.star.relay, *trunk_.rules)
    equal(modes(daemon), {"in0": "native"}, "modes")
    equal(interface_of(daemon.stats(), "in0")["vlans"], [name for name in STREAMS.values() if name != "in0"],
          "VLANs")
    for name in STREAMS.values():
        equal(groups(trunk_.star.relay, name), {GROUP}, f"joined on {name}")
    sent = trunk_.send_all("native")
    stats = daemon.settle(steered=sent)
    for i in range(len(STREAMS)):
        equal(rule_of(stats, f"r{i}")["received_packets"], len(SIZES), f"received by r{i}")
        equal(rule_of(stats, f"r{i}")["outputs"][0]["sent_packets"], len(SIZES), f"sent by r{i}")


@test
def trunk_on_the_kernel_path():
    """The same on the kernel path: the tags are removed on the way"""
    trunk_ = Trunk(path="kernel")
    tags_in_frames(trunk_.star)
    trunk_.star.receiver.run("ethtool", "-K", "r0", "gro", "on")  # needed to receive redirected frames
    daemon = Daemon(trunk_.star.relay, *trunk_.rules)
    equal(modes(daemon), {"in0": "native"}, "modes")
    if any(rule["path"] != "kernel" or rule["state"] != "active" for rule in daemon.stats()["rules"]):
        reasons = {rule.get("reason") or rule.get("path_reason") for rule in daemon.stats()["rules"]}
        raise Skip(f"no kernel path here: {reasons}")
    sent = trunk_.send_all("kernel")
    stats = daemon.settle(steered=sent)
    equal(interface_of(stats, "in0")["verdicts"]["forwarded"], sent, "forwarded")
    for i in range(len(STREAMS)):
        equal(rule_of(stats, f"r{i}")["outputs"][0]["sent_packets"], len(SIZES), f"sent by r{i}")


@test
def vlans_of_others():
    """Tagged packets that no rule names are not taken, and counted as vlan"""
    trunk_ = Trunk()
    tags_in_frames(trunk_.star)
    daemon = Daemon(trunk_.star.relay, trunk_.rules[0])
    tap = packet_socket(trunk_.star.relay, "in0.100")
    trunk_.senders["s0.100"].sendto(b"for the stack", (GROUP, 5000))
    wait_until(lambda: interface_of(daemon.stats(), "in0")["verdicts"]["vlan"] >= 1, "a tagged packet")
    while not tap.recv(2048).endswith(b"for the stack"):
        pass
    check(silent(trunk_.outputs["s0"]), "the untagged rule has taken a tagged packet")
    trunk_.send("s0", b"untagged")


@test
def tags_hidden():
    """Where tags are removed before XDP: VLANs in skb mode, the untagged rule is pending; then native"""
    trunk_ = Trunk()
    daemon = reopens(Daemon(trunk_.star.relay, *trunk_.rules))
    wait_states(daemon, "VLANs run", r0="pending")
    reason = rule_of(daemon.stats(), "r0")["reason"]
    for words in ("VLAN tags", "in0", "ethtool -K in0 rx-vlan", "at its peer"):
        check(words in reason, f"{words!r} in: {reason}")
    # The packets of in0.ad.5 have a tag that its own lower interface does not remove.
    found = modes(daemon)
    equal({found[name] for name in ("in0.100", "in0.200", "in0.ad")}, {"skb"}, f"modes of {found}")
    tagged = tuple(device for device in STREAMS if device != "s0")
    trunk_.send_all("skb", tagged)
    tags_in_frames(trunk_.star)
    wait_states(daemon, "all run")
    wait_until(lambda: modes(daemon) == {"in0": "native"}, "one intake is left")
    trunk_.send_all("then native")
    hide_tags(trunk_.star, True)
    trunk_.star.source.run("ethtool", "-K", "s0", "tx-vlan-hw-insert", "on")
    wait_states(daemon, "VLANs run again", r0="pending")
    trunk_.send_all("skb again", ("s0.100", "s0.200"))
    daemon.settle()


@test
def vlan_device_comes_later():
    """A VLAN device appears beside an untagged rule while tags are hidden: pending, until they are seen"""
    star = Star()
    daemon = reopens(Daemon(star.relay, f"r0 in {GROUP}:5000@in0 out 239.2.2.2:6000@out0"))
    wait_states(daemon, "no VLANs")
    vlan(star.relay, "in0", "in0.9", 9)
    wait_states(daemon, "a VLAN", r0="pending")
    star.relay.ip("link del in0.9")
    wait_states(daemon, "no VLANs again")


@test
def vlan_device_changes():
    """A VLAN device is renamed, set down, created again with another id, moved to another parent; its parent renamed"""
    star = Star(sources=2)
    for i in range(2):
        vlan(star.sources[i], "s0", "s0.100", 100, f"10.100.{i}.1")
        vlan(star.sources[i], "s0", "s0.7", 7, f"10.7.{i}.1")
    vlan(star.relay, "in0", "tv", 100)
    vlan(star.relay, "in0", "other", 4094)
    for i in range(2):
        tags_in_frames(star, i)
    daemon = reopens(Daemon(star.relay, f"r0 in {GROUP}:5000@tv out 239.2.2.2:6000@out0",
                            f"r1 in {GROUP}:5000@other out 239.2.2.2:6001@out0"))
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sources = {name: sender(star.sources[int(name[-1])], name[:-1] + f"{name[-1]}.1")
               for name in ("10.100.0", "10.7.0", "10.100.1", "10.7.1")}
    received = 0

    def relays(name, what):
        nonlocal received
        namespace, device = star.sources[int(name[-1])], f"s0.{name.split('.')[1]}"
        wait_until(lambda: namespace.running(device), f"{device} transmits")
        # A device that has just been made is joined by who has seen it.
        wait_until(lambda: groups(star.relay, "tv") == {GROUP}, f"joined: {what}")
        wait_states(daemon, what)
        for other, source in sources.items():
            if other != name:
                source.sendto(b"of another VLAN", (GROUP, 5000))
        sources[name].sendto(what.encode(), (GROUP, 5000))
        equal(receive(output)[0], what.encode(), "payload")
        received += 1

    relays("10.100.0", "at first")
    star.relay.ip("link set tv down")
    wait_states(daemon, "down", r0="pending")
    check("tv is down" in rule_of(daemon.stats(), "r0")["reason"], "reason")
    star.relay.ip("link set tv up")
    relays("10.100.0", "up again")
    star.relay.ip("link set tv down")
    star.relay.ip("link set tv name tv2")
    star.relay.ip("link set tv2 up")
    wait_states(daemon, "renamed", r0="pending")
    check("tv does not exist" in rule_of(daemon.stats(), "r0")["reason"], "reason")
    star.relay.ip("link set tv2 down")
    star.relay.ip("link set tv2 name tv")
    star.relay.ip("link set tv up")
    relays("10.100.0", "renamed back")
    star.relay.ip("link del tv")
    vlan(star.relay, "in0", "tv", 7)
    relays("10.7.0", "another id")
    star.relay.ip("link del tv")
    vlan(star.relay, "in0", "tv", 7)
    relays("10.7.0", "the same id again")
    star.relay.ip("link del tv")
    vlan(star.relay, "in1", "tv", 100)
    relays("10.100.1", "another parent")
    equal(interface_of(daemon.stats(), "in1")["vlans"], ["tv"], "VLANs of in1")
    star.relay.ip("link set in1 down")
    star.relay.ip("link set in1 name trunk1")
    star.relay.ip("link set trunk1 up")
    star.relay.ip("link set tv up")
    wait_until(lambda: any(i["name"] == "trunk1" for i in daemon.stats()["interfaces"]), "the new name")
    relays("10.100.1", "its parent has another name")
    equal(rule_of(daemon.settle(), "r0")["received_packets"], received, "received, over all changes")


@test
def taken_over():
    """A successor takes over from the daemon (--take-over): the VLANs stay native, and the counters go on"""
    trunk_ = Trunk()
    tags_in_frames(trunk_.star)
    daemon = Daemon(trunk_.star.relay, *trunk_.rules)
    sent = trunk_.send_all("before")
    successor = reopens(Daemon(trunk_.star.relay, *trunk_.rules,
                               arguments=("--socket", daemon.socket, "--take-over")))
    successor.socket = daemon.socket
    equal(daemon.process.wait(), 0, "exit code of the predecessor")
    wait_states(successor, "all run")
    equal(modes(successor), {"in0": "native"}, "modes")
    sent += trunk_.send_all("after")
    stats = successor.settle(steered=sent)
    equal(stats["totals"]["received_packets"], sent, "received")
    # Before Linux 6.4 the interface is opened again, with which the counters of its rules begin again.
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 4):
        equal(sum(rule["received_packets"] for rule in stats["rules"]), sent, "received by the rules")


@test
def foreign_program():
    """Another XDP program on the trunk: the VLAN is received in skb mode, and natively once that is gone"""
    trunk_ = Trunk()
    tags_in_frames(trunk_.star)
    other = Daemon(trunk_.star.relay, f"x in 239.9.9.9:1@in0 out 239.2.2.2:9@out0")
    daemon = reopens(Daemon(trunk_.star.relay, *trunk_.rules[1:3]))
    equal(modes(daemon), {"in0.100": "skb", "in0.200": "skb"}, "modes")
    trunk_.send_all("beside a program", ("s0.100", "s0.200"))
    other.stop()
    wait_until(lambda: modes(daemon) == {"in0": "native"}, "native")
    trunk_.send_all("native", ("s0.100", "s0.200"))


@test
def own_settings():
    """`mode: skb` for a VLAN gives it an intake of its own"""
    trunk_ = Trunk()
    tags_in_frames(trunk_.star)
    rules = "".join(f"  - {{ name: r{i}, in: \"{GROUP}:5000@in0.{i}00\", out: [\"239.2.2.2:{6000 + i}@out0\"] }}\n"
                    for i in (1, 2))
    daemon = Daemon(trunk_.star.relay,
                    config=f"rules:\n{rules}interfaces:\n  in0.100: {{ mode: skb }}\n")
    equal(modes(daemon), {"in0.100": "skb", "in0": "native"}, "modes")
    trunk_.send_all("own", ("s0.100", "s0.200"))


@test
def many():
    """A hundred VLANs on one interface: one intake, one set of workers"""
    star = Star()
    vlan(star.source, "s0", "s0.100", 100, "10.100.0.1")
    tags_in_frames(star)
    for i in range(1, 101):
        vlan(star.relay, "in0", f"v{i}", i)
    daemon = Daemon(star.relay, *(f"r{i} in {GROUP}:5000@v{i} out 239.2.2.2:6000@out0" for i in range(1, 101)))
    stats = daemon.stats()
    equal(len(stats["workers"]), 1, "workers")
    equal(len(interface_of(stats, "in0")["vlans"]), 100, "VLANs")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.100.0.1").sendto(b"one of many", (GROUP, 5000))
    equal(receive(output)[0], b"one of many", "payload")
    equal(rule_of(daemon.settle(steered=1), "r100")["received_packets"], 1, "received")


def offload(star):
    """Does the input remove tags?"""
    return "rx-vlan-offload: on" in star.relay.run("ethtool", "-k", "in0").stdout


@test
def offloads_managed():
    """`offloads: manage` on a card that removes tags (e1000e): off while the daemon runs, and on again"""
    load("virtio_net", "e1000e")
    if not has_card(4):
        raise Skip("needs network cards: tests/vm/run --nics")
    star = Star()
    star.relay.ip("link del in0")
    take_card(star.source, 0, 1, "s0")
    take_card(star.relay, 0, 4, "in0")
    for namespace, device, end in ((star.source, "s0", 1), (star.relay, "in0", 2)):
        namespace.ip(f"address add 10.1.0.{end}/24 dev {device}")
        namespace.ip(f"link set {device} up")
        vlan(namespace, device, f"{device}.100", 100, f"10.100.0.{end}")
    check(offload(star), "this card does not remove tags")
    rules = "".join(f"  - {{ name: r{i}, in: \"{GROUP}:5000@{name}\", out: [\"239.2.2.2:{6000 + i}@out0\"] }}\n"
                    for i, name in enumerate(("in0", "in0.100")))
    daemon = reopens(Daemon(star.relay, config=f"rules:\n{rules}interfaces:\n  in0: {{ offloads: manage }}\n"))
    wait_states(daemon, "both run")
    check(not offload(star), "tags are still removed")
    equal(interface_of(daemon.stats(), "in0")["vlans"], ["in0.100"], "VLANs")
    outputs = [receiver(star.receiver, 6000 + i, "239.2.2.2", "10.2.0.2") for i in range(2)]
    senders = [sender(star.source, address) for address in ("10.1.0.1", "10.100.0.1")]
    wait_carrier(star.relay, "in0")
    for number in range(50):
        for sock, output in zip(senders, outputs):
            sock.sendto(b"%d" % number, (GROUP, 5000))
            equal(receive(output)[0], b"%d" % number, "payload")
    check(all(map(silent, outputs)), "a rule has taken packets of the other")
    daemon.settle(steered=100)
    daemon.stop()
    check(offload(star), "the feature was not restored")


@test
def upper_interface_first():
    """A rule on an interface on top of another one, in skb mode, before a rule on that: both programs are attached"""
    star = Star()
    star.relay.ip("link add link in0 name upper type macvlan mode bridge")
    star.relay.ip("link set upper up")
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@upper out 239.2.2.2:6000@out0",
                    f"b in {GROUP}:5001@in0 out 239.2.2.2:6001@out0")
    equal(modes(daemon), {"upper": "skb", "in0": "native"}, "modes")
    wait_states(daemon, "both run")


def tagged(frame, *tags):
    """Insert tags behind the addresses, the outermost first."""
    return frame[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + frame[12:]


@test
def priority_tags():
    """Frames whose tag has only a priority are taken as untagged: 10 of 10, also two such tags"""
    star = Star()
    tags_in_frames(star)
    daemon = Daemon(star.relay, f"r0 in {GROUP}:5000@in0 out 239.2.2.2:6000@out0")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    wire = packet_socket(star.source, "s0")
    for i in range(10):
        frame = udp_frame(MAC, "10.1.0.1", GROUP, 5000, b"%d" % i)
        tags = [(0x8100, i << 13 & 0xe000)] * (1 + i % 2)
        wire.send(tagged(frame, *tags))
        equal(receive(output)[0], b"%d" % i, "payload")
    frame = udp_frame(MAC, "10.1.0.1", GROUP, 5000, b"tagged")
    for tags in ([(0x8100, 1)], [(0x88a8, 1)], [(0x8100, 0), (0x8100, 7)], [(0x8100, 0)] * 3):
        wire.send(tagged(frame, *tags))
    wait_until(lambda: interface_of(daemon.stats(), "in0")["verdicts"]["vlan"] >= 4, "four with a VLAN")
    check(silent(output), "a packet of a VLAN was relayed")
    daemon.settle(steered=10)


main()
