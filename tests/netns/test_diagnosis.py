#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl explain RULE and check --live: why a rule does not relay, or would not."""

import json
import os
import socket
import struct

from explained import GROUP, OUTPUTS, SOURCE, all_is_well, explain, findings, relaying, send, the_cause
from harness import (EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, Daemon, Skip, Star, check, checksum, equal, main,
                     packet_socket, program, rule_of, run, test, wait_until, write_file)
from wire import UDP, frame, ip, mac_of_group, udp

# ---- explain RULE ----------------------------------------------------------------------------

@test
def no_sender():
    """Cause 1: nobody sends, with a querier and without one; and it is found no longer once somebody does"""
    star = Star()
    daemon = relaying(star)
    the_cause(daemon, "no_sender", f"no packet to {GROUP} has ever arrived on in0")
    check("no_querier" in findings(daemon)[1], "no querier is not a hint")
    query = bytes.fromhex("1164ec1e00000000027d0000")
    header = bytearray(ip("10.1.0.1", "224.0.0.1", 2, b"", ttl=1)[:20] + bytes.fromhex("94040000") + query)
    header[0], header[2:4], header[10:12] = 0x46, len(header).to_bytes(2, "big"), bytes(2)
    header[10:12] = checksum(bytes(header[:24])).to_bytes(2, "big")
    packet_socket(star.source, "s0").send(frame(bytes(header), mac_of_group("224.0.0.1")))
    wait_until(lambda: "10.1.0.1" in findings(daemon)[1].get("querier", {}).get("text", ""), "the querier is seen")
    all_is_well(daemon, star)


@test
def wrong_tag():
    """Cause 2: packets arrive with a VLAN tag"""
    star = Star()
    star.relay.run("ethtool", "-K", "in0", "rxvlan", "off")
    daemon = relaying(star)
    packet = frame(ip(SOURCE, GROUP, UDP, udp(SOURCE, GROUP, (7000, 5000), b"x")), mac_of_group(GROUP))
    for _ in range(3):
        packet_socket(star.source, "s0").send(packet[:12] + bytes.fromhex("81000007") + packet[12:])
    the_cause(daemon, "wrong_vlan", "arrive on in0 with the VLAN tag 7, from 10.9.9.9 (3 packets")
    all_is_well_but(daemon, star, "wrong_vlan")


def all_is_well_but(daemon, star, cause):
    """Packets that are right are relayed; the others stay a finding."""
    before = rule_of(daemon.settle(), "a")["received_packets"]
    send(star)
    wait_until(lambda: rule_of(daemon.stats(), "a")["received_packets"] == before + 1, "it is relayed")
    wait_until(lambda: findings(daemon)[0] == [cause], f"{cause} is the only problem")


@test
def wrong_source():
    """Cause 3: packets arrive from another source; and to another port, and before the rule was there"""
    star = Star()
    daemon = relaying(star, more=f" source {SOURCE}")
    send(star, "10.9.9.8")
    the_cause(daemon, "wrong_source", "from 10.9.9.8 (1 packet")
    daemon.ctl("rule", "replace", "a", "in", f"{GROUP}:5001@in0", *OUTPUTS.split(" out ", maxsplit=1)[0].split())
    the_cause(daemon, "no_sender", "has ever arrived")
    send(star)
    the_cause(daemon, "wrong_port", "for port 5000, from 10.9.9.9 (1 packet")


