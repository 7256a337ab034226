#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Start, end, crash and restart; privileges; missing and unusable interfaces."""

import json
import os
import re

from harness import (EXIT_DONE, EXIT_PERMISSION, EXIT_REFUSED, Daemon, Namespace, Passage, Sink,
                     Star, check, check_clean, equal, interface_of, main, need, program, receive,
                     receiver, rule_of, sender, start, test, wait_until, work_directory)

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


def attached(namespace, device="in0"):
    """Is an XDP program attached to the interface?"""
    return "xdp" in namespace.ip(f"link show {device}")


def joined(namespace, group="010101EF"):
    """Is the group in /proc/net/igmp (which uses the host's byte order)?"""
    return group in namespace.read("/proc/net/igmp")


def relays(star, text=b"alive"):
    """Check that a packet is relayed."""
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(text, ("239.1.1.1", 5000))
    equal(receive(output)[0], text, "payload")


def refused(daemon, code, *words):
    """The daemon ends by itself with this exit code and logs all of these words."""
    status = daemon.process.wait()
    equal(status, code, f"exit code; log:\n{daemon.process.log()}\n")
    for word in words:
        check(word in daemon.process.log(), f"{word} is not in the log:\n{daemon.process.log()}")
    check(not daemon.process.find_line(r"^\w+\s+ready\b"), "logged that it is ready")


@test
def start_and_stop():
    """After a graceful shutdown no program, membership or socket is left"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    check(attached(star.relay) and joined(star.relay), "not attached, or not joined")
    relays(star)
    daemon.settle(steered=1)
    daemon.stop()
    check(not attached(star.relay), "the XDP program is still attached")
    check(not joined(star.relay), "the group is still joined")
    check(not os.path.exists(daemon.socket), "the control socket still exists")


@test
def startup_line():
    """The start-up line has kernel, XDP mode, copy mode, engine and its flags"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    line = daemon.process.find_line(r"interface-ready .*")
    check(line, daemon.process.log())
    for word in ("iface=in0", "kernel=", "xdp_mode=native", "data=copy", "engine=io_uring:"):
        check(word in line[0], f"{word} is not in: {line[0]}")
    kind = interface_of(daemon.stats(), "in0")
    equal((kind["mode"], kind["zero_copy"]), ("native", False), "mode and zero_copy")


@test
def fails_open():
    """After kill -9 the packets reach the kernel's stack"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    relays(star)
    daemon.kill()
    wait_until(lambda: not attached(star.relay), "the XDP program is detached")
    local = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
    sender(star.source, "10.1.0.1").sendto(b"to the stack", ("239.1.1.1", 5000))
    equal(receive(local)[0], b"to the stack", "payload")


@test
def second_daemon():
    """A second daemon on the same interface is refused, and the first is not disturbed"""
    star = Star(sources=2)
    first = Daemon(star.relay, RULE)
    passage = Passage(first)
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "20000",
                   "--duration", "30")
    first.wait_steered(1000)
    for rules in ([RULE], ["in 239.7.7.7:7000@in0 out 239.2.2.2:6001@out0"],
                  ["in 239.1.1.1:5000@in1 out 239.2.2.2:6001@out0", RULE]):
        refused(Daemon(star.relay, *rules, ready=False), EXIT_REFUSED, "in0", "another xmcastd")
    check(attached(star.relay), "the first daemon's program is detached")
    check(not attached(star.relay, "in1"), "the refused daemon left its program on in1")
    steered = first.stats()["totals"]["steered_packets"]
    first.wait_steered(steered + 5000)
    stream.stop()
    sent = json.loads(stream.output)
    passage.end(sent)
    check_clean(sink.stop(), sent, *passage.missing())


@test
def second_daemon_same_socket():
    """A second daemon with the same control socket is refused, and the first still answers"""
    star = Star(sources=2)
    first = Daemon(star.relay, RULE)
    other = start(star.relay, program("xmcastd"), "--socket", first.socket, "--rule",
                  "in 239.1.1.1:5000@in1 out 239.2.2.2:6001@out0")
    equal(other.wait(), EXIT_REFUSED, f"exit code; log:\n{other.log()}\n")
    check(first.socket in other.log(), other.log())
    first.ctl("ping")
    check(not attached(star.relay, "in1"), "the refused daemon left its program")
    relays(star)
    first.settle(steered=1)


@test
def stale_socket():
    """The socket of a killed daemon does not prevent a start"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    daemon.kill()
    check(os.path.exists(daemon.socket), "the killed daemon left no socket")
    again = start(star.relay, program("xmcastd"), "--socket", daemon.socket, "--rule", RULE)
    again.wait_line(r"^\w+\s+ready\b")
    daemon.ctl("ping")
    equal(again.stop(), EXIT_DONE, "exit code")


