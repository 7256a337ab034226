#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What xmcast is for, live between network namespaces.

First the kernel routes the group: it forwards the packets of a source that it has a route to, and drops those
of one without, by its reverse-path check. Then xmcast relays the second stream, to a multicast and a unicast
output: counters once a second, then what arrived. The exit code is 0 only if the kernel dropped every packet
of the stream and xmcast delivered every one on both outputs. Cleans up after itself, also when interrupted.
Needs root.
"""

import argparse
import json
import os
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

# pylint: disable=wrong-import-position
import netns  # noqa: E402
from kernel_routing import KernelRoute  # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get("XMCAST_BUILD", "build"))
SOURCE, ROUTABLE = "10.9.9.9", "10.1.0.1"
GROUP, PORT = "239.1.1.1", 5000
KERNEL_PACKETS = 1000  # of each source that are sent to the kernel's routing
OUTPUTS = ("239.2.2.2:6000@out0", "10.2.1.2:6001")
RULE = f"demo in {GROUP}:{PORT}@in0 out " + " out ".join(OUTPUTS)
EXIT_FAILED, EXIT_PERMISSION = 2, 77

PICTURE = f"""\
Now xmcast, with the rule "{RULE}":

                                               ┌──▶ {OUTPUTS[0]:22} ──▶ receiver A
  {SOURCE} ──▶ 239.1.1.1:5000@in0 ──▶ xmcastd ─┤
                                               └──▶ {OUTPUTS[1]:22} ──▶ receiver B
