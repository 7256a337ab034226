// SPDX-License-Identifier: BSD-2-Clause
/* What is counted about a transport stream: a stream of the test's own, with one fault after the
 * other. Each is counted once, and in one counter only. */
#include "watchdog.h"

#include <string.h>

#include "base/clock.h"
#include "dataplane/health_ts.h"

#define PMT_PID	  0x100
#define VIDEO_PID 0x101
#define AUDIO_PID 0x102
#define NULL_PID  0x1fff
#define MS	  1000000ULL

/* Packets of a datagram. */
#define PACKETS 7

struct sender {
	struct ts_track track;
	struct ts_counts counts;
	uint64_t now_ns;
	uint8_t counters[TS_PIDS];
	uint8_t packets[PACKETS * TS_PACKET_SIZE];
	unsigned int count; /* in `packets` */
	uint8_t version;
	uint16_t pmt_pid;
	bool no_pat, no_pmt, no_pcr;
	uint64_t sent;
};

static struct sender *start(void)
{
	static struct sender sender;

	memset(&sender, 0, sizeof(sender));
	sender.now_ns = 5000 * MS;
	sender.pmt_pid = PMT_PID;
	return &sender;
}

static void flush(struct sender *sender)
{
	uint8_t *exact;

	if (!sender->count)
		return;
	exact = malloc(sender->count * TS_PACKET_SIZE);
	assert_non_null(exact);
	memcpy(exact, sender->packets, sender->count * TS_PACKET_SIZE);
	ts_track(&sender->track, exact, sender->count, sender->now_ns, &sender->counts);
	free(exact);
	sender->count = 0;
}

/* A packet whose payload is still empty. */
static uint8_t *add(struct sender *sender, uint16_t pid)
{
	uint8_t *packet = sender->packets + sender->count * TS_PACKET_SIZE;

	memset(packet, 0xff, TS_PACKET_SIZE);
	packet[0] = 0x47;
	packet[1] = (uint8_t)(pid >> 8);
	packet[2] = (uint8_t)pid;
	packet[3] = (uint8_t)(0x10 | (sender->counters[pid]++ & 0xf));
	sender->count++;
	sender->sent++;
	return packet;
}

static void add_section(struct sender *sender, uint16_t pid, const uint8_t *section, size_t size)
{
	uint8_t *packet = add(sender, pid);

	packet[1] |= 0x40;
	packet[4] = 0;
	memcpy(packet + 5, section, size);
}

static void add_pat(struct sender *sender)
{
	const uint8_t section[] = {0,
				   0xb0,
				   13,
				   0,
				   1,
				   (uint8_t)(0xc1 | sender->version << 1),
				   0,
				   0,
				   0,
				   1,
				   (uint8_t)(0xe0 | sender->pmt_pid >> 8),
				   (uint8_t)sender->pmt_pid,
				   1,
				   2,
				   3,
				   4};

	add_section(sender, 0, section, sizeof(section));
}

static void add_pmt(struct sender *sender)
{
	const uint8_t section[] = {2, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0xe1, 1, 0xf0, 0, 1, 2, 3, 4};

	add_section(sender, sender->pmt_pid, section, sizeof(section));
}

/* A packet with PCR and no payload, so with the counter of the one before. */
static void add_pcr(struct sender *sender, uint64_t value, bool discontinues)
{
	uint64_t base = value / 300, extension = value % 300;
	uint8_t *packet;

	sender->counters[VIDEO_PID]--;
	packet = add(sender, VIDEO_PID);
	packet[3] = (uint8_t)(0x20 | (packet[3] & 0xf));
	packet[4] = 183;
	packet[5] = discontinues ? 0x90 : 0x10;
	for (unsigned int i = 0; i < 4; i++)
		packet[6 + i] = (uint8_t)(base >> (25 - 8 * i));
	packet[10] = (uint8_t)((base & 1) << 7 | extension >> 8);
	packet[11] = (uint8_t)extension;
}

