#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl capture: packets of a rule before and after, as tshark and tcpdump read them."""

import json
import os
import random
import re
import signal
import struct

from control import Client
from harness import (EXIT_DONE, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, Daemon, Skip, Star, check, equal, generate,
                     group_mac, main, need, packet_socket, program, receiver, rule_of, run, sender, start, test,
                     udp_frame, wait_until, work_directory, write_file)
from ipv6 import Star6, sender6
from kernel_rules import V4, star_for, wait_rule


class Capture:
    """An xmcastctl capture that has begun."""

    count = 0

    def __init__(self, daemon, *arguments, options=(), file=True, prefix=()):
        """`file`: write pcapng into a file; otherwise to stdout, as the arguments say. `prefix`: a command
        that runs the program."""
        Capture.count += 1
        self.daemon = daemon
        self.path = os.path.join(work_directory(), f"{Capture.count}.pcapng") if file else None
        arguments = [*arguments] + (["-w", self.path] if file else [])
        self.process = start(daemon.namespace, *prefix, program("xmcastctl"), "--socket", daemon.socket, *options,
                             "capture", *arguments, name="xmcastctl capture")
        daemon.process.wait_line(rf"capture-started .*\bpid={self.process.pid}\b")

    def stop(self, number=signal.SIGINT, status=EXIT_DONE):
        """End it; returns what it says about the end."""
        self.process.send_signal(number)
        return self.end(status)

    @property
    def output(self):
        """What it has written to stdout so far."""
        return self.process.output

    def end(self, status=EXIT_DONE):
        """Wait until it has ended by itself."""
        equal(self.process.wait(), status, f"exit code of the capture; log:\n{self.process.log()}\n")
        return self.process.log()


def inject(star, *frames):
    """Frames arrive at in0, exactly as they are."""
    with packet_socket(star.source, "s0") as sock:
        for frame in frames:
            sock.send(frame)


def input_frames(star, payloads, **change):
    """Frames for 239.1.1.1:5000."""
    return [udp_frame(group_mac("239.1.1.1"), "10.9.9.9", "239.1.1.1", 5000, payload, **change)
            for payload in payloads]


def on_the_wire(sock, count, *ports):
    """The next frames that arrive for any of these UDP ports."""
    frames = []
    while len(frames) < count:
        frame = sock.recv(65536)
        if frame[12:14] == b"\x08\0" and frame[23] == 17 and int.from_bytes(frame[36:38], "big") in ports:
            frames.append(frame)
    return frames


def without_identification(frame):
    """A frame without what the kernel chooses for each packet: IPv4 identification, and the checksum."""
    return frame[:18] + frame[20:24] + frame[26:]


def records(path):
    """The packets of a file: name of the interface and bytes, read by tshark."""
    text = run("tshark", "-n", "-r", path, "-T", "ek", "-x").stdout
    packets = []
    for line in text.splitlines():
        layers = json.loads(line).get("layers")
        if layers:
            packets.append((layers["frame"]["frame_frame_interface_name"],
                            bytes.fromhex(layers["frame_raw"])))
    return packets


def need_kernel_captures(daemon):
    """Skip where the kernel path cannot be captured."""
    if daemon.process.find_line("no-kernel-captures"):
        raise Skip("the verifier of this kernel refuses the XDP program with captures")


PAYLOADS = [b"", b"x", b"two bytes!", bytes(range(256)) * 5, bytes(1472)]


