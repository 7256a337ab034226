/* SPDX-License-Identifier: BSD-2-Clause */
/* IP protocols of inputs: which are relayed, and how they are named. The test has an /etc/protocols
 * of its own, because not every system has one. */
#include <errno.h>
#include <netdb.h>
#include <unistd.h>

#include "config_text.h"
#include "rules/protocol.h"

static bool file_is_missing;

static const struct {
	const char *name;
	int number;
} names[] = {
	{"esp", 50}, {"IPSEC-ESP", 50}, {"3pc", 34},   {"tcp", 6},
	{"ip", 0},   {"mptcp", 262},	{"wrong", -1},
};

/* These stand before those of the C library. */
int getprotobyname_r(const char *name, struct protoent *entry, char *strings, size_t size,
		     struct protoent **found)
{
	*found = NULL;
	for (size_t i = 0; !file_is_missing && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].name, name) != 0)
			continue;
		entry->p_proto = names[i].number;
		*found = entry;
		return 0;
	}
	return file_is_missing ? ENOENT : 0;
}

int access(const char *path, int mode)
{
	assert_string_equal(path, "/etc/protocols");
	return file_is_missing ? -1 : 0;
}

static bool parse_word(const char *text, uint8_t *protocol, struct errors *errors)
{
	struct word word = {.text = text, .length = strlen(text), .at = {"x", 1, 1}};

	return protocol_parse(&word, protocol, errors);
}

/* All that are refused, with a part of the reason. Every other number is accepted. */
static const struct {
	uint8_t number;
	const char *reason;
} refused[] = {
	{0, "IPv6 extension header"},
	{1, "ICMP cannot be relayed: hosts and routers"},
	{2, "IGMP"},
	{3, "GGP"},
	{6, "TCP cannot be relayed: its checksum covers the addresses"},
	{8, "EGP"},
	{9, "IGP"},
	{17, "UDP is relayed by port, expected GROUP:PORT@IFACE"},
	{33, "DCCP cannot be relayed: its checksum covers the addresses"},
	{35, "IDPR"},
	{38, "IDPR-CMTP"},
	{43, "IPv6 extension header"},
	{44, "IPv6 extension header"},
	{45, "IDRP"},
	{46, "RSVP"},
	{48, "DSR"},
	{51, "AH cannot be relayed: it authenticates the addresses"},
	{54, "NARP"},
	{58, "ICMPv6 cannot be relayed: its checksum"},
	{59, "IPv6 extension header"},
	{60, "IPv6 extension header"},
	{73, "RSPF"},
	{85, "NSFNET-IGP"},
	{86, "DGP"},
	{88, "EIGRP"},
	{89, "OSPF cannot be relayed: hosts and routers control their network with it"},
	{91, "LARP"},
	{101, "IFMP"},
	{103, "PIM"},
	{112, "VRRP"},
	{114, "114 cannot be relayed"},
	{124, "IS-IS"},
	{134, "RSVP-E2E-IGNORE"},
	{135, "IPv6 extension header"},
	{136, "UDP-Lite cannot be relayed: its checksum covers the addresses"},
	{138, "MANET"},
	{139, "IPv6 extension header"},
	{140, "IPv6 extension header"},
	{255, "255 is reserved"},
};

