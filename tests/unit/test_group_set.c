// SPDX-License-Identifier: BSD-2-Clause
/* A set of groups on interfaces. */
#include "watchdog.h"

#include "membership/group_set.h"

static struct xmc_addr numbered(unsigned int number)
{
	return (struct xmc_addr){
		.b = {[10] = 0xff, 0xff, 239, 2, (uint8_t)(number >> 8), (uint8_t)number}};
}

static void test_set(void **state)
{
	struct group_set set = {.list = NULL};

	group_set_sort(&set);
	assert_false(group_set_has(&set, 1, &(struct xmc_addr){.b = {0}}));
	/* Backwards, some twice, and odd ones on interface 2. */
	for (unsigned int i = 1000; i-- > 0;) {
		struct xmc_addr group = numbered(i);

		for (unsigned int j = 0; j <= i % 3; j++)
			assert_int_equal(group_set_add(&set, i % 2 ? 2 : 1, &group), 0);
	}
	group_set_sort(&set);
	for (unsigned int i = 0; i < 1100; i++) {
		struct xmc_addr group = numbered(i);

		assert_int_equal(group_set_has(&set, 1, &group), i < 1000 && i % 2 == 0);
		assert_int_equal(group_set_has(&set, 2, &group), i < 1000 && i % 2 == 1);
	}
	group_set_clear(&set);
	assert_false(group_set_has(&set, 1, &(struct xmc_addr){.b = {0}}));
	group_set_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_set)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
