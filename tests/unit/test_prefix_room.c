// SPDX-License-Identifier: BSD-2-Clause
/* Room for groups of prefixes when the table of receivers is full. */
#include "watchdog.h"

#include "address.h"
#include "membership/prefix_room.h"

/* Is there room for the group? It is taken. */
static bool take(const struct prefix_rooms *rooms, int ifindex, const struct xmc_addr *group)
{
	struct prefix_room *prefix = prefix_rooms_find(rooms, ifindex, group);

	if (prefix)
		prefix->room--;
	return prefix;
}

static void test_take(void **state)
{
	struct prefix_rooms rooms = {.count = 0};
	struct xmc_addr group = address("239.1.2.3"), other = address("239.2.2.3");
	const struct prefix_room list[] = {{1, address("239.1.0.0"), 16, 2},
					   {1, address("239.1.2.0"), 8, 1},
					   {2, address("239.2.0.0"), 16, 1}};

	assert_false(take(&rooms, 1, &group));
	prefix_rooms_set(&rooms, list, 3);
	assert_false(take(&rooms, 1, &other));
	for (unsigned int i = 0; i < 3; i++)
		assert_true(take(&rooms, 1, &group));
	assert_false(take(&rooms, 1, &group));
	assert_true(take(&rooms, 2, &other));
	prefix_rooms_free(&rooms);
}

/* Room that is given again and again does not pass the limit of all. */
static void test_most(void **state)
{
	struct prefix_rooms rooms = {.count = 3};

	assert_int_equal(prefix_rooms_most(&rooms, 100, 40), 220);
	assert_int_equal(prefix_rooms_most(&rooms, 100, UINT32_MAX / 2), UINT32_MAX);
	assert_int_equal(prefix_rooms_most(&rooms, UINT32_MAX, 1), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
