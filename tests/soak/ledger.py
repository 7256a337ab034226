# SPDX-License-Identifier: BSD-2-Clause
"""What is counted and measured after each round of the soak, and the conditions on it."""

import os
import re
from dataclasses import dataclass, field

from bed import FLOWS
from harness import interface_of, queue_drops, rule_of, sanitized
from netns import Timeout, wait_until

RSS_GROWTH_KIB = 1024
FAULTS = ("lost", "duplicated", "reordered", "stale", "corrupted", "malformed", "unexpected",
          "unplaced")


@dataclass
class Footprint:
    """The memory and the kernel objects of the daemon."""

    rss_kib: int
    sanitized: bool  # built with a sanitizer, which needs memory for itself
    descriptors: dict  # by kind: "anon_inode:bpf-prog", "socket", path of a file
    threads: int
    programs: list  # interfaces with an XDP program
    groups: list  # (interface, joined group)


@dataclass
class Round:
    """One round, shown as a row."""

    number: int
    sent: int = 0
    seconds: float = 0
    received: int = 0
    refused: int = 0
    dropped: int = 0
    faults: dict = field(default_factory=dict)
    waited: float = 0  # the largest sum of waits for a CPU of any thread, in seconds
    footprint: Footprint = None
    wrong: list = field(default_factory=list)

    def expect(self, condition, message):
        """Record what is wrong and continue, so that a round reports everything."""
        if not condition:
            self.wrong.append(message)


def footprint(bed):
    """The current footprint of this bed's daemon."""
    with open(f"/proc/{bed.pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    return Footprint(int(status["VmRSS"].split()[0]), sanitized(bed.pid), _descriptors(bed.pid),
                     int(status["Threads"]), _programs(bed.relay), _groups(bed.relay))


def footprint_at_rest(bed, first):
    """The same, once the daemon has noticed that clients are gone: it should then equal `first`."""
    now = None

    def same():
        nonlocal now
        now = footprint(bed)
        return not first or now.descriptors == first.descriptors

    try:
        wait_until(same, "descriptors as before", timeout=5, pause=0.2)
    except Timeout:
        pass  # check_footprint() reports the difference
    return now


def _descriptors(pid):
    kinds = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            kind = os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue
        kind = re.sub(r":?\[\d+\]$", "", kind)
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def _programs(namespace):
    links = namespace.ip("-o link show")
    return sorted(re.findall(r"^\d+: ([^@:]+)\S* .*\bprog/xdp\b", links.replace("\\", " "), re.M))


def _groups(namespace):
    found, device = [], None
    for line in namespace.read("/proc/net/igmp").splitlines()[1:]:
        words = line.split()
        if line.startswith("\t"):
            found.append((device, words[0]))
        else:
            device = words[1]
    return sorted(one for one in found if one[1] != "010000E0")


def expected_groups():
    """The groups of the steady rules and of the flap rule."""
    steady = [("in0", f"{i + 1:02X}0001EF") for i in range(FLOWS)]
    return sorted([*steady, ("in1", "070707EF")])


# ---- books -----------------------------------------------------------------------------------

def settle(bed, least=0):
    """The counters, once no packet is on its way and at least so many have come to in0. in1 is left out: when an interface is deleted, what its socket held goes with it.

    Counters are read while packets pass: only two equal snapshots show that none did."""
    last = None

    def at_rest():
        nonlocal last
        before, last = last, bed.daemon.stats()
        return (not unsettled(last) and arrived(last) >= least and
                before and before["totals"] == last["totals"])

    try:
        wait_until(at_rest, "all steered packets have left the relay", pause=0.1)
    except Timeout:
        pass  # the row will show what is open
    return last


