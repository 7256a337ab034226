#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The status page of xmcast-exporter: what is served to whom, and the page itself in a headless Chromium
against a live relay."""

import base64
import contextlib
import json
import os
import ssl
import warnings

from browser import Browser
from control import Client
from harness import (EXIT_REFUSED, ROOT, Daemon, Exporter, Namespace, Star, check, diagnose, equal, generate,
                     main, program, receiver, rule_of, run, test, wait_until, work_directory, write_file)
from web import PORT, ask, connect, get_json

RULES = ("cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0 out 10.2.0.2:7000 pps 10",
         "cam2 in 239.1.1.2:5000@in0 out 239.2.2.3:6000@out0",
         "off in 239.1.1.3:5000@in0 disabled out 239.2.2.4:6000@out0")
URL = f"http://127.0.0.1:{PORT}/"
ROWS = "#list > tr:not(.detail)"


def started(namespace, *rules, **options):
    """A daemon and its exporter, in the same namespace."""
    daemon = Daemon(namespace, *rules, **options)
    return daemon, Exporter(namespace, daemon.socket)


# ---- what is served --------------------------------------------------------------------------

@test
def endpoints():
    """Page, counters, events, health; each with headers that forbid other sites to use it"""
    star = Star()
    daemon, _ = started(star.relay, *RULES)
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css"),
                       ("/api/stats", "application/json"), ("/api/events", "application/json"),
                       ("/api/cluster", "application/json"),
                       ("/metrics", "text/plain"), ("/-/healthy", "text/plain"), ("/-/ready", "text/plain"),
                       ("/nothing", "text/plain")):
        status, headers, body = ask(star.relay, path)
        equal((status, headers["Content-Type"].split(";")[0]), (404 if path == "/nothing" else 200, kind), path)
        check("default-src 'none'" in headers["Content-Security-Policy"] and
              "unsafe" not in headers["Content-Security-Policy"], f"policy of {path}")
        equal([headers[name] for name in ("X-Content-Type-Options", "Cross-Origin-Resource-Policy",
                                          "Cache-Control", "Access-Control-Allow-Origin")],
              ["nosniff", "same-origin", "no-store", None], f"headers of {path}")
        equal(int(headers["Content-Length"]), len(body.encode()), f"length of {path}")
    generate(star.source, "s0", "--rate", "10000", "--count", "1000")
    daemon.settle(steered=1000)

    def same():
        seen, told = get_json(star.relay, "/api/stats"), daemon.stats()
        for stats in (seen, told):
            stats.pop("uptime_seconds")
            stats["rules"] = [{key: value for key, value in rule.items() if "rate" not in key and
                               key not in ("last_packet_seconds", "flow", "outputs")} for rule in stats["rules"]]
            stats["workers"] = [worker["received_packets"] for worker in stats["workers"]]
            stats.pop("events")
        return json.dumps(seen, sort_keys=True) == json.dumps(told, sort_keys=True)

    wait_until(same, "/api/stats is what `stats show -j` gives")
    for path in ("/api/events?after=x", "/api/events?after=-1", "/api/events?after=", "/api/events?after=" + "9" * 19):
        equal(ask(star.relay, path)[0], 400, path)


@test
def events():
    """Events by number: those after one, also after a restart of the daemon; never more than are kept"""
    star = Star()
    daemon, _ = started(star.relay, *RULES)

    def change(times):
        control = Client(daemon.socket)
        for _ in range(times):
            control.call("rule.add", rules=["aa in 239.200.1.1:5000@none0 disabled out 10.9.0.1:6000"])
            control.call("rule.del", names=["aa"])

    get_json(star.relay, "/api/events")  # from here on it listens
    change(2)
    seen = wait_until(lambda: (answer := get_json(star.relay, "/api/events"))["last"] >= 4 and answer, "4 events")
    equal([event["id"] for event in seen["events"]], list(range(1, seen["last"] + 1)), "ids")
    check(all(event["event"] == "rules-changed" and event["time"] for event in seen["events"]), seen)
    equal(get_json(star.relay, f"/api/events?after={seen['last']}")["events"], [], "nothing new")
    equal([event["id"] for event in get_json(star.relay, f"/api/events?after={seen['last'] - 1}")["events"]],
          [seen["last"]], "the newest")
    change(150)
    full = wait_until(lambda: (answer := get_json(star.relay, "/api/events"))["last"] >= 260 and answer, "260")
    equal(len(full["events"]), 256, "events kept")
    equal(full["events"][-1]["id"], full["last"], "the newest")
    daemon.kill()
    Daemon.count -= 1  # the next one has the same socket
    daemon = Daemon(star.relay, *RULES)
    # It connects to the next one as soon as it is asked something.
    wait_until(lambda: change(1) or get_json(star.relay, f"/api/events?after={full['last']}")["events"],
               "events again")
    equal(get_json(star.relay, "/api/events")["since"], full["since"], "the same exporter")


@test
def health():
    """/-/healthy as long as it runs; /-/ready as long as the daemon relays, otherwise 503 and the reason"""
    star = Star()
    path = os.path.join(work_directory(), f"{Daemon.count + 1}.sock")
    Exporter(star.relay, path)
    for url in ("/-/ready", "/api/stats"):
        status, headers, body = ask(star.relay, url)
        equal((status, headers["Content-Type"]), (503, "text/plain; charset=utf-8"), url)
        check(path in body and "No such file" in body, body)
    equal(ask(star.relay, "/-/healthy")[0], 200, "healthy without a daemon")
    equal(get_json(star.relay, "/api/events")["events"], [], "no events")
    daemon = Daemon(star.relay, *RULES)
    equal(daemon.socket, path, "socket")
    wait_until(lambda: ask(star.relay, "/-/ready")[0] == 200, "ready")
    daemon.stop()
    wait_until(lambda: ask(star.relay, "/-/ready")[0] == 503, "not ready")


@test
def rebinding():
    """A request that names another host than this one is refused: a page of that name must not read it"""
    star = Star()
    started(star.relay, RULES[0])
    for host in ("localhost", "LOCALHOST:9710", "127.0.0.1", "127.0.0.1:80", "[::1]:9710", "127.3.2.1"):
        equal(ask(star.relay, "/api/stats", headers={"Host": host})[0], 200, host)
    for host in ("evil.example", "evil.example:9710", "127.0.0.1.evil.example", "localhost.evil.example", "10.1.0.2",
                 "[::2]", "[::1", "::1", "127.0.0.1:80:80", "127.0.0.1:x", "127.0.0.1@evil.example", "localhost.",
                 "0.0.0.0", "a" * 300, "[" + "1" * 300 + "]"):
        for path in ("/", "/api/stats", "/metrics", "/-/healthy"):
            status, _, body = ask(star.relay, path, headers={"Host": host})
            check(status == 421 and "localhost" in body, f"{host} {path}: {status} {body}")


# ---- for other hosts -------------------------------------------------------------------------

TLS = os.path.join(ROOT, "tests", "netns", "tls")
PASSWORD, TOKEN = "correct horse battery", "0123456789abcdef0123456789abcdef"
SECRET = PASSWORD.replace(" ", "-")


def secure_files(credentials=f"# who may ask\nuser anna {SECRET}\n\ntoken {TOKEN} # Prometheus\n"):
    """Options that make it serve TLS and ask for these credentials. The files belong to the exporter's user."""
    directory = os.path.join(work_directory(), "tls")
    os.makedirs(directory, exist_ok=True)
    options = []
    for option, name, mode in (("--tls-cert", "cert.pem", 0o644), ("--tls-key", "key.pem", 0o600),
                               ("--credentials", "credentials", 0o600)):
        path = os.path.join(directory, name)
        if name == "credentials":
            text = credentials
        else:
            with open(os.path.join(TLS, name), encoding="ascii") as file:
                text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        os.chown(path, 65534, 0)
        options += [option, path]
    os.chown(directory, 65534, 0)
    return options


