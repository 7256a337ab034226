#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Third-party senders and receivers: ffmpeg, multicat, iperf, socat, tshark."""

import hashlib
import os
import re
import signal

from harness import (Daemon, Star, check, diagnose, equal, main, need, run, start, test, wait_until)
from ipv6 import Star6, groups6
from netns import work_directory

IN, OUT = "239.1.1.1", "239.2.2.2"
RULE = f"tv in {IN}:5000@in0 out {OUT}:6000@out0"
PACKET = 1316  # seven packets of an MPEG transport stream
# For receivers whose socket holds a tenth of a second of the film: they get the CPU before others.
AT_ONCE = ("nice", "-n", "-15")


def path(name):
    """The path of a file in the work directory."""
    return os.path.join(work_directory(), name)


def content(name):
    """Length and hash of a file."""
    with open(path(name), "rb") as file:
        data = file.read()
    return len(data), hashlib.sha256(data).hexdigest()


def joined(namespace, device, group):
    """Is the group joined according to /proc/net/igmp?"""
    address = bytes(map(int, group.split(".")))[::-1].hex().upper()
    return any(word == address for line in namespace.read("/proc/net/igmp").splitlines()
               for word in line.split())


def film():
    """Create an MPEG transport stream of some seconds. Returns its path."""
    if not os.path.exists(path("film.ts")):
        run("ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i",
            "testsrc=size=320x240:rate=25", "-f", "lavfi", "-i", "sine", "-t", "6", "-c:v",
            "mpeg2video", "-b:v", "2M", "-c:a", "mp2", "-f", "mpegts", path("film.ts"), timeout=120)
        # multicat writes complete datagrams of seven packets.
        os.truncate(path("film.ts"), content("film.ts")[0] // PACKET * PACKET)
    return path("film.ts")


def play(namespace, *output):
    """Send the film in real time with ffmpeg. Returns the process."""
    return start(namespace, "ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", film(), "-map",
                 "0", "-c", "copy", *output, name="ffmpeg")


def send_file(namespace, group, options=""):
    """Send the file unchanged at 8 Mbit/s with ffmpeg. Returns the process."""
    return start(namespace, "ffmpeg", "-nostdin", "-loglevel", "error", "-f", "data",
                 "-raw_packet_size", PACKET, "-blocksize", 10 * PACKET, "-i", film(), "-map", "0",
                 "-c", "copy", "-f", "data", f"udp://{group}:5000?pkt_size={PACKET}&"
                 f"bitrate=8000000&fifo_size=20000&ttl=4{options}", name="ffmpeg")


def record(star, name, *options, device="r0", group=OUT):
    """Record the group to a file with multicat, from now on."""
    process = start(star.receiver, *AT_ONCE, "multicat", "-u", "-U", *options,
                    f"@{group}:6000/ifaddr=10.2.0.2", path(name), name="multicat")
    wait_until(lambda: joined(star.receiver, device, group), f"multicat has joined {group}")
    return process


def check_recorded(daemon, player, recorders):
    """Wait until the film has been sent. Each recording must then be identical to it."""
    equal(player.wait(60), 0, "ffmpeg's exit code")
    for name, process in recorders.items():
        wait_until(lambda name=name: content(name)[0] >= content("film.ts")[0], f"all of it: {name}")
        daemon.settle()
        process.stop(signal.SIGTERM)
        equal(content(name), content("film.ts"), f"length and hash of {name}")


@test
def ffmpeg_to_multicat():
    """ffmpeg sends a film to a group; behind the relay multicat records the same bytes"""
    need("ffmpeg", "multicat")
    star = Star()
    daemon = Daemon(star.relay, RULE)
    recorder = record(star, "recorded.ts")
    player = send_file(star.source, IN, "&localaddr=10.1.0.1")
    check_recorded(daemon, player, {"recorded.ts": recorder})


@test
def ffmpeg_to_ffmpeg():
    """ffmpeg sends, ffmpeg behind the relay receives: all frames are identical"""
    need("ffmpeg")
    star = Star()
    daemon = Daemon(star.relay, RULE)
    source = (f"udp://{OUT}:6000?localaddr=10.2.0.2&timeout=3000000&fifo_size=100000&"
              "overrun_nonfatal=0")
    watcher = start(star.receiver, *AT_ONCE, "ffmpeg", "-nostdin", "-loglevel", "error", "-copyts", "-i",
                    source, "-map", "0", "-c", "copy", "-f", "streamhash", "-hash", "md5",
                    path("seen"), name="ffmpeg")
    wait_until(lambda: joined(star.receiver, "r0", OUT), "ffmpeg has joined")
    player = play(star.source, "-f", "tee", f"[f=mpegts]{path('played.ts')}|[f=mpegts]udp://"
                  f"{IN}:5000?pkt_size={PACKET}&localaddr=10.1.0.1&ttl=4")
    equal(player.wait(60), 0, "the sender's exit code")
    watcher.wait(60)
    run("ffmpeg", "-nostdin", "-loglevel", "error", "-copyts", "-i", path("played.ts"), "-map", "0",
        "-c", "copy", "-f", "streamhash", "-hash", "md5", path("sent"))
    with open(path("sent"), encoding="ascii") as sent, open(path("seen"), encoding="ascii") as seen:
        equal(seen.read(), sent.read(), "hashes of the streams")
    daemon.settle()


@test
def source_specific_receiver():
    """multicat joins the relay's address as the source; the relay joins the sender's"""
    need("ffmpeg", "multicat")
    star = Star()
    daemon = Daemon(star.relay, f"tv in 232.1.1.1:5000@in0 source 10.1.0.1 "
                    "out 232.2.2.2:6000@out0")
    recorder = start(star.receiver, *AT_ONCE, "multicat", "-u", "-U",
                     "10.2.0.1@232.2.2.2:6000/ifaddr=10.2.0.2", path("ssm.ts"), name="multicat")
    wait_until(lambda: "0xe8020202 0x0a020001" in star.receiver.read("/proc/net/mcfilter"),
               "multicat has joined by source")
    check("0xe8010101 0x0a010001" in star.relay.read("/proc/net/mcfilter"), "the relay has not")
    player = send_file(star.source, "232.1.1.1", "&localaddr=10.1.0.1")
    check_recorded(daemon, player, {"ssm.ts": recorder})


@test
def socat_both_ways():
    """socat sends datagrams, and socat receives them from a group and as a host"""
    need("socat")
    star = Star()
    daemon = Daemon(star.relay, RULE + " out 10.2.0.2:6001")
    group = start(star.receiver, "socat", "-u", f"UDP4-RECV:6000,bind={OUT},"
                  f"ip-add-membership={OUT}:10.2.0.2,rcvbuf=4194304", f"CREATE:{path('group')}")
    host = start(star.receiver, "socat", "-u", "UDP4-RECV:6001,rcvbuf=4194304",
                 f"CREATE:{path('host')}")
    wait_until(lambda: joined(star.receiver, "r0", OUT) and
               ":1771 " in star.receiver.read("/proc/net/udp"), "both listen")
    with open(path("data"), "wb") as file:
        file.write(os.urandom(200_000))
    star.source.run("socat", "-u", "-b1000", f"OPEN:{path('data')}",
                    f"UDP4-DATAGRAM:{IN}:5000,ip-multicast-if=10.1.0.1,ip-multicast-ttl=4")
    daemon.settle(steered=200)
    for name, process in (("group", group), ("host", host)):
        wait_until(lambda name=name: content(name)[0] >= 200_000, f"all of it: {name}")
        process.stop(signal.SIGTERM)
        equal(content(name), content("data"), f"length and hash: {name}")


@test
def iperf_multicast():
    """iperf's multicast client and server find 0 lost and 0 out of order"""
    need("iperf")
    star = Star()
    # On one CPU: the kernel may reorder packets that a thread sends before and after it changes CPUs.
    daemon = Daemon(star.relay, RULE, prefix=("taskset", "-c", str(min(os.sched_getaffinity(0)))))
    server = start(star.receiver, "iperf", "--server", "--udp", "--bind", f"{OUT}%r0", "--port",
                   "6000", "--interval", "1", "--enhanced", name="iperf")
    wait_until(lambda: joined(star.receiver, "r0", OUT), "iperf has joined")
    star.source.ip(f"route add {IN} dev s0")
    # It uses the system's default buffer (208 KiB, of which a packet occupies 768 bytes), which at this
    # rate lasts for a quarter of a second without a CPU.
    star.source.run("iperf", "--client", IN, "--udp", "--port", "5000", "--ttl", "4", "--bandwidth",
                    "1000pps", "--time", "3", "--len", "200", timeout=60)
    daemon.settle()
    # "[  1] 0.0000-2.9998 sec  586 KBytes  1.60 Mbits/sec  0.005 ms 0/3000 (0%) …": a line every second
    # and one for the whole time
    wait_until(lambda: len(iperf_reports(server)) >= 3, "its report")
    server.stop(signal.SIGINT)
    _, _, lost, total = iperf_reports(server)[-1]
    unread = receive_errors(star.receiver)  # because iperf had no CPU
    if unread:
        diagnose(f"iperf let {unread} of {total} packets fall")
    check(total - unread >= 100, f"too few packets:\n{server.output}")
    check(lost <= unread, f"lost, by iperf, which let {unread} fall:\n{server.output}")
    # After the three seconds it repeats its last datagram until the server answers.
    check(not re.search(r"-[12]\.\d+ sec .*out-of-order", server.output),
          f"out of order:\n{server.output}")


def iperf_reports(server):
    """(begin, end, lost, all) of each line that an iperf server has printed."""
    return [(float(begin), float(end), int(lost), int(total)) for begin, end, lost, total in re.findall(
        r"([\d.]+)-([\d.]+) sec .* (\d+)/\s*(\d+) \([\d.]+%\)", server.output)]


def receive_errors(namespace):
    """UDP datagrams that found their socket's buffer full."""
    names, values = (line.split() for line in namespace.read("/proc/net/snmp").splitlines()
                     if line.startswith("Udp:"))
    return int(values[names.index("RcvbufErrors")])


@test
def rtp_by_tshark():
    """tshark decodes ffmpeg's RTP behind the relay: 0 lost"""
    need("ffmpeg", "tshark")
    star = Star()
    star.relay.run("ethtool", "-K", "out0", "tx-udp-segmentation", "off")  # single datagrams, as on a wire
    daemon = Daemon(star.relay, RULE)
    shark = start(star.receiver, "tshark", "-i", "r0", "-n", "-Q", "-f", "udp port 6000", "-w",
                  path("rtp.pcap"), name="tshark")
    # It prints nothing when it is ready; wait for its socket.
    wait_until(lambda: len(star.receiver.read("/proc/net/packet").splitlines()) > 1 and
               os.path.exists(path("rtp.pcap")), "tshark captures")
    player = play(star.source, "-f", "rtp_mpegts",
                  f"rtp://{IN}:5000?pkt_size=1328&localaddr=10.1.0.1&ttl=4")
    equal(player.wait(60), 0, "ffmpeg's exit code")
    sent = daemon.settle()["totals"]["sent_packets"]
    check(sent > 400, f"only {sent} packets")

    def streams():
        text = run("tshark", "-n", "-r", path("rtp.pcap"), "-d", "udp.port==6000,rtp", "-q", "-z",
                   "rtp,streams", check=False).stdout
        found = re.search(rf"{re.escape(OUT)}\s+6000\s+\S+\s+.*?\s(\d+)\s+(-?\d+) \(", text)
        return (text, found) if found and int(found[1]) >= sent else None

    text, found = wait_until(streams, "all packets are captured", pause=0.5)
    shark.stop(signal.SIGINT)
    equal((int(found[1]), int(found[2])), (sent, 0), f"packets and lost by tshark:\n{text}")


@test
def ipv6_by_ffmpeg_and_multicat():
    """The same film with IPv6 from one group to another, and to multicat with IPv4"""
    need("ffmpeg", "multicat")
    star = Star6()
    daemon = Daemon(star.relay, f"tv in [ff3e::1]:5000@in0 out [ff3e::2]:6000@out0 out {OUT}:6000"
                    "@out0")
    four = record(star, "four.ts")
    six = start(star.receiver, "socat", "-u", "UDP6-RECV:6000,bind=[ff3e::2],rcvbuf=4194304,"
                "ipv6-join-group=[ff3e::2]:r0", f"CREATE:{path('six.ts')}", name="socat")
    wait_until(lambda: "ff3e::2" in groups6(star.receiver, "r0"), "socat has joined")
    star.source.ip("-6 route add ff3e::/16 dev s0 table local")
    check_recorded(daemon, send_file(star.source, "[ff3e::1]"), {"four.ts": four, "six.ts": six})


main()
