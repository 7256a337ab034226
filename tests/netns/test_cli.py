#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Command lines, exit codes, configuration errors, and the JSON that scripts rely on."""

import json
import os
import re
import signal
import socket

from harness import (EXIT_CONFIG, EXIT_DONE, EXIT_PERMISSION, EXIT_UNREACHABLE, EXIT_USAGE, Daemon,
                     Namespace, Sink, Star, check, check_clean, equal, generate, main, program, receive,
                     receiver, run, sender, start, test, wait_until, work_directory, write_file)

RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 ttl 8 out 10.2.0.2:6001"

GOOD = """\
rules:
  - name: cam1
    in: 239.1.1.1:5000@in0
    source: 10.1.0.1
    out:
      - to: 239.2.2.2:6000@out0
        ttl: 8
      - to: 10.2.0.2:6001
interfaces:
  in0: { mode: auto, queues: all }
egress: { engine: io_uring, gso: on, wakeup: eventfd }
"""


def xmcastd(*arguments):
    """Run xmcastd, which must end by itself, in a namespace of its own."""
    namespace = Namespace("empty")
    done = namespace.run(program("xmcastd"), "--socket", os.path.join(work_directory(), "cli.sock"),
                         *arguments, check=False)
    check(not re.search(r"\bready\b", done.stderr), f"it started:\n{done.stderr}")
    namespace.delete()
    return done


def ends(done, code):
    """Check the exit code."""
    equal(done.returncode, code, f"exit code of {' '.join(done.args)}\n{done.stdout}{done.stderr}")
    return done


def bad(config, *places):
    """xmcastd refuses the file with exit 78, with and without -t; every place, "line:column", and
    the word there are on stderr."""
    path = write_file("bad.yaml", config)
    for arguments in (("-c", path), ("-t", "-c", path)):
        done = ends(xmcastd(*arguments), EXIT_CONFIG)
        for place, word in places:
            check(re.search(rf"bad\.yaml:{place}\b.*{re.escape(word)}", done.stderr),
                  f"no error at {place} with {word!r}:\n{done.stderr}")
        equal(len(re.findall(r"bad\.yaml:\d+:\d+", done.stderr)) >= len(places), True, "errors")


@test
def help_and_version():
    """-h and -V of all four programs"""
    for name in ("xmcastd", "xmcastctl", "xmcast-gen", "xmcast-sink"):
        for option in ("-h", "-V"):
            done = ends(run(program(name), option, check=False), EXIT_DONE)
            check(name in done.stdout, f"{name} {option}: {done.stdout}")
    for library in ("libbpf", "libxdp", "liburing"):
        done = run(program("xmcastd"), "-V")
        check(re.search(rf"{library} v?\d+\.\d+", done.stdout), f"no {library} in {done.stdout}")
    for without, expected in (("-sys_admin", "available"), ("-perfmon", "needs CAP_PERFMON")):
        done = run("setpriv", f"--bounding-set={without}", program("xmcastd"), "-V")
        check(f"\nkernel path: {expected}\n" in done.stdout, f"{without}: {done.stdout}")
    # A kernel without BTF, as far as a program can see.
    done = run("unshare", "--mount", "sh", "-c",
               f"mount -t tmpfs none /sys/kernel/btf && exec {program('xmcastd')} -V")
    check("\nkernel path: needs a kernel with BTF (CONFIG_DEBUG_INFO_BTF)\n" in done.stdout,
          f"without BTF: {done.stdout}")


@test
def stdout_that_takes_nothing():
    """-h, -V and -t of xmcastd with a full or closed stdout: exit 1 with the reason"""
    path = write_file("good.yaml", GOOD)
    for arguments in ("-h", "-V", f"-t -c {path}"):
        command = f"{program('xmcastd')} {arguments}"
        for where, why in ((">/dev/full", "No space left on device"), (">&-", "Bad file")):
            done = ends(run("sh", "-c", f"{command} {where}", check=False), EXIT_USAGE)
            check("xmcastd: cannot write to stdout: " in done.stderr, done.stderr)
            check(why in done.stderr, done.stderr)


