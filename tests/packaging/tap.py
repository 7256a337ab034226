# SPDX-License-Identifier: BSD-2-Clause
"""Tests as functions with @test and a one-line docstring, and TAP as their output. The program ends with
main(); names on its command line choose tests."""

import os
import subprocess
import sys
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("XMCAST_BUILD", "build"))

tests = []


class Skip(Exception):
    """This test cannot run here; the text is the reason."""


def test(function):
    """Decorator of a test. The first line of the docstring is its description."""
    tests.append(function)
    return function


def check(condition, message):
    """Fail with this message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def equal(seen, expected, what):
    """Fail unless both are equal."""
    check(seen == expected, f"{what}: {_short(seen)}, expected {_short(expected)}")


def _short(value, most=400):
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def run(*command, good=True, timeout=300, **options):
    """Run a command to its end and return what subprocess.run() returns, as text. Unless `good` is False, it
    must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)
    check(done.returncode == 0 or not good,
          f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def clean_environment(**more):
    """The environment without what a surrounding make has put there."""
    return {**{name: value for name, value in os.environ.items()
               if not name.startswith(("MAKE", "MFLAGS", "GIT_"))}, **more}


def make(*words, directory=ROOT, **options):
    """Run make with the build directory of this test run."""
    here = [f"B={os.path.relpath(BUILD, ROOT)}"] if directory == ROOT else []
    return run("make", "-s", "-C", directory, *here, *words, env=clean_environment(), **options)


def variable(name, directory=ROOT):
    """The value of a variable of the Makefile."""
    rule = f"show-{name}: ; @echo $({name})"
    return make("--eval", rule, f"show-{name}", directory=directory).stdout.strip()


def _result(function):
    """Run a test. How its line of TAP begins and ends."""
    try:
        function()
        return "ok", ""
    except Skip as skip:
        return "ok", f" # SKIP {skip}"
    except Exception as error:  # pylint: disable=broad-except
        text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
        for line in text.rstrip().split("\n"):
            print(f"# {line}", file=sys.stderr, flush=True)
        return "not ok", ""


def run_tests(names=()):
    """Run the tests with these names in this order, or all. False: one failed, or there was none."""
    chosen = [function for name in names for function in tests if function.__name__ == name] if names else tests
    print(f"1..{len(chosen)}", flush=True)
    good = bool(chosen)
    for number, function in enumerate(chosen, 1):
        begin, end = _result(function)
        good &= begin == "ok"
        name = f"{function.__name__}: {function.__doc__.strip().splitlines()[0].rstrip('.')}"
        print(f"{begin} {number} - {name}{end}", flush=True)
    return good


def main():
    """Run the tests that the command line names, or all. Does not return."""
    sys.exit(0 if run_tests(sys.argv[1:]) else 1)
