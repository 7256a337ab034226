# SPDX-License-Identifier: BSD-2-Clause
"""etcd and xmcast-cluster in namespaces: three hosts, each with a member of etcd, an agent and a daemon,
which are connected by a bridge for management.

    host 1 ── m0 10.9.0.1 ──┐
    host 2 ── m0 10.9.0.2 ──┼── bridge
    host 3 ── m0 10.9.0.3 ──┘
"""

import base64
import json
import os
import shutil
import socket
import ssl
import struct
import threading
import time
import urllib.request

from clock import Clock
from harness import (EXIT_DONE, ROOT, Daemon, Namespace, Skip, diagnose, equal, join, program, receiver, start,
                     wait_until, work_directory, write_file)

CONTROL_TIMEOUT = 10

# Agents that stay members on a busy machine, on which any program may not run for some seconds.
MEMBERS = "deadline: 5s\nguard: 100ms\ndaemon_timeout: 4s\ninput_timeout: 10s\n"

# The same, for tests in which no lease is to move by itself.
STEADY = "settle: 3600s\n" + MEMBERS


def etcd_program():
    """The path of etcd: unpacked by test-deps, or installed."""
    for path in (os.path.join("build", "unpacked", "usr", "bin", "etcd"), "/usr/bin/etcd"):
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise Skip("etcd is not installed")


class Switch:
    """The management network: a bridge in a namespace of its own."""

    def __init__(self, label="mgmt"):
        self.namespace = Namespace(label)
        self.namespace.ip("link add br0 type bridge mcast_snooping 0", "link set br0 up")

    def plug(self, namespace, device, port, address=None):
        """Connect a device of this name, made in the namespace, with the bridge."""
        self.namespace.ip(f"link add {port} type veth peer name {device} netns {namespace.name}",
                          f"link set {port} master br0 up")
        namespace.ip(*((f"address add {address} dev {device}",) if address else ()), f"link set {device} up")

    def cut(self, port):
        """Take the cable out."""
        self.namespace.ip(f"link set {port} nomaster")

    def mend(self, port):
        """Put it in again."""
        self.namespace.ip(f"link set {port} master br0")


# A certificate for 10.9.0.1 to 10.9.0.3 and for clients, its key and who has signed it.
TLS = {name: os.path.join(ROOT, "tests", "netns", "tls", f"etcd-{name}.pem") for name in ("ca", "cert", "key")}


