# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces, veth pairs and processes in them, for the demo and the tests.

Whatever is made here is taken away again when the program ends, whichever way it ends: normally, by
an exception, by SIGINT, SIGTERM or SIGHUP. What a program leaves that was killed with SIGKILL, the
next one to start removes. Needs root.
"""

import atexit
import contextlib
import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

# ethtool, tc and others are in a folder that only a login shell of root has in its path.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"

NETNS_FOLDER = "/run/netns"
PREFIX = f"xmc-{os.getpid()}-"

# No wait in here is longer, unless its caller says so. Generous: a busy machine with sanitizers on.
PATIENCE = 30

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


class CommandFailed(Exception):
    """A command that had to succeed did not."""


class Timeout(Exception):
    """Something did not happen in time; the message says what, and what was seen instead."""


def run(*command, check=True, timeout=PATIENCE, **options):
    """Run a command to its end. Returns the CompletedProcess, with text output captured."""
    options.setdefault("capture_output", True)
    done = subprocess.run(command, text=True, timeout=timeout, **options)
    if check and done.returncode:
        raise CommandFailed(f"{shlex.join(command)}: exit {done.returncode}\n"
                            f"{done.stdout or ''}{done.stderr or ''}".rstrip())
    return done


def wait_until(condition, what, timeout=PATIENCE, pause=0.02):
    """Poll until condition() is true, and return what it answered. For state without an event."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Timeout(f"not within {timeout} s: {what}; last answer: {answer!r}")
        time.sleep(pause)


class Process:
    """A background process whose output is collected line by line while it runs."""

    def __init__(self, command, name=None):
        self.name = name or os.path.basename(command[0])
        self.lines = []  # stderr, without newlines
        self.output = ""  # stdout, complete after wait()
        self._changed = threading.Condition()
        # The kernel kills it when we die, even by SIGKILL. setpriv and nsenter replace themselves,
        # so `pid` is the program's own.
        self._popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, errors="replace")
        self._readers = [threading.Thread(target=self._read_errors, daemon=True),
                         threading.Thread(target=self._read_output, daemon=True)]
        for reader in self._readers:
            reader.start()
        _processes.append(self)

    @property
    def pid(self):
        """The process id of the program."""
        return self._popen.pid

    @property
    def returncode(self):
        """None while it runs; else its exit code, or minus the signal that killed it."""
        return self._popen.poll()

    def _read_errors(self):
        for line in self._popen.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _read_output(self):
        for line in self._popen.stdout:
            with self._changed:
                self.output += line
                self._changed.notify_all()

    def log(self):
        """All of stderr so far."""
        return "\n".join(self.lines)

    def find_line(self, pattern):
        """The first line of stderr so far that matches, as a match object, or None."""
        return next((m for m in (re.search(pattern, line) for line in list(self.lines)) if m), None)

    def wait_line(self, pattern, timeout=PATIENCE):
        """Wait until a line of stderr matches; fails at once if the process ends before."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            with self._changed:
                for line in self.lines[seen:]:
                    seen += 1
                    match = re.search(pattern, line)
                    if match:
                        return match
                if not self._readers[0].is_alive():
                    raise CommandFailed(f"{self.name}: ended (exit {self._popen.wait(PATIENCE)}) "
                                        f"before a line with /{pattern}/:\n{self.log()}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Timeout(f"{self.name}: no line with /{pattern}/ within {timeout} s:\n"
                                  f"{self.log()}")
                self._changed.wait(min(left, 0.5))

    def send_signal(self, number):
        """Send a signal, if it still runs."""
        self._popen.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """Wait for its end, and return its exit code."""
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name}: still running after {timeout} s:\n{self.log()}") from None
        for reader in self._readers:
            reader.join(PATIENCE)
        return self._popen.returncode

    def stop(self, number=signal.SIGTERM, timeout=PATIENCE):
        """Send a signal and wait for the end; returns the exit code."""
        self.send_signal(number)
        return self.wait(timeout)

    def kill(self):
        """End it whatever its state."""
        self._popen.kill()
        self._popen.wait(PATIENCE)


class Namespace:
    """A network namespace, without IPv6, so that nothing unasked-for is on its wires."""

    def __init__(self, label):
        self.name = PREFIX + label
        self.path = f"{NETNS_FOLDER}/{self.name}"
        # First: an interrupt may come while it is being made.
        _namespaces.append(self)
        run("ip", "netns", "add", self.name)
        with self.entered():
            for scope in ("all", "default"):
                _write_sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", 1)
        self.ip("link set lo up")

    def __repr__(self):
        return self.name

    def command(self, *command):
        """The command line to run `command` inside. Not `ip netns exec`: that hides the bpffs."""
        return ["nsenter", f"--net={self.path}", *map(str, command)]

    def run(self, *command, **options):
        """Run a command inside to its end; see run()."""
        return run(*self.command(*command), **options)

    def start(self, *command, name=None):
        """Start a background process inside."""
        return Process(self.command(*command), name or os.path.basename(str(command[0])))

    def ip(self, arguments):
        """`ip ARGUMENTS` inside; returns its output."""
        return run("ip", "-n", self.name, *arguments.split()).stdout

    def sysctl(self, path, value):
        """Set net/… ("net/ipv4/ip_forward")."""
        with self.entered():
            _write_sysctl(path, value)

    def read(self, path):
        """Read a file of /proc/net or /proc/sys/net as it is inside."""
        with self.entered():
            with open(path.replace("/proc/net", "/proc/thread-self/net"), encoding="ascii") as file:
                return file.read()

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is inside: sockets made in here belong to the namespace for good."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(inside)
            yield self
        finally:
            _setns(outside)
            os.close(inside)
            os.close(outside)

    def mac(self, device):
        """The MAC address of an interface."""
        return re.search(r"link/ether (\S+)", self.ip(f"link show {device}"))[1]

    def delete(self):
        """Remove it; its veth devices go with it."""
        run("ip", "netns", "del", self.name, check=False)


def veth(near, near_name, far, far_name, *, near_addr=None, far_addr=None, mtu=1500, queues=1):
    """A cable between two namespaces. Addresses as "10.0.0.1/24"; both ends are up at return.

    Multicast is routed out of the near end. Returns nothing: use the names.
    """
    many = f"numtxqueues {queues} numrxqueues {queues}"
    near.ip(f"link add {near_name} mtu {mtu} {many} type veth "
            f"peer name {far_name} netns {far.name} mtu {mtu} {many}")
    for namespace, name, addr in ((near, near_name, near_addr), (far, far_name, far_addr)):
        if addr:
            namespace.ip(f"address add {addr} dev {name}")
        namespace.ip(f"link set {name} up")


def backlog_empty():
    """Have the receiving ends of all veths processed every packet? On a busy machine packets wait for
    ksoftirqd (Documentation/networking/scaling.rst: netif_rx)."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return not any(int(line.split()[11], 16) for line in file)


