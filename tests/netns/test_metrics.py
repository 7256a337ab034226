#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Metrics over HTTP: what is served, to whom, by a process without rights; and Debian's Prometheus
with it: promtool's opinion, a server that scrapes a live relay, every query of the dashboard."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.parse

from control import Client
from harness import (EXIT_CONFIG, ROOT, Daemon, Namespace, Sink, Star, check, check_clean, diagnose,
                     equal, generate, lossless, main, need, receiver, rule_of, run, sender, start,
                     test, wait_until, work_folder, write_file)

# Where `make deps` unpacks Prometheus, if it is not installed.
os.environ["PATH"] += ":" + os.path.join(ROOT, "build", "unpacked", "usr", "bin")

PORT = 9710
PROMETHEUS = 9090
OPENMETRICS = "application/openmetrics-text"

CONFIG = f"""\
rules:
  - cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0
metrics: {{ listen: "127.0.0.1:{PORT}" }}
"""

# ---- HTTP ------------------------------------------------------------------------------------


def connect(namespace, port=PORT):
    """A TCP connection to the namespace's loopback address."""
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    return sock


def ask(namespace, path, method="GET", port=PORT, accept=None):
    """One request. Returns status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.sock = connect(namespace, port)
    connection.request(method, path, headers={"Accept": accept} if accept else {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def metrics(namespace, accept=OPENMETRICS):
    """The text of /metrics."""
    status, _, body = ask(namespace, "/metrics", accept=accept)
    equal(status, 200, f"status of /metrics: {body}")
    return body


def samples(text):
    """Metrics by their full name with labels, as numbers."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def exporter_of(daemon):
    """The exporter's process id, or None: a child of the launcher, which is the daemon's."""
    launcher = children(daemon.process.pid)
    started = [pid for pid in children(launcher[0]) if _name(pid) == "xmcast-exporter"]
    return started[0] if started else None


