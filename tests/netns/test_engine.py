#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How the egress engine sends: batches (GSO) and their refusal, blocked outputs, CPUs, and a kernel
without io_uring."""

import json
import os
import random
import time

from harness import (Daemon, Sink, Star, check, check_clean, equal, interface_of, main, program,
                     receive, receiver, relay_stream, rule_of, sender, start, test, wait_until)
from netns import work_directory

RULE = "in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
CAPABILITIES = "+net_admin,+net_raw,+bpf,+ipc_lock"


def config(egress="{}", workers="{}", rule=RULE):
    """A file with one rule and these settings."""
    return f"rules:\n  - {rule}\negress: {egress}\nworkers: {workers}\n"


def burst(star, daemon, *options):
    """Relay a stream fast enough to form batches. Returns the counters of its output and worker."""
    def start_sinks():
        return [Sink(star.receiver, "r0", "--port", "6000")]

    stats = relay_stream(daemon, star.source, start_sinks, "--rate", "100000", "--count", "20000",
                         *options)[1]
    return stats["rules"][0]["outputs"][0], stats["workers"][0]


@test
def batches():
    """Datagrams that arrive together are sent as a batch, completely and in order"""
    star = Star()
    output, worker = burst(star, Daemon(star.relay, config=config()))
    equal(output["gso_refused_batches"], 0, "refused batches")
    check(worker["sends"] < output["sent_packets"], "not one batch was formed")


@test
def batches_are_capped():
    """`gso N` of an output limits its batches, `gso off` disables them"""
    star = Star()
    daemon = Daemon(star.relay, RULE + " gso off")
    output, worker = burst(star, daemon)
    equal(worker["sends"], output["sent_packets"], "sends with gso off")
    daemon.stop()
    output, worker = burst(star, Daemon(star.relay, RULE + " gso 2"))
    check(2 * worker["sends"] >= output["sent_packets"], "more than two datagrams in one send")
    equal(output["gso_segments"], 2, "gso_segments")


@test
def device_without_checksums():
    """A device without checksum offload: refused batches are sent singly, and nothing is lost"""
    # Linux before 6.11 answers EIO; later ones compute the checksums in software.
    star = Star()
    star.relay.run("ethtool", "-K", "out0", "tx", "off")
    output, worker = burst(star, Daemon(star.relay, config=config()))
    if output["gso_refused_batches"]:
        # Batches are tried again now and then, and each is refused: all else is sent singly.
        check(worker["sends"] >= output["sent_packets"] - 63 * output["gso_refused_batches"],
              f"batches were accepted: {output}")
    else:
        check(worker["sends"] < output["sent_packets"], "not one batch was formed")
        equal(output["gso_segments"], 64, "gso_segments without a refusal")


@test
def larger_than_the_mtu():
    """Datagrams larger than the output's MTU are sent singly, as fragments; smaller ones in batches"""
    star = Star(out_mtu=1000)
    daemon = Daemon(star.relay, config=config())
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    steered = 0
    for round_ in range(20):
        payloads = [bytes([round_, i]) * 600 for i in range(20)]
        for payload in payloads:
            sock.sendto(payload, ("239.1.1.1", 5000))
        for payload in payloads:
            equal(receive(output)[0], payload, "payload")
        steered += 20
    daemon.settle(steered=steered)
    del output
    limit = daemon.stats()["rules"][0]["outputs"][0]
    result, _ = burst(star, daemon, "--size", "500")
    equal(result["gso_segments"], 64, "gso_segments")
    # There may have been no batch of 1200 bytes; if there was one, it has set the limit.
    check(limit["gso_max_bytes"] == 1199 or limit["gso_refused_batches"] == 0, f"{limit}")


# Batches of four sizes, each followed by smaller datagrams that the kernel accepts where it refuses them.
MIXED_SIZES = "1400,1400,1400,300,100,1200,1200,200,1000,1000,150,800,800,64"


def shrink_and_grow(star, daemon):
    """Shrink the MTU of out0 until every output has had a batch refused, then restore it; four times, each
    time too small for the largest remaining batches."""
    def refused():
        return [output["gso_refused_batches"] for output in daemon.stats()["rules"][0]["outputs"]]

    for mtu in (1300, 1100, 900, 700):
        before = refused()
        star.relay.ip(f"link set out0 mtu {mtu}")
        # pylint: disable=cell-var-from-loop
        wait_until(lambda: all(new > old for new, old in zip(refused(), before)),
                   f"batches are refused on all outputs with an MTU of {mtu}")
        star.relay.ip("link set out0 mtu 1500")
        daemon.wait_steered(daemon.stats()["totals"]["steered_packets"] + 1000)


@test
def mtu_changes():
    """The MTU of an output's interface shrinks and grows while packets flow: all are sent in order"""
    star = Star()
    ports = range(6000, 6004)
    rule = "in 239.1.1.1:5000@in0 " + " ".join(f"out 239.2.2.2:{port}@out0" for port in ports)
    for engine in ("io_uring", "sendmmsg"):
        # On one CPU, so that packets queue up for the other thread, and batches form.
        daemon = Daemon(star.relay, config=config(f"{{ engine: {engine} }}", "{ cpus: [0] }", rule))
        # Sinks with sockets, because packets larger than the MTU arrive as fragments.
        sinks = [Sink(star.receiver, "r0", "--verify", "--group", "239.2.2.2", "--port", str(port))
                 for port in ports]
        stream = start(star.source, program("xmcast-gen"), "s0", "-j", "--rate", "20000", "--size",
                       MIXED_SIZES)
        shrink_and_grow(star, daemon)
        equal(stream.stop(), 0, f"exit code of xmcast-gen: {stream.log()}")
        sent = json.loads(stream.output)
        stats = daemon.settle(steered=sent["sent_packets"])
        for sink, output in zip(sinks, stats["rules"][0]["outputs"]):
            # On a busy machine packets may be lost and counted, but never reordered.
            check_clean(sink.stop(), sent,
                        stats["totals"]["dropped_packets"] + output["send_errors"])
        daemon.stop()


