#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What counts as sent has left the host: every situation of docs/what-counts-as-sent.md, to the packet."""

from follow import output_of, plug_output, wait_active, wait_pending
from harness import (Daemon, Sink, Skip, Star, check, equal, generate, main, receive, receiver,
                     rule_of, sender, test, wait_until)
from ipv6 import Star6
from kernel_rules import V4, star_for

COUNT = 500
IN = "in 239.1.1.1:5000@in0"


# Packets that fit the ring of the input, and whose copies fit the queue of the receivers, however long they wait there.
PORTION = 100


def stream(daemon, star, count=COUNT, rate=2000, group="239.1.1.1"):
    """Send this many packets through the relay, and return its counters at rest."""
    stats = daemon.settle()
    for first in range(0, count, PORTION):
        sent = generate(star.source, "s0", "--count", str(min(PORTION, count - first)), "--rate", str(rate),
                        "--group", group)
        stats = daemon.settle(stats["totals"]["steered_packets"] + sent["sent_packets"])
    return stats


def lost(output):
    """What an output has lost, by reason."""
    return {name: count for key in ("errors", "drops") for name, count in output[key].items() if count}


def outputs(stats, rule="a"):
    """The counters of the outputs of a rule."""
    return rule_of(stats, rule)["outputs"]


def expect(stats, number, sent, losses, rule="a"):
    """An output has sent and lost exactly this."""
    output = outputs(stats, rule)[number]
    equal((output["sent_packets"], lost(output)), (sent, losses), f"{output['to']}: sent and lost")


def arrivals(star, i=0):
    """UDP datagrams that have reached the namespace of a receiver, whatever their port."""
    for line in star.receivers[i].read("/proc/net/dev").splitlines():
        if line.strip().startswith("r0:"):
            return int(line.split(":")[1].split()[1])
    raise AssertionError("no r0")


def unplug(star, i=0):
    """Pull the cable of an output: it stays up, without carrier."""
    star.receivers[i].ip("link set r0 down")


def plug(star, i=0):
    """Plug it in again."""
    star.receivers[i].ip("link set r0 up")


def no_carrier(path):
    """The outputs on one of two interfaces, named and by their route, lose their carrier, and it returns."""
    star = star_for(V4, receivers=2)
    daemon = Daemon(star.relay, f"a {IN} path {path} out 239.2.2.2:6000@out1 out 10.2.1.2:6001 "
                    "out 10.2.1.2:6002@out1 out 239.2.2.2:6000@out0")
    wait_until(lambda: rule_of(daemon.stats(), "a")["path"] == path, f"path {path}")
    wait_active(daemon)
    stats = stream(daemon, star)
    for i in range(4):
        expect(stats, i, COUNT, {})
    unplug(star, 1)
    if path == "user":
        daemon.process.wait_line(r"interface-impaired iface=out1 .*has no carrier")
    wait_until(lambda: all("has no carrier" in output_of(daemon, i).get("reason", "")
                           for i in range(3)), "all have a reason")
    equal(rule_of(daemon.stats(), "a")["state"], "active", "state: one output goes on")
    stats = stream(daemon, star)
    for i in range(3):
        expect(stats, i, COUNT, {"no_carrier": COUNT})
    expect(stats, 3, 2 * COUNT, {})
    equal(stats["totals"]["withheld_packets"], 3 * COUNT, "withheld, in all")
    daemon.process.wait_line(r"dropping rule=a output=10\.2\.1\.2:6001 errors=no_carrier:")
    plug(star, 1)
    if path == "user":
        daemon.process.wait_line(r"interface-recovered iface=out1")
    wait_until(lambda: not any("reason" in output_of(daemon, i) for i in range(3)), "no reasons")
    stats = stream(daemon, star)
    for i in range(3):
        expect(stats, i, 2 * COUNT, {"no_carrier": COUNT})


