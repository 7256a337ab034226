#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The steering program attached by an administrator with xdp-loader: the daemon uses its pinned maps,
and leaves program and pins behind. Where libxdp has no dispatcher (no BPF_PROG_TYPE_EXT), xdp-loader
attaches the program alone; tests/netns/test_dispatcher.py tests the dispatcher."""

import contextlib
import json
import os
import re
import shutil
import struct

from bpffs import Bpffs, bpffs
from claims import bound
from harness import (Daemon, Skip, Star, check, diagnose, equal, interface_of, main, need,
                     program, receive, receiver, rule_of, run, sender, silent, test, wait_until,
                     work_directory)
from traffic import Traffic

RULE = "a in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
MAPS = ("about", "device_sets", "leases", "members", "outputs", "passed", "rules", "shapes", "sockets", "tallies", "verdicts")


@contextlib.contextmanager
def loaded():
    """The program attached by an administrator: the star, the bpffs, and a receiver of the output."""
    star = Star()
    with bpffs() as place:
        place.load(star.relay)
        yield star, place, receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")


def config(place, attach="auto", more=""):
    """A configuration with the rule and the directory of pins."""
    return (f"rules: [{RULE}]\n"
            f"interfaces: {{ in0: {{ attach: {attach}, pins: {place.pins}{more} }} }}\n")


def start(star, place, attach="auto", more=""):
    """A daemon with that configuration."""
    daemon = Daemon(star.relay, config=config(place, attach, more))
    daemon.ready = ""  # its workers come and go with the program
    return daemon


def program_of(star, device="in0"):
    """Id of the XDP program of an interface, or None."""
    link = json.loads(star.relay.run("ip", "-j", "link", "show", device).stdout)[0]
    return link.get("xdp", {}).get("prog", {}).get("id")


def provoke(star, text, output):
    """Send until a datagram is relayed: the first ones only show that the program is attached."""
    source = sender(star.source, "10.1.0.1")

    def relayed():
        source.sendto(text, ("239.1.1.1", 5000))
        with contextlib.suppress(BlockingIOError, TimeoutError):
            output.settimeout(0.1)
            while output.recv(2048) != text:  # left from earlier attempts
                pass
            return True
        return False

    wait_until(relayed, f"{text} is relayed")


def reopens(daemon):
    """Its interface is opened again or late: neither the number of audits nor the owner of counters is
    known."""
    daemon.ready = ""
    daemon.retired = True
    return daemon


def wait_active(daemon, star):
    """Send until the rule is active."""
    source = sender(star.source, "10.1.0.1")

    def active():
        source.sendto(b"", ("239.1.1.1", 5000))
        return rule_of(daemon.stats(), "a")["state"] == "active"

    wait_until(active, "the rule is active")


def relays(daemon, star, text, output):
    """A datagram is relayed, and the rule is active."""
    provoke(star, text, output)
    wait_active(daemon, star)


def check_lost(output, text):
    """This datagram has not arrived."""
    while not silent(output):
        check(receive(output)[0] != text, f"{text} was relayed")


def wait_reason(daemon, pattern):
    """Wait until the rule is pending for this reason."""
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
    """auto and external use the pinned maps; when the daemon ends, it empties them and leaves the rest"""
    with loaded() as (star, place, output):
        program = program_of(star)
        for attach in ("auto", "external"):
            daemon = start(star, place, attach)
            daemon.process.wait_line("interface-ready .* attach=external")
            relays(daemon, star, attach.encode(), output)
            equal(len(place.dump("rules")), 1, "rules in the map")
            daemon.settle()
            daemon.stop()
            equal(program_of(star), program, "program after the daemon's end")
            equal(sorted(os.listdir(place.pins)), sorted(MAPS), "pins")
            equal(place.dump("rules"), [], "rules after the daemon's end")


@test
def explained():
    """xmcastctl explain tries the packet with the maps of the external program; it leaves no trace in them"""
    with loaded() as (star, place, _output):
        daemon = start(star, place, "external")
        before = (place.dump("verdicts"), place.dump("about"))
        answer = json.loads(daemon.ctl("-j", "explain", "10.9.9.9", ">", "239.1.1.1:5000@in0").stdout)
        equal((answer["verdict"]["reason"], answer["rule"]["name"]), ("steered", "a"), "verdict and rule")
        equal((place.dump("verdicts"), place.dump("about")), before, "maps")


@contextlib.contextmanager
def owned_by(user, directory):
    """Give the directory to a user, and then back to root."""
    shutil.chown(directory, user)
    try:
        yield
    finally:
        shutil.chown(directory, "root")


@test
def as_a_user():
    """A daemon that is not root: needs pins of its own, and works with them like root"""
    with loaded() as (star, place, output), owned_by("nobody", work_directory()):
        daemon = reopens(Daemon(star.relay, config=config(place, "external") +
                                "security: { user: nobody }\n"))
        wait_reason(daemon, r"Permission denied")
        for path in (place.pins, *(os.path.join(place.pins, name) for name in MAPS)):
            shutil.chown(path, "nobody")
        check(daemon.ctl("config", "reload").returncode == 0, "no reload")
        relays(daemon, star, b"as a user", output)
        daemon.settle()
        daemon.stop()
        equal(sorted(os.listdir(place.pins)), sorted(MAPS), "pins")
        equal(place.dump("rules"), [], "rules after the daemon's end")


@test
def own():
    """own ignores pinned maps: pending while the external program is attached, active without it"""
    with loaded() as (star, place, _):
        daemon = reopens(start(star, place, "own"))
        wait_reason(daemon, "another XDP program")
        place.unload(star.relay)
        wait_active(daemon, star)
        check(daemon.process.wait_line("interface-ready .* attach=own"), "not own")
        equal(len(os.listdir(place.pins)), len(MAPS), "pins, of which ours uses none")
        equal(place.dump("rules"), [], "rules in the pinned map")


@test
def absent():
    """auto without a program attaches its own; external waits until one is loaded"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with bpffs() as place:
        daemon = start(star, place, "auto")
        daemon.process.wait_line("interface-ready .* attach=own")
        daemon.stop()
        daemon = reopens(start(star, place, "external"))
        wait_reason(daemon, "no XDP program is attached to in0.*xdp-loader")
        place.load(star.relay)
        relays(daemon, star, b"late", output)


