// SPDX-License-Identifier: BSD-2-Clause
/* The rule map as steer_add_rule(), steer_set_rule() and steer_remove_rule() write it. */
#include <errno.h>

#include <bpf/bpf.h>

#include "packets.h"
#include "require.h"
#include "steering/forward.h"
#include "steering/steer.h"

#define MANY 1000

static struct steer *steer;

static struct xmc_rule_key key_of(unsigned int i)
{
	return packet_flow(NULL, "239.1.1.1", (uint16_t)(i + 1));
}

static struct xmc_rule value_of(const struct xmc_rule_key *key)
{
	struct xmc_rule rule;

	assert_int_equal(bpf_map_lookup_elem(steer_pins(steer)->fds[PIN_RULES], key, &rule), 0);
	return rule;
}

static void need_steer(void)
{
	if (!steer)
		skip_for("no BPF program can be loaded: needs root");
}

static void test_keys(void **state)
{
	struct xmc_rule_key key;

	need_steer();
	for (unsigned int i = 0; i < MANY; i++) {
		key = key_of(i);
		assert_int_equal(steer_set_rule(steer, &key, NULL), -ENOENT);
		assert_int_equal(steer_add_rule(steer, &key, NULL), 0);
		assert_int_equal(value_of(&key).kind, XMC_TO_USER);
		assert_int_equal(steer_add_rule(steer, &key, NULL), -EEXIST);
		assert_int_equal(steer_set_rule(steer, &key, NULL), 0);
	}
	for (unsigned int i = 0; i < MANY; i++) {
		key = key_of(i);
		assert_int_equal(steer_remove_rule(steer, &key), 0);
		assert_int_equal(steer_remove_rule(steer, &key), -ENOENT);
	}
	key = packet_flow(NULL, "239.1.1.2", 5000);
	key.host_bits = XMC_HOST_BITS_ANY + 1;
	assert_int_equal(steer_add_rule(steer, &key, NULL), -EINVAL);
}

/* A key and a forward belong together until they are parted; a forward has one key at most. */
static void test_paths(void **state)
{
	struct xmc_rule_key key = key_of(0), other = key_of(1);
	struct forward *first, *second;

	need_steer();
	assert_int_equal(forward_open(&first, steer_forwards(steer), 2, 0), 0);
	assert_int_equal(forward_open(&second, steer_forwards(steer), 1, 0), 0);
	assert_int_equal(steer_add_rule(steer, &key, first), 0);
	assert_int_equal(value_of(&key).kind, XMC_TO_NOTHING);
	assert_int_equal(steer_set_rule(steer, &key, first), 0);
	assert_int_equal(steer_add_rule(steer, &other, first), -EBUSY);
	assert_int_equal(steer_remove_rule(steer, &other), -ENOENT);
	assert_int_equal(steer_set_rule(steer, &key, second), 0);
	assert_int_equal(steer_add_rule(steer, &other, first), 0);
	assert_int_not_equal(value_of(&key).tally, value_of(&other).tally);
	assert_int_equal(steer_set_rule(steer, &key, NULL), 0);
	assert_int_equal(value_of(&key).kind, XMC_TO_USER);
	assert_int_equal(steer_set_rule(steer, &key, second), 0);
	assert_int_equal(steer_remove_rule(steer, &key), 0);
	assert_int_equal(steer_remove_rule(steer, &other), 0);
	assert_int_equal(steer_wait(steer), 0);
	forward_close(first);
	forward_close(second);
	assert_int_equal(steer_wait(steer), 0);
}

static int set_up(void **state)
{
	int err = steer_open(&steer, false);

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
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_paths),
	};
	int failed = cmocka_run_group_tests_name("rules", tests, set_up, tear_down);

	return failed || steer ? failed : EXIT_SKIPPED;
}