def pause_at_random(dice):
    """Do not wait, or about as long as a spinning thread spins before it sleeps, or longer."""
    pause = dice.choice((0, 0, dice.uniform(0, 200e-6), dice.uniform(0, 5e-3)))
    if pause:
        time.sleep(pause)


def relay_after_pauses(star, output, daemon, rounds=1000):
    """Send single packets and small bursts, each after all earlier ones have arrived."""
    dice = random.Random(1)
    sock = sender(star.source, "10.1.0.1")
    steered = 0
    for _ in range(rounds):
        payloads = [b"%d" % (steered + i) for i in range(dice.choice((1, 1, 1, 2, 40)))]
        for payload in payloads:
            sock.sendto(payload, ("239.1.1.1", 5000))
        for payload in payloads:
            equal(receive(output)[0], payload, "payload")
        steered += len(payloads)
        pause_at_random(dice)
    daemon.settle(steered=steered)


@test
def no_packet_is_stuck():
    """After any pause, a packet is relayed without a following one, by every engine and wake-up"""
    star = Star()
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    for engine in ("io_uring", "sendmmsg"):
        for wakeup in ("eventfd", "hybrid", "spin"):
            daemon = Daemon(star.relay, config=config(f"{{ engine: {engine}, wakeup: {wakeup} }}"))
            relay_after_pauses(star, output, daemon)
            daemon.stop()


@test
def unresolved_neighbour():
    """A host that does not answer ARP only affects its own packets"""
    star = Star()
    daemon = Daemon(star.relay, RULE + " out 10.2.0.77:6001",
                    "other in 239.1.1.9:5000@in0 out 239.2.2.9:6000@out0")
    output, _ = burst(star, daemon)
    equal(output["send_errors"], 0, "errors of the reachable output")
    silent = daemon.stats()["rules"][0]["outputs"][1]
    equal((silent["submitted_packets"], silent["drops"]["unreachable"]),
          (0, output["submitted_packets"]), "submitted to it, and withheld from it")
    equal(rule_of(daemon.stats(), "other")["state"], "active", "state of the other rule")


@test
def cpus():
    """The threads run on the CPUs of workers.cpus; a missing CPU is logged and otherwise ignored"""
    star = Star()
    daemon = Daemon(star.relay, config=config(workers="{ cpus: [1, 0] }"))
    placed = {}
    for task in os.listdir(f"/proc/{daemon.process.pid}/task"):
        directory = f"/proc/{daemon.process.pid}/task/{task}"
        with open(f"{directory}/comm", encoding="ascii") as file:
            name = file.read().strip()
        with open(f"{directory}/status", encoding="ascii") as file:
            placed[name] = [line.split()[1] for line in file
                            if line.startswith("Cpus_allowed_list")][0]
    equal(placed["in0/in0"], "1", "CPU of the ingress thread")
    equal(placed["out0/in0"], "0", "CPU of the egress thread")
    burst(star, daemon)
    daemon.stop()
    daemon = Daemon(star.relay, config=config(workers="{ cpus: [8191] }"))
    check("cpu-refused" in daemon.process.log(), "the missing CPU is not logged")
    burst(star, daemon)


@test
def larger_frames():
    """An MTU that does not fit 2048-byte frames needs 4096-byte frames"""
    star = Star(mtu=3000, out_mtu=3000)
    daemon = Daemon(star.relay, config=config(workers="{ frames: 1024 }"))
    check(f"umem_bytes={1024 * 4096}" in daemon.process.log(), daemon.process.log())
    output = receiver(star.receiver, 6000, "239.2.2.2", "10.2.0.2")
    sock = sender(star.source, "10.1.0.1")
    payload = bytes(range(256)) * 11
    sock.sendto(payload, ("239.1.1.1", 5000))
    equal(receive(output)[0], payload, "payload")
    equal(interface_of(daemon.settle(steered=1), "in0")["state"], "active", "state")


@test
def no_io_uring():
    """If io_uring is disabled, the daemon logs it and relays with sendmmsg"""
    path = "/proc/sys/kernel/io_uring_disabled"
    star = Star()
    os.chmod(work_directory(), 0o1777)  # for the control socket
    with open(path, encoding="ascii") as file:
        before = file.read()
    try:
        # 1: only for processes without CAP_SYS_ADMIN, so that no other test is affected.
        with open(path, "w", encoding="ascii") as file:
            file.write("1")
        daemon = Daemon(star.relay, RULE, prefix=(*NOBODY, f"--inh-caps={CAPABILITIES}",
                                                  f"--ambient-caps={CAPABILITIES}"))
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(before)
    log = daemon.process.log()
    check("engine-fallback" in log and "io_uring_disabled" in log, f"no warning:\n{log}")
    check("engine=sendmmsg" in log, f"the other engine is not used:\n{log}")
    burst(star, daemon)


main()