@test
def usage_errors():
    """A wrong command line: exit 1, and the wrong word"""
    for words, named in (("--nonsense", "option: --nonsense;"), ("stray", "argument: stray;"),
                         ("-c", "requires an argument: -c;"), ("--rule", "argument: --rule;"),
                         ("-t stray", "argument: stray;"), ("-x", "option: -x;"),
                         ("-rules x", "option: -rules;"), ("-tx", "option: -tx;"),
                         ("--s", "ambiguous option: --s;"),
                         ("-t --test=1 -d", "accepts no argument: --test=1;")):
        done = ends(xmcastd(*words.split()), EXIT_USAGE)
        check(named in done.stderr, f"{words}: no {named!r} in {done.stderr}")
    for name in ("xmcast-gen", "xmcast-sink"):
        ends(run(program(name), check=False), EXIT_USAGE)
        ends(run(program(name), "--nonsense", check=False), EXIT_USAGE)


@test
def options_in_every_form():
    """Long options may be shortened and may start with a single dash"""
    for option in ("--rule", "-rule", "--ru"):
        ends(xmcastd("-t", option, RULE), EXIT_DONE)
        done = ends(xmcastd("-t", option, "x"), EXIT_CONFIG)
        check("--rule:1:" in done.stderr, done.stderr)
    ends(xmcastd("-test", "--rule=" + RULE), EXIT_DONE)


@test
def unusable_socket_path():
    """A path where no control socket can be: exit 78, its text and the reason, by option and
    environment; without permission: exit 77"""
    directory = work_directory()
    plain = write_file("plain", "")
    os.symlink("loop", os.path.join(directory, "loop"))
    namespace = Namespace("empty")
    for path, code, reason in (
            (plain, EXIT_CONFIG, "not a socket"), (directory, EXIT_CONFIG, "not a socket"),
            (f"{directory}/none/none/socket", EXIT_CONFIG, "a directory of the path"),
            (f"{plain}/socket", EXIT_CONFIG, "Not a directory"),
            (f"{directory}/loop/socket", EXIT_CONFIG, "Too many levels"),
            (f"{directory}/{'x' * 100}", EXIT_CONFIG, "longer than 107 bytes"),
            ("/proc/socket", EXIT_CONFIG, "a directory of the path")):
        for arguments, env in ((("--socket", path), {}), ((), {"XMCAST_SOCKET": path})):
            done = namespace.run(program("xmcastd"), "--rule", RULE, *arguments, check=False,
                                 env={**os.environ, **env})
            ends(done, code)
            line = re.search(r"control-failed socket=\"(.*)\" error=\"(.*)\"", done.stderr)
            check(line and line[1] == path and reason in line[2], done.stderr)
    with open(plain, encoding="ascii") as file:
        equal(file.read(), "", "the plain file")


@test
def forbidden_socket_path():
    """A directory where xmcastd may not create the control socket: exit 77"""
    directory = os.path.join(work_directory(), "closed")
    os.mkdir(directory, 0o755)
    os.chmod(work_directory(), 0o755)
    capabilities = "+net_admin,+net_raw,+bpf,+perfmon"
    done = Namespace("empty").run(
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
        f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}",
        program("xmcastd"), "--rule", RULE, "--socket", f"{directory}/socket", check=False)
    ends(done, EXIT_PERMISSION)
    check("control-failed" in done.stderr and "Permission denied" in done.stderr, done.stderr)


@test
def check_only():
    """-t: a good file is good, and nothing is started"""
    path = write_file("good.yaml", GOOD)
    ends(xmcastd("-t", "-c", path), EXIT_DONE)
    ends(xmcastd("-t", "--rule", RULE), EXIT_DONE)
    ends(xmcastd("-t", "--rule", RULE, "--rule", "in 239.1.1.2:5000@in0 out 10.2.0.2:1"), EXIT_DONE)


@test
def bad_files():
    """Bad files: exit 78 and file:line:column with the word, nothing started"""
    bad("rules:\n  - in: 239.1.1.1:5000\n    out: [ 239.2.2.2:6000@out0 ]\n", ("2:9", "239.1.1.1"))
    bad("rules:\n  - in: 239.1.1.1:0@in0\n    out: [ 239.2.2.2:6000@out0 ]\n", (r"2:\d+", "0"))
    bad("rules:\n  - in: 239.1.1.1:65536@in0\n    out: [ 239.2.2.2:6000@out0 ]\n",
        (r"2:\d+", "65536"))
    bad(GOOD + "nonsense: 1\n", ("12:1", "nonsense"))
    bad(GOOD + "metrics: { listen: off }\n", ("12:12", "xmcast-exporter"))
    bad(GOOD + "events: { hook: /bin/true }\n", ("12:11", "xmcastctl monitor --exec"))
    bad("rules: 7\n", ("1:8", "7"))
    bad("rules:\n  - in: 239.1.1.1:5000@in0\n    out: [ 239.1.1.1:5000@in0 ]\n",
        (r"3:\d+", "239.1.1.1:5000@in0"))
    bad("", (r"\d+:\d+", "rules"))
    bad(b"\x00\x01\xff\xfe" * 100, (r"\d+:\d+", ""))
    bad(GOOD.replace("8", "256"), ("7:14", "256"))


