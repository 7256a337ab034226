#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules that change while packets flow: rules that a change does not touch lose no packet, and a change is
applied completely or not at all."""

import json
import os
import random
import signal
import time

from control import Client, Refused
from harness import (EXIT_CONFIG, Daemon, Passage, Sink, Star, check, check_clean, equal, lossless,
                     main, program, receive, receiver, rule_of, run, sender, silent, start, test,
                     veth, wait_until, write_file)

# Packets/s of the streams that must not be disturbed. May be higher on an idle machine.
CHURN_RATE = int(os.environ.get("XMCAST_CHURN_RATE", "50000"))
CHANGES = 1000
STREAMS = 50


def rule(name, group=1, port=5000, out_port=6000, iface="in0", out="239.2.2.2", more=""):
    """A rule as text."""
    return f"{name} in 239.1.1.{group}:{port}@{iface} out {out}:{out_port}@out0{more}"


def all_rules(control):
    """The items of rule.list, of all its pages."""
    rules, total = [], 1
    while len(rules) < total:
        page = control.call("rule.list", offset=len(rules), limit=500)
        rules, total = rules + page["rules"], page["total"]
    return rules


def names(control):
    """The rules that the daemon has, in order."""
    return [item["name"] for item in all_rules(control)]


def groups(namespace):
    """All groups joined in a namespace."""
    return sorted(line.split()[0] for line in namespace.read("/proc/net/igmp").splitlines()
                  if line.startswith("\t"))


@test
def one_at_a_time():
    """add, disable, enable, replace, del: each packet is handled by the rules of its time"""
    star = Star()
    daemon = Daemon(star.relay, rule("other", 9, 5009, 6009))
    control = Client(daemon.socket)
    source = sender(star.source, "10.1.0.1")
    first = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    second = receiver(star.receiver, 6001, "239.2.2.2", "10.2.0.2")

    def arrives_at(sock, text):
        source.sendto(text, ("239.1.1.1", 5000))
        equal(receive(sock)[0], text, "payload")

    def arrives_nowhere(steered):
        source.sendto(b"lost", ("239.1.1.1", 5000))
        equal(daemon.settle()["totals"]["steered_packets"], steered, "steered")
        check(silent(first) and silent(second), "a packet arrived")

    equal(control.call("rule.add", rules=[rule("cam")])["added"], 1, "added")
    arrives_at(first, b"added")
    equal(control.call("rule.disable", names=["cam"])["replaced"], 1, "replaced")
    equal(rule_of(daemon.stats(), "cam")["state"], "disabled", "state")
    arrives_nowhere(1)
    control.call("rule.enable", names=["cam"])
    arrives_at(first, b"enabled")
    control.call("rule.replace", rules=[rule("cam", out_port=6001)])
    arrives_at(second, b"replaced")
    check(silent(first), "the old output still receives packets")
    equal(control.call("rule.del", names=["cam"])["removed"], 1, "removed")
    arrives_nowhere(3)
    equal(names(control), ["other"], "rules")
    equal(groups(star.relay), sorted(["010000E0", "090101EF"] + ["010000E0"] * 2), "groups")


@test
def the_same_again():
    """A change without effect keeps generation, counters and sockets"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"))
    control = Client(daemon.socket)
    before = control.call("rule.list")["generation"]
    answer = control.call("rule.replace", rules=[rule("cam")])
    equal((answer["added"], answer["removed"], answer["replaced"]), (0, 0, 0), "what changed")
    source = sender(star.source, "10.1.0.1")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source.sendto(b"x", ("239.1.1.1", 5000))
    port = receive(output)[1]
    control.call("rule.replace", rules=[rule("cam")])
    source.sendto(b"y", ("239.1.1.1", 5000))
    equal(receive(output)[1], port, "source address and port of the relay")
    equal(daemon.settle(2)["rules"][0]["received_packets"], 2, "received, counted on")
    equal(control.call("rule.list")["generation"], before, "generation")


