/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/connections.h"

#include <stdbool.h>
#include <stddef.h>

/* Each state has one time limit, so the earliest deadline in it belongs to the oldest connection.
 */
static struct connection *oldest(struct connections *connections, enum connection_state state,
				 const struct connection *but)
{
	struct connection *found = NULL;

	for (unsigned int i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &connections->list[i];

		if (connection != but && connection->state == state &&
		    (!found || connection->deadline_ms < found->deadline_ms))
			found = connection;
	}
	return found;
}

static int end(struct connection *connection)
{
	connection->state = CONNECTION_ENDED;
	return connection->fd;
}

struct connection *connections_add(struct connections *connections, int fd, int64_t now_ms,
				   int *evicted)
{
	struct connection *added = NULL;
	struct connection *victim;
	unsigned int open = 1;

	*evicted = -1;
	for (unsigned int i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &connections->list[i];

		if (connection->state == CONNECTION_FREE)
			added = added ? added : connection;
		else if (connection->state != CONNECTION_ENDED)
			open++;
	}
	if (!added)
		return NULL;
	*added = (struct connection){CONNECTION_READING, fd,
				     now_ms + (connections->tls ? TLS_REQUEST_MS : REQUEST_MS)};
	if (open <= CONNECTIONS_KEPT)
		return added;
	victim = oldest(connections, CONNECTION_READING, added);
	if (!victim)
		victim = oldest(connections, CONNECTION_ANSWERING, added);
	if (victim)
		*evicted = end(victim);
	return added;
}

void connection_complete(struct connection *connection, int64_t now_ms)
{
	/* One that was ended in the same pass of the HTTP library stays so. */
	if (connection->state != CONNECTION_READING)
		return;
	connection->state = CONNECTION_ANSWERING;
	connection->deadline_ms = now_ms + ANSWER_MS;
}

void connection_remove(struct connection *connection)
{
	connection->state = CONNECTION_FREE;
}

static bool is_open(const struct connection *connection)
{
	return connection->state == CONNECTION_READING || connection->state == CONNECTION_ANSWERING;
}

int connections_expire(struct connections *connections, int64_t now_ms)
{
	for (unsigned int i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &connections->list[i];

		if (is_open(connection) && connection->deadline_ms <= now_ms)
			return end(connection);
	}
	return -1;
}

int connections_end_answering(struct connections *connections)
{
	struct connection *connection = oldest(connections, CONNECTION_ANSWERING, NULL);

	return connection ? end(connection) : -1;
}

int64_t connections_wait(const struct connections *connections, int64_t now_ms)
{
	int64_t wait = -1;

	for (unsigned int i = 0; i < CONNECTIONS_MAX; i++) {
		const struct connection *connection = &connections->list[i];
		int64_t left = connection->deadline_ms - now_ms;

		if (is_open(connection) && (wait < 0 || left < wait))
			wait = left > 0 ? left : 0;
	}
	return wait;
}
