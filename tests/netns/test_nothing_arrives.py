#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs/nothing-arrives.md: a relay broken in each of its ways, and the commands of the page show what it says.

Commands and what they show are taken from the page: a test that uses a word which is not there fails."""

import contextlib
import os
import re
import socket
import sys

from harness import (ROOT, Daemon, Namespace, Star, check, equal, generate, group_mac, main, packet_socket, receive,
                     receiver, run, sender, silent, test, udp_frame, veth, wait_until)

sys.path.insert(0, os.path.join(ROOT, "tools", "demo"))
# pylint: disable=wrong-import-position
from kernel_routing import KernelRoute  # noqa: E402

GROUP, OUT = "239.1.1.1", "239.2.2.2"
RULE = f"cam1 in {GROUP}:5000@in0 out {OUT}:6000@out0"

with open(os.path.join(ROOT, "docs/nothing-arrives.md"), encoding="utf-8") as _file:
    PAGE = _file.read()


def says(*words):
    """The page has these words."""
    for word in words:
        check(word in PAGE, f"docs/nothing-arrives.md does not say {word}")


def shows(daemon, command, *words, before=lambda: None):
    """Wait until a command of the page, about the relay of the tests, prints each of the words. `before`: what is
    done each time before it."""
    says(command)
    for there, here in (("eth0", "in0"), ("eth1", "out0"), ("10.0.0.100", "10.2.0.9")):
        command = command.replace(there, here)
    arguments = command.split()

    def printed():
        before()
        if arguments[0] == "xmcastctl":
            text = daemon.ctl(*arguments[1:]).stdout
        else:
            text = daemon.namespace.run(*arguments).stdout
        return all(re.search(word, text) for word in words) and text

    return wait_until(printed, f"{command} shows {words}")


def verdict(daemon, name, count=1):
    """A verdict of the page has been counted in `stats show`."""
    says(f"`{name}`")
    shows(daemon, "xmcastctl stats show", rf"\b{name} {count}\b")


def send(star, number=10, port=5000, size=100, ttl=8):
    """Send datagrams to the relay."""
    with contextlib.closing(sender(star.source, "10.1.0.1", ttl)) as sock:
        for _ in range(number):
            sock.sendto(b"x" * size, (GROUP, port))


@test
def states():
    """rule list: never, flowing, silent; pending with the reason in rule show"""
    star = Star()
    daemon = Daemon(star.relay, config="rules: [ 'RULE' ]\nevents: { silent_after: 1 }\n".replace(
        "RULE", RULE))
    for word in ("never", "flowing", "silent", "pending"):
        says(f"`{word}`")
    shows(daemon, "xmcastctl rule list", "cam1 .*active .*never")
    shows(daemon, "xmcastctl rule list", "cam1 .*active .*flowing", before=lambda: send(star))
    shows(daemon, "xmcastctl rule list", "cam1 .*active .*silent")


@test
def no_carrier():
    """The output has no carrier, or is down: the reason, and what ip shows"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    says("output interface eth1 has no carrier", "output interface eth1 is down", "`NO-CARRIER`", "`DOWN`")
    star.receiver.ip("link set r0 down")
    shows(daemon, "xmcastctl rule show cam1", r"pending \(output interface out0 has no carrier")
    shows(daemon, "ip -br link show eth1", "NO-CARRIER")
    star.receiver.ip("link set r0 up")
    shows(daemon, "xmcastctl rule show cam1", "state +active")
    star.relay.ip("link set out0 down")
    shows(daemon, "xmcastctl rule show cam1", r"pending \(output interface out0 is down")
    check(",UP" not in shows(daemon, "ip -br link show eth1", "DOWN"), "not up")


@test
def joined():
    """A switch that snoops knows the relay's port, forgets it without a querier, and learns of it again with one"""
    source, switch, relay = Namespace("source"), Namespace("switch"), Namespace("relay")
    switch.ip("link add br0 type bridge mcast_snooping 1 mcast_igmp_version 3")
    for number, (host, device) in enumerate(((source, "s0"), (relay, "in0")), 1):
        veth(host, device, switch, f"p{number}", near_addr=f"10.1.0.{number}/24")
        switch.ip(f"link set p{number} master br0")
    switch.ip("link set br0 up")
    veth(relay, "out0", Namespace("receiver"), "r0", near_addr="10.2.0.1/24")
    daemon = Daemon(relay, RULE)
    shows(daemon, "xmcastctl group list", rf"{GROUP} .*in0")
    shows(daemon, "ip maddress show dev eth0", GROUP)
    says("bridge mdb show dev br0")

    def known():
        return GROUP in switch.run("bridge", "mdb", "show", "dev", "br0").stdout

    wait_until(known, "the switch knows the group")
    # From now on a report counts for a second, unless a querier asks for the next one. The relay joins again.
    switch.ip("link set br0 type bridge mcast_membership_interval 100")
    daemon.ctl("rule", "disable", "cam1")
    daemon.ctl("rule", "enable", "cam1")
    daemon.ready = ""  # which has one worker
    wait_until(lambda: not known(), "the switch has forgotten the group, because there is no querier")
    shows(daemon, "xmcastctl group list", rf"{GROUP} .*in0")
    switch.ip("address add 10.1.0.254/24 dev br0")
    switch.ip("link set br0 type bridge mcast_querier 1 mcast_query_interval 50 mcast_membership_interval 26000")
    wait_until(known, "the switch has learned of the group from the answer to its query")
    daemon.ctl("rule", "disable", "cam1")
    wait_until(lambda: GROUP not in daemon.ctl("group", "list").stdout, "left")
    check(GROUP not in relay.run("ip", "maddress", "show", "dev", "in0").stdout, "left, says ip")


