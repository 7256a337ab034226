#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The health of streams that a rule watches: what was lost, doubled and reordered before it arrived is counted
exactly, whatever the payload is."""

import json
import os
import random
import re
import signal
import struct
import time

from harness import (EXIT_REFUSED, Daemon, Star, check, equal, generate, main, need, receive, receiver, rule_of, run,
                     sender, test, wait_until, work_directory)
from restarts import take_over

RULE = "cam1 in 239.1.1.1:5000@in0 watch {} out 239.2.2.2:6000@out0"
GROUP = ("239.1.1.1", 5000)
WINDOW = 64
BURST = 16


def send(sock, datagrams):
    """Send them, with breaks, because a veth has a ring of 256 entries."""
    for i, datagram in enumerate(datagrams):
        sock.sendto(datagram, GROUP)
        if i % BURST == BURST - 1:
            time.sleep(0.004)


def health(daemon, received):
    """What is counted about the rule's stream, once so many datagrams have arrived."""
    def arrived():
        rule = rule_of(daemon.stats(), "cam1")
        return rule["received_packets"] >= received and rule

    rule = wait_until(arrived, f"{received} datagrams have arrived")
    equal(rule["received_packets"], received, "datagrams that arrived")
    return rule["watch"]


def rtp(number, ssrc=0x1234, payload=b"x" * 100, kind=33):
    """An RTP packet: its number may have more than 16 bits."""
    return struct.pack("!BBHII", 0x80, kind, number & 0xffff, number * 1800 & 0xffffffff, ssrc) + payload


def damage(numbers, chance, seed):
    """What arrives of a stream: some are lost, some come later, some twice."""
    dice = random.Random(seed)
    arrived = []
    for number in numbers:
        what = dice.random()
        if what < chance:
            continue
        arrived.append(number)
        if what < 2 * chance:
            arrived.append(number)
        elif what < 3 * chance and len(arrived) > 3:
            arrived[-3], arrived[-1] = arrived[-1], arrived[-3]
    return arrived


def judge(arrived):
    """What must be counted: slow and simple. The numbers are whole, not of 16 bits."""
    seen, highest = set(), arrived[0]
    counts = {"reordered_packets": 0, "duplicate_packets": 0, "late_packets": 0}
    for number in arrived:
        if number > highest:
            highest = number
        elif number + WINDOW <= highest:
            counts["late_packets"] += 1
            continue
        elif number in seen:
            counts["duplicate_packets"] += 1
        elif seen:
            counts["reordered_packets"] += 1
        seen.add(number)
    decided = range(arrived[0], highest - WINDOW + 1)
    return counts | {"lost_packets": sum(number not in seen for number in decided)}


