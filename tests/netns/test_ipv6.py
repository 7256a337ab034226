#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""IPv6: the same as the IPv4 tests of inputs, outputs, memberships and packets that are not steered; and
streams that change the address family."""

import random
import socket
import struct

from harness import (EXIT_CONFIG, Daemon, Sink, check, equal, interface_of, main, packet_socket,
                     receive, receiver, relay_stream, rule_of, sender, silent, test, wait_until)
from ipv6 import (Star6, groups6, link_local, receive6, receiver6, sender6, sources6)

SIZES = [0, 1, 2, 3, 17, 63, 64, 65, 255, 256, 512, 1000, 1232, 1400, 1451, 1452]
GROUP = "ff3e::1"


def payload(size):
    """Random bytes, the same in every run."""
    return random.Random(size).randbytes(size)


@test
def every_size():
    """0 bytes up to the MTU, byte-exact on multicast, routed and bound unicast outputs"""
    star = Star6()
    daemon = Daemon(star.relay, f"in [{GROUP}]:5000@in0 out [ff3e::2]:6000@out0 "
                    "out [fd02::2]:6001 out [fd02::2]:6002@out0")
    outputs = [receiver6(star.receiver, 6000, "ff3e::2", "r0"), receiver6(star.receiver, 6001),
               receiver6(star.receiver, 6002)]
    sock = sender6(star.source, "s0")
    for size in SIZES:
        sock.sendto(payload(size), (GROUP, 5000))
    for output in outputs:
        for size in SIZES:
            data, address = receive6(output)[:2]
            equal(data, payload(size), f"payload of {size} bytes")
            equal(address[0], "fd02::1", "source address")
    stats = daemon.settle(steered=len(SIZES))
    check(all(map(silent, outputs)), "more packets arrived than were sent")
    equal(stats["totals"]["sent_bytes"], 3 * sum(SIZES), "bytes sent")


@test
def hop_limit_and_traffic_class():
    """Hop limit: 1 to a group and 64 to a host unless given; traffic class: the DSCP"""
    star = Star6()
    rules = {6000: ("[ff3e::2]:6000@out0", 1, 0), 6001: ("[fd02::2]:6001", 64, 0),
             6002: ("[ff3e::2]:6002@out0 ttl 255 dscp 63", 255, 63),
             6003: ("[fd02::2]:6003@out0 ttl 1 dscp af41", 1, 34)}
    Daemon(star.relay, f"in [{GROUP}]:5000@in0 " +
           " ".join(f"out {rule[0]}" for rule in rules.values()))
    outputs = {port: receiver6(star.receiver, port, *(("ff3e::2", "r0") if "ff3e" in rule[0] else ()))
               for port, rule in rules.items()}
    sender6(star.source, "s0").sendto(b"x", (GROUP, 5000))
    for port, rule in rules.items():
        equal(receive6(outputs[port])[2:], rule[1:], rule[0])


@test
def link_local_scope():
    """ff02: groups and link-local hosts as inputs and outputs, each on the named interface"""
    star = Star6(receivers=2)
    source, host = link_local(star.source, "s0"), link_local(star.receivers[1], "r0")
    daemon = Daemon(star.relay, f"a in [ff02::1234]:5000@in0 source {source} "
                    f"out [ff02::4321]:6000@out0 out [{host}]:6001@out1",
                    f"b in [{link_local(star.relay, 'in0')}]:5001@in0 out [fd02::2]:6002")
    group = receiver6(star.receiver, 6000, "ff02::4321", "r0")
    near = receiver6(star.receivers[1], 6001)
    far = receiver6(star.receiver, 6002)
    sock = sender6(star.source, "s0", source)
    sock.sendto(b"one link", ("ff02::1234", 5000))
    sock.sendto(b"to a host", (link_local(star.relay, "in0"), 5001))
    equal(receive6(group)[0], b"one link", "the group's payload")
    equal(receive6(near)[0], b"one link", "the link-local host's payload")
    equal(receive6(far)[0], b"to a host", "payload of the link-local input")
    daemon.settle(steered=2)


@test
def source_beside_any():
    """(S,G) beside (*,G): the more specific rule matches its source, the other all the rest"""
    star = Star6()
    star.source.ip("address add fd01::9/64 dev s0 nodad")
    daemon = Daemon(star.relay, f"one in [{GROUP}]:5000@in0 source fd01::9 out [ff3e::2]:6000@out0",
                    f"rest in [{GROUP}]:5000@in0 out [ff3e::2]:6001@out0")
    one = receiver6(star.receiver, 6000, "ff3e::2", "r0")
    rest = receiver6(star.receiver, 6001, "ff3e::2", "r0")
    sender6(star.source, "s0", "fd01::9").sendto(b"nine", (GROUP, 5000))
    sender6(star.source, "s0", "fd01::1").sendto(b"one", (GROUP, 5000))
    equal(receive6(one)[0], b"nine", "payload by (S,G)")
    equal(receive6(rest)[0], b"one", "payload by (*,G)")
    daemon.settle(steered=2)
    check(silent(one) and silent(rest), "more packets arrived than were sent")


@test
def memberships():
    """100 (*,G) and (S,G) are joined with MLD, and left at the end"""
    star = Star6()
    wanted = {f"ff3e::{i:x}" for i in range(256, 356)}
    daemon = Daemon(star.relay, *(f"in [{group}]:5000@in0 out [ff3e::2]:6000@out0"
                                  for group in sorted(wanted)),
                    "in [ff3e::99]:5000@in0 source fd01::9 out [ff3e::2]:6000@out0",
                    "in [ff3e::99]:5000@in0 source fd01::8 out [ff3e::2]:6001@out0")
    check("active=102" in daemon.ready, daemon.ready)
    equal(groups6(star.relay, "in0"), wanted | {"ff3e::99"}, "groups on in0")
    equal(groups6(star.relay, "out0"), set(), "groups on out0")
    equal(sources6(star.relay, "in0"), {("ff3e::99", "fd01::8", 1, 0),
                                        ("ff3e::99", "fd01::9", 1, 0)}, "sources")
    daemon.ctl("rule", "del", "[ff3e::100]:5000@in0")
    wait_until(lambda: "ff3e::100" not in groups6(star.relay, "in0"), "one group is left")
    daemon.stop()
    equal(groups6(star.relay, "in0"), set(), "groups after the end")


@test
def from_one_family_to_the_other():
    """A stream that arrives with IPv4 is sent with IPv6 and IPv4, and vice versa"""
    star = Star6()
    daemon = Daemon(star.relay, "up in 239.1.1.1:5000@in0 out [ff3e::2]:6000@out0 "
                    "out 239.2.2.2:6000@out0 out [fd02::2]:6001",
                    f"down in [{GROUP}]:5000@in0 out 239.2.2.2:6002@out0 out 10.2.0.2:6003")
    six = [receiver6(star.receiver, 6000, "ff3e::2", "r0"), receiver6(star.receiver, 6001)]
    four = [receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")]
    down = [receiver(star.receiver, 6002, "239.2.2.2", "10.2.0.2"), receiver(star.receiver, 6003)]
    sock4, sock6 = sender(star.source, "10.1.0.1"), sender6(star.source, "s0")
    for size in SIZES:
        sock4.sendto(payload(size), ("239.1.1.1", 5000))
        sock6.sendto(payload(size), (GROUP, 5000))
    for size in SIZES:
        for output in six:
            equal(receive6(output)[0], payload(size), f"{size} bytes from IPv4 to IPv6")
        for output in four + down:
            equal(receive(output)[0], payload(size), f"{size} bytes to IPv4")
    stats = daemon.settle(steered=2 * len(SIZES))
    equal([rule_of(stats, name)["received_packets"] for name in ("up", "down")],
          [len(SIZES)] * 2, "received")


def streams(star, rule, *options, group=None):
    """Relay a stream to one group, in batches and without loss. Returns the output's counters."""
    daemon = Daemon(star.relay, rule)

    def sinks():
        return [Sink(star.receiver, "r0", "--port", "6000")]

    sent = relay_stream(daemon, star.source, sinks, "--rate", "100000", "--count", "50000",
                        *(("--group", group) if group else ()), *options)
    return sent[1]["rules"][0]["outputs"][0]


