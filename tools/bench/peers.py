# SPDX-License-Identifier: BSD-2-Clause
"""The relays that are compared: xmcastd in its variants, the bare AF_XDP receiver, and the relays that
adapter scripts start.

A peer has a key, a label and start(). `delivers`: packets reach the sink.
The object that start() returns has
    pids        the processes whose CPU time is the relay's; empty if the kernel does the work
    counters()  its current counters, or None if it has none
    at_rest(n)  false if it knows that it still holds some of the n packets sent to it
    stop()      stops it and returns what is known at the end: resident_bytes, faults, received
"""

import contextlib
import json
import os
import re
import shutil
import signal
import time

import netns
from bed import (BUILD, GROUP, GROUP6, IN_IFACE, IN_IFACES, OUT_GROUP, OUT_GROUP6, OUT_IFACE,
                 OUT_IFACES, OUT_PORT, PORT, SOURCE, Skip, pinned, program)
from load import Load

ADAPTERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "adapters")
SKIPPED = 77  # exit code of an adapter that does not support the case
ADAPTER_SECONDS = 15

# Ten thousand rules are read, their groups joined and their sockets connected first.
READY_SECONDS = 60

# Counters that only grow: the figures are their differences over the run.
TOTALS = ("steered_packets", "received_packets", "submitted_packets", "sent_packets",
          "send_errors", "dropped_packets", "buffer_exhausted_packets", "withheld_packets")


# ---- xmcastd -------------------------------------------------------------------------------------

class Xmcastd:
    """Our relay with certain settings."""

    delivers = True

    def __init__(self, key, label, *, gso="on", engine="io_uring", wakeup="eventfd", path="user",
                 build=BUILD):  # pylint: disable=too-many-arguments
        self.key, self.label = key, label
        self._engine, self._build = engine, build
        self._settings = f"egress: {{ engine: {engine}, gso: {gso}, wakeup: {wakeup} }}\n"
        if path != "user":
            self._settings += f"relay: {{ path: {path} }}\n"

    def start(self, bed, case, cpus):
        """Start one daemon in each relay of the bed and wait until all are ready."""
        running = RunningXmcastd(self._build)
        try:
            for number, relay in enumerate(bed.relays):
                running.add(relay, number, self._config(case, number), cpus)
            self._check_engine(running)
            if case.load.lease:
                running.hold()
        except BaseException:
            running.kill()
            raise
        return running

    def _config(self, case, number):
        """The configuration of relay `number`: each relay receives what the previous one sends."""
        last = number + 1 == case.relays
        rules = list(_rules(case.load, _hop_group(number, case.load),
                            None if last else _hop_group(number + 1, case.load)))
        return "rules:\n" + "".join(rules) + self._settings + "statistics: { interval: 0 }\n"

    def _check_engine(self, running):
        """Skip if xmcastd used another engine than the row is named after."""
        if self._engine == "io_uring" or f"engine={self._engine}" in running.log():
            return
        features = netns.run(program("xmcastd", self._build), "-V").stdout
        if not re.search(rf"^features:.*\b{self._engine}\b", features, re.M):
            raise Skip(f"this xmcastd has no engine {self._engine}")


