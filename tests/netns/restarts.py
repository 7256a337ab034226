# SPDX-License-Identifier: BSD-2-Clause
"""Restarts while a stream passes: of a running daemon (--take-over), and by a service manager that keeps the
descriptors (--store). For the tests, and for the long form, tests/soak/restarts.py."""

import array
import contextlib
import dataclasses
import json
import os
import signal
import socket
import struct

from harness import (BUILD, Daemon, Sink, check, equal, program, queue_drops, start, wait_until,
                     work_directory)
from control import Client
from manager import Manager

RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


@dataclasses.dataclass(frozen=True)
class Load:
    """How often, and what passes meanwhile."""

    times: int
    rate: int  # packets/s
    flows: int = 1
    frames: int = 32768
    sink: tuple = ()  # more options of the sink
    source_cpu: str = ""  # where the generator runs, which occupies its CPU in the kernel
    relay_cpus: str = ""  # where the daemons run
    old_kernel: bool = False  # AF_XDP sockets cannot be taken over, as before Linux 6.4

    def prefix(self):
        """The command that runs the daemons."""
        library = os.path.join(BUILD, "tests/netns/one_mapping.so")
        preload = ["env", f"LD_PRELOAD={library}", "ASAN_OPTIONS=verify_asan_link_order=0"]
        check(os.path.exists(library) or not self.old_kernel, f"{library} is not built")
        return pinned(self.relay_cpus) + (preload if self.old_kernel else [])


@dataclasses.dataclass
class Outcome:
    """What a stream has met, from end to end."""

    sent: int
    rate: float  # packets/s that were really sent
    lost: int
    doubled: int
    reordered: int
    gap_ms: float  # the longest in a flow
    gaps_ms: list  # during which nobody read the rings, one a restart
    messages: list  # IGMP and MLD, after the start
    uncertain: int = 0  # frames that were in a process when it was killed
    dropped: int = 0  # by the kernel at the socket
    refused: int = 0  # redirected packets, by the output device
    passed: int = 0  # to the kernel, because there was no socket
    stats: dict = None  # counters of the last daemon
    daemon: Daemon = None

    def text(self):
        """For people."""
        return (f"{len(self.gaps_ms)} restarts, {self.sent} packets: {self.lost} lost, {self.doubled} doubled, "
                f"{self.reordered} reordered, {self.uncertain} frames uncertain, {self.dropped} did not fit "
                f"the ring, {self.refused} refused by the device, {len(self.messages)} IGMP and MLD "
                f"messages, longest gap {self.gap_ms:.0f} ms, without a reader: "
                f"{' '.join(f'{gap:.1f}' for gap in self.gaps_ms)} ms")


def pinned(cpus):
    """The command that runs another one on these CPUs; empty: on any."""
    return ["taskset", "-c", cpus] if cpus else []


def take_over(daemon, *rules, arguments=(), **options):
    """Start a successor of the daemon, and wait until it relays and the daemon has ended. Returns it."""
    successor = Daemon(daemon.namespace, *rules, arguments=("--socket", daemon.socket, "--take-over",
                                                            *arguments), **options)
    successor.socket = daemon.socket
    equal(daemon.process.wait(), 0, "exit code of the predecessor")
    return successor


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
        return self._bundle()

    def _bundle(self):
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
        """Have the daemon pause. Returns what it holds."""
        self.send(b"p")
        equal(self.client.socket.recv(1), b"P", "answer to the pause")
        return self._bundle()

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


def stored_daemon(star, manager, *rules, socket_path=None, **options):
    """A daemon that the manager starts, with what the last one has left."""
    arguments = ["--store", *(("--socket", socket_path) if socket_path else ())]
    prefix = [*options.pop("prefix", ()), *manager.prefix()]
    daemon = Daemon(star.relay, *rules, arguments=arguments, prefix=prefix, fds=manager.fds(), **options)
    if socket_path:
        daemon.socket = socket_path
        check(daemon.process.find_line(r"taken-over\b.*\bfrom=store\b"), "it has found the store")
    return daemon


def gap_ms(daemon):
    """For how long nobody read the RX rings when this daemon took over, as far as it knows."""
    return int(daemon.process.wait_line(r"taken-over\b.*\bgap_us=(\d+)")[1]) / 1000


class Stream:
    """A stream that xmcast-gen sends in the background, until it is stopped."""

    def __init__(self, source, load):
        # Bounded, in case that nobody stops it.
        self.process = start(source, *pinned(load.source_cpu), program("xmcast-gen"), "s0", "-j", "--rate",
                             str(load.rate), "--duration", str(60 + 10 * load.times), "--flows",
                             str(load.flows), "--flow-by", "source", name="xmcast-gen")

    def stop(self):
        """Returns the report."""
        equal(self.process.returncode, None, "the stream still passed")
        self.process.stop(signal.SIGINT)
        return json.loads(self.process.output)