@test
def unfit():
    """Another version, a wrong map, a missing pin, a pin that others can write: each has its reason"""
    with loaded() as (star, place, output):
        about = os.path.join(place.pins, "about")
        daemon = reopens(start(star, place, "external"))
        os.remove(about)
        wait_reason(daemon, "the map about is missing")
        for kind, entries, size, pattern in (
                ("array", "99", "16",
                 "they have ABI version 99, this xmcastd needs [0-9]+: .*iface detach"),
                ("hash", "1", "16", "about is not one of xmcast's: type 1, key 4, value 16")):
            run("bpftool", "map", "create", about, "type", kind, "key", "4", "value", size,
                "entries", entries, "name", "about")
            wait_reason(daemon, pattern)
            os.remove(about)
        os.chmod(os.path.join(place.pins, "verdicts"), 0o666)
        place.unload(star.relay)
        place.load(star.relay)
        wait_reason(daemon, "verdicts: .*: unsafe mode 0666, group 0")
        os.chmod(os.path.join(place.pins, "verdicts"), 0o600)
        relays(daemon, star, b"fits", output)


@test
def of_another_interface():
    """Maps whose program runs on another interface are not used, and the reason names it"""
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
    """Unloaded while the daemon runs: external waits until it is loaded again; auto attaches its own"""
    with loaded() as (star, place, output):
        daemon = start(star, place, "external")
        relays(daemon, star, b"before", output)
        place.unload(star.relay)
        wait_reason(daemon, "has lost the XDP program that somebody else attached")
        place.load(star.relay)
        relays(daemon, star, b"again", output)
        daemon.stop()
        daemon = reopens(start(star, place, "auto"))
        provoke(star, b"auto", output)
        place.unload(star.relay)
        check(daemon.process.wait_line("interface-ready .* attach=own"), "not its own")
        provoke(star, b"own", output)


