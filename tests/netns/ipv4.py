# SPDX-License-Identifier: BSD-2-Clause
"""The IPv4 memberships of a host, for tests."""

import socket


def groups(namespace, device):
    """The groups joined on an interface, by /proc/net/igmp."""
    found, inside = set(), False
    for line in namespace.read("/proc/net/igmp").splitlines()[1:]:
        words = line.split()
        if not line.startswith("\t"):
            inside = words[1] == device
        elif inside:
            found.add(socket.inet_ntoa(bytes.fromhex(words[0])[::-1]))
    return found - {"224.0.0.1"}


def sources(namespace, device):
    """The source filters on an interface: (group, source, included, excluded)."""
    found = set()
    for line in namespace.read("/proc/net/mcfilter").splitlines()[1:]:
        _, name, group, source, included, excluded = line.split()
        if name == device:
            found.add((address(group), address(source), int(included), int(excluded)))
    return found


def address(text):
    """0xef010101 as an address."""
    return socket.inet_ntoa(int(text, 16).to_bytes(4, "big"))
