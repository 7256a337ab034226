/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/frame_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int frame_queue_init(struct frame_queue *queue, uint32_t entries)
{
	uint32_t size = 1;
	size_t bytes;

	while (size < entries)
		size *= 2;
	/* aligned_alloc(3) wants a multiple of the alignment. */
	bytes = (size * sizeof(*queue->entries) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	memset(queue, 0, sizeof(*queue));
	queue->entries = aligned_alloc(CACHE_LINE, bytes);
	if (!queue->entries)
		return -ENOMEM;
	/* Touch each page now: calloc() would leave the page faults to the ingress thread. */
	memset(queue->entries, 0, bytes);
	queue->mask = size - 1;
	return 0;
}

void frame_queue_destroy(struct frame_queue *queue)
{
	free(queue->entries);
	queue->entries = NULL;
}
