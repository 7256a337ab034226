#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a running daemon may: users, capabilities, lists of system calls, whom it trusts."""

import os
import re

from harness import (Daemon, EXIT_CONFIG, EXIT_PERMISSION, Star, check, equal, main, program,
                     receive, receiver, sender, start, test, work_folder)

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

# linux/capability.h
CAPABILITIES = {"net_admin": 12, "net_raw": 13, "ipc_lock": 14, "sys_admin": 21, "perfmon": 38,
                "bpf": 39}


def bits(*names):
    """A set of capabilities, as /proc has it."""
    return sum(1 << CAPABILITIES[name] for name in names)


def status(pid, task=None):
    """/proc/PID/status, or of one of its threads."""
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    with open(path, encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def threads(daemon):
    """The status of the main thread, and of all others by name."""
    pid = daemon.process.pid
    others = [status(pid, task) for task in os.listdir(f"/proc/{pid}/task") if int(task) != pid]
    return status(pid, pid), {entry["Name"]: entry for entry in others}


def config(security, more=""):
    """A file with one rule and this section."""
    return f"rules:\n  - {RULE}\nsecurity: {security}\n{more}"


def relays(star, text=b"alive"):
    """One packet gets through."""
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(text, ("239.1.1.1", 5000))
    equal(receive(output)[0], text, "payload")


def check_confined(daemon, user, filters=(1, 2)):
    """Of a daemon: who it is, what its main thread may, and that the others may nothing. `filters`:
    how many of them a thread has, the main one and the others."""
    first, others = threads(daemon)
    pattern = r"^(in|out)\d+/in0$"
    equal(sorted(re.sub(pattern, r"\1", name) for name in others), ["in", "out"], "threads")
    for entry in (first, *others.values()):
        name = entry["Name"]
        equal(entry["Uid"].split(), [str(user)] * 4, f"user of {name}")
        equal(entry["NoNewPrivs"], "1", f"NoNewPrivs of {name}")
        count = filters[entry is not first]
        equal(entry["Seccomp"], "2" if count else "0", f"Seccomp of {name}")
        equal(entry["Seccomp_filters"], str(count), f"filters of {name}")
    may = int(first["CapEff"], 16)
    equal(int(first["CapPrm"], 16), may, "CapPrm of the main thread")
    check(may & bits("net_admin", "net_raw", "bpf") == bits("net_admin", "net_raw", "bpf"),
          f"the main thread lacks something: {first['CapEff']}")
    check(not may & ~bits("net_admin", "net_raw", "bpf", "perfmon", "ipc_lock"),
          f"the main thread may more: {first['CapEff']}")
    for name, entry in others.items():
        for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            equal(int(entry[which], 16), 0, f"{which} of {name}")
    for which in ("CapInh", "CapAmb"):
        equal(int(first[which], 16), 0, f"{which} of the main thread")
    return first


@test
def stays_root():
    """Started as root without a user: root's other capabilities are gone, the threads have none"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    relays(star)
    first = check_confined(daemon, 0)
    equal(int(first["CapBnd"], 16), 0, "CapBnd")
    check(re.search(r"rights uid=0 gid=0 capabilities=\"[a-z_, ]+\"", daemon.process.log()),
          daemon.process.log())
    relays(star)
    daemon.settle(steered=2)


@test
def becomes_a_user():
    """Started as root with a user: it is that user, with its group alone, and relays"""
    star = Star()
    os.chmod(work_folder(), 0o1777)  # for the control socket
    daemon = Daemon(star.relay, config=config("{ user: nobody, group: 65533 }"))
    relays(star)
    first = check_confined(daemon, 65534)
    equal(int(first["CapBnd"], 16), 0, "CapBnd")
    equal(first["Gid"].split(), ["65533"] * 4, "group")
    equal(first["Groups"].split(), [], "supplementary groups")
    relays(star)
    daemon.settle(steered=2)


main()
