# SPDX-License-Identifier: BSD-2-Clause
"""The test bed: namespaces and cables, the generator at one end and the sink at the other.

    source  s0 ──── in0  relay 0  out0 ──── in0  relay 1  out0 ──── … ──── r0  sink
      10.1.0.1    10.1.0.2   10.2.0.1    10.2.0.2                10.N.0.2

A second cable, s1 ──── in1, leads from the source to relay 0, for rules with two inputs.
One relay, but for the chain. The last one has a second cable to the sink, out1 ──── r1. Every cable is
a veth; the source's address is one that the relay can route back to, so that kernel routing takes part
on equal terms.
"""

import contextlib
import json
import os
import sys

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TOOLS)
sys.path.insert(0, TOOLS)

# pylint: disable=wrong-import-position
import netns  # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get("XMCAST_BUILD", "build"))

IN_IFACE, OUT_IFACE, OUT_IFACES = "in0", "out0", ("out0", "out1")
IN_IFACES = ("in0", "in1")
OUT_SOURCE = "10.2.0.1"  # the first relay's address on out0
SOURCE, SOURCE6 = "10.1.0.1", "fd01::1"
GROUP, GROUP6, PORT = "239.1.1.1", "ff3e::1:1", 5000
OUT_GROUP, OUT_GROUP6, OUT_PORT = "239.2.2.1", "ff3e::2:1", 6000

# Packets that are sent through every new setup before it is measured, paced so that none is dropped
# while routes and neighbours are resolved.
WARM_UP_PACKETS, WARM_UP_RATE = 100, 10_000

# A run is over when the relay's last interface has sent nothing during QUIET_LOOKS consecutive looks
# and the relay reports that it holds no packets. After SETTLE_SECONDS the run ends anyway, and missing
# packets count as lost.
QUIET_LOOKS, LOOK_SECONDS, SETTLE_SECONDS = 3, 0.02, 3


class Skip(Exception):
    """This cannot be measured here; the text is the reason."""


def program(name, build=BUILD):
    """Path of one of our programs."""
    path = os.path.join(build, name)
    if not os.access(path, os.X_OK):
        raise Skip(f"{name} is not built")
    return path


def pinned(cpus, *command):
    """The command, bound to these CPUs ("1", "2-3")."""
    return ["taskset", "-c", cpus, *map(str, command)]


