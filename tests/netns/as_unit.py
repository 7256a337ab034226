#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Run a command with what a systemd unit file gives its service: user, groups, capabilities, limits,
read-only file systems, system calls, address families. Where systemd is not at hand to do it.

    as_unit.py UNIT UID[:GID,…] WRITABLE COMMAND…

Root. UID, also as group, stands for User= and Group= or DynamicUser=, the GIDs for SupplementaryGroups=,
WRITABLE for RuntimeDirectory=, ReadWritePaths= and PrivateTmp=. What is not read here, and not applied:
PrivateDevices, PrivateIPC, ProtectHome, ProtectHostname, ProtectClock (but for their system calls), RestrictSUIDSGID,
LockPersonality. Debian's own python, because the last step is made by the unit's user.
"""

import ctypes
import os
import resource
import subprocess
import sys

CLONE_NEWNS, CLONE_NAMESPACES = 0x20000, 0x7e020080
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 1 << 19
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
AT_FDCWD, AT_RECURSIVE, SYS_MOUNT_SETATTR, MOUNT_ATTR_RDONLY = -100, 0x8000, 442, 1
ALLOW, ERRNO, EQ, MASKED_EQ = 0x7fff0000, 0x00050000, 4, 7
PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17, "AF_XDP": 44}

libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    """Fail unless a call of libc has succeeded."""
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def read_unit(path):
    """The [Service] section: lists of values by name, in the order of the file."""
    settings, section = {}, ""
    with open(path, encoding="utf-8") as file:
        for line in map(str.strip, file):
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and line[0] != "#":
                name, value = line.split("=", 1)
                settings.setdefault(name, []).append(value)
    return settings


# ---- as root ---------------------------------------------------------------------------------

def set_limits(unit):
    """LimitNOFILE=, LimitMEMLOCK=, LimitCORE=."""
    for name, kind in (("LimitNOFILE", resource.RLIMIT_NOFILE),
                       ("LimitMEMLOCK", resource.RLIMIT_MEMLOCK),
                       ("LimitCORE", resource.RLIMIT_CORE)):
        if name not in unit:
            continue
        value = unit[name][-1]
        number = resource.RLIM_INFINITY if value == "infinity" else int(value)
        try:
            resource.setrlimit(kind, (number, number))
        except ValueError:  # more than this host lets anybody have: as much as there is, like systemd
            most = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (most, most))


def set_read_only(path, on):
    """All mounts from here on, writable or not."""
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY if on else 0,
                                       0 if on else MOUNT_ATTR_RDONLY, 0, 0)
    must(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE, attributes, 32),
         f"mount_setattr {path}")


def set_mounts(unit, writable):
    """ProtectSystem=strict, ProtectKernelTunables=, ProtectControlGroups=, ProcSubset=pid."""
    assert unit["ProtectSystem"] == ["strict"]
    subset = "" if unit.get("ProcSubset") is None else f",subset={unit['ProcSubset'][0]}"
    must(libc.unshare(CLONE_NEWNS), "unshare")
    must(libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None), "mount /")
    must(libc.mount(writable.encode(), writable.encode(), None, MS_BIND, None), "bind")
    must(libc.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    f"hidepid=invisible{subset}".encode()), "mount /proc")
    set_read_only("/", True)
    set_read_only(writable, False)


def become_user(unit, user, command):
    """User=, Group=, SupplementaryGroups=, the capabilities, NoNewPrivileges=; runs the command then."""
    uid, _, group = user.partition(":")
    assert len(group.split(",")) == len(unit.get("SupplementaryGroups", [""])[0].split() or [""])
    assert bool(group) == ("SupplementaryGroups" in unit)
    ambient = [name.lower().replace("cap_", "+") for name in unit["AmbientCapabilities"][-1].split()]
    bounding = [name.lower().replace("cap_", "+")
                for name in unit["CapabilityBoundingSet"][-1].split()]
    assert unit["NoNewPrivileges"] == ["yes"]
    os.umask(int(unit["UMask"][-1], 8))
    groups = ["--groups", group] if group else ["--clear-groups"]
    os.execvp("setpriv", ["setpriv", "--reuid", uid, "--regid", uid, *groups,
                          "--inh-caps", ",".join(["-all"] + ambient),
                          "--ambient-caps", ",".join(["-all"] + ambient),
                          "--bounding-set", ",".join(["-all"] + bounding),
                          "--no-new-privs", *command])


# ---- system calls ----------------------------------------------------------------------------

def expand(group):
    """The names of a @group, those of the groups in it included."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", group], check=True, text=True,
                          capture_output=True)
    names = set()
    for line in done.stdout.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@"):
            names |= expand(word)
        elif word and word[0] != "#":
            names.add(word)
    return names


def calls_of(unit):
    """The system calls that the lines of SystemCallFilter= allow, according to systemd.exec(5)."""
    allowed = expand("@default")
    for line in unit["SystemCallFilter"]:
        names = set()
        for word in line.lstrip("~").split():
            names |= expand(word) if word.startswith("@") else {word}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return sorted(allowed)


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def conditions_of(unit):
    """Of some calls only some uses are allowed: a list of comparisons, one of which must hold."""
    conditions = {}
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        both = PROT_WRITE | PROT_EXEC
        conditions["mmap"] = [Comparison(2, MASKED_EQ, both, bits)
                              for bits in (0, PROT_WRITE, PROT_EXEC)]
        for call in ("mprotect", "pkey_mprotect"):
            conditions[call] = [Comparison(2, MASKED_EQ, PROT_EXEC, 0)]
    if unit.get("RestrictNamespaces") == ["yes"]:
        conditions["clone"] = [Comparison(0, MASKED_EQ, CLONE_NAMESPACES, 0)]
        conditions["unshare"] = conditions["setns"] = []
    conditions["socket"] = [Comparison(0, EQ, FAMILIES[name], 0)
                            for name in unit["RestrictAddressFamilies"][-1].split()]
    return conditions


def load_filter(unit, names):
    """SystemCallFilter= and the other restrictions of system calls by systemd."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_rule_add_array.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                           ctypes.c_uint, ctypes.POINTER(Comparison))
    conditions = conditions_of(unit)
    context = lib.seccomp_init(ERRNO | 1)  # EPERM
    for name in names:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # not of this machine
        for comparison in conditions.get(name, [None]):
            error = lib.seccomp_rule_add_array(context, ALLOW, number, int(comparison is not None),
                                               comparison)
            assert not error, f"{name}: {error}"
    # Like systemd: C libraries then fall back to clone(), whose flags a filter can check.
    lib.seccomp_rule_add_array(context, ERRNO | 38, lib.seccomp_syscall_resolve_name(b"clone3"), 0,
                               None)
    assert lib.seccomp_load(ctypes.c_void_p(context)) == 0, "seccomp_load"


def main():
    """Runs twice: first as root, then as the user that loads the filter and runs the command."""
    if sys.argv[1] == "--filter":
        unit, names, command = read_unit(sys.argv[2]), sys.argv[3].split(","), sys.argv[4:]
        load_filter(unit, [name for name in names if name != "clone3"])
        os.execv(command[0], command)
    path, uid, writable, *command = sys.argv[1:]
    unit = read_unit(path)
    names = calls_of(unit)
    set_limits(unit)
    set_mounts(unit, writable)
    become_user(unit, uid, ["/usr/bin/python3", os.path.abspath(__file__), "--filter", path,
                            ",".join(names), *command])


main()
