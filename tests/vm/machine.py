# SPDX-License-Identifier: BSD-2-Clause
"""A virtual machine that boots Debian 12 with systemd, on Debian's own kernel (tests/vm/kernel) under QEMU.

    mmdebstrap ──▶ build/vm/root-KEY.ext4   made once; another list of packages, sources or modules is another KEY
                        │ copy
                        ▼
    build/vm/boot.XXXX/disk   what the machine writes, also over a reboot
    build/vm/boot.XXXX/share  ──9p, read-only──▶ /share: tests/vm/guest, and what is to be installed
    stdout ◀──ttyS1──  TAP of /share/booted.py, a service of the machine

The machine has no network device, so no packet leaves it. Needs root and, once, network access."""

import glob
import hashlib
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tests/packaging")

# pylint: disable=wrong-import-position
from bare import SUITE, sources  # noqa: E402
from tap import check, run  # noqa: E402

STORE = f"{ROOT}/build/vm"
MEGABYTES = 1024
SECONDS = 2000  # the longest time between two boots
BOOTS = 2  # the machine is started once more after each but the last
PACKAGES = ("systemd", "systemd-sysv", "udev", "kmod", "iproute2", "ethtool", "netbase", "python3", "bpftool", "xdp-tools")
# What our packages depend on; they are installed in the machine, where apt has no network.
LIBRARIES = ("libbpf1", "libxdp1", "liburing2", "libyaml-0-2", "libjansson4", "libmnl0", "libcap-ng0", "libseccomp2",
             "libmicrohttpd12", "libncursesw6", "libsmartcols1")
# In the initramfs, with what they depend on; the rest is in the root's /lib/modules.
MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
# They would only cost time.
MASKED = ("serial-getty@ttyS0.service", "getty@tty1.service", "apt-daily.timer", "apt-daily-upgrade.timer",
          "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer")
TEST_UNIT = """[Unit]
Description=Tests of xmcast
[Service]
Type=exec
ExecStart=/usr/bin/python3 -B /share/booted.py
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
Environment=LC_ALL=C.UTF-8 HOME=/root
[Install]
WantedBy=multi-user.target
"""
INIT = """#!/bin/busybox sh
set -eu
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in $(cat /modules/list); do insmod "/modules/$module"; done
mount -t ext4 /dev/vda /new
umount /proc
mount --move /dev /new/dev
exec switch_root /new /sbin/init
"""


def apt_options():
    """Options for mmdebstrap's own apt: how this machine's one reaches and trusts its sources."""
    text = run("apt-config", "dump").stdout
    return [f"--aptopt={option}" for option in
            re.findall(r'^(Acquire::(?:Check-\S+|https?::\S*Proxy\S*|Retries) ".*");$', text, re.M)]


def write(path, text, mode=0o644):
    """Write a file, whose directory is made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def make_tree(tree, lines, kernel):
    """The files of the root."""
    run("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES + LIBRARIES)}",
        *apt_options(), *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")),
        SUITE, tree, *(f"deb {line}" for line in lines), timeout=900)
    shutil.rmtree(f"{tree}/usr/lib/modules", ignore_errors=True)
    shutil.copytree(f"{kernel}/lib/modules", f"{tree}/usr/lib/modules")
    run("chroot", tree, "depmod", *os.listdir(f"{tree}/usr/lib/modules"))
    units = f"{tree}/etc/systemd/system"
    for name in MASKED:
        os.symlink("/dev/null", f"{units}/{name}")
    write(f"{units}/boot-test.service", TEST_UNIT)
    os.makedirs(f"{units}/multi-user.target.wants", exist_ok=True)
    os.symlink("/etc/systemd/system/boot-test.service", f"{units}/multi-user.target.wants/boot-test.service")
    write(f"{units}/emergency.service", "[Service]\nExecStart=systemctl poweroff -ff\n")
    write(f"{tree}/etc/fstab", "share /share 9p trans=virtio,version=9p2000.L,msize=512000,ro 0 0\n")
    write(f"{tree}/etc/hostname", "router\n")
    write(f"{tree}/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    write(f"{tree}/etc/modules-load.d/test.conf", "9pnet_virtio\n9p\n")
    os.makedirs(f"{tree}/share")


def make_root(kernel):
    """Path of the root's image, which is made unless it is there."""
    lines = sources()
    parts = [inspect.getsource(make_tree), repr((PACKAGES, LIBRARIES, MASKED, TEST_UNIT, MEGABYTES)), kernel, *lines]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    image = f"{STORE}/root-{key}.ext4"
    if os.path.exists(image):
        return image
    print("# making the root", file=sys.stderr, flush=True)
    for old in glob.glob(f"{STORE}/root-*.ext4"):
        os.unlink(old)
    with tempfile.TemporaryDirectory(dir=STORE, prefix="root.") as directory:
        os.chmod(directory, 0o755)
        make_tree(f"{directory}/tree", lines, kernel)
        run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", f"{directory}/tree", f"{directory}/image", f"{MEGABYTES}M")
        os.rename(f"{directory}/image", image)
    return image