def children(pid):
    """The processes that this one has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def _name(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return None


def alive(pid):
    """Is this process still there?"""
    return os.path.exists(f"/proc/{pid}")


# ---- what is served --------------------------------------------------------------------------

@test
def pages():
    """/metrics in both formats, / a hint, and errors for all else"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    status, headers, body = ask(star.relay, "/metrics", accept=f"{OPENMETRICS};version=1.0.0,*/*")
    equal(status, 200, "status")
    equal(headers["Content-Type"], f"{OPENMETRICS}; version=1.0.0; charset=utf-8", "type")
    check(body.endswith("\n# EOF\n"), body)
    for accept in (None, "text/plain", "*/*"):
        status, headers, body = ask(star.relay, "/metrics?x=1", accept=accept)
        equal((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"),
              f"answer to Accept: {accept}")
        check("# EOF" not in body and "# TYPE xmcast_sent_packets_total counter" in body, body)
    equal(ask(star.relay, "/")[0], 200, "status of /")
    check("/metrics" in ask(star.relay, "/")[2], "no hint")
    for path in ("/metrics/", "/metric", "/../etc/passwd", "//metrics", "/%2e"):
        equal(ask(star.relay, path)[0], 404, f"status of {path}")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = ask(star.relay, "/metrics", method)
        equal((status, headers["Allow"]), (405, "GET, HEAD"), method)
    status, headers, body = ask(star.relay, "/metrics", "HEAD")
    equal((status, body), (200, ""), "HEAD")
    check(int(headers["Content-Length"]) > 1000, "HEAD does not tell the length")
    daemon.stop()


@test
def numbers():
    """The metrics are the counters of `stats show`, and promtool has nothing to say against them"""
    need("promtool")
    star = Star(receivers=2)
    daemon = Daemon(star.relay, config=CONFIG.replace("@out0", "@out0 out 10.2.1.2:7000"))
    generate(star.source, "s0", "--rate", "10000", "--count", "1000")
    stats = daemon.settle(steered=1000)
    wait_until(lambda: samples(metrics(star.relay))["xmcast_received_packets_total"] == 1000,
               "metrics of 1000 packets")
    seen = samples(metrics(star.relay))
    rule = rule_of(stats, "cam1")
    labels = 'rule="cam1",interface="in0"'
    equal(seen[f"xmcast_rule_received_bytes_total{{{labels}}}"], rule["received_bytes"], "bytes")
    equal(seen[f"xmcast_rule_active{{{labels}}}"], 1, "active")
    for output in rule["outputs"]:
        labels = f'rule="cam1",output="{output["to"]}"'
        equal(seen[f"xmcast_output_sent_packets_total{{{labels}}}"], output["sent_packets"], labels)
    equal(seen['xmcast_interface_packets_total{interface="in0",verdict="steered"}'], 1000,
          "steered")
    equal(seen['xmcast_rules{state="active"}'], 1, "rules")
    for key, value in stats["totals"].items():
        equal(seen[f"xmcast_{key}_total"], value, key)
    done = run("promtool", "check", "metrics", input=metrics(star.relay, "text/plain"), check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool check metrics")
    _every_metric_is_documented(seen)


def _documented():
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
        return set(re.findall(r"^\| `(xmcast_\w+)`", file.read(), re.M))


def _family(name):
    return re.sub(r"(?<=_seconds)_(bucket|sum|count)$", "", name.split("{")[0])


def _every_metric_is_documented(seen):
    equal({_family(name) for name in seen} - _documented(), set(), "not in docs/metrics.md")


@test
def reloads():
    """A refused reload shows, one that is taken over does, too"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    path = os.path.join(work_folder(), f"{Daemon.count}.yaml")
    success, when = "xmcast_config_last_reload_successful", \
        "xmcast_config_last_reload_success_timestamp_seconds"
    first = samples(metrics(star.relay))
    equal((first[success], first["xmcast_config_reloads_total"]), (1, 0), "after the start")
    check(abs(first[when] - time.time()) < 600, f"time of the load: {first[when]}")
    for text, code, count in (("rules: 7\n", 2, 1), (CONFIG, 0, 2)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        equal(daemon.ctl("config", "reload", check=False).returncode, code, f"reload of {text}")
        seen = _later(star.relay, count)
        equal((seen[success], seen["xmcast_config_reloads_total"]), (code == 0, count), text)
        check(seen[when] >= first[when], "time of the last good load")
        equal(seen['xmcast_rules{state="active"}'], 1, "active rules")
        equal(seen['xmcast_events_total{event="reload-refused"}'], 1, "refused")
    daemon.stop()


def _later(namespace, count):
    """The metrics once they tell of so many reloads: they may be a second old."""
    def told():
        seen = samples(metrics(namespace))
        return seen["xmcast_config_reloads_total"] >= count and seen

    return wait_until(told, f"{count} reloads in the metrics")


@test
def many_rules():
    """10,000 rules with two outputs each are told whole"""
    namespace = Namespace("relay")
    rules = "".join(f"  - r{i} in 239.{1 + (i >> 8)}.{i & 255}.1:5000@none0 "
                    "out 10.9.0.1:6000 out 10.9.0.2:6000\n" for i in range(10000))
    daemon = Daemon(namespace, config=f"rules:\n{rules}metrics: {{ listen: 127.0.0.1:{PORT} }}\n")
    began = time.monotonic()
    text = metrics(namespace)
    # For who looks: what is asserted is no time but that it is all there.
    diagnose(f"10,000 rules, 20,000 outputs: {len(text) >> 10} KiB "
             f"in {time.monotonic() - began:.2f} s")
    seen = samples(text)
    equal(seen['xmcast_rules{state="pending"}'], 10000, "pending rules")
    equal(sum(name.startswith("xmcast_output_sent_packets_total") for name in seen), 20000,
          "outputs")
    daemon.stop()


class Changes(threading.Thread):
    """Rules that are added and deleted as fast as the daemon does it, at most for a minute."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.control = Client(daemon.socket)
        self.stopped = threading.Event()
        self.count = 0

    def run(self):
        """Two changes, then a moment, until stopped."""
        for _ in range(1200):
            self.control.call("rule.add", rules=["aa in 239.200.1.1:5000@none0 out 10.9.0.1:6000"])
            self.control.call("rule.del", names=["aa"])
            self.count += 2
            if self.stopped.wait(0.05):
                return


@test
def rules_that_change():
    """Scrapes while rules come and go: all others are told, each once"""
    namespace = Namespace("relay")
    rules = "".join(f"  - r{i} in 239.{1 + (i >> 8)}.{i & 255}.1:5000@none0 out 10.9.0.1:6000\n"
                    for i in range(3000))
    daemon = Daemon(namespace, config=f"rules:\n{rules}metrics: {{ listen: 127.0.0.1:{PORT} }}\n")
    changes = Changes(daemon)
    changes.start()
    for _ in range(3):
        before = changes.count
        text = metrics(namespace)
        names = re.findall(r'^xmcast_rule_active{rule="(r\d+)"', text, re.M)
        equal(len(names), 3000, "rules told")
        equal(len(set(names)), 3000, "rules told once")
        wait_until(lambda seen=before: changes.count > seen + 20, "more changes, and a new text")
    changes.stopped.set()
    changes.join()
    daemon.stop()


# ---- the process -----------------------------------------------------------------------------

@test
def rights():
    """The exporter is nobody, and has nothing: no capabilities, groups, descriptors, way back"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    metrics(star.relay)
    pid = exporter_of(daemon)
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    equal(status["Name"], "xmcast-exporter", "name")
    equal(status["Uid"].split(), ["65534"] * 4, "user")
    equal(status["Gid"].split(), ["65534"] * 4, "group")
    equal(status["Groups"].split(), [], "groups")
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(status[capabilities], 16), 0, capabilities)
    equal(status["NoNewPrivs"], "1", "NoNewPrivs")
    equal((status["Seccomp"], status["Seccomp_filters"]), ("2", "1"), "filters")
    equal(status["Threads"], "1", "threads")
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        check(re.search(r"^Max core file size\s+0\s+0\s", file.read(), re.M), "core limit")
    # Not dumpable: what is its own belongs to root.
    equal(os.stat(f"/proc/{pid}/environ").st_uid, 0, "owner of its memory")
    wait_until(lambda: _descriptors(pid) == ["/dev/null"] * 2 + ["anon_inode"] * 2 + ["socket"] * 2,
               "its descriptors, with the connection above closed")
    daemon.stop()
    check(not alive(pid), "it outlives the daemon")


def _descriptors(pid):
    """What a process has open but for stderr, by kind."""
    folder = f"/proc/{pid}/fd"
    return sorted(re.sub(r"[\[:].*", "", os.readlink(f"{folder}/{fd}"))
                  for fd in os.listdir(folder) if fd != "2")


@test
def comes_back():
    """Killed twice, it comes back each time, and the relay does not notice"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    sink = Sink(star.receiver, "r0", "--port", "6000")
    for _ in range(2):
        pid = exporter_of(daemon)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: exporter_of(daemon) not in (None, pid), "a new exporter")
        metrics(star.relay)
    # Those signals are not for it: it ends with the daemon.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(exporter_of(daemon), number)
    metrics(star.relay)
    equal(len(re.findall("exporter-failed.*signal=KILL", daemon.process.log())), 2, "log lines")
    sent = generate(star.source, "s0", "--rate", "10000", "--count", "1000")
    daemon.settle(steered=1000)
    check_clean(sink.stop(), sent)
    daemon.stop()


@test
def dies_with_the_daemon():
    """kill -9 of the daemon: the exporter goes, and its port is free for the next"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    metrics(star.relay)
    pid = exporter_of(daemon)
    daemon.kill()
    wait_until(lambda: not alive(pid), "the exporter has gone")
    daemon = Daemon(star.relay, config=CONFIG)
    metrics(star.relay)
    daemon.stop()


@test
def busy_port():
    """A port that somebody else has: exit 78, and the log says which"""
    star = Star()
    with star.relay.entered():
        other = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(other):
        other.bind(("127.0.0.1", PORT))
        other.listen()
        daemon = Daemon(star.relay, config=CONFIG, ready=False)
        equal(daemon.process.wait(), EXIT_CONFIG, f"exit code; log:\n{daemon.process.log()}\n")
    check(f"127.0.0.1:{PORT}" in daemon.process.log(), daemon.process.log())


@test
def hostile_clients():
    """100 connections, slow, silent and with garbage: no packet is lost, and later all is well"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    words = (b"", b"GET", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ", b"\0\xff" * 5000,
             b"GET /" + b"a" * 20000, b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n",
             b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    taken = connect_many(star.relay, words)

    def attempt(_number):
        before = daemon.settle()["totals"]["steered_packets"]
        errors = rule_of(daemon.stats(), "cam1")["outputs"][0]["send_errors"]
        sink = Sink(star.receiver, "r0", "--port", "6000")
        sent = generate(star.source, "s0", "--rate", "20000", "--count", "40000")
        stats = daemon.settle(before + sent["sent_packets"])
        equal(stats["totals"]["dropped_packets"], 0, "dropped")
        refused = rule_of(stats, "cam1")["outputs"][0]["send_errors"] - errors
        check_clean(sink.stop(), sent, refused)
        return refused

    lossless(attempt)
    # They hold every place; each loses it after 10 seconds, though it goes on sending. The next in
    # the queue take it, and who comes behind all of them is served at last.
    drip(taken)
    for sock in taken:
        sock.close()
    metrics(star.relay)
    check(not daemon.process.find_line("exporter-failed"), daemon.process.log())
    with open(f"/proc/{exporter_of(daemon)}/statm", encoding="ascii") as file:
        check(int(file.read().split()[1]) * 4096 < 64 << 20, "the exporter has grown")
    daemon.stop()


@test
def silent_clients():
    """Every place held by clients that say nothing and stay: who comes behind them is served"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    held = [connect(star.relay) for _ in range(8)]
    for sock in held:
        sock.sendall(b"GET /metr")
    metrics(star.relay)
    for sock in held:
        sock.close()
    daemon.stop()


def connect_many(namespace, words):
    """100 connections, as many as the kernel takes at once; each has sent one of the words."""
    taken = []
    for number in range(100):
        with namespace.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", PORT))
        with contextlib.suppress(OSError):  # not accepted yet, or refused meanwhile
            sock.send(words[number % len(words)])
        taken.append(sock)
    return taken


def drip(taken):
    """A byte from each now and then, until the exporter has closed those that it had accepted."""
    def closed():
        count = 0
        for sock in taken:
            try:
                sock.send(b"x")
            except BlockingIOError:
                pass
            except OSError:
                count += 1
        return count >= 24 and count

    wait_until(closed, "24 connections closed", timeout=60, pause=0.5)


# ---- Prometheus ------------------------------------------------------------------------------

class Stream(threading.Thread):
    """A stream of 500 packets/s from a Python thread, which leaves the CPUs to others."""

    def __init__(self, star):
        super().__init__(daemon=True)
        self.socket = sender(star.source, "10.1.0.1")
        self.stopped = threading.Event()

    def run(self):
        """Send until stopped, at most for 5 minutes."""
        for _ in range(15000):
            for _ in range(10):
                self.socket.sendto(b"x" * 1000, ("239.1.1.1", 5000))
            if self.stopped.wait(0.02):
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


class Prometheus:
    """A Prometheus server in the namespace that scrapes the exporter there once a second."""

    def __init__(self, namespace):
        need("prometheus", "promtool")
        self.namespace = namespace
        rules = os.path.join(ROOT, "packaging", "prometheus", "xmcast-alerts.yml")
        config = write_file("prometheus.yml", f"""\
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [ "{rules}" ]
scrape_configs:
  - job_name: xmcast
    static_configs: [ {{ targets: [ "127.0.0.1:{PORT}" ] }} ]
""")
        self.process = start(namespace, "prometheus", f"--config.file={config}",
                             f"--storage.tsdb.path={work_folder()}/tsdb",
                             f"--web.listen-address=127.0.0.1:{PROMETHEUS}",
                             "--storage.tsdb.retention.time=1h")
        self.process.wait_line("Server is ready to receive web requests")

    def get(self, path, **parameters):
        """The data of an API call; fails if Prometheus says that it is wrong."""
        _, _, body = ask(self.namespace, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}",
                         port=PROMETHEUS)
        answer = json.loads(body)
        equal(answer["status"], "success", f"{path} {parameters}: {answer.get('error')}")
        return answer["data"]

    def query(self, expression):
        """The samples that answer it."""
        return self.get("query", query=expression)["result"]

    def wait_for(self, expression):
        """Wait until it has an answer."""
        return wait_until(lambda: self.query(expression), f"an answer to {expression}", pause=0.2)


def dashboard_queries():
    """Every expression of the Grafana dashboard, by its panel, with the variables filled in; and
    True if it must have an answer."""
    with open(os.path.join(ROOT, "packaging", "grafana", "xmcast.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    values = {"$__rate_interval": "10s", "$job": "xmcast", "$instance": ".*", "$rule": ".*",
              "$interface": ".*"}
    queries = [(panel["title"], target["expr"], True) for panel in dashboard["panels"]
               for target in panel.get("targets", ())]
    queries += [(note["name"], note["expr"], False) for note in dashboard["annotations"]["list"]]
    for title, expression, needed in queries:
        for name, value in values.items():
            expression = expression.replace(name, value)
        check("$" not in expression, f"{title}: a variable is left in {expression}")
        yield title, expression, needed
    for variable in dashboard["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", ""))
        if found:
            expression = found[1].replace("$job", "xmcast").replace("$instance", ".*")
            yield variable["name"], f"count by ({found[2]}) ({expression})", True


@test
def prometheus():
    """A real Prometheus scrapes a live relay: up, rates, every query of the dashboard, alerts"""
    star = Star(receivers=2)
    server = Prometheus(star.relay)
    daemon = Daemon(star.relay, config=CONFIG.replace("@out0", "@out0 out 239.2.2.3:7000@out1"))
    kept = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with Stream(star):
        equal(server.wait_for('up{job="xmcast"} == 1')[0]["value"][1], "1", "up")
        rate = server.wait_for('rate(xmcast_rule_received_packets_total{rule="cam1"}[10s]) > 100')
        equal(rate[0]["metric"]["interface"], "in0", "interface")
        star.relay.ip("link set out1 down")  # for errors to be seen
        server.wait_for("rate(xmcast_output_send_errors_total[10s]) > 0")
        _run_dashboard(server, samples(metrics(star.relay)))
    kept.close()
    target = server.get("targets")["activeTargets"][0]
    equal((target["health"], target["lastError"]), ("up", ""), "target")
    alerts = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
    check(len(alerts) >= 9, f"{len(alerts)} alerts")
    for alert in alerts:
        equal((alert["health"], alert.get("lastError", "")), ("ok", ""), alert["name"])
    daemon.kill()
    server.wait_for('up{job="xmcast"} == 0')


def _run_dashboard(server, seen):
    """Each query is right, and those about metrics that this daemon has are answered."""
    present = {_family(name) for name in seen}
    known = _documented()
    answered = 0
    for title, expression, needed in dashboard_queries():
        names = {_family(name) for name in re.findall(r"\bxmcast_\w+", expression)}
        equal(names - known, set(), f"{title}: metrics that docs/metrics.md does not have")
        if needed and names <= present:
            server.wait_for(expression)
            answered += 1
        else:
            server.query(expression)
    check(answered >= 25, f"only {answered} queries had data")


@test
def alerts_fire():
    """The alert rules are right, and fire when they should"""
    need("promtool")
    folder = os.path.join(ROOT, "packaging", "prometheus")
    done = run("promtool", "check", "rules", os.path.join(folder, "xmcast-alerts.yml"), check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
    done = run("promtool", "test", "rules", os.path.join(folder, "xmcast-alerts-test.yml"),
               check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)


main()