/* 20 ms of a good stream: everything comes as often as it must. */
static void pass(struct sender *sender, unsigned int times)
{
	for (unsigned int i = 0; i < times; i++) {
		flush(sender);
		sender->now_ns += 20 * MS;
		if (!sender->no_pat)
			add_pat(sender);
		if (!sender->no_pmt)
			add_pmt(sender);
		add(sender, VIDEO_PID);
		add(sender, AUDIO_PID);
		if (!sender->no_pcr)
			add_pcr(sender, sender->now_ns * 27 / 1000, false);
		add(sender, NULL_PID);
		sender->counters[NULL_PID] = 0;
	}
	flush(sender);
}

/* Nothing but these figures has been counted since the last time. */
static void expect(struct sender *sender, const uint32_t expected[TS_FIGURES])
{
	flush(sender);
	assert_int_equal(sender->counts.figures[TS_PACKETS], sender->sent);
	for (unsigned int i = TS_SYNC_BYTE; i < TS_FIGURES; i++) {
		if (i != TS_NULL && sender->counts.figures[i] != expected[i])
			fail_msg("figure %u: %u, not %u", i, sender->counts.figures[i],
				 expected[i]);
	}
	memset(&sender->counts, 0, sizeof(sender->counts));
	sender->sent = 0;
}

#define EXPECT(sender, ...) expect(sender, (const uint32_t[TS_FIGURES]){__VA_ARGS__})

static void test_good(void **state)
{
	struct sender *sender = start();

	pass(sender, 500);
	assert_int_equal(sender->counts.figures[TS_NULL], 500);
	EXPECT(sender, 0);
}

static void test_continuity(void **state)
{
	struct sender *sender = start();
	uint8_t *packet, copy[TS_PACKET_SIZE];

	pass(sender, 30);
	/* One lost, then seven of one PID. */
	sender->counters[AUDIO_PID]++;
	pass(sender, 3);
	sender->counters[VIDEO_PID] += 7;
	pass(sender, 3);
	EXPECT(sender, [TS_CONTINUITY] = 2);
	/* Sixteen cannot be seen. */
	sender->counters[VIDEO_PID] += 16;
	pass(sender, 1);
	EXPECT(sender, 0);
	/* One may be repeated once. */
	packet = add(sender, AUDIO_PID);
	memcpy(copy, packet, sizeof(copy));
	memcpy(add(sender, AUDIO_PID), copy, sizeof(copy));
	sender->counters[AUDIO_PID]--;
	pass(sender, 1);
	EXPECT(sender, 0);
	packet = add(sender, AUDIO_PID);
	memcpy(copy, packet, sizeof(copy));
	memcpy(add(sender, AUDIO_PID), copy, sizeof(copy));
	memcpy(add(sender, AUDIO_PID), copy, sizeof(copy));
	sender->counters[AUDIO_PID] -= 2;
	pass(sender, 1);
	EXPECT(sender, [TS_CONTINUITY] = 1);
	/* A jump that is announced. */
	sender->counters[VIDEO_PID] += 5;
	add_pcr(sender, sender->now_ns * 27 / 1000, true);
	pass(sender, 1);
	EXPECT(sender, 0);
}

static void test_marked(void **state)
{
	struct sender *sender = start();
	uint8_t *packet;

	pass(sender, 30);
	/* Erroneous ones are not looked at: the next of the PID follows a gap. */
	packet = add(sender, AUDIO_PID);
	packet[1] |= 0x80;
	pass(sender, 1);
	EXPECT(sender, [TS_TRANSPORT] = 1, [TS_CONTINUITY] = 1);
	packet = add(sender, AUDIO_PID);
	packet[3] |= 0x80;
	pass(sender, 1);
	EXPECT(sender, [TS_SCRAMBLED] = 1);
	packet = add(sender, PMT_PID);
	packet[3] |= 0xc0;
	pass(sender, 1);
	EXPECT(sender, [TS_SCRAMBLED] = 1, [TS_PMT] = 1);
	packet = add(sender, 0);
	packet[3] |= 0xc0;
	pass(sender, 1);
	EXPECT(sender, [TS_SCRAMBLED] = 1, [TS_PAT] = 1);
}

