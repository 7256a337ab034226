# SPDX-License-Identifier: BSD-2-Clause
"""The metrics of a daemon, as its exporter serves them and as docs/metrics.md lists them."""

import os
import re

from harness import ROOT, Daemon, Exporter, equal
from web import ask

# Where `make deps` unpacks Prometheus, if it is not installed.
os.environ["PATH"] += ":" + os.path.join(ROOT, "build", "unpacked", "usr", "bin")

OPENMETRICS = "application/openmetrics-text"

RULE = "cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0"


def metrics(namespace, accept=OPENMETRICS):
    """The text of /metrics."""
    status, _, body = ask(namespace, "/metrics", accept=accept)
    equal(status, 200, f"status of /metrics: {body}")
    return body


def samples(text):
    """Metrics by their full name with labels, as numbers."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def started(namespace, *rules, **options):
    """A daemon and its exporter, in the same namespace."""
    daemon = Daemon(namespace, *rules, **options)
    return daemon, Exporter(namespace, daemon.socket)


def documented():
    """The metrics that docs/metrics.md has."""
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
        return set(re.findall(r"^\| `((?:xmcast|process)_\w+)`", file.read(), re.M))


def family(name):
    """The metric of a sample, which a histogram has several of."""
    return re.sub(r"(?<=_seconds)_(bucket|sum|count)$", "", name.split("{")[0])
