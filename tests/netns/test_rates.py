#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rates, flow states, latency, and the events of their changes."""

import os
import re
import signal

from control import Client
from harness import (Daemon, Star, check, equal, generate, interface_of, main, program, rule_of,
                     start, test, wait_until, work_directory, write_file)

RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 out 10.2.1.2:6001"
IDLE = "idle in 239.1.1.9:5000@in0 out 239.2.2.9:6000@out0"
CONFIG = f"rules:\n  - {RULE}\n  - {IDLE}\nevents: {{ silent_after: 2 }}\n"
RATE, SIZE = 10000, 1000


def poll(daemon, condition, what):
    """Wait until the statistics meet a condition, polling slowly to leave the CPU to the relay."""
    def look():
        stats = daemon.stats()
        return condition(stats) and stats

    return wait_until(look, what, pause=0.2)


def parts(rule):
    """The rule and its outputs, which all have rates."""
    return [rule, *rule["outputs"]]


def near(seen, expected):
    """Within 10 %."""
    return abs(seen - expected) <= expected / 10


def runs_at(part, pps):
    """Do the rates of both windows, in packets and in bits, match this?"""
    return all(near(part[f"{rate}_pps"], pps) and near(part[f"{rate}_bps"], pps * 8 * SIZE)
               for rate in ("rate", "rate_10s"))


def check_idle(stats):
    """Check that the rule without traffic has no rates."""
    rule = rule_of(stats, "idle")
    equal(rule["flow"], "never", "flow of an idle rule")
    equal(rule["latency"], None, "its latency")
    for part in parts(rule):
        equal(part["last_packet_seconds"], None, "its last packet")
        for key in ("rate_pps", "rate_bps", "rate_10s_pps", "rate_10s_bps", "peak_pps", "peak_bps"):
            equal(part[key], 0, f"its {key}")


def count_lines(daemon, pattern):
    """Lines of the log that match."""
    return sum(bool(re.search(pattern, line)) for line in daemon.process.lines)


def flow_events(daemon):
    """The flow events of cam1 in the log, in order."""
    found = [re.search(r"\b(flowing|silent) rule=cam1$", line) for line in daemon.process.lines]
    return [match[1] for match in found if match]