@test
def no_default_file():
    """Without a file at the default path: what to do; not for a path of the user's own"""
    done = run("unshare", "--mount", "sh", "-c",
               f"mount -t tmpfs -o mode=755 tmpfs /etc && exec {program('xmcastd')} -t", check=False)
    equal(done.returncode, EXIT_CONFIG, f"exit code: {done.stderr}")
    check("/etc/xmcast/xmcast.yaml: cannot be opened: No such file" in done.stderr, done.stderr)
    check("copy /etc/xmcast/xmcast.yaml.example" in done.stderr and "--rule" in done.stderr,
          done.stderr)
    done = ends(xmcastd("-t", "-c", os.path.join(work_directory(), "missing.yaml")), EXIT_CONFIG)
    check("No such file" in done.stderr and "example" not in done.stderr, done.stderr)


@test
def every_error_at_once():
    """All errors of a file are reported"""
    bad("rules:\n"
        "  - in: 239.1.1.1:5000\n"
        "    out: [ 239.2.2.2:6000@out0 ]\n"
        "  - in: 239.1.1.2:5000@in0\n"
        "    out:\n"
        "      - to: 239.2.2.2:6000\n"
        "      - to: 239.2.2.2:6000@out0\n"
        "        ttl: 0\n"
        "egress: { gso: maybe }\n",
        ("2:9", "239.1.1.1"), (r"6:\d+", "239.2.2.2"), ("8:14", "0"), ("9:16", "maybe"))


@test
def bad_rule():
    """A bad --rule: exit 78, with the place and the word"""
    done = ends(xmcastd("--rule", "in 239.1.1.1:99999@in0 out 239.2.2.2:6000@out0"), EXIT_CONFIG)
    check("99999" in done.stderr and "--rule" in done.stderr, done.stderr)
    done = ends(xmcastd("--rule", RULE, "--rule", RULE), EXIT_CONFIG)
    check("cam1" in done.stderr or "duplicate" in done.stderr, done.stderr)


@test
def ipv6():
    """IPv6 rules are valid, and errors are reported: brackets, address families, scopes"""
    for rule in ("in [ff3e::1]:5000@in0 source 2001:db8::9 out [ff3e::2]:6000@out0 out 10.0.0.1:6000",
                 "in [fe80::1]:5000@in0 out [ff02::2]:6000@out0 out [fe80::2]:6000@out0",
                 "in 239.1.1.1:5000@in0 out [2001:db8::1]:6000"):
        ends(xmcastd("-t", "--rule", rule), EXIT_DONE)
    for rule, column, words in (
            ("in ff3e::1:5000@in0 out 10.0.0.1:6000", 4, "brackets"),
            ("in [ff3e::1]:5000@in0 source 10.0.0.1 out 10.0.0.1:6000", 30, "expected IPv6"),
            ("in [::ffff:10.0.0.1]:5000@in0 out 10.0.0.1:6000", 5, "IPv4-mapped"),
            ("in [ff3e::1]:5000@in0 out [fe80::1%out0]:6000", 28, "behind the port"),
            ("in [ff3e::1]:5000@in0 out [fe80::1]:6000", 27, "@IFACE")):
        done = ends(xmcastd("-t", "--rule", rule), EXIT_CONFIG)
        check(f"--rule:1:{column}:" in done.stderr and words in done.stderr, done.stderr)
    check(" ipv6" in ends(xmcastd("-V"), EXIT_DONE).stdout, "-V")


@test
def no_file():
    """A missing file: exit 78, and its name"""
    done = ends(xmcastd("-c", "/nonexistent/xmcast.yaml"), EXIT_CONFIG)
    check("/nonexistent/xmcast.yaml" in done.stderr, done.stderr)


