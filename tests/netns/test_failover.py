#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Three real relays with one stream, three members of etcd: whatever fails, the stream goes on from another
host, and no packet leaves twice. Outages are printed: what they are depends on the machine."""

import base64
import contextlib
import re
import shutil
import signal

from cluster import STEADY, Relays, Stream
from harness import Exporter, check, diagnose, discard, equal, main, program, rule_of, run, test, wait_until
from traffic import Traffic
from web import ask


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
        owner = self.relays.holder()
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


def restore(etcds, backup):
    """Stop etcd, and start it again with the data of a backup."""
    for etcd in etcds:
        etcd.process.kill()
    for etcd in etcds:
        shutil.rmtree(etcd.directory)
        etcd.restore(backup)
    for etcd in etcds:
        wait_until(etcd.ready, "etcd is there again")


@test
def etcd_restored():
    """etcdctl snapshot restore, which does not know one host: all join again, also one that was away; none doubled"""
    bed = Failover(count=2, more=STEADY)
    owner = bed.relays.holder()
    other = next(host for host in bed.relays.relays if host is not owner)
    etcds = [host.etcd for host in bed.relays.hosts]
    other.agent.stop()
    wait_until(lambda: not etcds[0].value(f"/xmcast/nodes/{other.name}"), "the other node has left")
    backup = etcds[0].save()
    other.agent.start()
    for away in (False, True):
        bed.recover()
        wait_until(lambda: run(program("xmcastctl"), "--socket", owner.agent.socket, "cluster", "move", "radio",
                               other.name, check=False).returncode == 0, "the request is accepted")
        wait_until(lambda: bed.relays.owner() is other, "the lease has moved")
        bed.stream.gap = 0
        known = etcds[0].revision()
        if away:
            other.agent.process.send_signal(signal.SIGSTOP)
        restore(etcds, backup)
        # What the host has seen looks as if it was of the new etcd.
        wait_until(lambda number=known if away else 0: etcds[0].put("/other", "x") > number, "etcd has caught up")
        other.agent.process.send_signal(signal.SIGCONT)
        # If both were there, the one that reads the backup first may find the other one gone.
        wait_until(lambda either=not away: bed.relays.owner() in [owner, either and other], "a host holds the lease")
        diagnose(f"etcd restored{', one host away' if away else ''}: nothing for {1000 * bed.stream.gap:.0f} ms")
    bed.recover()
    with bed.fault("agent SIGKILL after that") as holder:
        holder.agent.process.kill()
    bed.end()


@contextlib.contextmanager
def without_majority(bed):
    """Two of three members of etcd are dead. Afterwards one host holds the lease."""
    etcds = [host.etcd for host in bed.relays.hosts[:2]]
    bed.stream.gap = 0
    for etcd in etcds:
        etcd.process.kill()
    for host in bed.relays.relays:
        host.agent.process.wait_line("store-unreachable")
    wait_until(lambda: not any(host.agent.status()["deadline_ms"] for host in bed.relays.relays), "no deadline is left")
    yield
    for etcd in etcds:
        etcd.start()
    bed.recover()
    bed.relays.holder()
    bed.stream.wait_more(2000)
    equal(bed.stream.doubled, 0, "packets that came twice")


@test
def majority_gone():
    """2 of 3 members of etcd die: all hosts are muted and show it, until the members return"""
    bed = Failover(count=2)
    owner = bed.relays.holder()
    Exporter(owner.namespace, owner.daemon.socket, "--cluster", owner.agent.socket)
    with without_majority(bed):
        wait_until(lambda: not bed.relays.owner(), "muted")
        owner.daemon.process.wait_line("lease-(standby|expired) lease=radio shard=0")
        expected = {"xmcast_cluster_store_reachable 0", "xmcast_cluster_deadline_seconds 0",
                    "xmcast_lease_held_shards 0"}
        wait_until(lambda: expected <= set(ask(owner.namespace, "/metrics")[2].splitlines()), f"metrics {expected}")
    diagnose(f"majority of etcd dead, mute: nothing for {1000 * bed.stream.gap:.0f} ms, until it had returned")
    bed.end()


@test
def majority_gone_held():
    """2 of 3 members of etcd die, on_store_loss: hold: the holder goes on, and one host does when they return"""
    bed = Failover(count=2, more=STEADY + "leases: { radio: { on_store_loss: hold } }\n")
    owner = bed.relays.holder()
    with without_majority(bed):
        # Longer than the others wait for a node that is silent.
        bed.stream.wait_more(12000)
        equal(bed.relays.holder(), owner, "the host that holds the lease")
        check(all(host.agent.status()["store"]["failures"] for host in bed.relays.relays), "failures are counted")
    diagnose(f"majority of etcd dead, hold: nothing for {1000 * bed.stream.gap:.0f} ms; "
             f"then {'the same' if bed.relays.owner() is owner else 'another'} host holds it")
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


def jump_clocks():
    """Of a host with its etcd and its relay, ahead and back. False: etcd did not answer in time, once more."""
    # What waited by the time of day would be an hour too early or too late. A reading of such a clock takes a change of
    # processes, and may not take longer than a tenth of clock_error.
    bed = Failover(count=2, clocks=True, more=STEADY + "clock_error: 10ms\n")
    owner = bed.relays.holder()
    standby = next(host for host in bed.relays.relays if host is not owner)
    bed.stream.gap = 0
    for ahead, back in ((owner, standby), (standby, owner)):
        ahead.clock.set(HOUR)
        back.clock.set(-HOUR)
        # Longer than a deadline, which is 50 renewals.
        before = [bed.renewals(host) for host in bed.relays.relays]
        wait_until(lambda renewals=before: all(bed.renewals(host) > number + 55 for host, number in
                                               zip(bed.relays.relays, renewals)), "they renew")
        back.agent.process.wait_line(f"clock-error node={ahead.name}")
        bed.stream.wait_more()
    lines = [f"{process.name}: {line}" for host in bed.relays.relays
             for process in (host.agent.process, host.daemon.process) for line in process.lines
             if re.search("shard-left|cluster-left|daemon-lost|lease-standby|lease-expired", line)]
    # By the monotonic clock, as all that is shown of the past.
    shards = [host.agent.status()["shards"][0] for host in bed.relays.relays]
    drops = rule_of(owner.daemon.stats(), "a")["outputs"][0]["drops"]
    late = any(host.agent.process.find_line("store-unreachable") for host in bed.relays.relays)
    bed.end()
    equal(bed.stream.doubled, 0, "packets that came twice")
    diagnose(f"nothing for {1000 * bed.stream.gap:.0f} ms, {bed.stream.missing()} packets are missing")
    if lines and late:
        diagnose("etcd did not answer in time: once more")
        discard()
        return False
    equal(lines, [], "what is reported of leases")
    equal([(shard["owner"], shard["state"]) for shard in shards], [(owner.name, "held")] * 2, "the shard")
    for shard in shards:
        check(int((shard["last_move"] or "0 s").split()[0]) < 600, f"last move: {shard['last_move']}")
    equal({reason: count for reason, count in drops.items() if count}, {}, "drops of the owner")
    return True


@test
def clock_jumps():
    """The time of day of a host, its etcd and its relay jumps by an hour, ahead and back: nothing moves or is lost"""
    check(any(jump_clocks() for _ in range(3)), "etcd answered in time")


main()