@test
def rtp_loss():
    """RTP with seeded loss, reordering and duplicates, over a wrap of the numbers: the counts are exact"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("rtp"))
    arrived = damage(range(65000, 67000), 0.02, 1)
    expected = judge(arrived)
    send(sender(star.source, "10.1.0.1"), [rtp(number) for number in arrived])
    counts = health(daemon, len(arrived))["rtp"]
    equal({key: counts[key] for key in expected}, expected, "counts")
    equal(counts["received_packets"], len(arrived), "RTP packets")
    equal(counts["source_changes"], 0, "changes of the source")
    equal([source["ssrc"] for source in counts["sources"]], ["0x00001234"], "sources")
    equal({key: counts["sources"][0][key] for key in expected}, expected, "counts of the source")
    daemon.settle()


def film(*options):
    """Some seconds of a transport stream, made by ffmpeg."""
    need("ffmpeg")
    path = os.path.join(work_directory(), "film.ts")
    run("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25",
        "-f", "lavfi", "-i", "sine=frequency=440", "-t", "6", "-c:v", "mpeg2video", "-b:v", "1M", "-c:a", "mp2",
        *options, "-f", "mpegts", path)
    with open(path, "rb") as file:
        data = file.read()
    equal(len(data) % 188, 0, "bytes behind the last packet")
    return [data[i:i + 7 * 188] for i in range(0, len(data), 7 * 188)]


def judge_ts(datagrams):
    """Packets, null packets, and those whose continuity counter is not the next one: slow and simple."""
    counts, last = {"ts_packets": 0, "null_ts_packets": 0, "continuity_errors": 0}, {}
    for datagram in datagrams:
        for i in range(0, len(datagram), 188):
            packet = datagram[i:i + 188]
            pid, counter = struct.unpack("!H", packet[1:3])[0] & 0x1fff, packet[3] & 15
            counts["ts_packets"] += 1
            if pid == 0x1fff:
                counts["null_ts_packets"] += 1
                continue
            announced = packet[3] & 0x20 and packet[4] and packet[5] & 0x80
            expected = (last.get(pid, 0) + bool(packet[3] & 0x10)) % 16
            # ffmpeg repeats no packets.
            counts["continuity_errors"] += pid in last and not announced and counter != expected
            last[pid] = counter
    return counts


def check_ts(counts, datagrams):
    """It has counted what is to be counted, and nothing that is not there."""
    expected = judge_ts(datagrams)
    equal({key: counts[key] for key in expected}, expected, "counts")
    for key in ("invalid_packets", "sync_byte_errors", "sync_losses", "transport_errors", "scrambled_ts_packets"):
        equal(counts[key], 0, key)
    return expected


@test
def ts_loss():
    """A film as MPEG-TS, whole and with seeded loss: continuity errors and null packets are exact"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("ts"))
    datagrams = film("-muxrate", "2M")
    sock = sender(star.source, "10.1.0.1")
    send(sock, datagrams)
    expected = check_ts(health(daemon, len(datagrams))["ts"], datagrams)
    equal(expected["continuity_errors"], 0, "errors of the whole film")
    check(expected["null_ts_packets"] > 100, "null packets")
    dice = random.Random(2)
    damaged = [datagram for datagram in datagrams if dice.random() > 0.05]
    send(sock, damaged)
    expected = check_ts(health(daemon, len(datagrams) + len(damaged))["ts"], datagrams + damaged)
    check(expected["continuity_errors"] > 10, "errors of the damaged film")
    daemon.settle()


def check_in_rtp(watched):
    """The film in RTP, with seeded loss. Returns the counts and the number of lost packets."""
    star = Star()
    daemon = Daemon(star.relay, RULE.format(watched))
    datagrams = film()
    dice = random.Random(3)
    left = [i for i in range(len(datagrams)) if dice.random() > 0.03]
    left += range(len(datagrams), len(datagrams) + WINDOW)
    lost = len(datagrams) + WINDOW - len(left)
    datagrams += datagrams[-1:] * WINDOW
    send(sender(star.source, "10.1.0.1"), [rtp(i, payload=datagrams[i]) for i in left])
    counts = health(daemon, len(left))
    expected = check_ts(counts["ts"], [datagrams[i] for i in left])
    check(expected["continuity_errors"] > 10, "errors")
    daemon.settle()
    return counts, lost


@test
def ts_in_rtp():
    """The film in RTP, by a rule that watches both"""
    counts, lost = check_in_rtp("rtp+ts")
    equal(counts["rtp"]["lost_packets"], lost, "lost")
    equal(counts["rtp"]["sources"][0]["clock"], 90000, "clock of payload type 33")
    check(counts["rtp"]["jitter_ns"] is not None, "jitter")