@test
def batches():
    """100,000 packets/s are sent in batches: none lost, duplicated or reordered"""
    output = streams(Star6(), f"in [{GROUP}]:5000@in0 out [ff3e::2]:6000@out0", group=GROUP)
    equal(output["gso_segments"], 64, "most datagrams in a batch")


@test
def batches_of_mixed_sizes():
    """The same with sizes that change from packet to packet"""
    streams(Star6(), f"in [{GROUP}]:5000@in0 out [ff3e::2]:6000@out0", "--size", "100,1400,1000,700",
            group=GROUP)


@test
def batches_across_families():
    """The same from IPv4 to IPv6"""
    output = streams(Star6(), "in 239.1.1.1:5000@in0 out [ff3e::2]:6000@out0", "--size", "1400")
    equal(output["gso_segments"], 64, "most datagrams in a batch")


@test
def smaller_outside():
    """A payload that fills an IPv4 packet is too long for IPv6: fragmented and reassembled"""
    star = Star6()
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out [ff3e::2]:6000@out0")
    output = receiver6(star.receiver, 6000, "ff3e::2", "r0")
    sock = sender(star.source, "10.1.0.1")
    for _ in range(3):
        for size in (1472, 1453, 1452, 10):
            sock.sendto(payload(size), ("239.1.1.1", 5000))
    for _ in range(3):
        for size in (1472, 1453, 1452, 10):
            equal(receive6(output)[0], payload(size), f"payload of {size} bytes")
    equal(daemon.settle(steered=12)["totals"]["send_errors"], 0, "send errors")


