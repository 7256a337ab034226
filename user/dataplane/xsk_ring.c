/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/xsk_ring.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* How the kernel calls a ring. */
static const struct {
	int option;   /* of setsockopt(2) */
	off_t offset; /* for mmap(2) */
	size_t entry; /* bytes */
} rings[] = {
	[XSK_RING_RX] = {XDP_RX_RING, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)},
	[XSK_RING_FILL] = {XDP_UMEM_FILL_RING, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t)},
	[XSK_RING_COMPLETION] = {XDP_UMEM_COMPLETION_RING, XDP_UMEM_PGOFF_COMPLETION_RING,
				 sizeof(uint64_t)},
};

int xsk_ring_create(int fd, enum xsk_ring_kind kind, uint32_t size)
{
	return setsockopt(fd, SOL_XDP, rings[kind].option, &size, sizeof(size)) ? -errno : 0;
}

/* Where the parts of a ring are in its mapping. */
static int query_offsets(int fd, enum xsk_ring_kind kind, struct xdp_ring_offset *at)
{
	struct xdp_mmap_offsets all = {};
	socklen_t length = sizeof(all);

	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &all, &length))
		return -errno;
	if (length != sizeof(all))
		return -EINVAL;
	*at = kind == XSK_RING_RX ? all.rx : kind == XSK_RING_FILL ? all.fr : all.cr;
	return 0;
}

int xsk_ring_map(struct xsk_ring *ring, int fd, enum xsk_ring_kind kind, uint32_t size)
{
	struct xdp_ring_offset at = {};
	int err = query_offsets(fd, kind, &at);
	size_t bytes;
	char *base;

	if (err)
		return err;
	bytes = at.desc + size * rings[kind].entry;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		    rings[kind].offset);
	if (base == MAP_FAILED)
		return -errno;
	*ring = (struct xsk_ring){
		.producer = (_Atomic uint32_t *)(base + at.producer),
		.consumer = (_Atomic uint32_t *)(base + at.consumer),
		.flags = (_Atomic uint32_t *)(base + at.flags),
		.entries = base + at.desc,
		.size = size,
		.mask = size - 1,
		.mapping = base,
		.mapped = bytes,
	};
	xsk_ring_refresh(ring, kind);
	return 0;
}

void xsk_ring_unmap(struct xsk_ring *ring)
{
	if (ring->mapping)
		munmap(ring->mapping, ring->mapped);
	*ring = (struct xsk_ring){};
}
