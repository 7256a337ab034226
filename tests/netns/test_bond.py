#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A bond as input: the program runs on its members, and what the bond uses is relayed.

XMCAST_BOND_RATE: packets/s of the stream whose active member fails (default 100,000).
"""

import json
import os
import signal
import time

from follow import reopens, wait_active, wait_pending
from harness import (CommandFailed, Daemon, Namespace, Sink, Skip, check, check_clean, diagnose, equal,
                     group_mac, interface_of, know, main, packet_socket, program, receive, receiver,
                     rule_of, sender, silent, start, test, udp_frame, wait_until)
from netns import in_order, veth
from numbered import Stream, check_received
from restarts import Wire, take_over

RATE = int(os.environ.get("XMCAST_BOND_RATE", "100000"))
RULE = "a in 239.1.1.1:5000@bond0 out 239.2.2.2:6000@out0"
MIIMON = 10


def add_bond(namespace, name, members, options):
    """Create a bond with these members, which are down while they become members."""
    try:
        namespace.ip(f"link add {name} type bond {options}")
    except CommandFailed as error:
        if "Unknown device type" not in str(error):
            raise
        raise Skip("the kernel has no bonds (CONFIG_BONDING)") from None
    for member in members:
        add_member(namespace, name, member)
    namespace.ip(f"link set {name} up")


def add_member(namespace, bond, member):
    """Make an interface a member of a bond."""
    namespace.ip(f"link set {member} down")
    namespace.ip(f"link set {member} master {bond}")
    namespace.ip(f"link set {member} up")


def wait_usable(namespace, member):
    """Wait until the bond has noticed that the link of this member is up: it looks every MIIMON ms."""
    wait_until(lambda: "mii_status UP" in namespace.ip(f"-d link show {member}"), f"the link of {member} is up")


def kernel_version():
    """Of the running kernel: the first two numbers."""
    return tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))


class Site:
    """A relay whose input is a bond, and the source at the other ends of its members.

        source  s0 ──── in0 ─┐
                s1 ──── in1 ─┴─ bond0 10.1.0.2   relay   out0 10.2.0.1 ──── 10.2.0.2 r0  receiver
    """

    def __init__(self, options="mode active-backup", members=2, queues=1, source_bond=None):
        self.relay, self.source, self.receiver = map(Namespace, ("relay", "source", "receiver"))
        for i in range(members):
            self.add_link(i, queues)
        add_bond(self.relay, "bond0", [f"in{i}" for i in range(members)], f"{options} miimon {MIIMON}")
        self.relay.ip("address add 10.1.0.2/24 dev bond0")
        if source_bond:
            add_bond(self.source, "bond1", [f"s{i}" for i in range(members)],
                     f"{source_bond} miimon {MIIMON}")
        if members:
            self.send_by("bond1" if source_bond else "s0")
        veth(self.relay, "out0", self.receiver, "r0", near_addr="10.2.0.1/24", far_addr="10.2.0.2/24")
        in_order(self.receiver, "r0")
        self.receiver.ip("route add default dev r0")
        know(self.relay, "out0", "10.2.0.2", self.receiver, "r0")
        for i in range(members):
            wait_usable(self.relay, f"in{i}")
            if source_bond:
                wait_usable(self.source, f"s{i}")

    def send_by(self, device):
        """The source's address is on this device."""
        self.device = device
        self.source.ip(f"address add 10.1.0.1/24 dev {device}")
        self.source.ip(f"route add default dev {device}")

    def add_link(self, i, queues=1):
        """A link from the source to the relay, which is not a member of the bond yet."""
        veth(self.source, f"s{i}", self.relay, f"in{i}", queues=queues)

    def output(self):
        """A socket that receives what rule a relays."""
        return receiver(self.receiver, 6000, "239.2.2.2", "10.2.0.2")

    def start(self, *arguments, **options):
        """The relay, with its input in order."""
        daemon = Daemon(self.relay, *arguments, **options)
        wait_active(daemon)
        return daemon

    def activate(self, daemon, member):
        """Let the bond use this member, and wait until the relay does."""
        wait_usable(self.relay, member)
        self.relay.ip(f"link set bond0 type bond active_slave {member}")
        wait_until(lambda: bond_of(daemon)["active_members"] == [member], f"{member} is active")


