# SPDX-License-Identifier: BSD-2-Clause
"""Common parts of the tests of a changing network: cables, states, and the time until it relays."""

import json
import socket
import time

from harness import check, diagnose, equal, interface_of, know, receive, rule_of, veth, wait_until
from netns import PATIENCE

RULE = "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


def reopens(daemon):
    """Workers are stopped and started in this test: their number is not that of the ready line."""
    daemon.ready = ""
    daemon.retired = True
    return daemon


def plug_input(star, i=0, **options):
    """Connect a new cable to source i, as Star does."""
    veth(star.sources[i], "s0", star.relay, f"in{i}", near_addr=f"10.1.{i}.1/24",
         far_addr=f"10.1.{i}.2/24", **options)


def plug_output(star, i=0, **options):
    """Connect a new cable to receiver i."""
    veth(star.relay, f"out{i}", star.receivers[i], "r0", near_addr=f"10.2.{i}.1/24",
         far_addr=f"10.2.{i}.2/24", **options)
    star.receivers[i].ip("route replace default dev r0")
    know(star.relay, f"out{i}", f"10.2.{i}.2", star.receivers[i], "r0")


def states(daemon, rule="a", interface="in0"):
    """The states of an interface and of a rule."""
    stats = daemon.stats()
    return interface_of(stats, interface)["state"], rule_of(stats, rule)["state"]


def wait_pending(daemon, words, rule="a"):
    """Wait until the rule is pending for a reason with these words."""
    def pending():
        found = rule_of(daemon.stats(), rule)
        return found["state"] == "pending" and words in found["reason"]

    wait_until(pending, f"{rule} is pending: {words}")


def wait_active(daemon, rule="a"):
    """Wait until the rule is active."""
    wait_until(lambda: rule_of(daemon.stats(), rule)["state"] == "active", f"{rule} is active")


def resumes(what, source, output, since, group="239.1.1.1"):
    """Send until something arrives, and print how long after `since` that was."""
    deadline = time.monotonic() + PATIENCE
    output.settimeout(0.02)
    while True:
        try:
            source.sendto(b"probe", (group, 5000))
        except OSError:
            pass  # the source's own interface does not exist yet
        try:
            receive(output)
            break
        except (TimeoutError, socket.timeout):
            check(time.monotonic() < deadline, f"{what}: nothing arrives")
    diagnose(f"{what}: relays again after {1000 * (time.monotonic() - since):.0f} ms")
    output.settimeout(PATIENCE)


def output_of(daemon, i, rule="a"):
    """The counters of an output."""
    return rule_of(daemon.stats(), rule)["outputs"][i]


def xdp_links(star, *devices):
    """The bpf_links that hold the programs on these interfaces of the relay's."""
    shown = json.loads(star.relay.run("ip", "-j", "-d", "link", "show").stdout)
    programs = [link["xdp"]["prog"]["id"] for link in shown
                if link["ifname"] in devices and "prog" in link.get("xdp", {})]

    def list_links():
        # bpftool lists the links of the whole machine and fails if one of them ends meanwhile.
        done = star.relay.run("bpftool", "-j", "link", "show", check=False)
        return done if done.returncode == 0 else None

    links = json.loads(wait_until(list_links, "bpftool lists all links").stdout)
    return [link for link in links if link.get("prog_id") in programs]


def detach_link(star, device="in0"):
    """Detach the program like another tool: `bpftool link detach` of its link."""
    found = [link["id"] for link in xdp_links(star, device)]
    equal(len(found), 1, f"XDP links on {device}")
    star.relay.run("bpftool", "link", "detach", "id", str(found[0]))
    return time.monotonic()
