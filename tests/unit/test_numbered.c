// SPDX-License-Identifier: BSD-2-Clause
/* The headers of RTP and MoldUDP64: what is read, what is refused, what a cut leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dataplane/mold64.h"
#include "dataplane/rtp.h"

/* ---- RTP ---- */

static void test_rtp_header(void **state)
{
	const uint8_t packet[] = {0x80, 0xa1, 0x12, 0x34, 1, 2, 3, 4, 0xde, 0xad, 0xbe, 0xef, 'x'};
	struct rtp_header header;

	assert_true(rtp_parse(packet, sizeof(packet), &header));
	assert_int_equal(header.sequence, 0x1234);
	assert_int_equal(header.timestamp, 0x01020304);
	assert_int_equal(header.ssrc, 0xdeadbeef);
	assert_int_equal(header.type, 33);
	assert_true(header.marker);
	assert_int_equal(header.size, 12);
}

static void test_rtp_variable_header(void **state)
{
	/* Two contributing sources, an extension of one word, no payload. */
	const uint8_t packet[28] = {[0] = 0xb2, [23] = 1};
	struct rtp_header header;

	assert_true(rtp_parse(packet, sizeof(packet), &header));
	assert_int_equal(header.size, 28);
	for (uint32_t length = 0; length < sizeof(packet); length++)
		assert_false(rtp_parse(packet, length, &header));
}

static void test_not_rtp(void **state)
{
	uint8_t packet[64] = {0x80};
	struct rtp_header header;

	for (unsigned int type = 0; type <= UINT8_MAX; type++) {
		packet[1] = (uint8_t)type;
		assert_int_equal(rtp_parse(packet, sizeof(packet), &header),
				 type < 192 || type > 223);
	}
	packet[1] = 33;
	for (unsigned int version = 0; version < 4; version++) {
		packet[0] = (uint8_t)(version << 6);
		assert_int_equal(rtp_parse(packet, sizeof(packet), &header), version == 2);
	}
	/* The extension is longer than the packet. */
	packet[0] = 0x90;
	packet[14] = 0xff;
	assert_false(rtp_parse(packet, sizeof(packet), &header));
}

/* ---- MoldUDP64 ---- */

/* Three messages: "a", "" and "bcd". */
static const uint8_t three[] = {'s', 'e', 's', 's', 'i', 'o', 'n', ' ', ' ', '1',
				0,   0,	  0,   0,   0,	 0,   1,   0,	0,   3,
				0,   1,	  'a', 0,   0,	 0,   3,   'b', 'c', 'd'};

static void test_mold64_header(void **state)
{
	struct mold64_header header;

	assert_true(mold64_parse_whole(three, sizeof(three), &header));
	assert_memory_equal(header.session, "session  1", 10);
	assert_int_equal(header.sequence, 256);
	assert_int_equal(header.count, 3);
	assert_int_equal(mold64_messages(&header), 3);
	assert_int_equal(mold64_skip(three, sizeof(three), 1), 23);
	assert_int_equal(mold64_skip(three, sizeof(three), 2), 25);
	assert_int_equal(mold64_skip(three, sizeof(three), 3), sizeof(three));
	for (uint32_t length = 0; length < sizeof(three); length++)
		assert_false(mold64_parse_whole(three, length, &header));
}

static void test_mold64_without_messages(void **state)
{
	uint8_t packet[MOLD64_HEADER_SIZE] = {'s'};
	struct mold64_header header;

	assert_true(mold64_parse_whole(packet, sizeof(packet), &header));
	assert_int_equal(mold64_messages(&header), 0);
	packet[18] = packet[19] = 0xff;
	assert_true(mold64_parse_whole(packet, sizeof(packet), &header));
	assert_int_equal(header.count, MOLD64_END);
	assert_int_equal(mold64_messages(&header), 0);
	packet[18] = 0;
	assert_false(mold64_parse_whole(packet, sizeof(packet), &header));
}

static void test_mold64_last_number(void **state)
{
	uint8_t packet[sizeof(three)];
	struct mold64_header header;

	memcpy(packet, three, sizeof(packet));
	memset(packet + 10, 0xff, 8);
	packet[17] = 0xfc;
	assert_true(mold64_parse_whole(packet, sizeof(packet), &header));
	packet[17] = 0xfd;
	assert_false(mold64_parse_whole(packet, sizeof(packet), &header));
}

static void test_mold64_cut(void **state)
{
	uint8_t packet[sizeof(three)];
	struct mold64_header header;
	uint32_t begin;

	for (unsigned int count = 0; count < 3; count++) {
		memcpy(packet, three, sizeof(packet));
		assert_true(mold64_parse_whole(packet, sizeof(packet), &header));
		begin = mold64_cut(packet, sizeof(packet), &header, count);
		assert_true(mold64_parse_whole(packet + begin, sizeof(packet) - begin, &header));
		assert_memory_equal(header.session, "session  1", 10);
		assert_int_equal(header.sequence, 256 + count);
		assert_int_equal(header.count, 3 - count);
		assert_memory_equal(packet + begin + MOLD64_HEADER_SIZE,
				    three + mold64_skip(three, sizeof(three), count),
				    sizeof(three) - mold64_skip(three, sizeof(three), count));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rtp_header),
		cmocka_unit_test(test_rtp_variable_header),
		cmocka_unit_test(test_not_rtp),
		cmocka_unit_test(test_mold64_header),
		cmocka_unit_test(test_mold64_without_messages),
		cmocka_unit_test(test_mold64_last_number),
		cmocka_unit_test(test_mold64_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
