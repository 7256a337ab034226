#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make soak-cluster`: random faults in a row, by a seed, while a stream passes through three relays with three
members of etcd. No packet may leave twice. At the end everything runs again, and the stream flows.

Faults overlap: each has a random length, and the next one does not wait for its end. At most one member of
etcd is down or cut off at a time, so that there is always somebody who could decide; what is printed as
"nothing" is the longest time without a packet since the last fault."""

import argparse
import json
import os
import random
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "netns"))

# pylint: disable=wrong-import-position
from cluster import Relays, Stream, call, wait_until  # noqa: E402
from harness import netns  # noqa: E402
from traffic import Traffic  # noqa: E402

LONGEST = 3.0  # of a fault, in seconds
PAUSE = 1.5  # the longest to the next fault


class Faults:
    """What can be done to hosts, and undone. Each thing has at most one fault at a time."""

    def __init__(self, bed, chance):
        self.bed, self.random = bed, chance
        self.pending = []  # (when, thing, undo)

    def busy(self, *things):
        """Has one of these a fault now?"""
        return any(thing in things for _, thing, _ in self.pending)

    def add(self, thing, undo):
        """A fault has begun."""
        self.pending.append((time.monotonic() + self.random.uniform(0.05, LONGEST), thing, undo))

    def undo_due(self, every=False):
        """End the faults whose time has come."""
        for item in list(self.pending):
            if every or item[0] <= time.monotonic():
                self.pending.remove(item)
                item[2]()

    def begin(self):
        """A random fault. Returns its name, or None: it would be one too many."""
        host = self.random.choice(self.bed.relays)
        name = self.random.choice(("agent stopped", "agent killed", "agent ended", "relay stopped",
                                   "host stopped", "cut off", "etcd killed", "etcd stopped", "lease moved"))
        agent, relay, store = (host.name, "agent"), (host.name, "relay"), "store"
        needs = {"agent": [agent], "relay": [relay], "host": [agent, relay], "cut": [store], "etcd": [store],
                 "lease": []}
        if self.busy(*needs[name.split()[0]]):
            return None
        getattr(self, name.replace(" ", "_"))(host, agent, relay)
        return f"{host.name}: {name}"

    def _stop(self, process, thing):
        process.send_signal(signal.SIGSTOP)
        self.add(thing, lambda: process.send_signal(signal.SIGCONT))

    def agent_stopped(self, host, agent, _relay):
        """SIGSTOP, SIGCONT"""
        self._stop(host.agent.process, agent)

    def agent_killed(self, host, agent, _relay):
        """SIGKILL, started again"""
        host.agent.process.kill()
        self.add(agent, host.agent.start)

    def agent_ended(self, host, agent, _relay):
        """SIGTERM, started again"""
        host.agent.process.send_signal(signal.SIGTERM)
        self.add(agent, lambda: (host.agent.process.wait(), host.agent.start()))

    def relay_stopped(self, host, _agent, relay):
        """SIGSTOP, SIGCONT"""
        self._stop(host.daemon.process, relay)

    def host_stopped(self, host, agent, relay):
        """Both."""
        self._stop(host.agent.process, agent)
        self._stop(host.daemon.process, relay)

    def cut_off(self, host, _agent, _relay):
        """Its cable for management is out."""
        host.switch.cut(host.port)
        self.add("store", lambda: host.switch.mend(host.port))

    def etcd_killed(self, host, _agent, _relay):
        """SIGKILL, started again"""
        host.etcd.process.kill()
        self.add("store", host.etcd.start)

    def lease_moved(self, host, _agent, _relay):
        """A planned move, if the agent of this host can ask for one. It may fail."""
        call(host.agent.socket, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "cluster.move",
                                            "params": {"lease": "radio"}}), 0.2)

    def etcd_stopped(self, host, _agent, _relay):
        """SIGSTOP, SIGCONT"""
        self._stop(host.etcd.process, "store")


def soak(seed, count, rate):
    """Returns the number of packets that came twice."""
    bed = Relays(more="settle: 5s\n", rule=Relays.RULE.replace(" out ", " sequence 6:16 out ", 1))
    wait_until(lambda: bed.members() == 3, "three members")
    traffic = Traffic(bed.source, "10.1.0.9", "239.1.1.1", 5000, rate)
    stream = Stream(bed.receiver)
    stream.wait_more()
    chance = random.Random(seed)
    faults = Faults(bed, chance)
    done = 0
    while done < count and not stream.doubled:
        name = faults.begin()
        if name:
            done += 1
            print(f"{done:4} {name:18} packets {stream.packets:8}  doubled {stream.doubled}  "
                  f"nothing for {1000 * stream.gap:6.0f} ms", flush=True)
            stream.gap = 0
        end = time.monotonic() + chance.uniform(0.05, PAUSE)
        while time.monotonic() < end:
            faults.undo_due()
            time.sleep(0.01)
    faults.undo_due(every=True)
    wait_until(lambda: bed.members() == 3, "all are members again", timeout=60)
    stream.wait_more()
    traffic.stop()
    stream.stop()
    return stream.doubled


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the faults")
    parser.add_argument("--faults", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--rate", type=int, default=2000, help="packets a second (default 2000)")
    options = parser.parse_args()
    netns.prepare()
    print(f"seed {options.seed}", flush=True)
    doubled = soak(options.seed, options.faults, options.rate)
    print(f"seed {options.seed}: {options.faults} faults, {doubled} packets doubled")
    sys.exit(1 if doubled else 0)


main()