static void test_every_number(void **state)
{
	const char *reasons[UINT8_MAX + 1] = {NULL};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		reasons[refused[i].number] = refused[i].reason;
	for (unsigned int i = 0; i <= UINT8_MAX; i++) {
		struct errors errors = {0};
		uint8_t protocol = 0;
		char text[4];

		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(parse_word(text, &protocol, &errors), !reasons[i]);
		if (reasons[i]) {
			expect_errors(&errors, (struct expected[]){{1, 1, text, reasons[i]}, {0}},
				      text);
		} else {
			assert_int_equal(protocol, i);
			expect_no_errors(&errors, text);
		}
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *text;
		struct expected error;
	} bad[] = {
		{"tcp", {1, 1, "tcp", "TCP cannot be relayed"}},
		{"ip", {1, 1, "ip", "0 is an IPv6 extension header"}},
		{"mptcp", {1, 1, "mptcp", "this is protocol 262, expected a number from 0 to 255"}},
		{"wrong", {1, 1, "wrong", "expected a number from 0 to 255"}},
		{"256", {1, 1, "256", "this is protocol 256"}},
		{"ESP", {1, 1, "ESP", "not an IP protocol, expected a number from 0 to 255 or a"}},
		{"", {1, 1, "", "or a name from /etc/protocols"}},
		{"050", {1, 1, "050", "not an IP protocol"}},
		{"-1", {1, 1, "-1", "not an IP protocol"}},
		{"+50", {1, 1, "+50", "not an IP protocol"}},
		{"any", {1, 1, "any", "not an IP protocol"}},
		{"1234567890123456789012345678901234567890123456789012345678901234",
		 {1, 1, "1234567890123456789012345678901234567890123456789012345678901234",
		  "not an IP protocol"}},
	};
	struct errors errors = {0};
	uint8_t protocol = 0;

	assert_true(parse_word("esp", &protocol, &errors));
	assert_int_equal(protocol, 50);
	assert_true(parse_word("3pc", &protocol, &errors));
	assert_int_equal(protocol, 34);
	assert_true(parse_word("IPSEC-ESP", &protocol, &errors));
	assert_int_equal(protocol, 50);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct expected expected[] = {bad[i].error, {0}};

		assert_false(parse_word(bad[i].text, &protocol, &errors));
		expect_errors(&errors, expected, bad[i].text);
	}
}

static void test_nul_bytes(void **state)
{
	struct word word = {.text = "esp\0", .length = 4, .at = {"x", 1, 1}};
	struct errors errors = {0};
	uint8_t protocol;

	assert_false(protocol_parse(&word, &protocol, &errors));
	expect_errors(&errors, (struct expected[]){{1, 1, "esp\\x00", "not an IP protocol"}, {0}},
		      "NUL");
}

/* Without /etc/protocols numbers still work, and what has been written is a number. */
static void test_missing_file(void **state)
{
	struct rule rule = parse_rule("in 239.1.1.1/esp@eth0 path kernel out 239.2.2.2@eth1"),
		    again;
	char *text = rule_format(&rule, NULL);
	struct errors errors = {0};
	uint8_t protocol;

	assert_string_equal(text, "239.1.1.1/50@eth0 in 239.1.1.1/50@eth0 path kernel out "
				  "239.2.2.2@eth1");
	file_is_missing = true;
	again = parse_rule(text);
	assert_true(rule_equal(&rule, &again));
	assert_false(parse_word("esp", &protocol, &errors));
	expect_errors(&errors,
		      (struct expected[]){{1, 1, "esp",
					   "not an IP protocol, expected a number from 0 to 255: "
					   "names are unknown here, because /etc/protocols cannot "
					   "be read"},
					  {0}},
		      "esp");
	file_is_missing = false;
	free(text);
	rule_free(&rule);
	rule_free(&again);
}

/* Rules of one group differ by protocol. */
static void test_keys(void **state)
{
	struct rule esp = parse_rule("in 239.1.1.1/50@eth0 out 239.2.2.2@eth1");
	struct rule gre = parse_rule("in 239.1.1.1/47@eth0 out 239.2.2.2@eth1");
	struct rule udp = parse_rule("in 239.1.1.1:any@eth0 out 239.2.2.2@eth1");
	struct xmc_rule_key key;

	assert_false(rule_equal(&esp, &gre));
	assert_false(rule_equal(&esp, &udp));
	rule_key(&esp, &key);
	assert_int_equal(key.protocol, 50);
	assert_int_equal(key.port, 0);
	rule_key(&udp, &key);
	assert_int_equal(key.protocol, 0);
	rule_free(&esp);
	rule_free(&gre);
	rule_free(&udp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_number), cmocka_unit_test(test_names),
		cmocka_unit_test(test_nul_bytes),    cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
