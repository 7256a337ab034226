#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Any call may fail: check how the daemon handles it, call by call, stage by stage.

    sweep.py [--stage NAME]... [--sample N] [--seed N] [--errno NAME] [--first N] [--report DIRECTORY]

In each round one call fails (fault.h). Then there must be no crash, no hang, no sanitizer report and
nothing left behind, an error must say what failed, and the daemon must either continue to relay or have
ended with the right exit code. Without --sample every call of every stage has its round. --errno: all
system calls fail with this errno, which should be one that the kernel can return (EINTR, EPERM). The
exit code is 1 if a round went wrong.
"""

import argparse
import collections
import contextlib
import errno
import os
import random
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns"))

# pylint: disable=wrong-import-position
from harness import (PATIENCE, Timeout, check, netns, sanitizer_report, wait_until,  # noqa: E402
                     work_directory)
from control import Client, Refused  # noqa: E402
from faults import SANITIZERS_OWN, Place, descriptors  # noqa: E402
from manager import Manager  # noqa: E402

ENDS = {2: "refused", 70: "internal", 77: "permission", 78: "configuration"}

CONFIG = """\
rules:
  - a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 out 10.2.0.2:6001
  - b in 239.1.1.2:5000@in0 source 10.1.0.1 path auto out 239.2.2.3:6000@out0
  - k in 239.1.1.9:5000@in0 path kernel out 239.2.2.6:6000@out0 out 10.2.0.2:6002
workers: { frames: 1024 }
statistics: { interval: 1 }
"""
# Other outputs, another interface with another rule, and a setting that needs a restart.
OTHER = CONFIG.replace("239.2.2.6:6000", "239.2.2.7:6000") \
    .replace("239.2.2.3:6000", "239.2.2.4:6000").replace("frames: 1024", "frames: 2048") \
    .replace("workers:", "  - c in 239.1.1.3:5000@in1 out 239.2.2.5:6000@out0\nworkers:")


class Wrong(Exception):
    """The daemon did something that it must not do."""


# ---- one fault in a daemon that has just been started ------------------------------------------

def words(log):
    """The errors and warnings of a log."""
    return [line for line in log.splitlines()
            if re.match(r"(error|warn|xmcastd: |<[34]>|.*/xmcast.yaml:)", line)]


def check_end(place, daemon, fault, allowed):
    """Check the end of a daemon: an allowed exit code, a reason in the log, and nothing left behind."""
    code, log = daemon.process.wait(), daemon.process.log()
    if sanitizer_report(daemon.process):
        raise Wrong(f"sanitizer report:\n{log}")
    if code not in allowed:
        raise Wrong(f"exit {code}:\n{log}")
    if code and not words(log) and not (fault and fault.hits_the_log()):
        raise Wrong(f"exit {code} without a reason:\n{log}")
    if not all(count == "0" for count in re.findall(r"frame-audit.*leaked=(-?\d+)", log)):
        raise Wrong(f"frames leaked:\n{log}")
    try:
        wait_until(lambda: not place.left(), "nothing is left")
    except Timeout:
        raise Wrong(f"left behind: {place.left()}\n{log}") from None
    return code


def check_states(daemon):
    """Check that every rule is active or pending with a reason. Returns the reasons."""
    with Client(daemon.socket) as client:
        rules = client.call("rule.list")["rules"]
    for rule in rules:
        if rule["state"] == "pending" and not rule.get("reason"):
            raise Wrong(f"pending without a reason: {rule}")
    return [f"{rule['name']}: {rule['reason']}" for rule in rules if rule["state"] == "pending"]


def heal(place, daemon):
    """Reload until all rules are active, as an administrator would; then check that it relays."""
    def active():
        with Client(daemon.socket) as client:
            client.call("config.reload")
        return not check_states(daemon)

    if check_states(daemon):
        wait_until(active, "all rules are active", PATIENCE, pause=0.1)
    place.relays(daemon)


def finish(place, daemon, fault):
    """Shut down a running daemon gracefully."""
    daemon.process.send_signal(signal.SIGTERM)
    check_end(place, daemon, fault, {0})


def is_ready(place, daemon):
    """Has it logged that it is ready? If the fault prevents that line: does it answer a ping?"""
    if daemon.process.find_line(r"^\w+\s+ready\b"):
        return True
    if not daemon.process.find_line("interface-ready") or not place.page.has_fired():
        return False
    with contextlib.suppress(OSError):
        with Client(daemon.socket) as client:
            client.socket.settimeout(1)
            return bool(client.call("ping"))
    return False


def start_up(place, number, force, *, arguments=(), manager=None):
    """A fault between main() and the readiness line."""
    place.page.arm(number, force, at_start=True)
    daemon = place.start(CONFIG, ready=False, arguments=arguments, manager=manager)
    if manager:
        manager.forget(for_good=True)  # what is left behind then is the daemon's fault
    process = daemon.process
    wait_until(lambda: process.returncode is not None or is_ready(place, daemon), "ready, or ended")
    calls, fault = place.page.disarm()
    if process.returncode is not None or not is_ready(place, daemon):
        allowed = ENDS if number else {}
        return calls, fault, f"exit {check_end(place, daemon, fault, allowed)}"
    try:
        reasons = check_states(daemon)
        heal(place, daemon)
    except OSError:  # it was ready, and a worker has failed
        return calls, fault, f"exit {check_end(place, daemon, fault, {70})}"
    finish(place, daemon, fault)
    return calls, fault, f"pending ({'; '.join(reasons)})" if reasons else "works"


def shut_down(place, number, force):
    """A fault between SIGTERM and the end."""
    daemon = place.start(CONFIG)
    place.relays(daemon)
    place.page.arm(number, force)
    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.wait()
    calls, fault = place.page.disarm()
    allowed = {0, 70} if fault else {0}
    return calls, fault, f"exit {check_end(place, daemon, fault, allowed)}"


def killed(place, number, force):
    """A fault while the next daemon goes on with what a killed one has left in the manager's store."""
    manager = Manager(work_directory())
    old = place.start(CONFIG, arguments=("--store",), manager=manager)
    place.relays(old)
    old.kill()
    return start_up(place, number, force, arguments=("--store",), manager=manager)


