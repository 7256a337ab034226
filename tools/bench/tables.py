# SPDX-License-Identifier: BSD-2-Clause
"""Results as tables: plain text for the terminal, Markdown for the documents."""

import dataclasses
import re

# The targets of figures(): ratios, except for the last two.
GSO_OVER_PLAIN, XDP_OVER_PLAIN, OVER_KERNEL, OVER_SOCAT, OVER_RECEIVE = 5, 2.2, 4, 20, 0.9
LOSSLESS_OVER_PLAIN, MIXED_OVER_ONE, RULES_COST, IPV6_OVER_IPV4 = 5, 0.7, 1.1, 0.9
LATENCY_OVER_KERNEL_US, RESIDENT_MIB = 40, 16
VLAN_OVER_UNTAGGED = 0.95
# Of the kernel path.
OVER_REDIRECT, PATH_OVER_KERNEL, PATH_OVER_USER, PATH_OVER_SOCAT = 0.9, 6, 1.5, 20
CHANGING_OVER_USER, CHANGING_OVER_CONSTANT, COPIES_OVER_ONE, PATH_RULES_COST = 6, 0.9, 0.8, 1.05
HEADERS_OVER_NONE, KEEP_OVER_NONE, SOURCES_OVER_NONE = 0.97, 0.9, 0.5
LEASE_OVER_NONE = 0.98
WATCH_OVER_NONE = 0.95
PATH_MEDIAN_OVER_KERNEL, PATH_P999_OVER_KERNEL, OVER_BEFORE = 0.6, 1, 0.97

MIB = 1 << 20


# ---- formatting figures --------------------------------------------------------------------------

def rate(value):
    """Packets per second with three significant digits."""
    if value >= 999_500:
        return f"{value / 1e6:.2f} M"
    if value >= 99_950:
        return f"{value / 1e3:.0f} k"
    return f"{value / 1e3:.1f} k" if value >= 1000 else f"{value:.0f}"


def share(value):
    """A share of packets in percent. "0" only if it is exactly zero."""
    if not value:
        return "0"
    percent = 100 * value
    return "< 0.01 %" if 0 < percent < 0.01 else f"{percent:.{2 if percent < 1 else 1}f} %"


def factor(value):
    """A ratio."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def microseconds(value):
    """Nanoseconds as microseconds."""
    value /= 1000
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def whole(value):
    """A number without a fraction."""
    return f"{value:,.0f}"


def middle(spread, form):
    """The median, or a dash."""
    return form(spread.median) if spread else "–"


def with_range(spread, form):
    """Median and range."""
    if not spread:
        return "–"
    if form(spread.low) == form(spread.high):
        return form(spread.median)
    return f"{form(spread.median)} ({form(spread.low)}–{form(spread.high)})"


# ---- a table -------------------------------------------------------------------------------------

@dataclasses.dataclass
class Table:
    """Header and rows of text. The first column is left-aligned, the others right-aligned."""

    title: str
    note: str
    header: list
    rows: list

    def text(self):
        """For a terminal."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows)]

        def line(cells):
            first, *others = [cell.ljust(widths[0]) if not i else cell.rjust(widths[i])
                              for i, cell in enumerate(cells)]
            return "  ".join([first, *others]).rstrip()

        lines = [self.title, "=" * len(self.title), *([self.note] if self.note else []),
                 line(self.header), *map(line, self.rows)]
        return "\n".join(lines) + "\n"

    def markdown(self, level=3):
        """For a document."""
        rows = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        note = f"{self.note}\n\n" if self.note else ""
        return f"{'#' * level} {self.title}\n\n{note}{table}\n"


# ---- tables of cases -----------------------------------------------------------------------------

