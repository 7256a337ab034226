#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every emulated network card as input, alone, as a trunk of VLANs, and as member of a bond: 1,000 numbered
datagrams of each size arrive, byte by byte, and the books close. Runs in the virtual machine, with the network
cards of `tests/vm/run --nics`.

XMCAST_DATAGRAMS: of each size (default 1000).
"""

import functools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns"))

# pylint: disable=wrong-import-position
from cards import has_card, load, take_card, wait_carrier  # noqa: E402
from harness import (Daemon, Namespace, Skip, check, diagnose, equal, interface_of, know, main,  # noqa: E402
                     receiver, rule_of, test, wait_until)
from netns import in_order, veth  # noqa: E402
from numbered import SIZES, Stream, check_received  # noqa: E402

DATAGRAMS = int(os.environ.get("XMCAST_DATAGRAMS", "1000"))

PEER = 1  # the card of each hub that sends

# The cards: number in the MAC address, kernel module, RX queues that are served on two CPUs. virtio-net with 4
# queue pairs, of which it uses 2, uses all of them as soon as it has an XDP program.
CARDS = {"virtio": (2, "virtio_net", 1), "vmxnet3": (3, "vmxnet3", 2), "e1000e": (4, "e1000e", 1),
         "virtio_queues": (5, "virtio_net", 4)}


class Site:
    """A relay with one kind of card, and a source at the hubs to which these are connected.

        source  s0 10.1.0.1 ── hub 0 ── in0 10.1.0.2  relay  out0 10.2.0.1 ──── 10.2.0.2 r0  receiver
                s1          ── hub 1 ── in1
    """

    def __init__(self, card):
        number, module, self.queues = CARDS[card]
        load("virtio_net", module)
        if not has_card(PEER):
            raise Skip("needs network cards: tests/vm/run --nics")
        if not has_card(number):
            raise Skip("this machine cannot create taps, so there is no card with several queues")
        self.relay, self.source, self.receiver = map(Namespace, ("relay", "source", "receiver"))
        for hub in range(2):
            take_card(self.source, hub, PEER, f"s{hub}")
            take_card(self.relay, hub, number, f"in{hub}")
            self.source.ip(f"link set s{hub} up")
        veth(self.relay, "out0", self.receiver, "r0", near_addr="10.2.0.1/24", far_addr="10.2.0.2/24")
        in_order(self.receiver, "r0")
        self.receiver.ip("route add default dev r0")
        know(self.relay, "out0", "10.2.0.2", self.receiver, "r0")

    def address(self, subnet, near, far):
        """Give both ends an address."""
        self.source.ip(f"address add 10.1.{subnet}.1/24 dev {near}")
        self.relay.ip(f"address add 10.1.{subnet}.2/24 dev {far}")
        for namespace, device in ((self.source, near), (self.relay, far)):
            namespace.ip(f"link set {device} up")
            wait_carrier(namespace, device)

    def output(self, port=6000):
        """A socket that receives what is relayed to this port."""
        return receiver(self.receiver, port, "239.2.2.2", "10.2.0.2")

    def start(self, device, *rules, settings="{ offloads: manage }"):
        """The relay, with all rules active."""
        daemon = Daemon(self.relay, config="workers: { frames: 4096 }\n"
                        f"interfaces: {{ {device}: {settings} }}\nrules:\n" + "".join(f"  - {r}\n" for r in rules))

        def active():
            return all(rule["state"] == "active" for rule in daemon.stats()["rules"])

        wait_until(active, "all rules are active")
        wait_carrier(self.relay, device)
        return daemon


def finish(daemon, sent, device, card, queues):
    """All that was sent was steered and relayed, by as many workers as there are queues to serve."""
    stats = daemon.settle(sent)
    interface = interface_of(stats, device)
    verdicts = {key: count for key, count in interface["verdicts"].items() if count}
    diagnose(f"{card} {device}: {interface['mode']}, {len(stats['workers'])} workers, {verdicts}")
    equal(stats["totals"]["sent_packets"], sent, "sent")
    equal(interface["verdicts"]["no_socket"], 0, "packets that arrived on a queue without a socket")
    check(len(stats["workers"]) <= queues, f"{len(stats['workers'])} workers, at most {queues} RX queues")
    if card.startswith("virtio"):
        equal(interface["mode"], "native", "mode")
        equal(len(stats["workers"]), queues, "workers")


def plain(card):
    """Untagged packets"""
    site = Site(card)
    site.address(0, "s0", "in0")
    daemon = site.start("in0", "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    output = site.output()
    stream = Stream(site.source, "10.1.0.1")
    sent = stream.send(DATAGRAMS)
    check_received(output, stream.sent)
    finish(daemon, sent, "in0", card, site.queues)


def setting():
    """`queues: 2` was all before the program came, and the driver has 4 now: all are served. `queues: 1` was not"""
    site = Site("virtio_queues")
    site.address(0, "s0", "in0")
    rule = "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
    output = site.output()
    daemon = site.start("in0", rule, settings="{ queues: 2 }")
    stream = Stream(site.source, "10.1.0.1")
    sent = stream.send(DATAGRAMS // 4)
    check_received(output, stream.sent)
    finish(daemon, sent, "in0", "virtio_queues", 4)
    check(not daemon.process.find_line("queues-not-served"), "the setting is said to be too low")
    daemon.stop()
    daemon = site.start("in0", rule, settings="{ queues: 1 }")
    check(daemon.process.find_line("queues-not-served.* served=1 of=4"), "the setting is not said to be too low")
    sent = stream.send(DATAGRAMS // 4)

    def arrived():
        verdicts = interface_of(daemon.stats(), "in0")["verdicts"]
        return verdicts["steered"] + verdicts["no_socket"] == sent

    wait_until(arrived, "each packet is steered or counted as no_socket")
    steered = interface_of(daemon.stats(), "in0")["verdicts"]["steered"]
    stats = daemon.settle(steered)
    equal(stats["totals"]["sent_packets"], steered, "sent")
    equal(len(stats["workers"]), 1, "workers")


def trunk(card):
    """Two VLANs beside an untagged rule for the same group and port: each rule gets its own packets"""
    site = Site(card)
    site.address(0, "s0", "in0")
    for vlan in (100, 200):
        for namespace, device in ((site.source, "s0"), (site.relay, "in0")):
            namespace.ip(f"link add link {device} name {device}.{vlan} type vlan id {vlan}")
        site.address(vlan // 100, f"s0.{vlan}", f"in0.{vlan}")
    inputs = ("in0", "in0.100", "in0.200")
    daemon = site.start("in0", *(f"r{i} in 239.1.1.1:5000@{name} out 239.2.2.2:{6000 + i}@out0"
                                 for i, name in enumerate(inputs)))
    outputs = [site.output(6000 + i) for i in range(3)]
    streams = [Stream(site.source, f"10.1.{i}.1") for i in range(3)]
    for _ in range(4):
        for stream in streams:
            stream.send(DATAGRAMS // 4)
    for i, stream in enumerate(streams):
        check_received(outputs[i], stream.sent)
    stats = daemon.settle(sum(len(stream.sent) for stream in streams))
    for i, stream in enumerate(streams):
        equal(rule_of(stats, f"r{i}")["outputs"][0]["sent_packets"], len(stream.sent), f"sent by rule r{i}")


def bond(card):
    """Two cards as members of an active-backup bond: first by the one, then by the other"""
    site = Site(card)
    site.relay.ip("link add bond0 type bond mode active-backup miimon 100")
    for hub in range(2):
        site.relay.ip(f"link set in{hub} master bond0")
        site.relay.ip(f"link set in{hub} up")
        wait_carrier(site.relay, f"in{hub}")
    site.address(0, "s0", "bond0")
    site.source.ip("address add 10.1.0.3/24 dev s1")
    daemon = site.start("bond0", "a in 239.1.1.1:5000@bond0 out 239.2.2.2:6000@out0")
    output = site.output()
    sent = 0
    for hub, address in enumerate(("10.1.0.1", "10.1.0.3")):
        site.relay.ip(f"link set bond0 type bond active_slave in{hub}")

        def active(name=f"in{hub}"):
            return interface_of(daemon.stats(), "bond0").get("active_members", [name]) == [name]

        wait_until(active, f"in{hub} is active")
        stream = Stream(site.source, address)
        sent += stream.send(DATAGRAMS // 2)
        check_received(output, stream.sent)
    finish(daemon, sent, "bond0", card, 2 * site.queues)


def add_tests():
    """A test for each cell of the matrix."""
    for card in CARDS:
        for kind in (plain, trunk, bond):
            one = functools.partial(kind, card)
            one.__name__ = f"{card}_{kind.__name__}"
            one.__doc__ = f"{card}: {kind.__doc__}, {DATAGRAMS} of each of {len(SIZES)} sizes"
            test(one)
    setting.__name__ = "virtio_queues_setting"
    test(setting)


add_tests()
main()
