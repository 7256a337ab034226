# SPDX-License-Identifier: BSD-2-Clause
"""The common part of the network namespace tests: a real daemon, real veths, real packets.

A test program consists of functions, each with @test and a one-line docstring, and ends with
harness.main(). It prints TAP and runs alone (`tests/netns/test_relay.py [NAME…]`, `-l` lists the tests)
or under prove. After each test everything that it has started is stopped, and the end of each daemon is
checked: exit code 0, no leaked frame, no sanitizer report. So every test also tests the shutdown.

Environment: XMCAST_BUILD, the build directory (default "build"); XMCAST_REQUIRE=1: a skip is a failure,
unless tests/expected-skips (or the file that XMCAST_EXPECTED_SKIPS names) lists it. XMCAST_PATIENCE: the
default deadline of waits in seconds (30).

Tests do not sleep: they wait for a line, a counter or a packet, with a deadline.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import sys
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.path.append(os.path.join(ROOT, "tests", "packaging"))

# pylint: disable=wrong-import-position
import netns  # noqa: E402
from books import check_books, counted, interface_of, open_books, queue_drops, rule_of  # noqa: E402,F401
from netns import (PATIENCE, CommandFailed, Namespace, Timeout, backlog_empty, in_order,  # noqa: E402,F401
                   run, veth, wait_until, work_directory)
from sockets import (checksum, group_mac, join, packet_socket, receive, receiver, sender,  # noqa: E402,F401
                     silent, udp_frame)
from tap import BUILD, Skip, check, equal, test, tests  # noqa: E402,F401

EXPECTED_SKIPS = os.environ.get("XMCAST_EXPECTED_SKIPS", "tests/expected-skips")
SANITIZED = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion `")

EXIT_DONE, EXIT_USAGE, EXIT_REFUSED, EXIT_UNREACHABLE = 0, 1, 2, 3
EXIT_PERMISSION, EXIT_CONFIG = 77, 78

# ---- tests and how they are run --------------------------------------------------------------

_daemons = []
_started = []


def need(*tools):
    """Skip unless these programs are installed."""
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")


def address_space(pid):
    """Size of a process's address space in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^VmSize:\s+(\d+)", file.read(), re.M)[1]) * 1024


def sanitized(pid):
    """Is the program built with AddressSanitizer or ThreadSanitizer, which use memory of their own? Their
    shadow memory takes terabytes of addresses."""
    return address_space(pid) > 1 << 40


def diagnose(text):
    """Print text that helps to diagnose a failure, to stderr, because prove hides stdout."""
    for line in str(text).rstrip("\n").split("\n"):
        print(f"# {line}", file=sys.stderr, flush=True)


def program(name, build=None):
    """The path of a program under test. `build`: of another build directory."""
    path = os.path.join(build or BUILD, name)
    if not os.access(path, os.X_OK):
        raise CommandFailed(f"{path} is not built")
    return path


def main():
    """Run the tests that the command line names, or all. Does not return."""
    names = sys.argv[1:]
    if names == ["-l"]:
        for function in tests:
            print(f"{function.__name__:32} {_describe(function)}")
        sys.exit(0)
    unknown = set(names) - {function.__name__ for function in tests}
    if unknown:
        sys.exit(f"no such test: {' '.join(sorted(unknown))} (-l lists them)")
    chosen = [function for function in tests if not names or function.__name__ in names]
    unusable = _unusable()
    netns.prepare()
    print(f"1..{len(chosen)}", flush=True)
    results = [_run(number, function, unusable) for number, function in enumerate(chosen, 1)]
    sys.exit(0 if all(results) else 1)


def _describe(function):
    return function.__doc__.strip().splitlines()[0].rstrip(".")