def frame6(mac, next_header, body, **change):
    """An Ethernet frame with an IPv6 packet to GROUP."""
    header = struct.pack("!IHBB", change.get("version", 6) << 28,
                         change.get("length", len(body)), next_header, 64)
    source = socket.inet_pton(socket.AF_INET6, change.get("source", "fd01::1"))
    return (bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\0\x01\x86\xdd" + header + source +
            socket.inet_pton(socket.AF_INET6, GROUP) + body)


def udp(data=b"x", length=None):
    """A UDP datagram to port 5000. Its checksum is wrong, but only the receiver checks it."""
    return struct.pack("!HHHH", 40000, 5000, 8 + len(data) if length is None else length, 1) + data


@test
def left_alone():
    """Extension headers, fragments and malformed packets are passed to the stack and counted"""
    star = Star6()
    daemon = Daemon(star.relay, f"in [{GROUP}]:5000@in0 out [ff3e::2]:6000@out0")
    output = receiver6(star.receiver, 6000, "ff3e::2", "r0")
    wire = packet_socket(star.source, "s0")
    mac = "33:33:00:00:00:01"
    options = struct.pack("!BB", 17, 0) + bytes((1, 4, 0, 0, 0, 0))
    frames = {
        # The last is a jumbogram (RFC 2675): its length is in an option, the header has 0.
        "ip_options": [frame6(mac, kind, options + udp()) for kind in (0, 43, 60)] +
                      [frame6(mac, 0, bytes((17, 0, 0xc2, 4, 0, 0, 0, 17)) + udp(), length=0)],
        "fragment": [frame6(mac, 44, struct.pack("!BBHI", 17, 0, 1, 7) + udp())],
        "not_udp": [frame6(mac, 58, bytes(8)), frame6(mac, 50, bytes(8)), frame6(mac, 59, b"")],
        "malformed": [frame6(mac, 17, udp(), length=200), frame6(mac, 17, udp(length=7)),
                      frame6(mac, 17, udp(length=100)), frame6(mac, 17, udp()[:7]),
                      frame6(mac, 17, udp(), version=4), frame6(mac, 17, udp(), length=0),
                      frame6(mac, 17, udp(length=0)), frame6(mac, 17, udp(length=0), length=0),
                      frame6(mac, 17, udp(), source="::ffff:10.1.0.1"),
                      frame6(mac, 17, udp())[:53]],
    }
    before = daemon.stats()
    for group in frames.values():
        for frame in group:
            wire.send(frame)
    sender6(star.source, "s0").sendto(b"good", (GROUP, 5000))
    equal(receive6(output)[0], b"good", "payload")

    def grown():
        now = interface_of(daemon.stats(), "in0")["verdicts"]
        old = interface_of(before, "in0")["verdicts"]
        return all(now[reason] - old[reason] >= len(group) for reason, group in frames.items())

    wait_until(grown, "each packet is counted")
    stats = daemon.settle(steered=1)
    old, now = (interface_of(s, "in0")["verdicts"] for s in (before, stats))
    for reason in ("ip_options", "fragment", "malformed"):
        equal(now[reason] - old[reason], len(frames[reason]), reason)
    check(silent(output), "something else was relayed")


@test
def refused():
    """Link-local hosts without an interface and interface-local groups are refused"""
    star = Star6()
    for rule, words in (("in [ff3e::1]:1@in0 out [fe80::1]:1", "link-local"),
                        ("in [ff3e::1]:1@in0 out [ff01::1]:1@out0", "interface-local"),
                        ("in [ff01::1]:1@in0 out 10.2.0.2:1", "interface-local"),
                        ("in [ff3e::1]:1@in0 source 10.1.0.1 out 10.2.0.2:1", "expected IPv6")):
        daemon = Daemon(star.relay, rule, ready=False)
        equal(daemon.process.wait(), EXIT_CONFIG, f"exit code for {rule}")
        check(words in daemon.process.log(), f"{rule}: {daemon.process.log()}")