COLUMNS = {
    "delivered/s": ("delivered_pps", with_range, rate),
    "received/s": ("received_pps", middle, rate),
    "lost": ("lost", middle, share),
    "exhausted": ("exhausted", middle, share),
    "ring full": ("ring_full", middle, share),
    "withheld": ("withheld", middle, share),
    "send errors": ("send_errors", middle, share),
    "relay ns": ("relay_ns", middle, whole),
    "machine ns": ("machine_ns", middle, whole),
    "relay ns in": ("received_ns", middle, whole),
    "memory MiB": ("resident_bytes", middle, lambda value: f"{value / MIB:.1f}"),
    "lossless/s": ("lossless_pps", with_range, rate),
    "p50 µs": ("latency_ns.p50", with_range, microseconds),
    "p90 µs": ("latency_ns.p90", middle, microseconds),
    "p99 µs": ("latency_ns.p99", middle, microseconds),
    "p99.9 µs": ("latency_ns.p999", middle, microseconds),
    "max µs": ("latency_ns.max", middle, microseconds),
}
THROUGHPUT = ("delivered/s", "received/s", "lost", "exhausted", "ring full", "send errors",
              "relay ns", "machine ns")
MERGED = ("received/s", "delivered/s", "lost", "exhausted", "ring full", "withheld",
          "relay ns in", "p50 µs", "p99 µs", "memory MiB")
