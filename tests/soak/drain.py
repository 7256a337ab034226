#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make soak-cluster`: a relay of 5,000 rules is drained while packets pass, and a fourth one joins. Fails if a packet
leaves twice, if a shard moves that should not, or if a packet of a stream with sequence numbers is lost although etcd
and the daemons answered in time."""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "netns"))

# pylint: disable=wrong-import-position
from harness import netns  # noqa: E402
from many_streams import drain_and_join  # noqa: E402


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=5000, help="how many (default 5000)")
    parser.add_argument("--shards", type=int, default=32, help="of each of two leases (default 32)")
    parser.add_argument("--flowing", type=int, default=100, help="streams with packets (default 100)")
    parser.add_argument("--rate", type=int, default=10, help="packets a second of each (default 10)")
    options = parser.parse_args()
    netns.prepare()
    done = drain_and_join(options.rules, options.shards, options.flowing, options.rate,
                          "deadline: 4s\nguard: 100ms\ndaemon_timeout: 2s\n", patience=180)
    sys.exit(0 if done else 1)


main()
