// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on one client's connection: any bytes, sent in pieces whose sizes the bytes themselves
 * choose. The session must return the lines whole, once and in order, and report a line that is too
 * long. Each line is echoed as an answer or as events to a client that reads at its own pace: it
 * must get what was queued, byte for byte, and be told how many events were lost.
 *
 * recv() and send() are defined here instead of the C library's, because three system calls for
 * each piece would take nearly all of the time.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/session.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The longest line: the shortest that makes the buffer grow twice. */
#define MOST 10000

/* Enough pieces to split a few lines at any byte. */
#define SMALL_PIECES 128

/* Lines that are echoed: inputs that are mostly newlines would take too long otherwise. */
#define ECHOES 64

/* Together they exceed the room for events. */
#define LARGE_EVENT  40000
#define LARGE_EVENTS 16

/* Both ends of the connection. */
static struct wire {
	/* What the client sends. */
	const uint8_t *data;
	size_t size;
	size_t sent;  /* bytes of `data` so far */
	size_t ready; /* bytes that recv() returns before EAGAIN */
	bool interrupted;

	/* What the client must get, and how much of it has arrived. */
	char *expected;
	size_t expected_length;
	size_t expected_room;
	size_t got;
	unsigned int calls; /* of send() */
	unsigned int large; /* events */
	unsigned int echoes;
} wire;

/* A decision, made by the next byte that is sent. */
static uint8_t choice(void)
{
	return wire.sent < wire.size ? wire.data[wire.sent] : 0;
}

ssize_t recv(int fd, void *buffer, size_t room, int flags)
{
	size_t length = wire.ready < room ? wire.ready : room;

	must(room > 0 && flags & MSG_DONTWAIT);
	if (!length) {
		errno = wire.interrupted ? EINTR : EAGAIN;
		wire.interrupted = false;
		return -1;
	}
	memcpy(buffer, wire.data + wire.sent, length);
	wire.sent += length;
	wire.ready -= length;
	return (ssize_t)length;
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
	/* EAGAIN, EINTR, a part, or everything. */
	static const size_t most[] = {0, 0, 1, 100, 5000, 50000, 200000, 200000};
	size_t way = (choice() + wire.calls++ / 2) % 8;

	must(length > 0 && wire.got + length <= wire.expected_length);
	must(memcmp(data, wire.expected + wire.got, length) == 0);
	must(flags & MSG_NOSIGNAL && flags & MSG_DONTWAIT);
	if (!most[way]) {
		errno = way ? EINTR : EAGAIN;
		return -1;
	}
	length = most[way] < length ? most[way] : length;
	wire.got += length;
	return (ssize_t)length;
}

static void expect(const char *line, size_t length)
{
	while (wire.expected_length + length > wire.expected_room) {
		wire.expected_room = wire.expected_room ? 2 * wire.expected_room : 1U << 16;
		wire.expected = realloc(wire.expected, wire.expected_room);
		must(wire.expected != NULL);
	}
	memcpy(wire.expected + wire.expected_length, line, length);
	wire.expected_length += length;
}

/* Bytes of events after the answer. */
static size_t count_events(const struct session *session)
{
	return session->out.length - session->out_sent - session->answer_left;
}

static void echo_event(struct session *session, const char *line, size_t length)
{
	uint64_t lost = session->lost;

	session_event(session, line, length);
	must(count_events(session) <= SESSION_EVENTS_MOST);
	if (session->lost) {
		must(session->lost == lost + 1);
		return;
	}
	expect(line, length);
}

/* Echo the line as an event, or as a large one, of which a few use up the room for events. */
static void echo_events(struct session *session, const char *line, size_t length)
{
	static const char large[LARGE_EVENT];

	if (line[0] == 'e')
		echo_event(session, line, length);
	else if (wire.large++ < LARGE_EVENTS)
		echo_event(session, large, sizeof(large));
	if (session_may_report_lost(session)) {
		must(session->lost && count_events(session) <= SESSION_EVENTS_MOST / 2);
		session_report_lost(session, "lost\n", 5);
		must(session->lost == 0);
		expect("lost\n", 5);
	}
}

static void echo(struct session *session, const char *line, size_t length)
{
	if (line[0] == 'e' || line[0] == 'E')
		echo_events(session, line, length);
	else if (!session_is_answering(session)) {
		must(session_answer(session, line, length, 0) == 0);
		expect(line, length);
		must(session_is_answering(session));
	}
	must(session_send(session, 0) == 0);
	must(session_is_sending(session) == (wire.got < wire.expected_length));
	must(session->out.length - session->out_sent == wire.expected_length - wire.got);
}

/* Take all whole lines, which start `taken` bytes into the data. Returns where they end. */
static size_t take_lines(struct session *session, size_t taken)
{
	const char *line;
	size_t length;

	while ((line = lines_first(&session->requests, &length))) {
		must(taken + length < wire.sent && wire.data[taken + length] == '\n');
		must(!memchr(line, '\n', length));
		must(memcmp(line, wire.data + taken, length) == 0);
		if (wire.echoes++ < ECHOES)
			echo(session, line, length + 1);
		taken += length + 1;
		lines_drop(&session->requests);
	}
	return taken;
}

/* The client reads the rest and sends nothing more. */
static void finish(struct session *session)
{
	for (int i = 0; session_is_sending(session); i++) {
		must(i < 1 << 16);
		must(session_send(session, 0) == 0);
	}
	must(wire.got == wire.expected_length);
	must(!session->out.bytes && !session_is_answering(session) && !count_events(session));
	session_stop_reading(session);
	must(session->ended && !session->requests.bytes);
}

static void receive(struct session *session)
{
	unsigned int pieces = 0;
	size_t taken = 0;

	while (wire.sent < wire.size && !lines_is_full(&session->requests)) {
		uint8_t chosen = choice();
		/* Small pieces and large ones; after many, only large ones. */
		bool large = chosen & 1 || pieces++ > SMALL_PIECES;
		size_t piece = 1 + (large ? (chosen | 16U) * 64U : chosen / 16U);

		wire.ready = piece < wire.size - wire.sent ? piece : wire.size - wire.sent;
		wire.interrupted = chosen & 2;
		while (wire.ready && !lines_is_full(&session->requests)) {
			must(session_read(session, 0) == 0);
			must(session->requests.room <= MOST);
			taken = take_lines(session, taken);
		}
		/* Without data nothing changes, and no memory is held. */
		wire.ready = 0;
		must(session_read(session, 0) == 0);
		must(taken < wire.sent || !session->requests.bytes);
		must(!session->ended);
	}
	if (lines_is_full(&session->requests))
		must(wire.sent - taken >= MOST && !memchr(wire.data + taken, '\n', MOST));
	else
		must(taken == wire.size || !memchr(wire.data + taken, '\n', wire.size - taken));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *session = session_new(-1, CONTROL_READ, 0);

	must(session != NULL);
	session->requests.most = MOST;
	wire.data = data;
	wire.size = size;
	wire.sent = wire.ready = wire.expected_length = wire.got = 0;
	wire.calls = wire.large = wire.echoes = 0;
	receive(session);
	finish(session);
	session_free(session);
	return 0;
}
