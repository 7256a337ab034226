#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules on the kernel path: what they send, compared byte by byte with frames that wire.py builds."""

import dataclasses
import functools

from harness import (EXIT_CONFIG, Daemon, check, equal, main, packet_socket, program, receive, receiver,
                     rule_of, run, sender, test, wait_until)
from ipv6 import sender6
from kernel_rules import V4, V6, Bench, Output, kernel_rule, star_for, wait_rule
from wire import ESP, SCTP, UDP, Parsed, frame, ip, mac_of_group, pseudo_sum, udp


def payloads():
    """Of every parity, and the smallest and largest."""
    return (b"", b"x", b"two bytes!", bytes(range(255)), bytes(1452), bytes(1451) + b"!")


def each_family(function):
    """Decorator of a test with a family as its argument: one test for IPv4 and one for IPv6."""
    for family, suffix in ((V4, ""), (V6, "6")):
        one = functools.partial(function, family)
        one.__name__ = function.__name__ + suffix
        one.__doc__ = f"{function.__doc__}{' (IPv6)' if suffix else ''}"
        test(one)
    return function


@each_family
def groups(family):
    """Group to group: addresses, port, TTL, DSCP, MAC and checksums; ECN, flow label and DF are cleared"""
    outputs = [Output(family.out(1), 6001, ttl=9, dscp=46)]
    bench = Bench(family, star_for(family), kernel_rule(family, outputs))
    bench.carry(outputs, *(bench.udp(payload, tos=0xbb) for payload in payloads()))
    bench.carry(outputs, bench.udp(b"x", padding=bytes(17)))
    stats = bench.finish()
    rule = rule_of(stats, "k")
    count = len(payloads()) + 1
    equal(rule["received_packets"], count, "received")
    equal(rule["outputs"][0]["sent_packets"], count, "sent")
    equal(rule["outputs"][0]["sent_bytes"], rule["received_bytes"], "bytes sent")
    equal(stats["interfaces"][0]["verdicts"]["forwarded"], count, "forwarded")


@test
def source_port():
    """The UDP source port is one that the relay has reserved, and it stays when the path changes"""
    star = star_for(V4)
    outputs = [Output("239.2.2.1"), Output("239.2.2.2")]
    text = kernel_rule(V4, outputs)
    bench = Bench(V4, star, text)
    bench.carry(outputs, bench.udp(b"one"))
    ports = set(bench.ports.values())
    equal(len(ports), 2, "source ports of two outputs")
    reserved = {int(line.split()[1].split(":")[1], 16)
                for line in star.relay.read("/proc/net/udp").splitlines()[1:]}
    check(ports <= reserved, f"ports {ports}, of sockets: {reserved}")
    bench.daemon.ctl("rule", "replace", text.replace("path kernel", "path user"))
    wait_rule(bench.daemon, "k", path="user")
    bench.send(bench.udp(b"two"))
    equal({copy.ports[0] for copy in bench.captures[0].take(2)}, ports, "ports on the user path")


@each_family
def hosts(family):
    """To hosts: the MAC address of a neighbour that the daemon resolves, or of the gateway"""
    star = star_for(family)
    mac = star.receiver.mac("r0")
    star.relay.ip(f"route add {family.remote} via {family.host.format(0)}")
    outputs = [Output(family.host.format(0), 6001, mac=mac, ttl=64),
               Output(family.host.format(0), 6002, mac=mac, named=False),
               Output(family.remote, 6003, mac=mac, named=False, dscp=10)]
    bench = Bench(family, star, kernel_rule(family, outputs))
    bench.carry(outputs, *(bench.udp(payload) for payload in payloads()))
    bench.finish()


@test
def from_a_host():
    """The input is a host address: packets to the relay itself are relayed as well"""
    star = star_for(V4)
    family = dataclasses.replace(V4, group="10.1.0.2")
    outputs = [Output("239.2.2.1")]
    bench = Bench(family, star, kernel_rule(family, outputs))
    body = udp(family.source, family.group, (40000, 5000), b"unicast")
    bench.carry(outputs, frame(ip(family.source, family.group, UDP, body), star.relay.mac("in0")))
    bench.finish()


