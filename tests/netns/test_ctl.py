#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl against a daemon that says what the test wants: what it prints for every command, its
grammar, its exit codes, and what it makes of answers that are none.

The expected outputs are in tests/netns/golden/, one file a command. With XMCAST_GOLDEN=write they
are written instead of compared: look at the difference before it is committed."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import threading

import fake_daemon
from fake_daemon import HANG_UP, FakeDaemon, Refusal, answers, page
from harness import (EXIT_DONE, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, ROOT, Daemon, Star,
                     check, equal, main, program, run, test, wait_until, work_folder, write_file)

GOLDEN = os.path.join(ROOT, "tests", "netns", "golden")
PATIENCE = 30

# Every object and verb, with words that it takes.
COMMANDS = ("rule list", "rule list cam[12]", "rule show cam1",
            "rule add cam9 in 239.1.1.9:5000@in0 out 10.2.0.3:7009", "rule del cam1 cam2",
            "rule replace cam1 in 239.1.1.1:5000@in0 out 10.2.0.3:7009", "rule enable spare4",
            "rule disable cam1", "config show", "config save", "config reload", "config diff",
            "stats show", "stats reset-peaks", "iface list", "iface show in0", "worker list",
            "group list", "log show", "log set steering debug", "ping", "version")


def serve(**other):
    """A fake daemon; `other`: methods that answer differently."""
    serve.count = getattr(serve, "count", 0) + 1
    return FakeDaemon(os.path.join(work_folder(), f"fake{serve.count}.sock"), answers(**other))


def environment(**more):
    """Nothing of the caller's that changes the output."""
    keep = {key: value for key, value in os.environ.items()
            if key not in ("COLUMNS", "NO_COLOR", "XMCAST_SOCKET")}
    return {**keep, "TERM": "xterm", **more}


def ctl(daemon, *words, code=EXIT_DONE, **options):
    """Run xmcastctl on a daemon, or none; check how it ends."""
    socket = ("--socket", daemon.path) if daemon else ()
    done = run(program("xmcastctl"), *socket, *words, check=False, env=environment(), **options)
    equal(done.returncode, code, f"exit code of {' '.join(words)}\n{done.stdout}{done.stderr}")
    if code in (EXIT_USAGE, EXIT_UNREACHABLE):
        check(not done.stdout and done.stderr, f"{words}: {done.stdout!r} {done.stderr!r}")
    return done


def golden(name, text):
    """The text is that of the file."""
    path = os.path.join(GOLDEN, name)
    if os.environ.get("XMCAST_GOLDEN") == "write":
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return
    with open(path, encoding="ascii") as file:
        expected = file.read()
    check(text == expected, f"{name} differs; expected:\n{expected}seen:\n{text}")


def file_name(words):
    """Of the golden file for these words."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words.split()[:3])).strip("-")


def shape(value):
    """Keys and types."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


@test
def texts():
    """What every command prints for people"""
    daemon = serve()
    for words in COMMANDS:
        text = ctl(daemon, *words.split()).stdout
        golden(file_name(words) + ".txt", re.sub(r"xmcastctl \S+\n", "xmcastctl VERSION\n", text))
    for option in ("-s", "-br", "-c"):
        for words in ("rule list", "rule show cam1", "stats show", "worker list"):
            golden(f"{file_name(words)}{option}.txt", ctl(daemon, option, *words.split()).stdout)


@test
def jsons():
    """What every command prints with -j: one object on one line, keys as they have always been"""
    daemon = serve()
    for words in COMMANDS:
        text = ctl(daemon, "-j", *words.split()).stdout
        equal(text.count("\n"), 1, f"lines of {words}")
        check(isinstance(json.loads(text), dict), f"{words} is no object")
        golden(file_name(words) + ".json", text)
        pretty = ctl(daemon, "-j", "-p", *words.split()).stdout
        equal(json.loads(pretty), json.loads(text), f"{words}, pretty")
        check(text == "{}\n" or pretty.count("\n") > 1, f"{words} is not pretty:\n{pretty}")


@test
def what_is_asked():
    """The requests that the commands become"""
    daemon = serve()
    for words, method, params in (
            ("rule add  a in 239.1.1.1:1@x   out 10.0.0.1:1", "rule.add",
             {"rules": ["a in 239.1.1.1:1@x out 10.0.0.1:1"]}),
            ("rule repl in 239.1.1.1:1@x out 10.0.0.1:1", "rule.replace",
             {"rules": ["in 239.1.1.1:1@x out 10.0.0.1:1"]}),
            ("rule del a b", "rule.del", {"names": ["a", "b"]}),
            ("rule delete a", "rule.del", {"names": ["a"]}),
            ("rule del -- -x", "rule.del", {"names": ["-x"]}),
            ("rule en a", "rule.enable", {"names": ["a"]}),
            ("rule disable a", "rule.disable", {"names": ["a"]}),
            ("rule sh cam1", "rule.show", {"name": "cam1"}),
            ("log set all error", "log.set", {"facility": "all", "level": "error"}),
            ("stats reset", "stats.reset_peaks", {}),
            ("config rel", "config.reload", {}),
            ("config save", "config.save", {})):
        daemon.requests.clear()
        run(program("xmcastctl"), "--socket", daemon.path, *words.split(), check=False)
        equal(daemon.requests, [(method, params)], words)