def bond_of(daemon):
    """The counters of the bond."""
    return interface_of(daemon.stats(), "bond0")


def number_of(daemon, key):
    """Packets that the program has counted under this verdict."""
    return bond_of(daemon)["verdicts"][key]


def wait_transmits(site, *devices):
    """Wait until the source can send by these devices again: their links were down when the other ends became
    members."""
    wait_until(lambda: all(map(site.source.running, devices)), f"{devices} transmit")


def relays(site, daemon, output, count=250):
    """Send `count` datagrams of each size, and check that all of them are relayed."""
    wait_transmits(site, site.device)
    stream = Stream(site.source, "10.1.0.1")
    before = daemon.stats()["totals"]["steered_packets"]
    stream.send(count)
    check_received(output, stream.sent)
    return daemon.settle(before + len(stream.sent))


@test
def active_backup():
    """Native XDP, one worker for each RX queue of a member; each packet is relayed once, byte by byte"""
    site = Site()
    daemon = site.start(RULE)
    stats = relays(site, daemon, site.output())
    bond = interface_of(stats, "bond0")
    equal(bond["mode"], "native", "mode")
    equal(bond["members"], ["in0", "in1"], "members")
    equal(bond["active_members"], ["in0"], "members that the bond uses")
    equal([(queue["member"], queue["queue"]) for queue in bond["queues"]], [("in0", 0), ("in1", 0)],
          "RX queues")
    equal(bond["queues"][0]["received_packets"], 1000, "received by in0")
    equal(len(stats["workers"]), 2, "workers")


@test
def many_queues():
    """Members with 4 RX queues: a worker for each queue, none for the 16 that the bond itself shows"""
    site = Site(queues=4)
    daemon = site.start(config=f"rules:\n  - {RULE}\nworkers: {{ frames: 512 }}\n")
    stats = relays(site, daemon, site.output())
    equal([(queue["member"], queue["queue"]) for queue in interface_of(stats, "bond0")["queues"]],
          [(f"in{i}", queue) for i in range(2) for queue in range(4)], "RX queues")


def flood(site, count):
    """The same packets arrive by both members, as behind a switch that floods them."""
    wait_transmits(site, "s0", "s1")
    sockets = [packet_socket(site.source, f"s{i}") for i in range(2)]
    for number in range(count):
        frame = udp_frame(group_mac("239.1.1.1"), "10.1.0.1", "239.1.1.1", 5000, b"packet %d" % number)
        for sock in sockets:
            sock.send(frame)
        if number % 16 == 15:
            time.sleep(0.002)


def check_numbered(output, count, each=1):
    """Packets of flood() arrive, each this often."""
    wanted = [b"packet %d" % number for number in range(count) for _ in range(each)]
    equal(sorted(receive(output)[0] for _ in wanted), sorted(wanted), "payloads")
    check(silent(output), "more packets than were sent")


@test
def flooded():
    """The backup member receives copies of everything: each packet is relayed once, the copies are counted"""
    site = Site()
    output = site.output()
    daemon = site.start(RULE)
    flood(site, 200)
    wait_until(lambda: number_of(daemon, "inactive_member") == 200, "the copies were passed to the stack")
    check_numbered(output, 200)
    daemon.settle(200)
    # After a change of the active member it is the other way round.
    site.activate(daemon, "in1")
    flood(site, 200)
    wait_until(lambda: number_of(daemon, "inactive_member") == 400, "the copies were passed to the stack")
    check_numbered(output, 200)
    equal([queue["received_packets"] for queue in interface_of(daemon.settle(400), "bond0")["queues"]],
          [200, 200], "received by the members")


@test
def flooded_skb():
    """The same in skb mode, where the bond drops the copies before the program runs"""
    site = Site()
    output = site.output()
    daemon = site.start(config=f"rules:\n  - {RULE}\ninterfaces: {{ bond0: {{ mode: skb }} }}\n")
    flood(site, 200)
    check_numbered(output, 200)
    stats = daemon.settle(200)
    equal(interface_of(stats, "bond0")["mode"], "skb", "mode")
    equal(len(stats["workers"]), 1, "workers: one, as many as a member has RX queues")


