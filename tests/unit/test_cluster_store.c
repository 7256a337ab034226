// SPDX-License-Identifier: BSD-2-Clause
/* The connection to etcd (cluster/store.h), with an etcd that does what a test wants. The time of
 * the store is the test's. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"
#include "cluster/store.h"

#define MS 1000000ULL

static struct etcd {
	int listener, clients[8], watcher; /* -1: none */
	unsigned int readings;
	bool refuses; /* to be read */
	int64_t revision;
} etcd;

static struct store *store;
static uint64_t now;
static unsigned int answers, readings;

/* ---- etcd ---- */

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void reply(int fd, const char *json)
{
	char text[512];

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(json), json);
	send_text(fd, text);
}

/* The watch shows that a node has written its key. */
static void show(const char *node, int64_t revision)
{
	char key[64], encoded[128], line[512], chunk[600];

	snprintf(key, sizeof(key), "/xmcast/nodes/%s", node);
	base64_encode(key, strlen(key), encoded);
	snprintf(line, sizeof(line),
		 "{\"result\":{\"header\":{\"revision\":\"%lld\"},\"events\":[{\"kv\":{\"key\":\"%"
		 "s\","
		 "\"create_revision\":\"1\",\"mod_revision\":\"%lld\",\"value\":\"\"}}]}}\n",
		 (long long)etcd.revision, encoded, (long long)revision);
	snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(line), line);
	send_text(etcd.watcher, chunk);
}

static void serve(int fd)
{
	char request[4096], json[256];
	ssize_t n = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return;
	request[n] = '\0';
	if (strstr(request, "/v3/kv/range")) {
		etcd.readings++;
		snprintf(json, sizeof(json), "{\"header\":{\"revision\":\"%lld\"}}",
			 (long long)etcd.revision);
		reply(fd,
		      etcd.refuses ? "{\"error\":\"etcdserver: no leader\",\"code\":14}" : json);
	} else if (strstr(request, "/v3/watch")) {
		etcd.watcher = fd;
		send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	} else if (strstr(request, "/v3/kv/txn")) {
		snprintf(json, sizeof(json),
			 "{\"header\":{\"revision\":\"%lld\"},\"succeeded\":true,\"responses\":[]}",
			 (long long)++etcd.revision);
		reply(fd, json);
	}
}

static void run_etcd(void)
{
	int fd = accept4(etcd.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (unsigned int i = 0; i < 8; i++) {
		if (fd >= 0 && etcd.clients[i] < 0) {
			etcd.clients[i] = fd;
			fd = -1;
		}
		if (etcd.clients[i] >= 0)
			serve(etcd.clients[i]);
	}
	assert_int_equal(fd, -1);
}

/* ---- the store ---- */

static void on_answer(void *context, const struct answer *answer)
{
	assert_int_equal(answer->kind, ANSWER_DONE);
	answers++;
}

static void on_reading(void *context)
{
}

static void on_key(void *context, const struct etcd_key *key)
{
}

static void on_all(void *context, int64_t revision)
{
	readings++;
}

static struct store_status status_of(void)
{
	struct store_status status;

	store_status(store, &status);
	return status;
}

/* Until nothing happens any more, at this moment of the store. */
static void settle(void)
{
	for (unsigned int quiet = 0; quiet < 20; quiet++) {
		run_etcd();
		store_wait(store, NULL, 0, 1);
		store_run(store, now);
	}
}

static int set_up(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct store_settings settings = {
		.prefix = "/xmcast", .nr_endpoints = 1, .timeout = 5000 * MS, .lag = 300 * MS};
	const struct store_listener listener = {NULL, on_answer, on_reading, on_key, on_all};
	socklen_t length = sizeof(address);

	etcd = (struct etcd){.watcher = -1, .revision = 10};
	for (unsigned int i = 0; i < 8; i++)
		etcd.clients[i] = -1;
	etcd.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(etcd.listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(etcd.listener, 8), 0);
	assert_int_equal(getsockname(etcd.listener, (struct sockaddr *)&address, &length), 0);
	snprintf(settings.endpoints[0], sizeof(settings.endpoints[0]), "http://127.0.0.1:%u",
		 ntohs(address.sin_port));
	now = 1000000 * MS;
	answers = readings = 0;
	assert_int_equal(store_open(&store, &settings, &listener), 0);
	while (!status_of().watching || etcd.watcher < 0)
		settle();
	assert_int_equal(readings, 1);
	return 0;
}

static int tear_down(void **state)
{
	store_close(store);
	for (unsigned int i = 0; i < 8; i++) {
		if (etcd.clients[i] >= 0)
			close(etcd.clients[i]);
	}
	close(etcd.listener);
	return 0;
}

static void renew(void)
{
	unsigned int before = answers;

	store_send(store, strdup("{}"));
	while (answers == before)
		settle();
}

/* The connection of the watch ends, as when a member of etcd dies. */
static void break_watch(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		if (etcd.clients[i] == etcd.watcher)
			etcd.clients[i] = -1;
	}
	close(etcd.watcher);
	etcd.watcher = -1;
}