@test
def prefixes():
    """Objects and verbs may be shortened; without a verb it is the first"""
    daemon = serve()
    for short, full in (("r", "rule list"), ("rule", "rule list"), ("r l", "rule list"),
                        ("rule ls", "rule list"), ("st", "stats show"), ("i", "iface list"),
                        ("w", "worker list"), ("g show", "group list"), ("l", "log show"),
                        ("c", "config show"), ("c d", "config diff"), ("p", "ping"),
                        ("v", "version")):
        equal(ctl(daemon, *short.split()).stdout, ctl(daemon, *full.split()).stdout, short)


@test
def options_in_every_form():
    """-json, --json, --js, -jp, --socket=PATH: iproute2's forms and the usual ones"""
    daemon = serve()
    expected = ctl(daemon, "-j", "ping").stdout
    for option in ("-json", "--json", "--js", "-js"):
        equal(ctl(daemon, option, "ping").stdout, expected, option)
    for option in ("-jp", "-pj"):
        equal(ctl(daemon, option, "ping").stdout, ctl(daemon, "-j", "-p", "ping").stdout, option)
    for socket in (("--socket=" + daemon.path,), ("-socket", daemon.path)):
        equal(ctl(None, *socket, "-j", "ping").stdout, expected, socket[0])
    for option in ("-color", "--color", "-c=always", "--color=always", "-col"):
        check("\033[" in ctl(daemon, option, "rule").stdout, option)
    for option in ("-c=never", "-color=auto"):
        check("\033[" not in ctl(daemon, option, "rule").stdout, option)
    check("\033" not in ctl(daemon, "-c", "-j", "rule").stdout, "colours in JSON")
    for words in (("-c=sometimes", "rule"), ("--json=1", "rule"), ("--socket",), ("-x", "rule"),
                  ("--jsonx", "rule"), ("-jx", "rule"), ("-",)):
        ctl(None, *words, code=EXIT_USAGE)


@test
def usage_errors():
    """Wrong words: exit 1, the usage line on stderr, and nothing asked of the daemon"""
    daemon = serve()
    for words, said in (
            ("", "usage: xmcastctl"), ("nonsense", "unknown object \"nonsense\""),
            ("rule nonsense", "unknown verb \"nonsense\""), ("rule d x", "del disable"),
            ("rule re", "too few arguments"), ("config s", "show save"), ("m", "metrics monitor"),
            ("rule show", "usage: xmcastctl [OPTIONS] rule show NAME"),
            ("rule show a b", "unexpected argument \"b\""),
            ("rule add", "usage: xmcastctl [OPTIONS] rule add [NAME] in"),
            ("rule del", "rule del NAME"), ("rule list a b", "rule list [PATTERN]"),
            ("rule list -j", "options stand before the object"),
            ("config check", "config check FILE"), ("config show x", "usage"),
            ("stats show x", "stats show"), ("iface show", "iface show NAME"),
            ("log set daemon", "log set FACILITY"), ("ping x", "unexpected"),
            ("version x", "unexpected"), ("monitor x", "unexpected"), ("top x", "top [-b]"),
            ("top -d 0", "0.1 to 3600"), ("top -n x", "how often"), ("top -o y", "exhausted"),
            ("top -z", "unknown option"), ("top", "not a terminal"), ("-batch x rule", "rule"),
            ("-j top -b", "stats show"),
            ("-j metrics", "stats show"), ("metrics x", "unexpected")):
        done = ctl(daemon, *words.split(), code=EXIT_USAGE)
        check(said in done.stderr, f"{words}: no {said!r} in\n{done.stderr}")
    equal(daemon.requests, [], "requests")


def verbs():
    """Objects and verbs as the help has them."""
    listed = {}
    for line in ctl(None, "help").stdout.split("objects and verbs:\n")[1].split("\n\n")[0].split(
            "\n"):
        words = line[:59].split()
        listed[words[0]] = words[1:]
    return listed


@test
def help_everywhere():
    """help and -h on every level, on stdout, without a daemon; exit 0"""
    everything = ctl(None, "-h").stdout
    for words in ("help", "--help", "-help"):
        equal(ctl(None, words).stdout, everything, words)
    for thing, names in verbs().items():
        check(re.search(rf"^  {thing}\b", everything, re.M), thing)
        text = ctl(None, "help", thing).stdout
        for words in (("-h", thing), (thing, "-h"), (thing, "--help"), (thing, "help")):
            if thing != "help":
                equal(ctl(None, *words).stdout, text, str(words))
        for name in names:
            check(f"  {thing} {name}" in text, f"{thing} {name} is not in\n{text}")
            one = ctl(None, thing, name, "-h").stdout
            check(f"{thing} {name}" in one and len(one) < len(everything), one)
            equal(ctl(None, "help", thing, name).stdout, one, f"help {thing} {name}")
    golden("help.txt", everything)
    ctl(None, "help", "nonsense", code=EXIT_USAGE)
    ctl(None, "help", "rule", "nonsense", code=EXIT_USAGE)