@test
def delivers_all():
    """all_slaves_active: the bond delivers what both members receive, and so does the relay"""
    site = Site("mode active-backup all_slaves_active 1")
    output = site.output()
    daemon = site.start(RULE)
    flood(site, 100)
    check_numbered(output, 100, each=2)
    daemon.settle(200)


@test
def aggregated():
    """802.3ad: flows on both members, each in order"""
    lacp = "mode 802.3ad lacp_rate fast xmit_hash_policy layer3+4"
    site = Site(lacp, source_bond=lacp)
    daemon = site.start(RULE)
    wait_until(lambda: len(bond_of(daemon)["active_members"]) == 2, "both members are used")
    for i in range(2):
        wait_until(lambda i=i: "state ACTIVE" in site.source.ip(f"-d link show s{i}"), f"the source uses s{i}")
    stats = relays(site, daemon, site.output())
    received = [queue["received_packets"] for queue in interface_of(stats, "bond0")["queues"]]
    check(min(received) > 0, f"received by the members: {received}")


@test
def members_come_and_go():
    """A member is added and removed, three times, while the active one carries a stream: nothing is lost"""
    site = Site()
    output = site.output()
    daemon = reopens(site.start(RULE))
    wait_transmits(site, "s0")
    stream = Stream(site.source, "10.1.0.1")
    site.add_link(2)
    for _ in range(3):
        add_member(site.relay, "bond0", "in2")
        stream.send(50)
        wait_until(lambda: bond_of(daemon)["members"] == ["in0", "in1", "in2"], "in2 is a member")
        stream.send(50)
        site.activate(daemon, "in2")
        flood_one(site, "s2")
        wait_until(lambda: bond_of(daemon)["queues"][2]["received_packets"] == 20, "packets by in2")
        equal([receive(output)[0] for _ in range(20 + len(stream.sent))][len(stream.sent):], [b"two"] * 20,
              "packets that came by in2")
        stream.sent.clear()
        site.relay.ip("link set in2 nomaster")
        wait_until(lambda: bond_of(daemon)["members"] == ["in0", "in1"], "in2 is no member")
        site.activate(daemon, "in0")
    stats = daemon.settle()
    equal(stats["totals"]["steered_packets"], 3 * (400 + 20), "steered")
    equal(stats["totals"]["sent_packets"], 3 * (400 + 20), "sent")
    ended = [queue for queue in interface_of(stats, "bond0")["queues"] if queue["queue"] is None]
    equal([queue["received_packets"] for queue in ended], [60], "received by members that have left")
    check(daemon.process.log().count("interface-ready") == 1, "the bond was opened more than once")


def flood_one(site, device):
    """20 packets by one link."""
    wait_transmits(site, device)
    sock = packet_socket(site.source, device)
    for _ in range(20):
        sock.send(udp_frame(group_mac("239.1.1.1"), "10.1.0.1", "239.1.1.1", 5000, b"two"))


@test
def member_deleted():
    """The backup member is deleted and created again, with the same name: the active one goes on"""
    site = Site()
    output = site.output()
    daemon = reopens(site.start(RULE))
    relays(site, daemon, output, 25)
    site.relay.ip("link del in1")
    wait_until(lambda: bond_of(daemon)["members"] == ["in0"], "in1 is gone")
    relays(site, daemon, output, 25)
    site.add_link(1)
    add_member(site.relay, "bond0", "in1")
    wait_until(lambda: bond_of(daemon)["members"] == ["in0", "in1"], "in1 is there")
    site.activate(daemon, "in1")
    flood_one(site, "s1")
    equal([receive(output)[0] for _ in range(20)], [b"two"] * 20, "packets that came by in1")
    check(daemon.process.log().count("interface-ready") == 1, "the bond was opened more than once")