class RunningXmcastd:
    """One or more daemons."""

    def __init__(self, build):
        self._daemons = []  # (namespace, process, control socket)
        self._daemon, self._ctl = program("xmcastd", build), program("xmcastctl", build)

    def add(self, relay, number, config, cpus):
        """Start one more and wait until all its rules are active."""
        stem = os.path.join(netns.work_directory(), f"relay{number}")
        with open(f"{stem}.yaml", "w", encoding="ascii") as file:
            file.write(config)
        process = relay.start(*pinned(cpus, self._daemon, "-c", f"{stem}.yaml", "--socket",
                                      f"{stem}.sock"), name="xmcastd")
        self._daemons.append((relay, process, f"{stem}.sock"))
        process.wait_line(r"^\w+\s+ready\b", READY_SECONDS)
        failed = process.find_line(r"interface-failed.*|pending=[1-9]\d*")
        if failed:
            raise netns.CommandFailed(f"not all rules of xmcastd are active: {failed[0]}")

    @property
    def pids(self):
        """All daemons."""
        return [process.pid for _, process, _ in self._daemons]

    def hold(self):
        """Give all daemons the lease of their rules."""
        for relay, _, path in self._daemons:
            relay.run(self._ctl, "--socket", path, "lease", "set", "bench", "for", "1h")

    def log(self):
        """The logs of all daemons."""
        return "\n".join(process.log() for _, process, _ in self._daemons)

    def _stats(self):
        """The counters of each daemon."""
        for relay, _, path in self._daemons:
            done = relay.run(self._ctl, "--socket", path, "-j", "stats", "show")
            yield json.loads(done.stdout)

    def at_rest(self, sent):
        """Has everything that was sent arrived at the first daemon and left every daemon?"""
        first, *others = self._stats()
        return (first["totals"]["steered_packets"] >= sent
                and all(map(_holds_nothing, (first, *others))))

    def counters(self):
        """Totals of all daemons, and what the kernel dropped because an RX ring was full."""
        sums = dict.fromkeys((*TOTALS, "rx_ring_full"), 0)
        for stats in self._stats():
            for name in TOTALS:
                sums[name] += stats["totals"][name]
            sums["rx_ring_full"] += sum(queue["rx_ring_full"] for interface in stats["interfaces"]
                                        for queue in interface["queues"])
        return sums

    def _resident_beyond_umem(self):
        """Bytes of all daemons together. Only the UMEM uses huge pages, which VmRSS does not count."""
        total = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                status = file.read()
            for field in ("VmRSS", "HugetlbPages"):
                total += 1024 * int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1])
        return total - sum(map(int, re.findall(r"\bumem_bytes=(\d+)", self.log())))

    def stop(self):
        """Shut down gracefully. A leaked frame or an exit code other than 0 is a fault."""
        resident = self._resident_beyond_umem()
        faults = []
        for _, process, _ in self._daemons:
            status = process.stop()
            if status or re.search(r"frame-audit.*leaked=[1-9]", process.log()):
                faults.append(f"xmcastd: exit {status}: {process.log()}")
        return {"resident_bytes": resident, "faults": faults}

    def kill(self):
        """Kill it after a failure."""
        for _, process, _ in self._daemons:
            if process.returncode is None:
                process.kill()


def _holds_nothing(stats):
    """Is no packet between the daemon's XDP program and its output sockets?"""
    totals = stats["totals"]
    seen = totals["received_packets"] + sum(
        queue["rx_dropped"] + queue["rx_ring_full"] for interface in stats["interfaces"]
        for queue in interface["queues"])
    return (seen == totals["steered_packets"]
            and totals["submitted_packets"] == totals["sent_packets"] + totals["send_errors"]
            and not any(worker["queued_frames"] or worker["in_flight_frames"]
                        for worker in stats["workers"]))


def _hop_group(number, load):
    """The group that relay `number` receives: the generator's for the first."""
    if number:
        return f"239.9.{number}.1"
    return f"[{GROUP6}]" if load.families[0] == "6" else GROUP


def _copy_group(copy, load):
    """The group that a copy is sent to."""
    separator = ":" if load.families[-1] == "6" else "."
    base, _, last = (OUT_GROUP6 if separator == ":" else OUT_GROUP).rpartition(separator)
    if separator == ":":
        return f"[{base}:{int(last) + copy:x}]"
    return f"{base}.{int(last) + copy}"


def _rules(load, group, next_group):
    """YAML of the rules: one for each flow, then those that match nothing."""
    for flow in range(1 if load.flow_by == "source" else load.flows):
        if next_group:
            yield _rule(f"flow{flow}", group, PORT + flow, [(next_group, PORT + flow, OUT_IFACE)])
        else:
            copies = [(_copy_group(copy, load), OUT_PORT + flow, OUT_IFACES[copy % load.devices])
                      for copy in range(load.fanout)]
            yield _rule(f"flow{flow}", group, PORT + flow * load.sides, copies, load)
    for other in range(load.rules - load.flows):
        high, low = divmod(other, 100)
        yield _rule(f"other{other}", f"239.3.{high // 250}.{high % 250 + 1}", PORT + low,
                    [(f"239.4.{high // 250}.{high % 250 + 1}", OUT_PORT + low, OUT_IFACE)])


# With 16 bits, rate x skew must stay below 49,152 (docs/merge.md).
MERGE_SKEW = "10ms"


def _inputs(group, port, load):
    """The input, or those that are merged. The generator serves successive ports in turn, by
    `ways` interfaces."""
    if not load.merge:
        return f"    in: '{group}:{port}@{IN_IFACES[(port - PORT) % load.ways]}'\n"
    sides = ", ".join(f"'{chr(ord('A') + side)}:{group}:{port + side}@{IN_IFACES[side % load.ways]}'"
                      for side in range(load.sides))
    return f"    in: [{sides}]\n    merge: {load.merge}\n    skew: {MERGE_SKEW}\n"