@test
def every_command_is_tested():
    """Each object and verb of the help has a golden output, or a test of its own"""
    own = {("config", "check"), ("monitor",), ("top",), ("help",), ("metrics",)}
    known = {tuple(words.split()[:2]) for words in COMMANDS}
    for thing, names in verbs().items():
        for words in [(thing, name) for name in names] or [(thing,)]:
            check(words in known or words in own, f"no test of {' '.join(words)}")


# ---- errors ----------------------------------------------------------------------------------

@test
def refusals():
    """A refusal: exit 2, every error with its place on stderr, nothing on stdout, also with -j"""
    errors = [{"file": "rules", "line": 1, "column": 4, "word": "x", "message": "not an address"},
              {"file": "f.yaml", "line": 7, "message": "no column"},
              {"file": "f.yaml", "message": "no line"}]
    daemon = serve(rule_add=Refusal(-32001, "the rules are not valid", {"errors": errors}),
                   rule_del=Refusal(-32004, "no rule of that name"),
                   rule_enable=Refusal(-32003, "you may not"),
                   config_reload=Refusal(-32002, "\033[31mred"))
    for option in ((), ("-j",)):
        done = ctl(daemon, *option, "rule", "add", "x", code=EXIT_REFUSED)
        equal(done.stdout, "", "stdout")
        equal(done.stderr, "rules:1:4: 'x': not an address\nf.yaml:7: no column\n"
              "f.yaml: no line\nxmcastctl: refused: the rules are not valid\n", "stderr")
        for words in ("rule del x", "rule enable x", "rule show nobody", "iface show nobody"):
            equal(ctl(daemon, *option, *words.split(), code=EXIT_REFUSED).stdout, "", words)
    done = ctl(daemon, "config", "reload", code=EXIT_REFUSED)
    check("\\x1b[31mred" in done.stderr and "\033" not in done.stderr, repr(done.stderr))


@test
def daemon_away():
    """No daemon: exit 3 at once, and the path of the socket; for every command that needs one"""
    path = os.path.join(work_folder(), "nobody.sock")
    for words in (*COMMANDS, "monitor", "top -b"):
        done = run(program("xmcastctl"), "--socket", path, "-j" if words != "top -b" else "-s",
                   *words.split(), check=False, timeout=5)
        equal((done.returncode, done.stdout), (EXIT_UNREACHABLE, ""), words)
        check(path in done.stderr, done.stderr)
    ctl(None, "--socket", "/" + "x" * 200, "ping", code=EXIT_UNREACHABLE)


@test
def not_alive():
    """A daemon whose workers do not answer: said on stdout, exit 2"""
    daemon = serve(ping={"alive": False, "workers": 0})
    check("NOT" in ctl(daemon, "ping", code=EXIT_REFUSED).stdout, "not told")


LINE = b'{"jsonrpc":"2.0","id":1,"result":'


@test
def broken_answers():
    """Answers that end early, are not JSON, not of this protocol, not to this: exit 3, no crash"""
    for answer in (HANG_UP, b"", b"!", b"\n", b"nonsense\n", b"[]\n", b"7\n", b'"x"\n', b"{}\n",
                   LINE + b"{}", LINE + b"7}\n", LINE + b"[]}\n", LINE + b"null}\n",
                   b'{"jsonrpc":"2.0","id":99,"result":{}}\n', b'{"id":1,"error":7}\n',
                   b'{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}\n', b"\xff\xfe\n",
                   b"[" * 100000 + b"\n", LINE + b'{"total":1,"rules":[' + b"!"):
        words = answer + b"!" if isinstance(answer, bytes) and not answer.endswith(b"!") else answer
        daemon = serve(rule_list=words)
        ctl(daemon, "rule", "list", code=EXIT_UNREACHABLE)


@test
def huge_answer():
    """An answer without an end: given up at 64 MiB"""
    daemon = serve(version=b"x" * (65 << 20))
    done = ctl(daemon, "version", code=EXIT_UNREACHABLE)
    check("too large" in done.stderr, done.stderr)


def mangled(value, other):
    """The same with every leaf, one after the other, replaced."""
    if isinstance(value, dict):
        for key, item in value.items():
            for new in mangled(item, other):
                yield {**value, key: new}
    elif isinstance(value, list):
        for index, item in enumerate(value[:2]):
            for new in mangled(item, other):
                yield value[:index] + [new] + value[index + 1:]
    yield other


