#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Leases: a rule with one sends only while it is held. Two relays side by side never send one packet twice,
whatever stops them."""

import json
import signal

from harness import (EXIT_REFUSED, EXIT_USAGE, Daemon, Star, check, equal, interface_of, main, receiver, rule_of, test,
                     wait_until)
from control import Client
from lease_bed import FOREVER, SECOND, Numbers, Pair, hold, now, received, release, settled, state
from restarts import take_over

RULE = "cam1 in 239.1.1.1:5000@in0 lease tv out 239.2.2.2:6000@out0"
KERNEL_RULE = RULE.replace(" out ", " path kernel out ", 1)


def check_one(rule):
    """A daemon alone: standby, held, released, held until it ends by itself."""
    star = Star()
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    daemon = Daemon(star.relay, rule)
    daemon.thread_inputs()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    numbers = Numbers(star.source, "10.1.0.1")
    equal(state(daemon), ("standby", "standby"), "without a lease")
    numbers.send(10)
    counts = settled(daemon, 10)
    equal((counts["received_packets"], counts["standby_packets"]), (10, 10), "received, dropped as standby")
    equal(counts["outputs"][0]["drops"]["standby"], 10, "standby of the output")
    equal(interface_of(daemon.stats(), "in0")["verdicts"]["standby"], 10, "verdicts")
    hold(daemon)
    equal(state(daemon), ("active", "held"), "with it")
    expected = numbers.send(20)
    settled(daemon, 30)
    equal(received(output), expected, "sent while the lease is held")
    release(daemon)
    equal(state(daemon), ("standby", "standby"), "released")
    numbers.send(5)
    equal(settled(daemon, 35)["standby_packets"], 15, "dropped as standby")
    hold(daemon, SECOND // 5)
    wait_until(lambda: state(daemon) == ("standby", "standby"), "the lease has ended by itself")
    numbers.send(5)
    equal(settled(daemon, 40)["standby_packets"], 20, "dropped after its time")
    hold(daemon, FOREVER, **{"from": now() + FOREVER // 2})
    numbers.send(5)
    equal(settled(daemon, 45)["standby_packets"], 25, "dropped before its time")
    equal(received(output), [], "sent without a lease")


@test
def one_user():
    """The user path: standby, held, released, ended, not yet begun; every packet is counted"""
    check_one(RULE)


@test
def one_kernel():
    """The same on the kernel path"""
    check_one(KERNEL_RULE)


def check_pair(rule):
    """The lease goes from one relay to the other: at a moment, by release, because it ends."""
    pair = Pair(rule)
    a, b = pair.daemons
    hold(a)
    expected = pair.numbers.send(200)
    pair.settle()
    equal(received(pair.output), expected, "sent by a")
    # At a moment, while packets flow. A relay may see a packet later than the other one: hence the gap, which no
    # delay of a machine fills.
    moment, gap = now() + SECOND // 10, 4 * SECOND
    hold(a, until=moment)
    hold(b, **{"from": moment + gap})
    expected = []
    while now() < moment + gap + SECOND // 10:
        expected += pair.numbers.send(16)
    last = pair.numbers.send(50)
    counts = pair.settle()
    arrived = received(pair.output)
    equal(len(set(arrived)), len(arrived), "packets without those that arrived twice")
    equal(sum(count["outputs"][0]["sent_packets"] for count in counts), len(arrived) + 200, "sent by both")
    check(set(last) <= set(arrived) <= set(expected + last), "what was sent after the moment arrives")
    check(state(a)[0] == "standby" and state(b)[0] == "active", "a is standby, b active")
    # a again, because b gives it up.
    release(b)
    hold(a)
    expected = pair.numbers.send(100)
    pair.settle()
    equal(received(pair.output), expected, "sent by a again")


@test
def pair_user():
    """Two relays, one lease: it moves at a moment and by release, 0 doubled"""
    check_pair(RULE)


@test
def pair_kernel():
    """The same on the kernel path"""
    check_pair(KERNEL_RULE)


def wait_past(moment):
    """Wait until this moment has passed."""
    wait_until(lambda: now() > moment, "the moment has passed")


def wait_received(daemon, pair):
    """Wait until the daemon has seen all that was sent: what it has not may be sent once it holds the lease."""
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["received_packets"] == pair.numbers.sent, "it has seen all")


def check_stopped(rule):
    """The holder is stopped with packets in its rings, the lease ends, the other takes it."""
    pair = Pair(rule)
    a, b = pair.daemons
    hold(a)
    pair.numbers.send(10)
    pair.settle()
    received(pair.output)
    end = now() + SECOND // 2
    hold(a, until=end)
    a.process.send_signal(signal.SIGSTOP)
    first = pair.numbers.send(100)
    wait_past(end + 2 * 10 ** 7)
    by_a = received(pair.output)  # the kernel path goes on without the process
    wait_received(b, pair)
    hold(b)
    second = pair.numbers.send(100)
    wait_received(b, pair)
    a.process.send_signal(signal.SIGCONT)
    counts = pair.settle()
    arrived = received(pair.output)
    equal(arrived, second, "sent after the lease of a had ended")
    check(set(by_a) <= set(first), "sent before")
    equal(counts[0]["outputs"][0]["drops"]["standby"] + len(by_a), 200, "standby of a, and what it had sent")


@test
def stopped_user():
    """SIGSTOP with packets in the rings, then SIGCONT after the deadline: nothing stale is sent, all is counted"""
    check_stopped(RULE)


@test
def stopped_kernel():
    """The same on the kernel path, which goes on until the deadline"""
    check_stopped(KERNEL_RULE)


@test
def regained():
    """What was in the rings when a lease ended is not sent when it is held again: it would be late"""
    star = Star()
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    daemon = Daemon(star.relay, RULE)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    numbers = Numbers(star.source, "10.1.0.1")
    for begin in (0, SECOND // 100):  # at once, and at a moment that may pass while the rings are read
        end = now() + SECOND // 2
        hold(daemon, until=end)
        with Client(daemon.socket) as client:
            client.call("lease.list")
            daemon.process.send_signal(signal.SIGSTOP)
            numbers.send(2000)
            wait_past(end + 2 * 10 ** 7)
            # The first thing that the daemon does, while its threads find full rings.
            client.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "lease.set", "params": {
                "name": "tv", "from": now() + begin if begin else 0, "until": now() + FOREVER}}).encode() + b"\n")
            daemon.process.send_signal(signal.SIGCONT)
            equal(client.line().get("result"), {"set": 1}, "answer")
        wait_until(lambda: state(daemon)[0] == "active", "held again")
        received(output)  # what was sent before the end
        expected = numbers.send(50)
        counts = settled(daemon, numbers.sent)
        equal(received(output), expected, "sent after the lease was regained")
        check(counts["outputs"][0]["drops"]["standby"] > 0, "the others are counted")


def check_cut(rule, bits, first):
    """The stream goes from a to b at a number, while it flows: each packet is sent by exactly one of them. (Which
    of two hosts is faster is not known, so the packets around the number may arrive in any order.)"""
    pair = Pair(rule)
    pair.numbers.first = first
    a, b = pair.daemons
    hold(a)
    expected = pair.numbers.send(50)
    pair.settle()
    equal(rule_of(a.stats(), "cam1")["sequence"], {"last": expected[-1] % (1 << bits), "bits": bits}, "last number")
    number = {"cam1": (first + 120) % (1 << bits)}
    latest = now() + FOREVER
    hold(a, until=latest, until_seq=number)
    hold(b, **{"from": latest}, until=2 * latest, from_seq=number)
    expected += pair.numbers.send(30)
    hold(b, **{"from": latest}, until=2 * latest)  # renewals keep it
    hold(a, until=latest)
    expected += pair.numbers.send(120)
    counts = pair.settle()
    equal(sorted(received(pair.output)), expected, "sent by both: each once")
    equal([count["outputs"][0]["sent_packets"] for count in counts], [120, 80], "sent by a and b")
    # a ends, and is whole again when it gets the lease back.
    release(a)
    release(b)
    hold(a)
    expected = pair.numbers.send(20)
    pair.settle()
    equal(received(pair.output), expected, "sent by a alone")


@test
def cut():
    """A planned move at a sequence number, under traffic: 0 lost, 0 doubled, whatever the clocks say"""
    check_cut(RULE.replace(" out ", " sequence 0:32 out ", 1), 32, 0)


@test
def cut_rtp():
    """The same with 16 bits, as RTP has them, while they wrap"""
    check_cut(RULE.replace(" out ", " sequence rtp out ", 1), 16, 65436)


@test
def cut_refused():
    """Numbers that do not fit, or not for all rules of a shard, are refused and change nothing"""
    star = Star()
    more = "cam2 in 239.1.1.2:5000@in0 lease tv sequence rtp out 239.2.2.2:6001@out0"
    daemon = Daemon(star.relay, RULE.replace(" out ", " sequence rtp path auto out ", 1), more,
                    "cam3 in 239.1.1.3:5000@in0 lease solo out 239.2.2.2:6002@out0")
    equal([rule["path"] for rule in daemon.stats()["rules"]], ["user"] * 3, "paths")
    until = now() + FOREVER
    with Client(daemon.socket) as client:
        for name, numbers, code in (("tv", {"cam1": 7}, -32001), ("tv", {"cam1": 7, "cam2": 1 << 16}, -32001),
                                    ("tv", {"cam1": 7, "cam2": 8, "cam3": 9}, -32001), ("solo", {"cam3": 7}, -32001),
                                    ("tv", {"cam1": -1, "cam2": 8}, -32602), ("tv", {}, -32602), ("tv", 7, -32602)):
            equal(client.code("lease.set", **{"from": until}, name=name, until=2 * until, from_seq=numbers), code,
                  f"code of {numbers}")
        for begin in ({}, {"from": 0}, {"from": now()}):
            equal(client.code("lease.set", **begin, name="tv", until=until, from_seq={"cam1": 1, "cam2": 1}), -32001,
                  f"code with {begin} as the latest moment")
        equal(client.code("lease.set", name="tv", until=until, from_seq={"cam1": 1, "cam2": 1},
                          until_seq={"cam1": 1, "cam2": 1}), -32602, "both sides")
        equal(state(daemon)[0], "standby", "nothing has changed")
        client.call("lease.set", **{"from": until}, name="tv", until=2 * until, from_seq={"cam1": 1, "cam2": 1})
        equal(daemon.stats()["rules"][0]["state"], "active", "held")


@test
def killed():
    """kill -9 of the holder: the other one sends on, and the killed one comes back as standby"""
    pair = Pair(RULE)
    a, b = pair.daemons
    end = now() + SECOND // 5
    hold(a, until=end)
    a.kill()
    wait_past(end)
    hold(b)
    expected = pair.numbers.send(100)
    settled(b, 100)
    equal(received(pair.output), expected, "sent by b")
    again = Daemon(pair.relays[0], RULE)
    equal(state(again), ("standby", "standby"), "of a that is back")
    expected = pair.numbers.send(100)
    settled(again, 100)
    settled(b, 200)
    equal(received(pair.output), expected, "sent by b alone")


@test
def control():
    """Control requests: bad ones change nothing, epochs fence, one request renews many shards, pages"""
    star = Star()
    rules = [f"r{i} in 239.1.1.1:{5000 + i}@in0 lease tv/16 out 239.2.2.2:{6000 + i}@out0" for i in range(40)]
    daemon = Daemon(star.relay, *rules, "solo in 239.1.1.9:1@in0 lease radio out 239.2.2.9:1@out0")
    with Client(daemon.socket) as client:
        listed = client.call("lease.list", limit=500)
        equal((listed["total"], len(listed["leases"]), listed["guarded"]), (17, 17, True), "leases")
        equal(sum(entry["rules"] for entry in listed["leases"]), 41, "rules of all shards")
        equal(len(client.call("lease.list", offset=10, limit=3)["leases"]), 3, "a page")
        until = now() + FOREVER
        many = [{"name": "tv", "shard": i, "until": until, "epoch": 7} for i in range(16)]
        equal(client.call("lease.set", leases=many)["set"], 16, "set in one request")

        def states():
            return {(entry["name"], entry["shard"]): (entry["state"], entry["epoch"], entry["until"])
                    for entry in client.call("lease.list", limit=500)["leases"]}

        before = states()
        equal(sum(held == "held" for held, _, _ in before.values()), 16, "held")
        for bad, code in (({}, -32602), ({"name": "tv"}, -32602), ({"name": "tv", "until": -1}, -32602),
                          ({"name": "tv", "until": 1.5}, -32602), ({"name": 7, "until": 1}, -32602),
                          ({"name": "tv", "until": until, "shard": 1024}, -32602),
                          ({"name": "tv", "until": until, "more": 1}, -32602),
                          ({"name": "tv", "until": until, "leases": many}, -32602),
                          ({"leases": []}, -32602), ({"leases": [1]}, -32602),
                          ({"leases": many + [{"name": "tv"}]}, -32602),
                          ({"name": "none", "until": until}, -32004),
                          ({"name": "tv", "until": until, "shard": 16}, -32004),
                          ({"name": "tv", "until": until, "shard": 3, "shards": 8}, -32004),
                          ({"name": "tv", "until": until, "shard": 3, "epoch": 1 << 61}, -32602),
                          ({"name": "tv", "until": until, "shard": 3, "epoch": 6}, -32001),
                          ({"leases": many[:3] + [dict(many[3], epoch=6)]}, -32001)):
            equal(client.code("lease.set", **bad), code, f"code of {bad}")
        equal(client.code("lease.release", name="none"), -32004, "release of nothing")
        equal(states(), before, "nothing has changed")
        line = {"jsonrpc": "2.0", "id": 99, "method": "lease.set",
                "params": {"leases": [dict(lease, epoch=6 if lease["shard"] in (3, 5) else 7) for lease in many]}}
        equal(client.ask(json.dumps(line))["error"]["data"],
              {"stale": [{"name": "tv", "shard": shard, "epoch": 7} for shard in (3, 5)]}, "which shards have lost")
        check(not any(entry["moving"] for entry in client.call("lease.list", limit=500)["leases"]), "none moves")
        client.call("lease.set", name="tv", shard=3, shards=16, until=0, epoch=8)
        equal(states()["tv", 3][:2], ("standby", 8), "ended with a higher epoch")
        client.call("lease.release", name="tv")
        check(all(held == "standby" for held, _, _ in states().values()), "all released")
    with Client(daemon.socket, uid=65534, gid=0) as reader:
        equal(len(reader.call("lease.list")["leases"]), 17, "for a reader")
        equal(reader.code("lease.set", name="tv", until=until), -32003, "a reader may not set")


@test
def by_hand():
    """xmcastctl: set for a duration, list, release; events of what has happened; what explain says"""
    star = Star()
    daemon = Daemon(star.relay, config="rules: [in 239.1.1.1:5000@in0 lease tv/2 out 239.2.2.2:6000@out0]\n"
                                       "events: { unheld_after: 1 }\n")
    with Client(daemon.socket) as monitor:
        monitor.call("monitor.start")

        def event(name):
            while True:
                params = monitor.line()["params"]
                if params["event"] == name:
                    return params["lease"], params["shard"], params["shards"]

        daemon.ctl("lease", "set", "tv", "for", "1h")
        equal(event("lease-held"), ("tv", 0, 2), "held")
        daemon.ctl("lease", "release", "tv")
        equal(event("lease-standby"), ("tv", 0, 2), "released")
        equal(event("lease-unheld"), ("tv", 0, 2), "shards without a holder")
        daemon.ctl("lease", "set", "tv", "for", "1h")
        equal(event("lease-held"), ("tv", 0, 2), "held again")
        daemon.ctl("lease", "set", "tv/1", "for", "4s")  # it is not over when the daemon learns it
        equal(event("lease-expired"), ("tv", 1, 1), "expired")
        listed = daemon.ctl("lease", "list").stdout.split()
        equal([word for word in listed if word in ("held", "standby")], ["held", "standby"], "states")
        daemon.ctl("lease", "release", "tv")
        equal(event("lease-standby"), ("tv", 0, 1), "released")
    check("XmcastLease" not in daemon.ctl("metrics").stdout and
          "xmcast_lease_standby_shards 2" in daemon.ctl("metrics").stdout, "metrics")
    found = json.loads(daemon.ctl("-j", "explain", daemon.stats()["rules"][0]["name"], check=False).stdout)
    check("standby" in json.dumps(found), f"explain: {found}")
    for words in (("set", "tv"), ("set", "tv", "for", "5"), ("set", "tv", "for", "-5s"), ("set", "tv", "for", "8000h"),
                  ("set", "tv", "until", "5s"), ("set", "tv/x", "for", "5s"), ("set", "tv/1024", "for", "5s"),
                  ("release", "tv/"), ("release",)):
        equal(daemon.ctl("lease", *words, check=False).returncode, EXIT_USAGE, f"exit code of {words}")
    for words in (("set", "radio", "for", "5s"), ("release", "tv/7")):
        equal(daemon.ctl("lease", *words, check=False).returncode, EXIT_REFUSED, f"exit code of {words}")


@test
def refused():
    """Rules that do not agree about the shards of a lease are refused; a lease goes with its last rule"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    other = "cam2 in 239.1.1.2:5000@in0 lease tv/2 out 239.2.2.2:6001@out0"
    with Client(daemon.socket) as client:
        equal(client.code("rule.add", rules=[other]), -32001, "another number of shards")
        hold(daemon, epoch=5)
        client.call("rule.replace", rules=[RULE.replace("lease tv", "lease tv/2")])
        listed = client.call("lease.list")["leases"]
        equal([(entry["shards"], entry["state"], entry["epoch"]) for entry in listed], [(2, "standby", 0)] * 2,
              "a lease with other shards is another one")
        client.call("rule.replace", rules=[RULE.replace("lease tv ", "")])
        equal(client.call("lease.list")["leases"], [], "leases of rules without any")
        equal(daemon.stats()["rules"][0]["state"], "active", "a rule without a lease")


