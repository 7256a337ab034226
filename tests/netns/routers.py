# SPDX-License-Identifier: BSD-2-Clause
"""Other multicast routers: FRR's pimd, igmpproxy."""

import os

from harness import ROOT, check, start, wait_until
from netns import work_directory


def path(name):
    """The path of a file in the work directory."""
    return os.path.join(work_directory(), name)


FRR = next((directory for directory in ("/usr/lib/frr", f"{ROOT}/build/unpacked/usr/lib/frr")
            if os.path.exists(f"{directory}/pimd")), None)


def frr(namespace, program, config, socket=None):
    """Start one of FRR's programs, which expect the group of its package with root as a member."""
    group = path("group")
    with open("/etc/group", encoding="utf-8") as old, open(group, "w", encoding="utf-8") as new:
        new.write("".join(line for line in old if not line.startswith("frrvty:")) +
                  "frrvty:x:64000:root\n")
    with open(path(f"{program}.conf"), "w", encoding="ascii") as file:
        file.write(config)
    library = os.path.join(os.path.dirname(FRR), f"{os.uname().machine}-linux-gnu", "frr")
    process = start(namespace, "unshare", "--mount", "sh", "-c",
                    'mount --bind "$0" /etc/group && exec "$@"', group, "env",
                    f"LD_LIBRARY_PATH={library}", f"{FRR}/{program}", "-u", "root", "-g", "root",
                    "-f", path(f"{program}.conf"), "-i", path(f"{program}.pid"), "-z",
                    path("zserv.api"), "--vty_socket", work_directory(), "-P", "0", "--log", "stdout",
                    name=program)
    if socket:
        wait_until(lambda: os.path.exists(path(socket)) or process.returncode is not None,
                   f"{program} has its socket")
    check(process.returncode is None, f"{program} ended:\n{process.log()}")
    return process


def routed_interfaces(namespace):
    """The interfaces between which the kernel routes multicast."""
    return {line.split()[1] for line in namespace.read("/proc/net/ip_mr_vif").splitlines()[1:]}