@test
def not_taken():
    """Another port, fragments, a VLAN tag: the verdict that counts them, and none of them is steered"""
    star = Star()
    star.relay.run("ethtool", "-K", "in0", "rxvlan", "off")
    star.source.run("ethtool", "-K", "s0", "txvlan", "off")
    daemon = Daemon(star.relay, RULE)
    send(star, 3, port=5001)
    verdict(daemon, "no_rule", 3)
    send(star, 1, size=2000)
    verdict(daemon, "fragment", 2)
    generate(star.source, "s0", "--group", GROUP, "--port", "5000", "--vlan", "100", "--count", "5",
             "--rate", "1000")
    verdict(daemon, "vlan", 5)
    equal(daemon.stats()["totals"]["steered_packets"], 0, "steered")


@test
def explained():
    """explain: a packet that matches, with a TTL that is too small; one that does not, and why"""
    star = Star()
    daemon = Daemon(star.relay, f"cam1 in {GROUP}:5000@in0 source 10.9.0.0/16 out {OUT}:6000@out0")
    command = f"xmcastctl explain 10.9.9.9 to {GROUP}:5000@eth0"
    shows(daemon, command, "steered", "TTL 1: ")
    send(star)
    shows(daemon, "xmcastctl explain cam1", "problem .*10.1.0.1")
    says("xmcastctl capture cam1")
    check("but for: source" in daemon.ctl("explain", "10.1.9.9", "to", f"{GROUP}:5000@in0").stdout,
          "the word that does not match")


@test
def not_sent():
    """States in which nothing is sent: standby, idle, disabled; malformed packets; a more specific rule"""
    star = Star()
    daemon = Daemon(star.relay, f"{RULE} when joined", f"cam2 in 239.1.1.2:5000@in0 lease tv out {OUT}:6000@out0",
                    f"cam3 in 239.1.1.3:5000@in0 disabled out {OUT}:6000@out0",
                    f"cam4 in 239.1.1.4:5000@in0 out {OUT}:6000@out0",
                    f"cam5 in 239.1.1.4:5000@in0 source 10.1.0.1 out {OUT}:6000@out0")
    for state, rule in (("idle", "cam1"), ("standby", "cam2"), ("disabled", "cam3")):
        says(f"| `{state}` |")
        shows(daemon, "xmcastctl rule list", f"{rule} .*{state}")
    says("`xmcastctl group list`", "`xmcastctl lease list`", "`xmcastctl rule enable cam1`", "`malformed`")
    packet_socket(star.source, "s0").send(udp_frame(group_mac(GROUP), "10.1.0.1", GROUP, 5000, b"x", ip_checksum=1))
    shows(daemon, "xmcastctl stats show", r"\bmalformed 1\b")
    says("more specific source gets them")
    check("rule      cam5" in daemon.ctl("explain", "10.1.0.1", "to", "239.1.1.4:5000@in0").stdout, "cam5 gets them")


@test
def wrong_mac():
    """A wrong permanent neighbour: SENT rises, explain shows the address, and it is not the receiver's"""
    star = Star()
    star.relay.ip("neigh replace 10.2.0.9 lladdr 02:00:00:00:00:99 dev out0 nud permanent")
    daemon = Daemon(star.relay, f"cam1 in {GROUP}:5000@in0 out 10.2.0.9:6000")
    send(star)
    shows(daemon, "xmcastctl rule show cam1", "10.2.0.9:6000 .* 10 +1000 ")
    shows(daemon, "xmcastctl explain cam1", "to 02:00:00:00:00:99", "next: tcpdump -eni any udp  # on 10.2.0.9")
    shows(daemon, "ip neigh show to 10.0.0.100", "02:00:00:00:00:99 PERMANENT")
    says("`PERMANENT`", "`ip neigh del 10.0.0.100 dev eth1`")


