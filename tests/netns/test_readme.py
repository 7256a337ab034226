#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every command in README.md is run: here, in its order, on a machine that has the interfaces and hosts of the
examples; or, if it needs a Debian of its own, by another test, which must then contain it.

A command that is in neither list fails, and so does one in a list that README.md no longer has."""

import os
import re
import shlex

from harness import (ROOT, Namespace, check, equal, main, program, receive, receiver, run,
                     sender, start, test, veth, wait_until, work_directory, write_file)
from netns import PATIENCE

with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as _file:
    README = _file.read()

PROGRAMS = ("make", "apt", "podman", "xmcastd", "xmcastctl", "systemctl", "journalctl", "kill", "docker")

# Command: the test that runs it, and what is in there.
ELSEWHERE = {
    "make demo": ("tests/packaging/bare_install.py", "make -s demo"),
    "make deb": ("Makefile", "test-bare: check-root test-deps deb"),
    "apt install ./build/deb/xmcast_*.deb": ("tests/packaging/bare_packages.py", "apt-get install"),
    "make build-deps": ("tests/packaging/bare_install.py", "make -s build-deps"),
    "make install": ("tests/packaging/bare_install.py", "make -s install"),
    "podman build --format docker -t xmcast -f packaging/container/Containerfile build/deb":
        ("tests/packaging/bare_container.py", "-f /root/container/Containerfile"),
    "systemctl reload xmcastd": ("tests/vm/guest", '"systemctl", "reload", "xmcastd"'),
    "systemctl enable --now xmcast-exporter":
        ("tests/vm/guest/access.py", '"systemctl", "enable", "--now", "xmcast-exporter"'),
    "xmcastctl capture cam1": ("tests/netns/test_capture.py", '"capture", *arguments'),
    "journalctl -u xmcastd XMCAST_RULE=cam1": ("tests/vm/guest/access.py", "XMCAST_RULE=cam1"),
}


def blocks():
    """The indented blocks of the page, without their indentation."""
    return [re.sub(r"^ {4}", "", block, flags=re.M) for block in
            re.findall(r"(?:^ {4}.*\n)+", README, re.M)]


def commands():
    """Every command, in the order of the page."""
    return [command for block in blocks() for line in block.splitlines() for command in line.split(" && ")
            if command.split(" ", 1)[0] in PROGRAMS]


def configuration():
    """The example of a file."""
    return next(block for block in blocks() if block.startswith("rules:"))


class Machine:
    """The machine of the examples: eth0 towards a camera, eth1 towards receivers, one of which is 10.0.0.100."""

    def __init__(self):
        self.camera, self.relay, self.receiver = (Namespace(name) for name in ("camera", "relay", "receiver"))
        veth(self.camera, "c0", self.relay, "eth0", near_addr="10.9.0.9/16", far_addr="10.9.0.1/16")
        veth(self.relay, "eth1", self.receiver, "r0", near_addr="10.0.0.1/24", far_addr="10.0.0.100/24")
        self.socket = os.path.join(work_directory(), "readme.sock")
        self.file = write_file("xmcast.yaml", configuration())

    def words(self, command):
        """The command with the paths of the build and of this test."""
        words = shlex.split(command.replace("/etc/xmcast/xmcast.yaml", self.file))
        if command == "xmcastd -t":
            words += ["-c", self.file]
        return [program(words[0]), *words[1:]]

    def run(self, command):
        """Run a command of the page on the relay; it must succeed."""
        return self.relay.run("env", f"XMCAST_SOCKET={self.socket}", *self.words(command)).stdout

    def relays(self):
        """A packet of the camera reaches both outputs of cam1, with TTL 8 and 64."""
        sinks = [receiver(self.receiver, 6000, "239.2.2.2", "10.0.0.100"), receiver(self.receiver, 6000)]
        # The address of the second is resolved first.
        self.relay.ip(f"neigh replace 10.0.0.100 lladdr {self.receiver.mac('r0')} dev eth1 nud permanent")
        sock = sender(self.camera, "10.9.0.9")
        sock.sendto(b"frame", ("239.1.1.1", 5000))
        wait_until(lambda: all_sent(self.run("xmcastctl -j stats show")), "it is relayed")
        found = {receive(sink)[0::2] for sink in sinks}
        for thing in (*sinks, sock):
            thing.close()
        equal(found, {(b"frame", 8), (b"frame", 64)}, "payloads and TTLs")


def all_sent(stats):
    """Have two datagrams been sent?"""
    return re.search(r'"sent_packets":2\b', stats)


@test
def first_rule():
    """The rule on the command line and the rule in the file are the same, and relay a packet to both outputs"""
    machine = Machine()
    command = next(command for command in commands() if command.startswith("xmcastd --rule"))
    process = start(machine.relay, "env", f"XMCAST_SOCKET={machine.socket}", *machine.words(command))
    process.wait_line(r"^\w+\s+ready\b")
    machine.relays()
    shown = machine.run("xmcastctl config show")
    equal(process.stop(), 0, "exit code of xmcastd")
    machine.run("xmcastd -t")
    process = start(machine.relay, "env", f"XMCAST_SOCKET={machine.socket}", program("xmcastd"), "-c",
                    machine.file)
    process.wait_line(r"^\w+\s+ready\b")
    machine.relays()
    equal(machine.run("xmcastctl config show"), shown, "configuration of the file, and of the line")
    equal(process.stop(), 0, "exit code of xmcastd")


@test
def every_command():
    """Every command of the page is run, here or by another test"""
    machine = Machine()
    process = start(machine.relay, "env", f"XMCAST_SOCKET={machine.socket}", program("xmcastd"), "-c",
                    machine.file)
    process.wait_line(r"^\w+\s+ready\b")
    used = set()
    for command in commands():
        if command in ELSEWHERE:
            used.add(command)
            check_elsewhere(*ELSEWHERE[command])
        elif command == "xmcastctl monitor":
            watch(machine, command)
        elif command == "xmcastctl top":
            check("cam1" in machine.run("xmcastctl top -b -n 1"), "top")
        elif not command.startswith("xmcastd --rule"):
            machine.run(command)
    equal(used, set(ELSEWHERE), "commands that other tests run")
    with open(machine.file, encoding="utf-8") as file:
        check("cam1" in file.read(), "what was saved")
    equal(process.stop(), 0, "exit code of xmcastd")


def watch(machine, command):
    """`monitor` prints events until it is interrupted."""
    process = start(machine.relay, "env", f"XMCAST_SOCKET={machine.socket}", *machine.words(command))

    def printed():
        for verb in ("disable", "enable"):
            machine.run(f"xmcastctl rule {verb} cam1")
        return process.output

    wait_until(printed, "an event is printed", PATIENCE)
    process.stop()


def check_elsewhere(path, text):
    """A test has this text; the path of a directory means any file there."""
    where = os.path.join(ROOT, path)
    files = [os.path.join(where, name) for name in os.listdir(where)] if os.path.isdir(where) else [where]
    found = False
    for name in files:
        if os.path.isfile(name):
            with open(name, encoding="utf-8") as file:
                found = found or text in file.read()
    check(found, f"{path} does not run: {text}")


@test
def short():
    """The page is short, names the index of the documents, and says first what surprises"""
    lines = README.splitlines()
    check(len(lines) < 150, f"{len(lines)} lines")
    check("`docs/README.md`" in README, "no index")
    for word in ("source address changes", "TTL is 1", "tcpdump"):
        check(word in "\n".join(lines[:16]), f"not in the first lines: {word}")


@test
def index():
    """docs/README.md names every document of its directory"""
    with open(os.path.join(ROOT, "docs/README.md"), encoding="utf-8") as file:
        text = file.read()
    for name in sorted(os.listdir(os.path.join(ROOT, "docs"))):
        check(name in ("README.md", "man") or f"]({name})" in text, f"docs/README.md does not name {name}")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        check(os.path.exists(os.path.join(ROOT, "docs", link)), f"docs/README.md: {link} does not exist")


main()
