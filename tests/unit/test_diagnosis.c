// SPDX-License-Identifier: BSD-2-Clause
/* What explain says of a rule with two inputs. */
#include "watchdog.h"

#include <stdlib.h>

#include <jansson.h>

#include "address.h"
#include "daemon/diagnosis.h"
#include "rules/change.h"
#include "rules/config.h"

static struct config config;
static struct side_counts sides[2];
static struct rule_counts counts;
static struct interface_counts interfaces[1];
static struct books books;
static struct stats_rates rates;
static struct stats stats;
static struct inspected_rule inspected[2];

/* Both inputs are up and joined, and their packets arrive by one interface. */
static int set_up(void **state)
{
	static const char *const text = "a in A:239.1.1.1:5000@eth0 in B:239.1.1.2:5000@eth0 "
					"select first out 239.2.2.2:6000@eth1";
	struct errors errors = {0};

	config_init(&config);
	assert_int_equal(config_add_rules(&config, &text, 1, "--rule", &errors), 0);
	/* Its outputs are no part of this. */
	config.rules[0].nr_outputs = 0;
	for (unsigned int i = 0; i < 2; i++) {
		sides[i] = (struct side_counts){.state = "ready", .interface = "eth0"};
		inspected[i] = (struct inspected_rule){
			.rule = &config.rules[0],
			.side = i,
			.iface = "eth0",
			.input = {.ifindex = 1, .up = true, .carrier = true},
			.joined = true,
		};
	}
	interfaces[0] = (struct interface_counts){.name = "eth0"};
	counts = (struct rule_counts){
		.rule = &config.rules[0], .state = "active", .path = "user", .sides = sides};
	books = (struct books){
		.rules = &counts, .nr_rules = 1, .interfaces = interfaces, .nr_interfaces = 1};
	rates = (struct stats_rates){.flow = FLOW_FLOWING};
	stats = (struct stats){.books = &books, .rules = &rates};
	return 0;
}

static int tear_down(void **state)
{
	config.rules[0].nr_outputs = 1;
	config_free(&config);
	return 0;
}

/* The findings as text: "severity cause;". */
static void expect(const char *expected)
{
	json_t *findings = diagnosis_json(inspected, 2, &stats), *finding;
	char text[1024] = "";
	size_t i, used = 0;

	json_array_foreach(findings, i, finding) used +=
		(size_t)snprintf(text + used, sizeof(text) - used, "%s %s;",
				 json_string_value(json_object_get(finding, "severity")),
				 json_string_value(json_object_get(finding, "cause")));
	json_decref(findings);
	assert_string_equal(text, expected);
}

static void test_silent_sides(void **state)
{
	expect("");
	/* The other one has the stream. */
	sides[1].state = "silent";
	expect("hint no_sender;hint no_querier;");
	sides[0].state = "selected";
	expect("hint no_sender;hint no_querier;");
	/* Nobody has it. What their interface lacks is said once. */
	sides[0].state = "silent";
	expect("problem no_sender;problem no_sender;hint no_querier;");
	/* One that waits for something has no stream. */
	sides[0] = (struct side_counts){.state = "pending", .reason = "no room"};
	expect("problem side_pending;problem no_sender;hint no_querier;");
	inspected[0].input.up = false;
	expect("problem input_down;problem no_sender;hint no_querier;");
}

static void test_once(void **state)
{
	interfaces[0].verdicts[XMC_MALFORMED] = 5;
	expect("hint malformed;");
	for (unsigned int i = 0; i < 2; i++)
		inspected[i].input.carrier = false;
	expect("problem input_no_carrier;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_silent_sides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
