#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcast-exporter: what it serves, to whom, with which rights, and what hostile clients can do to it."""

import contextlib
import os
import re
import signal
import socket
import stat
import threading
import time

from control import Client
from fake_daemon import TOTALS, FakeDaemon, counters, output, page
from fake_daemon import answers as fake_answers
from harness import (EXIT_PERMISSION, EXIT_REFUSED, EXIT_USAGE, Daemon, Exporter, Namespace, Passage, Sink, Star,
                     check, check_clean, diagnose, equal, generate, lossless, main, need, program, rule_of, run, test,
                     wait_until, work_directory)
from scrape import OPENMETRICS, RULE, documented, family, metrics, samples, started
from web import PORT, ask, connect

CONFIG = f"rules:\n  - {RULE}\n"

# ---- what is served --------------------------------------------------------------------------

@test
def pages():
    """/metrics in both formats, and errors for everything that is no page"""
    star = Star()
    daemon, _ = started(star.relay, RULE)
    status, headers, body = ask(star.relay, "/metrics", accept=f"{OPENMETRICS};version=1.0.0,*/*")
    equal(status, 200, "status")
    equal(headers["Content-Type"], f"{OPENMETRICS}; version=1.0.0; charset=utf-8", "type")
    check(body.endswith("\n# EOF\n"), body)
    for accept in (None, "text/plain", "*/*"):
        status, headers, body = ask(star.relay, "/metrics?x=1", accept=accept)
        equal((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"),
              f"answer to Accept: {accept}")
        check("# EOF" not in body and "# TYPE xmcast_sent_packets_total counter" in body, body)
    for path in ("/metrics/", "/metric", "/../etc/passwd", "//metrics", "/%2e"):
        equal(ask(star.relay, path)[0], 404, f"status of {path}")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = ask(star.relay, "/metrics", method)
        equal((status, headers["Allow"]), (405, "GET, HEAD"), method)
    status, headers, body = ask(star.relay, "/metrics", "HEAD")
    equal((status, body), (200, ""), "HEAD")
    check(int(headers["Content-Length"]) > 1000, "HEAD does not tell the length")
    daemon.stop()


@test
def numbers():
    """The metrics are the counters of `stats show`, and promtool has nothing to say against them"""
    need("promtool")
    star = Star(receivers=2)
    daemon, _ = started(star.relay, f"{RULE} out 10.2.1.2:7000")
    generate(star.source, "s0", "--rate", "10000", "--count", "1000")
    stats = daemon.settle(steered=1000)
    wait_until(lambda: samples(metrics(star.relay))["xmcast_received_packets_total"] == 1000,
               "metrics of 1000 packets")
    seen = samples(metrics(star.relay))
    rule = rule_of(stats, "cam1")
    labels = 'rule="cam1",interface="in0"'
    equal(seen[f"xmcast_rule_received_bytes_total{{{labels}}}"], rule["received_bytes"], "bytes")
    equal(seen[f"xmcast_rule_active{{{labels}}}"], 1, "active")
    for output in rule["outputs"]:
        labels = f'rule="cam1",output="{output["to"]}"'
        equal(seen[f"xmcast_output_sent_packets_total{{{labels}}}"], output["sent_packets"], labels)
    equal(seen['xmcast_interface_packets_total{interface="in0",verdict="steered"}'], 1000,
          "steered")
    equal(seen['xmcast_rules{state="active"}'], 1, "rules")
    for key, value in stats["totals"].items():
        equal(seen[f"xmcast_{key}_total"], value, key)
    _process(daemon, seen)
    check(any(name.startswith("xmcast_build_info{") and f'kernel="{os.uname().release}"' in name and
              "libbpf=" in name for name in seen), "build_info")
    check(abs(seen['xmcast_rule_last_packet_timestamp_seconds{rule="cam1",interface="in0"}'] - time.time()) < 60,
          "time of the last packet")
    done = run("promtool", "check", "metrics", input=metrics(star.relay, "text/plain"), check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool check metrics")
    _every_metric_is_documented(seen)


@test
def merged():
    """What a rule that merges did with the packets of each input is in the metrics, all of it documented"""
    star = Star()
    daemon, _ = started(star.relay, "cam1 in A:239.1.1.1:5000@in0 in B:239.1.1.1:5001@in0 merge rtp out "
                        "239.2.2.2:6000@out0")
    generate(star.source, "s0", "--flows", "2", "--sides", "2", "--rate", "2000", "--count", "1000")
    rule = rule_of(daemon.settle(steered=1000), "cam1")
    equal(sum(side["used_packets"] for side in rule["sides"]), 500, "used packets")
    wait_until(lambda: samples(metrics(star.relay))["xmcast_received_packets_total"] == 1000,
               "metrics of 1000 packets")
    seen = samples(metrics(star.relay))
    for side in rule["sides"]:
        labels = f'rule="cam1",side="{side["name"]}"'
        for key in ("received_packets", "used_packets", "duplicate_packets", "late_packets", "foreign_packets",
                    "missing_numbers"):
            equal(seen[f"xmcast_side_{key}_total{{{labels}}}"], side[key], f"{key} of {labels}")
    labels = 'rule="cam1",interface="in0"'
    for key in ("missing_numbers", "restarts", "forced_gaps"):
        name = "merge_restarts" if key == "restarts" else key
        equal(seen[f"xmcast_rule_{name}_total{{{labels}}}"], rule[key], key)
    equal(seen[f"xmcast_rule_merge_bytes{{{labels}}}"], rule["merge_bytes"], "memory")
    labels = f'rule="cam1",output="{rule["outputs"][0]["to"]}",reason="duplicate"'
    equal(seen[f"xmcast_output_drops_total{{{labels}}}"], 500, labels)
    _every_metric_is_documented(seen)
    daemon.stop()


def _process(daemon, seen):
    """process_* are about the daemon."""
    pid = daemon.process.pid
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        pages = [int(number) * 4096 for number in file.read().split()[:2]]
    equal(seen["process_virtual_memory_bytes"], pages[0], "address space")
    check(seen["process_resident_memory_bytes"] > pages[1] / 2, "memory")
    check(0 < seen["process_cpu_seconds_total"] < 600, "time of CPUs")
    check(abs(seen["process_open_fds"] - len(os.listdir(f"/proc/{pid}/fd"))) <= 3, "descriptors")
    check(seen["process_max_fds"] >= 1024, "descriptors at most")
    check(-60 < time.time() - seen["process_start_time_seconds"] - daemon.stats()["uptime_seconds"] < 60,
          "time of the start")


def _every_metric_is_documented(seen):
    equal({family(name) for name in seen} - documented(), set(), "not in docs/metrics.md")


@test
def reloads():
    """A refused reload shows, one that is taken over does, too"""
    star = Star()
    daemon, _ = started(star.relay, config=CONFIG)
    path = daemon.config
    success, when = "xmcast_config_last_reload_successful", \
        "xmcast_config_last_reload_success_timestamp_seconds"
    first = samples(metrics(star.relay))
    equal((first[success], first["xmcast_config_reloads_total"]), (1, 0), "after the start")
    check(abs(first[when] - time.time()) < 600, f"time of the load: {first[when]}")
    for text, code, count in (("rules: 7\n", 2, 1), (CONFIG, 0, 2)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        equal(daemon.ctl("config", "reload", check=False).returncode, code, f"reload of {text}")
        seen = _later(star.relay, count)
        equal((seen[success], seen["xmcast_config_reloads_total"]), (code == 0, count), text)
        check(seen[when] >= first[when], "time of the last good load")
        equal(seen['xmcast_rules{state="active"}'], 1, "active rules")
        equal(seen['xmcast_events_total{event="reload-refused"}'], 1, "refused")
    daemon.stop()


def _later(namespace, count):
    """The metrics once they include this number of reloads; they may be a second old."""
    def told():
        seen = samples(metrics(namespace))
        return seen["xmcast_config_reloads_total"] >= count and seen

    return wait_until(told, f"{count} reloads in the metrics")


@test
def many_rules():
    """10,000 rules with two outputs each are served completely"""
    namespace = Namespace("relay")
    rules = "".join(f"  - r{i} in 239.{1 + (i >> 8)}.{i & 255}.1:5000@none0 "
                    "out 10.9.0.1:6000 out 10.9.0.2:6000\n" for i in range(10000))
    daemon, _ = started(namespace, config=f"rules:\n{rules}")
    began = time.monotonic()
    text = metrics(namespace)
    # Only for information: the test checks that everything is present, not the time.
    diagnose(f"10,000 rules, 20,000 outputs: {len(text) >> 10} KiB "
             f"in {time.monotonic() - began:.2f} s")
    seen = samples(text)
    equal(seen['xmcast_rules{state="pending"}'], 10000, "pending rules")
    equal(sum(name.startswith("xmcast_output_sent_packets_total") for name in seen), 20000,
          "outputs")
    daemon.stop()


class Changes(threading.Thread):
    """Rules that are added and deleted as fast as the daemon does it, at most for a minute."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.control = Client(daemon.socket)
        self.stopped = threading.Event()
        self.count = 0

    def run(self):
        """Two changes, then a moment, until stopped."""
        for _ in range(1200):
            self.control.call("rule.add", rules=["aa in 239.200.1.1:5000@none0 out 10.9.0.1:6000"])
            self.control.call("rule.del", names=["aa"])
            self.count += 2
            if self.stopped.wait(0.05):
                return


@test
def rules_that_change():
    """Scrapes while rules are added and deleted: all other rules are present, each once"""
    namespace = Namespace("relay")
    rules = "".join(f"  - r{i} in 239.{1 + (i >> 8)}.{i & 255}.1:5000@none0 out 10.9.0.1:6000\n"
                    for i in range(3000))
    daemon, _ = started(namespace, config=f"rules:\n{rules}")
    changes = Changes(daemon)
    changes.start()
    for _ in range(3):
        before = changes.count
        text = metrics(namespace)
        names = re.findall(r'^xmcast_rule_active{rule="(r\d+)"', text, re.M)
        equal(len(names), 3000, "rules told")
        equal(len(set(names)), 3000, "rules told once")
        wait_until(lambda seen=before: changes.count > seen + 20, "more changes, and a new text")
    changes.stopped.set()
    changes.join()
    daemon.stop()


# ---- the process -----------------------------------------------------------------------------

@test
def rights():
    """Its process: no capabilities, one seccomp filter, closed to others of its user, few files"""
    star = Star()
    daemon, exporter = started(star.relay, RULE)
    metrics(star.relay)
    pid = exporter.process.pid
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    equal(status["Name"], "xmcast-exporter", "name")
    equal(status["Uid"].split(), ["65534"] * 4, "user")
    equal(status["Groups"].split(), [], "supplementary groups")
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(status[capabilities], 16), 0, capabilities)
    equal(status["NoNewPrivs"], "1", "NoNewPrivs")
    equal((status["Seccomp"], status["Seccomp_filters"]), ("2", "1"), "filters")
    equal(status["Threads"], "1", "threads")
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        check(re.search(r"^Max core file size\s+0\s+0\s", file.read(), re.M), "core limit")
    # Not dumpable: its files in /proc belong to root, and ptrace(2) of its own user is refused.
    equal(os.stat(f"/proc/{pid}/environ").st_uid, 0, "owner of its memory")
    done = run("setpriv", "--reuid=65534", "--regid=0", "--clear-groups", "head", "-c1",
               f"/proc/{pid}/mem", check=False)
    check("Permission denied" in done.stderr, f"its memory, opened by its own user: {done}")
    wait_until(lambda: _descriptors(pid) == ["anon_inode"] * 2 + ["socket"] * 2,
               "its descriptors, with the connection above closed")
    daemon.stop()
    check(_descriptors(pid), "it ends with the daemon")


def _descriptors(pid):
    """What a process has open besides its three streams, by kind."""
    directory = f"/proc/{pid}/fd"
    return sorted(re.sub(r"[\[:].*", "", os.readlink(f"{directory}/{fd}"))
                  for fd in os.listdir(directory) if int(fd) > 2)


@test
def independent():
    """It needs no library of the data plane, and the daemon none of HTTP"""
    for name, libraries in (("xmcast-exporter", ("libbpf", "libxdp", "liburing", "libyaml")),
                            ("xmcastd", ("libmicrohttpd", "libgnutls"))):
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program(name)).stdout)
        check(any(entry.startswith("libc.") for entry in needed), f"{name}: {needed}")
        for library in libraries:
            check(not any(entry.startswith(library) for entry in needed), f"{name}: {needed}")


@test
def unconfined():
    """--unconfined: no seccomp filter; the other rights are given up all the same"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    exporter = Exporter(star.relay, daemon.socket, "--unconfined")
    metrics(star.relay)
    with open(f"/proc/{exporter.process.pid}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    equal((status["Seccomp"], status["NoNewPrivs"], int(status["CapPrm"], 16)), ("0", "1", 0),
          "Seccomp, NoNewPrivs, CapPrm")
    equal(os.stat(f"/proc/{exporter.process.pid}/environ").st_uid, 0, "owner of its memory")


@test
def never_root():
    """Started as root it would be an administrator of the daemon: it refuses, with exit code 77"""
    namespace = Namespace("relay")
    done = namespace.run(program("xmcast-exporter"), check=False)
    equal(done.returncode, EXIT_PERMISSION, f"exit code: {done.stderr}")
    check("permission-refused" in done.stderr and "setpriv" in done.stderr, done.stderr)


@test
def command_line():
    """Addresses and options that it does not take are refused, with exit code 1"""
    for words, reason in ((("--listen", "0.0.0.0:9710"), "needs --tls-cert"),
                          (("--listen", "10.0.0.1:9710"), "needs --tls-cert"),
                          (("--listen", "127.0.0.1"), "expected an address and port"),
                          (("--listen", "127.0.0.1:0"), "expected an address and port"),
                          (("--listen", "127.0.0.1:65536"), "expected an address and port"),
                          (("--listen", "127.0.0.1:+80"), "expected an address and port"),
                          (("--listen", "::1:9710"), "expected an address and port"),
                          (("--listen", "[127.0.0.1]:9710"), "expected an address and port"),
                          (("--listen", "[::2]:9710"), "needs --tls-cert"),
                          (("--listen", "localhost:9710"), "expected an address and port"),
                          (("--listen", "unix:http.sock"), "must be absolute"),
                          (("--listen",), "argument is missing"),
                          (("--unknown",), "unknown option"), (("-bad",), "unknown option"),
                          (("word",), "unexpected argument")):
        done = run(program("xmcast-exporter"), *words, check=False)
        equal(done.returncode, EXIT_USAGE, f"exit code of {words}")
        check(reason in done.stderr and words[-1] in done.stderr, f"{words}: {done.stderr}")
    check(run(program("xmcast-exporter"), "-V").stdout.startswith("xmcast-exporter "), "-V")


@test
def survives_restarts():
    """It starts before the daemon, and goes on while that is away: 503 then, so that `up` is 0"""
    star = Star()
    path = os.path.join(work_directory(), f"{Daemon.count + 1}.sock")
    exporter = Exporter(star.relay, path)
    for _ in range(2):
        wait_until(lambda: ask(star.relay, "/metrics")[0] == 503, "no daemon: 503")
        status, headers, body = ask(star.relay, "/metrics")
        equal((status, headers["Content-Type"]), (503, "text/plain; charset=utf-8"), "answer")
        check(path in body and "xmcast_" not in body, body)
        equal(ask(star.relay, "/")[0], 200, "status of /")
        daemon = Daemon(star.relay, RULE)
        equal(daemon.socket, path, "socket")
        wait_until(lambda: ask(star.relay, "/metrics")[0] == 200, "a daemon: 200")
        daemon.kill()
        Daemon.count -= 1  # the next one has the same socket
    wait_until(lambda: ask(star.relay, "/metrics")[0] == 503, "no daemon: 503")
    # Each change is logged once.
    wait_until(lambda: re.findall(r"\bdaemon-(\w+)", exporter.process.log()) ==
               ["unreachable", "reachable"] * 2 + ["unreachable"], "the records of it")
    Daemon.count += 2


@test
def stopped_daemon():
    """A daemon that does not answer: 503 with the reason, and metrics again when it goes on"""
    star = Star()
    daemon, _ = started(star.relay, RULE)
    metrics(star.relay)
    daemon.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: ask(star.relay, "/metrics")[0] == 503, "503")
    check("timed out" in ask(star.relay, "/metrics")[2], "no reason")
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: ask(star.relay, "/metrics")[0] == 200, "200")
    daemon.stop()


@test
def no_right_to_ask():
    """A control socket that it may not connect to: 503, and the log says what to do"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    exporter = Exporter(star.relay, daemon.socket, group=65533)
    equal(ask(star.relay, "/metrics")[0], 503, "status")
    exporter.process.wait_line("daemon-unreachable.*Permission denied.*control.group")
    daemon.stop()


@test
def ends():
    """SIGTERM and SIGINT end it, also while it waits for a daemon"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    for number in (signal.SIGTERM, signal.SIGINT):
        exporter = Exporter(star.relay, daemon.socket)
        metrics(star.relay)
        equal(exporter.process.stop(number), 0, f"exit code after signal {number}")
    daemon.process.send_signal(signal.SIGSTOP)
    exporter = Exporter(star.relay, daemon.socket)
    equal(exporter.process.stop(), 0, "exit code while it waits for the daemon")
    daemon.process.send_signal(signal.SIGCONT)
    daemon.stop()


@test
def busy_port():
    """A port that another process has: exit code 2, and the log says which"""
    star = Star()
    with star.relay.entered():
        other = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(other):
        other.bind(("127.0.0.1", PORT))
        other.listen()
        exporter = Exporter(star.relay, "/nonexistent", ready=False)
        equal(exporter.process.wait(), EXIT_REFUSED, "exit code")
    log = exporter.process.log()
    equal(len(re.findall(r"^error", log, re.M)), 1, f"one line says it: {log}")
    check(f"metrics-failed listen=127.0.0.1:{PORT}" in log and "Address already in use" in log, log)


@test
def unix_socket():
    """--listen unix:PATH: a socket of mode 0660, for those in its group alone"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    directory = os.path.join(work_directory(), "http")
    os.mkdir(directory)
    os.chown(directory, 65534, 0)
    path = os.path.join(directory, "http.sock")
    for _ in range(2):  # the second one replaces what the first one has left
        exporter = Exporter(star.relay, daemon.socket, "--listen", f"unix:{path}")
        status = os.stat(path)
        equal((stat.S_IMODE(status.st_mode), status.st_uid), (0o660, 65534), "mode and owner")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.settimeout(30)
            sock.connect(path)
            sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
        check("200 OK" in answer and "xmcast_rules" in answer, answer[:200])
        done = run("setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "python3", "-c",
                   f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})", check=False)
        check("PermissionError" in done.stderr, f"anybody may connect: {done.stderr}")
        exporter.stop()
    daemon.stop()


# ---- hostile clients -------------------------------------------------------------------------

@test
def hostile_clients():
    """100 connections, slow, silent and with garbage: no packet is lost, and later all is well"""
    star = Star()
    daemon, exporter = started(star.relay, RULE)
    words = (b"", b"GET", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ", b"\0\xff" * 5000,
             b"GET /" + b"a" * 20000, b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n",
             b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
    taken = connect_many(star.relay, words)

    def attempt(_number):
        passage = Passage(daemon)
        sink = Sink(star.receiver, "r0", "--port", "6000")
        sent = generate(star.source, "s0", "--rate", "20000", "--count", "40000")
        passage.end(sent)
        missing, = passage.missing()
        check_clean(sink.stop(), sent, missing)
        return missing

    lossless(attempt)
    # Each is closed in the end, though it goes on sending.
    drip(taken)
    metrics(star.relay)
    with open(f"/proc/{exporter.process.pid}/statm", encoding="ascii") as file:
        check(int(file.read().split()[1]) * 4096 < 64 << 20, "the exporter has grown")
    daemon.stop()


@test
def silent_clients():
    """Half requests that keep coming, more than there are places, never keep a scraper out"""
    star = Star()
    daemon, _ = started(star.relay, RULE)
    held = []
    for _ in range(20):
        # Whatever has been closed is replaced: at any time more are open than there are places.
        for _ in range(60):
            held.append(connect(star.relay))
            held[-1].sendall(b"GET /metr")
        metrics(star.relay)
        for sock in held[:-60]:
            sock.close()
        del held[:-60]
    drip(held)
    daemon.stop()


@test
def clients_that_do_not_read():
    """Requests whose answers are never read do not block a scraper"""
    star = Star()
    rules = [f"r{i} in 239.9.{i}.1:5000@none0 out 10.9.0.1:6000" for i in range(200)]
    daemon, _ = started(star.relay, *rules)
    held = []
    for _ in range(150):
        sock = connect(star.relay, receive_buffer=4096)
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        held.append(sock)
    check("# EOF" in metrics(star.relay), "no metrics")
    for sock in held:
        sock.close()
    daemon.stop()


@test
def slow_readers_of_large_answers():
    """Clients that do not read old answers are closed and counted before these take much memory"""
    star = Star()
    rules = [counters(f"r{i}" + "x" * 6000, [output("10.0.0.1:1", 10)], received=10) for i in range(40)]
    daemon = FakeDaemon(os.path.join(work_directory(), "large.sock"), fake_answers(
        stats_show=lambda params: page(params, "rules", rules, uptime_seconds=65, totals=TOTALS, interfaces=[],
                                       workers=[])))
    os.chmod(daemon.path, 0o666)
    exporter = Exporter(star.relay, daemon.path)
    held = []

    def full():
        for accept in (b"text/plain", b"application/openmetrics-text"):
            held.append(connect(star.relay, receive_buffer=4096))
            held[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: " + accept + b"\r\n\r\n")
            held[-1].recv(1)  # the answer, or nothing of a connection that was closed
        return exporter.process.find_line("slow-clients-closed")

    wait_until(full, "old answers are too large together", pause=0.5)
    wait_until(lambda: ask(star.relay, "/metrics")[0] == 200, "an answer")
    closed = samples(metrics(star.relay))["xmcast_exporter_closed_clients_total"]
    check(closed >= 4, f"{closed} clients closed")
    with open(f"/proc/{exporter.process.pid}/status", encoding="ascii") as file:
        memory = int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) >> 10
    text = len(metrics(star.relay)) >> 20
    diagnose(f"one answer has {text} MiB, the exporter at most {memory} MiB")
    check(memory < 64 + 6 * text + 32, f"{memory} MiB")
    for sock in held:
        sock.close()
    exporter.stop()
    daemon.stop()


def connect_many(namespace, words):
    """100 connections, as many as the kernel takes at once; each has sent one of the words."""
    taken = []
    for number in range(100):
        with namespace.entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", PORT))
        with contextlib.suppress(OSError):  # not accepted yet, or refused meanwhile
            sock.send(words[number % len(words)])
        taken.append(sock)
    return taken


def drip(taken):
    """Send single bytes on each connection until the exporter has closed all of them."""
    def closed():
        count = 0
        for sock in taken:
            sock.setblocking(False)
            try:
                sock.send(b"x")
            except BlockingIOError:
                pass
            except OSError:
                count += 1
        return count == len(taken)

    wait_until(closed, "all connections closed", timeout=60, pause=0.5)
    for sock in taken:
        sock.close()



main()
