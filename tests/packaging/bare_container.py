#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The container image: built and run by Debian's podman (4.3) in a bare root, with the capabilities and the system
call filter of docs/containers.md; and the example manifests, read by the programs that they are for. Prints TAP."""

import json
import shutil

from bare import STORE, Root, built
from stream import NETWORK, RULE, Stream
from tap import ROOT, check, equal, main, run, test

CONTAINER = f"{ROOT}/packaging/container"
# No service manager, no overlay over an overlay.
PODMAN = "podman --storage-driver=vfs --cgroup-manager=cgroupfs"
RIGHTS = ("--cap-drop=all --cap-add=net_admin,net_raw,bpf,perfmon,ipc_lock --security-opt no-new-privileges "
          "--security-opt seccomp=/root/xmcast-seccomp.json")


def prepare(root, packages):
    """Packages of Debian, and our files in /root."""
    root.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends " + packages)
    run("cp", "-r", CONTAINER, f"{root.path}/root/container")


def build(root):
    """The image xmcast, over the bare Debian instead of the base that a registry has."""
    root.run("mkdir /root/deb; for place in /var/lib/containers /var/tmp; do mkdir -p $place; "
             "mount -t tmpfs tmpfs $place; done; mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    for name in ("xmcast", "xmcast-exporter", "xmcast-tools"):
        shutil.copy(built(name), f"{root.path}/root/deb/")
    run("tar", "-C", f"{STORE}/base", "-cf", f"{root.path}/var/tmp/base.tar", ".")
    # Debian's image has this PATH.
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    root.run(f"{PODMAN} import -c '{path}' /var/tmp/base.tar localhost/base && rm /var/tmp/base.tar && {PODMAN} build "
             "--format docker --isolation chroot --network host --build-arg BASE=localhost/base -t xmcast "
             "-f /root/container/Containerfile /root/deb")
    root.run("jq -f /root/container/seccomp.jq /usr/share/containers/seccomp.json >/root/xmcast-seccomp.json")


@test
def relays():
    """The image relays with five capabilities, reports its health, and ends with exit code 0"""
    root = Root("container")
    try:
        prepare(root, "podman buildah crun jq iproute2")
        build(root)
        root.run("apt-get install -y -qq --no-install-recommends /root/deb/xmcast-tools_*.deb")
        root.run(NETWORK + "mkdir -p /root/etc")
        root.write("/root/etc/xmcast.yaml", "rules:\n" + RULE)
        root.run(f"{PODMAN} run -d --name relay --cgroups=disabled --no-healthcheck --read-only "
                 f"--network=ns:/run/netns/relay {RIGHTS} -v /root/etc:/etc/xmcast:ro xmcast")
        stream = Stream(root, f"{PODMAN} exec relay xmcastctl", f"{PODMAN} logs relay 2>&1")
        log = root.run(f"{PODMAN} logs relay 2>&1").stdout
        check("engine=io_uring" in log and "warn" not in log, log)
        config = json.loads(root.run(f"{PODMAN} image inspect xmcast").stdout)[0]
        health = config.get("HealthCheck") or config.get("Healthcheck")
        equal(health["Test"], ["CMD", "xmcastctl", "ping"], "health check")
        root.run(f"{PODMAN} exec relay {' '.join(health['Test'][1:])}")
        stream.end()
        root.run(f"{PODMAN} stop relay")
        equal(root.run(f"{PODMAN} inspect relay --format '{{{{.State.ExitCode}}}}'").stdout, "0\n", "exit code")
    finally:
        root.stop()


def keys(value, path=""):
    """The paths of all keys in a structure of dictionaries and lists."""
    if isinstance(value, dict):
        return {key for name, below in value.items() for key in keys(below, f"{path}.{name}")}
    if isinstance(value, list):
        return {key for below in value for key in keys(below, f"{path}[]")}
    return {path}


@test
def manifests():
    """docker-compose accepts compose.yaml; kubectl knows every field of daemonset.yaml"""
    root = Root("manifests")
    try:
        prepare(root, "docker-compose kubernetes-client python3-yaml")
        root.run("cd /root/container && echo '{}' >xmcast-seccomp.json && docker-compose -f compose.yaml config -q")
        # What kubectl does not know, it leaves out when it writes the objects again.
        given = json.loads(root.run("python3 -c 'import json, yaml; print(json.dumps(list(yaml.safe_load_all("
                                    "open(\"/root/container/daemonset.yaml\")))))'").stdout)
        text = root.run("kubectl label --local --dry-run=client -f /root/container/daemonset.yaml -o json a=b").stdout
        decoder, known = json.JSONDecoder(), []
        while text.strip():
            value, end = decoder.raw_decode(text.strip())
            known.append(value)
            text = text.strip()[end:]
        equal(len(given), 2, "objects")
        for before, after in zip(given, known, strict=True):
            equal(sorted(keys(before) - keys(after)), [], f"fields of {before['kind']} that kubectl does not know")
    finally:
        root.stop()


main()