@test
def replaced():
    """Another program in its place: pending, because no packet shows that it uses the maps"""
    with loaded() as (star, place, output):
        daemon = start(star, place, "external")
        relays(daemon, star, b"before", output)
        place.unload(star.relay)
        place.load(star.relay, "in0", os.path.join(place.root, "elsewhere"))
        wait_reason(daemon, r"no packet has shown yet")
        sender(star.source, "10.1.0.1").sendto(b"lost", ("239.1.1.1", 5000))
        wait_reason(daemon, r"no packet has shown yet")
        check_lost(output, b"lost")


@test
def two_daemons():
    """A second daemon does not take the maps from the first"""
    with loaded() as (star, place, output):
        daemon = start(star, place, "external")
        provoke(star, b"one", output)
        second = Daemon(star.relay, config=config(place, "external"), ready=False)
        equal(second.process.wait(), 2, "exit code of the second")
        second.process.wait_line("another xmcastd uses them")
        relays(daemon, star, b"still", output)


@test
def claimed_by_a_user():
    """A local user claims the maps: the rule is pending until the name is free; other rules run"""
    star = Star(sources=2)
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    beside = receiver(star.receiver, 6001, "239.2.2.2", "10.2.0.2")
    with bpffs() as place:
        place.load(star.relay)
        name = f"xmcast-maps-{map_ids(place)['rules']}"
        with bound(star.relay, name):
            daemon = reopens(Daemon(star.relay, config=config(place, "external").replace(
                RULE, f"{RULE}, b in 239.1.1.1:5000@in1 out 239.2.2.2:6001@out0")))
            wait_reason(daemon, f"@{name}, .*neither root nor this daemon's user")
            sender(star.sources[1], "10.1.1.1").sendto(b"b", ("239.1.1.1", 5000))
            equal(receive(beside)[0], b"b", "payload")
        relays(daemon, star, b"free", output)


@test
def killed():
    """20 kills under traffic: packets go to the stack meanwhile; program and pins stay"""
    with loaded() as (star, place, output):
        stack = receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2")
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


class Numbers:
    """The packets of a numbered stream (traffic.py) that have arrived at a socket."""

    def __init__(self, sock):
        self.sock, self.seen = sock, []

    def take(self):
        """Read everything. Returns how many packets have arrived so far."""
        while not silent(self.sock):
            self.seen.append(struct.unpack_from("!Q", self.sock.recv(2048))[0])
        return len(self.seen)

    def wait(self, what, more=20):
        """Wait until so many more have arrived."""
        begin = len(self.seen)
        wait_until(lambda: self.take() >= begin + more, what)


