#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl top in a real terminal (tmux): its screen, its keys, terminal sizes, and the state of the
terminal after every kind of end."""

import os
import re
import shlex
import signal
import threading

import fake_daemon
from fake_daemon import FakeDaemon, Refusal, answers, counters, output, page
from harness import (Timeout, check, equal, main, need, program, run, test, wait_until,
                     work_directory)

TOP = r"xmcastctl top - \?: keys; up"


class Terminal:
    """A shell in a terminal, in which top is started."""

    count = 0

    def __init__(self, columns=80, rows=24):
        need("tmux", "stty")
        Terminal.count += 1
        self.directory = work_directory()
        self.socket = os.path.join(self.directory, f"tmux{Terminal.count}")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "env -i TERM=screen PS1='$ ' PATH=/usr/bin:/bin sh")
        self.wait(r"^\$", "a prompt")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")

    def tmux(self, *words):
        """Run tmux and return its output."""
        return run("tmux", "-S", self.socket, *words).stdout

    def keys(self, *names):
        """Press keys."""
        self.tmux("send-keys", *names)

    def screen(self):
        """The content of the screen, without trailing newlines."""
        return self.tmux("capture-pane", "-p").rstrip("\n")

    def wait(self, pattern, what):
        """Wait until the screen matches. Returns its content."""
        def matches():
            seen = self.screen()
            return re.search(pattern, seen, re.M) and seen

        try:
            return wait_until(matches, what)
        except Exception:
            check(False, f"never saw {what} ({pattern}):\n{self.screen()}")

    def wait_rules(self, names, title=TOP):
        """Wait until exactly these rules are listed in this order and the title matches."""
        def listed_so():
            seen = self.screen()
            return re.search(title, seen, re.M) and listed(seen) == names

        try:
            wait_until(listed_so, f"{names}, {title}")
        except Timeout:
            check(False, f"never saw {names} below {title}:\n{self.screen()}")

    def resize(self, columns, rows):
        """Change the size of the window."""
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def start(self, daemon, *words, wait=TOP):
        """Start top in the shell, and record the terminal's settings before and after it."""
        command = [program("xmcastctl"), "--socket", daemon.path, *words]
        script = os.path.join(self.directory, f"top{Terminal.count}.sh")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"stty -a >{script}.before\n{shlex.join(command)}\n"
                       f"echo code=$?\nstty -a >{script}.after\necho over\n")
        self.script = script
        self.keys(f". {script}", "Enter")
        if wait:
            self.wait(wait, "top")
            self.wait("^[+-] ", "the first rules")

    def pid(self):
        """Of xmcastctl."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()

        def child():
            with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as file:
                return file.read().split()

        return int(wait_until(child, "a child of the shell")[0])

    def ended(self, code):
        """Check that it has ended with this code and restored the terminal. Returns the screen."""
        seen = self.wait(r"^over", "the end")
        check(f"code={code}" in seen, f"expected code {code}:\n{seen}")
        check("xmcastctl top" not in seen, f"the screen of top is still shown:\n{seen}")
        settings = []
        for when in ("before", "after"):
            with open(f"{self.script}.{when}", encoding="ascii") as file:
                settings.append(re.sub(r"(rows|columns) \d+", r"\1", file.read()))
        equal(settings[1], settings[0], "stty -a")
        check(self.tmux("display-message", "-p", "#{cursor_flag}#{alternate_on}").strip() == "10",
              "no cursor, or the alternate screen is still on")
        return seen


def serve(**other):
    """A fake daemon."""
    serve.count = getattr(serve, "count", 0) + 1
    return FakeDaemon(os.path.join(work_directory(), f"top{serve.count}.sock"), answers(**other))


def statistics(rules, drops=7):
    """An answer of stats.show, with these rules."""
    interface = {**fake_daemon.INTERFACE, "redirected": {}}
    interface["queues"] = [dict(queue) for queue in interface["queues"]]
    interface["queues"][0]["fill_ring_empty"] = drops
    return lambda params: page(params, "rules", rules, uptime_seconds=65,
                               totals=fake_daemon.TOTALS, interfaces=[interface],
                               workers=fake_daemon.WORKERS)


def listed(screen):
    """The names of the rules on the screen, in order."""
    return [match[1] for match in re.finditer(r"^[+-] (\S+)", screen, re.M)]


@test
def first_screen():
    """80 × 24: totals, drops by reason, exhaustion, queues, and every rule with its rates"""
    with Terminal() as terminal:
        terminal.start(serve(), "top")
        terminal.wait_rules(["cam1", "cam2", "cam3", "spare4"])
        seen = terminal.screen().split("\n")
        equal(seen[0], "xmcastctl top - ?: keys; up 1m05s; by pps; 4 rules: 1 flowing, 1 silent",
              "title")
        equal(seen[1], "total   steered 99.6k, received 99.6k, sent 199k, errors 2, limited 0, "
              "dropped 8", "totals")
        equal(seen[2], "rate    20.0k pps, 224M bit/s in; buffers exhausted 7 (0.0070 %)", "rates")
        equal(seen[3], "drops   fill_ring_empty 7, out0:ring_full 3, no_rule 1, EAGAIN 2", "drops")
        equal(seen[4], "worker  in0/0: queued 44, in flight 40, of 16384 frames", "worker")
        equal(seen[6], "device  in0 to out0: sent 497, dropped 3", "devices")
        equal(seen[8].split(), ["RULE", "STATE", "PATH", "PPS", "BPS", "OUT", "SENT", "DROPS", "DROP/S",
                                "IFEX/S"], "headings")
        equal(seen[9].split(), ["+", "cam1", "flowing", "user", "20.0k", "224M", "2", "198k", "2", "0",
                                "0"], "cam1")
        equal(len(seen[9]), 80, "width")
        terminal.keys("q")
        terminal.ended(0)


@test
def widths():
    """80 columns cut no total; what a wider screen has room for is shown: paths, reasons, inputs"""
    large = {**fake_daemon.TOTALS, **dict.fromkeys(fake_daemon.TOTALS, 123456789012)}
    rules = [{**rule, "name": f"a-name-of-26-letters-{rule['name']:_>6}"} for rule in fake_daemon.RULES]
    daemon = serve(stats_show=lambda params: page(params, "rules", rules, uptime_seconds=65, totals=large,
                                                  interfaces=[fake_daemon.INTERFACE], workers=fake_daemon.WORKERS))
    with Terminal(columns=80) as terminal:
        terminal.start(daemon, "top", "-d", "0.2")
        seen = terminal.wait(r"^RULE +STATE +PPS ", "no column for the paths")
        check("total   steered 123G, received 123G, sent 123G, errors 123G, limited 123G,\n        dropped 123G\n" in seen,
              seen)
        check("+ a-name-of-26-letters-__ flowing " in seen, seen)
        terminal.resize(130, 24)
        seen = terminal.wait(r"^\+ a-name-of-26-letters-__cam3 +pending +user .* output interface gone0 does not exist$",
                             "the reason")
        check(re.search(r"_cam2 +silent +kernel ", seen) and re.search("_cam1 .* EAGAIN 2$", seen, re.M), seen)
        terminal.resize(160, 24)
        terminal.wait(r"_cam1 +flowing +user +239\.1\.1\.1:5000@in0 +20\.0k .* EAGAIN 2$", "the input")
        terminal.keys("Enter")
        why = r"^- a-name-of-26-letters-_.*\n    in 239\.1\.1\.1:5000@in0, path user \(10\.2\.0\.3:7000: wg0 cannot "
        terminal.wait(why, "the outputs")
        terminal.resize(80, 24)
        terminal.wait(why, "the outputs")
        terminal.keys("q")
        terminal.ended(0)


RULES = [counters("a1", [output("10.0.0.1:1", 10, {"EAGAIN": 5}, 10)], received=10, pps=10),
         counters("b2", [output("10.0.0.2:1", 30, pps=30)], received=30, pps=30, flow="flowing"),
         counters("c3", [output("10.0.0.3:1", 20, {"ENOBUFS": 9}, 20)], received=20, pps=20)]


@test
def sorting_and_searching():
    """n, p, b, d, x sort, and reverse the order when repeated; / searches, Esc shows all again"""
    with Terminal() as terminal:
        terminal.start(serve(stats_show=statistics(RULES)), "top", "-d", "0.2")
        terminal.wait_rules(["b2", "c3", "a1"], "by pps")
        for key, title, order in (("n", "by name", "abc"), ("n", "by name, reversed", "cba"),
                                  ("d", "by drops", "cab"), ("b", "by bps", "bca"),
                                  ("x", "by exhausted", "abc"), ("p", "by pps", "bca")):
            terminal.keys(key)
            terminal.wait_rules([{"a": "a1", "b": "b2", "c": "c3"}[one] for one in order], title)
        terminal.keys("/", "3", "BSpace", "b")
        terminal.wait_rules(["b2"], "^search: b_")
        terminal.keys("Enter")
        terminal.wait_rules(["b2"], 'rules with "b": 1')
        terminal.keys("Escape")
        terminal.wait(r"^\+ a1", "all")
        for key in ("h", "?"):
            terminal.keys(key)
            terminal.wait("^q +quit\n\nOUT +outputs", "help")
            terminal.keys(key)
            terminal.wait(r"^\+ a1", "the rules again")
        terminal.keys("q")
        terminal.ended(0)


@test
def outputs():
    """Enter shows and hides the outputs of a rule, with the reasons of their drops"""
    with Terminal() as terminal:
        terminal.start(serve(stats_show=statistics(RULES)), "top", "-d", "0.2")
        terminal.keys("Down", "Enter")
        terminal.wait(r"^- c3 .*\n    in 239\.1\.1\.3:5000@in0, path user\n    10\.0\.0\.3:1 .*\n"
                      r"      ENOBUFS 9\n\+ a1", "the reason")
        terminal.keys("End", "Enter")
        terminal.wait("^      EAGAIN 5$", "the reason")
        terminal.keys("Enter", "Up", "Enter")
        terminal.wait(r"^\+ c3 .*\n\+ a1", "none")
        terminal.keys("C-c")
        terminal.ended(0)


@test
def output_that_nothing_can_leave_by():
    """The reason why an output cannot send is shown below it, also before it has lost packets"""
    rule = counters("a1", [{**output("10.0.0.1:1", 10), "reason": "its interface is down"}])
    with Terminal() as terminal:
        terminal.start(serve(stats_show=statistics([rule])), "top", "-d", "0.2")
        terminal.keys("Enter")
        terminal.wait(r"^    10\.0\.0\.1:1 .*\n      its interface is down$", "the reason")
        terminal.keys("q")
        terminal.ended(0)


@test
def rates_of_drops():
    """Drops and exhaustion per second are computed from two samples"""
    state = {"drops": 0}

    def growing(params):
        state["drops"] += 100000
        rules = [counters("a1", [output("10.0.0.1:1", 10, {"EAGAIN": state["drops"]})])]
        return statistics(rules, state["drops"] // 10)(params)

    with Terminal() as terminal:
        terminal.start(serve(stats_show=growing), "top", "-d", "0.5")

        def rates():
            words = re.search(r"^\+ a1 .*", terminal.screen(), re.M)[0].split()
            return [float(word[:-1]) for word in words[-2:] if word.endswith("k")]

        def plausible():
            # An answer that came late makes the next interval short, and that rate too high.
            seen = rates()
            return len(seen) == 2 and 10 < seen[0] <= 230 and 1 < seen[1] <= 23

        wait_until(plausible, "rates of drops and exhaustion")
        terminal.keys("q")
        terminal.ended(0)


@test
def sizes():
    """It redraws itself for every size, also very small ones"""
    many = [counters(f"rule{i}", [output("239.2.2.2:6000@out0", 1)], pps=1000 - i)
            for i in range(100)]
    with Terminal() as terminal:
        terminal.start(serve(stats_show=statistics(many)), "top", "-d", "0.2")
        for columns, rows, last in ((120, 50, "rule41"), (80, 24, "rule15"), (40, 10, "rule6"),
                                    (20, 5, "rule1"), (10, 3, None), (2, 2, None), (1, 1, None),
                                    (200, 14, "rule5"), (80, 24, "rule15")):
            terminal.resize(columns, rows)
            if last:
                seen = terminal.wait(rf"\+ {last}\b[^\n]*\Z", f"{last} at the end")
                check(all(len(line) <= columns for line in seen.split("\n")), seen)
                check(len(seen.split("\n")) == rows, f"{columns} × {rows}:\n{seen}")
        terminal.keys("End")
        terminal.wait(r"\+ rule99\b[^\n]*\Z", "the last rule")
        terminal.keys("PPage")
        terminal.keys("Home")
        terminal.wait(r"OUT .*\n\+ rule0\b", "the first rule")
        terminal.keys("NPage", "NPage")
        terminal.wait(r"\+ rule32\b[^\n]*\Z", "two pages on")
        terminal.keys("q")
        terminal.ended(0)


@test
def signals():
    """SIGINT, SIGTERM, SIGHUP, SIGQUIT: exit 0; a crash: the signal; the terminal is restored"""
    for number, code in ((signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 0),
                         (signal.SIGQUIT, 0), (signal.SIGSEGV, 139), (signal.SIGABRT, 134)):
        with Terminal() as terminal:
            terminal.start(serve(), "top")
            os.kill(terminal.pid(), number)
            terminal.ended(code)


@test
def suspended():
    """Ctrl-Z returns to the shell, and fg to top"""
    with Terminal() as terminal:
        terminal.start(serve(), "top", "-d", "0.2")
        pid = terminal.pid()
        terminal.keys("C-z")

        def stopped():
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "T"

        wait_until(stopped, "a stopped top")
        terminal.wait(r"code=\d+", "the shell")
        terminal.keys("clear; fg", "Enter")
        terminal.wait(TOP, "top again")
        terminal.keys("q")
        terminal.wait(r"^\$\Z", "the shell")


@test
def daemon_goes():
    """When the daemon ends: an immediate message and exit code 3, however long the interval"""
    with Terminal() as terminal:
        daemon = serve()
        terminal.start(daemon, "top", "-d", "3600")
        daemon.stop()
        seen = terminal.ended(3)
        check("closed the connection" in seen.replace("\n", ""), seen)


@test
def daemon_is_stuck():
    """Ctrl-C ends it even if the daemon does not answer"""
    release = threading.Event()

    def stuck(_params):
        release.wait(60)
        return {}

    with Terminal() as terminal:
        terminal.start(serve(stats_show=stuck), "top", wait=None)
        terminal.wait("^waiting for xmcastd", "top")
        terminal.keys("C-c")
        terminal.ended(0)
    release.set()


@test
def keys_while_it_is_stuck():
    """Keys work while the daemon does not answer: a search is shown, and q ends it"""
    release = threading.Event()
    state = {"calls": 0}

    def stuck(params):
        state["calls"] += 1
        if state["calls"] > 1:
            release.wait(60)
        return statistics(RULES)(params)

    with Terminal() as terminal:
        terminal.start(serve(stats_show=stuck), "top", "-d", "0.1")
        wait_until(lambda: state["calls"] > 1, "a call that is not answered")
        terminal.keys("/")
        terminal.wait("^search: ", "the search")
        terminal.keys("cam2", "Enter", "q")
        terminal.ended(0)  # 3, once the call has timed out
    release.set()


@test
def refused_once():
    """A refusal is shown until the next answer"""
    refusing = threading.Event()

    def sometimes(params):
        if refusing.is_set():
            raise Refusal(-32603, "no memory")
        return statistics(RULES)(params)

    with Terminal() as terminal:
        terminal.start(serve(stats_show=sometimes), "top", "-d", "0.2")
        refusing.set()
        terminal.wait("refused: no memory", "the refusal")
        refusing.clear()
        terminal.wait(r"\n\nRULE", "no refusal")
        terminal.keys("q")
        terminal.ended(0)


@test
def unknown_terminal():
    """An unknown terminal type: a usage error, and the terminal is unchanged"""
    with Terminal() as terminal:
        terminal.keys("TERM=no-such-terminal; export TERM", "Enter")
        terminal.start(serve(), "top", wait=None)
        seen = terminal.ended(1)
        check("top -b" in seen, seen)


@test
def batch_mode():
    """top -b -n 2: two frames of plain text, without a terminal"""
    daemon = serve()
    done = run(program("xmcastctl"), "--socket", daemon.path, "top", "-b", "-n", "2", "-d", "0.1")
    equal(done.stdout.count("xmcastctl top -"), 2, "frames")
    check("\033" not in done.stdout and done.stdout.isascii(), repr(done.stdout))
    equal(listed(done.stdout), ["cam1", "cam2", "cam3", "spare4"] * 2, "rules")


main()
