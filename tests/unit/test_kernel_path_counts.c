// SPDX-License-Identifier: BSD-2-Clause
/* How the packets of the kernel path are accounted for, wherever its rule goes. */
#include "watchdog.h"

#include <errno.h>
#include <time.h>

#include "kernel_path_env.c"

/* As long as a packet could be on its way. */
static void let_settle(void)
{
	const struct timespec time = {.tv_nsec = 110 * 1000 * 1000};

	nanosleep(&time, NULL);
}

static uint64_t errors(const struct reading *reading, unsigned int i, int error)
{
	return reading->outputs[i].errors[send_error_slot(error)];
}

/* ---- counters ---- */

static void receive(struct forward *forward, uint64_t packets, uint64_t first, uint64_t second)
{
	forward->rule.received += packets;
	forward->rule.received_bytes += 10 * packets;
	forward->sent[0].sent += first;
	forward->sent[0].sent_bytes += 10 * first;
	forward->sent[1].sent += second;
	forward->sent[1].sent_bytes += 10 * second;
}

/* Packets on their way count nowhere; those that the kernel has not copied do later, once. */
static void test_not_copied(void **state)
{
	struct reading reading;

	start(true);
	read_now();
	receive(in_map.forward, 100, 100, 90);
	reading = read_now();
	assert_int_equal(reading.rule.received, 100);
	assert_int_equal(reading.rule.received_bytes, 1000);
	assert_int_equal(reading.outputs[1].sent, 90);
	assert_int_equal(reading.outputs[1].submitted, 90);
	assert_int_equal(reading.outputs[1].not_copied, 0);
	let_settle();
	reading = read_now(); /* 100 had been received by then */
	let_settle();
	reading = read_now();
	assert_int_equal(reading.outputs[0].not_copied, 0);
	assert_int_equal(reading.outputs[1].not_copied, 10);
	assert_int_equal(reading.outputs[1].submitted, 90);
	receive(in_map.forward, 1, 1, 1);
	assert_int_equal(read_now().outputs[1].not_copied, 10);
	assert_int_equal(read_now().outputs[1].submitted, 91);
	assert_int_equal(totals.sent, 101 + 91);
	assert_int_equal(totals.submitted, 101 + 91);
}

static void test_errors(void **state)
{
	struct reading reading;

	start(true);
	receive(in_map.forward, 10, 10, 10);
	resolved = false;
	kernel_path_update(kernel);
	receive(in_map.forward, 5, 5, 0);
	/* Usable again: what it has missed until now belongs to its error, but not a packet that is
	 * just on its way. */
	resolved = true;
	on_its_way = 1;
	kernel_path_update(kernel);
	on_its_way = 0;
	receive(in_map.forward, 0, 1, 1);
	in_map.forward->rule.received += 3;
	in_map.forward->rule.too_large += 3;
	let_settle();
	read_now();
	let_settle();
	reading = read_now();
	assert_int_equal(reading.outputs[0].sent, 16);
	assert_int_equal(reading.outputs[1].sent, 11);
	assert_int_equal(reading.outputs[1].withheld[WITHHELD_UNREACHABLE], 5);
	assert_int_equal(errors(&reading, 0, EMSGSIZE), 3);
	assert_int_equal(errors(&reading, 1, EMSGSIZE), 3);
	assert_int_equal(reading.outputs[0].submitted, reading.rule.received);
	assert_int_equal(reading.outputs[1].submitted, reading.rule.received - 5);
	assert_int_equal(totals.send_errors, 3 + 3);
	assert_int_equal(totals.withheld, 5);
	assert_int_equal(totals.submitted, 2 * 19 - 5);
	let_settle();
	read_now();
	let_settle();
	assert_int_equal(read_now().outputs[0].not_copied + read_now().outputs[1].not_copied, 0);
}

/* At the end all is known at once. */
static void test_settle(void **state)
{
	start(true);
	resolved = false;
	kernel_path_update(kernel);
	receive(in_map.forward, 7, 6, 0);
	kernel_path_settle(kernel);
	assert_int_equal(totals.sent, 6);
	assert_int_equal(totals.withheld, 7);
	assert_int_equal(read_now().outputs[0].not_copied, 1);
}

/* ---- intakes ---- */

/* A rule that moves to another intake has a forward in both, and keeps its counters. */
static void test_move(void **state)
{
	struct forward *first, *second;
	struct reading reading;

	start(true);
	first = in_map.forward;
	receive(first, 4, 4, 4);
	kernel_path_join(kernel, &other_side, 0);
	second = kernel_path_value(kernel, &other_side, 0).forward;
	assert_ptr_not_equal(first, second);
	assert_true(kernel_path_has_forward(kernel, &side, 0));
	receive(second, 2, 2, 2);
	assert_int_equal(read_now().rule.received, 6);
	kernel_path_leave(kernel, &side, 0);
	assert_false(first->open);
	assert_false(kernel_path_has_forward(kernel, &side, 0));
	kernel_path_join(kernel, &other_side, 0); /* it has joined already */
	assert_ptr_equal(kernel_path_value(kernel, &other_side, 0).forward, second);
	kernel_path_leave(kernel, &other_side, 0);
	reading = read_now();
	assert_int_equal(reading.rule.received, 6);
	assert_int_equal(reading.outputs[1].sent, 6);
	assert_int_equal(reading.outputs[1].sent_bytes, 60);
	/* The intake comes up again. */
	kernel_path_join(kernel, &side, 0);
	receive(kernel_path_value(kernel, &side, 0).forward, 1, 1, 1);
	assert_int_equal(read_now().rule.received, 7);
	assert_int_equal(totals.sent, 14);
}

