#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""config apply --confirm: what is not confirmed in time is rolled back by the daemon itself, also after a
restart, a take-over and kill -9."""

import glob
import json
import os
import re
import resource
import signal
import time

from control import Client, Refused
from harness import (EXIT_REFUSED, EXIT_USAGE, Daemon, Star, check, equal, main, receive, receiver, sender, test,
                     work_directory, write_file)
from manager import Manager

OLD = "rules:\n- old in 239.1.1.1:5000@in0 out 239.2.2.1:6000@out0\n"
NEW = "rules:\n- new in 239.1.1.2:5000@in0 out 239.2.2.2:6000@out0\n"
ADDED = "added in 239.1.1.3:5000@in0 out 239.2.2.3:6000@out0"


def state():
    """An empty state directory for the daemons that follow."""
    path = os.path.join(work_directory(), f"state{Daemon.count}")
    os.mkdir(path)
    os.environ["STATE_DIRECTORY"] = path
    return path


def state_file(directory, daemon):
    """The path of the state file."""
    return os.path.join(directory, "unconfirmed-" + daemon.socket.lstrip("/").replace("/", "-"))


def again(star, before, *arguments, **more):
    """The next process at the same socket, with the same file."""
    daemon = Daemon(star.relay, arguments=("--socket", before.socket, "-c", before.config, *arguments), **more)
    daemon.socket, daemon.config = before.socket, before.config
    return daemon


def names(daemon):
    """Of the rules."""
    return [rule["name"] for rule in json.loads(daemon.ctl("-j", "rule", "list").stdout)["rules"]]


def status(daemon):
    """config.status."""
    return json.loads(daemon.ctl("-j", "config", "status").stdout)


def refused(daemon, *words):
    """The message with which a command is refused."""
    done = daemon.ctl(*words, check=False)
    equal(done.returncode, EXIT_REFUSED, f"exit code of {words}: {done.stdout}{done.stderr}")
    return done.stderr


def rolled_back(daemon):
    """Wait until it is. The event's line."""
    return daemon.process.wait_line("config-rolled-back.*")[0]


def set_state(directory, **changes):
    """Change what is in the state file. Returns its path."""
    path, = glob.glob(f"{directory}/unconfirmed-*")
    with open(path, encoding="utf-8") as file:
        content = {**json.load(file), **changes}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)
    return path


@test
def confirmed():
    """Until it is confirmed all changes are refused and every view says how long is left; then it stays"""
    star, directory = Star(), state()
    daemon = Daemon(star.relay, config=OLD)
    new = write_file("new.yaml", NEW)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    done = daemon.ctl("config", "apply", new, "--confirm", "10m").stdout
    equal(done, "added 1, removed 1, replaced 0\nrolled back in 10 min, unless you run: xmcastctl config confirm\n",
          "answer")
    sender(star.source, "10.1.0.1").sendto(b"new", ("239.1.1.2", 5000))
    equal(receive(output)[0], b"new", "payload")
    check(f"{new} is not confirmed: rolled back in 9 min" in daemon.ctl("config", "status").stdout, "config status")
    check(f"{new} is not confirmed: rolled back in 9 min" in daemon.ctl("stats").stdout, "stats")
    left = status(daemon)["rollback_in_seconds"]
    check(0 < left <= 600, f"{left} seconds left")
    for words in (("rule", "add", ADDED), ("rule", "del", "new"), ("config", "reload"), ("config", "save"),
                  ("config", "save", daemon.config), ("config", "apply", new)):
        check(f"{new} waits to be confirmed" in refused(daemon, *words), str(words))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.process.wait_line("reload-refused.*waits to be confirmed")
    equal(names(daemon), ["new"], "rules")
    done = daemon.ctl("config", "confirm").stdout
    check(done.startswith("confirmed\n") and daemon.config in done, done)
    daemon.process.wait_line(f"config-confirmed.*uid={os.getuid()}")
    equal(os.listdir(directory), [], "state files")
    check("unconfirmed" not in status(daemon), "still unconfirmed")
    for verb in ("confirm", "rollback"):
        check("no change waits to be confirmed" in refused(daemon, "config", verb), verb)
    daemon.ctl("config", "save")
    equal(daemon.ctl("config", "diff", "--exit-code").stdout, "", "difference")