@test
def ctl_exit_codes():
    """xmcastctl: 0 done, 1 usage, 3 no daemon; unambiguous prefixes; -j and -p"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    for words in (("ping",), ("stats", "show"), ("st", "sh"), ("version",), ("-j", "ping"),
                  ("-j", "-p", "stats", "show")):
        ends(daemon.ctl(*words, check=False), EXIT_DONE)
    for words in ((), ("nonsense",), ("stats", "nonsense"), ("--nonsense",),
                  ("stats", "show", "more"), ("ping", "more")):
        ends(daemon.ctl(*words, check=False), EXIT_USAGE)
    done = run(program("xmcastctl"), "--socket", "/nonexistent/sock", "ping", check=False)
    check("/nonexistent/sock" in ends(done, EXIT_UNREACHABLE).stderr, done.stderr)
    check("systemctl status xmcastd" in done.stderr and "--socket PATH" in done.stderr, done.stderr)
    done = run(program("xmcastctl"), "ping", check=False,
               env={**os.environ, "XMCAST_SOCKET": daemon.socket})
    ends(done, EXIT_DONE)
    check("alive" in done.stdout, done.stdout)
    pretty, plain = (daemon.ctl("-j", *more, "stats", "show").stdout for more in (("-p",), ()))
    check("\n" in pretty.strip() and "\n" not in plain.strip(), "pretty is not, or plain is")


def no_answer_after_end(daemon):
    """Check that the client notices the end of the daemon."""
    daemon.stop()
    ends(daemon.ctl("ping", check=False), EXIT_UNREACHABLE)


@test
def ctl_after_the_end():
    """When the daemon has ended, xmcastctl reports it with exit code 3"""
    star = Star()
    no_answer_after_end(Daemon(star.relay, RULE))


TOTALS = {"steered_packets", "received_packets", "submitted_packets", "sent_packets", "sent_bytes",
          "send_errors", "rate_limited_packets", "withheld_packets", "unwanted_packets", "inactive_side_packets",
          "dropped_packets", "buffer_exhausted_packets"}
RULE_KEYS = {"name": str, "in": str, "state": str, "path": str, "received_packets": int, "received_bytes": int,
             "rate_pps": int, "rate_bps": int, "outputs": list}
OUTPUT_KEYS = {"to": str, "submitted_packets": int, "sent_packets": int, "sent_bytes": int,
               "send_errors": int, "errors": dict, "dropped_packets": int, "drops": dict}
INTERFACE_KEYS = {"name": str, "state": str, "mode": str, "zero_copy": bool, "queues": list,
                  "verdicts": dict, "redirected": dict, "vlans": list, "missing_packets": int}
QUEUE_KEYS = {"queue": int, "rx_dropped": int, "rx_ring_full": int, "fill_ring_empty": int}
VERDICTS = {"steered", "forwarded", "no_rule", "no_socket", "inactive_member", "too_large", "not_ip",
            "not_udp", "vlan", "fragment", "ip_options", "malformed", "standby"}


def has_keys(thing, keys, what):
    """Check that every key of the contract is present with its type. Others must be in snake_case."""
    for key, kind in keys.items():
        check(key in thing, f"{what}: no {key} in {sorted(thing)}")
        check(type(thing[key]) is kind, f"{what}: {key} is {thing[key]!r}")
    for key in thing:
        check(re.fullmatch(r"[a-z][a-z0-9_]*", key), f"{what}: key {key!r}")


@test
def json_contract():
    """`xmcastctl -j stats show` has the keys of the contract, integers in base units"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sent = generate(star.source, "s0", "--rate", "10000", "--count", "10000")
    stats = daemon.settle(steered=sent["sent_packets"])
    has_keys(stats, {"uptime_seconds": int, "totals": dict, "rules": list, "interfaces": list,
                     "workers": list}, "stats")
    equal(set(stats["totals"]), TOTALS, "keys of totals")
    has_keys(stats["totals"], dict.fromkeys(TOTALS, int), "totals")
    for rule in stats["rules"]:
        has_keys(rule, RULE_KEYS, "rule")
        for output in rule["outputs"]:
            has_keys(output, OUTPUT_KEYS, "output")
    for interface in stats["interfaces"]:
        has_keys(interface, INTERFACE_KEYS, "interface")
        equal(set(interface["verdicts"]), VERDICTS, "verdicts")
        for queue in interface["queues"]:
            has_keys(queue, QUEUE_KEYS, "queue")
    rule = stats["rules"][0]
    equal((rule["name"], rule["in"], rule["state"]), ("cam1", "239.1.1.1:5000@in0", "active"),
          "name, in and state of the rule")
    equal([o["to"] for o in rule["outputs"]], ["239.2.2.2:6000@out0", "10.2.0.2:6001"], "outputs")
    equal(rule["received_bytes"], sent["sent_bytes"], "bytes")