static void wait_watching(void)
{
	while (readings < 2 || !status_of().watching)
		settle();
}

/* ---- tests ---- */

static void a_watch_that_shows_our_renewals_stays(void **state)
{
	for (unsigned int i = 0; i < 20; i++) {
		renew();
		show("a", etcd.revision);
		settle();
		now += 100 * MS;
	}
	/* Who writes nothing needs to see nothing. */
	now += 60000 * MS;
	settle();
	assert_int_equal(status_of().watch_losses, 0);
	assert_int_equal(readings, 1);
}

/* It shows what other nodes write, but late: ours is missing. */
static void a_late_watch_is_left(void **state)
{
	int64_t others = etcd.revision;

	etcd.revision += 1000;
	renew();
	for (unsigned int i = 0; i < 3; i++) {
		now += 100 * MS;
		show("b", ++others);
		settle();
		renew();
		assert_int_equal(status_of().watch_losses, 0);
	}
	now += MS;
	settle();
	assert_int_equal(status_of().watch_losses, 1);
	wait_watching();
	/* What was written before the reading need not be shown again. */
	now += 1000 * MS;
	settle();
	assert_int_equal(status_of().watch_losses, 1);
}

/* Its connection ends, as when a member of etcd dies: it begins again at once, unless it has just
 * begun. */
static void a_watch_that_ends_begins_again(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		now += i ? 199 * MS : 200 * MS;
		break_watch();
		while (status_of().watch_losses == i)
			settle();
		settle();
		assert_int_equal(etcd.readings, 2);
		while (!i && (!status_of().watching || etcd.watcher < 0))
			settle();
	}
	now += MS;
	while (etcd.readings < 3)
		settle();
}

/* It shows nothing at all, and TCP does not know that it is dead. */
static void a_dead_watch_is_left(void **state)
{
	renew();
	now += 300 * MS;
	settle();
	assert_int_equal(status_of().watch_losses, 0);
	now += MS;
	settle();
	assert_int_equal(status_of().watch_losses, 1);
	wait_watching();
}

/* While the keys cannot be read, there is no watch that could be lost once more. */
static void a_watch_is_lost_once(void **state)
{
	etcd.refuses = true;
	break_watch();
	for (unsigned int i = 1; i <= 5; i++) {
		now += 200 * MS;
		while (etcd.readings < 1 + i)
			settle();
		settle();
		assert_int_equal(status_of().watch_losses, 1);
	}
	etcd.refuses = false;
	now += 200 * MS;
	wait_watching();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_watch_that_shows_our_renewals_stays, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_late_watch_is_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_watch_is_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_watch_that_ends_begins_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_watch_is_lost_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