@test
def rates():
    """A paced stream: never, flowing at the rate that is sent, silent; peaks stay until reset"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, config=CONFIG)
    equal(rule_of(daemon.stats(), "cam1")["flow"], "never", "flow before the first packet")
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", str(RATE),
                   "--size", str(SIZE))
    daemon.wait_steered(3 * RATE)
    stats = poll(daemon, lambda stats: all(runs_at(part, RATE) and part["last_packet_seconds"] == 0 for part in
                                           parts(rule_of(stats, "cam1"))), f"{RATE} packets/s")
    equal(rule_of(stats, "cam1")["flow"], "flowing", "flow")
    check_idle(stats)
    for part in parts(rule_of(stats, "cam1")):
        check(part["peak_pps"] >= part["rate_pps"] and part["peak_bps"] >= part["rate_bps"],
              f"a peak below the rate: {part}")
    stream.stop()
    stats = poll(daemon, lambda stats: rule_of(stats, "cam1")["flow"] == "silent", "silence")
    for part in parts(rule_of(stats, "cam1")):
        check(part["last_packet_seconds"] >= 1, f"last packet: {part}")
        equal(part["rate_pps"], 0, "rate of the last second")
        check(part["rate_10s_pps"] > 0, "the rate of the last ten seconds is zero already")
        check(part["peak_pps"] >= 0.9 * RATE, f"the peak is lost: {part}")
    equal(Client(daemon.socket).call("stats.reset_peaks"), {}, "answer to stats.reset_peaks")
    for part in parts(rule_of(daemon.stats(), "cam1")):
        equal((part["peak_pps"], part["peak_bps"]), (0, 0), "peaks after a reset")
    poll(daemon, lambda stats: not any(part["rate_10s_pps"] for part in
                                       parts(rule_of(stats, "cam1"))), "nothing in ten seconds")
    wait_until(lambda: generate(star.source, "s0", "--rate", "100", "--count", "10") and
               rule_of(daemon.stats(), "cam1")["flow"] == "flowing", "it flows again", pause=0.2)
    wait_until(lambda: len(flow_events(daemon)) >= 3, "events of the stream", pause=0.2)
    equal(flow_events(daemon)[:3], ["flowing", "silent", "flowing"], "events of the stream")
    check("rule=idle" not in daemon.stop(), "an event about the idle rule")


def check_latency(daemon, ports, *options):
    """Send packets, and check that each rule has timed one in 64, starting with the first, per output."""
    sent = generate(daemon.star.source, "s0", "--flows", str(ports), *options)
    stats = daemon.settle(daemon.sent + sent["sent_packets"])
    daemon.sent += sent["sent_packets"]
    for rule in stats["rules"]:
        latency, outputs = rule["latency"], len(rule["outputs"])
        equal(latency["samples"], (rule["received_packets"] + 63) // 64 * outputs,
              f"samples of {rule['received_packets']} packets to {outputs} outputs")
        equal(sum(count for _, count in latency["buckets"]), latency["samples"], "in buckets")
        uppers = [upper for upper, _ in latency["buckets"]]
        equal(uppers, sorted(set(uppers)), "order of the buckets")
        check(0 < latency["p50_ns"] <= latency["p90_ns"] <= latency["p99_ns"] <= latency["max_ns"],
              f"order of the quantiles: {latency}")
        check(latency["max_ns"] < uppers[-1] and latency["max_ns"] < 30e9, f"maximum: {latency}")
        check(latency["sum_ns"] <= latency["samples"] * latency["max_ns"], f"sum: {latency}")
    return stats


def latency_daemon(star, config):
    """A daemon with a rule of one output and one of two."""
    rules = ("rules:\n  - in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0\n"
             "  - in 239.1.1.1:5001@in0 out 239.2.2.2:6001@out0 out 10.2.1.2:6001\n")
    daemon = Daemon(star.relay, config=rules + config)
    daemon.star, daemon.sent = star, 0
    return daemon


@test
def latency():
    """One packet in 64 is timed for every output, in batches and singly"""
    star = Star(receivers=2)
    for config in ("", "egress: { gso: off }\n", "egress: { engine: sendmmsg }\n"):
        daemon = latency_daemon(star, config)
        check_latency(daemon, 2, "--rate", "1000", "--count", "2")  # the first ones are
        check_latency(daemon, 2, "--rate", "1000", "--count", "126")  # the 64th is not,
        check_latency(daemon, 2, "--rate", "1000", "--count", "2")  # the 65th is
        check_latency(daemon, 2, "--rate", "50000", "--count", "50000")
        daemon.stop()


@test
def latency_refused_batches():
    """The same where batches are refused and sent singly"""
    star = Star(receivers=2, out_mtu=1000)
    daemon = latency_daemon(star, "")
    for size in (1300, 1250, 1200):  # each smaller size is tried again
        stats = check_latency(daemon, 2, "--count", "20000", "--size", str(size))
    refused = sum(output["gso_refused_batches"] for rule in stats["rules"]
                  for output in rule["outputs"])
    check(refused > 0, "not one batch was refused")


@test
def dropping():
    """An output that drops packets is logged once, by errno, and once when it has ended"""
    star = Star(receivers=2)
    star.relay.run("tc", "qdisc", "replace", "dev", "out0", "root", "tbf", "rate", "2mbit",
                   "burst", "16kb", "limit", "64mb")
    daemon = Daemon(star.relay, RULE)
    sent = generate(star.source, "s0", "--rate", "10000", "--count", "20000")
    found = daemon.process.wait_line(r"^warn\S*\s+dropping rule=cam1 output=(\S+) errors=(\S+)$")
    equal(found[1], "239.2.2.2:6000@out0", "output")
    errors = dict(pair.split(":") for pair in found[2].split(","))
    check(set(errors) & {"EAGAIN", "ENOBUFS"} and all(int(n) > 0 for n in errors.values()),
          f"errors: {errors}")
    daemon.process.wait_line(r"^info\s+dropping-ended rule=cam1 output=239.2.2.2:6000@out0$")
    star.relay.run("tc", "qdisc", "del", "dev", "out0", "root")
    daemon.settle(steered=sent["sent_packets"])
    log = daemon.stop()
    check(log.count(" dropping rule=cam1 output=239.2.2.2:6000@out0") <= 2,
          f"logged repeatedly:\n{log}")
    check(" dropping rule=cam1 output=10.2.1.2:6001" not in log or "ENOBUFS" in log, f"the other output:\n{log}")


@test
def dropping_ends_with_the_rule():
    """Replacing or disabling a rule whose output drops packets ends the dropping event"""
    star = Star(receivers=2)
    star.relay.run("tc", "qdisc", "replace", "dev", "out0", "root", "tbf", "rate", "2mbit",
                   "burst", "16kb", "limit", "64mb")
    daemon = Daemon(star.relay, RULE)
    stream = start(star.source, program("xmcast-gen"), "s0", "--rate", "10000", "--duration", "60")

    def ended():
        return count_lines(daemon, " dropping-ended rule=cam1")

    for words in (["replace", *RULE.split(), "ttl", "9"], ["disable", "cam1"]):
        wait_until(lambda: count_lines(daemon, " dropping rule=cam1") > ended(), "drops")
        before = ended()
        daemon.ctl("rule", *words)
        wait_until(lambda seen=before: ended() > seen, f"the end at {words[0]}")
    stream.stop()
    daemon.stop()


@test
def buffer_exhausted():
    """Buffer exhaustion is logged once for an interface, and once when it has ended"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, config=CONFIG + "workers: { frames: 64, rx_ring: 1024 }\n")
    sent = generate(star.source, "s0", "--duration", "2")
    found = daemon.process.wait_line(r"^warn\S*\s+buffer-exhausted interface=in0 packets=(\d+)$")
    stats = daemon.settle(steered=sent["sent_packets"])
    exhausted = interface_of(stats, "in0")["queues"][0]["fill_ring_empty"]
    check(0 < int(found[1]) <= exhausted, f"{found[1]} packets logged, {exhausted} counted")
    daemon.process.wait_line(r"^info\s+buffer-exhausted-ended interface=in0$")


