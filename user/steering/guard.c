/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard.skel.h"
#include "steering/leases.h"

struct guard {
	struct guard_bpf *program;
	struct bpf_link *link;
	struct xmc_lease *leases;
};

/* The root of the cgroup2 hierarchy, as far as this process sees it. */
static int open_root(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *mount;
	int fd = -ENOENT;

	while (mounts && fd < 0 && (mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup2") != 0)
			continue;
		fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	if (mounts)
		endmntent(mounts);
	return fd;
}

static int load(struct guard *guard, const char **step)
{
	*step = "program";
	guard->program = guard_bpf__open_and_load();
	if (!guard->program)
		return -errno;
	*step = "memory";
	return leases_map(bpf_map__fd(guard->program->maps.leases), &guard->leases);
}

int guard_attach(struct guard *guard, const char **step)
{
	int cgroup;
	int err;

	*step = "cgroup2";
	cgroup = open_root();
	if (cgroup < 0)
		return cgroup;
	*step = "attach";
	guard->link = bpf_program__attach_cgroup(guard->program->progs.xmcast_guard, cgroup);
	err = guard->link ? 0 : -errno;
	close(cgroup);
	return err;
}

int guard_open(struct guard **out, const char **step)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	int err;

	*step = "memory";
	if (!guard)
		return -ENOMEM;
	err = load(guard, step);
	if (err)
		guard_close(guard);
	else
		*out = guard;
	return err;
}

void guard_close(struct guard *guard)
{
	if (!guard)
		return;
	bpf_link__destroy(guard->link);
	leases_unmap(guard->leases);
	guard_bpf__destroy(guard->program);
	free(guard);
}

struct xmc_lease *guard_leases(const struct guard *guard)
{
	return guard->leases;
}

int guard_sockets(const struct guard *guard)
{
	return guard ? bpf_map__fd(guard->program->maps.guarded) : -1;
}