@test
def swap():
    """Two rules swap their inputs in one transaction"""
    star = Star()
    daemon = Daemon(star.relay, rule("a", 1, out_port=6000), rule("b", 2, out_port=6001))
    control = Client(daemon.socket)
    outputs = [receiver(star.receiver, port, "239.2.2.2", "10.2.0.2") for port in (6000, 6001)]
    control.call("rule.replace", rules=[rule("a", 2, out_port=6000), rule("b", 1, out_port=6001)])
    source = sender(star.source, "10.1.0.1")
    source.sendto(b"one", ("239.1.1.1", 5000))
    source.sendto(b"two", ("239.1.1.2", 5000))
    equal(receive(outputs[0])[0], b"two", "payload at a's output")
    equal(receive(outputs[1])[0], b"one", "payload at b's output")
    daemon.settle(2)


@test
def interfaces_come_and_go():
    """The first rule of an interface attaches to it, the last one detaches; totals never shrink"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, rule("a", 1))
    control = Client(daemon.socket)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sources = [sender(star.sources[i], f"10.1.{i}.1") for i in range(2)]
    control.call("rule.add", rules=[rule("b", 1, iface="in1")])
    for i, source in enumerate(sources):
        source.sendto(b"%d" % i, ("239.1.1.1", 5000))
        equal(receive(output)[0], b"%d" % i, "payload")
    before = daemon.settle(2)
    control.call("rule.del", names=["a"])
    wait_until(lambda: "xdp" not in star.relay.ip("link show in0"), "in0 is detached")
    check("xdp" in star.relay.ip("link show in1"), "in1 has lost the program")
    after = daemon.stats()
    equal([i["name"] for i in after["interfaces"]], ["in1"], "interfaces")
    equal(after["totals"], before["totals"], "totals")
    control.call("rule.add", rules=[rule("a", 1)])
    sources[0].sendto(b"again", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"again", "payload")
    control.call("rule.del", names=["a", "b"])
    wait_until(lambda: "xdp" not in star.relay.ip("link show in1"), "in1 is detached")
    equal(daemon.stats()["totals"]["sent_packets"], 3, "sent in all")
    # The audits of earlier workers have been logged already; others follow at the end.
    daemon.ready = ""


class Churn:
    """Random changes of rules without traffic, on the same interface as the streams and on another."""

    def __init__(self, control, seed):
        self.control, self.random = control, random.Random(seed)
        self.rules = {}  # name: (text, enabled)
        self.count = 0

    def _text(self, name):
        number = int(name[1:])
        iface = "in1" if number % 5 == 0 else "in0"
        more = f" ttl {self.random.randint(1, 8)}"
        extra = " out 10.2.0.2:7001" if self.random.random() < 0.5 else ""
        return f"{name} in 239.3.{number // 200}.{number % 200}:5000@{iface} " \
               f"out 239.4.4.4:7000@out0{more}{extra}"

    def _operation(self):
        kind = self.random.choice(("add", "add", "del", "replace", "enable", "disable"))
        if kind == "add" or not self.rules:
            name = f"r{self.count}"
            self.count += 1
            self.rules[name] = True
            return {"do": "add", "rule": self._text(name)}
        name = self.random.choice(sorted(self.rules))
        if kind == "del":
            del self.rules[name]
        elif kind != "replace":
            self.rules[name] = kind == "enable"
        else:
            self.rules[name] = True
            return {"do": "replace", "rule": self._text(name)}
        return {"do": kind, "name": name}

    def step(self):
        """One transaction of one or several operations. Returns how many."""
        operations = [self._operation() for _ in range(self.random.choice((1, 1, 1, 5)))]
        self.control.call("rule.change", operations=operations)
        return len(operations)


@test
def churn():
    """1,000 random changes beside 50 flows, of which no packet is lost, duplicated or reordered"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, *(rule(f"s{i}", 1, 5000 + i, 6000 + i) for i in range(STREAMS)))
    control = Client(daemon.socket)
    changes = Churn(control, 4711)

    def attempt(_number):
        passage = Passage(daemon)
        sink = Sink(star.receiver, "r0", "--port", f"6000-{6000 + STREAMS - 1}")
        generator = start(star.source, program("xmcast-gen"), "s0", "-j", "--flows", str(STREAMS),
                          "--rate", str(CHURN_RATE), "--size-by", "flow", "--size",
                          "64,1316,512,1400")
        daemon.wait_steered(passage.before["totals"]["steered_packets"] + STREAMS)
        done = 0
        while done < CHANGES:
            done += changes.step()
        during = daemon.stats()
        generator.stop(signal.SIGINT)
        sent = json.loads(generator.output)
        after = passage.end(sent)
        report = sink.stop()
        received = [sum(r["received_packets"] for r in stats["rules"] if r["name"][0] == "s")
                    for stats in (passage.before, after)]
        equal(received[1] - received[0], sent["sent_packets"] - passage.dropped(),
              "received of what was sent")
        check(during["totals"]["steered_packets"] < after["totals"]["steered_packets"],
              "no packet came after the last change")
        refused = [sum(o["send_errors"] for r in stats["rules"] for o in r["outputs"])
                   for stats in (passage.before, after)]
        missing = passage.dropped() + refused[1] - refused[0]
        check_clean(report, sent, missing)
        return missing

    lossless(attempt)
    equal(sorted(set(names(control)) - {f"s{i}" for i in range(STREAMS)}),
          sorted(changes.rules), "rules in the end")
    daemon.ready = ""


