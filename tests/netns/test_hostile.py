#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Malicious frames, and malicious clients of the control socket: no wrong byte is relayed, each frame is
counted by the right reason, and honest senders and clients lose nothing."""

import collections
import json
import os
import random
import socket
import struct
import sys

from control import Client, open_descriptors
from harness import (PATIENCE, Daemon, Star, check, checksum, equal, group_mac, interface_of, main,
                     packet_socket, receive, receiver, silent, test, udp_frame, wait_until)

GROUP, GOOD = "239.1.1.1", "239.1.1.2"
SOURCE, MAC = "10.9.9.9", group_mac("239.1.1.1")
GROUP6, SOURCE6 = "ff3e::1", "2001:db8::9"
RULES = (f"lies in {GROUP}:5000@in0 out 239.2.2.2:6000@out0",
         f"good in {GOOD}:5000@in0 out 239.2.2.2:6001@out0")

REASONS = {"steered", "no_rule", "not_ip", "not_udp", "vlan", "fragment", "ip_options", "malformed"}

# A veth holds 256 frames: wait until these have arrived before sending more.
BATCH = 64


def frame(payload=b"payload of a datagram", mac=MAC, **change):
    """A frame that matches the rule except for the changes, also of its IP `source` and its `port`."""
    return udp_frame(mac, change.pop("source", SOURCE), GROUP, change.pop("port", 5000), payload,
                     **change)


def put(data, offset, *values):
    """A copy with these bytes, from this offset on."""
    return data[:offset] + bytes(values) + data[offset + len(values):]


def mend(data):
    """A copy with the right checksum of its IPv4 header of 20 bytes."""
    data = put(data, 24, 0, 0)
    return put(data, 24, *struct.pack("!H", checksum(data[14:34])))


def frame6(payload=b"payload", next_header=17, between=b"", length=None, source=SOURCE6):
    """An Ethernet frame with IPv6, optional data between its header and UDP, and UDP."""
    body = between + struct.pack("!HHHH", 40000, 5000, 8 + len(payload), 1) + payload
    return (b"\x33\x33\0\0\0\x01\x02\0\0\0\0\x01\x86\xdd" +
            struct.pack("!IHBB", 6 << 28, len(body) if length is None else length, next_header, 9) +
            socket.inet_pton(socket.AF_INET6, source) +
            socket.inet_pton(socket.AF_INET6, GROUP6) + body)


# ---- malicious frames to a relay, with honest ones between them -------------------------------

class Attack:
    """Two rules with a sink each: the one under attack, and its neighbour."""

    def __init__(self, **star):
        self.star = Star(**star)
        self.star.relay.run("ethtool", "-K", "in0", "rxvlan", "off")
        self.star.source.run("ethtool", "-K", "s0", "txvlan", "off")
        self.daemon = Daemon(self.star.relay, *RULES)
        self.raw = packet_socket(self.star.source, "s0")
        self.lies = receiver(self.star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        self.good = receiver(self.star.receiver, 6001, "239.2.2.2", "10.2.0.2")
        self.before = self.verdicts()
        self.expected = collections.Counter()
        self.pending = self.number = 0

    def verdicts(self):
        """The verdicts of the XDP program on in0 so far."""
        return interface_of(self.daemon.stats(), "in0")["verdicts"]

    def send(self, data, reason, payload=None):
        """Send a frame that must be counted for this reason. `payload`: the payload that must be relayed."""
        self.raw.send(data)
        self.expected[reason] += 1
        self.pending += 1
        if payload is not None:
            equal(reason, "steered", "a frame with a payload")
            self.neighbour()
            equal(receive(self.lies)[0], payload, f"payload of {data.hex()}")
        elif self.pending >= BATCH:
            self.neighbour()

    def neighbour(self):
        """Send an honest datagram and receive it: all frames before it have been processed then."""
        self.number += 1
        payload = b"good %d" % self.number
        self.raw.send(udp_frame(group_mac(GOOD), SOURCE, GOOD, 5000, payload))
        self.expected["steered"] += 1
        equal(receive(self.good)[0], payload, "the neighbour's datagram")
        self.pending = 0

    def finish(self):
        """Check that everything was counted as expected and nothing else was relayed."""
        self.neighbour()
        stats = self.daemon.settle(steered=self.expected["steered"])
        after = interface_of(stats, "in0")["verdicts"]
        counted = {key: after[key] - self.before[key] for key in after if after[key]}
        equal(counted, {key: n for key, n in self.expected.items() if n}, "verdicts")
        equal(stats["totals"]["dropped_packets"], 0, "dropped")
        check(silent(self.lies) and silent(self.good), "more was relayed than expected")
        return stats


# ---- one malformed frame after another --------------------------------------------------------

def lengths():
    """Lengths that contradict each other or the frame. Yields (reason, frame, payload)."""
    whole = frame()
    ip_length, udp_length = len(whole) - 14, len(whole) - 34
    for total in (0, 1, 8, 19, 20, 27, ip_length - 1, ip_length + 1, 1500, 0x7fff, 0xffff):
        yield "malformed", frame(total_length=total), None
    for length in (0, 1, 7, udp_length + 1, 1480, 0x7fff, 0xffff):
        yield "malformed", frame(udp_length=length), None
    # A frame check sequence, padding, and bytes between the datagram's end and the packet's.
    for tail in (1, 4, 18, 1000):
        yield "steered", frame(total_length=ip_length) + bytes(range(256 - tail % 256, 256)) + bytes(tail), \
            b"payload of a datagram"
    yield "malformed", frame(total_length=ip_length + 5) + b"tail", None
    for length in (8, 9, udp_length - 1):
        yield "steered", frame(udp_length=length), b"payload of a datagram"[:length - 8]
    for size in range(0, 19):  # Ethernet padding to 60 bytes, with arbitrary content
        data = bytes(range(1, size + 1))
        yield "steered", frame(data) + b"\xee" * (18 - size), data
    for end in range(14, len(whole)):
        yield "malformed", whole[:end], None


def headers():
    """IPv4 headers: versions, lengths, checksums, fragments, options, protocols, addresses."""
    whole = frame(b"x" * 100)
    for first in range(256):
        if first not in range(0x45, 0x50):
            yield "malformed", mend(put(whole, 14, first)), None
    for words in range(1, 11):
        for option in (b"\x01", b"\x94\x04\0\0", b"\x83\x07\x04\x0a\x01\x00\x01\x00", b"\x07\xff",
                       b"\xff\x00", b"\0"):
            options = (option * 40)[:words * 4]
            yield "ip_options", frame(options=options), None
    right = struct.unpack_from("!H", whole, 24)[0]
    for wrong in (0, 0xffff, right ^ 1, right ^ 0x8000, ~right & 0xffff):
        yield "malformed", frame(b"x" * 100, ip_checksum=wrong), None
    for fragment in (0x2000, 1, 0x1fff, 0x3fff, 0x6000, 0xa001, 0xffff):
        yield "fragment", frame(fragment=fragment), None
    for flags in (0x4000, 0x8000, 0xc000):
        yield "steered", frame(b"flags", fragment=flags), b"flags"
    for protocol in (0, 1, 2, 6, 16, 18, 47, 50, 103, 136, 255):
        yield "not_udp", mend(put(whole, 23, protocol)), None
    for ttl in (0, 1, 255):
        yield "steered", mend(put(frame(b"ttl"), 22, ttl)), b"ttl"
    # Any source is accepted, also those that kernel routing would drop.
    for source in ("0.0.0.0", "127.0.0.1", "10.1.0.2", "239.1.1.1", "255.255.255.255"):
        yield "steered", frame(b"source", source=source), b"source"
    for port in (0, 4999, 5001, 0x8813, 65535):
        yield "no_rule", frame(port=port), None


def links():
    """Ethernet: other addresses, tags, other protocols, all with the rule's datagram inside."""
    whole = frame(b"link")
    # The address is ignored, because a switch or an access point may have converted it to unicast.
    for mac in ("02:00:00:00:00:99", "ff:ff:ff:ff:ff:ff", "01:00:5e:01:01:02", "00:00:00:00:00:00"):
        yield "steered", frame(b"link", mac), b"link"
    yield "steered", put(whole, 6, 1, 0, 0x5e, 1, 1, 1), b"link"  # a group as the sender
    # The UDP checksum is left to the final receiver.
    yield "steered", put(whole, 40, 0xba, 0xad), b"link"
    for tag in ("81000007", "8100efff", "88a80007", "88a8000781000007", "8100000781000008",
                "8100000081000007", "810000008100000081000000", "8100" "0001" * 9):
        yield "vlan", whole[:12] + bytes.fromhex(tag) + whole[12:], None
    for tag in ("81000000", "8100e000", "88a80000", "88a8000081000000"):  # only a priority
        yield "steered", whole[:12] + bytes.fromhex(tag) + whole[12:], b"link"
    yield "vlan", whole[:12] + b"\x81\x00", None
    yield "vlan", whole[:12] + b"\x88\xa8\0", None
    for ethertype in (0, 46, 1500, 0x0801, 0x0008, 0x0806, 0x9100, 0x88e5, 0x88cc, 0x8847, 0xffff):
        yield "not_ip", frame(ethertype=ethertype), None
    yield "malformed", frame(ethertype=0x86dd), None
    yield "malformed", put(frame6(), 12, 8, 0), None


