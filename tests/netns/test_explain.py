#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl explain: what it says about a packet is what happens to one, and nothing is disturbed."""

import json
import os
import re
import socket
import struct

from harness import (EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, Daemon, Skip, Star, Timeout, check, checksum, equal, main, need,
                     packet_socket, program, rule_of, run, test, wait_until, write_file)
from kernel_rules import V4, V6, star_for, wait_rule
from wire import UDP, Capture, frame, ip, mac_of_group, udp

SOURCE, GROUP = "10.9.9.9", "239.1.1.1"
OUTPUTS = "out 239.2.2.2:6000@out0 ttl 3 dscp ef out 10.2.0.2:6001"


def explain(daemon, *words):
    """The answer as an object, after a look at the text for people."""
    text = daemon.ctl("explain", *words).stdout
    check(text.isascii() and "input" in text, text)
    return json.loads(daemon.ctl("-j", "explain", *words).stdout)


def counters(daemon):
    """All that a packet could change."""
    stats = daemon.stats()
    return (stats["totals"], [(rule["received_packets"], [
        {key: output[key] for key in ("submitted_packets", "sent_packets", "sent_bytes", "errors", "drops")}
        for output in rule["outputs"]]) for rule in stats["rules"]],
            [(interface["verdicts"], interface["redirected"]) for interface in stats["interfaces"]])


def send(star, source=SOURCE, group=GROUP, port=5000, payload=b"12345", **fields):
    """One datagram onto the wire."""
    packet = ip(source, group, UDP, udp(source, group, (7000, port), payload), **fields)
    packet_socket(star.source, "s0").send(frame(packet, mac_of_group(group)))


def as_stated(daemon, star, answer):
    """A packet like the one that was explained leaves as the answer says."""
    capture = Capture(star.receiver, "r0")
    before = daemon.settle()["totals"]["steered_packets"]
    send(star)
    outputs = {output["to"]: output for output in answer["outputs"]}
    for seen in capture.take(len(outputs)):
        output = outputs.pop(next(to for to in outputs if to.startswith(f"{seen.destination}:")))
        equal((output["source"], output["source_port"], output["mac"], output["ttl"], output["dscp"]),
              (seen.source, seen.ports[0], seen.data[:6].hex(":"), seen.data[22], seen.data[15] >> 2),
              output["to"])
    daemon.settle(before + 1)


def undisturbed(daemon, star, *words):
    """Explain it; no counter moves and nothing is sent."""
    capture = Capture(star.receiver, "r0")

    def uncounted():
        # The namespaces send packets of their own now and then (MLD reports, router solicitations), which
        # the input counts; but what a trial counts, each one would.
        before = counters(daemon)
        answer = explain(daemon, *words)
        return counters(daemon) == before and answer

    answer = wait_until(uncounted, "an explanation that counts nothing")
    equal(capture.rest(), [], "frames that were sent")
    return answer


@test
def user_path():
    """User path: verdict, rule and outputs as packets then meet them; no counter moves, nothing is sent"""
    star = Star()
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 {OUTPUTS}")
    answer = undisturbed(daemon, star, SOURCE, ">", f"{GROUP}:5000@in0", "len", "5")
    equal((answer["verdict"]["reason"], answer["verdict"]["action"]), ("steered", "redirect"), "verdict")
    equal((answer["rule"]["name"], answer["rule"]["state"], answer["rule"]["path"]),
          ("a", "active", "user"), "rule")
    equal(answer["frame_bytes"], 14 + 20 + 8 + 5, "bytes of the frame")
    as_stated(daemon, star, answer)
    text = daemon.ctl("explain", f"{SOURCE}>{GROUP}:5000@in0").stdout
    check("does not show it on in0" in text and "steered" in text, text)
    equal(daemon.ctl("explain", SOURCE, "to", f"{GROUP}:5000@in0").stdout, text, "with `to`")


