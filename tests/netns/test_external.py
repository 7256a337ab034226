#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The steering program attached by an admin, with xdp-loader: the daemon uses its pinned maps, and
leaves program and pins behind. Where libxdp's dispatcher cannot be (no BPF_PROG_TYPE_EXT), xdp-loader
attaches the program alone; tests/netns/test_dispatcher.py is about the dispatcher."""

import contextlib
import json
import os
import re

from harness import (BUILD, Daemon, Star, check, equal, interface_of, main, need, receive, receiver,
                     rule_of, run, sender, silent, test, wait_until, work_folder)

RULE = "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
MAPS = ("about", "rules", "sockets", "verdicts")


class Bpffs:
    """A bpffs of the test's own, and xdp-loader working in it."""

    def __init__(self):
        need("xdp-loader", "bpftool")
        self.root = os.path.join(work_folder(), "bpf")
        self.pins = os.path.join(self.root, "in0")
        os.makedirs(self.root, exist_ok=True)
        run("mount", "-t", "bpf", "bpf", self.root)

    def loader(self, namespace, *arguments, **options):
        """Run xdp-loader with its own pins here, too."""
        return namespace.run("env", f"LIBXDP_BPFFS={self.root}", "xdp-loader", *arguments, **options)

    def load(self, namespace, device="in0", pins=None):
        """As docs/xdp-loader.md has it."""
        self.loader(namespace, "load", "-m", "native", "-p", pins or self.pins, device,
                    os.path.join(BUILD, "xmcast.bpf.o"))

    def unload(self, namespace, device="in0"):
        """Take all programs off, which leaves the pins."""
        self.loader(namespace, "unload", device, "--all")

    def dump(self, name):
        """What a map holds."""
        return json.loads(run("bpftool", "-j", "map", "dump", "pinned",
                              os.path.join(self.pins, name)).stdout)

    def close(self):
        """Maps and program go with the last pin."""
        run("umount", "--lazy", self.root)


@contextlib.contextmanager
def bpffs():
    """One that goes, whatever happens."""
    place = Bpffs()
    try:
        yield place
    finally:
        place.close()


def config(place, attach="auto", more=""):
    """A file with our rule, and the folder of pins."""
    return (f"rules: [{RULE}]\n"
            f"interfaces: {{ in0: {{ attach: {attach}, pins: {place.pins}{more} }} }}\n")


def start(star, place, attach="auto", more=""):
    """A daemon with that file."""
    return Daemon(star.relay, config=config(place, attach, more))


def program_of(star, device="in0"):
    """Id of the XDP program on it, or None."""
    link = json.loads(star.relay.run("ip", "-j", "link", "show", device).stdout)[0]
    return link.get("xdp", {}).get("prog", {}).get("id")


def provoke(star, text, output):
    """Send until a datagram comes through: the first ones show that the program is there."""
    source = sender(star.source, "10.1.0.1")

    def relayed():
        source.sendto(text, ("239.1.1.1", 5000))
        with contextlib.suppress(BlockingIOError, TimeoutError):
            output.settimeout(0.1)
            return output.recv(2048) == text
        return False

    wait_until(relayed, f"{text} is relayed")


def reopens(daemon):
    """Its interface is closed and opened anew, or later than it began: no count of audits is known,
    nor who has counted what."""
    daemon.ready = ""
    daemon.retired = True
    return daemon


def wait_active(daemon):
    """The rule is at work."""
    wait_until(lambda: rule_of(daemon.stats(), "a")["state"] == "active", "the rule is active")


def wait_reason(daemon, pattern):
    """The rule is pending for this reason."""
    def pending():
        nonlocal last
        last = rule_of(daemon.stats(), "a")
        return last["state"] == "pending" and re.search(pattern, last["reason"])

    last = None
    try:
        wait_until(pending, f"pending: {pattern}")
    except Exception:
        raise AssertionError(f"not pending for {pattern}: {last}") from None


@test
def used_and_left():
    """auto and external use the pinned maps; the daemon's end empties them, and leaves the rest"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with bpffs() as place:
        place.load(star.relay)
        program = program_of(star)
        for attach in ("auto", "external"):
            daemon = start(star, place, attach)
            check(daemon.process.find_line("interface-ready .* attach=external"), "not external")
            provoke(star, attach.encode(), output)
            wait_active(daemon)
            equal(len(place.dump("rules")), 1, "rules in the map")
            daemon.settle()
            daemon.stop()
            equal(program_of(star), program, "program after the daemon's end")
            equal(sorted(os.listdir(place.pins)), sorted(MAPS), "pins")
            equal(place.dump("rules"), [], "rules after the daemon's end")


@test
def own():
    """own does not touch what is pinned: the attached program is in the way; without it, all is well"""
    star = Star()
    with bpffs() as place:
        place.load(star.relay)
        daemon = reopens(start(star, place, "own"))
        wait_reason(daemon, "another XDP program")
        place.unload(star.relay)
        wait_active(daemon)
        check(daemon.process.wait_line("interface-ready .* attach=own"), "not own")
        equal(len(os.listdir(place.pins)), 4, "pins, of which ours uses none")
        equal(place.dump("rules"), [], "rules in the pinned map")


@test
def absent():
    """auto without a program attaches its own; external waits for one, and takes it when it comes"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with bpffs() as place:
        daemon = start(star, place, "auto")
        check(daemon.process.find_line("interface-ready .* attach=own"), "not own")
        daemon.stop()
        daemon = reopens(start(star, place, "external"))
        wait_reason(daemon, "no XDP program is attached to in0.*xdp-loader")
        place.load(star.relay)
        provoke(star, b"late", output)
        wait_active(daemon)


