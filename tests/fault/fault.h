/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault injection: what the supervisor (supervise.c), the preloaded library (preload.c) and the
 * sweep (sweep.py, which knows this layout by its offsets) share.
 *
 *     sweep.py ── arms, reads ──▶ page ◀── counts, fails ── preload.c (in xmcastd: its memory)
 *                                  ▲
 *                                  └────── counts, fails ── supervise.c (its system calls)
 *
 * Both are needed: the C library allocates memory without a system call, and liburing and libbpf
 * make system calls without the C library. Therefore allocations are interposed, and all system
 * calls are sent to a supervisor by seccomp_unotify(2). One counter numbers both.
 */
#ifndef XMCAST_TESTS_FAULT_H
#define XMCAST_TESTS_FAULT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Path of the page: a file of FAULT_PAGE_SIZE bytes. */
#define FAULT_PAGE_VARIABLE "XMCAST_FAULT_PAGE"
#define FAULT_PAGE_SIZE	    4096

enum fault_kind {
	FAULT_MEMORY = 1,
	FAULT_CALL = 2,
	FAULT_MAPPING = 4, /* mmap(2), mprotect(2): not under a sanitizer, which needs them */
};

struct fault_page {
	atomic_uint armed;    /* calls are counted */
	atomic_uint target;   /* the call that fails, from 1 on; 0: none */
	atomic_uint count;    /* calls so far */
	atomic_uint fired;    /* the target was reached, and error, what and where are filled in */
	atomic_uint error;    /* the errno of that call */
	atomic_uint kinds;    /* which of enum fault_kind are counted */
	atomic_uint force;    /* errno of every system call, instead of the table's; 0: none */
	atomic_uint at_start; /* arm before main(), once */
	char what[224];	      /* the call, with its arguments */
	char where[1792];     /* addresses of its callers, innermost first */
};

_Static_assert(offsetof(struct fault_page, what) == 32, "sweep.py knows it");
_Static_assert(offsetof(struct fault_page, where) == 256, "sweep.py knows it");
_Static_assert(sizeof(struct fault_page) <= FAULT_PAGE_SIZE, "one page");

/* Count a call of this kind. True if it is the one that must fail. Any thread, any process. */
static inline int fault_hits(struct fault_page *page, unsigned int kind)
{
	if (!atomic_load(&page->armed) || !(atomic_load(&page->kinds) & kind))
		return 0;
	return atomic_fetch_add(&page->count, 1) + 1 == atomic_load(&page->target);
}

#endif