class Bed:
    """Namespaces and cables, shared by all measurements with the same number of relays."""

    def __init__(self, relays, generator_cpus):
        self.generator_cpus = generator_cpus
        self._sent = 0  # packets sent to the current relay
        self.source = netns.Namespace(f"source{relays}")
        self.relays = [netns.Namespace(f"relay{relays}{i}") for i in range(relays)]
        self.sink = netns.Namespace(f"sink{relays}")
        for relay in self.relays:
            self._prepare_relay(relay)
        ends = [(self.source, "s0"), *((relay, OUT_IFACE) for relay in self.relays)]
        far_ends = [*((relay, IN_IFACE) for relay in self.relays), (self.sink, "r0")]
        for number, (near, far) in enumerate(zip(ends, far_ends), 1):
            netns.veth(*near, *far, near_addr=f"10.{number}.0.1/24",
                       far_addr=f"10.{number}.0.2/24")
        far = len(self.relays) + 2
        netns.veth(self.relays[-1], OUT_IFACES[1], self.sink, "r1",
                   near_addr=f"10.{far}.0.1/24", far_addr=f"10.{far}.0.2/24")
        # A veth accepts redirected packets, such as the generator's, only if it has an XDP program or
        # GRO.
        netns.veth(self.source, "s1", self.relays[0], IN_IFACES[1], near_addr="10.251.0.1/24",
                   far_addr="10.251.0.2/24")
        for namespace, device in [*far_ends, (self.sink, "r1"), (self.relays[0], IN_IFACES[1])]:
            namespace.run("ethtool", "-K", device, "gro", "on")
        for relay in self.relays:
            self._add_ipv6(relay)
        # No ARP during a run: the kernel, not the relay, would drop packets that wait for it.
        self.relays[-1].ip(f"neigh replace {self.sink_address} lladdr {self.sink.mac('r0')} "
                           f"dev {OUT_IFACE} nud permanent")

    @staticmethod
    def _prepare_relay(relay):
        """Called before its interfaces are created, because they inherit the defaults."""
        for scope in ("all", "default"):
            relay.sysctl(f"net/ipv4/conf/{scope}/rp_filter", 0)

    @staticmethod
    def _add_ipv6(relay):
        """Source addresses, without duplicate address detection: no other host has them."""
        for number, device in enumerate((IN_IFACE, OUT_IFACE)):
            relay.sysctl(f"net/ipv6/conf/{device}/accept_dad", 0)
            relay.sysctl(f"net/ipv6/conf/{device}/router_solicitations", 0)
            relay.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 0)
            relay.ip(f"address add fd0{number + 1}::2/64 dev {device} nodad")

    @property
    def sink_address(self):
        """The sink's own address, for relays that can send to a host only."""
        return f"10.{len(self.relays) + 1}.0.2"

    def generate(self, load, *options):
        """Run the generator until it ends. Returns its report."""
        source, group = (SOURCE6, GROUP6) if load.families[0] == "6" else (SOURCE, GROUP)
        command = [program("xmcast-gen"), "s0", "-j", "--source", source, "--group", group,
                   "--port", PORT, "--size", load.sizes, "--flows", load.flows * load.sides,
                   "--sides", load.sides, *options]
        if load.ways > 1:
            command += ["--also", "s1"]
        if load.vlan:
            command += ["--vlan", load.vlan]
        if "ts" in load.watch:
            command += ["--payload", "ts"]
        if load.size_by:
            command += ["--size-by", load.size_by]
        if load.flow_by:
            command += ["--flow-by", load.flow_by]
        done = self.source.run(*pinned(self.generator_cpus, *command), timeout=load.timeout)
        sent = json.loads(done.stdout)
        self._sent += sent["sent_packets"]
        return sent

    def warm_up(self, load, relay):
        """Send a few packets of every flow through a new relay and wait until they have left it."""
        self._sent = 0
        # At least one packet of every flow: kernel routing, for example, resolves each flow separately.
        count = max(WARM_UP_PACKETS, load.flows * load.sides)
        self.generate(load, "--count", count, "--rate", WARM_UP_RATE)
        self.settle(relay)

    def _transmitted(self):
        """Packets that the last relay has sent."""
        return sum(int(line.split()[10])
                   for line in self.relays[-1].read("/proc/net/dev").splitlines()
                   if line.split(":")[0].strip() in OUT_IFACES)

    def _sockets_empty(self):
        """Are the receive queues of all UDP sockets of the relays empty?"""
        return all(line.split()[4].endswith(":00000000") for relay in self.relays
                   for line in relay.read("/proc/net/udp").splitlines()[1:])

    def settle(self, relay):
        """Wait until no packet is in the relay any more, whatever kind of relay it is."""
        seen = []

        def quiet():
            seen.append(self._transmitted())
            return (len(set(seen[-QUIET_LOOKS - 1:])) == 1 and len(seen) > QUIET_LOOKS
                    and self._sockets_empty() and relay.at_rest(self._sent))

        with contextlib.suppress(netns.Timeout):
            netns.wait_until(quiet, "the relay is at rest", SETTLE_SECONDS, LOOK_SECONDS)


class Sink:
    """An xmcast-sink for each device, which compare what they received with the generator's report."""

    def __init__(self, bed, kind, load):
        self._expect = os.path.join(netns.work_directory(), "sent.json")
        flows = load.flows * load.fanout
        options = ["--skb"] if kind == "skb" else []
        self._processes = [bed.sink.start(
            program("xmcast-sink"), f"r{device}", "-j", *options, "--flows", max(flows, 64),
            "--copies", load.fanout // load.devices, "--expect", self._expect, name="xmcast-sink")
                           for device in range(load.devices)]
        for process in self._processes:
            process.wait_line("ready")

    def finish(self, sent):
        """Stop it. Returns its report, with all loss relative to `sent`, the generator's report. The
        numbers are those of all devices together; the latencies are those of the first."""
        with open(self._expect, "w", encoding="ascii") as file:
            json.dump(sent, file)
        for process in self._processes:
            process.stop()
            if not process.output:
                raise netns.CommandFailed(f"xmcast-sink printed no report:\n{process.log()}")
        first, *others = (json.loads(process.output) for process in self._processes)
        for report in others:
            for name, value in report.items():
                if isinstance(value, (int, float)):
                    first[name] += value
        return first

    def kill(self):
        """Kill it without reading its report; does nothing if it has ended already."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
