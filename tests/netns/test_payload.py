#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The packets that the relay sends, byte by byte: payloads, checksums, TTL, DSCP, fragments, loop."""

import random
import socket
import struct

from harness import (Daemon, Star, check, checksum, equal, group_mac, main, packet_socket, receive,
                     receiver, sender, silent, test)

SIZES = [*range(18), 31, 32, 33, 63, 64, 65, 127, 255, 256, 257, 511, 512, 1000, 1023, 1024, 1400,
         1470, 1471, 1472]


def payload(size):
    """Random bytes, the same in every run."""
    return random.Random(size).randbytes(size)


@test
def every_size():
    """0 bytes up to the MTU, byte-exact on a multicast and a unicast output"""
    star = Star()
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 out 10.2.0.2:6001")
    outputs = [receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2"),
               receiver(star.receiver, 6001)]
    sock = sender(star.source, "10.1.0.1")
    for size in SIZES:
        sock.sendto(payload(size), ("239.1.1.1", 5000))
    for output in outputs:
        for size in SIZES:
            equal(receive(output)[0], payload(size), f"payload of {size} bytes")
    stats = daemon.settle(steered=len(SIZES))
    check(all(map(silent, outputs)), "more packets arrived than were sent")
    equal(stats["totals"]["sent_bytes"], 2 * sum(SIZES), "bytes sent")


@test
def jumbo_frames():
    """Payloads up to an MTU of 3800"""
    star = Star(mtu=3800, out_mtu=3800)
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    for size in (3772, 1473, 2048, 0, 3771):
        sock.sendto(payload(size), ("239.1.1.1", 5000))
        equal(receive(output)[0], payload(size), f"payload of {size} bytes")
    daemon.settle(steered=5)


@test
def checksums_on_the_wire():
    """IP and UDP checksums are right without checksum offload, and all header fields as expected"""
    star = Star()
    star.relay.run("ethtool", "-K", "out0", "tx", "off")
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 ttl 7 "
                    "out 10.2.0.2:6001 dscp ef")
    listener = receiver(star.receiver, 6001)
    wire = packet_socket(star.receiver, "r0")
    sock = sender(star.source, "10.1.0.1")
    for size in SIZES:
        sock.sendto(payload(size), ("239.1.1.1", 5000))
    daemon.settle(steered=len(SIZES))
    seen = {6000: [], 6001: []}
    while any(len(sizes) < len(SIZES) for sizes in seen.values()):
        frame = wire.recv(65536)
        if frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP:
            port, size = check_frame(frame)
            seen[port].append(size)
    equal(seen, {6000: SIZES, 6001: SIZES}, "sizes on the wire")
    listener.close()


def check_frame(frame):
    """Check checksums, lengths and addresses of a relayed frame. Returns port and payload size."""
    ihl = (frame[14] & 15) * 4
    ip, total = frame[14:14 + ihl], struct.unpack_from("!H", frame, 16)[0]
    udp = frame[14 + ihl:14 + total]
    source_port, port, length, udp_sum = struct.unpack_from("!HHHH", udp)
    equal(checksum(ip), 0, "IP checksum over the header")
    equal(length, len(udp), "UDP length")
    pseudo = ip[12:20] + struct.pack("!BBH", 0, socket.IPPROTO_UDP, length)
    equal(checksum(pseudo + udp), 0, "UDP checksum over the datagram")
    check(udp_sum != 0, "no UDP checksum")
    equal(udp[8:], payload(len(udp) - 8), "payload")
    check(source_port != 0, "no source port")
    equal(socket.inet_ntoa(ip[12:16]), "10.2.0.1", "source address")
    equal(struct.unpack_from("!H", ip, 6)[0], 0, "fragment field (DF set?)")
    if port == 6000:
        equal(frame[:6].hex(":"), group_mac("239.2.2.2"), "destination MAC")
        equal((ip[8], ip[1]), (7, 0), "TTL and TOS")
    else:
        equal((ip[8], ip[1]), (64, 46 << 2), "TTL and TOS")
    return port, len(udp) - 8


