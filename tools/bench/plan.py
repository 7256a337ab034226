# SPDX-License-Identifier: BSD-2-Clause
"""Which cases are measured: the core in about seven minutes, and everything.

All cases of a plan are run once, then all of them again, and so on. A drift of the machine's speed
then affects all cases alike, and ratios are taken within one round.
"""

import dataclasses

from bed import OUT_SOURCE
from load import Case, Load
from peers import (GSO, HYBRID, KERNEL, KERNEL_PATH, KERNEL_TUNED, PLAIN, RECEIVE, REDIRECT,
                   SENDMMSG, SOCAT, SPIN)

PEERS = (PLAIN, GSO, SENDMMSG, KERNEL_PATH, REDIRECT, KERNEL, KERNEL_TUNED, SOCAT, RECEIVE)
SIZES = ("64", "512", "1316", "1400")
MIXED = "64,512,1316,1400"

FLOWS_50 = Load(flows=50, rules=50)
# Each stream has its own packet size, as real streams do.
FLOWS_MIXED = Load(flows=50, rules=50, sizes=MIXED, size_by="flow")
# Each stream sends video frames: full packets followed by a shorter one.
FLOWS_VIDEO = Load(flows=50, rules=50, sizes=",".join(["1400"] * 7 + ["512"]))
# The worst case for batches: consecutive packets of a stream can rarely share one.
FLOWS_CHANGING = Load(flows=50, rules=50, sizes=MIXED)
# One stream whose packets all have another size, as market data has.
CHANGING = Load(sizes="64-1400")
FLOWS_1000 = Load(flows=1000, rules=1000)
RULES_10000 = Load(rules=10_000)
LEASE = Load(lease=True)
MERGE = [Load(merge="rtp", ways=ways) for ways in (1, 2)]
WATCH = Load(watch="rtp")
# Seven packets of a transport stream behind the RTP header, and the same without `watch`.
WATCH_TS = [Load(sizes="1348", watch=watch) for watch in ("", "rtp+ts")]
# Below what overflows, and the same packets by as many interfaces, not merged.
MERGE_PACED = [Load(rate=100_000, seconds=1, merge="rtp", ways=ways) for ways in (1, 2)]
NOT_MERGED = [Load(flows=2, rules=2, rate=100_000, seconds=1, ways=ways) for ways in (1, 2)]
MERGE_1000 = Load(flows=1000, rules=1000, merge="rtp", ways=2)
TWO_COPIES, FOUR_COPIES = Load(fanout=2, devices=2), Load(fanout=4, devices=2)
TAGGED = Load(vlan=100)
MILLION = Load(rate=1_000_000)
MILLION_LONG = Load(rate=1_000_000, seconds=10)
IPV6 = [Load(families=families) for families in ("6", "46", "64")]
# What the headers of the relayed packets take from the output's options, or from each packet.
HEADERS = (f"from {OUT_SOURCE}", f"from {OUT_SOURCE}:7000", "ttl dec", "dscp keep", "from keep")
SOURCES = [Load(flows=50, flow_by="source", headers=headers) for headers in ("", "from keep")]
LATENCY_RATES = (1_000, 100_000, 500_000)


def _latency(rates):
    return [Case(peer, Load(rate=rate, seconds=1))
            for rate in rates for peer in (GSO, HYBRID, SPIN, KERNEL_PATH, KERNEL)]


def core(extra):
    """The cases of `make bench`. `extra`: keys of the peers given by --peer."""
    flat_out = [Case(peer) for peer in (*PEERS, *extra)]
    return [
        *flat_out,
        *(Case(peer, sink="xdp") for peer in (PLAIN, GSO, KERNEL_PATH, REDIRECT)),
        Case(RECEIVE, TAGGED),
        Case(GSO, CHANGING),
        *(Case(KERNEL_PATH, load, sink="xdp") for load in (CHANGING, TWO_COPIES, FOUR_COPIES,
                                                           RULES_10000)),
        *(Case(GSO, load) for load in (FLOWS_50, FLOWS_MIXED, FLOWS_VIDEO)),
        *(Case(peer, Load(fanout=50)) for peer in (PLAIN, GSO)),
        *(Case(GSO, Load(headers=headers)) for headers in HEADERS),
        *(Case(GSO, load) for load in SOURCES),
        *(Case(GSO, load) for load in IPV6),
        Case(GSO, RULES_10000),
        Case(GSO, LEASE),
        Case(KERNEL_PATH, LEASE, sink="xdp"),
        *(Case(peer, WATCH) for peer in (PLAIN, GSO)),
        *(Case(GSO, load) for load in WATCH_TS),
        *(Case(GSO, load) for load in (*MERGE, *NOT_MERGED, *MERGE_PACED, FLOWS_1000,
                                           MERGE_1000)),
        Case(GSO, MILLION_LONG),
        *(Case(peer, MILLION) for peer in (PLAIN, KERNEL_TUNED)),
        *(Case(peer, Load(seconds=2), search=True) for peer in (PLAIN, GSO)),
        *_latency(LATENCY_RATES),
        Case(GSO, Load(rate=100_000, seconds=2), relays=3),
    ]


def _everything(extra):
    peers = (*PEERS, *extra)
    ours = (PLAIN, GSO, SENDMMSG, KERNEL_PATH)
    sendable = [peer for peer in peers if peer not in (RECEIVE, REDIRECT)]
    yield from core(extra)
    yield from (Case(peer, Load(sizes=size)) for size in SIZES for peer in peers)
    yield from (Case(peer, Load(sizes=size), sink="xdp")
                for size in SIZES for peer in (*ours, KERNEL))
    yield from (Case(peer, load) for load in (FLOWS_50, FLOWS_MIXED, FLOWS_VIDEO, FLOWS_CHANGING,
                                              FLOWS_1000) for peer in (*ours, KERNEL))
    yield from (Case(peer, Load(fanout=fanout), sink=sink)
                for fanout in (4, 50) for sink in ("skb", "xdp") for peer in ours)
    yield from (Case(peer, load) for load in (RULES_10000, Load(flows=1000, rules=10_000))
                for peer in (PLAIN, GSO))
    yield from (Case(peer, Load(sizes=size, rate=1_000_000)) for size in ("64", "1400")
                for peer in sendable if (peer, size) != (GSO, "1400"))
    yield from (Case(peer, load, sink=sink) for load in IPV6 for sink in ("skb", "xdp")
                for peer in ours if peer != KERNEL_PATH or load.families in ("4", "6"))
    yield from (Case(peer, Load(sizes=size), search=True) for size in SIZES
                for peer in (PLAIN, GSO))
    yield from (Case(peer, search=True) for peer in sendable)
    yield from (Case(GSO, load, search=True) for load in (FLOWS_50, Load(fanout=50), FLOWS_1000, MERGE_1000))
    yield from (Case(KERNEL_TUNED, Load(rate=rate)) for rate in LATENCY_RATES)


def full(extra, seconds):
    """All cases, each once, for `seconds` instead of the core's one to two seconds."""
    cases = {}
    for case in _everything(extra):
        load = dataclasses.replace(case.load, seconds=max(case.load.seconds, seconds))
        cases.setdefault(case.key, dataclasses.replace(case, load=load))
    return list(cases.values())


def shortened(case, seconds):
    """The same case with another duration, for a quick look."""
    return dataclasses.replace(case, load=dataclasses.replace(case.load, seconds=seconds))