def ipv6():
    """IPv6 that matches no rule: chains of extension headers, truncated anywhere, and wrong lengths."""
    whole = frame6()
    yield "no_rule", whole, None
    for kind in (0, 43, 60):
        chain = bytes([60, 0]) + bytes(6) + bytes([17, 1]) + bytes(14)
        for end in range(54, 54 + len(chain)):
            cut = frame6(b"", kind, chain)[:end]
            yield "ip_options", put(cut, 18, *struct.pack("!H", end - 54)), None
            yield "malformed", cut, None
        yield "ip_options", frame6(b"x", kind, bytes([0, 255]) * 4), None
    for offset in (0, 1, 8, 0xffff):
        yield "fragment", frame6(b"x", 44, struct.pack("!BBHI", 17, 0, offset, 7)), None
    for kind in (1, 2, 6, 50, 51, 58, 59, 135, 255):
        yield "not_udp", frame6(b"x", kind), None
    for length in (0, 1, 7, 16, 1500, 0xffff):
        yield "malformed", frame6(length=length), None
    for end in range(14, len(whole)):
        yield "malformed", whole[:end], None
    yield "malformed", frame6(source="::ffff:10.9.9.9"), None
    yield "malformed", put(whole, 14, 0x45), None


def send_all(attack, lies):
    """Send all of them, with honest frames between them."""
    for reason, data, payload in lies:
        attack.send(data, reason, payload)
        if attack.expected[reason] % 7 == 0:
            attack.neighbour()


