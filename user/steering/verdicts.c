/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/verdicts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int verdicts_open(struct verdicts *verdicts)
{
	verdicts->nr_cpus = libbpf_num_possible_cpus();
	if (verdicts->nr_cpus < 0)
		return verdicts->nr_cpus;
	verdicts->per_cpu = calloc((size_t)verdicts->nr_cpus, sizeof(*verdicts->per_cpu));
	return verdicts->per_cpu ? 0 : -ENOMEM;
}

void verdicts_close(struct verdicts *verdicts)
{
	if (verdicts->adopted_fd >= 0)
		close(verdicts->adopted_fd);
	free(verdicts->per_cpu);
}

static bool is_verdicts_map(int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) &&
	       info.type == BPF_MAP_TYPE_PERCPU_ARRAY && info.value_size == sizeof(uint64_t) &&
	       info.max_entries == XMC_REASONS;
}

void verdicts_adopt(struct verdicts *verdicts, int fd, const uint64_t counted[XMC_REASONS],
		    uint64_t steered)
{
	memcpy(verdicts->adopted_counts, counted, sizeof(verdicts->adopted_counts));
	verdicts->steered = steered;
	if (is_verdicts_map(fd))
		verdicts->adopted_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int read_map(const struct verdicts *verdicts, int fd, uint64_t counts[XMC_REASONS])
{
	for (__u32 reason = 0; reason < XMC_REASONS; reason++) {
		int err = bpf_map_lookup_elem(fd, &reason, verdicts->per_cpu);

		if (err)
			return err;
		counts[reason] = 0;
		for (int cpu = 0; cpu < verdicts->nr_cpus; cpu++)
			counts[reason] += verdicts->per_cpu[cpu];
	}
	return 0;
}

void verdicts_settle(struct verdicts *verdicts, bool final)
{
	uint64_t counted[XMC_REASONS];

	if (final && !read_map(verdicts, verdicts->adopted_fd, counted)) {
		for (unsigned int reason = 0; reason < XMC_REASONS; reason++)
			verdicts->before[reason] -=
				counted[reason] + verdicts->adopted_counts[reason];
		verdicts->steered += counted[XMC_STEERED];
	}
	close(verdicts->adopted_fd);
	verdicts->adopted_fd = -1;
}

int verdicts_read(const struct verdicts *verdicts, int fd, uint64_t counts[XMC_REASONS])
{
	int err = read_map(verdicts, fd, counts);

	for (unsigned int reason = 0; !err && reason < XMC_REASONS; reason++)
		counts[reason] -= verdicts->before[reason];
	return err;
}