@test
def wrong_types():
    """Members of another type, huge or negative: shown as something, or exit 3; never a crash"""
    for method, words in (("rule.list", "rule"), ("rule.show", "rule show cam1"),
                          ("stats.show", "-s stats"), ("iface.show", "iface show in0"),
                          ("config.diff", "config diff"), ("config.show", "config show"),
                          ("log.show", "log"), ("group.list", "group"), ("ping", "ping")):
        answer = answers()[method]
        good = answer({"name": "in0" if method == "iface.show" else "cam1"}) \
            if callable(answer) else answer
        if method == "stats.show":
            good = {**good, "rules": good["rules"][:1]}
        for other in (None, "\033]0;x\007\u00e9", -2 ** 63):
            for bad in mangled(good, other):
                daemon = serve.daemon if hasattr(serve, "daemon") else serve()
                serve.daemon = daemon
                daemon.answers[method] = bad
                done = run(program("xmcastctl"), "--socket", daemon.path, *words.split(),
                           check=False)
                check(done.returncode in (0, 2, 3),
                      f"{words}: exit {done.returncode} with {bad}\n{done.stderr}")
                check("\033" not in done.stdout + done.stderr and done.stdout.isascii() or
                      method == "config.show", f"{words}: not escaped: {done.stdout!r}")
    del serve.daemon


# ---- pages -----------------------------------------------------------------------------------

def many(count):
    """Rules for rule.list."""
    return [{"name": f"r{i}", "rule": f"r{i} in 239.1.{i >> 8}.{i & 255}:1@x out 10.0.0.1:1",
             "enabled": True, "state": "active", "flow": "never", "rate_pps": 0, "rate_bps": 0,
             "outputs": 1} for i in range(count)]


@test
def pages():
    """A list of 1,234 rules is read in pages of 500, and is whole"""
    rules = many(1234)
    daemon = serve(rule_list=lambda params: page(params, "rules", rules))
    answer = json.loads(ctl(daemon, "-j", "rule").stdout)
    equal(answer["rules"], rules, "rules")
    equal([params for _, params in daemon.requests],
          [{"offset": offset, "limit": 500} for offset in (0, 500, 1000)], "requests")
    answer = json.loads(ctl(daemon, "-j", "rule", "list", "r12[0-3]?").stdout)
    equal(([rule["name"] for rule in answer["rules"]], answer["total"]),
          ([f"r12{i:02}" for i in range(34)], 34), "filtered")


@test
def generation_changes_once():
    """Rules that change between two pages: read again, and the newer list"""
    calls = []

    def changing(params):
        calls.append(params["offset"])
        new = len(calls) > 1
        return page(params, "rules", many(700 if new else 800), generation=8 if new else 7)

    answer = json.loads(ctl(serve(rule_list=changing), "-j", "rule").stdout)
    equal((len(answer["rules"]), answer["generation"]), (700, 8), "rules and generation")
    equal(calls, [0, 500, 0, 500], "offsets")


@test
def generation_always_changes():
    """Rules that change all the time: after five readings an error, exit 2"""
    calls = []

    def changing(params):
        calls.append(params["offset"])
        return page(params, "rules", many(700), generation=len(calls))

    done = ctl(serve(rule_list=changing), "rule", code=EXIT_REFUSED)
    check("5 readings" in done.stderr and not done.stdout, done.stderr)
    equal(calls, [0, 500] * 5, "offsets")


@test
def total_that_is_never_reached():
    """A list that is shorter than it says ends"""
    daemon = serve(rule_list=lambda params: {**page(params, "rules", many(3)), "total": 1000})
    equal(len(json.loads(ctl(daemon, "-j", "rule").stdout)["rules"]), 3, "rules")


@test
def config_in_parts():
    """config show puts the parts together; if it changes once it is read again"""
    calls = []

    def changing(params):
        calls.append(params["offset"])
        return {**fake_daemon.show_config(params), "generation": 7 if len(calls) < 2 else 8}

    equal(ctl(serve(config_show=changing), "config").stdout, fake_daemon.CONFIG, "text")
    equal(calls[:3], [0, 20, 0], "offsets")
    done = ctl(serve(config_show=lambda p: {**fake_daemon.show_config(p), "offset": 1}), "config",
               code=EXIT_UNREACHABLE)
    check("protocol" in done.stderr, done.stderr)


# ---- config ----------------------------------------------------------------------------------

@test
def config_check():
    """config check: without a daemon or rights; every error; -j is for machines"""
    good = write_file("good.yaml", fake_daemon.CONFIG)
    bad = write_file("bad.yaml", "rules:\n  - in: 239.1.1.1:0@in0\n    out: [239.2.2.2:99999@o]\n")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    os.chmod(work_folder(), 0o755)
    for prefix in ((), nobody):
        copy = os.path.join(work_folder(), "xmcastctl")
        run("cp", program("xmcastctl"), copy)
        done = run(*prefix, copy, "-j", "config", "check", good, check=False)
        equal((done.returncode, json.loads(done.stdout), done.stderr),
              (EXIT_DONE, {"valid": True, "rules": 1, "errors": []}, ""), "good")
    equal(ctl(None, "config", "check", good).stdout, "valid, 1 rule\n", "good")
    done = ctl(None, "config", "check", bad, code=EXIT_REFUSED)
    check(re.search(r"bad\.yaml:2:\d+: '0'", done.stderr) and
          re.search(r"bad\.yaml:3:\d+: '99999'", done.stderr) and not done.stdout, done.stderr)
    done = ctl(None, "-j", "config", "check", bad, code=EXIT_REFUSED)
    answer = json.loads(done.stdout)
    equal((answer["valid"], answer["rules"], done.stderr), (False, 0, ""), "bad")
    equal([(e["file"], e["line"], e["word"]) for e in answer["errors"]],
          [(bad, 2, "0"), (bad, 3, "99999")], "errors")
    equal({key for e in answer["errors"] for key in e},
          {"file", "line", "column", "word", "message"}, "keys")
    answer = json.loads(ctl(None, "-j", "config", "check", "/nonexistent", code=2).stdout)
    equal((answer["valid"], len(answer["errors"])), (False, 1), "no file")


