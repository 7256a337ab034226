# SPDX-License-Identifier: BSD-2-Clause
"""One run of one case: set up, warm up, send, wait for rest, and read all counters.

"Delivered" is what the sink received. A run that lost packets is a result; a run that duplicated,
reordered or corrupted packets is a fault.
"""

import contextlib
import dataclasses
import os

from bed import Bed, Sink
from netns import CommandFailed, Timeout

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

FAULTS = ("duplicated", "reordered", "stale", "corrupted", "unexpected", "malformed")

# The search works as in RFC 2544 section 26.1, but is bounded: 7 halvings of 6 octaves leave 3.3 %.
SEARCH_LOW, SEARCH_HIGH, SEARCH_STEPS = 50_000, 3_200_000, 7
TRIAL_SECONDS = 0.5
# A trial that lost packets or did not reach its rate is repeated: other virtual machines on the host
# cost a packet now and then.
TRIAL_TRIES = 2
# The rate that was found must also hold in a longer run; otherwise the next lower rate is tried, a
# limited number of times.
CONFIRM_TRIES, CONFIRM_STEP = 6, 0.967
# Share of the rate that the generator must have offered for the trial to count.
OFFERED_SHARE = 0.99


def machine_cpu():
    """Busy and stolen time of all CPUs, in ns, including softirqs and the generator."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(
            int, file.readline().split()[1:9])
    return {"busy": (user + nice + system + irq + softirq) * TICK_NS, "steal": steal * TICK_NS}


def process_cpu(pids):
    """Time for which the threads of these processes have run, in ns."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
    return total


class Clocks:
    """CPU time used between start and stop, by the relay and by the machine."""

    def __init__(self, relay):
        self._pids = relay.pids
        self._machine, self._relay = machine_cpu(), process_cpu(self._pids)

    def stop(self):
        """The machine's time includes the start and end of the generator, but not of the sink."""
        machine, relay = machine_cpu(), process_cpu(self._pids)
        return {"machine_cpu_ns": machine["busy"] - self._machine["busy"],
                "steal_ns": machine["steal"] - self._machine["steal"],
                "relay_cpu_ns": relay - self._relay}


class Bench:
    """What all runs share: the beds, the peers, and the assignment of CPUs."""

    def __init__(self, peers, generator_cpus, relay_cpus, all_cpus):
        self.peers = peers
        self._generator_cpus = generator_cpus
        self._relay_cpus, self._all_cpus = relay_cpus, all_cpus
        self._beds = {}

    def _bed(self, relays):
        if relays not in self._beds:
            self._beds[relays] = Bed(relays, self._generator_cpus)
        return self._beds[relays]

    def run(self, case):
        """Measure a case once. Returns its figures; raises Skip, CommandFailed or Timeout."""
        peer, bed = self.peers[case.peer], self._bed(case.relays)
        # A chain of relays uses the whole machine.
        cpus = self._all_cpus if case.relays > 1 else self._relay_cpus
        relay = peer.start(bed, case, cpus)
        try:
            # The bare receiver has nothing to resolve, and a warm-up would start its clock too early.
            if peer.delivers:
                bed.warm_up(case.load, relay)
            if case.search:
                figures = search(bed, case, relay)
            elif peer.delivers:
                figures = relay_once(bed, case, relay)
            else:
                figures = receive_once(bed, case, relay)
            finished(figures, relay.stop())
        except BaseException:
            relay.kill()
            raise
        return figures


def finished(figures, end):
    """Add the figures that are known only when the relay has ended."""
    figures["faults"] += end.get("faults", [])
    if "resident_bytes" in end:
        figures["resident_bytes"] = end["resident_bytes"]
    if "received" in end:
        books = end["received"]
        steered = max(books["steered_packets"], 1)
        figures.update(
            delivered_pps=books["rate_pps"], received_pps=books["rate_pps"],
            exhausted=books["fill_ring_empty"] / steered, ring_full=books["rx_ring_full"] / steered,
            relay_ns=figures["relay_cpu_ns"] / max(books["received_packets"], 1),
            machine_ns=figures["machine_cpu_ns"] / max(books["received_packets"], 1))


def _send(bed, load):
    options = ["--duration", load.seconds]
    if load.rate:
        options += ["--rate", load.rate]
    return bed.generate(load, *options)


def receive_once(bed, case, relay):
    """The bare receiver: no packet reaches the sink, so the receiver reports its own counters."""
    clocks = Clocks(relay)
    sent = _send(bed, case.load)
    used = clocks.stop()
    bed.settle(relay)
    return {"offered_pps": sent["rate_pps"], "sent_packets": sent["sent_packets"], "faults": [],
            **used}


