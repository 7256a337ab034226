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
import urllib.request

from harness import (BUILD, EXIT_DONE, Namespace, Skip, check, equal, program, run, start, wait_until,
                     work_directory, write_file)

CONTROL_TIMEOUT = 10


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
        self.namespace.ip("link add br0 type bridge mcast_snooping 0")
        self.namespace.ip("link set br0 up")

    def plug(self, namespace, device, port, address=None):
        """Connect a device of this name, made in the namespace, with the bridge."""
        self.namespace.ip(f"link add {port} type veth peer name {device} netns {namespace.name}")
        self.namespace.ip(f"link set {port} master br0 up")
        if address:
            namespace.ip(f"address add {address} dev {device}")
        namespace.ip(f"link set {device} up")

    def cut(self, port):
        """Take the cable out."""
        self.namespace.ip(f"link set {port} nomaster")

    def mend(self, port):
        """Put it in again."""
        self.namespace.ip(f"link set {port} master br0")


class Etcd:
    """A member of etcd, with the timers that docs/two-hosts.md recommends."""

    def __init__(self, namespace, number, members):
        self.namespace, self.number, self.address = namespace, number, f"10.9.0.{number}"
        self.url = f"http://{self.address}:2379"
        directory = os.path.join(work_directory(), f"etcd{number}")
        peers = ",".join(f"m{i}=http://10.9.0.{i}:2380" for i in members)
        self.command = [
            etcd_program(), "--name", f"m{number}", "--data-dir", directory,
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", f"http://{self.address}:2380",
            "--initial-advertise-peer-urls", f"http://{self.address}:2380",
            "--initial-cluster", peers, "--heartbeat-interval", "40", "--election-timeout", "300",
            "--pre-vote", "--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000",
            # The disk of a machine that runs tests is slow, and its content worth nothing.
            "--unsafe-no-fsync"]
        self.process = None
        self.start()

    def start(self):
        """Start it, or start it again."""
        self.process = start(self.namespace, *self.command, name=f"etcd{self.number}")

    def ask(self, path, body):
        """A request to its gateway; None: no answer."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        try:
            with self.namespace.entered(), urllib.request.urlopen(request, timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def leads(self):
        """Is it the leader?"""
        answer = self.ask("/v3/maintenance/status", {})
        return bool(answer) and answer.get("leader") == answer["header"]["member_id"]

    def ready(self):
        """Does it answer with a quorum?"""
        return self.ask("/v3/kv/range", {"key": base64.b64encode(b"x").decode()})


class Agent:
    """An xmcast-cluster."""

    def __init__(self, host, daemon_socket, name=None, more=""):
        self.host, self.name = host, name or host.name
        self.socket = os.path.join(work_directory(), f"{self.name}.cluster.sock")
        self.daemon_socket = daemon_socket
        endpoints = ", ".join(f"http://10.9.0.{i}:2379" for i in (host.number, *host.others))
        self.config = write_file(f"{self.name}.cluster.yaml",
                                 f"node: {self.name}\netcd: {{ endpoints: [{endpoints}] }}\n{more}")
        self.process = None
        self.start()

    def start(self, wait=True):
        """Start it, or start it again."""
        self.process = start(self.host.namespace, program("xmcast-cluster"), "-c", self.config,
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


def call(path, line):
    """A request to a control socket: the answer, or None if nobody answers."""
    import socket  # pylint: disable=import-outside-toplevel
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(CONTROL_TIMEOUT)
            client.connect(path)
            client.sendall(line.encode() + b"\n")
            with client.makefile("rb") as answers:
                return json.loads(answers.readline())
    except (OSError, ValueError):
        return None


class Host:
    """A host with a member of etcd."""

    def __init__(self, switch, number, members=(1, 2, 3)):
        self.switch, self.number = switch, number
        self.name, self.port = "abcdef"[number - 1], f"p{number}"
        self.others = [i for i in members if i != number]
        self.namespace = Namespace(f"host{number}")
        switch.plug(self.namespace, "m0", self.port, f"10.9.0.{number}/24")
        self.etcd = Etcd(self.namespace, number, members) if number in members else None
        self.agent = self.daemon = None


def hosts(count=3):
    """That many hosts, whose etcd is ready."""
    switch = Switch()
    made = [Host(switch, i + 1) for i in range(count)]
    for host in made[:3]:
        wait_until(host.etcd.ready, f"etcd {host.number} answers")
    return made
