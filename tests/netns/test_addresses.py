#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Which source, TTL and DSCP the datagrams carry (`from`, `ttl`, `dscp`), and broadcast addresses: what is
on the wire, compared byte by byte with frames that wire.py builds."""

import contextlib
import functools
import os
import re
import socket

from harness import PATIENCE, Daemon, check, equal, main, packet_socket, rule_of, test, wait_until
from kernel_rules import V4, V6, bracketed, star_for, wait_rule
from wire import UDP, Capture, frame, ip, is_ipv6, mac_of_group, udp

BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"
SECOND = {V4: "10.2.0.50", V6: "fd02:0::50"}  # another address of the relay's on out0
# Sources of packets: any hosts.
SOURCES = {V4: "10.9.{}.9", V6: "2001:db8:{}::9"}


def each(*paths, families=(V4, V6)):
    """Decorator of a test with a family and a path as its arguments: one test for each."""
    def decorate(function):
        for family in families:
            six = "6" if family is V6 else ""
            for path in paths:
                one = functools.partial(function, family, path)
                one.__name__ = function.__name__ + six + ("" if path == "user" else f"_{path}")
                one.__doc__ = f"{function.__doc__} ({'IPv6' if six else 'IPv4'}, {path} path)"
                test(one)
        return function
    return decorate


class Bench:
    """A relay with one input and one output link, whose output device leaves nothing to the receiver: each
    datagram is a frame of its own, with a finished checksum."""

    def __init__(self, family, path="user", second=True, **options):
        self.family, self.path = family, path
        self.star = star_for(family, **options)
        self.relay = self.star.relay
        self.relay.run("ethtool", "-K", "out0", "tx", "off", "gso", "off", "tso", "off")
        if second:
            self.add_second()
        self.wire = packet_socket(self.star.source, "s0")
        self.capture = Capture(self.star.receiver, "r0")
        self.mac = self.relay.mac("out0")
        self.host = family.host.format(0)
        self.relay.ip(f"neigh replace {self.host} lladdr {self.star.receiver.mac('r0')} dev out0 "
                      "nud permanent")
        self.daemon = None

    def add_second(self):
        """Give the relay the second address."""
        nodad = "/64 nodad" if is_ipv6(SECOND[self.family]) else "/24"
        self.relay.ip(f"address add {SECOND[self.family]}{nodad} dev out0".replace(
            "/64 nodad dev out0", "/64 dev out0 nodad"))

    def drop_second(self):
        """Take the second address away."""
        bits = 64 if is_ipv6(SECOND[self.family]) else 24
        self.relay.ip(f"address del {SECOND[self.family]}/{bits} dev out0")

    def rule(self, *outputs, name="k", port=5000):
        """A rule as text. Outputs: "GROUP options", where GROUP is what follows `out`."""
        return (f"{name} in {bracketed(self.family.group)}:{port}@in0 path {self.path} "
                + " ".join(f"out {output}" for output in outputs))

    def group(self, number=1, port=6000):
        """An output to a group."""
        return f"{bracketed(self.family.out(number))}:{port}@out0"

    def start(self, *rules, **options):
        """Start the daemon and wait until the rules run."""
        self.daemon = Daemon(self.relay, *rules, **options)
        wait_rule(self.daemon, *(rule.split()[0] for rule in rules), path=self.path)

    # pylint: disable=too-many-arguments
    def send(self, payload, *, source=None, sport=40000, port=5000, ttl=16, tos=0):
        """A datagram of a host arrives."""
        source = source or self.family.source
        group = self.family.group
        packet = ip(source, group, UDP, udp(source, group, (sport, port), payload), ttl=ttl, tos=tos)
        self.wire.send(frame(packet, mac_of_group(group)))

    def expect(self, copy, payload, *, source, sport=None, to=None, port=6000, ttl=None, tos=0,
               mac=None):
        """`copy` is exactly the frame that carries this. `sport`: None: any."""
        to = to or self.family.out(1)
        ttl = ttl or (1 if to.startswith(("239.", "ff")) else 64)
        label = copy.data[14 + 1] & 0xf, copy.data[14 + 2], copy.data[14 + 3]
        packet = ip(source, to, UDP, udp(source, to, (sport or copy.ports[0], port), payload), ttl=ttl,
                    tos=tos, ident=copy.ident, fragment=0, label=int.from_bytes(bytes(label), "big"))
        wanted = frame(packet, mac or mac_of_group(to), self.mac)
        equal(copy.data.hex(), wanted.hex(), f"frame to {to}")

    def finish(self, received, **drops):
        """The books close with this, no other frame has left, and returns the counters."""
        stats = self.daemon.settle(steered=received)
        equal([copy.data.hex() for copy in self.capture.rest()], [], "unexpected frames")
        found = {}
        for rule in stats["rules"]:
            for output in rule["outputs"]:
                for reason, count in output["drops"].items():
                    found[reason] = found.get(reason, 0) + count
        equal({reason: count for reason, count in found.items() if count}, drops, "drops")
        return stats

    def wait_port(self, port, count=1):
        """Wait until the relay has this number of sockets with the source port."""
        name = "udp6" if self.family is V6 else "udp"

        def found():
            lines = self.relay.read(f"/proc/net/{name}").splitlines()[1:]
            return sum(int(line.split()[1].split(":")[1], 16) == port for line in lines) == count

        wait_until(found, f"{count} sockets with port {port}")


# ---- from ADDR ------------------------------------------------------------------------------

@each("user", "kernel")
def address(family, path):
    """from ADDR: the datagrams carry that address of this host, to a group and to a host"""
    bench = Bench(family, path)
    bench.start(bench.rule(f"{bench.group()} from {bracketed(SECOND[family])}",
                           f"{bracketed(bench.host)}:6001 from {bracketed(SECOND[family])} ttl 9"))
    for payload in (b"", b"x", bytes(1400)):
        bench.send(payload)
        copies = {copy.ports[1]: copy for copy in bench.capture.take(2)}
        bench.expect(copies[6000], payload, source=SECOND[family])
        bench.expect(copies[6001], payload, source=SECOND[family], to=bench.host, port=6001, ttl=9,
                     mac=bench.star.receiver.mac("r0"))
    bench.finish(3)


@each("user", "kernel")
def address_and_port(family, path):
    """from ADDR:PORT: outputs of one rule and of others share address and port, also to one destination"""
    bench = Bench(family, path)
    source = f"from {bracketed(SECOND[family])}:7000"
    bench.start(bench.rule(f"{bench.group()} {source}", f"{bench.group(2)} {source}"),
                bench.rule(f"{bench.group()} {source}", name="l", port=5001))
    for i in range(20):
        payload = b"%d" % i * (1 + i)
        for port in (5000, 5001):
            bench.send(payload, port=port)
            for copy in sorted(bench.capture.take(2 if port == 5000 else 1),
                               key=lambda copy: copy.destination):
                bench.expect(copy, payload, source=SECOND[family], sport=7000, to=copy.destination)
    bench.finish(40)


@each("user", "kernel")
def address_comes_and_goes(family, path):
    """from ADDR while the host does not have it: pending with the reason, datagrams are counted, nothing
    leaves; it resumes within a second of the address"""
    bench = Bench(family, path, second=False)
    text = SECOND[family].replace("fd02:0::", "fd02::")
    bench.daemon = Daemon(bench.relay, bench.rule(f"{bench.group()} from {bracketed(text)}:7000"))

    def reason():
        rule = rule_of(bench.daemon.stats(), "k")
        return rule["state"] != "active" and rule["outputs"][0].get("reason")

    def works():
        return rule_of(bench.daemon.stats(), "k")["state"] == "active"

    wait_until(reason, "the rule is pending")
    check(text in reason(), f"the reason names the address: {reason()}")
    bench.send(b"lost")
    bench.finish(1, no_source=1)
    bench.add_second()
    wait_until(works, "the rule is active")
    bench.send(b"sent")
    bench.expect(bench.capture.take(1)[0], b"sent", source=text, sport=7000)
    bench.drop_second()
    wait_until(reason, "the rule is pending again")
    bench.send(b"lost")
    bench.finish(3, no_source=2)


@test
def no_address_of_its_own():
    """An output interface without an IPv4 address: `from` an address of another one, and `from keep`, work"""
    bench = Bench(V4)
    bench.relay.ip("address add 10.8.0.8/32 dev in0")
    bench.relay.ip("address flush dev out0")
    bench.start(bench.rule(f"{bench.group()} from 10.8.0.8:7000", f"{bench.group(2)} from keep"))
    bench.send(b"x")
    copies = {copy.destination: copy for copy in bench.capture.take(2)}
    bench.expect(copies[V4.out(1)], b"x", source="10.8.0.8", sport=7000)
    bench.expect(copies[V4.out(2)], b"x", source=V4.source, sport=40000, to=V4.out(2))
    bench.finish(1)


# ---- from keep ------------------------------------------------------------------------------

@each("user", "kernel")
def keep(family, path):
    """from keep: source address and port are those of each packet, from the first one on"""
    bench = Bench(family, path)
    bench.start(bench.rule(f"{bench.group()} from keep", f"{bracketed(bench.host)}:6001 from keep"))
    for i in range(30):
        source, sport = SOURCES[family].format(1 + i % 3), 41000 + i % 5
        source = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, source)) \
            if family is V6 else source
        bench.send(b"%d" % i, source=source, sport=sport)
        copies = {copy.ports[1]: copy for copy in bench.capture.take(2)}
        bench.expect(copies[6000], b"%d" % i, source=source, sport=sport)
        bench.expect(copies[6001], b"%d" % i, source=source, sport=sport, to=bench.host, port=6001,
                     mac=bench.star.receiver.mac("r0"))
    bench.finish(30)


@each("user", "kernel")
def keep_many(family, path):
    """from keep, 200 sources that take turns: each datagram carries its own, in order, and the books close"""
    bench = Bench(family, path)
    bench.start(bench.rule(f"{bench.group()} from keep"))
    rounds, sources = 20, 200
    for i in range(rounds):
        for j in range(sources):
            bench.send(b"%d %d" % (i, j), source=SOURCES[family].format(1 + j % 50), sport=20000 + j)
        for copy in bench.capture.take(sources):
            number, j = (int(word) for word in copy.body[8:].split())
            equal(number, i, f"round of source {j}")
            bench.expect(copy, b"%d %d" % (i, j), source=SOURCES[family].format(1 + j % 50),
                         sport=20000 + j)
    stats = bench.finish(rounds * sources)
    equal(rule_of(stats, "k")["outputs"][0]["sent_packets"], rounds * sources, "sent")


@each("user", "kernel", families=(V4,))
def keep_nothing(_family, path):
    """from keep of a packet that has no source (0.0.0.0, as DHCP has): dropped and counted, never sent from
    an address that the kernel chooses"""
    bench = Bench(V4, path)
    bench.start(bench.rule(f"{bench.group()} from keep", f"{bench.group(2)}"))
    bench.send(b"x", source="0.0.0.0")
    bench.expect(bench.capture.take(1)[0], b"x", source="10.2.0.1", to=V4.out(2))
    bench.finish(1, no_source=1)


@each("user", "kernel")
def keep_any_port(family, path):
    """from keep of the source ports 0 and 53, with which no socket of the relay can be bound: as they came"""
    bench = Bench(family, path)
    bench.start(bench.rule(f"{bench.group()} from keep"))
    for i in range(5):
        for sport in (0, 53):
            bench.send(b"%d" % i * i, sport=sport)
            copy = bench.capture.take(1)[0]
            equal(copy.ports[0], sport, "source port")
            packet = ip(family.source, family.out(1), UDP,
                        udp(family.source, family.out(1), (sport, 6000), b"%d" % i * i), ttl=1,
                        ident=copy.ident, fragment=0, label=_label(copy))
            equal(copy.data.hex(), frame(packet, mac_of_group(family.out(1)), bench.mac).hex(), "frame")
    bench.finish(10)


def _label(copy):
    return int.from_bytes(copy.data[15:18], "big") & 0xfffff


# ---- beside applications --------------------------------------------------------------------

@contextlib.contextmanager
def application(namespace, address_, port, reuse):
    """An application of the relay's host that listens on this port."""
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        sock.bind((address_, port))
        sock.settimeout(PATIENCE)
        yield sock