def make_initramfs(kernel, directory):
    """An initramfs that mounts the disk and continues there."""
    tree = f"{directory}/initramfs"
    (modules,) = glob.glob(f"{kernel}/lib/modules/*")
    with open(f"{modules}/modules.dep", encoding="ascii") as file:
        depends = {re.sub(r".*/|\.ko.*", "", line.split(":")[0]): line.replace(":", "").split() for line in file}
    paths = []
    for name in MODULES:
        check(name.replace("-", "_") in depends or name in depends, f"the kernel has no module {name}")
        for path in reversed(depends[name]):
            if path not in paths:
                paths.append(path)
    for name in ("bin", "proc", "dev", "new", "modules"):
        os.makedirs(f"{tree}/{name}")
    for path in paths:
        shutil.copy(f"{modules}/{path}", f"{tree}/modules/")
    write(f"{tree}/modules/list", "".join(os.path.basename(path) + "\n" for path in paths))
    shutil.copy(shutil.which("busybox"), f"{tree}/bin/busybox")
    write(f"{tree}/init", INIT, 0o755)
    with open(f"{directory}/initramfs.cpio", "wb") as file:
        subprocess.run("find . | busybox cpio -o -H newc", shell=True, cwd=tree, check=True, stdout=file,
                       stderr=subprocess.DEVNULL)


class Machine:
    """`form` names the lists of tests in tests/vm/guest/booted.py, `only` those of them that are wanted, or none: all;
    `files` are put into /share."""

    def __init__(self, form, files, only=()):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        os.makedirs(STORE, exist_ok=True)
        self._kernel = run(f"{ROOT}/tests/vm/kernel", timeout=900).stdout.strip()
        image = make_root(self._kernel)
        self._work = tempfile.mkdtemp(dir=STORE, prefix="boot.")
        run("cp", "--sparse=always", image, f"{self._work}/disk")
        make_initramfs(self._kernel, self._work)
        share = f"{self._work}/share"
        shutil.copytree(f"{ROOT}/tests/vm/guest", share)
        for path in ("tap.py", "stream.py"):
            shutil.copy(f"{ROOT}/tests/packaging/{path}", share)
        write(f"{share}/form", " ".join((form, *only)))
        for name, path in files.items():
            (shutil.copytree if os.path.isdir(path) else shutil.copy)(path, f"{share}/{name}")

    def close(self):
        """Remove the disk."""
        shutil.rmtree(self._work)

    def _command(self):
        (linux,) = glob.glob(f"{self._kernel}/boot/vmlinuz-*")
        # tsc=…: see tests/vm/run.
        return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-kernel", linux,
                "-initrd", f"{self._work}/initramfs.cpio",
                "-append", "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off tsc=reliable no_timer_check "
                           "random.trust_cpu=on net.ifnames=0 systemd.show_status=0",
                "-serial", f"file:{self._work}/console",
                "-chardev", "stdio,id=tap,signal=off", "-serial", "chardev:tap",
                "-drive", f"file={self._work}/disk,if=virtio,format=raw,cache=unsafe",
                "-virtfs", f"local,path={self._work}/share,mount_tag=share,security_model=none,readonly=on"]

    def _console(self):
        with open(f"{self._work}/console", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()[-60:]
        print("".join(f"# console: {line}\n" for line in lines), end="", file=sys.stderr, flush=True)

    def boot(self):
        """Start the machine and print its TAP until it reboots or is switched off. False: it did not get that far."""
        machine = subprocess.Popen(["timeout", "--kill-after=5", str(SECONDS), *self._command()],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        done = False
        try:
            for line in machine.stdout:
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                done |= text == "# end of the stage"
                print(text, flush=True)
        finally:
            machine.terminate()  # timeout(1), which passes it on
            machine.wait()
        if not done:
            self._console()
        return done

    def run(self):
        """Boot as often as it takes. False: a boot failed; failures of tests are in the TAP."""
        return all(self.boot() for _ in range(BOOTS))
