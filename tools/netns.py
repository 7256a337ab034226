# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces, veth pairs and processes in them, for the demo and the tests.

Everything created here is removed when the program ends: normally, by an exception, or by SIGINT,
SIGTERM or SIGHUP. What remains after a SIGKILL is removed by the next program that starts. Needs root.
"""

import atexit
import contextlib
import ctypes
import fcntl
import glob
import itertools
import os
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

# ethtool, tc and others are in directories that only a login shell of root has in its path.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"

NETNS_DIRECTORY = "/run/netns"
PREFIX = f"xmc-{os.getpid()}-"

# The default deadline of every wait, in seconds. Long enough for sanitizers on a busy machine; an emulated one
# needs more.
PATIENCE = int(os.environ.get("XMCAST_PATIENCE", "30"))

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCGIFHWADDR = 0x8913, 0x8914, 0x8927
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT, _FSCONFIG_CMD_CREATE = 430, 431, 432, 6


class CommandFailed(Exception):
    """A command failed that had to succeed."""


class Timeout(Exception):
    """Something did not happen in time. The message says what, and what was seen instead."""


def run(*command, check=True, timeout=PATIENCE, **options):
    """Run a command and wait for it. Returns the CompletedProcess, with its output as text."""
    options.setdefault("capture_output", True)
    done = subprocess.run(command, text=True, timeout=timeout, **options)
    if check and done.returncode:
        raise CommandFailed(f"{shlex.join(command)}: exit {done.returncode}\n"
                            f"{done.stdout or ''}{done.stderr or ''}".rstrip())
    return done


def wait_until(condition, what, timeout=PATIENCE, pause=0.02):
    """Poll until condition() is true, and return its result. For states that cause no event."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Timeout(f"not within {timeout} s: {what}; last answer: {answer!r}")
        time.sleep(pause)


# What a line of the log begins with, unless the journal adds the time: left out of Process.lines.
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


class Process:
    """A background process whose output is collected line by line while it runs."""

    def __init__(self, command, name=None, fds=()):
        """`fds`: descriptors that it inherits, under the same numbers."""
        self.name = name or os.path.basename(command[0])
        self._lines, self._rest = [], b""
        self.output = ""  # stdout, complete after wait()
        self._changed = threading.Condition()
        # The kernel kills it when this program dies, even by SIGKILL. setpriv and nsenter replace
        # themselves with the program, so `pid` is the program's.
        self._popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, errors="replace",
                                       pass_fds=fds)
        os.set_blocking(self._popen.stderr.fileno(), False)
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
        """None while it runs; then its exit code, or the negative number of the signal that killed it."""
        return self._popen.poll()

    @property
    def lines(self):
        """Its stderr, without newlines: all that it has written so far, also if the thread that collects it has
        not run since."""
        self._take_lines()
        return self._lines

    def _take_lines(self):
        """Take what stderr has. False: it has ended."""
        with self._changed:
            before = len(self._lines)
            try:
                while data := os.read(self._popen.stderr.fileno(), 1 << 16):
                    *lines, self._rest = (self._rest + data).split(b"\n")
                    self._lines += (STAMP.sub("", line.decode(errors="replace")) for line in lines)
                if self._rest:
                    self._lines.append(STAMP.sub("", self._rest.decode(errors="replace")))
                    self._rest = b""
                return False
            except BlockingIOError:
                return True
            finally:
                if len(self._lines) > before:
                    self._changed.notify_all()

    def _read_errors(self):
        waiting = select.poll()
        waiting.register(self._popen.stderr, select.POLLIN)
        while self._take_lines():
            waiting.poll()
        with self._changed:
            self._changed.notify_all()

    def _read_output(self):
        for line in self._popen.stdout:
            with self._changed:
                self.output += line
                self._changed.notify_all()

    def log(self):
        """Everything that it has written to stderr so far."""
        return "\n".join(self.lines)

    def find_line(self, pattern):
        """The match object of the first line of stderr that matches so far, or None."""
        return next((m for m in (re.search(pattern, line) for line in list(self.lines)) if m), None)

    def wait_line(self, pattern, timeout=PATIENCE):
        """Wait until a line of stderr matches. Fails at once if the process ends before that."""
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
        """Send a signal if it still runs."""
        self._popen.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """Wait until it ends, and return its exit code."""
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name}: still running after {timeout} s:\n{self.log()}") from None
        for reader in self._readers:
            reader.join(PATIENCE)
        return self._popen.returncode

    def stop(self, number=signal.SIGTERM, timeout=PATIENCE):
        """Send a signal and wait until it ends; returns the exit code."""
        self.send_signal(number)
        return self.wait(timeout)

    def kill(self):
        """Send SIGKILL and wait until it ends, without a deadline: with one, Python polls."""
        self._popen.kill()
        self._popen.wait()