@test
def every_lie():
    """Lengths, headers, options, fragments, tags, chains: each is counted, and relayed bytes are right"""
    attack = Attack()
    for lies in (lengths, headers, links, ipv6):
        send_all(attack, lies())
    attack.finish()
    equal(set(attack.expected), REASONS, "reasons that were reached")


@test
def jumbo():
    """Frames of 3,400 bytes: intact ones are relayed exactly, malformed ones are not"""
    attack = Attack(mtu=3400)
    for size in (1473, 2006, 2048, 3371, 3372):
        data = random.Random(size).randbytes(size)
        attack.send(frame(data), "steered", data)
        attack.send(frame(data)[:-1], "malformed")
        attack.send(frame(data, udp_length=size + 9), "malformed")
        attack.send(frame(data, udp_length=100), "steered", data[:92])
    attack.finish()


# ---- random ones ------------------------------------------------------------------------------

def judge(data):
    """(reason, payload) of any frame, by the rules of include/xmcast/packet.h and RULES."""
    def half(offset):
        return data[offset] << 8 | data[offset + 1]

    def udp(at, end, is_group):
        if end < at + 8 or half(at + 4) < 8 or at + half(at + 4) > end:
            return "malformed", None
        if is_group and half(at + 2) == 5000:
            return "steered", data[at + 8:at + half(at + 4)]
        return "no_rule", None

    kind, tagged = half(12), False
    for _ in range(2):
        if kind not in (0x8100, 0x88a8):
            break
        if len(data) < 18:
            return "vlan", None
        tagged = tagged or half(14) & 0xfff != 0
        data = data[:12] + data[16:]
        kind = half(12)
    if tagged or kind in (0x8100, 0x88a8):
        return "vlan", None
    if kind == 0x0800:
        header = len(data) >= 34 and (data[14] & 15) * 4
        if not header or data[14] >> 4 != 4 or header < 20 or \
                not header <= half(16) <= len(data) - 14:
            return "malformed", None
        if data[23] != 17:
            return "not_udp", None
        if header > 20:
            return "ip_options", None
        if checksum(data[14:34]) or not any(data[14:34]):
            return "malformed", None
        if half(20) & 0x3fff:
            return "fragment", None
        return udp(34, 14 + half(16), data[30:34] == socket.inet_aton(GROUP))
    if kind != 0x86dd:
        return "not_ip", None
    if len(data) < 54 or data[14] >> 4 != 6 or 54 + half(18) > len(data):
        return "malformed", None
    if data[20] != 17:
        return {0: "ip_options", 43: "ip_options", 60: "ip_options",
                44: "fragment"}.get(data[20], "not_udp"), None
    mapped = bytes(10) + b"\xff\xff"
    if mapped in (data[22:34], data[38:50]):
        return "malformed", None
    return udp(54, 54 + half(18), False)