@test
def beside_applications():
    """An application that listens on the port of `from ADDR:PORT` or of a kept source gets all its datagrams,
    whether it starts before the relay or later; the relay sends from that port all the time"""
    bench = Bench(V4)
    with bench.star.receiver.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind(("10.2.0.2", 6000))  # where the relay sends to: the peer of a connected socket

    def relay_and_ask(sock, count):
        for i in range(count):
            for port, sport in ((5000, 40000), (5001, 7001)):
                bench.send(b"%d" % i, port=port, sport=sport)
            for copy in bench.capture.take(2):
                equal((copy.source, copy.ports[0]),
                      ("10.2.0.50", 7000) if copy.ports[0] == 7000 else (V4.source, 7001), "source")
            client.sendto(b"%d" % i, ("10.2.0.50", sock.getsockname()[1]))
            equal(sock.recv(100), b"%d" % i, "what the application received")

    rules = (bench.rule("10.2.0.2:6000 from 10.2.0.50:7000"),
             bench.rule("10.2.0.2:6001 from keep", name="l", port=5001))
    before = [("", False), ("", True), ("10.2.0.50", False)]
    later = [("", True), ("10.2.0.50", False), ("10.2.0.50", True)]
    for address_, reuse in before:
        for port in (7000, 7001):
            with application(bench.relay, address_, port, reuse) as sock:
                bench.start(*rules)
                relay_and_ask(sock, 5)
                bench.finish(10)
                bench.daemon.stop()
    bench.start(*rules)
    bench.send(b"first", port=5001, sport=7001)
    bench.capture.take(1)
    bench.wait_port(7000)
    bench.wait_port(7001)
    for address_, reuse in later:
        for port in (7000, 7001):
            with application(bench.relay, address_, port, reuse) as sock:
                relay_and_ask(sock, 5)
    client.close()
    bench.finish(61)