@test
def two_daemons_side_by_side():
    """Two daemons on different interfaces of one host do not disturb each other"""
    star = Star(sources=2)
    one = Daemon(star.relay, RULE)
    two = Daemon(star.relay, "in 239.1.1.1:5000@in1 out 239.2.2.2:6001@out0")
    output = receiver(star.receiver, 6001, "239.2.2.2", "10.2.0.2")
    relays(star)
    sender(star.sources[1], "10.1.1.1").sendto(b"two", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"two", "payload")
    for daemon in (one, two):
        daemon.settle(steered=1)


# ---- privileges ------------------------------------------------------------------------------

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def without(*capabilities):
    """Root without these."""
    less = ",".join(f"-{capability}" for capability in capabilities)
    return ("setpriv", f"--bounding-set={less}", f"--inh-caps={less}")


@test
def no_privileges():
    """An ordinary user: exit 77, naming the capabilities and the remedy"""
    star = Star()
    refused(Daemon(star.relay, RULE, prefix=NOBODY, ready=False), EXIT_PERMISSION,
            "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF")
    check(not attached(star.relay) and not joined(star.relay), "something is left behind")


@test
def one_privilege_missing():
    """A single missing capability: exit 77, names it and leaves nothing behind"""
    star = Star()
    for missing in (("net_admin",), ("net_raw",), ("bpf", "sys_admin")):
        daemon = Daemon(star.relay, RULE, prefix=without(*missing), ready=False)
        refused(daemon, EXIT_PERMISSION, f"CAP_{missing[0].upper()}")
        check(not attached(star.relay) and not joined(star.relay), f"left without {missing}")
    daemon = Daemon(star.relay, RULE)
    relays(star)
    daemon.settle(steered=1)


@test
def hinted_privileges():
    """An ordinary user with only the capabilities of the hint can relay"""
    star = Star()
    poor = Daemon(star.relay, RULE, prefix=NOBODY, ready=False)
    refused(poor, EXIT_PERMISSION)
    hint = re.search(r"(cap_[a-z_]+(,cap_[a-z_]+)+)", poor.process.log())
    check(hint, f"no hint names the capabilities:\n{poor.process.log()}")
    wanted = hint[1].replace("cap_", "+")
    prefix = (*NOBODY, f"--inh-caps={wanted}", f"--ambient-caps={wanted}")
    os.chmod(work_directory(), 0o755)
    # The directory of the control socket is missing, and the user cannot create it.
    refused(Daemon(star.relay, RULE, prefix=prefix, ready=False, arguments=(
        "--socket", os.path.join(work_directory(), "none", "socket"))), EXIT_PERMISSION,
            "control-failed", "Permission denied")
    os.chmod(work_directory(), 0o1777)  # for the control socket
    daemon = Daemon(star.relay, RULE, prefix=prefix)
    equal(daemon.stats()["rules"][0]["state"], "active", f"state with {hint[1]}")
    relays(star)
    daemon.settle(steered=1)