def unsettled(stats):
    """Descriptions of the counters that do not add up."""
    wrong = []
    in0 = interface_of(stats, "in0")
    counted = sum(q["received_packets"] + queue_drops(q) for q in in0["queues"])
    if in0["verdicts"]["steered"] != counted:
        wrong.append(f"in0: {in0['verdicts']['steered']} steered, {counted} counted")
    for worker in stats["workers"]:
        if worker["kernel_frames"] != worker["frames"]:
            wrong.append(f"{worker['interface']}: {worker['kernel_frames']} of "
                         f"{worker['frames']} frames are with the kernel")
    for rule in stats["rules"]:
        for output in rule["outputs"]:
            left = output["sent_packets"] + output["send_errors"]
            # While an output interface flaps, packets are withheld: they are drops, and never submitted.
            submitted, dropped = output["submitted_packets"], output["dropped_packets"]
            if rule["received_packets"] != submitted + dropped or submitted != left:
                wrong.append(f"{rule['name']} to {output['to']}: {rule['received_packets']} received, "
                             f"{submitted} submitted, {dropped} dropped, {left} left")
            if sum(output["drops"].values()) != dropped:
                wrong.append(f"{rule['name']} to {output['to']}: drops by reason")
            if sum(output["errors"].values()) != output["send_errors"]:
                wrong.append(f"{rule['name']} to {output['to']}: errors by name")
    return wrong


def steady(stats):
    """Sums over the steady rules: received, refused on the first outputs, on the second ones."""
    rules = [rule_of(stats, f"steady{i}") for i in range(FLOWS)]
    return (sum(rule["received_packets"] for rule in rules),
            [sum(rule["outputs"][i]["send_errors"] for rule in rules) for i in (0, 1)])


def arrived(stats):
    """Packets of the steady streams that have come, and what was dropped of in0's packets."""
    return steady(stats)[0] + drops(stats)


def drops(stats):
    """Packets of in0 that the kernel dropped at the daemon's sockets."""
    return sum(queue_drops(queue) for queue in interface_of(stats, "in0")["queues"])


def waited(bed):
    """Seconds for which each worker thread has waited for a CPU so far, by thread ID."""
    seconds = {}
    for task in os.listdir(f"/proc/{bed.pid}/task"):
        if int(task) == bed.pid:
            continue
        try:
            with open(f"/proc/{bed.pid}/task/{task}/schedstat", encoding="ascii") as file:
                seconds[task] = int(file.read().split()[1]) / 1e9
        except FileNotFoundError:
            continue
    return seconds


def close_round(row, sent, reports, before, after):
    """Compare what was sent with what was relayed and received, and fill in the row."""
    row.sent, row.seconds = sent["sent_packets"], sent["seconds"]
    row.dropped = drops(after) - drops(before)
    taken = steady(after)[0] - steady(before)[0]
    refused = [new - old for new, old in zip(steady(after)[1], steady(before)[1])]
    row.refused = sum(refused)
    row.received = sum(report["received_packets"] for report in reports)
    row.faults = {fault: sum(report[fault] for report in reports) for fault in FAULTS}
    row.wrong += unsettled(after)
    row.expect(not row.dropped, f"{row.dropped} dropped at in0's socket")
    row.expect(taken + row.dropped >= row.sent, f"{row.sent} sent, {taken} taken by the rules")
    row.expect(not row.refused, f"{row.refused} refused by the kernel behind the outputs")
    for i, report in enumerate(reports):
        row.expect(report["received_packets"] == row.sent - refused[i],
                   f"sink {i}: {report['received_packets']} of {row.sent} received")
    for fault, count in row.faults.items():
        row.expect(not count, f"{count} {fault}")


def check_footprint(row, first):
    """Compare with the footprint after the warm-up. None: this round is the warm-up."""
    now = row.footprint
    row.expect(now.programs == ["in0", "in1"], f"XDP programs on {now.programs}")
    row.expect(now.groups == expected_groups(), f"joined: {now.groups}")
    if not first:
        return
    growth = now.rss_kib - first.rss_kib
    row.expect(growth < RSS_GROWTH_KIB or now.sanitized, f"resident memory has grown by {growth} KiB")
    row.expect(now.descriptors == first.descriptors,
               f"descriptors: {now.descriptors}, after the warm-up {first.descriptors}")
    row.expect(now.threads == first.threads,
               f"{now.threads} threads, after the warm-up {first.threads}")