@test
def table():
    """`xmcastctl stats show` without -j is a table with the same numbers"""
    star = Star()
    daemon = Daemon(star.relay, RULE)
    sent = generate(star.source, "s0", "--rate", "10000", "--count", "1234")["sent_packets"]
    daemon.settle(steered=sent)
    text = daemon.ctl("stats", "show").stdout
    for word in ("cam1", "239.1.1.1:5000@in0", "239.2.2.2:6000@out0", "10.2.0.2:6001", str(sent),
                 "in0", "native"):
        check(word in text, f"{word} is not in\n{text}")


@test
def file_and_command_line_agree():
    """The same rule from a file and from the command line: the same statistics"""
    star = Star()
    seen = []
    for daemon in (Daemon(star.relay, RULE + " dscp ef"),):
        seen.append(daemon.stats()["rules"])
        daemon.stop()
    config = """
rules:
  - name: cam1
    in: 239.1.1.1:5000@in0
    out:
      - { to: '239.2.2.2:6000@out0', ttl: 8 }
      - { to: '10.2.0.2:6001', dscp: 46 }
"""
    daemon = Daemon(star.relay, config=config)
    seen.append(daemon.stats()["rules"])
    equal(json.dumps(seen[0]), json.dumps(seen[1]), "rules")


@test
def statistics_lines():
    """`statistics: { interval: 1 }`: a line with the totals every second"""
    star = Star()
    daemon = Daemon(star.relay, config="statistics: { interval: 1 }\nrules:\n  - " + RULE + "\n")
    daemon.process.wait_line(r"\bstatistics uptime=\d+ steered=0 received=0 ")


@test
def sink_counts_what_waits():
    """`xmcast-sink --verify` also counts packets that wait in its sockets when it ends"""
    star = Star(receivers=0)
    star.relay.run("ethtool", "-K", "in0", "gro", "on")  # needed to receive redirected frames
    star.relay.sysctl("net/ipv4/conf/all/rp_filter", 0)
    star.relay.sysctl("net/ipv4/conf/in0/rp_filter", 0)
    sink = Sink(star.relay, "in0", "--verify", "--group", "239.1.1.1", "--port", "5000")
    sink.process.send_signal(signal.SIGSTOP)
    sent = generate(star.source, "s0", "--rate", "20000", "--count", "2000")
    # What comes last by the same link shows that all the others wait in the sink's sockets.
    last = receiver(star.relay, 5001, "239.1.1.2", "10.1.0.2")
    sender(star.source, "10.1.0.1").sendto(b"last", ("239.1.1.2", 5001))
    equal(receive(last)[0], b"last", "payload")
    sink.process.send_signal(signal.SIGTERM)
    sink.process.send_signal(signal.SIGCONT)
    check_clean(sink.report(), sent)


def json_lines(process):
    """The log of a daemon as JSON objects, by event."""
    lines = [json.loads(line) for line in process.lines]
    for line in lines:
        has_keys(line, {"time": str, "level": str, "facility": str, "event": str}, "log line")
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line["time"])
    return {line["event"]: line for line in lines}


@test
def log_in_json():
    """--log-json, and `logging: { format: json }`: every line is an object"""
    star = Star()
    for config, arguments in ((None, ("--log-json", "--rule", RULE)),
                              (GOOD + "logging: { format: json }\n", ())):
        daemon = Daemon(star.relay, config=config, arguments=arguments, ready=False)
        daemon.process.wait_line('"event":"ready"')
        daemon.stop()
        events = json_lines(daemon.process)
        ready = events["ready"]
        equal((ready["facility"], ready["level"], ready["rules"], ready["workers"]),
              ("daemon", "info", 1, 1), "ready")
        equal(ready["socket"], daemon.socket, "socket")
        equal(events["interface-ready"]["iface"], "in0", "interface")
        equal(events["final-statistics"]["sent"], 0, "statistics")
        equal(events["stopping"]["signal"], 15, "stopping")