@test
def too_small_an_mtu():
    """Below an MTU of 1280 the kernel removes IPv6 and its memberships: pending, later joined again"""
    star = Star6()
    daemon = Daemon(star.relay, f"a in [{GROUP}]:5000@in0 out [ff3e::2]:6000@out0",
                    "b in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    daemon.ready, daemon.retired = "", True
    output = receiver6(star.receiver, 6000, "ff3e::2", "r0")
    for late in (False, True):
        star.relay.ip("link set in0 mtu 1000")
        if late:
            wait_until(lambda: "1280" in rule_of(daemon.stats(), "a").get("reason", ""), "pending")
            wait_until(lambda: rule_of(daemon.stats(), "b")["state"] == "active", "the IPv4 rule is active")
            # Not refused: pending like the other.
            daemon.ctl("rule", "add", "c", "in", "[ff3e::3]:1@in0", "out", "[ff3e::4]:1@out0")
        star.relay.ip("link set in0 mtu 1500")
        star.relay.ip("address replace fd01:0::2/64 dev in0 nodad")
        wait_until(lambda: GROUP in groups6(star.relay, "in0"), "joined again")
        wait_until(lambda: rule_of(daemon.stats(), "a")["state"] == "active", "active again")
    log = daemon.process.log()
    check("its MTU was set below 1280" in log, f"no line says why the interface was opened again: {log}")
    for wrong in ("was removed for a moment", "another XDP program"):
        check(wrong not in log, f"wrong reason: {log}")
    sender6(star.source, "s0").sendto(b"again", (GROUP, 5000))
    equal(receive6(output)[0], b"again", "payload")


@test
def refusals_after_a_new_address():
    """ICMPv6 errors do not become send errors, also after the address and the route have changed"""
    star = Star6()
    daemon = Daemon(star.relay, f"a in [{GROUP}]:5000@in0 out [fd02::2]:6000")
    source = sender6(star.source, "s0")

    def refused():
        """Send some packets one by one and return how many failed."""
        before = daemon.settle()
        for i in range(20):
            source.sendto(b"x", (GROUP, 5000))
            daemon.settle(before["totals"]["steered_packets"] + i + 1)
        return daemon.stats()["totals"]["send_errors"] - before["totals"]["send_errors"]

    equal(refused(), 0, "send errors with a closed port")
    star.relay.ip("address del fd02::1/64 dev out0")
    star.relay.ip("address add fd02::7/64 dev out0 nodad")
    star.relay.ip(f"neigh replace fd02::2 lladdr {star.receiver.mac('r0')} dev out0 nud permanent")
    wait_until(lambda: refused() == 0, "no send errors any more")


@test
def patterns():
    """`rule list` treats brackets of an address literally, and those of a pattern like a shell"""
    star = Star6()
    daemon = Daemon(star.relay, f"in [{GROUP}]:5000@in0 out [ff3e::2]:6000@out0",
                    "a1 in 239.1.1.1:5000@in0 out [ff3e::2]:6001@out0",
                    "a2 in 239.1.1.2:5000@in0 out [ff3e::2]:6002@out0")
    own = f"[{GROUP}]:5000@in0"
    for pattern, names in ((own, [own]), ("[ff3e*", [own]), (f"[{GROUP}]*", [own]), ("*@in0", [own]),
                           ("a[12]", ["a1", "a2"]), ("a[!1]", ["a2"]), ("[ff3e::9]*", [])):
        lines = daemon.ctl("-br", "rule", "list", pattern).stdout.splitlines()
        equal([line.split()[0] for line in lines if line.strip()], names, f"rules like {pattern}")


@test
def local_listener():
    """Steered packets do not reach local sockets; an output to the loopback delivers them there"""
    star = Star6()
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 127.0.0.1:5000 out [::1]:5001")
    listener = receiver(star.relay, 5000)
    listener6 = receiver6(star.relay, 5001)
    sender(star.source, "10.1.0.1").sendto(b"to everybody", ("239.1.1.1", 5000))
    equal(receive(listener)[0], b"to everybody", "payload by IPv4")
    equal(receive6(listener6)[0], b"to everybody", "payload by IPv6")
    daemon.settle(steered=1)
    check(silent(listener), "the packet arrived twice")


main()
