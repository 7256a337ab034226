#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The rights of a running daemon: users, capabilities, system call filters, and whom it trusts."""

import contextlib
import json
import os
import re

from harness import (EXIT_CONFIG, EXIT_PERMISSION, Daemon, Skip, Star, check, equal, main, program,
                     receive, receiver, run, sender, start, test, wait_until, work_directory, write_file)
from netns import Namespace

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
    """Check that a packet is relayed."""
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(text, ("239.1.1.1", 5000))
    equal(receive(output)[0], text, "payload")


def check_confined(daemon, user, filters=(1, 2)):
    """Check the user of a daemon, the rights of its main thread, and that the others have none. `filters`:
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
          f"the main thread misses a capability: {first['CapEff']}")
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
    """Started as root without a user: it drops other capabilities, and its worker threads have none"""
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
    """Started as root with a user: it becomes that user, with only its group, and relays"""
    star = Star()
    os.chmod(work_directory(), 0o1777)  # for the control socket
    daemon = Daemon(star.relay, config=config("{ user: nobody, group: 65533 }"))
    relays(star)
    first = check_confined(daemon, 65534)
    equal(int(first["CapBnd"], 16), 0, "CapBnd")
    equal(first["Gid"].split(), ["65533"] * 4, "group")
    equal(first["Groups"].split(), [], "supplementary groups")
    relays(star)
    daemon.settle(steered=2)


@test
def keeps_sources_as_a_user():
    """As an ordinary user, with the filters of system calls: `from keep` and `from ADDR:PORT`, a new source port"""
    star = Star()
    os.chmod(work_directory(), 0o1777)
    daemon = Daemon(star.relay, config=config("{ user: nobody }").replace(RULE, (
        "{ in: 239.1.1.1:5000@in0, out: [ { to: 239.2.2.2:6000@out0, from: keep },"
        " { to: 239.2.2.3:6000@out0, from: 10.2.0.1:7000 } ] }")))
    outputs = [receiver(star.receiver, 6000, group, "10.2.0.2") for group in ("239.2.2.2", "239.2.2.3")]
    source = sender(star.source, "10.1.0.1")
    port = source.getsockname()[1]
    for _ in range(5):
        source.sendto(b"x", ("239.1.1.1", 5000))
        equal([receive(output)[1] for output in outputs], [("10.1.0.1", port), ("10.2.0.1", 7000)], "sources")

    def has_socket():
        return f":{port:04X} " in star.relay.read("/proc/net/udp")

    wait_until(has_socket, f"a socket for port {port}")
    source.sendto(b"x", ("239.1.1.1", 5000))
    equal([receive(output)[1] for output in outputs], [("10.1.0.1", port), ("10.2.0.1", 7000)], "sources")
    daemon.settle(steered=6)


def refused(daemon, code, *words):
    """Check that the daemon ends by itself with this code and logs these words."""
    equal(daemon.process.wait(), code, f"exit code; log:\n{daemon.process.log()}\n")
    for word in words:
        check(word in daemon.process.log(), f"no {word} in:\n{daemon.process.log()}")


@test
def plain_user():
    """A plain user with the capabilities it needs, and others: it keeps the former, and relays"""
    star = Star()
    os.chmod(work_directory(), 0o1777)
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
    daemon = Daemon(star.relay, config=config("{ sandbox: off }"))
    relays(star)
    check_confined(daemon, 0, filters=(0, 0))
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
    """As another user with a file and a directory of its own: it can reload and save"""
    star = Star()
    directory = os.path.join(work_directory(), "own")
    os.mkdir(directory)
    path = os.path.join(directory, "xmcast.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config("{ user: nobody }", "control: { save_changes: yes }\n"))
    for own in (directory, path):
        os.chown(own, 65534, 65534)
    os.chmod(work_directory(), 0o1777)
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
    """As another user with a file that it may not read again, in a directory of root: both are logged"""
    star = Star()
    os.chmod(work_directory(), 0o755)
    directory = os.path.join(work_directory(), "sockets")
    daemon = Daemon(star.relay, arguments=("--socket", os.path.join(directory, "socket"), "-c",
                    _private("roots.yaml", config("{ user: nobody }",
                                                  "control: { save_changes: yes }\n"))))
    daemon.socket = os.path.join(directory, "socket")
    for event in ("config-unreadable", "config-unwritable"):
        daemon.process.wait_line(rf"warn\s+{event} ")
    equal(os.stat(directory).st_uid, 65534, "owner of the directory that it made")
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
    for security, more, *words in (
            ("{ user: no-such-user }", "", "user-unknown", "no-such-user", '"no such user"'),
            ("{ user: nobody, group: no-such-group }", "", "user-unknown", "no-such-group",
             '"no such group"'),
            ("{ sandbox: on }", "control: { group: no-such-group }\n", "control-failed",
             "no-such-group", '"no such group"')):
        daemon = Daemon(star.relay, config=config(security, more), ready=False)
        refused(daemon, EXIT_CONFIG, "start-failed", *words)
        check("No such process" not in daemon.process.log(), daemon.process.log())


@test
def not_trusted():
    """A file that others may write, and a directory where they may replace the socket: refused"""
    star = Star()
    path = write_file("open.yaml", config("{ sandbox: on }"))
    os.chmod(path, 0o666)
    refused(Daemon(star.relay, arguments=("-c", path), ready=False), EXIT_CONFIG, path,
            "unsafe mode 0666, group 0: run `chmod go-w` on it")
    os.chmod(work_directory(), 0o777)
    refused(Daemon(star.relay, RULE, ready=False), EXIT_PERMISSION, "control-directory-refused",
            "mode 0777")
    os.chmod(work_directory(), 0o700)


@test
def starts_nothing():
    """The daemon has no child process, at the start or after an event"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    relays(star)
    star.relay.ip("link set in0 down")
    daemon.process.wait_line(r"^warn\S*\s+pending ")
    equal(children(daemon.process.pid), [], "children")
    star.relay.ip("link set in0 up")
    daemon.process.wait_line(r"^info\s+active ")
    wait_until(lambda: star.source.running("s0"), "s0 transmits")
    relays(star)
    daemon.settle(steered=2)