@test
def ttl_and_dscp():
    """TTL: 1 to a group and 64 to a host unless given; DSCP: 0, a number or a name"""
    star = Star()
    rules = {6000: ("239.2.2.2:6000@out0", 1, 0), 6001: ("10.2.0.2:6001", 64, 0),
             6002: ("239.2.2.2:6002@out0 ttl 255 dscp 63", 255, 63),
             6003: ("10.2.0.2:6003@out0 ttl 1 dscp af41", 1, 34),
             6004: ("239.2.2.2:6004@out0 dscp ef", 1, 46),
             6005: ("10.2.0.2:6005 ttl 200 dscp 1", 200, 1)}
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 " +
                    " ".join(f"out {rule[0]}" for rule in rules.values()))
    outputs = {port: receiver(star.receiver, port, "239.2.2.2" if "239." in rule[0] else None,
                              "10.2.0.2") for port, rule in rules.items()}
    sender(star.source, "10.1.0.1", ttl=33).sendto(b"x", ("239.1.1.1", 5000))
    for port, (text, ttl, dscp) in rules.items():
        data, address, *header = receive(outputs[port])
        equal((data, address[0], *header), (b"x", "10.2.0.1", ttl, dscp), text)
    daemon.settle(steered=1)


@test
def loop_is_off():
    """Sockets on the relay's host do not receive what the relay sends to a group"""
    star = Star()
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    own = receiver(star.relay, 6000, "239.2.2.2", "10.2.0.1")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    for i in range(20):
        sock.sendto(b"%d" % i, ("239.1.1.1", 5000))
        equal(receive(output)[0], b"%d" % i, "payload")
    daemon.settle(steered=20)
    check(silent(own), "a socket on the relay's host received a packet")


@test
def one_source_port():
    """A rule's output keeps one source port, so that receivers see one flow"""
    star = Star(queues=4)
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    for i in range(32):
        sender(star.source, "10.1.0.1").sendto(b"%d" % i, ("239.1.1.1", 5000))
    ports = {receive(output)[1] for _ in range(32)}
    equal(len(ports), 1, f"source addresses {ports}")
    daemon.settle(steered=32)


@test
def refusing_receiver():
    """A host that answers "port unreachable" still receives everything in order"""
    star = Star()
    star.receiver.sysctl("net/ipv4/icmp_ratelimit", 0)
    star.receiver.sysctl("net/ipv4/icmp_msgs_per_sec", 1000000)
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 10.2.0.2:6001")
    wire = packet_socket(star.receiver, "r0")
    sock = sender(star.source, "10.1.0.1")
    sizes = list(range(200))
    for size in sizes:
        sock.sendto(payload(size), ("239.1.1.1", 5000))
    stats = daemon.settle(steered=len(sizes))
    equal(stats["totals"]["send_errors"], 0, "errors")
    seen = []
    while len(seen) < len(sizes):
        frame = wire.recv(65536)
        if frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP:
            seen.append(struct.unpack_from("!H", frame, 38)[0] - 8)
    equal(seen, sizes, "sizes on the wire")


@test
def fragments_out():
    """An output with a smaller MTU: the kernel fragments, and the receiver gets the whole datagram"""
    star = Star(receivers=2, out_mtu=600)
    daemon = Daemon(star.relay,
                    "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 out 10.2.1.2:6001")
    outputs = [receiver(star.receivers[0], 6000, "239.2.2.2", "10.2.0.2"),
               receiver(star.receivers[1], 6001)]
    wire = packet_socket(star.receivers[0], "r0")
    sock = sender(star.source, "10.1.0.1")
    sizes = [1472, 572, 573, 600, 1400] * 10
    for size in sizes:
        sock.sendto(payload(size), ("239.1.1.1", 5000))
    for output in outputs:
        for size in sizes:
            equal(receive(output)[0], payload(size), f"payload of {size} bytes")
    daemon.settle(steered=len(sizes))
    offsets = set()
    while 8 * max(offsets, default=0) < 1152:  # the third fragment of a large one
        frame = wire.recv(65536)
        if frame[12:14] == b"\x08\x00":
            offsets.add(struct.unpack_from("!H", frame, 20)[0] & 0x1fff)


main()
