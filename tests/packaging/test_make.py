#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The Makefile as packagers and administrators use it: variables, install and uninstall, the tarball, lists of
Debian packages. Needs no root. Prints TAP."""

import glob
import os
import re
import shutil
import stat
import tarfile
import tempfile

from tap import BUILD, ROOT, check, clean_environment, equal, main, make, run, test, variable

# Of what enables something, these may be installed: parts of every Debian that boots, as is util-linux-extra by its
# dependencies; and x11-common, on which libraries of ffmpeg depend, and which only creates directories in /tmp.
EVERYWHERE = {"required", "important"}
HARMLESS = {"util-linux-extra", "x11-common"}
DPKG = "/var/lib/dpkg/info"  # dpkg-query(1) shows one script of one package at a time
ENABLES = re.compile(r"^[^#\n]*(deb-systemd-helper|update-rc\.d)", re.M)


def installed(root):
    """The paths of all files below a directory, without the directory."""
    return sorted(os.path.relpath(os.path.join(directory, name), root)
                  for directory, _, names in os.walk(root) for name in names)


@test
def directories():
    """bindir, sbindir, sysconfdir, mandir and unitdir are honoured, also inside the units"""
    with tempfile.TemporaryDirectory() as root:
        make("install", f"DESTDIR={root}", "PREFIX=/opt/relay", "sbindir=/opt/sbin", "bindir=/opt/bin",
             "sysconfdir=/opt/etc", "mandir=/opt/man", "unitdir=/opt/units")
        files = installed(root)
        for path in ("opt/sbin/xmcastd", "opt/bin/xmcastctl", "opt/etc/xmcast/xmcast.yaml.example",
                     "opt/man/man8/xmcastd.8", "opt/units/xmcastd.service"):
            check(path in files, f"{path} is missing in {files}")
        with open(f"{root}/opt/units/xmcastd.service", encoding="utf-8") as file:
            unit = file.read()
        for line in ("ExecStart=/opt/sbin/xmcastd -c ${XMCAST_CONFIG} --store",
                     "ExecReload=+/opt/bin/xmcastctl config reload",
                     "Environment=XMCAST_CONFIG=/opt/etc/xmcast/xmcast.yaml"):
            check(line + "\n" in unit, f"{line} is missing")
        outside = [path for path in files if not path.startswith("opt/")]
        equal(outside, [], "files elsewhere")


@test
def instances():
    """xmcastd@.service is xmcastd.service with a file, a socket and directories of its own; systemd accepts it"""
    with tempfile.TemporaryDirectory() as root:
        make("install", f"DESTDIR={root}", f"PREFIX={root}", f"sysconfdir={root}/etc")
        units = f"{root}{root}/lib/systemd/system"
        with open(f"{units}/xmcastd.service", encoding="utf-8") as one, \
                open(f"{units}/xmcastd@.service", encoding="utf-8") as several:
            pairs = list(zip(one.read().splitlines(), several.read().splitlines(), strict=True))
        changed = [after for before, after in pairs if before != after and not after.startswith("#")]
        equal(changed, ["Description=Multicast relay %i",
                        f"Environment=XMCAST_CONFIG={root}/etc/xmcast/%i.yaml "
                        "XMCAST_SOCKET=/run/xmcast-%i/xmcast.sock",
                        "RuntimeDirectory=xmcast-%i", "StateDirectory=xmcast/%i"], "lines that differ")
        # The programs are below DESTDIR and PREFIX.
        for program in ("sbin/xmcastd", "bin/xmcastctl"):
            os.makedirs(f"{root}/{os.path.dirname(program)}", exist_ok=True)
            shutil.copy(f"{root}{root}/{program}", f"{root}/{program}")
        shutil.copy(f"{units}/xmcastd@.service", f"{root}/xmcastd@wan.service")
        done = run("systemd-analyze", "verify", "--man=no", f"{root}/xmcastd@wan.service")
        equal([line for line in done.stderr.splitlines() if "sysinit.target" not in line], [], "systemd says")


@test
def uninstall():
    """make uninstall removes what make install has put there, and nothing else"""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(f"{root}/usr/local/bin")
        os.makedirs(f"{root}/etc/xmcast")
        kept = ["etc/xmcast/xmcast.yaml", "usr/local/bin/mine"]
        for path in kept:
            with open(f"{root}/{path}", "w", encoding="ascii") as file:
                file.write("rules: []\n")
        make("install", f"DESTDIR={root}")
        check(len(installed(root)) > 30, f"installed: {installed(root)}")
        make("uninstall", f"DESTDIR={root}")
        equal(installed(root), kept, "left")
        left = [path for path, _, _ in os.walk(root) if "xmcast" in path[len(root):]]
        equal(left, [f"{root}/etc/xmcast"], "directories left")


@test
def flags():
    """CPPFLAGS, CFLAGS and LDFLAGS reach compiler and linker; WERROR= makes warnings no errors"""
    commands = make("-n", "-B", "V=1", "CPPFLAGS=-DXMC_A", "CFLAGS=-O1 -DXMC_B", "LDFLAGS=-Wl,-z,defs",
                    "all").stdout.splitlines()
    compiled = [line for line in commands if " -c -o " in line and "-target bpf" not in line]
    linked = [line for line in commands if re.search(r" -o \S+/xmcastd ", line)]
    check(len(compiled) > 100 and len(linked) == 1, f"{len(compiled)} compiled, {len(linked)} linked")
    for line in compiled:
        check("-DXMC_A " in line and "-O1 -DXMC_B " in line, line)
    check("-Wl,-z,defs" in linked[0], linked[0])
    check(all("-Werror" in line for line in compiled), "without -Werror")
    check("-Werror" not in make("-n", "-B", "V=1", "WERROR=", "all").stdout, "-Werror in spite of WERROR=")


@test
def cross_build():
    """A compiler whose programs do not run here is refused, with the reason"""
    with tempfile.TemporaryDirectory() as directory:
        compiler = f"{directory}/other-gcc"
        # Its programs are ELF files of a machine without a number.
        with open(compiler, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done\n'
                       '{ head -c 18 /bin/true; printf "\\377\\376"; tail -c +21 /bin/true; } > "$out"\n'
                       'chmod 755 "$out"\n')
        os.chmod(compiler, 0o755)
        done = run("make", "-s", "-C", ROOT, f"CC={compiler}", f"B={directory}/out",
                   f"{directory}/out/gen/filters.h", env=clean_environment(), good=False)
        check(done.returncode != 0, "it was built")
        check("cannot be cross built" in done.stderr and "seccomp" in done.stderr, done.stderr)


@test
def tarball():
    """The tarball of make dist has all sources, and knows its version without git"""
    make("dist")
    version = variable("VERSION")
    path = os.path.join(ROOT, variable("DIST"))
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(path) as archive:
            archive.extractall(directory)
        tree = os.path.join(directory, os.listdir(directory)[0])
        equal(variable("VERSION", tree), version, "version")
        sources = [f"{part}/{name}" for part in ("user", "bpf", "include", "tools", "tests", "docs", "packaging")
                   for name in installed(f"{ROOT}/{part}") if "__pycache__" not in name]
        check(len(sources) > 300, f"sources: {sources}")
        missing = [name for name in sources + ["Makefile", "LICENSE", ".clang-format", ".ci/run"]
                   if not os.path.lexists(f"{tree}/{name}")]
        equal(missing, [], "missing")
        # The tarball of the tarball is the same file.
        with open(path, "rb") as file:
            first = file.read()
        make("dist", directory=tree)
        with open(os.path.join(tree, variable("DIST", tree)), "rb") as file:
            check(file.read() == first, "the tarball of the tarball is another")


@test
def version():
    """The newest heading of the changelog, the tags, and what the programs print agree"""
    release, text = variable("RELEASE"), variable("VERSION")
    check(re.fullmatch(r"\d+\.\d+\.\d+", release), f"release {release!r}")
    printed = run(f"{BUILD}/xmcastd", "-V").stdout.splitlines()[0]
    equal(printed, f"xmcastd {text}", "version of xmcastd")
    tag = run("git", "-C", ROOT, "describe", "--tags", "--abbrev=0", good=False).stdout.strip()
    exact = run("git", "-C", ROOT, "describe", "--tags", "--exact-match", good=False).stdout.strip()
    number = [int(part) for part in release.split(".")]
    if exact:
        equal(exact.split("-")[0], f"v{release}", "tag of this commit")
    elif tag:
        check([int(part) for part in re.findall(r"\d+", tag)[:3]] <= number, f"{tag}, but {release}")
    else:
        check(text.startswith(f"{release}~"), f"{text}, but {release}")


@test
def help_has_targets():
    """make help names every target that a person calls"""
    text = make("help").stdout
    with open(f"{ROOT}/Makefile", encoding="utf-8") as file:
        phony = re.search(r"^\.PHONY: all (.*?[^\\])$", file.read(), re.M | re.S)[1]
    internal = {"\\", "format", "clean", "help"}
    for name in set(phony.split()) - internal:
        check(re.search(rf"(?<![\w-]){name}(?![\w-])", text), f"make help does not name {name}")


@test
def lists():
    """No package that make installs, nor its dependencies, starts or enables something; and Build-Depends"""
    packages = {name for kind in ("BUILD", "TEST", "LINT", "DEB") for name in variable(f"{kind}_DEPS").split()}
    depends = run("apt-cache", "depends", "--recurse", "--installed", "--no-recommends", "--no-suggests",
                  "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", *sorted(packages)).stdout
    closure = set(re.findall(r"^([a-z0-9][a-z0-9.+-]*)$", depends, re.M))
    check(len(closure) > 150, f"with their dependencies: {closure}")
    known = run("dpkg-query", "-W", "-f=${Package} ${Priority} ${Status}\n", *sorted(closure), good=False).stdout
    present = {line.split()[0] for line in known.splitlines()
               if line.endswith(" ok installed") and line.split()[1] not in EVERYWHERE}
    for name in sorted(present - HARMLESS):
        for path in glob.glob(f"{DPKG}/{name}.postinst") + glob.glob(f"{DPKG}/{name}:*.postinst"):
            with open(path, encoding="utf-8", errors="replace") as file:
                check(not ENABLES.search(file.read()),
                      f"{name} sets up a service: it, or what depends on it, belongs to UNPACKED")
    with open(f"{ROOT}/packaging/debian/control", encoding="utf-8") as file:
        field = re.search(r"^Build-Depends:\n((?: .*\n)+)", file.read(), re.M)[1]
    needed = set(re.findall(r"^ ([a-z0-9.+-]+)", field, re.M)) - {"debhelper-compat"}
    equal(needed - set(variable("BUILD_DEPS").split()), set(), "needed by the packages alone")


@test
def unpacked():
    """What would start a service is found without being installed"""
    directory = f"{ROOT}/build/unpacked"
    path = variable("PATH").split(":")
    for package in variable("UNPACKED").split():
        name = package.split(":")[0]
        status = run("dpkg-query", "-W", "-f=${Status}", name, good=False).stdout
        check("ok installed" in status or os.path.exists(f"{directory}/.{name}"), f"no {name}")
    for name in ("smcrouted", "igmpproxy", "prometheus", "promtool", "prometheus-node-exporter", "etcd"):
        check(any(os.path.exists(f"{place}/{name}") and
                  os.stat(f"{place}/{name}").st_mode & stat.S_IXUSR for place in path),
              f"{name} is not in {path}")


main()
