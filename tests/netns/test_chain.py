#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Three relays in a row, each in its own namespace: every packet is accounted for on every hop."""

import json

from harness import (Daemon, Namespace, Sink, check, check_clean, equal, generate, in_order, lossless, main,
                     test, veth)

HOPS = 3


class Chain:
    """source ── relay 1 ── relay 2 ── relay 3 ── sink, each "east" the next one's "west". Relay i
    receives 239.1.1.i from the west and sends 239.1.1.i+1 to the east."""

    def __init__(self, number=1):
        self.source, self.sink = Namespace(f"source-{number}"), Namespace(f"sink-{number}")
        self.relays = [Namespace(f"relay{i}-{number}") for i in range(1, HOPS + 1)]
        nodes = [self.source, *self.relays, self.sink]
        for i, (near, far) in enumerate(zip(nodes, nodes[1:])):
            veth(near, "east", far, "west", near_addr=f"10.3.{i}.1/24", far_addr=f"10.3.{i}.2/24")
        in_order(self.sink, "west")
        for relay in self.relays:
            # With a queue before it, a veth whose ring is full holds packets back instead of
            # dropping them (Linux 6.16); before that the drop is at least counted.
            relay.run("tc", "qdisc", "replace", "dev", "east", "root", "pfifo", "limit", "10000")
        self.daemons = [
            Daemon(relay, f"hop{i} in 239.1.1.{i}:5000@west out 239.1.1.{i + 1}:5000@east")
            for i, relay in enumerate(self.relays, 1)]

    def link_drops(self, i):
        """Packets that did not fit the ring of the cable behind relay i. (The drops of the far end are
        packets that did not fit the next relay's socket, which that relay counts.)"""
        counters = json.loads(self.relays[i].ip("-j -s link show east"))[0]["stats64"]
        return counters["tx"]["dropped"]


def walk(chain, sent):
    """Check hop by hop that each relay received what the previous one sent, except for what the cable
    dropped and counted. Returns how many packets left the last cable, and how many were lost."""
    expected, lost = sent, 0
    for i, daemon in enumerate(chain.daemons):
        stats = daemon.settle(steered=expected)
        totals = stats["totals"]
        equal(totals["sent_packets"] + totals["send_errors"], totals["received_packets"],
              f"hop {i + 1}: sent and errors against received")
        lost += totals["dropped_packets"] + totals["send_errors"]
        dropped = chain.link_drops(i)
        expected = totals["sent_packets"] - dropped
        lost += dropped
    return expected, lost


@test
def paced():
    """20,000 packets/s of 1400 bytes for 5 seconds arrive completely, in order and intact"""
    def attempt(number):
        chain = Chain(number)
        sink = Sink(chain.sink, "west", "--verify", "--port", "5000", "--group", "239.1.1.4")
        sent = generate(chain.source, "east", "--rate", "20000", "--count", "100000")
        expected, lost = walk(chain, sent["sent_packets"])
        equal(expected + lost, sent["sent_packets"], "out of the last relay, and lost")
        report = sink.stop()
        check_clean(report, sent, lost)
        check(report["latency_ns"]["min"] > 0, "no latency")
        for daemon in chain.daemons:
            daemon.stop()
        return lost

    lossless(attempt)


@test
def flooded():
    """Flat out for a second: every lost packet is counted where it was lost"""
    chain = Chain()
    sink = Sink(chain.sink, "west", "--port", "5000", "--group", "239.1.1.4")
    sent = generate(chain.source, "east", "--duration", "1", "--size", "1400")["sent_packets"]
    expected, lost = walk(chain, sent)
    equal(expected + lost, sent, "arrived and lost, against sent")
    equal(sink.stop()["received_packets"], expected, "received by the sink")


main()