LATENCY = ("p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "max µs", "lost", "relay ns")


# Fields that older results do not have; all others that they miss were 1.
MISSING = {"vlan": 0, "flow_by": "", "headers": "", "lease": False, "merge": "",
           "watch": ""}


def flat(case, **fields):
    """Is it the standard case (flat out, 1400 B, one flow, copy and rule) except for `fields`?"""
    usual = {"sizes": "1400", "flows": 1, "fanout": 1, "devices": 1, "rules": 1, "rate": 0,
             "relays": 1, "search": False, "sink": "skb", "size_by": "", "families": "4",
             "flow_by": "", "headers": "", "vlan": 0, "lease": False, "merge": "", "ways": 1, "watch": "",
             **fields}
    return all(case.get(name, MISSING.get(name, 1)) == value
               for name, value in usual.items() if value is not None)


class View:
    """A table of the cases that belong together."""

    def __init__(self, title, note, *, select, columns=THROUGHPUT, label=None, bases=()):
        self._title, self._note = title, note
        self._select, self._columns = select, columns
        self._label = label
        self._bases = bases  # (heading, metric, function from case to the baseline's fields)

    def table(self, results):
        """The table, or None if the plan had none of its cases."""
        cases = [case for case in results.cases if self._select(case)]
        if not cases:
            return None
        header = ["", *self._columns, *(heading for heading, _, _ in self._bases)]
        return Table(self._title, self._note, header,
                     [self._row(results, case, len(header)) for case in cases])

    def _row(self, results, case, width):
        label = results.label(case) + (f", {self._label(case)}" if self._label else "")
        if not case["runs"]:
            why = f"skipped: {case['skipped']}" if case["skipped"] else "failed"
            return [f"{label} ({why})", *["–"] * (width - 1)]
        row = [label]
        for column in self._columns:
            metric, show, form = COLUMNS[column]
            row.append(show(results.spread(case, metric), form))
        for _, metric, fields in self._bases:
            base = find(results, **{**case_fields(case), **fields})
            row.append(middle(results.ratio(case, base, metric), factor))
        return row


FIELDS = ("peer", "sink", "sizes", "size_by", "flows", "fanout", "devices", "rules", "rate",
          "relays", "search", "families", "flow_by", "headers", "vlan", "lease", "merge",
          "ways", "watch")


def case_fields(case):
    """The fields that distinguish it from other cases."""
    return {name: case.get(name, MISSING.get(name, 1)) for name in FIELDS}


def find(results, **fields):
    """The case with exactly these fields; the others are those of the standard case."""
    wanted = fields.pop("peer")
    return next((case for case in results.cases
                 if case["peer"] == wanted and flat(case, **fields)), None)


def _against(name, metric="delivered_pps", **fields):
    """A column with the ratio to a baseline."""
    return (f"× {name}", metric, fields)


def _streams(case):
    if case["size_by"]:
        how = f"sizes {case['sizes'].replace(',', '/')} B, one a flow"
    elif case["sizes"].count(",") > 3:
        how = "video frames 7 × 1400 + 512 B"
    elif "," in case["sizes"]:
        how = f"sizes {case['sizes'].replace(',', '/')} B, changing in each flow"
    else:
        how = f"{case['sizes']} B"
    return f"{case['flows']} flow{'s' if case['flows'] > 1 else ''}, {how}"


def _sink(case):
    return f"{case['sink']} sink"


ONE_FLOW = {"flows": 1, "rules": 1, "sizes": "1400", "size_by": ""}

VIEWS = (
    View("Flat out: 1400 B, one flow, skb sink", "", select=flat,
         bases=(_against("plain", peer="plain"), _against("smcroute", peer="smcroute"),
                _against("socat", peer="socat"), _against("bare receive", peer="receive"))),
    View("Sizes that change with every packet, flat out", "One flow; random sizes.",
         select=lambda case: "-" in case["sizes"],
         label=lambda case: f"{case['sizes']} B, {_sink(case)}",
         bases=(_against("its rate at 1400 B", sizes="1400"),
                _against("the user path, skb sink", peer="gso", sink="skb"))),
    View("Flat out, XDP sink", "The kernel has to segment in software for such a receiver.",
         select=lambda case: flat(case, sink="xdp"),
         bases=(_against("plain", peer="plain"), _against("its skb sink", sink="skb"),
                _against("bare redirect", peer="redirect"))),
    View("Payload sizes, flat out", "",
         select=lambda case: case["sizes"] in ("64", "512", "1316") and not case["rate"]
         and flat(case, sizes=None, sink=None), label=lambda case: f"{case['sizes']} B, "
         f"{_sink(case)}",
         bases=(_against("plain", peer="plain"), _against("smcroute", peer="smcroute"))),
    View("Paced, 1 M packets/s", "",
         select=lambda case: flat(case, rate=1_000_000, sizes=None),
         label=lambda case: f"{case['sizes']} B, {case['seconds']:g} s"),
    View("Highest lossless rate (as in RFC 2544)", "Of the packets that arrive.",
         select=lambda case: case["search"],
         columns=("lossless/s",), label=lambda case: f"{_streams(case)}, {case['fanout']} "
         f"cop{'ies' if case['fanout'] > 1 else 'y'}"
         + (", merged from two inputs" if case.get("merge") else ""),
         bases=(_against("plain", "lossless_pps", peer="plain"),
                _against("smcroute", "lossless_pps", peer="smcroute"),
                _against("not merged", "lossless_pps", merge="", ways=1))),
    View("Many interleaved flows, flat out", "Each flow has a rule and an output of its own.",
         select=lambda case: case["flows"] > 1 and case["rules"] == case["flows"]
         and not case["rate"] and not case["search"] and not case.get("merge"), label=_streams,
         bases=(_against("its one flow of 1400 B", **ONE_FLOW),
                _against("plain", peer="plain"))),
    View("Fan-out, flat out", "Delivered and CPU time are per copy.",
         select=lambda case: case["fanout"] > 1 and not case["search"],
         label=lambda case: f"{case['fanout']} copies on {case['devices']} "
         f"device{'s' if case['devices'] > 1 else ''}, {_sink(case)}",
         bases=(_against("its one copy", fanout=1, devices=1), _against("plain", peer="plain"),
                ("relay ns × its one copy", "relay_ns", {"fanout": 1}))),
    View("Headers of each packet, flat out",
         "Sources take turns packet by packet; each has an address and a port of its own.",
         select=lambda case: case.get("headers") or case.get("flow_by"),
         label=lambda case: f"{case['headers'] or 'none'}"
         + (f", {case['flows']} sources" if case["flow_by"] else ""),
         bases=(_against("without", headers=""),)),
    View("Rules with a lease, flat out", "",
         select=lambda case: case.get("lease"), label=lambda case: _sink(case),
         bases=(_against("without", lease=False),)),
    View("Rules that merge two inputs",
         "The two inputs in turn, packet by packet: half of what is received is delivered. "
         "\"relay ns in\" is CPU time of a received packet.",
         select=lambda case: case.get("merge") and not case["search"], columns=MERGED,
         label=lambda case: f"merge {case['merge']} on {case['ways']} interface"
         f"{'s' if case['ways'] > 1 else ''}, {case['rules']:,} "
         f"rule{'s' if case['rules'] > 1 else ''}, "
         + (f"{rate(case['rate'])} packets/s" if case["rate"] else "flat out"),
         bases=(("received × without", "received_pps", {"merge": "", "ways": 1}),
                ("relay ns in × without", "received_ns", {"merge": "", "ways": 1}),
                ("p50 × without", "latency_ns.p50", {"merge": "", "flows": 2, "rules": 2}))),
    View("Rules that watch their stream, flat out", "",
         select=lambda case: case.get("watch"), label=lambda case: f"watch {case['watch']}, {_sink(case)}",
         bases=(_against("without", watch=""),
                ("relay ns × without", "relay_ns", {"watch": ""}))),
    View("IPv6, flat out", "",
         select=lambda case: case["families"] != "4",
         label=lambda case: f"in by IPv{case['families'][0]}, out by IPv{case['families'][-1]}, "
         f"{_sink(case)}",
         bases=(_against("IPv4", families="4"),
                ("relay ns × IPv4", "relay_ns", {"families": "4"}))),
    View("Many rules, flat out", "Rules that match nothing, beside those of the flows.",
         select=lambda case: case["rules"] > case["flows"],
         label=lambda case: f"{case['rules']:,} rules, {case['flows']:,} "
         f"flow{'s' if case['flows'] > 1 else ''}",
         bases=(_against("its one rule", flows=1, rules=1),
                ("relay ns × its one rule", "relay_ns", {"flows": 1, "rules": 1}))),
    View("Latency, generator to sink, 1400 B", "skb sink.",
         select=lambda case: case["rate"] in (1000, 100_000, 500_000) and case["relays"] == 1
         and not case.get("merge"),
         columns=LATENCY, label=lambda case: f"{rate(case['rate'])} packets/s"
         + (f", {case['flows']} flows" if case["flows"] > 1 else "")
         + (f" by {case['ways']} interfaces" if case.get("ways", 1) > 1 else "")),
    View("Chain of relays", "All on the same CPUs.",
         select=lambda case: case["relays"] > 1,
         columns=("delivered/s", "lost", "exhausted", "ring full", "p50 µs", "p99 µs"),
         label=lambda case: f"{case['relays']} in a row, {rate(case['rate'])} packets/s"),
)


# ---- figures and targets -------------------------------------------------------------------------

def _most(spread, wanted, form, unit=""):
    """The last three cells of a row, for a figure that must be at most `wanted`."""
    return _judged(spread, f"≤ {form(wanted)}{unit}", form, spread and spread.median <= wanted,
                   unit)


def _least(spread, wanted, form, unit=""):
    return _judged(spread, f"≥ {form(wanted)}{unit}", form, spread and spread.median >= wanted,
                   unit)


def _judged(spread, wanted, form, reached, unit):
    if not spread:
        return [wanted, "not measured", "–"]
    return [wanted, with_range(spread, form) + unit, "yes" if reached else "no"]


def _delivered(results, peer, base, **fields):
    return results.ratio(find(results, peer=peer, **fields), find(results, peer=base, **fields),
                         "delivered_pps")


def _mixed(results):
    """The case whose sizes differ between flows; if there is none, the one with video frames."""
    cases = [case for case in results.cases if case["peer"] == "gso" and case["flows"] == 50
             and "," in case["sizes"] and case["runs"] and not case["search"]]
    return min(cases, key=lambda case: not case["size_by"], default=None)


def _best_latency(results):
    """The lowest median latency of all wake-up strategies at 1,000 packets/s."""
    kernel = find(results, peer="smcroute", rate=1000)
    spreads = [results.difference(find(results, peer=peer, rate=1000), kernel, "latency_ns.p50")
               for peer in ("gso", "gso-hybrid", "gso-spin")]
    return min(filter(None, spreads), key=lambda spread: spread.median, default=None)


def _kernel_path(results):
    """The rows of the kernel path. Its packets end in an XDP program, and those of the relays that
    it is compared with in a tc program: each has the receiver with which it is faster. Latencies are
    those of the tc program."""
    one, changing = (find(results, peer="kernel-path", sink="xdp", sizes=sizes)
                     for sizes in ("1400", "64-1400"))

    def over(peer, case=one, **fields):
        return results.ratio(case, find(results, peer=peer, **fields), "delivered_pps")

    def latency(packets, metric):
        return results.ratio(find(results, peer="kernel-path", rate=packets),
                             find(results, peer="smcroute", rate=packets), f"latency_ns.{metric}")

    copies = {copies: over("kernel-path", find(results, peer="kernel-path", sink="xdp",
                                               fanout=copies, devices=2), sink="xdp")
              for copies in (2, 4)}
    rules = results.ratio(one, find(results, peer="kernel-path", sink="xdp", rules=10_000),
                          "delivered_pps")
    return [
        ["kernel path, delivered over a bare XDP redirect",
         *_least(over("redirect", sink="xdp"), OVER_REDIRECT, factor)],
        ["kernel path over smcroute", *_least(over("smcroute"), PATH_OVER_KERNEL, factor)],
        ["kernel path over the user path", *_least(over("gso"), PATH_OVER_USER, factor)],
        ["kernel path over socat", *_least(over("socat"), PATH_OVER_SOCAT, factor)],
        ["kernel path over the user path, sizes that change with every packet",
         *_least(over("gso", changing, sizes="64-1400"), CHANGING_OVER_USER, factor)],
        ["kernel path, sizes that change with every packet over 1400 B",
         *_least(over("kernel-path", changing, sink="xdp"), CHANGING_OVER_CONSTANT, factor)],
        *(["kernel path, %d outputs on two devices: copies over one output's" % number,
           *_least(spread, COPIES_OVER_ONE, factor)] for number, spread in copies.items()),
        *(["kernel path, median latency at %s packets/s over smcroute's" % rate(packets),
           *_most(latency(packets, "p50"), PATH_MEDIAN_OVER_KERNEL, factor)]
          for packets in (1000, 100_000)),
        ["kernel path, 99.9th percentile at 100 k packets/s over smcroute's",
         *_most(latency(100_000, "p999"), PATH_P999_OVER_KERNEL, factor)],
        ["kernel path, time of a packet, 10,000 rules over 1",
         *_most(rules, PATH_RULES_COST, factor)],
    ]


def _headers(results):
    """The rows of `from`, `ttl` and `dscp`, each over the same load without them."""
    cases = [case for case in results.cases if case.get("headers")]
    return [[f"{case['headers']}, {case['flows']} source{'s' if case['flows'] > 1 else ''}: of the "
             "rate without",
             *_least(results.ratio(case, find(results, **{**case_fields(case), "headers": ""}),
                                   "delivered_pps"),
                     HEADERS_OVER_NONE if case["headers"] != "from keep" else
                     KEEP_OVER_NONE if case["flows"] == 1 else SOURCES_OVER_NONE, factor)]
            for case in cases]


def _leases(results):
    """The rows of rules with a lease, each over the same rule without."""
    return [[f"rule with a lease, {case['peer']}: of the rate without",
             *_least(results.ratio(case, find(results, **{**case_fields(case), "lease": False}),
                                   "delivered_pps"), LEASE_OVER_NONE, factor)]
            for case in results.cases if case.get("lease")]


def _watches(results):
    """The rows of rules that watch their stream, each over the same rule without."""
    return [[f"rule with `watch {case['watch']}`, {case['peer']}: of the rate without",
             *_least(results.ratio(case, find(results, **{**case_fields(case), "watch": ""}),
                                   "delivered_pps"), WATCH_OVER_NONE, factor)]
            for case in results.cases if case.get("watch")]


def figures(results):
    """The table of the main figures and their targets."""
    gso, one = find(results, peer="gso"), "delivered_pps"
    mixed, rules = _mixed(results), find(results, peer="gso", rules=10_000)
    fan, million = find(results, peer="gso", fanout=50), find(results, peer="gso", rate=1_000_000)
    lossless = results.ratio(find(results, peer="gso", search=True),
                             find(results, peer="plain", search=True), "lossless_pps")
    chain = find(results, peer="gso", rate=100_000, relays=3)
    rows = [
        ["delivered, flat out: over the plain engine",
         *_least(_delivered(results, "gso", "plain"), GSO_OVER_PLAIN, factor)],
        ["the same, XDP sink",
         *_least(_delivered(results, "gso", "plain", sink="xdp"), XDP_OVER_PLAIN, factor)],
        ["delivered over smcroute",
         *_least(_delivered(results, "gso", "smcroute"), OVER_KERNEL, factor)],
        ["delivered over socat",
         *_least(_delivered(results, "gso", "socat"), OVER_SOCAT, factor)],
        ["delivered over the bare AF_XDP receive rate",
         *_least(_delivered(results, "gso", "receive"), OVER_RECEIVE, factor)],
        ["bare AF_XDP receive rate, packets of a VLAN over untagged ones",
         *_least(results.ratio(find(results, peer="receive", vlan=100),
                               find(results, peer="receive"), one), VLAN_OVER_UNTAGGED, factor)],
        ["paced 1 M packets/s: lost", *_most(results.spread(million, "lost"), 0, share)],
        ["paced 1 M packets/s: buffer exhaustion",
         *_most(results.spread(million, "exhausted"), 0, share)],
        ["highest lossless rate over the plain engine's",
         *_least(lossless, LOSSLESS_OVER_PLAIN, factor)],
        [f"{_streams(mixed) if mixed else '50 flows'}: of the one-flow rate",
         *_least(results.ratio(mixed, gso, one), MIXED_OVER_ONE, factor)],
        ["three relays in a row, 100 k packets/s: lost",
         *_most(results.spread(chain, "lost"), 0, share)],
        ["median latency at 1 k packets/s over kernel routing's, best wake-up strategy",
         *_most(_best_latency(results), LATENCY_OVER_KERNEL_US * 1000, microseconds, " µs")],
        ["delivered, IPv6 over IPv4",
         *_least(results.ratio(find(results, peer="gso", families="6"), gso, one), IPV6_OVER_IPV4,
                 factor)],
        ["relay CPU time of a packet, 10,000 rules over 1",
         *_most(results.ratio(rules, gso, "relay_ns"), RULES_COST, factor)],
        ["relay CPU time of a copy, 50 copies over 1",
         *_most(results.ratio(fan, gso, "relay_ns"), 1, factor)],
        ["resident memory beyond the UMEM",
         *_most(results.spread(gso, "resident_bytes"), RESIDENT_MIB * MIB,
                lambda value: f"{value / MIB:.1f}", " MiB")],
        *_headers(results),
        *_leases(results),
        *_watches(results),
        *_kernel_path(results),
    ]
    before = find(results, peer="before")
    if before:
        rows.append(["user path over that of the other build",
                     *_least(results.ratio(gso, before, one), OVER_BEFORE, factor)])
    note = ("Ratios are taken within each round of the run; skb sink, 1400 B, one flow unless said. "
            "Packets of the kernel path and of the bare redirect go to an XDP sink if rates are "
            "compared, because each relay has the sink with which it is faster.")
    return Table("Figures", note, ["", "wanted", "measured (range)", "reached"], rows)


# ---- all of it -----------------------------------------------------------------------------------

def all_tables(results):
    """All tables, the main figures first."""
    return [figures(results), *filter(None, (view.table(results) for view in VIEWS))]


def headline(results):
    """A paragraph about the machine and the measurement."""
    data, machine = results.data, results.data["machine"]
    kind = "virtual machine, " if machine["virtual"] else ""
    foreign = max(data["foreign_load"], default=0)
    lines = [f"Measured {data['date']} by `{data['command']}` with {data['version']}: "
             f"{machine['cpu']}, {kind}{machine['cores']} cores, "
             f"{machine['memory_kib'] / MIB:.1f} GiB, Linux {machine['kernel']}. Medians of "
             f"{data['rounds_done']} rounds, range in brackets. Generator on CPU "
             f"{data['generator_cpus']}, relay on CPU {data['relay_cpus']}."]
    if foreign > 0.05:
        lines.append(f"THE MACHINE WAS NOT IDLE: other programs used up to {share(foreign)} of it "
                     "before a round. Do not trust the figures.")
    return "\n".join(lines)


def plain(markdown):
    """Remove Markdown's backquotes, for a terminal."""
    return re.sub("`", "", markdown)
