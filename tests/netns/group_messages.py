# SPDX-License-Identifier: BSD-2-Clause
"""IGMP and MLD messages for tests, as frames from hosts that do not exist."""

import contextlib
import socket
import struct

# Kinds of records (RFC 3376, section 4.2.12).
IS_INCLUDE, IS_EXCLUDE, TO_INCLUDE, TO_EXCLUDE, ALLOW, BLOCK = range(1, 7)


def _sum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _mac(number):
    return b"\x02\x00\x00" + number.to_bytes(3, "big")


def frame4(message, source, number=1, to="224.0.0.22", ttl=1):
    """An Ethernet frame with an IGMP message from a host."""
    message = message[:2] + struct.pack(">H", _sum(message)) + message[4:]
    header = struct.pack(">BBHHHBBH4s4s4s", 0x46, 0xc0, 24 + len(message), 0, 0, ttl, 2, 0, socket.inet_aton(source),
                         socket.inet_aton(to), b"\x94\x04\x00\x00")
    header = header[:10] + struct.pack(">H", _sum(header)) + header[12:]
    group = socket.inet_aton(to)
    return (b"\x01\x00\x5e" + bytes([group[1] & 0x7f]) + group[2:] + _mac(number) + b"\x08\x00" + header + message)


def report3(*records):
    """An IGMPv3 report of (kind, group, sources)."""
    body = b"".join(bytes([kind, 0]) + struct.pack(">H", len(sources)) + socket.inet_aton(group) +
                    b"".join(map(socket.inet_aton, sources)) for kind, group, sources in records)
    return b"\x22\0\0\0\0\0" + struct.pack(">H", len(records)) + body


def report2(group, kind=0x16):
    """An IGMPv2 report, or a leave (0x17)."""
    return bytes([kind, 0, 0, 0]) + socket.inet_aton(group)


def query3(group="0.0.0.0", response=100, robustness=2, interval=125):
    """An IGMPv3 query."""
    return bytes([0x11, response, 0, 0]) + socket.inet_aton(group) + bytes([robustness, interval, 0, 0])


def send_frames(namespace, device, frames):
    """Send them out of a device."""
    with namespace.entered(), contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as sock:
        sock.bind((device, 0))
        for frame in frames:
            sock.send(frame)
