#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl explain PACKET and --pcap: what it says about packets is what happens to them, and nothing is disturbed."""

import json
import re
import struct

from explained import GROUP, OUTPUTS, SOURCE, counters, explain, findings, relaying, send, the_cause
from harness import (EXIT_REFUSED, EXIT_USAGE, Daemon, Star, check, equal, main, need, packet_socket, rule_of, run,
                     test, wait_until, write_file)
from kernel_rules import V4, V6, star_for, wait_rule
from wire import UDP, Capture, frame, ip, mac_of_group, udp


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


if __name__ == "__main__":
    main()
