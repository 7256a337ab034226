# SPDX-License-Identifier: BSD-2-Clause
"""Sockets in a namespace, and the frames that go through them."""

import socket
import struct

from netns import PATIENCE

# Constants of linux/in.h, asm-generic/socket.h and linux/if_ether.h that Python does not define.
IP_RECVTTL, IP_RECVTOS, SO_RCVBUFFORCE, ETH_P_ALL = 12, 13, 33, 3


def sender(namespace, address, ttl=8, loop=False):
    """A UDP socket that sends multicast out of the interface with this address."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, int(loop))
    sock.bind((address, 0))
    return sock


def receiver(namespace, port, group=None, address=None):
    """A UDP socket that receives on a port; joins a group on the interface with `address`."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
    sock.bind((group or "", port))
    if group:
        join(sock, group, address)
    sock.settimeout(PATIENCE)
    return sock


def join(sock, group, address):
    """Join a group on the interface with `address`."""
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    socket.inet_aton(group) + socket.inet_aton(address))


def receive(sock):
    """One datagram: payload, sender's address, TTL, DSCP."""
    payload, extras, _, address = sock.recvmsg(65536, 256)
    ttl = dscp = None
    for level, kind, data in extras:
        if level == socket.IPPROTO_IP and kind == socket.IP_TTL:
            ttl = struct.unpack("i", data)[0]
        elif level == socket.IPPROTO_IP and kind == socket.IP_TOS:
            dscp = data[0] >> 2
    return payload, address, ttl, dscp


def silent(sock):
    """True if no packet is waiting in the socket."""
    sock.setblocking(False)
    try:
        sock.recv(65536, socket.MSG_PEEK)
        return False
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(PATIENCE)


def packet_socket(namespace, device):
    """An AF_PACKET socket, to receive all frames of a device or to send arbitrary ones."""
    with namespace.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        sock.bind((device, ETH_P_ALL))
    sock.settimeout(PATIENCE)
    return sock


# ---- frames ----------------------------------------------------------------------------------

def checksum(data):
    """The checksum of RFC 1071; 0 for data that includes a right checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_frame(destination_mac, source, group, port, payload=b"", **change):
    """An Ethernet frame with a UDP datagram, valid except for `change`: version_ihl, tos, total_length,
    fragment, ip_checksum, udp_length, options, ethertype."""
    udp_length = change.get("udp_length", 8 + len(payload))
    udp = struct.pack("!HHHH", 40000, port, udp_length, 0) + payload  # 0: no checksum
    options = change.get("options", b"")
    total = change.get("total_length", 20 + len(options) + len(udp))
    header = [change.get("version_ihl", 0x45 + len(options) // 4), change.get("tos", 0), total, 1,
              change.get("fragment", 0), 8, 17, 0, socket.inet_aton(source),
              socket.inet_aton(group)]
    header[7] = checksum(struct.pack("!BBHHHBBH4s4s", *header) + options)
    header[7] = change.get("ip_checksum", header[7])
    ethernet = bytes.fromhex(destination_mac.replace(":", "")) + b"\x02\0\0\0\0\x01"
    ethernet += struct.pack("!H", change.get("ethertype", 0x0800))
    return ethernet + struct.pack("!BBHHHBBH4s4s", *header) + options + udp


def group_mac(group):
    """The Ethernet address of an IPv4 group (RFC 1112 section 6.4)."""
    low = struct.unpack("!I", socket.inet_aton(group))[0] & 0x7fffff
    return f"01:00:5e:{low >> 16:02x}:{low >> 8 & 0xff:02x}:{low & 0xff:02x}"
