# SPDX-License-Identifier: BSD-2-Clause
"""The test bed: namespaces and cables, the generator at one end and the sink at the other.

    source  s0 ──── in0  relay 0  out0 ──── in0  relay 1  out0 ──── … ──── r0  sink
      10.1.0.1    10.1.0.2   10.2.0.1    10.2.0.2                10.N.0.2

One relay, but for the chain. Every cable is a veth; the source's address is one that the relay can
route back to, so that kernel routing takes part on equal terms.
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

IN_IFACE, OUT_IFACE = "in0", "out0"
SOURCE, SOURCE6 = "10.1.0.1", "fd01::1"
GROUP, GROUP6, PORT = "239.1.1.1", "ff3e::1:1", 5000
OUT_GROUP, OUT_GROUP6, OUT_PORT = "239.2.2.1", "ff3e::2:1", 6000

# Packets that go through every new set-up before it is measured, paced so that none is dropped
# while it resolves what it has to.
WARM_UP_PACKETS, WARM_UP_RATE = 100, 10_000

# When the relay's last interface has sent nothing for so many looks, and the relay says that it
# holds nothing, the run is over. After the time-out it goes on all the same: what is missing then
# is lost.
QUIET_LOOKS, LOOK_SECONDS, SETTLE_SECONDS = 3, 0.02, 3


class Skip(Exception):
    """This cannot be measured here; the text says why."""


def program(name):
    """Path of one of our programs."""
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        raise Skip(f"{name} is not built")
    return path


def pinned(cpus, *command):
    """The command, bound to these CPUs ("1", "2-3")."""
    return ["taskset", "-c", cpus, *map(str, command)]


class Bed:
    """Namespaces and cables. Reused by all measurements with so many relays."""

    def __init__(self, relays, generator_cpus):
        self.generator_cpus = generator_cpus
        self._sent = 0  # packets that the relay of the moment has been sent
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
        for relay in self.relays:
            # XDP live frames need GRO where no XDP program is attached: kernel routing, socat.
            relay.run("ethtool", "-K", IN_IFACE, "gro", "on")
        for relay in self.relays:
            self._add_ipv6(relay)
        # No ARP during a run: what waits for it is dropped, and not by the relay.
        self.relays[-1].ip(f"neigh replace {self.sink_address} lladdr {self.sink.mac('r0')} "
                           f"dev {OUT_IFACE} nud permanent")

    @staticmethod
    def _prepare_relay(relay):
        """Before its interfaces exist, which take over the defaults."""
        for scope in ("all", "default"):
            relay.sysctl(f"net/ipv4/conf/{scope}/rp_filter", 0)

    @staticmethod
    def _add_ipv6(relay):
        """Addresses to send from, at once: nobody else is there to have the same."""
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
        """Run the generator to its end. Returns what it says it has sent."""
        source, group = (SOURCE6, GROUP6) if load.families[0] == "6" else (SOURCE, GROUP)
        command = [program("xmcast-gen"), "s0", "-j", "--source", source, "--group", group,
                   "--port", PORT, "--size", load.sizes, "--flows", load.flows, *options]
        if load.size_by:
            command += ["--size-by", load.size_by]
        done = self.source.run(*pinned(self.generator_cpus, *command), timeout=load.timeout)
        sent = json.loads(done.stdout)
        self._sent += sent["sent_packets"]
        return sent

    def warm_up(self, load, relay):
        """A few packets of every flow through a new relay, and wait until they are gone."""
        self._sent = 0
        # One of every flow at the least: kernel routing, for one, resolves each by itself.
        count = max(WARM_UP_PACKETS, load.flows)
        self.generate(load, "--count", count, "--rate", WARM_UP_RATE)
        self.settle(relay)

    def _transmitted(self):
        """Packets that the last relay has sent."""
        for line in self.relays[-1].read("/proc/net/dev").splitlines():
            name, _, counters = line.partition(":")
            if name.strip() == OUT_IFACE:
                return int(counters.split()[9])
        raise netns.CommandFailed(f"{OUT_IFACE} has gone")

    def _sockets_empty(self):
        """Does no UDP socket of a relay hold datagrams that it has still to send on?"""
        return all(line.split()[4].endswith(":00000000") for relay in self.relays
                   for line in relay.read("/proc/net/udp").splitlines()[1:])

    def settle(self, relay):
        """Wait until nothing is in the relay any more, whatever it is."""
        seen = []

        def quiet():
            seen.append(self._transmitted())
            return (len(set(seen[-QUIET_LOOKS - 1:])) == 1 and len(seen) > QUIET_LOOKS
                    and self._sockets_empty() and relay.at_rest(self._sent))

        with contextlib.suppress(netns.Timeout):
            netns.wait_until(quiet, "the relay is at rest", SETTLE_SECONDS, LOOK_SECONDS)


class Sink:
    """A running xmcast-sink, which knows at its end what the generator has sent."""

    def __init__(self, bed, kind, load):
        self._expect = os.path.join(netns.work_folder(), "sent.json")
        flows = load.flows * load.fanout
        options = ["--skb"] if kind == "skb" else []
        self._process = bed.sink.start(
            program("xmcast-sink"), "r0", "-j", *options, "--flows", max(flows, 64),
            "--copies", load.fanout, "--expect", self._expect, name="xmcast-sink")
        self._process.wait_line("ready")

    def finish(self, sent):
        """Stop it. Returns its report, with all loss against `sent`, the generator's report."""
        with open(self._expect, "w", encoding="ascii") as file:
            json.dump(sent, file)
        self._process.stop()
        if not self._process.output:
            raise netns.CommandFailed(f"xmcast-sink said nothing:\n{self._process.log()}")
        return json.loads(self._process.output)

    def kill(self):
        """End it without a report; harmless if it has ended."""
        if self._process.returncode is None:
            self._process.kill()