def restarted(place, number, force):
    """A fault while a daemon leaves everything in the manager's store; the next one goes on, or begins again."""
    manager = Manager(work_directory())
    old = place.start(CONFIG, arguments=("--store",), manager=manager)
    place.relays(old)
    place.page.arm(number, force)
    old.process.send_signal(signal.SIGTERM)
    old.process.wait()
    calls, fault = place.page.disarm()
    check_code(old, {0, 70} if fault else {0})
    new = place.start(CONFIG, arguments=("--socket", old.socket, "--store"), manager=manager)
    manager.forget(for_good=True)
    new.socket = old.socket
    heal(place, new)
    taken = new.process.find_line("taken-over")
    if not fault and not taken:
        raise Wrong(f"nothing was left:\n{old.process.log()}")
    finish(place, new, fault)
    return calls, fault, "works" if taken else "opened again"


def take_over(place, number, force):
    """A fault while a daemon takes over from another one: in either, from main() of the successor on."""
    old = place.start(CONFIG)
    place.relays(old)
    place.page.arm(number, force, at_start=True)
    new = place.start(CONFIG, ready=False, arguments=("--socket", old.socket, "--take-over"))
    new.socket = old.socket
    wait_until(lambda: new.process.returncode is not None or
               new.process.find_line(r"^\w+\s+ready\b"), "the successor is ready, or has ended")
    if new.process.returncode is None and new.process.find_line(r"taken-over"):
        old.process.wait()
    calls, fault = place.page.disarm()
    ended = [daemon for daemon in (old, new) if daemon.process.returncode is not None]
    for daemon in ended:
        check_code(daemon, {0, *ENDS} if fault else {0})
    if len(ended) == 2:  # the successor has failed after the commit
        return calls, fault, f"exit {check_end(place, new, fault, {70})}"
    alive = old if ended == [new] else new
    heal(place, alive)
    finish(place, alive, fault)
    return calls, fault, "taken over" if alive is new else "refused"


