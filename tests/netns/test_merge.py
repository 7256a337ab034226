#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules that merge their inputs: each datagram leaves once, in order, from whichever side had it first."""

import functools
import os
import random
import re
import struct
import time

from harness import (ATTEMPTS, Daemon, Sink, Star, Timeout, check_books, check_clean, diagnose, discard, equal, generate,
                     main, need, receive, receiver, rule_of, run, sender, silent, test, wait_until, work_directory)
from restarts import take_over

A, B, OUT = "239.1.1.1", "239.1.1.2", "239.2.2.2"
SKEW = 0.5  # seconds, the most that there is


def rtp(sequence, payload=b"", ssrc=0xfeed):
    """An RTP packet."""
    return struct.pack(">BBHII", 0x80, 33, sequence & 0xffff, sequence * 3000 & 0xffffffff, ssrc) + payload


def mold(sequence, *messages, session=b"session  1"):
    """A MoldUDP64 packet."""
    return (struct.pack(">10sQH", session, sequence, len(messages))
            + b"".join(struct.pack(">H", len(message)) + message for message in messages))


class Merge:
    """A relay of one rule with two sides, a sender for each, and a receiver."""

    latest = None

    def __init__(self, how, interfaces=("in0", "in1"), mtu=1500, **options_of_daemon):
        Merge.latest = self
        self.star = Star(sources=2, mtu=mtu, out_mtu=mtu)
        self.text = (f"cam1 in A:{A}:5000@{interfaces[0]} in B:{B}:5000@{interfaces[1]} merge {how} out "
                     f"{OUT}:6000@out0")
        self.daemon = Daemon(self.star.relay, self.text, **options_of_daemon)
        sources = [int(name[2:]) for name in interfaces]
        self.sources = [sender(self.star.sources[i], f"10.1.{i}.1") for i in sources]
        self.sock = receiver(self.star.receiver, 6000, OUT, "10.2.0.2")
        self.sent = [0, 0]
        self.times = []  # at which a datagram was sent
        self.waited = self.daemon.cpu_waited()

    def send(self, side, *payloads):
        """Send datagrams of side 0 or 1."""
        for payload in payloads:
            self.sources[side].sendto(payload, ((A, B)[side], 5000))
            self.sent[side] += 1
            self.times.append(time.monotonic())

    def kept_waiting(self):
        """May a gap have lasted for longer than `skew`, because this program or the relay got no CPU?"""
        if self.daemon.process.returncode is not None:
            return False
        pauses = (after - before for before, after in zip(self.times, self.times[1:]))
        return max(pauses, default=0) + self.daemon.cpu_waited() - self.waited >= SKEW

    def rule(self):
        """The rule of the statistics."""
        return rule_of(self.daemon.stats(), "cam1")

    def wait_received(self):
        """Wait until all that was sent is counted as received."""
        wait_until(lambda: self.rule()["received_packets"] == sum(self.sent), f"{self.sent} packets received")

    def expect(self, *payloads):
        """These datagrams have arrived."""
        for payload in payloads:
            equal(receive(self.sock)[0], payload, "payload")

    def drops(self):
        """What was not sent, without zeros."""
        return {reason: n for reason, n in self.rule()["outputs"][0]["drops"].items() if n}

    def finish(self, **drops):
        """Nothing more arrives, and the books close with these drops."""
        self.wait_received()
        self.daemon.settle()
        assert silent(self.sock), "a datagram that was not expected"
        equal(self.drops(), drops, "drops")
        check_books(self.daemon.stats())
        self.daemon.stop()


def within_skew(function):
    """Decorator of a test in which a side fills the gaps of the other one, which it can only within `skew`. An attempt
    proves nothing if the machine kept it waiting for longer."""
    @functools.wraps(function)
    def attempt_it():
        for number in range(1, ATTEMPTS + 1):
            try:
                function()
                return
            except (AssertionError, Timeout, TimeoutError) as error:
                if number == ATTEMPTS or not Merge.latest.kept_waiting():
                    raise
                diagnose(f"attempt {number} was kept waiting: {error}")
                discard()

    return attempt_it


@test
@within_skew
def rtp_once():
    """Two sides with losses: every packet leaves once, in order"""
    merge = Merge("rtp skew 500ms")
    packets = [rtp(65530 + i, b"%d" % i) for i in range(20)]
    merge.send(0, *(p for i, p in enumerate(packets) if i % 5 != 2))
    merge.send(1, *(p for i, p in enumerate(packets) if i % 5 != 3))
    merge.expect(*packets)
    merge.finish(duplicate=12)


@test
def by_one_interface():
    """Both sides arrive by one interface"""
    merge = Merge("rtp", interfaces=("in0", "in0"))
    packets = [rtp(i, b"%d" % i) for i in range(200)]
    for i, packet in enumerate(packets):
        if i % 3:
            merge.send(0, packet)
        merge.send(1, packet)
    merge.expect(*packets)
    merge.finish(duplicate=133)


