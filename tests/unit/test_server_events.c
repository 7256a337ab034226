// SPDX-License-Identifier: BSD-2-Clause
/* Events of the control server: who gets them, what a slow client loses, and whose request is
 * served next. */
#include "server_env.c"

static void test_events(void **state)
{
	static const char emit[] =
		"{\"jsonrpc\":\"2.0\",\"method\":\"emit\",\"id\":3,\"params\":{\"number\":5}}\n";
	int monitor = connect_monitor();
	int second = connect_monitor();
	int plain = connect_client();

	publish(1);
	put_echo(monitor, 2);
	publish(2);
	expect_event(monitor, 1);
	expect_event(monitor, 2);
	expect_echo(monitor, 2);
	/* An event caused by a request comes before its answer, and to all monitors. */
	put(monitor, emit, sizeof(emit) - 1);
	expect_event(monitor, 5);
	json_decref(get(monitor));
	put_call(monitor, "watch", 4); /* twice is the same as once */
	serve();
	json_decref(get(monitor));
	shutdown(monitor, SHUT_WR);
	serve();
	publish(6);
	expect_event(monitor, 6);
	for (int i = 0; i < 4; i++)
		expect_event(second, (const int[]){1, 2, 5, 6}[i]);
	expect_nothing(monitor);
	expect_nothing(second);
	expect_nothing(plain);
	close(monitor);
	close(second);
	serve();
	publish(8);
	expect_alive(plain, 9);
	close(plain);
	serve();
	control_server_publish(NULL, NULL);
}

/* Events that were queued before the server is closed can be read afterwards. */
static void test_last_event(void **state)
{
	int monitor = connect_monitor();

	publish(1);
	control_server_close(server);
	assert_int_equal(open_server(state), 0);
	expect_event(monitor, 1);
	expect_end(monitor);
}

/* A client that does not read loses events, and receives their number instead. */
static void test_lost_events(void **state)
{
	enum { EVENTS = 20000 };
	int monitor = connect_monitor();
	int other = connect_monitor();
	json_int_t next = 0;
	json_int_t lost = 0;

	for (int i = 0; i < EVENTS; i++) {
		publish(i);
		serve();
		expect_event(other, i);
	}
	while (next < EVENTS) {
		json_t *line = get(monitor);
		const json_t *params = json_object_get(line, "params");
		const char *name = json_string_value(json_object_get(params, "event"));

		if (strcmp(name, "events-lost") == 0) {
			assert_int_equal(strlen(json_string_value(json_object_get(params, "time"))),
					 strlen("2026-11-22T15:04:05.123Z"));
			lost += json_integer_value(json_object_get(params, "count"));
			next += json_integer_value(json_object_get(params, "count"));
		} else {
			assert_int_equal(json_integer_value(json_object_get(params, "number")),
					 next++);
		}
		json_decref(line);
	}
	assert_true(lost > 0 && lost < EVENTS);
	publish(-1);
	expect_event(monitor, -1);
	close(monitor);
	close(other);
	serve();
}

/* ---- turns ---- */

/* Request the event with this number. */
static void put_emit(int fd, int number)
{
	char line[100];

	put(fd, line,
	    (size_t)snprintf(line, sizeof(line),
			     "{\"jsonrpc\":\"2.0\",\"method\":\"emit\",\"id\":%d,"
			     "\"params\":{\"number\":%d}}\n",
			     number, number));
}

/* Administrators are served before readers, and again after each of them. The events that they
 * cause show the order. */
static void test_admin_first(void **state)
{
	enum { READERS = 50, ADMINS = 3 };
	int readers[READERS];
	int monitor = connect_monitor();
	int admin = connect_client();

	for (int i = 0; i < READERS; i++)
		readers[i] = connect_reader();
	for (int i = 0; i < READERS; i++)
		put_emit(readers[i], i);
	for (int i = 0; i < ADMINS; i++)
		put_emit(admin, 1000 + i);
	serve();
	for (int i = 0; i < ADMINS; i++) {
		expect_event(monitor, 1000 + i);
		expect_event(monitor, i);
	}
	for (int i = ADMINS; i < READERS; i++)
		expect_event(monitor, i);
	for (int i = 0; i < READERS; i++)
		close(readers[i]);
	close(admin);
	close(monitor);
	serve();
}

/* A request of a reader that has closed its connection meanwhile is dropped; one of an
 * administrator is executed. */
static void test_gone_before_its_turn(void **state)
{
	int monitor = connect_monitor();
	int fds[] = {connect_reader(), connect_client()};

	for (int i = 0; i < 2; i++) {
		put_emit(fds[i], i);
		close(fds[i]);
	}
	serve();
	expect_event(monitor, 1);
	expect_nothing(monitor);
	close(monitor);
	serve();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(test_events),
		SERVED(test_last_event),
		SERVED(test_lost_events),
		SERVED(test_admin_first),
		SERVED(test_gone_before_its_turn),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
