#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Packets that match no rule are passed to the kernel's stack, unchanged and counted by reason."""

import json
import socket
import threading

from harness import (Daemon, Passage, Sink, Star, check, check_clean, equal, group_mac,
                     interface_of, main, need, packet_socket, program, receive, receiver, run,
                     sender, silent, start, test, udp_frame, wait_until)

GROUP, MAC = "239.1.1.1", group_mac("239.1.1.1")


def verdicts(daemon):
    """The verdicts of the XDP program on in0 so far."""
    return interface_of(daemon.stats(), "in0")["verdicts"]


def wait_verdict(daemon, reason, count):
    """Wait until exactly this number of packets has been counted for this reason."""
    wait_until(lambda: verdicts(daemon)[reason] >= count, f"{count} packets counted as {reason}")
    equal(verdicts(daemon)[reason], count, reason)


@test
def life_beside_a_stream():
    """ARP, ping, TCP, UDP and other multicast traffic work while a stream is relayed"""
    need("ping")
    star = Star()
    daemon = Daemon(star.relay, f"in {GROUP}:5000@in0 out 239.2.2.2:6000@out0")
    passage = Passage(daemon)
    sink = Sink(star.receiver, "r0", "--port", "6000")
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "20000")
    daemon.wait_steered(1000)
    for namespace, device in ((star.source, "s0"), (star.relay, "in0")):
        namespace.ip(f"neigh flush dev {device}")
    star.source.run("ping", "-c", "5", "-i", "0.05", "-W", "5", "10.1.0.2")
    star.relay.run("ping", "-c", "5", "-i", "0.05", "-W", "5", "10.1.0.1")
    transfer(star, 4 << 20)
    exchange_datagrams(star)
    before = verdicts(daemon)
    stream.stop()
    sent = json.loads(stream.output)
    passage.end(sent)
    check_clean(sink.stop(), sent, *passage.missing())
    for reason, least in (("not_ip", 1), ("not_udp", 20), ("no_rule", 20)):
        check(before[reason] >= least, f"{reason}: {before}")
    for reason in ("no_socket", "malformed", "vlan", "fragment"):
        equal(before[reason], 0, reason)


