#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules that match every port of a group, and outputs that keep the port."""

import socket
import struct

from harness import (EXIT_REFUSED, Daemon, Star, check, equal, group_mac, interface_of, main,
                     packet_socket, receive, receiver, rule_of, sender, silent, test, udp_frame)
from ipv4 import groups
from ipv6 import Star6, groups6, receive6, receiver6, sender6

PORTS = (1, 5000, 5001, 33333, 65535)


def listeners(star, ports, group="239.2.2.2"):
    """A socket for each port."""
    return {port: receiver(star.receiver, port, group, "10.2.0.2") for port in ports}


def send_each(sock, group, ports, prefix=b"to"):
    """Send one datagram to each port; the payload names the port."""
    for port in ports:
        sock.sendto(b"%s %d" % (prefix, port), (group, port))


def check_each(outputs, prefix=b"to", take=receive):
    """Each socket has received what was sent to its port, and nothing else."""
    for port, output in outputs.items():
        equal(take(output)[0], b"%s %d" % (prefix, port), f"payload to port {port}")
        check(silent(output), f"more packets arrived at port {port}")


@test
def every_port():
    """Any port of a group: to a group and a host with the port kept, and to one port"""
    star = Star()
    daemon = Daemon(star.relay, "all in 239.1.1.1:any@in0 out 239.2.2.2@out0 out 10.2.0.2 "
                    "out 239.2.2.3:6000@out0")
    group, one = listeners(star, PORTS), receiver(star.receiver, 6000, "239.2.2.3", "10.2.0.2")
    host = {port: receiver(star.receiver, port) for port in PORTS}
    sock = sender(star.source, "10.1.0.1")
    send_each(sock, "239.1.1.1", PORTS)
    sock.sendto(b"another group", ("239.1.1.2", 5000))
    stats = daemon.settle(steered=len(PORTS))
    for port in PORTS:
        equal(receive(one)[0], b"to %d" % port, "payload to the one port")
    check(silent(one), "more packets arrived at the one port")
    # Sockets that are not bound to an address receive the group's packets as well: two packets each.
    check_each(group)
    for port, output in host.items():
        equal([receive(output)[0] for _ in range(2)], [b"to %d" % port] * 2, "payload to the host")
        check(silent(output), f"more packets arrived at port {port} of the host")
    equal(groups(star.relay, "in0"), {"239.1.1.1"}, "groups joined")
    rule = rule_of(stats, "all")
    equal(rule["in"], "239.1.1.1:any@in0", "the input in the statistics")
    equal([output["to"] for output in rule["outputs"]],
          ["239.2.2.2@out0", "10.2.0.2", "239.2.2.3:6000@out0"], "the outputs in the statistics")


@test
def every_port_ipv6():
    """Any port of an IPv6 group: to a group and a host of IPv6, and a group of IPv4; and back"""
    star = Star6()
    daemon = Daemon(star.relay, "in [ff3e::1]:any@in0 out [ff3e::2]@out0 out [fd02::2] "
                    "out 239.2.2.2@out0", "in 239.1.1.1:any@in0 out [ff3e::3]@out0")
    group = {port: receiver6(star.receiver, port, "ff3e::2", "r0") for port in PORTS}
    other = {port: receiver6(star.receiver, port, "ff3e::3", "r0") for port in PORTS}
    ipv4 = listeners(star, PORTS)
    send_each(sender6(star.source, "s0"), "ff3e::1", PORTS, b"six")
    send_each(sender(star.source, "10.1.0.1"), "239.1.1.1", PORTS, b"four")
    daemon.settle(steered=2 * len(PORTS))
    check_each(ipv4, b"six")
    for outputs, prefix in ((group, b"six"), (other, b"four")):
        for port, output in outputs.items():
            equal(receive6(output)[0], b"%s %d" % (prefix, port), f"payload to port {port}")
    equal(groups6(star.relay, "in0"), {"ff3e::1"}, "groups joined")


