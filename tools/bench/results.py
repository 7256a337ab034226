# SPDX-License-Identifier: BSD-2-Clause
"""What was measured: collected by a run, stored in results.json, queried by tables and plots."""

import json
import os
import re
import statistics
import time


class Spread:
    """Median, minimum and maximum of a figure over the rounds."""

    def __init__(self, values):
        self.median = statistics.median(values)
        self.low, self.high = min(values), max(values)


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        match = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", file.read(), re.M)
    return match[1].strip() if match else os.uname().machine


def _hypervisor():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        return bool(re.search(r"^flags\s*:.*\bhypervisor\b", file.read(), re.M))


def describe_machine():
    """The properties of this machine that a reader needs to judge the figures."""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(re.search(r"MemTotal:\s+(\d+)", file.read())[1])
    # Without what names one build of it.
    kernel = re.match(r"[\d.]+\d", os.uname().release)[0]
    return {"cpu": _cpu_model(), "cores": len(os.sched_getaffinity(0)), "virtual": _hypervisor(),
            "memory_kib": memory, "kernel": kernel}


class Results:
    """All cases with their runs."""

    def __init__(self, data):
        self.data = data
        self._cases = {case["key"]: case for case in data["cases"]}

    @classmethod
    def new(cls, plan, peers, settings):
        """No runs yet, with every case of the plan. `settings`: mode, rounds, CPUs."""
        cases = [{**case.describe(), "runs": [], "skipped": None, "errors": []} for case in plan]
        return cls({"schema": 1, "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
                    "machine": describe_machine(), **settings, "foreign_load": [],
                    "peers": {peer.key: peer.label for peer in peers}, "cases": cases})

    @classmethod
    def load(cls, path):
        """Read the results of an earlier run."""
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file))

    def save(self, path):
        """Write the file atomically."""
        with open(f"{path}.tmp", "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1)
            file.write("\n")
        os.replace(f"{path}.tmp", path)

    @property
    def cases(self):
        """In the order of the plan."""
        return self.data["cases"]

    def case(self, key):
        """A case by its key, or None."""
        return self._cases.get(key)

    def label(self, case):
        """The label of the case's peer."""
        return self.data["peers"].get(case["peer"], case["peer"])

    def faulty(self):
        """Everything that makes the benchmark fail: (key, text). Faults of other relays do not."""
        for case in self.cases:
            for error in case["errors"]:
                yield case["key"], error
            if not is_ours(case):
                continue
            for run in case["runs"]:
                for fault in run["faults"]:
                    yield case["key"], fault

    def peer_faults(self):
        """What other relays did to the packets."""
        for case in self.cases:
            for run in case["runs"]:
                if not is_ours(case) and run["faults"]:
                    yield case["key"], ", ".join(run["faults"])

    def spread(self, case, metric):
        """Spread of a metric over the rounds, or None if no run has it."""
        values = [value for value in (pick(run, metric) for run in (case or {}).get("runs", ()))
                  if value is not None]
        return Spread(values) if values else None

    def ratio(self, case, base, metric, base_metric=None):
        """Ratio of two cases, taken within each round: a drift of the machine affects both then."""
        base_runs = {run["round"]: run for run in (base or {}).get("runs", ())}
        ratios = []
        for run in (case or {}).get("runs", ()):
            above = pick(run, metric)
            below = pick(base_runs.get(run["round"], {}), base_metric or metric)
            if above is not None and below:
                ratios.append(above / below)
        return Spread(ratios) if ratios else None

    def difference(self, case, base, metric):
        """The same as a difference."""
        base_runs = {run["round"]: run for run in (base or {}).get("runs", ())}
        values = [pick(run, metric) - pick(base_runs[run["round"]], metric)
                  for run in (case or {}).get("runs", ()) if run["round"] in base_runs
                  and pick(run, metric) is not None
                  and pick(base_runs[run["round"]], metric) is not None]
        return Spread(values) if values else None


def is_ours(case):
    """Is the relay of this case one of ours? Only then do its faults make the benchmark fail."""
    return case["peer"].split("-")[0] in ("plain", "gso", "sendmmsg", "receive", "kernel",
                                           "redirect")


def pick(run, metric):
    """A metric of a run: "lost", or "latency_ns.p50"."""
    value = run
    for name in metric.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
