#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A service manager as far as xmcastd needs one: its notification socket, and its store of descriptors
(sd_notify(3), FDSTORE=1; sd_listen_fds(3)).

As a program, it runs a command with what the manager has stored: manager.py SOCKET COMMAND…
"""

import array
import os
import socket
import sys
import threading

MOST = 64  # descriptors


class Manager:
    """Listens in two threads until the test program ends."""

    count = 0

    def __init__(self, directory, most=MOST):
        """`most`: descriptors that it stores, as FileDescriptorStoreMax=."""
        Manager.count += 1
        self.path, self.most = os.path.join(directory, f"manager{Manager.count}"), most
        self.stored, self.lines = {}, []
        self.lock = threading.Lock()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.path + ".notify")
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(self.path)
        self.server.listen()
        for run in (self._collect, self._serve):
            threading.Thread(target=run, daemon=True).start()

    def prefix(self):
        """The command that starts a program as this manager would."""
        return [sys.executable, __file__, self.path]

    def forget(self):
        """Close all that is stored, as when a service is stopped."""
        with self.lock:
            for descriptor in self.stored.values():
                os.close(descriptor)
            self.stored.clear()

    def _collect(self):
        while True:
            data, ancillary, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(4 * MOST))
            lines = data.decode().split("\n")
            name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "stored")
            with self.lock:
                self.lines += lines
                for _, _, fds in ancillary:
                    for descriptor in array.array("i", fds):
                        self._store(name, descriptor)

    def _store(self, name, descriptor):
        known = [os.fstat(fd).st_ino for fd in self.stored.values()]
        if os.fstat(descriptor).st_ino in known or len(self.stored) >= self.most:
            os.close(descriptor)
        else:
            self.stored[name] = descriptor

    def _serve(self):
        while True:
            client, _ = self.server.accept()
            with self.lock:
                names = list(self.stored)
                fds = [self.stored[name] for name in names]
                message = [":".join([self.path, *names]).encode()]
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
                client.sendmsg(message, ancillary)
            client.close()


def execute(path, command):
    """Run a command in place of this program, with what the manager has stored."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(path)
    data, ancillary, _, _ = client.recvmsg(4096, socket.CMSG_SPACE(4 * MOST))
    client.close()
    passed = [fd for _, _, fds in ancillary for fd in array.array("i", fds)]
    high = [os.dup2(fd, 200 + i) for i, fd in enumerate(passed)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
    os.closerange(3 + len(high), 300)
    os.environ.update(NOTIFY_SOCKET=path + ".notify", LISTEN_PID=str(os.getpid()),
                      LISTEN_FDS=str(len(high)),
                      LISTEN_FDNAMES=":".join(data.decode().split(":")[1:]))
    os.execvp(command[0], command)


if __name__ == "__main__":
    execute(sys.argv[1], sys.argv[2:])
