# SPDX-License-Identifier: BSD-2-Clause
"""The tests' network with IPv6 addresses beside the IPv4 ones, and sockets of that family."""

import socket
import struct

import netns
from harness import Star, wait_until
from sockets import SO_RCVBUFFORCE


class Star6(Star):
    """A Star whose links also have

        source i  s0 fd01:i::1 ──── fd01:i::2 in0  relay  out0 fd02:i::1 ──── fd02:i::2 r0  receiver i
    """

    def __init__(self, sources=1, receivers=1, **options):
        super().__init__(sources, receivers, **options)
        addresses = {self.relay: []}
        for i, source in enumerate(self.sources):
            addresses[source] = [f"fd01:{i}::1/64 dev s0"]
            addresses[self.relay].append(f"fd01:{i}::2/64 dev in{i}")
        for i, receiver in enumerate(self.receivers):
            addresses[self.relay].append(f"fd02:{i}::1/64 dev out{i}")
            addresses[receiver] = [f"fd02:{i}::2/64 dev r0"]
        for namespace, those in addresses.items():
            _enable(namespace)
            namespace.ip(*(f"address add {address} nodad" for address in those))
        for namespace in addresses:
            wait_until(lambda inside=namespace: not inside.ip("-6 address show tentative"), "no tentative address")
        for i, receiver in enumerate(self.receivers):
            receiver.ip("-6 route add default dev r0")
            self.relay.ip(f"neigh replace fd02:{i}::2 lladdr {receiver.mac('r0')} dev out{i} "
                          "nud permanent")


def _enable(namespace):
    """Enable IPv6 without duplicate address detection and router solicitations, which take time: an interface has
    its link-local address as soon as it is enabled, so its own settings come first. MLD reports are repeated at
    once, not up to a second later, when a test counts packets."""
    with namespace.entered():
        devices = [name for _, name in socket.if_nameindex()]
    for scope in (*devices, "default", "all"):
        for name, value in (("accept_dad", 0), ("accept_ra", 0), ("router_solicitations", 0),
                            ("mldv2_unsolicited_report_interval", 10)):
            namespace.sysctl(f"net/ipv6/conf/{scope}/{name}", value)
    namespace.sysctl("net/ipv6/conf/all/disable_ipv6", 0)  # and that of every interface and of new ones


def link_local(namespace, device):
    """The link-local address of an interface."""
    def find():
        words = namespace.ip(f"-6 -br address show dev {device} scope link").split()
        return next((word.split("/")[0] for word in words if word.startswith("fe80:")), None)

    return wait_until(find, f"a link-local address on {device}")


def index(namespace, device):
    """Number of an interface."""
    return int(namespace.ip(f"-o link show {device}").split(":")[0])


def sender6(namespace, device, address=None, hops=8):
    """A UDP socket that sends to groups out of this interface, from this address."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    number = index(namespace, device)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, number)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    if address:
        sock.bind((address, 0, 0, number if address.startswith("fe80:") else 0))
    return sock


def receiver6(namespace, port, group=None, device=None):
    """A UDP socket that listens on a port; with a group, joined on the interface."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for name, value in ((socket.IPV6_V6ONLY, 1), (socket.IPV6_RECVHOPLIMIT, 1),
                        (socket.IPV6_RECVTCLASS, 1)):
        sock.setsockopt(socket.IPPROTO_IPV6, name, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    number = index(namespace, device) if device else 0
    sock.bind((group or "::", port, 0, number if group else 0))
    if group:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                        socket.inet_pton(socket.AF_INET6, group) + struct.pack("i", number))
    sock.settimeout(netns.PATIENCE)
    return sock


def receive6(sock):
    """One datagram: payload, sender's address, hop limit, DSCP."""
    payload, extras, _, address = sock.recvmsg(65536, 256)
    found = {kind: struct.unpack("i", data)[0] for level, kind, data in extras
             if level == socket.IPPROTO_IPV6}
    return (payload, address, found.get(socket.IPV6_HOPLIMIT),
            found.get(socket.IPV6_TCLASS, 0) >> 2)


def groups6(namespace, device):
    """The groups joined on an interface, by /proc/net/igmp6, but for those that every host joins."""
    found = set()
    for line in namespace.read("/proc/net/igmp6").splitlines():
        words = line.split()
        if words[1] == device:
            found.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[2])))
    return {group for group in found if not group.startswith(("ff02::1", "ff01::1"))}


def sources6(namespace, device):
    """The source filters on an interface: (group, source, included, excluded)."""
    found = set()
    for line in namespace.read("/proc/net/mcfilter6").splitlines()[1:]:
        _, name, group, source, included, excluded = line.split()
        if name == device:
            found.add((socket.inet_ntop(socket.AF_INET6, bytes.fromhex(group)),
                       socket.inet_ntop(socket.AF_INET6, bytes.fromhex(source)),
                       int(included), int(excluded)))
    return found