@test
def fragments():
    """Cause 4: packets arrive in fragments, of which the first names the port, or with IP options"""
    star = Star()
    daemon = relaying(star)
    body = udp(SOURCE, GROUP, (7000, 5000), bytes(2000))
    for part, place in ((body[:1480], 0x2000), (body[1480:], 1480 // 8)):
        packet_socket(star.source, "s0").send(frame(ip(SOURCE, GROUP, UDP, part, fragment=place),
                                                    mac_of_group(GROUP)))
    the_cause(daemon, "fragments", "in fragments, from 10.9.9.9 (1 packet")
    passed = json.loads(daemon.ctl("-j", "explain", "a").stdout)["passed"]
    equal(sorted((one["reason"], one["port"]) for one in passed if one["port"]), [("fragment", 5000)], "passed")


@test
def no_carrier():
    """Cause 5: the cable of the output is out; or of the input; or an interface is down"""
    star = Star()
    daemon = relaying(star, "out 239.2.2.2:6000@out0")
    for device, end, namespace, cause, about in (
            ("out0", "r0", star.receiver, "output_no_carrier", "239.2.2.2:6000@out0"),
            ("in0", "s0", star.source, "input_no_carrier", "input")):
        namespace.ip(f"link set {end} down")
        the_cause(daemon, cause, f"{device} has no carrier", about)
        namespace.ip(f"link set {end} up")
    star.relay.ip("link set out0 down")
    the_cause(daemon, "output_down", "output interface out0 is down", "239.2.2.2:6000@out0")
    star.relay.ip("link set out0 up")
    star.relay.ip("link set in0 down")
    the_cause(daemon, "input_down", "interface in0 is down")


@test
def several_inputs():
    """A rule with two inputs: each is shown, with the reason why nothing arrives by it"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, f"a in A:{GROUP}:5000@in0 in B:239.1.1.9:5000@in1 select first out 239.2.2.2:6000@out0")
    send(star)
    wait_until(lambda: rule_of(daemon.stats(), "a")["received_packets"] == 1, "one datagram is received")

    def texts(cause):
        found = json.loads(daemon.ctl("-j", "explain", "a").stdout)["findings"]
        return [one["text"] for one in found if one["cause"] == cause]

    wait_until(lambda: len(texts("no_sender")) == 2, "both are silent")
    check("on in0 any more" in texts("no_sender")[0] and "ever arrived on in1" in texts("no_sender")[1], "texts")
    star.sources[1].ip("link set s0 down")
    wait_until(lambda: "in1 has no carrier" in "".join(texts("input_no_carrier")), "the second input is a cause")
    equal([(one["interface"], one["carrier"], one["joined"]) for one in explain(daemon, "a")["inputs"]],
          [("in0", True, True), ("in1", False, True)], "inputs")
    text = daemon.ctl("explain", "a").stdout
    check("in0, up, with carrier" in text and "in1, up, no carrier" in text, text)
    daemon.stop()


@test
def no_neighbour():
    """Cause 6: the receiver does not answer ARP"""
    star = Star()
    daemon = relaying(star, "out 10.2.0.9:6001@out0")
    the_cause_of_output(daemon, star, "no_neighbour", "10.2.0.9 does not answer ARP on out0", "10.2.0.9:6001@out0")


def the_cause_of_output(daemon, star, cause, words, about):
    """As the_cause(), while packets arrive, so that the input is no cause."""
    def is_found():
        send(star)
        return findings(daemon)[0][:1] == [cause]

    wait_until(is_found, f"the cause is {cause}")
    the_cause(daemon, cause, words, about)


@test
def small_mtu():
    """Cause 7: the packets do not fit the MTU of the output"""
    star = Star(out_mtu=1300)
    daemon = relaying(star)

    def is_found():
        send(star, payload=bytes(1400))
        return findings(daemon)[0][:1] == ["mtu"]

    wait_until(is_found, "the cause is the MTU")
    the_cause(daemon, "mtu", "datagrams of 1400 bytes on average do not fit the MTU of out0, 1300",
              "239.2.2.2:6000@out0")


@test
def ttl_used_up():
    """Cause 8: the TTL is used up at a router"""
    star = Star()
    star.receiver.ip("address add 10.77.0.1/24 dev lo")
    star.receiver.sysctl("net/ipv4/ip_forward", 1)
    star.receiver.ip("link add d0 type veth peer name d1")
    star.receiver.ip("address add 10.88.0.1/24 dev d0")
    star.receiver.ip("link set d0 up")
    star.receiver.ip("link set d1 up")
    star.relay.ip("route add 10.88.0.0/24 via 10.2.0.2 dev out0")
    daemon = relaying(star, "out 10.88.0.5:6001 ttl 1")
    the_cause_of_output(daemon, star, "ttl_expired", "their TTL is used up", "10.88.0.5:6001")


def nftables(namespace):
    """A chain of nftables that drops all that the namespace sends. Not by nft(8), which need not be there."""
    def attribute(kind, data):
        data = struct.pack("=HH", 4 + len(data), kind) + data
        return data + bytes(-len(data) % 4)

    def message(kind, flags, resource, *attributes):
        body = struct.pack("=BBH", 2 if resource == 0 else 0, 0, socket.htons(resource)) + b"".join(attributes)
        return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body

    hook = attribute(1, struct.pack("!I", 3)) + attribute(2, struct.pack("!i", 0))
    chain = (attribute(1, b"t\0"), attribute(3, b"out\0"), attribute(4 | 0x8000, hook),
             attribute(5, struct.pack("!I", 0)), attribute(7, b"filter\0"))
    with namespace.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as sock:
        sock.settimeout(30)
        sock.send(message(0x10, 1, 10) + message(0xa00, 0x401, 0, attribute(1, b"t\0")) +
                  message(0xa03, 0x405, 0, *chain) + message(0x11, 1, 10))
        answer = sock.recv(4096)
        error = struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise Skip(f"no nftables: {os.strerror(-error)}")


@test
def firewall():
    """This host's firewall refuses what the relay sends: the cause; a hint as long as nothing was refused"""
    star = Star()
    daemon = relaying(star)
    nftables(star.relay)
    hint = findings(daemon)[1]["firewall_rules"]
    check("1 chain of nftables (t out drops by default)" in hint["text"], hint)
    the_cause_of_output(daemon, star, "firewall", "this host's firewall has refused", "239.2.2.2:6000@out0")


@test
def disabled_rule():
    """A rule that is disabled, and names of rules that look like packets"""
    star = Star()
    daemon = Daemon(star.relay, f"in {GROUP}:5000@in0 source {SOURCE} {OUTPUTS}", f"off in {GROUP}:5001@in0 disabled "
                    f"{OUTPUTS}")
    the_cause(daemon, "disabled", "the rule is disabled", "rule", "off")
    name = f"{SOURCE}>{GROUP}:5000@in0"
    equal(explain(daemon, name)["verdict"]["reason"], "steered", "it is a packet")
    equal(json.loads(daemon.ctl("-j", "explain", "rule", name).stdout)["rule"]["name"], name, "it is a rule")
    done = daemon.ctl("explain", "nonsense", check=False)
    equal((done.returncode, "nonsense: no rule of this name" in done.stderr), (EXIT_REFUSED, True), done.stderr)


@test
def more_specific_rule():
    """A more specific rule gets the packets: it is named, and the sender is not blamed"""
    star = Star()
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 {OUTPUTS}", f"b in {GROUP}:5000@in0 source 10.9.0.0/16 {OUTPUTS}",
                    f"c in {GROUP}:any@in0 source 10.8.0.0/16 {OUTPUTS}",
                    f"d in {GROUP}:5001@in0 source 10.8.0.0/16 {OUTPUTS}")
    send(star)
    the_cause(daemon, "more_specific", "the more specific rule b (in 239.1.1.1:5000@in0 source 10.9.0.0/16)")
    the_cause(daemon, "more_specific", "the more specific rule a (in 239.1.1.1:5000@in0) matches", rule="c")
    the_cause(daemon, "no_sender", "has ever arrived", rule="d")


@test
def almost_silent():
    """Packets to another group, and malformed ones; the rule that sends says where to look next"""
    star = Star()
    daemon = relaying(star)
    send(star, group="239.1.1.11")
    send(star, group="239.1.1.12", port=5001)
    packet = bytearray(frame(ip(SOURCE, GROUP, UDP, udp(SOURCE, GROUP, (7000, 5000), b"x")), mac_of_group(GROUP)))
    packet[24] ^= 1
    packet_socket(star.source, "s0").send(bytes(packet))
    wait_until(lambda: {"other_group", "malformed"} <= set(findings(daemon)[1]), "both are found")
    found = findings(daemon)[1]
    check("another group, 239.1.1.11, arrive on in0 for the same port, from 10.9.9.9 (1 packet" in
          found["other_group"]["text"], found)
    check("1 packets on in0 were malformed" in found["malformed"]["text"], found)
    check("sent" not in found, found)
    all_is_well(daemon, star)
    wait_until(lambda: "sent" in findings(daemon)[1], "it sends")
    equal(findings(daemon)[1]["sent"]["next"], "tcpdump -eni any dst host 239.2.2.2  # on the receiver", "next")


@test
def idle_and_pending():
    """Rules that do not receive now: no sender is missing, and a packet that they would get names them"""
    star = Star()
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 on demand out 239.2.2.2:6000@out0 when joined",
                    f"b in 239.1.1.2:5000@in0 path kernel {OUTPUTS}", f"c in 239.1.1.3:5000@in1 disabled {OUTPUTS}",
                    f"d in 239.1.1.4:5000@in7 {OUTPUTS}")
    wait_until(lambda: "not_joined" in findings(daemon)[1], "nobody has joined")
    equal(findings(daemon)[0], [], "problems")
    check("nothing leaves by it: no receiver has joined" in
          daemon.ctl("explain", f"{SOURCE}>{GROUP}:5000@in0").stdout, "the packet is not sent")
    star.relay.ip("link set out0 down")
    wait_until(lambda: findings(daemon, "b")[0][:1] == ["output_down"], "the output is the problem")
    check("no_sender" not in findings(daemon, "b")[0], findings(daemon, "b"))
    check("d is for such packets, but does not get this one: see `xmcastctl explain d`" in
          daemon.ctl("explain", f"{SOURCE}>239.1.1.4:5000@in7").stdout, "the rule is named")
    done = daemon.ctl("explain", f"{SOURCE}>239.1.1.3:5000@in1", check=False)
    check("all rules with an input on interface in1 are disabled" in done.stderr, done.stderr)