def children(pid):
    """The processes that this one has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


# ---- what others of its user may do to it ----------------------------------------------------

# Run as the daemon's user without capabilities: what can be done to a thread, a line for each.
INTRUDER = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE, WALL = 16, 17, 0x4206, 0x40000000

def trace(request, task):
    if libc.ptrace(request, task, None, None):
        raise OSError(ctypes.get_errno(), "")
    if request == PTRACE_ATTACH:
        os.waitpid(task, WALL)
        libc.ptrace(PTRACE_DETACH, task, None, None)

def read_memory(task):
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    own, theirs = Vector(ctypes.addressof(ctypes.create_string_buffer(8)), 8), Vector(4096, 8)
    if libc.process_vm_readv(task, ctypes.byref(own), 1, ctypes.byref(theirs), 1, 0) < 0:
        error = ctypes.get_errno()
        if error != 14:  # EFAULT: it may read, only nothing is there
            raise OSError(error, "")

for task in os.listdir(f"/proc/{sys.argv[1]}/task"):
    for name, attempt in (
            ("open mem", lambda: os.close(os.open(f"/proc/{sys.argv[1]}/task/{task}/mem", os.O_RDWR))),
            ("open environ", lambda: os.close(os.open(f"/proc/{sys.argv[1]}/task/{task}/environ",
                                                      os.O_RDONLY))),
            ("process_vm_readv", lambda: read_memory(int(task))),
            ("attach", lambda: trace(PTRACE_ATTACH, int(task))),
            ("seize", lambda: trace(PTRACE_SEIZE, int(task)))):
        try:
            attempt()
            print(task, name, "allowed")
        except PermissionError:
            print(task, name, "refused")
"""


def intrude(uid, pid):
    """What a process of this user without capabilities may do to each thread of a process."""
    done = run("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all",
               "--inh-caps=-all", "--no-new-privs", "python3", "-c", INTRUDER, str(pid))
    check(done.returncode == 0, done.stderr)
    return [tuple(line.split(" ", 1)) for line in done.stdout.splitlines()]


def closed(uid, pid, threads_expected):
    """Check that no thread of the daemon is open to its own user."""
    seen = intrude(uid, pid)
    equal(len(seen), 5 * threads_expected, f"attempts: {seen}")
    equal([line for line in seen if not line[1].endswith("refused")], [], "what is allowed")


# Run in a mount namespace of its own, with the daemon as arguments: what a daemon that ran as root may have
# left is given to the user, but no file that has another name as well.
LINKED = """
mount -t tmpfs none /run
mkdir /run/xmcast
chown 65534:65534 /run/xmcast
touch /run/ours
$1 /run/xmcast/xmcast.sock.lock
shift
timeout 20 "$@" &
until [ -S /run/xmcast/xmcast.sock ] || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
kill $! 2>/dev/null
wait $!
stat -c %u /run/ours /run/xmcast/xmcast.sock.lock
"""


@test
def leftovers():
    """The lock of a daemon that ran as root is given to the user, but no link to a file of root's"""
    path = write_file("leftovers.yaml", "security: { user: nobody }\nrules: []\n")
    os.chmod(os.path.dirname(path), 0o755)
    namespace = Namespace("empty")
    for make, owners in (("touch", ["0", "65534"]), ("ln /run/ours", ["0", "0"])):
        done = namespace.run("unshare", "--mount", "--propagation", "private", "sh", "-c", LINKED, "sh",
                             make, program("xmcastd"), "-c", path)
        equal(done.stdout.split()[-2:], owners, f"owners after {make}: {done.stderr}")


@test
def not_dumpable():
    """No process of its user can trace a thread or open its memory, however it was started"""
    with contextlib.suppress(FileNotFoundError), \
            open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
        if file.read().strip() != "0":
            raise Skip("kernel.yama.ptrace_scope forbids anyway what this test tries")
    star = Star()
    os.chmod(work_directory(), 0o1777)
    # The intruder can do all of this to a process of its user that does not protect itself.
    plain = start(star.relay, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                  "--bounding-set=-all", "--inh-caps=-all", "sleep", "1000")
    wait_until(lambda: status(plain.pid)["Name"] == "sleep", "sleep(1)")
    equal({words for _, words in intrude(65534, plain.pid)},
          {f"{name} allowed" for name in ("open mem", "open environ", "process_vm_readv", "attach",
                                          "seize")}, "what is allowed to a plain process")
    ambient = "+net_admin,+net_raw,+bpf,+ipc_lock,+perfmon"
    for uid, options in (
            (0, {"config": config("{ sandbox: on }")}),
            (0, {"config": config("{ sandbox: off }")}),
            (65534, {"config": config("{ user: nobody, group: 65534 }")}),
            (65534, {"config": config("{ sandbox: on }"), "prefix": (
                "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                f"--inh-caps={ambient}", f"--ambient-caps={ambient}")})):
        daemon = Daemon(star.relay, **options)
        equal(status(daemon.process.pid)["Uid"].split()[1], str(uid), "user")
        closed(uid, daemon.process.pid, 3)
        relays(star)
        daemon.settle(steered=1)
        daemon.stop()

main()