static void test_sync(void **state)
{
	struct sender *sender = start();

	pass(sender, 30);
	add(sender, NULL_PID)[0] = 0x46;
	pass(sender, 1);
	EXPECT(sender, [TS_SYNC_BYTE] = 1);
	for (unsigned int i = 0; i < 3; i++)
		add(sender, NULL_PID)[0] = 0;
	EXPECT(sender, [TS_SYNC_BYTE] = 3, [TS_SYNC_LOSS] = 1);
	/* Found again after five: it can be lost again. */
	pass(sender, 1);
	for (unsigned int i = 0; i < 2; i++)
		add(sender, NULL_PID)[0] = 0;
	EXPECT(sender, [TS_SYNC_BYTE] = 2, [TS_SYNC_LOSS] = 1);
}

static void test_tables(void **state)
{
	static const uint8_t other[] = {0x42, 0xb0, 13, 0, 1, 0xc1, 0, 0};
	struct sender *sender = start();

	pass(sender, 30);
	/* 20 ms × 25 since the last one are just in time. */
	sender->no_pat = true;
	pass(sender, 24);
	sender->no_pat = false;
	pass(sender, 1);
	EXPECT(sender, 0);
	sender->no_pmt = true;
	pass(sender, 28);
	sender->no_pmt = false;
	pass(sender, 10);
	EXPECT(sender, [TS_PMT] = 1);
	/* For two seconds: each half of a second counts. */
	sender->no_pat = true;
	pass(sender, 106);
	EXPECT(sender, [TS_PAT] = 4);
	sender->no_pat = false;
	pass(sender, 30);
	add_section(sender, 0, other, sizeof(other));
	pass(sender, 1);
	EXPECT(sender, [TS_PAT] = 1);
	/* Another version names another PID: that is waited for, and the old one is not. */
	sender->version = 1;
	sender->pmt_pid = 0x200;
	pass(sender, 60);
	EXPECT(sender, 0);
	/* A stream without any. */
	sender = start();
	sender->no_pat = sender->no_pmt = true;
	pass(sender, 28);
	EXPECT(sender, [TS_PAT] = 1);
}

static void test_pause(void **state)
{
	struct sender *sender = start();

	pass(sender, 30);
	sender->now_ns += 3000 * MS;
	/* The clock of the stream has stood still as well. */
	sender->no_pcr = true;
	pass(sender, 2);
	add_pcr(sender, sender->now_ns * 27 / 1000, true);
	sender->no_pcr = false;
	pass(sender, 30);
	EXPECT(sender, 0);
}

static void test_pcr(void **state)
{
	struct sender *sender = start();

	pass(sender, 30);
	sender->no_pcr = true;
	pass(sender, 4);
	sender->no_pcr = false;
	pass(sender, 1);
	EXPECT(sender, 0);
	sender->no_pcr = true;
	pass(sender, 6);
	sender->no_pcr = false;
	pass(sender, 1);
	/* It came too late, and so its value differs as much. */
	EXPECT(sender, [TS_PCR_GAP] = 1, [TS_PCR_DISCONTINUITY] = 1);
	/* Back in time, and ahead again. */
	add_pcr(sender, 1000, false);
	pass(sender, 1);
	EXPECT(sender, [TS_PCR_DISCONTINUITY] = 2);
	add_pcr(sender, 1000, true);
	add_pcr(sender, sender->now_ns * 27 / 1000, true);
	pass(sender, 1);
	EXPECT(sender, 0);
	/* Its 33 bits wrap. */
	add_pcr(sender, (1ULL << 33) * 300 - 1000, true);
	add_pcr(sender, 1000, false);
	add_pcr(sender, sender->now_ns * 27 / 1000, true);
	pass(sender, 1);
	EXPECT(sender, 0);
}

