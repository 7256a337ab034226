#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A restart that nobody sees: a successor takes over from the running daemon (--take-over).

XMCAST_TAKE_OVERS: how many times (10). XMCAST_TAKE_OVER_RATE: packets/s meanwhile (10000).
XMCAST_TAKE_OVER_FLOWS: in so many flows (1). XMCAST_TAKE_OVER_FRAMES: workers.frames (32768, which hold
what arrives within 3 s). The targets, on an idle machine, are 100 times at 200,000 packets/s in 50 flows
on the user path, and at 1,000,000 on the kernel path.
"""

import array
import contextlib
import json
import os
import socket
import struct
import threading
import time

from harness import netns  # pylint: disable=ungrouped-imports
from harness import (Daemon, Sink, Star, check, check_clean, diagnose, equal, main, program, queue_drops,
                     receiver, sender, start, test, wait_until, work_directory)
from control import Client, Refused
from manager import Manager

TIMES = int(os.environ.get("XMCAST_TAKE_OVERS", "10"))
FLOWS = int(os.environ.get("XMCAST_TAKE_OVER_FLOWS", "1"))
FRAMES = int(os.environ.get("XMCAST_TAKE_OVER_FRAMES", "32768"))
RATE = int(os.environ.get("XMCAST_TAKE_OVER_RATE", "10000"))
NOBODY = 65534
RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


def take_over(daemon, *rules, arguments=(), **options):
    """Start a successor of the daemon, and wait until it relays and the daemon has ended. Returns it."""
    successor = Daemon(daemon.namespace, *rules, arguments=("--socket", daemon.socket, "--take-over",
                                                            *arguments), **options)
    successor.socket = daemon.socket
    equal(daemon.process.wait(), 0, "exit code of the predecessor")
    return successor


def gap_us(daemon):
    """For how long nobody read the RX rings when this daemon took over."""
    return int(daemon.process.wait_line(r"taken-over\b.*\bgap_us=(\d+)")[1])


class Stream:
    """A stream that xmcast-gen sends in the background."""

    def __init__(self, source, rate, *options):
        self.process = start(source, program("xmcast-gen"), "s0", "-j", "--rate", str(rate),
                             *options, name="xmcast-gen")

    def report(self):
        """Wait until it has ended."""
        self.process.wait(120)
        return json.loads(self.process.output)


class Wire:
    """What passes an interface: the IGMP and MLD messages of the other side."""

    def __init__(self, namespace, device):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            self.socket.bind((device, 3))
            self.socket.setblocking(False)

    def messages(self):
        """The reports and leaves that were seen so far."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, address = self.socket.recvfrom(256)
                if address[2] == socket.PACKET_OUTGOING:
                    continue
                if packet[:1] == b"\x46" or packet[9:10] == b"\x02" and packet[0] >> 4 == 4:
                    found.append("IGMP")
                elif packet[0] >> 4 == 6 and packet[6:7] == b"\0":
                    found.append("MLD")
        return found


def check_counters(daemon, sent, rules=1):
    """The counters have gone on: those of all processes add up to what was sent."""
    stats = daemon.settle(sent["sent_packets"])
    equal(stats["generation"], 1, "generation of the configuration")
    equal(stats["events"]["packets-missing"], 0, "false alarms of the audit")
    for rule in stats["rules"][:rules]:
        for output in rule["outputs"]:
            equal(output["sent_packets"], sent["sent_packets"], f"sent to {output['to']}")
    return stats


def restarts(star, rule, rate, *, sinks):
    """Take over TIMES times while a stream passes. Returns the last daemon and the counters."""
    star.relay.sysctl("net/ipv4/conf/in0/igmpv3_unsolicited_report_interval", 10)
    wire = Wire(star.source, "s0")
    config = f"rules: [ '{rule}' ]\nworkers: {{ frames: {FRAMES} }}\n"
    daemon = Daemon(star.relay, config=config)
    joins = []
    wait_until(lambda: joins.extend(wire.messages()) or len(joins) == 2, "the join is seen, twice")
    started = daemon.stats()["uptime_seconds"]
    receivers = sinks()
    stream = Stream(star.source, rate, "--count", str(rate * TIMES), "--flows", str(FLOWS), "--flow-by", "source")
    gaps = []
    for _ in range(TIMES):
        daemon = take_over(daemon, config=config)
        gaps.append(gap_us(daemon))
    sent = stream.report()
    for sink in receivers:
        check_clean(sink.stop(), sent)
    stats = check_counters(daemon, sent)
    check(stats["uptime_seconds"] >= started, "the uptime has gone on")
    equal(stats["events"]["taken-over"], TIMES, "events of all processes")
    equal(wire.messages(), [], "IGMP and MLD messages during the restarts")
    diagnose(f"{TIMES} take-overs at {rate} packets/s, gaps in ms: "
             f"{' '.join(f'{us / 1000:.1f}' for us in gaps)}")
    return daemon, stats


