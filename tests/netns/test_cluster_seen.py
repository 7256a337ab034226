#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What people see of a cluster of real relays, and what an agent tells its daemon."""

import json
import os
import re
import socket

from browser import Browser
from cluster import STEADY, Agent, Relays, Stream
from harness import (EXIT_REFUSED, ROOT, Daemon, Exporter, Star, check, equal, main, program, run, test, wait_until,
                     work_directory, write_file)
from traffic import Traffic
from web import PORT, ask, get_json


@test
def one_agent_a_daemon():
    """A second agent with another name is refused, also by a symbolic link to the daemon's socket; nothing moves"""
    bed = Relays(1, more=STEADY)
    host = bed.relays[0]
    link = os.path.join(work_directory(), "link.sock")
    os.symlink(host.daemon.socket, link)
    for path in (host.daemon.socket, link):
        again = Agent(host, path, name="another")
        equal(again.process.wait(), EXIT_REFUSED, f"exit code with {path}")
        check(again.process.find_line("daemon-taken"), again.process.log())
        check(not again.process.find_line("cluster-joined"), "it has joined")
    equal(bed.holder(), host, "owner")
    check(not host.agent.process.find_line("daemon-lost"), "the first one was disturbed")
    # Once the first has ended, the other one may.
    host.agent.stop()
    again = Agent(host, link, name="another")
    again.process.wait_line("shard-held")
    again.stop()


@test
def held_elsewhere():
    """unheld_after: a standby reports nothing while another host holds the shard, and both do when nobody does"""
    bed = Relays(2, more=STEADY)
    wait_until(lambda: bed.members() == 2, "two members")
    # Not from the start: until somebody holds it, nobody does.
    for host in bed.relays:
        write_file(os.path.basename(host.daemon.config), f"rules: [ {bed.RULE} ]\nevents: {{ unheld_after: 1 }}\n")
        host.daemon.ctl("config", "reload")
    owner = bed.holder()
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
    bed = Relays(2, more=STEADY)
    wait_until(lambda: bed.members() == 2, "two members")
    host = bed.holder()
    name, other = host.name, next(node.name for node in bed.relays if node is not host)
    without = Exporter(host.namespace, host.daemon.socket, "--cluster", "/nowhere/cluster.sock")
    equal(samples(host.namespace), {}, "metrics without a cluster")
    equal(get_json(host.namespace, "/api/cluster"), {}, "answer without a cluster")
    without.stop()
    Exporter(host.namespace, host.daemon.socket, "--cluster", host.agent.socket)
    expected = {"up": 1, "member": 1, "daemon_answers": 1, "store_reachable": 1, "store_watching": 1,
                "store_strange_keys_total": 0, f'node_active{{node="{name}"}}': 1,
                f'node_shards{{node="{name}"}}': 1, f'node_shards{{node="{other}"}}': 0,
                'lease_shards{lease="radio",state="held"}': 1, 'lease_shards{lease="radio",state="free"}': 0,
                'lease_own_shards{lease="radio"}': 1}
    wanted = {f"xmcast_cluster_{key}": value for key, value in expected.items()}
    seen = wait_until(lambda: wanted.items() <= (now := samples(host.namespace)).items() and now, f"metrics {wanted}")
    check(0 < seen["xmcast_cluster_deadline_seconds"] <= 5, f"deadline: {seen}")
    equal({key.split("{")[0] for key in seen}, documented(), "metrics and docs/metrics.md")
    answer = wait_until(lambda: get_json(host.namespace, "/api/cluster"), "the answer")
    shard = answer["shards"][0]
    equal((answer["node"], shard["owner"], shard["standby"], shard["state"]), (name, name, other, "held"), "shard")
    status = json.loads(run(program("xmcastctl"), "--socket", host.agent.socket, "-j", "cluster", "status").stdout)
    equal(status["shards"][0]["last_move"].split(": ")[1], shard["last_move"].split(": ")[1], "why")
    host.agent.process.kill()
    wait_until(lambda: samples(host.namespace) == {"xmcast_cluster_up": 0}, "xmcast_cluster_up 0")


@test
def page():
    """The status page has a section about the cluster: nodes, shards, owner, standby, last move"""
    bed = Relays(2, more=STEADY)
    wait_until(lambda: bed.members() == 2, "two members")
    host = bed.holder()
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


