# SPDX-License-Identifier: BSD-2-Clause
"""A bare Debian 12: what debootstrap installs as its smallest variant, from the mirror that apt is configured with.

It is made once, in build/bare/base, and never changed: each Root puts an overlay over it, in a mount and a process
namespace of its own. So nothing of it is left on the machine when the Root ends, whatever was started inside. There
is no service manager. Downloaded packages are kept in build/bare/archives. Needs root and network access."""

import contextlib
import glob
import os
import shutil
import subprocess

from tap import ROOT, check, equal, run

STORE = f"{ROOT}/build/bare"
SUITE = "bookworm"
MOST_SECONDS = 3600  # then a Root ends by itself

# Runs as the first process of the root's namespaces. Devices are those that a container would get. pivot_root and not
# chroot, because container engines inside enter mount namespaces, which forgets a chroot.
SETUP = r"""
set -eu
cd "$1"
mount -t overlay -o lowerdir="$2/base",upperdir="$1/upper",workdir="$1/work" overlay merged
mount -t proc proc merged/proc
mount -t sysfs sysfs merged/sys
mount -t tmpfs -o mode=755 run merged/run
mount -t tmpfs -o mode=1777 tmp merged/tmp
mount -t tmpfs -o mode=755 dev merged/dev
for device in null zero full random urandom tty; do
	: > "merged/dev/$device"
	mount --bind "/dev/$device" "merged/dev/$device"
done
ln -s /proc/self/fd merged/dev/fd
mkdir merged/dev/shm
mount --bind "$2/archives" merged/var/cache/apt/archives
cp -L /etc/resolv.conf merged/etc/resolv.conf
cd merged
pivot_root . mnt
cd /
umount -l /mnt
echo ready
exec sleep "$3"
"""


def sources():
    """The lines of sources.list for Debian itself that apt is configured with."""
    text = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
               "Created-By: Packages", "Origin: Debian").stdout
    lines = sorted({line for line in text.splitlines() if line.split()[1].startswith(SUITE)},
                   key=lambda line: line.split()[1])
    check(lines and lines[0].split()[1] == SUITE, f"apt has no sources of Debian's {SUITE}: {text!r}")
    return lines


def make_base():
    """build/bare/base, unless it is there."""
    os.makedirs(f"{STORE}/archives/partial", exist_ok=True)
    if os.path.exists(f"{STORE}/base"):
        return
    lines = sources()
    shutil.rmtree(f"{STORE}/base.new", ignore_errors=True)
    run("debootstrap", "--variant=minbase", SUITE, f"{STORE}/base.new", lines[0].split()[0], timeout=1200)
    with open(f"{STORE}/base.new/etc/apt/sources.list", "w", encoding="ascii") as file:
        file.write("".join(f"deb {line}\n" for line in lines))
    os.rename(f"{STORE}/base.new", f"{STORE}/base")


def built(name):
    """The package file that make deb has built."""
    found = glob.glob(f"{ROOT}/build/deb/{name}_*.deb")
    equal(len(found), 1, f"packages {name} in build/deb: {found}; run make deb")
    return found[0]


class Root:
    """A running bare root. `path` is its top directory, as seen by programs outside."""

    def __init__(self, name):
        make_base()
        directory = f"{STORE}/{name}"
        shutil.rmtree(directory, ignore_errors=True)
        for part in ("upper", "work", "merged"):
            os.makedirs(f"{directory}/{part}")
        self._directory = directory
        self._first = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c",
             SETUP, "sh", directory, STORE, str(MOST_SECONDS)], stdout=subprocess.PIPE, text=True)
        equal(self._first.stdout.readline(), "ready\n", "the root's first process")
        with open(f"/proc/{self._first.pid}/task/{self._first.pid}/children", encoding="ascii") as file:
            self._pid = file.read().split()[0]
        self.path = f"/proc/{self._pid}/root"

    def stop(self):
        """End everything that runs inside."""
        self._first.kill()
        self._first.wait()
        shutil.rmtree(self._directory)

    def run(self, command, **options):
        """Run a line of shell inside and return what tap.run() returns."""
        return run("nsenter", "-t", self._pid, "--mount", "--pid", "--root", "--wd", "/usr/bin/env", "-i", "HOME=/root",
                   "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
                   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   "sh", "-euc", command, **{"timeout": 1200, **options})

    def read(self, path):
        """The text of a file inside."""
        with open(self.path + path, encoding="utf-8") as file:
            return file.read()

    def write(self, path, text):
        """Write a file inside."""
        with open(self.path + path, "w", encoding="utf-8") as file:
            file.write(text)

    def exists(self, path):
        """Is there such a file inside, or a symbolic link?"""
        return os.path.lexists(self.path + path)

    def processes(self):
        """Names of the processes inside, except the first one and those that have ended."""
        names = []
        for pid in os.listdir(f"{self.path}/proc"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if pid.isdigit() and pid != "1" and "\nState:\tZ" not in self.read(f"/proc/{pid}/status"):
                    names.append(self.read(f"/proc/{pid}/comm").strip())
        return sorted(names)

    def enabled(self):
        """What the service manager would start: links and scripts, as paths."""
        places = ("/etc/systemd", "/etc/init.d", *(f"/etc/rc{level}.d" for level in "S0123456"))
        return sorted(os.path.join(directory, name)[len(self.path):] for place in places
                      for directory, _, names in os.walk(self.path + place) for name in names)

    def ours(self):
        """All files and directories inside with xmcast in their path, except those below /root."""
        return sorted(line for line in self.run(
            "find / -xdev -path /root -prune -o -path '*xmcast*' -print").stdout.splitlines()
                      if "/apt/archives/" not in line and not line.startswith("/tmp/"))