@test
def member_renamed():
    """A member gets another name, and another member its first one: each relays under the name that it has"""
    site = Site()
    output = site.output()
    daemon = reopens(site.start(RULE))
    for old, new in (("in1", "x"), ("in0", "in1"), ("x", "in0")):
        site.relay.ip(f"link set {old} down")
        site.relay.ip(f"link set {old} name {new}")
        site.relay.ip(f"link set {new} up")
    wait_until(lambda: sorted(bond_of(daemon)["members"]) == ["in0", "in1"], "the new names")
    for member, device in (("in0", "s1"), ("in1", "s0")):
        site.activate(daemon, member)
        flood_one(site, device)
        equal([receive(output)[0] for _ in range(20)], [b"two"] * 20, f"packets that came by {member}")
        queues = {queue.get("member"): queue["received_packets"] for queue in bond_of(daemon)["queues"]}
        equal(queues[member], 20, f"received by {member}")
    daemon.settle(40)
    check(daemon.process.log().count("interface-ready") == 1, "the bond was opened more than once")


@test
def without_members():
    """A bond without members does not get the program, which would keep members without XDP out"""
    site = Site(members=0)
    site.add_link(0)
    site.send_by("s0")
    daemon = reopens(Daemon(site.relay, RULE))
    output = site.output()
    wait_pending(daemon, "bond0 has no members")
    add_member(site.relay, "bond0", "in0")
    wait_active(daemon)
    relays(site, daemon, output, 25)
    site.relay.ip("link set in0 nomaster")
    wait_pending(daemon, "bond0 has no members")
    # A dummy has no native XDP: it can be a member, and the bond has skb mode then.
    site.relay.ip("link add without type dummy")
    add_member(site.relay, "bond0", "without")
    wait_active(daemon)
    equal(bond_of(daemon)["mode"], "skb", "mode")


@test
def not_native():
    """A member without native XDP, or a mode of the bond in which it has none: skb mode, and a line says so"""
    site = Site("mode balance-tlb")
    for member in ("in0", "in1"):
        in_order(site.relay, member)
    output = site.output()
    daemon = site.start(RULE)
    equal(bond_of(daemon)["mode"], "skb", "mode")
    daemon.process.wait_line("native-xdp-refused")
    relays(site, daemon, output, 25)


@test
def bond_recreated():
    """The bond is deleted and created again"""
    site = Site()
    output = site.output()
    daemon = reopens(site.start(RULE))
    relays(site, daemon, output, 25)
    site.relay.ip("link del bond0")
    wait_pending(daemon, "bond0 does not exist")
    add_bond(site.relay, "bond0", ["in0", "in1"], f"mode active-backup miimon {MIIMON}")
    site.relay.ip("address add 10.1.0.2/24 dev bond0")
    wait_active(daemon)
    wait_until(lambda: bond_of(daemon)["active_members"] == ["in0"], "in0 is active")
    relays(site, daemon, output, 25)


@test
def kernel_path():
    """The kernel path by either member, to two groups: what the members hand to the device is counted as the bond's"""
    site = Site()
    outputs = [site.output(), receiver(site.receiver, 6001, "239.2.2.3", "10.2.0.2")]
    daemon = site.start(RULE.replace(" out ", " path kernel out ") + " out 239.2.2.3:6001@out0")
    daemon.thread_inputs()
    wait_transmits(site, "s0")
    stream = Stream(site.source, "10.1.0.1")
    stream.send(50)
    for output in outputs:
        check_received(output, stream.sent)
    forwarded = len(stream.sent)
    for member in ("in1", "in0"):
        site.activate(daemon, member)
        copies = number_of(daemon, "inactive_member")
        flood(site, 100)
        for output in outputs:
            check_numbered(output, 100)
        wait_until(lambda n=copies: number_of(daemon, "inactive_member") == n + 100, "the copies were passed")
        forwarded += 100
    stats = daemon.settle(forwarded)
    bond = interface_of(stats, "bond0")
    equal(bond["verdicts"]["forwarded"], forwarded, "forwarded")
    equal({name: counts["sent_packets"] for name, counts in bond["redirected"].items()}, {"out0": 2 * forwarded},
          "sent by the devices")
    site.relay.ip("link set in1 nomaster")
    wait_until(lambda: bond_of(daemon)["members"] == ["in0"], "in1 is no member")
    flood_one(site, "s0")
    for output in outputs:
        equal([receive(output)[0] for _ in range(20)], [b"two"] * 20, "payloads")
    daemon.settle(forwarded + 20)


