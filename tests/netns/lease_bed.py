# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of leases share: numbered datagrams, and two relays between one source and one receiver."""

import struct
import time

from harness import Daemon, Namespace, backlog_empty, equal, receiver, rule_of, sender, veth, wait_until
from control import Client

GROUP = ("239.1.1.1", 5000)
SECOND = 10 ** 9
FOREVER = 3600 * SECOND


def now():
    """CLOCK_MONOTONIC, the clock of leases."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def hold(daemon, duration=FOREVER, **more):
    """Give the daemon the lease for this time."""
    with Client(daemon.socket) as client:
        return client.call("lease.set", **({"name": "tv", "until": now() + duration} | more))


def release(daemon):
    """Take it away."""
    with Client(daemon.socket) as client:
        client.call("lease.release", name="tv")


def state(daemon):
    """The state of the rule, and of its shard."""
    with Client(daemon.socket) as client:
        shards = [entry["state"] for entry in client.call("lease.list")["leases"] if entry["name"] == "tv"]
    equal(len(shards), 1, "shards")
    return rule_of(daemon.stats(), "cam1")["state"], shards[0]


class Numbers:
    """Numbered datagrams to the relays."""

    def __init__(self, namespace, address):
        self.socket = sender(namespace, address)
        self.sent = 0
        self.first = 0  # the number of the first one

    def send(self, count):
        """Send so many. Returns their numbers."""
        numbers = range(self.first + self.sent, self.first + self.sent + count)
        for number in numbers:
            self.socket.sendto(struct.pack("!I", number), GROUP)
            if number % 16 == 15:
                time.sleep(0.002)  # the ring of a veth has 256 entries
        self.sent += count
        return list(numbers)


def received(sock):
    """The numbers that have arrived."""
    wait_until(backlog_empty, "the receiver has taken in what was sent to it")
    numbers = []
    sock.setblocking(False)
    try:
        while True:
            numbers.append(struct.unpack("!I", sock.recv(64)[:4])[0])
    except BlockingIOError:
        return numbers


def settled(daemon, packets):
    """Wait until the daemon has received so many packets and is at rest. Returns the rule's counters."""
    daemon.settle(packets)
    return rule_of(daemon.stats(), "cam1")


class Pair:
    """Two relays between one source and one receiver, all behind a switch.

        source s0 10.1.0.1 ─┬─ in0 relay a out0 ─┬─ r0 10.2.0.9 receiver
                            └─ in0 relay b out0 ─┘
    """

    def __init__(self, rule, start=Daemon):
        """`start`: starts a daemon in a namespace, with the rule."""
        self.switch = Namespace("switch")
        for bridge in ("inside", "outside"):
            self.switch.ip(f"link add {bridge} up type bridge mcast_snooping 0")
        self.source, self.receiver = Namespace("source"), Namespace("receiver")
        self.plug(self.source, "s0", "inside", "10.1.0.1/24")
        self.plug(self.receiver, "r0", "outside", "10.2.0.9/24")
        self.relays = [Namespace(name) for name in ("a", "b")]
        for i, relay in enumerate(self.relays, 1):
            self.plug(relay, "in0", "inside", f"10.1.0.{10 + i}/24")
            self.plug(relay, "out0", "outside", f"10.2.0.{i}/24")
        self.rule = rule
        self.daemons = [start(relay, rule) for relay in self.relays]
        self.output = receiver(self.receiver, 6000, "239.2.2.2", "10.2.0.9")
        self.numbers = Numbers(self.source, "10.1.0.1")

    def plug(self, namespace, device, bridge, address):
        """Connect a device of a namespace to a bridge of the switch."""
        port = f"{namespace.name.rsplit('-', 1)[-1]}-{device}"
        veth(namespace, device, self.switch, port, near_addr=address)
        self.switch.ip(f"link set {port} master {bridge} up")
        namespace.run("ethtool", "-K", device, "gro", "on")
        self.switch.run("ethtool", "-K", port, "gro", "on")

    def settle(self):
        """Both have received everything."""
        return [settled(daemon, self.numbers.sent) for daemon in self.daemons]