@test
def planned():
    """Planned restarts under load: no packet is lost, doubled or reordered, all are counted"""
    star = Star()
    restarts(star, RULE, RATE, sinks=lambda: [
        Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")])


@test
def kernel_path():
    """The same on the kernel path, with one output and with several"""
    for outputs in ("out 239.2.2.2:6000@out0", "out 239.2.2.2:6000@out0 out 239.2.2.3:6001@out0"):
        star = Star()
        star.receiver.run("ethtool", "-K", "r0", "gro", "on")
        restarts(star, f"cam1 in 239.1.1.1:5000@in0 path kernel {outputs}", RATE, sinks=lambda: [
            Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")])
        netns.clean_up()


def stored_daemon(star, manager, rule, socket_path=None):
    """A daemon that the manager starts, with what the last one has left."""
    arguments = ["--store", *(("--socket", socket_path) if socket_path else ())]
    daemon = Daemon(star.relay, rule, arguments=arguments, prefix=manager.prefix())
    daemon.socket = socket_path or daemon.socket
    return daemon


def stored_restarts(star, rule, rate):
    """The manager restarts the daemon TIMES times while a stream passes: nothing is lost or uncounted."""
    manager = Manager(work_directory())
    daemon = stored_daemon(star, manager, rule)
    path = daemon.socket
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, rate, "--count", str(rate * TIMES))
    for _ in range(TIMES):
        daemon.stop()
        daemon = stored_daemon(star, manager, rule, path)
        check(daemon.process.find_line(r"taken-over\b.*\bfrom=store\b"), "it has found the store")
    sent = stream.report()
    check_clean(sink.stop(), sent)
    check_counters(daemon, sent)


@test
def store():
    """The service manager restarts the daemon: nothing is lost, as long as the rings hold what arrives"""
    stored_restarts(Star(), RULE, RATE // 4)  # the programs start anew, on a machine that may be busy


@test
def store_kernel_path():
    """The same on the kernel path, which goes on while no process runs"""
    star = Star()
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    stored_restarts(star, RULE.replace(" out ", " path kernel out ", 1) +
                    " out 239.2.2.3:6001@out0", RATE)


@test
def killed():
    """kill -9 with a holder of the descriptors: what waits in the rings is relayed, the rest is counted"""
    star = Star()
    manager = Manager(work_directory())
    daemon = stored_daemon(star, manager, RULE)
    path = daemon.socket
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    rate = RATE // 4
    stream = Stream(star.source, rate, "--count", str(rate * TIMES))
    uncertain = 0
    for _ in range(TIMES):
        daemon.kill()
        daemon = stored_daemon(star, manager, RULE, path)
        check(daemon.process.find_line(r"taken-over\b.*\bfrom=store\b"), "it has found the store")
        uncertain += sum(worker["uncertain_frames"] for worker in daemon.stats()["workers"])
    sent = stream.report()
    stats = daemon.settle()  # the books of the last one close, though its predecessor's are lost
    dropped = sum(queue_drops(queue) for queue in stats["interfaces"][0]["queues"])
    report = sink.stop()
    missing = sent["sent_packets"] - report["received_packets"] + report["duplicated"]
    diagnose(f"{TIMES} kills at {rate} packets/s: {report['lost']} lost, {report['duplicated']} doubled, "
             f"{report['reordered']} reordered, {uncertain} frames uncertain, {dropped} did not fit the ring")
    check(dropped <= missing <= uncertain + dropped,
          f"{missing} packets lost, {uncertain} frames uncertain, {dropped} dropped by the kernel")
    for fault in ("duplicated", "reordered", "corrupted", "malformed"):
        equal(report[fault], 0, fault)


class Successor:
    """A process that asks for the place of a daemon, and does what the test wants."""

    def __init__(self, daemon):
        self.client = Client(daemon.socket)
        self.client.call("daemon.hand_over")

    def send(self, command):
        """A command of daemon/hand_over.h."""
        self.client.send(command)

    def offer(self):
        """Ask for the descriptors. Returns the manifest; the descriptors are closed."""
        self.send(b"o")
        header, fds = self._receive(24)
        _, length, count = struct.unpack("QQQ", header)
        text = os.pread(fds[0], length, 0)
        received = 0
        while received < count:
            _, more = self._receive(8)
            fds += more
            received += len(more)
        for fd in fds:
            os.close(fd)
        return json.loads(text)

    def pause(self):
        """Have the daemon pause."""
        self.send(b"p")
        equal(self.client.socket.recv(1), b"P", "answer to the pause")

    def _receive(self, size):
        data, ancillary, _, _ = self.client.socket.recvmsg(size, socket.CMSG_SPACE(1024))
        equal(len(data), size, "bytes of a message")
        return data, [fd for _, _, part in ancillary for fd in array.array("i", part)]

    def end(self):
        """It ends, however."""
        self.client.close()


def resumed(daemon, count):
    """Wait until a daemon has noticed that its successor has ended, for the `count`-th time."""
    wait_until(lambda: len([line for line in daemon.process.lines if "hand-over-failed" in line])
               == count, "the hand-over has failed")


@test
def successor_ends():
    """The successor ends at every step, under load: the daemon goes on, and no packet is lost"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2")
    stream = Stream(star.source, RATE, "--count", str(RATE * 3))
    Successor(daemon).end()
    for number, step in enumerate((lambda s: s.offer(), lambda s: (s.offer(), s.pause())) * 2, 1):
        successor = Successor(daemon)
        step(successor)
        change = daemon.ctl("rule", "add", "x in 239.1.1.9:5000@in0 out 239.2.2.9:6000@out0",
                            check=False)
        check("is taking over" in change.stderr, f"a change meanwhile: {change.stderr}")
        successor.end()
        resumed(daemon, number)
    sent = stream.report()
    check_clean(sink.stop(), sent)
    check_counters(daemon, sent)
    daemon.ctl("rule", "add", "x in 239.1.1.9:5000@in0 out 239.2.2.9:6000@out0")
    check(take_over(daemon, RULE).stats(), "a later successor takes over")


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
    stream = Stream(star.source, RATE, "--count", str(RATE * 2))
    daemon = take_over(daemon, RULE, "new in 239.1.1.3:5000@in0 out 239.2.2.5:6000@out0")
    sent = stream.report()
    check_clean(sink.stop(), sent)
    stats = daemon.stats()
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