def _rule(name, group, port, outputs, load=Load()):
    words = load.headers.split()
    options = {"ttl": 8, **dict(zip(words[::2], words[1::2]))}
    text = ", ".join(f"{name}: {value}" for name, value in options.items())
    held = "    lease: bench\n" if load.lease else ""
    watched = f"    watch: {load.watch}\n" if load.watch else ""
    lines = [f"  - name: {name}\n{_inputs(group, port, load)}{held}{watched}    out:\n"]
    for to, to_port, device in outputs:
        lines.append(f"      - {{ to: '{to}:{to_port}@{device}', {text} }}\n")
    return "".join(lines)


# ---- bare AF_XDP receiver ------------------------------------------------------------------------

class Receive:
    """Receives through AF_XDP and sends nothing: an upper bound for a relay on this path."""

    key, label = "receive", "bare AF_XDP receive (no relaying)"
    delivers = False

    def start(self, bed, case, cpus):
        """Steer the flows to user space and drop them there."""
        vlan = ("--vlan", case.load.vlan) if case.load.vlan else ()
        process = bed.relays[0].start(*pinned(
            cpus, program("xmcast-bench-receive"), IN_IFACE, "--group", GROUP, "--port", PORT,
            "--flows", case.load.flows, *vlan), name="xmcast-bench-receive")
        process.wait_line("ready")
        return RunningReceive(process)


class RunningProgram:
    """A process that forwards or drains by itself, and leaves nothing to wait for at its end."""

    pids = ()

    def __init__(self, process):
        self._process = process

    @staticmethod
    def counters():
        """None: it does not report any while it runs."""

    @staticmethod
    def at_rest(_sent):
        """True: it holds no packets, or drains them before it ends."""
        return True

    def kill(self):
        """Kill it after a failure."""
        if self._process.returncode is None:
            self._process.kill()


class RunningReceive(RunningProgram):
    """The process, which prints its counters when it ends."""

    def __init__(self, process):
        super().__init__(process)
        self.pids = [process.pid]

    def stop(self):
        """Stop it and return its counters."""
        if self._process.stop():
            raise netns.CommandFailed(f"xmcast-bench-receive: {self._process.log()}")
        return {"received": json.loads(self._process.output)}


# ---- bare redirect -------------------------------------------------------------------------------

class Redirect:
    """Redirects every packet unchanged, in XDP: an upper bound for the kernel path."""

    key, label = "redirect", "bare XDP redirect (nothing rewritten)"
    delivers = True

    def start(self, bed, case, cpus):
        """Attach the program; the process itself only waits."""
        process = bed.relays[0].start(program("xmcast-bench-redirect"), IN_IFACE, OUT_IFACE,
                                      name="xmcast-bench-redirect")
        process.wait_line("ready")
        return RunningRedirect(process)


class RunningRedirect(RunningProgram):
    """The process that holds the program."""

    def stop(self):
        """Stop it."""
        self._process.stop()
        return {}


# ---- adapters ------------------------------------------------------------------------------------

