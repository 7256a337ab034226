#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl explain: what it says about a packet is what happens to one, and nothing is disturbed."""

import json

from harness import (EXIT_REFUSED, EXIT_USAGE, Daemon, Star, check, equal, main, packet_socket, rule_of, test,
                     wait_until)
from kernel_rules import V4, star_for, wait_rule
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
    return (stats["totals"], [(rule["received_packets"], rule["outputs"]) for rule in stats["rules"]],
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
    before = counters(daemon)
    answer = explain(daemon, *words)
    equal(counters(daemon), before, "counters")
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
def without_perfmon():
    """The program for the user path alone, which needs fewer rights, is tried as well"""
    star = Star()
    rights = "+net_admin,+net_raw,+bpf,+ipc_lock"
    daemon = Daemon(star.relay, f"a in {GROUP}:5000@in0 {OUTPUTS}", prefix=(
        "setpriv", f"--bounding-set=-all,{rights}", f"--inh-caps=-all,{rights}"))
    answer = undisturbed(daemon, star, SOURCE, ">", f"{GROUP}:5000@in0", "len", "5")
    equal((answer["verdict"]["reason"], answer["rule"]["name"]), ("steered", "a"), "verdict and rule")
    as_stated(daemon, star, answer)


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


if __name__ == "__main__":
    main()