@test
def few_descriptors():
    """More source ports than there are descriptors: all is relayed, and clients and changes find theirs"""
    bench = Bench(V4)
    limit = 300
    bench.start(bench.rule(f"{bench.group()} from keep"), prefix=("prlimit", f"--nofile={limit}:{limit}"))
    descriptors = f"/proc/{bench.daemon.process.pid}/fd"

    def used_up():
        for port in range(10000, 10000 + limit):
            bench.send(b"x", sport=port)
        return len(os.listdir(descriptors)) >= limit * 3 // 4

    wait_until(used_up, "the descriptors for ports are used up")
    bench.daemon.ctl("rule", "add", bench.rule(f"{bench.group(2)} from {SECOND[V4]}", name="more", port=5001))
    wait_rule(bench.daemon, "more", path="user")
    stats = bench.daemon.settle()
    equal(rule_of(stats, "k")["outputs"][0]["sent_packets"], rule_of(stats, "k")["received_packets"], "sent")


@test
def idle_ports_close():
    """The sockets of kept source ports are closed when they have not been used for some seconds"""
    bench = Bench(V4)
    bench.start(bench.rule(f"{bench.group()} from keep"))
    bench.send(b"x", sport=7001)
    bench.capture.take(1)
    bench.wait_port(7001)
    bench.wait_port(7001, 0)
    bench.send(b"y", sport=7001)
    bench.expect(bench.capture.take(1)[0], b"y", source=V4.source, sport=7001)
    bench.finish(2)


