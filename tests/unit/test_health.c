// SPDX-License-Identifier: BSD-2-Clause
/* When transport streams are checked, and what is counted about datagrams that are not: nothing
 * wrong, whatever was in them. */
#include "watchdog.h"

#include <string.h>

#include "base/bytes.h"
#include "dataplane/health.h"
#include "dataplane/health_pace.h"
#include "dataplane/rtp.h"

#define MS	  1000000ULL
#define PACKETS	  7
#define VIDEO_PID 0x101
#define SIZE	  (RTP_HEADER_SIZE + PACKETS * TS_PACKET_SIZE)

struct sender {
	struct health *health;
	struct xmc_addr source;
	uint64_t now_ns;
	uint64_t sent;
	uint16_t sequence;
	uint8_t counter;
};

static void start(struct sender *sender, uint8_t watch)
{
	const struct rule rule = {.watch = watch, .watch_clock = 90000};

	*sender = (struct sender){.source = {.b = {[15] = 1}}, .now_ns = 5000 * MS};
	sender->health = health_new(&rule, 1);
	assert_non_null(sender->health);
}

/* A PAT and six packets of video in RTP, one millisecond later. */
static void pass(struct sender *sender, uint64_t times, bool skip_ts)
{
	for (uint64_t n = 0; n < times; n++) {
		uint8_t payload[SIZE] = {0x80, 33, (uint8_t)(sender->sequence >> 8),
					 (uint8_t)sender->sequence};
		const struct health_datagram datagram = {
			.source = &sender->source,
			.payload = payload,
			.readable = SIZE,
			.length = SIZE,
			.now_ns = sender->now_ns,
			.skip_ts = skip_ts,
		};

		for (unsigned int i = 0; i < PACKETS; i++) {
			static const uint8_t pat[] = {0x47, 0x40, 0, 0x10, 0, 0, 0xb0,
						      13,   0,	  1, 0xc1, 0, 0, 0,
						      1,    0xe1, 0, 1,	   2, 3, 4};
			uint8_t *packet = payload + RTP_HEADER_SIZE + i * TS_PACKET_SIZE;

			if (i == 0) {
				memcpy(packet, pat, sizeof(pat));
				packet[3] |= (uint8_t)(sender->sequence & 0xf);
				continue;
			}
			packet[0] = 0x47;
			packet[1] = VIDEO_PID >> 8;
			packet[2] = (uint8_t)VIDEO_PID;
			packet[3] = (uint8_t)(0x10 | (sender->counter++ & 0xf));
		}
		health_look(sender->health, 0, &datagram);
		sender->sequence++;
		sender->sent++;
		sender->now_ns += MS;
	}
}

static uint64_t figure_of(const struct sender *sender, unsigned int figure)
{
	struct health_counts counts = {};

	health_read(sender->health, &counts);
	return counts.figures[figure];
}

static uint64_t errors_of(const struct sender *sender)
{
	struct health_counts counts = {};

	health_read(sender->health, &counts);
	return health_errors(&counts);
}

/* Each datagram is either checked or counted as not checked. */
static void expect_unchecked(const struct sender *sender, uint64_t count)
{
	assert_int_equal(figure_of(sender, HEALTH_TS_UNCHECKED), count);
	assert_int_equal(figure_of(sender, HEALTH_TS_FIRST + TS_PACKETS),
			 (sender->sent - count) * PACKETS);
	assert_int_equal(figure_of(sender, HEALTH_TS_INVALID), 0);
	assert_int_equal(figure_of(sender, HEALTH_UNWATCHED), 0);
}

static void test_not_checked(void **state)
{
	struct sender sender;

	start(&sender, WATCH_RTP | WATCH_TS);
	pass(&sender, 50, false);
	for (unsigned int i = 0; i < 20; i++) {
		/* Also longer than a table may be missing. */
		pass(&sender, i % 2 ? 751 : 7, true);
		pass(&sender, 50, false);
	}
	expect_unchecked(&sender, 10 * (751 + 7));
	assert_int_equal(errors_of(&sender), 0);
	health_free(sender.health);
}

/* What is checked is checked as always, and RTP whatever is skipped. */
static void test_errors(void **state)
{
	struct sender sender;

	start(&sender, WATCH_RTP | WATCH_TS);
	pass(&sender, 100, false);
	pass(&sender, 100, true);
	/* Lost among those that are not checked: RTP only. */
	sender.sequence = (uint16_t)(sender.sequence + 3);
	sender.counter += 5;
	pass(&sender, 100, true);
	pass(&sender, 100, false);
	assert_int_equal(figure_of(&sender, HEALTH_RTP_LOST), 3);
	assert_int_equal(errors_of(&sender), 3);
	/* Between two that are checked. */
	sender.counter++;
	pass(&sender, 100, false);
	assert_int_equal(figure_of(&sender, HEALTH_TS_FIRST + TS_CONTINUITY), 1);
	assert_int_equal(errors_of(&sender), 4);
	expect_unchecked(&sender, 200);
	health_free(sender.health);
}