def check_code(daemon, allowed):
    """Check the exit code of a daemon whose partner may have everything that it leaves."""
    log = daemon.process.log()
    if sanitizer_report(daemon.process):
        raise Wrong(f"sanitizer report:\n{log}")
    if daemon.process.returncode not in allowed:
        raise Wrong(f"exit {daemon.process.returncode}:\n{log}")
    if not all(count == "0" for count in re.findall(r"frame-audit.*leaked=(-?\d+)", log)):
        raise Wrong(f"frames leaked:\n{log}")


# ---- one fault after another in a daemon that keeps running -------------------------------------

class Runner:
    """A daemon that is used for many rounds, and replaced if a fault has ended it."""

    def __init__(self, place, stage):
        self.place, self.stage = place, stage
        self.daemon = self.baseline = None

    def start(self):
        """Start a daemon in the state in which every round begins: it has run the stage once."""
        self.daemon = self.place.start(CONFIG)
        self.place.relays(self.daemon)
        self.stage(self)
        self.restore()
        self.baseline = self.quiet()

    def descriptors(self):
        """The descriptors of the daemon."""
        return descriptors(self.daemon.process.pid)

    def quiet(self):
        """The same, once it has not changed for a while: clients are gone."""
        same, last = 0, None
        while same < 10:
            now = self.descriptors()
            same, last = same + 1 if now == last else 0, now
            time.sleep(0.03)
        return last

    def call(self, method, **params):
        """Call a method. Returns "" or, if it failed, a description of the failure."""
        try:
            with Client(self.daemon.socket) as client:
                client.call(method, **params)
        except Refused as refused:
            return f"{method}: {refused.message}"
        except (ConnectionError, OSError) as error:
            return f"{method}: no answer ({error})"
        return ""

    def restore(self):
        """Restore the configuration that the daemon had before the round."""
        def restored():
            self.place.write_config(CONFIG)
            with Client(self.daemon.socket) as client:
                client.call("config.reload")
            return not check_states(self.daemon)

        wait_until(restored, "the configuration is restored")

    def round(self, number, force):
        """Inject one fault and check its consequences."""
        if not self.daemon:
            self.start()
        process = self.daemon.process
        lines = len(process.lines)
        self.place.page.arm(number, force)
        answers = [answer for answer in self.stage(self) or () if answer]
        calls, fault = self.place.page.disarm()
        if self.ended():
            return self.round_ended(calls, fault)
        for _ in range(3):  # the daemon has recovered from the fault by now, or ends because of it
            if self.ended():
                return self.round_ended(calls, fault)
            try:
                self.restore()
                self.place.relays(self.daemon)
                break
            except (OSError, Timeout, Refused):
                if not self.ends():
                    raise
        self.check_answers(answers, process.lines, lines)
        self.check_descriptors()
        return calls, fault, "; ".join(answers) or "works"

    @staticmethod
    def check_answers(answers, log, before):
        """Check that every request without an answer is explained in the log. If that line was
        suppressed, because faults are more frequent than one per second, an earlier one is enough."""
        for answer in answers:
            if "no answer" in answer and not words("\n".join(log[before:])) and \
                    not any("control-client-" in line for line in log):
                raise Wrong(answer)

    def ended(self):
        """Has the daemon ended?"""
        return self.daemon.process.returncode is not None

    def ends(self):
        """Does it end soon? It may still be releasing its resources."""
        with contextlib.suppress(Timeout):
            self.daemon.process.wait(5)
        return self.ended()

    def round_ended(self, calls, fault):
        """The fault has ended the daemon: check how."""
        code = check_end(self.place, self.daemon, fault, {70} if fault else {})
        self.daemon = None
        return calls, fault, f"exit {code}"

    def check_descriptors(self):
        """Check that the daemon has the same descriptors as before."""
        try:
            wait_until(lambda: self.descriptors() == self.baseline, "descriptors")
        except Timeout:
            now = collections.Counter(self.descriptors())
            before = collections.Counter(self.baseline)
            raise Wrong(f"descriptors: more {dict(now - before)}, less {dict(before - now)}\n"
                        f"{self.daemon.process.log()}") from None

    def stop(self):
        """Stop the daemon at the end of the stage."""
        if self.daemon:
            finish(self.place, self.daemon, None)
        self.daemon = None


