#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Under a service manager: notifications and when they are sent. A stuck thread ends the daemon; stopping
and continuing the whole daemon does not."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import time

from control import Client
from harness import (Daemon, Star, Timeout, check, equal, main, netns, receive, receiver, sender, start,
                     program, test, wait_until, work_directory, write_file)

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
EXIT_INTERNAL = 70

_libc = ctypes.CDLL(None, use_errno=True)
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


class Manager:
    """The socket of a service manager."""

    count = 0

    def __init__(self, namespace=None):
        """With a namespace: an abstract name, which is valid only there."""
        Manager.count += 1
        self.name = f"@xmc-{os.getpid()}-{Manager.count}" if namespace else \
            os.path.join(work_directory(), f"notify{Manager.count}")
        with namespace.entered() if namespace else contextlib.nullcontext():
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name.replace("@", "\0"))
        self.socket.settimeout(netns.PATIENCE)

    def environment(self, *more):
        """The command prefix that starts a daemon under this manager."""
        return ("env", f"NOTIFY_SOCKET={self.name}", *more)

    def next(self, *ignored):
        """The next message as a dictionary, without those that have only ignored keys."""
        while True:
            message = dict(line.split("=", 1) for line in
                           self.socket.recv(4096).decode().splitlines())
            if set(message) - set(ignored):
                return message

    def until(self, key, value):
        """Read until a message has this value, with a deadline."""
        deadline = time.monotonic() + netns.PATIENCE
        while time.monotonic() < deadline:
            message = self.next()
            if message.get(key) == value:
                return message
        raise Timeout(f"no message with {key}={value}")


def relays(star, text=b"alive"):
    """Check that a packet is relayed."""
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(text, ("239.1.1.1", 5000))
    equal(receive(output)[0], text, "payload")


@test
def notifications():
    """READY after everything else, STATUS with each change, RELOADING and READY, STOPPING"""
    for abstract in (False, True):
        star = Star()
        manager = Manager(star.relay if abstract else None)
        daemon = Daemon(star.relay, config=f"rules: [cam1 {RULE}]\n", prefix=manager.environment())
        equal(manager.next(), {"READY": "1"}, "first message")
        check(daemon.process.find_line(r"^\w+\s+ready\b"), "READY=1 before it was ready")
        equal(manager.next(), {"STATUS": "rules: 1 active, 0 pending; interfaces: 1; workers: 1"},
              "status")
        daemon.ctl("rule", "add", "cam2 in 239.1.1.2:5000@gone out 239.2.2.2:6001@out0")
        status = manager.next()["STATUS"]
        check(status.startswith("rules: 1 active, 1 pending;"), status)
        before = time.monotonic_ns() // 1000
        daemon.process.send_signal(signal.SIGHUP)
        message = manager.next()
        equal(message["RELOADING"], "1", "reloading")
        check(before <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, message)
        equal(manager.next()["READY"], "1", "reloaded")
        manager.until("STATUS", "rules: 1 active, 0 pending; interfaces: 1; workers: 1")
        # A refused one, through the control socket: the old rules are ready again.
        write_file(os.path.basename(daemon.config), "rules: [x]\n")
        daemon.ctl("config", "reload", check=False)
        equal((manager.next().get("RELOADING"), manager.next().get("READY")), ("1", "1"), "refused")
        relays(star)
        daemon.settle(steered=1)
        daemon.stop()
        equal(manager.next(), {"STOPPING": "1"}, "last message")
        netns.clean_up()


@test
def watchdog():
    """WATCHDOG=1 at half of the interval, and not if it is meant for another process"""
    star = Star()
    manager = Manager()
    began = time.monotonic()
    daemon = Daemon(star.relay, RULE, prefix=manager.environment("WATCHDOG_USEC=400000"))
    manager.until("READY", "1")
    for _ in range(10):
        equal(manager.next("STATUS"), {"WATCHDOG": "1"}, "heartbeat")
    # On a busy machine messages may be late, and several may be read at once. But a timer is never
    # early: there are nine intervals of 200 ms between ten messages, and the first is after `began`.
    lasted = time.monotonic() - began
    check(lasted >= 1.8, f"too often: ten in {lasted:.2f} s")
    daemon.stop()
    other = Manager()
    daemon = Daemon(star.relay, RULE,
                    prefix=other.environment("WATCHDOG_USEC=1000", "WATCHDOG_PID=1"))
    other.until("READY", "1")
    daemon.stop()
    equal(other.next("STATUS"), {"STOPPING": "1"}, "the watchdog of another process")


