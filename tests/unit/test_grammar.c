/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "config_text.h"

static const struct position start = {"--rule", 1, 1};

static void expect_endpoint(const struct xmc_addr *addr, uint16_t port, const char *iface,
			    const char *expected)
{
	char text[ENDPOINT_TEXT_SIZE];

	assert_string_equal(endpoint_format(addr, port, iface, text), expected);
}

static void test_full_rule(void **state)
{
	struct rule rule = parse_rule("cam1 in 239.1.1.1:5000@eth0 source 10.9.9.9 "
				      "out 239.2.2.2:6000@eth1 ttl 8 dscp ef out 10.0.0.100:6000");
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(rule.name, "cam1");
	expect_endpoint(&rule.group, rule.port, rule.iface, "239.1.1.1:5000@eth0");
	assert_string_equal(addr_format(&rule.source, text), "10.9.9.9");
	assert_int_equal(rule.nr_outputs, 2);
	expect_endpoint(&rule.outputs[0].to, rule.outputs[0].port, rule.outputs[0].iface,
			"239.2.2.2:6000@eth1");
	assert_int_equal(rule.outputs[0].ttl, 8);
	assert_int_equal(rule.outputs[0].dscp, 46);
	expect_endpoint(&rule.outputs[1].to, rule.outputs[1].port, rule.outputs[1].iface,
			"10.0.0.100:6000");
	assert_int_equal(rule.outputs[1].ttl, 64);
	assert_int_equal(rule.outputs[1].dscp, 0);
	rule_free(&rule);
	assert_null(rule.outputs);
}

