# SPDX-License-Identifier: BSD-2-Clause
"""Rules on the kernel path for tests: their addresses, their text, and a daemon with captures behind all
outputs."""

import dataclasses
import ipaddress
import re

import netns
from harness import Daemon, Star, check, equal, packet_socket, wait_until
from ipv6 import Star6
from wire import UDP, Capture, Parsed, frame, ip, is_ipv6, mac_of_group, rewritten, udp


@dataclasses.dataclass(frozen=True)
class Family:
    """The addresses of a test in one address family."""

    star: type
    source: str
    group: str
    out_group: str  # the first of many
    relay: str  # the relay's address on output {}
    host: str  # the receiver behind output {}
    remote: str  # a host behind the receiver of output 0

    def out(self, number):
        """The output group with this number."""
        head, last = re.fullmatch(r"(.*[.:])(\w+)", self.out_group).groups()
        return f"{head}{number:x}" if is_ipv6(self.out_group) else f"{head}{number}"


V4 = Family(Star, "10.9.9.9", "239.1.1.1", "239.2.2.1", "10.2.{}.1", "10.2.{}.2", "10.77.0.5")
V6 = Family(Star6, "2001:db8::9", "ff3e::1:1", "ff3e::2:1", "fd02:{}::1", "fd02:{}::2", "fd77::5")


@dataclasses.dataclass(frozen=True)
class Output:
    """An output of a rule."""

    to: str
    port: int | None = 6000  # None: the destination port is kept, or there are no ports
    device: int | None = 0  # number of the output interface
    ttl: int = 7
    dscp: int = 0
    mac: str | None = None  # of the next hop, unless it is a group
    named: bool = True  # does the rule name the interface?

    def text(self):
        """As in a rule."""
        return (f"out {bracketed(self.to)}{f':{self.port}' if self.port else ''}"
                f"{f'@out{self.device}' if self.named else ''} ttl {self.ttl} dscp {self.dscp}")


def bracketed(address):
    """An address as a rule has it."""
    return f"[{address}]" if is_ipv6(address) else address


def star_for(family, **options):
    """A star whose receivers accept redirected packets and whose relay knows no neighbour."""
    star = family.star(**options)
    for i, namespace in enumerate(star.receivers):
        namespace.run("ethtool", "-K", "r0", "gro", "on")
        for host in (V4.host, V6.host):
            star.relay.run("ip", "neigh", "del", host.format(i), "dev", f"out{i}", check=False)
    return star


def kernel_rule(family, outputs, *, name="k", port=5000, iface="in0", more=""):
    # pylint: disable=too-many-arguments
    """A rule on the kernel path as text. `port`: "any", or "/50" for another protocol."""
    separator = "" if str(port).startswith("/") else ":"
    return (f"{name} in {bracketed(family.group)}{separator}{port}@{iface}{more} path kernel "
            + " ".join(output.text() for output in outputs))


def wait_rule(daemon, *names, path="kernel", state="active", reason="", impaired=False):
    # pylint: disable=too-many-arguments
    """Wait until these rules are in this state on this path, with a reason that matches. All outputs of
    active ones must be able to send, unless some are impaired on purpose. Returns the first rule's
    counters."""
    def is_so(rule):
        why = rule.get("reason") or rule.get("path_reason") or ""
        return ((rule["state"], rule["path"]) == (state, path) and re.search(reason, why) and
                (impaired or state != "active" or
                 not any("reason" in output for output in rule["outputs"])))

    def reached():
        nonlocal rules
        every = {rule["name"]: rule for rule in daemon.stats()["rules"]}
        rules = [every[name] for name in names]
        return all(is_so(rule) for rule in rules)

    rules = []
    try:
        wait_until(reached, f"{names} are {state}")
    except netns.Timeout:
        seen = [rule for rule in rules if not is_so(rule)]
        raise AssertionError(f"not {state} on the {path} path for {reason!r}: {seen[:1]}") from None
    if (path, state) == ("kernel", "active"):
        daemon.thread_inputs()
    return rules[0]


class Bench:
    """A daemon with rules on the kernel path, and captures behind all its outputs."""

    def __init__(self, family, star, *rules, names=("k",), daemon=None):
        self.family, self.star = family, star
        self.daemon = daemon or Daemon(star.relay, *rules)
        wait_rule(self.daemon, *names)
        self.capture()
        self.wires = [packet_socket(namespace, "s0") for namespace in star.sources]
        self.macs = [star.relay.mac(f"out{i}") for i in range(len(star.receivers))]
        self.ports = {}

    def capture(self):
        """Capture from here on."""
        self.captures = [Capture(namespace, "r0") for namespace in self.star.receivers]

    def udp(self, payload, kind="complete", *, port=5000, padding=b"", **header):
        """A frame with a UDP datagram to the group."""
        family = self.family
        source = header.pop("source", family.source)
        body = udp(source, family.group, (40000, port), payload, kind)
        return frame(ip(source, family.group, UDP, body, **header), mac_of_group(family.group),
                     padding=padding)

    def send(self, data, source=0):
        """Send a frame to the relay."""
        self.wires[source].send(data)

    def check_copies(self, original, outputs):
        """Each output must have sent exactly its copy of the frame, which is on its way."""
        for device, capture in enumerate(self.captures):
            expected = [output for output in outputs if output.device == device]
            found = {(copy.destination, copy.ports[1] if copy.protocol == UDP else None): copy
                     for copy in capture.take(len(expected))}
            for output in expected:
                self._check_copy(original, output, found)

    def _check_copy(self, original, output, found):
        old = Parsed(original)
        port = None if old.protocol != UDP else output.port or old.ports[1]
        copy = found.pop((str(ipaddress.ip_address(output.to)), port), None)
        check(copy, f"no copy to {output.to} {port}; others: {sorted(found)}")
        wanted = rewritten(original, copy.data, source=self.source(output), destination=output.to,
                           macs=(self.macs[output.device], output.mac or mac_of_group(output.to)),
                           port=output.port, ttl=output.ttl, dscp=output.dscp)
        equal(copy.data.hex(), wanted.hex(), f"frame to {output.to} {port}")
        if old.protocol == UDP:
            before = self.ports.setdefault(output, copy.ports[0])
            equal(copy.ports[0], before, f"source port to {output.to}")

    def source(self, output):
        """The source address of what an output sends."""
        return self.family.relay.format(output.device)

    def carry(self, outputs, *frames):
        """Send frames, one after the other, and check all copies."""
        for data in frames:
            self.send(data)
            self.check_copies(data, outputs)

    def finish(self):
        """Nothing but the expected copies has arrived, and the books close."""
        stats = self.daemon.settle()
        for capture in self.captures:
            equal([copy.data.hex() for copy in capture.rest()], [], "unexpected frames")
        return stats
