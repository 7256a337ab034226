#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Forged ICMP: whoever sends errors about our datagrams costs none of them, and no batch."""

import json
import os
import socket
import sys

from harness import (Daemon, Sink, Star, check, check_clean, diagnose, equal, generate, lossless,
                     main, program, start, test, wait_until)
from ipv6 import Star6

FORGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forged_icmp.py")
IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 11, 25, 0x2000

# Messages/s from each side, and packets/s of the stream: less in each further attempt, for machines
# that cannot do both.
RATE = 10000
STREAM_RATES = (100000, 50000, 20000)
# From which the kernel takes ports for the relay's sockets: all of them are swept.
PORTS = "40000 43999"


class Network:
    """Addresses of one family in a Star: the relay's towards both sides, and the outputs'."""

    def __init__(self, version):
        self.version = version
        if version == 4:
            self.star, self.family = Star(), socket.AF_INET
            self.group_in, self.group, self.host = "239.1.1.1", "239.2.2.2", "10.2.0.2"
            self.relay_in, self.relay_out = "10.1.0.2", "10.2.0.1"
            self.elsewhere, self.bracketed = "203.0.113.9", "{}"
        else:
            self.star, self.family = Star6(), socket.AF_INET6
            self.group_in, self.group, self.host = "ff3e::1", "ff3e::2", "fd02::2"
            self.relay_in, self.relay_out = "fd01::2", "fd02::1"
            self.elsewhere, self.bracketed = "2001:db8::9", "[{}]"
        self.star.relay.sysctl("net/ipv4/ip_local_port_range", PORTS)

    def rule(self):
        """To a group, to a host by a named interface, and to a host by its route."""
        group_in, group, host = (self.bracketed.format(address)
                                 for address in (self.group_in, self.group, self.host))
        return (f"in {group_in}:5000@in0 out {group}:6000@out0 out {host}:6001@out0 "
                f"out {host}:6002")

    def source_ports(self):
        """Ports of the UDP sockets in the relay's namespace."""
        table = self.star.relay.read("/proc/net/udp" + ("6" if self.version == 6 else ""))
        ports = {int(line.split()[1].split(":")[1], 16) for line in table.splitlines()[1:]}
        return sorted(ports - {0})

    def port_range(self):
        """Where the kernel takes ports from."""
        return [int(word) for word in
                self.star.relay.read("/proc/sys/net/ipv4/ip_local_port_range").split()]


def bystander(network):
    """A socket in the relay's namespace that has asked for ICMP errors, as any program may."""
    with network.star.relay.entered():
        sock = socket.socket(network.family, socket.SOCK_DGRAM)
    if network.version == 4:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    sock.bind(("", 0))
    return sock


def start_forger(network, namespace, to, ports):
    """An attack from this side of the relay; all inner destinations, right and wrong ones."""
    order = {"to": to, "source": network.relay_out, "ports": ports, "rate": RATE,
             "inner": [[network.group, 6000], [network.host, 6001], [network.host, 6002],
                       [network.host, 9], [network.elsewhere, 6001]],
             "sweep": network.port_range()}
    return start(namespace, sys.executable, FORGER, json.dumps(order), name="forger")


def outputs_of(daemon):
    """Counters of the first rule's outputs."""
    return daemon.stats()["rules"][0]["outputs"]


def check_outputs(before, after):
    """No error was counted but the machine's own full queues; returns how many datagrams these took
    from each output. What is known about batches is what it was."""
    refused = []
    for old, new in zip(before, after):
        errors = {name: count - old["errors"].get(name, 0) for name, count in new["errors"].items()}
        refused.append(errors.pop("ENOBUFS", 0))
        check(not any(errors.values()), f"send errors of {new['to']}: {errors}")
        for key in ("gso_segments", "gso_max_bytes", "gso_refused_batches"):
            equal(new[key], old[key], f"{key} of {new['to']}")
    return refused


def attacked_stream(network, daemon, rate):
    """A stream during an attack from both sides, until that is over. How many datagrams did the
    machine itself refuse?"""
    star = network.star
    before = daemon.settle()
    sinks = [Sink(star.receiver, "r0", "--port", str(port)) for port in (6000, 6001, 6002)]
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", str(rate), "--group",
                   network.group_in)
    wait_until(lambda: all(new["sent_packets"] > old["sent_packets"] for new, old in
                           zip(outputs_of(daemon), before["rules"][0]["outputs"])), "it is sent")
    witness = bystander(network)
    ports = network.source_ports()
    check(len(ports) >= 4, f"ports to aim at: {ports}")
    forgers = [start_forger(network, star.source, network.relay_in, ports),
               start_forger(network, star.receiver, network.relay_out, ports)]
    for forger in forgers:
        equal(forger.wait(180), 0, f"exit code of the forger: {forger.log()}")
    equal(stream.stop(), 0, f"exit code of xmcast-gen: {stream.log()}")
    sent = json.loads(stream.output)
    after = daemon.settle(before["totals"]["steered_packets"] + sent["sent_packets"])
    reports = [sink.stop() for sink in sinks]
    check(witness.recvmsg(1, 512, MSG_ERRQUEUE)[3], "the forged errors reach sockets that ask")
    witness.close()
    about_group = {kind for kind, count in outputs_of(daemon)[0]["icmp_errors"].items() if count}
    equal(about_group - ({"too_large"} if network.family == socket.AF_INET6 else set()), set(),
          "kinds of reports about the group")
    for output in after["rules"][0]["outputs"]:
        check("reason" not in output, f"a report is no reason: {output.get('reason')}")
    refused = check_outputs(before["rules"][0]["outputs"], after["rules"][0]["outputs"])
    dropped = after["totals"]["dropped_packets"] - before["totals"]["dropped_packets"]
    for report, count in zip(reports, refused):
        check_clean(report, sent, count + dropped)
    forged = [json.loads(forger.output) for forger in forgers]
    diagnose(f"{sent['sent_packets']} packets at {rate}/s, "
             + ", ".join(f"{one['sent']} messages at {one['sent'] / one['seconds']:.0f}/s"
                         for one in forged))
    return sum(refused) + dropped


def withstand(version):
    """The test of one family."""
    network = Network(version)
    daemon = Daemon(network.star.relay, network.rule())
    lossless(lambda number: attacked_stream(network, daemon, STREAM_RATES[number - 1]))
    # Batches are formed as before.
    before = daemon.settle()
    sent = generate(network.star.source, "s0", "--rate", "100000", "--count", "20000", "--group",
                    network.group_in)["sent_packets"]
    after = daemon.settle(before["totals"]["steered_packets"] + sent)
    check_outputs(before["rules"][0]["outputs"], after["rules"][0]["outputs"])
    sends = after["workers"][0]["sends"] - before["workers"][0]["sends"]
    check(sends < 3 * sent, "not one batch was formed")
    # No sink is left, so the host refuses what is sent to it. It would say so once a second, always of the same port.
    network.star.receiver.sysctl("net/ipv4/icmp_ratelimit" if version == 4 else "net/ipv6/icmp/ratelimit", 0)
    wait_until(lambda: generate(network.star.source, "s0", "--count", "1", "--group", network.group_in) and
               all(output["icmp_errors"].get("refused") for output in outputs_of(daemon)[1:]),
               "reports of hosts are counted")
    daemon.stop()


@test
def forged_icmp():
    """ICMP of every type and code, aimed and swept, during a stream to a group and to hosts"""
    withstand(4)


@test
def forged_icmpv6():
    """The same of ICMPv6"""
    withstand(6)


main()