@test
def no_neighbour():
    """A host that does not answer ARP; no route; what the kernel refuses as a firewall does"""
    star = Star()
    star.relay.ip("xfrm policy add dir out dst 10.2.0.8/32 action block")
    star.relay.ip("neigh replace 10.2.0.8 lladdr 02:00:00:00:00:99 dev out0")
    daemon = Daemon(star.relay, f"{RULE} out 10.2.0.9:6000 out 10.2.0.8:6000 out 10.9.0.1:6000")
    says("does not answer ARP", "`unreachable`", "`INCOMPLETE` or `FAILED`", "`EPERM`", "`ENETUNREACH`")
    send(star)
    shows(daemon, "xmcastctl rule show cam1", "10.2.0.9 does not answer ARP.* unreachable 10", "EPERM",
          "ENETUNREACH")
    shows(daemon, "ip neigh show to 10.0.0.100", "INCOMPLETE|FAILED")


@test
def used_up_ttl():
    """`ttl dec` of packets that came with TTL 1"""
    star = Star()
    daemon = Daemon(star.relay, f"{RULE} ttl dec")
    send(star, ttl=1)
    says("`ttl_expired`")
    shows(daemon, "xmcastctl rule show cam1", "ttl_expired 10")


class Routed:
    """A star whose receiver is a router that routes the output's group to a host behind it."""

    def __init__(self, *sources):
        self.star = Star()
        self.router, self.host = self.star.receiver, Namespace("host")
        veth(self.router, "h0", self.host, "r0", near_addr="10.3.0.1/24", far_addr="10.3.0.2/24")
        self.host.ip("route add default dev r0")
        # One packet for each datagram, or the router counts batches.
        self.star.relay.run("ethtool", "-K", "out0", "tx", "off", "gso", "off", "tso", "off")
        self.route = KernelRoute(self.router, OUT, "r0", "h0", sources)
        self.sink = receiver(self.host, 6000, OUT, "10.3.0.2")

    def routed(self):
        """Packets that the router has counted, by their source."""
        says("ip -s mroute show")
        wait_until(lambda: sum(self.route.forwarded().values()) >= 10, "the router has them")
        check(re.search(r"\b10 packets", run("ip", "-n", self.router.name, "-s", "mroute",
                                             "show").stdout), "ip -s mroute show")


@test
def ttl_behind():
    """With the default TTL a router counts the packets and none leaves; with ttl 8 they arrive"""
    net = Routed("10.2.0.1")
    daemon = Daemon(net.star.relay, RULE)
    send(net.star)
    daemon.settle(steered=10)
    net.routed()
    check(silent(net.sink), "packets with TTL 1 have passed a router")
    says("`ttl 8`")
    daemon.ctl("rule", "replace", f"{RULE} ttl 8")
    send(net.star)
    equal([receive(net.sink)[2] for _ in range(10)], [7] * 10, "TTLs")


@test
def reverse_path_behind():
    """With `from keep` the next router's reverse-path check drops them, and its counter rises"""
    net = Routed("10.1.0.1")
    net.router.ip("route del default")
    for device in ("all", "r0"):
        net.router.sysctl(f"net/ipv4/conf/{device}/rp_filter", 1)
    daemon = Daemon(net.star.relay, f"{RULE} ttl 8 from keep")
    send(net.star)
    daemon.settle(steered=10)
    says("nstat -az TcpExtIPReversePathFilter")

    def dropped():
        text = net.router.run("nstat", "-asz", "TcpExtIPReversePathFilter").stdout
        return re.search(r"TcpExtIPReversePathFilter +10 ", text)

    wait_until(dropped, "the router's counter")
    check(silent(net.sink), "packets have passed the reverse-path check")
    net.router.ip("route add 10.1.0.0/24 via 10.2.0.1")
    send(net.star)
    equal([receive(net.sink)[1][0] for _ in range(10)], ["10.1.0.1"] * 10, "sources")


@test
def at_the_receiver():
    """Another port, and a program that reads too slowly: the receiver's counters"""
    star = Star()
    daemon = Daemon(star.relay, f"cam1 in {GROUP}:5000@in0 out 10.2.0.2:6000")
    says("UdpNoPorts", "UdpRcvbufErrors", "ICMP: refused")
    send(star)

    def counted(name):
        text = star.receiver.run("nstat", "-asz", name).stdout
        return re.search(rf"{name} +([1-9]\d*) ", text)

    wait_until(lambda: counted("UdpNoPorts"), "UdpNoPorts")
    shows(daemon, "xmcastctl rule show cam1", "ICMP: refused")
    with contextlib.closing(receiver(star.receiver, 6000)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        send(star, 100, size=1400)
        wait_until(lambda: counted("UdpRcvbufErrors"), "UdpRcvbufErrors")


main()
