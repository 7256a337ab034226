# SPDX-License-Identifier: BSD-2-Clause
"""A time of day that jumps, while that of the machine, which others use, stays as it is."""

import mmap
import os
import struct

from harness import program, work_directory


class Clock:
    """The time of day of the programs that are run by `prefix`, whatever their language (stepped_clock.c)."""

    def __init__(self, name):
        path = os.path.join(work_directory(), f"{name}.clock")
        with open(path, "w+b") as file:
            file.write(bytes(16))
            file.flush()
            self._differences = mmap.mmap(file.fileno(), 16)
        self.prefix = (program("tests/netns/stepped_clock"), path)

    def set(self, seconds, other=None):
        """So many seconds ahead of the machine's. `other`: every second reading is that many ahead."""
        both = (seconds, seconds if other is None else other)
        self._differences[:] = struct.pack("=qq", *(each * 10**9 for each in both))