def footprint(daemon, control):
    """Everything that a change might leave behind: rules, keys, memberships, descriptors, generation."""
    return {"rules": all_rules(control), "generation": control.call("rule.list")["generation"],
            "groups": groups(daemon.namespace), "interfaces": interfaces(control),
            "descriptors": len(os.listdir(f"/proc/{daemon.process.pid}/fd"))}


def xdp_keys(program_id):
    """The keys in the rule map of an XDP program."""
    maps = json.loads(run("bpftool", "-j", "prog", "show", "id", str(program_id)).stdout)["map_ids"]
    for number in maps:
        if json.loads(run("bpftool", "-j", "map", "show", "id", str(number)).stdout)["type"] == "hash":
            entries = json.loads(run("bpftool", "-j", "map", "dump", "id", str(number)).stdout)
            return sorted(str(entry["key"]) for entry in entries)
    raise AssertionError(f"program {program_id} has no map of rules")


def interfaces(control):
    """The interfaces with their XDP programs and the keys of those."""
    return {i["name"]: (i["program_id"], xdp_keys(i["program_id"]))
            for i in control.call("iface.list")["interfaces"]}


def refused(control, method, **params):
    """Call a method that must be refused. Returns the refusal: code, message, data."""
    try:
        answer = control.call(method, **params)
    except Refused as refusal:
        return refusal
    raise AssertionError(f"{method} was not refused: {answer}")


@test
def invalid_changes():
    """Every wrong operation of a list is reported with its place, and none of the list is applied"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"), rule("dog", 2))
    control = Client(daemon.socket)
    before = footprint(daemon, control)
    error = refused(control, "rule.change", operations=[
        {"do": "add", "rule": rule("new", 3)},
        {"do": "add", "rule": rule("cam", 4)},
        {"do": "del", "name": "cow"},
        {"do": "add", "rule": "x in 239.1.1.1:0@in0 out 239.2.2.2:1@out0"},
        {"do": "add", "rule": rule("twin", 2)}])
    equal(error.code, -32001, "code")
    places = [(e["file"], e["line"]) for e in error.data["errors"]]
    equal(sorted(places), [("operations", line) for line in (2, 3, 4, 5)], "places")
    for params in ({"operations": [{"do": "fly", "name": "cam"}]},
                   {"operations": [{"do": "add", "name": "cam"}]}, {"operations": []},
                   {"operations": [1]}, {}, {"rules": []}):
        equal(refused(control, "rule.change", **params).code, -32602, f"code of {params}")
    equal(footprint(daemon, control), before, "state after a refused change")


@test
def half_of_a_change():
    """No descriptor is left for the 500th rule: the other 499 leave nothing behind"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"), prefix=("prlimit", "--nofile=1200:1200"))
    control = Client(daemon.socket)
    before = footprint(daemon, control)
    many = [rule(f"r{i}", 2, 5000 + i, more=" out 10.2.0.2:7000") for i in range(1000)]
    error = refused(control, "rule.add", rules=many)
    equal(error.code, -32002, "code")
    check("descriptors" in error.message, error.message)
    equal(footprint(daemon, control), before, "state after a failed change")
    equal(control.call("rule.add", rules=many[:100])["added"], 100, "added by a smaller one")
    equal(control.call("rule.del", names=[f"r{i}" for i in range(100)])["removed"], 100, "removed")
    after = footprint(daemon, control)
    after["generation"] = before["generation"]
    equal(after, before, "state after a change and its opposite")


