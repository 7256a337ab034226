#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make build-deps && make install` on a bare Debian 12, from the tarball of `make dist` and without git: complete,
and nothing else on the machine has changed. Prints TAP."""

import contextlib
import os

from bare import Root
from tap import ROOT, equal, main, make, test, variable

# Sysctls that change by themselves, and those of interfaces, which come and go.
RESTLESS = ("kernel/ns_last_pid", "kernel/random/", "fs/binfmt_misc/", "/conf/", "/neigh/")


def sysctls():
    """All that can be set, by name."""
    values = {}
    for directory, _, names in os.walk("/proc/sys"):
        for name in names:
            path = os.path.join(directory, name)
            if any(part in path for part in RESTLESS):
                continue
            with contextlib.suppress(OSError):
                if os.stat(path).st_mode & 0o200:
                    with open(path, "rb") as file:
                        values[path] = file.read()
    return values


@test
def install_and_uninstall():
    """It builds with BUILD_DEPS alone, installs, relays in the demo; no service, process or sysctl is added"""
    make("dist")
    root = Root("install")
    try:
        with open(os.path.join(ROOT, variable("DIST")), "rb") as source, \
                open(f"{root.path}/root/xmcast.tar.gz", "wb") as copy:
            copy.write(source.read())
        root.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends make")
        before = (root.enabled(), root.processes(), sysctls())
        root.run("cd /root && tar -xzf xmcast.tar.gz && cd xmcast-* && make -s build-deps && "
                 "make -s -j2 && make -s install")
        root.run("cd /root/xmcast-* && make -s demo")
        equal(root.enabled(), before[0], "services")
        equal(root.processes(), before[1], "processes")
        after = sysctls()
        equal({name: after.get(name) for name in before[2] if after.get(name) != before[2][name]}, {}, "sysctls")
        equal(root.run("xmcastd -V | head -1").stdout.strip(), f"xmcastd {variable('VERSION')}", "version")
        root.run("xmcastd -t -c /etc/xmcast/xmcast.yaml.example")
        root.run("cd /root/xmcast-* && make -s uninstall")
        equal(root.ours(), [], "left by uninstall")
    finally:
        root.stop()


main()