def change_rules(runner):
    """Add, change and delete rules, one of them on another interface, which needs a new intake."""
    return [
        runner.call("rule.add", rules=["c in 239.1.1.3:5000@in1 out 239.2.2.5:6000@out0"]),
        runner.call("rule.add", rules=["d in 239.1.1.4:5000@in0 out 10.2.0.2:6002 "
                                       "out 239.2.2.6:6000@out0"]),
        runner.call("rule.replace", rules=["c in 239.1.1.3:5001@in1 out 239.2.2.5:6000@out0"]),
        runner.call("rule.disable", names=["d"]),
        runner.call("rule.enable", names=["d"]),
        runner.call("rule.del", names=["c", "d"]),
    ]


def reload(runner):
    """Load another configuration and then the previous one again."""
    runner.place.write_config(OTHER)
    answers = [runner.call("config.diff"), runner.call("config.reload")]
    runner.place.write_config(CONFIG)
    return answers + [runner.call("config.reload")]


def save(runner):
    """Save and show the configuration."""
    answers = [runner.call("config.save"), runner.call("config.show")]
    files = set(os.listdir(runner.place.directory))
    check(files <= {"xmcast.yaml", "xmcast.yaml.lock"}, f"left: {files}")
    return answers


def query(runner):
    """Call every method that reads something."""
    return [runner.call(method) for method in (
        "version", "ping", "rule.list", "stats.show", "iface.list", "worker.list", "group.list",
        "log.show", "config.show")]


def monitor(runner):
    """A monitoring client, while a rule is disabled and enabled."""
    answers = []
    try:
        with Client(runner.daemon.socket) as client:
            client.call("monitor.start")
            answers.append(runner.call("rule.disable", names=["b"]))
            answers.append(runner.call("rule.enable", names=["b"]))
            client.call("ping")
    except Refused as refused:
        answers.append(f"monitor: {refused.message}")
    except OSError as error:
        answers.append(f"monitor: no answer ({error})")
    return answers


def traffic(runner):
    """Relay packets and read the counters."""
    place = runner.place
    for i in range(40):
        place.input.sendto(b"traffic %d" % i, ("239.1.1.1", 5000))
        place.input.sendto(b"other %d" % i, ("239.1.1.2", 5000))
    with contextlib.suppress(Exception):
        runner.daemon.settle()
    return []


def interface(runner):
    """Set an input interface down and up again."""
    daemon, relay = runner.daemon, runner.place.star.relay

    def seen(what, before):
        def answer():
            lines = [line for line in daemon.process.lines[before:] if re.search(what, line)]
            return lines or daemon.process.returncode is not None

        with contextlib.suppress(Timeout):  # the fault may have prevented that line
            wait_until(answer, what, 3)

    before = len(daemon.process.lines)
    relay.ip("link set in0 down")
    seen("interface-impaired", before)
    relay.ip("link set in0 up")
    seen("interface-recovered", before)
    return []


FRESH = {"start": start_up, "stop": shut_down, "take-over": take_over,
         "killed": killed, "restarted": restarted}
LASTING = {"change": change_rules, "reload": reload, "save": save, "query": query,
           "monitor": monitor, "traffic": traffic, "interface": interface}


# ---- the sweep --------------------------------------------------------------------------------

