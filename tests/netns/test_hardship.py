#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Attacks, accidents and mistakes that a running daemon must survive."""

import fcntl
import json
import os
import socket
import subprocess

from harness import (Daemon, Sink, Star, check, check_clean, equal, generate, interface_of, main,
                     program, receive, receiver, relay_stream, rule_of, sender, test, wait_until)
from netns import PATIENCE, work_directory

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


def fill(descriptor):
    """Write until a pipe is full."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    for size in (4096, 1):
        try:
            while True:
                os.write(descriptor, b"x" * size)
        except BlockingIOError:
            pass
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)


@test
def nobody_reads_the_log():
    """A full pipe as stderr delays neither packets nor the shutdown"""
    star = Star()
    reader, writer = os.pipe()
    path = f"{work_directory()}/deaf.sock"
    # The second output has no route: an error that is logged every second.
    command = star.relay.command(program("xmcastd"), "--socket", path, "--rule",
                                 RULE + " out 192.0.2.1:7")
    with subprocess.Popen(command, stderr=writer, stdin=subprocess.DEVNULL) as daemon:
        try:
            wait_until(lambda: os.path.exists(path) and subprocess.run(
                [program("xmcastctl"), "--socket", path, "ping"], check=False,
                capture_output=True).returncode == 0, "an answer")
            fill(writer)
            sink = Sink(star.receiver, "r0", "--port", "6000")
            sent = generate(star.source, "s0", "--rate", "5000", "--count", "15000")  # fit the frames
            out = wait_until(lambda: sent_on_first(path, sent["sent_packets"]), "all sent")
            check_clean(sink.stop(), sent, out["send_errors"])
            daemon.terminate()
            equal(daemon.wait(PATIENCE), 0, "exit code")
        finally:
            daemon.kill()
            os.close(reader)
            os.close(writer)


def sent_on_first(path, count):
    """The counters of the first output, once this number of packets was sent or refused on it."""
    answer = subprocess.run([program("xmcastctl"), "--socket", path, "-j", "stats", "show"],
                            check=True, capture_output=True, text=True).stdout
    output = json.loads(answer)["rules"][0]["outputs"][0]
    return output["sent_packets"] + output["send_errors"] == count and output


@test
def state_follows_the_interface():
    """Set down, up and deleted: the states of interface and rule change, with the reason"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, "a " + RULE, "b in 239.1.1.1:5000@in1 out 239.2.2.2:6001@out0")

    def states():
        stats = daemon.stats()
        return interface_of(stats, "in0")["state"], rule_of(stats, "a")["state"]

    equal(states(), ("active", "active"), "states at the start")
    star.relay.ip("link set in0 down")
    wait_until(lambda: states() == ("impaired", "pending"), "in0 is impaired")
    check("down" in rule_of(daemon.stats(), "a")["reason"], "the reason does not mention it")
    equal(rule_of(daemon.stats(), "b")["state"], "active", "state of the other rule")
    star.relay.ip("link set in0 up")
    wait_until(lambda: states() == ("active", "active"), "in0 is back")
    wait_until(lambda: star.source.running("s0"), "the source's link transmits again")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(b"back", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"back", "payload")
    star.relay.ip("link del in0")
    wait_until(lambda: states() == ("failed", "pending"), "in0 is deleted")
    daemon.ready = ""  # one worker less than at the start


@test
def many_requests_of_one_client():
    """A client with a thousand requests in one write delays neither others nor SIGTERM"""
    star = Star()
    rules = [f"r{i} in 239.1.{i // 250}.{i % 250}:5000@in0 out 239.2.2.2:6000@out0"
             for i in range(1000)]
    daemon = Daemon(star.relay, config="rules:\n" + "".join(f"  - {rule}\n" for rule in rules))
    with socket.socket(socket.AF_UNIX) as greedy:
        greedy.connect(daemon.socket)
        greedy.sendall(b'{"jsonrpc":"2.0","method":"stats.show"}\n' * 1500)
        daemon.ctl("ping")
        daemon.stop()


@test
def few_descriptors():
    """With too few descriptors the last rules are pending with the reason, and the others relay"""
    star = Star()
    rules = [f"r{i} in 239.1.{i // 250}.{i % 250}:5000@in0 out 239.2.2.2:6000@out0"
             for i in range(500)]
    daemon = Daemon(star.relay, config="rules:\n" + "".join(f"  - {rule}\n" for rule in rules),
                    prefix=("prlimit", "--nofile=300:300"))
    stats = daemon.stats()
    equal(rule_of(stats, "r0")["state"], "active", "state of the first rule")
    last = rule_of(stats, "r499")
    check(last["state"] == "pending" and "ulimit -n" in last["reason"], f"the last rule: {last}")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(b"first", ("239.1.0.0", 5000))
    equal(receive(output)[0], b"first", "payload")


@test
def passing_refusal():
    """A route that refuses for a while (EINVAL) does not disable batches permanently"""
    star = Star()
    star.relay.ip("route add blackhole 192.0.2.1")
    daemon = Daemon(star.relay, "in 239.1.1.1:5000@in0 out 192.0.2.1:6000")
    sent = generate(star.source, "s0", "--rate", "100000", "--count", "5000", "--size", "500")
    stats = daemon.settle(steered=sent["sent_packets"])
    output = stats["rules"][0]["outputs"][0]
    equal(output["sent_packets"], 0, "sent into a blackhole")
    equal(output["gso_segments"], 64, "gso_segments")
    star.relay.ip("route replace 192.0.2.1 via 10.2.0.2")

    def start_sinks():
        return [Sink(star.receiver, "r0", "--port", "6000")]

    relay_stream(daemon, star.source, start_sinks, "--rate", "10000", "--count", "5000")


@test
def hangup():
    """SIGHUP is logged and does not end the daemon"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    daemon.process.send_signal(1)
    daemon.process.wait_line(r"reloaded .*added=0 removed=0 replaced=0")
    daemon.ctl("ping")


main()