"""


class Network:
    """Source, relay and two receivers, each in a namespace of its own."""

    def __init__(self):
        self.source, self.relay = netns.Namespace("source"), netns.Namespace("relay")
        self.receivers = [netns.Namespace("receiver-a"), netns.Namespace("receiver-b")]
        netns.veth(self.source, "s0", self.relay, "in0", far_addr="10.1.0.2/24")
        for i, receiver in enumerate(self.receivers):
            netns.veth(self.relay, f"out{i}", receiver, "r0", near_addr=f"10.2.{i}.1/24",
                       far_addr=f"10.2.{i}.2/24")
        # Strict reverse-path check, as on routers.
        for device in ("all", "in0"):
            self.relay.sysctl(f"net/ipv4/conf/{device}/rp_filter", 1)


def program(name):
    """Path of a program."""
    return os.path.join(BUILD, name)


def try_kernel(network):
    """Send both streams to the kernel's own multicast routing, and show what it does. Returns whether it forwarded
    all of the first and dropped all of the second by its reverse-path check."""
    print(f"The kernel's multicast routing of {GROUP}, from in0 to out0:\n")
    # What is sent by XDP arrives at the other end of a veth only if that has GRO or an XDP program.
    network.relay.run("ethtool", "-K", "in0", "gro", "on")
    route = KernelRoute(network.relay, GROUP, "in0", "out0", (ROUTABLE, SOURCE))
    columns = "{:12}{:24}{:>8}{:>11}{:>30}"
    print(columns.format("source", "route back to it", "sent", "forwarded", "dropped by reverse-path check"))
    good = True
    for source, way in ((ROUTABLE, "by in0"), (SOURCE, "none")):
        before = route.refused()
        report = network.source.run(program("xmcast-gen"), "s0", "-j", "--source", source, "--group", GROUP,
                                    "--port", PORT, "--size", 1400, "--rate", 10000, "--count",
                                    KERNEL_PACKETS)
        sent = json.loads(report.stdout)["sent_packets"]
        expected = (sent, 0) if source == ROUTABLE else (0, sent)

        def seen(source=source, before=before):
            return route.forwarded()[source], route.refused() - before

        netns.wait_until(lambda: sum(seen()) >= sent, "the kernel has forwarded or dropped all packets")
        good = good and sent > 0 and seen() == expected
        print(columns.format(source, way, f"{sent:,}", *(f"{count:,}" for count in seen())))
    route.close()
    print()
    return good


def start_daemon(network):
    """Start xmcastd and wait until it is ready. Returns a function that reads its counters, and the
    process."""
    socket = os.path.join(netns.work_directory(), "xmcast.sock")
    daemon = network.relay.start(program("xmcastd"), "--socket", socket, "--rule", RULE)
    daemon.wait_line(r"^\w+\s+ready\b")
    for line in daemon.lines:
        if "ready" in line:
            print(f"  {line}")

    def counters():
        answer = netns.run(program("xmcastctl"), "--socket", socket, "-j", "stats", "show")
        return json.loads(answer.stdout)

    return counters, daemon


def start_sinks(network):
    """Start one receiver per output, which uses UDP sockets and checks every byte."""
    options = (("--group", "239.2.2.2", "--port", "6000"), ("--port", "6001"))
    sinks = [receiver.start(program("xmcast-sink"), "r0", "-j", "--verify", *option)
             for receiver, option in zip(network.receivers, options)]
    for sink in sinks:
        sink.wait_line("ready")
    return sinks


def start_stream(network, arguments):
    """Start the generator in the background."""
    return network.source.start(program("xmcast-gen"), "s0", "-j", "--source", SOURCE,
                                "--group", GROUP, "--port", PORT, "--size", "1400",
                                "--rate", arguments.rate, "--duration", arguments.seconds)


def sample(counters):
    """The current time, and the counters that a line shows."""
    stats = counters()
    outputs = stats["rules"][0]["outputs"]
    return (time.monotonic(), stats["rules"][0]["received_packets"],
            *(output["sent_packets"] for output in outputs),
            stats["totals"]["dropped_packets"], stats["totals"]["send_errors"])


def show_counters(stream, counters):
    """Print a line every second until the stream has ended and all of it has left the relay."""
    columns = "{:>8}{:>14}{:>26}{:>20}{:>10}{:>10}"
    print("\n" + columns.format("", "in", *(f"out {output}" for output in OUTPUTS), "", ""))
    print(columns.format("second", *["packets/s"] * 3, "drops", "errors"))
    ended = threading.Event()
    threading.Thread(target=lambda: (stream.wait(3600), ended.set()), daemon=True).start()
    before, second, over = sample(counters), 0, False
    start = before[0]
    while not over:
        second += 1
        over = ended.wait(max(0, start + second - time.monotonic()))
        now = sample(counters)
        seconds = now[0] - before[0]
        rates = [round((b - a) / seconds) for a, b in zip(before[1:4], now[1:4])]
        if not over:
            print(columns.format(second, *(f"{n:,}" for n in (*rates, *now[4:]))), flush=True)
            before = now
    netns.wait_until(lambda: at_rest(counters()), "all packets have left the relay")


def at_rest(stats):
    """Has every steered packet been sent or counted as lost?"""
    totals, outputs = stats["totals"], stats["rules"][0]["outputs"]
    return (totals["steered_packets"] == totals["received_packets"] + totals["dropped_packets"] and
            totals["received_packets"] * len(outputs) ==
            totals["sent_packets"] + totals["send_errors"])


def collect(sinks):
    """Stop the receivers, which first read what is left in their sockets. Returns their reports."""
    netns.wait_until(netns.backlog_empty, "the receivers' sockets have all that was sent to them")
    reports = []
    for sink in sinks:
        sink.stop()
        reports.append(json.loads(sink.output))
    return reports


def show_summary(sent, reports, stats):
    """Print what arrived of what was sent. Returns whether everything arrived."""
    columns = "{:22}{:>10}{:>11}{:>8}{:>12}{:>11}{:>11}{:>11}{:>11}"
    print("\n" + columns.format("", "sent", "delivered", "lost", "duplicated", "reordered",
                                "corrupted", "p50", "p99"))
    good = sent > 0
    for output, report in zip(OUTPUTS, reports):
        delivered = report["received_packets"] - report["duplicated"]
        faults = [sent - delivered, report["duplicated"], report["reordered"], report["corrupted"]]
        latency = report["latency_ns"] or {}
        print(columns.format(output, f"{sent:,}", f"{delivered:,}", *(f"{n:,}" for n in faults),
                             *(microseconds(latency.get(key)) for key in ("p50", "p99"))))
        good = good and not any(faults)
    totals = stats["totals"]
    print(f"\ncounters of the relay: {totals['steered_packets']:,} steered = "
          f"{totals['received_packets']:,} received + {totals['dropped_packets']:,} dropped; "
          f"× {len(OUTPUTS)} outputs = {totals['sent_packets']:,} sent + "
          f"{totals['send_errors']:,} errors")
    return good


def microseconds(nanoseconds):
    """Nanoseconds as text in microseconds."""
    return "-" if nanoseconds is None else f"{nanoseconds / 1000:,.0f} us"


def demonstrate(arguments):
    """Run the demo. Returns the exit code."""
    network = Network()
    good = try_kernel(network)
    print(PICTURE)
    counters, daemon = start_daemon(network)
    sinks = start_sinks(network)
    stream = start_stream(network, arguments)
    show_counters(stream, counters)
    if stream.returncode:
        print(f"xmcast-gen failed:\n{stream.log()}")
        return EXIT_FAILED
    sent = json.loads(stream.output)["sent_packets"]
    reports = collect(sinks)
    good = show_summary(sent, reports, counters()) and good
    status = daemon.stop()
    if status:
        print(f"xmcastd: exit {status}\n{daemon.log()}")
    good = good and status == 0
    print(f"the kernel dropped all packets from {SOURCE}, xmcast delivered all of them on both outputs" if good
          else "NOT as it should be: see the counters above")
    return 0 if good else EXIT_FAILED


def main():
    """Parse the command line, run, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=20000, help="packets a second (20000)")
    parser.add_argument("--seconds", type=int, default=10, help="length of the stream (10)")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("demo: needs root for network namespaces and XDP", file=sys.stderr)
        return EXIT_PERMISSION
    netns.prepare()
    try:
        return demonstrate(arguments)
    except (netns.CommandFailed, netns.Timeout) as error:
        print(f"demo: {error}\n{netns.process_logs()}", file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
