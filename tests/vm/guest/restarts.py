# SPDX-License-Identifier: BSD-2-Clause
"""Restarts beside a stream: what the service manager's store of descriptors is for."""

import ctypes
import os
import socket
import struct

from bed import CONFIG, RULE, active, ctl, journal, network, rules, show, stream, write
from packages import say
from stream import wait_for
from tap import check, equal, run, test

UNITS = ("xmcastd.service", "xmcastd@lan.service", "xmcastd@wan.service")
RESTARTS = 5
KILLS = 5
CLONE_NEWNET, ETH_P_ALL, SO_ATTACH_FILTER, PACKET_OUTGOING = 0x40000000, 3, 26, 4
# IGMP, or IPv6 with hop-by-hop options, as MLD has.
FILTER = ((0x28, 0, 0, 12), (0x15, 0, 2, 0x0800), (0x30, 0, 0, 23), (0x15, 3, 4, 2), (0x15, 0, 3, 0x86dd),
          (0x30, 0, 0, 20), (0x15, 0, 1, 0), (0x06, 0, 0, 0xffff), (0x06, 0, 0, 0))


class MembershipWatch:
    """Counts the messages of IGMP and MLD that come out of the relay's interface in0, from now on."""

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as home, open("/run/netns/source", "rb") as there:
            check(libc.setns(there.fileno(), CLONE_NEWNET) == 0, "setns")
            try:
                self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            finally:
                check(libc.setns(home.fileno(), CLONE_NEWNET) == 0, "setns")
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in FILTER))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                                struct.pack("HxxxxxxP", len(FILTER), ctypes.addressof(program)))
        self._socket.bind(("s0", 0))
        self._socket.setblocking(False)
        self.count()

    def count(self):
        """How many have come since the last call."""
        number = 0
        while True:
            try:
                number += self._socket.recvfrom(2048)[1][2] != PACKET_OUTGOING
            except BlockingIOError:
                return number


@test
def watch_sees():
    """The watch of the next tests sees a group that is joined and left"""
    network()
    write(CONFIG, "rules:\n" + RULE)
    run("systemctl", "reload", "xmcastd")
    watch = MembershipWatch()
    run("xmcastctl", "rule", "add", "cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6002@out0")
    run("xmcastctl", "rule", "del", "cam2")
    seen = 0

    def joined_and_left():
        nonlocal seen
        seen += watch.count()
        return seen >= 2
    wait_for(joined_and_left, lambda: f"{seen} messages")


def use(path):
    """Put the only rule on this path, or on the default one."""
    write(CONFIG, "rules:\n" + (RULE.replace(" out ", f" path {path} out ") if path else RULE))
    run("systemctl", "reload", "xmcastd")


def restart(packets, times):
    """Restart the service beside a stream, so many times. The counters go on."""
    for _ in range(times):
        pid, received = show("MainPID"), packets.received()
        run("systemctl", "restart", "xmcastd")
        check(show("MainPID") != pid, "it was not restarted")
        check(packets.received() >= received, "the counters began again")
        packets.flows()


def kill(packets, times):
    """Kill it instead: it is back by itself."""
    for _ in range(times):
        pid = show("MainPID")
        os.kill(int(pid), 9)
        wait_for(lambda pid=pid: show("MainPID") not in (pid, "0"), "another process")
        active()
        packets.flows()


def check_nothing_lost(report):
    """Of what the sink reports."""
    equal([report[key] for key in ("lost", "duplicated", "reordered")], [0, 0, 0], f"at the receiver: {report}")


def events(name):
    """How often the log has this event of the input."""
    return len(journal(f"XMCAST_EVENT={name}", "XMCAST_INTERFACE=in0"))


def check_interrupted(report, reopened, failed):
    """Before Linux 6.4 a socket of the user path cannot be handed over: its packets are lost until the next process has
    opened it, which the log says; nothing else goes wrong."""
    print(f"# of {report['received_packets'] + report['lost']} packets lost: {report['lost']}", flush=True)
    equal([report[key] for key in ("duplicated", "reordered")], [0, 0], f"at the receiver: {report}")
    equal(events("socket-not-taken-over"), reopened, "sockets that were opened again")
    equal(events("interface-failed"), failed, "interfaces that failed")


@test
def restarts():
    """systemctl restart beside a stream on the kernel path: nothing lost, doubled, reordered; counters go on; no IGMP"""
    use("kernel")
    packets, watch = stream(), MembershipWatch()
    restart(packets, RESTARTS)
    packets.end()
    equal(watch.count(), 0, "messages of IGMP and MLD")
    equal(rules(), {"cam1": "active"}, "rules")


@test
def killed():
    """kill -9 beside a stream on the kernel path: no packet lost, doubled or reordered, no IGMP"""
    packets, watch = stream(), MembershipWatch()
    restarted = int(show("NRestarts"))
    kill(packets, KILLS)
    check_nothing_lost(packets.stop())
    equal(watch.count(), 0, "messages of IGMP and MLD")
    equal((show("NRestarts"), len(ctl("rule", "list")["rules"])), (str(restarted + KILLS), 1), "restarts, rules")


@test
def user_path():
    """Both on the user path: on this kernel (before Linux 6.4) the stream is interrupted, the log says so; no IGMP"""
    use("user")
    packets, watch = stream(), MembershipWatch()
    reopened, failed = events("socket-not-taken-over"), events("interface-failed")
    restart(packets, 2)
    kill(packets, 2)
    check_interrupted(packets.stop(), reopened + 4, failed)
    equal(watch.count(), 0, "messages of IGMP and MLD")
    equal(rules(), {"cam1": "active"}, "rules")


@test
def upgrade_unseen():
    """To the next packages beside a stream on the kernel path: nothing lost, no IGMP; instances are restarted, too"""
    use("kernel")
    packets, watch = stream(), MembershipWatch()
    pids = {unit: show("MainPID", unit) for unit in UNITS}
    check("0" not in pids.values(), f"not all run: {pids}")
    say("apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends /share/next/*.deb")
    for unit, pid in pids.items():
        active(unit)
        check(show("MainPID", unit) != pid, f"{unit} was not restarted")
    packets.flows()
    packets.end()
    equal(watch.count(), 0, "messages of IGMP and MLD")
    use("")