def damage(dice, data):
    """Flip, set, truncate, insert, extend or tag something, mostly in the headers."""
    for _ in range(dice.randrange(4)):
        at = dice.randrange(12, min(len(data), 62))
        kind = dice.randrange(7)
        if kind == 0:
            data = put(data, at, data[at] ^ 1 << dice.randrange(8))
        elif kind == 1:
            data = put(data, at, dice.choice((0, 1, 4, 8, 17, 20, 44, 0x45, 0x60, 0x7f, 255)))
        elif kind == 2:
            data = data[:max(14, dice.randrange(len(data) + 1))]
        elif kind == 3:
            data = data[:at] + dice.randbytes(dice.choice((1, 4, 8))) + data[at:]
        elif kind == 4:
            data += dice.randbytes(dice.randrange(1, 60))
        elif kind == 5:  # a tag, and so perhaps one within another
            data = data[:12] + dice.choice((b"\x81\0", b"\x88\xa8")) + dice.randbytes(2) + data[12:]
        elif len(data) >= 34 and data[14] == 0x45:
            data = mend(data)
    return mend(data) if dice.randrange(3) and len(data) >= 34 and data[12:14] == b"\x08\0" else data


def bodies(dice):
    """A whole frame of any kind, ICMP and IGMP garbage among them, to be damaged."""
    payload = dice.randbytes(dice.choice((0, 1, 17, 18, 64, 1400)))
    kind = dice.randrange(6)
    if kind <= 2:
        return frame(payload)
    if kind == 3:
        return frame6(payload, dice.choice((0, 17, 17, 43, 44, 58, 60)))
    # ICMP, IGMP and others with a random type and random content.
    return mend(put(frame(payload), 23, dice.choice((1, 2, 2, 6, 58, 103))))


@test
def random_frames():
    """20,000 damaged frames, ICMP and IGMP garbage among them, beside a stream"""
    seed = int(os.environ.get("XMCAST_SEED", "5"))
    dice = random.Random(seed)
    attack = Attack()
    for _ in range(int(os.environ.get("XMCAST_FRAMES", "20000"))):
        data = damage(dice, bodies(dice))
        reason, payload = judge(data)
        if len(data) <= 1514:
            attack.send(data, reason, payload)
    attack.finish()
    equal(set(attack.expected), REASONS, f"reasons that seed {seed} reached")


# ---- the control socket -----------------------------------------------------------------------

