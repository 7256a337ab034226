// SPDX-License-Identifier: BSD-2-Clause
/* Features that users need off, on a real veth: restored when the last user goes, and only if the
 * daemon has switched them off. */
#include "watchdog.h"
#include "link_bed.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/offloads.h"

static int out0;

static bool is_on(enum ethtool_feature feature)
{
	struct ethtool_features features;

	assert_int_equal(ethtool_features_read("out0", &features), 0);
	return ethtool_feature_is(features.active, feature);
}

static void test_last_user_restores(void **state)
{
	struct offloads *offloads;
	int a, b;

	bed_run("ethtool -K out0 rx-gro-list on rx-udp-gro-forwarding off");
	assert_int_equal(offloads_open(&offloads, -1), 0);
	assert_int_equal(offloads_switch_off(offloads, &a, out0, ETHTOOL_GRO_LIST), 0);
	assert_false(is_on(ETHTOOL_GRO_LIST));
	assert_int_equal(offloads_switch_off(offloads, &b, out0, ETHTOOL_GRO_LIST), 0);
	assert_int_equal(offloads_switch_off(offloads, &b, out0, ETHTOOL_RX_VLAN), 0);
	/* It is off already. */
	assert_int_equal(offloads_switch_off(offloads, &b, out0, ETHTOOL_UDP_GRO_FORWARDING), 0);
	offloads_release(offloads, &a);
	assert_false(is_on(ETHTOOL_GRO_LIST));
	/* Another tool has switched it on. */
	bed_run("ethtool -K out0 rx-gro-list on");
	assert_int_equal(offloads_switch_off(offloads, &b, out0, ETHTOOL_GRO_LIST), 0);
	assert_false(is_on(ETHTOOL_GRO_LIST));
	offloads_release(offloads, &b);
	assert_true(is_on(ETHTOOL_GRO_LIST));
	assert_true(is_on(ETHTOOL_RX_VLAN));
	assert_false(is_on(ETHTOOL_UDP_GRO_FORWARDING));
	offloads_close(offloads);
}

static void test_close_restores(void **state)
{
	struct offloads *offloads;
	int a, b;

	bed_run("ethtool -K out0 rx-gro-list on");
	assert_int_equal(offloads_open(&offloads, -1), 0);
	assert_int_equal(offloads_switch_off(offloads, &a, out0, ETHTOOL_GRO_LIST), 0);
	assert_int_equal(offloads_switch_off(offloads, &b, out0, ETHTOOL_RX_VLAN), 0);
	offloads_close(offloads);
	assert_true(is_on(ETHTOOL_GRO_LIST));
	assert_true(is_on(ETHTOOL_RX_VLAN));
	offloads_close(NULL);
}

static void test_failures_hold_nothing(void **state)
{
	struct offloads *offloads;
	int a, dummy;

	assert_int_equal(offloads_open(&offloads, -1), 0);
	assert_int_equal(offloads_switch_off(offloads, &a, 9999, ETHTOOL_GRO), -ENXIO);
	/* A device that is gone is no reason not to restore the others. */
	bed_run("ip link add gone0 type veth peer name gone1");
	dummy = (int)if_nametoindex("gone0");
	assert_int_equal(offloads_switch_off(offloads, &a, dummy, ETHTOOL_RX_VLAN), 0);
	assert_int_equal(offloads_switch_off(offloads, &a, out0, ETHTOOL_RX_VLAN), 0);
	bed_run("ip link del gone0");
	offloads_release(offloads, &a);
	assert_true(is_on(ETHTOOL_RX_VLAN));
	offloads_close(offloads);
}