@test
def fixed_input():
    """An output without a port uses that of the input, also in messages about a refusal"""
    star = Star()
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 239.2.2.2@out0 "
                    "out 239.2.2.3:5000@out0 out 10.77.0.1")
    outputs = [receiver(star.receiver, 5000, f"239.2.2.{i}", "10.2.0.2") for i in (2, 3)]
    sender(star.source, "10.1.0.1").sendto(b"x", ("239.1.1.1", 5000))
    for output in outputs:
        equal(receive(output)[0], b"x", "payload")
    refused = rule_of(daemon.settle(steered=1), "a")["outputs"][2]
    equal((refused["to"], refused["errors"]), ("10.77.0.1", {"ENETUNREACH": 1}), "without a route")
    daemon.process.wait_line(r"send-failed to=10\.77\.0\.1:5000 ")


@test
def most_specific():
    """A rule with the packet's port precedes `any`; then the longest source prefix wins"""
    star = Star()
    rules = {"port": (5000, None), "any": ("any", None), "any_net": ("any", "10.9.0.0/16"),
             "any_host": ("any", "10.9.9.9"), "port_net": (5001, "10.9.0.0/16")}
    daemon = Daemon(star.relay, *(
        f"{name} in 239.1.1.1:{port}@in0 {f'source {source}' if source else ''} "
        f"out 239.2.2.2:{6000 + i}@out0" for i, (name, (port, source)) in enumerate(rules.items())))
    sinks = dict(zip(rules, (receiver(star.receiver, 6000 + i, "239.2.2.2", "10.2.0.2")
                             for i in range(len(rules)))))
    wire = packet_socket(star.source, "s0")
    wanted = [("10.9.9.9", 5000, "port"), ("10.9.9.9", 5001, "port_net"),
              ("10.8.8.8", 5001, "any"), ("10.9.9.9", 5002, "any_host"),
              ("10.9.8.8", 5002, "any_net"), ("10.8.8.8", 5002, "any")]
    for source, port, _ in wanted:
        wire.send(udp_frame(group_mac("239.1.1.1"), source, "239.1.1.1", port,
                            f"{source} {port}".encode()))
    daemon.settle(steered=len(wanted))
    for source, port, name in wanted:
        equal(receive(sinks[name])[0], f"{source} {port}".encode(), f"payload by {name}")
    check(all(map(silent, sinks.values())), "more packets arrived than were sent")


@test
def port_zero():
    """A packet to port 0 is passed to the kernel, like one that matches no rule"""
    star = Star()
    daemon = Daemon(star.relay, "in 239.1.1.1:any@in0 out 239.2.2.2@out0",
                    "in 239.1.1.1:5000@in0 out 239.2.2.3@out0")
    output = listeners(star, [5002])
    wire = packet_socket(star.source, "s0")
    for port in (0, 5002):
        wire.send(udp_frame(group_mac("239.1.1.1"), "10.1.0.1", "239.1.1.1", port, b"to %d" % port))
    stats = daemon.settle(steered=1)
    check_each(output)
    check(interface_of(stats, "in0")["verdicts"]["no_rule"] >= 1, "the packet is not counted")


COUNT, TURN = 2000, 100


