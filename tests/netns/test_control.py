#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The control socket of a real daemon: every method and error, hostile clients, rights, and a crowd of
clients beside a stream that loses nothing."""

import contextlib
import json
import os
import select
import socket
import stat
import subprocess
import sys
import threading

from control import Client, open_descriptors
from harness import (EXIT_CONFIG, EXIT_REFUSED, Daemon, Namespace, Passage, Sink, Star, check,
                     check_clean, equal, generate, interface_of, lossless, main, program, run, test,
                     wait_until, work_directory, write_file)

RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 ttl 8 out 10.2.0.2:6001"
RULES = f"rules:\n  - {RULE}\n  - cam2 in 239.1.1.2:5000@in0 source 10.1.0.1 out 10.2.0.2:6002\n"

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
FORBIDDEN, NOT_FOUND = -32003, -32004

NOBODY, READERS, ADMINS = 65534, 4711, 4712

READS = ("version", "ping", "stats.show", "iface.list", "worker.list", "group.list", "log.show",
         "monitor.start")


def rules(count, **more):
    """A configuration with so many disabled rules."""
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return "rules:\n" + "".join(
        f"  - {{ name: r{i}, in: '239.1.{i // 250}.{i % 250}:5000@in0', enabled: no, "
        f"out: [ '239.2.2.2:6000@out0' ]{extra} }}\n" for i in range(count))


def open_to_others(daemon):
    """Let other users reach the socket."""
    os.chmod(os.path.dirname(daemon.socket), 0o755)


def cpu_seconds(pid):
    """CPU time that a process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- methods ---------------------------------------------------------------------------------

@test
def every_method():
    """Every method that only reads answers with the keys of docs/control-protocol.md"""
    star = Star(queues=2)
    daemon = Daemon(star.relay, config=RULES + "workers: { frames: 256, cpus: [0] }\n")
    client = Client(daemon.socket)
    version = client.call("version")
    equal(set(version), {"daemon", "protocol", "revision", "branch", "kernel", "libbpf", "libxdp", "liburing"},
          "keys of version")
    equal(version["protocol"], 1, "protocol")
    equal(client.call("ping"), {"alive": True, "workers": 2}, "ping")
    equal(set(client.call("config.status")), {"file", "last_reload_successful", "last_reload_seconds", "reloads"},
          "keys of config.status")
    stats = client.call("stats.show")
    check({"uptime_seconds", "generation", "total", "totals", "rules", "interfaces",
           "workers"} <= set(stats), f"keys of stats.show: {sorted(stats)}")
    equal((stats["total"], [rule["name"] for rule in stats["rules"]]), (2, ["cam1", "cam2"]),
          "rules")
    interfaces = client.call("iface.list")["interfaces"]
    equal(len(interfaces), 1, "interfaces")
    link = json.loads(star.relay.run("ip", "-j", "link", "show", "in0").stdout)[0]
    for seen in (interfaces[0], client.call("iface.show", name="in0")):
        equal((seen["name"], seen["ifindex"], seen["mtu"], seen["rx_queues"], seen["rules"]),
              ("in0", link["ifindex"], 1500, 2, 2), "interface")
        check(seen["program_id"] > 0 and seen["mode"] == "native", f"program: {seen}")
        equal((seen["attach"]["by"], seen["attach"]["pins"], set(seen["attach"]["maps"])),
              ("own", None, {"rules", "shapes", "sockets", "verdicts", "outputs", "tallies",
                             "device_sets", "leases", "members", "passed", "about"}), "attachment")
        check(all(number > 0 for number in seen["attach"]["maps"].values()), f"maps: {seen}")
        equal(set(interface_of(stats, "in0")) - set(seen), set(), "keys missing in iface.show")
    workers = client.call("worker.list")["workers"]
    equal([(w["interface"], w["queue"], w["cpus"], w["engine"].split(":")[0]) for w in workers],
          [("in0", 0, [0, 0], "io_uring"), ("in0", 1, [0, 0], "io_uring")], "workers")
    for worker in workers:
        check(worker["umem_bytes"] >= 256 * 2048, f"umem_bytes: {worker['umem_bytes']}")
        check(isinstance(worker["huge_pages"], bool), "huge_pages")
    groups = client.call("group.list")
    equal((groups["total"], groups["generation"]), (2, stats["generation"]), "groups")
    equal(sorted((g["group"], g["source"], g["interface"]) for g in groups["groups"]),
          [("239.1.1.1", None, "in0"), ("239.1.1.2", "10.1.0.1", "in0")], "groups")
    equal(client.call("stats.reset_peaks"), {}, "stats.reset_peaks")


