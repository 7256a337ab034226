#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Packets of many sources, one after the other at speed, that keep source, TTL and DSCP: each arrives once, in
the order of its source and with its headers, and the books close."""

import ipaddress
import socket
import struct
import threading

from harness import Daemon, Passage, Star, check, equal, generate, lossless, main, receive, receiver, test
from ipv6 import Star6, receive6, receiver6
from sockets import SO_RCVBUFFORCE

GROUP, GROUP6 = "239.1.1.1", "ff3e::1:1"
FIRST, FIRST6 = "10.9.0.1", "2001:db8::1"
FIRST_PORT = 30000


class Reader(threading.Thread):
    """Takes in what arrives, until it has seen nothing for a while."""

    def __init__(self, sock, take):
        super().__init__(daemon=True)
        self.sock, self.take, self.seen = sock, take, []
        sock.settimeout(0.5)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 128 << 20)  # for all of them, if this thread has to wait
        self.idle = threading.Event()  # set: it may end
        self.start()

    def run(self):
        """The thread."""
        while True:
            try:
                self.seen.append(self.take(self.sock))
            except TimeoutError:
                if self.idle.is_set():
                    return

    def finish(self):
        """What has arrived: payload, source, TTL, DSCP."""
        self.idle.set()
        self.join()
        return self.seen


def check_datagrams(seen, first, sources, ttl, dscp, missing):
    """Each datagram has the source of its flow, and the sequence numbers of each flow increase, by one but for those
    that are missing."""
    base, following, left_out = ipaddress.ip_address(first), {}, 0
    for payload, address, found_ttl, found_dscp in seen:
        sequence, _, flow = struct.unpack_from("!QQI", payload, 8)
        check(flow < sources, f"flow {flow}")
        equal((address[0], address[1]), (str(base + flow), FIRST_PORT + flow), f"source of flow {flow}")
        equal((found_ttl, found_dscp), (ttl, dscp), "TTL and DSCP")
        if flow in following:
            check(sequence >= following[flow], f"flow {flow}: {sequence}, expected {following[flow]}")
            left_out += sequence - following[flow]
        following[flow] = sequence + 1
    check(left_out <= missing, f"{left_out} left out, {missing} missing")
    check(missing or len(following) == sources, f"{len(following)} flows")


# pylint: disable=too-many-arguments
def relay_sources(sources, *, ipv6=False, engine="io_uring", packets=20000, rate=20000, burst=1):
    """Relay packets of this number of sources."""
    star = Star6() if ipv6 else Star()
    group, first = (GROUP6, FIRST6) if ipv6 else (GROUP, FIRST)
    to = "[ff3e::2:1]" if ipv6 else "239.2.2.1"
    daemon = Daemon(star.relay, config=(
        f"rules: [ {{ name: r, in: '{f'[{group}]' if ipv6 else group}:5000@in0', out: [ {{ to: '{to}:6000@out0', "
        f"from: keep, ttl: dec, dscp: keep }} ] }} ]\negress: {{ engine: {engine} }}\n"))
    make, take = (receiver6, receive6) if ipv6 else (receiver, receive)

    def attempt(_number):
        passage = Passage(daemon)
        output = make(star.receiver, 6000, to.strip("[]"), "r0" if ipv6 else "10.2.0.2")
        reader = Reader(output, take)
        sent = generate(star.source, "s0", "--group", group, "--source", first, "--src-port", FIRST_PORT,
                        "--flows", sources, "--flow-by", "source", "--count", packets, "--rate", rate,
                        "--size", "100", "--ttl", "16", "--dscp", "46", "--burst", burst)
        passage.end(sent)
        seen = reader.finish()
        output.close()
        missing, = passage.missing()
        equal(len(seen), sent["sent_packets"] - missing, "datagrams received")
        check_datagrams(seen, first, sources, 15, 46, missing)
        return missing

    lossless(attempt)


@test
def fifty():
    """50 sources that take turns packet by packet"""
    relay_sources(50, rate=60000)


@test
def two_hundred():
    """200 sources, in bursts of 8 packets each"""
    relay_sources(200, burst=8)


@test
def two_hundred_ipv6():
    """The same over IPv6"""
    relay_sources(200, burst=8, ipv6=True)


@test
def beyond_the_limit():
    """1000 sources with ports of their own, more than an output has sockets for: some are sent singly"""
    relay_sources(1000)


@test
def beyond_the_limit_ipv6():
    """The same over IPv6"""
    relay_sources(1000, ipv6=True)


@test
def by_sendmmsg():
    """300 sources, sent by the other engine"""
    relay_sources(300, engine="sendmmsg", burst=4)


main()
