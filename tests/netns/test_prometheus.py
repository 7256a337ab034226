#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Prometheus: a server that scrapes a live relay, every query of the dashboard, the alert rules; and
the metrics beside those of node_exporter."""

import contextlib
import json
import os
import re
import threading
import urllib.parse

from harness import (EXIT_USAGE, ROOT, Daemon, Star, check, equal, generate, main, need, receiver, run, sender, start,
                     test, wait_until, work_directory, write_file)
from scrape import RULE, documented, family, metrics, samples, started
from web import PORT, ask

PROMETHEUS = 9090


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
                             f"--storage.tsdb.path={work_directory()}/tsdb",
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
    daemon, exporter = started(star.relay, f"{RULE} out 239.2.2.3:7000@out1")
    kept = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with Stream(star):
        equal(server.wait_for('up{job="xmcast"} == 1')[0]["value"][1], "1", "up")
        rate = server.wait_for('rate(xmcast_rule_received_packets_total{rule="cam1"}[10s]) > 100')
        equal(rate[0]["metric"]["interface"], "in0", "interface")
        star.relay.ip("link set out1 down")  # for errors to be seen
        server.wait_for("rate(xmcast_output_send_errors_total[10s]) > 0")
        _run_dashboard(server, samples(metrics(star.relay)))
    kept.close()

    def target():
        return server.get("targets")["activeTargets"][0]

    def alerts():
        return [rule for group in server.get("rules")["groups"] for rule in group["rules"]]

    # A scrape that takes longer than the interval of a second fails.
    wait_until(lambda: (target()["health"], target()["lastError"]) == ("up", ""), "the target is up")
    check(len(alerts()) >= 9, f"{len(alerts())} alerts")
    wait_until(lambda: all(alert["health"] != "unknown" for alert in alerts()), "all alerts are evaluated")
    for alert in alerts():
        equal((alert["health"], alert.get("lastError", "")), ("ok", ""), alert["name"])
    daemon.kill()
    server.wait_for('up{job="xmcast"} == 0')
    check(exporter.process.returncode is None, "the exporter has ended with the daemon")


def _run_dashboard(server, seen):
    """Each query is right, and those about metrics that this daemon has are answered."""
    present = {family(name) for name in seen}
    known = documented()
    answered = 0
    for title, expression, needed in dashboard_queries():
        names = {family(name) for name in re.findall(r"\bxmcast_\w+", expression)}
        equal(names - known, set(), f"{title}: metrics that docs/metrics.md does not have")
        if needed and names <= present:
            server.wait_for(expression)
            answered += 1
        else:
            server.query(expression)
    check(answered >= 25, f"only {answered} queries had data")


@test
def dashboard():
    """The dashboard keeps instances apart, has the alerts, and no panel covers another"""
    with open(os.path.join(ROOT, "packaging", "grafana", "xmcast.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    covered = {}
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                check((x, y) not in covered, f"{panel['title']} covers {covered.get((x, y))}")
                covered[x, y] = panel["title"]
        for target in panel.get("targets", ()):
            expression, legend = target["expr"], target.get("legendFormat", "")
            for aggregation in re.findall(r"\b(?:sum|count|min|max|avg) *(?:by *)?\([^()]*\)?", expression):
                check(re.match(r"\w+ by \([^)]*\binstance\b", aggregation),
                      f"{panel['title']}: {aggregation} in {expression}")
            # A heatmap is repeated for each instance, and a table has all labels.
            check("{{instance}}" in legend or panel["type"] == "table" or panel.get("repeat") == "instance",
                  f"{panel['title']}: legend {legend!r}")
    kinds = [panel["type"] for panel in panels]
    check("alertlist" in kinds and len(set(panel["id"] for panel in panels)) == len(panels), kinds)


@test
def alerts_fire():
    """The alert rules are right, and fire when they should"""
    need("promtool")
    directory = os.path.join(ROOT, "packaging", "prometheus")
    done = run("promtool", "check", "rules", os.path.join(directory, "xmcast-alerts.yml"), check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
    done = run("promtool", "test", "rules", os.path.join(directory, "xmcast-alerts-test.yml"),
               check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
    _every_alert_has_a_page()


def _every_alert_has_a_page():
    with open(os.path.join(ROOT, "packaging", "prometheus", "xmcast-alerts.yml"), encoding="utf-8") as file:
        text = file.read()
    names = re.findall(r"- alert: (\w+)", text)
    links = re.findall(r"runbook_url: file:///usr/share/doc/xmcast/docs/alerts\.md#(\S+)", text)
    equal(links, [name.lower() for name in names], "links")
    with open(os.path.join(ROOT, "docs", "alerts.md"), encoding="utf-8") as file:
        equal(re.findall(r"^## (\w+)", file.read(), re.M), names, "sections of docs/alerts.md")
    used = {family(name) for name in re.findall(r"\bxmcast_\w+", text)}
    equal(used - documented(), set(), "metrics of alerts that do not exist")


@test
def textfile():
    """What `xmcastctl metrics --format prometheus` prints is served by node_exporter, beside its own metrics"""
    need("prometheus-node-exporter", "promtool")
    star = Star()
    daemon = Daemon(star.relay, RULE)
    generate(star.source, "s0", "--rate", "10000", "--count", "100")
    daemon.settle(steered=100)
    text = daemon.ctl("metrics", "--format", "prometheus").stdout
    equal(daemon.ctl("metrics", "--format=openmetrics").stdout.splitlines()[-1], "# EOF", "the other format")
    check("# EOF" not in text and "process_" not in text, text[:500])
    directory = os.path.join(work_directory(), "textfile")
    os.mkdir(directory)
    write_file("textfile/xmcast.prom", text)
    node = start(star.relay, "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                 f"--collector.textfile.directory={directory}", "--web.listen-address=127.0.0.1:9100")
    node.wait_line("9100")

    def served():
        with contextlib.suppress(OSError):
            return ask(star.relay, "/metrics", port=9100)[2]

    seen = samples(wait_until(served, "node_exporter's answer"))
    equal(seen["node_textfile_scrape_error"], 0, f"errors: {node.log()}")
    equal(seen["xmcast_received_packets_total"], 100, "received")
    check("process_start_time_seconds" in seen, "its own process")
    for words in (("--format",), ("--format", "json"), ("--format=",), ("prometheus",), ("--format", "prometheus", "x")):
        equal(daemon.ctl("metrics", *words, check=False).returncode, EXIT_USAGE, words)


main()
