// SPDX-License-Identifier: BSD-2-Clause
/* Features of real devices: a veth, whose features can be switched, and lo. */
#include "watchdog.h"
#include "fds.h"
#include "link_bed.h"

#include <sys/wait.h>

#include "links/ethtool_features.h"

/* "ethtool -k" has to say the same. */
static void check_tool(const char *feature, const char *state)
{
	char command[128];

	snprintf(command, sizeof(command), "ethtool -k out0 | grep -qx '.*%s: %s'", feature, state);
	bed_run(command);
}

static void test_read(void **state)
{
	struct ethtool_features features;

	assert_int_equal(ethtool_features_read("out0", &features), 0);
	for (int i = 0; i < ETHTOOL_FEATURES; i++)
		assert_true(ethtool_feature_is(features.known, i));
	assert_true(ethtool_feature_is(features.active, ETHTOOL_RX_VLAN));
	assert_true(ethtool_feature_is(features.changeable, ETHTOOL_RX_VLAN));
	assert_false(ethtool_feature_is(features.active, ETHTOOL_GRO_LIST));
	assert_true(ethtool_feature_is(features.changeable, ETHTOOL_GRO_LIST));
	assert_false(ethtool_feature_is(features.active, ETHTOOL_UDP_GRO_FORWARDING));
	assert_int_equal(ethtool_features_read("lo", &features), 0);
	assert_false(ethtool_feature_is(features.active, ETHTOOL_RX_VLAN));
	assert_false(ethtool_feature_is(features.changeable, ETHTOOL_RX_VLAN));
}

static void test_set(void **state)
{
	static const enum ethtool_feature switched[] = {
		ETHTOOL_RX_VLAN, ETHTOOL_GRO, ETHTOOL_GRO_LIST, ETHTOOL_UDP_GRO_FORWARDING};
	struct ethtool_features before, after;

	for (size_t i = 0; i < sizeof(switched) / sizeof(switched[0]); i++) {
		enum ethtool_feature feature = switched[i];
		bool was;

		assert_int_equal(ethtool_features_read("out0", &before), 0);
		was = ethtool_feature_is(before.active, feature);
		assert_int_equal(ethtool_feature_set("out0", feature, !was), 0);
		assert_int_equal(ethtool_features_read("out0", &after), 0);
		assert_int_equal(after.active, before.active ^ 1U << feature);
		assert_int_equal(ethtool_feature_set("out0", feature, !was), 0); /* it is so */
		assert_int_equal(ethtool_feature_set("out0", feature, was), 0);
		assert_int_equal(ethtool_features_read("out0", &after), 0);
		assert_int_equal(after.active, before.active);
	}
	assert_int_equal(ethtool_feature_set("out0", ETHTOOL_GRO_LIST, true), 0);
	check_tool("rx-gro-list", "on");
	bed_run("ethtool -K out0 rx-gro-list off");
	assert_int_equal(ethtool_features_read("out0", &after), 0);
	assert_false(ethtool_feature_is(after.active, ETHTOOL_GRO_LIST));
}

static void test_refused(void **state)
{
	struct ethtool_features features;

	assert_int_equal(ethtool_features_read("no-such-if", &features), -ENODEV);
	assert_int_equal(features.known, 0);
	assert_int_equal(ethtool_features_read("", &features), -ENODEV);
	assert_int_equal(ethtool_features_read("a-name-of-sixteen", &features), -ENODEV);
	assert_int_equal(ethtool_feature_set("no-such-if", ETHTOOL_GRO, true), -ENODEV);
	/* lo has no tags to remove. */
	assert_int_equal(ethtool_feature_set("lo", ETHTOOL_RX_VLAN, true), -EOPNOTSUPP);
	assert_int_equal(ethtool_feature_set("lo", ETHTOOL_RX_VLAN, false), 0);
}

static void test_no_right(void **state)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct ethtool_features features;

		if (setgid(65534) || setuid(65534) || ethtool_features_read("out0", &features) ||
		    !ethtool_feature_is(features.active, ETHTOOL_RX_VLAN))
			_exit(1);
		_exit(ethtool_feature_set("out0", ETHTOOL_RX_VLAN, false) == -EPERM ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_find(void **state)
{
	char strings[4][ETHTOOL_NAME_SIZE] = {"tx-scatter-gather", "rx-gro-list", "rx-gro"};
	int bits[ETHTOOL_FEATURES];

	/* A name that fills its place has no NUL. */
	memset(strings[3], 'x', ETHTOOL_NAME_SIZE);
	ethtool_features_find(strings[0], 4, bits);
	assert_int_equal(bits[ETHTOOL_GRO], 2);
	assert_int_equal(bits[ETHTOOL_GRO_LIST], 1);
	assert_int_equal(bits[ETHTOOL_RX_VLAN], -1);
	assert_int_equal(bits[ETHTOOL_UDP_GRO_FORWARDING], -1);
	ethtool_features_find(strings[0], 2, bits);
	assert_int_equal(bits[ETHTOOL_GRO], -1);
}

static void test_no_descriptor_is_left_open(void **state)
{
	unsigned int before = count_fds();
	struct ethtool_features features;

	for (int i = 0; i < 10; i++) {
		assert_int_equal(ethtool_features_read("out0", &features), 0);
		assert_int_equal(ethtool_features_read("no-such-if", &features), -ENODEV);
		assert_int_equal(ethtool_feature_set("out0", ETHTOOL_GRO_LIST, false), 0);
	}
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	cmocka_unit_test(test_set),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_no_right),
		cmocka_unit_test(test_find),	cmocka_unit_test(test_no_descriptor_is_left_open),
	};
	int failed;

	if (!bed_open())
		return EXIT_SKIPPED;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bed_close();
	return failed;
}