@test
def cold_hosts():
    """standbys: 1: the third host leaves the input, joins it when it becomes the standby, or its agent has died"""
    bed = Relays(3, more=STEADY + "standbys: 1\n", events="{ double_source: off }")
    wait_until(lambda: bed.members() == 3, "three members")
    # A host that receives nothing is no standby, so without packets all hosts wait for them.
    traffic = Traffic(bed.source, "10.1.0.9", "239.1.1.1", 5000, 500)

    def joined():
        return [host for host in bed.relays
                if "239.1.1.1" in host.namespace.run("ip", "maddr", "show", "dev", "in0").stdout]

    def standby():
        return next(host for host in bed.relays if host.name == bed.holder().agent.status()["shards"][0]["standby"])

    wait_until(lambda: len(joined()) == 2, "one host has left the input")
    owner, next_one = bed.holder(), standby()
    equal({host.name for host in joined()}, {owner.name, next_one.name}, "owner and standby")
    cold = next(host for host in bed.relays if host not in (owner, next_one))
    stream = Stream(bed.receiver)
    stream.wait_more()
    # An agent that is gone leaves no host cold, and one that returns makes it cold again.
    cold.agent.process.kill()
    wait_until(lambda: len(joined()) == 3, "joined without an agent")
    cold.agent.start()
    wait_until(lambda: len(joined()) == 2, "cold again")
    owner.daemon.kill()
    owner.agent.process.kill()
    bed.relays.remove(owner)
    wait_until(lambda: bed.owner() is next_one, "the standby goes on")
    wait_until(lambda: len(joined()) == 2, "the third one is the standby now")
    # It really can relay: by hand, and back.
    stream.wait_more()
    run(program("xmcastctl"), "--socket", next_one.agent.socket, "cluster", "move", "radio/0", cold.name)
    wait_until(lambda: bed.owner() is cold, "moved")
    stream.wait_more()
    equal(stream.doubled, 0, "packets that came twice")
    traffic.stop()
    stream.stop()


@test
def other_shards():
    """A lease with other numbers of shards on two hosts: only the one that joined first sends, the other says so"""
    bed = Relays(1, more=STEADY)
    first, second = bed.hosts[0], bed.hosts[1]
    bed.start(second, Relays.RULE.replace("lease radio", "lease radio/4"), STEADY)
    bed.relays.append(second)
    traffic = Traffic(bed.source, "10.1.0.9", "239.1.1.1", 5000, 500)
    stream = Stream(bed.receiver)
    second.agent.process.wait_line("lease-overruled lease=radio shards=4 node=a")
    stream.wait_more()
    server = Exporter(second.namespace, second.daemon.socket, "--cluster", second.agent.socket)
    equal(samples(second.namespace)["xmcast_cluster_overruled_leases"], 1, "metric")
    server.stop()
    shown = run(program("xmcastctl"), "--socket", second.agent.socket, "cluster", "status").stdout
    check("nothing of lease radio is sent here: it has 4 shards in the rules here, another number on a" in shown, shown)

    def shards():
        return {shard["shard"]: shard["owner"] for shard in second.agent.status()["shards"]}

    wait_until(lambda: shards() == {0: "a", 1: None, 2: None, 3: None}, "owners")
    # When the first one has left, the other one sends, and the first one is overruled once it is back.
    first.agent.stop()
    wait_until(lambda: set(shards().values()) == {"b"}, "the second one has all shards")
    stream.wait_more()
    first.agent.start()
    first.agent.process.wait_line("lease-overruled lease=radio shards=1 node=b")
    stream.wait_more()
    # Rules of the second one that are reloaded agree with those of the first one.
    write_file(os.path.basename(second.daemon.config), f"rules: [ {Relays.RULE} ]\n")
    second.daemon.ctl("config", "reload")
    wait_until(lambda: not first.agent.status()["overruled"], "they agree")
    stream.wait_more()
    equal(stream.doubled, 0, "packets that came twice")
    traffic.stop()
    stream.stop()


