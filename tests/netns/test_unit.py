#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The systemd units: how much they expose, whether systemd accepts them, and the programs with just
the rights that they give, which do all that they are for."""

import os
import re
import urllib.request

from harness import (ROOT, Daemon, Star, check, equal, main, need, netns, program, receive, receiver,
                     run, sender, start, test, wait_until, work_directory, write_file)

UNITS = os.path.join(ROOT, "packaging/systemd")
UNIT = os.path.join(UNITS, "xmcastd.service")
MONITOR_UNIT = os.path.join(UNITS, "xmcast-monitor@.service")
CLUSTER_UNIT = os.path.join(UNITS, "xmcast-cluster.service")
EXPORTER_UNIT = os.path.join(UNITS, "xmcast-exporter.service")
LAUNCHER = os.path.join(ROOT, "tests/netns/as_unit.py")
UID = 64321  # no user has it
RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


@test
def exposure():
    """`systemd-analyze security` says 2.4 or less of the daemon, 1.5 of the others"""
    need("systemd-analyze")
    for unit, most in ((UNIT, 2.4), (CLUSTER_UNIT, 1.5), (EXPORTER_UNIT, 1.5), (MONITOR_UNIT, 1.5)):
        done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={round(most * 10)}",
                   "--no-pager", unit, check=False)
        equal(done.returncode, 0, done.stdout[-200:])
        level = re.search(r"exposure level for .*: ([\d.]+)", done.stdout)[1]
        check(float(level) <= most, done.stdout)


@test
def installed():
    """`make install` with a PREFIX: paths of the unit are those of the programs; systemd takes all"""
    need("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles", "make")
    directory = os.path.join(work_directory(), "root")
    prefix = os.path.join(directory, "opt/relay")
    done = run("make", "-C", ROOT, "install", f"PREFIX={prefix}", f"B={netns_build()}", "Q=",
               f"DESTDIR={directory}/destdir", timeout=300)
    check(done.returncode == 0, done.stderr)
    root = f"{directory}/destdir"
    for unit in sorted(os.listdir(UNITS)):
        _check_unit(root, prefix, unit)
    # On a system of its own, these files do what they are for.
    os.makedirs(f"{directory}/empty/etc")
    for tool, kind, names in (("systemd-sysusers", "sysusers.d", ["xmcast.conf", "xmcast-cluster.conf"]),
                              ("systemd-tmpfiles", "tmpfiles.d", ["xmcast.conf"])):
        os.makedirs(f"{directory}/empty/usr/lib/{kind}")
        for name in names:
            with open(f"{root}{prefix}/lib/{kind}/{name}", "rb") as file:
                write_file(f"root/empty/usr/lib/{kind}/{name}", file.read())
        run(tool, f"--root={directory}/empty", *(["--create"] if kind == "tmpfiles.d" else []), *names)
    numbers = {}
    for name in ("passwd", "group"):
        with open(f"{directory}/empty/etc/{name}", encoding="utf-8") as file:
            numbers[name] = dict(re.findall(r"^(xmcast[\w-]*):[^:]*:(\d+):", file.read(), re.M))
    equal(sorted(numbers["passwd"]), ["xmcast", "xmcast-cluster"], "users")
    equal(sorted(numbers["group"]), ["xmcast", "xmcast-admin", "xmcast-cluster"], "groups")
    equal(os.stat(f"{directory}/empty/var/lib/xmcast").st_uid, int(numbers["passwd"]["xmcast"]),
          "owner of /var/lib/xmcast")


def _check_unit(root, prefix, name):
    """An installed unit: its programs are there, and systemd accepts it."""
    with open(f"{root}{prefix}/lib/systemd/system/{name}", encoding="utf-8") as file:
        text = file.read()
    check(f"ExecStart={prefix}/" in text and "/usr/local" not in text, text)
    for executable in re.findall(r"^Exec\w+=\+?(\S+)", text, re.M):
        check(os.access(root + executable, os.X_OK), f"{executable} is not installed")
    # The programs are only below DESTDIR; everything else must be right.
    plain = write_file(name, text.replace(prefix, root + prefix))
    done = run("systemd-analyze", "verify", "--man=no", plain, check=False)
    words = [line for line in done.stderr.splitlines() if "sysinit.target" not in line]
    equal(words, [], f"words of systemd-analyze verify about {name}")


def netns_build():
    """The build directory as the Makefile names it."""
    return os.path.relpath(os.path.join(ROOT, os.environ.get("XMCAST_BUILD", "build")), ROOT)


@test
def rights():
    """A daemon with the unit's user, capabilities, limits, mounts and system calls does it all"""
    need("systemd-analyze", "setpriv")
    star = Star()
    directory = work_directory()
    os.chown(directory, UID, UID)
    config = (f"rules:\n  - {RULE}\n"
              # What is locked fits the limit of a host that does not let us raise it.
              "workers: { cpus: [0], frames: 1024 }\n")
    manager = os.path.join(directory, "notify")
    # The leak checker of a sanitized build wants ptrace(2), which the unit forbids.
    as_unit = ("env", "ASAN_OPTIONS=detect_leaks=0", LAUNCHER, UNIT, str(UID), directory)
    daemon = Daemon(star.relay, config=config, prefix=(
        "env", f"NOTIFY_SOCKET={manager}", f"STATE_DIRECTORY={directory}", *as_unit))
    os.chown(daemon.config, UID, UID)
    status = {}
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        for line in file:
            status[line.split(":")[0]] = line.split(":", 1)[1].split()
    equal(status["Uid"], [str(UID)] * 4, "user")
    equal((status["NoNewPrivs"], status["Seccomp"]), (["1"], ["2"]), "no_new_privs, seccomp")
    unit_caps = (1 << 12) | (1 << 13) | (1 << 39) | (1 << 38)
    equal(int(status["CapBnd"][0], 16) & ~unit_caps, 0, "capabilities beyond the unit's")
    equal(status["Groups"], [], "supplementary groups")
    check(not daemon.process.find_line("cpu-refused"), daemon.process.log())
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    source.sendto(b"one", ("239.1.1.1", 5000))
    equal(receive(output)[0], b"one", "payload")
    # A change, saved to the file; a reload by the signal and by what ExecReload= runs.
    daemon.ctl("rule", "add", "cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6000@out0")
    daemon.ctl("config", "save")
    with open(daemon.config, encoding="utf-8") as file:
        check("cam2" in file.read(), "not saved")
    reload = run(*star.relay.command(*as_unit, os.path.join(ROOT, netns_build(), "xmcastctl"),
                                     "--socket", daemon.socket, "config", "reload"))
    equal(reload.returncode, 0, reload.stderr)
    daemon.process.send_signal(1)
    wait_until(lambda: len(re.findall(r"\breloaded\b", daemon.process.log())) == 2, "two reloads")
    source.sendto(b"two", ("239.1.1.2", 5000))
    equal(receive(output)[0], b"two", "payload")
    # What is kept over a restart until it is confirmed.
    daemon.ctl("config", "apply", "--confirm", "1h", write_file("less.yaml", f"rules:\n  - {RULE}\n"))
    check(any(name.startswith("unconfirmed-") for name in os.listdir(directory)), "it is kept")
    daemon.ctl("config", "rollback")
    daemon.settle()
    # What it may not: the test of the launcher itself.
    for command in ("touch /etc/xmc-forbidden", "unshare -r true", "chown 0 " + daemon.config,
                    "cat /proc/sys/kernel/hostname", "kill -0 1"):
        done = run(*star.relay.command(*as_unit, "/bin/sh", "-c", command), check=False)
        check(done.returncode, f"allowed: {command}")