static void test_skip(void **state)
{
	struct sender *sender = start();

	pass(sender, 30);
	ts_skip(&sender->track);
	sender->counters[VIDEO_PID] += 3;
	sender->counters[AUDIO_PID] += 3;
	sender->counters[0] += 3;
	sender->counters[PMT_PID] += 3;
	pass(sender, 3);
	EXPECT(sender, 0);
	/* One error behind it is one. */
	sender->counters[VIDEO_PID]++;
	pass(sender, 3);
	EXPECT(sender, [TS_CONTINUITY] = 1);
	/* Good packets before and behind it are not in a row. */
	for (unsigned int i = 0; i < 7; i++) {
		if (i == 6) {
			flush(sender);
			ts_skip(&sender->track);
		}
		add(sender, NULL_PID)[0] = i < 2 ? 0 : 0x47;
	}
	for (unsigned int i = 0; i < 2; i++)
		add(sender, NULL_PID)[0] = 0;
	EXPECT(sender, [TS_SYNC_BYTE] = 4, [TS_SYNC_LOSS] = 1);
}

/* Tables and PCR may have been in what was skipped, and the PAT may have named other PMTs there. */
static void test_skip_tables(void **state)
{
	struct sender *sender = start();

	pass(sender, 30);
	for (unsigned int i = 0; i < 100; i++) {
		sender->no_pat = sender->no_pmt = sender->no_pcr = true;
		pass(sender, 3);
		ts_skip(&sender->track);
		sender->now_ns += 400 * MS;
	}
	EXPECT(sender, 0);
	/* The PID of the PMT is one of scrambled video now. */
	add(sender, PMT_PID)[3] |= 0x80;
	flush(sender);
	EXPECT(sender, [TS_SCRAMBLED] = 1);
	sender->no_pat = sender->no_pmt = sender->no_pcr = false;
	pass(sender, 30);
	EXPECT(sender, 0);
	/* And from then on they can be missing as before. */
	sender->no_pat = sender->no_pmt = true;
	pass(sender, 29);
	EXPECT(sender, [TS_PAT] = 1, [TS_PMT] = 1);
}

/* More programs and PIDs with PCR than are followed. */
static void test_many(void **state)
{
	struct sender *sender = start();
	uint8_t section[8 + 4 * 40 + 4] = {0, 0xb0, 5 + 4 * 40 + 4, 0, 1, 0xc1, 0, 0};

	for (unsigned int i = 0; i < 40; i++) {
		uint8_t *program = section + 8 + 4 * i;

		program[1] = (uint8_t)(i + 1);
		program[2] = 0xe4;
		program[3] = (uint8_t)i;
	}
	for (unsigned int i = 0; i < 28; i++) {
		sender->now_ns += 20 * MS;
		add_section(sender, 0, section, sizeof(section));
		flush(sender);
	}
	assert_int_equal(sender->track.nr_pmts, TS_PMTS);
	EXPECT(sender, [TS_PMT] = TS_PMTS);
	for (uint16_t pid = 0x800; pid < 0x840; pid++) {
		uint8_t *packet = add(sender, pid);

		packet[3] |= 0x20;
		packet[4] = 7;
		packet[5] = 0x10;
		flush(sender);
	}
	assert_int_equal(sender->track.nr_pcrs, TS_PCRS);
	EXPECT(sender, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	    cmocka_unit_test(test_continuity),
		cmocka_unit_test(test_marked),	    cmocka_unit_test(test_sync),
		cmocka_unit_test(test_tables),	    cmocka_unit_test(test_pause),
		cmocka_unit_test(test_pcr),	    cmocka_unit_test(test_skip),
		cmocka_unit_test(test_skip_tables), cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