@test
def log_levels():
    """log.set applies at once, to one facility or all, and is logged"""
    daemon = Daemon(Namespace("empty"), config="rules: []\nlogging: { levels: { links: error } }\n")
    client = Client(daemon.socket)
    shown = client.call("log.show")
    equal((shown["to"], shown["format"]), ("auto", "text"), "where and how")
    equal(shown["levels"], {"daemon": "info", "rules": "info", "steering": "info",
                            "ingress": "info", "egress": "info", "membership": "info",
                            "links": "error", "control": "info"}, "levels")
    changed = client.call("log.set", facility="steering", level="debug")
    equal(changed["levels"], {**shown["levels"], "steering": "debug"}, "levels after one")
    changed = client.call("log.set", facility="all", level="warning")
    equal(set(changed["levels"].values()), {"warning"}, "levels after all")
    equal(client.call("log.show"), changed, "log.show")
    for params in ({}, {"facility": "rules"}, {"level": "info"}, {"facility": 1, "level": "info"},
                   {"facility": "rules", "level": "loud"}, {"facility": "x", "level": "info"},
                   {"facility": "", "level": "info"}, {"facility": "rules", "level": None}):
        equal(client.code("log.set", **params), INVALID_PARAMS, f"log.set {params}")
    equal(client.call("log.show"), changed, "log.show after errors")
    daemon.process.wait_line("log-level-set of=steering to=debug")


@test
def pages():
    """1,200 rules in pages, each item once; rules with many outputs, in smaller pages"""
    daemon = Daemon(Namespace("empty"), config=rules(1200))
    client = Client(daemon.socket)
    seen = []
    while len(seen) < 1200:
        page = client.call("stats.show", offset=len(seen), limit=500)
        equal((page["total"], page["generation"]), (1200, page["generation"]), "total")
        equal(len(page["rules"]), min(500, 1200 - len(seen)), "rules on a page")
        seen += [rule["name"] for rule in page["rules"]]
    equal(seen, [f"r{i}" for i in range(1200)], "rules")
    equal(len(client.call("stats.show")["rules"]), 100, "rules on a page by default")
    for offset, count in ((1199, 1), (1200, 0), (2147483647, 0)):
        equal(len(client.call("stats.show", offset=offset)["rules"]), count, f"at {offset}")
    for params in ({"offset": -1}, {"limit": 0}, {"limit": 501}, {"limit": "1"}, {"offset": 1.0},
                   {"offset": 1 << 40}, {"offset": None}, {"page": 1}):
        for method in ("stats.show", "group.list"):
            equal(client.code(method, **params), INVALID_PARAMS, f"{method} {params}")
    daemon.stop()
    outputs = ", ".join(f"'10.0.{i // 250}.{i % 250 + 1}:6000'" for i in range(256))
    wide = "".join(f"  - {{ name: w{i}, in: '239.1.1.{i}:5000@in0', enabled: no, "
                   f"out: [ {outputs} ] }}\n" for i in range(20))
    client = Client(Daemon(Namespace("wide"), config="rules:\n" + wide).socket)
    first = client.call("stats.show", limit=500)["rules"]
    check(1 <= len(first) < 20, f"{len(first)} rules with 256 outputs on a page")
    rest = client.call("stats.show", limit=500, offset=len(first))["rules"]
    equal([rule["name"] for rule in first + rest], [f"w{i}" for i in range(len(first + rest))],
          "rules")