@test
def exporter_rights():
    """An exporter with its unit's user, group, limits, mounts and system calls serves the metrics"""
    need("systemd-analyze", "setpriv")
    star = Star()
    os.chown(work_directory(), 0, 0)
    directory = os.path.join(work_directory(), "exporter")
    os.mkdir(directory)
    os.chown(directory, UID + 1, UID + 1)
    daemon = Daemon(star.relay, config=f"rules:\n  - {RULE}\ncontrol: {{ group: {UID} }}\n")
    process = start(star.relay, "env", "ASAN_OPTIONS=detect_leaks=0", LAUNCHER, EXPORTER_UNIT,
                    f"{UID + 1}:{UID}", directory, program("xmcast-exporter"), "--socket",
                    daemon.socket)
    process.wait_line("exporter-started")
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        status = {line.split(":")[0]: line.split(":", 1)[1].split() for line in file}
    equal((status["Uid"], status["Groups"]), ([str(UID + 1)] * 4, [str(UID)]), "user and groups")
    equal(int(status["CapBnd"][0], 16), 0, "bounding set")
    with star.relay.entered():
        answer = urllib.request.urlopen("http://127.0.0.1:9710/metrics", timeout=netns.PATIENCE)
    check(b"xmcast_" in answer.read(), "no metrics")
    # It may read, and change nothing.
    done = run("setpriv", f"--reuid={UID + 1}", f"--regid={UID + 1}", f"--groups={UID}",
               program("xmcastctl"), "--socket", daemon.socket, "rule", "del", "cam1", check=False)
    equal(done.returncode, 2, f"exit code of a change: {done.stderr}")
    equal(process.stop(), 0, "exit code")
    check("sandbox-incomplete" not in process.log(), process.log())