@test
def double_source():
    """Another host that sends to the output's group: seen by the owner, and by a standby that hears both; it ends"""
    bed = Relays(2, more=STEADY)
    owner = bed.holder()
    other = next(host for host in bed.relays if host is not owner)
    traffic = Traffic(bed.source, "10.1.0.9", "239.1.1.1", 5000, 200)
    # Three looks, in which the standby hears the owner, and the owner nobody: no alarm.
    before = other.daemon.stats()["uptime_seconds"]
    wait_until(lambda: other.daemon.stats()["uptime_seconds"] > before + 3, "three looks")
    for host in bed.relays:
        equal(host.daemon.stats()["leases"]["double_sources"], 0, f"found by {host.name}")
    rival = Traffic(bed.receiver, "10.2.0.9", "239.2.2.2", 6000, 200)
    owner.daemon.process.wait_line(r"double-source rule=a output=239.2.2.2:6000@out0 lease=radio shard=0 "
                                   'source="this host" other=10.2.0.9')
    line = other.daemon.process.wait_line(r"double-source rule=a .* source=(\S+) other=(\S+)")
    check(set(line.groups()) <= {f"10.2.0.{owner.number}", "10.2.0.9"}, line[0])
    for host in bed.relays:
        check(host.daemon.stats()["leases"]["double_sources"], f"counted by {host.name}")
    rival.stop()
    for host in bed.relays:
        host.daemon.process.wait_line("double-source-ended rule=a")
    traffic.stop()


@test
def kept_sources():
    """from keep: two senders of a stream are no two hosts, nor is a host whose packets wait when another takes over"""
    bed = Relays(3, more=STEADY, rule=Relays.RULE + " from keep")
    bed.source.ip("address add 10.1.0.8/24 dev s0")
    # More than one look reads.
    traffic = [Traffic(bed.source, address, "239.1.1.1", 5000, 1000) for address in ("10.1.0.8", "10.1.0.9")]

    def looks(host, count=4):
        before = host.daemon.stats()["uptime_seconds"]
        wait_until(lambda: host.daemon.stats()["uptime_seconds"] >= before + count, f"{host.name}: looks")

    owner = bed.holder()
    looks(owner)
    owner.agent.process.kill()
    wait_until(lambda: bed.owner() not in (None, owner), "another host takes over")
    looks(owner)
    for host in bed.relays:
        equal(host.daemon.stats()["leases"]["double_sources"], 0, f"found by {host.name}")
    # Two hosts do send now: both see it, and the third one.
    owner.daemon.ctl("lease", "set", "radio", "for", "1h")
    for host in bed.relays:
        line = host.daemon.process.wait_line(r"double-source rule=a .* source=(\S+|\S+ \S+) other=(\S+)")
        check(re.search(r" other=([0-9a-f]{2}:){5}[0-9a-f]{2}", line[0]), line[0])
    for each in traffic:
        each.stop()


@test
def double_source_ipv6():
    """The same on IPv6, for a lease that was set by hand; a port that is not the output's is no other source"""
    star = Star()
    for namespace, device, address in ((star.relay, "out0", "fd00::1"), (star.receiver, "r0", "fd00::2")):
        namespace.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 0)
        namespace.ip(f"address add {address}/64 dev {device} nodad")
    daemon = Daemon(star.relay, "six in [ff3e::1]:5000@in0 lease tv out [ff3e::2]:6000@out0")
    daemon.ctl("lease", "set", "tv", "for", "1h")
    with star.receiver.entered():
        rival = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        rival.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("r0"))

    def sent(port, condition):
        rival.sendto(b"x", ("ff3e::2", port))
        return condition()

    before = daemon.stats()["uptime_seconds"]
    wait_until(lambda: sent(6001, lambda: daemon.stats()["uptime_seconds"] > before + 3), "three looks")
    equal(daemon.stats()["leases"]["double_sources"], 0, "found at another port")
    wait_until(lambda: sent(6000, lambda: daemon.process.find_line("double-source ")), "it is found")
    check(re.search(r"other=\"?(fd00::2|fe80::)", daemon.process.log()), daemon.process.log())


@test
def double_source_off():
    """events: { double_source: off } joins nothing on the output, and on again it does"""
    bed = Relays(1, events="{ double_source: off }")
    host = bed.relays[0]

    def joined():
        return "239.2.2.2" in host.namespace.run("ip", "maddr", "show", "dev", "out0").stdout

    before = host.daemon.stats()["uptime_seconds"]
    wait_until(lambda: host.daemon.stats()["uptime_seconds"] > before + 2, "two looks")
    check(not joined(), "joined although it is off")
    write_file(os.path.basename(host.daemon.config), f"rules: [ {bed.RULE} ]\n")
    host.daemon.ctl("config", "reload")
    wait_until(joined, "it is joined")


main()