def in_order(gso):
    """Interleaved ports with and without batches: each complete, in order, and whole."""
    star = Star()
    daemon = Daemon(star.relay, config=f"egress: {{ gso: {gso} }}\nrules:\n"
                    "  - a in 239.1.1.1:any@in0 out 239.2.2.2@out0 out 10.2.0.2:7000\n")
    ports = (5000, 5001, 5002)
    outputs, merged = listeners(star, ports), receiver(star.receiver, 7000)
    sock = sender(star.source, "10.1.0.1")
    for number in range(COUNT):
        # Sometimes alternating ports, sometimes runs to one port; at most as many packets as fit the
        # veth's ring.
        port = ports[number // (1, 7, 2, 40)[number // TURN % 4] % len(ports)]
        sock.sendto(struct.pack("!I", number).ljust(200, b"."), ("239.1.1.1", port))
        if number % TURN == TURN - 1:
            stats = daemon.settle(steered=number + 1)
    equal(stats["totals"]["send_errors"], 0, "errors")
    equal([struct.unpack_from("!I", receive(merged)[0])[0] for _ in range(COUNT)],
          list(range(COUNT)), "numbers at the one port")
    found = []
    for output in outputs.values():
        mine = []
        while not silent(output):
            data = receive(output)[0]
            equal(len(data), 200, "size")
            mine.append(struct.unpack_from("!I", data)[0])
        equal(mine, sorted(mine), "order")
        found += mine
    equal(sorted(found), list(range(COUNT)), "numbers at all ports")


@test
def interleaved_gso():
    """Interleaved ports, in batches: complete and in order"""
    in_order("on")


@test
def interleaved_single():
    """Interleaved ports, one by one: complete and in order"""
    in_order("off")


@test
def change_beside_traffic():
    """A rule for one port is added and deleted beside a rule for any port; other ports lose nothing"""
    star = Star()
    daemon = Daemon(star.relay, "all in 239.1.1.1:any@in0 out 239.2.2.2@out0")
    output, other = listeners(star, [5000, 5001]), receiver(star.receiver, 7000)
    sock, number = sender(star.source, "10.1.0.1"), 0

    def send(count):
        nonlocal number
        for _ in range(count):
            sock.sendto(struct.pack("!I", number), ("239.1.1.1", 5001))
            number += 1

    for turn in range(10):
        send(20)
        daemon.ctl("rule", "add", "one in 239.1.1.1:5000@in0 out 10.2.0.2:7000")
        sock.sendto(b"one", ("239.1.1.1", 5000))
        send(20)
        equal(receive(other)[0], b"one", f"payload by the rule of the port, turn {turn}")
        check(silent(output[5000]), "the rule for any port received it, too")
        daemon.ctl("rule", "del", "one")
        sock.sendto(b"all", ("239.1.1.1", 5000))
        equal(receive(output[5000])[0], b"all", "payload by the rule of any port")
    daemon.settle()
    equal([struct.unpack("!I", receive(output[5001])[0])[0] for _ in range(number)],
          list(range(number)), "numbers of the other port")
    daemon.ready = ""


def is_refusal(frame):
    """Is this Ethernet frame an ICMP or ICMPv6 port unreachable message?"""
    kind, code = (frame[23], frame[34]) if frame[12:14] == b"\x08\x00" else (frame[20], frame[54])
    return (kind, code) in ((socket.IPPROTO_ICMP, 3), (socket.IPPROTO_ICMPV6, 1))


def refused_beside(star, host, output):
    """Alternately send to a port that refuses, wait for its ICMP message, and send to `output`."""
    daemon = Daemon(star.relay, f"in 239.1.1.1:any@in0 out {host}")
    sock = sender(star.source, "10.1.0.1")
    wire = packet_socket(star.relay, "out0")
    for number in range(20):
        sock.sendto(b"refused", ("239.1.1.1", 5001))
        while not is_refusal(wire.recv(65536).ljust(55, b"\0")):
            pass
        sock.sendto(b"%d" % number, ("239.1.1.1", 5000))
        equal(output.recv(100), b"%d" % number, "payload")
    equal(daemon.settle(steered=40)["totals"]["send_errors"], 0, "errors")


@test
def refusing_host():
    """The refusal of one port (ICMP) does not affect packets to another port of the host"""
    star = Star()
    star.receiver.sysctl("net/ipv4/icmp_ratelimit", 0)
    refused_beside(star, "10.2.0.2", receiver(star.receiver, 5000))


@test
def refusing_host_ipv6():
    """The same with IPv6 (ICMPv6)"""
    star = Star6()
    star.receiver.sysctl("net/ipv6/icmp/ratelimit", 0)
    refused_beside(star, "[fd02::2]", receiver6(star.receiver, 5000))


@test
def replaced():
    """The port of a rule whose outputs keep it changes at run time, also to `any` and back"""
    star = Star()
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 239.2.2.2@out0 out 10.2.0.2")
    outputs = listeners(star, [5000, 5001])
    sock = sender(star.source, "10.1.0.1")
    for turn, (port, taken) in enumerate(((5000, (5000,)), (5001, (5001,)), ("any", (5000, 5001)),
                                          (5000, (5000,)))):
        if turn:
            daemon.ctl("rule", "replace",
                       f"a in 239.1.1.1:{port}@in0 out 239.2.2.2@out0 out 10.2.0.2")
        prefix = b"turn %d:" % turn
        send_each(sock, "239.1.1.1", (5000, 5001), prefix)
        check_each({one: outputs[one] for one in taken}, prefix)
    check(all(map(silent, outputs.values())), "more packets arrived than were sent")
    daemon.ready = ""


@test
def saved_and_listed():
    """`rule list`, `rule show`, `config show`, `config save` and a reload keep the rules as written"""
    star = Star6()
    rules = ["a in 239.1.1.1:any@in0 out 239.2.2.2@out0 out 10.2.0.2",
             "in [ff3e::1]:any@in0 out [ff3e::2]@out0 out [fd02::2]"]
    daemon = Daemon(star.relay, config="rules: []\n")
    for rule in rules:
        daemon.ctl("rule", "add", rule)
    for command, words in ((("rule", "list"), ("239.1.1.1:any@in0", "[ff3e::1]:any@in0")),
                           (("rule", "show", "a"), (rules[0], " 239.2.2.2@out0 ", " 10.2.0.2 ")),
                           (("stats", "show"), ("239.1.1.1:any@in0", " 239.2.2.2@out0 ",
                                                " 10.2.0.2 ", " [ff3e::2]@out0 ", " [fd02::2] ")),
                           (("config", "show"), ("239.1.1.1:any@in0", "239.2.2.2@out0"))):
        shown = daemon.ctl(*command).stdout.replace("\n", " ")
        for word in words:
            check(word in shown, f"no {word!r} in:\n{shown}")
    daemon.ctl("config", "save")
    equal(daemon.ctl("config", "diff").returncode, 0, "the file differs from the running configuration")
    before = [rule["name"] for rule in daemon.stats()["rules"]]
    daemon.ctl("config", "reload")
    equal([rule["name"] for rule in daemon.stats()["rules"]], before, "rules after the reload")
    output = listeners(star, [5005])
    sender(star.source, "10.1.0.1").sendto(b"to 5005", ("239.1.1.1", 5005))
    check_each(output)
    daemon.ready = ""


@test
def refused():
    """Any port of a host, duplicate inputs, an output that is the input: refused with the reason"""
    star = Star()
    daemon = Daemon(star.relay, "a in 239.1.1.1:any@in0 out 239.2.2.2@out0")
    for rule, reason in (("in 10.1.0.2:any@in0 out 239.2.2.2@out0", "any port of a host"),
                         ("in 239.1.1.1:any@in0 out 239.2.2.3@out0", "duplicate input"),
                         ("in 239.1.1.2:any@in0 out 239.1.1.2:5000@in0", "a loop"),
                         ("in 239.2.2.2:5000@out0 out 239.1.1.1:6000@in0", "feed themselves"),
                         ("in 239.1.1.2:5000@in0 out 239.2.2.3@out0 out 239.2.2.3:5000@out0",
                          "duplicate output")):
        done = daemon.ctl("rule", "add", rule, check=False)
        equal(done.returncode, EXIT_REFUSED, rule)
        check(reason in done.stderr, f"{rule}: no {reason!r} in {done.stderr!r}")


main()
