#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a running daemon may: users, capabilities, lists of system calls, whom it trusts."""

import json
import os
import re

from harness import (EXIT_CONFIG, EXIT_PERMISSION, Daemon, Star, check, equal, main, program,
                     receive, receiver, run, sender, start, test, wait_until, work_folder, write_file)

SCRAPE = """\
from urllib.request import urlopen
print(urlopen("http://127.0.0.1:9710/metrics", timeout=30).read().decode())"""

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

# linux/capability.h
CAPABILITIES = {"kill": 5, "setgid": 6, "setuid": 7, "setpcap": 8,
                "net_admin": 12, "net_raw": 13, "ipc_lock": 14, "sys_admin": 21, "perfmon": 38,
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


def refused(daemon, code, *words):
    """The daemon ends by itself with this code and says these words."""
    equal(daemon.process.wait(), code, f"exit code; log:\n{daemon.process.log()}\n")
    for word in words:
        check(word in daemon.process.log(), f"no {word} in:\n{daemon.process.log()}")


@test
def plain_user():
    """A plain user with the capabilities it needs, and others: it keeps the former, and relays"""
    star = Star()
    os.chmod(work_folder(), 0o1777)
    wanted = "+net_admin,+net_raw,+bpf,+ipc_lock,+sys_admin,+dac_override"
    daemon = Daemon(star.relay, RULE, prefix=(
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
        f"--inh-caps={wanted}", f"--ambient-caps={wanted}"))
    relays(star)
    check_confined(daemon, 65534)
    daemon.settle(steered=1)


@test
def without_sandbox():
    """`sandbox: off`: no filters; the capabilities are given up all the same"""
    star = Star()
    daemon = Daemon(star.relay, config=config("{ sandbox: off }",
                                              'metrics: { listen: "127.0.0.1:9710" }\n'))
    relays(star)
    check_confined(daemon, 0, filters=(0, 0))
    page = run(*star.relay.command("python3", "-c", SCRAPE)).stdout
    check("xmcast_build" in page, page)
    entry = status(children(children(daemon.process.pid)[0])[0])
    equal((entry["Name"], entry["Seccomp"]), ("xmcast-exporter", "0"), "the exporter")
    equal(int(entry["CapPrm"], 16), 0, "CapPrm of the exporter")
    daemon.settle(steered=1)


@test
def under_traffic():
    """Confined threads under traffic; so are those of a worker that comes with a rule at run time"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, RULE)
    stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "20000",
                   "--duration", "60")
    daemon.wait_steered(1000)
    check_confined(daemon, 0)
    daemon.ctl("rule", "add", "late in 239.1.1.9:5000@in1 out 239.2.2.2:6001@out0")
    output = receiver(star.receiver, 6001, "239.2.2.2", "10.2.0.2")
    sender(star.sources[1], "10.1.1.1").sendto(b"late", ("239.1.1.9", 5000))
    equal(receive(output)[0], b"late", "payload")
    _, others = threads(daemon)
    equal(len(others), 4, f"threads besides the main one: {sorted(others)}")
    for name, entry in others.items():
        equal((int(entry["CapPrm"], 16), entry["Seccomp_filters"]), (0, "2"), name)
    stream.stop()
    daemon.settle(steered=json.loads(stream.output)["sent_packets"] + 1)
    daemon.ready = ""  # which has one worker


@test
def saves_and_reloads():
    """As its user, with a file and a folder of its own: reload, and save what runs"""
    star = Star()
    folder = os.path.join(work_folder(), "own")
    os.mkdir(folder)
    path = os.path.join(folder, "xmcast.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config("{ user: nobody }", "control: { save_changes: yes }\n"))
    for own in (folder, path):
        os.chown(own, 65534, 65534)
    os.chmod(work_folder(), 0o1777)
    daemon = Daemon(star.relay, arguments=("-c", path))
    daemon.ctl("rule", "add", "new in 239.1.1.9:5000@in0 out 239.2.2.2:6001@out0")
    with open(path, encoding="utf-8") as file:
        check("239.1.1.9:5000@in0" in file.read(), "the change is not in the file")
    equal(os.stat(path).st_uid, 65534, "owner of the file")
    daemon.ctl("config", "reload")
    relays(star)
    check("config-un" not in daemon.process.log(), daemon.process.log())
    daemon.settle(steered=1)


@test
def told_at_the_start():
    """As its user with a file that it may not read again, in a folder of root's: both are told"""
    star = Star()
    os.chmod(work_folder(), 0o755)
    folder = os.path.join(work_folder(), "sockets")
    daemon = Daemon(star.relay, arguments=("--socket", os.path.join(folder, "socket"), "-c",
                    _private("roots.yaml", config("{ user: nobody }",
                                                  "control: { save_changes: yes }\n"))))
    daemon.socket = os.path.join(folder, "socket")
    for event in ("config-unreadable", "config-unwritable"):
        check(daemon.process.find_line(rf"warn\s+{event} "), daemon.process.log())
    equal(os.stat(folder).st_uid, 65534, "owner of the folder that it made")
    equal(daemon.ctl("config", "reload", check=False).returncode, 2, "exit code of the reload")
    relays(star)
    daemon.settle(steered=1)


def _private(name, text):
    path = write_file(name, text)
    os.chmod(path, 0o600)
    return path


@test
def unknown_user():
    """A user, or a group, that does not exist: exit 78, and which"""
    star = Star()
    for security, word in (("{ user: no-such-user }", "no-such-user"),
                           ("{ user: nobody, group: no-such-group }", "no-such-group")):
        refused(Daemon(star.relay, config=config(security), ready=False), EXIT_CONFIG,
                "user-unknown", word)


@test
def not_trusted():
    """A file that others may write, a folder in which they may replace the socket: refused"""
    star = Star()
    path = write_file("open.yaml", config("{ sandbox: on }"))
    os.chmod(path, 0o666)
    refused(Daemon(star.relay, arguments=("-c", path), ready=False), EXIT_CONFIG, path,
            "unsafe mode 0666, group 0: run `chmod go-w` on it")
    os.chmod(work_folder(), 0o777)
    refused(Daemon(star.relay, RULE, ready=False), EXIT_PERMISSION, "control-folder-refused",
            "mode 0777")
    os.chmod(work_folder(), 0o700)


# ---- what it starts --------------------------------------------------------------------------

def children(pid):
    """The processes that this one has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def _hook(name, text):
    path = write_file(name, f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    return path


def _exists(pid):
    return os.path.exists(f"/proc/{pid}")


@test
def hook_has_nothing():
    """A hook of a daemon that is root: no capabilities, none to be had, no filter in its way"""
    star = Star()
    told = os.path.join(work_folder(), "told")
    hook = _hook("hook", f"[ -e {told} ] || {{ cat /proc/self/status > {told}.new && "
                         f"mv {told}.new {told}; }}")
    daemon = Daemon(star.relay, config=config("{ sandbox: on }", f"events: {{ hook: {hook} }}\n"))
    relays(star)
    wait_until(lambda: os.path.exists(told), "the hook's run")
    with open(told, encoding="utf-8") as file:
        entry = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    for which in SETS:
        equal(int(entry[which], 16), 0, which)
    equal((entry["NoNewPrivs"], entry["Seccomp"]), ("1", "0"), "NoNewPrivs and Seccomp")
    daemon.settle(steered=1)


@test
def launcher_has_little():
    """The launcher: of root what makes the exporter nobody, of a user nothing; closed to hooks"""
    star = Star()
    os.chmod(work_folder(), 0o1777)
    for user, capabilities in ((0, bits("setuid", "setgid", "setpcap", "kill")), (65534, 0)):
        security = "{ user: nobody }" if user else "{ sandbox: on }"
        daemon = Daemon(star.relay, config=config(security,
                                                  'metrics: { listen: "127.0.0.1:9710" }\n'))
        relays(star)
        wait_until(lambda: daemon.process.find_line("exporter-started"), "it starts the exporter")
        pid = children(daemon.process.pid)[0]
        entry = status(pid)
        equal(entry["Uid"].split(), [str(user)] * 4, "user")
        for which, expected in (("CapInh", 0), ("CapPrm", capabilities), ("CapEff", capabilities),
                                ("CapAmb", 0)):
            equal(int(entry[which], 16), expected, f"{which} of user {user}")
        equal(entry["NoNewPrivs"], "1", "NoNewPrivs")
        equal(entry["Threads"], "1", "threads")
        # Not dumpable, so that no process of its user looks in: what is its own belongs to root.
        equal(os.stat(f"/proc/{pid}/environ").st_uid, 0, "owner of its memory")
        daemon.settle(steered=1)
        daemon.stop()


@test
def all_end_with_the_daemon():
    """kill -9 of the daemon: the launcher ends, and a hook that runs"""
    star = Star()
    pid_file = os.path.join(work_folder(), "pid")
    hook = _hook("slow", f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000")
    daemon = Daemon(star.relay, config=config("{ sandbox: on }", f"events: {{ hook: {hook} }}\n"))
    relays(star)
    wait_until(lambda: os.path.exists(pid_file), "the hook's run")
    launcher = children(daemon.process.pid)[0]
    hooks = children(launcher)
    check(hooks, "no hook is the launcher's child")
    daemon.kill()
    wait_until(lambda: not any(map(_exists, (launcher, *hooks))), "launcher and hooks have ended")


@test
def launcher_dies():
    """The launcher killed: told once, and the relay goes on"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    relays(star)
    run("kill", "-9", str(children(daemon.process.pid)[0]))
    wait_until(lambda: daemon.process.find_line("error launcher-failed"), "a word of it")
    relays(star)
    daemon.settle(steered=2)
    equal(daemon.process.log().count("launcher-failed"), 1, "times it was told")


main()
