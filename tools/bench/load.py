# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: a case is one peer under one load. Its key never changes."""

import dataclasses

# No part of a run takes longer than its traffic plus this, even on a busy machine.
GRACE_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Load:
    """The traffic, and how many copies the relay makes of it."""

    sizes: str = "1400"  # UDP payload; several, with commas: see size_by; "64-1400": random
    size_by: str = ""  # "": sizes alternate within each flow; "flow": each flow has one size
    flows: int = 1
    flow_by: str = ""  # "": each flow has a port and a rule of its own; "source": all have one rule
    headers: str = ""  # options of the outputs: "from keep"
    fanout: int = 1  # copies of each flow
    devices: int = 1  # output devices, over which the copies are spread evenly
    rules: int = 1  # at least one for each flow; the others match no packet
    families: str = "4"  # "4", "6"; "46": input IPv4, output IPv6; "64": the reverse
    lease: bool = False  # the rules have a lease, which is held
    merge: str = ""  # "rtp": each flow arrives by two inputs of its rule, which merges them
    ways: int = 1  # interfaces by which the flows arrive, or the two inputs of each
    watch: str = ""  # what the rules watch: "rtp", as which the generator's packets pass, "rtp+ts"
    vlan: int = 0  # id of the packets' 802.1Q tag; 0: untagged
    rate: int = 0  # packets/s of all flows together; 0: flat out
    seconds: float = 1.5

    @property
    def sides(self):
        """How often each datagram is sent to the relay."""
        return 2 if self.merge else 1

    @property
    def timeout(self):
        """How long the generator may take."""
        return self.seconds + GRACE_SECONDS


@dataclasses.dataclass(frozen=True)
class Case:
    """A peer under a load, with a sink."""

    peer: str
    load: Load = Load()
    sink: str = "skb"  # "skb": tc program; "xdp": XDP program
    relays: int = 1  # in a row
    search: bool = False  # look for the highest lossless rate; load.rate is not used

    @property
    def key(self):
        """Name in results.json. All fields except the duration, which --full changes."""
        load = self.load
        rate = "lossless" if self.search else f"{load.rate}pps" if load.rate else "flat"
        by = f"-by-{load.size_by}" if load.size_by else ""
        flow_by = f" by-{load.flow_by}" if load.flow_by else ""
        headers = f" {load.headers.replace(' ', '-')}" if load.headers else ""
        families = f" ipv{load.families}" if load.families != "4" else ""
        vlan = f" vlan={load.vlan}" if load.vlan else ""
        lease = " lease" if load.lease else ""
        merge = f" merge={load.merge}" if load.merge else ""
        ways = f" ways={load.ways}" if load.ways > 1 else ""
        watch = f" watch={load.watch}" if load.watch else ""
        chain = f" relays={self.relays}" if self.relays > 1 else ""
        devices = f" devices={load.devices}" if load.devices > 1 else ""
        return (f"{self.peer} {self.sink} {load.sizes}B{by} flows={load.flows} "
                f"fanout={load.fanout} rules={load.rules} {rate}{families}{vlan}{flow_by}{headers}"
                f"{devices}{lease}{merge}{ways}{watch}{chain}")

    def describe(self):
        """All fields, for results.json."""
        return {"key": self.key, **dataclasses.asdict(self.load), "peer": self.peer,
                "sink": self.sink, "relays": self.relays, "search": self.search}