@test
def kernel_path():
    """Kernel path with one and with two outputs: the same; no frame leaves in a trial"""
    star = star_for(V4)
    for outputs in (OUTPUTS.split(" out ", maxsplit=1)[0], OUTPUTS):
        daemon = Daemon(star.relay, f"k in {GROUP}:5000@in0 path kernel {outputs}")
        wait_rule(daemon, "k")
        answer = undisturbed(daemon, star, SOURCE, ">", f"{GROUP}:5000@in0", "len", "5")
        equal((answer["verdict"]["reason"], answer["verdict"]["action"]), ("forwarded", "redirect"),
              "verdict")
        equal((answer["rule"]["name"], answer["rule"]["path"]), ("k", "kernel"), "rule")
        as_stated(daemon, star, answer)
        answer = undisturbed(daemon, star, SOURCE, ">", f"{GROUP}:5000@in0", "len", "1473")
        check(answer["verdict"]["too_large"], "one byte too many for the MTU of the output")
        equal(answer["verdict"]["action"], "drop", "action")
        daemon.stop()


@test
def ipv6():
    """The same for IPv6; queries for members by MLD"""
    star = star_for(V6)
    daemon = Daemon(star.relay, f"a in [{V6.group}]:5000@in0 out [{V6.out_group}]:6000@out0 ttl 3")
    answer = undisturbed(daemon, star, V6.source, "to", f"[{V6.group}]:5000@in0", "dscp", "ef")
    output, = answer["outputs"]
    equal((answer["verdict"]["reason"], answer["rule"]["name"]), ("steered", "a"), "verdict and rule")
    query = bytes.fromhex("3a000502000001008200000027100000") + bytes(16)
    packet_socket(star.source, "s0").send(frame(ip("fe80::77", "ff02::1", 0, query, ttl=1), mac_of_group("ff02::1")))
    wait_until(lambda: "fe80::77" in findings(daemon)[1].get("querier", {}).get("text", ""), "the querier is seen")
    capture = Capture(star.receiver, "r0")
    packet_socket(star.source, "s0").send(frame(ip(V6.source, V6.group, UDP, udp(
        V6.source, V6.group, (7000, 5000), b"x")), mac_of_group(V6.group)))
    seen, = capture.take(1)
    equal((output["source"], output["source_port"], output["mac"], output["ttl"]),
          (seen.source, seen.ports[0], seen.data[:6].hex(":"), seen.data[21]), output["to"])


@test
def without_perfmon():
    """Without CAP_PERFMON no packet can be tried, and the answer says so; rules are explained"""
    star = Star()
    rights = "+net_admin,+net_raw,+bpf,+ipc_lock"
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 {OUTPUTS}", prefix=(
        "setpriv", f"--bounding-set=-all,{rights}", f"--inh-caps=-all,{rights}"))
    done = daemon.ctl("explain", SOURCE, ">", f"{GROUP}:5000@in0", check=False)
    equal((done.returncode, "without CAP_PERFMON" in done.stderr), (EXIT_REFUSED, True), done.stderr)
    the_cause(daemon, "no_sender", "has ever arrived")


@test
def most_specific():
    """Of several rules the one that gets the packet is named, and the others with what they lack"""
    star = Star()
    daemon = Daemon(star.relay, *(f"{name} in {GROUP}:{port}@in0{source} out 239.2.2.{i}:6000@out0"
                                  for i, (name, port, source) in enumerate((
                                      ("any", "any", ""), ("port", 5000, ""),
                                      ("net", 5000, " source 10.9.0.0/16"),
                                      ("host", 5000, " source 10.9.9.9")))))
    for source, port, name in ((SOURCE, 5000, "host"), ("10.9.1.1", 5000, "net"),
                               ("10.1.1.1", 5000, "port"), ("10.1.1.1", 5001, "any")):
        answer = explain(daemon, source, ">", f"{GROUP}:{port}@in0")
        equal(answer["rule"]["name"], name, f"{source} to port {port}")
        before = rule_of(daemon.settle(), name)["received_packets"]
        send(star, source, port=port)
        wait_until(lambda before=before, name=name:
                   rule_of(daemon.stats(), name)["received_packets"] == before + 1, f"{name} has it")
    near = {rule["name"]: rule["differs"] for rule in answer["near_rules"]}
    equal(near, {"port": ["port"], "net": ["source", "port"], "host": ["source", "port"]}, "near rules")


