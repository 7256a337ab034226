/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of all frames of one AF_XDP socket, as a file without a name (memfd_create(2)): a
 * process that receives the descriptor maps the same memory. The file is sealed, so that nobody can
 * truncate it under a mapping. Main thread.
 */
#ifndef XMCAST_DATAPLANE_UMEM_H
#define XMCAST_DATAPLANE_UMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct umem {
	int fd; /* -1: none */
	uint8_t *memory;
	size_t size;
	bool huge_pages;
};

#define UMEM_CLOSED ((struct umem){.fd = -1})

/* Create and map `size` bytes, in huge pages if the system has reserved enough of them. 0 or
 * -errno. On failure it is closed. */
int umem_open(struct umem *umem, size_t size);

/* Unmap it, and close the file. Accepts UMEM_CLOSED. */
void umem_close(struct umem *umem);

#endif