# ---- ttl and dscp ---------------------------------------------------------------------------

@each("user", "kernel")
def kept_headers(family, path):
    """ttl keep, ttl dec and dscp keep: as they came, or one less; a TTL that would be 0 is counted"""
    bench = Bench(family, path, second=False)
    bench.start(bench.rule(f"{bench.group(1)} ttl keep dscp keep", f"{bench.group(2)} ttl dec",
                           f"{bench.group(3)} dscp keep ttl 5", f"{bench.group(4)} dscp ef from keep ttl dec"))
    relay = family.relay.format(0)
    cases = [(16, 0), (255, 0xb8), (2, 0x03), (1, 0xff), (64, 0x04), (64, 0xfc), (0, 0x08)]
    for ttl, tos in cases:
        payload = b"%d %d" % (ttl, tos)
        bench.send(payload, ttl=ttl, tos=tos)
        wanted = {3: (relay, 5, tos & 0xfc)}
        if ttl > 0:
            wanted |= {1: (relay, ttl, tos & 0xfc)}
        if ttl > 1:
            wanted |= {2: (relay, ttl - 1, 0), 4: (family.source, ttl - 1, 46 << 2)}
        copies = {copy.destination: copy for copy in bench.capture.take(len(wanted))}
        for number, (source, left, class_) in wanted.items():
            bench.expect(copies[_text(family.out(number))], payload, source=_text(source), ttl=left,
                         tos=class_, to=family.out(number), sport=40000 if number == 4 else None)
    bench.finish(len(cases), ttl_expired=5)


def _text(address_):
    """The usual text of an address."""
    family = socket.AF_INET6 if is_ipv6(address_) else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, address_))


# ---- broadcast ------------------------------------------------------------------------------