@test
def refused():
    """Packets that no rule takes: the reason, and which rule would have if what were different"""
    star = Star()
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 source {SOURCE} {OUTPUTS}")
    for words, reason, differs in (
            (("10.9.9.8", ">", f"{GROUP}:5000@in0"), "no_rule", ["source"]),
            ((SOURCE, ">", f"{GROUP}:5001@in0"), "no_rule", ["port"]),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "vlan", "7"), "vlan", ["vlan"]),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "vlan", "ad/9", "vlan", "7"), "vlan", ["vlan"]),
            ((SOURCE, ">", f"{GROUP}/pim@in0"), None, None),
            (("2001:db8::1", ">", "[ff3e::1]:5000@in0"), "no_rule", None)):
        if reason is None:
            equal(daemon.ctl("explain", *words, check=False).returncode, EXIT_USAGE, str(words))
            continue
        answer = undisturbed(daemon, star, *words)
        equal((answer["verdict"]["reason"], answer["verdict"]["action"]), (reason, "pass"), str(words))
        equal(answer["rule"], None, "rule")
        equal([near["differs"] for near in answer["near_rules"]], [differs] if differs else [], str(words))
    check(explain(daemon, SOURCE, ">", f"{GROUP}:5000@in0", "len", "2000")["too_long"], "larger than the MTU")
    done = daemon.ctl("explain", SOURCE, ">", f"{GROUP}:5000@out0", check=False)
    equal(done.returncode, EXIT_REFUSED, "exit code for an interface without rules")
    check("no rule has an input on interface out0" in done.stderr, done.stderr)


@test
def bad_words():
    """Words that are no packet: exit code 1, and the message names the word"""
    star = Star()
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 {OUTPUTS}")
    for words, message in (
            ((SOURCE, ">"), "where the packet goes"),
            ((SOURCE, GROUP), "between source and destination"),
            ((SOURCE, ">", f"{GROUP}:5000"), "with the interface"),
            ((SOURCE, ">", f"{GROUP}:0@in0"), "'0'"),
            (("10.9.9", ">", f"{GROUP}:5000@in0"), "'10.9.9'"),
            ((SOURCE, ">", "[ff3e::1]:5000@in0"), "one address family"),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "len", "9001"), "from 0 to 9000"),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "ttl", "keep"), "a number"),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "vlan", "4095"), "'4095'"),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "vlan", "1", "vlan", "2", "vlan", "3"), "at most two"),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "size", "1"), "one of len, ttl, dscp, vlan"),
            ((SOURCE, ">", f"{GROUP}:5000@in0", "len"), "a value behind it")):
        done = daemon.ctl("explain", *words, check=False)
        equal(done.returncode, EXIT_USAGE, f"exit code of {words}")
        check(message in done.stderr, f"{words}: {done.stderr}")


# ---- why a rule does not relay -----------------------------------------------------------------

def findings(daemon, rule="a"):
    """Of explain RULE: the causes of the problems, in order, and all that was found, by cause."""
    found = json.loads(daemon.ctl("-j", "explain", rule).stdout)["findings"]
    return [one["cause"] for one in found if one["severity"] == "problem"], {one["cause"]: one
                                                                                  for one in reversed(found)}


def the_cause(daemon, cause, words, about="input", rule="a"):
    """The first problem that `explain RULE` names, once it does; its text has these words, and there is a next
    command. The text for people has it as well."""
    def is_found():
        nonlocal found
        causes, found = findings(daemon, rule)
        return causes[:1] == [cause]

    found = {}
    try:
        wait_until(is_found, f"the cause is {cause}")
    except Timeout:
        raise AssertionError(f"not {cause}: {json.dumps(found, indent=1)}") from None
    one = found[cause]
    check(words in one["text"], f"{words!r} is not in {one['text']!r}")
    equal(one["about"], about, "what it is about")
    check(one["next"], f"no next command: {one}")
    text = daemon.ctl("explain", rule).stdout
    # Another second may have passed.
    words = re.sub(r"[0-9]+ s ago", "", one["text"])
    check(words in re.sub(r"[0-9]+ s ago", "", text) and one["next"] in text, text)


def all_is_well(daemon, star, rule="a"):
    """Packets pass, and explain finds no problem."""
    before = rule_of(daemon.settle(), rule)["received_packets"]
    send(star)
    wait_until(lambda: rule_of(daemon.stats(), rule)["received_packets"] == before + 1, "it is relayed")
    wait_until(lambda: findings(daemon, rule)[0] == [], "no problem is found")


def relaying(star, outputs="out 239.2.2.2:6000@out0 ttl 3", more=""):
    """A daemon with one rule that relays."""
    return Daemon(star.relay, f"a in {GROUP}:5000@in0{more} {outputs}")


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
    equal(findings(daemon)[0], [cause], "problems")


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


# ---- captures ----------------------------------------------------------------------------------