@test
def ts_of_the_generator():
    """What xmcast-gen sends as a transport stream, with which the cost of `watch` is measured, is one without errors"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("rtp+ts"))
    generate(star.source, "s0", "--payload", "ts", "--size", "1348", "--rate", "10000", "--count", "2000")
    counts = health(daemon, 2000)
    equal((counts["rtp"]["received_packets"], counts["rtp"]["lost_packets"]), (2000, 0), "RTP")
    equal(counts["ts"]["ts_packets"], 14000, "packets of the transport stream")
    for key in ("invalid_packets", "sync_byte_errors", "continuity_errors", "null_ts_packets"):
        equal(counts["ts"][key], 0, key)
    daemon.settle()


@test
def ts_alone_in_rtp():
    """The film in RTP, by a rule that watches TS alone"""
    counts, _ = check_in_rtp("ts")
    check("rtp" not in counts, "RTP is not watched")


def mold64(first, count, session=b"TEST000001"):
    """A MoldUDP64 packet with so many messages of a byte each."""
    return session + struct.pack("!QH", first, count) + b"\0\1x" * (0 if count == 0xffff else count)


@test
def mold64_gaps():
    """MoldUDP64 with lost, doubled and overtaken packets, heartbeats and two sessions"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("mold64"))
    dice = random.Random(4)
    packets, number = [], 1
    for _ in range(1000):
        count = dice.randrange(1, 8)
        packets.append((number, count))
        number += count
    lost = packets[100:103] + packets[500:501] + packets[800:820]
    left = [packet for packet in packets if packet not in lost]
    left[300], left[302] = left[302], left[300]
    # The heartbeat announces the lost end of the first session, and the session itself that nothing more comes.
    left += [left[400], left[401]]
    datagrams = [mold64(*packet) for packet in left] + [mold64(number + 4, 0), mold64(number + 4, 0xffff)]
    datagrams += [mold64(1, 3, b"TEST000002"), mold64(4, 1, b"TEST000002"), b"short"]
    send(sender(star.source, "10.1.0.1"), datagrams)
    counts = health(daemon, len(datagrams))["mold64"]
    equal(counts, {
        "received_packets": len(datagrams) - 1, "invalid_packets": 1, "heartbeats": 1, "ends_of_session": 1,
        "received_messages": sum(count for _, count in left) + 4,
        "lost_messages": sum(count for _, count in lost) + 4,
        "reordered_messages": sum(count for _, count in left[301:303]),
        "duplicate_messages": left[400][1] + left[401][1],
        "session_changes": 1, "restarts": 0}, "counts")
    daemon.settle()


@test
def hostile():
    """Short and random payload, and ever new SSRCs: all of it is relayed, and memory does not grow"""
    star = Star()
    daemon = Daemon(star.relay, *(f"{RULE.format(watched)} ttl 3".replace("cam1", f"cam{i}").replace(
        "239.1.1.1", f"239.1.1.{i}").replace("239.2.2.2", f"239.2.2.{i}")
        for i, watched in enumerate(("rtp+ts", "ts", "mold64"), 1)))
    dice = random.Random(5)
    datagrams = [dice.randbytes(dice.randrange(60)) for _ in range(300)]
    datagrams += [b"\x47" + dice.randbytes(187) for _ in range(300)]
    datagrams += [rtp(dice.randrange(65536), ssrc=dice.randrange(2 ** 32)) for _ in range(1000)]
    datagrams += [mold64(dice.randrange(2 ** 63), 1, dice.randbytes(10)) for _ in range(300)]
    dice.shuffle(datagrams)
    sock = sender(star.source, "10.1.0.1")
    memory = []
    for i in range(1, 4):
        output = receiver(star.receiver, 6000, f"239.2.2.{i}", "10.2.0.2")
        for part in range(0, len(datagrams), 200):
            for number, datagram in enumerate(datagrams[part:part + 200]):
                sock.sendto(datagram, (f"239.1.1.{i}", 5000))
                if number % BURST == BURST - 1:
                    time.sleep(0.004)
            for datagram in datagrams[part:part + 200]:
                equal(receive(output)[0], datagram, "payload")
        output.close()
        with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
            memory.append(int(file.read().split()[1]) * 4096)
    stats = daemon.settle(3 * len(datagrams))
    counts = rule_of(stats, "cam1")["watch"]
    check(len(counts["rtp"]["sources"]) <= 8, "sources that are listed")
    equal(counts["rtp"]["received_packets"] + counts["rtp"]["invalid_packets"] + counts["unwatched_packets"],
          len(datagrams), "datagrams that are accounted for")
    check(counts["unwatched_packets"] > 500, f"sources without a place: {counts}")
    check(memory[2] - memory[0] < 1 << 20, f"memory grows: {memory}")


