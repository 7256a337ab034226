// SPDX-License-Identifier: BSD-2-Clause
/*
 * The counters of many rules are read in parts: a scrape reads each rule once, page by page, and
 * the sample of a second goes over all of them without one long step. A real relay, whose rules
 * wait for an interface that does not exist.
 */
#include "config_text.h"
#include "watchdog.h"

#include "daemon/daemon.h"
#include "daemon/methods.h"
#include "daemon/statistics.h"

#define RULES 5000
#define PAGE  500

/* Rules read from the relay: in total, and at most in one call. */
static size_t rules_read;
static size_t most_read;

struct books *__real_relay_books(const struct relay *relay, size_t first, size_t most);
struct books *__wrap_relay_books(const struct relay *relay, size_t first, size_t most);

/* The linker replaces all calls of relay_books() by this (Makefile). */
struct books *__wrap_relay_books(const struct relay *relay, size_t first, size_t most)
{
	struct books *books = __real_relay_books(relay, first, most);

	assert_non_null(books);
	rules_read += books->nr_rules;
	if (books->nr_rules > most_read)
		most_read = books->nr_rules;
	return books;
}

static struct daemon running;

static int set_up(void **state)
{
	char *text = malloc(RULES * 96);
	size_t length = (size_t)sprintf(text, "rules:\n");

	assert_non_null(text);
	for (unsigned int i = 0; i < RULES; i++)
		length += (size_t)sprintf(
			text + length,
			"- { name: r%u, in: '239.1.%u.%u:5000@none', out: [to: 10.0.0.1:6] }\n", i,
			i / 256, i % 256);
	running.config = parse(text);
	free(text);
	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	log_running(); /* 100 of 5,000 pending rules are enough */
	running.sampler = sampler_new();
	assert_non_null(running.sampler);
	assert_int_equal(relay_open(&running.relay, &running.config), 0);
	return 0;
}

static int tear_down(void **state)
{
	relay_stop(running.relay);
	relay_close(running.relay);
	sampler_free(running.sampler);
	config_free(&running.config);
	return 0;
}

static json_t *call(const char *name, json_t *params)
{
	const struct control_method *method = daemon_methods;
	struct control_reply reply = {0};

	while (strcmp(method->name, name) != 0)
		method++;
	rules_read = most_read = 0;
	method->call(&running, params, &reply);
	json_decref(params);
	assert_non_null(reply.result);
	return reply.result;
}

/* Read all pages of a list. Returns the number of rules that were read from the relay. */
static size_t scrape(const char *method)
{
	size_t read = 0;
	size_t count = 0;

	while (count < RULES) {
		json_t *page =
			call(method, json_pack("{s:i, s:i}", "offset", (int)count, "limit", PAGE));
		const json_t *rules = json_object_get(page, "rules");
		char name[16];

		snprintf(name, sizeof(name), "r%zu", count);
		assert_string_equal(
			json_string_value(json_object_get(json_array_get(rules, 0), "name")), name);
		assert_int_equal(json_integer_value(json_object_get(page, "total")), RULES);
		assert_int_equal(rules_read, json_array_size(rules));
		count += json_array_size(rules);
		read += rules_read;
		json_decref(page);
	}
	assert_int_equal(count, RULES);
	return read;
}

static void test_scrape(void **state)
{
	assert_int_equal(scrape("stats.show"), RULES);
	assert_int_equal(scrape("rule.list"), RULES);
}

/* Methods that are not about rules read none; rule.show reads one. */
static void test_others(void **state)
{
	json_decref(call("iface.list", NULL));
	assert_int_equal(rules_read, 0);
	json_decref(call("worker.list", NULL));
	assert_int_equal(rules_read, 0);
	json_decref(call("rule.show", json_pack("{s:s}", "name", "r4321")));
	assert_int_equal(rules_read, 1);
	json_decref(call("stats.show", json_pack("{s:i, s:i}", "offset", RULES, "limit", PAGE)));
	assert_int_equal(rules_read, 0);
}

/* A sample reads all rules once, in parts between which the main loop can serve others. */
static void test_sample(void **state)
{
	unsigned int parts = 0;

	rules_read = most_read = 0;
	statistics_begin_sample(&running);
	while (running.sampling) {
		statistics_sample_part(&running);
		parts++;
		/* The next tick does not restart a sample that is still being taken. */
		if (running.sampling)
			statistics_begin_sample(&running);
	}
	assert_int_equal(rules_read, RULES);
	assert_true(parts > 1);
	assert_true(most_read <= 2048);
	statistics_begin_sample(&running);
	assert_true(running.sampling);
	while (running.sampling)
		statistics_sample_part(&running);
	assert_int_equal(rules_read, 2 * RULES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scrape),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