@test
def config_in_characters():
    """config.show: a part starts between two characters; an offset inside one is refused"""
    daemon = Daemon(Namespace("empty"),
                    config="rules: []\ninterfaces: { in0: { pins: /tmp/h\u00fcter } }\n")
    client = Client(daemon.socket)
    text = client.call("config.show")["text"].encode()
    at = text.index("\u00fc".encode())
    equal(client.call("config.show", offset=at)["text"], text[at:].decode(), "from a character")
    equal(client.code("config.show", offset=at + 1), INVALID_PARAMS, "within a character")


@test
def monitor():
    """Events reach all monitors at once, also between answers, and no other client"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    monitors = [Client(daemon.socket) for _ in range(3)]
    plain = Client(daemon.socket)
    for client in monitors:
        equal(client.call("monitor.start"), {}, "monitor.start")
    monitors[1].socket.shutdown(socket.SHUT_WR)
    star.relay.ip("link set in0 down")
    for client in monitors:
        event = client.line()
        while event["params"]["event"] != "interface-impaired":
            event = client.line()
        equal((event["jsonrpc"], event["method"], "id" in event), ("2.0", "event", False), "event")
        equal(event["params"]["interface"], "in0", "interface")
        check(event["params"]["time"].endswith("Z"), "time")
    monitors[0].call("ping")
    plain.call("ping")
    equal(plain.buffer, b"", "events to who has not asked")


# ---- errors ----------------------------------------------------------------------------------

@test
def every_error():
    """Every error code; an error changes nothing and leaves the connection as it was"""
    star = Star()
    client = Client(Daemon(star.relay, RULE).socket)
    equal(client.ask("nonsense")["error"]["code"], PARSE_ERROR, "nonsense")
    equal(client.ask("[]")["error"]["code"], INVALID_REQUEST, "a batch")
    equal(client.ask('{"jsonrpc":"2.0","id":[],"method":"ping"}')["error"]["code"],
          INVALID_REQUEST, "an array as id")
    equal(client.code("no.such"), NO_METHOD, "no.such")
    for method in READS + ("stats.reset_peaks", "iface.show", "log.set"):
        equal(client.code(method, nonsense=1), INVALID_PARAMS, f"{method} with an unknown key")
        answer = client.ask(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                                        "params": []}))
        equal(answer["error"]["code"], INVALID_PARAMS, f"{method} with an array")
    for name in (None, "", 1, ["in0"]):
        equal(client.code("iface.show", name=name), INVALID_PARAMS, f"iface.show {name!r}")
    for name in ("in1", "lo", "x" * 10000, "ü" * 5000, "%s%n", "in0\u0001"):
        equal(client.code("iface.show", name=name), NOT_FOUND, f"iface.show {name[:10]!r}")
    client.call("ping")


HOSTILE = (
    b"", b" ", b"{", b"\x00", b"\xff\xfe", b'{"jsonrpc":"2.0","id":1,"method":"ping"',
    b"[" * 60000, b'{"a":' * 10000, b'["' + b"\\" * 49999 + b'"]', b'"' * 60000,
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 20 + b"]" * 20 + b"}",
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', b"1e999", b"-" * 60000,
    b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', b"GET / HTTP/1.1\r",
)


@test
def malformed():
    """Lines that are not requests: each is an error, and the next request is answered"""
    with Client(Daemon(Namespace("empty"), config="rules: []\n").socket) as client:
        for line in HOSTILE:
            answer = client.ask(line)
            equal(answer["error"]["code"], PARSE_ERROR, f"{line[:40]}")
            equal(answer["id"], None, "id")
            check(len(json.dumps(answer)) < 1000, f"the answer to {line[:40]} is long")
        deep = b'{"jsonrpc":"2.0","id":"' + b"[" * 100 + b'","method":"ping"}'
        equal(client.ask(deep)["result"]["alive"], True, "brackets in a string")


@test
def in_pieces():
    """Byte by byte, many in one write, half closed: every request is answered, in order"""
    daemon = Daemon(Namespace("empty"), config="rules: []\n")
    line = b'{"jsonrpc":"2.0","id":%d,"method":"version"}\n'
    with Client(daemon.socket) as client:
        for byte in line % 7:
            client.send(bytes([byte]))
        equal(client.line()["id"], 7, "id of the one in pieces")
        client.send(b"".join(line % i for i in range(150)) + b'{"jsonrpc":')
        client.socket.shutdown(socket.SHUT_WR)
        equal([client.line()["id"] for _ in range(150)], list(range(150)), "ids")
        equal(client.line(), None, "the end")


@test
def throttled():
    """500 requests of a reader at once: 200 are answered at once, the others later; other clients do not wait"""
    daemon = Daemon(Namespace("empty"), config="rules: []\n" + ACCESS)
    open_to_others(daemon)
    greedy, other = (Client(daemon.socket, NOBODY, READERS) for _ in range(2))
    greedy.send(b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % i for i in range(500)))
    for i in range(200):
        equal(greedy.line()["id"], i, "id")
    other.call("ping")
    for i in range(200, 500):
        equal(greedy.line()["id"], i, "id")


# ---- rights ----------------------------------------------------------------------------------

ACCESS = f"control: {{ group: {READERS}, admin_group: '{ADMINS}' }}\n"


@test
def rights():
    """Reading for the group, changing for root and the admin group, primary or not"""
    daemon = Daemon(Namespace("empty"), config="rules: []\n" + ACCESS)
    status = os.stat(daemon.socket)
    equal((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), (0o660, 0, READERS),
          "mode, owner and group of the socket")
    open_to_others(daemon)

    def may(gid, groups):
        with Client(daemon.socket, NOBODY, gid, groups) as client:
            for method in READS:
                client.call(method)
            codes = {client.code("log.set", facility="rules", level="info"),
                     client.code("stats.reset_peaks")}
        check(codes in ({None}, {FORBIDDEN}), f"gid {gid}, groups {groups}: codes {codes}")
        return codes == {None}

    equal(may(READERS, []), False, "a reader may change things")
    equal(may(NOBODY, [READERS]), False, "a reader may change things")
    equal(may(READERS, [ADMINS]), True, "an admin may change things")
    equal(may(ADMINS, [READERS, *range(20000, 20500)]), True, "an admin may change things")
    for gid in (NOBODY, ADMINS):
        try:
            Client(daemon.socket, NOBODY, gid)
        except PermissionError:
            continue
        raise AssertionError(f"gid {gid} can connect")
    with Client(daemon.socket) as client:
        equal(client.code("log.set", facility="rules", level="info"), None, "root")


# Raw, because the programs under test may be in a directory that nobody else can enter.
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"log.set",'
          b'"params":{"facility":"rules","level":"info"}}\\n')
print(s.recv(65536).decode())
"""


