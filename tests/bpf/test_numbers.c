// SPDX-License-Identifier: BSD-2-Clause
/* The numbers under which the steering program finds rules. */
#include <errno.h>

#include <bpf/bpf.h>

#include "packets.h"
#include "require.h"
#include "steering/steer.h"

#define MANY 1000

static struct steer *steer;

static struct xmc_rule_key key_of(unsigned int i)
{
	return packet_flow(NULL, "239.1.1.1", (uint16_t)(i + 1));
}

static uint32_t number_in_map(const struct xmc_rule_key *key)
{
	struct xmc_rule rule;

	assert_int_equal(bpf_map_lookup_elem(steer_pins(steer)->fds[PIN_RULES], key, &rule), 0);
	return rule.number;
}

/* Each key has its own number, from 0 on. The numbers of refused and removed keys are reused. */
static void test_numbers(void **state)
{
	struct xmc_rule_key key;
	uint32_t number;

	if (!steer)
		skip_for("no BPF program can be loaded: needs root");
	for (unsigned int i = 0; i < MANY; i++) {
		key = key_of(i);
		assert_int_equal(steer_add_rule(steer, &key, &number), 0);
		assert_int_equal(number, i);
		assert_int_equal(number_in_map(&key), i);
		assert_int_equal(steer_add_rule(steer, &key, &number), -EEXIST);
	}
	for (unsigned int i = 0; i < MANY; i += 7) {
		key = key_of(i);
		assert_int_equal(steer_remove_rule(steer, &key), 0);
		assert_int_equal(steer_remove_rule(steer, &key), -ENOENT);
	}
	key = packet_flow(NULL, "239.1.1.2", 5000);
	key.host_bits = XMC_HOST_BITS_ANY + 1;
	assert_int_equal(steer_add_rule(steer, &key, NULL), -EINVAL);
	for (unsigned int i = 0; i < MANY; i += 7) {
		key = packet_flow(NULL, "239.1.1.2", (uint16_t)(i + 1));
		assert_int_equal(steer_add_rule(steer, &key, &number), 0);
		assert_int_equal(number, i);
	}
	key = packet_flow(NULL, "239.1.1.3", 1);
	assert_int_equal(steer_add_rule(steer, &key, NULL), 0);
	assert_int_equal(number_in_map(&key), MANY);
}

static int set_up(void **state)
{
	int err = steer_open(&steer);

	return err && err != -EPERM && err != -EACCES ? err : 0;
}

static int tear_down(void **state)
{
	steer_close(steer);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
	};
	int failed = cmocka_run_group_tests_name("numbers", tests, set_up, tear_down);

	return failed || steer ? failed : EXIT_SKIPPED;
}