def last_words():
    """What the processes started have said on stderr: for who looks after a failure."""
    return "\n".join(f"--- {process.name} (exit {process.returncode}), stderr:\n{process.log()}"
                     for process in _processes)


def work_folder():
    """A temporary folder of this program, removed at its end."""
    if not _folder:
        _folder.append(tempfile.mkdtemp(prefix=PREFIX))
        os.chmod(_folder[0], 0o755)
    return _folder[0]


def clean_up():
    """End every process and remove every namespace made so far. Safe to call at any time, twice."""
    while _processes:
        process = _processes.pop()
        with contextlib.suppress(Exception):
            if process.returncode is None:
                process.kill()
    while _namespaces:
        with contextlib.suppress(Exception):
            _namespaces.pop().delete()


def prepare():
    """To be called first: arranges for the clean-up, and removes what dead programs have left."""
    atexit.register(_at_exit)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    _remove_leftovers()


_processes = []
_namespaces = []
_folder = []


def _at_exit():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    clean_up()
    for folder in _folder:
        shutil.rmtree(folder, ignore_errors=True)


def _interrupted(number, _frame):
    """Leave by way of the `finally` clauses and _at_exit()."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _setns(descriptor):
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _write_sysctl(path, value):
    with open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
        file.write(str(value))


def _leftovers(folder):
    """Names in the folder that begin with the PREFIX of a program that is no more."""
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        match = re.match(r"xmc-(\d+)-", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            yield name


def _remove_leftovers():
    """Folders and namespaces of programs that are no more, and the processes in the latter."""
    for name in _leftovers(tempfile.gettempdir()):
        shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)
    for name in _leftovers(NETNS_FOLDER):
        for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", name, check=False)
