# SPDX-License-Identifier: BSD-2-Clause
"""A daemon with predefined answers, for the tests of xmcastctl.

It listens on a Unix socket in the test's own process, with one thread per client, and answers each method
of docs/control-protocol.md from a table. The value for a method is the result, or a function of the params
that returns the result or raises Refusal. Bytes are sent unchanged instead of an answer, and HANG_UP closes
the connection.
"""

import json
import os
import socket
import threading

HANG_UP = object()


class Refusal(Exception):
    """The answer is an error."""

    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


class FakeDaemon:
    """Serves until stop(). `requests` has all methods called, with their params."""

    def __init__(self, path, answers):
        self.path = path
        self.answers = answers
        self.requests = []
        self.monitors = []
        self._clients = []
        self._listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self._listener.bind(path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with client.makefile("rb") as lines:
                for line in lines:
                    if not self._answer(client, json.loads(line)):
                        break
        except (OSError, ValueError):
            pass
        finally:
            # Not close() alone, which does nothing while another has it as a file.
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            client.close()

    def _answer(self, client, request):
        method, params = request["method"], request.get("params", {})
        self.requests.append((method, params))
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        answer = self.answers.get(method, Refusal(-32601, "no such method"))
        try:
            if callable(answer):
                answer = answer(params)
            if isinstance(answer, Refusal):
                raise answer
        except Refusal as refusal:
            reply["error"] = refusal.error
        else:
            if answer is HANG_UP:
                return False
            if isinstance(answer, bytes):
                client.sendall(answer)
                return not answer.endswith(b"!")  # a last word, and the end
            reply["result"] = answer
        client.sendall(json.dumps(reply).encode() + b"\n")
        if method == "monitor.start" and "result" in reply:
            self.monitors.append(client)
        return True

    def event(self, **params):
        """Send an event to all monitors."""
        line = json.dumps({"jsonrpc": "2.0", "method": "event", "params": params})
        for client in self.monitors:
            client.sendall(line.encode() + b"\n")

    def stop(self):
        """Go, at once, as a killed daemon does."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


# ---- canned answers --------------------------------------------------------------------------

LATENCY = {"samples": 1200, "p50_ns": 18432, "p90_ns": 40960, "p99_ns": 131072, "max_ns": 2097152,
           "buckets": [[16384, 400], [32768, 700], [131072, 90], [2097152, 10]]}


def output(to, sent, errors=None, pps=0):
    """An O of stats.show."""
    errors = errors or {}
    return {"to": to, "submitted_packets": sent + sum(errors.values()), "sent_packets": sent,
            "sent_bytes": sent * 1400, "send_errors": sum(errors.values()), "errors": errors,
            "dropped_packets": 0, "drops": {"rate_limited": 0, "not_copied": 0},
            "rate_pps": pps, "rate_bps": pps * 11200, "rate_10s_pps": pps,
            "rate_10s_bps": pps * 11200, "peak_pps": pps * 2, "peak_bps": pps * 22400,
            "last_packet_seconds": 0 if sent else None, "gso_segments": 64, "gso_max_bytes": 65507,
            "gso_refused_batches": 0}


def counters(name, outputs, *, received=0, pps=0, state="active", flow="never", reason=None,
             path="user", path_reason=None):
    """An R of stats.show."""
    number = int("".join(filter(str.isdigit, name)) or 0)
    rule = {"name": name, "in": f"239.1.1.{number}:5000@in0", "state": state, "path": path,
            "flow": flow, "received_packets": received, "received_bytes": received * 1400,
            "rate_pps": pps, "rate_bps": pps * 11200, "rate_10s_pps": pps, "rate_10s_bps": pps * 11200,
            "peak_pps": pps * 2, "peak_bps": pps * 22400,
            "last_packet_seconds": 0 if received else None,
            "latency": LATENCY if received else None, "outputs": outputs}
    if reason:
        rule["reason"] = reason
    if path_reason:
        rule["path_reason"] = path_reason
    return rule


def listed(rule, enabled=True):
    """The RULE of rule.list for an R."""
    outs = " out ".join(o["to"] for o in rule["outputs"])
    line = {"name": rule["name"], "rule": f"{rule['name']} in {rule['in']} out {outs}",
            "enabled": enabled, "state": rule["state"], "path": rule["path"],
            "flow": rule["flow"], "rate_pps": rule["rate_pps"], "rate_bps": rule["rate_bps"],
            "outputs": len(rule["outputs"])}
    line.update((key, rule[key]) for key in ("reason", "path_reason") if key in rule)
    return line


RULES = [
    counters("cam1", [output("239.2.2.1:6000@out0", 99083, {"EAGAIN": 2}, 20000),
                      output("10.2.0.3:7000", 99085, pps=20000)],
             received=99085, pps=20000, flow="flowing",
             path_reason="10.2.0.3:7000: wg0 cannot transmit redirected packets"),
    counters("cam2", [output("239.2.2.2:6000@out0", 500)], received=500, flow="silent",
             path="kernel"),
    counters("cam3", [output("239.2.2.3:6000@gone0", 0)], state="pending",
             reason="output interface gone0 does not exist"),
    counters("spare4", [output("239.2.2.4:6000@out0", 0)], state="disabled"),
]

INTERFACE = {"name": "in0", "state": "active", "mode": "native", "zero_copy": False,
             "queues": [{"queue": 0, "received_packets": 99085, "rx_dropped": 7, "rx_ring_full": 0,
                         "fill_ring_empty": 7},
                        {"queue": 1, "received_packets": 0, "rx_dropped": 0, "rx_ring_full": 0,
                         "fill_ring_empty": 0}],
             "verdicts": {"steered": 99092, "forwarded": 500, "no_rule": 0, "not_udp": 2, "ip_options": 3},
             "redirected": {"out0": {"sent_packets": 497, "dropped_packets": 3,
                                     "drops": {"ring_full": 3, "ENXIO": 0}}}}
DOWN = {"name": "in1", "state": "failed", "reason": "interface in1 does not exist", "mode": None,
        "zero_copy": False, "queues": [], "verdicts": {}, "redirected": {}}

WORKERS = [{"interface": "in0", "queue": queue, "received_packets": received,
            "drops": {"malformed": 0, "no_rule": drops}, "frames": 16384, "kernel_frames": 16300, "queued_frames": 44,
            "in_flight_frames": 40, "wakeups": 120, "sleeps": 119, "submits": 3000, "sends": 5000,
            "cq_overflows": 0} for queue, received, drops in ((0, 99085, 1), (1, 0, 0))]

TOTALS = {"steered_packets": 99592, "received_packets": 99585, "submitted_packets": 198670,
          "sent_packets": 198668, "sent_bytes": 278135200, "send_errors": 2,
          "rate_limited_packets": 0, "dropped_packets": 8,
          "buffer_exhausted_packets": 7}

CHANGED = {"generation": 8, "added": 1, "removed": 0, "replaced": 0}

CONFIG = "rules:\n  - name: cam1\n    in: 239.1.1.1:5000@in0\n    out: [239.2.2.1:6000@out0]\n"


def page(params, key, items, generation=7, **more):
    """A page of a list."""
    offset, limit = params.get("offset", 0), params.get("limit", 100)
    return {**more, "total": len(items), "generation": generation,
            key: items[offset:offset + limit]}


def show_rule(params):
    """rule.show"""
    for rule in RULES:
        if rule["name"] == params["name"]:
            return {**rule, **listed(rule), "outputs": rule["outputs"]}
    raise Refusal(-32004, "no rule of this name")


def show_interface(params):
    """iface.show"""
    if params["name"] != "in0":
        raise Refusal(-32004, "no interface of that name")
    return {**INTERFACE, "ifindex": 4, "mtu": 1500, "rx_queues": 2, "program_id": 77, "rules": 3,
            "attach": {"by": "external", "pins": "/sys/fs/bpf/xmcast/in0",
                       "maps": {"rules": 11, "sockets": 12, "verdicts": 13, "about": 14}}}


def show_config(params):
    """config.show, in parts of 20 bytes."""
    offset = params.get("offset", 0)
    return {"generation": 7, "total_bytes": len(CONFIG), "offset": offset,
            "text": CONFIG[offset:offset + 20]}


LEVELS = {"levels": {name: "info" for name in ("daemon", "rules", "steering", "ingress", "egress",
                                               "membership", "links", "control")},
          "to": "auto", "format": "text"}


def set_level(params):
    """log.set"""
    if params["facility"] not in LEVELS["levels"]:
        raise Refusal(-32602, "no such facility")
    return {**LEVELS, "levels": {**LEVELS["levels"], params["facility"]: params["level"]}}


PACKET = {"source": "10.9.9.9", "destination": "239.1.1.1", "port": 5000, "protocol": 17, "vlan": None}

EXPLAINED = {
    "interface": "in0.7", "received_by": "in0", "device": "in0", "mode": "native", "vlan": "802.1Q 7", "mtu": 1500,
    "too_long": False, "frame_bytes": 146, "packet": {**PACKET, "vlan": "802.1Q 7"},
    "verdict": {"reason": "steered", "action": "redirect", "too_large": False, "ttl_expired": False},
    "rule": {"name": "cam1", "in": "239.1.1.1:5000@in0.7", "source": None, "state": "active", "path": "user",
             "path_reason": "rate limits need the user path"},
    "near_rules": [{"name": "cam2", "in": "239.1.1.1:any@in0.7", "source": None, "differs": ["less_specific"]},
                   {"name": "cam3", "in": "239.1.1.1:5001@in0", "source": "10.0.0.0/8",
                    "differs": ["source", "port"]}],
    "outputs": [{"to": "239.2.2.1:6000@out0", "route": "group", "source": "10.2.0.1", "source_port": 40000,
                 "next_hop": None, "mac": "01:00:5e:02:02:01", "interface": "out0", "mtu": 1500, "ttl": 1,
                 "dscp": 0, "carrier": True, "rate_bps": 1000000, "rate_pps": 100},
                {"to": "10.2.0.3:7000", "route": "unreachable", "source": None, "source_port": None,
                 "next_hop": None, "mac": None, "interface": None, "mtu": None, "ttl": "keep", "dscp": "keep",
                 "carrier": None, "rate_bps": None, "rate_pps": None, "error": "Network is unreachable",
                 "reason": "no route"}]}


EXPLAINED_RULE = {
    "rule": {"name": "cam1", "in": "239.1.1.1:5000@in0", "source": "10.9.9.9", "state": "active", "path": "user",
             "flow": "silent", "received_packets": 500, "last_packet_seconds": 77},
    "input": {"interface": "in0", "received_by": "in0", "exists": True, "up": True, "carrier": True, "mtu": 1500,
              "vlan": None, "joined": True, "querier": {"address": "10.1.0.1", "seconds": 12}},
    "passed": [{"interface": "in0", "source": "10.9.9.8", "port": 5000, "vlan": "802.1Q 7", "reason": "vlan",
                "differs": ["source", "vlan"], "packets": 3, "seconds": 1},
               {"interface": "in0", "source": "10.9.9.9", "port": None, "vlan": None, "reason": "fragment",
                "differs": [], "packets": 1, "seconds": 2}],
    "outputs": EXPLAINED["outputs"][:1],
    "findings": [{"severity": "problem", "cause": "wrong_vlan", "about": "input", "text": "packets arrive tagged",
                  "next": "ip link add link in0 name in0.7 type vlan id 7"},
                 {"severity": "hint", "cause": "ttl_1", "about": "239.2.2.1:6000@out0",
                  "text": "TTL 1: no router forwards it", "next": None}]}


def answers(**other):
    """A table for FakeDaemon; `other`: methods that answer differently, with "_" for "."."""
    table = {
        "version": {"daemon": "0.4.0", "protocol": 1},
        "ping": {"alive": True, "workers": 2},
        "rule.list": lambda params: page(params, "rules",
                                         [listed(r, r["state"] != "disabled") for r in RULES]),
        "rule.show": show_rule,
        **{f"rule.{verb}": CHANGED for verb in ("add", "replace", "del", "change")},
        **{f"rule.{verb}": {**CHANGED, "added": 0, "replaced": 1} for verb in ("enable", "disable")},
        "config.show": show_config,
        "config.save": {"path": "/etc/xmcast/xmcast.yaml", "bytes": 1234},
        "config.reload": {**CHANGED, "needs_restart": ["workers.frames"]},
        "config.confirm": {"saved": False, "file": "/etc/xmcast/xmcast.yaml"},
        "config.rollback": {**CHANGED, "needs_restart": []},
        "config.status": {"file": "/etc/xmcast/xmcast.yaml", "last_reload_successful": False,
                          "last_reload_seconds": 1790000000, "reloads": 3, "unconfirmed": "/root/new.yaml",
                          "rollback_in_seconds": 250, "rollback_timestamp_seconds": 1790000600},
        "config.diff": {"added": ["cam5"], "removed": ["cam2"], "changed": ["cam1"],
                        "rules": [{"name": "cam2", "running": "cam2 in 239.1.1.2:5000@in0 out 10.2.0.3"},
                                  {"name": "cam1", "running": "cam1 in 239.1.1.1:5000@in0 out 10.2.0.3",
                                   "file": "cam1 in 239.1.1.1:5000@in0 out 10.2.0.4"},
                                  {"name": "cam5", "file": "cam5 in 239.1.1.5:5000@in0 out 10.2.0.5"}],
                        "settings": [{"setting": "egress.gso", "running": "64", "file": "1"}]},
        "stats.show": lambda params: page(params, "rules", RULES, uptime_seconds=65, totals=TOTALS,
                                          interfaces=[INTERFACE, DOWN], workers=WORKERS),
        "stats.reset_peaks": {},
        "iface.list": {"interfaces": [INTERFACE, DOWN]},
        "iface.show": show_interface,
        "worker.list": {"workers": [{**worker, "engine": "io_uring", "cpus": [], "umem_bytes":
                                     33554432, "huge_pages": False} for worker in WORKERS]},
        "group.list": lambda params: page(params, "groups", [
            {"group": "239.1.1.1", "source": None, "interface": "in0"},
            {"group": "239.1.1.2", "source": "10.9.9.9", "interface": "in0"}]),
        "explain.packet": EXPLAINED,
        "explain.rule": EXPLAINED_RULE,
        "log.show": LEVELS,
        "log.set": set_level,
        "monitor.start": {},
    }
    table.update({method.replace("_", ".", 1): answer for method, answer in other.items()})
    return table