@test
def rights_of_a_program():
    """The same for programs that setpriv starts: forbidden, and allowed to an admin"""
    daemon = Daemon(Namespace("empty"), config="rules: []\n" + ACCESS)
    open_to_others(daemon)
    for groups, word in ((f"{READERS}", "-32003"), (f"{READERS},{ADMINS}", "result")):
        done = run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={groups}",
                   sys.executable, "-c", ASK, daemon.socket)
        check(word in done.stdout, f"groups {groups}: {done.stdout}")


@test
def long_requests():
    """64 KiB from readers, 8 MiB from administrators; a longer request is an error, and closes"""
    daemon = Daemon(Namespace("empty"), config="rules: []\n" + ACCESS)
    open_to_others(daemon)
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    for most, who in ((1 << 16, (NOBODY, READERS)), (1 << 23, ())):
        with Client(daemon.socket, *who) as client:
            equal(client.ask(ping.ljust(most - 1))["result"]["alive"], True, f"{most - 1} bytes")
            client.call("ping")
        with Client(daemon.socket, *who) as client:
            sender = threading.Thread(target=send_quietly, args=(client, b" " * (most + 100000)))
            sender.start()
            equal(client.line()["error"]["code"], INVALID_REQUEST, f"more than {most} bytes")
            equal(client.line(), None, "the end")
            sender.join()
    Client(daemon.socket).call("ping")


def send_quietly(client, data):
    """Send to a daemon that may close the connection meanwhile."""
    try:
        client.send(data)
    except OSError:
        pass