@test
def in_time():
    """The daemon rolls back by itself to what ran before, not to its file; a client does so at once"""
    star, directory = Star(), state()
    daemon = Daemon(star.relay, config=OLD)
    new = write_file("new.yaml", NEW)
    daemon.ctl("rule", "add", ADDED)
    daemon.ctl("config", "apply", "--confirm", "1s", new)
    check("it was not confirmed in time" in rolled_back(daemon), "the reason")
    equal(names(daemon), ["old", "added"], "rules")
    equal(os.listdir(directory), [], "state files")
    daemon.ctl("config", "apply", new, "-confirm", "1h")
    equal(names(daemon), ["new"], "rules")
    equal(daemon.ctl("config", "rollback").stdout, "added 2, removed 1, replaced 0\n", "answer")
    equal(names(daemon), ["old", "added"], "rules")
    equal(daemon.stats()["events"]["config-rolled-back"], 2, "events")
    # For good, without a time.
    equal(daemon.ctl("config", "apply", new).stdout, "added 1, removed 2, replaced 0\n", "answer")
    equal((names(daemon), os.listdir(directory)), (["new"], []), "rules and state files")


@test
def over_restarts():
    """It survives kill -9, a take-over and a restart through the store; then a rollback returns to the file"""
    star, directory = Star(), state()
    manager = Manager(work_directory())
    first = Daemon(star.relay, config=OLD)
    first.ctl("config", "apply", write_file("new.yaml", NEW), "--confirm", "1h")
    first.kill()
    second = again(star, first)
    equal(names(second), ["new"], "rules after kill -9")
    check(3500 < status(second)["rollback_in_seconds"] <= 3600, "time left")
    third = again(star, second, "--take-over")
    second.process.wait()
    equal(names(third), ["new"], "rules after a take-over")
    third.stop()
    fourth = again(star, third, "--store", prefix=manager.prefix(), fds=manager.fds())
    equal(names(fourth), ["new"], "rules after a stop")
    fourth.kill()
    set_state(directory, until=10 ** 12)  # beyond all that may be left
    fifth = again(star, fourth, "--store", prefix=manager.prefix(), fds=manager.fds())
    equal(names(fifth), ["old"], "rules: the clock was set back by years")
    fifth.ctl("config", "apply", write_file("new.yaml", NEW), "--confirm", "1h")
    fifth.kill()
    set_state(directory, until=int(time.time()) + 3)
    sixth = again(star, fifth, "--store", prefix=manager.prefix(), fds=manager.fds())
    rolled_back(sixth)
    equal(names(sixth), ["old"], "rules at last")
    equal(os.listdir(directory), [], "state files")


@test
def at_the_start():
    """What cannot be applied again is rolled back with the reason, and the daemon runs its own file"""
    star, directory = Star(), state()
    daemon = Daemon(star.relay, config=OLD)
    new = write_file("new.yaml", NEW)

    def damaged(reason, damage):
        nonlocal daemon
        daemon.ctl("config", "apply", new, "--confirm", "1h")
        daemon.kill()
        damage()
        daemon = again(star, daemon)
        check(reason in rolled_back(daemon), daemon.process.log())
        equal(names(daemon), ["old"], f"rules: {reason}")
        equal(os.listdir(directory), [], "state files")

    def replace(content):
        path = set_state(directory)
        os.unlink(path)
        write_file(path, content)

    damaged("it was not confirmed in time", lambda: set_state(directory, until=1))
    damaged("it was not confirmed in time", lambda: set_state(directory, until=-2 ** 63, seconds=2 ** 62))
    damaged("it is no longer valid", lambda: set_state(directory, config="rules:\n- nonsense\n"))
    daemon.process.wait_line("config-error.*line=2.*nonsense")
    damaged("it cannot be read", lambda: set_state(directory, config=7))
    damaged("it is damaged", lambda: replace(b"{"))
    damaged("it is damaged", lambda: replace(b""))
    damaged("unsafe", lambda: os.chmod(set_state(directory), 0o666))
    damaged("Permission denied", lambda: os.chown(set_state(directory), 65534, 65534))


