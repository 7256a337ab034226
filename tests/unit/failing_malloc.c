// SPDX-License-Identifier: BSD-2-Clause
#include "failing_malloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "watchdog.h"
#include "fds.h"

/* Far above what any piece of work takes: it is the end of a loop that has none. */
#define CALLS_MOST 100000

/* ---- allocations ---- */

static bool counting;	     /* those of this thread, which is the only one */
static unsigned int calls;   /* so far */
static unsigned int failing; /* the one that fails; 0: none */
static bool failed;
static long living; /* allocated while counting, and not freed */

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *memory, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	void (*free)(void *memory);
} real;

/* What dlsym(3) asks for while `real` is looked up. */
static _Alignas(16) char early[4096];
static size_t early_used;

static void *get_early(size_t size)
{
	void *memory = &early[early_used];

	early_used += (size + 15) & ~(size_t)15;
	if (early_used > sizeof(early))
		abort();
	return memory;
}

static bool is_early(const void *memory)
{
	return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

/* False: it is being looked up. */
static bool have_real(void)
{
	static bool looking;

	if (real.malloc || looking)
		return real.malloc != NULL;
	looking = true;
	*(void **)&real.calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&real.realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&real.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
	*(void **)&real.free = dlsym(RTLD_NEXT, "free");
	*(void **)&real.malloc = dlsym(RTLD_NEXT, "malloc");
	return true;
}

static bool fails(void)
{
	if (!counting || ++calls != failing)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

static void *count(void *memory)
{
	living += counting && memory;
	return memory;
}

void *malloc(size_t size)
{
	if (!have_real())
		return get_early(size);
	return fails() ? NULL : count(real.malloc(size));
}

void *calloc(size_t n, size_t size)
{
	if (!have_real())
		return get_early(n * size);
	return fails() ? NULL : count(real.calloc(n, size));
}

void *realloc(void *memory, size_t size)
{
	if (!memory)
		return malloc(size);
	return fails() ? NULL : real.realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	have_real();
	return fails() ? NULL : count(real.aligned_alloc(alignment, size));
}

void free(void *memory)
{
	if (!memory || is_early(memory))
		return;
	living -= counting;
	real.free(memory);
}

/* ---- rounds ---- */

/* -ENOMEM is what it has to say; some parts of the C library and the kernel have no other word. */
static bool says_no_memory(int err)
{
	return err == -ENOMEM;
}

void fail_nothing(void)
{
	counting = false;
}

void fail_again(unsigned int kept)
{
	living += kept;
	counting = true;
}

static char *run_round(work run, unsigned int round, int *err)
{
	char *result;

	calls = 0;
	failing = round;
	failed = false;
	living = 0;
	*err = 0;
	counting = true;
	result = run(err);
	counting = false;
	return result;
}

/* AddressSanitizer has a strdup() and others of its own, which do not come to us; it finds what is
 * left itself. */
static bool is_sanitized(void)
{
	return dlsym(RTLD_DEFAULT, "__asan_init") != NULL;
}

void fail_each(const char *name, work run)
{
	unsigned int fds = count_fds();
	unsigned int round;
	char *expected;
	char *result;
	int err;

	watchdog_start(name);
	expected = run_round(run, 0, &err);
	if (!expected)
		fail_msg("%s: %s", name, strerror(-err));
	for (round = 1; round < CALLS_MOST; round++) {
		result = run_round(run, round, &err);
		if (!failed)
			break;
		if (result && strcmp(result, expected) != 0)
			fail_msg("%s, allocation %u: no error, and the result is\n%s\nnot\n%s",
				 name, round, result, expected);
		if (!result && !says_no_memory(err))
			fail_msg("%s, allocation %u: says \"%s\"", name, round, strerror(-err));
		if (!is_sanitized() && living != (result ? 1 : 0))
			fail_msg("%s, allocation %u: %ld blocks left", name, round,
				 living - (result ? 1 : 0));
		free(result);
	}
	assert_string_equal(result, expected);
	assert_int_equal(count_fds(), fds);
	print_message("%s: %u allocations\n", name, round - 1);
	assert_true(round > 1);
	free(result);
	free(expected);
	watchdog_stop();
}
