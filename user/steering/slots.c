/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/slots.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

void slots_init(struct slots *slots, int map_fd, enum bpf_map_type type, unsigned int value_size)
{
	memset(slots, 0, sizeof(*slots));
	slots->map_fd = map_fd;
	slots->type = type;
	slots->value_size = value_size;
}

void slots_free(struct slots *slots)
{
	while (slots->nr_chunks)
		close(slots->chunk_fds[--slots->nr_chunks]);
}

static int add_chunk(struct slots *slots)
{
	uint32_t chunk = slots->nr_chunks;
	int fd, err;

	if (chunk == XMC_CHUNKS)
		return -E2BIG;
	fd = bpf_map_create(slots->type, "xmcast_chunk", sizeof(__u32), slots->value_size,
			    XMC_CHUNK, NULL);
	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(slots->map_fd, &chunk, &fd, BPF_ANY);
	if (err) {
		close(fd);
		return err;
	}
	slots->chunk_fds[slots->nr_chunks++] = fd;
	return 0;
}

static bool is_used(const struct slots *slots, uint32_t slot)
{
	return slots->used[slot / 64] >> slot % 64 & 1;
}

/* The first of `count` free slots in a row in [begin, end), or `end`. */
static uint32_t find_run(const struct slots *slots, unsigned int count, uint32_t begin,
			 uint32_t end)
{
	uint32_t length = 0;

	for (uint32_t slot = begin; slot < end; slot++) {
		length = is_used(slots, slot) ? 0 : length + 1;
		if (length == count)
			return slot + 1 - count;
	}
	return end;
}

static void mark(struct slots *slots, uint32_t first, unsigned int count, bool used)
{
	for (uint32_t slot = first; slot < first + count; slot++) {
		if (used)
			slots->used[slot / 64] |= 1ULL << slot % 64;
		else
			slots->used[slot / 64] &= ~(1ULL << slot % 64);
	}
}

int slots_take(struct slots *slots, unsigned int count, uint32_t *first)
{
	uint32_t end = slots->nr_chunks * XMC_CHUNK;
	uint32_t found = find_run(slots, count, slots->next, end);
	int err;

	if (found == end)
		found = find_run(slots, count, 0, end);
	if (found == end) {
		err = add_chunk(slots);
		if (err)
			return err;
		found = end;
	}
	mark(slots, found, count, true);
	slots->next = found + count;
	*first = found;
	return 0;
}

void slots_release(struct slots *slots, uint32_t first, unsigned int count)
{
	mark(slots, first, count, false);
}

int slots_write(const struct slots *slots, uint32_t slot, const void *value)
{
	uint32_t index = slot % XMC_CHUNK;

	return bpf_map_update_elem(slots->chunk_fds[slot / XMC_CHUNK], &index, value, BPF_ANY);
}

int slots_read(const struct slots *slots, uint32_t slot, void *value)
{
	uint32_t index = slot % XMC_CHUNK;

	return bpf_map_lookup_elem(slots->chunk_fds[slot / XMC_CHUNK], &index, value);
}
