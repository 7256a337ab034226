# SPDX-License-Identifier: BSD-2-Clause
"""Many streams in the shards of two leases through three relays: one relay is drained, then a fourth one joins. The
streams of one lease have sequence numbers, those of the other one move at a moment."""

import time

from cluster import Host, Relays, Stream
from harness import backlog_empty, diagnose, equal, program, run, wait_until
from traffic import Traffic

GROUPS = 250  # in the last byte of an address


def address(first, i):
    """The group of stream i."""
    return f"239.{first}.{i // GROUPS}.{i % GROUPS + 1}"


MASK = (1 << 64) - 1


def mix(number):
    """The finalizer of splitmix64."""
    for shift, factor in ((30, 0xbf58476d1ce4e5b9), (27, 0x94d049bb133111eb)):
        number = (number ^ number >> shift) * factor & MASK
    return number ^ number >> 31


def name_hash(name):
    """FNV-1a."""
    number = 0xcbf29ce484222325
    for byte in name.encode():
        number = (number ^ byte) * 0x100000001b3 & MASK
    return number


def winner(nodes, lease, shards, number):
    """The node of weight 1 that rendezvous hashing chooses for a shard (user/cluster/rendezvous.h)."""
    step = 0x9e3779b97f4a7c15
    of_lease = mix(name_hash(lease) + shards * step & MASK)
    return max(nodes, key=lambda node: mix(mix(name_hash(node) ^ mix(of_lease + number & MASK)) + step & MASK))


def rules(count, shards):
    """The rules of these streams: each second one has numbers."""
    leases = (f"numbered/{shards} sequence 4:32", f"timed/{shards}")
    return ", ".join(f'"s{i} in {address(1, i)}:5000@in0 lease {leases[i % 2]} out {address(2, i)}:6000@out0"'
                     for i in range(count))


class ManyStreams:
    """Relays with `count` rules, half of which have numbers. Packets flow in `flowing` of the streams."""

    # pylint: disable=too-many-arguments
    def __init__(self, count, shards, flowing, rate, more="", patience=60):
        """`shards`: of each lease; `rate`: of each stream; `patience`: seconds, for one step."""
        self.more = "settle: 1s\nmoves: 1000\n" + more
        self.rules, self.shards, self.patience = rules(count, shards), 2 * shards, patience
        self.relays = Relays(rule=self.rules, more=self.more)
        self.flowing = [i * count // flowing // 2 * 2 + i % 2 for i in range(flowing)]
        self.traffic = Traffic(self.relays.source, "10.1.0.9", ",".join(address(1, i) for i in self.flowing), 5000,
                               rate)
        # A stream that has just begun has no rate yet, by which its number is chosen.
        self._wait(lambda: self.owners() == self.winners("abc"), "each relay has its shards")
        self._wait(self._moves_are_over, "the moves are over")
        self.stream = Stream(self.relays.receiver, [address(2, i) for i in self.flowing])
        self._wait(lambda: self.stream.groups() == flowing, "all streams arrive")

    def winners(self, nodes):
        """(lease, shard) -> the node that should hold it."""
        each = self.shards // 2
        return {(lease, i): winner(nodes, lease, each, i) for lease in ("numbered", "timed") for i in range(each)}

    def _wait(self, condition, what):
        wait_until(condition, what, timeout=self.patience, pause=0.1)

    def owners(self):
        """(lease, shard) -> owner; None: the relays do not agree, or a shard moves or is not held."""
        seen = [host.agent.status() for host in self.relays.relays]
        if any(not status or status["state"] != "member" or len(status["shards"]) != self.shards or
               any(shard["state"] != "held" for shard in status["shards"]) for status in seen):
            return None
        owners = [{(shard["lease"], shard["shard"]): shard["owner"] for shard in status["shards"]}
                  for status in seen]
        return owners[0] if all(each == owners[0] for each in owners) else None

    def _move(self, what, nodes, begin):
        """Let shards move, until each is held by its winner among these nodes. No other shard moves meanwhile."""
        before, after = self.owners(), self.winners(nodes)
        moving = [shard for shard in after if before[shard] != after[shard]]
        moves = [host.agent.status()["moves"] for host in self.relays.relays]
        began = time.monotonic()
        begin()
        self._wait(lambda: self.owners() == after, what)
        lasted = time.monotonic() - began
        self._wait(self._moves_are_over, f"{what}: the moves are over")
        self.stream.wait_more()
        diagnose(f"{what}: {len(moving)} of {self.shards} shards in {lasted:.1f} s")
        equal(self.stream.doubled, 0, f"{what}: packets that came twice")
        if self.kept_up():
            # Each node counts those that it has lost or got.
            now = [host.agent.status()["moves"] for host in self.relays.relays]
            equal(sum(now) - sum(moves), 2 * len(moving), f"{what}: changes of owners")

    def _moves_are_over(self):
        records = self.relays.hosts[0].etcd.values("/xmcast/shards")
        return records and not any("left_us" in record for record in records) and self.owners()

    def drain(self):
        """Drain a relay. Only its shards move."""
        second = self.relays.relays[1]
        self._move("drain", "ac", lambda: run(program("xmcastctl"), "--socket", second.agent.socket, "cluster",
                                              "drain"))

    def join(self):
        """A fourth relay joins. Only shards that come to it move."""
        def start():
            host = Host(self.relays.hosts[0].switch, 4)
            self.relays.start(host, self.rules, self.more)
            self.relays.relays.append(host)

        self._move("join", "acd", start)

    def kept_up(self):
        """Have etcd, the daemons and the agents been in time? What is lost otherwise is the machine's fault."""
        return not any(host.agent.process.find_line("store-unreachable|daemon-lost|move-late") or
                       host.daemon.process.find_line("lease-expired") for host in self.relays.relays)

    def end(self):
        """Stop the streams. Returns the packets of streams with numbers that no relay has sent."""
        self.traffic.stop()
        wait_until(backlog_empty, "all has arrived")
        self.stream.stop()
        equal(self.stream.doubled, 0, "packets that came twice")
        lost = [self.stream.missing(lambda index, kind=kind: self.flowing[index] % 2 == kind) for kind in (0, 1)]
        diagnose(f"{self.stream.packets} packets, lost with numbers {lost[0]}, at a moment {lost[1]}")
        return lost[0]


# pylint: disable=too-many-arguments
def drain_and_join(count, shards, flowing, rate, more="", patience=60):
    """Both. True: nothing with a number was lost; False: the machine was too slow, and something was."""
    bed = ManyStreams(count, shards, flowing, rate, more, patience)
    bed.drain()
    bed.join()
    kept_up, lost = bed.kept_up(), bed.end()
    if kept_up:
        equal(lost, 0, "packets with numbers that no relay has sent")
    return not lost
