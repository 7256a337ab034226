# SPDX-License-Identifier: BSD-2-Clause
"""The network of the soak, its configuration, and the steady streams, which must not lose a packet.

    source 0 ── in0  relay  out0 ── receiver 0      steady rules: in0 to out0, and unicast to out1
    source 1 ── in1         out1 ── receiver 1      flap rule: in1 to out2, whose interfaces are set
                            out2 ── receiver 2      down or deleted; churn rules: in0 to out0 and out2
"""

import json
import os

from harness import Daemon, Exporter, Sink, Star, know, program, start, veth, write_file
from netns import PATIENCE, work_directory

FLOWS = 16
SIZES = "64,512,1316,1400"
GSO = ("on", "off", "16")

SETTINGS = """events: { silent_after: 1 }
statistics: { interval: 1 }
"""


def steady_rules():
    """Rules with a multicast and a unicast output, with and without batches."""
    return [f"steady{i} in 239.1.0.{i + 1}:5000@in0 "
            f"out 239.2.0.{i + 1}:6000@out0 ttl 8 gso {GSO[i % 3]} "
            f"out 10.2.1.2:{6001 + i} gso {GSO[(i // 3) % 3]}" for i in range(FLOWS)]


def flap_rule():
    """The rule whose input and output interfaces are set down or deleted."""
    return "flap in 239.7.7.7:7000@in1 out 239.8.8.8:7001@out2"


def config_text(churn=()):
    """The configuration file with these rules in addition to the steady ones."""
    rules = [*steady_rules(), flap_rule(), *churn]
    return ("rules:\n" + "".join(f"  - {rule}\n" for rule in rules) +
            SETTINGS)


class Bed:
    """The namespaces and the daemon under test."""

    def __init__(self):
        self.star = Star(sources=2, receivers=3)
        self.hooks = write_file("hooks", "")
        os.chmod(self.hooks, 0o666)
        os.chmod(write_file("hook", f"#!/bin/sh\nprintf . >>{self.hooks}\n"), 0o755)
        self.relay = self.star.relay
        # The generator occupies its CPU inside the kernel, where no other task can run. Therefore it
        # has a CPU of its own, as in the benchmark.
        cpus = sorted(os.sched_getaffinity(0))
        self.generator_cpu, relay_cpus = cpus[0], cpus[1:] or cpus
        self.daemon = Daemon(self.relay, config=config_text(), prefix=(
            "taskset", "-c", ",".join(map(str, relay_cpus))))
        self.pid = self.daemon.process.pid
        self.exporter = Exporter(self.relay, self.daemon.socket)
        self.monitor = start(self.relay, program("xmcastctl"), "--socket", self.daemon.socket,
                             "monitor", "--exec", f"{work_directory()}/hook")

    def hooks_run(self):
        """How many times `xmcastctl monitor --exec` has run its program so far."""
        return os.path.getsize(self.hooks)

    def write_config(self, churn=()):
        """Replace the file atomically, as an editor does."""
        os.replace(write_file("new.yaml", config_text(churn)), self.daemon.config)

    def make_input(self):
        """Create in1 and its cable again."""
        source = self.star.sources[1]
        veth(source, "s0", self.relay, "in1", near_addr="10.1.1.1/24", far_addr="10.1.1.2/24")

    def make_output(self):
        """Create out2 and its cable again."""
        receiver = self.star.receivers[2]
        veth(self.relay, "out2", receiver, "r0", near_addr="10.2.2.1/24", far_addr="10.2.2.2/24")
        know(self.relay, "out2", "10.2.2.2", receiver, "r0")


class Streams:
    """The steady streams and their sinks, for a number of seconds. `rate` 0: flat out."""

    def __init__(self, bed, seconds, rate, size_by):
        self.seconds = seconds
        receivers = bed.star.receivers
        self.files = [write_file(f"expect{i}.json", "{}") for i in range(2)]
        self.sinks = [
            Sink(receivers[0], "r0", "--port", "6000", "--group", "239.2.0.0/24", "--expect",
                 self.files[0]),
            Sink(receivers[1], "r0", "--port", f"6001-{6000 + FLOWS}", "--expect", self.files[1])]
        pace = ["--rate", str(rate)] if rate else []
        self.generator = start(bed.star.source, "taskset", "-c", str(bed.generator_cpu),
                               program("xmcast-gen"), "s0", "-j", "--group",
                               "239.1.0.1", "--flows", str(FLOWS), "--flow-by", "group", "--size",
                               SIZES, "--size-by", size_by, "--duration", str(seconds), *pace)

    def wait(self):
        """Wait for the generator. Returns its report."""
        self.generator.wait(self.seconds + PATIENCE)
        for path in self.files:
            write_file(os.path.basename(path), self.generator.output)
        return json.loads(self.generator.output)

    def reports(self):
        """Stop the sinks, once no packet is on its way. Returns their reports."""
        return [sink.stop() for sink in self.sinks]
