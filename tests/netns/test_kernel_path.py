#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel path from end to end: packets that are relayed without leaving the kernel, and their books.
See also test_kernel_headers.py, test_kernel_books.py and test_kernel_changes.py."""

import os

from harness import (Daemon, Star, check, equal, interface_of, main, receive, receiver, rule_of,
                     sender, test, wait_until)


def accepting_star(**options):
    """A star whose receivers accept redirected packets: a veth does if its other end has GRO."""
    star = Star(**options)
    for namespace in star.receivers:
        namespace.run("ethtool", "-K", "r0", "gro", "on")
    return star


def wait_path(daemon, name, path):
    """Wait until a rule is active on this path."""
    def reached():
        rule = rule_of(daemon.stats(), name)
        return rule["state"] == "active" and rule["path"] == path

    wait_until(reached, f"{name} is active on the {path} path")


@test
def one_output():
    """One group to one group: payloads of every length arrive byte by byte, and every counter is exact"""
    star = accepting_star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    source = sender(star.source, "10.1.0.1")
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 path kernel out 239.2.2.2:6000@out0 "
                    "ttl 5 dscp 10")
    wait_path(daemon, "k", "kernel")
    payloads = [os.urandom(length) for length in (0, 1, 2, 3, 17, 18, 19, 1000, 1471, 1472)]
    ports = set()
    for payload in payloads:
        source.sendto(payload, ("239.1.1.1", 5000))
        got, (address, port), ttl, dscp = receive(output)
        equal(got, payload, f"payload of {len(payload)} bytes")
        equal((address, ttl, dscp), ("10.2.0.1", 5, 10), "source address, TTL, DSCP")
        ports.add(port)
    equal(len(ports), 1, "source ports")
    stats = daemon.settle(len(payloads))
    count, size = len(payloads), sum(map(len, payloads))
    rule, interface = rule_of(stats, "k"), interface_of(stats, "in0")
    equal((rule["received_packets"], rule["received_bytes"]), (count, size), "received")
    counts = rule["outputs"][0]
    equal((counts["submitted_packets"], counts["sent_packets"], counts["sent_bytes"]),
          (count, count, size), "submitted and sent")
    equal((interface["verdicts"]["steered"], interface["verdicts"]["forwarded"]), (0, count),
          "verdicts")
    equal(interface["redirected"]["out0"]["sent_packets"], count, "sent by the device")
    equal(interface["redirected"]["out0"]["dropped_packets"], 0, "dropped by the device")
    check("path_reason" not in rule, f"path_reason: {rule.get('path_reason')}")


main()
