#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Configurations that scale: conf.d, ranges and defaults in a running daemon."""

import json
import os

from harness import EXIT_REFUSED, Daemon, Sink, Star, check, equal, generate, main, test, work_directory, write_file

RANGE = "cam{1..20} in 239.1.1.{1..20}:5000@in0 out 239.2.2.{20..1}:{6001..6020}@out0"


def names(daemon):
    """The names of all rules, in their order."""
    return [rule["name"] for rule in json.loads(daemon.ctl("-j", "rule", "list").stdout)["rules"]]


def read(name):
    """A file of the work directory."""
    with open(os.path.join(work_directory(), name), encoding="utf-8") as file:
        return file.read()


@test
def conf_d():
    """Files beside the configuration: their order, a reload, errors with FILE:LINE, and what is saved where"""
    star = Star()
    number = Daemon.count + 1
    directory = f"{number}.d"
    os.mkdir(os.path.join(work_directory(), directory))
    write_file(f"{directory}/20.yaml", "rules:\n- b in 239.1.1.2:5000@in0 out 239.2.2.2@out0\n")
    write_file(f"{directory}/10.yaml", "# mine\nrules:\n- a in 239.1.1.1:5000@in0 out 239.2.2.1@out0\n")
    daemon = Daemon(star.relay, config="rules:\n- z in 239.1.1.9:5000@in0 out 239.2.2.9@out0\n")
    equal(names(daemon), ["z", "a", "b"], "rules")
    path = write_file(f"{directory}/30.yaml", "rules:\n- c in 239.1.1.2:5000@in0 out 239.2.2.3@out0\n")
    done = daemon.ctl("config", "reload", check=False)
    equal(done.returncode, EXIT_REFUSED, "exit code")
    check(f"{path}:2:8: '239.1.1.2:5000@in0': duplicate input: rule b "
          f"({work_directory()}/{directory}/20.yaml:2) already has it" in done.stderr, done.stderr)
    write_file(f"{directory}/30.yaml", "rules:\n- c in 239.1.1.3:5000@in0 out 239.2.2.3@out0\n")
    daemon.ctl("config", "reload")
    equal(names(daemon), ["z", "a", "b", "c"], "rules after a reload")
    daemon.ctl("rule", "add", "new in 239.1.1.4:5000@in0 out 239.2.2.4@out0")
    daemon.ctl("rule", "disable", "b")
    daemon.ctl("config", "save")
    check("name: new\n" in read(f"{number}.yaml") and "name: a\n" not in read(f"{number}.yaml"), "the first file")
    check("enabled: no" in read(f"{directory}/20.yaml"), "the file of the changed rule")
    check(read(f"{directory}/10.yaml").startswith("# mine"), "a file without changes")
    daemon.ctl("config", "reload")
    equal(names(daemon), ["z", "new", "a", "b", "c"], "rules after all was saved and read again")
    equal(json.loads(daemon.ctl("-j", "config", "diff").stdout)["changed"], [], "changed rules")


@test
def a_range_relays():
    """A rule that stands for 20: each has its own group and output; listed as one, and as 20 when they differ"""
    star = Star()
    daemon = Daemon(star.relay, RANGE)
    equal([line.split()[0] for line in daemon.ctl("-br", "rule", "list").stdout.splitlines()], ["cam{1..20}"], "rows")
    sink = Sink(star.receiver, "r0", "--group", "239.2.2.18", "--port", "6003")
    sent = generate(star.source, "s0", "--group", "239.1.1.3", "--count", "100", "--rate", "1000")
    daemon.settle(steered=sent["sent_packets"])
    equal(sink.stop()["received_packets"], 100, "packets of the third rule")
    daemon.ctl("rule", "disable", "cam{19..20}")
    rows = daemon.ctl("-br", "rule", "list").stdout.splitlines()
    equal(len(rows), 20, "rows")
    daemon.ctl("rule", "enable", "cam{19..20}")
    check(RANGE in daemon.ctl("config", "show").stdout, "the range as one rule")


if __name__ == "__main__":
    main()
