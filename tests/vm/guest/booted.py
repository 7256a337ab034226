# SPDX-License-Identifier: BSD-2-Clause
"""Runs inside the machine that tests/vm/machine.py boots, as a service: the tests of one stage, then it reboots or
switches the machine off."""

import os
import subprocess
import sys

import access  # pylint: disable=unused-import
import hardship  # pylint: disable=unused-import
import packages  # pylint: disable=unused-import
import restarts  # pylint: disable=unused-import
import service  # pylint: disable=unused-import
from bed import drop_in
from tap import run_tests

# Before and after the reboot, in this order.
STAGES = {
    "short": (("tree", "enable", "reload", "watchdog"),
              ("after_reboot", "relay")),
    "long": (("install", "external", "upgrade", "external_upgraded", "enable", "relay", "reload", "socket_modes",
              "journal_fields", "security", "exporter", "watchdog", "crash", "stopped", "watch_sees", "restarts",
              "killed", "user_path", "instances", "upgrade_unseen", "restart_limit", "cpu_weight", "full_disk",
              "clock_set_back"),
             ("late_interfaces", "relay", "instances_after_reboot", "remove_and_purge")),
}
STAGE = "/var/lib/boot-test/stage"


def main():
    """The tests of this boot."""
    os.makedirs(os.path.dirname(STAGE), exist_ok=True)
    with open("/share/form", encoding="ascii") as file:
        form, *only = file.read().split()
    stages = [[name for name in names if name in only or not only] for names in STAGES[form]]
    with open(STAGE, "a+", encoding="ascii") as file:
        file.seek(0)
        number = len(file.read())
        file.write(".")
    # Until everything that boots has started; degraded is the business of a test.
    subprocess.run(["systemctl", "is-system-running", "--wait"], check=False, stdout=subprocess.DEVNULL)
    # A start that loads programs takes a second on a machine, and a hundred if this one is emulated by a busy one.
    for unit in ("xmcastd.service", "xmcastd@.service"):
        drop_in("[Service]\nTimeoutStartSec=600\nTimeoutStopSec=300\n", unit, "slow")
    if stages[number]:
        run_tests(stages[number])
    print("# end of the stage", flush=True)
    # It complains that there is no D-Bus.
    subprocess.run(["systemctl", "--no-block", "reboot" if number + 1 < len(stages) else "poweroff"], check=True,
                   stderr=subprocess.DEVNULL)


sys.exit(main())
