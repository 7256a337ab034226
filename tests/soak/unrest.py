# SPDX-License-Identifier: BSD-2-Clause
"""The changes while the steady streams run: rules and files change, clients connect, disconnect and
misbehave, metrics are scraped, interfaces flap. Each part is a thread, slow enough to leave the CPUs to the
relay, and checks the daemon's answers."""

import contextlib
import os
import random
import signal
import socket
import threading

from control import Client, Refused
from harness import Exporter, rule_of
from netns import PATIENCE, wait_until
from traffic import Traffic

CHURN = 12  # names and inputs of the churn rules
# The number of their inputs that are groups. Together with the groups of the steady rules these fit one
# socket; otherwise the number of membership sockets would depend on the order of earlier changes.
CHURN_GROUPS = 3
CHURN_PPS = 2000
FLAP_PPS = 1000
REFUSED = -32001
OPERATIONS = ("add", "replace", "del", "enable", "disable", "reload", "hangup", "bad-reload", "batch",
              "save", "diff", "level")


def churn_input(number):
    """The input of a churn rule: a group or the relay's own address."""
    return f"239.3.0.{number + 1}" if number < CHURN_GROUPS else "10.1.0.2"


def churn_rule(random_, number):
    """A churn rule with random outputs."""
    out = random_.choice(["239.2.1.1:6500@out0", "10.2.0.2:6500", "239.8.8.8:7002@out2"])
    gso = random_.choice(["on", "off", "8"])
    return f"churn{number} in {churn_input(number)}:{5100 + number}@in0 out {out} gso {gso}"