/* Every one is a valid rule; the second is what rule_format() writes for it. */
static const char *const good[][2] = {
	/* derived names */
	{"in 239.1.1.1:5000@eth0 out 10.0.0.1:1",
	 "239.1.1.1:5000@eth0 in 239.1.1.1:5000@eth0 out 10.0.0.1:1"},
	{"in 239.1.1.1:5000@eth0 source 10.9.9.9 out 10.0.0.1:1",
	 "10.9.9.9>239.1.1.1:5000@eth0 in 239.1.1.1:5000@eth0 source 10.9.9.9 out 10.0.0.1:1"},
	{"in [ff3e::1]:5000@eth0 source [2001:db8::1] out [2001:db8::2]:1",
	 "[2001:db8::1]>[ff3e::1]:5000@eth0 in [ff3e::1]:5000@eth0 source [2001:db8::1] "
	 "out [2001:db8::2]:1"},
	{"in 239.1.1.1:5000@a\"b'c\\d out 10.0.0.1:1",
	 "239.1.1.1:5000@a_b_c_d in 239.1.1.1:5000@a\"b'c\\d out 10.0.0.1:1"},
	/* several inputs; names that rules could have before their words were options */
	{"hold in A:239.1.1.1:1@a source 1.1.1.1 in b-2_:239.1.1.2:1@b select first hold 1500ms "
	 "return "
	 "never below 2000pps out 10.0.0.1:1",
	 "hold in A:239.1.1.1:1@a source 1.1.1.1 in b-2_:239.1.1.2:1@b select first hold 1500ms "
	 "return never below 2kpps out 10.0.0.1:1"},
	{"in A:239.1.1.1:1@a in B:239.1.1.2:1@b merge MOLD64 order on skew 50ms return 10s out "
	 "10.0.0.1:1",
	 "239.1.1.1:1@a in A:239.1.1.1:1@a in B:239.1.1.2:1@b return 10s merge mold64 skew 50ms "
	 "out "
	 "10.0.0.1:1"},
	{"n in A:239.1.1.1:1@a in B:239.1.1.1:1@b merge 12:64 skew 500ms order off out 10.0.0.1:1",
	 "n in A:239.1.1.1:1@a in B:239.1.1.1:1@b merge 12:64 skew 500ms order off out 10.0.0.1:1"},
	/* disabled rules */
	{"n in 239.1.1.1:1@a disabled out 10.0.0.1:1",
	 "n in 239.1.1.1:1@a disabled out 10.0.0.1:1"},
	{"n in 239.1.1.1:1@a disabled source 10.9.9.9 out 10.0.0.1:1",
	 "n in 239.1.1.1:1@a source 10.9.9.9 disabled out 10.0.0.1:1"},
	/* an IPv6 source without brackets */
	{"n in [ff3e::1]:5000@eth0 source 2001:db8::1 out [ff3e::2]:1@eth1",
	 "n in [ff3e::1]:5000@eth0 source [2001:db8::1] out [ff3e::2]:1@eth1"},
	/* host to host, with and without an interface; loopback; extreme ports */
	{"n in 10.0.0.1:1@eth0 out 127.0.0.1:65535", "n in 10.0.0.1:1@eth0 out 127.0.0.1:65535"},
	{"n in 127.0.0.1:65535@lo out 10.0.0.1:1@br-lan",
	 "n in 127.0.0.1:65535@lo out 10.0.0.1:1@br-lan"},
	/* interface names as Linux allows them */
	{"n in 239.1.1.1:1@eth0.100 out 239.1.1.2:1@a@b%c[d]\"'\\",
	 "n in 239.1.1.1:1@eth0.100 out 239.1.1.2:1@a@b%c[d]\"'\\"},
	{"n in 239.1.1.1:1@123456789012345 out 239.1.1.2:1@...",
	 "n in 239.1.1.1:1@123456789012345 out 239.1.1.2:1@..."},
	/* an interface with the name of a keyword */
	{"n in 239.1.1.1:1@in out 239.1.1.2:1@out", "n in 239.1.1.1:1@in out 239.1.1.2:1@out"},
	/* names */
	{":@[]>.-_/,+% in 239.1.1.1:1@a out 1.1.1.1:1",
	 ":@[]>.-_/,+% in 239.1.1.1:1@a out 1.1.1.1:1"},
	{"In in 239.1.1.1:1@a out 1.1.1.1:1", "In in 239.1.1.1:1@a out 1.1.1.1:1"},
	/* edges of the ranges */
	{"n in 1.0.0.0:1@a source 223.255.255.255 out 239.255.255.255:1@b ttl 255 dscp 63",
	 "n in 1.0.0.0:1@a source 223.255.255.255 out 239.255.255.255:1@b ttl 255 dscp 63"},
	/* options in either order; defaults are not written */
	{"n in 239.1.1.1:1@a out 224.0.0.0:1@b dscp 0 ttl 1 out 1.1.1.1:1 ttl 64 dscp default",
	 "n in 239.1.1.1:1@a out 224.0.0.0:1@b out 1.1.1.1:1"},
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 gso off ttl 1 out 1.1.1.2:1 gso on dscp ef out "
	 "1.1.1.3:1 "
	 "gso 7",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 ttl 1 gso off out 1.1.1.2:1 dscp ef gso 64 out "
	 "1.1.1.3:1 gso 7"},
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 dscp AF41 ttl 1",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 ttl 1 dscp af41"},
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 dscp Voice-Admit out 1.1.1.2:1 dscp 1 out 1.1.1.3:1 "
	 "dscp 2",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 dscp voice-admit out 1.1.1.2:1 dscp le out 1.1.1.3:1 "
	 "dscp 2"},
	/* limits, in the largest unit that divides them */
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 burst 10000ms pps 999999999 rate 400000mbit gso 2",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 gso 2 rate 400gbit pps 999999999 burst 10s"},
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 rate 1000bit burst 1ms out 1.1.1.2:1 pps 1 burst 1500ms",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 rate 1kbit burst 1ms out 1.1.1.2:1 pps 1 burst 1500ms"},
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 rate 1234567bit out 1.1.1.2:1 rate 1500kbit",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 rate 1234567bit out 1.1.1.2:1 rate 1500kbit"},
	/* prefixes; one of full length is a host */
	{"n in 239.1.1.1:1@a source 10.9.0.0/16 out 1.1.1.1:1",
	 "n in 239.1.1.1:1@a source 10.9.0.0/16 out 1.1.1.1:1"},
	{"n in 239.1.1.1:1@a source 10.9.9.9/32 out 1.1.1.1:1",
	 "n in 239.1.1.1:1@a source 10.9.9.9 out 1.1.1.1:1"},
	{"in 239.1.1.1:1@a source 128.0.0.0/1 out 1.1.1.1:1",
	 "128.0.0.0/1>239.1.1.1:1@a in 239.1.1.1:1@a source 128.0.0.0/1 out 1.1.1.1:1"},
	{"in [ff3e::1]:1@a source 2001:db8::/32 out 1.1.1.1:1",
	 "[2001:db8::]/32>[ff3e::1]:1@a in [ff3e::1]:1@a source [2001:db8::]/32 out 1.1.1.1:1"},
	{"n in [ff3e::1]:1@a source [2001:db8::8]/127 out 1.1.1.1:1",
	 "n in [ff3e::1]:1@a source [2001:db8::8]/127 out 1.1.1.1:1"},
	{"n in [ff3e::1]:1@a source [2001:db8::8]/128 out 1.1.1.1:1",
	 "n in [ff3e::1]:1@a source [2001:db8::8] out 1.1.1.1:1"},
	/* may_loop */
	{"n in 239.1.1.1:1@a may_loop disabled source 1.1.1.1 out 239.1.1.1:1@a",
	 "n in 239.1.1.1:1@a source 1.1.1.1 disabled may_loop out 239.1.1.1:1@a"},
	/* on demand; `on` is also a value, and may be a name */
	{"n in 239.1.1.1:1@a on demand path user out 239.2.2.2:1@b gso on when joined ttl 2",
	 "n in 239.1.1.1:1@a path user on demand out 239.2.2.2:1@b ttl 2 gso 64 when joined"},
	{"on in 239.1.1.1:1@a out 239.2.2.2:1@b when JOINED out 1.1.1.1:1",
	 "on in 239.1.1.1:1@a out 239.2.2.2:1@b when joined out 1.1.1.1:1"},
	/* any port, and the port kept; an interface named "any" */
	{"in 239.1.1.1:any@eth0 out 239.2.2.2@eth1 ttl 8 out 10.0.0.5",
	 "239.1.1.1:any@eth0 in 239.1.1.1:any@eth0 out 239.2.2.2@eth1 ttl 8 out 10.0.0.5"},
	{"in [ff3e::1]:any@any source 2001:db8::/32 out [2001:db8::1] out [2001:db8::1]@eth1",
	 "[2001:db8::]/32>[ff3e::1]:any@any in [ff3e::1]:any@any source [2001:db8::]/32 "
	 "out [2001:db8::1] out [2001:db8::1]@eth1"},
	{"any in 239.1.1.1:1@a out 1.1.1.1@b out 1.1.1.1:1@b rate 1mbit",
	 "any in 239.1.1.1:1@a out 1.1.1.1@b out 1.1.1.1:1@b rate 1mbit"},
	/* paths, and IP protocols */
	{"n in 239.1.1.1:1@a path auto out 1.1.1.1:1",
	 "n in 239.1.1.1:1@a path auto out 1.1.1.1:1"},
	{"n in 239.1.1.1:1@a may_loop path user disabled source 1.1.1.1 out 1.1.1.1:1",
	 "n in 239.1.1.1:1@a source 1.1.1.1 path user disabled may_loop out 1.1.1.1:1"},
	{"in 239.1.1.1/50@eth0 path kernel out 239.2.2.2@eth1 ttl 8 dscp ef",
	 "239.1.1.1/50@eth0 in 239.1.1.1/50@eth0 path kernel out 239.2.2.2@eth1 ttl 8 dscp ef"},
	{"in [ff3e::1]/47@a@b source 2001:db8::/32 path kernel out [ff3e::2]@eth1",
	 "[2001:db8::]/32>[ff3e::1]/47@a@b in [ff3e::1]/47@a@b source [2001:db8::]/32 path kernel "
	 "out [ff3e::2]@eth1"},
	{"in 224.0.0.0/254@a\"b out 10.1.1.1",
	 "224.0.0.0/254@a_b in 224.0.0.0/254@a\"b out 10.1.1.1"},
	/* the source, TTL and DSCP of what is sent */
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 dscp KEEP ttl dec from 10.0.0.1:5000 out 1.1.1.2:1 "
	 "ttl keep from keep gso 2",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 from 10.0.0.1:5000 ttl dec dscp keep out 1.1.1.2:1 "
	 "from keep ttl keep gso 2"},
	{"n in 239.1.1.1:1@a out 1.1.1.1:1 from 10.0.0.1 out [ff3e::1]:1@b from "
	 "[2001:db8::1]:65535 "
	 "out [ff3e::2]:1@b from [fe80::1]",
	 "n in 239.1.1.1:1@a out 1.1.1.1:1 from 10.0.0.1 out [ff3e::1]:1@b from "
	 "[2001:db8::1]:65535 "
	 "out [ff3e::2]:1@b from [fe80::1]"},
	/* broadcast */
	{"in 255.255.255.255:1@a out 255.255.255.255:1@b out 255.255.255.255@c ttl 64",
	 "255.255.255.255:1@a in 255.255.255.255:1@a out 255.255.255.255:1@b out "
	 "255.255.255.255@c"},
	/* any white space between words */
	{" \t\r\n n\tin\n239.1.1.1:1@a\r\nout 1.1.1.1:1 \n", "n in 239.1.1.1:1@a out 1.1.1.1:1"},
};