@test
def before_and_after():
    """Each packet as it came and as it was sent, byte for byte, in a file that tshark and tcpdump read"""
    need("tshark", "tcpdump")
    star = Star()
    star.relay.run("ethtool", "-K", "out0", "tx", "off")  # the kernel writes checksums itself
    daemon = Daemon(star.relay, "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 ttl 9 dscp 46")
    wire = packet_socket(star.receiver, "r0")
    capture = Capture(daemon, "cam1")
    frames = input_frames(star, PAYLOADS)
    inject(star, *frames)
    daemon.settle(steered=len(frames))
    log = capture.stop()
    check("10 packets captured; 5 received and 5 sent meanwhile" in log, log)
    check("not captured: 0 over the rate, 0 lost, 0 not wanted" in log, log)
    packets = records(capture.path)
    equal([data for name, data in packets if name == "in0 (in)"], frames, "frames before")
    sent = [data for name, data in packets if name == "out0 (out cam1)"]
    equal([without_identification(data) for data in sent],
          [without_identification(data) for data in on_the_wire(wire, len(frames), 6000)],
          "frames after")
    equal(run("tshark", "-n", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-r",
              capture.path, "-Y", "_ws.expert.severity == error").stdout, "", "packets that tshark doubts")
    lines = run("tcpdump", "-n", "-r", capture.path).stdout.splitlines()
    equal(len([line for line in lines if "10.9.9.9.40000 > 239.1.1.1.5000: UDP" in line]), 5,
          "packets before, as tcpdump reads them")
    equal(len([line for line in lines if "> 239.2.2.2.6000: UDP" in line]), 5, "packets after")


def check_kernel_path(star, rule, outputs, options="", mode="native"):
    """Capture rule k on the kernel path: what comes and what leaves, byte for byte. `outputs`: number of
    the output interface of each."""
    daemon = Daemon(star.relay, config=f"rules: ['{rule}']\ninterfaces: {{ in0: {{ mode: {mode} }} }}\n")
    wait_rule(daemon, "k")
    need_kernel_captures(daemon)
    wires = [packet_socket(namespace, "r0") for namespace in star.receivers]
    capture = Capture(daemon, "k", *options.split())
    frames = input_frames(star, PAYLOADS)
    for number, frame in enumerate(frames, 1):
        inject(star, frame)
        daemon.settle(steered=number)
    log = capture.stop()
    count = len(frames)
    check(f"{count * (1 + len(outputs))} packets captured; {count} received and {count * len(outputs)} "
          "sent meanwhile" in log, log)
    packets = records(capture.path)
    equal([data for name, data in packets if name == "in0 (in)"], frames, "frames before")
    for device in set(outputs):
        leave = [data for name, data in packets if name == f"out{device} (out k)"]
        seen = []
        while len(seen) < count * outputs.count(device):
            data = wires[device].recv(65536)
            if data[12:14] == b"\x08\0" and data[23] == 17 and data[30:32] == bytes([239, 2]):
                seen.append(data)
        equal(sorted(leave), sorted(seen), f"frames after, on out{device}")
    return packets


@test
def kernel_path():
    """On the kernel path with one output: frames as they came and as they left, every byte"""
    need("tshark")
    check_kernel_path(star_for(V4), "k in 239.1.1.1:5000@in0 path kernel out 239.2.2.2:6000@out0 ttl 9", [0])


@test
def kernel_path_copies():
    """On the kernel path with several outputs, two of them on one interface"""
    need("tshark")
    packets = check_kernel_path(
        star_for(V4, receivers=2), "k in 239.1.1.1:5000@in0 path kernel out 239.2.2.1:6000@out0 "
        "out 239.2.2.2:6000@out1 out 239.2.2.3:6000@out0", [0, 1, 0])
    equal(len({data[30:34] for name, data in packets if name != "in0 (in)"}), 3, "destinations")


@test
def kernel_path_skb():
    """On the kernel path in skb mode"""
    need("tshark")
    check_kernel_path(star_for(V4), "k in 239.1.1.1:5000@in0 path kernel out 239.2.2.2:6000@out0 ttl 9", [0],
                      mode="skb")


@test
def outputs_of_every_kind():
    """User path: kept source, TTL and DSCP, a route without an interface, `from`, several outputs: byte for byte"""
    need("tshark")
    star = Star(receivers=2)
    for device in ("out0", "out1"):
        star.relay.run("ethtool", "-K", device, "tx", "off")
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.1:6000@out0 from keep ttl keep dscp keep "
                    "out 10.2.1.2:6000 from 10.2.1.1:7777 ttl 3 out 239.2.2.3@out0 ttl dec")
    wires = [packet_socket(namespace, "r0") for namespace in star.receivers]
    capture = Capture(daemon, "k")
    frames = input_frames(star, PAYLOADS, tos=0xb8)
    for number, frame in enumerate(frames, 1):
        inject(star, frame)
        daemon.settle(steered=number)
    log = capture.stop()
    check("20 packets captured; 5 received and 15 sent meanwhile" in log, log)
    packets = records(capture.path)
    for device, ports in ((0, (6000, 5000)), (1, (6000,))):
        leave = [data for name, data in packets if name == f"out{device} (out k)"]
        seen = on_the_wire(wires[device], len(ports) * len(frames), *ports)
        equal(sorted(map(without_identification, leave)), sorted(map(without_identification, seen)),
              f"frames after, on out{device}")


