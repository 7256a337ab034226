# SPDX-License-Identifier: BSD-2-Clause
"""The network cards of the virtual machine (tests/vm/run --nics), by hub and number."""

import glob
import json
import os

from harness import run, wait_until

HUBS, MODELS = 2, 4  # and one more card at each hub, with several queues, where it could be made


def load(*modules):
    """Load kernel modules, as the kernel of this machine does if it can: there is no udev."""
    try:
        with open("/proc/sys/kernel/modprobe", encoding="ascii") as file:
            modprobe = file.read().strip()
    except FileNotFoundError:
        return
    for module in modules:
        if os.access(modprobe, os.X_OK):
            run(modprobe, module)


def has_card(number):
    """Does this machine have the card with this number at each hub? The PCI bus shows all Ethernet cards, also those
    that are not back yet from the namespace of an earlier test."""
    count = 0
    for path in glob.glob("/sys/bus/pci/devices/*/class"):
        with open(path, encoding="ascii") as file:
            count += file.read().startswith("0x0200")
    return count >= HUBS * (number if number > MODELS else MODELS)


def find_card(hub, number):
    """The interface of a card that is not in a namespace of a test. None: there is none."""
    address = f"52:54:00:00:{hub:02x}:{number:02x}"
    for link in json.loads(run("ip", "-j", "-d", "link", "show").stdout):
        if link.get("permaddr", link.get("address")) == address:
            return link["ifname"]
    return None


def take_card(namespace, hub, number, name):
    """Move a card into a namespace."""
    found = wait_until(lambda: find_card(hub, number), f"card {number} of hub {hub}")
    run("ip", "link", "set", found, "down")
    run("ip", "link", "set", found, "netns", namespace.name, "name", name)


def wait_carrier(namespace, *devices):
    """Wait until the devices have a carrier: a card needs some time after it was set up or reset."""
    for device in devices:
        wait_until(lambda name=device: "LOWER_UP" in namespace.ip(f"link show {name}"), f"carrier of {device}")