class Etcd:
    """A member of etcd, with the timers that docs/two-hosts.md recommends."""

    def __init__(self, namespace, number, members, tls=False, prefix=()):
        """`tls`: clients have to show a certificate. `prefix`: a command that runs it."""
        self.namespace, self.number, self.address = namespace, number, f"10.9.0.{number}"
        self.url = f"{'https' if tls else 'http'}://{self.address}:2379"
        self.tls = None
        if tls:
            self.tls = ssl.create_default_context(cafile=TLS["ca"])
            self.tls.load_cert_chain(TLS["cert"], TLS["key"])
        self.directory = os.path.join(work_directory(), f"etcd{number}")
        shutil.rmtree(self.directory, ignore_errors=True)  # what a test before has stored, its users included
        peers = ",".join(f"m{i}=http://10.9.0.{i}:2380" for i in members)
        self.command = [
            *prefix, etcd_program(), "--name", f"m{number}", "--data-dir", self.directory,
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", f"http://{self.address}:2380",
            "--initial-advertise-peer-urls", f"http://{self.address}:2380",
            "--initial-cluster", peers, "--heartbeat-interval", "40", "--election-timeout", "300",
            "--pre-vote", "--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000",
            # The disk of a machine that runs tests is slow, and its content worth nothing.
            "--unsafe-no-fsync"]
        if tls:
            self.command += ["--cert-file", TLS["cert"], "--key-file", TLS["key"], "--trusted-ca-file", TLS["ca"],
                             "--client-cert-auth"]
        self.process = None
        self.start()

    def start(self):
        """Start it, or start it again."""
        self.process = start(self.namespace, *self.command, name=f"etcd{self.number}")

    def _ctl(self, *words):
        """etcdctl, beside etcd."""
        etcdctl = os.path.join(os.path.dirname(etcd_program()), "etcdctl")
        self.namespace.run("env", "ETCDCTL_API=3", etcdctl, "--endpoints", self.url, *words)

    def save(self):
        """A backup of its data. Returns the file."""
        path = os.path.join(work_directory(), "etcd.backup")
        self._ctl("snapshot", "save", path)
        return path

    def restore(self, backup):
        """Start it with the data of a backup, as a member of a new cluster."""
        values = dict(zip(self.command, self.command[1:]))
        self._ctl("snapshot", "restore", backup, "--name", values["--name"], "--data-dir", self.directory,
                  "--initial-cluster", values["--initial-cluster"],
                  "--initial-advertise-peer-urls", values["--initial-advertise-peer-urls"])
        self.start()

    def ask(self, path, body):
        """A request to its gateway; None: no answer."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        try:
            with self.namespace.entered(), \
                    urllib.request.urlopen(request, timeout=5, context=self.tls) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def put(self, key, value):
        """Write a key. Returns the revision of the store; 0: no answer."""
        texts = {name: base64.b64encode(text.encode()).decode() for name, text in (("key", key), ("value", value))}
        answer = self.ask("/v3/kv/put", texts)
        return int(answer["header"]["revision"]) if answer else 0

    def revision(self):
        """Of the store."""
        return int(wait_until(self.ready, "etcd answers")["header"]["revision"])

    def leads(self):
        """Is it the leader?"""
        answer = self.ask("/v3/maintenance/status", {})
        return bool(answer) and answer.get("leader") == answer["header"]["member_id"]

    def value(self, key):
        """The value of a key, which is JSON; None: there is none."""
        values = self._values({"key": base64.b64encode(key.encode()).decode()})
        return values[0] if values else None

    def values(self, directory):
        """The values of all keys below it; None: no answer."""
        begin, end = (base64.b64encode((directory + byte).encode()).decode() for byte in "/0")
        return self._values({"key": begin, "range_end": end})

    def _values(self, keys):
        answer = self.ask("/v3/kv/range", keys)
        return answer and [json.loads(base64.b64decode(item["value"])) for item in answer.get("kvs", [])]

    def ready(self):
        """Does it answer with a quorum?"""
        return self.ask("/v3/kv/range", {"key": base64.b64encode(b"x").decode()})


class Agent:
    """An xmcast-cluster."""

    def __init__(self, host, daemon_socket, name=None, more="", etcd=""):
        """`more`: of the file; `etcd`: further keys of etcd."""
        self.host, self.name = host, name or host.name
        self.socket = os.path.join(work_directory(), f"{self.name}.cluster.sock")
        self.daemon_socket = daemon_socket
        scheme = "https" if "ca:" in etcd else "http"
        endpoints = ", ".join(f"{scheme}://10.9.0.{i}:2379" for i in host.members)
        self.config = write_file(f"{self.name}.cluster.yaml",
                                 f"node: {self.name}\netcd: {{ endpoints: [{endpoints}]{etcd} }}\n{more}")
        self.process = None
        self.start()

    def start(self, wait=True):
        """Start it, or start it again."""
        self.process = start(self.host.namespace, *self.host.prefix, program("xmcast-cluster"), "-c", self.config,
                             "--daemon", self.daemon_socket, "--socket", self.socket,
                             name=f"xmcast-cluster@{self.name}")
        if wait:
            self.process.wait_line("cluster-started")

    def status(self):
        """cluster.status, with all shards; None while it does not answer."""
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "cluster.status",
                           "params": {"limit": 500}})
        answer = call(self.socket, line)
        return answer and answer["result"]

    def owners(self):
        """(lease, shard) -> owner, as it sees them."""
        status = self.status()
        return status and {(s["lease"], s["shard"]): s["owner"] for s in status["shards"]}

    def stop(self):
        """SIGTERM: it leaves, and ends."""
        equal(self.process.stop(), EXIT_DONE, f"exit code of {self.process.name}")


def call(path, line, timeout=CONTROL_TIMEOUT):
    """A request to a control socket: the answer, or None if nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(timeout)
            client.connect(path)
            client.sendall(line.encode() + b"\n")
            with client.makefile("rb") as answers:
                return json.loads(answers.readline())
    except (OSError, ValueError):
        return None


class Host:
    """A host with a member of etcd."""

    def __init__(self, switch, number, members=(1, 2, 3), tls=False, clock=False):
        """`clock`: its programs have a time of day of their own."""
        self.switch, self.number = switch, number
        self.clock = Clock(f"host{number}") if clock else None
        self.prefix = self.clock.prefix if clock else ()
        self.name, self.port = "abcdef"[number - 1], f"p{number}"
        # Its own member of etcd first, if it has one.
        self.members = sorted(members, key=lambda member: member != number)
        self.namespace = Namespace(f"host{number}")
        switch.plug(self.namespace, "m0", self.port, f"10.9.0.{number}/24")
        self.etcd = Etcd(self.namespace, number, members, tls, self.prefix) if number in members else None
        self.agent = self.daemon = None