@test
def unfit():
    """Another version, a wrong map, a missing pin, a pin that others may write: each with its reason"""
    star = Star()
    with bpffs() as place:
        place.load(star.relay)
        about = os.path.join(place.pins, "about")
        daemon = reopens(start(star, place, "external"))
        os.remove(about)
        wait_reason(daemon, "the map about is missing")
        for entries, size, pattern in (("7", "8", "of version 7, and this xmcastd is of version"),
                                       ("1", "16", "about is not one of xmcast's: type 2, key 4, "
                                                   "value 16")):
            run("bpftool", "map", "create", about, "type", "array", "key", "4", "value", size,
                "entries", entries, "name", "about")
            wait_reason(daemon, pattern)
            os.remove(about)
        os.chmod(os.path.join(place.pins, "verdicts"), 0o666)
        place.unload(star.relay)
        place.load(star.relay)
        wait_reason(daemon, "verdicts: owner 0, group 0, mode 0666")
        os.chmod(os.path.join(place.pins, "verdicts"), 0o600)
        output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
        provoke(star, b"fits", output)
        wait_active(daemon)


@test
def of_another_interface():
    """Maps whose program runs on another interface are not used, and it is said which"""
    star = Star(sources=2)
    with bpffs() as place:
        place.load(star.relay, "in1", place.pins)
        place.load(star.relay, "in0", os.path.join(place.root, "elsewhere"))
        sender(star.sources[1], "10.1.1.1").sendto(b"x", ("239.1.1.1", 5000))
        wait_until(lambda: place.dump("verdicts") and _seen(place), "a packet on in1")
        daemon = start(star, place, "external")
        wait_reason(daemon, "a program on another interface, in1")
        equal(interface_of(daemon.stats(), "in0")["state"], "failed", "state of in0")


def _seen(place):
    value = run("bpftool", "-j", "map", "dump", "pinned", os.path.join(place.pins, "about")).stdout
    return any(int(byte, 16) for byte in json.loads(value)[0]["value"])


@test
def unloaded():
    """Unloaded while it runs: external waits until it is loaded again; auto attaches its own"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with bpffs() as place:
        place.load(star.relay)
        daemon = start(star, place, "external")
        provoke(star, b"before", output)
        wait_active(daemon)
        place.unload(star.relay)
        wait_reason(daemon, "has lost the XDP program that somebody else attached")
        place.load(star.relay)
        provoke(star, b"again", output)
        wait_active(daemon)
        daemon.stop()
        daemon = reopens(start(star, place, "auto"))
        provoke(star, b"auto", output)
        place.unload(star.relay)
        check(daemon.process.wait_line("interface-ready .* attach=own"), "not its own")
        provoke(star, b"own", output)


@test
def replaced():
    """Another program in its place: pending, as no packet shows that it uses the maps"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with bpffs() as place:
        place.load(star.relay)
        daemon = start(star, place, "external")
        provoke(star, b"before", output)
        wait_active(daemon)
        place.unload(star.relay)
        place.load(star.relay, "in0", os.path.join(place.root, "elsewhere"))
        wait_reason(daemon, r"no packet has shown yet")
        sender(star.source, "10.1.0.1").sendto(b"lost", ("239.1.1.1", 5000))
        silent(output)
        wait_reason(daemon, r"no packet has shown yet")


@test
def two_daemons():
    """A second daemon does not take the maps from the first"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with bpffs() as place:
        place.load(star.relay)
        daemon = start(star, place, "external")
        provoke(star, b"one", output)
        second = Daemon(star.relay, config=config(place, "external"), ready=False)
        equal(second.process.wait(), 2, "exit code of the second")
        check(second.process.find_line("another xmcastd uses them"), second.process.log())
        provoke(star, b"still", output)
        wait_active(daemon)


@test
def killed():
    """20 kills under traffic: meanwhile all goes to the stack; program and pins stay"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    stack = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
    with bpffs() as place:
        place.load(star.relay)
        program = program_of(star)
        for round_ in range(20):
            daemon = start(star, place, ("auto", "external")[round_ % 2])
            provoke(star, b"relayed %d" % round_, output)
            daemon.kill()
            equal(len(place.dump("rules")), 1, "rules of a killed daemon")
            text = b"stack %d" % round_
            source = sender(star.source, "10.1.0.1")

            def passed():
                source.sendto(text, ("239.1.1.1", 5000))  # pylint: disable=cell-var-from-loop
                return receive(stack)[0] == text  # pylint: disable=cell-var-from-loop

            wait_until(passed, "a packet in the kernel's stack")
            equal(program_of(star), program, "program")
        daemon = start(star, place)
        provoke(star, b"last", output)
        daemon.settle()
        daemon.stop()
        equal(place.dump("rules"), [], "rules in the end")
        equal(sorted(os.listdir(place.pins)), sorted(MAPS), "pins in the end")


main()