@test
def paths():
    """The kernel path does not read payload: `path auto` falls back with a reason, `path kernel` is refused"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("rtp path auto"), config="relay: { path: kernel }\nrules: []\n")
    rule = rule_of(daemon.stats(), "cam1")
    equal((rule["state"], rule["path"]), ("active", "user"), "state and path")
    check("watch" in rule["path_reason"], rule["path_reason"])
    text = RULE.format("rtp").replace("239.1.1.1", "239.1.1.2")
    refused = daemon.ctl("rule", "add", text.replace("cam1", "cam2").replace(" out ", " path kernel out "), check=False)
    equal(refused.returncode, EXIT_REFUSED, "exit code")
    check("does not read payload" in refused.stderr, refused.stderr)
    # The path that relay.path gives is no error of the rule, which waits for another one.
    daemon.ctl("rule", "add", text.replace("cam1", "cam2"))
    rule = rule_of(daemon.stats(), "cam2")
    equal(rule["state"], "pending", "state")
    check("watch" in rule["reason"], rule["reason"])


def broken(daemon):
    """Where the stream is broken, as the daemon sees it."""
    watch = rule_of(daemon.stats(), "cam1")["watch"]
    return watch["broken_on_arrival"], watch["broken_here"]


class Camera:
    """An RTP stream that can have gaps."""

    def __init__(self, star):
        self.socket = sender(star.source, "10.1.0.1")
        self.number = 0
        self.sent = 0

    def send(self, count, lost=0):
        """Send so many packets, behind a gap of `lost`."""
        self.number += lost
        send(self.socket, [rtp(self.number + i) for i in range(count)])
        self.number += count
        self.sent += count


def wait_flowing(daemon, camera):
    """Send until the daemon has sampled the stream."""
    wait_until(lambda: camera.send(1) or rule_of(daemon.stats(), "cam1")["flow"] == "flowing", "the stream flows",
               pause=0.1)


def check_faces(daemon, sent):
    """People see that the stream is broken on arrival, wherever they look."""
    text = rf"broken on arrival: rtp {sent} packets, lost_packets 5, jitter"
    for command in (("rule", "show", "cam1"), ("top", "-b", "-n", "1")):
        shown = daemon.ctl(*command).stdout
        check(re.search(text, shown), f"{command}: {shown}")
    findings = json.loads(daemon.ctl("-j", "explain", "cam1", check=False).stdout)
    check('"broken_on_arrival"' in json.dumps(findings) and "rtp_lost_packets 5" in json.dumps(findings), findings)
    metrics = daemon.ctl("metrics").stdout
    for line in ('xmcast_watch_broken_on_arrival{rule="cam1"} 1', 'xmcast_watch_broken_here{rule="cam1"} 0',
                 'xmcast_watch_rtp_lost_packets_total{rule="cam1"} 5',
                 'xmcast_watch_breaks_total{rule="cam1",where="arrival"} 1'):
        check(line in metrics, f"{line} in {metrics}")


@test
def broken_on_arrival():
    """A gap in front of the relay: broken on arrival, not here; ten quiet seconds later it is whole"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("rtp"))
    camera = Camera(star)
    wait_flowing(daemon, camera)
    equal(broken(daemon), (False, False), "broken")
    camera.send(WINDOW, lost=5)
    daemon.process.wait_line(r"stream-broken rule=cam1 where=arrival errors=.*rtp_lost_packets.*5")
    equal(broken(daemon), (True, False), "broken")
    check_faces(daemon, camera.sent)
    daemon.process.wait_line(r"stream-whole rule=cam1 where=arrival")
    equal(broken(daemon), (False, False), "broken")
    # Once for each time that it begins, however many gaps there are.
    equal(len([line for line in daemon.process.lines if "stream-broken" in line]), 1, "events")
    equal(health(daemon, camera.sent)["breaks"], {"arrival": 1, "here": 0}, "breaks")
    daemon.settle()


