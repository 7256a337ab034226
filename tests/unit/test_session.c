// SPDX-License-Identifier: BSD-2-Clause
/* One client of the control socket: its requests, and the answers and events for it. */
#include "watchdog.h"

#include <errno.h>
#include <sys/socket.h>

#include "control/session.h"

#define SECOND 1000000000ULL

static struct session *session;
static int peer;

static int open_pair(void **state)
{
	int fds[2];

	watchdog_start("session");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
		return -1;
	peer = fds[0];
	session = session_new(fds[1], CONTROL_READ, 0);
	return !session;
}

static int close_pair(void **state)
{
	session_free(session);
	close(peer);
	watchdog_stop();
	return 0;
}

/* ---- requests ---- */

/* Random lines that arrive in random pieces are read correctly. */
static void test_lines(void **state)
{
	uint32_t seed = 20261122;
	char text[20000];
	size_t sent = 0;
	size_t done = 0;

	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)next_random(&seed);
		/* Long lines and short ones. */
		if (next_random(&seed) % (i < sizeof(text) / 2 ? 700 : 5) == 0)
			text[i] = '\n';
	}
	text[sizeof(text) - 1] = '\n';
	while (done < sizeof(text)) {
		size_t piece = 1 + next_random(&seed) % 3000;
		const char *line;
		size_t length;

		if (piece > sizeof(text) - sent)
			piece = sizeof(text) - sent;
		assert_int_equal(send(peer, text + sent, piece, 0), piece);
		sent += piece;
		while (session_read(session, 5) == 0 && session_has_request(session)) {
			while ((line = lines_first(&session->requests, &length))) {
				assert_memory_equal(line, text + done, length);
				assert_int_equal(text[done + length], '\n');
				assert_null(memchr(line, '\n', length));
				done += length + 1;
				lines_drop(&session->requests);
			}
		}
	}
	assert_int_equal(done, sizeof(text));
	assert_int_equal(session->active_ns, 5);
	assert_null(session->requests.bytes); /* an empty buffer is freed */
}

/* A line without an end uses as much memory as the longest line, and no more. */
static void test_full(void **state)
{
	struct lines *lines = &session->requests;
	char bytes[10000] = {0};
	size_t sent = 0;

	while (!lines_is_full(lines)) {
		ssize_t n = send(peer, bytes, sizeof(bytes), 0);

		sent += n > 0 ? (size_t)n : 0;
		assert_true(sent <= 10 * SESSION_REQUEST_MOST);
		assert_int_equal(session_read(session, 0), 0);
		assert_false(session_has_request(session));
	}
	assert_int_equal(lines->length, SESSION_REQUEST_MOST);
	assert_int_equal(lines->room, SESSION_REQUEST_MOST);
	assert_int_equal(session_read(session, 0), 0);
	assert_int_equal(lines->length, SESSION_REQUEST_MOST);
	assert_int_equal(lines_receive(lines, session->fd), -EMSGSIZE);
	session_stop_reading(session);
	assert_true(session->ended);
	assert_null(lines->bytes);
	assert_false(session_has_request(session));
	assert_false(lines_is_full(lines));
}

static void test_end(void **state)
{
	assert_int_equal(send(peer, "a\nb", 3, 0), 3);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(session_read(session, 0), 0);
	assert_true(session->ended);
	assert_true(session_has_request(session));
	lines_drop(&session->requests);
	assert_false(session_has_request(session));
}

/* ---- answers and events ---- */

static size_t drain(char *text, size_t room)
{
	ssize_t n = recv(peer, text, room, 0);

	return n > 0 ? (size_t)n : 0;
}

static size_t unsent(void)
{
	return session->out.length - session->out_sent;
}

static void test_order(void **state)
{
	char text[100];

	session_event(session, "one\n", 4);
	assert_false(session_is_answering(session));
	assert_int_equal(session_answer(session, "answer\n", 7, 3 * SECOND), 0);
	assert_int_equal(session->answer_ns, 3 * SECOND);
	session_event(session, "two\n", 4);
	assert_int_equal(unsent(), 15);
	assert_int_equal(session->answer_left, 11);
	assert_true(session_is_answering(session));
	assert_int_equal(session_send(session, 7), 0);
	assert_int_equal(session->active_ns, 7);
	assert_false(session_is_sending(session));
	assert_false(session_is_answering(session));
	assert_null(session->out.bytes);
	assert_int_equal(drain(text, sizeof(text)), 15);
	assert_memory_equal(text, "one\nanswer\ntwo\n", 15);
	close(peer);
	peer = -1;
	session_event(session, "three\n", 6);
	assert_int_equal(session_send(session, 7), -EPIPE);
}

/* Events with an answer among them, read in random pieces: each byte arrives once and in order, and
 * the session knows at any time how much of the answer is left. */
static void test_accounting(void **state)
{
	enum { ANSWER = 700000, END = 10000 + ANSWER };
	static char answer[ANSWER];
	static char text[1 << 20];
	uint32_t seed = 4711;
	size_t queued = 0;
	size_t got = 0;

	memset(answer, 'A', ANSWER);
	for (int i = 0; i < 1000; i++, queued += 10)
		session_event(session, "123456789\n", 10);
	assert_int_equal(session_answer(session, answer, ANSWER, 0), 0);
	while (got < queued + ANSWER) {
		size_t sent;

		assert_int_equal(session_send(session, 0), 0);
		if (next_random(&seed) % 4 == 0 && queued < 200000) {
			session_event(session, "123456789\n", 10);
			queued += 10;
		}
		sent = queued + ANSWER - unsent();
		assert_int_equal(session->answer_left, sent < END ? END - sent : 0);
		got += drain(text + got, 1 + next_random(&seed) % 20000);
	}
	assert_int_equal(session->lost, 0);
	for (size_t i = 0; i < 10000; i++)
		assert_int_equal(text[i], "123456789\n"[i % 10]);
	assert_memory_equal(text + 10000, answer, ANSWER);
	for (size_t i = END; i < got; i++)
		assert_int_equal(text[i], "123456789\n"[(i - ANSWER) % 10]);
}

static void test_lost(void **state)
{
	const unsigned int most = SESSION_EVENTS_MOST / 10;
	static char text[SESSION_EVENTS_MOST];

	for (unsigned int i = 0; i < most; i++)
		session_event(session, "123456789\n", 10);
	assert_int_equal(session->lost, 0);
	assert_false(session_may_report_lost(session));
	session_event(session, "123456789\n", 10);
	assert_int_equal(session->lost, 1);
	/* A smaller event would fit, but then the gap would not be where it is reported. */
	session_event(session, "1\n", 2);
	assert_int_equal(session->lost, 2);
	assert_false(session_may_report_lost(session));
	while (unsent() > SESSION_EVENTS_MOST / 2) {
		assert_false(session_may_report_lost(session));
		assert_int_equal(session_send(session, 0), 0);
		drain(text, sizeof(text));
	}
	assert_true(session_may_report_lost(session));
	session_report_lost(session, "lost 2\n", 7);
	assert_int_equal(session->lost, 0);
	assert_false(session_may_report_lost(session));
	assert_true(session->out.room <= 2 * SESSION_EVENTS_MOST);
}

#define PAIRED(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIRED(test_lines), PAIRED(test_full),	     PAIRED(test_end),
		PAIRED(test_order), PAIRED(test_accounting), PAIRED(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