@test
def kernel_path_output():
    """A bond as output of the kernel path, on a kernel that would not ask whether its members can transmit"""
    if kernel_version() >= (6, 3):
        raise Skip("the kernel knows whether the members can transmit")
    site = Site()
    daemon = Daemon(site.relay, "a in 239.1.1.1:5000@out0 path kernel out 239.2.2.2:6000@bond0")
    wait_pending(daemon, "is a bond: whether its members can transmit")


class Failover:
    """A stream from a bond to the bond of the relay."""

    def __init__(self):
        self.site = Site(source_bond="mode active-backup")
        self.daemon = self.site.start(RULE)
        self.sink = Sink(self.site.receiver, "r0", "--port", "6000")
        self.source = start(self.site.source, program("xmcast-gen"), "bond1", "-j", "--rate", str(RATE))

    def sent(self):
        """Datagrams that the relay has sent."""
        return self.daemon.stats()["totals"]["sent_packets"]

    def wait_more(self, what):
        """Wait until packets are relayed."""
        before = self.sent()
        wait_until(lambda: self.sent() > before, what)


@test
def active_member_fails():
    """The active member of a stream fails: it is relayed again, nothing twice, and nothing lost by the relay"""
    failover = Failover()
    site, daemon = failover.site, failover.daemon
    failover.wait_more("the stream is relayed")
    site.source.ip("link set s0 down")
    wait_until(lambda: bond_of(daemon)["queues"][1]["received_packets"] > 0, "packets come by in1")
    failover.wait_more("the stream is relayed again")
    failover.source.stop(signal.SIGINT)
    sent = json.loads(failover.source.output)
    stats = daemon.settle()
    report = failover.sink.stop()
    verdicts = interface_of(stats, "bond0")["verdicts"]
    arrived = sum(verdicts[key] for key in ("steered", "inactive_member", "no_socket"))
    rate = sent["sent_packets"] / sent["seconds"]
    missed = sent["sent_packets"] - verdicts["steered"]
    diagnose(f"{rate:.0f} packets/s: relayed again after {1000 * missed / rate:.0f} ms; "
             f"of {sent['sent_packets']} sent, {sent['sent_packets'] - arrived} did not arrive, "
             f"{verdicts['inactive_member']} came by a member that was not active yet, "
             f"{stats['totals']['dropped_packets']} found no frame, {report['received_packets']} were received")
    equal(report["duplicated"], 0, "received twice")
    equal(report["received_packets"], stats["totals"]["sent_packets"], "received by the sink")
    equal(stats["totals"]["sent_packets"] + stats["totals"]["send_errors"] + stats["totals"]["dropped_packets"],
          verdicts["steered"], "sent and dropped, of those steered")
    check(arrived <= sent["sent_packets"], f"{arrived} arrived of {sent['sent_packets']}")


@test
def handed_over():
    """A successor takes the bond over: the sockets of all members, and which of them the bond uses"""
    if kernel_version() < (6, 4):
        raise Skip("before Linux 6.4 AF_XDP sockets cannot be taken over (docs/restart.md)")
    failover = Failover()
    site = failover.site
    failover.wait_more("the stream is relayed")
    wire = Wire(site.source, "bond1")
    for _ in range(2):
        failover.daemon = take_over(failover.daemon, RULE)
        failover.wait_more("the successor relays the stream")
    for text in ("interface-failed", "socket-not-taken-over", "member-changed"):
        check(not failover.daemon.process.find_line(text), f"{text}:\n{failover.daemon.process.log()}")
    failover.source.stop(signal.SIGINT)
    sent = json.loads(failover.source.output)["sent_packets"]
    stats = failover.daemon.settle(sent)
    check_clean(failover.sink.stop(), {"sent_packets": sent, "dropped_packets": 0})
    bond = interface_of(stats, "bond0")
    equal((bond["members"], bond["active_members"]), (["in0", "in1"], ["in0"]), "members, active ones")
    equal(wire.messages(), [], "IGMP and MLD messages")
    # The other member's socket was taken over as well.
    output = site.output()
    site.source.ip("link set bond1 type bond active_slave s1")
    site.activate(failover.daemon, "in1")
    relays(site, failover.daemon, output, 50)
    equal([queue["received_packets"] for queue in bond_of(failover.daemon)["queues"]], [sent, 200],
          "received by the members")


main()