class Adapter:
    """A relay that a script starts and stops; docs/performance.md describes its environment."""

    delivers = True

    def __init__(self, script, key=None):
        self._script = os.path.abspath(script)
        if not os.access(self._script, os.X_OK):
            raise Skip(f"{script} is not an executable file")
        self.key = key or os.path.basename(script)
        self.label = self._run(None, "name", dict(os.environ)).strip()

    def start(self, bed, case, cpus):
        """Run `SCRIPT start` in the relay's namespace; it returns when the relay is ready."""
        environment = {**os.environ, **self._environment(bed, case, cpus)}
        relay = bed.relays[0]
        try:
            words = self._run(relay, "start", environment, cpus).split()
            return RunningAdapter(self, relay, environment, cpus, [int(word) for word in words])
        except BaseException:
            _kill_all(_pids_in(relay))
            raise

    @staticmethod
    def _environment(bed, case, cpus):
        directory = os.path.join(netns.work_directory(), "adapter")
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)
        return {
            "XMCAST_BENCH_DIRECTORY": directory,
            "XMCAST_BENCH_IN_IFACE": IN_IFACE, "XMCAST_BENCH_IN_ADDR": "10.1.0.2",
            "XMCAST_BENCH_OUT_IFACE": OUT_IFACE, "XMCAST_BENCH_OUT_ADDR": "10.2.0.1",
            "XMCAST_BENCH_SOURCE": SOURCE,
            "XMCAST_BENCH_GROUP": GROUP, "XMCAST_BENCH_PORT": str(PORT),
            "XMCAST_BENCH_FLOWS": str(case.load.flows),
            "XMCAST_BENCH_OUT_GROUP": OUT_GROUP, "XMCAST_BENCH_OUT_PORT": str(OUT_PORT),
            "XMCAST_BENCH_FANOUT": str(case.load.fanout),
            "XMCAST_BENCH_SINK_ADDR": bed.sink_address,
            "XMCAST_BENCH_CPU": re.match(r"\d+", cpus)[0],
        }

    def _run(self, relay, verb, environment, cpus=None):
        """Returns its stdout. Uses files, because a relay in the background would keep a pipe open."""
        stem = os.path.join(netns.work_directory(), f"adapter-{verb}")
        command = [self._script, verb]
        if relay:
            command = relay.command(*pinned(cpus, *command))
        with open(f"{stem}.out", "w+", encoding="utf-8") as out, \
                open(f"{stem}.err", "w+", encoding="utf-8") as err:
            done = netns.run(*command, check=False, timeout=ADAPTER_SECONDS, env=environment,
                             capture_output=False, stdout=out, stderr=err)
            out.seek(0)
            err.seek(0)
            output, errors = out.read(), err.read().strip()
        if done.returncode == SKIPPED:
            raise Skip(errors or "the adapter does not support this case")
        if done.returncode:
            raise netns.CommandFailed(f"{self._script} {verb}: exit {done.returncode}: {errors}")
        return output

    def run_stop(self, relay, environment, cpus):
        """`SCRIPT stop`."""
        self._run(relay, "stop", environment, cpus)


class RunningAdapter:
    """A relay of which only the process ids are known."""

    def __init__(self, adapter, relay, environment, cpus, pids):  # pylint: disable=R0913,R0917
        self.pids = pids
        self._stop = (relay, environment, cpus)
        self._adapter, self._relay = adapter, relay

    @staticmethod
    def counters():
        """None: adapters have no counters."""

    @staticmethod
    def at_rest(_sent):
        """True: the bed itself checks the sockets and interfaces."""
        return True

    def stop(self):
        """Run `SCRIPT stop`, then kill any process that is left in the namespace."""
        try:
            self._adapter.run_stop(*self._stop)
        finally:
            deadline = time.monotonic() + 1
            while _pids_in(self._relay) and time.monotonic() < deadline:
                time.sleep(0.01)
            _kill_all(_pids_in(self._relay))
        return {}

    def kill(self):
        """Stop it after a failure; the script may have settings to undo."""
        with contextlib.suppress(netns.CommandFailed, Skip):
            self.stop()


def _pids_in(namespace):
    """The processes in this namespace."""
    return [int(word) for word in netns.run("ip", "netns", "pids", namespace.name).stdout.split()]


def _kill_all(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# ---- the list ------------------------------------------------------------------------------------

PLAIN, GSO, SENDMMSG = "plain", "gso", "sendmmsg"
HYBRID, SPIN = "gso-hybrid", "gso-spin"
KERNEL_PATH, REDIRECT, BEFORE = "kernel-path", "redirect", "before"
KERNEL, KERNEL_TUNED, SOCAT, RECEIVE = "smcroute", "smcroute-tuned", "socat", "receive"


def all_peers(scripts, before):
    """All peers by key, those of --peer last. `before`: build directory of --before, or None."""
    peers = [
        Xmcastd(PLAIN, "xmcast, plain (gso: off)", gso="off"),
        Xmcastd(GSO, "xmcast (gso: on)"),
        Xmcastd(SENDMMSG, "xmcast, engine sendmmsg", engine="sendmmsg"),
        Xmcastd(HYBRID, "xmcast, wakeup hybrid", wakeup="hybrid"),
        Xmcastd(SPIN, "xmcast, wakeup spin", wakeup="spin"),
        Xmcastd(KERNEL_PATH, "xmcast, kernel path", path="kernel"),
        Redirect(),
        *(Adapter(os.path.join(ADAPTERS, key)) for key in (KERNEL, KERNEL_TUNED, SOCAT)),
        Receive(),
    ]
    if before:
        peers.append(Xmcastd(BEFORE, "xmcast of the other build (gso: on)", build=before))
    peers += [Adapter(script, f"peer:{os.path.basename(script)}") for script in scripts]
    return {peer.key: peer for peer in peers}