@each_family
def checksums(family):
    """Complete, zero and unfinished UDP checksums, and values that look like another kind"""
    outputs = [Output(family.out(1)), Output(family.out(2), 6002)]
    bench = Bench(family, star_for(family), kernel_rule(family, outputs))
    for kind in ("complete", "zero", "unfinished"):
        bench.carry(outputs, *(bench.udp(payload, kind) for payload in payloads()))
    # A complete checksum that is the pseudo header's sum by chance: one word of the payload
    # makes the difference.
    original = Parsed(bench.udp(b"\0\0chance"))
    pseudo = pseudo_sum(original.source, original.destination, len(original.body))
    word = (original.checksum - pseudo) % 0xffff
    chance = bench.udp(word.to_bytes(2, "big") + b"chance")
    equal(Parsed(chance).checksum, pseudo, "the checksum of the test's own frame")
    bench.carry(outputs, chance)
    # A datagram whose checksum comes out as 0 at output 0, which is sent as 0xffff.
    copy = udp(bench.source(outputs[0]), outputs[0].to, (bench.ports[outputs[0]], 6000),
               b"\0\0zero")
    bench.send(bench.udp(copy[6:8] + b"zero"))
    seen = {copy.destination: copy for copy in bench.captures[0].take(2)}
    equal(seen[outputs[0].to].checksum, 0xffff, "checksum that would be 0")
    bench.finish()


@each_family
def from_a_socket(family):
    """A veth's sender leaves the checksum unfinished; what the relay sends is complete"""
    outputs = [Output(family.out(1)), Output(family.out(2), 6002)]
    star = star_for(family)
    bench = Bench(family, star, kernel_rule(family, outputs))
    own = packet_socket(star.source, "s0")
    sock = sender6(star.source, "s0", "fd01:0::1") if family is V6 else \
        sender(star.source, "10.1.0.1")
    for payload in payloads():
        sock.sendto(payload, (family.group, 5000))
        found = None
        while not found or found.protocol != UDP:
            found = Parsed(own.recv(2048))
        equal(found.checksum, pseudo_sum(found.source, found.destination, len(found.body)),
              "checksum as the sender leaves it")
        bench.check_copies(found.data, outputs)
    bench.finish()


@each_family
def kept_ports(family):
    """Any port: each datagram keeps its destination port, unless an output has one"""
    outputs = [Output(family.out(1), None), Output(family.out(2), 6002)]
    bench = Bench(family, star_for(family), kernel_rule(family, outputs, port="any"))
    bench.carry(outputs, *(bench.udp(b"port", kind, port=port) for port in (1, 5000, 65535)
                           for kind in ("complete", "zero", "unfinished")))
    bench.finish()


@test
def sources():
    """Of rules with a host, a prefix and any source, the most specific one takes a packet"""
    star = star_for(V4)
    rules = {"host": (" source 10.9.9.9", Output("239.2.2.1")),
             "net": (" source 10.9.0.0/16", Output("239.2.2.2")),
             "all": ("", Output("239.2.2.3"))}
    bench = Bench(V4, star, *(kernel_rule(V4, [output], name=name, more=more)
                              for name, (more, output) in rules.items()), names=tuple(rules))
    for source, name in (("10.9.9.9", "host"), ("10.9.8.9", "net"), ("11.9.9.9", "all")):
        bench.carry([rules[name][1]], bench.udp(name.encode(), source=source))
    for rule in bench.finish()["rules"]:
        equal(rule["received_packets"], 1, f"received by {rule['name']}")


@test
def several_inputs():
    """Two inputs, each with a rule of its own, send by the same two outputs"""
    star = star_for(V4, sources=2, receivers=2)
    sets = [[Output("239.2.2.1", 6000 + 2 * i), Output("239.2.2.2", 6001 + 2 * i, device=1)]
            for i in range(2)]
    bench = Bench(V4, star, *(kernel_rule(V4, outputs, name=f"k{i}", iface=f"in{i}")
                              for i, outputs in enumerate(sets)), names=("k0", "k1"))
    for i in (0, 1, 1, 0):
        data = bench.udp(b"from %d" % i)
        bench.send(data, source=i)
        bench.check_copies(data, sets[i])
    bench.finish()


@each_family
def one_device_several_times(family):
    """Several outputs on one device, also beside another: each copy leaves once, with its own headers"""
    star = star_for(family, receivers=2)
    sets = [[Output(family.out(10 * number + i), 6000 + i, device, ttl=2 + i, dscp=i)
             for i, device in enumerate(devices)]
            for number, devices in enumerate(((0, 0), (0, 0, 0), (0, 1), (0, 1, 0, 1, 0)), 1)]
    bench = Bench(family, star, *(kernel_rule(family, outputs, name=f"k{number}", port=5000 + number)
                                  for number, outputs in enumerate(sets)),
                  names=[f"k{number}" for number in range(len(sets))])
    for number, outputs in enumerate(sets):
        bench.carry(outputs, *(bench.udp(payload, port=5000 + number) for payload in payloads()))
    bench.finish()


