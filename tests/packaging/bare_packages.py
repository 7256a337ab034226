#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The packages of `make deb` in a bare Debian 12: installed, upgraded while a stream is relayed, removed, purged.

No service manager runs there, so maintainer scripts enable the services but start none, and an upgrade restarts
none; tests/vm/boot_packages has one. Prints TAP."""

import glob
import os
import re
import shutil

import releases
from bare import Root, built
from stream import NETWORK, RULE, Stream, interrupt
from tap import ROOT, check, equal, main, run, test

# Their programs; the release before may not have all of them.
PROGRAMS = {"xmcast": ("sbin/xmcastd", "bin/xmcastctl"), "xmcast-cluster": ("sbin/xmcast-cluster",),
            "xmcast-exporter": ("sbin/xmcast-exporter",), "xmcast-tools": ("bin/xmcast-gen", "bin/xmcast-sink")}
PACKAGES = tuple(PROGRAMS)
SERVICES = {"xmcast": "xmcastd", "xmcast-cluster": "xmcast-cluster", "xmcast-exporter": "xmcast-exporter"}


def provide(root):
    """Put all packages into the root: /root/before and /root/now."""
    shutil.copytree(releases.before(), f"{root.path}/root/before")
    os.makedirs(f"{root.path}/root/now")
    for name in PACKAGES:
        shutil.copy(built(name), f"{root.path}/root/now/{name}.deb")


def install(root, which):
    """Install or upgrade all packages with what they depend on."""
    root.run(f"apt-get install -y -qq --no-install-recommends /root/{which}/*.deb")


def installed(root):
    """The packages of PACKAGES that are installed."""
    text = root.run("dpkg-query -W -f='${Package} ${db:Status-Status}\\n' 'xmcast*'").stdout
    return [name for name in PACKAGES if f"{name} installed" in text.splitlines()]


def check_enabled(root, when):
    """The services of the installed packages start with the machine."""
    equal([path for path in root.enabled() if "xmcast" in path],
          [f"/etc/systemd/system/multi-user.target.wants/{service}.service"
           for service in sorted(SERVICES[name] for name in installed(root) if name in SERVICES)], f"enabled {when}")


def check_installed(root, which):
    """Right after the installation: what is there, who owns it, and that nothing runs."""
    names = [name for name in PACKAGES if glob.glob(f"{root.path}/root/{which}/{name}[._]*deb")]
    equal(installed(root), names, "packages")
    equal(root.processes(), [], "processes")
    check_enabled(root, "after the installation")
    root.run("xmcastd -t")  # the file of the package
    owners = root.run("stat -c '%U:%G %a %n' /etc/xmcast /etc/xmcast/xmcast.yaml /var/lib/xmcast").stdout
    equal(owners, "root:root 755 /etc/xmcast\nroot:root 644 /etc/xmcast/xmcast.yaml\n"
          "xmcast:xmcast 755 /var/lib/xmcast\n", "owners")
    if "xmcast-cluster" in names:
        check(root.run("id -nG xmcast-cluster").stdout.split() == ["xmcast-cluster"], "groups of xmcast-cluster")
        root.run("getent group xmcast-admin")
    conffiles = root.run("dpkg-query -W -f='${Conffiles}' " + " ".join(names)).stdout
    equal(re.findall(r"^ (\S+)", conffiles, re.M),
          ["/etc/xmcast/xmcast.yaml", "/etc/xmcast/xmcast.yaml.example"], "conffiles")
    hardened = root.run("for f in /usr/sbin/xmcast* /usr/bin/xmcast*; do echo $f; done").stdout.split()
    equal(sorted(hardened), sorted(f"/usr/{path}" for name in names for path in PROGRAMS[name]), "programs")
    for path in hardened:
        headers = run("readelf", "-hldW", root.path + path).stdout
        for sign in ("DYN (Position-Independent", "GNU_RELRO", "BIND_NOW"):
            check(sign in headers, f"{path}: no {sign}")
    for name in PACKAGES:
        built(f"{name}-dbgsym")
    units = run("grep", "-h", "^Exec", *glob.glob(f"{root.path}/lib/systemd/system/xmcast*")).stdout
    for program in re.findall(r"=\+?(\S+)", units):
        check(root.exists(program), f"{program} of a unit is missing")


def versions(root):
    """Of the installed packages."""
    return root.run("dpkg-query -W -f='${Version}\\n' " + " ".join(installed(root))).stdout.split()


def relays_again(root):
    """The daemon of now relays by the same file."""
    root.run("nohup ip netns exec relay xmcastd >/root/log 2>&1 </dev/null &")
    stream = Stream(root, "xmcastctl", "cat /root/log")
    stream.end()
    interrupt(root, "xmcastd", "TERM")


def upgrade(root):
    """With rules of the administrator and a stream that flows: both survive."""
    root.write("/etc/xmcast/xmcast.yaml", "rules:\n" + RULE)
    root.write("/var/lib/xmcast/xmcast.yaml", "rules: []\n")
    root.run(NETWORK)
    root.run("nohup ip netns exec relay xmcastd >/root/log 2>&1 </dev/null &")
    stream = Stream(root, "xmcastctl", "cat /root/log")
    old = versions(root)
    running = root.run("xmcastctl -j version").stdout
    install(root, "now")
    equal(len(set(old + versions(root))), 2, f"versions before and now: {old}, {versions(root)}")
    root.run(f"dpkg --compare-versions '{old[0]}' lt '{versions(root)[0]}'")
    # The daemon of the version before answers the new client.
    equal(root.run("xmcastctl -j version").stdout.split('"daemon"')[1], running.split('"daemon"')[1], "what runs")
    stream.flows()
    stream.end()
    interrupt(root, "xmcastd", "TERM")
    root.run("dpkg-deb -x /root/now/xmcast.deb /root/tree && "
             "cmp /root/tree/etc/xmcast/xmcast.yaml.example /etc/xmcast/xmcast.yaml.example")
    relays_again(root)
    equal(root.read("/etc/xmcast/xmcast.yaml"), "rules:\n" + RULE, "rules")
    check_enabled(root, "after the upgrade")


@test
def life():
    """Install, upgrade (rules and a stream survive), remove (configuration stays), purge (nothing stays)"""
    root = Root("packages")
    try:
        provide(root)
        root.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2")
        install(root, "before")
        check_installed(root, "before")
        upgrade(root)
        root.run("apt-get remove -y -qq " + " ".join(PACKAGES))
        equal([path for path in root.ours() if path.startswith(("/usr/bin", "/usr/sbin", "/lib"))], [], "removed")
        equal(root.read("/etc/xmcast/xmcast.yaml"), "rules:\n" + RULE, "rules after the removal")
        check(root.exists("/var/lib/xmcast/xmcast.yaml"), "the saved configuration is gone")
        root.run("apt-get purge -y -qq " + " ".join(PACKAGES))
        equal(root.ours(), [], "left by purge")
        check(not root.exists("/var/lib/xmcast"), "/var/lib/xmcast is left")
    finally:
        root.stop()


@test
def fresh():
    """The version of now installs without one before, and the same checks hold"""
    root = Root("packages")
    try:
        provide(root)
        root.run("apt-get update -qq")
        install(root, "now")
        check_installed(root, "now")
    finally:
        root.stop()


@test
def rebuilt():
    """With Build-Depends alone and in another directory the same packages are built, byte by byte"""
    root = Root("rebuild")
    try:
        os.makedirs(f"{root.path}/root/deb")
        for pattern in ("*.dsc", "*.orig.tar.*", "*.debian.tar.*"):
            for path in glob.glob(f"{ROOT}/build/deb/{pattern}"):
                shutil.copy(path, f"{root.path}/root/deb/")
        root.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends build-essential && "
                 "cd /root/deb && apt-get build-dep -y -qq --no-install-recommends ./*.dsc && "
                 "dpkg-source -x *.dsc tree && cd tree && DEB_BUILD_OPTIONS=parallel=2 dpkg-buildpackage -b -us -uc")
        for name in PACKAGES:
            path = built(name)
            run("cmp", path, f"{root.path}/root/deb/{os.path.basename(path)}")
    finally:
        root.stop()


main()