@test
def failing_join():
    """A group that cannot be joined makes the whole change fail"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"))
    control = Client(daemon.socket)
    before = footprint(daemon, control)
    star.relay.sysctl("net/ipv4/igmp_max_memberships", 0)
    error = refused(control, "rule.add", rules=[rule("r1", 1, 5001), rule("r2", 2)])
    equal(error.code, -32002, "code")
    for word in ("r2", "239.1.1.2", "in0"):
        check(word in error.message, error.message)
    equal(footprint(daemon, control), before, "state after a failed change")


@test
def pending_rules():
    """A missing interface makes a rule pending, but does not make the change fail"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"))
    control = Client(daemon.socket)
    answer = control.call("rule.add", rules=[rule("away", 2, iface="eth7"), rule("here", 4),
                                             "lost in 239.1.1.3:5000@in0 out "
                                             "239.2.2.2:6000@eth8"])
    equal((answer["added"], answer["pending"]), (3, 2), "added, and pending of these")
    control.call("rule.del", names=["here"])
    for name, word in (("away", "eth7"), ("lost", "eth8")):
        found = control.call("rule.show", name=name)
        equal(found["state"], "pending", f"state of {name}")
        check(word in found["reason"], found["reason"])
    equal(control.call("rule.del", names=["away", "lost"])["removed"], 2, "removed")
    equal(names(control), ["cam"], "rules")


@test
def failed_interface():
    """A new rule retries a failed interface, and pending rules of it become active as well"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, rule("cam"))
    control = Client(daemon.socket)
    star.relay.ip("link set in1 down")
    control.call("rule.add", rules=[rule("a", 2, iface="in1")])
    equal(control.call("rule.show", name="a")["state"], "pending", "state while in1 is down")
    star.relay.ip("link set in1 up")
    answer = control.call("rule.add", rules=[rule("b", 3, iface="in1")])
    equal((answer["added"], answer["replaced"]), (1, 0), "what changed")
    equal({item["state"] for item in all_rules(control)}, {"active"}, "states")
    equal([i["name"] for i in daemon.stats()["interfaces"]], ["in0", "in1"], "interfaces")
    daemon.ready = ""


@test
def renamed_interface():
    """Rules with the new name of an interface become active, those with the old name are pending"""
    star = Star()
    daemon = Daemon(star.relay, config=FILE)
    control = Client(daemon.socket)
    star.relay.ip("link set in0 down")
    star.relay.ip("link set in0 name inx")
    star.relay.ip("link set inx up")
    control.call("rule.add", rules=[rule("new", 3, iface="inx")])
    equal(control.call("rule.show", name="new")["state"], "active", "state of the rule on inx")
    found = control.call("rule.show", name="cam")
    equal(found["state"], "pending", "state while rules name in0")
    check("in0 does not exist" in found["reason"], found["reason"])
    rewrite(daemon, FILE.replace("@in0", "@inx"))
    control.call("config.reload")
    equal({item["state"] for item in all_rules(control)}, {"active"}, "states")
    wait_until(lambda: star.source.running("s0"), "the source's link transmits again")
    source = sender(star.source, "10.1.0.1")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source.sendto(b"renamed", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"renamed", "payload")
    daemon.ready = ""


@test
def output_recreated():
    """A replaced rule does not keep the socket of an interface that no longer exists"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"))
    star.relay.ip("link del out0")
    veth(star.relay, "out0", star.receiver, "r0", near_addr="10.2.0.1/24", far_addr="10.2.0.2/24")
    star.receiver.ip("route add default dev r0")
    Client(daemon.socket).call("rule.replace", rules=[rule("cam", more=" out 10.2.0.2:7000")])
    wait_until(lambda: not any("reason" in output for output in rule_of(daemon.stats(), "cam")["outputs"]),
               "both outputs can send")
    source = sender(star.source, "10.1.0.1")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source.sendto(b"again", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"again", "payload")
    daemon.settle(1)


