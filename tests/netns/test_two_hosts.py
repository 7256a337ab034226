#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The recipe of docs/two-hosts.md, with its files as they are there: two relays and a witness, until the failover
shows in `cluster status`. Only what systemd does (users, start, kill) is done by hand, with the users and rights of
the units, and both nodes get a name, because they have one host name here. tests/packaging/bare_packages.py installs
the packages."""

import json
import os
import re

from cluster import Switch, etcd_program
from harness import (EXIT_REFUSED, ROOT, Daemon, Namespace, check, equal, main, need, program, run, start, test,
                     wait_until, work_directory, write_file)
from traffic import Traffic

with open(os.path.join(ROOT, "docs", "two-hosts.md"), encoding="utf-8") as _file:
    PAGE = _file.read()


def block(before):
    """The indented block behind the text, without its indentation."""
    found = re.search(re.escape(before) + r"[^\n]*(?:\n[^\n ][^\n]*|\n {4}[a-z][^\n]*)*\n\n((?: {8}.*\n)+)", PAGE)
    check(found, f"no block behind {before!r}")
    return re.sub(r"^ {8}", "", found[1], flags=re.M)


class Users:
    """The users and groups that the packages create, in a file system of their own, and programs that are run as
    these."""

    def __init__(self):
        self.root = os.path.join(work_directory(), "users")
        for directory in ("etc", "usr/lib/sysusers.d"):
            os.makedirs(os.path.join(self.root, directory))
        for name in ("xmcast", "xmcast-cluster"):
            with open(os.path.join(ROOT, "packaging/sysusers.d", f"{name}.conf"), encoding="utf-8") as file:
                write_file(f"users/usr/lib/sysusers.d/{name}.conf", file.read())
        run("systemd-sysusers", f"--root={self.root}", "xmcast.conf", "xmcast-cluster.conf")
        self.users, self.groups = ({line.split(":")[0]: line.split(":")[2] for line in self._lines(name)}
                                   for name in ("passwd", "group"))
        for name, uid in self.users.items():
            if "xmcast" in name:
                equal(self.groups[name], uid, f"group of {name}")  # as_unit.py sets one number for both

    def _lines(self, name):
        with open(os.path.join(self.root, "etc", name), encoding="utf-8") as file:
            return file.read().splitlines()

    def run_as(self, *command):
        """The command, which sees only these users."""
        return ("unshare", "--mount", "sh", "-c", f"mount --bind {self.root}/etc/passwd /etc/passwd && "
                f"mount --bind {self.root}/etc/group /etc/group && exec \"$@\"", "sh", *command)

    def run_unit(self, name, directory):
        """What runs a program as the unit of this name does, with its ExecStart= arguments at the end. The
        directory becomes its RuntimeDirectory=."""
        path = os.path.join(ROOT, "packaging/systemd", f"{name}.service")
        with open(path, encoding="utf-8") as file:
            unit = file.read()
        user = re.search(r"^User=(.*)", unit, re.M)[1]
        more = re.search(r"^SupplementaryGroups=(.*)", unit, re.M)
        who = ",".join(self.groups[group] for group in more[1].split()) if more else ""
        os.mkdir(directory)
        os.chown(directory, int(self.users[user]), int(self.groups[user]))
        return (self.run_as("env", "ASAN_OPTIONS=detect_leaks=0", os.path.join(ROOT, "tests/netns/as_unit.py"), path,
                            self.users[user] + (f":{who}" if who else ""), directory),
                re.search(r"^ExecStart=\S+(.*)", unit, re.M)[1].split())


class Machine:
    """10.0.0.N of the recipe."""

    def __init__(self, users, switch, number):
        self.users, self.number = users, number
        self.namespace = Namespace(f"host{number}")
        switch.plug(self.namespace, "m0", f"p{number}", f"10.0.0.{number}/24")
        self.daemon = self.agent = None
        self.directory = os.path.join(work_directory(), f"run{number}")
        self.socket = os.path.join(self.directory, "xmcast-cluster", "cluster.sock")
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
        os.mkdir(self.directory)
        socket = os.path.join(self.directory, "xmcast", "xmcast.sock")
        prefix, _ = self.users.run_unit("xmcastd", os.path.dirname(socket))
        # What is locked fits the limit of a host that does not let us raise it.
        self.daemon = Daemon(self.namespace, config=block("Write `/etc/xmcast/xmcast.yaml`") +
                             "workers: { cpus: [0], frames: 1024 }\n", prefix=prefix, arguments=("--socket", socket))
        self.daemon.socket = socket
        config = write_file(f"cluster{self.number}.yaml",
                            f"node: host{self.number}\n" + block("Write `/etc/xmcast/cluster.yaml`"))
        prefix, arguments = self.users.run_unit("xmcast-cluster", os.path.dirname(self.socket))
        self.agent = start(self.namespace, *prefix, program("xmcast-cluster"), *arguments, "-c", config, "--daemon",
                           socket, "--socket", self.socket, name=f"xmcast-cluster{self.number}")
        self.agent.wait_line("cluster-started")

    def ask(self, *words, groups=None):
        """`xmcastctl cluster`: as root, or as a user in these groups."""
        command = (program("xmcastctl"), "--socket", self.socket, "cluster", *words)
        if groups is not None:
            command = self.users.run_as("setpriv", "--reuid=64321", "--regid=64321",
                                        "--groups=" + ",".join(self.users.groups[name] for name in groups), *command)
        return run(*command, check=False)

    def holder(self):
        """Who holds tv, by `xmcastctl cluster status`."""
        done = self.ask("status")
        found = re.search(r"^tv +0 +(\w+) .*held", done.stdout, re.M)
        return found and found[1]


def check_rights(users, machine):
    """The agent has a user of its own and no right but the groups'; who is in them may read, and move shards."""
    with open(f"/proc/{machine.agent.pid}/status", encoding="ascii") as file:
        status = {line.split(":")[0]: line.split(":", 1)[1].split() for line in file}
    equal(status["Uid"], [users.users["xmcast-cluster"]] * 4, "user")
    check(users.users["xmcast-cluster"] != users.users["xmcast"], "a user of its own")
    equal(sorted(status["Groups"]), sorted((users.groups["xmcast"], users.groups["xmcast-admin"])), "groups")
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(status[key][0], 16), 0, key)
    equal((status["NoNewPrivs"], status["Seccomp"]), (["1"], ["2"]), "no_new_privs, seccomp")
    done = machine.ask("-j", "status", groups=["xmcast"])
    check("state" in json.loads(done.stdout), f"status for a reader: {done.stderr}")
    equal(machine.ask("drain", groups=["xmcast"]).returncode, EXIT_REFUSED, "drain by a reader")
    equal(machine.ask("undrain", groups=["xmcast", "xmcast-admin"]).returncode, 0, "undrain by an administrator")
    check(machine.ask("status", groups=["xmcast-admin"]).returncode, "only the group xmcast may connect")