class Relays:
    """Three hosts with a real daemon each, which see one stream and are to send it once.

        source  s0 10.1.0.9 ── bridge ── in0 10.1.0.N  host N  out0 10.2.0.N ── bridge ── r0 10.2.0.9  receiver
    """

    RULE = "a in 239.1.1.1:5000@in0 lease radio out 239.2.2.2:6000@out0"

    def __init__(self, count=3, more="settle: 3600s\n", events="{}", rule=RULE, clocks=False):
        self.hosts = hosts(clocks=clocks)
        self.inside, self.outside = Switch("in"), Switch("out")
        self.source, self.receiver = Namespace("source"), Namespace("receiver")
        self.inside.plug(self.source, "s0", "s", "10.1.0.9/24")
        self.outside.plug(self.receiver, "r0", "r", "10.2.0.9/24")
        self.relays = self.hosts[:count]
        for host in self.relays:
            self.start(host, rule, more, events)
        self.holder()

    def start(self, host, rule, more, events="{}"):
        """Connect a host with the streams, and start its relay."""
        self.inside.plug(host.namespace, "in0", host.port, f"10.1.0.{host.number}/24")
        self.outside.plug(host.namespace, "out0", host.port, f"10.2.0.{host.number}/24")
        host.daemon = Daemon(host.namespace, config=f"rules: [ {rule} ]\nevents: {events}\n", prefix=host.prefix)
        host.agent = Agent(host, host.daemon.socket, more=more)

    def owner(self):
        """The host whose daemon holds the lease, or None. Daemons that do not run hold nothing."""
        for host in self.relays:
            answer = call(host.daemon.socket, json.dumps(
                {"jsonrpc": "2.0", "id": 1, "method": "lease.list"}), 0.2)
            if answer and answer["result"]["leases"][0]["state"] == "held":
                return host
        return None

    def holder(self):
        """The same, once there is one: a daemon may not answer for a moment."""
        return wait_until(self.owner, "a host holds the lease")

    def members(self):
        """How many nodes are members, as all agents see it; None: they do not agree."""
        seen = {tuple(sorted(node["name"] for node in status["nodes"] if node["state"] == "active"))
                if status and status["state"] == "member" else None
                for status in (host.agent.status() for host in self.relays)}
        return len(seen.pop() or ()) if len(seen) == 1 else None


class Stream:
    """What a receiver sees of a Traffic: each number of a group once, and how long there was nothing."""

    def __init__(self, namespace, groups=("239.2.2.2",), port=6000, address="10.2.0.9"):
        namespace.sysctl("net/ipv4/igmp_max_memberships", len(groups))
        self._socket = receiver(namespace, port)
        for group in groups:
            join(self._socket, group, address)
        self._socket.settimeout(0.2)
        self._seen, self._end = {}, threading.Event()
        self.packets = self.doubled = 0
        self.last, self.gap = None, 0
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self):
        while not self._end.is_set():
            try:
                number, index = struct.unpack("!QI", self._socket.recv(2048)[:12])
            except TimeoutError:
                continue
            now = time.monotonic()
            self.gap = max(self.gap, now - (self.last or now))
            self.last = now
            self.packets += 1
            seen = self._seen.setdefault(index, {})
            if number in seen:
                self.doubled += 1
                diagnose(f"group {index}: {number} came twice, {1000 * (now - seen[number]):.1f} ms apart")
            seen[number] = now

    def missing(self, of=lambda index: True):
        """How many numbers between the first and the last one have not come, of these indices of groups."""
        return sum(max(seen) - min(seen) + 1 - len(seen) for index, seen in self._seen.items() if of(index))

    def missing_between(self, first, last):
        """The same of the only group, between its packets that arrived as these ones."""
        numbers = sorted(list(next(iter(self._seen.values())))[first:last])
        return numbers[-1] - numbers[0] + 1 - len(numbers)

    def groups(self):
        """How many groups have been seen."""
        return len(self._seen)

    def wait_more(self, packets=100):
        """Wait until it flows."""
        goal = self.packets + packets
        wait_until(lambda: self.packets > goal, "packets arrive")

    def stop(self):
        """Stop receiving."""
        self._end.set()
        self._thread.join()
        self._socket.close()


def hosts(count=3, tls=False, clocks=False):
    """That many hosts, whose etcd is ready."""
    switch = Switch()
    made = [Host(switch, i + 1, tls=tls, clock=clocks) for i in range(count)]
    for host in made[:3]:
        wait_until(host.etcd.ready, f"etcd {host.number} answers")
    return made
