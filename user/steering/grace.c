/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/grace.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

int grace_open(struct grace *grace)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);

	*grace = GRACE_CLOSED;
	grace->inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "xmcast_grace_in", sizeof(__u32),
					 sizeof(__u32), 1, NULL);
	if (grace->inner_fd < 0)
		return grace->inner_fd;
	options.inner_map_fd = (__u32)grace->inner_fd;
	grace->outer_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "xmcast_grace", sizeof(__u32),
					 sizeof(__u32), 1, &options);
	return grace->outer_fd < 0 ? grace->outer_fd : 0;
}

void grace_close(struct grace *grace)
{
	if (grace->inner_fd >= 0)
		close(grace->inner_fd);
	if (grace->outer_fd >= 0)
		close(grace->outer_fd);
	*grace = GRACE_CLOSED;
}

int grace_wait(const struct grace *grace)
{
	const __u32 key = 0;

	return bpf_map_update_elem(grace->outer_fd, &key, &grace->inner_fd, BPF_ANY);
}
