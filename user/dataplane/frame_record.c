/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/frame_record.h"

#include <errno.h>
#include <string.h>

static size_t size_of(uint32_t frames)
{
	return sizeof(struct frame_record_page) + frames;
}

int frame_record_open(struct frame_record *record, uint32_t frames)
{
	int err = memory_file_open(&record->file, "xmcast-record", size_of(frames), false);

	if (err)
		return err;
	record->page = (struct frame_record_page *)record->file.memory;
	record->page->frames = frames;
	memset((void *)record->page->taken, 1, frames);
	return 0;
}

int frame_record_adopt(struct frame_record *record, int fd, uint32_t frames)
{
	int err = memory_file_adopt(&record->file, fd, size_of(frames));

	if (err)
		return err;
	record->page = (struct frame_record_page *)record->file.memory;
	if (record->page->frames == frames)
		return 0;
	frame_record_close(record);
	return -EINVAL;
}

void frame_record_close(struct frame_record *record)
{
	memory_file_close(&record->file);
	record->page = NULL;
}
