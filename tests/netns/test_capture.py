#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl capture: packets of a rule before and after, as tshark and tcpdump read them."""

import json
import os
import signal

from harness import (EXIT_DONE, Daemon, Star, check, equal, group_mac, main, need, packet_socket,
                     program, run, start, test, udp_frame, work_directory)


class Capture:
    """An xmcastctl capture that has begun."""

    count = 0

    def __init__(self, daemon, *arguments, options=(), file=True):
        """`file`: write pcapng into a file; otherwise to stdout, as the arguments say."""
        Capture.count += 1
        self.daemon = daemon
        self.path = os.path.join(work_directory(), f"{Capture.count}.pcapng") if file else None
        arguments = [*arguments] + (["-w", self.path] if file else [])
        self.process = start(daemon.namespace, program("xmcastctl"), "--socket", daemon.socket, *options,
                             "capture", *arguments, name="xmcastctl capture")
        daemon.process.wait_line("capture-started")

    def stop(self, number=signal.SIGINT, status=EXIT_DONE):
        """End it; returns what it says about the end."""
        self.process.send_signal(number)
        return self.end(status)

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


def on_the_wire(sock, port, count):
    """The next frames that arrive for a UDP port."""
    frames = []
    while len(frames) < count:
        frame = sock.recv(65536)
        if frame[12:14] == b"\x08\0" and frame[23] == 17 and frame[36:38] == port.to_bytes(2, "big"):
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
          [without_identification(data) for data in on_the_wire(wire, 6000, len(frames))],
          "frames after")
    equal(run("tshark", "-n", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-r",
              capture.path, "-Y", "_ws.expert.severity == error").stdout, "", "packets that tshark doubts")
    lines = run("tcpdump", "-n", "-r", capture.path).stdout.splitlines()
    equal(len([line for line in lines if "10.9.9.9.40000 > 239.1.1.1.5000: UDP" in line]), 5,
          "packets before, as tcpdump reads them")
    equal(len([line for line in lines if "> 239.2.2.2.6000: UDP" in line]), 5, "packets after")


if __name__ == "__main__":
    main()