@test
def rules_side_by_side():
    """Rules with different outputs on one device do not take each other's copies, packet by packet"""
    star = star_for(V4, receivers=2)
    sets = {5000: [Output("239.2.2.1", 6000)],
            5001: [Output("239.2.2.2", 6010), Output("239.2.2.3", 6011)],
            5002: [Output("239.2.2.4", 6020), Output("239.2.2.5", 6021, device=1),
                   Output("239.2.2.6", 6022)]}
    bench = Bench(V4, star, *(kernel_rule(V4, outputs, name=f"k{port}", port=port)
                              for port, outputs in sets.items()),
                  names=tuple(f"k{port}" for port in sets))
    order = [5000, 5001, 5001, 5002, 5000, 5002, 5001, 5000] * 8
    frames = [bench.udp(b"%d of %d" % (number, port), port=port)
              for number, port in enumerate(order)]
    for data in frames:
        bench.send(data)  # together, so that they share a bulk of the kernel
    for device, capture in enumerate(bench.captures):
        expected = [(data, output) for data, port in zip(frames, order) for output in sets[port]
                    if output.device == device]
        copies = capture.take(len(expected))
        for output in {output for _, output in expected}:
            own = [copy for copy in copies if copy.destination == output.to]
            wanted = [data for data, other in expected if other == output]
            equal([copy.body[8:] for copy in own], [Parsed(data).body[8:] for data in wanted],
                  f"payloads to {output.to}, in order")
    bench.finish()


@test
def sixty_four():
    """64 outputs on two devices, to groups and hosts; a 65th is refused"""
    star = star_for(V4, receivers=2)
    macs = [namespace.mac("r0") for namespace in star.receivers]
    outputs = [Output(V4.host.format(i % 2), 7000 + i, i % 2, mac=macs[i % 2]) if i % 3 == 0 else
               Output(V4.out(i + 1), 6000 + i, i % 2, ttl=1 + i, dscp=i) for i in range(64)]
    bench = Bench(V4, star, kernel_rule(V4, outputs))
    bench.carry(outputs, *(bench.udp(payload) for payload in payloads()))
    stats = bench.finish()
    rule = rule_of(stats, "k")
    equal({output["sent_packets"] for output in rule["outputs"]}, {len(payloads())}, "sent by each")
    more = kernel_rule(V4, [*outputs, Output("239.2.2.99")], name="more", port=5001)
    answer = bench.daemon.ctl("rule", "add", more, check=False)
    check(answer.returncode and "64" in answer.stderr, f"65 outputs: {answer.stderr}")


@each_family
def other_protocols(family):
    """ESP and SCTP, by number and by name: only the IP header and the addresses change"""
    star = star_for(family, receivers=2)
    outputs = [Output(family.out(1), None, dscp=8), Output(family.out(2), None, 1),
               Output(family.out(3), None)]
    bench = Bench(family, star, kernel_rule(family, outputs, name="esp", port="/50"),
                  kernel_rule(family, outputs[:1], name="sctp", port="/sctp"),
                  names=("esp", "sctp"))
    for protocol, expected in ((ESP, outputs), (SCTP, outputs[:1])):
        for payload in payloads():
            packet = ip(family.source, family.group, protocol, payload)
            data = frame(packet, mac_of_group(family.group), padding=bytes(max(0, 9 - len(payload))))
            bench.carry(expected, data)
    rules = {rule["name"]: rule for rule in bench.finish()["rules"]}
    for rule in rules.values():
        equal(rule["received_packets"], len(payloads()), f"received by {rule['name']}")
    # UDP to the same group is no packet of these rules.
    before = bench.daemon.stats()["interfaces"][0]["verdicts"]["no_rule"]
    bench.send(bench.udp(b"no rule"))
    wait_until(lambda: bench.daemon.stats()["interfaces"][0]["verdicts"]["no_rule"] > before,
               "UDP without a rule is counted")
    bench.finish()


