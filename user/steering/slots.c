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
	memset(slots->chunk_fds, 0xff, sizeof(slots->chunk_fds));
	memset(slots->used, 0xff, sizeof(slots->used));
}

void slots_free(struct slots *slots)
{
	for (unsigned int i = 0; i < slots->nr_chunks; i++) {
		if (slots->chunk_fds[i] >= 0)
			close(slots->chunk_fds[i]);
	}
	slots->nr_chunks = 0;
}

void slots_share(struct slots *slots)
{
	for (uint32_t chunk = 0; chunk < XMC_CHUNKS; chunk++) {
		uint32_t id;

		slots->foreign[chunk] = !bpf_map_lookup_elem(slots->map_fd, &chunk, &id);
	}
}

void slots_drop_foreign(struct slots *slots)
{
	for (uint32_t chunk = 0; chunk < XMC_CHUNKS; chunk++) {
		if (slots->foreign[chunk] && !bpf_map_delete_elem(slots->map_fd, &chunk))
			slots->foreign[chunk] = false;
	}
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

/* Returns the index of the new array, or -errno. */
static int add_chunk(struct slots *slots)
{
	uint32_t chunk = 0;
	int fd, err;

	while (chunk < XMC_CHUNKS && (slots->chunk_fds[chunk] >= 0 || slots->foreign[chunk]))
		chunk++;
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
	slots->chunk_fds[chunk] = fd;
	mark(slots, chunk * XMC_CHUNK, XMC_CHUNK, false);
	if (slots->nr_chunks <= chunk)
		slots->nr_chunks = chunk + 1;
	return (int)chunk;
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

int slots_take(struct slots *slots, unsigned int count, uint32_t *first)
{
	uint32_t end = slots->nr_chunks * XMC_CHUNK;
	uint32_t found = find_run(slots, count, slots->next, end);

	if (found == end)
		found = find_run(slots, count, 0, end);
	if (found == end) {
		int chunk = add_chunk(slots);

		if (chunk < 0)
			return chunk;
		found = (uint32_t)chunk * XMC_CHUNK;
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

int slots_read_foreign(const struct slots *slots, const int chunk_fds[XMC_CHUNKS], uint32_t slot,
		       void *value)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	uint32_t index = slot % XMC_CHUNK;
	int fd = slot / XMC_CHUNK < XMC_CHUNKS ? chunk_fds[slot / XMC_CHUNK] : -1;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) || info.type != slots->type ||
	    info.value_size != slots->value_size)
		return -EINVAL;
	return bpf_map_lookup_elem(fd, &index, value);
}

int slots_read(const struct slots *slots, uint32_t slot, void *value)
{
	uint32_t index = slot % XMC_CHUNK;

	return bpf_map_lookup_elem(slots->chunk_fds[slot / XMC_CHUNK], &index, value);
}