@test
def config_save_to_file():
    """config save FILE: written by the client, whole, with the mode that the file had"""
    daemon = serve()
    path = os.path.join(work_folder(), "saved.yaml")
    for mode in (0o644, 0o600):
        if os.path.exists(path):
            os.chmod(path, mode)
        done = ctl(daemon, "config", "save", path)
        check(path in done.stdout, done.stdout)
        with open(path, encoding="ascii") as file:
            equal(file.read(), fake_daemon.CONFIG, "content")
        equal(os.stat(path).st_mode & 0o777, mode, "mode")
    answer = json.loads(ctl(daemon, "-j", "config", "save", path).stdout)
    equal(answer, {"path": path, "bytes": len(fake_daemon.CONFIG)}, "JSON")
    done = ctl(daemon, "config", "save", "/nonexistent/x", code=EXIT_REFUSED)
    check("/nonexistent/x" in done.stderr, done.stderr)
    daemon = serve(config_show=Refusal(-32002, "no"))
    ctl(daemon, "config", "save", path, code=EXIT_REFUSED)
    equal([name for name in os.listdir(work_folder()) if name.startswith("saved.yaml")],
          ["saved.yaml"], "files")


# ---- batch -----------------------------------------------------------------------------------

BATCH = """\
# a comment
rule add cam5 in 239.1.1.5:5000@in0 out 10.0.0.5:1   # another

  rule del cam1 cam2
r rep cam3 in 239.1.1.3:5000@in0 out 10.0.0.3:1\r
rule enable a#b
\trule disable x
"""


@test
def batch():
    """-batch: one transaction, from a file or stdin"""
    daemon = serve()
    path = write_file("batch", BATCH)
    expected = [{"do": "add", "rule": "cam5 in 239.1.1.5:5000@in0 out 10.0.0.5:1"},
                {"do": "del", "name": "cam1"}, {"do": "del", "name": "cam2"},
                {"do": "replace", "rule": "cam3 in 239.1.1.3:5000@in0 out 10.0.0.3:1"},
                {"do": "enable", "name": "a#b"}, {"do": "disable", "name": "x"}]
    for option in ("-batch", "--batch", "-b"):
        daemon.requests.clear()
        equal(ctl(daemon, option, path).stdout, "added 1, removed 0, replaced 0\n", option)
        equal(daemon.requests, [("rule.change", {"operations": expected})], option)
    daemon.requests.clear()
    done = subprocess.run([program("xmcastctl"), "--socket", daemon.path, "-j", "-batch", "-"],
                          input=BATCH.encode(), stdout=subprocess.PIPE, check=True)
    equal(json.loads(done.stdout), fake_daemon.CHANGED, "JSON")
    equal(daemon.requests, [("rule.change", {"operations": expected})], "stdin")
    daemon.requests.clear()
    equal(ctl(daemon, "-b", write_file("empty", "# nothing\n\n")).stdout, "", "nothing to do")
    equal(daemon.requests, [], "requests of nothing")
    equal(json.loads(ctl(daemon, "-j", "-b", write_file("empty", "# nothing\n\n")).stdout),
          {"generation": 7, "added": 0, "removed": 0, "replaced": 0}, "nothing to do, in JSON")


@test
def batch_errors():
    """Wrong lines: all told with FILE:LINE:COLUMN, and nothing asked; the daemon's errors, too"""
    daemon = serve()
    path = write_file("bad", b"rule add\nrule list\nstats show\nrule d x\nrule\n"
                      b"rule del a\nrule add \x80\n")
    done = ctl(daemon, "-batch", path, code=EXIT_REFUSED)
    equal(re.findall(r":(\d+:\d+): ", done.stderr),
          ["1:9", "2:6", "3:1", "4:6", "5:5", "7:10"], "places")
    check("nothing was changed" in done.stderr, done.stderr)
    equal(daemon.requests, [], "requests")
    for content, said in (("rule add x\0y\n", "NUL"), ("x" * (9 << 20), "too large")):
        check(said in ctl(daemon, "-b", write_file("bad", content), code=2).stderr, said)
    check("/nonexistent" in ctl(daemon, "-b", "/nonexistent", code=EXIT_REFUSED).stderr, "no file")
    daemon = serve(rule_change=Refusal(-32001, "refused: 6 errors", {"errors": [
        {"file": "operations", "line": 2, "column": 1, "word": "cam2", "message": "no such rule"},
        {"file": "operations", "line": 3, "column": 6, "word": "out", "message": "odd"},
        {"file": "operations", "line": 4, "message": "without a column"},
        {"file": "operations", "line": 4, "message": "twice; first at line 3, column 4"},
        {"file": "operations", "line": 4, "message": "twice; first at line 9, column 4"},
        {"file": "operations", "line": 99, "message": "no such line"}]}))
    path = write_file("refused", "\n  rule del cam1 cam2\n\nrule add in x out y\nrule del z\n")
    done = ctl(daemon, "-batch", path, code=EXIT_REFUSED)
    equal(done.stderr.replace(path, "F"), "F:2:17: 'cam2': no such rule\nF:4:15: 'out': odd\n"
          "F:5:10: without a column\nF:5:10: twice; first at line 4, column 13\n"
          "F:5:10: twice; first at line 9, column 4\noperations:99: no such line\n"
          "xmcastctl: refused: 6 errors\n", "errors")