@test
def ipv6():
    """User path of IPv6, byte for byte"""
    need("tshark")
    star = Star6()
    star.relay.run("ethtool", "-K", "out0", "tx", "off")
    star.relay.sysctl("net/ipv6/auto_flowlabels", 0)
    daemon = Daemon(star.relay, "k in [ff3e::1:1]:5000@in0 out [ff3e::2:2]:6000@out0 ttl 4 dscp 10")
    wire = packet_socket(star.receiver, "r0")
    capture = Capture(daemon, "k")
    payloads = [b"x", bytes(range(200))]
    with sender6(star.source, "s0") as sock:
        for payload in payloads:
            sock.sendto(payload, ("ff3e::1:1", 5000))
    daemon.settle(steered=2)
    capture.stop()
    seen = []
    while len(seen) < 2:
        data = wire.recv(65536)
        if data[12:14] == b"\x86\xdd" and data[20] == 17 and data[56:58] == (6000).to_bytes(2, "big"):
            seen.append(data)
    packets = records(capture.path)
    equal([data for name, data in packets if name == "out0 (out k)"], seen, "frames after")
    equal([data[62:] for name, data in packets if name == "in0 (in)"], payloads, "payloads before")


@test
def jumbo():
    """A packet in several frames of the socket is captured whole, or as much as -s says"""
    need("tshark")
    star = Star(mtu=9000, out_mtu=9000)
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    payload = random.Random(1).randbytes(3000)
    frames = input_frames(star, [payload])
    for options, kept in (((), len(frames[0])), (("-s", "1000"), 1000)):
        capture = Capture(daemon, "k", *options)
        inject(star, frames[0])
        daemon.settle()
        wait_until(lambda path=capture.path: len(blocks(path, PACKET)) == 2, "both packets in the file")
        capture.stop()
        packets = records(capture.path)
        equal(packets[0], ("in0 (in)", frames[0][:kept]), "frame before")
        equal(packets[1][1][42:], payload[:kept - 42], "payload after")


PACKET, STATISTICS = 6, 5


def blocks(path, kind):
    """The bodies of the blocks of a kind in a pcapng file, which may still be written."""
    with open(path, "rb") as file:
        data = file.read()
    found, at = [], 0
    while at + 12 <= len(data):
        number, length = struct.unpack_from("<II", data, at)
        if at + length > len(data):
            break
        if number == kind:
            found.append(data[at + 8:at + length - 4])
        at += length
    return found


def statistics(path):
    """The counters of the file's interfaces: received and dropped; None if they are not there."""
    result = []
    for body in blocks(path, STATISTICS):
        at, options = 12, {}
        while at < len(body):
            code, length = struct.unpack_from("<HH", body, at)
            options[code] = body[at + 4:at + 4 + length]
            at += 4 + (length + 3) // 4 * 4
        result.append(tuple(options[code] and int.from_bytes(options[code], "little")
                            for code in (4, 5)))
    return result


def check_rate(path):
    """Send more packets than --rate: each is taken with its copy, or counted, and relaying loses none."""
    star = star_for(V4)
    daemon = Daemon(star.relay, f"k in 239.1.1.1:5000@in0 path {path} out 239.2.2.2:6000@out0")
    wait_rule(daemon, "k", path=path)
    if path == "kernel":
        need_kernel_captures(daemon)
    capture = Capture(daemon, "k", "--rate", "50", options=("-j",))
    sent = generate(star.source, "s0", "--group", "239.1.1.1", "--port", "5000", "--rate", "5000", "--count",
                    "5000")
    daemon.settle(steered=sent["sent_packets"])
    capture.stop()
    end = json.loads(capture.output)
    count = sent["sent_packets"]
    equal((end["received_packets"], end["sent_packets"], end["lost_packets"], end["filtered_packets"]),
          (count, count, 0, 0), "received, sent, lost, not wanted")
    equal(end["captured_packets"] + end["rate_limited_packets"], 2 * count, "captured or counted")
    # The machine may be slow: the rate is about the time in which the packets came.
    check(2 <= end["captured_packets"] <= 2 * 50 * (sent["seconds"] + 2), f"captured: {end}")
    taken = end["captured_packets"] // 2
    equal(statistics(capture.path), [(count, count - taken)] * 2, "statistics in the file")
    equal(len(blocks(capture.path, PACKET)), end["captured_packets"], "packets in the file")


