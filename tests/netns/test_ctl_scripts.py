#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What scripts use of xmcastctl: batches, events, metrics, completion; and all of it
against xmcastd itself."""

import json
import os
import re
import signal
import subprocess
import threading

import fake_daemon
from ctl_program import COMMANDS, PATIENCE, ctl, environment, serve, verbs
from fake_daemon import HANG_UP, Refusal, page
from harness import (EXIT_DONE, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, ROOT, Daemon, Star,
                     check, equal, main, program, run, test, wait_until, work_directory, write_file)

BATCH = """\
# a comment
rule add cam5 in 239.1.1.5:5000@in0 out 10.0.0.5:1   # another

  rule del cam1 cam2
r rep cam3 in 239.1.1.3:5000@in0 out 10.0.0.3:1\r
rule enable a#b
\trule disable x
"""


@test
def batch():
    """-batch: one transaction, from a file or stdin"""
    daemon = serve()
    path = write_file("batch", BATCH)
    expected = [{"do": "add", "rule": "cam5 in 239.1.1.5:5000@in0 out 10.0.0.5:1"},
                {"do": "del", "name": "cam1"}, {"do": "del", "name": "cam2"},
                {"do": "replace", "rule": "cam3 in 239.1.1.3:5000@in0 out 10.0.0.3:1"},
                {"do": "enable", "name": "a#b"}, {"do": "disable", "name": "x"}]
    for option in ("-batch", "--batch", "-b"):
        daemon.requests.clear()
        equal(ctl(daemon, option, path).stdout, "added 1, removed 0, replaced 0\n", option)
        equal(daemon.requests, [("rule.change", {"operations": expected})], option)
    daemon.requests.clear()
    done = subprocess.run([program("xmcastctl"), "--socket", daemon.path, "-j", "-batch", "-"],
                          input=BATCH.encode(), stdout=subprocess.PIPE, check=True)
    equal(json.loads(done.stdout), fake_daemon.CHANGED, "JSON")
    equal(daemon.requests, [("rule.change", {"operations": expected})], "stdin")
    daemon.requests.clear()
    equal(ctl(daemon, "-b", write_file("empty", "# nothing\n\n")).stdout, "", "nothing to do")
    equal(daemon.requests, [], "requests of nothing")
    equal(json.loads(ctl(daemon, "-j", "-b", write_file("empty", "# nothing\n\n")).stdout),
          {"generation": 7, "added": 0, "removed": 0, "replaced": 0}, "nothing to do, in JSON")


@test
def batch_errors():
    """Wrong lines: all told with FILE:LINE:COLUMN, and nothing asked; the daemon's errors, too"""
    daemon = serve()
    path = write_file("bad", b"rule add\nrule list\nstats show\nrule d x\nrule\n"
                      b"rule del a\nrule add \x80\n")
    done = ctl(daemon, "-batch", path, code=EXIT_REFUSED)
    equal(re.findall(r":(\d+:\d+): ", done.stderr),
          ["1:9", "2:6", "3:1", "4:6", "5:5", "7:10"], "places")
    check("nothing was changed" in done.stderr, done.stderr)
    equal(daemon.requests, [], "requests")
    for content, said in (("rule add x\0y\n", "NUL"), ("x" * (9 << 20), "too large")):
        check(said in ctl(daemon, "-b", write_file("bad", content), code=2).stderr, said)
    check("/nonexistent" in ctl(daemon, "-b", "/nonexistent", code=EXIT_REFUSED).stderr, "no file")
    daemon = serve(rule_change=Refusal(-32001, "refused: 6 errors", {"errors": [
        {"file": "operations", "line": 2, "column": 1, "word": "cam2", "message": "no such rule"},
        {"file": "operations", "line": 3, "column": 6, "word": "out", "message": "odd"},
        {"file": "operations", "line": 4, "message": "without a column"},
        {"file": "operations", "line": 4, "message": "rule a (line 3) has it"},
        {"file": "operations", "line": 4, "message": "rule a (line 9) has it"},
        {"file": "operations", "line": 99, "message": "no such line"}]}))
    path = write_file("refused", "\n  rule del cam1 cam2\n\nrule add in x out y\nrule del z\n")
    done = ctl(daemon, "-batch", path, code=EXIT_REFUSED)
    equal(done.stderr.replace(path, "F"), "F:2:17: 'cam2': no such rule\nF:4:15: 'out': odd\n"
          "F:5:10: without a column\nF:5:10: rule a (line 4) has it\n"
          "F:5:10: rule a (line 9) has it\noperations:99: no such line\n"
          "xmcastctl: refused: 6 errors\n", "errors")


