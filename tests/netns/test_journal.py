#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The log in systemd's journal: entries with fields over the journal's socket, lines over stderr while there is none.
tests/vm/boot_packages has the real journal."""

import json
import os
import shutil
import socket
import struct
import sys

from harness import (Daemon, Namespace, check, equal, main, program, receive, receiver, run, sender, start, test,
                     Star, wait_until, work_directory)

RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
# stderr is a stream to the journal, as the service manager makes it.
CONNECT = """
import os, socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])
os.dup2(stream.fileno(), 2)
status = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Journal:
    """Both sockets of a journal, and the command that puts them where it has them."""

    def __init__(self):
        self.directory = os.path.join(work_directory(), "journal")
        shutil.rmtree(self.directory, ignore_errors=True)
        os.mkdir(self.directory)
        os.chmod(work_directory(), 0o755)  # for other users
        self._lines = socket.socket(socket.AF_UNIX)
        self._lines.bind(f"{self.directory}/stdout")
        self._lines.listen()
        self._stream = None
        self._entries = None
        self.open()

    def prefix(self):
        """The prefix that runs a command with /run/systemd/journal."""
        script = (f'mount -t tmpfs none /run && mkdir -p /run/systemd && ln -s {self.directory} /run/systemd/journal && '
                  'exec "$@"')
        return ("unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-c", CONNECT,
                f"{self.directory}/stdout")

    def open(self):
        """Listen for entries."""
        self._entries = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._entries.bind(f"{self.directory}/socket")
        os.chmod(f"{self.directory}/socket", 0o666)
        self._entries.settimeout(30)

    def close(self):
        """No longer."""
        self._entries.close()
        os.unlink(f"{self.directory}/socket")

    def wait(self, event):
        """The fields of the next entry of this event."""
        while True:
            entry = fields_of(self._entries.recv(1 << 18))
            if entry["XMCAST_EVENT"] == event:
                return entry

    def lines(self):
        """What has come over stderr since the last call."""
        if not self._stream:
            self._stream, _ = self._lines.accept()
            self._stream.setblocking(False)
        try:
            return self._stream.recv(1 << 18).decode()
        except BlockingIOError:
            return ""


def fields_of(datagram):
    """The fields of an entry: NAME, newline, length in 8 bytes, value, newline; each name once."""
    fields = {}
    while datagram:
        name, _, rest = datagram.partition(b"\n")
        (length,) = struct.unpack("<Q", rest[:8])
        check(rest[8 + length:9 + length] == b"\n" and name.decode() not in fields, datagram)
        fields[name.decode()] = rest[8:8 + length].decode()
        datagram = rest[9 + length:]
    return fields


@test
def entries():
    """Keys are fields, lines the message; JSON is the message as well; nothing comes over stderr"""
    star = Star()
    journal = Journal()
    daemon = Daemon(star.relay, RULE, "7 in 239.1.1.2:5000@in0 out 239.2.2.2:6000@nowhere", prefix=journal.prefix(),
                    ready=False)
    entry = journal.wait("rule-pending")
    equal((entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"], entry["XMCAST_FACILITY"], entry["XMCAST_RULE"],
           entry["XMCAST_ERROR"]), ("3", "xmcastd", "rules", "7", "No such device"), "fields")
    equal(entry["MESSAGE"], f'rule-pending rule="7" error="No such device" reason="{entry["XMCAST_REASON"]}"',
          "message")
    entry = journal.wait("ready")
    equal((entry["PRIORITY"], entry["XMCAST_SOCKET"], entry["XMCAST_ACTIVE"]), ("6", daemon.socket, "1"), "fields")
    # The main thread is confined by now, and log levels are set at run time.
    daemon.ctl("log", "set", "control", "warning")
    star.relay.run("ip", "link", "set", "in0", "down")
    while True:
        entry = journal.wait("interface-impaired")
        if entry["XMCAST_INTERFACE"] != "nowhere":
            break
    equal((entry["XMCAST_INTERFACE"], "XMCAST_IFACE" in entry), ("in0", False), "fields")
    daemon.process.send_signal(15)
    equal(journal.wait("frame-audit")["XMCAST_LEAKED"], "0", "frames; a packet thread writes this")
    equal(daemon.process.wait(), 0, "exit code")
    equal(journal.lines(), "", "stderr")
    star.relay.run("ip", "link", "set", "in0", "up")
    Daemon(star.relay, RULE, arguments=("--log-json",), prefix=journal.prefix(), ready=False)
    entry = journal.wait("ready")
    equal((entry["XMCAST_ACTIVE"], json.loads(entry["MESSAGE"])["active"]), ("1", 1), "JSON")


@test
def no_journal():
    """While the journal's socket is missing, lines go to stderr with <N>; then entries again, without a restart"""
    star = Star()
    journal = Journal()
    daemon = Daemon(star.relay, RULE, prefix=journal.prefix(), ready=False)
    journal.wait("ready")
    journal.close()
    name = "cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6000@out0"
    daemon.ctl("rule", "add", name)
    wait_until(lambda: "<6>rules-changed generation=" in journal.lines(), "a line on stderr")
    journal.open()

    def written():
        for verb in ("disable", "enable"):
            daemon.ctl("rule", verb, "cam2")
        return "rules-changed" not in journal.lines()
    wait_until(written, "entries again")
    journal.wait("rules-changed")
    # Relaying has nothing to do with it.
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sender(star.source, "10.1.0.1").sendto(b"one", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"one", "payload")


@test
def exporter_entries():
    """xmcast-exporter writes entries of its own name, also when its system calls are restricted"""
    namespace = Namespace("exporter")
    namespace.run("ip", "link", "set", "lo", "up")
    journal = Journal()
    process = start(namespace, *journal.prefix(), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                    program("xmcast-exporter"), "--socket", "/nonexistent")
    equal(journal.wait("exporter-started")["SYSLOG_IDENTIFIER"], "xmcast-exporter", "identifier")
    script = ("import urllib.request, urllib.error\ntry: urllib.request.urlopen('http://127.0.0.1:9710/metrics')\n"
              "except urllib.error.HTTPError as error: print(error.code)")
    equal(run(*namespace.command(sys.executable, "-c", script)).stdout, "503\n", "answer")
    entry = journal.wait("daemon-unreachable")
    equal((entry["PRIORITY"], entry["XMCAST_SOCKET"]), ("4", "/nonexistent"), "fields")
    equal(journal.lines(), "", "stderr")
    equal(process.stop(), 0, "exit code")


main()