@test
def large_batch():
    """10,000 rules in one batch"""
    daemon = serve()
    lines = [f"r{i} in 239.{i >> 8}.{i & 255}.1:5000@in0 out 10.0.0.1:{i + 1}"
             for i in range(10000)]
    ctl(daemon, "-batch", write_file("large", "".join(f"rule add {line}\n" for line in lines)))
    equal([operation["rule"] for operation in daemon.requests[0][1]["operations"]], lines, "rules")


# ---- output ----------------------------------------------------------------------------------

def on_terminal(daemon, *words, columns=80, env=None):
    """What xmcastctl writes to a terminal of this width."""
    leader, follower = pty.openpty()
    import fcntl  # pylint: disable=import-outside-toplevel
    import struct  # pylint: disable=import-outside-toplevel
    import termios  # pylint: disable=import-outside-toplevel
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([program("xmcastctl"), "--socket", daemon.path, *words],
                               stdout=follower, env=env or environment())
    os.close(follower)
    text = b""
    while select.select([leader], [], [], PATIENCE)[0]:
        try:
            text += os.read(leader, 65536)
        except OSError:
            break
    os.close(leader)
    equal(process.wait(PATIENCE), 0, "exit code")
    return text.decode().replace("\r\n", "\n")


@test
def tables_fit():
    """On a terminal no line is wider than it is; COLUMNS counts; elsewhere nothing is cut"""
    daemon = serve()
    for words in ("rule", "-s rule", "stats", "-s stats", "worker list", "rule show cam1", "group"):
        for columns in (200, 80, 40, 10, 1):
            text = on_terminal(daemon, "-c=never", *words.split(), columns=columns)
            lines = [line for line in text.split("\n") if "  " in line.strip()]
            if "rule show" not in words:
                check(all(len(line) <= columns for line in lines), f"{words}, {columns}:\n{text}")
    wide = on_terminal(daemon, "-c=never", "-s", "rule", columns=80,
                       env=environment(COLUMNS="300"))
    check("~" not in wide and max(map(len, wide.split("\n"))) > 100, wide)
    check("~" in on_terminal(daemon, "-c=never", "-s", "rule", columns=60), "nothing was cut")


@test
def colours():
    """On a terminal there are colours, unless NO_COLOR or -c=never; elsewhere with -c only"""
    daemon = serve()
    check("\033[32mactive" in on_terminal(daemon, "rule"), "no colours")
    for words, env in ((("-c=never", "rule"), {}), (("rule",), {"NO_COLOR": "1"}),
                       (("-c=auto", "rule"), {"NO_COLOR": "1"}), (("rule",), {"TERM": "dumb"}),
                       (("-j", "-c", "rule"), {})):
        text = on_terminal(daemon, *words, env=environment(**env))
        check("\033" not in text, f"{words} {env}: {text!r}")
    check("\033" in on_terminal(daemon, "-c=always", "rule", env=environment(NO_COLOR="1")), "-c")
    check("\033" not in ctl(daemon, "rule").stdout, "colours in a file")


@test
def control_characters():
    """Names that would steer a terminal are escaped; in JSON, as JSON escapes them"""
    rules = [{**many(1)[0], "name": "\033[2J\u00e9\n"}]
    daemon = serve(rule_list=lambda params: page(params, "rules", rules),
                   config_show={"generation": 1, "total_bytes": 9, "offset": 0,
                                "text": "a: \033\u00e9\nb\n"})
    check("\\x1b[2J\\xc3\\xa9\\x0a" in ctl(daemon, "rule").stdout, "not escaped")
    text = ctl(daemon, "-j", "rule").stdout
    check(text.isascii() and "\033" not in text, repr(text))
    equal(json.loads(text)["rules"], rules, "JSON")
    equal(ctl(daemon, "config").stdout, "a: \033\u00e9\nb\n", "for a file: as it is")
    equal(on_terminal(daemon, "config"), "a: \\x1b\\xc3\\xa9\nb\n", "for a terminal")