/* A rule that moves to another VLAN of an intake has a forward for each, with keys of their own. */
static void test_move_to_vlan(void **state)
{
	struct forward *first, *second;

	start(true);
	first = in_map.forward;
	receive(first, 4, 4, 4);
	kernel_path_join(kernel, &side, 0x1064);
	second = kernel_path_value(kernel, &side, 0x1064).forward;
	assert_non_null(second);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(kernel_path_value(kernel, &side, 0).forward, first);
	receive(second, 2, 2, 2);
	kernel_path_leave(kernel, &side, 0);
	assert_false(first->open);
	assert_true(second->open);
	assert_false(kernel_path_has_forward(kernel, &side, 0));
	assert_true(kernel_path_has_forward(kernel, &side, 0x1064));
	assert_int_equal(read_now().rule.received, 6);
	/* What an external program, or one in skb mode, cannot do with tags. */
	side.external = true;
	assert_non_null(kernel_examine_rule(&side, &rule, 0x1064));
	assert_null(kernel_examine_rule(&side, &rule, 0));
	side.external = false;
	side.skb = true;
	assert_non_null(kernel_examine_rule(&side, &rule, 0x1064));
	side.skb = false;
	assert_null(kernel_examine_rule(&side, &rule, 0x1064));
	kernel_path_leave(kernel, &side, 0x1064);
	assert_int_equal(read_now().rule.received, 6);
}

/* A rule without a kernel path. */
static void test_none(void **state)
{
	struct neighbour neighbour = {0};
	struct reading reading = {.rule.path = "user"};

	assert_int_equal(kernel_path_value(NULL, &side, 0).target, KEY_USER);
	assert_false(kernel_path_has_forward(NULL, &side, 0));
	assert_false(kernel_path_is_used(NULL));
	assert_false(kernel_path_concerns(NULL, &neighbour));
	assert_false(kernel_path_refresh(NULL, 0));
	assert_false(kernel_path_has_hosts(NULL));
	assert_null(kernel_path_reason(NULL));
	kernel_path_join(NULL, &side, 0);
	kernel_path_update(NULL);
	kernel_path_settle(NULL);
	kernel_path_leave(NULL, &side, 0);
	kernel_path_set_rule(NULL, &rule);
	kernel_path_read(NULL, &reading.rule, reading.outputs);
	assert_string_equal(reading.rule.path, "user");
	kernel_path_free(NULL);
}

/* On the user path the forward of a rule with a lease counts what is dropped as standby. */
static void test_lease_on_user_path(void **state)
{
	struct reading reading;

	start_as(RULE_PATH_USER, 5);
	assert_int_equal(in_map.target, KEY_USER);
	assert_ptr_equal(in_map.forward, &forwards[0]);
	assert_true(forwards[0].user);
	assert_int_equal(forwards[0].lease, 5);
	assert_false(kernel_path_is_used(kernel));
	forwards[0].rule = (struct xmc_tally){.received = 7, .received_bytes = 70, .standby = 7};
	let_settle();
	read_now();
	let_settle();
	reading = read_now();
	assert_string_equal(reading.rule.path, "user");
	assert_null(reading.rule.path_reason);
	assert_int_equal(reading.rule.received, 7);
	assert_int_equal(reading.rule.standby, 7);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(reading.outputs[i].withheld[WITHHELD_STANDBY], 7);
		assert_int_equal(reading.outputs[i].not_copied, 0);
		assert_int_equal(reading.outputs[i].submitted, 0);
	}
}

/* The same forward goes with it from path to path. */
static void test_lease_changes_path(void **state)
{
	start_as(RULE_PATH_AUTO, 5);
	assert_int_equal(in_map.target, KEY_FORWARD);
	assert_false(forwards[0].user);
	links[HOST].up = false;
	kernel_path_update(kernel);
	assert_int_equal(kernel_path_value(kernel, &side, 0).target, KEY_USER);
	assert_true(forwards[0].user);
	links[HOST].up = true;
	kernel_path_update(kernel);
	assert_int_equal(kernel_path_value(kernel, &side, 0).target, KEY_FORWARD);
	assert_false(forwards[0].user);
	assert_false(forwards[1].open);
}

/* Without a program that looks at leases, the rule is pending on either path. */
static void test_lease_needs_the_program(void **state)
{
	cannot_forward = "CAP_PERFMON is missing";
	start_as(RULE_PATH_USER, 5);
	assert_int_equal(in_map.target, KEY_NONE);
	assert_true(kernel_path_is_used(kernel));
	assert_string_equal(kernel_path_reason(kernel), "CAP_PERFMON is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_copied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_settle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_move, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_move_to_vlan, set_up, tear_down),
		cmocka_unit_test_setup(test_none, set_up),
		cmocka_unit_test_setup_teardown(test_lease_on_user_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lease_changes_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lease_needs_the_program, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
