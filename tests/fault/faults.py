# SPDX-License-Identifier: BSD-2-Clause
"""Faults for a daemon under test: the page that fault.h describes, and a place to run the daemon.

A fault is one failing call of the daemon: the N-th since the page was armed, counting allocations and
system calls in one sequence.
"""

import contextlib
import mmap
import os
import re
import socket
import struct

from harness import (BUILD, PATIENCE, Daemon, Star, receiver, run, sender, wait_until, work_directory,
                     write_file)

MEMORY, CALL, MAPPING = 1, 2, 4
SANITIZER = "address" in os.path.basename(BUILD)
# The message of a sanitizer that ends the process because one of its own calls has failed.
SANITIZERS_OWN = re.compile(r"Sanitizer: CHECK failed: sanitizer_|"
                            r"AddressSanitizer [gs]etrlimit\(\) failed")
# A sanitizer needs the memory that it maps.
ALL = MEMORY | CALL | (0 if SANITIZER else MAPPING)

_SIZE = 4096
_WORDS = ("armed", "target", "count", "fired", "error", "kinds", "force", "at_start")


class Page:
    """The page that the sweep, the supervisor and the preloaded library share."""

    def __init__(self):
        self.path = write_file("fault-page", bytes(_SIZE))
        with open(self.path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _SIZE)

    def _get(self, name):
        return struct.unpack_from("I", self._memory, 4 * _WORDS.index(name))[0]

    def _put(self, name, value):
        struct.pack_into("I", self._memory, 4 * _WORDS.index(name), value)

    def arm(self, target, force=0, at_start=False):
        """Start counting, now or in main() of the next daemon, and fail call `target` (0: none). System
        calls fail with errno `force` unless it is 0."""
        self._put("armed", 0)
        self._memory[32:_SIZE] = bytes(_SIZE - 32)
        for name, value in (("target", target), ("count", 0), ("fired", 0), ("error", 0),
                            ("kinds", ALL), ("force", force), ("at_start", at_start)):
            self._put(name, int(value))
        if not at_start:
            self._put("armed", 1)

    def has_fired(self):
        """Has the selected call failed?"""
        return bool(self._get("fired"))

    def disarm(self):
        """Stop counting. Returns the number of calls, and the fault or None."""
        self._put("armed", 0)
        self._put("at_start", 0)
        if not self._get("fired"):
            return self._get("count"), None
        return self._get("count"), Fault(self._get("error"), self._text(32, 256),
                                         self._text(256, 2048))

    def _text(self, start, end):
        return self._memory[start:end].split(b"\0")[0].decode(errors="replace").strip()


class Fault:
    """A call that failed: its errno, the call with its arguments, and its callers."""

    def __init__(self, error, what, where):
        self.error, self.what, self.where = error, what, where

    def __str__(self):
        return f"{self.what} = {os.strerror(self.error)}"

    def hits_the_log(self):
        """Did it prevent a line from being written to the log?"""
        return bool(re.match(r"(poll|write)\(", self.what)) and "put_stderr" in self.callers()

    def is_the_sanitizers(self):
        """Is it an allocation of a sanitizer for its own use?"""
        return "libasan" in self.where and "xmcastd" not in self.where

    def callers(self):
        """Functions and lines of the program, innermost first, and the names of libraries. For a system
        call, what its stack looks like."""
        places = []
        for module, offset in re.findall(r"(\S+)\+0x([0-9a-f]+)", self.where):
            name = "xmcastd" if module == "?" else module
            places.append(_line_of(int(offset, 16) - 1) if name == "xmcastd" else name)
        short = []
        for place in places:
            if place and place not in short[-1:]:
                short.append(place)
        return " < ".join(short[:12])


_lines = {}


def _line_of(offset):
    """"function file:line" of an address in xmcastd, or "" if there is none."""
    if offset not in _lines:
        text = run("addr2line", "-f", "-s", "-e", os.path.join(BUILD, "xmcastd"), hex(offset),
                   check=False).stdout.split("\n")
        _lines[offset] = "" if text[0] in ("??", "") else f"{text[0]} {text[1].split(' ')[0]}"
    return _lines[offset]


class Place:
    """The namespaces, sockets and files with which daemons are started again and again."""

    def __init__(self):
        self.page = Page()
        self.star = Star(sources=2)
        # A veth accepts redirected packets if its other end has GRO.
        self.star.receiver.run("ethtool", "-K", "r0", "gro", "on")
        self.output = receiver(self.star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        self.input = sender(self.star.source, "10.1.0.1")
        self.directory = os.path.join(work_directory(), "configuration")
        os.makedirs(self.directory, exist_ok=True)
        self.config = os.path.join(self.directory, "xmcast.yaml")
        self.sent = 0

    def start(self, config, ready=True, arguments=(), manager=None):
        """Start a daemon with this configuration and these further arguments, whose calls may fail.
        `manager`: with what this service manager has stored."""
        self.write_config(config)
        tools = os.path.join(BUILD, "tests", "fault")
        os.environ["ASAN_OPTIONS"] = "verify_asan_link_order=0"
        return Daemon(self.star.relay, arguments=("-c", self.config, *arguments), ready=ready, prefix=(
            *(manager.prefix() if manager else ()), os.path.join(tools, "supervise"), self.page.path,
            os.path.join(tools, "preload.so")), not_ours=SANITIZERS_OWN, fds=manager.fds() if manager else ())

    def write_config(self, config):
        """Write the file that the next start or reload reads."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(config)

    def relays(self, daemon):
        """Wait until a packet is relayed or the daemon has ended."""
        self.output.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.output.recv(2048)
        self.output.settimeout(0.2)
        self.sent += 1
        text = b"packet %d" % self.sent

        def through():
            self.input.sendto(text, ("239.1.1.1", 5000))
            with contextlib.suppress(socket.timeout):
                return self.output.recv(2048) == text
            return daemon.process.returncode is not None

        wait_until(through, "a packet is relayed", PATIENCE, pause=0)

    def left(self):
        """What a daemon left behind after its end, as text; "" if nothing."""
        relay = self.star.relay
        found = []
        if "xdp" in relay.ip("link show"):
            found.append("XDP program")
        groups = {line.split()[0] for line in relay.read("/proc/net/igmp").splitlines()[1:]
                  if line.startswith("\t")}
        if groups - {"010000E0"}:
            found.append(f"memberships {groups}")
        pids = run("ip", "netns", "pids", relay.name).stdout.split()
        if pids:
            found.append(f"processes {pids}")
        return ", ".join(found)


def descriptors(pid):
    """The descriptors of a process, and its mappings of sockets and rings, which keep them open as well.
    Sorted, without numbers."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        found = [f"mapped {line.split()[-1]}" for line in maps
                 if re.search(r"socket:|anon_inode:", line)]
    found = [re.sub(r":?\[?\d+\]?$", "", name) for name in found]
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(re.sub(r":\[\d+\]", "", os.readlink(f"/proc/{pid}/fd/{number}")))
    return sorted(found)