@test
def large_batch():
    """10,000 rules in one batch"""
    daemon = serve()
    lines = [f"r{i} in 239.{i >> 8}.{i & 255}.1:5000@in0 out 10.0.0.1:{i + 1}"
             for i in range(10000)]
    ctl(daemon, "-batch", write_file("large", "".join(f"rule add {line}\n" for line in lines)))
    equal([operation["rule"] for operation in daemon.requests[0][1]["operations"]], lines, "rules")


class Monitor:
    """xmcastctl monitor, running."""

    def __init__(self, daemon, *options, arguments=(), wait=True):
        self.process = subprocess.Popen(
            [program("xmcastctl"), "--socket", daemon.path, *options, "monitor", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.timer = threading.Timer(PATIENCE, self.process.kill)
        self.timer.daemon = True
        self.timer.start()
        if wait:
            wait_until(lambda: daemon.monitors, "monitor.start")

    def line(self):
        """The next line."""
        return self.process.stdout.readline()

    def end(self, number=None):
        """Send a signal, wait for its end: exit code and stderr, without time stamps."""
        if number:
            self.process.send_signal(number)
        _, errors = self.process.communicate()
        self.timer.cancel()
        return self.process.returncode, re.sub(r"^\S+Z (?=\w)", "", errors, flags=re.M)


EVENT = {"time": "2026-11-22T15:04:05.123Z", "event": "dropping", "rule": "cam1",
         "reason": "two words", "errors": {"EAGAIN": 3, "ENOBUFS": 1}, "output": "a\033b"}


@test
def monitor():
    """Events line by line, as text and as JSON; a signal ends it with exit 0"""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        daemon = serve()
        process = Monitor(daemon)
        daemon.event(**EVENT)
        equal(process.line(), "2026-11-22T15:04:05.123Z dropping rule=cam1 reason=\"two words\" "
              "errors=EAGAIN:3,ENOBUFS:1 output=a\\x1bb\n", "text")
        equal(process.end(number), (EXIT_DONE, ""), "end")
    daemon = serve()
    process = Monitor(daemon, "-j")
    for _ in range(3):
        daemon.event(**EVENT)
        equal(json.loads(process.line()), EVENT, "JSON")
    equal(process.end(signal.SIGINT), (EXIT_DONE, ""), "end")


@test
def monitor_without_daemon():
    """A daemon that goes ends the monitor with exit 3; a wrong event, too"""
    daemon = serve()
    process = Monitor(daemon)
    daemon.stop()
    code, errors = process.end()
    equal(code, EXIT_UNREACHABLE, "exit code")
    check("closed the connection" in errors, errors)
    daemon = serve()
    process = Monitor(daemon)
    daemon.monitors[0].sendall(b"nonsense\n")
    code, errors = process.end()
    equal(code, EXIT_UNREACHABLE, "exit code")
    ctl(serve(monitor_start=Refusal(-32601, "no such method")), "monitor", code=EXIT_REFUSED)


def script(name, text):
    """An executable shell script; its path."""
    path = write_file(name, f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    return path


def lines_of(path):
    """The lines of a file, or none."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


@test
def monitor_exec():
    """monitor --exec: the program is run for each event, in order, with the event as variables"""
    daemon = serve()
    told = os.path.join(work_directory(), "told")
    path = script("on-event", f'echo "$# $1" >> {told}; env | grep XMCAST | sort >> {told}; '
                              f'[ $1 != slow ] || sleep 0.5; echo done >> {told}')
    monitor = Monitor(daemon, arguments=("--exec", path))
    daemon.event(**{**EVENT, "event": "slow"})
    daemon.event(**EVENT)
    daemon.event(event="events-lost", count=7)
    wait_until(lambda: lines_of(told).count("done") == 3, "three runs")
    variables = ["XMCAST_ERRORS=EAGAIN:3,ENOBUFS:1", "XMCAST_EVENT=slow", "XMCAST_OUTPUT=a\033b",
                 "XMCAST_REASON=two words", "XMCAST_RULE=cam1",
                 "XMCAST_TIME=2026-11-22T15:04:05.123Z"]
    equal(lines_of(told), ["1 slow", *variables, "done", "1 dropping",
                           *(line.replace("slow", "dropping") for line in variables), "done",
                           "1 events-lost", "XMCAST_COUNT=7", "XMCAST_EVENT=events-lost", "done"],
          "what the program got")
    code, errors = monitor.end(signal.SIGTERM)
    equal(code, EXIT_DONE, "exit code")
    equal(errors, f'info  daemon-reachable socket="{daemon.path}"\n'
          "warn  events-lost count=7\n", "log")


@test
def monitor_exec_failures():
    """A program that fails or runs for too long is logged, and the next event is handled"""
    daemon = serve()
    told = os.path.join(work_directory(), "failures")
    path = script("failing", f"case $1 in a) exit 3;; b) kill -9 $$;; c) sleep 1000;; "
                             f"*) echo $1 >> {told};; esac")
    monitor = Monitor(daemon, arguments=("--exec", path))
    for name in "abd":
        daemon.event(event=name)
    wait_until(lambda: lines_of(told) == ["d"], "the last run")
    code, errors = monitor.end(signal.SIGINT)
    equal(code, EXIT_DONE, "exit code")
    equal(errors.splitlines()[1:], ['warn  hook-failed event_name="a" status=3',
                                    'warn  hook-failed event_name="b" signal=9'], "log")
    daemon = serve()
    monitor = Monitor(daemon, arguments=("--timeout", "0.5", "--exec=" + path))
    daemon.event(event="c")
    monitor.process.stderr.readline()
    equal(monitor.process.stderr.readline().split("Z ", 1)[1],
          'warn  hook-killed event_name="c" timeout_ms=500\n', "log")
    equal(monitor.end(signal.SIGINT), (EXIT_DONE, ""), "end")


@test
def monitor_exec_reconnects():
    """monitor --exec waits for the daemon and follows it through restarts, logging each outage once"""
    daemon = serve()
    daemon.stop()
    told = os.path.join(work_directory(), "reconnects")
    path = script("restarts", f"echo $1 >> {told}")
    monitor = Monitor(daemon, arguments=("--exec", path), wait=False)
    refused = Refusal(-32005, "too many monitors")
    for name in ("one", "two"):
        check("daemon-unreachable" in monitor.process.stderr.readline(), "not logged")
        daemon = fake_daemon.FakeDaemon(daemon.path, fake_daemon.answers(monitor_start=refused))
        wait_until(lambda d=daemon: len(d.requests) > 1, "two attempts")
        daemon.answers["monitor.start"] = {}
        wait_until(lambda d=daemon: d.monitors, "monitor.start")
        check("daemon-reachable" in monitor.process.stderr.readline(), "not logged")
        daemon.event(event=name)
        wait_until(lambda n=name: name in lines_of(told), f"the run for {name}")
        daemon.stop()
    equal(lines_of(told), ["one", "two"], "runs")
    check("daemon-unreachable" in monitor.process.stderr.readline(), "the last outage")
    equal(monitor.end(signal.SIGTERM), (EXIT_DONE, ""), "end")


@test
def monitor_exec_ends():
    """A signal lets the running program finish, and starts no other; a second one kills it"""
    for second in (False, True):
        daemon = serve()
        told = os.path.join(work_directory(), f"ends{second}")
        fifo = told + ".fifo"
        os.mkfifo(fifo)
        path = script("waits", f"echo begin >> {told}; read line < {fifo}; echo end >> {told}")
        monitor = Monitor(daemon, arguments=("--exec", path))
        daemon.event(event="one")
        daemon.event(event="two")
        wait_until(lambda t=told: lines_of(t), "the first run")
        monitor.process.send_signal(signal.SIGTERM)
        if second:
            # Until the first one was read: two of a kind that wait are one.
            wait_until(lambda: not pending(monitor.process.pid), "the first signal was read")
            monitor.process.send_signal(signal.SIGTERM)
        else:
            with open(fifo, "w", encoding="ascii") as file:
                file.write("go on\n")
        code, errors = monitor.end()
        equal(code, EXIT_DONE, "exit code")
        equal(lines_of(told), ["begin"] if second else ["begin", "end"], "runs")
        equal("hook-killed" in errors, second, errors)


def pending(pid):
    """Signals that wait for a process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^ShdPnd:\s*(\w+)", file.read(), re.M)[1], 16)


@test
def monitor_usage():
    """Wrong options of monitor, and a program that cannot be run"""
    daemon = serve()
    for words, said in (("monitor --exec", "no value after"), ("monitor --exec= x", "unexpected"),
                        ("monitor --timeout 5", "--timeout is for --exec"),
                        ("monitor --exec true --timeout 0", "0.1 to 3600"),
                        ("monitor --exec true --timeout x", "0.1 to 3600"),
                        ("monitor --exec true --timeout nan", "0.1 to 3600"),
                        ("monitor --nonsense", "unknown option \"--nonsense\""),
                        ("-j monitor --exec true", "omit -j")):
        check(said in ctl(daemon, *words.split(), code=EXIT_USAGE).stderr, words)
    for name, said in (("nonexistent-program", "No such file"), ("/etc/passwd", "Permission"),
                       ("/", "Permission"), ("", "No such file")):
        done = ctl(daemon, "monitor", "--exec", name, code=EXIT_REFUSED)
        check(f"cannot run {name}: {said}" in done.stderr, done.stderr)
    equal(daemon.requests, [], "requests")


@test
def metrics():
    """OpenMetrics of all pages"""
    rules = [{**fake_daemon.RULES[0], "name": f"r{i}"} for i in range(600)]
    daemon = serve(stats_show=lambda params: page(params, "rules", rules, uptime_seconds=65,
                                                  totals=fake_daemon.TOTALS, interfaces=[],
                                                  workers=[]))
    text = ctl(daemon, "metrics").stdout
    check(text.endswith("# EOF\n"), text[-100:])
    check(all(f'"r{i}"' in text for i in range(600)), "a rule is missing")
    check("xmcast_build_info" in text, "no version")
    ctl(serve(version=HANG_UP), "metrics", code=EXIT_UNREACHABLE)


# ---- completion ------------------------------------------------------------------------------

def complete(daemon, *words):
    """Candidates for the last word."""
    return ctl(daemon, "complete", *(("--socket", daemon.path) if daemon else ()),
               *words).stdout.split("\n")[:-1]


@test
def completion_candidates():
    """Every object, verb and option; live names of rules and interfaces; without a daemon none"""
    daemon = serve()
    listed = verbs()
    equal(complete(None, ""), list(listed), "objects")
    for thing, names in listed.items():
        if names:
            equal(complete(None, thing, ""), names + ["help"], thing)
    options = re.findall(r"--([a-z]+)", ctl(None, "-h").stdout.split("objects and verbs")[0])
    equal(set(complete(None, "-")) - {"--color=always", "--color=auto", "--color=never"},
          {"--" + option for option in options}, "options")
    names = [rule["name"] for rule in fake_daemon.RULES]
    for verb in ("show", "del", "enable", "disable", "list"):
        equal(complete(daemon, "rule", verb, ""), names, verb)
    equal(complete(daemon, "-j", "rule", "del", "cam1", "s"), ["spare4"], "second name")
    equal(complete(daemon, "rule", "show", "cam1", "s"), ["spare4"], "second name")
    equal(complete(daemon, "rule", "list", "cam1", ""), [], "no second pattern")
    for words, offered in (("rule add x i", ["in"]), ("rule add x in 239.1.1.1:1@x t", []),
                           ("rule add x in 239.1.1.1:1@x p", ["path"]),
                           ("rule add x in 239.1.1.1:1@x out 10.0.0.1 t", ["ttl"]),
                           ("rule add x in 239.1.1.1:1@x out 10.0.0.1 dscp e", ["ef"]),
                           ("rule set c", ["cam1", "cam2", "cam3"]), ("rule set cam1 tt", ["ttl"]),
                           ("rule set cam1 path k", ["kernel"]), ("top -o d", ["drops"])):
        equal(complete(daemon, *words.split()), offered, words)
    equal(complete(daemon, "iface", "show", ""), ["in0", "in1"], "interfaces")
    equal(complete(daemon, "capture", "in"), ["in0", "in1"], "interfaces to capture")
    equal(complete(daemon, "capture", "cam1", "-"), ["-w", "-c", "-s", "--rate"], "options of a capture")
    equal(complete(daemon, "capture", "cam1", "s"), ["src"], "words of a filter")
    equal(complete(daemon, "rule", "add", "x", "in", "239.1.1.1:5000@"),
          ["239.1.1.1:5000@in0", "239.1.1.1:5000@in1"], "interfaces in a rule")
    for word in ("239.1.1.1:", "239.1.1.1:an", "[ff3e::1]:a"):
        group = word[:word.rindex(":")]
        equal(complete(daemon, "rule", "add", "x", "in", word),
              [f"{group}:any@in0", f"{group}:any@in1"], "any port")
    for word in ("", "2", "239.1.1.1:5", "[ff3e::", "[ff3e::1]"):
        equal(complete(daemon, "rule", "add", "x", "in", word), [], "no port")
    # Without /etc/protocols there are no names to offer.
    known = os.path.exists("/etc/protocols")
    for group in ("239.1.1.1", "[ff3e::1]"):
        equal(complete(daemon, "rule", "add", "x", "in", f"{group}/es"),
              [f"{group}/esp@in0", f"{group}/esp@in1"] if known else [], "IP protocols")
        equal(complete(daemon, "rule", "add", "x", "in", f"{group}/tc"), [], "refused")
    equal(complete(daemon, "rule", "add", "x", "out", "239.1.1.1/es"), [], "of an output")
    equal(complete(daemon, "rule", "add", "x", "in", "239.1.1.1/50@"),
          ["239.1.1.1/50@in0", "239.1.1.1/50@in1"], "interfaces behind an IP protocol")
    equal(complete(daemon, "rule", "add", "x", "in", "239.1.1.1:1@in0", "path", ""),
          ["user", "kernel", "auto"], "paths")
    equal(complete(daemon, "rule", "add", "x", "in", "239.1.1.1:1@in0", "pa"), ["path"], "path")
    equal(complete(daemon, "rule", "add", "x", "i"), ["in"], "words of a rule")
    equal(complete(daemon, "log", "set", "a"), ["all"], "facilities")
    equal(complete(daemon, "log", "set", "all", ""), ["error", "warning", "info", "debug"],
          "levels")
    equal(complete(daemon, "config", "check", ""), ["<file>"], "files")
    equal(complete(None, "--batch", ""), ["<file>"], "files of -batch")
    equal(complete(daemon, "nonsense", ""), [], "nonsense")
    equal(complete(serve(rule_list=HANG_UP), "rule", "del", ""), [], "hang-up")
    done = run(program("xmcastctl"), "complete", "--socket", "/nonexistent", "rule", "del", "",
               check=False)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "away")


def complete_in_bash(command, words, line, env):
    """What bash makes of these words with our completion script."""
    script = os.path.join(ROOT, "packaging/completion/xmcastctl.bash")
    done = run("bash", "--norc", "-c", f"""
        source {script}
        COMP_WORDS=({command} {' '.join(words)}) COMP_CWORD={len(words)}
        COMP_LINE='{line}' COMP_POINT={len(line)}
        _xmcastctl
        printf '%s\\n' "${{COMPREPLY[@]}}" """, env=env)
    equal(done.stderr, "", "stderr")
    return done.stdout.split()


@test
def completion_in_bash():
    """The completion script in a real bash: words, names with colons, files"""
    daemon = serve(rule_list=lambda params: page(params, "rules", [
        {"name": name} for name in ("cam1", "239.1.1.1:5000@in0", "10.0.0.1>239.1.1.1:1@x")]))
    env = environment(XMCAST_SOCKET=daemon.path,
                      PATH=os.path.dirname(program("xmcastctl")) + ":" + os.environ["PATH"])
    for words, expected in ((("r",), ["rule"]), (("rule", "d"), ["del", "disable"]),
                            (("rule", "del", "c"), ["cam1"]),
                            (("rule", "del", "2"), ["239.1.1.1:5000@in0"]),
                            (("rule", "del", "1"), ["10.0.0.1\\>239.1.1.1:1@x"]),
                            (("rule", "del", "239.1.1.1", ":", "50"), ["5000@in0"]),
                            (("rule", "del", "239.1.1.1", ":", "5000", "@"), ["@in0"]),
                            (("rule", "del", "cam1", "2"), ["239.1.1.1:5000@in0"]),
                            (("rule", "del", "'10.0.0.1\\>239.1.1.1'", ":"), ["1@x"]),
                            (("--color", "=", "ne"), ["never"])):
        line = " ".join(("xmcastctl", *words)).replace("'", "")
        for mark in ":=@":
            line = line.replace(f" {mark} ", mark).replace(f" {mark}", mark)
        equal(complete_in_bash("xmcastctl", words, line, env), expected, line)


@test
def completion_runs_no_typed_path():
    """Completion after ./xmcastctl, or any other path, runs the xmcastctl in PATH, or nothing"""
    directory = os.path.join(work_directory(), "theirs")
    os.mkdir(directory)
    told = os.path.join(directory, "told")
    theirs = script("theirs/xmcastctl", f"touch {told}; echo forged")
    env = environment(PATH=os.path.dirname(program("xmcastctl")) + ":" + os.environ["PATH"])
    equal(complete_in_bash(theirs, ("ru",), f"{theirs} ru", env), ["rule"], "with one in PATH")
    env["PATH"] = "/usr/bin:/bin"
    equal(complete_in_bash(theirs, ("ru",), f"{theirs} ru", env), [], "with none in PATH")
    check(not os.path.exists(told), "it was run")


# ---- the real one ----------------------------------------------------------------------------

@test
def real_daemon():
    """Against xmcastd itself: every command is understood; 1,200 rules in a batch are read back"""
    daemon = Daemon(Star().relay, config="rules:\n  - cam1 in 239.1.1.1:5000@in0 out 10.2.0.2:1\n"
                                         "  - spare4 in 239.1.1.4:5000@in0 out 10.2.0.2:4\n")
    for words in ("rule add cam2 in 239.1.1.2:5000@in0 out 10.2.0.2:2", *COMMANDS, "metrics",
                  "top -b -n 1"):
        if words in ("config confirm", "config rollback", "rule del cam1 cam2", "rule rename cam1 cam9", "explain 10.9.9.9 > 239.1.1.1:5000@in0.7", "rule replace cam1 in 239.1.1.1:5000@in0 out "
                     "10.2.0.3:7009"):
            continue
        daemon.ctl(*words.split())
    equal(daemon.ctl("rule", "rename", "cam9", "cam10").stdout, "renamed cam9 to cam10\n", "rename")
    daemon.ctl("rule", "set", "cam10", "out", "10.2.0.3:7009", "ttl", "7", "gso", "off")
    equal(json.loads(daemon.ctl("-j", "rule", "show", "cam10").stdout)["rule"],
          "cam10 in 239.1.1.9:5000@in0 out 10.2.0.3:7009 ttl 7 gso off", "set")
    equal(daemon.ctl("rule", "del", "cam*").stdout, "deleted cam1\ndeleted cam2\ndeleted cam10\n", "del")
    names = [f"r{i}" for i in range(1200)]
    batch_file = write_file("real", "".join(
        f"rule add {name} in 239.7.{i >> 8}.{i & 255}:5000@in0 out 10.2.0.2:{i + 1}\n"
        for i, name in enumerate(names)))
    changed = json.loads(daemon.ctl("-j", "-batch", batch_file).stdout)
    equal((changed["added"], changed["removed"]), (1200, 0), "changed")
    equal([rule["name"] for rule in json.loads(daemon.ctl("-j", "rule").stdout)["rules"]],
          ["spare4", *names], "rules")
    done = daemon.ctl("-batch", batch_file, check=False)
    equal(done.returncode, EXIT_REFUSED, "the same again")
    check(f"{batch_file}:1:10: 'r0': duplicate" in done.stderr, done.stderr[:500])
    saved = os.path.join(work_directory(), "real.yaml")
    daemon.ctl("config", "save", saved)
    equal(ctl(None, "config", "check", saved).stdout, "valid, 1201 rules\n", "what was saved")


main()
