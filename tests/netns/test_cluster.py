#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcast-cluster with a real etcd of three members: which daemon holds which lease.

The daemons here are stand-ins that accept deadlines and obey them; the real ones, with packets on the wire,
are in test_failover.py. Whenever the deadlines are looked at, no shard may be held twice."""

import base64
import os
import re
import signal
import threading
import time

import fake_daemon
from cluster import MEMBERS, TLS, Agent, hosts
from many_streams import winner
from harness import (EXIT_CONFIG, EXIT_REFUSED, EXIT_UNREACHABLE, check, diagnose, equal, main, program, run,
                     test, wait_until, work_directory, write_file)

SHARDS = 8
EVERY = list(range(SHARDS))


class Leases(fake_daemon.FakeDaemon):
    """A fake daemon whose rules have a lease of several shards."""

    def __init__(self, name, before=None):
        """`before`: a daemon that has ended, whose leases it goes on with."""
        self.begin, self.until, self.epochs = \
            (before.begin, before.until, before.epochs) if before else ({}, {}, {})
        self.changing = threading.Lock()
        self.others, self.muted = [], 0  # names of further leases; shards that were ended before their time
        self.hangs, self.replaced = threading.Event(), threading.Event()
        super().__init__(os.path.join(work_directory(), f"{name}.sock"),
                         {"ping": self.answered({}), "lease.list": self.list, "lease.set": self.set,
                          "lease.sequence": self.sequence})

    def answered(self, answer):
        """An answer, unless it hangs."""
        def give(_params):
            while self.hangs.is_set():
                time.sleep(0.01)
            return answer
        return give

    def list(self, _params):
        """lease.list"""
        leases = [{"name": name, "shards": 1, "shard": 0} for name in self.others]
        leases += [{"name": "radio", "shards": SHARDS, "shard": i} for i in EVERY]
        return {"total": len(leases), "leases": leases}

    def sequence(self, _params):
        """lease.sequence, of which older daemons know nothing; none that is just being replaced answers it."""
        if self.replaced.is_set():
            return fake_daemon.Refusal(-32002, "another process takes over")
        return fake_daemon.Refusal(-32601, "no such method")

    def set(self, params):
        """lease.set, which refuses unknown leases and older epochs as the daemon does."""
        self.answered(None)(params)
        params = params.get("leases", [params])
        for lease in params:
            if lease["name"] not in ("radio", *self.others):
                return fake_daemon.Refusal(-32004, "no such lease")
        with self.changing:
            return self.change([lease for lease in params if lease["name"] == "radio" and "until" in lease])

    def change(self, leases):
        """All of them, or none."""
        for lease in leases:
            if lease["epoch"] < self.epochs.get(lease["shard"], 0):
                return fake_daemon.Refusal(-32001, "older epoch")
        for lease in leases:
            self.muted += not lease["until"] and self.until.get(lease["shard"], 0) > time.monotonic_ns()
            self.until[lease["shard"]] = lease["until"]
            self.begin[lease["shard"]] = lease.get("from", 0)
            self.epochs[lease["shard"]] = lease["epoch"]
        return {}

    def held(self, now):
        """The shards that it would send at this moment."""
        with self.changing:
            return [shard for shard, until in sorted(self.until.items()) if self.begin[shard] <= now < until]


class Bed:
    """Three hosts with etcd; two of them, or more, with a daemon and an agent."""

    def __init__(self, count=2, more="settle: 1s\n", etcd="", made=None):
        """`made`: hosts, instead of new ones; `etcd`: further keys of etcd."""
        self.hosts = made or hosts()
        for host in self.hosts[:count]:
            host.daemon = Leases(host.name)
            host.agent = Agent(host, host.daemon.path, more=more, etcd=etcd)
        self.relays = self.hosts[:count]
        self.wait_shared()

    def held(self):
        """The shards that each daemon holds, all at one moment: what is set while they are read begins later. No
        shard may be in two of them."""
        now = time.monotonic_ns()
        held = [host.daemon.held(now) for host in self.relays]
        every = [shard for shards in held for shard in shards]
        equal(len(every), len(set(every)), f"shards held once: {held}")
        return held

    def all_held(self):
        """The same if every shard is held; None: one is not."""
        held = self.held()
        return held if sorted(sum(held, [])) == EVERY else None

    def wait_shared(self):
        """Wait until every shard is held, and every node has one. Returns what each node has."""
        return wait_until(lambda: (held := self.all_held()) and all(held) and held, "every node has its shards",
                          pause=0.002)

    def wait_home(self):
        """Wait until every node has the shards that it is to have, and no move is left."""
        home = [[i for i in EVERY if winner([host.name for host in self.relays], "radio", SHARDS, i) == node.name]
                for node in self.relays]
        wait_until(lambda: self.held() == home and (records := self.hosts[0].etcd.values("/xmcast/shards/radio")) and
                   not any("left_us" in record for record in records), f"held: {home}")

    def wait_held(self, shard, node, what):
        """Wait until this node has the shard, and all others are held as well."""
        wait_until(lambda: (held := self.all_held()) and shard in held[node], what, pause=0.002)

    def wait_outage(self, what, holder):
        """Wait until others hold all shards of a node. The outage is printed."""
        begin = time.monotonic()
        wait_until(lambda: (held := self.all_held()) and not held[holder], f"{what}: the others hold its shards",
                   pause=0.002)
        diagnose(f"{what}: {1000 * (time.monotonic() - begin):.0f} ms until the others held its shards")


@test
def nodes_take_over():
    """SIGTERM, SIGKILL, SIGSTOP of an agent, a daemon that hangs, a member of etcd that dies"""
    bed = Bed()
    first, second = bed.relays
    second.agent.stop()
    equal(bed.held()[1], [], "muted before it has ended")
    bed.wait_outage("SIGTERM", 1)
    second.agent.start()
    bed.wait_shared()
    # Killed and started again at once: it goes on, with a higher epoch.
    before = dict(second.daemon.epochs)
    second.agent.process.kill()
    second.agent.start()
    wait_until(lambda: (held := bed.held()[1]) and all(second.daemon.epochs[s] > before.get(s, 0) for s in held),
               "it goes on")
    bed.wait_shared()
    first.agent.process.send_signal(signal.SIGSTOP)
    bed.wait_outage("agent SIGSTOP", 0)
    first.agent.process.send_signal(signal.SIGCONT)
    first.agent.process.wait_line("cluster-left")
    bed.wait_shared()
    first.daemon.hangs.set()
    bed.wait_outage("daemon hangs", 0)
    first.daemon.hangs.clear()
    bed.wait_shared()
    leader = wait_until(lambda: next((host for host in bed.hosts if host.etcd.leads()), None), "a leader")
    leader.etcd.process.kill()
    wait_until(lambda: bed.all_held() and any(host.etcd.leads() for host in bed.hosts if host != leader),
               "another leader, and all shards are held")
    bed.wait_shared()


@test
def partition():
    """A node that is cut off is muted, one that holds goes on; afterwards it takes part again"""
    bed = Bed(more="settle: 1s\n")
    first = bed.relays[0]
    first.switch.cut(first.port)
    bed.wait_outage("cut off", 0)
    first.switch.mend(first.port)
    bed.wait_shared()
    # Without a majority of etcd everything is muted, and comes back with it.
    for host in bed.hosts[1:]:
        host.etcd.process.kill()
    wait_until(lambda: bed.held() == [[], []], "muted without etcd", pause=0.002)
    for host in bed.hosts[1:]:
        host.etcd.start()
    bed.wait_shared()


@test
def store_loss_held():
    """on_store_loss: hold goes on without etcd, and says so at the start"""
    bed = Bed(more="settle: 1s\nleases: { radio: { on_store_loss: hold } }\n" + MEMBERS)
    for host in bed.relays:
        host.agent.process.wait_line(r"lease-holds lease=radio")
    # Of a shard that moves just then, both hosts may believe that they hold it.
    bed.wait_home()
    for host in bed.hosts:
        host.etcd.process.kill()
    before = [host.agent.status()["store"]["failures"] for host in bed.relays]
    wait_until(lambda: all(host.agent.status()["store"]["failures"] > failures + 20 and
                           not host.agent.status()["deadline_ms"]
                           for host, failures in zip(bed.relays, before)),
               "no deadline is left")
    wait_until(bed.all_held, "all shards are held")


@test
def moves():
    """xmcastctl cluster status, move, drain and undrain; a third node gets its shards; each only once"""
    # A node that was declared dead gets its shards back by itself, also those that were moved.
    more = "settle: 1s\nmoves: 1000\n" + MEMBERS
    bed = Bed(more=more)
    first, second = bed.relays

    def ctl(host, *words, code=0):
        done = run(program("xmcastctl"), "--socket", host.agent.socket, "cluster", *words, check=False)
        equal(done.returncode, code, f"{words}: {done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def ask(host, *words):
        """Until it is accepted: on a busy machine a node may be silent for a moment."""
        wait_until(lambda: run(program("xmcastctl"), "--socket", host.agent.socket, "cluster", *words,
                               check=False).returncode == 0, f"{words} is accepted")

    ctl(first, "drain")
    wait_until(lambda: bed.held() == [[], EVERY], "drained", pause=0.002)
    wait_until(lambda: re.search(r"a +draining .*\n", ctl(second, "status")), "a drains")
    ctl(first, "undrain")
    shard = bed.wait_shared()[0][0]
    check("no live node" in ctl(first, "move", f"radio/{shard}", "x", code=EXIT_REFUSED), "unknown")
    check("no shard" in ctl(first, "move", "tv/0", "b", code=EXIT_REFUSED), "unknown")
    ask(first, "move", f"radio/{shard}", "b")
    bed.wait_held(shard, 1, "moved")
    # By a node that does not hold it, to the other one; and back.
    ask(first, "move", f"radio/{shard}")
    bed.wait_held(shard, 0, "moved by the other node")

    ask(second, "move", f"radio/{shard}", "b")
    bed.wait_held(shard, 1, "moved back")
    # Several requests at once, by either node: the last one counts.
    for host in (first, second):
        for node in ("a", "b", "a"):
            ask(host, "move", f"radio/{shard}", node)
        bed.wait_held(shard, 0, "moved to a")
        for node in ("b", "a", "b"):
            ask(host, "move", f"radio/{shard}", node)
        bed.wait_held(shard, 1, "moved to b")
    ask(first, "drain", "b")
    wait_until(lambda: bed.held() == [EVERY, []], "b is drained by a", pause=0.002)
    check("no live node" in ctl(first, "drain", "x", code=EXIT_REFUSED), "unknown")
    ask(first, "undrain", "b")
    shard = bed.wait_shared()[0][0]
    ask(first, "move", f"radio/{shard}", "b")
    bed.wait_held(shard, 1, "moved again")
    # The daemon of the new holder may have the shard before the former holder knows it.
    for pattern in (r"node a: active|node a: member", r"\nb +active", rf"\nradio +{shard} +b +a +held .*by hand"):
        wait_until(lambda pattern=pattern: re.search(pattern, ctl(first, "status")), pattern)
    # The daemon is replaced while it is asked for the end: the agent goes on with the next one.
    shard = bed.wait_shared()[0][0]
    first.daemon.replaced.set()
    ask(first, "move", f"radio/{shard}", "b")
    first.agent.process.wait_line("another one takes its place")
    bed.held()
    first.daemon.replaced.clear()
    bed.wait_held(shard, 1, "moved after that")
    ask(second, "move", f"radio/{shard}", "a")
    bed.wait_held(shard, 0, "and back")
    third = bed.hosts[2]
    third.daemon = Leases("c")
    third.agent = Agent(third, third.daemon.path, more=more)
    bed.relays.append(third)
    bed.wait_shared()
    check("systemctl status xmcast-cluster" in
          run(program("xmcastctl"), "--socket", "/nowhere", "cluster", "status", check=False).stderr, "hint")


@test
def daemon_reloads():
    """A lease that a reload removes, and a restart of the daemon, end no other lease"""
    bed = Bed(count=1, more=MEMBERS)
    host = bed.relays[0]

    def named(lease):
        """Does the last lease.set have this lease?"""
        sets = [params for method, params in host.daemon.requests if method == "lease.set"]
        return any(item["name"] == lease and item.get("until")
                   for params in sets[-1:] for item in params["leases"])

    # In front of the other lease, so that the numbers of its shards are other ones then.
    host.daemon.others = ["tv"]
    wait_until(lambda: named("tv"), "it holds both")
    host.daemon.others = []
    wait_until(lambda: not named("tv") and bed.all_held(), "it goes on with one")
    wait_until(lambda: host.etcd.values("/xmcast/shards/tv") == [], "other nodes can claim it")
    check(not host.agent.process.find_line("daemon-lost"), "not lost")
    equal(host.daemon.muted, 0, "shards that were ended by the reload")
    before = host.daemon
    before.stop()
    host.daemon = Leases(host.name, before)
    wait_until(lambda: named("radio") and bed.all_held(), "it goes on")
    equal(host.daemon.muted, 0, "shards that were ended by the restart")


@test
def encrypted_with_a_user():
    """TLS with certificates of clients, a user whose role has the prefix only; a wrong password, no certificate"""
    made = hosts(tls=True)

    def ask(method, **body):
        check(made[0].etcd.ask(f"/v3/auth/{method}", body) is not None, f"etcd: {method} {body}")

    def key(text):
        return base64.b64encode(text.encode()).decode()

    ask("user/add", name="root", password="root's own password")
    ask("role/add", name="root")
    ask("user/grant", user="root", role="root")
    ask("role/add", name="relays")
    ask("role/grant", name="relays", perm={"permType": "READWRITE", "key": key("/studio/"),
                                                 "range_end": key("/studio0")})
    ask("user/add", name="relay", password="secret of the relays")
    ask("user/grant", user="relay", role="relays")
    ask("enable")
    password = write_file("password", "secret of the relays\n")
    os.chmod(password, 0o600)
    files = f", ca: {TLS['ca']}, prefix: /studio, user: relay, password_file: {password}"
    certificate = f", certificate: {TLS['cert']}, key: {TLS['key']}"
    bed = Bed(made=made, etcd=files + certificate)
    check(made[0].etcd.ask("/v3/kv/range", {"key": key("/studio/nodes/a")}) is None, "anybody can read it")
    first, second = bed.relays
    first.agent.process.send_signal(signal.SIGSTOP)
    bed.wait_outage("agent SIGSTOP", 0)
    first.agent.process.send_signal(signal.SIGCONT)
    bed.wait_shared()
    second.agent.stop()
    wait_until(lambda: bed.held() == [EVERY, []], "one has all")
    # Who has no certificate or a wrong password never becomes a member, and says why.
    wrong = write_file("wrong", "something else\n")
    os.chmod(wrong, 0o600)
    for more, reason in ((files, "receiving data|certificate|SSL|TLS|alert"),
                         (files.replace(password, wrong) + certificate, "authentication failed")):
        refused = Agent(second, second.daemon.path, name="refused", etcd=more)
        wait_until(lambda agent=refused, words=reason: (seen := agent.status()) and
                   re.search(words, seen["store"]["error"]), f"the error {reason!r}")
        equal((refused.status()["state"], bed.held()[1]), ("absent", []), f"without the right: {more}")
        refused.process.send_signal(signal.SIGTERM)
        refused.process.wait()
    plain = write_file("plain.yaml", "etcd: { endpoints: http://10.9.0.1:2379, user: relay, "
                       f"password_file: {password} }}\n")
    done = run(program("xmcast-cluster"), "-t", "-c", plain, check=False)
    equal(done.returncode, EXIT_CONFIG, "a password without encryption")
    check("without encryption" in done.stderr, done.stderr)


@test
def one_agent_each():
    """A second agent of a node, or at the same socket, is refused; so is a bad configuration"""
    bed = Bed(count=1, more=MEMBERS)
    host = bed.relays[0]
    before = dict(host.daemon.epochs)
    again = Agent.__new__(Agent)
    again.__dict__.update(host.agent.__dict__)
    again.start(wait=False)
    equal(again.process.wait(), EXIT_REFUSED, "the same socket")
    # At another daemon: with the same one it would take the first agent for one that has ended, if that did not run
    # for a moment.
    again.socket += ".2"
    again.daemon_socket = Leases("other").path
    again.start(wait=False)
    equal(again.process.wait(), EXIT_REFUSED, "the same node")
    again.process.wait_line("node-taken")
    wait_until(bed.all_held, "the first one holds all")
    equal(host.daemon.epochs, before, "nothing has changed")
    bad = write_file("bad.yaml", "node: a b\ndeadline: 1s\nrenew: 900ms\netcd: { endpoint: x }\nleases: { tv: x }\n")
    done = run(program("xmcast-cluster"), "-t", "-c", bad, check=False)
    equal(done.returncode, EXIT_CONFIG, "exit code")
    for text in ("bad.yaml:1:7: 'a b': not a valid name", "bad.yaml:4:9: 'endpoint': unknown key, did you mean endpoints?",
                 "bad.yaml:5:15: 'x': wrong type"):
        check(text in done.stderr, f"no {text!r} in\n{done.stderr}")


main()
