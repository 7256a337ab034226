# SPDX-License-Identifier: BSD-2-Clause
"""What the tests inside the machine share: its network, streams, the service manager."""

import contextlib
import json
import os
import time

from stream import Stream, wait_for
from tap import check, run

CONFIG = "/etc/xmcast/xmcast.yaml"
RULE = "  - cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0\n"
LOG = "systemctl status --lines=0 xmcastd; journalctl -q --no-pager -u xmcastd -g '^(?!statistics)' | tail -n 20"
# The machine itself is the relay, between the namespaces source and receiver.
NETWORK = """
for name in source receiver; do ip netns add $name; ip -n $name link set lo up; done
ip link add in0 type veth peer name s0 netns source
ip link add out0 type veth peer name r0 netns receiver
ip -n source link set s0 up
ip link set in0 up
ip addr add 10.2.0.1/24 dev out0
ip link set out0 up
ip -n receiver addr add 10.2.0.2/24 dev r0
ip -n receiver link set r0 up
# A veth accepts what XDP redirects to it only if its other end has GRO or a program.
ip netns exec receiver ethtool -K r0 gro on
"""


class Here:
    """This machine, as tests/packaging/stream.py wants a root."""

    @staticmethod
    def run(command, **options):
        """Run a line of shell."""
        return run("sh", "-euc", command, **options)

    @staticmethod
    def read(path):
        """The text of a file."""
        with open(path, encoding="utf-8") as file:
            return file.read()

    @staticmethod
    def processes():
        """Names of all processes that have not ended."""
        names = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                status = dict(line.split(":\t", 1) for line in Here.read(f"/proc/{pid}/status").splitlines())
                if status["State"][0] != "Z":
                    names.append(status["Name"])
        return names


def shell(command, **options):
    """Run a line of shell in this machine."""
    return Here.run(command, **options)


def write(path, text):
    """Write a file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def network():
    """Make the interfaces, unless they are there."""
    if not os.path.exists("/sys/class/net/in0"):
        shell(NETWORK)


def stream():
    """A stream that is relayed."""
    return Stream(Here, "xmcastctl", LOG, rate=500)


def ctl(*words):
    """The JSON answer of xmcastctl."""
    return json.loads(run("xmcastctl", "-j", *words).stdout)


def rules(*options):
    """State of each rule by name."""
    return {rule["name"]: rule["state"] for rule in json.loads(run("xmcastctl", *options, "-j", "rule", "list").stdout)
            ["rules"]}


def show(name, unit="xmcastd.service"):
    """A property of a unit."""
    return run("systemctl", "show", "-P", name, unit).stdout.strip()


def active(unit="xmcastd.service"):
    """Wait until a unit runs and has said that it is ready."""
    wait_for(lambda: show("ActiveState", unit) == "active", lambda: f"{unit} is {show('ActiveState', unit)}")


def journal(*matches, unit="xmcastd.service"):
    """The journal's entries of a unit, as objects."""
    run("journalctl", "--sync")
    text = run("journalctl", "--no-pager", "-o", "json", f"_SYSTEMD_UNIT={unit}", *matches).stdout
    return [json.loads(line) for line in text.splitlines()]


def journal_of_manager():
    """What the service manager has logged about the unit."""
    run("journalctl", "--sync")
    text = run("journalctl", "--no-pager", "-o", "json", "_PID=1", "UNIT=xmcastd.service").stdout
    return [json.loads(line) for line in text.splitlines()]


def processes_of(unit):
    """Process ids in a unit's control group."""
    path = f"/sys/fs/cgroup{show('ControlGroup', unit)}/cgroup.procs"
    return Here.read(path).split() if show("ControlGroup", unit) and os.path.exists(path) else []


def drop_in(text, unit="xmcastd.service", name="test"):
    """Settings of a unit until the next boot, or none."""
    path = f"/run/systemd/system/{unit}.d/{name}.conf"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, text)
    run("systemctl", "daemon-reload")


def sleep_until(moment):
    """Sleep until a time of CLOCK_MONOTONIC."""
    while time.monotonic() < moment:
        time.sleep(0.2)


def fails(*command):
    """Run a command that must fail; what it printed."""
    done = run(*command, good=False)
    check(done.returncode != 0, f"{' '.join(command)} succeeded: {done.stdout}")
    return done