@test
def grouped():
    """Rules of the file have the lease of their group, also after a change and when the file is saved"""
    star = Star()
    daemon = Daemon(star.relay, config="rules:\n"
                    "- { name: cam1, group: tv, in: '239.1.1.1:5000@in0', out: '239.2.2.2:6000@out0' }\n"
                    "- { name: cam2, group: tv, in: '239.1.1.2:5000@in0', out: '239.2.2.2:6001@out0' }\n"
                    "groups: { tv: { lease: tv } }\n")
    equal([rule["state"] for rule in daemon.stats()["rules"]], ["standby"] * 2, "states without the lease")
    hold(daemon)
    equal([rule["state"] for rule in daemon.stats()["rules"]], ["active"] * 2, "states with it")
    daemon.ctl("rule", "replace", *"cam1 in 239.1.1.1:5000@in0 lease tv out 239.2.2.2:6000@out0 ttl 8".split())
    daemon.ctl("rule", "replace", *"cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6001@out0".split())
    shown = daemon.ctl("config", "show").stdout
    equal((shown.count("    group: tv\n"), shown.count("lease: tv\n")), (1, 1), f"group and lease in {shown}")
    release(daemon)
    equal([rule["state"] for rule in daemon.stats()["rules"]], ["standby", "active"], "states without it")