@test
def ten_thousand():
    """10,000 rules are loaded, replaced and removed in one change each"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"))
    control = Client(daemon.socket)

    def many(port):
        return [f"r{i} in 239.{2 + i // 250}.1.{i % 250}:{port}@in0 out 239.2.2.2:6000@out0"
                for i in range(10000)]

    star.relay.sysctl("net/ipv4/igmp_max_memberships", 100)
    before = footprint(daemon, control)
    for action in (lambda: control.call("rule.add", rules=many(5000))["added"],
                   lambda: control.call("rule.replace", rules=many(5001))["replaced"]):
        begin = time.monotonic()
        equal(action(), 10000, "rules changed")
        print(f"# 10,000 rules: {time.monotonic() - begin:.2f} s", flush=True)
    equal(len(all_rules(control)), 10001, "rules")
    equal({item["state"] for item in all_rules(control)}, {"active"}, "states")
    control.call("rule.del", names=[f"r{i}" for i in range(10000)])
    after = footprint(daemon, control)
    after["generation"] = before["generation"]
    equal(after, before, "state after their removal")


# ---- the file --------------------------------------------------------------------------------

FILE = """rules:
  - name: cam
    in: 239.1.1.1:5000@in0
    out: [ "239.2.2.2:6000@out0" ]
  - name: dog
    in: 239.1.1.2:5000@in0
    out: [ "239.2.2.2:6001@out0" ]
"""


def rewrite(daemon, text):
    """Replace the text of the daemon's configuration file."""
    write_file(os.path.basename(daemon.config), text)


def reload_by_signal(daemon, line):
    """Send SIGHUP and wait for a log line."""
    daemon.process.send_signal(signal.SIGHUP)
    return daemon.process.wait_line(line)


@test
def reload():
    """SIGHUP applies the difference: unchanged rules keep their sockets and counters"""
    star = Star()
    daemon = Daemon(star.relay, config=FILE)
    control = Client(daemon.socket)
    source = sender(star.source, "10.1.0.1")
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source.sendto(b"before", ("239.1.1.1", 5000))
    port = receive(output)[1]
    rewrite(daemon, FILE.replace("name: dog", "name: cat").replace(":6001", ":6002") +
            "logging: { level: debug }\n")
    reload_by_signal(daemon, r"reloaded .*added=1 removed=1 replaced=0$")
    equal(names(control), ["cam", "cat"], "rules")
    source.sendto(b"after", ("239.1.1.1", 5000))
    equal(receive(output)[1], port, "source of the relay's packets")
    equal(rule_of(daemon.settle(2), "cam")["received_packets"], 2, "received, counted on")
    equal(control.call("log.show")["levels"]["egress"], "debug", "level of the log")


@test
def reload_refused():
    """A file with errors changes nothing, and every error is reported with its place"""
    star = Star()
    daemon = Daemon(star.relay, config=FILE)
    control = Client(daemon.socket)
    before = footprint(daemon, control)
    rewrite(daemon, FILE.replace("5000@in0", "0@in0", 1) + "egress: { gso: 99 }\n")
    reload_by_signal(daemon, r"reload-refused errors=2")
    daemon.process.wait_line(r"config-error file=\S+ line=3 column=19 ")
    error = refused(control, "config.reload")
    equal(error.code, -32001, "code")
    equal([(e["line"], e["word"]) for e in error.data["errors"]], [(3, "0"), (8, "99")],
          "errors")
    os.unlink(daemon.config)
    equal(refused(control, "config.reload").code, -32001, "code without a file")
    equal(footprint(daemon, control), before, "state after refused reloads")
    equal(daemon.stats()["config"]["last_reload_successful"], False, "last reload")
    rewrite(daemon, FILE)
    control.call("config.reload")
    equal(daemon.stats()["config"]["last_reload_successful"], True, "last reload")