def _unusable():
    """Why no test can run on this machine, or None."""
    if os.geteuid() != 0:
        return "needs root: network namespaces, XDP"
    for tool in ("ip", "nsenter", "setpriv", "ethtool"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    probe = run("unshare", "--net", "true", check=False)
    return f"no network namespaces: {probe.stderr.strip()}" if probe.returncode else None


def _may_skip(key):
    try:
        with open(os.path.join(ROOT, EXPECTED_SKIPS), encoding="utf-8") as file:
            return any(line.split()[:1] == [key] for line in file)
    except FileNotFoundError:
        return False


def _run(number, function, unusable):
    """Run one test and print its result. True unless it failed."""
    name = f"{number} - {function.__name__}: {_describe(function)}"
    try:
        if unusable:
            raise Skip(unusable)
        function()
        _stop_daemons()
        _check_sanitizers()
    except Skip as skip:
        discard()
        key = f"{os.path.splitext(os.path.basename(sys.argv[0]))[0]}/{function.__name__}"
        forbidden = os.environ.get("XMCAST_REQUIRE") == "1" and not _may_skip(key)
        print(f"not ok {name}" if forbidden else f"ok {name} # SKIP {skip}", flush=True)
        if forbidden:
            diagnose(f"{function.__name__}: skipped, but XMCAST_REQUIRE=1: {skip}")
        return not forbidden
    except Exception as error:  # pylint: disable=broad-except
        print(f"not ok {name}", flush=True)
        _explain(function, error)
        discard()
        return False
    discard()
    print(f"ok {name}", flush=True)
    return True


def _explain(function, error):
    """Print where and why a test failed, and the logs of its processes."""
    diagnose(f"{function.__name__}: {type(error).__name__}: {error}")
    for frame in traceback.extract_tb(error.__traceback__):
        if os.path.basename(frame.filename) != "netns.py":
            diagnose(f"  at {os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}")
    for process in _started:
        state = process.returncode
        diagnose(f"--- {process.name} ({'runs' if state is None else f'exit {state}'}), stderr:")
        diagnose("\n".join(process.lines[:15] + ["…"] * (len(process.lines) > 45) +
                           process.lines[15:][-30:]))


def _stop_daemons():
    """Stop the daemons that are still running and check how they end."""
    for daemon in _daemons:
        if daemon.process.returncode is None:
            daemon.stop()


def _check_sanitizers():
    for process in _started:
        report = sanitizer_report(process)
        check(not report, f"{process.name}: {report}")


def sanitizer_report(process):
    """The first line of a sanitizer's report in the log of a process, or None."""
    not_ours = getattr(process, "not_ours", None)
    return next((line for line in list(process.lines) if SANITIZED.search(line) and
                 not (not_ours and not_ours.search(line))), None)


def discard():
    netns.clean_up()
    _daemons.clear()
    _started.clear()


# ---- the programs ----------------------------------------------------------------------------

def start(namespace, *command, name=None, fds=()):
    """Start a background process; its log is printed if the test fails. A generator is ready: a signal
    that came earlier would end it without its report."""
    process = namespace.start(*command, name=name, fds=fds)
    _started.append(process)
    if program("xmcast-gen") in command:
        process.wait_line("^ready$")
    return process


class Daemon:
    """An xmcastd in a namespace, started and ready."""

    count = 0
    loses_packets = False  # True: the test lets packets vanish
    retired = False  # True: interfaces were opened again; only totals have the earlier counters
    threaded = False

    def __init__(self, namespace, *rules, config=None, arguments=(), prefix=(), ready=True,
                 not_ours=None, fds=(), build=None):
        """`rules`: rules for the command line; `config`: text of a file. `prefix`: a command that runs
        the daemon (setpriv, taskset). `fds`: descriptors that it inherits. `ready`: wait until it is
        ready. `not_ours`: pattern of lines that look like a sanitizer's report but are not the program's
        fault. `build`: another build directory."""
        Daemon.count += 1
        self.namespace = namespace
        self.socket = os.path.join(work_directory(), f"{Daemon.count}.sock")
        command = [*prefix, program("xmcastd", build), "--socket", self.socket, *arguments]
        self.config = None
        if config is not None:
            self.config = write_file(f"{Daemon.count}.yaml", config)
            command += ["-c", self.config]
        for rule in rules:
            command += ["--rule", rule]
        self.process = start(namespace, *command, name=f"xmcastd@{namespace.name}", fds=fds)
        self.process.not_ours = not_ours
        _daemons.append(self)
        self.ready = ""
        if ready:
            self.ready = self.process.wait_line(r"^\w+\s+ready\b.*")[0]

    def ctl(self, *arguments, check=True):  # pylint: disable=redefined-outer-name
        """Run xmcastctl with this daemon."""
        return run(program("xmcastctl"), "--socket", self.socket, *arguments, check=check)

    def stats(self):
        """All counters as they are now. A client gives up long before the deadline of other waits."""
        def answered():
            done = self.ctl("-j", "stats", "show", check=False)
            if done.returncode == EXIT_UNREACHABLE and "timed out" in done.stdout + done.stderr:
                return None
            if done.returncode:
                raise CommandFailed(f"stats show: exit {done.returncode}\n{done.stdout}{done.stderr}")
            return done.stdout

        return json.loads(wait_until(answered, "the counters"))

    def thread_inputs(self):
        """Have what arrives at its inputs processed in threads of the kernel, for the rest of the test. Not
        all kernels run tracing programs in all processes that a softirq may interrupt
        (docs/kernel-path.md), and then the counters of devices are too low. An interface in skb mode has no
        such thread."""
        if not self.threaded:
            self.namespace.run("unshare", "--mount", "sh", "-c", "mount -t sysfs sysfs /sys && "
                               "for file in /sys/class/net/in*/threaded; do echo 1 >$file || :; done")
        self.threaded = True

    def wait_steered(self, steered):
        """Wait until at least this many packets have been steered. Returns the counters."""
        def enough():
            stats = self.stats()
            return stats["totals"]["steered_packets"] >= steered and stats

        return wait_until(enough, f"{steered} packets steered")

    def settle(self, steered=None, steered_min=None):
        """Wait until every packet steered so far has left the relay and the books close, and return
        the counters. `steered`: first wait until exactly this many packets have been steered;
        `steered_min`: at least this many.

        The counters are read while packets pass (relay/books.h), so books that do not close yet
        prove nothing: this waits until they do, and fails at the deadline with what is open."""
        def settled():
            nonlocal last, reason
            before, last = last, self.stats()
            count = last["totals"]["steered_packets"]
            if count < max(steered or 0, steered_min or 0):
                reason = f"{count} packets steered"
                return False
            reason = open_books(last, totals=not self.retired)
            if reason:
                return False
            # Without a way to compare rules with interfaces, a packet may have passed after the
            # former and before the latter were read: the next snapshot shows it.
            reason = "two snapshots in a row differ"
            return (not self.retired and last["generation"] == 1 or
                    before is not None and counted(before) == counted(last))

        last, reason = None, None
        try:
            wait_until(settled, "all steered packets have left the relay and the books close")
        except Timeout as error:
            raise Timeout(f"{error}: {reason}\n{json.dumps(last, indent=1)}") from None
        if steered is not None:
            equal(last["totals"]["steered_packets"], steered, "packets steered")
        wait_until(backlog_empty, "what has left the relay has been taken in by its receivers")
        return last

    def cpu_waited(self):
        """Seconds for which its threads that handle packets have been ready to run without a CPU, and
        for which the hypervisor took CPUs from the whole machine."""
        waited = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            if int(task) != self.process.pid:
                with contextlib.suppress(FileNotFoundError), open(
                        f"/proc/{self.process.pid}/task/{task}/schedstat", encoding="ascii") as file:
                    waited += int(file.read().split()[1]) / 1e9
        with open("/proc/stat", encoding="ascii") as file:
            return waited + int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")

    def stop(self, number=signal.SIGTERM, timeout=netns.PATIENCE):
        """Shut it down: the exit code must be 0, and the audit of each worker without a leaked frame."""
        status = self.process.stop(number, timeout)
        log = self.process.log()
        check(not sanitizer_report(self.process), f"sanitizer report of xmcastd:\n{log}")
        equal(status, EXIT_DONE, f"exit code of xmcastd; log:\n{log}\n")
        check(self.loses_packets or "packets-missing" not in log, f"a false alarm:\n{log}")
        audits = re.findall(r"frame-audit.*leaked=(\d+)", log)
        check(all(count == "0" for count in audits), f"frames leaked:\n{log}")
        workers = re.search(r"workers=(\d+)", self.ready) if self.ready else None
        if workers:
            equal(len(audits), int(workers[1]), f"audits, one a worker; log:\n{log}\n")
        return log

    def kill(self):
        """Send SIGKILL and wait until it has ended."""
        self.process.kill()
        equal(self.process.returncode, -signal.SIGKILL, "status of the killed daemon")


class Exporter:
    """An xmcast-exporter, started and listening, with the rights that its unit has: user nobody, the
    group of the control socket, no capabilities."""

    PORT = 9710  # its default

    def __init__(self, namespace, socket, *arguments, group=0, ready=True):
        """`socket`: path of a control socket, which need not exist yet."""
        # setpriv(1) changes the user, and with that the kernel forgets the death signal.
        self.process = start(
            namespace, "setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups",
            "--bounding-set=-all", "--pdeathsig=KILL", program("xmcast-exporter"),
            "--socket", socket, *arguments, name=f"xmcast-exporter@{namespace.name}")
        _daemons.append(self)
        if ready:
            self.process.wait_line("exporter-started")

    def stop(self):
        """SIGTERM: it ends with exit code 0."""
        status = self.process.stop()
        equal(status, EXIT_DONE, f"exit code of xmcast-exporter; log:\n{self.process.log()}\n")


def write_file(name, content):
    """Write a file into the work directory; returns its path."""
    path = os.path.join(work_directory(), name)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return path


def generate(namespace, device, *options):
    """Run xmcast-gen with these options until it ends, and return its report."""
    done = namespace.run(program("xmcast-gen"), device, "-j", *options, timeout=120)
    return json.loads(done.stdout)


class Sink:
    """An xmcast-sink, started and ready."""

    def __init__(self, namespace, device, *options):
        """Receives in tc unless told otherwise, because tc has no ring that could overflow."""
        kind = () if "--verify" in options or "--xdp" in options else ("--skb",)
        options = [option for option in options if option != "--xdp"]
        self.process = start(namespace, program("xmcast-sink"), device, "-j", *kind, *options,
                             name=f"xmcast-sink@{namespace.name}")
        self.process.wait_line("ready")

    def report(self, timeout=60):
        """Wait until it ends by itself (--count, --idle) and return its report."""
        self.process.wait(timeout)
        return self._parse()

    def stop(self):
        """Stop it once it has received what is on its way to it, and return its report."""
        wait_until(backlog_empty, "the receivers have taken in what was sent to them")
        self.process.stop()
        return self._parse()

    def _parse(self):
        check(self.process.output, f"no report of xmcast-sink (exit {self.process.returncode}):\n"
              f"{self.process.log()}")
        return json.loads(self.process.output)


def check_clean(report, sent, missing=0):
    """The sink received exactly what the generator sent, each packet once, in order and intact, except for
    those that the relay counted as dropped or refused by the kernel."""
    equal(report["received_packets"], sent["sent_packets"] - missing, "received by the sink")
    # Packets that the generator's own interface refused were never sent, but look lost to the sink.
    check(report["lost"] <= sent["dropped_packets"] + missing, f"lost: {report['lost']}")
    for fault in ("duplicated", "reordered", "stale", "corrupted", "malformed"):
        equal(report[fault], 0, fault)


class Passage:
    """A stream through a daemon, from rest to rest, and which of its packets the machine lost.

    Two kinds of loss are the machine's and not the relay's. Behind an output is a queue of the machine
    (net.core.netdev_max_backlog packets a CPU) which all namespaces share, also those of other
    programs: what it refuses is counted as ENOBUFS. And frames run out while the relay's threads wait
    for a CPU that other programs have: that counts only if they waited for long enough."""

    def __init__(self, daemon):
        """The stream begins now."""
        self.daemon, self.before, self.waited = daemon, daemon.settle(), daemon.cpu_waited()
        self.sent = self.after = None

    def end(self, sent):
        """The stream has ended with this report of xmcast-gen. Returns the counters at rest."""
        self.sent = sent
        self.after = self.daemon.settle(self.before["totals"]["steered_packets"] +
                                        sent["sent_packets"])
        return self.after

    def dropped(self):
        """Packets of it that found no frame, because the relay's threads got no CPU."""
        count, in_all = (_dropped(self.after)[i] - _dropped(self.before)[i] for i in (0, 1))
        equal(in_all, count, "dropped by the relay, against those that found no frame")
        if count:
            check_starved(self.daemon.cpu_waited() - self.waited, self.sent, self.after, count)
        return count

    def missing(self, rule=0):
        """Packets of it that each output of a rule did not send: dropped before, or refused."""
        dropped = self.dropped()
        missing = []
        for old, new in zip(self.before["rules"][rule]["outputs"],
                            self.after["rules"][rule]["outputs"]):
            refused = new["send_errors"] - old["send_errors"]
            equal(new["errors"].get("ENOBUFS", 0) - old["errors"].get("ENOBUFS", 0), refused,
                  "refused by the machine's queue (ENOBUFS), of all send errors")
            missing.append(dropped + refused)
        return missing


def _dropped(stats):
    """Packets that the kernel dropped at sockets, and all that were dropped."""
    queues = [queue for interface in stats["interfaces"] for queue in interface["queues"]]
    return sum(map(queue_drops, queues)), stats["totals"]["dropped_packets"]


def check_starved(waited, sent, stats, dropped):
    """Fail unless the threads waited for a CPU for about as long as their frames last at this rate:
    half of that, because some frames are in use when the wait begins."""
    frames = min(worker["frames"] for worker in stats["workers"])
    rate = sent["sent_packets"] / sent["seconds"]
    check(waited * rate >= frames / 2, f"{dropped} packets dropped, though the relay's threads waited "
          f"for a CPU for {waited:.3f} s only, in which {waited * rate:.0f} packets came")


ATTEMPTS = 3


def lossless(attempt):
    """Call attempt() until it says that the machine lost 0 packets of it, at most 3 times: a disturbed
    attempt proves nothing but that the books close. See Passage."""
    for number in range(1, ATTEMPTS + 1):
        missing = attempt(number)
        if not missing:
            return
        diagnose(f"attempt {number}: the machine lost {missing} packets")
    raise AssertionError(f"packets were lost in each of {ATTEMPTS} attempts")


def relay_stream(daemon, source, start_sinks, *options):
    """Send a stream through the first rule of a daemon to sinks, one for each output and in the same
    order, until it arrives completely. Returns the report of the generator, the counters of the daemon
    and the reports of the sinks."""
    result = None

    def attempt(_number):
        nonlocal result
        passage = Passage(daemon)
        sinks = start_sinks()
        sent = generate(source, "s0", *options)
        after = passage.end(sent)
        reports = [sink.stop() for sink in sinks]
        missing = passage.missing()
        for report, count in zip(reports, missing):
            check_clean(report, sent, count)
        result = sent, after, reports
        return sum(missing)

    lossless(attempt)
    return result


# ---- topology --------------------------------------------------------------------------------

class Star:
    """A relay with sources on one side and receivers on the other, each in a namespace of its own.

        source 0  s0 10.1.0.1 ──── 10.1.0.2 in0  relay  out0 10.2.0.1 ──── 10.2.0.2 r0  receiver 0
        source 1  s0 10.1.1.1 ──── 10.1.1.2 in1         out1 10.2.1.1 ──── 10.2.1.2 r0  receiver 1
    """

    def __init__(self, sources=1, receivers=1, *, mtu=1500, out_mtu=1500, queues=1):
        self.relay = Namespace("relay")
        self.sources = [self._source(i, mtu, queues) for i in range(sources)]
        self.receivers = [self._receiver(i, out_mtu) for i in range(receivers)]
        self.source, self.receiver = self.sources[0], (self.receivers or [None])[0]

    def _source(self, i, mtu, queues):
        source = Namespace(f"source{i}")
        veth(source, "s0", self.relay, f"in{i}", near_addr=f"10.1.{i}.1/24",
             far_addr=f"10.1.{i}.2/24", mtu=mtu, queues=queues)
        return source

    def _receiver(self, i, mtu):
        receiver = Namespace(f"receiver{i}")
        veth(self.relay, f"out{i}", receiver, "r0", near_addr=f"10.2.{i}.1/24",
             far_addr=f"10.2.{i}.2/24", mtu=mtu)
        in_order(receiver, "r0")
        receiver.ip("route add default dev r0")  # so that packets of any source pass
        # Known neighbours: the kernel drops packets that wait for ARP too long, and we cannot count them.
        know(self.relay, f"out{i}", f"10.2.{i}.2", receiver, "r0")
        return receiver


def know(namespace, device, address, neighbour, neighbour_device):
    """Add a permanent neighbour entry."""
    namespace.ip(f"neigh replace {address} lladdr {neighbour.mac(neighbour_device)} "
                 f"dev {device} nud permanent")
