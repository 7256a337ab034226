/* SPDX-License-Identifier: BSD-2-Clause */
/* Which connection of the exporter is closed, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporter/connections.h"

/* Connect `count` clients, whose descriptors are from `first` on, at successive milliseconds. */
static void fill(struct connections *connections, int first, int count, int64_t now)
{
	for (int i = 0; i < count; i++) {
		int evicted;

		assert_non_null(connections_add(connections, first + i, now + i, &evicted));
		assert_int_equal(evicted, -1);
	}
}

/* The library has closed it. */
static void remove_fd(struct connections *connections, int fd)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &connections->list[i];

		if (connection->state != CONNECTION_FREE && connection->fd == fd) {
			connection_remove(connection);
			return;
		}
	}
	fail_msg("%d is not open", fd);
}

static void test_request_deadline(void **state)
{
	struct connections connections = {};
	struct connection *connection;
	int evicted;

	assert_int_equal(connections_wait(&connections, 0), -1);
	connection = connections_add(&connections, 7, 1000, &evicted);
	assert_int_equal(evicted, -1);
	assert_int_equal(connections_wait(&connections, 1000), REQUEST_MS);
	assert_int_equal(connections_expire(&connections, 1000 + REQUEST_MS - 1), -1);
	assert_int_equal(connections_wait(&connections, 1000 + REQUEST_MS + 5), 0);
	assert_int_equal(connections_expire(&connections, 1000 + REQUEST_MS), 7);
	/* Only once; it is open until the library closes it. */
	assert_int_equal(connections_expire(&connections, 1000 + REQUEST_MS), -1);
	assert_int_equal(connections_wait(&connections, 1000 + REQUEST_MS), -1);
	assert_int_equal(connection->state, CONNECTION_ENDED);
	/* A request that is complete just then does not bring it back. */
	connection_complete(connection, 1000 + REQUEST_MS);
	assert_int_equal(connection->state, CONNECTION_ENDED);
	connection_remove(connection);
	assert_int_equal(connection->state, CONNECTION_FREE);
}

static void test_answer_deadline(void **state)
{
	struct connections connections = {};
	struct connection *connection;
	int evicted;

	connection = connections_add(&connections, 7, 0, &evicted);
	connection_complete(connection, 1500);
	assert_int_equal(connections_expire(&connections, REQUEST_MS), -1);
	assert_int_equal(connections_wait(&connections, 1500), ANSWER_MS);
	/* A second request on the connection gets no more time. */
	connection_complete(connection, 9000);
	assert_int_equal(connections_expire(&connections, 1500 + ANSWER_MS), 7);
}

static void test_earliest_deadline(void **state)
{
	struct connections connections = {};
	int evicted;

	connection_complete(connections_add(&connections, 1, 0, &evicted), 0);
	connections_add(&connections, 2, 100, &evicted);
	assert_int_equal(connections_wait(&connections, 100), REQUEST_MS);
	assert_int_equal(connections_expire(&connections, 100 + REQUEST_MS), 2);
	assert_int_equal(connections_wait(&connections, 100 + REQUEST_MS),
			 ANSWER_MS - REQUEST_MS - 100);
}

/* Half requests: the oldest goes for each new connection, never a complete one. */
static void test_oldest_incomplete_goes(void **state)
{
	struct connections connections = {};
	struct connection *scraper;
	int evicted;

	scraper = connections_add(&connections, 1, 0, &evicted);
	connection_complete(scraper, 0);
	fill(&connections, 100, CONNECTIONS_KEPT - 1, 10);
	for (int i = 0; i < 1000; i++) {
		connections_add(&connections, 1000 + i, 2000 + i, &evicted);
		assert_int_equal(evicted, i < CONNECTIONS_KEPT - 1
						  ? 100 + i
						  : 1000 + i - (CONNECTIONS_KEPT - 1));
		remove_fd(&connections, evicted);
		assert_int_equal(scraper->state, CONNECTION_ANSWERING);
	}
}

/* Clients that do not read their answers: the oldest goes, and a new one never does itself. */
static void test_slow_readers(void **state)
{
	struct connections connections = {};
	int evicted;

	fill(&connections, 100, CONNECTIONS_KEPT, 0);
	for (int i = 0; i < CONNECTIONS_KEPT; i++)
		connection_complete(&connections.list[i], i);
	for (int i = 0; i < 3 * CONNECTIONS_KEPT; i++) {
		struct connection *added =
			connections_add(&connections, 1000 + i, 5000 + i, &evicted);

		connection_complete(added, 5000 + i);
		assert_int_equal(evicted,
				 i < CONNECTIONS_KEPT ? 100 + i : 1000 + i - CONNECTIONS_KEPT);
		remove_fd(&connections, evicted);
	}
}

/* The library closes evicted connections later: until then they have places of their own. */
static void test_limit(void **state)
{
	struct connections connections = {};
	int evicted;

	fill(&connections, 100, CONNECTIONS_KEPT, 0);
	for (int i = CONNECTIONS_KEPT; i < CONNECTIONS_MAX; i++) {
		assert_non_null(connections_add(&connections, 100 + i, i, &evicted));
		assert_int_equal(evicted, 100 + i - CONNECTIONS_KEPT);
	}
	assert_null(connections_add(&connections, 1000, CONNECTIONS_MAX, &evicted));
	assert_int_equal(evicted, -1);
	remove_fd(&connections, 100);
	assert_non_null(connections_add(&connections, 1000, CONNECTIONS_MAX, &evicted));
	assert_int_equal(evicted, 100 + CONNECTIONS_MAX - CONNECTIONS_KEPT);
}

/* With TLS there is time for its handshake. */
static void test_tls(void **state)
{
	struct connections connections = {.tls = true};
	int evicted;

	assert_non_null(connections_add(&connections, 7, 1000, &evicted));
	assert_int_equal(connections_expire(&connections, 1000 + TLS_REQUEST_MS - 1), -1);
	assert_int_equal(connections_expire(&connections, 1000 + TLS_REQUEST_MS), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_deadline),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_answer_deadline),
		cmocka_unit_test(test_earliest_deadline),
		cmocka_unit_test(test_oldest_incomplete_goes),
		cmocka_unit_test(test_slow_readers),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