static void test_good(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct rule rule = parse_rule(good[i][0]), again;
		char *text = rule_format(&rule, NULL);

		assert_string_equal(text, good[i][1]);
		again = parse_rule(text);
		assert_true(rule_equal(&rule, &again));
		free(text);
		rule_free(&rule);
		rule_free(&again);
	}
}

static void test_dscp_names(void **state)
{
	static const struct {
		const char *name;
		unsigned int value;
	} names[] = {
		{"default", 0}, {"cs0", 0},   {"cs1", 8},   {"cs2", 16},	 {"cs3", 24},
		{"cs4", 32},	{"cs5", 40},  {"cs6", 48},  {"cs7", 56},	 {"af11", 10},
		{"af12", 12},	{"af13", 14}, {"af21", 18}, {"af22", 20},	 {"af23", 22},
		{"af31", 26},	{"af32", 28}, {"af33", 30}, {"af41", 34},	 {"af42", 36},
		{"af43", 38},	{"ef", 46},   {"le", 1},    {"voice-admit", 44},
	};
	char text[100];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct rule rule;

		snprintf(text, sizeof(text), "n in 239.1.1.1:1@a out 1.1.1.1:1 dscp %s",
			 names[i].name);
		rule = parse_rule(text);
		assert_int_equal(rule.outputs[0].dscp, names[i].value);
		rule_free(&rule);
	}
}

#define IN   "in 239.1.1.1:1@a "
#define LONG "1234567890123456789012345678901234567890123456789012345678901234"
#define X16  "xxxxxxxxxxxxxxxx"
#define X64  X16 X16 X16 X16

