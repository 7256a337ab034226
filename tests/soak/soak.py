#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make soak HOURS=n`: run the daemon for hours with mixed traffic at half of its throughput, while rules,
files, clients and other interfaces change.

First the rate that the relay receives flat out is measured, where most packets are lost, and then its
throughput: the highest rate without loss (RFC 1242, 3.17), searched by halving as in RFC 2544, 26.1, but
with trials of seconds instead of a minute, and without changes. Both mixes must pass: packet sizes that
differ between flows, which are sent in batches, and sizes that differ from packet to packet, which are
sent singly. The soak runs at half of that throughput (--share).

Then rounds of a minute follow, alternating between the mixes. After each round the traffic pauses, and
the reports of the sinks, the counters and the resources of the daemon are checked. Each round prints a
row; the last line says PASS or FAIL. The first round is the warm-up: its packets count, and memory and
descriptors of later rounds are compared with those after it. The soak also fails if the source could not
send at the intended rate.

Other programs on the machine take CPU time from the soak. nice(1) alone does not help, because it only
counts within a session (sched(7), "autogroup"), and each login or job is a session. Therefore, as root:

    setsid -w sh -c 'echo -15 >/proc/self/autogroup; exec nice -n -15 make soak'

Columns: `refused` are packets that the relay sent and the kernel behind it refused
(net.core.netdev_max_backlog, shared by all namespaces). `dropped` are packets that the relay was too slow
for; `cpu-wait`, the longest time that one of its threads was ready to run without a CPU, shows whether
that was the machine's fault. The faults that the sinks report are neither. Packets that the generator's
own interface refused count as never sent. All of these make the soak fail.
"""

import argparse
import collections
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "netns")]

# pylint: disable=wrong-import-position
import ledger  # noqa: E402
import netns  # noqa: E402
from bed import Bed, Streams  # noqa: E402
from unrest import Unrest  # noqa: E402

TRIAL_SECONDS = 4
TRIAL_PRECISION = 0.04
MIXES = ("flow", "packet")  # whether the size depends on the flow, or changes with every packet
MINUTE = 60
LOG_TAIL = 40  # lines
OFFERED_SHARE = 0.95  # of the rate: what the source must at least have sent over all rounds
HEAD = ("round   seconds       sent  pkt/s  lost  dup reord other refused dropped  cpu-wait  rss KiB grown  fds "
        "thr  events")


def say(text):
    """Print a line at once."""
    print(text, flush=True)


def flat_out(bed, size_by):
    """Packets/s that the relay receives and sends when it is overloaded."""
    before = ledger.settle(bed)
    streams = Streams(bed, TRIAL_SECONDS, 0, size_by)
    sent = streams.wait()
    after = ledger.settle(bed, ledger.arrived(before) + sent["sent_packets"])
    streams.reports()
    taken = ledger.steady(after)[0] - ledger.steady(before)[0]
    say(f"# flat out, sizes by {size_by}: {sent['sent_packets'] / sent['seconds']:.0f} packets/s "
        f"sent, {taken / sent['seconds']:.0f} relayed to 2 outputs each, "
        f"{ledger.drops(after) - ledger.drops(before)} dropped")
    return taken / sent["seconds"]


def trial(bed, rate):
    """Run both mixes at this rate. Returns (packets/s really sent, packets missing at a sink)."""
    offered, lost = [], 0
    for size_by in MIXES:
        before = ledger.settle(bed)
        streams = Streams(bed, TRIAL_SECONDS, rate, size_by)
        sent = streams.wait()
        ledger.settle(bed, ledger.arrived(before) + sent["sent_packets"])
        lost += sum(sent["sent_packets"] - report["received_packets"] for report in streams.reports())
        offered.append(sent["sent_packets"] / sent["seconds"])
    say(f"# trial: {rate:.0f} packets/s asked, {min(offered):.0f} sent, {lost} lost")
    return min(offered), lost


def throughput(bed, flood):
    """The throughput (RFC 1242, 3.17): the highest rate without loss, searched by halving (RFC 2544,
    26.1). A trial that loses packets or misses its rate is repeated once, because a short time without
    a CPU is enough to cause that."""
    carried, passed, lossy = 0, 0, flood
    while lossy - passed > max(TRIAL_PRECISION * lossy, 1000):
        rate = int((passed + lossy) / 2)
        for _ in range(2):
            offered, lost = trial(bed, rate)
            if not lost:
                carried = max(carried, offered)
            if not lost and offered >= (1 - TRIAL_PRECISION) * rate:
                passed = rate
                break
        else:
            if not lost:
                break  # the source cannot send more
            lossy = rate
    say(f"# throughput (RFC 2544): {carried:.0f} packets/s without loss, "
        f"{carried / flood:.2f} of what it relays flat out")
    return carried


Load = collections.namedtuple("Load", "seconds rate")  # the traffic of one round


def one_round(bed, unrest, number, load, first):
    """Run one round. Returns its row. `first`: the footprint after the warm-up, or None."""
    row = ledger.Round(number)
    before, waited = ledger.settle(bed), ledger.waited(bed)
    streams = Streams(bed, load.seconds, load.rate, MIXES[number % 2])
    unrest.start()
    sent = streams.wait()
    unrest.stop()
    after = ledger.settle(bed, ledger.arrived(before) + sent["sent_packets"])
    ledger.close_round(row, sent, streams.reports(), before, after)
    row.waited = max(now - waited.get(task, 0) for task, now in ledger.waited(bed).items())
    row.footprint = ledger.footprint_at_rest(bed, first)
    ledger.check_footprint(row, first)
    return row


def show(row, first, counts):
    """Print the row, and below it what is wrong."""
    other = sum(count for fault, count in row.faults.items()
                if fault not in ("lost", "duplicated", "reordered"))
    grown = row.footprint.rss_kib - first.rss_kib if first else 0
    what = " ".join(f"{name}={count}" for name, count in sorted(counts.items()))
    say(f"{row.number:5} {row.seconds:9.1f} {row.sent:10} {row.sent / row.seconds:6.0f} "
        f"{row.faults['lost']:5} {row.faults['duplicated']:4} {row.faults['reordered']:5} "
        f"{other:5} {row.refused:7} {row.dropped:7} {row.waited:8.1f}s {row.footprint.rss_kib:8} {grown:5} "
        f"{sum(row.footprint.descriptors.values()):4} {row.footprint.threads:3}  {what}")
    for text in row.wrong:
        say(f"#     wrong: {text}")


def soak(bed, options):
    """Run all rounds. Returns the rows and the rate; the daemon is still running."""
    seconds, rate = options.hours * 3600, options.rate
    if not rate:
        rate = int(throughput(bed, min(flat_out(bed, mix) for mix in MIXES)) * options.share)
        if not rate:  # 0 would mean flat out
            raise AssertionError("packets are lost at every rate")
    length = MINUTE if seconds >= 3 * MINUTE else max(5, seconds / 4)
    say(f"# {seconds:.0f} s in rounds of {length:.0f} s at {rate} packets/s, seed {options.seed}")
    say(HEAD)
    unrest = Unrest(bed, options.seed, not options.keep_interfaces)
    rows, first, end = [], None, time.monotonic() + seconds
    while not rows or time.monotonic() < end:
        row = one_round(bed, unrest, len(rows) + 1, Load(length, rate), first)
        show(row, first, unrest.take_counts())
        first = first or row.footprint
        rows.append(row)
    return rows, rate


def finish(bed):
    """Shut down the daemon: it must exit with 0, and no worker may have leaked a frame."""
    status = bed.daemon.process.stop()
    audits = re.findall(r"frame-audit.*leaked=(\d+)", bed.daemon.process.log())
    if status or len(audits) < 2 or any(count != "0" for count in audits):
        raise AssertionError(f"exit code {status}, frames leaked, by worker: {audits}")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=0.5, help="fractions are fine (0.5)")
    parser.add_argument("--rate", type=int, default=0, help="packets/s; 0: a share of the throughput")
    parser.add_argument("--share", type=float, default=0.5, help="of the measured throughput (0.5)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random choices")
    parser.add_argument("--keep-interfaces", action="store_true",
                        help="only set interfaces down and up, delete none")
    options = parser.parse_args()
    netns.prepare()
    bed = None
    try:
        bed = Bed()
        rows, rate = soak(bed, options)
        finish(bed)
    except Exception as error:  # pylint: disable=broad-except
        log = bed.daemon.process.lines[-LOG_TAIL:] if bed else []
        say("\n".join(["# end of the daemon's log:", *log]))
        say(f"# {type(error).__name__}: {error}\nFAIL")
        sys.exit(1)
    sent = sum(row.sent for row in rows)
    offered = sent / sum(row.seconds for row in rows)
    good = not any(row.wrong for row in rows) and offered >= OFFERED_SHARE * rate
    lost = sum(row.faults["lost"] for row in rows)
    grown = rows[-1].footprint.rss_kib - rows[0].footprint.rss_kib
    say(f"{'PASS' if good else 'FAIL'}: {len(rows)} rounds, {sent} packets, {offered:.0f} a second "
        f"of {rate}, 2 copies each, {lost} lost, memory {grown:+} KiB, every frame audited")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
