# SPDX-License-Identifier: BSD-2-Clause
"""Horizontal bar charts in SVG, with the range of the rounds as whiskers."""

import math
from xml.sax.saxutils import escape

from plan import LATENCY_RATES
from tables import find, flat, microseconds, rate, whole

WIDTH, LABEL, VALUE, BAR, GAP, TOP, BOTTOM = 860, 270, 90, 20, 8, 54, 14
PLOT = WIDTH - LABEL - VALUE
COLORS = {"plain": "#8c9bab", "gso": "#1f77b4", "sendmmsg": "#17a2b8", "gso-hybrid": "#4c9ed9",
          "gso-spin": "#0b4f8a", "kernel-path": "#2a9d4a", "redirect": "#7f7f7f",
          "smcroute": "#d9822b", "smcroute-tuned": "#b85c00", "socat": "#a05195",
          "receive": "#5b5b5b"}
OTHER_COLOR = "#3b8f5a"


class Scale:
    """Maps values to pixels: linearly from 0, or logarithmically from a power of ten."""

    def __init__(self, values, logarithmic):
        self._log = logarithmic
        self._high = max(values) or 1
        positive = [value for value in values if value > 0]
        self._low = 10 ** math.floor(math.log10(min(positive, default=1)))

    def __call__(self, value):
        if not self._log:
            return PLOT * value / self._high
        if value <= self._low:
            return 0
        return PLOT * math.log(value / self._low) / max(math.log(self._high / self._low), 1e-9)


def _bar(y, label, peer, spread, scale, form):
    """One bar with its name, whiskers and median."""
    centre = y + BAR / 2
    low, high = LABEL + scale(spread.low), LABEL + scale(spread.high)
    color = COLORS.get(peer, OTHER_COLOR)
    return [
        f'<text x="{LABEL - 8}" y="{centre + 4}" text-anchor="end">{escape(label)}</text>',
        f'<rect x="{LABEL}" y="{y}" width="{max(scale(spread.median), 1):.1f}" height="{BAR}" '
        f'fill="{color}"/>',
        f'<path d="M{low:.1f} {centre}H{high:.1f}M{low:.1f} {y + 5}v{BAR - 10}M{high:.1f} {y + 5}'
        f'v{BAR - 10}" stroke="#222" fill="none"/>',
        f'<text x="{high + 6:.1f}" y="{centre + 4}">{escape(form(spread.median))}</text>',
    ]


def bars(title, subtitle, rows, form, logarithmic=False):
    """An SVG document. `rows`: (label, peer, Spread)."""
    scale = Scale([value for _, _, spread in rows for value in (spread.low, spread.high)],
                  logarithmic)
    height = TOP + len(rows) * (BAR + GAP) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="40" fill="#555">{escape(subtitle)}</text>',
    ]
    for number, (label, peer, spread) in enumerate(rows):
        parts += _bar(TOP + number * (BAR + GAP), label, peer, spread, scale, form)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _rows(results, cases, metric, label=None):
    rows = []
    for case in cases:
        spread = results.spread(case, metric)
        if spread:
            more = f", {label(case)}" if label else ""
            rows.append((results.label(case).split(" (no ")[0] + more, case["peer"], spread))
    return rows


def _latency_charts(results):
    for packets in LATENCY_RATES:
        cases = [case for case in results.cases if flat(case, rate=packets)]
        rows = [(f"{results.label(case)}, {name}", case["peer"],
                 results.spread(case, f"latency_ns.{name}"))
                for case in cases for name in ("p50", "p99") if case["runs"]]
        yield (f"latency-{packets}", f"Latency at {rate(packets)} packets/s",
               "µs from generator to sink, logarithmic; 1400 B, skb sink",
               [row for row in rows if row[2]], microseconds, True)


def _charts(results):
    usual = [case for case in results.cases if flat(case)]
    yield ("flat-out", "Delivered, flat out", "packets/s at the sink; 1400 B, one flow, skb sink",
           _rows(results, usual, "delivered_pps"), rate, False)
    yield ("cpu", "CPU time of a delivered packet, whole machine",
           "ns, generator included; flat out, 1400 B, one flow, skb sink",
           _rows(results, usual, "machine_ns"), whole, False)
    yield ("lossless", "Highest lossless rate", "packets/s; 1400 B, one flow, skb sink",
           _rows(results, [case for case in results.cases if flat(case, search=True)],
                 "lossless_pps"), rate, False)
    sizes = [find(results, peer=peer, sizes=size) for size in ("64", "512", "1316", "1400")
             for peer in results.data["peers"]]
    sizes = [case for case in sizes if case and case["runs"]]
    if len({case["sizes"] for case in sizes}) > 1:
        yield ("sizes", "Delivered by payload size, flat out",
               "packets/s at the sink; one flow, skb sink",
               _rows(results, sizes, "delivered_pps", lambda case: f"{case['sizes']} B"), rate,
               False)
    yield from _latency_charts(results)


def write_all(results, directory):
    """Write every chart that has figures; returns their paths."""
    paths = []
    for name, title, subtitle, rows, form, logarithmic in _charts(results):
        if rows:
            paths.append(f"{directory}/{name}.svg")
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(bars(title, subtitle, rows, form, logarithmic))
    return paths