def transfer(star, size):
    """Send `size` bytes through a TCP connection from the source to the relay's host."""
    with star.relay.entered():
        server = socket.create_server(("10.1.0.2", 7777))
    with star.source.entered():
        client = socket.socket()
    for sock in (server, client):
        sock.settimeout(30)
    client.connect(("10.1.0.2", 7777))
    peer = server.accept()[0]
    peer.settimeout(30)
    data = bytes(range(256)) * (size // 256)

    def send():
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    got = bytearray()
    while chunk := peer.recv(1 << 20):
        got += chunk
    thread.join(30)
    check(bytes(got) == data, f"TCP: {len(got)} bytes of {len(data)}, or others")


def exchange_datagrams(star):
    """Send UDP to another port of the group, to another group and to the host's own address."""
    inputs = [receiver(star.relay, 5001, GROUP, "10.1.0.2"),
              receiver(star.relay, 5000, "239.1.1.2", "10.1.0.2"),
              receiver(star.relay, 5002)]
    sock = sender(star.source, "10.1.0.1")
    for i in range(10):
        for sink, to in zip(inputs, ((GROUP, 5001), ("239.1.1.2", 5000), ("10.1.0.2", 5002))):
            sock.sendto(b"%d" % i, to)
            equal(receive(sink)[0], b"%d" % i, f"datagram to {to}")


def passes(reason, frame, strip_vlan=False):
    """Send a frame 10 times: each is counted for `reason`, and the stack receives it unchanged."""
    star = Star()
    star.relay.run("ethtool", "-K", "in0", "rxvlan", "off")
    star.source.run("ethtool", "-K", "s0", "txvlan", "off")
    daemon = Daemon(star.relay, f"in {GROUP}:5000@in0 out 239.2.2.2:6000@out0")
    tap, raw = packet_socket(star.relay, "in0"), packet_socket(star.source, "s0")
    before = verdicts(daemon)
    for _ in range(10):
        raw.send(frame)
    wait_verdict(daemon, reason, before[reason] + 10)
    equal(verdicts(daemon)["steered"], 0, "steered")
    expected = frame[:12] + frame[16:] if strip_vlan else frame  # the tap reports the tag separately
    seen = 0
    while seen < 10:
        packet, (_, _, kind, _, _) = tap.recvfrom(65536)
        seen += kind != socket.PACKET_OUTGOING and packet == expected
    # The relay still works.
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    raw.send(udp_frame(MAC, "10.9.9.9", GROUP, 5000, b"good"))
    equal(receive(output)[0], b"good", "payload")
    daemon.settle(steered=1)


def good_frame(payload=b"x" * 100, **change):
    """A frame that matches the rule except for the changes."""
    return udp_frame(MAC, "10.9.9.9", GROUP, 5000, payload, **change)


@test
def vlan_tagged():
    """A VLAN-tagged frame belongs to the VLAN's interface"""
    frame = good_frame()
    passes("vlan", frame[:12] + b"\x81\x00\x00\x07" + frame[12:], strip_vlan=True)


@test
def ip_options():
    """A packet with IP options (router alert)"""
    passes("ip_options", good_frame(options=b"\x94\x04\x00\x00"))


@test
def bad_ip_checksum():
    """A wrong IP header checksum is malformed"""
    passes("malformed", good_frame(ip_checksum=0x1234))


@test
def bad_udp_length():
    """A UDP length beyond the packet is malformed"""
    passes("malformed", good_frame(udp_length=200))


@test
def bad_total_length():
    """An IP length beyond the frame is malformed"""
    passes("malformed", good_frame(total_length=1000))


@test
def bad_header_length():
    """A header length of 4 words is malformed"""
    passes("malformed", good_frame(version_ihl=0x44))


@test
def first_fragment():
    """The first fragment of a datagram"""
    passes("fragment", good_frame(fragment=0x2000))


@test
def not_ip():
    """A frame of another protocol"""
    passes("not_ip", good_frame(ethertype=0x88b5))


@test
def fragmented_datagram():
    """A fragmented datagram is counted as fragments and reassembled by the stack"""
    star = Star()
    daemon = Daemon(star.relay, f"in {GROUP}:5000@in0 out 239.2.2.2:6000@out0")
    local = receiver(star.relay, 5000, GROUP, "10.1.0.2")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    sock.sendto(bytes(4000), (GROUP, 5000))
    equal(receive(local)[0], bytes(4000), "reassembled")
    wait_verdict(daemon, "fragment", 3)
    sock.sendto(b"whole", (GROUP, 5000))
    equal(receive(output)[0], b"whole", "relayed")
    daemon.settle(steered=1)
    check(silent(output) and silent(local), "more packets arrived than were sent")


@test
def padded_frame():
    """Ethernet padding behind a short packet is not relayed"""
    star = Star()
    daemon = Daemon(star.relay, f"in {GROUP}:5000@in0 out 239.2.2.2:6000@out0")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    packet_socket(star.source, "s0").send(good_frame(b"abc") + b"PADDING" * 3)
    equal(receive(output)[0], b"abc", "payload")
    daemon.settle(steered=1)


@test
def foreign_program():
    """Another tool's XDP program is not replaced: the rule is pending with the reason, others relay"""
    star = Star(sources=2)
    need("ip")
    sink = Sink(star.relay, "in0", "--xdp", "--port", "9999")
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 out 239.2.2.2:6000@out0",
                    f"b in {GROUP}:5000@in1 out 239.2.2.2:6001@out0")
    states = {rule["name"]: rule for rule in daemon.stats()["rules"]}
    equal((states["a"]["state"], states["b"]["state"]), ("pending", "active"), "states")
    check("XDP" in states["a"]["reason"], states["a"]["reason"])
    check("xdp" in run("ip", "-n", star.relay.name, "link", "show", "in0").stdout,
          "the other program is gone")
    output = receiver(star.receiver, 6001, "239.2.2.2", "10.2.0.2")
    sender(star.sources[1], "10.1.1.1").sendto(b"b", (GROUP, 5000))
    equal(receive(output)[0], b"b", "payload")
    daemon.settle(steered=1)
    sink.stop()


main()
