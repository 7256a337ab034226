/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory as a file without a name (memfd_create(2)), for frames and what belongs to them: a process
 * that receives the descriptor maps the same memory. The file is sealed, so that nobody can
 * truncate it under a mapping. Main thread.
 */
#ifndef XMCAST_DATAPLANE_MEMORY_FILE_H
#define XMCAST_DATAPLANE_MEMORY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_file {
	int fd; /* -1: none */
	uint8_t *memory;
	size_t size;
	bool huge_pages;
};

#define MEMORY_FILE_CLOSED ((struct memory_file){.fd = -1})

/* Create and map `size` bytes, all zero; `huge`: in huge pages if the system has reserved enough of
 * them. 0 or -errno. On failure it is closed. */
int memory_file_open(struct memory_file *file, const char *name, size_t size, bool huge);

/* The same, in small pages, and sealed so that other owners of the descriptor can only read it: a
 * mapping of its own cannot be writable, and the file cannot be written to. */
int memory_file_open_shown(struct memory_file *file, const char *name, size_t size);

/* Map the file of another process; the descriptor is duplicated. 0; -EINVAL: it is no such file, or
 * has another size; -errno. */
int memory_file_adopt(struct memory_file *file, int fd, size_t size);

/* Unmap it, and close the descriptor. Accepts MEMORY_FILE_CLOSED. */
void memory_file_close(struct memory_file *file);

#endif
