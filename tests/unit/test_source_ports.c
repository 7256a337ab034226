// SPDX-License-Identifier: BSD-2-Clause
/* Sockets by source port: finding, wishes, eviction, and that a socket in use is never closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "dataplane/source_ports.h"

static struct source_ports ports;

static int any_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* As the main thread does. Returns the descriptor, or -1: there is no room. */
static int add(in_port_t port)
{
	int slot = source_ports_make_room(&ports, port);
	int fd;

	if (slot < 0)
		return -1;
	fd = any_fd();
	source_ports_put(&ports, slot, port, fd);
	return fd;
}

static void test_take(void **state)
{
	int fd, slot;

	source_ports_init(&ports);
	assert_int_equal(source_ports_take(&ports, htons(5000)), -1);
	fd = add(htons(5000));
	assert_int_equal(add(htons(5000)), -1); /* it has one */
	slot = source_ports_take(&ports, htons(5000));
	assert_true(slot >= 0);
	assert_int_equal(source_ports_fd(&ports, slot), fd);
	assert_int_equal(source_ports_take(&ports, htons(5001)), -1);
	source_ports_give_back(&ports, slot);
	source_ports_close(&ports);
	assert_false(is_open(fd));
}

static void test_every_port_has_places(void **state)
{
	source_ports_init(&ports);
	for (unsigned int port = 1; port < 65536; port++) {
		for (unsigned int i = 0; i < SOURCE_PORT_PLACES; i++)
			assert_true(source_port_place((in_port_t)port, i) < SOURCE_PORTS);
	}
}

static void test_wishes(void **state)
{
	source_ports_init(&ports);
	assert_int_equal(source_ports_next_wish(&ports), 0);
	/* The first wakes the main thread; the same again, and another one, do not. */
	assert_true(source_ports_want(&ports, htons(5000)));
	assert_false(source_ports_want(&ports, htons(5000)));
	assert_false(source_ports_want(&ports, htons(5001)));
	/* Its place among the wishes is taken: it will be wished again. */
	assert_false(source_ports_want(&ports, htons(5000 + SOURCE_PORT_WISHES)));
	assert_true(source_ports_has_wishes(&ports));
	assert_false(source_ports_has_wishes(&ports));
	assert_int_equal(source_ports_next_wish(&ports) + source_ports_next_wish(&ports),
			 htons(5000) + htons(5001));
	assert_int_equal(source_ports_next_wish(&ports), 0);
	assert_true(source_ports_want(&ports, htons(5000 + SOURCE_PORT_WISHES)));
	assert_int_equal(source_ports_next_wish(&ports), htons(5000 + SOURCE_PORT_WISHES));
}

static void test_pause(void **state)
{
	source_ports_init(&ports);
	source_ports_pause(&ports);
	assert_false(source_ports_want(&ports, htons(5000)));
	assert_false(source_ports_has_wishes(&ports));
	assert_int_equal(source_ports_next_wish(&ports), 0);
	source_ports_age(&ports);
	assert_true(source_ports_want(&ports, htons(5000)));
	assert_int_equal(source_ports_next_wish(&ports), htons(5000));
	/* Too many in one second. */
	source_ports_init(&ports);
	for (int i = 0; i < SOURCE_PORT_OPENINGS; i++) {
		assert_true(source_ports_want(&ports, htons(5000)));
		assert_true(source_ports_has_wishes(&ports));
		assert_int_equal(source_ports_next_wish(&ports), htons(5000));
		assert_true(add(htons(7)) >= 0);
		source_ports_close(&ports);
	}
	assert_false(source_ports_want(&ports, htons(5000)));
	source_ports_age(&ports);
	assert_true(source_ports_want(&ports, htons(5000)));
	source_ports_close(&ports);
}

static void test_idle(void **state)
{
	int fd, slot;

	source_ports_init(&ports);
	fd = add(htons(7));
	for (int i = 0; i < 3 * SOURCE_PORT_IDLE; i++) {
		slot = source_ports_take(&ports, htons(7));
		assert_true(slot >= 0);
		source_ports_give_back(&ports, slot);
		source_ports_age(&ports);
	}
	for (int i = 1; i < SOURCE_PORT_IDLE; i++)
		source_ports_age(&ports);
	assert_true(is_open(fd));
	source_ports_age(&ports);
	assert_false(is_open(fd));
	assert_int_equal(source_ports_take(&ports, htons(7)), -1);
	source_ports_close(&ports);
}

/* Not even after any time. It is closed when the send has completed. */
static void test_in_use(void **state)
{
	int fd, slot;

	source_ports_init(&ports);
	fd = add(htons(7));
	slot = source_ports_take(&ports, htons(7));
	for (int i = 0; i < 3 * SOURCE_PORT_IDLE; i++)
		source_ports_age(&ports);
	assert_true(is_open(fd));
	assert_int_equal(source_ports_fd(&ports, slot), fd);
	/* But nobody else gets it any more, and its place stays taken. */
	assert_int_equal(source_ports_take(&ports, htons(7)), -1);
	source_ports_give_back(&ports, slot);
	source_ports_age(&ports);
	assert_false(is_open(fd));
	source_ports_close(&ports);
}

/* As many as there are, then only in place of one that was not used in the last second. */
static void test_full(void **state)
{
	unsigned int open = 0, evicted = 0, fd_before = (unsigned int)any_fd();

	source_ports_init(&ports);
	for (unsigned int port = 1024; port < 65536; port++)
		open += add(htons((uint16_t)port)) >= 0;
	assert_int_equal(open, SOURCE_PORTS);
	source_ports_age(&ports); /* all were used */
	for (unsigned int port = 1024; port < 65536; port++)
		assert_int_equal(add(htons((uint16_t)port)), -1);
	source_ports_age(&ports);
	for (unsigned int port = 1024; port < 65536 && evicted < SOURCE_PORTS; port++)
		evicted += add(htons((uint16_t)port)) >= 0;
	assert_int_equal(evicted, SOURCE_PORTS);
	source_ports_close(&ports);
	/* Nothing has leaked. */
	close((int)fd_before);
	assert_int_equal(any_fd(), (int)fd_before);
	close((int)fd_before);
}

static atomic_bool stop;
static atomic_uint wrong;

/* An egress thread: what it takes is open, and is that of its port, until it gives it back. */
static void *take_and_check(void *arg)
{
	in_port_t port = htons(7);

	while (!atomic_load(&stop)) {
		int slot = source_ports_take(&ports, port);
		int fd;

		if (slot < 0)
			continue;
		fd = source_ports_fd(&ports, slot);
		for (int i = 0; i < 20; i++) {
			if (!is_open(fd) || source_ports_fd(&ports, slot) != fd)
				atomic_fetch_add(&wrong, 1);
		}
		source_ports_give_back(&ports, slot);
	}
	return NULL;
}

static void test_race(void **state)
{
	pthread_t threads[2];
	unsigned int opened = 0;

	source_ports_init(&ports);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_check, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		opened += add(htons(7)) >= 0;
		/* Due to be closed, whether it was used or not. */
		for (unsigned int place = 0; place < SOURCE_PORTS; place++) {
			atomic_store(&ports.slots[place].used, false);
			ports.slots[place].idle = SOURCE_PORT_IDLE;
		}
		source_ports_age(&ports);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	assert_true(opened > 100);
	source_ports_close(&ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),   cmocka_unit_test(test_every_port_has_places),
		cmocka_unit_test(test_wishes), cmocka_unit_test(test_pause),
		cmocka_unit_test(test_idle),   cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_full),   cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