@test
def no_carrier_user():
    """Output's cable out: reason, event, every datagram counted as no_carrier; and in again"""
    no_carrier("user")


@test
def no_carrier_kernel():
    """The same on the kernel path"""
    no_carrier("kernel")


@test
def no_carrier_alone():
    """A rule whose only output has no carrier is pending, also from the start on"""
    star = Star()
    unplug(star)
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@out0")
    wait_pending(daemon, "output interface out0 has no carrier")
    expect(stream(daemon, star), 0, 0, {"no_carrier": COUNT})
    plug(star)
    wait_active(daemon)
    expect(stream(daemon, star), 0, COUNT, {"no_carrier": COUNT})


def silent_hosts(star, daemon, dead, alive, words):
    """Datagrams for hosts that nothing answers for are counted, not sent; others lose nothing; then the
    first of them appears."""
    stats = stream(daemon, star, 2 * COUNT)
    for i in dead:
        expect(stats, i, 0, {"unreachable": 2 * COUNT})
    for i in alive:
        expect(stats, i, 2 * COUNT, {})
    wait_until(lambda: all(words in output_of(daemon, i).get("reason", "") for i in dead), "reasons")
    stats = stream(daemon, star)
    for i in dead:
        expect(stats, i, 0, {"unreachable": 3 * COUNT})
    for i in alive:
        expect(stats, i, 3 * COUNT, {})
    daemon.process.wait_line(r"dropping rule=a output=.* errors=unreachable:")


@test
def silent_hosts_ipv4():
    """Hosts that do not answer ARP, and one behind a gateway that does not: unreachable, 0 sent"""
    star = Star()
    star.relay.ip("route add 10.9.9.0/24 via 10.2.0.79")
    daemon = Daemon(star.relay, f"a {IN} out 10.2.0.77:6000 out 10.2.0.78:6000@out0 "
                    "out 10.9.9.9:6000 out 10.2.0.77:6001 out 10.2.0.2:6001 out 239.2.2.2:6000@out0")
    silent_hosts(star, daemon, range(4), (4, 5), "does not answer ARP")
    check("10.2.0.79" in output_of(daemon, 2)["reason"], "the reason names the gateway")
    output = receiver(star.receiver, 6000)
    star.receiver.ip("address add 10.2.0.77/24 dev r0")
    wait_until(lambda: "reason" not in output_of(daemon, 0), "10.2.0.77 answers")
    before = output_of(daemon, 0)
    sender(star.source, "10.1.0.1").sendto(b"again", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"again", "payload")
    daemon.settle()
    after = output_of(daemon, 0)
    equal((after["sent_packets"], lost(after)), (before["sent_packets"] + 1, lost(before)), "then")


@test
def silent_hosts_ipv6():
    """The same of hosts that do not answer neighbour discovery"""
    star = Star6()
    daemon = Daemon(star.relay, "a in [ff3e::1]:5000@in0 out [fd02::77]:6000 "
                    "out [fd02::78]:6000@out0 out [fd02::2]:6001 out [ff3e::2]:6000@out0")
    wait_until(lambda: output_of(daemon, 2)["drops"]["unreachable"] == 0, "it runs")
    stats = stream(daemon, star, group="ff3e::1")
    for i in (0, 1):
        expect(stats, i, 0, {"unreachable": COUNT})
    for i in (2, 3):
        expect(stats, i, COUNT, {})
    wait_until(lambda: "does not answer neighbour discovery" in output_of(daemon, 0).get("reason", ""),
               "a reason")


@test
def several_next_hops():
    """A route with two gateways, of which one is silent: which one a datagram takes is not known"""
    star = Star()
    star.relay.ip("route add 10.9.9.0/24 nexthop via 10.2.0.2 dev out0 "
                  "nexthop via 10.2.0.79 dev out0")
    rule = " ".join(f"out 10.9.9.{i}:6000" for i in range(1, 9))
    daemon = Daemon(star.relay, f"a {IN} {rule} out 10.2.0.79:6000")
    wait_until(lambda: "does not answer ARP" in output_of(daemon, 8).get("reason", ""), "it is silent")
    check(not any("reason" in output_of(daemon, i) for i in range(8)), "no reasons")
    stats = stream(daemon, star)
    for i in range(8):
        expect(stats, i, COUNT, {})
    expect(stats, 8, 0, {"unreachable": COUNT})


