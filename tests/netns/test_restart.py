#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The daemon is killed under load and restarted immediately, many times: how soon it relays again, and
whether the killed daemons left anything behind.

XMCAST_KILLS: how many times (10). XMCAST_RESTART_MS: how long 99 % of the restarts may take. The target is
250 with 100 kills on an idle machine; the default is larger because the machine may be busy.
"""

import contextlib
import glob
import os
import re
import signal
import time

from control import Client
from harness import (Daemon, Namespace, Star, check, diagnose, equal, main, need, program, receiver,
                     run, start, test, wait_until, work_directory, write_file)
from traffic import Traffic

KILLS = int(os.environ.get("XMCAST_KILLS", "10"))
LIMIT_MS = float(os.environ.get("XMCAST_RESTART_MS", "5000"))
RATE = 20000
RULES = 20
PORTS = (6000, 6001)  # of the first rule's output, alternately: shows which daemon sent a packet

CONFIG = """rules:
{rules}
"""


def config(port):
    """The first rule relays the stream to `port`; the others only have to be set up."""
    rules = [f"  - stream in 239.1.1.1:5000@in0 out 239.2.2.2:{port}@out0"]
    rules += [f"  - other{i} in 239.1.2.{i}:5000@in{i % 2} out 239.2.2.2:7000@out0 out 10.2.0.2:7000"
              for i in range(1, RULES)]
    return CONFIG.format(rules="\n".join(rules))


def kernel_objects(pid):
    """(kind, ID) of every BPF program, map and link that a process has open."""
    found = set()
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as file:
            found |= set(re.findall(r"^(prog|map|link)_id:\s*(\d+)$", file.read(), re.M))
    return found


def exists(kind, number):
    """Does this program, map or link still exist? IDs are not reused."""
    return run("bpftool", kind, "show", "id", number, check=False).returncode == 0


class Supervisor:
    """Restarts the daemon as soon as it has ended, alternating between two output ports."""

    def __init__(self, star):
        self.star = star
        self.lives = 0
        self.outputs = [receiver(star.receiver, port, "239.2.2.2", "10.2.0.2") for port in PORTS]
        self.paths = [write_file(f"{port}.yaml", config(port)) for port in PORTS]
        self.socket = os.path.join(work_directory(), "restart.sock")
        self.process = None
        self.objects = set()

    def note(self):
        """Record the kernel objects of the running daemon."""
        self.objects |= kernel_objects(self.process.pid)

    def start(self):
        """Start the next daemon. Returns the socket that receives what it relays."""
        self.lives += 1
        turn = self.lives % 2
        drain(self.outputs[turn])
        self.process = start(self.star.relay, program("xmcastd"), "--socket", self.socket, "-c",
                             self.paths[turn], name=f"xmcastd, life {self.lives}")
        return self.outputs[turn]


def drain(sock):
    """Discard everything that has arrived so far."""
    sock.setblocking(False)
    try:
        while True:
            sock.recv(65536)
    except BlockingIOError:
        pass
    finally:
        sock.settimeout(30)


def restart(supervisor):
    """Kill the daemon and wait for the first packet that the next one relays. Returns the ms until it had
    ended and until that packet."""
    supervisor.process.wait_line(r"^\w+\s+ready\b")
    supervisor.note()
    killed = time.monotonic()
    os.kill(supervisor.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, supervisor.process.pid, os.WEXITED | os.WNOWAIT)
    dead = time.monotonic()
    supervisor.start().recv(65536)
    return (dead - killed) * 1000, (time.monotonic() - killed) * 1000


def kill_while_saving(daemon):
    """Kill a daemon in the middle of a save. True if it left the temporary file."""
    with Client(daemon.socket) as control:
        control.send(b'{"jsonrpc":"2.0","method":"config.save"}\n' * 200)
        wait_until(is_saving, "a save is in progress", pause=0)
        daemon.kill()
    return is_saving()


def is_saving():
    """Whether there is the file of a save that has not ended."""
    return os.path.exists(os.path.join(work_directory(), ".xmcast-save"))


@test
def killed_while_saving():
    """kill -9 while it saves the file: the file is intact, and the next save replaces what is left"""
    relay = Namespace("relay")
    text = "rules:\n" + "".join(f"  - in 239.1.{i // 250}.{i % 250}:5000@none out 10.2.0.2:{i + 1}\n"
                                for i in range(2000))
    daemon = Daemon(relay, config=text)
    path, left = daemon.config, 0
    for _ in range(KILLS):
        left += kill_while_saving(daemon)
        daemon = Daemon(relay, arguments=("-c", path))
        with Client(daemon.socket) as control:
            equal(control.call("rule.list")["total"], 2000, "rules in the file")
            control.call("config.save")
        check(not is_saving(), "the temporary file is left by a save that ended")
    check(left, f"none of {KILLS} kills came in the middle of a save")


def show_times(times):
    """Print the distribution of the times."""
    parts = [[one[i] for one in times] for i in (0, 1)]
    words = [f"p50 {percentile(part, 50):.0f}, p90 {percentile(part, 90):.0f}, p99 "
             f"{percentile(part, 99):.0f}, max {max(part):.0f} ms" for part in parts]
    diagnose(f"{len(times)} kills at {RATE} packets/s: dead after {words[0]}; its successor relays "
             f"after {words[1]}")


def percentile(values, share):
    """The percentile of the values."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def joined(namespace):
    """Groups that are joined on any interface, except for all-hosts."""
    return [line.split()[0] for line in namespace.read("/proc/net/igmp").splitlines()
            if line.startswith("\t") and line.split()[0] != "010000E0"]


def nothing_left(star):
    """Check that no program, membership or socket is left in the relay's namespace."""
    wait_until(lambda: "xdp" not in star.relay.ip("link show"), "no program is attached")
    wait_until(lambda: not joined(star.relay), "no group is joined")
    equal(star.relay.ip("link show").count("prog/xdp"), 0, "programs attached")
    wait_until(lambda: len(star.relay.read("/proc/net/packet").splitlines()) == 1,
               "no packet socket")
    wait_until(lambda: not sockets(star), "no UDP or AF_XDP socket")


def sockets(star):
    """The UDP and AF_XDP sockets in the relay's namespace, listed by ss(8)."""
    seen = star.relay.run("ss", "-Hau").stdout + star.relay.run("ss", "-Ha", "--xdp").stdout
    return seen.strip()


@test
def killed_under_load():
    """kill -9 under load: it relays again in time, and nothing is left in the kernel"""
    need("bpftool", "ss")
    star = Star(sources=2)
    supervisor = Supervisor(star)
    traffic = Traffic(star.source, "10.1.0.1", "239.1.1.1", 5000, RATE)
    supervisor.start().recv(65536)
    times = [restart(supervisor) for _ in range(KILLS)]
    show_times(times)
    supervisor.process.wait_line(r"^\w+\s+ready\b")
    supervisor.note()
    supervisor.process.kill()
    traffic.stop()
    nothing_left(star)
    kinds = {kind for kind, _ in supervisor.objects}
    equal(kinds, {"prog", "map", "link"}, "kinds of kernel objects that the daemons held")
    wait_until(lambda: not [one for one in supervisor.objects if exists(*one)],
               "programs, maps and links of all killed daemons no longer exist", pause=0.5)
    took = percentile([one[1] for one in times], 99)
    check(took <= LIMIT_MS, f"99 % take {took:.0f} ms, {LIMIT_MS:.0f} are allowed")


main()