def relay_once(bed, case, relay):
    """From the generator through the relay to the sink."""
    sink = Sink(bed, case.sink, case.load)
    try:
        # Reading the counters costs the relay CPU time, so it is done outside the measured interval.
        before = relay.counters()
        clocks = Clocks(relay)
        sent = _send(bed, case.load)
        used = clocks.stop()
        bed.settle(relay)
        after = relay.counters()
        report = sink.finish(sent)
    finally:
        sink.kill()
    figures = _delivery(case.load, sent, report)
    figures.update(used)
    delivered = max(report["received_packets"], 1)
    figures["machine_ns"] = figures["machine_cpu_ns"] / delivered
    if relay.pids:
        figures["relay_ns"] = figures["relay_cpu_ns"] / delivered
    if after:
        figures.update(_books(before, after))
        if relay.pids:
            arrived = after["received_packets"] - before["received_packets"]
            figures["received_ns"] = figures["relay_cpu_ns"] / max(arrived, 1)
        if case.relays == 1:
            figures.update(_ingress(before, after, sent))
    return figures


def _delivery(load, sent, report):
    """The figures from the reports of generator and sink."""
    expected = max(sent["sent_packets"] // load.sides * load.fanout, 1)
    return {
        "offered_pps": sent["rate_pps"],
        "sent_packets": sent["sent_packets"],
        "delivered_pps": report["rate_pps"],
        "delivered_packets": report["received_packets"],
        "lost_packets": report["lost"],
        "lost": report["lost"] / expected,
        "latency_ns": report["latency_ns"],
        "faults": [f"{name}: {report[name]}" for name in FAULTS if report[name]],
    }


def _books(before, after):
    """Where packets were lost by the relay's counters, as shares of those that reached it."""
    moved = {name: after[name] - before[name] for name in after}
    steered = max(moved["steered_packets"], 1)
    full, empty = moved["rx_ring_full"], moved["buffer_exhausted_packets"]
    return {
        "exhausted": empty / steered,
        "ring_full": full / steered,
        # By a rule that merges: mostly no slot was free, because its thread was behind.
        "withheld": moved["withheld_packets"] / steered,
        "other_drops": (moved["dropped_packets"] - full - empty) / steered,
        "send_errors": moved["send_errors"] / max(moved["submitted_packets"], 1),
    }


def _ingress(before, after, sent):
    """What a single relay received of what was sent."""
    steered = after["steered_packets"] - before["steered_packets"]
    received = after["received_packets"] - before["received_packets"]
    return {"received_pps": received / sent["seconds"] if sent["seconds"] else 0,
            "before_relay": 1 - steered / max(sent["sent_packets"], 1)}


# ---- highest lossless rate -----------------------------------------------------------------------

def _trial(bed, relay, case, rate, seconds):
    """One short run at this rate."""
    load = dataclasses.replace(case.load, rate=int(rate), seconds=seconds)
    sink = Sink(bed, case.sink, load)
    try:
        sent = _send(bed, load)
        bed.settle(relay)
        return _delivery(load, sent, sink.finish(sent))
    finally:
        sink.kill()


class Search:
    """The trials of one search."""

    def __init__(self, bed, relay, case):
        self._bed, self._relay, self._case = bed, relay, case
        self.trials, self.faults = [], []

    def lossless(self, rate, seconds, tries):
        """Does the generator reach this rate, and do all packets arrive?"""
        for _ in range(tries):
            figures = _trial(self._bed, self._relay, self._case, rate, seconds)
            self.faults += figures["faults"]
            self.trials.append({"asked_pps": int(rate), "offered_pps": figures["offered_pps"],
                                "seconds": seconds, "lost_packets": figures["lost_packets"]})
            offered = figures["offered_pps"] >= OFFERED_SHARE * rate
            if offered and not figures["lost_packets"]:
                return True
        return False

    def narrow(self):
        """Halve the range of rates on a logarithmic scale. Returns the highest that passed, or 0."""
        low, high, passed = SEARCH_LOW, SEARCH_HIGH, 0
        for _ in range(SEARCH_STEPS):
            middle = (low * high) ** 0.5
            if self.lossless(middle, TRIAL_SECONDS, TRIAL_TRIES):
                low = passed = middle
            else:
                high = middle
        return passed

    def confirm(self, rate):
        """The highest rate, from this one downwards, that holds for the case's full time, or 0."""
        for _ in range(CONFIRM_TRIES):
            if rate and self.lossless(rate, self._case.load.seconds, 1):
                return rate
            rate *= CONFIRM_STEP
        return 0


def search(bed, case, relay):
    """Find the highest rate at which no packet is lost between generator and sink."""
    hunt = Search(bed, relay, case)
    rate = hunt.confirm(hunt.narrow())
    return {"lossless_pps": rate, "trials": hunt.trials, "faults": sorted(set(hunt.faults))}


ERRORS = (CommandFailed, Timeout, OSError, ValueError, KeyError)