@test
def unknown_group():
    """A group that does not exist: exit 78, and its name; no socket is left behind"""
    for key in ("group", "admin_group"):
        path = os.path.join(work_directory(), "unknown.sock")
        config = write_file("unknown.yaml", f"rules: []\ncontrol: {{ {key}: no-such-group }}\n")
        done = run(program("xmcastd"), "--socket", path, "-c", config, check=False)
        equal(done.returncode, EXIT_CONFIG, f"exit code for {key}\n{done.stderr}")
        check("control-group-unknown group=\"no-such-group\"" in done.stderr, done.stderr)
        check(not os.path.exists(path), "there is a socket")


# ---- starting --------------------------------------------------------------------------------

@test
def race():
    """Eight daemons start at the same moment on one stale socket: one gets it"""
    path = os.path.join(work_directory(), "race.sock")
    for round_ in range(5):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        config = write_file("race.yaml", "rules: []\n")
        daemons = [subprocess.Popen([program("xmcastd"), "--socket", path, "-c", config],
                                    stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for _ in range(8)]
        try:
            wait_until(lambda: sum(d.poll() is not None for d in daemons) == 7, "seven have lost")
            codes = sorted((d.poll() for d in daemons), key=lambda code: code is None)
            equal(codes, [EXIT_REFUSED] * 7 + [None], f"exit codes, round {round_}")
            wait_until(lambda: answers(path), "the winner answers")
        finally:
            for daemon in daemons:
                daemon.terminate()
            codes = [daemon.wait(30) for daemon in daemons]
        check(0 in codes, f"exit codes: {codes}")
        check(not os.path.exists(path), "the socket is still there")
        check(os.path.exists(path + ".lock"), "the lock file has gone")


def answers(path):
    """Whether a daemon answers there."""
    try:
        with Client(path) as client:
            return client.call("ping")["alive"]
    except OSError:
        return False


# ---- crowds ----------------------------------------------------------------------------------

@test
def never_read():
    """A client that does not read its answer is disconnected after 30 s, and delays no other"""
    daemon = Daemon(Namespace("empty"), config=rules(1200))
    lazy, other = Client(daemon.socket), Client(daemon.socket)
    lazy.send(b'{"jsonrpc":"2.0","id":1,"method":"stats.show","params":{"limit":500}}\n' * 3)
    for _ in range(10):
        other.call("stats.show", limit=500)
    poller = select.poll()
    poller.register(lazy.socket, 0)  # POLLHUP comes unasked
    check(poller.poll(90000), "it is not hung up on")
    while lazy.line():  # what was sent before can still be read
        pass
    other.call("ping")


def limit_descriptors(daemon, free=8):
    """Leave the daemon this number of free descriptors, fewer than it serves clients. Returns it."""
    pid = daemon.process.pid
    opened = open_descriptors(pid)
    unused = [number for number in range(len(opened) + free) if number not in opened]
    limit = unused[free - 1] + 1
    run("prlimit", f"--pid={pid}", f"--nofile={limit}:{limit}")
    return free


@test
def descriptors_exhausted():
    """Without descriptors readers are refused, root is served, packets are relayed, nothing spins"""
    star = Star()
    daemon = Daemon(star.relay, config=f"rules: [ {RULE!r} ]\n" + ACCESS)
    open_to_others(daemon)
    free = limit_descriptors(daemon)
    crowd = [Client(daemon.socket, NOBODY, READERS) for _ in range(free)]
    for client in crowd:
        client.call("monitor.start")  # so that none of them is idle
    crowd += [Client(daemon.socket, NOBODY, READERS) for _ in range(100)]
    for client in crowd[free:]:
        equal(client.line(), None, "what a reader gets without a descriptor")
    pid = daemon.process.pid
    before = cpu_seconds(pid)
    with Client(daemon.socket) as admin:
        equal(admin.call("ping")["alive"], True, "root in place of a reader")
        equal(crowd[0].line(), None, "the reader that has been idle for longest")
    for client in crowd[1:free]:
        client.call("ping")
    sent = generate(star.source, "s0", "--rate", "1000", "--count", "2000")  # takes 2 s
    used = cpu_seconds(pid) - before
    check(used < 1.5, f"the daemon used {used} s of CPU time")
    for client in crowd:
        client.close()
    wait_until(lambda: answers(daemon.socket), "an answer when there is room again")
    daemon.settle(steered=sent["sent_packets"])


# Readers that fill all places, ask for much, do not read, and come again.
FLOOD = """
import socket, sys
show = b'{"jsonrpc":"2.0","id":1,"method":"stats.show","params":{"limit":500}}\\n'
watch = b'{"jsonrpc":"2.0","id":2,"method":"monitor.start"}\\n'
while True:
    crowd = []
    for i in range(100):
        try:
            crowd.append(socket.socket(socket.AF_UNIX))
            crowd[-1].connect(sys.argv[1])
            crowd[-1].send(show * 20 if i % 2 else watch)
        except OSError:
            pass
    print(len(crowd), flush=True)
"""


@test
def readers_everywhere():
    """Readers take all places, are busy and reconnect all the time: root is always served"""
    daemon = Daemon(Namespace("empty"), config=rules(1200) + ACCESS)
    open_to_others(daemon)
    flood = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={READERS}",
             sys.executable, "-c", FLOOD, daemon.socket)
    with contextlib.ExitStack() as stack:
        floods = []
        for _ in range(2):
            floods.append(stack.enter_context(subprocess.Popen(flood, stdout=subprocess.PIPE)))
            stack.callback(floods[-1].kill)
        for process in floods:
            check(process.stdout.readline(), "no reader came")
        for _ in range(100):
            with Client(daemon.socket) as admin:
                equal(admin.call("ping")["alive"], True, "root")
                equal(admin.code("log.set", facility="rules", level="info"), None, "a change")
    with Client(daemon.socket, NOBODY, READERS) as reader:
        reader.call("ping")