@test
def late_privilege():
    """A right that is needed late, to lock memory, is missing: logged with the remedy, no crash"""
    star = Star()
    need("prlimit")
    # With CAP_SYS_RESOURCE the daemon would raise the limit.
    prefix = ("prlimit", "--memlock=65536:65536", *without("ipc_lock", "sys_resource"))
    daemon = Daemon(star.relay, RULE, prefix=prefix, ready=False)
    wait_until(lambda: daemon.process.returncode is not None or
               daemon.process.find_line(r"^\w+\s+ready\b"), "ready, or the end")
    log = daemon.process.log()
    check("memlock" in log or "ulimit -l" in log, f"the limit is not logged:\n{log}")
    check(not attached(star.relay), "attached without frames")
    if daemon.process.returncode is None:
        rule = daemon.stats()["rules"][0]
        equal(rule["state"], "pending", "state")


# ---- interfaces ------------------------------------------------------------------------------

def pending(star, rule, *words):
    """Of two rules, this one is pending with a reason that has these words, and the other relays."""
    daemon = Daemon(star.relay, f"bad {rule}", f"good {RULE}")
    stats = daemon.stats()
    bad = rule_of(stats, "bad")
    equal(bad["state"], "pending", "state")
    for word in words:
        check(word in bad["reason"], f"{word} is not in the reason: {bad['reason']}")
    check(re.search(r"active=1 pending=1", daemon.ready), daemon.ready)
    check("bad" in daemon.ctl("stats", "show").stdout, "the table does not show the rule")
    equal(rule_of(stats, "good")["state"], "active", "state of the other rule")
    relays(star)
    daemon.settle(steered=1)
    daemon.stop()


@test
def no_input_interface():
    """An input interface that does not exist"""
    pending(Star(), "in 239.1.1.1:5000@nowhere out 239.2.2.2:6001@out0", "nowhere", "exist")


@test
def no_output_interface():
    """An output interface that does not exist"""
    pending(Star(), "in 239.1.1.2:5000@in0 out 239.2.2.2:6001@nowhere", "nowhere", "exist")


@test
def interface_down():
    """An input interface that is down: the reason includes the remedy"""
    star = Star(sources=2)
    star.relay.ip("link set in1 down")
    pending(star, "in 239.1.1.1:5000@in1 out 239.2.2.2:6001@out0", "down", "ip link set in1 up")


@test
def all_pending():
    """If every rule is pending, the daemon keeps running and reports it"""
    relay = Namespace("relay")
    daemon = Daemon(relay, "in 239.1.1.1:5000@nowhere out 239.2.2.2:6001@nowhere")
    check("active=0 pending=1" in daemon.ready, daemon.ready)
    daemon.ctl("ping")


@test
def interfaces_vanish():
    """The interface of an output, then of the input is deleted: counted, no crash, a graceful end"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, RULE + " out 239.3.3.3:6001@out1")
    star.relay.ip("link del out1")
    relays(star)
    stats = daemon.settle(steered=1)
    good, gone = stats["rules"][0]["outputs"]
    equal((good["sent_packets"], gone["sent_packets"], gone["send_errors"]), (1, 0, 1),
          f"sent, and not sent: {gone}")
    star.relay.ip("link del in0")
    daemon.ctl("ping")
    daemon.stats()


@test
def veth_peer_down():
    """After its link was down, a rule relays again"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    star.source.ip("link set s0 down")
    daemon.ctl("ping")
    star.source.ip("link set s0 up")
    wait_until(lambda: star.source.running("s0"), "s0 transmits")
    relays(star)
    daemon.settle(steered=1)


@test
def routed_output_without_route():
    """A unicast output without a route: errors are counted by name, the other output sends all"""
    star = Star()
    daemon = Daemon(star.relay, RULE + " out 192.0.2.1:6001")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    for i in range(10):
        sock.sendto(b"%d" % i, ("239.1.1.1", 5000))
        equal(receive(output)[0], b"%d" % i, "payload")
    stats = daemon.settle(steered=10)
    equal(stats["rules"][0]["outputs"][1]["errors"], {"ENETUNREACH": 10}, "errors by name")


main()