def garbage(dice):
    """Malicious or erroneous input of a client."""
    request = json.dumps({"jsonrpc": "2.0", "id": dice.randrange(9),
                          "method": dice.choice(("ping", "stats.show", "rule.list", "config.show",
                                                 "monitor.start", "rule.change", "log.show")),
                          "params": dice.choice(({}, {"offset": -1}, {"limit": 10 ** 30}, [], 7,
                                                 {"operations": [{"do": "del", "name": "x"}]},
                                                 {"rules": ["x in"]}, {"name": "lies"}))}).encode()
    kind = dice.randrange(7)
    if kind == 0:
        return dice.randbytes(dice.randrange(2000))
    if kind == 1:
        return request[:dice.randrange(len(request))]
    if kind == 2:
        at = dice.randrange(len(request))
        return request[:at] + dice.randbytes(2) + request[at:] + b"\n"
    if kind == 3:
        return dice.choice((b"[", b'{"a":', b"\"", b"0")) * dice.randrange(3000) + b"\n"
    if kind == 4:
        return b"\n" * dice.randrange(300) + b"\0\n"
    return (request + b"\n") * dice.randrange(1, 5)


def visit(dice, path):
    """One connection, which ends in one of the ways that there are. Returns it if it stays open."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(path)
    try:
        for _ in range(dice.randrange(4)):
            client.sendall(garbage(dice))
        way = dice.randrange(4)
        if way == 0:
            client.shutdown(dice.choice((socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR)))
        elif way == 1:
            client.settimeout(0.001)
            client.recv(dice.randrange(1, 5000))
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        pass
    if dice.randrange(3):
        client.close()
        return None
    return client


@test
def random_clients():
    """1,000 connections with random bytes, many half closed or left open: others are served"""
    dice = random.Random(int(os.environ.get("XMCAST_SEED", "5")))
    attack = Attack()
    pid, left = attack.daemon.process.pid, collections.deque()
    descriptors = len(open_descriptors(pid))
    for number in range(1000):
        client = visit(dice, attack.daemon.socket)
        if client:
            left.append(client)
        if len(left) > 50:
            left.popleft().close()
        if number % 50 == 0:
            attack.neighbour()
            with Client(attack.daemon.socket) as honest:
                equal(honest.call("ping")["alive"], True, "alive")
    for client in left:
        client.close()
    rules = {rule["name"] for rule in attack.finish()["rules"]}
    equal(rules, {"lies", "good"}, "rules")
    wait_until(lambda: len(open_descriptors(pid)) <= descriptors, "no descriptor is left")


@test
def passed_descriptors():
    """Requests that carry descriptors are answered, and the daemon keeps none of them"""
    attack = Attack()
    pid = attack.daemon.process.pid
    descriptors = len(open_descriptors(pid))
    with Client(attack.daemon.socket) as client, open(os.devnull, "rb") as file:
        equal(client.call("ping")["alive"], True, "alive")
        before = len(open_descriptors(pid))
        for number in range(20):
            request = json.dumps({"jsonrpc": "2.0", "id": f"fd{number}", "method": "ping"})
            socket.send_fds(client.socket, [request.encode() + b"\n"], [file.fileno()] * 250)
            equal(client.line()["id"], f"fd{number}", "id of the answer")
        wait_until(lambda: len(open_descriptors(pid)) <= before, "the daemon keeps none of the descriptors")
        attack.neighbour()
    attack.finish()
    wait_until(lambda: len(open_descriptors(pid)) <= descriptors, "no descriptor is left")


NETLINK_AS_USER = """\
import socket, struct, sys
sent = 0
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
for port in map(int, sys.argv[1:]):
    try:  # RTM_DELLINK of in0
        netlink.sendto(struct.pack("=IHHII BxHiII HH4s", 40, 17, 0, 0, 0, 0, 1, 2, 0, 0, 8, 3, b"in0\\0"),
                       (port, 0))
        sent += 1
    except PermissionError:
        pass
print(sent)
"""


@test
def netlink_of_users():
    """The kernel refuses netlink messages of a plain user to the daemon: no interface is given up"""
    attack = Attack()
    pid = attack.daemon.process.pid
    with open(f"/proc/{pid}/net/netlink", encoding="ascii") as file:
        ports = [line.split()[2] for line in file.readlines()[1:]]
    ports = [port for port in ports if port != "0"]
    check(str(pid) in ports, f"the daemon listens to netlink: {ports}")
    sent = attack.star.relay.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                 sys.executable, "-c", NETLINK_AS_USER, *ports).stdout
    equal(sent.strip(), "0", "messages that arrived")
    attack.neighbour()
    attack.finish()


main()