/* Every one is refused, with these errors at line 1. */
static const struct bad {
	const char *text;
	struct expected errors[6];
} bad[] = {
	{"", {{1, 1, "", "an empty rule"}}},
	{"  ", {{1, 3, "", "an empty rule"}}},
	{"cam1", {{1, 1, "cam1", "no input after it, expected `in GROUP:PORT@IFACE`"}}},
	{"in", {{1, 1, "in", "nothing after it, expected GROUP:PORT@IFACE"}}},
	{IN, {{1, 4, "239.1.1.1:1@a", "no output after it, expected `out DEST[:PORT]"}}},
	{IN "source 1.1.1.1", {{1, 25, "1.1.1.1", "no output after it"}}},
	{IN "out", {{1, 18, "out", "nothing after it, expected DEST[:PORT][@IFACE]"}}},
	{IN "out out 1.1.1.1:1", {{1, 18, "out", "nothing after it"}}},
	{"n out 1.1.1.1:1", {{1, 3, "out", "no input before it, expected `in"}}},
	{"out 1.1.1.1:1 " IN, {{1, 1, "out", "no input before it"}}},
	{"cam 1 " IN "out 1.1.1.1:1", {{1, 5, "1", "unexpected word, expected `in"}}},
	/* endpoints */
	{"in 239.1.1.1:5000 out 1.1.1.1:1",
	 {{1, 4, "239.1.1.1:5000", "no interface, expected GROUP:PORT@IFACE"}}},
	{"in 10.0.0.1:5000 out 1.1.1.1:1", {{1, 4, "10.0.0.1:5000", "no interface"}}},
	{"in 239.1.1.1@eth0 out 1.1.1.1:1",
	 {{1, 4, "239.1.1.1", "no port, expected GROUP:PORT@IFACE"}}},
	{"in 239.1.1.1:5000@ out 1.1.1.1:1", {{1, 19, "", "not an interface name"}}},
	/* any port, and none */
	{"in 10.0.0.1:any@a out 1.1.1.1",
	 {{1, 4, "10.0.0.1:any@a", "any port of a host, expected a"}}},
	{"in [2001:db8::1]:any@a out 1.1.1.1",
	 {{1, 4, "[2001:db8::1]:any@a", "any port of a host"}}},
	{"in 10.0.0.1:any out 1.1.1.1",
	 {{1, 4, "10.0.0.1:any", "no interface"}, {1, 4, "10.0.0.1:any", "any port of a host"}}},
	{"in 239.1.1.1:anyone@a out 1.1.1.1",
	 {{1, 14, "anyone",
	   "not a valid port, expected a number from 1 to 65535, or `any` for every port of a "
	   "group"}}},
	{"n in 239.1.1.1:1@a on out 239.1.1.2:1@b when left",
	 {{1, 20, "on", "nothing after it, expected demand or always"},
	  {1, 46, "left", "not a valid when, expected joined or always"}}},
	{"in 239.1.1.1:1@a out 239.1.1.2:1@b on demand when joined",
	 {{1, 36, "on", "on after an output, expected it before the first `out`"}}},
	/* Names that rules could have before these were options. */
	{"watch in 239.1.1.1:1@a watch rtp+mold64 clock 0 out 239.1.1.2:1@b",
	 {{1, 30, "rtp+mold64", "not a valid watch, expected rtp, ts, rtp+ts, mold64 or no"},
	  {1, 47, "0", "expected a number from 1 to 1000000000"}}},
	{"clock in 239.1.1.1:1@a watch clock out 239.1.1.2:1@b",
	 {{1, 30, "clock", "not a valid watch"}}},
	/* several inputs */
	{"in A:239.1.1.1:1@a in A:239.1.1.2:1@a select first out 1.1.1.1:1",
	 {{1, 23, "A", "a label that another input of the rule has"}}},
	{"in 1A:239.1.1.1:1@a out 1.1.1.1:1", {{1, 4, "1A:239.1.1.1:1", "more than one colon"}}},
	{"in abcdefghijklmnopq:239.1.1.1:1@a out 1.1.1.1:1",
	 {{1, 4, "abcdefghijklmnopq", "not a label of an input, expected 1 to 16 letters"}}},
	{"in a.b:239.1.1.1:1@a out 1.1.1.1:1", {{1, 4, "a.b", "not a label of an input"}}},
	{"in A:239.1.1.1:1@a in A2:host:1@a select first out 1.1.1.1:1",
	 {{1, 23, "A2:host:1@a", "a further input without a label"}}},
	{"in A:239.1.1.1:1@a in [ff3e::1]:1@a select first out 1.1.1.1:1",
	 {{1, 23, "[ff3e::1]:1@a", "a further input without a label"}}},
	{"in 239.1.1.1:1@a in B:239.1.1.2:1@a select first out 1.1.1.1:1",
	 {{1, 21, "B:239.1.1.2:1@a", "but the first one has no label"}}},
	{"in A:1.1.1.1:1@a in B:1.1.1.2:1@a in C:1.1.1.3:1@a in D:1.1.1.4:1@a in E:1.1.1.5:1@a "
	 "out 1.1.1.1:2",
	 {{1, 72, "E:1.1.1.5:1@a", "too many inputs, expected at most 4"}}},
	{"in A:239.1.1.1:1@a source 1.1.1.1 source 1.1.1.2 in B:239.1.1.2:1@a source 1.1.1.1 out "
	 "1.1.1.1:1",
	 {{1, 35, "source", "given twice"}}},
	{"in A:239.1.1.1:1@a out 1.1.1.1:1 in B:239.1.1.2:1@a",
	 {{1, 34, "in", "an input after an output"}}},
	{"in A:239.1.1.1:1@a select last hold 0ms return 5 out 1.1.1.1:1",
	 {{1, 27, "last", "not a valid select, expected first"},
	  {1, 37, "0ms", "not a valid hold"},
	  {1, 48, "5", "not a valid return"}}},
	{"in A:239.1.1.1:1@a below 5 merge 3:8 skew 501ms order no out 1.1.1.1:1",
	 {{1, 26, "5", "not a valid below"},
	  {1, 34, "3:8", "not a way to merge"},
	  {1, 43, "501ms", "not a valid skew"},
	  {1, 55, "no", "not a valid order"}}},
	{"in 239.1.1.1@a out 1.1.1.1",
	 {{1, 4, "239.1.1.1",
	   "no port, expected GROUP:PORT@IFACE, or `any` for every port of a group"}}},
	{"in 239.1.1.1 out 1.1.1.1", {{1, 4, "239.1.1.1", "no port"}}},
	{IN "out 1.1.1.1:any",
	 {{1, 30, "any",
	   "not a valid port, expected a number from 1 to 65535, or no port at all to keep"}}},
	{IN "out 239.1.1.1", {{1, 22, "239.1.1.1", "no interface, expected DEST[:PORT]@IFACE"}}},
	{IN "out [ff3e::1]", {{1, 22, "[ff3e::1]", "no interface"}}},
	{IN "out 2001:db8::1", {{1, 22, "2001:db8::1", "more than one colon"}}},
	{IN "out 2001:db8::1@a", {{1, 22, "2001:db8::1", "more than one colon"}}},
	{IN "out [2001:db8::1]1", {{1, 22, "[2001:db8::1]1", "no port"}}},
	{IN "out [2001:db8::1]:", {{1, 36, "", "not a valid port"}}},
	{IN "out [1.1.1.1]", {{1, 23, "1.1.1.1", "not an address, expected an IPv6"}}},
	{IN "out any", {{1, 22, "any", "host names are not resolved, expected an IPv4"}}},
	{IN "out @a", {{1, 22, "", "not an address"}}},
	{"in :5000@eth0 out 1.1.1.1:1", {{1, 4, "", "not an address"}}},
	{"in @ out 1.1.1.1:1", {{1, 4, "", "no port"}, {1, 5, "", "not an interface name"}}},
	{"in 239.1.1:x@. out 1.1.1.1:1",
	 {{1, 4, "239.1.1", "not an address, expected four numbers such as 239.1.1.1"},
	  {1, 12, "x", "not a valid port, expected a number from 1 to 65535"},
	  {1, 14, ".", "not an interface name"}}},
	{IN "out 239.1.1.1:1",
	 {{1, 22, "239.1.1.1:1", "no interface, expected DEST[:PORT]@IFACE because DEST is"}}},
	{IN "out 239.1.1.1:1@..", {{1, 34, "..", "not an interface name"}}},
	{IN "out 1.1.1.1:1@1234567890123456",
	 {{1, 32, "1234567890123456", "not an interface name, expected 1 to 15"}}},
	{IN "out 1.1.1.1:1@a/b", {{1, 32, "a/b", "not an interface name"}}},
	{IN "out 1.1.1.1:1@a:b", {{1, 32, "a:b", "not an interface name"}}},
	{IN "out 1.1.1.1:1@\xc3\xa9", {{1, 32, "\\xc3\\xa9", "not an interface name"}}},
	{IN "out 1.1.1.1:1@\x7f", {{1, 32, "\\x7f", "not an interface name"}}},
	/* IPv6 forms */
	{"in ff3e::1:5000@a out 1.1.1.1:1", {{1, 4, "ff3e::1:5000", "more than one colon"}}},
	{"in [ff3e::1:5000@a out 1.1.1.1:1", {{1, 4, "[ff3e::1:5000", "no closing bracket"}}},
	{"in [ff3e::1]@a out 1.1.1.1:1", {{1, 4, "[ff3e::1]", "no port"}}},
	{"in [ff3e::1]5@a out 1.1.1.1:1", {{1, 4, "[ff3e::1]5", "no port"}}},
	{"in [239.1.1.1]:5@a out 1.1.1.1:1",
	 {{1, 5, "239.1.1.1", "not an address, expected an IPv6"}}},
	{"in []:5@a out 1.1.1.1:1", {{1, 5, "", "not an address"}}},
	{"in [::ffff:1.2.3.4]:5@a out 1.1.1.1:1", {{1, 5, "::ffff:1.2.3.4", "not an address"}}},
	{"in [fe80::1%a]:5@a out 1.1.1.1:1", {{1, 5, "fe80::1%a", "not an address"}}},
	{"in [::]:5@a out 1.1.1.1:1", {{1, 5, "::", "address out of range"}}},
	/* ranges */
	{"in 0.1.2.3:5@a out 1.1.1.1:1", {{1, 4, "0.1.2.3", "out of range, expected a multicast"}}},
	{"in 240.0.0.0:5@a out 1.1.1.1:1", {{1, 4, "240.0.0.0", "out of range"}}},
	{IN "out 255.255.255.254:1", {{1, 22, "255.255.255.254", "out of range"}}},
	/* broadcast */
	{IN "out 255.255.255.255:1",
	 {{1, 22, "255.255.255.255:1",
	   "no interface, expected DEST[:PORT]@IFACE because DEST is"}}},
	{"in 255.255.255.255:any@a out 1.1.1.1", {{1, 4, "255.255.255.255:any@a", "any port"}}},
	{"in 255.255.255.255/50@a out 1.1.1.1", {{1, 4, "255.255.255.255/50@a", "an IP protocol"}}},
	{IN "source 255.255.255.255 out 1.1.1.1:1",
	 {{1, 25, "255.255.255.255", "a broadcast address cannot be a source, expected"}}},
	/* sources of what is sent */
	{IN "out 1.1.1.1:1 from",
	 {{1, 32, "from", "nothing after it, expected ADDR[:PORT], keep or auto"}}},
	{IN "out 1.1.1.1:1 from out 1.1.1.2:1", {{1, 32, "from", "nothing after it"}}},
	{IN "from keep out 1.1.1.1:1", {{1, 18, "from", "no output before it"}}},
	{IN "out 1.1.1.1:1 from keep from keep", {{1, 42, "from", "given twice for one output"}}},
	{IN "out 1.1.1.1:1 from 1.1.1.2:0",
	 {{1, 45, "0", "expected a number from 1 to 65535, or no port at all for a free one"}}},
	{IN "out 1.1.1.1:1 from 1.1.1.2:any", {{1, 45, "any", "not a valid port"}}},
	{IN "out 1.1.1.1:1 from 1.1.1.2/8", {{1, 37, "1.1.1.2/8", "prefixes are not supported"}}},
	{IN "out 1.1.1.1:1 from 1.1.1.2:5@b",
	 {{1, 37, "1.1.1.2:5@b", "a source has no interface, expected ADDR[:PORT]"}}},
	{IN "out 1.1.1.1:1 from 239.1.1.1:5",
	 {{1, 37, "239.1.1.1:5", "a multicast address cannot be a source"}}},
	{IN "out 1.1.1.1:1 from 255.255.255.255",
	 {{1, 37, "255.255.255.255", "a broadcast address cannot be a source"}}},
	{IN "out 1.1.1.1:1 from 0.0.0.0", {{1, 37, "0.0.0.0", "address out of range"}}},
	{IN "out 1.1.1.1:1 from 2001:db8::1",
	 {{1, 37, "2001:db8::1", "an IPv6 address in brackets"}}},
	{IN "out 1.1.1.1:1 ttl inc",
	 {{1, 36, "inc", "expected a number from 1 to 255, keep or dec"}}},
	/* by what is wrong with an address */
	{"in 239.1.1.256:5@a out 1.1.1.1:1",
	 {{1, 4, "239.1.1.256", "256 is out of range, expected 0 to 255"}}},
	{"in 239.1.01.1:5@a out 1.1.1.1:1",
	 {{1, 4, "239.1.01.1", "01 is out of range, expected 0 to 255 without leading zeros"}}},
	{"in 239.1..1:5@a out 1.1.1.1.1:1",
	 {{1, 4, "239.1..1", "expected four numbers"}, {1, 21, "1.1.1.1.1", "four numbers"}}},
	{"in 239.1.0.0/16:5@a out host.example:1",
	 {{1, 25, "host.example", "host names are not resolved"}}},
	/* prefixes of groups */
	{"in 239.1.1.0/16:any@a out same@b when joined",
	 {{1, 4, "239.1.1.0/16", "host bits are set; did you mean 239.1.0.0/16?"}}},
	{"in [ff3e::1]/32:any@a out same@b when joined",
	 {{1, 4, "[ff3e::1]/32", "host bits are set; did you mean ff3e::/32?"}}},
	{"in 224.0.0.0/3:any@a out same@b when joined",
	 {{1, 14, "3", "not a valid prefix length, expected a number from 4 to 32"}}},
	{"in [ff00::]/7:any@a out same@b when joined",
	 {{1, 13, "7", "not a valid prefix length, expected a number from 8 to 128"}}},
	{"in 239.1.0.0/:any@a out same@b when joined", {{1, 14, "", "not a valid prefix length"}}},
	{"in 10.0.0.0/8:any@a out same@b when joined",
	 {{1, 4, "10.0.0.0/8", "a prefix of hosts, expected one of multicast groups"}}},
	{"in [ff3e::/32]:any@a out same@b when joined",
	 {{1, 5, "ff3e::/32", "prefixes are not supported here"}}},
	{"in 239.1.0.0/16:any@a out same when joined",
	 {{1, 27, "same", "no interface, expected same[:PORT]@IFACE"}}},
	{"in 239.1.0.0/16:any@a out same:any@b when joined", {{1, 32, "any", "not a valid port"}}},
	{"in same:any@a out same@b when joined", {{1, 4, "same", "not an address"}}},
	/* IP protocols */
	{"in 239.1.1.1/6@a out 1.1.1.1", {{1, 14, "6", "TCP cannot be relayed"}}},
	{"in 239.1.1.1/17@a out 1.1.1.1", {{1, 14, "17", "UDP is relayed by port"}}},
	{"in [ff3e::1]/58@a out 1.1.1.1", {{1, 14, "58", "ICMPv6 cannot be relayed"}}},
	{"in 239.1.1.1/@a out 1.1.1.1", {{1, 14, "", "not an IP protocol"}}},
	{"in 239.1.1.1/256@a out 1.1.1.1", {{1, 14, "256", "expected a number from 0 to 255"}}},
	{"in 239.1.1.1/50/50@a out 1.1.1.1", {{1, 14, "50/50", "not an IP protocol"}}},
	{"in 239.1.1.1/50 out 1.1.1.1", {{1, 4, "239.1.1.1/50", "no interface, expected GROUP"}}},
	{"in 239.1.1/6@. out 1.1.1.1",
	 {{1, 4, "239.1.1", "not an address"},
	  {1, 12, "6", "TCP cannot be relayed"},
	  {1, 14, ".", "not an interface name"}}},
	{"in 10.1.1.1/50@a out 1.1.1.1",
	 {{1, 4, "10.1.1.1/50@a", "an IP protocol of a host, expected a multicast group"}}},
	{"in [2001:db8::1]/50@a out 1.1.1.1",
	 {{1, 4, "[2001:db8::1]/50@a", "an IP protocol of a host"}}},
	{"in 239.1.1.1:50/50@a out 1.1.1.1", {{1, 14, "50/50", "not a valid port"}}},
	{"in 239.1.1.1/50:5@a out 1.1.1.1",
	 {{1, 14, "50", "not a valid prefix length, expected a number from 4 to 32"}}},
	{"in [ff3e::1/50]@a out 1.1.1.1", {{1, 4, "[ff3e::1/50]", "no port"}}},
	{"in [ff3e::1]50@a out 1.1.1.1", {{1, 4, "[ff3e::1]50", "no port"}}},
	{"in ff3e::1/50@a out 1.1.1.1", {{1, 4, "ff3e::1/50", "more than one colon"}}},
	{"in /50@a out 1.1.1.1", {{1, 4, "", "not an address"}}},
	{IN "out 239.1.1.2/50@b", {{1, 22, "239.1.1.2/50", "prefixes are not supported here"}}},
	{IN "out 239.1.1.2/esp@b",
	 {{1, 22, "239.1.1.2/esp", "an IP protocol is written in the input only, without a port"}}},
	{IN "out [ff3e::1]/50@b", {{1, 22, "[ff3e::1]/50", "no port"}}},
	/* paths */
	{IN "path out 1.1.1.1:1",
	 {{1, 18, "path", "nothing after it, expected one of user, kernel, auto"}}},
	{IN "path fast out 1.1.1.1:1",
	 {{1, 23, "fast", "not a valid path, expected one of user, kernel, auto"}}},
	{IN "path auto path auto out 1.1.1.1:1", {{1, 28, "path", "given twice"}}},
	{IN "out 1.1.1.1:1 path auto", {{1, 32, "path", "path after an output"}}},
	{"path " IN "out 1.1.1.1:1",
	 {{1, 1, "path", "no input before it"}, {1, 1, "path", "nothing after it"}}},
	/* what was meant by punctuation at the end */
	{"in 239.1.1.1:5@eth0, out 1.1.1.1:1",
	 {{1, 16, "eth0,", "a name cannot end with ',', did you mean eth0?"}}},
	{"in 239.1.1.1:5@eth0; out 1.1.1.1:1@a:",
	 {{1, 16, "eth0;", "a name cannot end with ';', did you mean eth0?"},
	  {1, 36, "a:", "a name cannot end with ':', did you mean a?"}}},
	{"in 239.1.1.1:5@, out 1.1.1.1:1", {{1, 16, ",", "not an interface name"}}},
	{"cam1: " IN "out 1.1.1.1:1", {{1, 1, "cam1:", "did you mean cam1?"}}},
	{"cam1, " IN "out 1.1.1.1:1", {{1, 1, "cam1,", "did you mean cam1?"}}},
	{": " IN "out 1.1.1.1:1", {{1, 1, ":", "not a rule name"}}},
	/* columns are characters */
	{"caf\xc3\xa9 " IN "out 1.1.1.1:0",
	 {{1, 1, "caf\\xc3\\xa9", "not a rule name"}, {1, 35, "0", "not a valid port"}}},
	/* prefixes */
	{IN "source 10.9.0.0/ out 1.1.1.1:1",
	 {{1, 34, "", "not a valid prefix length, expected a number from 1 to 32"}}},
	{IN "source 10.9.0.0/33 out 1.1.1.1:1", {{1, 34, "33", "expected a number from 1 to 32"}}},
	{IN "source 10.9.0.0/016 out 1.1.1.1:1", {{1, 34, "016", "not a valid prefix length"}}},
	{IN "source 10.9.0.0/16/8 out 1.1.1.1:1", {{1, 34, "16/8", "not a valid prefix length"}}},
	{IN "source 10.9.0.0/0 out 1.1.1.1:1",
	 {{1, 34, "0", "a prefix of every source, expected no `source` at all"}}},
	{IN "source 10.9.9.9/16 out 1.1.1.1:1",
	 {{1, 25, "10.9.9.9/16", "host bits are set; did you mean 10.9.0.0/16?"}}},
	{IN "source 0.0.0.0/1 out 1.1.1.1:1", {{1, 25, "0.0.0.0", "out of range"}}},
	{IN "source 224.0.0.0/4 out 1.1.1.1:1",
	 {{1, 25, "224.0.0.0/4", "a multicast address cannot be a source"}}},
	{IN "source [10.9.0.0]/16 out 1.1.1.1:1", {{1, 26, "10.9.0.0", "not an address"}}},
	{IN "source [10.9.0.0/16] out 1.1.1.1:1", {{1, 25, "[10.9.0.0", "not an address"}}},
	{IN "source /16 out 1.1.1.1:1", {{1, 25, "", "not an address"}}},
	{IN "source 2001:db8::1/64 out 1.1.1.1:1",
	 {{1, 25, "2001:db8::1/64", "did you mean 2001:db8::/64?"}}},
	{IN "source 2001:db8::/129 out 1.1.1.1:1", {{1, 36, "129", "from 1 to 128"}}},
	{IN "source 0.0.0.0 out 1.1.1.1:1", {{1, 25, "0.0.0.0", "out of range"}}},
	{IN "source 239.1.1.1 out 1.1.1.1:1",
	 {{1, 25, "239.1.1.1", "multicast address cannot be a source, expected the address of"}}},
	{IN "source [ff02::1] out 1.1.1.1:1", {{1, 25, "[ff02::1]", "cannot be a source"}}},
	{IN "source [10.1.1.1] out 1.1.1.1:1", {{1, 26, "10.1.1.1", "not an address"}}},
	{IN "source 1.1.1.1:5 out 1.1.1.1:1", {{1, 25, "1.1.1.1:5", "not an address"}}},
	{IN "source " LONG " out 1.1.1.1:1", {{1, 25, LONG, "not an address"}}},
	/* numbers */
	{"in 239.1.1.1:0@a out 1.1.1.1:65536",
	 {{1, 14, "0", "not a valid port"}, {1, 30, "65536", "not a valid port"}}},
	{IN "out 1.1.1.1:", {{1, 30, "", "not a valid port"}}},
	{IN "out 1.1.1.1:080", {{1, 30, "080", "not a valid port"}}},
	{IN "out 1.1.1.1:+80", {{1, 30, "+80", "not a valid port"}}},
	{IN "out 1.1.1.1:-1", {{1, 30, "-1", "not a valid port"}}},
	{IN "out 1.1.1.1:0x50", {{1, 30, "0x50", "not a valid port"}}},
	{IN "out 1.1.1.1:4294967297", {{1, 30, "4294967297", "not a valid port"}}},
	{IN "out 1.1.1.1:99999999999999999999", {{1, 30, "99999999999999999999", "not a valid"}}},
	{IN "out 1.1.1.1:1 ttl 0", {{1, 36, "0", "not a valid ttl, expected a number from 1"}}},
	{IN "out 1.1.1.1:1 ttl 256", {{1, 36, "256", "not a valid ttl"}}},
	{IN "out 1.1.1.1:1 ttl", {{1, 32, "ttl", "nothing after it, expected a number"}}},
	{IN "out 1.1.1.1:1 dscp 64", {{1, 37, "64", "not a valid dscp, expected a number from 0"}}},
	{IN "out 1.1.1.1:1 gso 0", {{1, 36, "0", "not a valid gso, expected on, off or a number"}}},
	{IN "out 1.1.1.1:1 gso 2 gso on", {{1, 38, "gso", "given twice for one output"}}},
	{IN "out 1.1.1.1:1 dscp best", {{1, 37, "best", "or a name such as ef"}}},
	{IN "out 1.1.1.1:1 dscp e", {{1, 37, "e", "not a valid dscp"}}},
	{IN "out 1.1.1.1:1 dscp out 1.1.1.2:1", {{1, 32, "dscp", "nothing after it"}}},
	/* order and repetition */
	{IN "ttl 5 out 1.1.1.1:1", {{1, 18, "ttl", "no output before it, expected `out"}}},
	{IN "out 1.1.1.1:1 ttl 5 dscp 1 ttl 5", {{1, 45, "ttl", "given twice for one output"}}},
	{IN "out 1.1.1.1:1 dscp 1 dscp 1", {{1, 39, "dscp", "given twice for one output"}}},
	{IN "source 1.1.1.1 source 1.1.1.1 out 1.1.1.1:1",
	 {{1, 33, "source", "given twice, expected it once"}}},
	{IN "out 1.1.1.1:1 source 1.1.1.1", {{1, 32, "source", "source after an output"}}},
	{IN IN "out 1.1.1.1:1", {{1, 21, "239.1.1.1:1@a", "a further input without a label"}}},
	{IN "disabled disabled out 1.1.1.1:1", {{1, 27, "disabled", "given twice"}}},
	{IN "out 1.1.1.1:1 disabled", {{1, 32, "disabled", "disabled after an output"}}},
	{"disabled " IN "out 1.1.1.1:1", {{1, 1, "disabled", "no input before it"}}},
	{IN "x y out 1.1.1.1:1",
	 {{1, 18, "x",
	   "expected `source`, `path`, `lease`, `sequence`, `disabled`, `may_loop`, `on`, "
	   "`watch`, `clock`, `select`, `hold`, `return`, `below`, `merge`, `skew`, `order` or "
	   "`out`"}}},
	{IN "source 1.1.1.1 x out 1.1.1.1:1",
	 {{1, 33, "x",
	   "expected `path`, `lease`, `sequence`, `disabled`, `may_loop`, `on`, `watch`, `clock`, "
	   "`select`, `hold`, `return`, `below`, `merge`, `skew`, `order` or `out`"}}},
	{IN "out 1.1.1.1:1 TTL 5", {{1, 32, "TTL", "unexpected word, did you mean ttl?"}}},
	{IN "out 1.1.1.1:1 hops 5",
	 {{1, 32, "hops",
	   "expected `from`, `ttl`, `dscp`, `gso`, `rate`, `pps`, `burst`, `when` or `out`"}}},
	{IN "may_loop may_loop out 1.1.1.1:1", {{1, 27, "may_loop", "given twice"}}},
	{IN "out 1.1.1.1:1 may_loop", {{1, 32, "may_loop", "may_loop after an output"}}},
	{"may_loop " IN "out 1.1.1.1:1", {{1, 1, "may_loop", "no input before it"}}},
	{"rate " IN "out 1.1.1.1:1",
	 {{1, 1, "rate", "no input before it"},
	  {1, 1, "rate", "no output before it"},
	  {1, 1, "rate", "nothing after it"}}},
	/* limits */
	{IN "rate 1mbit out 1.1.1.1:1", {{1, 18, "rate", "no output before it, expected `out"}}},
	{IN "out 1.1.1.1:1 rate", {{1, 32, "rate", "nothing after it, expected a rate"}}},
	{IN "out 1.1.1.1:1 rate 1mbit rate 2mbit", {{1, 43, "rate", "given twice for one output"}}},
	{IN "out 1.1.1.1:1 pps 1 pps 1", {{1, 38, "pps", "given twice for one output"}}},
	{IN "out 1.1.1.1:1 burst 1s burst 1s", {{1, 41, "burst", "given twice for one output"}}},
	{IN "out 1.1.1.1:1 rate 50",
	 {{1, 37, "50", "not a valid rate, expected a rate from 1kbit to 400gbit"}}},
	{IN "out 1.1.1.1:1 rate mbit", {{1, 37, "mbit", "not a valid rate"}}},
	{IN "out 1.1.1.1:1 rate 1.5mbit", {{1, 37, "1.5mbit", "not a valid rate"}}},
	{IN "out 1.1.1.1:1 rate 999bit", {{1, 37, "999bit", "not a valid rate"}}},
	{IN "out 1.1.1.1:1 rate 401gbit", {{1, 37, "401gbit", "not a valid rate"}}},
	{IN "out 1.1.1.1:1 rate 999999999gbit", {{1, 37, "999999999gbit", "not a valid rate"}}},
	{IN "out 1.1.1.1:1 rate 18446744073709551617gbit",
	 {{1, 37, "18446744073709551617gbit", "not a valid rate"}}},
	{IN "out 1.1.1.1:1 rate 01mbit", {{1, 37, "01mbit", "not a valid rate"}}},
	{IN "out 1.1.1.1:1 pps 0", {{1, 36, "0", "not a valid pps, expected a number from 1"}}},
	{IN "out 1.1.1.1:1 pps 1000000000", {{1, 36, "1000000000", "not a valid pps"}}},
	{IN "out 1.1.1.1:1 pps 1 burst 0ms",
	 {{1, 44, "0ms", "not a valid burst, expected a time from 1ms to"}}},
	{IN "out 1.1.1.1:1 pps 1 burst 11s", {{1, 44, "11s", "not a valid burst"}}},
	{IN "out 1.1.1.1:1 pps 1 burst 100", {{1, 44, "100", "not a valid burst"}}},
	/* names */
	{"ttl " IN "out 1.1.1.1:1",
	 {{1, 1, "ttl", "no input before it"},
	  {1, 1, "ttl", "no output before it"},
	  {1, 1, "ttl", "nothing after it"}}},
	{"a\"b " IN "out 1.1.1.1:1", {{1, 1, "a\"b", "not a rule name, expected 1 to 127"}}},
	{"a'b " IN "out 1.1.1.1:1", {{1, 1, "a'b", "not a rule name"}}},
	{"a\\b " IN "out 1.1.1.1:1", {{1, 1, "a\\b", "not a rule name"}}},
	{"caf\xc3\xa9 " IN "out 1.1.1.1:1", {{1, 1, "caf\\xc3\\xa9", "not a rule name"}}},
	{LONG LONG " " IN "out 1.1.1.1:1", {{1, 1, LONG "...", "not a rule name"}}},
};

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rule_positions where;
		struct errors errors = {0};
		struct rule rule;

		if (grammar_parse_rule(bad[i].text, strlen(bad[i].text), &start, &rule, &where,
				       &errors) != -EINVAL)
			fail_msg("<%s> is accepted", bad[i].text);
		expect_errors(&errors, bad[i].errors, bad[i].text);
		assert_null(rule.outputs);
		assert_null(where.outputs);
	}
}

