#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Coexistence with other multicast routers and switches: snooping bridges, smcroute, igmpproxy, FRR's pimd,
another xmcastd; and the membership reports of the relay, captured by tshark."""

import collections
import fcntl
import os
import struct

from harness import (Daemon, Namespace, Sink, Skip, Star, backlog_empty, check, check_clean, equal,
                     generate, know, main, need, receive, receiver, run, sender, silent, start, test, veth, wait_until)
from ipv6 import Star6
from netns import in_order
from routers import FRR, frr, path, routed_interfaces

IN, OUT = "239.1.1.1", "239.2.2.2"
RULE = f"tv in {IN}:5000@in0 out {OUT}:6000@out0"


# ---- a switch ----------------------------------------------------------------------------------

class Switched:
    """source ── bridge with IGMP snooping and a querier ── relay ── receiver; a host beside."""

    def __init__(self):
        self.source, self.switch = Namespace("source"), Namespace("switch")
        self.relay, self.receiver = Namespace("relay"), Namespace("receiver")
        self.beside = Namespace("beside")
        # The bridge relies on its querier once there was time to answer the first queries: 1 s.
        self.switch.ip("link add br0 type bridge mcast_snooping 1 mcast_querier 1 "
                       "mcast_query_response_interval 100 mcast_startup_query_interval 100 "
                       "mcast_last_member_interval 20 mcast_igmp_version 3")
        for number, (host, device) in enumerate(((self.source, "s0"), (self.relay, "in0"),
                                                 (self.beside, "b0")), 1):
            veth(host, device, self.switch, f"p{number}", near_addr=f"10.1.0.{number}/24")
            self.switch.ip(f"link set p{number} master br0")
        self.switch.ip("address add 10.1.0.254/24 dev br0")
        self.switch.ip("link set br0 up")
        veth(self.relay, "out0", self.receiver, "r0", near_addr="10.2.0.1/24",
             far_addr="10.2.0.2/24")
        self.receiver.ip("route add default dev r0")

    def ports(self, group):
        """The bridge ports that have joined the group."""
        lines = self.switch.run("bridge", "mdb", "show", "dev", "br0").stdout.splitlines()
        return {words[words.index("port") + 1] for words in map(str.split, lines)
                if group in words and "port" in words}

    def forwarded(self, port):
        """Packets that were sent on a bridge port."""
        return next(int(line.split()[10]) for line in self.switch.read("/proc/net/dev").splitlines()
                    if line.split(":")[0].strip() == port)


@test
def snooping_bridge():
    """Nothing is flooded; the relay's join opens only its own port, and its leave closes it"""
    net = Switched()
    sock = sender(net.source, "10.1.0.1")

    def flooded():
        before = counts(net)
        for _ in range(100):
            sock.sendto(b"x" * 100, (IN, 5000))
        after = counts(net)
        return [a - b >= 100 for a, b in zip(after, before)]

    wait_until(lambda: flooded() == [False, False], "the querier is active, nothing is flooded")
    daemon = Daemon(net.relay, RULE)
    wait_until(lambda: net.ports(IN) == {"p2"}, "the relay's port has joined")
    output = receiver(net.receiver, 6000, OUT, "10.2.0.2")
    equal(flooded(), [True, False], "reaches the relay, the other host")
    daemon.settle(steered=100)
    equal(receive(output)[0], b"x" * 100, "payload")
    daemon.ctl("rule", "del", "tv")
    wait_until(lambda: not net.ports(IN), "the relay's port has left")
    equal(flooded(), [False, False], "reaches the relay, the other host, after the leave")


def counts(net):
    """Packets that were forwarded to the relay and to the other host, of all that were sent."""
    wait_until(backlog_empty, "the bridge has processed what was sent")
    return [net.forwarded("p2"), net.forwarded("p3")]


# ---- other routers -------------------------------------------------------------------------------

