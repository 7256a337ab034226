#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Trouble with the machine: the daemon is stopped, memory is exhausted, the clock jumps, the disk is full,
the standard streams are closed. Relayed streams are not affected."""

import collections
import contextlib
import json
import os
import signal

from clock import Clock
from control import Client, Refused
from harness import (EXIT_DONE, Daemon, Sink, Skip, Star, address_space, check, check_clean,
                     equal, generate, interface_of, main, need, program, queue_drops, relay_stream,
                     run, sanitized, start, test, wait_until, work_directory)

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
CONFIG = f"rules:\n  - cam {RULE}\n"
FAILED = -32002


def lossless_stream(star, daemon, rate=10000, count=10000):
    """Check that a paced stream arrives completely. Returns the counters."""
    def start_sinks():
        return [Sink(star.receiver, "r0", "--port", "6000")]

    return relay_stream(daemon, star.source, start_sinks, "--rate", str(rate), "--count",
                        str(count))[1]


def answers(daemon):
    """Wait until a daemon answers whose log cannot be read."""
    return wait_until(lambda: daemon.ctl("ping", check=False).returncode == 0, "an answer")


# ---- stopped ---------------------------------------------------------------------------------

def stream_over_stop(star, daemon, during):
    """Send packets before, during and after a SIGSTOP of the daemon, `during` of them meanwhile. Returns what
    was sent, the sink's report and the counters."""
    sink = Sink(star.receiver, "r0", "--port", "6000")
    sent = collections.Counter()
    for number, count in ((signal.SIGCONT, 100), (signal.SIGSTOP, during), (signal.SIGCONT, 100)):
        daemon.process.send_signal(number)
        report = generate(star.source, "s0", "--rate", "10000", "--count", str(count))
        sent += {key: report[key] for key in ("sent_packets", "dropped_packets")}
    stats = daemon.settle(sent["sent_packets"])
    return sent, sink.stop(), stats


@test
def stopped_shortly():
    """SIGSTOP for half a second: the packets wait in frames, and none is lost"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sent, report, stats = stream_over_stop(star, daemon, 5000)
    equal(stats["totals"]["dropped_packets"], 0, "dropped")
    check_clean(report, sent, stats["totals"]["send_errors"])


@test
def stopped_for_long():
    """SIGSTOP for longer than the frames last: packets that do not fit are counted, others relayed"""
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG + "workers: { frames: 1024 }\n")
    sent, report, stats = stream_over_stop(star, daemon, 10000)
    queue = interface_of(stats, "in0")["queues"][0]
    check(queue_drops(queue) > 0, "nothing was dropped")
    # Packets before and after the stop are relayed, and as many as there are frames meanwhile.
    check(queue_drops(queue) <= sent["sent_packets"] - 1024, f"dropped too much: {queue}")
    equal(report["received_packets"], stats["totals"]["sent_packets"], "received by the sink")
    equal((report["duplicated"], report["reordered"]), (0, 0), "duplicated, reordered")
    after = lossless_stream(star, daemon)
    equal(after["totals"]["dropped_packets"], stats["totals"]["dropped_packets"], "dropped later")


# ---- no memory -------------------------------------------------------------------------------

def need_own_memory(daemon):
    """Skip if the daemon has a sanitizer, which ends it when memory is exhausted."""
    if sanitized(daemon.process.pid):
        raise Skip("a sanitizer ends the program when its own memory is refused")


@test
def no_more_memory():
    """No further memory: streams continue, changes are refused completely, and work again later"""
    need("prlimit")
    star = Star()
    daemon = Daemon(star.relay, config=CONFIG)
    need_own_memory(daemon)
    lossless_stream(star, daemon)
    pid = str(daemon.process.pid)
    run("prlimit", "--pid", pid, f"--as={address_space(pid)}:unlimited")
    many = [f"r{i} in 239.4.{i // 250}.{i % 250}:5000@in0 out 239.2.2.2:6001@out0 out 10.2.0.2:9"
            for i in range(4000)]
    with Client(daemon.socket) as control:
        try:
            control.call("rule.add", rules=many)
            outcome = "added"
        except (Refused, ConnectionError) as refused:
            outcome = refused
    equal([rule["name"] for rule in daemon.stats()["rules"]], ["cam"],
          f"rules after 4,000 more without memory ({outcome})")
    lossless_stream(star, daemon)
    run("prlimit", "--pid", pid, "--as=unlimited:unlimited")
    with Client(daemon.socket) as control:
        equal(control.call("rule.add", rules=many)["added"], 4000, "added when memory is available")
        equal(control.call("rule.del", names=[f"r{i}" for i in range(4000)])["removed"], 4000,
              "removed")
    lossless_stream(star, daemon)


@contextlib.contextmanager
def memory_group(limit):
    """Create a control group with this memory limit in bytes. Yields its path."""
    v1 = os.path.isdir("/sys/fs/cgroup/memory")
    path = os.path.join("/sys/fs/cgroup", "memory" if v1 else "", f"xmcast-test-{os.getpid()}")
    try:
        os.mkdir(path)
        with open(os.path.join(path, "memory.limit_in_bytes" if v1 else "memory.max"), "w",
                  encoding="ascii") as file:
            file.write(str(limit))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.rmdir(path)
        raise Skip(f"no memory control group: {error}") from None
    try:
        yield path
    finally:
        leave_group(path)


def leave_group(path):
    """Remove the group. Processes in it are moved to its parent."""
    with open(f"{path}/cgroup.procs", encoding="ascii") as file:
        members = file.read().split()
    for pid in members:
        with contextlib.suppress(OSError), open(f"{os.path.dirname(path)}/cgroup.procs", "w",
                                                encoding="ascii") as file:
            file.write(pid)
    os.rmdir(path)


def in_group(path):
    """A command prefix."""
    return ("sh", "-c", f'echo $$ > {path}/cgroup.procs; exec "$@"', "sh")


HOG = """
import os
open("/proc/self/oom_score_adj", "w").write("1000")
pages = []
while True:
    pages.append(bytearray(os.urandom(1)) * (1 << 20))
