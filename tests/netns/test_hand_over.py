#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A restart that nobody sees: a successor takes over from the running daemon (--take-over), or the service
manager restarts it (--store). The long form is tests/soak/restarts.py."""

import array
import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import threading
import time

from harness import netns  # pylint: disable=ungrouped-imports
from harness import (ATTEMPTS, Daemon, Sink, Star, check, check_clean, diagnose, equal, main, program,
                     receiver, sender, start, test, wait_until, work_directory)
from control import Client, Refused
from ipv6 import Star6
from manager import Manager
from restarts import RULE, Load, Stream, Successor, Wire, planned, resumed, stored, stored_daemon, take_over

RATE = 10000
LOAD = Load(times=4, rate=RATE)
# The programs start again, on a machine that may be busy: what arrives meanwhile has to fit the rings.
STORE_LOAD = Load(times=4, rate=RATE // 4)
KERNEL_RULES = [RULE.replace(" out ", " path kernel out ", 1) + more for more in ("", " out 239.2.2.3:6001@out0")]
NOBODY = 65534


def check_unseen(outcome):
    """No packet was lost, doubled or reordered, the counters have gone on, and no switch has noticed."""
    diagnose(outcome.text())
    equal((outcome.lost, outcome.doubled, outcome.reordered), (0, 0, 0), "lost, doubled, reordered")
    equal(outcome.messages, [], "IGMP and MLD messages during the restarts")
    stats = outcome.stats
    equal(stats["generation"], 1, "generation of the configuration")
    equal(stats["events"]["packets-missing"], 0, "false alarms of the audit")
    for output in stats["rules"][0]["outputs"]:
        equal(output["sent_packets"], outcome.sent, f"sent to {output['to']}")


def kernel_star():
    """A star whose receiver accepts redirected packets."""
    star = Star()
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    return star


@test
def take_overs():
    """Planned restarts under load: no packet is lost, doubled or reordered, all are counted"""
    check_unseen(planned(Star(), LOAD))


@test
def kernel_path():
    """The same on the kernel path, with one output and with several"""
    for rule in KERNEL_RULES:
        check_unseen(planned(kernel_star(), dataclasses.replace(LOAD, times=LOAD.times // 2), rule))
        netns.clean_up()


@test
def store():
    """The service manager restarts the daemon: nothing is lost, as long as the rings hold what arrives"""
    check_unseen(stored(Star(), STORE_LOAD))


@test
def store_kernel_path():
    """The same on the kernel path, which goes on while no process runs"""
    check_unseen(stored(kernel_star(), LOAD, KERNEL_RULES[1]))


@test
def killed():
    """kill -9 with a holder of the descriptors: what waits in the rings is relayed, the rest is counted"""
    outcome = stored(Star(), STORE_LOAD, end=Daemon.kill, counted=False)
    diagnose(outcome.text())
    check(outcome.dropped <= outcome.lost <= outcome.uncertain + outcome.dropped,
          f"{outcome.lost} packets lost, {outcome.uncertain} frames uncertain, {outcome.dropped} dropped by the "
          "kernel")
    equal((outcome.doubled, outcome.reordered), (0, 0), "doubled, reordered")
    equal(outcome.messages, [], "IGMP and MLD messages")


OLD_KERNEL = dataclasses.replace(LOAD, times=3, old_kernel=True)


@test
def old_kernel():
    """Before Linux 6.4 sockets are opened again: what was steered is sent, the rest is counted as no_socket, no IGMP"""
    for run in (planned, stored):
        outcome = run(Star(), OLD_KERNEL)
        diagnose(outcome.text())
        equal((outcome.lost, outcome.doubled, outcome.reordered), (outcome.passed, 0, 0),
              "lost (expected: passed to the kernel), doubled, reordered")
        check(outcome.passed, "no packet came while there was no socket")
        equal(outcome.messages, [], "IGMP and MLD messages")
        log = outcome.daemon.process
        log.wait_line("socket-not-taken-over")
        check(not log.find_line("interface-failed"), "the interface has failed")
        netns.clean_up()


@test
def old_kernel_path():
    """There, nothing is lost on the kernel path"""
    for run in (planned, stored):
        check_unseen(run(kernel_star(), OLD_KERNEL, KERNEL_RULES[0]))
        netns.clean_up()


@test
def memberships6():
    """IPv6: the group stays joined, and no switch sees a message about it"""
    star = Star6()
    wire = Wire(star.source, "s0")
    rule = "six in [ff3e::1:1]:5000@in0 out [ff3e::2:1]:6000@out0"
    quiet = []
    wait_until(lambda: quiet.append(wire.messages()) or len(quiet) > 2 and not any(quiet[-3:]),
               "the interfaces have joined their own groups", pause=0.1)
    daemon = Daemon(star.relay, rule)
    wire.wait_join()
    for _ in range(2):
        daemon = take_over(daemon, rule)
    groups = [entry["group"] for entry in Client(daemon.socket).call("group.list")["groups"]]
    equal(groups, ["ff3e::1:1"], "joined groups")
    equal(wire.messages(), [], "MLD messages during the restarts")


def change_abi(manager):
    """Have the manifest that the manager stores say that another version of the maps has written it."""
    changed = 0
    for name, fd in list(manager.stored.items()):
        if not name.endswith("-out"):
            continue
        with socket.socket(fileno=os.dup(fd)) as pair, contextlib.suppress(BlockingIOError):
            _, ancillary, _, _ = pair.recvmsg(24, socket.CMSG_SPACE(4), socket.MSG_PEEK | socket.MSG_DONTWAIT)
            text, = array.array("i", ancillary[0][2])
            before = os.pread(text, os.fstat(text).st_size, 0)
            after = re.sub(rb'"abi": ?\d', lambda match: match[0][:-1] + b"0", before)
            changed += os.pwrite(text, after, 0) > 0 and after != before
            os.close(text)
    equal(changed, 1, "manifests that were changed")


@test
def other_abi():
    """The predecessor's maps are laid out differently: no stream is interrupted, and it is logged"""
    for rule, kernel in ((RULE, False), (KERNEL_RULES[1], True)):
        # What the kernel path counts while no process runs is lost.
        outcome = stored(kernel_star() if kernel else Star(), Load(times=2, rate=RATE // 4), rule,
                         between=change_abi, counted=not kernel)
        equal((outcome.lost, outcome.doubled, outcome.reordered), (0, 0, 0), "lost, doubled, reordered")
        equal(outcome.messages, [], "IGMP and MLD messages")
        outcome.daemon.process.wait_line("not-taken-over .*ABI version 0")
        diagnose(outcome.text())
        netns.clean_up()


@test
def successor_ends():
    """The successor ends at every step, under load: the daemon goes on, and no packet is lost"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, STORE_LOAD)
    daemon.wait_steered(1)
    Successor(daemon).end()
    for number, step in enumerate((lambda s: s.offer(), lambda s: (s.offer(), s.pause())) * 2, 1):
        successor = Successor(daemon)
        step(successor)
        change = daemon.ctl("rule", "add", "x in 239.1.1.9:5000@in0 out 239.2.2.9:6000@out0",
                            check=False)
        check("is taking over" in change.stderr, f"a change meanwhile: {change.stderr}")
        successor.end()
        resumed(daemon, number)
    sent = stream.stop()
    stats = daemon.settle(sent["sent_packets"])
    check_clean(sink.stop(), sent)
    equal(stats["rules"][0]["outputs"][0]["sent_packets"], sent["sent_packets"], "sent")
    daemon.ctl("rule", "add", "x in 239.1.1.9:5000@in0 out 239.2.2.9:6000@out0")
    check(take_over(daemon, RULE).stats(), "a later successor takes over")


def lives_on(star, kill, *, old_kernel=False):
    """Start a successor under load, and have kill(predecessor, successor) end one of them. The other one relays, and
    its books close. Returns it."""
    prefix = dataclasses.replace(LOAD, old_kernel=old_kernel).prefix()
    config = f"rules: [ '{RULE}' ]\nworkers: {{ frames: 16384 }}\n"
    daemon = Daemon(star.relay, config=config, prefix=prefix)
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, STORE_LOAD)
    daemon.wait_steered(1000)
    successor = Daemon(star.relay, config=config, ready=False, prefix=prefix,
                       arguments=("--socket", daemon.socket, "--take-over"))
    successor.socket = daemon.socket
    kill(daemon, successor)
    survivor = successor if daemon.process.returncode is not None else daemon
    survivor.process.wait_line(r"^\w+\s+ready\b")
    survivor.retired = old_kernel  # it may have opened its interface again
    survivor.wait_steered(survivor.stats()["totals"]["steered_packets"] + 1000)
    sent = stream.stop()
    stats = survivor.settle()
    report = sink.stop()
    uncertain = stats["workers"][0]["uncertain_frames"]
    passed = stats["interfaces"][0]["verdicts"]["no_socket"]
    missing = sent["sent_packets"] - report["received_packets"]
    diagnose(f"{missing} lost, {uncertain} frames uncertain, {passed} passed to the kernel")
    equal((report["duplicated"], report["reordered"]), (0, 0), "doubled, reordered")
    # If the predecessor ended before it was asked, what waited in its rings is lost with it.
    found = not survivor.process.find_line("nothing-to-take-over")
    check(old_kernel or not found or missing <= uncertain + passed, f"{missing} packets lost")
    return survivor


def at_line(victim, watched, pattern):
    """kill() of lives_on(): end the victim when the log of `watched` has the line. 0: predecessor, 1: successor."""
    def kill(*daemons):
        daemons[watched].process.wait_line(pattern)
        end(daemons[victim])
    return kill


def end(daemon):
    """kill -9, unless it has already ended as a predecessor does, because this program got no CPU."""
    daemon.process.kill()
    check(daemon.process.returncode in (0, -signal.SIGKILL), f"exit code {daemon.process.returncode}")


class TooLate(Exception):
    """The successor had taken over when it was killed, because this program got no CPU in time."""


def offered(daemon, successor):
    """kill() of lives_on(): end the successor after the offer, before it has taken over."""
    at_line(1, 0, "hand-over-offered")(daemon, successor)
    wait_until(lambda: daemon.process.find_line("hand-over-failed") or daemon.process.returncode is not None,
               "the predecessor has noticed, or ended")
    if daemon.process.returncode is not None:
        raise TooLate


def stopped(daemon, _):
    """kill() of lives_on(): the predecessor hangs after its offer, and is killed once it is waited for."""
    daemon.process.wait_line("hand-over-offered")
    daemon.process.send_signal(signal.SIGSTOP)
    end(daemon)


@test
def predecessor_killed():
    """kill -9 of the predecessor at every step: the successor goes on with what it has been offered"""
    for kill in (at_line(0, 1, "."), at_line(0, 0, "hand-over-offered"), stopped, at_line(0, 0, "frame-audit"),
                 at_line(0, 0, "handed-over")):
        survivor = lives_on(Star(), kill)
        check(survivor.process.find_line("ready"), "the successor")
        netns.clean_up()


@test
def successor_killed():
    """kill -9 of the successor before it has taken over: the predecessor goes on, also before Linux 6.4"""
    for old in (False, True):
        for attempt in range(ATTEMPTS):
            with contextlib.suppress(TooLate):
                resumed(lives_on(Star(), offered, old_kernel=old), 1)
                break
            diagnose(f"attempt {attempt + 1}: the successor had taken over when it was killed")
            netns.clean_up()
        else:
            check(False, f"the successor had taken over in each of {ATTEMPTS} attempts")
        netns.clean_up()


@test
def socket_removed():
    """Somebody has removed the socket file: the next process makes a new one"""
    star, manager = Star(), Manager(work_directory())
    daemon = stored_daemon(star, manager, RULE)
    os.unlink(daemon.socket)
    daemon.stop()
    daemon = stored_daemon(star, manager, RULE, socket_path=daemon.socket)
    equal(daemon.stats()["rules"][0]["state"], "active", "state of the rule")


@test
def poor_successor():
    """A successor without descriptors or memory ends with a reason: the predecessor goes on, and no packet is lost"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, STORE_LOAD)
    daemon.wait_steered(1)
    for limit in ("--nofile=12", "--nofile=40", "--as=40000000"):
        successor = Daemon(star.relay, RULE, ready=False, prefix=("prlimit", limit),
                           arguments=("--socket", daemon.socket, "--take-over"))
        check(successor.process.wait() in (70, 127), f"{limit}: exit {successor.process.returncode}")
        check(successor.process.log().strip(), f"{limit}: no reason")
    check(daemon.ctl("rule", "list"), "it answers")
    sent = stream.stop()
    stats = daemon.settle(sent["sent_packets"])
    check_clean(sink.stop(), sent)
    equal(stats["rules"][0]["outputs"][0]["sent_packets"], sent["sent_packets"], "sent")


@test
def two_successors():
    """Two successors at once: one takes over, the other one is refused; no packet is lost"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, STORE_LOAD)
    for _ in range(3):
        daemon.wait_steered(daemon.stats()["totals"]["steered_packets"] + 1)
        both = [Daemon(star.relay, RULE, ready=False, arguments=("--socket", daemon.socket, "--take-over"))
                for _ in range(2)]
        equal(daemon.process.wait(), 0, "exit code of the predecessor")
        for successor in both:
            successor.socket = daemon.socket
            wait_until(lambda daemon=successor: daemon.process.returncode is not None or
                       daemon.process.find_line(r"^\w+\s+ready\b"), "ready, or ended")
        ended = [successor for successor in both if successor.process.returncode is not None]
        # The slower one may also have come when the other one relayed already: then it took over from that.
        check(all(successor.process.returncode in (0, 2) for successor in ended), "exit code of the other one")
        equal(len(ended), 1, "successors that ended")
        (daemon,) = set(both) - set(ended)
    sent = stream.stop()
    stats = daemon.settle(sent["sent_packets"])
    check_clean(sink.stop(), sent)
    equal(stats["rules"][0]["outputs"][0]["sent_packets"], sent["sent_packets"], "sent")


@test
def hostile_successor():
    """Commands out of order and nonsense end the hand-over, and nothing else"""
    daemon = Daemon(Star().relay, RULE)
    for words in (b"p", b"c", b"P", b"x", b"oc", b"oo", b"\0" * 100, b"ocp"):
        successor = Successor(daemon)
        successor.send(words)
        successor.client.socket.settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            while successor.client.socket.recv(65536):
                pass
        successor.end()
    successor = Successor(daemon)
    try:
        Successor(daemon)
        check(False, "two successors at once")
    except Refused as refusal:
        check("taking over" in refusal.message, refusal.message)
    successor.end()
    equal(daemon.stats()["rules"][0]["state"], "active", "state of the rule")


@test
def rights():
    """Only root and the daemon's user may take over, not administrators"""
    config = (f"rules: [ '{RULE}' ]\ncontrol: {{ group: '{NOBODY}', admin_group: '{NOBODY}' }}\n")
    daemon = Daemon(Star().relay, config=config)
    os.chmod(work_directory(), 0o755)
    with Client(daemon.socket, NOBODY, NOBODY) as client:
        client.call("rule.disable", names=["cam1"])
        try:
            client.call("daemon.hand_over")
            check(False, "an administrator got the descriptors")
        except Refused as refusal:
            equal(refusal.code, -32003, "code")
    check(Successor(daemon).offer()["format"], "root gets them")


@test
def no_predecessor():
    """--take-over without a running daemon starts as usual; with a bad configuration nothing happens"""
    star = Star()
    daemon = Daemon(star.relay, RULE, arguments=("--take-over",))
    check(daemon.process.find_line("nothing-to-take-over"), "it is logged")
    bad = start(star.relay, program("xmcastd"), "--socket", daemon.socket, "--take-over", "--rule",
                "nonsense", name="xmcastd, bad")
    equal(bad.wait(), 78, "exit code with a bad rule")
    equal(daemon.stats()["rules"][0]["state"], "active", "state of the rule")
    check(not daemon.process.find_line("hand-over-offered"), "nothing was asked for")


@test
def other_configuration():
    """The successor has other rules: what both have goes on without a loss, the rest changes"""
    star = Star()
    daemon = Daemon(star.relay, RULE, "old in 239.1.1.2:5000@in0 out 239.2.2.4:6000@out0")
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, STORE_LOAD)
    daemon.wait_steered(1)
    daemon = take_over(daemon, RULE, "new in 239.1.1.3:5000@in0 out 239.2.2.5:6000@out0")
    daemon.wait_steered(daemon.stats()["totals"]["steered_packets"] + 1)
    sent = stream.stop()
    stats = daemon.settle(sent["sent_packets"])
    check_clean(sink.stop(), sent)
    equal(sorted(rule["name"] for rule in stats["rules"]), ["cam1", "new"], "rules")
    equal({rule["state"] for rule in stats["rules"]}, {"active"}, "states")
    groups = [entry["group"] for entry in Client(daemon.socket).call("group.list")["groups"]]
    equal(groups, ["239.1.1.1", "239.1.1.3"], "joined groups")


@test
def clients():
    """No client is refused, and the source port stays"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    ports = set()
    for _ in range(2):
        source.sendto(b"payload", ("239.1.1.1", 5000))
        ports.add(output.recvfrom(100)[1])
        refused = []
        done = threading.Event()

        def connect(path=daemon.socket):
            while not done.is_set():
                try:
                    Client(path).close()
                except OSError as error:
                    refused.append(error)
                time.sleep(0.001)

        thread = threading.Thread(target=connect)
        thread.start()
        daemon = take_over(daemon, RULE)
        done.set()
        thread.join()
        equal(refused, [], "refused connections")
    source.sendto(b"payload", ("239.1.1.1", 5000))
    ports.add(output.recvfrom(100)[1])
    equal(len(ports), 1, f"source ports of the output: {ports}")


if __name__ == "__main__":
    main()
