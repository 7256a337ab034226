/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/frame_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int frame_queue_init(struct frame_queue *queue, uint32_t entries)
{
	uint32_t size = 1;

	while (size < entries)
		size *= 2;
	memset(queue, 0, sizeof(*queue));
	queue->entries = calloc(size, sizeof(*queue->entries));
	if (!queue->entries)
		return -ENOMEM;
	queue->mask = size - 1;
	return 0;
}

void frame_queue_destroy(struct frame_queue *queue)
{
	free(queue->entries);
	queue->entries = NULL;
}
