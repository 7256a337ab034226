#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What people see of a cluster of real relays, and what an agent tells its daemon."""

import json
import os
import re

from browser import Browser
from cluster import Agent, Relays
from harness import (EXIT_REFUSED, ROOT, Exporter, check, equal, main, program, run, test, wait_until,
                     work_directory)
from web import PORT, ask, get_json


@test
def one_agent_a_daemon():
    """A second agent with another name is refused, also by a symbolic link to the daemon's socket; nothing moves"""
    bed = Relays(1)
    host = bed.relays[0]
    link = os.path.join(work_directory(), "link.sock")
    os.symlink(host.daemon.socket, link)
    for path in (host.daemon.socket, link):
        again = Agent(host, path, name="another")
        equal(again.process.wait(), EXIT_REFUSED, f"exit code with {path}")
        check(again.process.find_line("daemon-taken"), again.process.log())
        check(not again.process.find_line("cluster-joined"), "it has joined")
    equal(bed.owner(), host, "owner")
    check(not host.agent.process.find_line("daemon-lost"), "the first one was disturbed")
    # Once the first has ended, the other one may.
    host.agent.stop()
    again = Agent(host, link, name="another")
    again.process.wait_line("shard-held")
    again.stop()


@test
def held_elsewhere():
    """unheld_after: a standby reports nothing while another host holds the shard, and both do when nobody does"""
    bed = Relays(2, events="{ unheld_after: 1 }")
    owner = bed.owner()
    other = next(host for host in bed.relays if host is not owner)
    before = other.daemon.stats()["uptime_seconds"]
    wait_until(lambda: other.daemon.stats()["uptime_seconds"] > before + 3, "three looks at the leases")
    for host in bed.relays:
        check(not host.daemon.process.find_line("lease-unheld"), host.daemon.process.log())
    for host in bed.relays:
        host.agent.process.kill()
    for host in bed.relays:
        host.daemon.process.wait_line("lease-unheld")


def samples(namespace):
    """The metrics of the cluster, by their names with labels."""
    _, _, text = ask(namespace, "/metrics")
    return {name: float(value) for name, value in re.findall(r"^(xmcast_cluster_\S+) (\S+)$", text, re.M)}


def documented():
    """The metrics of the cluster that docs/metrics.md has."""
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
        return set(re.findall(r"^\| `(xmcast_cluster_\w+)`", file.read(), re.M))


@test
def exporter():
    """Metrics and /api/cluster of two nodes; xmcast-cluster that dies; none on a host without it"""
    bed = Relays(2)
    wait_until(lambda: bed.members() == 2, "two members")
    host = bed.owner()
    name, other = host.name, next(node.name for node in bed.relays if node is not host)
    without = Exporter(host.namespace, host.daemon.socket, "--cluster", "/nowhere/cluster.sock")
    equal(samples(host.namespace), {}, "metrics without a cluster")
    equal(get_json(host.namespace, "/api/cluster"), {}, "answer without a cluster")
    without.stop()
    Exporter(host.namespace, host.daemon.socket, "--cluster", host.agent.socket)
    seen = samples(host.namespace)
    for key, value in {"up": 1, "member": 1, "daemon_answers": 1, "store_reachable": 1, "store_watching": 1,
                       "store_strange_keys_total": 0, f'node_active{{node="{name}"}}': 1,
                       f'node_shards{{node="{name}"}}': 1, f'node_shards{{node="{other}"}}': 0,
                       'lease_shards{lease="radio",state="held"}': 1, 'lease_shards{lease="radio",state="free"}': 0,
                       'lease_own_shards{lease="radio"}': 1}.items():
        equal(seen.get(f"xmcast_cluster_{key}"), value, key)
    check(0 < seen["xmcast_cluster_deadline_seconds"] <= 0.6, f"deadline: {seen}")
    equal({key.split("{")[0] for key in seen}, documented(), "metrics and docs/metrics.md")
    answer = get_json(host.namespace, "/api/cluster")
    shard = answer["shards"][0]
    equal((answer["node"], shard["owner"], shard["standby"], shard["state"]), (name, name, other, "held"), "shard")
    status = json.loads(run(program("xmcastctl"), "--socket", host.agent.socket, "-j", "cluster", "status").stdout)
    equal(status["shards"][0]["last_move"].split(": ")[1], shard["last_move"].split(": ")[1], "why")
    host.agent.process.kill()
    wait_until(lambda: samples(host.namespace) == {"xmcast_cluster_up": 0}, "xmcast_cluster_up 0")


@test
def page():
    """The status page has a section about the cluster: nodes, shards, owner, standby, last move"""
    bed = Relays(2)
    wait_until(lambda: bed.members() == 2, "two members")
    host = bed.owner()
    other = next(node for node in bed.relays if node is not host)
    server = Exporter(host.namespace, host.daemon.socket, "--cluster", host.agent.socket)
    with Browser(host.namespace) as browser:
        def texts(selector):
            return browser.evaluate(f"[...document.querySelectorAll('{selector}')].map((node) => node.textContent)")

        browser.open(f"http://127.0.0.1:{PORT}/")
        browser.wait("!document.getElementById('cluster').hidden", "the section is there")
        browser.wait("document.querySelectorAll('#nodes tr').length === 2", "two nodes")
        equal(sorted(texts("#nodes tr td:first-child")), ["a", "b"], "nodes")
        cells = texts("#shards tr td")
        equal(cells[:5], ["radio", "0", "held", host.name, other.name], "shard")
        check(f"to {host.name}: " in cells[5], f"last move: {cells[5]}")
        check(f"This is {host.name}: member" in texts("#cluster-state")[0], texts("#cluster-state"))
        host.agent.process.kill()
        browser.wait("document.getElementById('cluster-state').textContent === 'xmcast-cluster does not answer.'",
                     "it shows that there is no answer")
        equal(texts("#nodes tr"), [], "nodes of an agent that is gone")
    server.stop()


main()