class Sweep:
    """Runs the rounds of the requested stages."""

    def __init__(self, options):
        self.options = options
        self.place = Place()
        self.force = getattr(errno, options.errno) if options.errno else 0
        self.wrong = []  # one line for each round that went wrong

    def run_stage(self, name):
        """Run rounds 1, 2, … until a round has no call that could fail, or a sample of them."""
        began = time.monotonic()
        runner = None
        if name in FRESH:
            def one(number):
                return FRESH[name](self.place, number, self.force)
        else:
            runner = Runner(self.place, LASTING[name])

            def one(number):
                return runner.round(number, self.force)
        total = max(one(0)[0], one(0)[0])
        tally = collections.Counter()
        rounds = 0
        for number in self.numbers(name, total):
            fired = self.round(name, one, number, tally, runner)
            rounds += 1
            if number > total and not fired:
                break
        if runner:
            try:
                runner.stop()
            except Wrong as wrong:
                self.report(name, 0, None, f"DEFECT at the end: {wrong}", tally)
        print(f"# {name}: {total} calls, {rounds} rounds, {time.monotonic() - began:.0f} s: " +
              ", ".join(f"{count} {kind}" for kind, count in sorted(tally.items())), flush=True)

    def numbers(self, name, total):
        """The numbers of the calls that fail, one per round."""
        if not self.options.sample:
            return range(self.options.first, 2 * total + 100)
        chooser = random.Random(f"{self.options.seed} {name}")
        return sorted(chooser.sample(range(1, total + 1), min(self.options.sample, total)))

    def round(self, name, one, number, tally, runner):
        """Run one round. Returns whether a call failed."""
        try:
            _, fault, outcome = one(number)
        except Exception as error:  # pylint: disable=broad-except
            _, fault = self.place.page.disarm()
            outcome = f"DEFECT {type(error).__name__}: {error}"
            if fault and (fault.is_the_sanitizers() or SANITIZERS_OWN.search(outcome)):
                outcome = "sanitizer"
            if runner:
                outcome += "\n" + runner.daemon.process.log() if runner.daemon else ""
                runner.daemon = None
            discard_processes()
        self.report(name, number, fault, outcome, tally)
        return fault is not None

    def report(self, name, number, fault, outcome, tally):
        """Write a line of the report, and remember it if the round went wrong."""
        kind = outcome.split(" ")[0].rstrip(":") if not outcome.startswith("exit") else outcome
        if kind not in ("works", "DEFECT", "pending", "sanitizer") and not kind.startswith("exit"):
            kind = "refused"
        tally[kind if fault or kind == "DEFECT" else "untouched"] += 1
        line = f"{name} {number}: {fault} -> {outcome}\n    {fault.callers() if fault else ''}"
        if kind == "DEFECT":
            self.wrong.append(line)
        if self.options.report:
            os.makedirs(self.options.report, exist_ok=True)
            with open(os.path.join(self.options.report, f"{name}.txt"), "a", encoding="utf-8") as f:
                f.write(line + "\n")


def discard_processes():
    """Kill the processes that a round has left, but keep the namespaces."""
    while netns._processes:  # pylint: disable=protected-access
        process = netns._processes.pop()  # pylint: disable=protected-access
        with contextlib.suppress(Exception):
            process.kill()


def parse_arguments(arguments=None):
    """Parse the command line, or these arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--stage", action="append", choices={**FRESH, **LASTING})
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--errno")
    parser.add_argument("--report")
    return parser.parse_args(arguments)


def main():
    """Run the stages that the command line names."""
    options = parse_arguments()
    netns.prepare()
    sweep = Sweep(options)
    for name in options.stage or {**FRESH, **LASTING}:
        before = len(sweep.wrong)
        sweep.run_stage(name)
        print("\n".join(sweep.wrong[before:]), flush=True)
    print(f"{len(sweep.wrong)} rounds went wrong")
    sys.exit(1 if sweep.wrong else 0)


if __name__ == "__main__":
    main()