static void test_many_errors(void **state)
{
	static const struct expected expected[] = {
		{1, 1, "a\\", "not a rule name"},
		{1, 17, "0", "not a valid port"},
		{2, 8, "240.1.1.1", "out of range"},
		{2, 22, "1.1.1", "not an address"},
		{2, 34, "0", "not a valid ttl"},
		{3, 21, "x", "not a valid dscp"},
		{0},
	};
	const char *text =
		"a\\ in 239.1.1.1:0@a\nsource 240.1.1.1 out 1.1.1:1 ttl 0\n\tout 1.1.1.1:1 "
		"dscp x";
	struct errors errors = {0};
	struct rule rule;

	assert_int_equal(grammar_parse_rule(text, strlen(text), &start, &rule, NULL, &errors),
			 -EINVAL);
	expect_errors(&errors, expected, text);
}

static void test_nul_bytes(void **state)
{
	static const char text[] = "n in 239.1.1.1\0:1@a\0 out 1.1.1.1:1\0";
	static const struct expected expected[] = {
		{1, 6, "239.1.1.1\\x00", "not an address"},
		{1, 19, "a\\x00", "not an interface name"},
		{1, 34, "1\\x00", "not a valid port"},
		{0},
	};
	struct errors errors = {0};
	struct rule rule;

	assert_int_equal(grammar_parse_rule(text, sizeof(text) - 1, &start, &rule, NULL, &errors),
			 -EINVAL);
	expect_errors(&errors, expected, text);
}

