/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into xmcastd: the allocation that the page selects fails (fault.h). With
 * AddressSanitizer, the other allocations are passed on to its allocator, so that leaks are found.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fault/fault.h"

#define CALLERS 24

static struct fault_page *page;

/* Set while this library itself allocates memory, which must not count as the daemon's. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *memory, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	int (*posix_memalign)(void **out, size_t alignment, size_t size);
	void (*free)(void *memory);
} next;

/* Memory for dlsym(3) while it looks for the functions above. Never freed. */
static char early[8192];
static size_t early_used;

static bool is_early(const void *memory)
{
	return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

static void *get_early(size_t size)
{
	void *memory = early + early_used;

	size = (size + 15) & ~(size_t)15;
	if (size > sizeof(early) - early_used)
		abort();
	early_used += size;
	return memory;
}

static void resolve(void)
{
	inside = true;
	*(void **)&next.calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&next.realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&next.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
	*(void **)&next.posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
	*(void **)&next.free = dlsym(RTLD_NEXT, "free");
	*(void **)&next.malloc = dlsym(RTLD_NEXT, "malloc");
	inside = false;
}

/* Store the addresses of the callers, which the sweep translates to lines of source. */
static void describe(const char *function, size_t size)
{
	void *callers[CALLERS];
	size_t used = 0;
	int count = backtrace(callers, CALLERS);

	snprintf(page->what, sizeof(page->what), "%s(%zu)", function, size);
	for (int i = 2; i < count && used < sizeof(page->where) - 128; i++) {
		Dl_info info = {};

		if (!dladdr(callers[i], &info) || !info.dli_fname)
			continue;
		used += (size_t)snprintf(
			page->where + used, sizeof(page->where) - used, "%.60s+%#lx ",
			strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1
						     : info.dli_fname,
			(unsigned long)((char *)callers[i] - (char *)info.dli_fbase));
	}
}

static bool fails(const char *function, size_t size)
{
	if (!page || inside || !fault_hits(page, FAULT_MEMORY))
		return false;
	inside = true;
	describe(function, size);
	inside = false;
	atomic_store(&page->error, ENOMEM);
	atomic_store(&page->fired, 1);
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	if (!next.malloc && !inside)
		resolve();
	if (!next.malloc)
		return get_early(size);
	return fails("malloc", size) ? NULL : next.malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (!next.malloc && !inside)
		resolve();
	if (!next.malloc)
		return get_early(count * size);
	return fails("calloc", count * size) ? NULL : next.calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	if (!next.malloc && !inside)
		resolve();
	if (!next.malloc || is_early(memory)) {
		void *copy = next.malloc ? next.malloc(size) : get_early(size);

		if (memory && copy)
			memcpy(copy, memory, size); /* behind the block is memory of `early` */
		return copy;
	}
	return size && fails("realloc", size) ? NULL : next.realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	if (!next.malloc && !inside)
		resolve();
	return fails("aligned_alloc", size) ? NULL : next.aligned_alloc(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	if (!next.malloc && !inside)
		resolve();
	return fails("posix_memalign", size) ? ENOMEM : next.posix_memalign(out, alignment, size);
}

void free(void *memory)
{
	if (!memory || is_early(memory))
		return;
	if (!next.malloc && !inside)
		resolve();
	next.free(memory);
}

/* What a sanitizer allocates at the end must not count as the daemon's. */
static void disarm(void)
{
	atomic_store(&page->armed, 0);
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv(FAULT_PAGE_VARIABLE);
	void *callers[1];
	void *memory;
	int fd;

	if (!path)
		return;
	backtrace(callers, 1); /* loads the libraries that it needs */
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	memory = mmap(NULL, FAULT_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		abort();
	page = memory;
	atexit(disarm);
	if (atomic_exchange(&page->at_start, 0))
		atomic_store(&page->armed, 1);
}