/* What this process has switched off is restored by its successor, and not before. */
static void test_successor_restores(void **state)
{
	struct offloads *offloads, *successor;
	enum ethtool_feature feature;
	int a, b, ifindex;

	bed_run("ethtool -K out0 rx-gro-list on");
	assert_int_equal(offloads_open(&offloads, -1), 0);
	assert_int_equal(offloads_open(&successor, -1), 0);
	assert_int_equal(offloads_switch_off(offloads, &a, out0, ETHTOOL_GRO_LIST), 0);
	assert_int_equal(offloads_switch_off(offloads, &b, out0, ETHTOOL_GRO_LIST), 0);
	for (unsigned int i = 0; offloads_get(offloads, i, &ifindex, &feature); i++) {
		assert_int_equal(ifindex, out0);
		assert_int_equal(feature, ETHTOOL_GRO_LIST);
		assert_int_equal(offloads_adopt(successor, ifindex, feature), 0);
	}
	offloads_forget(offloads);
	offloads_release(offloads, &a);
	offloads_close(offloads);
	assert_false(is_on(ETHTOOL_GRO_LIST));
	/* Its own users come and go. */
	assert_int_equal(offloads_switch_off(successor, &a, out0, ETHTOOL_GRO_LIST), 0);
	offloads_release(successor, &a);
	assert_false(is_on(ETHTOOL_GRO_LIST));
	offloads_close(successor);
	assert_true(is_on(ETHTOOL_GRO_LIST));
}

/* Open offloads with a file that has these notes. */
static struct offloads *open_noted(const char *notes, int *fd)
{
	struct offloads *offloads;

	*fd = memfd_create("notes", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(write(*fd, notes, strlen(notes)), strlen(notes));
	assert_int_equal(offloads_open(&offloads, *fd), 0);
	return offloads;
}

/* A process is killed: the next one finds the notes, and restores at its end. */
static void test_notes(void **state)
{
	struct offloads *offloads, *next;
	char text[100] = "";
	int a, fd;

	bed_run("ethtool -K out0 rx-gro-list on");
	offloads = open_noted("", &fd);
	assert_int_equal(offloads_switch_off(offloads, &a, out0, ETHTOOL_GRO_LIST), 0);
	assert_int_equal(offloads_open(&next, fd), 0);
	offloads_close(next);
	assert_true(is_on(ETHTOOL_GRO_LIST));
	assert_int_equal(offloads_switch_off(offloads, &a, out0, ETHTOOL_GRO_LIST), 0);
	offloads_close(offloads);
	assert_true(is_on(ETHTOOL_GRO_LIST));
	assert_int_equal(pread(fd, text, sizeof(text), 0), 0);
	close(fd);
}

/* Notes that are no notes, or about another interface, change nothing. */
static void test_bad_notes(void **state)
{
	char texts[][120] = {
		"\n\n \n",
		"1",
		"1%lu %d rx-gro-list",
		"%lu 99999 rx-gro-list",
		"%lu %d rx-gro-lists",
		"%lu %d ",
		"%lu",
		"%lu -%d rx-gro-list",
		"%lu 99999999999999999999 rx-gro-list",
		"99999999999999999999 1 rx-gro-list",
		"%lu 0 rx-gro-list",
		"%lu %d rx-gro-listrx-gro-listrx-gro-listrx-gro-list",
		"x 1 rx-gro-list\n\xff\xff\xff",
	};

	struct stat own;

	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	bed_run("ethtool -K out0 rx-gro-list off");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		enum ethtool_feature feature;
		struct offloads *offloads;
		char text[200];
		int ifindex, fd;

		snprintf(text, sizeof(text), texts[i], own.st_ino, out0);
		offloads = open_noted(text, &fd);
		assert_false(offloads_get(offloads, 0, &ifindex, &feature));
		offloads_close(offloads);
		close(fd);
	}
	assert_false(is_on(ETHTOOL_GRO_LIST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_bad_notes),
		cmocka_unit_test(test_last_user_restores),
		cmocka_unit_test(test_close_restores),
		cmocka_unit_test(test_failures_hold_nothing),
		cmocka_unit_test(test_successor_restores),
	};
	int failed;

	if (!bed_open())
		return EXIT_SKIPPED;
	out0 = (int)if_nametoindex("out0");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bed_close();
	return failed;
}