@test
def restarted_beside_a_stream():
    """20 kills and starts beside a stream: each packet is relayed or goes to the stack, none does both"""
    star = Star()
    relayed = Numbers(receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2"))
    passed = Numbers(receiver(star.relay, 5000, "239.1.1.1", "10.1.0.2"))
    with bpffs() as place:
        place.load(star.relay)
        kept = program_of(star), map_ids(place)
        stream = Traffic(star.source, "10.1.0.1", "239.1.1.1", 5000, 500)
        passed.wait("the stream is the kernel's")
        for round_ in range(20):
            daemon = start(star, place, ("auto", "external")[round_ % 2])
            relayed.wait(f"the stream is relayed, round {round_}")
            equal((program_of(star), map_ids(place)), kept, "program and maps beside a daemon")
            daemon.kill()
            relayed.take()
            passed.take()  # packets from before the start of the daemon
            passed.wait(f"the stream is the kernel's again, round {round_}")
            equal((program_of(star), map_ids(place)), kept, "program and maps after a kill")
        daemon = start(star, place)
        relayed.wait("the stream is relayed at last")
        stream.stop()
        daemon.settle()
        daemon.stop()
        relayed.take()
        passed.take()
    for numbers in (relayed.seen, passed.seen):
        equal(len(numbers), len(set(numbers)), "packets, each once")
    equal(set(relayed.seen) & set(passed.seen), set(), "packets both relayed and the kernel's")
    lost = max(relayed.seen) + 1 - len(relayed.seen) - len(passed.seen)
    diagnose(f"{len(relayed.seen)} relayed, {len(passed.seen)} the kernel's, {lost} gone with the "
             "20 killed, in whose memory they were")


def map_ids(place):
    """The ids of the pinned maps."""
    return {name: json.loads(run("bpftool", "-j", "map", "show", "pinned",
                                 os.path.join(place.pins, name)).stdout)["id"] for name in MAPS}


@test
def shown():
    """iface show shows who attached the program, and which maps are used"""
    with loaded() as (star, place, _):
        daemon = start(star, place, "external")
        seen = json.loads(daemon.ctl("-j", "iface", "show", "in0").stdout)
        equal((seen["attach"]["by"], seen["attach"]["pins"], seen["program_id"], seen["mode"]),
              ("external", place.pins, program_of(star), "native"), "attachment")
        for name, number in seen["attach"]["maps"].items():
            pinned = json.loads(run("bpftool", "-j", "map", "show", "pinned",
                                    os.path.join(place.pins, name)).stdout)
            equal(number, pinned["id"], f"id of {name}")
        text = daemon.ctl("iface", "show", "in0").stdout
        check(f"attached by: external, pins {place.pins}, maps " in text, text)


@test
def detached():
    """iface detach removes program and pins: beside a daemon only with --force, and never its own program"""
    star = Star()
    with bpffs() as place:
        def detach(*words):
            return star.relay.run("env", f"LIBXDP_BPFFS={place.root}", program("xmcastctl"),
                                  "--socket", daemon.socket, "-j", "iface", "detach", "in0",
                                  place.pins, *words, check=False)

        place.load(star.relay)
        number = program_of(star)
        daemon = reopens(start(star, place, "external"))
        done = detach()
        equal((done.returncode, program_of(star)), (2, number), f"under a daemon: {done.stderr}")
        check("xmcastd has rules for in0" in done.stderr, done.stderr)
        done = detach("--force")
        equal(done.returncode, 0, f"forced: {done.stderr}")
        equal(json.loads(done.stdout), {"name": "in0", "programs": [number], "pins": place.pins,
                                        "removed_pins": len(MAPS)}, "what was done")
        equal((program_of(star), os.path.exists(place.pins)), (None, False), "program, pins")
        wait_reason(daemon, "no XDP program is attached")
        daemon.stop()
        # without a daemon; and when there is nothing to do
        place.load(star.relay)
        equal(json.loads(detach().stdout)["removed_pins"], len(MAPS), "pins removed without a daemon")
        equal(json.loads(detach().stdout)["programs"], [], "programs, when there is none")
        # a program that a daemon has attached itself stays
        daemon = start(star, place, "own")
        done = detach("--force")
        equal(done.returncode, 2, "own program")
        check("stop that xmcastd" in done.stderr, done.stderr)
        equal(interface_of(daemon.stats(), "in0")["state"], "active", "state of in0")


# ---- in libxdp's dispatcher --------------------------------------------------------------------

SYSTEM = "/sys/fs/bpf"


class Dispatcher(Bpffs):
    """The system's bpffs, because xdp-filter uses no other. Skips if there is no dispatcher."""

    def __init__(self, star):  # pylint: disable=super-init-not-called
        need("xdp-loader", "xdp-filter", "bpftool")
        if not os.path.ismount(SYSTEM):
            raise Skip(f"no bpffs at {SYSTEM}")
        self.root = SYSTEM
        self.star = star
        self.pins = os.path.join(SYSTEM, "xmcast-test", "in0")
        os.makedirs(os.path.dirname(self.pins), exist_ok=True)
        try:
            self.filter("load")
            if "xdp_dispatcher" not in self.status():
                raise Skip("no dispatcher: the kernel takes no programs in place of functions")
            self.filter("unload")
        except Exception:
            self.close()
            raise

    def status(self):
        """The programs of in0, by priority."""
        return self.star.relay.run("xdp-loader", "status", "in0").stdout

    def filter(self, verb):
        """Load or unload xdp-filter."""
        more = ("--features", "udp") if verb == "load" else ()
        self.star.relay.run("xdp-filter", verb, "in0", *more)

    def unload_steering(self):
        """Unload only the steering program."""
        number = re.search(r"xmcast_steer\s+(\d+)", self.status())[1]
        self.star.relay.run("xdp-loader", "unload", "in0", "-i", number)

    def close(self):
        self.star.relay.run("xdp-loader", "unload", "in0", "--all", check=False)
        shutil.rmtree(os.path.dirname(self.pins), ignore_errors=True)


@test
def beside_a_filter():
    """xdp-filter and xmcast on one interface, loaded in either order; either is unloaded, the other runs on"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with contextlib.closing(Dispatcher(star)) as place:
        # the filter first
        place.filter("load")
        place.load(star.relay)
        check(re.search(r"xdpfilt_\w+(.|\n)*xmcast_steer", place.status()), place.status())
        daemon = start(star, place, "external")
        relays(daemon, star, b"behind", output)
        # the filter is unloaded and loaded while packets flow
        place.filter("unload")
        relays(daemon, star, b"alone", output)
        place.filter("load")
        relays(daemon, star, b"behind again", output)
        # packets that the filter drops do not arrive
        star.relay.run("xdp-filter", "port", "5000", "-p", "udp", "-m", "dst")
        sender(star.source, "10.1.0.1").sendto(b"dropped", ("239.1.1.1", 5000))
        star.relay.run("xdp-filter", "port", "5000", "-p", "udp", "-m", "dst", "-r")
        check_lost(output, b"dropped")
        # the steering program is unloaded: the filter stays
        place.unload_steering()
        check("xdpfilt" in place.status() and "xmcast" not in place.status(), place.status())
        wait_reason(daemon, "no packet has shown yet")
        # and loaded again, next to the filter
        place.load(star.relay)
        relays(daemon, star, b"back", output)
        daemon.stop()
        check("xdpfilt" in place.status() and "xmcast_steer" in place.status(), place.status())


@test
def before_a_filter():
    """xmcast first, the filter second; the daemon is killed and starts again"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    with contextlib.closing(Dispatcher(star)) as place:
        place.load(star.relay)
        daemon = start(star, place, "auto")
        provoke(star, b"alone", output)
        place.filter("load")
        provoke(star, b"both", output)
        daemon.kill()
        daemon = start(star, place, "auto")
        relays(daemon, star, b"again", output)
        place.filter("unload")
        relays(daemon, star, b"alone again", output)
        check("xmcast_steer" in place.status(), place.status())


@test
def pins_cut_in_a_character():
    """A long directory of pins is cut within a character in the reason: statistics are still shown"""
    star = Star()
    with bpffs() as place:
        odd = len(place.root) % 2
        place.pins = os.path.join(place.root, "x" * odd + "\u00e9" * 60)
        place.load(star.relay)
        daemon = start(star, place)
        text = interface_of(daemon.stats(), "in0")["reason"]
        check("no packet has shown yet" in text and "\\xc3" in text, f"reason: {text}")
        equal(len(json.loads(daemon.ctl("-j", "rule", "list").stdout)["rules"]), 1, "rules")


main()