@test
def useless_managers():
    """Invalid, too long and dangling names, and a full socket: one warning, and it relays"""
    star = Star()
    full = Manager()
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    try:
        while True:
            filler.sendto(b"X=1", full.name)
    except BlockingIOError:
        pass
    for name in ("relative", "/" + "x" * 200, os.path.join(work_directory(), "nobody"), full.name):
        daemon = Daemon(star.relay, RULE, prefix=("env", f"NOTIFY_SOCKET={name}",
                                                  "WATCHDOG_USEC=100000"))
        steered = daemon.stats()["totals"]["steered_packets"]
        relays(star)
        daemon.settle(steered=steered + 1)
        log = daemon.stop()
        equal(log.count("notify-failed"), 1, f"warnings about {name}; log:\n{log}\n")
    # Once the manager reads again, it gets the relevant messages in order.
    daemon = Daemon(star.relay, RULE, prefix=full.environment())
    message = full.until("READY", "1")
    status = message.get("STATUS") or full.next()["STATUS"]
    check(status.startswith("rules: 1 active"), status)


# ---- stuck threads ---------------------------------------------------------------------------

def thread_of(daemon, name):
    """The ID of a thread, by its name."""
    directory = f"/proc/{daemon.process.pid}/task"
    for tid in os.listdir(directory):
        with open(f"{directory}/{tid}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                return int(tid)
    raise AssertionError(f"no thread {name}")


def ptrace(request, tid):
    """One request about a thread. Only the thread that seized it may make further ones."""
    _libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    _libc.ptrace.restype = ctypes.c_long
    if _libc.ptrace(request, tid, None, None):
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


def seize(tid):
    """Stop a single thread, like a debugger."""
    ptrace(PTRACE_SEIZE, tid)
    ptrace(PTRACE_INTERRUPT, tid)
    os.waitpid(tid, WALL)
    return tid


def config_with(watchdog_seconds, more=""):
    """A configuration with one rule and this watchdog."""
    return f"rules: [cam1 {RULE}]\nworkers: {{ watchdog: {watchdog_seconds} }}\n{more}"


def ends_stuck(daemon, thread, tid):
    """Check that it ends by itself and has logged which thread made no progress."""
    # This is the stopped thread's debugger: the process does not disappear before wait() has seen it.
    wait_until(lambda: os.waitpid(tid, WALL | os.WNOHANG)[0] == tid, "the stopped thread's end")
    equal(daemon.process.wait(), EXIT_INTERNAL, f"exit code; log:\n{daemon.process.log()}\n")
    line = daemon.process.find_line(r"^error\s+worker-stuck .*")
    check(line, f"not logged:\n{daemon.process.log()}")
    of_worker = () if thread == "merge" else ("interface=in0 ", "queue=0 ", "kernel_frames=")
    for words in (f"thread={thread}{'/in0' if of_worker else ''} ", "owed_ms=", "cpu_ms=", "queued_frames=",
                  "in_flight_frames=", *of_worker):
        check(words in line[0], f"{words} is not in: {line[0]}")
    check(int(re.search(r"owed_ms=(\d+)", line[0])[1]) >= 2000, line[0])
    check(daemon.process.find_line(r"final-statistics"), "no final statistics")


def one_stuck(thread, traffic):
    """Stop a thread, check the end of the daemon and of its program, and start a new daemon."""
    star = Star()
    manager = Manager()
    daemon = Daemon(star.relay, config=config_with(2), prefix=manager.environment())
    if traffic:
        start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "2000", "--duration", "60")
        daemon.wait_steered(100)
    tid = seize(thread_of(daemon, f"{thread}0/in0"))
    ends_stuck(daemon, f"{thread}0", tid)
    manager.until("STOPPING", "1")
    check("xdp" not in star.relay.ip("link show in0"), "the XDP program is still attached")
    again = Daemon(star.relay, RULE)
    again.wait_steered(50) if traffic else relays(star)