class Wire:
    """What passes an interface: the IGMP and MLD messages of the other side."""

    def __init__(self, namespace, device):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            self.socket.bind((device, 3))
            self.socket.setblocking(False)

    def messages(self):
        """The reports and leaves that were seen since the last call."""
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


    def wait_join(self):
        """Wait for the report of a join, which is repeated once (robustness variable 2)."""
        joins = []
        wait_until(lambda: joins.extend(self.messages()) or len(joins) == 2, "the join is seen, twice")


class Run:
    """A stream through a daemon that is restarted: start it, restart it load.times times, end it."""

    def __init__(self, star, load, begin):
        """`begin()` starts the first daemon."""
        # Reports are repeated at once, not within a second (RFC 3376, 8.11).
        star.relay.sysctl("net/ipv4/conf/in0/igmpv3_unsolicited_report_interval", 10)
        self.load, self.gaps, self.uncertain = load, [], 0
        self.wire = Wire(star.source, "s0")
        self.daemon = daemon = begin()
        self.wire.wait_join()
        self.started = daemon.stats()["uptime_seconds"]
        self.sink = Sink(star.receiver, "r0", "--port", "6000", "--group", "239.2.2.2", *load.sink)
        self.stream = Stream(star.source, load)
        daemon.wait_steered(1)

    def restarted(self, daemon):
        """This one has taken the place of the last one. Wait until it relays."""
        self.daemon = daemon
        self.gaps.append(gap_ms(daemon))
        stats = daemon.stats()
        self.uncertain += sum(worker["uncertain_frames"] for worker in stats["workers"])
        daemon.wait_steered(stats["totals"]["steered_packets"] + 1)

    def end(self, counted=True):
        """The stream ends. Returns the outcome. `counted`: the counters have gone on from the start."""
        sent = self.stream.stop()
        steered = sent["sent_packets"]
        if self.load.old_kernel and counted:
            steered = wait_until(lambda: self._all_seen(sent["sent_packets"]), "all packets are counted")
        stats = self.daemon.settle(steered if counted else None)
        report = self.sink.stop()
        for fault in ("stale", "corrupted", "malformed"):
            equal(report[fault], 0, fault)
        if counted:
            check(stats["uptime_seconds"] >= self.started, "the uptime has gone on")
            equal(stats["events"]["taken-over"], self.load.times, "events of all processes")
        interface = stats["interfaces"][0]
        return Outcome(
            sent["sent_packets"], sent["sent_packets"] / sent["seconds"],
            sent["sent_packets"] - report["received_packets"] + report["duplicated"],
            report["duplicated"], report["reordered"], report["longest_gap_ns"] / 1e6, self.gaps,
            self.wire.messages(), self.uncertain, sum(map(queue_drops, interface["queues"])),
            sum(counts["dropped_packets"] for counts in interface["redirected"].values()),
            interface["verdicts"]["no_socket"], stats, self.daemon)

    def _all_seen(self, sent):
        """Once all were steered or passed to the kernel: how many were steered."""
        stats = self.daemon.stats()
        steered = stats["totals"]["steered_packets"]
        return steered if steered + stats["interfaces"][0]["verdicts"]["no_socket"] == sent else 0


def _config(load, rule):
    return f"rules: [ '{rule}' ]\nworkers: {{ frames: {load.frames} }}\n"


def planned(star, load, rule=RULE, *, build=None):
    """Successors take over. `build`: the build directory of every other one. Returns the outcome."""
    config = _config(load, rule)
    prefix = load.prefix()
    run = Run(star, load, lambda: Daemon(star.relay, config=config, prefix=prefix))
    for number in range(load.times):
        run.restarted(take_over(run.daemon, config=config, prefix=prefix,
                                build=build if number % 2 == 0 else None))
    return run.end()


def stored(star, load, rule=RULE, *, end=Daemon.stop, between=lambda manager: None, counted=True):
    # pylint: disable=too-many-arguments
    """A manager restarts the daemon, which ends as end(daemon). `between`: called while none runs.
    `counted`: see Run.end(). Returns the outcome."""
    manager = Manager(work_directory())
    config = _config(load, rule)
    prefix = load.prefix()
    run = Run(star, load, lambda: stored_daemon(star, manager, config=config, prefix=prefix))
    path = run.daemon.socket
    for _ in range(load.times):
        end(run.daemon)
        between(manager)
        run.restarted(stored_daemon(star, manager, config=config, socket_path=path, prefix=prefix))
    return run.end(counted)
