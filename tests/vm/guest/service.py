# SPDX-License-Identifier: BSD-2-Clause
"""xmcastd under systemd."""

import os

from bed import (CONFIG, RULE, active, ctl, drop_in, fails, journal, journal_of_manager, network, rules, shell, show,
                 sleep_until, stream, write)
from packages import say
from stream import wait_for
from tap import check, equal, run, test


@test
def enable():
    """systemctl enable --now: it returns when the daemon relays (Type=notify), and the status says what runs"""
    network()
    run("systemctl", "disable", "--now", "xmcastd")
    write(CONFIG, "rules:\n" + RULE)
    run("systemctl", "enable", "--now", "xmcastd")
    run("xmcastctl", "ping")  # at once
    equal(rules(), {"cam1": "active"}, f"rules {ctl('rule', 'list')}")
    equal((show("Type"), show("NotifyAccess"), show("SubState"), show("UnitFileState")),
          ("notify", "main", "running", "enabled"), "the unit")
    wait_for(lambda: show("StatusText").startswith("rules: 1 active, 0 pending; interfaces: 1"),
             lambda: show("StatusText"))
    # Ready is what the main process says, not that it has been started: a file that is wrong fails the start itself.
    write(CONFIG, "rules: [nonsense]\n")
    fails("systemctl", "restart", "xmcastd")
    equal((show("ActiveState"), show("ExecMainStatus"), show("NRestarts")), ("failed", "78", "0"), "with a wrong file")
    write(CONFIG, "rules:\n" + RULE)
    run("systemctl", "restart", "xmcastd")


@test
def relay():
    """A stream from one interface to another: none of its packets is lost, doubled or changed"""
    packets = stream()
    packets.end()


@test
def reload():
    """systemctl reload: a good file is applied and a bad one refused, with its errors; a stream loses nothing"""
    packets = stream()
    pid = show("MainPID")
    write(CONFIG, "rules:\n" + RULE + "  - cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6002@out0\n")
    run("systemctl", "reload", "xmcastd")
    equal(rules(), {"cam1": "active", "cam2": "active"}, "rules")
    write(CONFIG, "rules:\n" + RULE + "  - cam2 in 239.1.1.2@in0 out 239.2.2.2:6002@out0\n")
    fails("systemctl", "reload", "xmcastd")
    equal(rules(), {"cam1": "active", "cam2": "active"}, "rules after a bad file")
    equal((show("ActiveState"), show("MainPID")), ("active", pid), "the unit")
    (error,) = journal("XMCAST_EVENT=config-error", "XMCAST_LINE=3")
    equal((error["XMCAST_FILE"], error["PRIORITY"]), (CONFIG, "3"), "the error in the journal")
    write(CONFIG, "rules:\n" + RULE)
    run("systemctl", "reload", "xmcastd")
    equal(rules(), {"cam1": "active"}, "rules")
    packets.end()


@test
def watchdog():
    """A daemon that hangs is killed by the watchdog and started again"""
    equal(show("WatchdogUSec"), "30s", "WatchdogSec=")
    drop_in("[Service]\nWatchdogSec=10\n")
    run("systemctl", "restart", "xmcastd")
    pid = show("MainPID")
    os.kill(int(pid), 19)  # SIGSTOP
    wait_for(lambda: show("MainPID") not in (pid, "0"), "another process")
    active()
    equal(show("NRestarts"), "1", "restarts")
    check(any("Watchdog timeout" in entry["MESSAGE"] for entry in journal_of_manager()), "no line of the watchdog")
    drop_in("")
    run("systemctl", "restart", "xmcastd")
    equal(rules(), {"cam1": "active"}, "rules")


def waits():
    """The enabled service runs, and its rule waits for interfaces that are not there yet."""
    equal((show("ActiveState"), show("NRestarts")), ("active", "0"), "the unit")
    equal(rules(), {"cam1": "pending"}, "rules")
    (rule,) = ctl("rule", "list")["rules"]
    check("in0" in rule["reason"], rule)


@test
def after_reboot():
    """After a reboot the enabled service runs, and relays as soon as its interfaces are there"""
    waits()
    network()
    wait_for(lambda: rules() == {"cam1": "active"}, lambda: str(ctl("rule", "list")))


@test
def late_interfaces():
    """After a reboot interfaces come 20 s late: the service waits for no network-online.target, and needs no restart"""
    waits()
    say("cat /proc/uptime; systemctl status --no-pager --lines=10 xmcastd; xmcastctl rule list")
    pid = show("MainPID")
    check("network-online.target" not in show("After") + show("Wants") + show("Requires"), show("After"))
    sleep_until(int(show("ActiveEnterTimestampMonotonic")) / 1e6 + 20)
    waits()
    network()
    wait_for(lambda: rules() == {"cam1": "active"}, lambda: str(ctl("rule", "list")))
    say("xmcastctl rule list")
    equal(show("MainPID"), pid, "process")


@test
def instances_after_reboot():
    """The enabled instances run as well, and follow their interfaces"""
    shell("for n in 1 2; do ip link add in$n type veth peer name s$n netns source; ip link set in$n up; "
          "ip -n source link set s$n up; done")
    for name in ("lan", "wan"):
        equal((show("ActiveState", f"xmcastd@{name}"), show("NRestarts", f"xmcastd@{name}")), ("active", "0"), name)
        wait_for(lambda name=name: rules("-I", name) == {f"{name}1": "active"}, f"the rule of {name}")