@test
def refused_protocols():
    """Protocols whose checksum covers the addresses, and those of hosts and routers, are refused"""
    for name in ("6", "tcp", "58", "2", "89", "ospf", "103", "112", "17", "udp", "51", "1", "136",
                 "300", "nonsense"):
        text = f"in 239.1.1.1/{name}@in0 path kernel out 239.2.2.2@out0"
        done = run(program("xmcastd"), "-t", "--rule", text, check=False)
        equal(done.returncode, EXIT_CONFIG, f"exit code for protocol {name}: {done.stderr}")
        check(name.lower() in done.stderr.lower(), f"the reason does not name {name}: {done.stderr}")
    for text in ("in 239.1.1.1/50@in0 path user out 239.2.2.2@out0",
                 "in 239.1.1.1/50@in0 path kernel out 239.2.2.2:6000@out0"):
        done = run(program("xmcastd"), "-t", "--rule", text, check=False)
        equal(done.returncode, EXIT_CONFIG, f"exit code for {text}: {done.stderr}")
    done = run(program("xmcastd"), "-t", "--rule",
               "in 239.1.1.1/esp@in0 path kernel out 239.2.2.2@out0", check=False)
    equal(done.returncode, 0, f"exit code for ESP: {done.stderr}")


@test
def beside_the_user_path():
    """A user-path rule and a kernel-path rule on one interface, also to the same output group"""
    star = star_for(V4)
    outputs = [Output("239.2.2.1", 6000)]
    bench = Bench(V4, star, kernel_rule(V4, outputs),
                  "u in 239.1.1.1:5001@in0 out 239.2.2.1:6001@out0 ttl 3 gso off")
    sock = receiver(star.receiver, 6001, "239.2.2.1", "10.2.0.2")
    for number in range(8):
        bench.send(bench.udp(b"user %d" % number, port=5001))
        bench.send(bench.udp(b"kernel %d" % number))
    for number in range(8):
        equal(receive(sock)[0], b"user %d" % number, "payload of the user path")
    copies = [copy for copy in bench.captures[0].take(16) if copy.ports[1] == 6000]
    equal([copy.body[8:] for copy in copies], [b"kernel %d" % number for number in range(8)],
          "payloads of the kernel path")
    stats = bench.finish()
    verdicts = stats["interfaces"][0]["verdicts"]
    equal((verdicts["steered"], verdicts["forwarded"]), (8, 8), "steered and forwarded")
    equal({rule["name"]: rule["path"] for rule in stats["rules"]}, {"k": "kernel", "u": "user"},
          "paths")


@each_family
def skb_mode(family):
    """In skb mode: one output is carried; several are pending, or with auto on the user path"""
    star = star_for(family)
    outputs = [Output(family.out(1)), Output(family.out(2), 6002)]
    several = kernel_rule(family, outputs, name="several", port=5002)
    daemon = Daemon(star.relay, kernel_rule(family, outputs[:1]), several,
                    several.replace("path kernel", "path auto").replace("several", "auto")
                    .replace("5002", "5003"), config="rules: []\ninterfaces: { in0: { mode: skb } }\n")
    bench = Bench(family, star, daemon=daemon)
    rules = {rule["name"]: rule for rule in daemon.stats()["rules"]}
    equal((rules["several"]["state"], rules["auto"]["state"], rules["auto"]["path"]),
          ("pending", "active", "user"), "states and path of rules with two outputs")
    for reason in (rules["several"]["reason"], rules["auto"]["path_reason"]):
        check("skb mode" in reason, f"reason: {reason}")
    kinds = ("complete",) if family is V6 else ("complete", "zero")
    for kind in kinds:
        bench.carry(outputs[:1], *(bench.udp(payload, kind) for payload in payloads()))
    equal(bench.finish()["interfaces"][0]["verdicts"]["forwarded"], len(kinds) * len(payloads()),
          "forwarded")
    # The kernel has noted that this checksum is unfinished, which the program cannot see.
    sock = sender6(star.source, "s0", "fd01:0::1") if family is V6 else \
        sender(star.source, "10.1.0.1")
    sock.sendto(b"unfinished", (family.group, 5000))
    copy = bench.captures[0].take(1)[0]
    equal((copy.destination, copy.ports[1], copy.body[8:]), (family.out(1), 6000, b"unfinished"),
          "what a socket has sent")


@test
def left_to_the_stack():
    """What the relay does not parse goes to the stack: fragments, bad IP checksums"""
    star = star_for(V4)
    outputs = [Output("239.2.2.1")]
    bench = Bench(V4, star, kernel_rule(V4, outputs))
    good = bench.udp(b"good")
    fragment = bench.udp(b"fragment", fragment=0x2000)
    broken = bytearray(bench.udp(b"broken"))
    broken[24] ^= 1  # the IP header's checksum
    for data in (fragment, bytes(broken)):
        bench.send(data)
    bench.carry(outputs, good)
    verdicts = bench.finish()["interfaces"][0]["verdicts"]
    equal((verdicts["fragment"], verdicts["malformed"], verdicts["forwarded"]), (1, 1, 1), "verdicts")


main()