@test
@within_skew
def jumbo():
    """MTU 9000: packets in several frames leave whole, also those that wait for one that is missing"""
    merge = Merge("rtp skew 500ms", mtu=9000)
    # Before Linux 6.6, AF_XDP sockets receive packets in one frame only.
    several = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 6)
    sizes = (100, 5000, 8900, 1300, 3000, 8000, 4000) if several else (100, 3000, 1300)
    packets = [rtp(i, random.Random(i).randbytes(sizes[i % len(sizes)])) for i in range(200)]
    # The stream begins with what arrives first, which may be by either side.
    merge.send(0, packets[0])
    merge.expect(packets[0])
    for begin in range(0, len(packets), 10):
        first = max(begin, 1)
        merge.send(0, *packets[first:begin + 2], *packets[begin + 3:begin + 10])
        merge.send(1, *packets[begin + 2:begin + 4])
        merge.expect(*packets[first:begin + 10])
    merge.finish(duplicate=20)


@test
def generated():
    """What xmcast-gen sends to two inputs in step leaves as one flow, each packet once, in order and intact"""
    star = Star()
    daemon = Daemon(star.relay, f"cam1 in A:{A}:5000@in0 in B:{A}:5001@in0 merge rtp skew 500ms out {OUT}:6000@out0")
    sink = Sink(star.receiver, "r0")
    # Numbers of 16 bits start again on the way.
    sent = generate(star.sources[0], "s0", "--flows", "2", "--sides", "2", "--first-seq", "65000", "--count",
                    "2000", "--rate", "2000")
    equal([(flow["flow"], flow["sent"], flow["last_seq"]) for flow in sent["flows"]], [(0, 1000, 65999)], "flows")
    daemon.settle(2000)
    rule = rule_of(daemon.stats(), "cam1")
    check_clean(sink.stop(), sent, missing=1000)
    equal(sum(side["used_packets"] for side in rule["sides"]), 1000, "used packets")
    equal(rule["outputs"][0]["drops"]["duplicate"], 1000, "duplicate")
    check_books(daemon.stats())
    daemon.stop()


@test
def gap_is_given_up():
    """What neither side has is missing once `skew` is over; what comes later is late"""
    merge = Merge("rtp skew 10ms")
    merge.send(0, rtp(1), rtp(3), rtp(4))
    merge.expect(rtp(1), rtp(3), rtp(4))
    merge.send(1, rtp(2))
    wait_until(lambda: merge.drops() == {"late": 1}, "one is late")
    wait_until(lambda: merge.send(0, rtp(merge.sent[0] + 2)) or merge.rule()["missing_numbers"] == 1, "one is missing")
    for sequence in range(5, merge.sent[0] + 2):
        merge.expect(rtp(sequence))
    merge.finish(late=1)


@test
@within_skew
def unordered():
    """With `order off` nothing waits for what is missing"""
    merge = Merge("rtp skew 500ms order off")
    merge.send(0, rtp(1), rtp(3))
    merge.expect(rtp(1), rtp(3))
    merge.send(1, rtp(2), rtp(3))
    merge.expect(rtp(2))
    merge.finish(duplicate=1)


@test
@within_skew
def sender_restarts():
    """A new SSRC on both sides is the same stream; what is no RTP is counted"""
    merge = Merge("rtp skew 500ms")
    merge.send(0, rtp(100), rtp(101))
    merge.expect(rtp(100), rtp(101))
    merge.send(0, rtp(7, ssrc=1), b"no RTP")
    merge.wait_received()
    merge.send(1, rtp(7, ssrc=1), rtp(8, ssrc=1))
    merge.expect(rtp(7, ssrc=1), rtp(8, ssrc=1))
    equal(merge.rule()["restarts"], 1, "restarts")
    merge.finish(duplicate=1, no_number=1)


@test
@within_skew
def mold64_by_message():
    """Messages leave once, although the packets of the sides begin at others"""
    merge = Merge("mold64 skew 500ms")
    merge.send(0, mold(1, b"a", b"b"))
    merge.expect(mold(1, b"a", b"b"))
    merge.send(1, mold(2, b"b", b"c", b"dd"))
    merge.expect(mold(3, b"c", b"dd"))
    merge.send(0, mold(7, b"g"))
    merge.wait_received()
    merge.send(1, mold(4, b"dd", b"e", b"f"))
    merge.expect(mold(5, b"e", b"f"), mold(7, b"g"))
    merge.send(0, mold(8))
    merge.expect(mold(8))
    merge.finish()


@test
def plain_field():
    """A number of 32 bits behind four bytes"""
    merge = Merge("4:32")
    packets = [b"head" + struct.pack(">I", 0xfffffff0 + i & 0xffffffff) + b"x" * i for i in range(40)]
    merge.send(0, *packets[:30])
    merge.send(1, *packets)
    merge.expect(*packets)
    merge.finish(duplicate=30)