@test
def silent_host_alone():
    """A rule whose only host is silent is pending, and active as soon as it answers"""
    star = Star()
    daemon = Daemon(star.relay, f"a {IN} out 10.2.0.77:6000")
    wait_pending(daemon, "10.2.0.77 does not answer ARP")
    star.receiver.ip("address add 10.2.0.77/24 dev r0")
    wait_active(daemon)
    expect(stream(daemon, star), 0, COUNT, {})


@test
def silent_host_kernel():
    """A silent host on the kernel path: the same counter; the other output goes on"""
    star = star_for(V4)
    daemon = Daemon(star.relay, f"a {IN} path kernel out 10.2.0.77:6000 out 239.2.2.2:6000@out0")
    wait_until(lambda: rule_of(daemon.stats(), "a")["path"] == "kernel" and
               "10.2.0.77" in output_of(daemon, 0).get("reason", ""), "the kernel path")
    stats = stream(daemon, star)
    expect(stats, 0, 0, {"unreachable": COUNT})
    expect(stats, 1, COUNT, {})


@test
def flushed_neighbour():
    """The neighbour's entry is deleted again and again while packets flow: each is sent or counted"""
    star = Star()
    daemon = Daemon(star.relay, f"a {IN} out 10.2.0.2:6000")
    wait_active(daemon)
    sink = Sink(star.receiver, "r0", "--port", "6000")
    stream(daemon, star, 1)
    source = sender(star.source, "10.1.0.1")
    for i in range(20):
        star.relay.ip("neigh flush dev out0")
        source.sendto(b"%d" % i, ("239.1.1.1", 5000))
    output = outputs(daemon.settle(steered=21))[0]
    equal(output["sent_packets"] + sum(lost(output).values()), 21, "sent and counted")
    check(set(lost(output)) <= {"unreachable"}, f"lost: {lost(output)}")
    wait_until(lambda: sink.process.returncode is None, "it runs")
    wait_until(lambda: "reason" not in output_of(daemon, 0), "no reason")


@test
def refused_port():
    """A host whose port nobody listens on: its reports are counted, nothing is lost, an event tells"""
    star = Star()
    daemon = Daemon(star.relay, f"a {IN} out 10.2.0.2:6009 gso off "
                    "out 239.2.2.2:6000@out0 gso off")
    star.receiver.sysctl("net/ipv4/icmp_ratelimit", 0)
    wait_active(daemon)
    before = arrivals(star)
    stats = stream(daemon, star, 20, 100)
    for i in range(2):
        expect(stats, i, 20, {})
    check(arrivals(star) - before >= 40, "all have left")
    source = sender(star.source, "10.1.0.1")

    def refused():
        """The kernel limits the reports of all hosts in this machine together."""
        source.sendto(b"one more", ("239.1.1.1", 5000))
        return output_of(daemon, 0)["icmp_errors"]["refused"] >= 20

    wait_until(refused, "20 reports", pause=0.1)
    sent = outputs(daemon.settle())[0]["sent_packets"]
    count = output_of(daemon, 0)["icmp_errors"]["refused"]
    check(count <= sent, f"{count} reports about {sent} datagrams")
    equal(sum(output_of(daemon, 1)["icmp_errors"].values()), 0, "reports about the other output")
    equal(rule_of(daemon.stats(), "a")["state"], "active", "state")
    check("reason" not in output_of(daemon, 0), "a report is no reason")
    daemon.process.wait_line(r"icmp-errors rule=a output=10\.2\.0\.2:6009 errors=refused:")
    check(f"ICMP: refused {count}" in daemon.ctl("rule", "show", "a").stdout, "rule show")


