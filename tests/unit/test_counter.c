// SPDX-License-Identifier: BSD-2-Clause
/* Counters with one writer and any number of readers. */
#include "watchdog.h"

#include <pthread.h>

#include "base/counter.h"

#define MANY 200000

static counter_t counter;

static void *count(void *arg)
{
	for (int i = 0; i < MANY; i++)
		counter_add(&counter, 3);
	return NULL;
}

/* Readers see a counter grow, never torn and never decreasing. */
static void test_counter(void **state)
{
	const uint64_t start = UINT32_MAX - MANY; /* it exceeds 32 bits on the way */
	uint64_t last = start;
	pthread_t thread;

	watchdog_start(__func__);
	counter_add(&counter, start);
	assert_int_equal(pthread_create(&thread, NULL, count, NULL), 0);
	while (last != start + 3ULL * MANY) {
		uint64_t now = counter_read(&counter);

		if (now < last || (now - start) % 3)
			fail_msg("from %llu to %llu", (unsigned long long)last,
				 (unsigned long long)now);
		last = now;
	}
	pthread_join(thread, NULL);
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
