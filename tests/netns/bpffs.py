# SPDX-License-Identifier: BSD-2-Clause
"""The steering program loaded by an administrator, with xdp-loader and pins in a bpffs of the test."""

import contextlib
import json
import os

from harness import BUILD, need, run, work_directory


class Bpffs:
    """The test's own bpffs, used by xdp-loader."""

    def __init__(self):
        need("xdp-loader", "bpftool")
        self.root = os.path.join(work_directory(), "bpf")
        self.pins = os.path.join(self.root, "in0")
        os.makedirs(self.root, exist_ok=True)
        run("mount", "-t", "bpf", "bpf", self.root)

    def loader(self, namespace, *arguments, alone=False, **options):
        """Run xdp-loader with its own pins in there as well."""
        skip = ["LIBXDP_SKIP_DISPATCHER=1"] if alone else []
        return namespace.run("env", f"LIBXDP_BPFFS={self.root}", *skip, "xdp-loader", *arguments, **options)

    def load(self, namespace, device="in0", pins=None, alone=False):
        """As in docs/xdp-loader.md. `alone`: without a dispatcher."""
        self.loader(namespace, "load", "-m", "native", "-p", pins or self.pins, device,
                    os.path.join(BUILD, "xmcast.bpf.o"), alone=alone)

    def unload(self, namespace, device="in0"):
        """Detach all programs; the pins stay."""
        self.loader(namespace, "unload", device, "--all")

    def dump(self, name):
        """The contents of a map."""
        return json.loads(run("bpftool", "-j", "map", "dump", "pinned",
                              os.path.join(self.pins, name)).stdout)

    def close(self):
        """Maps and program are freed with the last pin."""
        run("umount", "--lazy", self.root)


@contextlib.contextmanager
def bpffs():
    """A Bpffs that is always unmounted."""
    place = Bpffs()
    try:
        yield place
    finally:
        place.close()
