# SPDX-License-Identifier: BSD-2-Clause
"""Who may do what with the service, and what it says: the control socket, the journal, rights, metrics, instances."""

import json
import os
import re
import stat
import urllib.error
import urllib.request

from bed import (CONFIG, RULE, active, ctl, fails, journal, journal_of_manager, network, rules, shell, show, stream,
                 write)
from stream import wait_for
from tap import check, equal, run, test

EXIT_REFUSED, EXIT_UNREACHABLE = 2, 3


@test
def socket_modes():
    """A member of the group xmcast may read and change nothing; another user may not connect; root may do all"""
    shell("useradd -G xmcast viewer && useradd stranger")
    status = os.stat("/run/xmcast/xmcast.sock")
    equal(shell("stat -c '%U:%G %a' /run/xmcast /run/xmcast/xmcast.sock").stdout,
          "xmcast:xmcast 755\nxmcast:xmcast 660\n", "/run/xmcast and the socket")
    check(stat.S_ISSOCK(status.st_mode), "no socket")

    def as_user(user, words):
        done = run("runuser", "-u", user, "--", "xmcastctl", *words.split(), good=False)
        return done.returncode, done.stderr
    equal(as_user("viewer", "rule list")[0], 0, "a member reads")
    code, text = as_user("viewer", "rule disable cam1")
    equal(code, EXIT_REFUSED, f"a member changes: {text}")
    code, text = as_user("stranger", "rule list")
    equal((code, "only root and the members of the socket's group" in text), (EXIT_UNREACHABLE, True), text)
    equal(rules(), {"cam1": "active"}, "rules")


@test
def journal_fields():
    """journalctl XMCAST_RULE=cam1 and other fields, with priorities; also of the other units' programs"""
    run("xmcastctl", "rule", "add", "cam9 in 239.1.1.9:5000@in0 out 239.2.2.9:6000@nowhere")
    wait_for(lambda: journal("XMCAST_RULE=cam9", "XMCAST_EVENT=pending"), "the rule's entry")
    run("xmcastctl", "rule", "del", "cam9")
    entry = journal("XMCAST_RULE=cam9", "XMCAST_EVENT=pending")[-1]
    equal((entry["XMCAST_FACILITY"], entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"], entry["_PID"]),
          ("rules", "4", "xmcastd", show("MainPID")), f"fields: {entry}")
    check("nowhere" in entry["XMCAST_REASON"], entry)
    check(re.fullmatch(r'pending rule=cam9 reason=".*"', entry["MESSAGE"]), entry["MESSAGE"])
    entry = journal("XMCAST_INTERFACE=in0", "XMCAST_EVENT=interface-ready")[-1]
    equal((entry["PRIORITY"], entry["XMCAST_FACILITY"]), ("6", "links"), f"fields: {entry}")
    check(not journal("XMCAST_EVENT=log-lines-lost"), "lines were lost")


@test
def security():
    """systemd-analyze security of the running unit says 2.4 or less"""
    text = run("systemd-analyze", "security", "--no-pager", "xmcastd.service").stdout
    level = float(re.search(r"exposure level for xmcastd.service: ([\d.]+)", text)[1])
    print(f"# exposure level {level}", flush=True)
    check(level <= 2.4, text)


@test
def exporter():
    """The exporter's unit serves the metrics, answers 503 while the daemon is stopped, and goes on by itself"""
    def metrics():
        try:
            with urllib.request.urlopen("http://127.0.0.1:9710/metrics", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
    run("systemctl", "enable", "--now", "xmcast-exporter")
    code, text = metrics()
    equal((code, bool(re.search(r'^xmcast_rule_\w+\{.*"cam1".*\} ', text, re.M))), (200, True), text[:3000])
    run("systemctl", "stop", "xmcastd")
    wait_for(lambda: metrics()[0] == 503, "503")
    run("systemctl", "start", "xmcastd")
    wait_for(lambda: metrics()[0] == 200, "metrics again")
    equal((show("ActiveState", "xmcast-exporter"), show("NRestarts", "xmcast-exporter")), ("active", "0"),
          "the exporter's unit")
    check(journal("XMCAST_EVENT=daemon-unreachable", unit="xmcast-exporter.service"), "the exporter's journal")


@test
def instances():
    """xmcastd@lan and xmcastd@wan, each with its file, socket and interface; xmcastctl -I NAME; all at once"""
    network()
    shell("for n in 1 2; do ip link add in$n type veth peer name s$n netns source; ip link set in$n up; "
          "ip -n source link set s$n up; done")
    for number, name in enumerate(("lan", "wan"), 1):
        write(f"/etc/xmcast/{name}.yaml", f"rules:\n  - {name}1 in 239.1.2.{number}:5000@in{number} out "
              f"239.2.2.2:700{number}@out0\n")
        run("systemctl", "enable", "--now", f"xmcastd@{name}")
        equal(rules("-I", name), {f"{name}1": "active"}, f"rules of {name}")
        equal(shell(f"stat -c %U /var/lib/xmcast/{name}").stdout, "xmcast\n", "its directory")
    equal(rules(), {"cam1": "active"}, "rules of xmcastd.service")
    equal(run("xmcastctl", "complete", "-I", "").stdout, "lan\nwan\n", "completion")
    run("systemctl", "stop", "xmcastd@lan")
    equal(run("xmcastctl", "-I", "lan", "ping", good=False).returncode, EXIT_UNREACHABLE, "of a stopped one")
    equal(rules("-I", "wan"), {"wan1": "active"}, "rules of wan")
    # An interface belongs to one daemon.
    run("systemctl", "start", "xmcastd@lan")
    done = fails("xmcastctl", "-I", "lan", "rule", "add", "stolen in 239.1.1.1:5000@in0 out 239.2.2.2:7003@out0")
    check("another xmcastd has interface in0" in done.stderr, done.stderr)
