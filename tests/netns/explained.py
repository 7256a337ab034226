# SPDX-License-Identifier: BSD-2-Clause
"""What `xmcastctl explain` answers, and the packets that it answers about."""

import json
import re

from harness import Daemon, Timeout, check, equal, packet_socket, rule_of, wait_until
from wire import UDP, frame, ip, mac_of_group, udp

SOURCE, GROUP = "10.9.9.9", "239.1.1.1"
OUTPUTS = "out 239.2.2.2:6000@out0 ttl 3 dscp ef out 10.2.0.2:6001"


def explain(daemon, *words):
    """The answer as an object, after a look at the text for people."""
    text = daemon.ctl("explain", *words).stdout
    check(text.isascii() and "input" in text, text)
    return json.loads(daemon.ctl("-j", "explain", *words).stdout)


def counters(daemon):
    """All that a packet could change."""
    stats = daemon.stats()
    return (stats["totals"], [(rule["received_packets"], [
        {key: output[key] for key in ("submitted_packets", "sent_packets", "sent_bytes", "errors", "drops")}
        for output in rule["outputs"]]) for rule in stats["rules"]],
            [(interface["verdicts"], interface["redirected"]) for interface in stats["interfaces"]])


def send(star, source=SOURCE, group=GROUP, port=5000, payload=b"12345", **fields):
    """One datagram onto the wire."""
    packet = ip(source, group, UDP, udp(source, group, (7000, port), payload), **fields)
    packet_socket(star.source, "s0").send(frame(packet, mac_of_group(group)))


def findings(daemon, rule="a"):
    """Of explain RULE: the causes of the problems, in order, and all that was found, by cause."""
    found = json.loads(daemon.ctl("-j", "explain", rule).stdout)["findings"]
    return [one["cause"] for one in found if one["severity"] == "problem"], {one["cause"]: one
                                                                                  for one in reversed(found)}


def the_cause(daemon, cause, words, about="input", rule="a"):
    """The first problem that `explain RULE` names, once it does; its text has these words, and there is a next
    command. The text for people has it as well."""
    def is_found():
        nonlocal found
        causes, found = findings(daemon, rule)
        return causes[:1] == [cause]

    found = {}
    try:
        wait_until(is_found, f"the cause is {cause}")
    except Timeout:
        raise AssertionError(f"not {cause}: {json.dumps(found, indent=1)}") from None
    one = found[cause]
    check(words in one["text"], f"{words!r} is not in {one['text']!r}")
    equal(one["about"], about, "what it is about")
    check(one["next"], f"no next command: {one}")
    text = daemon.ctl("explain", rule).stdout
    # Another second may have passed.
    words = re.sub(r"[0-9]+ s ago", "", one["text"])
    check(words in re.sub(r"[0-9]+ s ago", "", text) and one["next"] in text, text)


def all_is_well(daemon, star, rule="a"):
    """Packets pass, and explain finds no problem."""
    before = rule_of(daemon.settle(), rule)["received_packets"]
    send(star)
    wait_until(lambda: rule_of(daemon.stats(), rule)["received_packets"] == before + 1, "it is relayed")
    wait_until(lambda: findings(daemon, rule)[0] == [], "no problem is found")


def relaying(star, outputs="out 239.2.2.2:6000@out0 ttl 3", more=""):
    """A daemon with one rule that relays."""
    return Daemon(star.relay, f"a in {GROUP}:5000@in0{more} {outputs}")