@test
def reload_and_restart():
    """Settings that need a restart are named, and everything else is applied"""
    star = Star()
    daemon = Daemon(star.relay, config=FILE)
    control = Client(daemon.socket)
    rewrite(daemon, FILE.replace("name: dog", "name: cat") + "workers: { frames: 128 }\n"
            "egress: { gso: off }\n")
    difference = control.call("config.diff")
    equal((difference["added"], difference["removed"]), (["cat"], ["dog"]), "rules that differ")
    equal({s["setting"]: (s["running"], s["file"]) for s in difference["settings"]},
          {"workers.frames": ("16384", "128"), "egress.gso": ("64", "1")}, "settings")
    answer = control.call("config.reload")
    equal(sorted(answer["needs_restart"]), ["egress.gso", "workers.frames"], "needs a restart")
    equal((answer["added"], answer["removed"]), (1, 1), "rules changed")
    equal(control.call("config.diff")["added"], [], "rules that differ afterwards")


@test
def save():
    """The running configuration is saved, and reloading it changes nothing"""
    star = Star()
    daemon = Daemon(star.relay, config=FILE + "interfaces: { in0: { mode: skb } }\n")
    control = Client(daemon.socket)
    control.call("rule.add", rules=[rule("new", 3, more=" ttl 9 dscp ef out 10.2.0.2:7000 gso 8")])
    control.call("rule.disable", names=["dog"])
    control.call("log.set", facility="steering", level="debug")
    control.call("config.save")
    answer = control.call("config.reload")
    equal((answer["added"], answer["removed"], answer["replaced"], answer["needs_restart"]),
          (0, 0, 0, []), "what a reload of the saved file changes")
    before = [(r["name"], r["rule"], r["enabled"]) for r in all_rules(control)]
    daemon.stop()
    with open(daemon.config, encoding="utf-8") as file:
        again = Daemon(star.relay, config=file.read())
    control = Client(again.socket)
    equal([(r["name"], r["rule"], r["enabled"]) for r in all_rules(control)], before, "rules")
    equal(control.call("log.show")["levels"]["steering"], "debug", "level of the log")
    equal(again.stats()["interfaces"][0]["mode"], "skb", "mode of the interface")


@test
def save_changes():
    """With control.save_changes a killed daemon has its run-time rules again after a restart"""
    star = Star()
    daemon = Daemon(star.relay, config=FILE + "control: { save_changes: yes }\n")
    Client(daemon.socket).call("rule.change", operations=[{"do": "add", "rule": rule("new", 3)},
                                                          {"do": "del", "name": "dog"}])
    daemon.kill()
    with open(daemon.config, encoding="utf-8") as file:
        again = Daemon(star.relay, config=file.read())
    equal(names(Client(again.socket)), ["cam", "new"], "rules")


@test
def save_command_line():
    """Rules of --rule are saved as well; a reload then merges file and command line again"""
    star = Star()
    text = rule("new", 3, more=" out 10.2.0.2:7000")
    daemon = Daemon(star.relay, text, config=FILE)
    control = Client(daemon.socket)
    control.call("rule.disable", names=["new"])
    control.call("config.save")
    answer = control.call("config.reload")
    equal((answer["added"], answer["removed"], answer["replaced"]), (0, 0, 0), "changed by a reload")
    daemon.stop()
    with open(daemon.config, encoding="utf-8") as file:
        saved = file.read()
    again = Daemon(star.relay, text, config=saved)
    equal(names(Client(again.socket)), ["cam", "dog", "new"], "rules")
    equal(rule_of(again.stats(), "new")["state"], "disabled", "state")
    other = Daemon(star.relay, rule("new", 4), config=saved, ready=False)
    equal(other.process.wait(), EXIT_CONFIG, "exit code with another rule of that name")


@test
def nowhere_to_save():
    """Without a file there is nothing to save to, and the answer says what to do"""
    star = Star()
    daemon = Daemon(star.relay, rule("cam"))
    error = refused(Client(daemon.socket), "config.save")
    equal(error.code, -32002, "code")
    check("config save FILE" in error.message, error.message)


main()