static void test_positions(void **state)
{
	const char *text = "cam1 in 239.1.1.1:1@a\n source 1.1.1.1 out 1.1.1.2:1\nout 1.1.1.3:1";
	struct position at = {"f", 10, 5};
	struct rule_positions where;
	struct errors errors = {0};
	struct rule rule;

	assert_int_equal(grammar_parse_rule(text, strlen(text), &at, &rule, &where, &errors), 0);
	assert_true(where.named);
	assert_string_equal(where.at[RULE_NAME].file, "f");
	assert_int_equal(where.at[RULE_NAME].line, 10);
	assert_int_equal(where.at[RULE_NAME].column, 5);
	assert_int_equal(where.at[RULE_INPUT].line, 10);
	assert_int_equal(where.at[RULE_INPUT].column, 13);
	assert_int_equal(where.at[RULE_SOURCE].line, 11);
	assert_int_equal(where.at[RULE_SOURCE].column, 9);
	assert_int_equal(where.outputs[0].at.line, 11);
	assert_int_equal(where.outputs[0].at.column, 21);
	assert_int_equal(where.outputs[1].at.line, 12);
	assert_int_equal(where.outputs[1].at.column, 5);
	rule_free(&rule);
	rule_positions_free(&where);
}

/* 1 MB in one word, and in words. */
static void test_long_line(void **state)
{
	static const struct expected one_word[] = {
		{1, 1, X64 "...", "not a rule name"},
		{1, 1, X64 "...", "no input after it"},
		{0},
	};
	static const struct expected many_words[] = {{1, 3, "x", "unexpected word"}, {0}};
	size_t length = 1 << 20;
	char *text = malloc(length);
	struct errors errors = {0};
	struct rule rule;

	assert_non_null(text);
	memset(text, 'x', length);
	assert_int_equal(grammar_parse_rule(text, length, &start, &rule, NULL, &errors), -EINVAL);
	expect_errors(&errors, one_word, "one word");
	for (size_t i = 1; i < length; i += 2)
		text[i] = ' ';
	assert_int_equal(grammar_parse_rule(text, length, &start, &rule, NULL, &errors), -EINVAL);
	expect_errors(&errors, many_words, "many words");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_rule),   cmocka_unit_test(test_good),
		cmocka_unit_test(test_dscp_names),  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_many_errors), cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_positions),   cmocka_unit_test(test_long_line),

	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
