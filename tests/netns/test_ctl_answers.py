#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What xmcastctl makes of the answers of a daemon: refusals, pages, parts, and
those that are none."""

import json
import os
import re

import fake_daemon
from ctl_program import COMMANDS, ctl, environment, many, serve
from fake_daemon import HANG_UP, Refusal, answers, counters, listed, output, page
from harness import (EXIT_DONE, EXIT_REFUSED, EXIT_UNREACHABLE, check, equal, main, program, run,
                     test, work_directory, write_file)


@test
def refusals():
    """A refusal: exit 2, every error with its place on stderr, with -j as JSON, nothing on stdout"""
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
        if option:
            equal(json.loads(done.stderr)["error"]["data"]["errors"], errors, "errors")
        else:
            equal(done.stderr, "rules:1:4: 'x': not an address\nf.yaml:7: no column\n"
                  "f.yaml: no line\nxmcastctl: refused: the rules are not valid\n", "stderr")
        for words in ("rule del x", "rule enable x", "rule show nobody", "iface show nobody"):
            equal(ctl(daemon, *option, *words.split(), code=EXIT_REFUSED).stdout, "", words)
    done = ctl(daemon, "config", "reload", code=EXIT_REFUSED)
    check("\\x1b[31mred" in done.stderr and "\033" not in done.stderr, repr(done.stderr))


@test
def daemon_away():
    """No daemon: exit 3, and the path of the socket; for every command that needs one"""
    path = os.path.join(work_directory(), "nobody.sock")
    for words in (*COMMANDS, "monitor", "top -b"):
        done = run(program("xmcastctl"), "--socket", path, "-j" if words != "top -b" else "-s",
                   *words.split(), check=False)
        equal((done.returncode, done.stdout), (EXIT_UNREACHABLE, ""), words)
        check(path in done.stderr, done.stderr)
        if words != "top -b":
            check(path in json.loads(done.stderr)["error"]["message"], done.stderr)
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
                           check=False, env=environment())
                check(done.returncode in (0, 2, 3),
                      f"{words}: exit {done.returncode} with {bad}\n{done.stderr}")
                check("\033" not in done.stdout + done.stderr and done.stdout.isascii() or
                      method == "config.show", f"{words}: not escaped: {done.stdout!r}")
    del serve.daemon


# ---- pages -----------------------------------------------------------------------------------

@test
def outputs_that_nothing_can_leave_by():
    """rule show and stats show tell why of each output, beside what it has lost"""
    rule = counters("cam1", [{**output("239.2.2.1:6000@out0", 3, {"ENETUNREACH": 2}),
                              "reason": "its interface is down"},
                             {**output("239.2.2.1:6000@out1", 0), "reason": "x" * 300},
                             output("10.2.0.3:7000", 5)], flow="flowing")
    daemon = serve(rule_show={**rule, **listed(rule), "outputs": rule["outputs"]},
                   stats_show=lambda params: page(params, "rules", [rule], totals={},
                                                  interfaces=[], workers=[]))
    for words in ("rule show cam1", "-s rule show cam1", "stats show", "-s stats show"):
        told = re.findall(r"^.*(239.2.2.1:6000@out0|10.2.0.3:7000) .*?  (\S+( \S+)*)$",
                          ctl(daemon, *words.split()).stdout, re.M)
        equal([found[1] for found in told], ["its interface is down, ENETUNREACH 2", "-"], words)


@test
def interface_where_nothing_comes():
    """iface list and show tell why of an interface that is impaired, beside its verdicts"""
    interface = {**fake_daemon.INTERFACE, "state": "impaired", "reason": "in0 is down: set it up"}
    daemon = serve(iface_list={"interfaces": [interface]}, iface_show=interface)
    for words in ("iface list", "iface show in0"):
        check("  in0 is down: set it up, steered 99092, forwarded 500, not_udp 2, ip_options 3\n"
              in ctl(daemon, *words.split()).stdout, words)


@test
def detach_under_a_daemon():
    """iface detach is refused if a daemon has rules for the interface, by whatever name of it"""
    for name, ifindex in (("lo", None), ("wan0", 1)):
        daemon = serve(iface_list={"interfaces": [{**fake_daemon.INTERFACE, "name": name,
                                                   "ifindex": ifindex}]})
        done = ctl(daemon, "iface", "detach", "lo", code=EXIT_REFUSED)
        check(f"xmcastd has rules for {name}: stop it" in done.stderr, done.stderr)
    daemon = serve(iface_list={"interfaces": [{**fake_daemon.INTERFACE, "ifindex": None}]})
    ctl(daemon, "iface", "detach", "nobody0", "/sys/fs/bpf/xmcast/nobody0")


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
def another_node_answers():
    """cluster move and drain: what is asked of another node has its answer, however late"""
    left = []

    def asked(params):
        equal(params, {"id": 7}, "the request")
        if left:
            left.pop()
            return {"state": "waiting", "reason": None}
        return {"state": "lost", "reason": "silence"} if lost else {"state": "accepted", "reason": None}

    daemon = serve(cluster_move={"asked": 7}, cluster_drain={"asked": 7}, cluster_asked=asked)
    for words in (("move", "tv/3", "b"), ("drain", "b"), ("undrain", "b")):
        for lost in (False, True):
            # As with two requests before it: more than 3 s.
            left = [True] * (160 if words[0] == "drain" and lost else 2)
            done = ctl(daemon, "cluster", *words, code=EXIT_REFUSED if lost else EXIT_DONE)
            equal((len(left), "lost: silence" in done.stderr), (0, lost), words)


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
    os.chmod(work_directory(), 0o755)
    for prefix in ((), nobody):
        copy = os.path.join(work_directory(), "xmcastctl")
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
    path = os.path.join(work_directory(), "saved.yaml")
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
    os.symlink(path, path + ".link")
    done = ctl(daemon, "config", "save", path + ".link", code=EXIT_REFUSED)
    check("a symbolic link" in done.stderr, done.stderr)
    os.unlink(path + ".link")
    parts = os.path.join(work_directory(), "saved.d")
    os.mkdir(parts)
    ctl(daemon, "config", "save", path)
    with open(f"{parts}/a.yaml", "w", encoding="ascii") as file:
        file.write("rules: []\n")
    done = ctl(daemon, "config", "save", path, code=EXIT_REFUSED)
    check("would then be in two files" in done.stderr, done.stderr)
    os.unlink(f"{parts}/a.yaml")
    daemon = serve(config_show=Refusal(-32002, "no"))
    ctl(daemon, "config", "save", path, code=EXIT_REFUSED)
    equal([name for name in os.listdir(work_directory()) if name.startswith("saved.yaml")],
          ["saved.yaml"], "files")


main()