@test
def pending_and_active():
    """Rules of an interface that is set down are pending, and active once it is up"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, config=CONFIG)
    star.relay.ip("link set in0 down")
    for rule in ("cam1", "idle"):
        daemon.process.wait_line(rf'^warn\S*\s+pending rule={rule} reason="interface in0 is down')
    star.relay.ip("link set in0 up")
    for rule in ("cam1", "idle"):
        daemon.process.wait_line(rf"^info\s+active rule={rule}$")


@test
def pending_is_logged_once():
    """A rule that waits for an output's interface is logged once, however often it is retried"""
    star = Star(receivers=2)
    config = CONFIG.replace(IDLE, "late in 239.1.1.8:5000@in0 out 239.2.2.8:6000@late0")
    daemon = Daemon(star.relay, config=config)
    daemon.process.wait_line(r'^warn\S*\s+pending rule=late reason="output interface late0')
    for reloads in (1, 2):
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda count=reloads: count_lines(daemon, r" reloaded ") == count, "a reload")
        poll(daemon, lambda stats, seen=daemon.stats()["uptime_seconds"]:
             stats["uptime_seconds"] > seen + 1, "two samples")
    star.relay.ip("link add late0 type veth peer name late1")
    star.relay.ip("link set late1 up")
    star.relay.ip("link set late0 up")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.process.wait_line(r"^info\s+active rule=late$")
    equal(count_lines(daemon, r" pending rule=late\b"), 1, "times that the pending rule was logged")


@test
def bounded():
    """300 rules change at once: 100 events, and the number of suppressed ones"""
    star = Star(receivers=2)
    rules = [f"r{i} in 239.1.1.1:{5000 + i}@in0 out 239.2.2.2:{6000 + i}@out0" for i in range(300)]
    daemon = Daemon(star.relay, *rules)
    star.relay.ip("link set in0 down")
    daemon.process.wait_line(r"^warn\S*\s+events-suppressed count=200$")
    equal(count_lines(daemon, " pending rule="), 100, "events")


main()