@test
def bridge_port():
    """The input is a bridge, and another rule's input its port: what passes the port arrives at the bridge"""
    star = Star()
    star.relay.ip("address flush dev in0")
    star.relay.ip("link add br0 type bridge mcast_snooping 0")
    star.relay.ip("link set in0 master br0")
    star.relay.ip("address add 10.1.0.2/24 dev br0")
    star.relay.ip("link set br0 up")
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@br0 {OUTPUTS}", f"b in 239.1.1.2:5000@in0 {OUTPUTS}")
    wait_until(lambda: "forwarding" in star.relay.run("bridge", "link", "show", "dev", "in0").stdout, "it forwards")
    all_is_well(daemon, star)
    check("is a port of the bridge br0" in findings(daemon, "b")[1]["interface"]["text"], "a hint for the other rule")


# ---- check --live ------------------------------------------------------------------------------

def live(star, *rules, more="", code=EXIT_REFUSED):
    """Check these rules against the relay's namespace: what is found, by cause."""
    listed = "".join(f"\n  - '{rule}'" for rule in rules) or " []"
    path = write_file("live.yaml", f"rules:{listed}\n{more}")
    done = star.relay.run(program("xmcastctl"), "-j", "check", "--live", path, check=False)
    equal(done.returncode, code, f"exit code\n{done.stdout}{done.stderr}")
    text = star.relay.run(program("xmcastctl"), "config", "check", path, "--live", check=False)
    equal(text.returncode, code, "exit code of config check --live")
    found = json.loads(done.stdout)["findings"]
    check(all(one["text"] in text.stdout for one in found), text.stdout)
    return {one["cause"]: one for one in found}