class Namespace:
    """A network namespace without IPv6, so that it sends no packets by itself."""

    def __init__(self, label):
        self.name = PREFIX + label
        self.path = f"{NETNS_DIRECTORY}/{self.name}"
        # Registered first, because an interrupt may come while it is being created.
        _namespaces.append(self)
        run("ip", "netns", "add", self.name)
        with self.entered():
            for scope in ("all", "default"):
                _write_sysctl(f"net/ipv6/conf/{scope}/disable_ipv6", 1)
        self._ioctl(_SIOCSIFFLAGS, "lo", struct.pack("H", _IFF_UP))

    def __repr__(self):
        return self.name

    def command(self, *command):
        """The command line that runs `command` inside. Not `ip netns exec`, which hides the bpffs."""
        return ["nsenter", f"--net={self.path}", *map(str, command)]

    def run(self, *command, **options):
        """Run a command inside and wait for it; see run()."""
        return run(*self.command(*command), **options)

    def start(self, *command, name=None, fds=()):
        """Start a background process inside; see Process."""
        return Process(self.command(*command), name or os.path.basename(str(command[0])), fds)

    def ip(self, *commands):
        """Run `ip` with the words of a command inside, or with several commands; returns its output."""
        if len(commands) == 1:
            return run("ip", "-n", self.name, *commands[0].split()).stdout
        return run("ip", "-n", self.name, "-batch", "-", input="\n".join(commands) + "\n").stdout

    def sysctl(self, path, value):
        """Set a sysctl of net/, such as "net/ipv4/ip_forward"."""
        with self.entered():
            _write_sysctl(path, value)

    def write_sys(self, pattern, value):
        """Write into all files of /sys that match, as seen inside."""
        with self.entered():
            sysfs = _syscall(_SYS_FSOPEN, b"sysfs", 0)
            _syscall(_SYS_FSCONFIG, sysfs, _FSCONFIG_CMD_CREATE, None, None, 0)
            mounted = _syscall(_SYS_FSMOUNT, sysfs, 0, 0)
        os.close(sysfs)
        for path in glob.glob(pattern, dir_fd=mounted):
            file = os.open(path, os.O_WRONLY, dir_fd=mounted)
            os.write(file, str(value).encode())
            os.close(file)
        os.close(mounted)

    def read(self, path):
        """Read a file of /proc/net or /proc/sys/net as seen inside."""
        with self.entered():
            with open(path.replace("/proc/net", "/proc/thread-self/net"), encoding="ascii") as file:
                return file.read()

    @contextlib.contextmanager
    def entered(self):
        """Move the calling thread inside: sockets created there stay in the namespace."""
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
        return self._ioctl(_SIOCGIFHWADDR, device)[18:24].hex(":")

    def running(self, device):
        """Does an interface transmit? From its carrier to there the kernel needs some time, longer on a busy
        machine, and meanwhile drops packets without counting them (net/core/link_watch.c)."""
        return bool(struct.unpack_from("H", self._ioctl(_SIOCGIFFLAGS, device), 16)[0] & _IFF_RUNNING)

    def _ioctl(self, number, device, value=b""):
        """A request of netdevice(7)."""
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            return fcntl.ioctl(sock, number, struct.pack("16s24s", device.encode(), value))

    def delete(self):
        """Remove it, and with it its veth devices."""
        run("ip", "netns", "del", self.name, check=False)