@test
def monitor_rights():
    """xmcast-monitor@.service: a program is run for an event, with just the unit's rights"""
    need("systemd-analyze", "setpriv")
    star = Star()
    directory = os.path.join(work_directory(), "monitor")
    os.mkdir(directory)
    os.chown(directory, UID + 1, UID + 1)
    os.chown(work_directory(), 0, 0)
    os.chmod(work_directory(), 0o755)
    daemon = Daemon(star.relay, config=f"rules:\n  - {RULE}\ncontrol: {{ group: {UID} }}\n")
    told = os.path.join(directory, "told")
    script = write_file("on-event", f"""#!/bin/sh
[ "$1" = rules-changed ] || exit 0
cat /proc/self/status > {told}.new
for forbidden in 'touch {work_directory()}/x' 'unshare -r true' 'chown 0 {directory}' 'kill -0 1' \
        'cat /proc/sys/kernel/hostname'; do
    sh -c "$forbidden" 2>/dev/null && echo "POSSIBLE: $forbidden" >> {told}.new
done
mv {told}.new {told}
""")
    os.chmod(script, 0o755)
    with open(MONITOR_UNIT, encoding="utf-8") as file:
        command = re.search(r"^ExecStart=/usr/local/bin/xmcastctl (.*)", file.read(), re.M)[1]
    process = start(star.relay, "env", "ASAN_OPTIONS=detect_leaks=0",
                    f"XMCAST_SOCKET={daemon.socket}", LAUNCHER, MONITOR_UNIT, f"{UID + 1}:{UID}",
                    directory, program("xmcastctl"),
                    *command.replace("%f", script).split(), name="xmcast-monitor")
    process.wait_line("daemon-reachable")
    daemon.ctl("rule", "add", "cam2 in 239.1.1.2:5000@in0 out 239.2.2.2:6000@out0")
    wait_until(lambda: os.path.exists(told), "the program has run")
    with open(told, encoding="ascii") as file:
        text = file.read()
    status = dict(re.findall(r"^(\w+):\s*(.*)", text, re.M))
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(status[key], 16), 0, key)
    equal((status["Uid"].split(), status["Groups"].split()), ([str(UID + 1)] * 4, [str(UID)]),
          "user and groups")
    equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), "no_new_privs, seccomp")
    check("POSSIBLE" not in text, text)
    # It follows the daemon through a restart, and ends in order.
    daemon.stop()
    process.wait_line("daemon-unreachable")
    process.send_signal(15)
    equal(process.wait(), 0, f"exit code; log:\n{process.log()}\n")


main()