@test
def over_the_rate():
    """More packets than --rate: each is taken with its copy or counted; relaying loses none"""
    check_rate("user")


@test
def over_the_rate_kernel_path():
    """The same on the kernel path"""
    check_rate("kernel")


@test
def lines_and_filter():
    """Without -w one line a packet, or JSON; -c ends it; a filter counts what it leaves out"""
    star = Star()
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 ttl 9")
    capture = Capture(daemon, "k", "-c", "2", file=False)
    inject(star, *input_frames(star, [b"12345"]))
    log = capture.end()
    port = r"\d+"
    check(re.fullmatch(r"[\d:.]+ in0 \(in\) k 10\.9\.9\.9:40000 > 239\.1\.1\.1:5000 UDP len 5 ttl 8\n"
                       rf"[\d:.]+ out0 \(out k\) 10\.2\.0\.1:{port} > 239\.2\.2\.2:6000 UDP len 5 ttl 9\n",
                       capture.output), capture.output)
    check("2 packets captured" in log, log)
    capture = Capture(daemon, "in0", "-c", "1", "out", "and", "not", "len", "5", file=False, options=("-j",))
    inject(star, *input_frames(star, [b"12345", b"1234"]))
    capture.end()
    packet, end = map(json.loads, capture.output.splitlines())
    check(packet.pop("time_ns") > 1.7e18 and packet.pop("source_port"), "time and port")
    equal(packet, {"direction": "out", "interface": "out0", "rule": "k", "bytes": 46, "captured_bytes": 46,
                   "to": "239.2.2.2:6000@out0", "rebuilt_headers": True, "source": "10.2.0.1",
                   "destination": "239.2.2.2", "protocol": 17, "port": 6000, "payload_bytes": 4, "ttl": 9,
                   "dscp": 0}, "a packet")
    equal((end["captured_packets"], end["filtered_packets"]), (1, 3), "captured and left out")


@test
def of_parts():
    """A rule with two inputs at two interfaces, and one with a prefix: all that they receive and send is captured"""
    star = Star(sources=2)
    daemon = Daemon(star.relay, config="rules:\n"
                    "- 'two in A:239.1.1.1:5000@in0 in B:239.1.1.2:5000@in1 select first out 239.2.2.2:6000@out0'\n"
                    "- 'tv in 239.5.0.0/16:any@in0 path user out same@out0 when joined'\n")
    daemon.process.wait_line("receivers-heard")
    sources = [sender(namespace, f"10.1.{i}.1") for i, namespace in enumerate(star.sources)]
    capture = Capture(daemon, "two", "-c", "3", file=False, options=("-j",))
    for i, source in enumerate(sources):
        source.sendto(b"12345", (f"239.1.1.{i + 1}", 5000))
        wait_until(lambda i=i: rule_of(daemon.stats(), "two")["received_packets"] == i + 1, f"{i + 1} received")
    capture.end()
    equal(sorted((one["interface"], one["direction"]) for one in map(json.loads, capture.output.splitlines()[:3])),
          [("in0", "in"), ("in1", "in"), ("out0", "out")], "of two inputs")
    with receiver(star.receiver, 6000, "239.5.5.5", "10.2.0.2"):
        wait_until(lambda: rule_of(daemon.stats(), "tv")["groups"] == 1 and
                   rule_of(daemon.stats(), "tv")["state"] == "active", "the group is relayed")
        capture = Capture(daemon, "tv", "-c", "2", file=False, options=("-j",))
        sources[0].sendto(b"12345", ("239.5.5.5", 6000))
        capture.end()
        equal(sorted((one["interface"], one["direction"], one["rule"], one["destination"])
                     for one in map(json.loads, capture.output.splitlines()[:2])),
              [("in0", "in", "tv 239.5.5.5", "239.5.5.5"), ("out0", "out", "tv 239.5.5.5", "239.5.5.5")], "of a prefix")
    daemon.stop()