@test
def etcd_with_a_witness():
    """From nothing to a failover, with the files of the page"""
    need("systemd-sysusers", "systemd-analyze", "setpriv")
    os.chmod(work_directory(), 0o755)
    users = Users()
    switches = [Switch(label) for label in ("mgmt", "in", "out")]
    machines = [Machine(users, switches[0], number) for number in (1, 2, 3)]
    source = Namespace("source")
    switches[1].plug(source, "s0", "s", "10.1.0.9/24")
    for machine in machines[:2]:
        machine.relay(*switches[1:])
    first, second = machines[:2]
    name = wait_until(lambda: (seen := first.holder()) == second.holder() and seen, "both say who holds tv")
    traffic = Traffic(source, "10.1.0.9", "239.1.1.1", 5000, 100)
    holder, other = (first, second) if name == "host1" else (second, first)
    wait_until(lambda: holder.daemon.stats()["totals"]["sent_packets"], "it relays")
    # Unless the holder did not run for as long as the other one waits for it.
    sent = other.daemon.stats()["totals"]["sent_packets"]
    check(not sent or other.agent.find_line("shard-held"), f"{sent} packets sent by the standby")
    check_rights(users, holder)
    holder.agent.kill()
    holder.daemon.kill()
    wait_until(lambda: other.holder() == f"host{other.number}", "the other one holds tv")
    wait_until(lambda: other.daemon.stats()["totals"]["sent_packets"], "it relays")
    traffic.stop()
    other.agent.stop()


main()