/* Each flow begins again behind its datagrams that were skipped. */
static void test_flows(void **state)
{
	struct sender a, b;

	start(&a, WATCH_TS);
	start(&b, WATCH_TS);
	health_free(b.health);
	b.health = a.health;
	b.source.b[15] = 2;
	for (unsigned int i = 0; i < 10; i++) {
		pass(&a, 10, false);
		pass(&b, 10, false);
		pass(&a, 3, true);
		pass(&b, 3, true);
		b.now_ns = a.now_ns;
	}
	assert_int_equal(errors_of(&a), 0);
	assert_int_equal(figure_of(&a, HEALTH_TS_UNCHECKED), 60);
	health_free(a.health);
}

/* A flow is not silent while its datagrams are not checked, so no other one takes its place. */
static void test_place(void **state)
{
	struct sender sender;

	start(&sender, WATCH_TS);
	for (unsigned int i = 0; i < 500; i++) {
		sender.source.b[15] = (uint8_t)(i % HEALTH_FLOWS_TS);
		pass(&sender, 5, true);
	}
	sender.source.b[15] = HEALTH_FLOWS_TS;
	pass(&sender, 1, true);
	pass(&sender, 1, false);
	assert_int_equal(figure_of(&sender, HEALTH_UNWATCHED), 2);
	assert_int_equal(figure_of(&sender, HEALTH_TS_UNCHECKED), 2500);
	health_free(sender.health);
}

/* Datagrams without whole packets are no transport stream, checked or not. */
static void test_invalid(void **state)
{
	const uint8_t payload[100] = {0x47};
	struct xmc_addr source = {};
	struct health_datagram datagram = {
		.source = &source,
		.payload = payload,
		.readable = sizeof(payload),
		.length = sizeof(payload),
		.now_ns = 1,
		.skip_ts = true,
	};
	struct sender sender;

	start(&sender, WATCH_TS);
	health_look(sender.health, 0, &datagram);
	assert_int_equal(figure_of(&sender, HEALTH_TS_INVALID), 1);
	assert_int_equal(figure_of(&sender, HEALTH_TS_UNCHECKED), 0);
	health_free(sender.health);
}

/* How many milliseconds of a cycle are checked. */
static uint64_t checked(struct health_pace *pace, uint64_t *now_ns, bool behind)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < HEALTH_CYCLE_NS / MS; i++) {
		sum += health_pace(pace, behind, *now_ns);
		*now_ns += MS;
	}
	return sum;
}

/* Be behind until that is no longer for a moment: all is checked. */
static void fall_behind(struct health_pace *pace, uint64_t *now_ns)
{
	for (unsigned int i = 0; i < HEALTH_CHECK_NS / MS; i++) {
		assert_true(health_pace(pace, true, *now_ns));
		*now_ns += MS;
	}
}

/* A backlog that is relayed within a moment is checked, however many there are. */
static void test_backlogs(void **state)
{
	struct health_pace pace = {};
	uint64_t now_ns = 10 * HEALTH_CYCLE_NS + 3 * HEALTH_CHECK_NS;

	for (unsigned int i = 0; i < 5; i++) {
		for (unsigned int j = 0; j < 20; j++) {
			assert_true(health_pace(&pace, true, now_ns));
			now_ns += MS;
		}
		assert_int_equal(checked(&pace, &now_ns, false), HEALTH_CYCLE_NS / MS);
	}
}

static void test_pace(void **state)
{
	/* From somewhere within a cycle on. */
	for (uint64_t begin = 1; begin < HEALTH_CYCLE_NS; begin += 37 * MS) {
		struct health_pace pace = {};
		uint64_t now_ns = 10 * HEALTH_CYCLE_NS + begin;

		assert_int_equal(checked(&pace, &now_ns, false), HEALTH_CYCLE_NS / MS);
		fall_behind(&pace, &now_ns);
		assert_int_equal(checked(&pace, &now_ns, true), HEALTH_CHECK_NS / MS);
		assert_int_equal(checked(&pace, &now_ns, true), HEALTH_CHECK_NS / MS);
		/* The cycle behind it begins with the last time that the relay was behind. */
		now_ns -= MS;
		assert_int_equal(checked(&pace, &now_ns, false), HEALTH_CHECK_NS / MS);
		assert_int_equal(checked(&pace, &now_ns, false), HEALTH_CYCLE_NS / MS);
	}
}

/* What is checked at a time is one stretch. */
static void test_stretch(void **state)
{
	struct health_pace pace = {};
	unsigned int begins = 0;
	bool before = false;
	uint64_t now_ns = 2 * HEALTH_CYCLE_NS - HEALTH_CHECK_NS;

	fall_behind(&pace, &now_ns);
	for (; now_ns < 12 * HEALTH_CYCLE_NS; now_ns += MS) {
		bool now = health_pace(&pace, true, now_ns);

		begins += now && !before;
		before = now;
	}
	assert_int_equal(begins, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_checked), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_flows),	    cmocka_unit_test(test_place),
		cmocka_unit_test(test_invalid),	    cmocka_unit_test(test_pace),
		cmocka_unit_test(test_backlogs),    cmocka_unit_test(test_stretch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