"""


@test
def memory_pressure():
    """Another program in its control group repeatedly uses all memory: nothing is lost"""
    star = Star()
    with memory_group(192 << 20) as path:
        daemon = Daemon(star.relay, config=CONFIG, prefix=in_group(path))
        need_own_memory(daemon)
        for _ in range(3):
            hog = start(star.relay, *in_group(path), "python3", "-c", HOG, name="hog")
            lossless_stream(star, daemon, count=20000)
            equal(hog.wait(), -signal.SIGKILL, f"status of the hog: {hog.log()}")
        daemon.stop()


# ---- the clock -------------------------------------------------------------------------------

DAY = 86400


@test
def clock_jumps():
    """The time of day jumps by a day each time it is read: only the log's times show it"""
    star = Star()
    clock = Clock("relay")
    clock.set(-DAY, DAY)
    daemon = Daemon(star.relay, prefix=clock.prefix, ready=False, config=CONFIG + "events: "
                    "{ silent_after: 8 }\nstatistics: { interval: 1 }\nlogging: { format: json }\n")
    daemon.process.wait_line(r'"ready"')
    rates = {}  # by the second in which they were read
    sink = Sink(star.receiver, "r0", "--port", "6000")
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "5000")

    def several_rates():
        stats = daemon.stats()
        rates[stats["uptime_seconds"]] = stats["rules"][0]["rate_pps"]
        return sum(map(bool, rates.values())) > 3

    wait_until(several_rates, "rates of several seconds", pause=0.1)
    stream.stop(signal.SIGINT)
    sent = json.loads(stream.output)
    stats = daemon.settle(sent["sent_packets"])
    check_clean(sink.stop(), sent, stats["totals"]["send_errors"])
    check(stats["uptime_seconds"] < 300, f"uptime: {stats['uptime_seconds']}")
    # Samples are a second apart, on a busy machine somewhat more.
    check(0 < max(rates.values()) < 50000, f"highest of the rates: {max(rates.values())}")
    daemon.process.wait_line(r'"event":"silent"')
    daemon.process.stop()
    lines = [json.loads(line) for line in daemon.process.lines]
    days = {line["time"][:10] for line in lines}
    check(len(days) > 1, f"the clock did not jump: {days}")
    events = [line.get("event") for line in lines]
    equal((events.count("flowing"), events.count("silent")), (1, 1), "flowing, silent")


# ---- the disk --------------------------------------------------------------------------------

@contextlib.contextmanager
def small_disk():
    """Mount a file system of 256 KiB. Yields its directory."""
    path = os.path.join(work_directory(), "disk")
    os.makedirs(path, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "xmcast-test", path)
    try:
        yield path
    finally:
        run("umount", "-l", path)


def fill_disk(path):
    """Write until the disk is full."""
    with contextlib.suppress(OSError), open(os.path.join(path, "filling"), "ab", 0) as file:
        while True:
            file.write(b"x" * 4096)


@test
def full_disk():
    """The disk of file and log is full: a save is refused, the file stays intact, streams continue"""
    star = Star()
    with small_disk() as disk:
        config = os.path.join(disk, "xmcast.yaml")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG + "statistics: { interval: 1 }\nlogging: { level: debug }\n")
        with open(config, "rb") as file:
            whole = file.read()
        log = os.path.join(disk, "log")
        daemon = Daemon(star.relay, arguments=("-c", config), ready=False, prefix=(
            "sh", "-c", f'exec "$@" 2>{log}', "sh"))
        answers(daemon)
        fill_disk(disk)
        with Client(daemon.socket) as control:
            control.call("rule.add", rules=["more in 239.1.1.2:5000@in0 out 10.2.0.2:7000"])
            for _ in range(3):
                equal(control.code("config.save"), FAILED, "code of the refusal")
        with open(config, "rb") as file:
            equal(file.read(), whole, "the file")
        equal(sorted(os.listdir(disk)), ["filling", "log", "xmcast.yaml"], "files on the disk")
        lossless_stream(star, daemon)
        os.unlink(os.path.join(disk, "filling"))
        with Client(daemon.socket) as control:
            control.call("config.save")
        with open(config, "rb") as file:
            check(b"more" in file.read(), "the new rule is not in the file")
        daemon.stop()


# ---- standard streams ------------------------------------------------------------------------

@test
def closed_streams():
    """Started with stdin, stdout and stderr closed: relays, and no socket gets their numbers"""
    star = Star()
    daemon = Daemon(star.relay, RULE + " out 192.0.2.1:7", ready=False, prefix=(
        "sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"))
    answers(daemon)
    kinds = [os.readlink(f"/proc/{daemon.process.pid}/fd/{i}") for i in range(3)]
    check(not any("socket" in kind or "anon" in kind for kind in kinds), f"0 to 2 are {kinds}")
    sink = Sink(star.receiver, "r0", "--port", "6000")
    sent = generate(star.source, "s0", "--rate", "10000", "--count", "10000")
    stats = daemon.settle(sent["sent_packets"])
    check_clean(sink.stop(), sent, stats["rules"][0]["outputs"][0]["send_errors"])
    equal(daemon.process.stop(), EXIT_DONE, "exit code")


main()
