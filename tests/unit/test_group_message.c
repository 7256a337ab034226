// SPDX-License-Identifier: BSD-2-Clause
/* IGMP and MLD messages: every version, every record; damaged, truncated and forwarded ones. */
#include "watchdog.h"

#include "group_messages.h"
#include "membership/group_message.h"

#define ROOM 256

static uint8_t packet[ROOM];
static size_t length;
static struct group_message message;

static enum group_defect igmp(const void *bytes, size_t size)
{
	length = igmp_packet(packet, 9, bytes, size);
	return group_message_parse(packet, length, &message);
}

static enum group_defect mld(const void *bytes, size_t size)
{
	length = mld_packet(packet, 9, bytes, size);
	return group_message_parse(packet, length, &message);
}

static void expect_address(const struct xmc_addr *addr, const char *wanted)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_format(addr, text), wanted);
}

static void expect_record(enum group_record_kind kind, const char *group, unsigned int sources)
{
	struct group_record record;

	assert_true(group_message_next(&message, &record));
	assert_int_equal(record.kind, kind);
	expect_address(&record.group, group);
	assert_int_equal(record.sources.count, sources);
}

static void expect_end(void)
{
	struct group_record record;

	assert_false(group_message_next(&message, &record));
}

static void test_old_reports(void **state)
{
	static const uint8_t kinds[][3] = {{0x12, 1, RECORD_IS_EXCLUDE},
					   {0x16, 2, RECORD_IS_EXCLUDE},
					   {0x17, 2, RECORD_TO_INCLUDE}};

	for (size_t i = 0; i < 3; i++) {
		const uint8_t bytes[8] = {kinds[i][0], 0, 0, 0, 239, 2, 2, 2};

		assert_int_equal(igmp(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
		assert_int_equal(message.version, kinds[i][1]);
		assert_false(message.query);
		expect_address(&message.source, "10.2.0.9");
		expect_record(kinds[i][2], "239.2.2.2", 0);
		expect_end();
	}
}

static void test_mld1(void **state)
{
	uint8_t bytes[24] = {131, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x3e, [23] = 5};

	assert_int_equal(mld(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
	assert_int_equal(message.version, 1);
	expect_address(&message.source, "fe80::9");
	expect_record(RECORD_IS_EXCLUDE, "ff3e::5", 0);
	expect_end();
	bytes[0] = 132;
	assert_int_equal(mld(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
	expect_record(RECORD_TO_INCLUDE, "ff3e::5", 0);
	bytes[0] = 130;
	bytes[4] = 0x27;
	bytes[5] = 0x10;
	assert_int_equal(mld(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
	assert_true(message.query);
	assert_int_equal(message.response_ms, 10000);
	expect_address(&message.group, "ff3e::5");
}

/* Records of unknown kinds, of no group and with auxiliary data are skipped or read. */
static void test_records(void **state)
{
	static const uint8_t bytes[] = {
		0x22, 0, 0, 0, 0,   0, 0, 5,			       /* */
		4,    0, 0, 0, 239, 2, 2, 1,			       /* to exclude none */
		7,    0, 0, 0, 239, 2, 2, 9,			       /* unknown */
		5,    1, 0, 2, 239, 2, 2, 2, 10, 1, 0, 1, 10, 1, 0, 2, /* allow two, and a word */
		9,    9, 9, 9,					       /* */
		1,    0, 0, 0, 10,  2, 2, 2,			       /* no group */
		6,    0, 0, 1, 239, 2, 2, 3, 10, 1, 0, 3,	       /* block one */
	};
	struct group_record record;
	struct xmc_addr source;

	assert_int_equal(igmp(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
	assert_int_equal(message.version, 3);
	expect_record(RECORD_TO_EXCLUDE, "239.2.2.1", 0);
	assert_true(group_message_next(&message, &record));
	assert_int_equal(record.kind, RECORD_ALLOW);
	assert_int_equal(record.sources.count, 2);
	source = group_source(&record.sources, 1);
	expect_address(&source, "10.1.0.2");
	expect_record(RECORD_BLOCK, "239.2.2.3", 1);
	expect_end();
}

static void test_mld2(void **state)
{
	const uint8_t bytes[] = {143, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 1, 0xff, 0x3e, 0,
				 0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6,    0x20, 1,
				 0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    7};
	struct group_record record;
	struct xmc_addr source;

	assert_int_equal(mld(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
	assert_int_equal(message.version, 2);
	assert_true(group_message_next(&message, &record));
	assert_int_equal(record.kind, RECORD_TO_INCLUDE);
	expect_address(&record.group, "ff3e::6");
	source = group_source(&record.sources, 0);
	expect_address(&source, "2001::7");
	expect_end();
}

static void test_queries(void **state)
{
	uint8_t bytes[16] = {0x11};

	assert_int_equal(igmp(bytes, 8), GROUP_MESSAGE_OK);
	assert_true(message.query);
	assert_int_equal(message.version, 1);
	assert_int_equal(message.response_ms, 10000);
	assert_true(addr_is_any(&message.group));
	bytes[1] = 100;
	assert_int_equal(igmp(bytes, 8), GROUP_MESSAGE_OK);
	assert_int_equal(message.version, 2);
	assert_int_equal(message.response_ms, 10000);
	memcpy(bytes + 4, (const uint8_t[]){239, 2, 2, 2, 0x0a, 125, 0, 1, 10, 1, 0, 1}, 12);
	assert_int_equal(igmp(bytes, 16), GROUP_MESSAGE_OK);
	assert_int_equal(message.version, 3);
	assert_true(message.suppressed);
	assert_int_equal(message.robustness, 2);
	assert_int_equal(message.interval, 125);
	assert_int_equal(message.asked.count, 1);
	/* Exponents: RFC 3376, section 4.1.1. IGMPv2 has none. */
	bytes[1] = 0xff;
	assert_int_equal(igmp(bytes, 8), GROUP_MESSAGE_OK);
	assert_int_equal(message.response_ms, 25500);
	bytes[9] = 0x80;
	assert_int_equal(igmp(bytes, 16), GROUP_MESSAGE_OK);
	assert_int_equal(message.response_ms, 31744 * 100);
	assert_int_equal(message.interval, 128);
	/* Between the lengths of two versions, and without its source. */
	assert_int_equal(igmp(bytes, 10), GROUP_MESSAGE_MALFORMED);
	assert_int_equal(igmp(bytes, 15), GROUP_MESSAGE_MALFORMED);
	/* About no group. */
	bytes[4] = 10;
	assert_int_equal(igmp(bytes, 8), GROUP_MESSAGE_MALFORMED);
}

static void test_mld2_query(void **state)
{
	uint8_t bytes[28] = {130, 0, 0, 0, 0x80, 0x01, [24] = 2, [25] = 20};

	assert_int_equal(mld(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
	assert_int_equal(message.version, 2);
	assert_int_equal(message.response_ms, (0x1001 << 3));
	assert_int_equal(message.interval, 20);
	bytes[27] = 1;
	assert_int_equal(mld(bytes, sizeof(bytes)), GROUP_MESSAGE_MALFORMED);
}

/* One byte of a good packet is another one. */
static enum group_defect with(size_t at, uint8_t byte, bool correct)
{
	uint8_t changed[ROOM];

	memcpy(changed, packet, length);
	changed[at] = byte;
	if (correct)
		set_group_checksum(changed, length);
	return group_message_parse(changed, length, &message);
}

static void test_damaged(void **state)
{
	static const uint8_t report[8] = {0x16, 0, 0, 0, 239, 2, 2, 2};
	static const uint8_t mld_report[24] = {131, [8] = 0xff, 0x3e, [23] = 5};

	assert_int_equal(igmp(report, sizeof(report)), GROUP_MESSAGE_OK);
	for (size_t i = 0; i < length; i++)
		assert_int_not_equal(group_message_parse(packet, i, &message), GROUP_MESSAGE_OK);
	assert_int_equal(with(31, 3, false), GROUP_MESSAGE_CHECKSUM);
	assert_int_equal(with(8, 2, true), GROUP_MESSAGE_FORWARDED);
	assert_int_equal(with(16, 10, true), GROUP_MESSAGE_FORWARDED); /* to one host */
	assert_int_equal(with(9, 17, true), GROUP_MESSAGE_OTHER);
	assert_int_equal(with(6, 0x20, true), GROUP_MESSAGE_MALFORMED);
	assert_int_equal(with(12, 239, true), GROUP_MESSAGE_MALFORMED);
	assert_int_equal(with(0, 0x44, true), GROUP_MESSAGE_MALFORMED);
	assert_int_equal(with(0, 0x54, true), GROUP_MESSAGE_MALFORMED);
	assert_int_equal(with(3, 255, true), GROUP_MESSAGE_MALFORMED);
	assert_int_equal(with(24, 0x13, true), GROUP_MESSAGE_OTHER);
	assert_int_equal(with(28, 10, true), GROUP_MESSAGE_MALFORMED);
	/* A proxy of a switch. */
	memset(packet + 12, 0, 4);
	assert_int_equal(group_message_parse(packet, length, &message), GROUP_MESSAGE_OK);
	expect_address(&message.source, "0.0.0.0");

	assert_int_equal(mld(mld_report, sizeof(mld_report)), GROUP_MESSAGE_OK);
	for (size_t i = 0; i < length; i++)
		assert_int_not_equal(group_message_parse(packet, i, &message), GROUP_MESSAGE_OK);
	assert_int_equal(with(71, 3, false), GROUP_MESSAGE_CHECKSUM);
	assert_int_equal(with(7, 2, true), GROUP_MESSAGE_FORWARDED);
	assert_int_equal(with(8, 0x20, true), GROUP_MESSAGE_FORWARDED);
	assert_int_equal(with(24, 0xfe, true), GROUP_MESSAGE_FORWARDED); /* to one host */
	assert_int_equal(with(6, 58, true), GROUP_MESSAGE_OTHER);
	assert_int_equal(with(40, 17, true), GROUP_MESSAGE_OTHER);
	assert_int_equal(with(42, 1, true), GROUP_MESSAGE_MALFORMED); /* no router alert */
	assert_int_equal(with(43, 9, true), GROUP_MESSAGE_MALFORMED); /* longer than the options */
	assert_int_equal(with(41, 9, true), GROUP_MESSAGE_MALFORMED);
	assert_int_equal(with(48, 135, true), GROUP_MESSAGE_OTHER);
	/* An IPv4 group, as an IPv6 address. */
	memset(packet + 56, 0, 10);
	memcpy(packet + 66, (const uint8_t[]){0xff, 0xff, 239, 2, 2, 2}, 6);
	assert_int_equal(with(48, 131, true), GROUP_MESSAGE_MALFORMED);
}

/* A query that is sent to another group reaches no host that wants the one that it asks about. */
static void test_query_to(void **state)
{
	static const uint8_t igmp_query[8] = {0x11, 100, 0, 0, 239, 2, 2, 2};
	static const uint8_t mld_query[24] = {130, [8] = 0xff, 0x3e, [23] = 5};

	assert_int_equal(igmp(igmp_query, sizeof(igmp_query)), GROUP_MESSAGE_OK);
	assert_int_equal(with(19, 2, true), GROUP_MESSAGE_FORWARDED);
	memcpy(packet + 16, igmp_query + 4, 4);
	assert_int_equal(with(0, 0x46, true), GROUP_MESSAGE_OK);
	assert_int_equal(mld(mld_query, sizeof(mld_query)), GROUP_MESSAGE_OK);
	assert_int_equal(with(39, 2, true), GROUP_MESSAGE_FORWARDED);
	memcpy(packet + 24, mld_query + 8, 16);
	assert_int_equal(with(0, 0x60, true), GROUP_MESSAGE_OK);
}

/* A report whose number of records or sources is too large counts for nothing. */
static void test_too_many(void **state)
{
	uint8_t bytes[24] = {0x22, [7] = 2,  [8] = 4,	 [12] = 239, 2, 2,
			     1,	   [16] = 4, [20] = 239, 2,	     2, 2};

	assert_int_equal(igmp(bytes, sizeof(bytes)), GROUP_MESSAGE_OK);
	for (unsigned int count = 3; count < 256; count++) {
		bytes[7] = (uint8_t)count;
		assert_int_equal(igmp(bytes, sizeof(bytes)), GROUP_MESSAGE_MALFORMED);
	}
	bytes[6] = bytes[7] = 0xff;
	assert_int_equal(igmp(bytes, sizeof(bytes)), GROUP_MESSAGE_MALFORMED);
	bytes[6] = 0;
	bytes[7] = 2;
	bytes[18] = bytes[19] = 0xff;
	assert_int_equal(igmp(bytes, sizeof(bytes)), GROUP_MESSAGE_MALFORMED);
	bytes[18] = bytes[19] = 0;
	bytes[17] = 0xff;
	assert_int_equal(igmp(bytes, sizeof(bytes)), GROUP_MESSAGE_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_reports), cmocka_unit_test(test_mld1),
		cmocka_unit_test(test_records),	    cmocka_unit_test(test_mld2),
		cmocka_unit_test(test_queries),	    cmocka_unit_test(test_mld2_query),
		cmocka_unit_test(test_damaged),	    cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_query_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
