#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What people see of a cluster of real relays, and what an agent tells its daemon."""

import os

from cluster import Agent, Relays
from harness import EXIT_REFUSED, check, equal, main, test, wait_until, work_directory


@test
def one_agent_a_daemon():
    """A second agent with another name is refused, also by a symbolic link to the daemon's socket; nothing moves"""
    bed = Relays(1)
    host = bed.relays[0]
    link = os.path.join(work_directory(), "link.sock")
    os.symlink(host.daemon.socket, link)
    for path in (host.daemon.socket, link):
        again = Agent(host, path, name="another")
        equal(again.process.wait(), EXIT_REFUSED, f"exit code with {path}")
        check(again.process.find_line("daemon-taken"), again.process.log())
        check(not again.process.find_line("cluster-joined"), "it has joined")
    equal(bed.owner(), host, "owner")
    check(not host.agent.process.find_line("daemon-lost"), "the first one was disturbed")
    # Once the first has ended, the other one may.
    host.agent.stop()
    again = Agent(host, link, name="another")
    again.process.wait_line("shard-held")
    again.stop()


@test
def held_elsewhere():
    """unheld_after: a standby reports nothing while another host holds the shard, and both do when nobody does"""
    bed = Relays(2, events="{ unheld_after: 1 }")
    owner = bed.owner()
    other = next(host for host in bed.relays if host is not owner)
    before = other.daemon.stats()["uptime_seconds"]
    wait_until(lambda: other.daemon.stats()["uptime_seconds"] > before + 3, "three looks at the leases")
    for host in bed.relays:
        check(not host.daemon.process.find_line("lease-unheld"), host.daemon.process.log())
    for host in bed.relays:
        host.agent.process.kill()
    for host in bed.relays:
        host.daemon.process.wait_line("lease-unheld")


main()
