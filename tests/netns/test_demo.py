#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `make demo` shows is so. tests/vm/suite runs it on Debian's stock kernel."""

import sys

from harness import ROOT, check, main, run, test
from netns import PATIENCE


@test
def demo():
    """The kernel drops a stream without a route to its source, xmcast relays all of it to both outputs"""
    shown = run(sys.executable, f"{ROOT}/tools/demo/demo.py", "--rate", "1000", "--seconds", "2",
                timeout=4 * PATIENCE).stdout
    check("xmcast delivered all of them on both outputs" in shown, shown)


main()