@test
def kills_the_daemon():
    """What three processes have ended with is rolled back, also if the store has it; an orderly end is not counted"""
    star, directory, manager = Star(), state(), Manager(work_directory())

    def store():
        return {"prefix": manager.prefix(), "fds": manager.fds()}

    daemon = Daemon(star.relay, config=OLD, arguments=("--store",), **store())
    daemon.ctl("config", "apply", write_file("new.yaml", NEW), "--confirm", "1h")
    for end in (Daemon.kill, Daemon.stop, Daemon.kill, Daemon.kill):
        end(daemon)
        daemon = again(star, daemon, "--store", **store())
        equal(names(daemon), ["new"], "rules")
    daemon.kill()
    daemon = again(star, daemon, "--store", **store())
    check("xmcastd ended 3 times with it" in rolled_back(daemon), "the reason")
    daemon.process.wait_line("store-not-used")
    equal((names(daemon), os.listdir(directory)), (["old"], []), "rules and state files")
    # Without a store.
    daemon.ctl("config", "apply", write_file("new.yaml", NEW), "--confirm", "1h")
    for expected in (["new"], ["new"], ["old"]):
        daemon.kill()
        manager.forget()
        daemon = again(star, daemon)
        equal(names(daemon), expected, "rules")


@test
def during_a_take_over():
    """Neither confirmed nor rolled back while a successor, which has read its own file, takes over"""
    star, directory = Star(), state()
    daemon = Daemon(star.relay, config=OLD)
    daemon.ctl("config", "apply", write_file("new.yaml", NEW), "--confirm", "1h")
    with Client(daemon.socket) as successor:
        successor.call("daemon.hand_over")
        for _ in range(2):
            for verb in ("confirm", "rollback"):
                check("another xmcastd is taking over: try again" in refused(daemon, "config", verb), verb)
            successor.send(b"o")
            daemon.process.wait_line("hand-over-offered")
        equal(os.listdir(directory), [os.path.basename(state_file(directory, daemon))], "state files")
    daemon.process.wait_line("hand-over-failed")
    equal(names(daemon), ["new"], "rules")
    daemon.ctl("config", "confirm")
    equal(os.listdir(directory), [], "state files")


@test
def trust():
    """What the next process would not trust is refused at once; what cannot be removed is not applied again"""
    star, directory = Star(), state()
    daemon = Daemon(star.relay, config=OLD)
    new = write_file("new.yaml", NEW)
    for unsafe, safe in ((lambda: os.chown(directory, 65534, 0), lambda: os.chown(directory, 0, 0)),
                         (lambda: os.chmod(directory, 0o777), lambda: os.chmod(directory, 0o755))):
        unsafe()
        reason = refused(daemon, "config", "apply", new, "--confirm", "1h")
        check(f"{directory}: unsafe" in reason and "STATE_DIRECTORY" in reason, reason)
        equal((names(daemon), os.listdir(directory)), (["old"], []), "rules and state files")
        safe()
    path = state_file(directory, daemon)
    with open(path, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o666)
        os.fchown(file.fileno(), 65534, 65534)
    daemon.ctl("config", "apply", new, "--confirm", "1h")
    status_of_file = os.stat(path)
    equal((status_of_file.st_mode & 0o7777, status_of_file.st_uid), (0o600, 0), "mode and owner")
    os.chmod(directory, 0o555)
    check("Permission denied; nothing was changed" in refused(daemon, "config", "confirm"), "confirmed")
    daemon.ctl("config", "rollback")
    check("Permission denied" in daemon.process.wait_line("rollback-file-stays.*")[0], "the event")
    daemon.kill()
    daemon = again(star, daemon)
    check("Permission denied" in rolled_back(daemon), "the reason")
    equal(names(daemon), ["old"], "rules")


@test
def failed_rollback():
    """A rollback that fails is tried again every second, which the answer says and the log does not repeat"""
    star, directory = Star(), state()
    first = Daemon(star.relay, config=OLD)
    first.ctl("config", "apply", write_file("new.yaml", NEW), "--confirm", "1h")
    write_file(first.config, f"{OLD}workers: {{ frames: 8192 }}\n")
    daemon = again(star, first, "--take-over")
    limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    with Client(daemon.socket) as client:
        client.call("config.status")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        for _ in range(2):
            try:
                client.call("config.rollback")
                check(False, "rolled back without descriptors")
            except Refused as error:
                check("the rollback is tried again every second" in error.message, error.message)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, limits)
    check("an earlier attempt failed" in rolled_back(daemon), "the reason")
    equal((names(daemon), os.listdir(directory)), (["old"], []), "rules and state files")
    for event in ("rollback-failed", "rollback-file-stays", "setting-needs-restart.*workers.frames.*file=.8192"):
        daemon.process.wait_line(event)
        equal(len([line for line in daemon.process.lines if re.search(event, line)]), 1, event)