@test
def piped():
    """-w - into tshark and tcpdump, packet by packet; a reader that goes ends it with its numbers"""
    need("tshark", "tcpdump")
    star = Star()
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    command = [program("xmcastctl"), "--socket", daemon.socket, "capture", "k", "-w", "-"]
    for number, reader in enumerate(("tshark -n -l -r - -T fields -e udp.dstport", "tcpdump -n -l -r - -c 2"), 1):
        process = start(star.relay, "sh", "-c", f"{' '.join(command)} | {reader}", name=f"capture | {reader}")
        wait_until(lambda n=number: daemon.process.log().count("capture-started") == n, "a capture")
        inject(star, *input_frames(star, [b"x"]))
        wait_until(lambda p=process: len((p.output or "").splitlines()) == 2, "two lines")
        if number == 1:
            os.kill(int(re.findall(r"capture-started .*pid=(\d+)", daemon.process.log())[-1]), signal.SIGINT)
        else:  # tcpdump has gone: the next packet finds no reader
            inject(star, *input_frames(star, [b"x"]))
        process.wait_line(r"packets captured; \d+ received and \d+ sent meanwhile")
        process.wait()
    daemon.settle()


@test
def endings():
    """Client killed, disk full, rule removed, daemon stopped or killed: each ends with its numbers"""
    star = Star()
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0",
                    "l in 239.1.1.2:5000@in0 out 239.2.2.3:6000@out0")
    Capture(daemon, "k").process.send_signal(signal.SIGKILL)
    daemon.process.wait_line("capture-ended of=k")
    capture = Capture(daemon, "k", "-w", "/dev/full", file=False)
    inject(star, *input_frames(star, [bytes(1400)]))
    log = capture.end(EXIT_REFUSED)
    check("cannot write /dev/full: No space left on device" in log and "packets captured" in log, log)
    capture = Capture(daemon, "l")
    daemon.ctl("rule", "del", "l")
    log = capture.end(EXIT_UNREACHABLE)
    check("xmcastd has ended the capture" in log and "0 packets captured" in log, log)
    capture = Capture(daemon, "k")
    inject(star, *input_frames(star, [b"last"]))
    daemon.settle()
    daemon.stop()
    log = capture.end(EXIT_UNREACHABLE)
    check("2 packets captured; 1 received and 1 sent meanwhile" in log, log)
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    capture = Capture(daemon, "k")
    daemon.kill()
    check("packets captured" in capture.end(EXIT_UNREACHABLE), capture.process.log())


@test
def stalled_client():
    """A client that does not read: the relay loses nothing, and what the client lost is counted"""
    star = Star()
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    capture = Capture(daemon, "k", "--rate", "1000000", options=("-j",))
    capture.process.send_signal(signal.SIGSTOP)
    sent = generate(star.source, "s0", "--group", "239.1.1.1", "--port", "5000", "--rate", "10000", "--count",
                    "5000")
    stats = daemon.settle(steered=sent["sent_packets"])
    equal(rule_of(stats, "k")["outputs"][0]["sent_packets"], sent["sent_packets"], "relayed meanwhile")
    check("one capture at a time" in daemon.ctl("capture", "k", check=False).stderr, "a second capture")
    capture.process.send_signal(signal.SIGCONT)
    capture.stop()
    end = json.loads(capture.output)
    count = sent["sent_packets"]
    equal((end["received_packets"], end["sent_packets"]), (count, count), "received and sent")
    check(end["lost_packets"] > 0 and end["captured_packets"] > 0, f"lost and captured: {end}")
    equal(end["captured_packets"] + end["lost_packets"] + end["rate_limited_packets"], 2 * count, "all")