@test
def errors_of_sends():
    """What the kernel refuses is an error by errno, and nothing of it leaves"""
    star = Star()
    star.relay.ip("route add blackhole 10.8.0.1")
    star.relay.ip("route add unreachable 10.8.0.2")
    star.relay.ip("route add prohibit 10.8.0.3")
    star.relay.ip("xfrm policy add dir out dst 10.2.0.99/32 action block")
    star.relay.ip("neigh replace 10.2.0.99 lladdr 02:00:00:00:00:99 dev out0")
    expected = {"10.8.0.1:6000": "EINVAL", "10.8.0.2:6000": "EHOSTUNREACH", "10.8.0.3:6000": "EACCES",
                "10.8.0.4:6000": "ENETUNREACH", "10.2.0.99:6000": "EPERM"}
    rule = " ".join(f"out {to}" for to in expected)
    daemon = Daemon(star.relay, f"a {IN} {rule} out 239.2.2.2:6000@out0")
    wait_active(daemon)
    stats = stream(daemon, star)
    for i, errno in enumerate(expected.values()):
        expect(stats, i, 0, {errno: COUNT})
    expect(stats, len(expected), COUNT, {})


@test
def no_source():
    """A host without any IPv4 address: datagrams with source 0.0.0.0 are not sent"""
    star = Star()
    star.relay.ip("neigh replace 10.2.0.2 lladdr 02:00:00:00:00:02 dev out0")
    daemon = Daemon(star.relay, "a in 239.1.1.1:5000@in0 out 10.2.0.2:6000@out0 "
                    "out 239.2.2.2:6000@out0")
    wait_active(daemon)
    for device in ("in0", "out0"):
        star.relay.ip(f"address flush dev {device}")
    wait_until(lambda: all("no address to send from" in output_of(daemon, i).get("reason", "")
                           for i in range(2)), "reasons")
    before = arrivals(star)
    stats = stream(daemon, star)
    for i in range(2):
        expect(stats, i, 0, {"no_source": COUNT})
    check(arrivals(star) - before < 20, "something has left")
    star.relay.ip("address add 10.2.0.1/24 dev out0")
    wait_until(lambda: not any("reason" in output_of(daemon, i) for i in range(2)), "no reasons")


@test
def queue_full():
    """A queueing discipline that is full: ENOBUFS, and what is sent leaves"""
    star = Star()
    star.relay.run("tc", "qdisc", "add", "dev", "out0", "root", "tbf", "rate", "200kbit", "burst",
                   "3000", "limit", "9000")
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@out0 gso off")
    sink = Sink(star.receiver, "r0", "--port", "6000")
    stats = stream(daemon, star, 300, 5000)
    wait_until(lambda: "backlog 0b 0p" in star.relay.run("tc", "-s", "qdisc", "show", "dev", "out0").stdout,
               "the discipline is empty")
    output = outputs(stats)[0]
    check(set(lost(output)) == {"ENOBUFS"}, f"lost: {lost(output)}")
    equal(output["sent_packets"] + lost(output)["ENOBUFS"], 300, "sent and refused")
    equal(sink.stop()["received_packets"], output["sent_packets"], "received")


def device_of(daemon, name):
    """The counters of an interface by which outputs send."""
    return next((one for one in daemon.stats()["output_interfaces"] if one["name"] == name), None)