class Unrest:
    """The changes of one round. After stop() the rules are those of the file, and all interfaces are up."""

    def __init__(self, bed, seed, recreate):
        """`recreate`: interfaces are also deleted and created again."""
        self.bed = bed
        self.flaps = [lambda: self._down_up("in1"), lambda: self._down_up("out2")]
        if recreate:
            self.flaps += [self._anew_in, self._anew_out]
        self.random = random.Random(seed)
        self.counts = {}
        self._hooks = 0
        self.errors = []
        self._stop = threading.Event()
        self._threads = []
        self._traffic = []

    def start(self):
        """Begin with the changes."""
        self._stop.clear()
        self._traffic = [Traffic(self.bed.star.sources[0], "10.1.0.1", churn_input(i), 5100 + i,
                                 CHURN_PPS // 4) for i in range(4)]
        self._traffic.append(Traffic(self.bed.star.sources[1], "10.1.1.1", "239.7.7.7", 7000,
                                     FLAP_PPS))
        parts = (self._change, self._visit, self._scrape, self._flap)
        # Daemon threads, because after an interrupt sys.exit() would wait for all others.
        self._threads = [threading.Thread(target=self._guard, args=(part,), daemon=True)
                         for part in parts]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Restore the state before start(). Raises what went wrong meanwhile."""
        self._stop.set()
        for thread in self._threads:
            thread.join(4 * PATIENCE)
        for traffic in self._traffic:
            traffic.stop()
        if self.errors:
            raise self.errors[0]
        self.bed.write_config()
        with Client(self.bed.daemon.socket) as control:
            control.call("config.reload")
            control.call("log.set", facility="all", level="info")
        wait_until(self._all_active, "all rules are active again")

    def take_counts(self):
        """The number of events since the last call, by name."""
        hooks = self.bed.hooks_run()
        counts, self.counts = {**self.counts, "hooks": hooks - self._hooks}, {}
        self._hooks = hooks
        return counts

    def _guard(self, part):
        # These threads must not take CPU time from relay and generator on a machine with two CPUs. On
        # Linux nice(2) applies to a single thread and to the processes that it starts.
        os.nice(10)
        try:
            part()
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)

    def _count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def _pause(self, seconds):
        return self._stop.wait(seconds * self.random.uniform(0.5, 1.5))

    def _all_active(self):
        return all(rule["state"] == "active" for rule in self.bed.daemon.stats()["rules"])

    # ---- rules, files and log levels ----

    def _change(self):
        with Client(self.bed.daemon.socket) as control:
            while not self._pause(0.1):
                self._one_change(control, self.random.choice(OPERATIONS))

    def _one_change(self, control, what):
        number = self.random.randrange(CHURN)
        name, rule = f"churn{number}", churn_rule(self.random, number)
        try:
            if what in ("add", "replace"):
                control.call(f"rule.{what}", rules=[rule])
            elif what in ("del", "enable", "disable"):
                control.call(f"rule.{what}", names=[name])
            elif what == "batch":
                other = churn_rule(self.random, (number + 1) % CHURN)
                control.call("rule.change", operations=[{"do": "add", "rule": rule},
                                                        {"do": "add", "rule": other},
                                                        {"do": "disable", "name": name}])
            elif what == "reload":
                numbers = self.random.sample(range(CHURN), 4)
                self.bed.write_config([churn_rule(self.random, i) for i in numbers])
                control.call("config.reload")
            elif what == "hangup":
                self.bed.write_config([churn_rule(self.random, number)])
                self.bed.daemon.process.send_signal(signal.SIGHUP)
            elif what == "bad-reload":
                self.bed.write_config(["churn0 in 239.3.0.1:5100@in0 out nowhere"])
                self._must_refuse(control)
            elif what == "level":
                level = self.random.choice(("error", "warning", "info", "debug"))
                control.call("log.set", facility="all", level=level)
            else:
                control.call(f"config.{what}")
        except Refused as refused:
            # A random operation may add a rule that exists or change one that does not.
            if refused.code != REFUSED:
                raise
            what = "refused"
        self._count(what)

    @staticmethod
    def _must_refuse(control):
        try:
            control.call("config.reload")
        except Refused:
            return
        raise AssertionError("a file with an error was applied")

    # ---- clients ----

    def _visit(self):
        visits = (self._polite, self._watcher, self._deaf, self._rude, self._hasty)
        while not self._pause(0.15):
            with Client(self.bed.daemon.socket) as control:
                self.random.choice(visits)(control)
            self._count("clients")

    def _polite(self, control):
        control.call("ping")
        control.call("stats.show", limit=500)

    def _watcher(self, control):
        control.call("monitor.start")
        control.socket.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            control.line()

    def _deaf(self, control):
        control.call("monitor.start")
        control.send(b'{"jsonrpc":"2.0","id":1,"method":"stats.show"}\n' * 20)
        self._pause(0.5)

    def _rude(self, control):
        control.send(self.random.randbytes(100).replace(b"\n", b"") + b"\n")
        control.line()

    @staticmethod
    def _hasty(control):
        control.send(b'{"jsonrpc":"2.0","id":1,"method":"rule.li')

    def _scrape(self):
        late = 0
        while not self._pause(1):
            with self.bed.relay.entered():
                sock = socket.create_connection(("127.0.0.1", Exporter.PORT), PATIENCE)
            with sock:
                sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                text = b"".join(iter(lambda: sock.recv(1 << 16), b""))
            # On a busy machine single scrapes may fail, which Prometheus tolerates as well.
            late = late + 1 if b" 503 " in text[:16] else 0
            if late > 2 or (not late and b"xmcast_" not in text):
                raise AssertionError(f"no metrics: {text[:200]!r}")
            self._count("late-scrapes" if late else "scrapes")

    # ---- interfaces ----

    def _flap(self):
        while not self._pause(2):
            self.random.choice(self.flaps)()
            self._count("flaps")
            wait_until(lambda: rule_of(self.bed.daemon.stats(), "flap")["state"] == "active",
                       "the rule of the flapping interfaces is active again")

    def _down_up(self, name):
        self.bed.relay.ip(f"link set {name} down")
        self._pause(0.3)
        self.bed.relay.ip(f"link set {name} up")

    def _anew_in(self):
        self.bed.relay.ip("link del in1")
        self._pause(0.3)
        self.bed.make_input()

    def _anew_out(self):
        self.bed.relay.ip("link del out2")
        self._pause(0.3)
        self.bed.make_output()
