/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbered places in a BPF map of arrays: as fast for a BPF program as an array, but it has memory
 * only for what is in use. The outer map has XMC_CHUNKS places for arrays of XMC_CHUNK entries,
 * which are created when they are needed and then kept. Slot i is entry i % XMC_CHUNK of array i /
 * XMC_CHUNK.
 *
 * Creating an array waits for a grace period, because that is how the kernel updates a map of maps.
 *
 * Main thread. Needs CAP_BPF.
 */
#ifndef XMCAST_STEERING_SLOTS_H
#define XMCAST_STEERING_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/bpf.h>
#include <xmcast/abi.h>

struct slots {
	int map_fd; /* the outer map, borrowed */
	enum bpf_map_type type;
	unsigned int value_size;
	int chunk_fds[XMC_CHUNKS];		    /* -1: not ours */
	bool foreign[XMC_CHUNKS];		    /* another process has put an array there */
	uint64_t used[XMC_CHUNKS * XMC_CHUNK / 64]; /* a bit for each slot that is not free */
	unsigned int nr_chunks;			    /* our arrays are among the first nr_chunks */
	uint32_t next;				    /* where to look for free slots first */
};

/* `type` and `value_size` are those of the inner arrays. The map is empty, unless slots_share() is
 * called next. */
void slots_init(struct slots *slots, int map_fd, enum bpf_map_type type, unsigned int value_size);
void slots_free(struct slots *slots);

/* Another process uses the map as well: its arrays stay as they are, until slots_drop_foreign()
 * removes them. */
void slots_share(struct slots *slots);
void slots_drop_foreign(struct slots *slots);

/* Take `count` slots in a row (at most XMC_MAX_COPIES), whose entries have any value. 0; -E2BIG:
 * there is no room; -errno. */
int slots_take(struct slots *slots, unsigned int count, uint32_t *first);
void slots_release(struct slots *slots, uint32_t first, unsigned int count);

/* Of a slot that was taken. Per-CPU entries have a value for each possible CPU. 0 or -errno. */
int slots_write(const struct slots *slots, uint32_t slot, const void *value);
int slots_read(const struct slots *slots, uint32_t slot, void *value);

/* The same from the arrays of another process, at their places; -1: none. -EINVAL: there is none,
 * or it is no such array. */
int slots_read_foreign(const struct slots *slots, const int chunk_fds[XMC_CHUNKS], uint32_t slot,
		       void *value);

#endif