@test
def queue_drops_silently():
    """A queueing discipline that reports success and drops: counted for the interface, with an event"""
    # A batch would count as one there.
    star = Star(receivers=2)
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@out0 gso off "
                    "out 10.2.1.2:6000")
    wait_until(lambda: device_of(daemon, "out0") and device_of(daemon, "out1"), "both are watched")
    equal(device_of(daemon, "out0")["dropped_packets"], 0, "drops at first")
    star.relay.run("tc", "qdisc", "add", "dev", "out0", "root", "blackhole")
    stats = stream(daemon, star)
    for i in range(2):
        expect(stats, i, COUNT, {})
    wait_until(lambda: device_of(daemon, "out0")["drops"]["queue"] >= COUNT, "drops of the queue")
    drops = device_of(daemon, "out0")["drops"]
    check(drops["queue"] < COUNT + 20, f"no more than the stream and the kernel's own: {drops}")
    equal((drops["tx_dropped"], drops["tx_errors"]), (0, 0), "drops of the device")
    equal(device_of(daemon, "out1")["dropped_packets"], 0, "drops of the other interface")
    daemon.process.wait_line(r"interface-dropping interface=out0 drops=queue:")
    check("out0" in daemon.ctl("stats", "show").stdout.split("OUTPUT_INTERFACE")[1], "stats show")
    star.relay.run("tc", "qdisc", "del", "dev", "out0", "root")
    daemon.process.wait_line(r"interface-dropping-ended interface=out0")


@test
def interface_with_outputs():
    """The counters of output interfaces follow the rules, and interfaces that are created again"""
    star = Star(receivers=2)
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@out0 gso off")
    wait_until(lambda: device_of(daemon, "out0"), "out0 is watched")
    check(not device_of(daemon, "out1"), "out1 is not")
    daemon.ctl("rule", "add", "b in 239.1.1.2:5000@in0 out 10.2.1.2:6000")
    wait_until(lambda: device_of(daemon, "out1"), "out1 is watched")
    stream(daemon, star)
    wait_until(lambda: device_of(daemon, "out0")["sent_packets"] >= COUNT, "what it has sent")
    daemon.ctl("rule", "del", "b")
    wait_until(lambda: not device_of(daemon, "out1"), "out1 is not watched any more")
    star.relay.ip("link del out0")
    wait_until(lambda: "does not exist" in output_of(daemon, 0).get("reason", ""), "out0 is gone")
    plug_output(star)
    wait_until(lambda: output_of(daemon, 0).get("reason") is None, "out0 is there again")
    stream(daemon, star)
    wait_until(lambda: device_of(daemon, "out0")["sent_packets"] >= 2 * COUNT, "it goes on")


@test
def interface_renamed():
    """Another interface gets the name of an output: what it has sent before does not count"""
    star = Star(receivers=2)
    other = sender(star.relay, "10.2.1.1")
    for _ in range(10 * COUNT):
        other.sendto(b"before", ("10.2.1.2", 9))
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@out0 gso off")
    wait_until(lambda: device_of(daemon, "out0"), "out0 is watched")
    stream(daemon, star)
    wait_until(lambda: device_of(daemon, "out0")["sent_packets"] >= COUNT, "what it has sent")
    for old, new in (("out0", "former"), ("out1", "out0")):
        star.relay.ip(f"link set {old} down")
        star.relay.ip(f"link set {old} name {new}")
    star.relay.ip("link set out0 up")
    wait_until(lambda: "reason" not in output_of(daemon, 0), "out0 is there again")
    before = device_of(daemon, "out0")["sent_packets"]

    def goes_on():
        source.sendto(b"after", ("239.1.1.1", 5000))
        return device_of(daemon, "out0")["sent_packets"] > before

    source = sender(star.source, "10.1.0.1")
    wait_until(goes_on, "its packets count")
    sent = output_of(daemon, 0)["sent_packets"]
    found = device_of(daemon, "out0")["sent_packets"]
    check(found < sent + COUNT, f"{found} packets, of which the relay has sent {sent} at most")