@test
def output_that_cannot_be_written():
    """A full or closed stdout: exit 2 and a word; a reader that has gone: silence"""
    daemon = serve(rule_list=lambda params: page(params, "rules", many(2000)))
    command = f"{program('xmcastctl')} --socket {daemon.path}"
    for words in ("rule", "-j rule", "ping", "help", "-V", "config", "monitor"):
        if words == "monitor":
            continue
        for to in (">/dev/full", ">&-"):
            done = run("sh", "-c", f"{command} {words} {to}", check=False)
            equal(done.returncode, EXIT_REFUSED, f"{words} {to}")
            check("cannot write" in done.stderr, f"{words} {to}: {done.stderr!r}")
    done = run("sh", "-c", f"{command} rule | head -1", check=False)
    equal((done.returncode, done.stderr), (0, ""), "| head")
    done = run("sh", "-c", f"{command} ping <&- 2>&-", check=False)
    equal(done.returncode, EXIT_DONE, "without stdin and stderr")


# ---- monitor ---------------------------------------------------------------------------------

class Monitor:
    """xmcastctl monitor, running."""

    def __init__(self, daemon, *options):
        self.process = subprocess.Popen(
            [program("xmcastctl"), "--socket", daemon.path, *options, "monitor"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.timer = threading.Timer(PATIENCE, self.process.kill)
        self.timer.daemon = True
        self.timer.start()
        wait_until(lambda: daemon.monitors, "monitor.start")

    def line(self):
        """The next line."""
        return self.process.stdout.readline()

    def end(self, number=None):
        """Send a signal, wait for its end: exit code and stderr."""
        if number:
            self.process.send_signal(number)
        _, errors = self.process.communicate()
        self.timer.cancel()
        return self.process.returncode, errors


EVENT = {"time": "2026-11-22T15:04:05.123Z", "event": "dropping", "rule": "cam1",
         "reason": "two words", "errors": {"EAGAIN": 3, "ENOBUFS": 1}, "output": "a\033b"}


@test
def monitor():
    """Events line by line, as text and as JSON; a signal ends it with exit 0"""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        daemon = serve()
        process = Monitor(daemon)
        daemon.event(**EVENT)
        equal(process.line(), "2026-11-22T15:04:05.123Z dropping rule=cam1 reason=\"two words\" "
              "errors=EAGAIN:3,ENOBUFS:1 output=a\\x1bb\n", "text")
        equal(process.end(number), (EXIT_DONE, ""), "end")
    daemon = serve()
    process = Monitor(daemon, "-j")
    for _ in range(3):
        daemon.event(**EVENT)
        equal(json.loads(process.line()), EVENT, "JSON")
    equal(process.end(signal.SIGINT), (EXIT_DONE, ""), "end")


@test
def monitor_without_daemon():
    """A daemon that goes ends the monitor with exit 3; a wrong event, too"""
    daemon = serve()
    process = Monitor(daemon)
    daemon.stop()
    code, errors = process.end()
    equal(code, EXIT_UNREACHABLE, "exit code")
    check("closed the connection" in errors, errors)
    daemon = serve()
    process = Monitor(daemon)
    daemon.monitors[0].sendall(b"nonsense\n")
    code, errors = process.end()
    equal(code, EXIT_UNREACHABLE, "exit code")
    ctl(serve(monitor_start=Refusal(-32601, "no such method")), "monitor", code=EXIT_REFUSED)


@test
def metrics():
    """OpenMetrics of all pages"""
    rules = [{**fake_daemon.RULES[0], "name": f"r{i}"} for i in range(600)]
    daemon = serve(stats_show=lambda params: page(params, "rules", rules, uptime_seconds=65,
                                                  totals=fake_daemon.TOTALS, interfaces=[],
                                                  workers=[]))
    text = ctl(daemon, "metrics").stdout
    check(text.endswith("# EOF\n"), text[-100:])
    check(all(f'"r{i}"' in text for i in range(600)), "a rule is missing")
    check("xmcast_build_info" in text, "no version")
    ctl(serve(version=HANG_UP), "metrics", code=EXIT_UNREACHABLE)


# ---- completion ------------------------------------------------------------------------------

def complete(daemon, *words):
    """Candidates for the last word."""
    return ctl(daemon, "complete", *(("--socket", daemon.path) if daemon else ()),
               *words).stdout.split("\n")[:-1]


@test
def completion_candidates():
    """Every object, verb and option; live names of rules and interfaces; without a daemon none"""
    daemon = serve()
    listed = verbs()
    equal(complete(None, ""), list(listed), "objects")
    for thing, names in listed.items():
        if names:
            equal(complete(None, thing, ""), names + ["help"], thing)
    options = re.findall(r"--([a-z]+)", ctl(None, "-h").stdout.split("objects and verbs")[0])
    equal(set(complete(None, "-")) - {"--color=always", "--color=auto", "--color=never"},
          {"--" + option for option in options}, "options")
    names = [rule["name"] for rule in fake_daemon.RULES]
    for verb in ("show", "del", "enable", "disable", "list"):
        equal(complete(daemon, "rule", verb, ""), names, verb)
    equal(complete(daemon, "-j", "rule", "del", "cam1", "s"), ["spare4"], "second name")
    equal(complete(daemon, "rule", "show", "cam1", ""), [], "no second name")
    equal(complete(daemon, "iface", "show", ""), ["in0", "in1"], "interfaces")
    equal(complete(daemon, "rule", "add", "x", "in", "239.1.1.1:5000@"),
          ["239.1.1.1:5000@in0", "239.1.1.1:5000@in1"], "interfaces in a rule")
    equal(complete(daemon, "rule", "add", "x", "i"), ["in"], "words of a rule")
    equal(complete(daemon, "log", "set", "a"), ["all"], "facilities")
    equal(complete(daemon, "log", "set", "all", ""), ["error", "warning", "info", "debug"],
          "levels")
    equal(complete(daemon, "config", "check", ""), ["<file>"], "files")
    equal(complete(None, "--batch", ""), ["<file>"], "files of -batch")
    equal(complete(daemon, "nonsense", ""), [], "nonsense")
    equal(complete(serve(rule_list=HANG_UP), "rule", "del", ""), [], "hang-up")
    done = run(program("xmcastctl"), "complete", "--socket", "/nonexistent", "rule", "del", "",
               check=False, timeout=5)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "away")


@test
def completion_in_bash():
    """The completion script in a real bash: words, names with colons, files"""
    daemon = serve(rule_list=lambda params: page(params, "rules", [
        {"name": name} for name in ("cam1", "239.1.1.1:5000@in0", "10.0.0.1>239.1.1.1:1@x")]))
    script = os.path.join(ROOT, "packaging/completion/xmcastctl.bash")
    for words, expected in ((("r",), ["rule"]), (("rule", "d"), ["del", "disable"]),
                            (("rule", "del", "c"), ["cam1"]),
                            (("rule", "del", "2"), ["239.1.1.1:5000@in0"]),
                            (("rule", "del", "1"), ["10.0.0.1\\>239.1.1.1:1@x"]),
                            (("rule", "del", "239.1.1.1", ":", "50"), ["5000@in0"]),
                            (("rule", "del", "239.1.1.1", ":", "5000", "@"), ["@in0"]),
                            (("rule", "del", "cam1", "2"), ["239.1.1.1:5000@in0"]),
                            (("rule", "del", "'10.0.0.1\\>239.1.1.1'", ":"), ["1@x"]),
                            (("--color", "=", "ne"), ["never"])):
        line = " ".join((program("xmcastctl"), *words)).replace("'", "")
        for mark in ":=@":
            line = line.replace(f" {mark} ", mark).replace(f" {mark}", mark)
        done = run("bash", "--norc", "-c", f"""
            source {script}
            COMP_WORDS=({program('xmcastctl')} {' '.join(words)}) COMP_CWORD={len(words)}
            COMP_LINE='{line}' COMP_POINT={len(line)}
            _xmcastctl
            printf '%s\\n' "${{COMPREPLY[@]}}" """,
                   env={**environment(), "XMCAST_SOCKET": daemon.path})
        equal(done.stdout.split(), expected, line)
        equal(done.stderr, "", "stderr")


# ---- the real one ----------------------------------------------------------------------------

@test
def real_daemon():
    """Against xmcastd itself: every command is understood; 1,200 rules in a batch are read back"""
    daemon = Daemon(Star().relay, config="rules:\n  - cam1 in 239.1.1.1:5000@in0 out 10.2.0.2:1\n"
                                         "  - spare4 in 239.1.1.4:5000@in0 out 10.2.0.2:4\n")
    for words in ("rule add cam2 in 239.1.1.2:5000@in0 out 10.2.0.2:2", *COMMANDS, "metrics",
                  "top -b -n 1"):
        if words in ("rule del cam1 cam2", "rule replace cam1 in 239.1.1.1:5000@in0 out "
                     "10.2.0.3:7009"):
            continue
        daemon.ctl(*words.split())
    daemon.ctl("rule", "del", "cam1", "cam2", "cam9")
    names = [f"r{i}" for i in range(1200)]
    batch_file = write_file("real", "".join(
        f"rule add {name} in 239.7.{i >> 8}.{i & 255}:5000@in0 out 10.2.0.2:{i + 1}\n"
        for i, name in enumerate(names)))
    changed = json.loads(daemon.ctl("-j", "-batch", batch_file).stdout)
    equal((changed["added"], changed["removed"]), (1200, 0), "changed")
    equal([rule["name"] for rule in json.loads(daemon.ctl("-j", "rule").stdout)["rules"]],
          ["spare4", *names], "rules")
    done = daemon.ctl("-batch", batch_file, check=False)
    equal(done.returncode, EXIT_REFUSED, "the same again")
    check(f"{batch_file}:1:10: 'r0': duplicate" in done.stderr, done.stderr[:500])
    saved = os.path.join(work_folder(), "real.yaml")
    daemon.ctl("config", "save", saved)
    equal(ctl(None, "config", "check", saved).stdout, "valid, 1201 rules\n", "what was saved")


main()