@test
def check_live():
    """A configuration against this machine: what would be pending, with exit code 2; hints do not count"""
    star = Star()
    found = live(star, f"a in {GROUP}:5000@in0 {OUTPUTS}", code=EXIT_DONE)
    equal([cause for cause, one in found.items() if one["severity"] == "problem"], [], "problems")
    star.relay.sysctl("net/ipv4/conf/in0/rp_filter", 1)
    check("rp_filter" in live(star, f"a in {GROUP}:5000@in0 {OUTPUTS}", code=EXIT_DONE), "the reverse-path check")
    star.relay.sysctl("net/ipv4/igmp_max_memberships", 0)
    check("igmp_limit" in live(star, f"a in {GROUP}:5000@in0 {OUTPUTS}"), "no memberships")
    star.relay.sysctl("net/ipv4/igmp_max_memberships", 20)
    for rule, cause, about in (
            (f"a in {GROUP}:5000@gone0 {OUTPUTS}", "input_missing", "gone0"),
            (f"a in {GROUP}:5000@in0 out 239.2.2.2:6000@gone1", "output_missing", "a, output 239.2.2.2:6000@gone1"),
            (f"a in {GROUP}:5000@in0 out 10.99.0.1:6000", "no_route", "a, output 10.99.0.1:6000"),
            (f"a in {GROUP}:5000@in0 out 239.2.2.2:6000@out0 from 10.99.0.1", "no_source", None),
            ("a in [ff3e::1]:5000@in0 out 239.2.2.2:6000@out0", "no_ipv6", "in0")):
        one = live(star, rule).get(cause)
        check(one and one["severity"] == "problem" and (about in (None, one["about"])), f"{rule}: {one}")
    sides = f"a in A:{GROUP}:5000@in0 in B:{GROUP}:5000@%s select first {OUTPUTS}"
    one = live(star, sides % "gone0").get("input_missing")
    check(one and one["about"] == "gone0", f"the second of two inputs: {one}")
    star.relay.ip("link add wide0 mtu 3000 type veth peer name wide1")
    for device in ("wide0", "wide1"):
        star.relay.ip(f"link set {device} up")
    wide = live(star, sides % "wide0", code=EXIT_DONE)
    check("smaller_mtu" in wide, f"a smaller MTU than that of the second input: {wide}")
    star.relay.ip("link set out0 mtu 1400")
    check("smaller_mtu" in live(star, f"a in {GROUP}:5000@in0 {OUTPUTS}", code=EXIT_DONE), "a smaller MTU")
    check("mtu" in live(star, f"a in {GROUP}:5000@in0 path kernel {OUTPUTS}"), "a smaller MTU on the kernel path")
    star.receiver.ip("link set r0 down")
    check("output_no_carrier" in live(star, f"a in {GROUP}:5000@in0 {OUTPUTS}"), "no carrier")
    star.source.ip("link set s0 down")
    check("input_no_carrier" in live(star, f"a in {GROUP}:5000@in0 {OUTPUTS}"), "no carrier at the input")
    star.relay.ip("link set in0 down")
    check("input_down" in live(star, f"a in {GROUP}:5000@in0 {OUTPUTS}"), "the input is down")
    equal(live(star, f"a in {GROUP}:5000@gone0 disabled {OUTPUTS}", code=EXIT_DONE).keys() & {"input_missing"}, set(),
          "a disabled rule")
    for setting, name in (("security", "user"), ("control", "group"), ("control", "admin_group")):
        text = live(star, more=f"{setting}: {{ {name}: nobody-here }}\n")["account"]["text"]
        check(f"{setting}.{name}: " in text and "nobody-here" in text, text)
    path = write_file("bad.yaml", "rules: [ nonsense ]\n")
    done = star.relay.run(program("xmcastctl"), "check", "--live", path, check=False)
    equal((done.returncode, "bad.yaml:1:" in done.stderr), (EXIT_REFUSED, True), done.stderr)
    equal(run(program("xmcastctl"), "check", "--live", check=False).returncode, EXIT_USAGE, "no file")


if __name__ == "__main__":
    main()