def trusting():
    """TLS that accepts the test's certificate and no other."""
    context = ssl.create_default_context(cafile=os.path.join(TLS, "cert.pem"))
    return lambda sock: context.wrap_socket(sock, server_hostname="10.1.0.2")


def basic(user, password):
    """A header Authorization."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@test
def other_hosts():
    """Elsewhere than on the loopback: over TLS, for users and tokens of the file, and for nobody else"""
    star = Star()
    daemon = Daemon(star.relay, *RULES)
    exporter = Exporter(star.relay, daemon.socket, "--listen", f"10.1.0.2:{PORT}", *secure_files())

    def from_source(path, authorization=None):
        headers = {"Authorization": authorization} if authorization else {}
        return ask(star.source, path, headers=headers, wrap=trusting(), address="10.1.0.2")

    for good in (basic("anna", SECRET), f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        for path in ("/", "/metrics", "/api/stats", "/api/events", "/-/ready", "/-/healthy"):
            equal(from_source(path, good)[0], 200, f"{path} with {good[:6]}")
    for bad in (None, "", "Basic", "Basic ", "Basic !", basic("anna", SECRET + "x"), basic("anna", SECRET[:-1]),
                basic("bob", SECRET), basic("anna", ""), basic("", TOKEN), f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}0",
                f"Bearer  {TOKEN}", "Bearer " + basic("anna", SECRET)[6:], f"Basic {TOKEN}", f"Digest {TOKEN}",
                "Bearer " + "A" * 600, TOKEN):
        for path in ("/", "/metrics", "/-/healthy", "/page.js") if bad is None else ("/metrics",):
            status, headers, body = from_source(path, bad)
            equal((status, headers["WWW-Authenticate"]), (401, 'Basic realm="xmcast", charset="UTF-8"'),
                  f"{path} with {bad}: {body}")
    exporter.process.wait_line("client-refused")
    _only_tls(star)
    with open(f"/proc/{exporter.process.pid}/status", encoding="ascii") as file:
        check("Seccomp:\t2" in file.read(), "it has a seccomp filter")
    with open(f"/proc/{exporter.process.pid}/maps", encoding="utf-8", errors="replace") as file:
        check("libgnutls" in file.read(), "the library")
    check("EPERM" not in exporter.process.log(), exporter.process.log())


def _only_tls(star):
    """Plain HTTP and old versions of TLS get nothing, and those that say nothing keep nobody out."""
    sock = connect(star.source, address="10.1.0.2")
    sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    with contextlib.suppress(ConnectionResetError):
        check(b"xmcast" not in sock.recv(4096), "an answer without TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these versions are old: that is why they are tried
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with contextlib.suppress(ssl.SSLError, ConnectionResetError):
        context.wrap_socket(connect(star.source, address="10.1.0.2"))
        check(False, "TLS 1.1 is accepted")
    silent = [connect(star.source, address="10.1.0.2") for _ in range(80)]
    equal(ask(star.source, "/-/healthy", headers={"Authorization": f"Bearer {TOKEN}"}, wrap=trusting(),
              address="10.1.0.2")[0], 200, "beside silent clients")
    equal(silent[0].recv(1), b"", "the oldest silent client is closed")
    for sock in silent:
        sock.close()


@test
def files_refused():
    """Files that cannot be used: exit code 2, and the log says which and why"""
    namespace = Namespace("relay")

    def refused(pattern, *options):
        exporter = Exporter(namespace, "/nonexistent", *options, ready=False)
        equal(exporter.process.wait(), EXIT_REFUSED, f"exit code: {exporter.process.log()}")
        check(exporter.process.find_line(pattern), f"{pattern}: {exporter.process.log()}")

    good = secure_files()
    for text, pattern in (("", "at least one"), ("user anna\n", 'line 1: expected ..?"user NAME PASSWORD'),
                          ("token short\n", "line 1: .*at least 16 characters"),
                          (f"token {TOKEN}\nbad\n", "line 2"), (f"user a:b {TOKEN}\n", "colon"),
                          (f"token {'x' * 129}\n", "at most 128"), (f"token {TOKEN}\n" * 65, "at most 64")):
        refused(f"file-refused.*credentials.*{pattern}", *secure_files(text))
    good = secure_files()
    os.chmod(good[5], 0o604)
    refused("file-refused.*credentials.*everybody may read it", *good)
    os.chmod(good[5], 0o602)
    refused("file-refused.*credentials", *good)
    good = secure_files()
    refused("file-refused.*none.pem.*No such file", "--tls-cert", "/nonexistent/none.pem", *good[2:])
    write_file("tls/key.pem", "no key\n")
    refused("file-refused.*cert.pem", *good)
    done = run(program("xmcast-exporter"), "--listen", "0.0.0.0:9710", *good[:4], check=False)
    check(done.returncode == 1 and "--credentials" in done.stderr, done.stderr)


# ---- the page --------------------------------------------------------------------------------

def cells(browser, name):
    """What the page shows of a rule, by column."""
    texts = browser.evaluate(f"[...document.querySelectorAll('#list tr')].find(row => row.dataset.rule === '{name}')"
                             "?.innerText.split('\\t')")
    return dict(zip(("name", "state", "input", "pps", "bps", "curve", "received", "lost", "within", "path"),
                    [text.strip() for text in texts]))


def count(text):
    """A number as the page writes it."""
    return int(text.replace(",", ""))


@test
def shows_a_live_relay():
    """Its numbers are those of `stats show`; a rule that goes pending turns red, with its reason"""
    star = Star()
    daemon, _ = started(star.relay, *RULES)
    kept = receiver(star.receiver, 7000)
    with Browser(star.relay) as browser:
        browser.open(URL)
        browser.wait(f"document.querySelectorAll('{ROWS}').length === 3", "three rules")
        generate(star.source, "s0", "--rate", "5000", "--count", "1000")
        stats = daemon.settle(steered=1000)
        browser.wait("document.querySelector('[data-rule=cam1]').innerText.includes('1,000')", "1,000 received")
        browser.evaluate("document.querySelector('[data-rule=cam1] .name').click()")
        _agrees(browser, daemon, stats)
        equal(browser.evaluate("document.querySelector('[data-rule=off]').innerText.includes('disabled')"), True,
              "disabled")
        star.relay.ip("link set out0 down")
        browser.wait("document.querySelector('[data-rule=cam2]').className === 'bad'", "cam2 is marked")
        shown = cells(browser, "cam2")
        reason = rule_of(daemon.stats(), "cam2")["reason"]
        check(shown["state"].startswith("pending") and reason in shown["state"], f"{shown}: {reason}")
        red = browser.evaluate("getComputedStyle(document.querySelector('[data-rule=cam2] .badge')).color")
        equal(red, "rgb(179, 32, 27)", "colour of the state")
        browser.wait("document.querySelector('#events').innerText.includes('pending')", "the event")
        browser.wait("document.querySelector('#status').innerText.includes('problems')", "the heading")
        star.relay.ip("link set out0 up")
        browser.wait("document.querySelector('[data-rule=cam2]').className !== 'bad'", "it is mended")
        daemon.kill()
        browser.wait("document.querySelector('#notice').innerText.includes('does not answer')", "no daemon")
        equal(browser.evaluate("document.querySelector('#status').className"), "badge bad", "heading")
        check(all(url.startswith(URL) or url == "data:," for url in browser.requests), browser.requests)
        equal([error for error in browser.errors if "503" not in error.get("text", "")], [], "console")
    kept.close()


def _agrees(browser, daemon, stats):
    rule = rule_of(stats, "cam1")
    lost = sum(output["send_errors"] + output["dropped_packets"] for output in rule["outputs"])
    # What it shows first may have been read while the last packets were being sent.
    wait_until(lambda: count(cells(browser, "cam1")["lost"]) == lost, f"{lost} lost")
    shown = cells(browser, "cam1")
    equal((count(shown["received"]), count(shown["lost"]), shown["input"], shown["path"]),
          (rule["received_packets"], lost, rule["in"], rule["path"]), "cam1")
    check(lost > 900, f"the limit drops most packets: {lost}")
    outputs = browser.evaluate("[...document.querySelectorAll('.detail tbody tr')].map(row => row.innerText)")
    equal(len(outputs), 2, "outputs")
    for text, output in zip(outputs, rule["outputs"]):
        to, _, sent, missing, why = (word.strip() for word in text.split("\t"))
        equal((to, count(sent), count(missing)),
              (output["to"], output["sent_packets"], output["send_errors"] + output["dropped_packets"]), "output")
        equal("rate_limited" in why, output["drops"]["rate_limited"] > 0, why)
    text = browser.evaluate("document.querySelector('#totals').innerText")
    totals = daemon.stats()["totals"]
    for number, what in ((totals["received_packets"], "received"), (totals["sent_packets"], "sent"),
                         (lost, "lost")):
        check(f"{number:,} {what}" in text, f"{number} {what}: {text}")
    inputs = browser.evaluate("document.querySelector('#inputs').innerText").split("\t")
    equal((inputs[0], count(inputs[3])), ("in0", 1000), "input interface")


@test
def ten_thousand_rules():
    """10,000 rules: pages, search and filter, all by the keyboard; as many nodes as one page needs"""
    namespace = Namespace("relay")
    rules = "".join(f"  - r{i:05} in 239.{1 + (i >> 8)}.{i & 255}.1:5000@none0 out 10.9.0.1:6000\n"
                    for i in range(10000))
    started(namespace, config=f"rules:\n{rules}")
    with Browser(namespace) as browser:
        browser.open(URL)
        browser.wait("document.querySelector('#range').innerText === '1\u201350 of 10,000'", "the first page")
        equal(browser.evaluate(f"document.querySelectorAll('{ROWS}').length"), 50, "rows")
        check(browser.memory()["Nodes"] < 5000, f"nodes: {browser.memory()}")
        took = browser.evaluate("(() => { const began = performance.now(); showAll(); "
                                "return performance.now() - began; })()")
        diagnose(f"10,000 rules are shown again in {took:.0f} ms")  # only for information
        browser.evaluate("document.activeElement.blur()")
        for _ in range(2):  # the link to the rules, then the search
            browser.key("Tab", 9)
        equal(browser.evaluate("document.activeElement.id"), "search", "focus")
        browser.type("r0777")
        browser.wait("document.querySelector('#range').innerText === '1\u201310 of 10'", "what is searched for")
        for _ in range(4):  # what chooses, what sorts, the table, its first button; there is only one page
            browser.key("Tab", 9)
        equal(browser.evaluate("document.activeElement.textContent"), "r07770", "the first rule")
        browser.key("Enter", 13, "\r")
        browser.wait("document.querySelector('.detail').innerText.includes('10.9.0.1:6000')", "its outputs")
        browser.key("Enter", 13, "\r")
        browser.wait("!document.querySelector('.detail')", "closed again")
        browser.evaluate("document.querySelector('#search').value = ''; chosenAnew()")
        browser.evaluate("document.querySelector('#next').focus()")
        browser.key("Enter", 13, "\r")
        browser.wait("document.querySelector('#range').innerText === '51\u2013100 of 10,000'", "the second page")
        browser.evaluate("document.querySelector('#filter').value = 'active'; chosenAnew()")
        browser.wait("document.querySelector('#empty').checkVisibility()", "no rule is active")
        equal(browser.errors, [], "console")


@test
def leaks_nothing():
    """Ten minutes of updates, as fast as the page shows them: it holds no more than before them.
    `tests/soak/page.py` does it in real time."""
    star = Star()
    started(star.relay, *RULES)
    with Browser(star.relay) as browser:
        browser.open(URL)
        browser.wait(f"document.querySelectorAll('{ROWS}').length === 3", "three rules")
        # The first answer about events empties their list.
        browser.wait("model.events.since !== 0", "the answer about events")
        # Rules come and go, numbers and order change, and events arrive.
        browser.evaluate("""
            globalThis.virtual = (from, to) => {
                const original = globalThis.original ??= JSON.stringify(model.stats);

                for (let second = from; second < to; second++) {
                    const stats = JSON.parse(original);
                    const passing = structuredClone(stats.rules[0]);

                    passing.name = `passing${second}`;
                    stats.rules.push(passing);
                    for (const [i, rule] of stats.rules.entries()) {
                        rule.rate_pps = second * (i + 1) % 977;
                        rule.received_packets += second;
                        rule.outputs[0].send_errors += (second + i) % 3 ? 0 : second;
                        if ((second >> 3) % 4 === i)
                            Object.assign(rule, { state: "pending", reason: `reason ${second}` });
                    }
                    model.expanded.add(passing.name);
                    update(stats);
                    showAll();
                    showEvents({ since: model.events.since, last: model.events.last,
                        events: [{ id: 0, time: "2026-01-01T00:00:00.000Z", event: "pending", rule: `r${second}` },
                            { id: 0, time: "2026-01-01T00:00:00.000Z", event: "active", rule: `r${second}` }] });
                }
                return [model.byName.size, model.expanded.size, document.querySelectorAll("#events li").length];
            };""")
        # Before, as many: until then the browser compiles and caches what is used often.
        browser.evaluate("virtual(0, 600)")
        before = browser.memory()
        equal(browser.evaluate("virtual(600, 1200)"), [4, 1, 200], "what the model has")
        after = browser.memory()
    diagnose(f"{before} {after}")
    equal(after["JSEventListeners"], before["JSEventListeners"], "listeners")
    # A node or 200 bytes that stay for each update would be more. Rows that were just replaced may still be there.
    check(after["Nodes"] <= before["Nodes"] + 300, f"nodes: {before} {after}")
    check(after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 120000, f"memory: {before} {after}")


main()