class Crowd(threading.Thread):
    """Clients that ask, are slow, leave and reconnect until told to stop. They take nearly all places."""

    SIZE = 60

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.clients, self.answers, self.error = path, [], 0, None
        self.full, self.enough = threading.Event(), threading.Event()

    def run(self):
        try:
            self.clients = [self.connect() for _ in range(self.SIZE)]
            self.full.set()
            while not self.enough.is_set():
                self.round()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
            self.full.set()

    def connect(self):
        """A new client."""
        client = Client(self.path)
        client.socket.setblocking(False)
        return client

    def round(self):
        """Each acts by its kind: slow, chatty, leaving, monitoring, sending garbage."""
        for number, client in enumerate(self.clients):
            if self.enough.wait(0.0005):
                return
            kind = number % 5
            line = (b'{"jsonrpc":"2.0","id":1,',
                    b'{"jsonrpc":"2.0","id":1,"method":"stats.show"}\n',
                    b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
                    b'{"jsonrpc":"2.0","id":1,"method":"monitor.start"}\n',
                    b"\xff[[[[[\n")[kind]
            try:
                client.socket.send(line)
                if kind != 3:
                    self.answers += client.socket.recv(1 << 20).count(b"\n")
            except BlockingIOError:
                pass
            except OSError:
                kind = 2
            if kind == 2:
                client.close()
                self.clients[number] = self.connect()


@test
def crowd_of_clients():
    """60 clients of all kinds beside a paced stream: no packet is lost"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    crowd = Crowd(daemon.socket)
    crowd.start()
    check(crowd.full.wait(60) and not crowd.error, f"they do not come in: {crowd.error}")

    def attempt(_number):
        passage = Passage(daemon)
        sinks = [Sink(star.receiver, "r0", "--port", str(port)) for port in (6000, 6001)]
        answers_before = crowd.answers
        sent = generate(star.source, "s0", "--rate", "20000", "--count", "100000", "--port",
                        "5000")
        passage.end(sent)
        check(crowd.answers > answers_before, "the crowd was not served meanwhile")
        equal(crowd.error, None, "error of the crowd")
        missing = passage.missing()
        for sink, count in zip(sinks, missing):
            check_clean(sink.stop(), sent, count)
        return sum(missing)

    try:
        lossless(attempt)
    finally:
        crowd.enough.set()
        crowd.join(30)
    Client(daemon.socket).call("ping")


main()
