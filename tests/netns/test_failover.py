#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Three real relays with one stream, three members of etcd: whatever fails, the stream goes on from another
host, and no packet leaves twice. Outages are printed: what they are depends on the machine."""

import base64
import contextlib
import re
import shutil
import signal

from cluster import Relays, Stream
from harness import check, diagnose, equal, main, rule_of, test, wait_until
from traffic import Traffic


HOUR = 3600


class Failover:
    """Relays with a stream through them."""

    def __init__(self, rate=2000, **options):
        """`options`: of the Relays."""
        self.relays = Relays(**options)
        wait_until(lambda: self.relays.members() == len(self.relays.relays), "all are members")
        self.traffic = Traffic(self.relays.source, "10.1.0.9", "239.1.1.1", 5000, rate)
        self.stream = Stream(self.relays.receiver)
        self.stream.wait_more()

    @contextlib.contextmanager
    def fault(self, what):
        """Within it the owner is made to fail; another one takes over, and nothing is doubled."""
        owner = wait_until(self.relays.owner, "a host holds the lease")
        self.stream.gap = 0
        yield owner
        wait_until(lambda: self.relays.owner() not in (None, owner), f"{what}: another owner")
        self.stream.wait_more()
        diagnose(f"{what}: nothing for {1000 * self.stream.gap:.0f} ms")
        equal(self.stream.doubled, 0, f"{what}: packets that came twice")

    def recover(self):
        """Wait until all three are members again. Nothing is doubled meanwhile."""
        wait_until(lambda: self.relays.members() == len(self.relays.relays), "all are members again")
        # A member of etcd that has just come back is no help if another one goes.
        wait_until(lambda: all(host.etcd.ready() for host in self.relays.hosts), "all of etcd answers")
        self.stream.wait_more()
        equal(self.stream.doubled, 0, "packets that came twice")

    def renewals(self, host):
        """How often a node has renewed its key."""
        return (self.relays.hosts[0].etcd.value(f"/xmcast/nodes/{host.name}") or {}).get("serial", 0)

    def end(self):
        """The stream ends."""
        self.traffic.stop()
        self.stream.stop()



@test
def processes():
    """SIGKILL and SIGSTOP of the relay, of the agent, and of both"""
    bed = Failover()
    with bed.fault("agent SIGKILL") as owner:
        owner.agent.process.kill()
    owner.agent.start()
    bed.recover()
    with bed.fault("relay SIGSTOP") as owner:
        owner.daemon.process.send_signal(signal.SIGSTOP)
    owner.daemon.process.send_signal(signal.SIGCONT)
    bed.recover()
    with bed.fault("both SIGSTOP") as owner:
        owner.daemon.process.send_signal(signal.SIGSTOP)
        owner.agent.process.send_signal(signal.SIGSTOP)
    owner.agent.process.send_signal(signal.SIGCONT)
    owner.daemon.process.send_signal(signal.SIGCONT)
    bed.recover()
    with bed.fault("agent SIGSTOP") as owner:
        owner.agent.process.send_signal(signal.SIGSTOP)
    owner.agent.process.send_signal(signal.SIGCONT)
    bed.recover()
    with bed.fault("agent SIGTERM") as owner:
        owner.agent.stop()
    owner.agent.start()
    bed.recover()
    with bed.fault("relay SIGKILL") as owner:
        owner.daemon.kill()
    bed.relays.relays.remove(owner)
    bed.end()


@test
def inputs_and_outputs():
    """The input is lost on the owner only, or its output: another one relays, and the agent stays a member"""
    bed = Failover()
    with bed.fault("input lost") as owner:
        bed.relays.inside.cut(owner.port)
    bed.relays.inside.mend(owner.port)
    bed.recover()
    # At most one such move in ten seconds, but by each node.
    with bed.fault("output down") as owner:
        owner.namespace.ip("link set out0 down")
    owner.namespace.ip("link set out0 up")
    bed.recover()
    bed.end()


@test
def hosts_and_cables():
    """A partition heals; a host dies with its member of etcd, the leader if it is there"""
    bed = Failover()
    with bed.fault("cut off") as owner:
        owner.switch.cut(owner.port)
    owner.switch.mend(owner.port)
    bed.recover()
    with bed.fault("host dies") as owner:
        diagnose(f"etcd of the host {'leads' if owner.etcd.leads() else 'follows'}")
        for process in (owner.etcd.process, owner.daemon.process, owner.agent.process):
            process.kill()
    bed.end()


@test
def etcd_replaced():
    """All keys are deleted; all members restart without data: the hosts join again, and nothing is doubled"""
    bed = Failover()
    etcds = [host.etcd for host in bed.relays.hosts]
    prefix = {"key": base64.b64encode(b"/xmcast/").decode(), "range_end": base64.b64encode(b"/xmcast0").decode()}
    etcds[0].ask("/v3/kv/deleterange", prefix)
    wait_until(lambda: etcds[0].value("/xmcast/shards/radio/0"), "somebody claims the lease again")
    bed.recover()
    # Revisions begin at 1 again, and the daemons know epochs of higher ones.
    for etcd in etcds:
        etcd.process.kill()
    for etcd in etcds:
        shutil.rmtree(etcd.directory)
        etcd.start()
    for etcd in etcds:
        wait_until(etcd.ready, "etcd is there again")
    wait_until(lambda: etcds[0].value("/xmcast/shards/radio/0"), "somebody claims the lease in the new one")
    bed.recover()
    bed.end()


@test
def clock_jumps():
    """The time of day of a host, its etcd and its relay jumps by an hour, ahead and back: nothing moves or is lost"""
    # Deadlines that a busy machine keeps. What waited by the time of day would be an hour too early or too late.
    bed = Failover(count=2, clocks=True, more="settle: 3600s\ndeadline: 3s\nguard: 100ms\ndaemon_timeout: 3s\n"
                   "input_timeout: 10s\nclock_error: 1ms\n")
    owner = bed.relays.owner()
    standby = next(host for host in bed.relays.relays if host is not owner)
    bed.stream.gap = 0
    for ahead, back in ((owner, standby), (standby, owner)):
        ahead.clock.set(HOUR)
        back.clock.set(-HOUR)
        # Longer than a deadline, which is 30 renewals.
        for host in (ahead, back):
            host.renewals = bed.renewals(host)
        wait_until(lambda: all(bed.renewals(host) > host.renewals + 35 for host in bed.relays.relays), "they renew")
        back.agent.process.wait_line(f"clock-error node={ahead.name}")
        bed.stream.wait_more()
    for host in bed.relays.relays:
        lines = [line for process in (host.agent.process, host.daemon.process) for line in process.lines
                 if re.search("shard-left|cluster-left|daemon-lost|lease-standby|lease-expired", line)]
        equal(lines, [], f"what {host.name} reports of its leases")
        # By the monotonic clock, as all that is shown of the past.
        status = host.agent.status()["shards"][0]
        equal((status["owner"], status["state"]), (owner.name, "held"), f"the shard as {host.name} sees it")
        check(int((status["last_move"] or "0 s").split()[0]) < 600, f"last move: {status['last_move']}")
    drops = rule_of(owner.daemon.stats(), "a")["outputs"][0]["drops"]
    equal({reason: count for reason, count in drops.items() if count}, {}, "drops of the owner")
    bed.end()
    diagnose(f"nothing for {1000 * bed.stream.gap:.0f} ms, {bed.stream.missing()} packets are missing")
    equal(bed.stream.doubled, 0, "packets that came twice")


main()
