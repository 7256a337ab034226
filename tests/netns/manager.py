# SPDX-License-Identifier: BSD-2-Clause
"""A service manager as far as xmcastd needs one: its notification socket, and its store of descriptors
(sd_notify(3), FDSTORE=1; sd_listen_fds(3))."""

import array
import fcntl
import os
import socket
import threading

MOST = 64  # descriptors
FIRST = 200  # number of the first one that is stored: none of those that sd_listen_fds(3) uses


class Manager:
    """Listens in a thread until the test program ends."""

    count = 0

    def __init__(self, directory, most=MOST):
        """`most`: descriptors that it stores, as FileDescriptorStoreMax=."""
        Manager.count += 1
        self.path, self.most = os.path.join(directory, f"manager{Manager.count}.notify"), most
        self.stored, self.lines = {}, []
        self.lock = threading.Lock()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.path)
        threading.Thread(target=self._collect, daemon=True).start()

    def fds(self):
        """What a program inherits that is started with prefix()."""
        with self.lock:
            return list(self.stored.values())

    def prefix(self):
        """The command that starts a program as this manager would: at once, because meanwhile nobody reads
        the rings."""
        with self.lock:
            moves = " ".join(f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(self.stored.values()))
            names = ":".join(self.stored)
        return ["bash", "-c", f"exec {moves}; export NOTIFY_SOCKET={self.path} LISTEN_PID=$$ "
                f"LISTEN_FDS={len(names.split(':')) if names else 0} LISTEN_FDNAMES={names}; exec \"$@\"",
                "manager"]

    def forget(self, for_good=False):
        """Close all that is stored, as when a service is stopped. `for_good`: store nothing any more."""
        with self.lock:
            if for_good:
                self.most = 0
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
        if os.fstat(descriptor).st_ino not in known and len(self.stored) < self.most:
            self.stored[name] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST)
        os.close(descriptor)
