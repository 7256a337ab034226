# SPDX-License-Identifier: BSD-2-Clause
"""The abstract sockets by which xmcastd processes recognize each other (user/steering/claim.h), bound by
a process that is not an xmcastd."""

import contextlib

from harness import start

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")

BIND = """
import signal, socket, sys
sockets = []
for name in sys.argv[1:]:
    sockets.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    sockets[-1].bind("\\0" + name)
print("bound", file=sys.stderr, flush=True)
signal.pause()
"""


@contextlib.contextmanager
def bound(namespace, *names, prefix=NOBODY):
    """Another process has bound these names; by default one of an unprivileged user."""
    process = start(namespace, *prefix, "python3", "-c", BIND, *names)
    process.wait_line("^bound$")
    try:
        yield
    finally:
        process.stop()