@test
@within_skew
def lossy_sides():
    """Random losses of a fifth on each side, a side that stops and returns: byte for byte what any side had"""
    merge = Merge("rtp skew 500ms")
    choice = random.Random(7)
    packets = [rtp(65000 + i, choice.randbytes(choice.randrange(1400))) for i in range(1200)]
    expected = []
    for i, packet in enumerate(packets):
        sides = [side for side in (0, 1) if choice.random() > 0.2 and not (side == 1 and 400 < i < 800)]
        if not i or i == len(packets) - 1:
            sides = [0, 1]
        for side in choice.sample(sides, len(sides)):
            merge.send(side, packet)
        if sides:
            expected.append(packet)
        if i % 50 == 49:
            time.sleep(0.002)  # so that a slow machine does not overflow sockets
    # Without reordering on a side, the only gaps are those that both have: given up after `skew`.
    merge.expect(*expected)
    merge.wait_received()
    rule = merge.rule()
    equal([side["used_packets"] + side["duplicate_packets"] + side["late_packets"] for side in rule["sides"]],
          merge.sent, "books of the sides")
    equal(sum(side["used_packets"] for side in rule["sides"]), len(expected), "used")
    merge.finish(duplicate=sum(merge.sent) - len(expected))


@test
def side_is_lost():
    """Events when a side stops and returns, and its state"""
    merge = Merge("rtp")
    number = iter(range(1, 60000))

    def both():
        packet = rtp(next(number))
        merge.send(0, packet)
        merge.send(1, packet)

    def state(side):
        return merge.rule()["sides"][side]["state"]

    wait_until(lambda: both() or (state(0), state(1)) == ("flowing", "flowing"), "both sides flow")
    wait_until(lambda: merge.send(0, rtp(next(number))) or state(1) == "silent", "the second side is silent")
    merge.daemon.process.wait_line("side-lost rule=cam1 side=B")
    wait_until(lambda: both() or state(1) == "flowing", "the second side is back")
    merge.wait_received()
    merge.daemon.settle()
    check_books(merge.daemon.stats())
    merge.daemon.stop()


@test
def rules_change():
    """A rule that is replaced goes on with the next number, and a removed one leaves nothing behind"""
    merge = Merge("rtp skew 500ms")
    merge.send(0, rtp(1))
    merge.expect(rtp(1))
    merge.daemon.ctl("rule", "set", "cam1", "ttl", "9")
    merge.send(1, rtp(1), rtp(2))
    merge.expect(rtp(2))
    # The merging goes on, and the rule's counters begin again.
    wait_until(lambda: [(side["received_packets"], side["used_packets"], side["duplicate_packets"])
                        for side in merge.rule()["sides"]] == [(0, 0, 0), (2, 1, 1)], "what was counted since then")
    numbers = []

    def held():
        """Each number leaves a gap before it, so that it is held until that is given up."""
        numbers.append(4 + 2 * len(numbers))
        merge.send(0, rtp(numbers[-1]))
        return merge.rule()["held_packets"]

    wait_until(held, "one is held")
    merge.daemon.ctl("rule", "delete", "cam1")
    merge.expect(*map(rtp, numbers))
    assert silent(merge.sock), "a datagram that was not expected"
    merge.daemon.stop()


@test
def taken_over():
    """What is held leaves before a successor takes over; it sends nothing again, and has the counters of both"""
    merge = Merge("rtp skew 500ms")
    merge.send(0, rtp(0))
    merge.send(1, rtp(0))
    merge.expect(rtp(0))
    merge.send(0, rtp(1))
    merge.expect(rtp(1))
    merge.send(0, rtp(3))
    merge.wait_received()
    before = merge.rule()
    merge.daemon = take_over(merge.daemon, merge.text)
    merge.expect(rtp(3))
    equal([side["received_packets"] for side in merge.rule()["sides"]],
          [side["received_packets"] for side in before["sides"]], "received")
    # The second side lags: what it had of the time before is late.
    merge.send(1, rtp(1), rtp(2), rtp(3), rtp(4))
    merge.expect(rtp(4))
    merge.wait_received()
    merge.send(0, rtp(4), rtp(5))
    merge.expect(rtp(5))
    merge.finish(duplicate=2, late=3)


@test
def film_over_two_lossy_ways():
    """A film as RTP, of which each side loses a tenth at random, arrives whole: ffmpeg decodes it without an error"""
    need("ffmpeg")
    film, copy = (os.path.join(work_directory(), name) for name in ("film.ts", "copy.ts"))
    run("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25",
        "-t", "4", "-c:v", "mpeg2video", "-b:v", "1M", "-f", "mpegts", film)
    with open(film, "rb") as file:
        data = file.read()
    merge = Merge("rtp skew 500ms")
    choice = random.Random(3)
    packets = [rtp(64000 + i, data[at:at + 7 * 188]) for i, at in enumerate(range(0, len(data), 7 * 188))]
    received = b""
    for packet in packets:
        # Of both sides together no packet is lost.
        lost = choice.choice([None] * 8 + [0, 1])
        for side in {0, 1} - {lost}:
            merge.send(side, packet)
        received += receive(merge.sock)[0][12:]
    equal(received, data, "the film")
    with open(copy, "wb") as file:
        file.write(received)
    equal(run("ffmpeg", "-nostdin", "-v", "error", "-i", copy, "-f", "null", "-").stderr, "", "errors of ffmpeg")
    merge.finish(duplicate=sum(merge.sent) - len(packets))


if __name__ == "__main__":
    main()