def pcap(name, frames, order="<", captured=None):
    """A file with these frames, of which as many bytes were captured."""
    text = struct.pack(f"{order}IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1)
    for data in frames:
        part = data[:captured]
        text += struct.pack(f"{order}IIII", 1, 0, len(part), len(data)) + part
    return write_file(name, text)


@test
def capture():
    """--pcap: one row for each flow of a capture in pcap or pcapng, with its packets, verdict and rule"""
    star = Star()
    daemon = relaying(star)

    def datagram(source=SOURCE, port=5000, size=100, tag=b""):
        data = frame(ip(source, GROUP, UDP, udp(source, GROUP, (7000, port), bytes(size))), mac_of_group(GROUP))
        return data[:12] + tag + data[12:]

    frames = [datagram(), datagram(size=1400), datagram(port=5001), datagram(tag=bytes.fromhex("81000007")),
              datagram(size=2000), bytes(60), datagram(SOURCE, 5000)]
    expected = {("239.1.1.1", 5000, None): ("steered", "a", 4), ("239.1.1.1", 5001, None): ("no_rule", None, 1),
                ("239.1.1.1", 5000, "802.1Q 7"): ("vlan", None, 1), None: ("not_ip", None, 1)}
    before = counters(daemon)
    for path in (pcap("a.pcap", frames[:4] + frames[5:] + [datagram()]),
                 pcap("b.pcap", frames[:4] + frames[5:] + [datagram()], order=">", captured=64)):
        answer = json.loads(daemon.ctl("-j", "explain", "--pcap", path).stdout)
        seen = {}
        for flow in answer["flows"]:
            packet = flow["packet"]
            key = (packet["destination"], packet["port"], packet["vlan"]) if packet else None
            seen[key] = (flow["verdict"]["reason"], (flow["rule"] or {}).get("name"), flow["packets"])
        equal(seen, expected, "flows")
        equal(answer["packets"], 7, "packets")
    text = daemon.ctl("explain", "--pcap", path, "in0").stdout
    check(re.search(r"in0 +10\.9\.9\.9 +239\.1\.1\.1:5000 +- +4 +1442 +steered +a\n", text), text)
    check("7 packets" in text, text)
    need("editcap")
    converted = write_file("c.pcapng", b"")
    run("editcap", "-F", "pcapng", path, converted)
    equal(daemon.ctl("explain", "--pcap", converted).stdout, text, "as pcapng")
    equal(counters(daemon), before, "counters")
    long = json.loads(daemon.ctl("-j", "explain", "--pcap", pcap("d.pcap", [frames[4]])).stdout)["flows"][0]
    check(long["too_long"], f"larger than the MTU: {long}")


@test
def bad_captures():
    """Files that are no captures, broken ones, and an interface without rules: exit code 2 with the place"""
    star = Star()
    daemon = relaying(star)
    good = pcap("good.pcap", [bytes(60)])
    with open(good, "rb") as file:
        content = file.read()
    for name, text, message in (
            ("text", b"no capture at all", "at byte 4: not a capture in pcap or pcapng"),
            ("empty", b"", "the file is empty"),
            ("cut", content[:-3], "at byte 40: the file is cut off"),
            ("cooked", content[:20] + struct.pack("<I", 113) + content[24:], "link type 113, expected Ethernet"),
            ("long", content[:32] + struct.pack("<II", 1 << 30, 1 << 30), "a packet with 1073741824 of")):
        done = daemon.ctl("explain", "--pcap", write_file(name, text), check=False)
        equal(done.returncode, EXIT_REFUSED, f"exit code of {name}")
        check(message in done.stderr, f"{name}: {done.stderr}")
    done = daemon.ctl("explain", "--pcap", "/nonexistent", check=False)
    equal((done.returncode, "No such file" in done.stderr), (EXIT_REFUSED, True), done.stderr)
    for words in (("--pcap",), ("--pcap", good, "in0", "more"), ("--pcup", good)):
        equal(daemon.ctl("explain", *words, check=False).returncode, EXIT_USAGE, str(words))
    flow = json.loads(daemon.ctl("-j", "explain", "--pcap", good, "out0").stdout)["flows"][0]
    check("no rule has an input on interface out0" in flow["error"], f"an interface without rules: {flow}")
    check("no input there" in daemon.ctl("explain", "--pcap", good, "out0").stdout, "in the table")


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
