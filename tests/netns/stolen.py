# SPDX-License-Identifier: BSD-2-Clause
"""AF_XDP sockets of our own, and their places in the maps of a running daemon: packets vanish there, because the
kernel refuses a packet for a socket that is bound to another device than the one that received it."""

import ctypes
import mmap
import os
import socket
import struct

from harness import check

AF_XDP, SOL_XDP = 44, 283
XDP_RX_RING, XDP_UMEM_REG, XDP_FILL, XDP_COMPLETION = 2, 4, 5, 6
XDP_COPY = 2
FRAMES, FRAME = 64, 2048
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, argument):
    """bpf(2). Returns its result, or fails."""
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    padded = ctypes.create_string_buffer(argument.ljust(128, b"\0"), 128)
    result = libc.syscall(number, command, padded, 128)
    check(result >= 0, f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result


class ForeignSocket:
    """An AF_XDP socket bound to queue 0 of a device, which nobody reads."""

    def __init__(self, namespace, device):
        with namespace.entered():
            self.fd = libc.socket(AF_XDP, socket.SOCK_RAW, 0)
            check(self.fd >= 0, os.strerror(ctypes.get_errno()))
            index = socket.if_nametoindex(device)
            self.memory = mmap.mmap(-1, FRAMES * FRAME)
            address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
            self._set(XDP_UMEM_REG, struct.pack("QQIIII", address, FRAMES * FRAME, FRAME, 0, 0, 0))
            for ring in (XDP_FILL, XDP_COMPLETION, XDP_RX_RING):
                self._set(ring, struct.pack("I", FRAMES))
            name = struct.pack("HHIII", AF_XDP, XDP_COPY, index, 0, 0)
            check(libc.bind(self.fd, name, len(name)) == 0, os.strerror(ctypes.get_errno()))

    def _set(self, option, value):
        check(libc.setsockopt(self.fd, SOL_XDP, option, value, len(value)) == 0,
              f"option {option}: {os.strerror(ctypes.get_errno())}")

    def take_place(self, map_id, slot=0):
        """Replace the socket in this slot of an XSKMAP."""
        descriptor = bpf(14, struct.pack("I", map_id))  # BPF_MAP_GET_FD_BY_ID
        key, value = (ctypes.c_uint32(number) for number in (slot, self.fd))
        bpf(2, struct.pack("IxxxxQQQ", descriptor, ctypes.addressof(key), ctypes.addressof(value), 0))
        os.close(descriptor)
