#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Leases while something else changes: the process that relays, or the rules. What was decided meanwhile counts, and a
move at a sequence number goes on, or the rule waits for its end: no datagram is sent by both hosts."""

import array
import os
import select
import socket
import threading

from harness import Daemon, Star, check, equal, main, receiver, rule_of, test, wait_until, work_directory
from control import Client
from lease_bed import FOREVER, SECOND, Numbers, Pair, hold, now, received, release, settled, state
from manager import Manager
from restarts import Load, Successor, resumed, stored_daemon, take_over

RULE = "cam1 in 239.1.1.1:5000@in0 lease tv out 239.2.2.2:6000@out0"
NUMBERED = RULE.replace(" out ", " sequence 0:32 out ", 1)
BUSY = -32002


class Between:
    """Stands between a daemon and its successor, and calls `hook` when the successor has everything and asks the
    daemon to pause."""

    def __init__(self, daemon, hook):
        self.daemon, self.hook, self.failure = daemon, hook, None
        self.path, self.behind = daemon.socket, daemon.socket + ".behind"
        os.rename(self.path, self.behind)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        daemon.socket = self.behind
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def take_over(self, *rules):
        """Start the successor. Returns it when it relays, and the daemon has ended."""
        successor = Daemon(self.daemon.namespace, *rules, arguments=("--socket", self.path, "--take-over"))
        successor.socket = self.path
        equal(self.daemon.process.wait(), 0, "exit code of the predecessor")
        self.thread.join()
        self.listener.close()
        os.rename(self.behind, self.path)
        if self.failure:
            raise self.failure
        return successor

    def _run(self):
        try:
            near, _ = self.listener.accept()
            with near, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as far:
                far.connect(self.behind)
                self._pass_on(near, far)
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def _pass_on(self, near, far):
        size = 1 << 16
        while True:
            for source in select.select([near, far], [], [])[0]:
                data, ancillary, _, _ = source.recvmsg(size, socket.CMSG_SPACE(4096))
                if not data:
                    return
                size = 1 << 16
                if source is near and data == b"p":
                    self.hook()
                    size = 1  # the answer, so that descriptors behind it stay with their message
                (far if source is near else near).sendmsg([data], ancillary)
                for _, _, part in ancillary:
                    for descriptor in array.array("i", part):
                        os.close(descriptor)


@test
def changed_meanwhile():
    """What is set, and what is released, after the offer of a take-over counts for the successor"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    hold(daemon, epoch=3)
    between = Between(daemon, lambda: release(daemon))
    daemon = between.take_over(RULE)
    equal(state(daemon), ("standby", "standby"), "released meanwhile")
    until = now() + FOREVER
    between = Between(daemon, lambda: hold(daemon, until=until, epoch=9))
    successor = between.take_over(RULE)
    equal(state(successor), ("active", "held"), "set meanwhile")
    with Client(successor.socket) as client:
        shard, = client.call("lease.list")["leases"]
        equal((shard["until"], shard["epoch"]), (until, 9), "set meanwhile")


@test
def renewed_meanwhile():
    """A lease that is renewed while a successor prepares goes on: the successor's check does not end it"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    numbers = Numbers(star.source, "10.1.0.1")
    expected = []

    def renew():
        hold(daemon)
        wait_until(lambda: now() > end + SECOND // 50, "the deadline of the offer has passed")
        expected.extend(numbers.send(20))
        settled(daemon, 20)
        equal(rule_of(daemon.stats(), "cam1")["outputs"][0]["sent_packets"], 20, "sent by the daemon meanwhile")

    # The deadline is in the offer, which comes well before it: otherwise the shard is standby then, and all the same
    # held when it is renewed.
    end = now() + SECOND
    hold(daemon, until=end)
    successor = Between(daemon, renew).take_over(RULE)
    expected += numbers.send(20)
    settled(successor, 40)
    equal(received(output), expected, "sent by both")


@test
def paused():
    """Between the pause and the end the daemon refuses changes of leases; if the successor gives up, it goes on"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    hold(daemon, epoch=3)
    successor = Successor(daemon)
    successor.offer()
    hold(daemon, epoch=4)
    equal([(lease["name"], lease["epoch"]) for lease in successor.pause()["leases"]], [("tv", 4)], "handed over")
    with Client(daemon.socket) as client:
        equal(client.code("lease.set", name="tv", until=0), BUSY, "a change meanwhile")
        equal(client.code("lease.release", name="tv"), BUSY, "a release meanwhile")
        equal(client.code("lease.set", name="none", until=0), -32004, "of no lease")
    successor.end()
    resumed(daemon, 1)
    equal(state(daemon), ("active", "held"), "goes on")
    release(daemon)
    equal(state(daemon), ("standby", "standby"), "released")
    take_over(daemon, RULE)