@test
def log_levels():
    """`logging:` of the file holds from the start on, and -d overrides it"""
    star = Star()
    config = GOOD + "logging: { level: error, levels: { links: info } }\n"
    daemon = Daemon(star.relay, config=config, ready=False)
    daemon.process.wait_line("interface-ready")
    log = daemon.stop()
    check(not re.search(r"\b(ready|final-statistics) ", log.replace("interface-ready", "")), log)
    daemon = Daemon(star.relay, config=config, arguments=("-d",))
    check("final-statistics" in daemon.stop(), "-d did not override `logging:`")


class SyslogDaemon:
    """A socket where a syslog daemon would be, and the command that puts it at /dev/log."""

    def __init__(self):
        self.path = os.path.join(work_directory(), "log")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(30)

    def prefix(self):
        """The prefix that runs a command with a /dev of its own, where /dev/log is this socket."""
        script = ('mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && '
                  f'ln -s {self.path} /dev/log && exec "$@"')
        return ("unshare", "--mount", "sh", "-c", script, "sh")

    def wait_line(self, pattern):
        """Read until a line matches."""
        while True:
            line = self.socket.recv(8192).decode()
            match = re.search(pattern, line)
            if match:
                return match

    def close(self):
        """Remove the socket."""
        self.socket.close()
        os.unlink(self.path)


@test
def log_to_syslog():
    """--syslog: to /dev/log; to stderr if there is no socket; a full socket delays nothing"""
    star = Star()
    syslog = SyslogDaemon()
    config = "statistics: { interval: 1 }\nrules:\n  - " + RULE + "\n"
    daemon = Daemon(star.relay, config=config, arguments=("--syslog",), prefix=syslog.prefix(),
                    ready=False)
    # <30>: facility daemon, level info.
    syslog.wait_line(r"^<30>\w{3} [ \d]\d \d\d:\d\d:\d\d xmcastd\[\d+\]: ready version=[^\n]*$")
    equal(daemon.process.log(), "", "stderr")
    # Nobody reads it: after some 10 datagrams it is full. Packets are relayed nevertheless.
    sent = generate(star.source, "s0", "--rate", "5000", "--count", "5000")
    daemon.settle(steered=sent["sent_packets"])
    syslog.close()
    daemon.process.wait_line(r"^info  statistics uptime=")
    daemon.stop()
    check("final-statistics" in daemon.process.log(), daemon.process.log())


@test
def log_to_the_journal():
    """With JOURNAL_STREAM naming our stderr, lines have the journal's <N>"""
    namespace = Namespace("empty")
    path = os.path.join(work_directory(), "journal")
    with open(path, "w+", encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        for stream, expected in ((f"{status.st_dev}:{status.st_ino}", "<3>permission-missing "),
                                 (f"{status.st_dev}:1", "error permission-missing ")):
            file.truncate(0)
            # Without any privileges, so that it ends by itself.
            namespace.run("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534",
                          "--clear-groups", program("xmcastd"), "--rule", RULE, "--socket",
                          os.path.join(work_directory(), "journal.sock"), check=False,
                          capture_output=False, stderr=file,
                          env={**os.environ, "JOURNAL_STREAM": stream})
            with open(path, encoding="utf-8") as log:
                text = log.read().lstrip("\0")
            text = re.sub(r"^\d{4}-\d\d-\d\dT\S+Z ", "", text)
            check(text.startswith(expected), text)


@test
def closed_stderr():
    """With stderr closed the log is discarded and never written to a socket"""
    star = Star()
    socket_path = os.path.join(work_directory(), "closed.sock")
    command = f"exec {program('xmcastd')} --rule '{RULE}' --socket {socket_path} 2>&-"
    process = start(star.relay, "sh", "-c", command, name="xmcastd without stderr")
    wait_until(lambda: run(program("xmcastctl"), "--socket", socket_path, "ping",
                           check=False).returncode == 0, "an answer to ping")
    equal(os.readlink(f"/proc/{process.pid}/fd/2"), "/dev/null", "stderr")
    equal(process.stop(), EXIT_DONE, "exit code")


main()