def check_taken_over(rule):
    """A successor knows what is held, until when, and the epoch; counters go on."""
    star = Star()
    star.receiver.run("ethtool", "-K", "r0", "gro", "on")
    daemon = Daemon(star.relay, rule)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    numbers = Numbers(star.source, "10.1.0.1")
    numbers.send(10)
    settled(daemon, 10)
    until = now() + FOREVER
    hold(daemon, until=until, epoch=9)
    daemon = take_over(daemon, rule)
    with Client(daemon.socket) as client:
        shard, = client.call("lease.list")["leases"]
        equal((shard["state"], shard["until"], shard["epoch"]), ("held", until, 9), "of the successor")
        equal(client.code("lease.set", name="tv", until=until, epoch=8), -32001, "a lower epoch")
    expected = numbers.send(20)
    wait_until(lambda: rule_of(daemon.stats(), "cam1")["outputs"][0]["sent_packets"] == 20, "all are sent")
    equal(received(output), expected, "sent by the successor")
    counts = rule_of(daemon.stats(), "cam1")
    equal((counts["received_packets"], counts["standby_packets"]), (30, 10), "received, and standby")
    release(daemon)
    daemon = take_over(daemon, rule)
    equal(state(daemon), ("standby", "standby"), "released before")


@test
def taken_over_user():
    """--take-over keeps deadlines, epochs and counters"""
    check_taken_over(RULE)


@test
def taken_over_kernel():
    """The same on the kernel path"""
    check_taken_over(KERNEL_RULE)


if __name__ == "__main__":
    main()
