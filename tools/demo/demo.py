#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A live relay between network namespaces: one stream in, one multicast and one unicast output.

There is no route to the stream's source address, so the reverse-path check of kernel multicast routing
would drop the stream. Shows the daemon's counters once a second, then what arrived. The exit code is 0
only if all packets arrived on both outputs. Cleans up after itself, also when interrupted. Needs root.
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

BUILD = os.path.join(ROOT, os.environ.get("XMCAST_BUILD", "build"))
SOURCE = "10.9.9.9"
OUTPUTS = ("239.2.2.2:6000@out0", "10.2.1.2:6001")
RULE = "demo in 239.1.1.1:5000@in0 out " + " out ".join(OUTPUTS)
EXIT_FAILED, EXIT_PERMISSION = 2, 77

PICTURE = f"""\
xmcast demo: a stream from an address without a route, to a multicast and a unicast output

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
                                "--group", "239.1.1.1", "--port", "5000", "--size", "1400",
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
    print(PICTURE)
    network = Network()
    counters, daemon = start_daemon(network)
    sinks = start_sinks(network)
    stream = start_stream(network, arguments)
    show_counters(stream, counters)
    if stream.returncode:
        print(f"xmcast-gen failed:\n{stream.log()}")
        return EXIT_FAILED
    sent = json.loads(stream.output)["sent_packets"]
    reports = collect(sinks)
    good = show_summary(sent, reports, counters())
    status = daemon.stop()
    if status:
        print(f"xmcastd: exit {status}\n{daemon.log()}")
    good = good and status == 0
    print("all packets arrived on both outputs" if good else "NOT all packets arrived")
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
