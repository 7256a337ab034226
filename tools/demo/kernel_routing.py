# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's own multicast routing in a namespace, by the socket options that routing daemons use
(linux/mroute.h), so that the demo needs none."""

import contextlib
import re
import socket
import struct

MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204
VIFF_USE_IFINDEX, VIFS = 8, 32


class KernelRoute:
    """Routes one group between two interfaces of a namespace, from each of some sources. Ends with close()."""

    def __init__(self, namespace, group, inside, outside, sources):
        self.namespace = namespace
        with namespace.entered():
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
            indexes = [socket.if_nametoindex(name) for name in (inside, outside)]
            self._join(group, indexes[0])
        self._set(MRT_INIT, struct.pack("i", 1))
        for vif, index in enumerate(indexes):
            self._set(MRT_ADD_VIF, struct.pack("=HBBIi4s", vif, VIFF_USE_IFINDEX, 1, 0, index, bytes(4)))
        for source in sources:
            # From interface 0, to interface 1 what has a TTL above 1.
            ttls = bytes([0, 1]) + bytes(VIFS - 2)
            self._set(MRT_ADD_MFC, struct.pack("=4s4sH32s2xIIIi", socket.inet_aton(source),
                                               socket.inet_aton(group), 0, ttls, 0, 0, 0, 0))

    def _set(self, option, value):
        self.sock.setsockopt(socket.IPPROTO_IP, option, value)

    def _join(self, group, index):
        request = struct.pack("4s4si", socket.inet_aton(group), bytes(4), index)
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    def forwarded(self):
        """Packets that were forwarded by each route, by its source."""
        counts = {}
        for line in self.namespace.read("/proc/net/ip_mr_cache").splitlines()[1:]:
            _, origin, _, packets = line.split()[:4]
            address = socket.inet_ntoa(int(origin, 16).to_bytes(4, "little"))
            counts[address] = int(packets)
        return counts

    def refused(self):
        """Packets that the reverse-path check has dropped in the namespace."""
        names, values = re.findall(r"^TcpExt: (.*)$", self.namespace.read("/proc/net/netstat"), re.M)
        return int(values.split()[names.split().index("IPReversePathFilter")])

    def close(self):
        """The routes vanish with the socket."""
        with contextlib.suppress(OSError):
            self.sock.close()