def veth(near, near_name, far, far_name, *, near_addr=None, far_addr=None, mtu=1500, queues=1):
    """Create a veth pair between two namespaces. Addresses are written as "10.0.0.1/24". Both ends
    transmit when it returns. Multicast is routed out of the near end."""
    many = f"numtxqueues {queues} numrxqueues {queues}"
    # An index of its own: the kernel reports the carrier of a veth whose two ends have the same index, each in its
    # namespace, only once a second, and that of all others at once (net/core/link_watch.c).
    add = (f"link add {near_name} index {next(_indexes)} mtu {mtu} {many} type veth "
           f"peer name {far_name} netns {far.name} mtu {mtu} {many}",)
    for namespace, name, addr in ((near, near_name, near_addr), (far, far_name, far_addr)):
        namespace.ip(*add, *((f"address add {addr} dev {name}",) if addr else ()), f"link set {name} up")
        add = ()
    wait_until(lambda: near.running(near_name) and far.running(far_name), f"{near_name} and {far_name} transmit")


def in_order(namespace, device):
    """Have a veth deliver in the order of transmission: by the queue of one CPU. Otherwise it delivers by that of the
    sender's CPU, and if the sender moves to another CPU, its packets may overtake those that wait there."""
    namespace.write_sys(f"class/net/{device}/queues/rx-*/rps_cpus", 1)


def backlog_empty():
    """Have the receiving ends of all veths processed every packet? On a busy machine packets wait for
    ksoftirqd (Documentation/networking/scaling.rst: netif_rx)."""
    with open("/proc/net/softnet_stat", encoding="ascii") as file:
        return not any(int(line.split()[11], 16) for line in file)


def process_logs():
    """The stderr of all processes that were started, to diagnose a failure."""
    return "\n".join(f"--- {process.name} (exit {process.returncode}), stderr:\n{process.log()}"
                     for process in _processes)


def work_directory():
    """A temporary directory of this program, removed when it ends."""
    if not _directories:
        _directories.append(tempfile.mkdtemp(prefix=PREFIX))
        os.chmod(_directories[0], 0o755)
    return _directories[0]




def clean_up():
    """Kill every process and remove every namespace created so far. May be called at any time."""
    while _processes:
        process = _processes.pop()
        with contextlib.suppress(Exception):
            if process.returncode is None:
                process.kill()
    while _namespaces:
        with contextlib.suppress(Exception):
            _namespaces.pop().delete()


def prepare():
    """Call this first: it registers the clean-up, and removes what killed programs have left."""
    atexit.register(_at_exit)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    _remove_leftovers()


_processes = []
_namespaces = []
_directories = []
_indexes = itertools.count(1000)


def _at_exit():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    clean_up()
    for directory in _directories:
        shutil.rmtree(directory, ignore_errors=True)


def _interrupted(number, _frame):
    """Exit through the `finally` clauses and _at_exit()."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _setns(descriptor):
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _syscall(number, *arguments):
    result = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def _write_sysctl(path, value):
    with open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
        file.write(str(value))


def _leftovers(directory):
    """Names in a directory that begin with the PREFIX of a program that no longer exists."""
    for name in os.listdir(directory) if os.path.isdir(directory) else ():
        match = re.match(r"xmc-(\d+)-", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            yield name


def _remove_leftovers():
    """Remove directories and namespaces of programs that no longer exist, with their processes."""
    for name in _leftovers(tempfile.gettempdir()):
        shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)
    for name in _leftovers(NETNS_DIRECTORY):
        for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", name, check=False)