@test
def conf_d():
    """Rules stay in their files of conf.d: what is confirmed can be saved and read again"""
    star = Star()
    state()
    number = Daemon.count + 1
    os.mkdir(os.path.join(work_directory(), f"{number}.d"))
    write_file(f"{number}.d/a.yaml", f"rules:\n- {ADDED}\n- gone in 239.1.1.4:5000@in0 out 10.2.0.2:7000\n")
    daemon = Daemon(star.relay, config=OLD)
    daemon.ctl("config", "apply", write_file("new.yaml", f"{NEW}- {ADDED} ttl 9\n"), "--confirm", "1h")
    daemon.ctl("config", "confirm")
    daemon.ctl("config", "save")
    daemon.ctl("config", "reload")
    equal(names(daemon), ["new", "added"], "rules")
    with open(os.path.join(work_directory(), f"{number}.d/a.yaml"), encoding="utf-8") as file:
        check("name: added" in file.read(), "it is in the file where it was")


@test
def bad_input():
    """Each mistake is refused with what is wrong, and nothing changes"""
    star, directory = Star(), state()
    daemon = Daemon(star.relay, config=OLD)
    new = write_file("new.yaml", NEW)
    for duration in ("0", "-1", "25h", "1441", "10x", "10mm", "", "m", "99999999999999999999"):
        done = daemon.ctl("config", "apply", new, "--confirm", duration, check=False)
        equal(done.returncode, EXIT_USAGE, f"exit code: {duration}")
        check(f'"{duration}": expected a time from 1s to 24h, such as 10m' in done.stderr, done.stderr)
    for words in ((new, "--confirm"), (new, new), ("--confirm", "1h"), (new, "--confrim", "1h")):
        equal(daemon.ctl("config", "apply", *words, check=False).returncode, EXIT_USAGE, f"exit code: {words}")
    bad = write_file("bad.yaml", "rules:\n- new in 239.1.1:5000@in0 out 239.2.2.2@out0\n")
    check(f"{bad}:2:10:" in refused(daemon, "config", "apply", bad, "--confirm", "1h"), "the place")
    check("No such file" in refused(daemon, "config", "apply", "/nowhere", "--confirm", "1h"), "no file")
    check("is the daemon's own file" in refused(daemon, "config", "apply", daemon.config, "--confirm", "1h"), "own")
    with Client(daemon.socket) as client:
        for params in ({}, {"text": NEW}, {"text": "", "source": "x"}, {"text": NEW, "source": ""},
                       {"text": NEW, "source": "x" * 4096}, {"text": NEW, "source": "x", "confirm_seconds": -1},
                       {"text": NEW, "source": "x", "confirm_seconds": 86401},
                       {"text": "rules: 7", "source": "x"}):
            try:
                client.call("config.apply", **params)
            except Refused:
                continue
            check(False, f"accepted: {params}")
    os.rmdir(directory)
    check(f"{directory}/unconfirmed" in refused(daemon, "config", "apply", new, "--confirm", "1h"), "no directory")
    equal(names(daemon), ["old"], "rules")
    equal(daemon.stats()["generation"], 1, "generation")
    daemon.ctl("config", "apply", new)
    equal(names(daemon), ["new"], "rules: without a time nothing is written")


@test
def rights():
    """Only root and the daemon's user may apply a configuration; readers may see that one waits"""
    star = Star()
    state()
    daemon = Daemon(star.relay, config=OLD + "control: { group: '65534' }\n")
    daemon.ctl("config", "apply", write_file("new.yaml", NEW), "--confirm", "1h")
    with Client(daemon.socket, 65534, 65534) as client:
        check(client.call("config.status")["unconfirmed"].endswith("new.yaml"), "status for a reader")
        for method, params in (("config.apply", {"text": NEW, "source": "x"}), ("config.confirm", {}),
                               ("config.rollback", {})):
            try:
                client.call(method, **params)
                check(False, f"a reader may call {method}")
            except Refused as error:
                check("is for root" in error.message, error.message)
    equal(names(daemon), ["new"], "rules")


if __name__ == "__main__":
    main()
