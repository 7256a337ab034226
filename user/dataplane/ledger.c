/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/ledger.h"

#include <errno.h>
#include <string.h>

static size_t size_of(uint32_t frames)
{
	return sizeof(struct ledger_page) + frames;
}

int ledger_open(struct ledger *ledger, uint32_t frames)
{
	int err = memory_file_open(&ledger->file, "xmcast-ledger", size_of(frames), false);

	if (err)
		return err;
	ledger->page = (struct ledger_page *)ledger->file.memory;
	ledger->page->frames = frames;
	memset((void *)ledger->page->taken, 1, frames);
	return 0;
}

int ledger_adopt(struct ledger *ledger, int fd, uint32_t frames)
{
	int err = memory_file_adopt(&ledger->file, fd, size_of(frames));

	if (err)
		return err;
	ledger->page = (struct ledger_page *)ledger->file.memory;
	if (ledger->page->frames == frames)
		return 0;
	ledger_close(ledger);
	return -EINVAL;
}

void ledger_close(struct ledger *ledger)
{
	memory_file_close(&ledger->file);
	ledger->page = NULL;
}
