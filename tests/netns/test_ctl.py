#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""xmcastctl against a daemon that says what the test wants: what it prints for every command, its
grammar, its exit codes, and how it looks on a terminal.

The expected outputs are in tests/netns/golden/, one file a command. With XMCAST_GOLDEN=write they
are written instead of compared: look at the difference before it is committed."""

import json
import os
import pty
import re
import select
import subprocess

import wire
from ctl_program import COMMANDS, PATIENCE, ctl, environment, many, serve, verbs
from fake_daemon import page
from harness import (EXIT_DONE, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE, ROOT, check, equal, main, program, run,
                     test)

GOLDEN = os.path.join(ROOT, "tests", "netns", "golden")


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


def explained_frame(source, group):
    """A packet of two bytes with the tag 3, made without xmcastctl, in hexadecimal."""
    packet = wire.ip(source, group, wire.UDP, wire.udp(source, group, (7, 5), bytes(2)), ttl=64, ident=0, fragment=0,
                     label=0)
    frame = wire.frame(packet, wire.mac_of_group(group), "02:00:00:00:00:01")
    return (frame[:12] + b"\x81\x00\x00\x03" + frame[12:]).hex()


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
            ("explain 10.9.9.9:7 to 239.1.1.1:5@x len 2 vlan 3", "explain.packet",
             {"interface": "x", "frame": explained_frame("10.9.9.9", "239.1.1.1")}),
            ("explain [2001:db8::9]:7 > [ff3e::1]:5@x vlan 3 len 2", "explain.packet",
             {"interface": "x", "frame": explained_frame("2001:db8::9", "ff3e::1")}),
            ("log set all error", "log.set", {"facility": "all", "level": "error"}),
            ("stats reset", "stats.reset_peaks", {}),
            ("config rel", "config.reload", {}),
            ("config save", "config.save", {})):
        daemon.requests.clear()
        run(program("xmcastctl"), "--socket", daemon.path, *words.split(), check=False)
        equal(daemon.requests, [(method, params)], words)


@test
def patterns():
    """A pattern stands for the rules of that name, in every verb that takes rules; without one, nothing is asked"""
    daemon = serve()
    names = [rule["name"] for rule in json.loads(ctl(daemon, "-j", "rule", "list", "cam?").stdout)["rules"]]
    check(len(names) > 1, names)
    for verb in ("del", "enable", "disable"):
        daemon.requests.clear()
        ctl(daemon, "rule", verb, "spare4", "cam?")
        equal(daemon.requests[-1], (f"rule.{verb}", {"names": ["spare4", *names]}), verb)
    daemon.requests.clear()
    ctl(daemon, "rule", "show", "cam?")
    equal([params["name"] for method, params in daemon.requests if method == "rule.show"], names, "show")
    daemon.requests.clear()
    done = ctl(daemon, "rule", "del", "cam1", "x*", code=EXIT_REFUSED)
    check('no rule matches "x*"' in done.stderr, done.stderr)
    equal([method for method, _ in daemon.requests], ["rule.list"], "requests")


@test
def rules_edited():
    """rule set and rule rename: the text that the daemon is asked to put in the place of the old one"""
    rule = ("r in 239.1.1.1:5000@in0 path user out 239.2.2.2:6000@out0 ttl 8 dscp ef out 10.0.0.1 from keep")
    daemon = serve(rule_show={"name": "r", "rule": rule})
    for words, text in (
            ("ttl 9", "r in 239.1.1.1:5000@in0 path user out 239.2.2.2:6000@out0 dscp ef ttl 9 out 10.0.0.1 from keep "
             "ttl 9"),
            ("out 10.0.0.1 ttl keep from default",
             "r in 239.1.1.1:5000@in0 path user out 239.2.2.2:6000@out0 ttl 8 dscp ef out 10.0.0.1 ttl keep"),
            ("path default may_loop yes",
             "r in 239.1.1.1:5000@in0 may_loop out 239.2.2.2:6000@out0 ttl 8 dscp ef out 10.0.0.1 from keep"),
            ("may_loop no", rule)):
        daemon.requests.clear()
        ctl(daemon, "rule", "set", "r", *words.split())
        equal(daemon.requests[-1], ("rule.replace", {"rules": [text]}), words)
    daemon.requests.clear()
    for words in (("set", "r", "out", "10.0.0.2", "ttl", "9"), ("set", "r", "tll", "9"), ("set", "r", "ttl", "9", "dscp"),
                  ("set", "r", "ttl", "9 out 10.0.0.9"), ("set", "r", "ttl", "out"), ("rename", "r", "a b"),
                  ("rename", "r", "in"), ("rename", "r", "")):
        ctl(daemon, "rule", *words, code=EXIT_USAGE)
    check(all(method == "rule.show" for method, _ in daemon.requests), daemon.requests)
    ctl(daemon, "rule", "rename", "r", "new")
    equal(daemon.requests[-1], ("rule.change", {"operations": [
        {"do": "del", "name": "r"}, {"do": "add", "rule": "new" + rule[1:]}]}), "rename")


@test
def prefixes():
    """Objects and verbs may be shortened; without a verb it is the first"""
    daemon = serve()
    for short, full in (("r", "rule list"), ("rule", "rule list"), ("r l", "rule list"),
                        ("rule ls", "rule list"), ("st", "stats show"), ("if", "iface list"),
                        ("rule -s list", "-s rule list"), ("rule list -br", "-br rule list"),
                        ("config -j diff --exit-code", "-j config diff"),
                        ("w", "worker list"), ("g show", "group list"), ("lo", "log show"),
                        ("co", "config show"), ("co d", "config diff"), ("p", "ping"),
                        ("v", "version")):
        code = EXIT_REFUSED if "--exit-code" in short else EXIT_DONE
        equal(ctl(daemon, *short.split(), code=code).stdout, ctl(daemon, *full.split()).stdout, short)


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
    for words in (("-c=sometimes", "rule"), ("--json=1", "rule"), ("--socket",), ("-x", "rule"), ("-I",),
                  ("--jsonx", "rule"), ("-jx", "rule"), ("-",)):
        ctl(None, *words, code=EXIT_USAGE)


@test
def instances():
    """-I NAME: the socket of the unit xmcastd@NAME, also of the exporter; completion knows those that run"""
    daemon = serve()
    script = ('mount -t tmpfs none /run && mkdir /run/xmcast-wan /run/xmcast-lan-2 && '
              f'for name in wan lan-2; do ln -s {daemon.path} /run/xmcast-$name/xmcast.sock; done && exec "$@"')

    def client(*words):
        done = run("unshare", "--mount", "sh", "-c", script, "sh", program("xmcastctl"), *words, check=False)
        return done.returncode, done.stdout or done.stderr
    expected = (0, ctl(daemon, "-j", "ping").stdout)
    for words in (("-I", "wan"), ("-Iwan",), ("--instance=lan-2",), ("--socket", "/nonexistent", "-I", "wan")):
        equal(client(*words, "-j", "ping"), expected, words)
    code, text = client("-I", "dmz", "ping")
    equal((code, "/run/xmcast-dmz/xmcast.sock" in text), (EXIT_UNREACHABLE, True), text)
    equal(client("complete", "-I", ""), (0, "lan-2\nwan\n"), "completion")
    equal(client("complete", "-I", "w"), (0, "wan\n"), "completion")
    equal(client("complete", "-I", "wan", "rule", "del", "cam"), (0, ctl(daemon, "complete", "--socket", daemon.path,
                                                                      "rule", "del", "cam").stdout), "completion")
    for name in ("../xmcast", "", "a b", "x" * 100):
        code, text = client("-I", name, "ping")
        equal((code, "not the NAME of a unit" in text), (EXIT_USAGE, True), text)
    done = run(program("xmcast-exporter"), "-I", "../xmcast", check=False)
    equal((done.returncode, "NAME of a unit" in done.stderr), (EXIT_USAGE, True), done.stderr)


@test
def usage_errors():
    """Wrong words: exit 1, the usage line on stderr, and nothing asked of the daemon"""
    daemon = serve()
    for words, said in (
            ("", "usage: xmcastctl"), ("nonsense", "unknown object \"nonsense\""),
            ("reload", "unknown object \"reload\", did you mean `config reload`?"),
            ("del cam1", "did you mean `rule del`?"), ("status", "did you mean `rule list`, `ping` or `config status`?"),
            ("list", "did you mean `rule list` or `stats show` or"), ("ruel", "did you mean rule?"),
            ("rule lst", "unknown verb \"lst\" of rule, did you mean list?"),
            ("rule stop x", "unknown verb \"stop\" of rule, did you mean disable?"),
            ("config load x", "did you mean apply?"), ("config abort", "did you mean rollback?"),
            ("lease set tv 10m", "unexpected argument \"10m\", expected `for`"),
            ("lease set tv for", "no duration after `for`"),
            ("capture cam1 in or out", "\"or\": expected `and`: a packet must match all conditions"),
            ("capture cam1 -z", "unknown option \"-z\"\nusage: xmcastctl [OPTIONS] capture NAME|IFACE"),
            ("config apply --confirm=5x x", "--confirm: \"5x\": expected a time from 1s to 24h"),
            ("import smcroute x -o y", "\"-o\" behind the file, expected it before"),
            ("rule nonsense", "unknown verb \"nonsense\""), ("rule d x", "del disable"),
            ("rule re", "replace rename"), ("config s", "show status save"), ("m", "metrics monitor"),
            ("rule show", "usage: xmcastctl [OPTIONS] rule show NAME"),
            ("rule add", "usage: xmcastctl [OPTIONS] rule add RULE\n        [NAME] in"),
            ("rule del", "rule del NAME"), ("rule list a b", "rule list [PATTERN]"),
            ("rule -z list", "unknown or ambiguous option \"-z\""), ("-rule", "did you mean `rule`?"),
            ("rule set a ttl", "too few arguments"), ("rule rename a", "too few arguments"),
            ("config diff x", "config diff [--exit-code]"),
            ("config check", "config check [--live] FILE"), ("config show x", "usage"),
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
    own = {("config", "check"), ("config", "apply"), ("iface", "detach"), ("monitor",), ("top",), ("help",), ("metrics",), ("explain",),
           ("capture",), ("check",), ("lease", "list"), ("lease", "set"), ("lease", "release")}
    own |= {("cluster", verb) for verb in verbs()["cluster"]}  # test_cluster
    own |= {("import", peer) for peer in verbs()["import"]}  # test_import
    known = {tuple(words.split()[:2]) for words in COMMANDS}
    for thing, names in verbs().items():
        for words in [(thing, name) for name in names] or [(thing,)]:
            check(words in known or words in own, f"no test of {' '.join(words)}")

# ---- on a terminal ----------------------------------------------------------------------------

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


# Cells of the columns that are never cut, and their headings.
WHOLE = ("REASON", "VERDICTS", "DROPS", "interface gone0", "interface in1 does not exist", "no_rule", "EAGAIN", "steered ",
         "cannot transmit")


@test
def tables_fit():
    """On a terminal no line is wider than it is; COLUMNS counts; elsewhere nothing is cut"""
    daemon = serve()
    reasons = {"-s rule": ["output interface gone0 does not exist"], "worker list": ["no_rule 1"],
               "stats": ["output interface gone0 does not exist", "interface in1 does not exist"]}
    for words in ("rule", "-s rule", "stats", "-s stats", "worker list", "rule show cam1", "group"):
        for columns in (200, 80, 40, 10, 1):
            text = on_terminal(daemon, "-c=never", *words.split(), columns=columns)
            lines = [line for line in text.split("\n") if "  " in line.strip()]
            # A reason is never cut: it goes on behind the edge.
            lines = [line for line in lines if not any(reason in line for reason in WHOLE)]
            if "rule show" not in words:
                check(all(len(line) <= columns for line in lines), f"{words}, {columns}:\n{text}")
            if columns >= 40:
                check(all(reason in text for reason in reasons.get(words, ())), f"{words}, {columns}:\n{text}")
    wide = on_terminal(daemon, "-c=never", "-s", "rule", columns=80,
                       env=environment(COLUMNS="300"))
    check("~" not in wide and max(map(len, wide.split("\n"))) > 100, wide)
    check("~" in on_terminal(daemon, "-c=never", "-s", "rule", columns=20), "nothing was cut")
    piped = run(program("xmcastctl"), "--socket", daemon.path, "stats", env=environment(COLUMNS="80")).stdout
    equal(piped, on_terminal(daemon, "-c=never", "stats", columns=80), "in a pipe whose COLUMNS is 80, as watch(1) has it")


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
def characters_of_the_locale():
    """In a UTF-8 locale printable characters are shown, in columns as wide as they are; others not"""
    names = ("caf\u00e9", "\u6771\u4eac", "e\u0301", "\u202ex", "\u200bx", "plain")
    rules = [{**rule, "name": name} for rule, name in zip(many(len(names)), names)]
    daemon = serve(rule_list=lambda params: page(params, "rules", rules))
    utf8 = environment(LC_ALL="C.UTF-8")
    text = on_terminal(daemon, "-c=never", "rule", env=utf8)
    lines = text.splitlines()[1:]
    shown = ("caf\u00e9", "\u6771\u4eac", "e\\xcc\\x81", "\\xe2\\x80\\xaex", "\\xe2\\x80\\x8bx",
             "plain")
    equal([line.split()[0] for line in lines], list(shown), "names")
    # The second column begins at the same column everywhere; each of two characters is two wide.
    equal({line.index("239.") + 2 * (name == "\u6771\u4eac") for line, name in zip(lines, names)},
          {15}, f"second column:\n{text}")
    narrow = on_terminal(daemon, "-c=never", "-br", "rule", columns=30, env=utf8)
    check("\\xe2\\x80\\xa~" in narrow and "caf\u00e9 " in narrow, narrow)


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


main()