@test
def broken_on_one_side():
    """A gap on one of two inputs: it is reported of that one, though the other one is relayed; a successor knows both"""
    star = Star(sources=2)
    config = ("rules: [cam1 in A:239.1.1.1:5000@in0 in B:239.1.1.2:5000@in1 select first hold 60s watch rtp "
              "out 239.2.2.2:6000@out0]\n")
    daemon = Daemon(star.relay, config=config)
    send(sender(star.sources[0], "10.1.0.1"), [rtp(i, ssrc=1) for i in range(100)])
    other = sender(star.sources[1], "10.1.1.1")
    for i in [*range(20), *range(25, 100)]:
        other.sendto(rtp(i, ssrc=2), ("239.1.1.2", 5000))

    def expect(watch):
        equal([source["ssrc"] for source in watch["rtp"]["sources"]], ["0x00000001", "0x00000002"], "sources")
    expect(health(daemon, 195))
    daemon.process.wait_line(r"stream-broken rule=cam1 where=arrival errors=rtp_lost_packets:5 sides=B$")

    def lost(daemon):
        sides = rule_of(daemon.stats(), "cam1")["sides"]
        equal(sum(side["watch"]["errors"] for side in sides), 5, "errors")
        return [side["watch"]["rtp"]["lost_packets"] for side in sides]
    equal(lost(daemon), [0, 5], "lost of each side")
    daemon.settle()
    equal(lost(take_over(daemon, config=config)), [0, 5], "lost of each side, in the successor")


@test
def broken_at_an_output():
    """An output drops what is over its limit: broken here, and whole on arrival"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("rtp") + " pps 20 burst 100ms")
    camera = Camera(star)
    camera.send(200)
    daemon.process.wait_line(r"stream-broken rule=cam1 where=here errors=.*output_drops")
    equal(broken(daemon), (False, True), "broken")
    equal(health(daemon, camera.sent)["errors"], 0, "errors on arrival")
    daemon.settle()


@test
def broken_at_reception():
    """The relay is stopped until its frames are used up: broken here, not on arrival, and the books close"""
    star = Star()
    daemon = Daemon(star.relay, RULE.format("rtp"), config="workers: { frames: 64 }\nrules: []\n")
    camera = Camera(star)
    wait_flowing(daemon, camera)
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        camera.send(300)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    # Each burst fits the frames, however long the relay gets no CPU: behind the gap nothing is lost.
    for _ in range(2 * WINDOW // BURST):
        daemon.wait_steered(camera.sent)
        camera.send(BURST)
    daemon.process.wait_line(r"stream-broken rule=cam1 where=here errors=.*interface_drops")
    equal(broken(daemon), (False, True), "broken")
    stats = daemon.settle(camera.sent)
    lost = camera.sent - rule_of(stats, "cam1")["received_packets"]
    check(lost > 100, f"{lost} packets found no frame")
    equal(rule_of(stats, "cam1")["watch"]["rtp"]["lost_packets"], lost, "lost, as the relay has counted them")


@test
def survives():
    """The counters survive a change of other rules and a take-over, which cause no loss"""
    star = Star()
    config = f"rules: [{RULE.format('rtp')}]\n"
    daemon = Daemon(star.relay, config=config)
    camera = Camera(star)
    camera.send(100)
    camera.send(100, lost=7)
    equal(health(daemon, camera.sent)["rtp"]["lost_packets"], 7, "lost")
    daemon.ctl("rule", "add", "other in 239.1.1.9:5000@in0 watch ts out 239.2.2.9:6000@out0")
    camera.send(100)
    counts = health(daemon, camera.sent)["rtp"]
    equal((counts["received_packets"], counts["lost_packets"]), (300, 7), "packets and lost")
    daemon.settle()
    daemon.process.wait_line(r"stream-broken.*errors=rtp_lost_packets:7")
    successor = take_over(daemon, config=config)
    camera.send(100)
    counts = health(successor, camera.sent)["rtp"]
    equal((counts["received_packets"], counts["lost_packets"]), (400, 7), "packets and lost")
    camera.send(100, lost=3)
    equal(health(successor, camera.sent)["rtp"]["lost_packets"], 10, "lost again")
    # The predecessor has reported the first gap.
    line = successor.process.wait_line(r"stream-broken.*errors=rtp_lost_packets:(\d+)")
    equal(line[1], "3", "reported by the successor")
    successor.settle()


if __name__ == "__main__":
    main()
