#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measure xmcastd and its alternatives, in network namespaces of the benchmark's own.

Prints tables, and writes results.json and plots to build/bench/. docs/performance.md describes the
method and how to read the results. Needs root and an idle machine.

Exit status: 0 everything was measured, however slow; 1 a case could not be run, or xmcastd duplicated,
reordered or corrupted packets, leaked a frame or failed at its end; 2 usage; 77 no permission. A peer
that is not installed is skipped, and the tables say so.
"""

import argparse
import os
import re
import shlex
import sys
import time

import measure
import netns
import plan
import plot
import tables
from bed import BUILD, ROOT, Skip, program
from peers import BEFORE, all_peers
from results import Results

CORE_ROUNDS, FULL_ROUNDS, FULL_SECONDS = 3, 5, 3
# A case that has failed this often is not tried again.
MAX_ERRORS = 2
# How long to watch the machine before a round, and which share of it other programs may use.
LOOK_SECONDS, FOREIGN_SHARE = 0.5, 0.05

DOCUMENT = os.path.join(ROOT, "docs", "performance.md")
EXIT_FAULTS, EXIT_USAGE, EXIT_PERMISSION = 1, 2, 77


def say(text, end="\n"):
    """Print progress to stderr, apart from the tables."""
    print(text, end=end, file=sys.stderr, flush=True)


def options():
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Measure xmcastd beside its alternatives (see docs/performance.md).")
    parser.add_argument("--full", action="store_true",
                        help="every meaningful combination, about an hour")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help=f"rounds over all cases ({CORE_ROUNDS}, with --full {FULL_ROUNDS})")
    parser.add_argument("--seconds", type=float, metavar="S",
                        help="duration of every run; short runs are not for publishing")
    parser.add_argument("--only", type=re.compile, metavar="REGEX",
                        help="only cases whose key matches; --list shows the keys")
    parser.add_argument("--list", action="store_true", help="list the cases, measure nothing")
    parser.add_argument("--peer", action="append", default=[], metavar="SCRIPT",
                        help="also measure the relay of this adapter; repeatable")
    parser.add_argument("--before", metavar="BUILD",
                        help="also measure the user path of the xmcastd in this build directory")
    parser.add_argument("--cpus", metavar="GEN,RELAY",
                        help="CPU of the generator and CPUs of the relay, as for taskset "
                        "(default: the first and the second CPU)")
    parser.add_argument("--results", metavar="FILE",
                        help="measure nothing; show an earlier results.json")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    parser.add_argument("--update-docs", action="store_true",
                        help="write the tables between the markers of docs/performance.md")
    parser.add_argument("-o", "--output", default=os.path.join(BUILD, "bench"), metavar="DIR",
                        help="directory of results.json and plots (build/bench)")
    return parser.parse_args()


# ---- measuring -----------------------------------------------------------------------------------

def choose_cpus(wanted):
    """CPUs of the generator, of the relay, and of both together, as lists for taskset."""
    if wanted:
        generator, _, relay = wanted.partition(",")
        if not generator or not relay:
            sys.exit("bench.py: --cpus needs two parts, such as 0,1 or 0,1-3")
    else:
        cpus = sorted(os.sched_getaffinity(0))
        generator, relay = str(cpus[0]), str(cpus[min(1, len(cpus) - 1)])
        if len(cpus) < 2:
            say("only one CPU: generator and relay share it")
    return generator, relay, f"{generator},{relay}"


def foreign_load():
    """Share of the machine that other programs use, measured while the benchmark is idle."""
    before = measure.machine_cpu()["busy"]
    time.sleep(LOOK_SECONDS)
    busy = measure.machine_cpu()["busy"] - before
    return busy / (LOOK_SECONDS * 1e9 * os.cpu_count())


def run_case(bench, case, results, number):
    """Run a case once and record it in the results. Returns the text for the progress line."""
    entry = results.case(case.key)
    if entry["skipped"] or len(entry["errors"]) >= MAX_ERRORS:
        return "skipped"
    start = time.monotonic()
    try:
        figures = bench.run(case)
    except Skip as reason:
        entry["skipped"] = str(reason)
        return f"skipped: {reason}"
    except measure.ERRORS as error:
        entry["errors"].append(f"{type(error).__name__}: {error}")
        return f"FAILED: {error}"
    took = time.monotonic() - start
    entry["runs"].append({"round": number, "took_seconds": round(took, 3), **figures})
    rate = figures["lossless_pps"] if case.search else figures["delivered_pps"]
    faults = f"  FAULTS: {'; '.join(figures['faults'])}" if figures["faults"] else ""
    return f"{tables.rate(rate):>8}  {took:5.1f} s{faults}"


def measure_all(bench, cases, results, rounds, path):
    """Run all cases `rounds` times. Saves after each round, so that an interrupt loses little.

    Every second round runs in reverse order: the first of a pair is measured on a machine that has just been idle,
    and a fixed order would give that to the same one in every ratio.
    """
    for number in range(1, rounds + 1):
        foreign = foreign_load()
        results.data["foreign_load"].append(foreign)
        if foreign > FOREIGN_SHARE:
            say(f"warning: other programs keep {tables.share(foreign)} of the machine busy")
        for index, case in enumerate(cases if number % 2 else reversed(cases), 1):
            say(f"round {number}/{rounds} {index:3}/{len(cases)}  {case.key:62} ", end="")
            say(run_case(bench, case, results, number))
        results.data["rounds_done"] = number
        results.save(path)


def command(args):
    """The command line that repeats the measurement: options that affect the figures, no paths."""
    words = ["tools/bench/bench.py", *(["--full"] if args.full else [])]
    for name in ("rounds", "seconds", "cpus"):
        if getattr(args, name):
            words += [f"--{name}", str(getattr(args, name))]
    if args.only:
        words += ["--only", args.only.pattern]
    for script in args.peer:
        words += ["--peer", os.path.basename(script)]
    return shlex.join(words)


def choose_cases(args):
    """The plan that the command line asks for."""
    extra = [f"peer:{os.path.basename(script)}" for script in args.peer]
    if args.before:
        extra.append(BEFORE)
    cases = plan.full(extra, FULL_SECONDS) if args.full else plan.core(extra)
    if args.only:
        cases = [case for case in cases if args.only.search(case.key)]
    if args.seconds:
        cases = [plan.shortened(case, args.seconds) for case in cases]
    return cases


def supported(cases):
    """The cases that this generator can produce. Prints a note if some are left out."""
    knows = "--size-by" in netns.run(program("xmcast-gen"), "-h").stdout
    if not knows and any(case.load.size_by for case in cases):
        say("xmcast-gen has no --size-by: no flows of different sizes")
    return [case for case in cases if knows or not case.load.size_by]


def measure_plan(args, path):
    """Set up, measure all cases and clean up. Returns the results."""
    cases = supported(choose_cases(args))
    if not cases:
        sys.exit("bench.py: no case has a matching key (--list shows them)")
    netns.prepare()
    peers = all_peers(args.peer, args.before)
    generator, relay, both = choose_cpus(args.cpus)
    results = Results.new(cases, peers.values(), {
        "mode": "full" if args.full else "core", "rounds_done": 0,
        "command": command(args),
        "version": netns.run(program("xmcastd"), "-V").stdout.splitlines()[0],
        "generator_cpus": generator, "relay_cpus": relay})
    os.makedirs(args.output, exist_ok=True)
    try:
        measure_all(measure.Bench(peers, generator, relay, both), cases, results,
                    args.rounds or (FULL_ROUNDS if args.full else CORE_ROUNDS), path)
    finally:
        netns.clean_up()
    return results


# ---- showing -------------------------------------------------------------------------------------

def show(results, markdown):
    """Print the tables to stdout."""
    shown = tables.all_tables(results)
    if markdown:
        print(tables.headline(results), "\n")
        print("\n".join(table.markdown() for table in shown))
        return
    print(tables.plain(tables.headline(results)), "\n")
    print("\n".join(table.text() for table in shown))


def replace_section(path, name, text):
    """Replace the text between two markers of a document. Returns False if they are missing."""
    begin, end = f"<!-- bench: {name} -->", f"<!-- bench: end of {name} -->"
    with open(path, encoding="utf-8") as file:
        old = file.read()
    head, found, rest = old.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        return False
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{begin}\n{text}\n{end}{tail}")
    return True


def update_docs(results):
    """Write the tables between the markers of the document."""
    shown = tables.all_tables(results)
    head = tables.headline(results)
    body = "\n".join([head, "", *(table.markdown() for table in shown)]).rstrip()
    if not replace_section(DOCUMENT, "results", body):
        sys.exit(f"bench.py: {DOCUMENT} has no markers for the results")


def complain(results):
    """Print what went wrong to stderr. Returns the exit code."""
    for key, text in results.peer_faults():
        say(f"note: {key}: {text}")
    status = 0
    for key, text in results.faulty():
        say(f"fault: {key}: {text}")
        status = EXIT_FAULTS
    return status


def main():
    """See the docstring of the file."""
    args = options()
    if args.list:
        print("\n".join(case.key for case in choose_cases(args)))
        return 0
    path = os.path.join(args.output, "results.json")
    if args.results:
        results = Results.load(args.results)
    elif os.geteuid():
        say("bench.py: needs root: network namespaces, XDP")
        return EXIT_PERMISSION
    else:
        try:
            results = measure_plan(args, path)
        except Skip as reason:
            say(f"bench.py: {reason}")
            return EXIT_FAULTS
    os.makedirs(args.output, exist_ok=True)
    show(results, args.markdown)
    say("plots: " + " ".join(plot.write_all(results, args.output)))
    if not args.results:
        say(f"figures: {path}")
    if args.update_docs:
        update_docs(results)
    return complain(results)


if __name__ == "__main__":
    sys.exit(main())