def smcroute(namespace, *lines):
    """Start smcrouted with this configuration, and wait until its routes are in the kernel."""
    need("smcrouted")
    stem = path(namespace.name)
    with open(f"{stem}.conf", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    process = start(namespace, "smcrouted", "-n", "-N", "-f", f"{stem}.conf", "-i", namespace.name,
                    "-P", f"{stem}.pid", "-u", f"{stem}.sock", name="smcrouted")
    routes = sum(line.startswith("mroute ") for line in lines)
    wait_until(lambda: len(namespace.read("/proc/net/ip_mr_cache").splitlines()) > routes,
               "smcroute's routes are in the kernel")
    return process


def without_reverse_path_check(namespace):
    """Let kernel routing accept packets from any source."""
    for name in namespace.ip("-br link show").split("\n"):
        if name:
            namespace.sysctl(f"net/ipv4/conf/{name.split()[0].split('@')[0]}/rp_filter", 0)


class Chain:
    """source ── first router ── second router ── host. Addresses 10.N.0.1 and 10.N.0.2."""

    def __init__(self, *labels):
        self.spaces = [Namespace(label) for label in labels]
        for number, (near, far) in enumerate(zip(self.spaces, self.spaces[1:]), 1):
            veth(near, "right", far, "left", near_addr=f"10.{number}.0.1/24",
                 far_addr=f"10.{number}.0.2/24")
            in_order(far, "left")
        for number, space in enumerate(self.spaces):
            for other in range(1, len(self.spaces)):
                if other < number:
                    space.ip(f"route add 10.{other}.0.0/24 via 10.{number}.0.1")
            without_reverse_path_check(space)


@test
def behind_smcroute():
    """smcroute routes a stream to the relay, another xmcastd relays it: all arrives in order"""
    chain = Chain("source", "smc", "relay", "second", "host")
    source, router, relay, second, host = chain.spaces
    router.run("ethtool", "-K", "left", "gro", "on")  # needed to receive XDP live frames
    smcroute(router, "phyint left enable", "phyint right enable",
             f"mroute from left source 10.1.0.1 group {IN} to right")
    first = Daemon(relay, f"a in {IN}:5000@left out 239.3.3.3:5500@right")
    last = Daemon(second, f"b in 239.3.3.3:5500@left out {OUT}:6000@right")
    sink = Sink(host, "left", "--port", "6000")
    sent = collections.Counter()
    for _ in range(10):
        # At most as many at once as the 256 entries of each veth, however long they wait there.
        report = generate(source, "right", "--source", "10.1.0.1", "--group", IN, "--ttl", "8",
                          "--rate", "2000", "--count", "200")
        sent += {key: report[key] for key in ("sent_packets", "dropped_packets")}
        first.settle(steered=sent["sent_packets"])
        last.settle(steered=sent["sent_packets"])
    check_clean(sink.stop(), sent)


@test
def before_igmpproxy():
    """igmpproxy behind the relay joins the group when a host does, and forwards the stream"""
    need("igmpproxy")
    chain = Chain("source", "relay", "proxy", "host")
    source, relay, proxy, host = chain.spaces
    Daemon(relay, f"a in {IN}:5000@left out {OUT}:6000@right ttl 8")
    with open(path("igmpproxy.conf"), "w", encoding="ascii") as file:
        file.write("quickleave\nphyint left upstream ratelimit 0 threshold 1\n altnet 10.2.0.0/24\n"
                   "phyint right downstream ratelimit 0 threshold 1\nphyint lo disabled\n")
    start(proxy, "igmpproxy", "-n", "-v", path("igmpproxy.conf"), name="igmpproxy")
    wait_until(lambda: routed_interfaces(proxy) >= {"left", "right"}, "igmpproxy routes")
    output = receiver(host, 6000, OUT, "10.3.0.2")
    sock = sender(source, "10.1.0.1")

    def arrives():
        sock.sendto(b"through the proxy", (IN, 5000))
        return not silent(output)

    wait_until(arrives, "the stream reaches the host", pause=0.1)
    payload, address = receive(output)[:2]
    equal((payload, address[0]), (b"through the proxy", "10.2.0.1"), "payload and source")


@test
def beside_smcroute():
    """On one router the relay handles packets of its rule, and smcroute all others as before"""
    star = Star()
    without_reverse_path_check(star.relay)
    smcroute(star.relay, "phyint in0 enable", "phyint out0 enable",
             *(f"mroute from in0 source 10.1.0.1 group {group} to out0"
               for group in (IN, "239.7.7.7")))
    beside_routing(star)


def beside_routing(star):
    """What is relayed and routed before, during and after a relay on a router for both groups."""
    sock = sender(star.source, "10.1.0.1")
    outputs = {name: receiver(star.receiver, port, group, "10.2.0.2") for name, port, group in (
        ("relayed", 6000, OUT), ("routed", 5001, IN), ("other group", 5000, "239.7.7.7"),
        ("not routed", 5000, IN))}

    def send_all(text):
        for group, port in ((IN, 5000), (IN, 5001), ("239.7.7.7", 5000)):
            sock.sendto(text, (group, port))

    def all_routed():
        send_all(b"first")
        return not any(silent(outputs[name]) for name in ("routed", "other group", "not routed"))

    wait_until(all_routed, "multicast is routed", pause=0.2)
    send_all(b"before")
    for name in ("routed", "other group", "not routed"):
        expect(outputs[name], b"before", [b"first"], f"{name}, before the relay")
    daemon = Daemon(star.relay, RULE)
    send_all(b"beside")
    for name in ("relayed", "routed", "other group"):
        expect(outputs[name], b"beside", [b"first"], name)
    daemon.settle(steered=1)  # so it was steered to the relay, not to kernel routing
    daemon.stop()
    send_all(b"after")
    for name in ("routed", "other group", "not routed"):
        # If the rule's packet had also been routed, "beside" would come first on "not routed".
        expect(outputs[name], b"after", [b"first"], f"{name}, after the relay")


def expect(sock, text, earlier, what):
    """The next datagram is this one, except for earlier ones that may still be on their way."""
    seen = receive(sock)[0]
    while seen in earlier:
        seen = receive(sock)[0]
    equal(seen, text, what)


@test
def beside_pimd():
    """The same beside FRR's pimd, which routes the groups that receivers join with IGMP"""
    if not FRR:
        raise Skip("no pimd of FRR's: make deps unpacks it")
    star = Star()
    without_reverse_path_check(star.relay)
    frr(star.relay, "zebra", "hostname router\n", socket="zserv.api")
    frr(star.relay, "pimd", "ip pim rp 10.1.0.2\ninterface in0\n ip pim passive\n ip igmp\n"
        "interface out0\n ip pim\n ip igmp\n")
    # It learns of earlier joins when its first queries are answered, up to 10 s later, and after a packet
    # that arrived before its interfaces the kernel does not ask it again for 10 s.
    wait_until(lambda: routed_interfaces(star.relay) >= {"in0", "out0"}, "pimd has both interfaces")
    beside_routing(star)


# ---- tunnels -------------------------------------------------------------------------------------

def tunnel(near, near_ip, far, far_ip, number):
    """Create a VXLAN between two namespaces over the cable with these addresses."""
    for space, local, remote, last in ((near, near_ip, far_ip, 1), (far, far_ip, near_ip, 2)):
        space.ip(f"link add vx{number} mtu 1400 type vxlan id {number} local {local} "
                 f"remote {remote} dstport 4789")
        space.ip(f"address add 10.9.{number}.{last}/24 dev vx{number}")
        space.ip(f"link set vx{number} up")


@test
def through_vxlan():
    """A stream is relayed from one VXLAN to another, byte-exact"""
    star = Star()
    tunnel(star.source, "10.1.0.1", star.relay, "10.1.0.2", 1)
    tunnel(star.relay, "10.2.0.1", star.receiver, "10.2.0.2", 2)
    know(star.relay, "vx2", "10.9.2.2", star.receiver, "vx2")  # it may answer ARP too late
    daemon = Daemon(star.relay, f"a in {IN}:5000@vx1 out {OUT}:6000@vx2 out 10.9.2.2:6001")
    group = receiver(star.receiver, 6000, OUT, "10.9.2.2")
    host = receiver(star.receiver, 6001)
    sock = sender(star.source, "10.9.1.1")
    for size in (0, 1, 64, 1000, 1372):
        payload = os.urandom(size)
        sock.sendto(payload, (IN, 5000))
        for output in (group, host):
            equal(receive(output)[0], payload, f"payload of {size} bytes")
    daemon.settle(steered=5)


TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI = 0x400454ca, 1, 2, 0x1000  # linux/if_tun.h


def program_tunnel(namespace, device, kind):
    """Create a tunnel whose other end is this program. Returns its descriptor."""
    with namespace.entered():
        try:
            descriptor = os.open("/dev/net/tun", os.O_RDWR)
        except OSError as error:
            raise Skip(f"no /dev/net/tun: {error}") from None
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", device.encode(), kind | IFF_NO_PI))
    namespace.ip(f"address add 10.8.0.1/24 dev {device}")
    namespace.ip(f"link set {device} up")
    return descriptor


@test
def without_ethernet_header():
    """A tun has no Ethernet header: the rule is pending with the reason; a tap of that name relays"""
    star = Star()
    output = receiver(star.receiver, 6000)
    packet = bytes.fromhex("45000020000100000811b8c0 0a080002 ef010101"  # IPv4 to 239.1.1.1
                           "1770 1388 000c 0000") + b"abcd"
    tun = program_tunnel(star.relay, "t0", IFF_TUN)
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@t0 out 10.2.0.2:6000")
    daemon.ready = ""  # its only worker is started later
    try:
        check(daemon.process.find_line("interface-failed iface=t0 .*no Ethernet header"),
              f"no reason is logged:\n{daemon.process.log()}")
        equal(daemon.stats()["rules"][0]["state"], "pending", "state of the rule")
        star.relay.ip("route add 10.77.0.0/24 dev t0")  # as an output it can be used
        daemon.ctl("rule", "add", *f"b in {IN}:5001@in0 out 10.77.0.1:6001".split())
        sender(star.source, "10.1.0.1").sendto(b"outward", (IN, 5001))
        wait_until(lambda: b"outward" in os.read(tun, 2048), "the packet is sent into the tunnel")
    finally:
        os.close(tun)
    tap = program_tunnel(star.relay, "t0", IFF_TAP)
    try:
        wait_until(lambda: daemon.stats()["rules"][0]["state"] == "active", "the rule is active")
        os.write(tap, bytes.fromhex("01005e010101 020000000001 0800") + packet)
        equal(receive(output)[0], b"abcd", "payload")
        daemon.stop()
    finally:
        os.close(tap)


# ---- the wire ------------------------------------------------------------------------------------

class Shark:
    """The membership reports on an interface, captured by tshark."""

    def __init__(self, namespace, device, what, fields):
        need("tshark")
        self._file, self._what, self._fields = path(f"{what}.pcap"), what, fields
        self._process = start(namespace, "tshark", "-i", device, "-n", "-Q", "-w", self._file,
                              name="tshark")
        wait_until(lambda: len(namespace.read("/proc/net/packet").splitlines()) > 1 and
                   os.path.exists(self._file), "tshark captures")

    def records(self):
        """(record type, group, sources) of all reports so far."""
        fields = [word for field in self._fields for word in ("-e", field)]
        text = run("tshark", "-n", "-r", self._file, "-Y", self._what, "-T", "fields", "-E",
                   "separator=;", *fields, check=False).stdout
        found = []
        for line in text.splitlines():
            types, groups, sources = line.split(";")
            for kind, group in zip(types.split(","), groups.split(",")):
                found.append((int(kind, 0), group, sources))
        return found

    def wait(self, record):
        """Wait for a report with this record."""
        wait_until(lambda: record in self.records(), f"a report with {record}", pause=0.3)


# RFC 3376 section 4.2.12, RFC 3810 section 5.2.12.
TO_INCLUDE, TO_EXCLUDE, ALLOW, BLOCK = 3, 4, 5, 6


def reports(star, shark, group, second, source, host):
    """Check the reports at the start, the changes and the end of a daemon."""
    daemon = Daemon(star.relay, f"a in {group}:5000@in0 out {host}:6000")
    shark.wait((TO_EXCLUDE, group.strip("[]"), ""))
    daemon.ctl("rule", "add", *f"b in {second}:5000@in0 source {source} out {host}:6001".split())
    shark.wait((ALLOW, second.strip("[]"), source.strip("[]")))
    daemon.ctl("rule", "del", "b")
    shark.wait((BLOCK, second.strip("[]"), source.strip("[]")))
    daemon.stop()
    shark.wait((TO_INCLUDE, group.strip("[]"), ""))


@test
def igmpv3_reports():
    """IGMPv3 reports: (*,G) at the start, (S,G) when a rule is added, both leaves"""
    star = Star()
    shark = Shark(star.source, "s0", "igmp.type == 0x22",
                  ("igmp.record_type", "igmp.maddr", "igmp.saddr"))
    reports(star, shark, IN, "232.9.9.9", "10.1.0.1", "10.2.0.2")


@test
def mldv2_reports():
    """MLDv2 reports: the same"""
    star = Star6()
    shark = Shark(star.source, "s0", "icmpv6.type == 143",
                  ("icmpv6.mldr.mar.record_type", "icmpv6.mldr.mar.multicast_address",
                   "icmpv6.mldr.mar.source_address"))
    reports(star, shark, "[ff3e::1]", "[ff3e::9]", "[fd01::1]", "[fd02::2]")


main()
