# SPDX-License-Identifier: BSD-2-Clause
"""A stream that xmcastd relays in a bare root, from xmcast-gen to xmcast-sink, both from the package xmcast-tools."""

import json
import time

from tap import check, equal

PATIENCE = 180
ENOUGH = 1000  # packets that show that a stream flows
RULE = "  - cam1 in 239.1.1.1:5000@in0 out 239.2.2.2:6000@out0\n"
# The network namespaces source, relay and receiver.
NETWORK = """
for name in source relay receiver; do ip netns add $name; ip -n $name link set lo up; done
ip link add s0 netns source type veth peer name in0 netns relay
ip link add out0 netns relay type veth peer name r0 netns receiver
ip -n source link set s0 up
ip -n relay link set in0 up
ip -n relay addr add 10.2.0.1/24 dev out0
ip -n relay link set out0 up
ip -n receiver addr add 10.2.0.2/24 dev r0
ip -n receiver link set r0 up
"""


def wait_for(condition, what):
    """Until this holds. `what` may be a function that explains."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < deadline, f"not within {PATIENCE} s: {what() if callable(what) else what}")
        time.sleep(0.1)


def interrupt(root, name, signal="INT"):
    """Let all programs of this name end, and wait for that."""
    root.run(f"for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = {name} ] && kill -{signal} ${{p#/proc/}}; "
             "done; true")
    wait_for(lambda: name not in root.processes(), f"the end of {name}")


class Stream:
    """Starts when the daemon relays. `ctl` is the command that runs xmcastctl, `log` one that shows the daemon's log."""

    def __init__(self, root, ctl, log, rate=2000):
        self._root, self._ctl, self._log = root, ctl, log
        for name in {"xmcast-gen", "xmcast-sink"}.intersection(root.processes()):  # of a test that has failed
            interrupt(root, name)
        wait_for(lambda: '"active"' in root.run(f"{ctl} -j rule list", good=False).stdout,
                 lambda: root.run(f"{ctl} rule list; {log}").stdout)
        root.run("nohup ip netns exec receiver xmcast-sink r0 -j --port 6000 --expect /root/gen >/root/sink "
                 "2>/root/sink.err </dev/null &")
        wait_for(lambda: "ready" in root.read("/root/sink.err"), "the sink is ready")
        self._before = self.received()
        root.run(f"nohup ip netns exec source xmcast-gen s0 -j --rate {rate} >/root/gen 2>/root/gen.err </dev/null &")
        self.flows()

    def received(self):
        """Packets that the daemon has received."""
        return json.loads(self._root.run(f"{self._ctl} -j stats show").stdout)["totals"]["received_packets"]

    def flows(self):
        """Packets arrive at the daemon."""
        before = self.received()
        wait_for(lambda: self.received() > before + ENOUGH,
                 lambda: "packets flow\n" + self._root.run(f"{self._ctl} stats show; {self._log}").stdout)

    def stop(self):
        """End the stream, and return what the sink reports once no more packets arrive."""
        interrupt(self._root, "xmcast-gen")
        last = [-1]

        def settled():
            last.append(self.received())
            return last[-1] == last[-2]
        wait_for(settled, "no more packets")
        interrupt(self._root, "xmcast-sink")
        return json.loads(self._root.read("/root/sink"))

    def end(self):
        """Not one packet was lost, doubled, reordered or changed."""
        interrupt(self._root, "xmcast-gen")
        sent = json.loads(self._root.read("/root/gen"))["sent_packets"]
        wait_for(lambda: self.received() - self._before == sent, f"all of the {sent} packets")
        interrupt(self._root, "xmcast-sink")
        sink = json.loads(self._root.read("/root/sink"))
        equal((sink["clean"], sink["received_packets"], sink["lost"]), (True, sent, 0), f"at the receiver: {sink}")