@test
def bridge_without_forwarding_port():
    """An output on a bridge whose port loses its carrier, or blocks: no_carrier"""
    star = Star(receivers=2)
    star.relay.ip("link add br0 type bridge")
    star.relay.ip("link set out1 master br0")
    star.relay.ip("address add 10.7.0.1/24 dev br0")
    star.relay.ip("link set br0 up")
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@br0 out 239.2.2.2:6000@out0")
    wait_active(daemon)
    expected = 0
    for stop, go in ((lambda: unplug(star, 1), lambda: plug(star, 1)),
                     (lambda: star.relay.run("bridge", "link", "set", "dev", "out1", "state", "0"),
                      lambda: star.relay.run("bridge", "link", "set", "dev", "out1", "state", "3"))):
        wait_until(lambda: "reason" not in output_of(daemon, 0), "no reason")
        stop()
        wait_until(lambda: "has no carrier" in output_of(daemon, 0).get("reason", ""), "a reason")
        expected += COUNT
        expect(stream(daemon, star), 0, 0, {"no_carrier": expected})
        go()
    wait_until(lambda: "reason" not in output_of(daemon, 0), "no reason")
    stats = stream(daemon, star)
    expect(stats, 0, COUNT, {"no_carrier": expected})
    expect(stats, 1, 3 * COUNT, {})


def need_link(namespace, arguments):
    """Make a link, or skip if this kernel has no links of its kind."""
    done = namespace.run("ip", "link", "add", *arguments.split(), check=False)
    if done.returncode:
        raise Skip(f"ip link add {arguments}: {done.stderr.strip()}")


@test
def stacked_no_carrier():
    """Outputs on a VLAN and on a macvlan whose lower interface loses its carrier: no_carrier"""
    star = Star(receivers=3)
    need_link(star.relay, "link out1 name tagged type vlan id 5")
    need_link(star.relay, "link out2 name mac type macvlan")
    for device, address in (("tagged", "10.5.0.1/24"), ("mac", "10.6.0.1/24")):
        star.relay.ip(f"address add {address} dev {device}")
        star.relay.ip(f"link set {device} up")
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@tagged out 239.2.2.2:6000@mac "
                    "out 239.2.2.2:6000@out0")
    wait_active(daemon)
    for i in (1, 2):
        unplug(star, i)
    wait_until(lambda: all("has no carrier" in output_of(daemon, i).get("reason", "")
                           for i in range(2)), "reasons")
    stats = stream(daemon, star)
    for i in range(2):
        expect(stats, i, 0, {"no_carrier": COUNT})
    expect(stats, 2, COUNT, {})
    for i in (1, 2):
        plug(star, i)
    wait_until(lambda: not any("reason" in output_of(daemon, i) for i in range(2)), "no reasons")
    stats = stream(daemon, star)
    for i in range(2):
        expect(stats, i, COUNT, {"no_carrier": COUNT})


@test
def egress_filters():
    """tc filters at egress that drop are errors; those of a classful discipline count for the interface"""
    star = Star(receivers=2)
    tc = lambda *words: star.relay.run("tc", *words, check=False)
    tc("qdisc", "add", "dev", "out0", "clsact")
    done = tc("filter", "add", "dev", "out0", "egress", "protocol", "ip", "matchall", "action", "drop")
    if done.returncode:
        raise Skip(f"tc filter: {done.stderr.strip()}")
    tc("qdisc", "add", "dev", "out1", "root", "handle", "1:", "htb", "default", "1")
    tc("class", "add", "dev", "out1", "parent", "1:", "classid", "1:1", "htb", "rate", "1gbit")
    tc("filter", "add", "dev", "out1", "parent", "1:", "protocol", "ip", "matchall", "action", "drop")
    daemon = Daemon(star.relay, f"a {IN} out 239.2.2.2:6000@out0 gso off out 239.2.2.2:6000@out1 gso off")
    wait_until(lambda: device_of(daemon, "out1"), "out1 is watched")
    stats = stream(daemon, star)
    expect(stats, 0, 0, {"ENOBUFS": COUNT})
    expect(stats, 1, COUNT, {})
    wait_until(lambda: device_of(daemon, "out1")["drops"]["queue"] >= COUNT, "drops of the queue")


main()