@test
def stuck_ingress():
    """A stopped ingress thread under traffic: logged, exit 70, and a new daemon relays"""
    one_stuck("in", True)


@test
def stuck_egress():
    """The same with an egress thread"""
    one_stuck("out", True)


@test
def stuck_while_idle():
    """A stopped thread without work is detected, too"""
    one_stuck("out", False)


@test
def stuck_while_changing():
    """Changes of rules and a graceful shutdown also end if a thread is stuck"""
    star = Star()
    daemon = Daemon(star.relay, config=config_with(2))
    tid = seize(thread_of(daemon, "in0/in0"))
    daemon.ctl("rule", "add", "cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6001@out0", check=False)
    ends_stuck(daemon, "in0", tid)
    daemon = Daemon(star.relay, config=config_with(2))
    tid = seize(thread_of(daemon, "out0/in0"))
    daemon.process.send_signal(signal.SIGTERM)
    ends_stuck(daemon, "out0", tid)


@test
def stuck_merger():
    """The thread of the rules that merge: detected while idle, and while a rule is deleted"""
    star = Star()
    rules = "in A:239.1.1.1:5000@in0 in B:239.1.1.2:5000@in0 merge rtp out 239.2.2.2:6000@out0"
    for change in (False, True):
        daemon = Daemon(star.relay, config=config_with(2).replace(RULE, rules))
        tid = seize(thread_of(daemon, "merge"))
        if change:
            daemon.ctl("rule", "del", "cam1", check=False)
        ends_stuck(daemon, "merge", tid)
        check("xdp" not in star.relay.ip("link show in0"), "the XDP program is still attached")


@test
def unwell():
    """While a thread is stopped, ping and STATUS report it and WATCHDOG pauses; then it recovers"""
    star = Star()
    manager = Manager()
    daemon = Daemon(star.relay, config=config_with(0),
                    prefix=manager.environment("WATCHDOG_USEC=200000"))
    control = Client(daemon.socket)
    wait_until(lambda: control.call("ping") == {"alive": True, "workers": 1}, "ping")
    tid = thread_of(daemon, "in0/in0")
    seize(tid)
    wait_until(lambda: not control.call("ping")["alive"], "ping reports it")
    status = "rules: 1 active, 0 pending; interfaces: 1; workers: 1"
    manager.until("STATUS", status + "; the heartbeat of a worker is overdue")
    # No WATCHDOG=1 as long as the thread is stopped. Messages from before the worker was found overdue
    # have been read by now.
    manager.socket.settimeout(3)
    try:
        message = manager.next("STATUS")
        raise AssertionError(f"notified although a worker makes no progress: {message}")
    except TimeoutError:
        manager.socket.settimeout(netns.PATIENCE)
    # watchdog: 0 means never.
    check(daemon.process.returncode is None, "ended")
    ptrace(PTRACE_DETACH, tid)
    wait_until(lambda: control.call("ping")["alive"], "ping reports it")
    manager.until("STATUS", status)
    manager.until("WATCHDOG", "1")
    relays(star)
    daemon.settle(steered=1)


@test
def stopped_as_a_whole():
    """SIGSTOP for longer than the limit, then SIGCONT: it continues, repeatedly"""
    star = Star()
    # A thread that gets no CPU for longer than this is stuck, whatever the reason.
    daemon = Daemon(star.relay, config=config_with(4))
    for number in range(1, 4):
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(9 if number == 3 else 5)  # the test is about time that passes
        daemon.process.send_signal(signal.SIGCONT)
        relays(star, b"%d" % number)
        equal(daemon.ctl("ping").returncode, 0, "ping")
    daemon.settle(steered=3)
    check(not daemon.process.find_line("worker-stuck"), daemon.process.log())


main()