@each("user", "kernel", families=(V4,))
def broadcast(_family, path):
    """255.255.255.255 and a subnet's broadcast address, as inputs and as outputs, with and without `from`"""
    bench = Bench(V4, path)
    bench.start(f"a in 255.255.255.255:5000@in0 path {path} out 255.255.255.255:6000@out0 "
                "out 10.2.0.255:6001@out0 from keep out 10.2.0.255:6002",
                f"b in 10.1.0.255:5000@in0 path {path} out 255.255.255.255:6003@out0 "
                "from 10.2.0.50:5000 ttl dec")
    for to in ("255.255.255.255", "10.1.0.255"):
        packet = ip(V4.source, to, UDP, udp(V4.source, to, (40000, 5000), b"all"))
        bench.wire.send(frame(packet, BROADCAST_MAC))
        copies = {copy.ports[1]: copy for copy in bench.capture.take(1 if to.startswith("10") else 3)}
        if to.startswith("10"):
            bench.expect(copies[6003], b"all", to="255.255.255.255", port=6003, source="10.2.0.50",
                         sport=5000, ttl=15, mac=BROADCAST_MAC)
            continue
        bench.expect(copies[6000], b"all", to="255.255.255.255", source="10.2.0.1", mac=BROADCAST_MAC)
        bench.expect(copies[6001], b"all", to="10.2.0.255", port=6001, source=V4.source, sport=40000,
                     mac=BROADCAST_MAC)
        bench.expect(copies[6002], b"all", to="10.2.0.255", port=6002, source="10.2.0.1",
                     mac=BROADCAST_MAC)
    bench.finish(2)


@each("user", "kernel", families=(V4,))
def broadcast_appears(family, path):
    """An output is a broadcast address from the moment on at which the interface gets the subnet"""
    bench = Bench(family, path)
    bench.daemon = Daemon(bench.relay, bench.rule("10.3.0.255:6000@out0"))
    bench.relay.ip("address add 10.3.0.1/24 dev out0")
    wait_until(lambda: "10.3.0.255" in bench.relay.ip("route show table local"), "the route")
    wait_rule(bench.daemon, "k", path=path)
    bench.send(b"x")
    bench.expect(bench.capture.take(1)[0], b"x", to="10.3.0.255", source="10.3.0.1", mac=BROADCAST_MAC)
    bench.finish(1)


@each("user", "kernel", families=(V4,))
def broadcast_without_carrier(family, path):
    """Broadcasts for an interface without carrier, which the rule does not name, are counted as such"""
    bench = Bench(family, path)
    bench.start(bench.rule("10.2.0.255:6000"))
    bench.star.receiver.ip("link set r0 down")

    def reason():
        return rule_of(bench.daemon.stats(), "k")["outputs"][0].get("reason")

    wait_until(reason, "the output has a reason")
    bench.send(b"lost")
    stats = bench.daemon.settle(steered=1)
    equal(rule_of(stats, "k")["outputs"][0]["drops"]["no_carrier"], 1, "no_carrier")
    bench.star.receiver.ip("link set r0 up")
    wait_until(lambda: not reason(), "the output works again")
    bench.capture = Capture(bench.star.receiver, "r0")  # the other one has seen the interface go down
    bench.send(b"sent")
    bench.expect(bench.capture.take(1)[0], b"sent", to="10.2.0.255", source="10.2.0.1", mac=BROADCAST_MAC)


# ---- changes --------------------------------------------------------------------------------

@test
def change_of_one():
    """Changing `from` of one rule's output replaces the rule and loses nothing of the others"""
    bench = Bench(V4)
    bench.start(bench.rule(f"{bench.group()} from 10.2.0.50:7000"),
                bench.rule(f"{bench.group(2)} from 10.2.0.50:7000", name="l", port=5001))
    seen = 0
    for i, source in enumerate((" from 10.2.0.1:7001", " from keep", "", " from 10.2.0.50:7000") * 3):
        for j in range(10):
            bench.send(b"%d" % j, port=5001)
        bench.daemon.ctl("rule", "replace", bench.rule(f"{bench.group()}{source}"))
        wait_rule(bench.daemon, "k", path="user")
        bench.send(b"new")
        for copy in bench.capture.take(11):
            seen += 1
            if copy.destination == V4.out(2):
                equal((copy.source, copy.ports[0]), ("10.2.0.50", 7000), "source of the other rule")
                continue
            port = re.search(r":(\d+)", source)
            equal(copy.source, re.sub(r" from |:\d+", "", source).replace("keep", V4.source) or "10.2.0.1",
                  f"source {i}")
            if port:
                equal(copy.ports[0], int(port[1]), "source port")
    stats = bench.finish(132)
    equal(rule_of(stats, "l")["received_packets"], 120, "received by the other rule")


main()
