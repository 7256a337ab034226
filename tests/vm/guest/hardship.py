# SPDX-License-Identifier: BSD-2-Clause
"""xmcastd under systemd when something goes wrong: crashes, a full disk, a wrong clock, a busy machine."""

import json
import os
import time

from bed import (CONFIG, RULE, active, ctl, drop_in, fails, journal, journal_of_manager, network, processes_of, rules,
                 shell, show, sleep_until, stream, write)
from stream import wait_for
from tap import check, equal, run, test


# systemd's own, which come and go with other units.
FOREIGN = ("sd_", "lpm_trie")


def kernel_objects():
    """How many BPF programs, maps and links there are, by kind and name."""
    found = {}
    for kind in ("prog", "map", "link"):
        for item in json.loads(run("bpftool", "-j", kind, "show").stdout):
            name = item.get("name") or item.get("type")
            if not name.startswith(FOREIGN):
                found[kind, name] = found.get((kind, name), 0) + 1
    return found


@test
def crash():
    """systemctl kill -s SEGV: the service is started again at once, and nothing of the old process is left"""
    before = kernel_objects()
    pid = show("MainPID")
    run("systemctl", "kill", "-s", "SEGV", "xmcastd")
    wait_for(lambda: show("MainPID") not in (pid, "0"), "another process")
    active()
    wait_for(lambda: rules() == {"cam1": "active"}, lambda: str(ctl("rule", "list")))
    wait_for(lambda: kernel_objects() == before, lambda: f"BPF objects {kernel_objects()}, before {before}")
    equal(len(processes_of("xmcastd")), 1, "processes")
    equal(sorted(os.listdir("/run/xmcast")), ["xmcast.sock", "xmcast.sock.lock"], "/run/xmcast")
    equal(shell("find / -xdev -name 'core*' -size +100k -newer /proc/1 -path '*xmcast*'").stdout, "", "core dumps")
    packets = stream()
    packets.end()


@test
def stopped():
    """systemctl stop: exit code 0, no program on the interface, no BPF object, no file in /run"""
    run("systemctl", "restart", "xmcastd")
    run("systemctl", "stop", "xmcastd")
    equal((show("Result"), show("ExecMainStatus")), ("success", "0"), "the unit")
    check("xdp" not in shell("ip -d link show in0").stdout, "an XDP program is left")
    left = {name for name in kernel_objects() if "xmcast" in name[1] or "xmc" in name[1]}
    equal(left, set(), "BPF objects")
    check(not os.path.exists("/run/xmcast"), "/run/xmcast is left")
    equal(processes_of("xmcastd"), [], "processes")
    run("systemctl", "start", "xmcastd")
    equal(rules(), {"cam1": "active"}, "rules")


@test
def restart_limit():
    """A daemon that always crashes is given up after StartLimitBurst= starts; reset-failed and start bring it back"""
    equal((show("StartLimitIntervalUSec"), show("StartLimitBurst"), show("Restart"), show("RestartUSec")),
          ("1min", "100", "on-failure", "100ms"), "the limits")
    drop_in("[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=3\n[Service]\nRestartSec=10ms\n")
    run("systemctl", "reset-failed", "xmcastd")
    run("systemctl", "restart", "xmcastd")
    for _ in range(3):
        pid = show("MainPID")
        run("systemctl", "kill", "-s", "SEGV", "xmcastd")
        wait_for(lambda: show("MainPID") not in (pid, "0") and show("ActiveState") == "active" or
                 show("ActiveState") == "failed", "a restart, or the end")
    equal(show("ActiveState"), "failed", "after three crashes")
    check(any("start-limit-hit" in entry["MESSAGE"] or "too quickly" in entry["MESSAGE"]
              for entry in journal_of_manager()), "the manager's reason")
    drop_in("")
    run("systemctl", "reset-failed", "xmcastd")
    run("systemctl", "start", "xmcastd")
    equal(rules(), {"cam1": "active"}, "rules")


@test
def cpu_weight():
    """CPUWeight=1000 at work: a process of the service gets ten times the CPU time of another unit's on one CPU"""
    group = "/sys/fs/cgroup" + show("ControlGroup")
    with open(f"{group}/cpu.weight", encoding="ascii") as file:
        equal(file.read(), "1000\n", "cpu.weight")
    run("systemd-run", "--unit=hog", "taskset", "-c", "1", "sh", "-c", "while :; do :; done")
    pid = int(shell("setsid taskset -c 1 sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $!").stdout)
    with open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:
        file.write(str(pid))
    try:
        used = [cpu_time(int(show("MainPID", "hog"))), cpu_time(pid)]
        sleep_until(time.monotonic() + 5)
        hog, ours = cpu_time(int(show("MainPID", "hog"))) - used[0], cpu_time(pid) - used[1]
    finally:
        os.kill(pid, 9)
        run("systemctl", "stop", "hog")
    print(f"# CPU time {ours} to {hog} ticks", flush=True)
    check(ours > 4 * hog, f"CPU time {ours} to {hog} ticks")


def cpu_time(pid):
    """Clock ticks that a process has run."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@test
def full_disk():
    """With a full disk: saving is refused and leaves the old file; the relay and its log go on, and so does a reload"""
    path = "/var/lib/xmcast/xmcast.yaml"
    shell(f"install -o xmcast -g xmcast -m 640 {CONFIG} {path}")
    drop_in(f"[Service]\nEnvironment=XMCAST_CONFIG={path}\n")
    run("systemctl", "restart", "xmcastd")
    packets = stream()
    files = sorted(os.listdir("/var/lib/xmcast"))
    with open(path, "rb") as file:
        before = file.read()
    # To the last block; fallocate may stop earlier.
    shell("fallocate -l $(df --output=avail -B1 / | tail -1) /filler || true; cat /dev/zero >>/filler 2>/dev/null || "
          "true")
    try:
        equal(shell("df --output=avail -B1 / | tail -1").stdout.strip(), "0", "bytes that are free")
        run("xmcastctl", "rule", "add", "cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6002@out0")
        done = fails("xmcastctl", "config", "save")
        check("No space left" in done.stderr, done.stderr)
        with open(path, "rb") as file:
            equal(file.read(), before, "the file")
        equal(sorted(os.listdir("/var/lib/xmcast")), files, "files beside it")
        packets.flows()
        run("systemctl", "reload", "xmcastd")
        equal(rules(), {"cam1": "active"}, "rules, as in the file")
        run("xmcastctl", "ping")
    finally:
        os.unlink("/filler")
    run("xmcastctl", "config", "save")
    packets.end()
    drop_in("")
    os.unlink(path)
    run("systemctl", "restart", "xmcastd")


@test
def clock_set_back():
    """The clock set back by an hour and forward again: no packet is lost, no restart, rates go on"""
    packets = stream()
    pid = show("MainPID")
    uptime = ctl("stats", "show")["uptime_seconds"]
    for hours in ("-1", "+1"):
        shell(f"date -s '{hours} hour' >/dev/null")
        packets.flows()
        wait_for(lambda: ctl("rule", "show", "cam1")["rate_pps"] > 0, "a rate")
    check(0 <= ctl("stats", "show")["uptime_seconds"] - uptime < 1800, "uptime jumped with the clock")
    equal((show("MainPID"), show("ActiveState")), (pid, "active"), "the unit")
    packets.end()
