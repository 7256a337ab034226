# SPDX-License-Identifier: BSD-2-Clause
"""Frames on the wire: built byte by byte, and what the kernel path has to make of them, written
independently of it. Both address families; addresses are text."""

import ipaddress
import socket
import struct
import time

from harness import PATIENCE, Timeout, check
from sockets import checksum, packet_socket

UDP, ESP, SCTP = 17, 50, 132
IPV4, IPV6 = 0x0800, 0x86dd
# The Ethernet type of a copy that has not been rewritten (include/xmcast/abi.h): must never be seen.
UNFINISHED_COPY = 0x88b5

SOURCE_MAC = "02:00:00:00:00:01"


def packed(address):
    """The bytes of an IPv4 or IPv6 address."""
    return ipaddress.ip_address(address).packed


def is_ipv6(address):
    """Is it an IPv6 address?"""
    return ":" in address


def mac_of_group(group):
    """The Ethernet address of a group (RFC 1112 section 6.4, RFC 2464 section 7)."""
    low = packed(group)
    low = b"\x33\x33" + low[-4:] if is_ipv6(group) else \
        b"\x01\x00\x5e" + bytes([low[1] & 0x7f]) + low[2:]
    return low.hex(":")


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def _add(*words):
    """One's complement sum of 16-bit words."""
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def pseudo_sum(source, destination, length, protocol=UDP):
    """Sum of the pseudo header: what stands in the field of an unfinished checksum."""
    return checksum(packed(source) + packed(destination) + struct.pack("!II", length, protocol)) \
        ^ 0xffff


def udp(source, destination, ports, payload, kind="complete"):
    """A UDP datagram. `ports`: source and destination; `kind` of checksum: complete, zero, or
    unfinished, as senders leave it to their network card."""
    length = 8 + len(payload)
    pseudo = pseudo_sum(source, destination, length)
    body = struct.pack("!HHHH", *ports, length, 0) + payload
    value = {"zero": 0, "unfinished": pseudo,
             "complete": _add(pseudo, checksum(body) ^ 0xffff) ^ 0xffff or 0xffff}[kind]
    return body[:6] + struct.pack("!H", value) + body[8:]


# ruff: noqa: PLR0913
def ip(source, destination, protocol, body, *, ttl=16, tos=0, ident=7, fragment=0x4000,
       label=0x12345):  # pylint: disable=too-many-arguments
    """An IP packet. `tos` is the traffic class as well; `label` is the flow label of IPv6."""
    if is_ipv6(source):
        return struct.pack("!IHBB", 6 << 28 | tos << 20 | label, len(body), protocol, ttl) + \
            packed(source) + packed(destination) + body
    header = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(body), ident, fragment, ttl, protocol, 0) \
        + packed(source) + packed(destination)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


def frame(packet, destination_mac, source_mac=SOURCE_MAC, padding=b""):
    """An Ethernet frame with this IP packet."""
    kind = IPV6 if packet[0] >> 4 == 6 else IPV4
    return _mac(destination_mac) + _mac(source_mac) + struct.pack("!H", kind) + packet + padding


class Parsed:  # pylint: disable=too-few-public-methods
    """The fields of a frame with an IP packet without options."""

    def __init__(self, data):
        self.data = data
        self.type = struct.unpack_from("!H", data, 12)[0]
        self.protocol = None
        packet = data[14:]
        if self.type == IPV4 and len(packet) >= 20:
            length, self.ident = struct.unpack_from("!HH", packet, 2)
            self.protocol, start = packet[9], 20
            addresses = packet[12:16], packet[16:20]
        elif self.type == IPV6 and len(packet) >= 40:
            length, self.ident = 40 + struct.unpack_from("!H", packet, 4)[0], 0
            self.protocol, start = packet[6], 40
            addresses = packet[8:24], packet[24:40]
        else:
            return
        self.source, self.destination = (str(ipaddress.ip_address(a)) for a in addresses)
        self.body, self.padding = packet[start:length], packet[length:]
        if self.protocol == UDP:
            self.ports = struct.unpack_from("!HH", self.body)
            self.checksum = struct.unpack_from("!H", self.body, 6)[0]


def rewritten(original, copy, *, macs, source, destination, port=None, ttl, dscp=0):
    # pylint: disable=too-many-arguments
    """What an output must make of the frame `original`. `macs`: source and destination; `port`: None
    keeps it. IPv4 identification and UDP source port are those of `copy`, the frame that was received:
    only the relay knows them."""
    old, new = Parsed(original), Parsed(copy)
    body = old.body
    if old.protocol == UDP:
        keep_zero = old.type == IPV4 and not old.checksum
        body = udp(source, destination, (new.ports[0], port or old.ports[1]), old.body[8:],
                   "zero" if keep_zero else "complete")
    packet = ip(source, destination, old.protocol, body, ttl=ttl, tos=dscp << 2, ident=new.ident,
                fragment=0, label=0)
    return frame(packet, macs[1], macs[0], old.padding)


class Capture:
    """All frames with a relayed packet that arrive on an interface."""

    def __init__(self, namespace, device, protocols=(UDP, ESP, SCTP)):
        self.socket = packet_socket(namespace, device)
        self.protocols = protocols

    def _next(self, left):
        """The next relayed frame, or None if there is none within `left` seconds (0: do not wait)."""
        deadline = time.monotonic() + left
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0))
            try:
                data, address = self.socket.recvfrom(1 << 16)
            except (BlockingIOError, TimeoutError):
                return None
            found = Parsed(data)
            check(found.type != UNFINISHED_COPY, f"a copy was not rewritten: {data.hex()}")
            if found.protocol in self.protocols and address[2] != socket.PACKET_OUTGOING:
                return found

    def take(self, count):
        """Wait for this many frames."""
        frames = []
        while len(frames) < count:
            found = self._next(PATIENCE)
            if not found:
                raise Timeout(f"{len(frames)} of {count} frames arrived")
            frames.append(found)
        return frames

    def rest(self):
        """The frames that wait now."""
        return list(iter(lambda: self._next(0), None))