@test
def changes_meanwhile():
    """Rules that change during a capture: a replaced rule goes on, on another path too, and no packet is lost"""
    star = star_for(V4)
    rule = "k in 239.1.1.1:5000@in0 path {} out 239.2.2.2:{}@out0"
    daemon = Daemon(star.relay, rule.format("user", 6000))
    need_kernel_captures(daemon)
    capture = Capture(daemon, "k")
    for number, (path, port) in enumerate((("user", 6000), ("kernel", 6001), ("user", 6002)), 1):
        if number > 1:
            daemon.ctl("rule", "replace", *rule.format(path, port).split())
            wait_rule(daemon, "k", path=path)
        inject(star, *input_frames(star, [b"x"]))
        wait_until(lambda n=number: len(blocks(capture.path, PACKET)) == 2 * n, "both packets in the file")
    log = capture.stop()
    check("6 packets captured; 3 received and 3 sent meanwhile" in log, log)
    equal([data[36:38] for name, data in records(capture.path) if name == "out0 (out k)"],
          [port.to_bytes(2, "big") for port in (6000, 6001, 6002)], "ports after")


@test
def refused():
    """Readers, unknown names and wrong words: the reason, and nothing happens"""
    star = Star()
    daemon = Daemon(star.relay, "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0")
    for words, code, text in (("", EXIT_USAGE, "too few arguments"), ("k -w", EXIT_USAGE, "no value"),
                              ("k -x", EXIT_USAGE, "unknown option"), ("k -c 0", EXIT_USAGE, "number of packets"),
                              ("k -s 10", EXIT_USAGE, "128 to 65535"), ("k --rate 0", EXIT_USAGE, "a second"),
                              ("k src nobody", EXIT_USAGE, '"nobody": expected an address'),
                              ("k port", EXIT_USAGE, "a port"), ("x", EXIT_REFUSED, "input interface x;"),
                              ("out0", EXIT_REFUSED, "input interface out0;"),
                              ("k -w /nowhere/x", EXIT_REFUSED, "cannot write /nowhere/x: No such file")):
        done = daemon.ctl("capture", *words.split(), check=False)
        equal(done.returncode, code, words)
        check(text in done.stderr, f"{words}: {done.stderr}")
    old = write_file("old.pcapng", "an older capture")
    for rule, owner, text in (("x", 0, "input interface x;"), ("k", 65534, "the file of another user")):
        os.chown(old, owner, -1)
        done = daemon.ctl("capture", rule, "-w", old, check=False)
        equal(done.returncode, EXIT_REFUSED, text)
        check(text in done.stderr, done.stderr)
        with open(old, encoding="ascii") as file:
            equal(file.read(), "an older capture", "the file")
    check("capture-started" not in daemon.process.log(), daemon.process.log())
    with Client(daemon.socket, 65534, 0) as client:
        for method, params in (("capture.start", {"of": "k"}), ("capture.headers", {"rule": "k", "output": 0})):
            equal(client.code(method, **params), -32003, f"{method} of a reader")
    with Client(daemon.socket) as client:
        for params in ({}, {"of": ""}, {"of": "k", "rate": 0}, {"of": "k", "snap": 70000}, {"of": 1}):
            equal(client.code("capture.start", **params), -32602, f"capture.start {params}")
    with Client(daemon.socket) as client:
        client.call("capture.start", of="k")
        with Client(daemon.socket) as other:
            equal(other.code("capture.start", of="k"), -32001, "a second capture")
    with Client(daemon.socket) as client:
        wait_until(lambda: client.code("capture.start", of="k") is None, "the next capture, once the first has gone")


@test
def handed_over():
    """A capture ends with its numbers when another process takes over"""
    star = Star()
    rule = "k in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
    daemon = Daemon(star.relay, rule)
    capture = Capture(daemon, "k")
    inject(star, *input_frames(star, [b"x"]))
    daemon.settle()
    successor = Daemon(star.relay, rule, arguments=("--socket", daemon.socket, "--take-over"))
    successor.socket = daemon.socket
    equal(daemon.process.wait(), EXIT_DONE, "exit code of the predecessor")
    log = capture.end(EXIT_UNREACHABLE)
    check("2 packets captured; 1 received and 1 sent meanwhile" in log, log)


if __name__ == "__main__":
    main()
