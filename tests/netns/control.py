# SPDX-License-Identifier: BSD-2-Clause
"""A client of the control socket for tests, which can also send invalid requests."""

import json
import os
import socket
import time

from harness import PATIENCE, wait_until


class Refused(Exception):
    """The daemon answered with an error."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.message, self.data = error["code"], error["message"], error.get("data")


class Client:
    """A connection; can be used as a context manager."""

    def __init__(self, path, uid=None, gid=None, groups=()):
        """`uid`: connect as this user, with these groups (SO_PEERCRED is of that moment)."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.buffer = b""
        self.calls = 0
        self.connect(path, uid, gid, groups)
        self.socket.settimeout(PATIENCE)

    def connect(self, path, uid, gid, groups):
        """Without a timeout: with one, Python does not wait while the backlog is full."""
        if uid is None:
            self.socket.connect(path)
            return
        before = os.getgroups()
        try:
            os.setgroups(list(groups))
            os.setegid(gid)
            os.seteuid(uid)
            self.socket.connect(path)
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(before)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close it. May be called twice."""
        self.socket.close()

    def fileno(self):
        """For select() and poll()."""
        return self.socket.fileno()

    def send(self, data):
        """Send bytes."""
        self.socket.sendall(data)

    def line(self):
        """The next line, parsed; None at the end of the connection."""
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:  # closed before it had read everything
                more = b""
            if not more:
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, line):
        """Send a line of any content and return the answer."""
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\n")
        return self.line()

    def call(self, method, **params):
        """Call a method. Returns its result or raises Refused. Skips events that arrive before the answer."""
        self.calls += 1
        request = {"jsonrpc": "2.0", "id": self.calls, "method": method}
        if params:
            request["params"] = params
        answer = self.ask(json.dumps(request))
        while answer is not None and answer.get("method") == "event":
            answer = self.line()
        if answer is None:
            raise ConnectionError(f"{method}: no answer")
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def code(self, method, **params):
        """The error code of this call, or None if it succeeds."""
        try:
            self.call(method, **params)
        except Refused as refused:
            return refused.code
        return None


def open_descriptors(pid):
    """The descriptors that the daemon keeps: those of clients that have gone are closed a little later."""
    def listing():
        return frozenset(int(name) for name in os.listdir(f"/proc/{pid}/fd"))

    def settled():
        before = listing()
        for _ in range(5):
            time.sleep(0.02)
            if listing() != before:
                return None
        return before

    return wait_until(settled, "the daemon's descriptors stay the same")
