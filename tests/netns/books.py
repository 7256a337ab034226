# SPDX-License-Identifier: BSD-2-Clause
"""The counters of a daemon, and that they add up. The functions take what `stats show` answers."""

from tap import equal


def queue_drops(queue):
    """Packets that the kernel dropped at the socket of an RX queue. rx_dropped includes those that found
    the fill ring empty."""
    return queue["rx_dropped"] + queue["rx_ring_full"]


def _workers_of(stats, interface):
    return [w for w in stats["workers"] if w["interface"] == interface["name"]]


def counted(stats):
    """What changes with each packet that a rule receives."""
    return stats["totals"], [rule["received_packets"] for rule in stats["rules"]]


def open_books(stats, totals):
    """Which of the books does not close, as text, or None: no packet is on its way."""
    try:
        check_books(stats, totals)
    except AssertionError as error:
        return str(error)
    return None


def check_books(stats, totals=True):
    """Check that the counters of a relay at rest add up, to the packet. `totals`: the totals are those of
    the present rules and interfaces."""
    for interface in stats["interfaces"]:
        _check_interface(interface, _workers_of(stats, interface))
    for rule in stats["rules"]:
        _check_rule(rule)
    if totals:
        _check_totals(stats)


def _check_interface(interface, workers):
    name = interface["name"]
    received = sum(queue["received_packets"] for queue in interface["queues"])
    drops = sum(queue_drops(queue) for queue in interface["queues"])
    equal(interface["verdicts"]["steered"], received + drops, f"{name}: steered against "
          f"{received} received and {drops} dropped by the kernel")
    equal(sum(w["received_packets"] for w in workers), received, f"{name}: received by workers")
    for worker in workers:
        equal(worker["queued_frames"], 0, f"{name}: frames queued")
        equal(worker["in_flight_frames"], 0, f"{name}: frames in flight")
        equal(worker["kernel_frames"], worker["frames"], f"{name}: frames back with the kernel")


def _check_rule(rule):
    for output in rule["outputs"]:
        errors = sum(output["errors"].values())
        equal(errors, output["send_errors"], f"{rule['name']}: errors by name")
        drops = sum(output["drops"].values())
        equal(drops, output["dropped_packets"], f"{rule['name']}: drops by reason")
        equal(output["submitted_packets"] + drops, rule["received_packets"],
              f"{rule['name']}: submitted to {output['to']}")
        equal(output["sent_packets"] + errors, output["submitted_packets"],
              f"{rule['name']}: sent to {output['to']}, and errors")
        # Of a MoldUDP64 packet only the messages that have not left are sent.
        if not errors and not drops and rule.get("merge") != "mold64":
            equal(output["sent_bytes"], rule["received_bytes"],
                  f"{rule['name']}: bytes sent to {output['to']}")
    equal(rule["received_packets"] * len(rule["outputs"]),
          sum(o["sent_packets"] + o["send_errors"] + o["dropped_packets"]
              for o in rule["outputs"]),
          f"{rule['name']}: received × outputs against sent, errors and drops")


def _check_totals(stats):
    totals, rules, interfaces = stats["totals"], stats["rules"], stats["interfaces"]
    if stats["generation"] > 1:
        return  # the totals include rules that no longer exist
    outputs = [output for rule in rules for output in rule["outputs"]]
    queues = [queue for interface in interfaces for queue in interface["queues"]]
    discarded = sum(sum(worker["drops"].values()) for worker in stats["workers"])
    forwarded = sum(i["verdicts"][key] for i in interfaces for key in ("forwarded", "standby"))
    equal(totals["steered_packets"], sum(i["verdicts"]["steered"] for i in interfaces) + forwarded,
          "steered")
    equal(totals["received_packets"], sum(q["received_packets"] for q in queues) + forwarded,
          "received")
    equal(totals["received_packets"] - discarded, sum(r["received_packets"] for r in rules),
          "received, by rule")
    for key in ("submitted_packets", "sent_packets", "sent_bytes", "send_errors"):
        equal(totals[key], sum(output[key] for output in outputs), f"total {key}")
    equal(totals["rate_limited_packets"], sum(o["drops"]["rate_limited"] for o in outputs),
          "total rate_limited_packets")
    withheld = ("no_carrier", "unreachable", "no_source", "ttl_expired", "standby", "side_change", "no_number", "merge_full")
    unused = ("inactive_side", "duplicate", "late", "foreign")
    equal(totals["withheld_packets"], sum(o["drops"][key] for o in outputs for key in withheld),
          "total withheld_packets")
    equal(totals["inactive_side_packets"], sum(o["drops"][key] for o in outputs for key in unused),
          "total inactive_side_packets")
    equal(totals["unwanted_packets"], sum(o["drops"]["not_joined"] for o in outputs), "total unwanted_packets")
    equal(totals["dropped_packets"], sum(map(queue_drops, queues)) + discarded, "total drops")
    equal(totals["buffer_exhausted_packets"], sum(q["fill_ring_empty"] for q in queues),
          "total buffer exhaustion")


def interface_of(stats, name):
    """The counters of an interface."""
    return next(i for i in stats["interfaces"] if i["name"] == name)


def rule_of(stats, name):
    """The counters of a rule."""
    return next(r for r in stats["rules"] if r["name"] == name)
