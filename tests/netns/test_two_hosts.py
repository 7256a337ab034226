#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The recipe of docs/two-hosts.md, with its files as they are there: two relays and a witness, until the failover
shows in `cluster status`. Only what systemd does (start, kill) is done by hand, and both nodes get a name, because
they have one host name here. tests/packaging/bare_packages.py installs the packages."""

import os
import re

from cluster import Switch, etcd_program
from harness import (ROOT, Daemon, Namespace, check, equal, main, program, run, start, test, wait_until,
                     work_directory, write_file)
from traffic import Traffic

with open(os.path.join(ROOT, "docs", "two-hosts.md"), encoding="utf-8") as _file:
    PAGE = _file.read()


def block(before):
    """The indented block behind the text, without its indentation."""
    found = re.search(re.escape(before) + r"[^\n]*(?:\n[^\n ][^\n]*|\n {4}[a-z][^\n]*)*\n\n((?: {8}.*\n)+)", PAGE)
    check(found, f"no block behind {before!r}")
    return re.sub(r"^ {8}", "", found[1], flags=re.M)


class Machine:
    """10.0.0.N of the recipe."""

    def __init__(self, switch, number):
        self.number = number
        self.namespace = Namespace(f"host{number}")
        switch.plug(self.namespace, "m0", f"p{number}", f"10.0.0.{number}/24")
        self.daemon = self.agent = None
        self.socket = os.path.join(work_directory(), f"cluster{number}.sock")
        # "on the others with their own name and address"
        own = re.sub(r"^(?!ETCD_INITIAL_CLUSTER)(.*)$",
                     lambda line: line[1].replace("m1", f"m{number}").replace("10.0.0.1", f"10.0.0.{number}"),
                     block("Write `/etc/default/etcd`"), flags=re.M)
        self.etcd = start(self.namespace, "env", *own.split(), f"ETCD_DATA_DIR={work_directory()}/etcd{number}",
                          etcd_program(), name=f"etcd{number}")

    def relay(self, inside, outside):
        """Steps 5 to 8."""
        inside.plug(self.namespace, "eth0", f"p{self.number}", f"10.1.0.{self.number}/24")
        outside.plug(self.namespace, "eth1", f"p{self.number}", f"10.2.0.{self.number}/24")
        self.daemon = Daemon(self.namespace, config=block("Write `/etc/xmcast/xmcast.yaml`"))
        config = write_file(f"cluster{self.number}.yaml",
                            f"node: host{self.number}\n" + block("Write `/etc/xmcast/cluster.yaml`"))
        self.agent = start(self.namespace, program("xmcast-cluster"), "-c", config, "--daemon",
                           self.daemon.socket, "--socket", self.socket, name=f"xmcast-cluster{self.number}")

    def holder(self):
        """Who holds tv, by `xmcastctl cluster status`."""
        done = run(program("xmcastctl"), "--socket", self.socket, "cluster", "status", check=False)
        found = re.search(r"^tv +0 +(\w+) .*held", done.stdout, re.M)
        return found and found[1]


@test
def etcd_with_a_witness():
    """From nothing to a failover, with the files of the page"""
    switches = [Switch(label) for label in ("mgmt", "in", "out")]
    machines = [Machine(switches[0], number) for number in (1, 2, 3)]
    source = Namespace("source")
    switches[1].plug(source, "s0", "s", "10.1.0.9/24")
    for machine in machines[:2]:
        machine.relay(*switches[1:])
    first, second = machines[:2]
    wait_until(lambda: first.holder() and first.holder() == second.holder(), "both say who holds tv")
    traffic = Traffic(source, "10.1.0.9", "239.1.1.1", 5000, 100)
    holder, other = (first, second) if first.holder() == "host1" else (second, first)
    wait_until(lambda: holder.daemon.stats()["totals"]["sent_packets"], "it relays")
    equal(other.daemon.stats()["totals"]["sent_packets"], 0, "sent by the standby")
    holder.agent.kill()
    holder.daemon.kill()
    wait_until(lambda: other.holder() == f"host{other.number}", "the other one holds tv")
    wait_until(lambda: other.daemon.stats()["totals"]["sent_packets"], "it relays")
    traffic.stop()
    other.agent.stop()


main()