class Move:
    """A stream that passes from one relay to another at a number, and what was sent of it."""

    def __init__(self, start=Daemon):
        self.pair = Pair(NUMBERED, start)
        self.numbers = self.pair.numbers
        hold(self.pair.daemons[0])
        self.expected = self.numbers.send(50)
        self.pair.settle()
        self.latest = now() + FOREVER
        at = {"cam1": 120}
        hold(self.pair.daemons[0], until=self.latest, until_seq=at)
        hold(self.pair.daemons[1], **{"from": self.latest}, until=2 * self.latest, from_seq=at)

    def go_on(self, count):
        """Send some."""
        self.expected += self.numbers.send(count)

    def check(self):
        """All have arrived once."""
        for daemon in self.pair.daemons:
            daemon.settle()
        equal(sorted(received(self.pair.output)), self.expected, "sent by both: each once")


@test
def cut_replaced():
    """A rule that is replaced during a move at a number keeps the number"""
    move = Move()
    move.go_on(30)
    move.pair.settle()
    for daemon in move.pair.daemons:
        daemon.ctl("rule", "replace", *(NUMBERED + " ttl 8").split())
    move.go_on(20)
    move.go_on(60)
    move.check()


@test
def cut_unknown():
    """A rule without a number in a shard that is moving waits for the end of the move, on both paths"""
    move = Move()
    daemon = move.pair.daemons[0]
    rules = {"cam1": RULE, "cam2": RULE.replace("cam1", "cam2").replace("239.1.1.1", "239.1.1.2"),
             "cam3": RULE.replace("cam1", "cam3").replace("239.1.1.1", "239.1.1.3").replace(" out ", " path kernel out ", 1)}
    for name, rule in rules.items():
        daemon.ctl("rule", "replace" if name == "cam1" else "add", *rule.split())
        found = rule_of(daemon.stats(), name)
        equal(found["state"], "pending", f"state of {name}")
        with Client(daemon.socket) as client:
            check("passing between two hosts" in client.call("rule.show", name=name)["reason"], "reason")
    release(daemon)
    hold(daemon)
    for name in rules:
        wait_until(lambda name=name: rule_of(daemon.stats(), name)["state"] == "active", f"{name} begins")


@test
def cut_taken_over():
    """A move at a number goes on in the successors of both daemons"""
    move = Move()
    move.go_on(30)
    move.pair.settle()
    move.pair.daemons = [take_over(daemon, NUMBERED) for daemon in move.pair.daemons]
    move.go_on(80)
    move.check()
    equal([rule_of(daemon.stats(), "cam1")["outputs"][0]["sent_packets"] for daemon in move.pair.daemons], [120, 40],
          "sent by each")


def check_cut_killed(old_kernel):
    """kill -9 of both relays during a move; the leases are renewed without numbers."""
    directory, prefix = work_directory(), Load(times=1, rate=1, old_kernel=old_kernel).prefix()
    managers, places = {}, {}

    def start(relay, rule):
        managers[relay.name] = Manager(directory)
        places[relay.name] = type("Place", (), {"relay": relay})
        return stored_daemon(places[relay.name], managers[relay.name], rule, prefix=prefix)

    move = Move(start)
    move.go_on(30)
    move.pair.settle()
    for i, relay in enumerate(move.pair.relays):
        daemon = move.pair.daemons[i]
        daemon.ctl("-j", "lease", "list")  # its loop has stored what was set before
        daemon.kill()
        daemon = stored_daemon(places[relay.name], managers[relay.name], NUMBERED, socket_path=daemon.socket,
                               prefix=prefix)
        move.pair.daemons[i] = daemon
        equal(state(daemon)[1], "standby", "until somebody renews it")
    hold(move.pair.daemons[0], until=move.latest)
    hold(move.pair.daemons[1], **{"from": move.latest}, until=2 * move.latest)
    move.go_on(80)
    move.check()
    equal([rule_of(daemon.stats(), "cam1")["outputs"][0]["sent_packets"] for daemon in move.pair.daemons], [40, 40],
          "sent by each")


@test
def cut_killed():
    """kill -9 during a move at a number: the process that goes on with what the service manager has knows the number,
    whoever renews the lease"""
    check_cut_killed(False)


@test
def cut_killed_old():
    """The same before Linux 6.4, where the sockets are opened again"""
    check_cut_killed(True)


if __name__ == "__main__":
    main()
