# SPDX-License-Identifier: BSD-2-Clause
"""Installing xmcast in the machine: by `make install`, and by its packages, from the installation to the purge."""

import os
import time

from bed import CONFIG, RULE, Here, active, ctl, journal, network, rules, shell, show, stream, write
from stream import interrupt, wait_for
from tap import check, equal, run, test

PACKAGES = "xmcast xmcast-exporter xmcast-tools"


def say(command):
    """Run a command, and print it with its output as comments of TAP: the transcript of an administrator."""
    done = shell(command + " 2>&1", env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    print("".join(f"# {line}\n" for line in [f"$ {command}", *done.stdout.splitlines()]), end="", flush=True)
    return done.stdout


@test
def tree():
    """What `make install` has put into /usr/local: systemd finds the unit, the user and the directory"""
    shell("tar -xf /share/tree.tar -C / && systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload")
    equal(show("LoadState"), "loaded", "the unit")
    equal(show("UnitFileState"), "disabled", "the unit")
    equal(shell("stat -c '%U:%G %a' /var/lib/xmcast").stdout, "xmcast:xmcast 755\n", "/var/lib/xmcast")


@test
def install():
    """The packages of the release before: the services are enabled and run, without rules"""
    which = "before" if os.path.exists("/share/before") else "now"
    say(f"apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends /share/{which}/*.deb")
    for unit in ("xmcastd.service", "xmcast-exporter.service"):
        active(unit)
        equal((show("UnitFileState", unit), show("NRestarts", unit)), ("enabled", "0"), unit)
    say("systemctl status --no-pager --lines=10 xmcastd")
    equal(rules(), {}, "rules")
    say("xmcastd -V")


EXTERNAL = "  - ext1 in 239.1.3.1:5000@ext0 out 239.2.2.9:7009@out0\n"
PINS = "/sys/fs/bpf/xmcast/ext0"
LOAD = (f"mkdir -p /sys/fs/bpf/xmcast && xdp-loader load -m native -p {PINS} ext0 /usr/lib/xmcast/xmcast.bpf.o && "
        f"chown -R xmcast: {PINS}")
PASS = "chmod 711 /sys/fs/bpf"


def external_rule():
    """State and reason of the rule on the interface whose program xdp-loader has loaded. Packets show that it runs."""
    shell("ip netns exec source bash -c 'echo >/dev/udp/10.9.0.1/9' || true")
    (rule,) = [rule for rule in ctl("rule", "list")["rules"] if rule["name"] == "ext1"]
    return rule["state"], rule.get("reason", "")


@test
def external():
    """A program that xdp-loader has loaded (docs/xdp-loader.md) is used with the unit's rights"""
    network()
    shell("ip link add ext0 type veth peer name e0 netns source && ip link set ext0 up && "
          "ip -n source link set e0 up && ip -n source addr add 10.9.0.2/24 dev e0")
    shell(LOAD)
    write(CONFIG, "rules:\n" + RULE + EXTERNAL)
    run("systemctl", "reload", "xmcastd")
    # systemd mounts it with mode 700.
    wait_for(lambda: "Permission denied" in external_rule()[1], lambda: str(external_rule()))
    shell(PASS)
    wait_for(lambda: external_rule()[0] == "active", lambda: str(external_rule()))


@test
def external_upgraded():
    """xdp-loader's program is still that of before: if the ABI differs, the reason says so and what to do; that helps"""
    with open("/share/abi", encoding="ascii") as file:
        old, new = file.read().split()
    if old != new:
        wait_for(lambda: f"ABI version {old}, this xmcastd needs {new}: run `xmcastctl iface detach`" in
                 external_rule()[1], lambda: str(external_rule()))
        run("systemctl", "stop", "xmcastd")
        run("xmcastctl", "iface", "detach", "ext0")
        shell(f"{LOAD} && {PASS}")
        run("systemctl", "start", "xmcastd")
    wait_for(lambda: external_rule()[0] == "active", lambda: str(external_rule()))
    write(CONFIG, "rules:\n" + RULE)
    run("systemctl", "reload", "xmcastd")
    run("xmcastctl", "iface", "detach", "ext0")


@test
def upgrade():
    """To the packages of now while a stream is relayed: the service is restarted, and rules and stream survive"""
    stream()
    old, pid = ctl("version")["daemon"], show("MainPID")
    restarts = time.monotonic()
    say(f"apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends /share/now/*.deb")
    active()
    check(show("MainPID") != pid, "it was not restarted")
    print(f"# the upgrade took {time.monotonic() - restarts:.0f} s", flush=True)
    say("xmcastctl version; xmcastctl rule list")
    new = ctl("version")["daemon"]
    check(new != old and new == run("xmcastd", "-V").stdout.split()[1], f"version {old}, then {new}")
    equal(run("xmcastctl", "config", "check", CONFIG, good=False).returncode, 0, "the file")
    wait_for(lambda: rules().get("cam1") == "active", lambda: str(ctl("rule", "list")))
    received = ctl("stats", "show")["totals"]["received_packets"]
    wait_for(lambda: ctl("stats", "show")["totals"]["received_packets"] > received + 500, "the stream")
    active("xmcast-exporter.service")
    for name in ("xmcast-gen", "xmcast-sink"):
        interrupt(Here, name)
    equal(shell(f"cat {CONFIG}").stdout, "rules:\n" + RULE + EXTERNAL, "the file of the administrator")
    equal(show("Result"), "success", "the unit")


@test
def remove_and_purge():
    """apt-get remove stops all units and keeps the configuration; purge leaves no file; no BPF program is left"""
    write("/var/lib/xmcast/kept.yaml", "rules: []\n")
    say(f"apt-get remove -y -q -o Dpkg::Use-Pty=0 {PACKAGES}")
    for unit in ("xmcastd.service", "xmcast-exporter.service", "xmcastd@lan.service", "xmcastd@wan.service"):
        check(show("ActiveState", unit) != "active", f"{unit} still runs")
    equal([name for name in Here.processes() if name.startswith("xmcast")], [], "processes")
    equal(shell(f"cat {CONFIG}").stdout, "rules:\n" + RULE, "the file of the administrator")
    equal(shell("cat /var/lib/xmcast/kept.yaml").stdout, "rules: []\n", "the saved file")
    check("xdp" not in shell("ip -d link show in0").stdout, "an XDP program is left")
    say(f"apt-get purge -y -q -o Dpkg::Use-Pty=0 {PACKAGES}")
    # Files that the administrator has made for the instances are nobody's.
    equal(sorted(say("find / -xdev -path '*xmcast*' -print").split()),
          ["/etc/xmcast", "/etc/xmcast/lan.yaml", "/etc/xmcast/wan.yaml"], "files left")
    equal(journal("XMCAST_EVENT=frame-audit", "PRIORITY=3"), [], "frames that were lost")
