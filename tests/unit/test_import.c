/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations of other relays, in the shapes that their manuals show: which rules they become,
 * and what is said of the rest. Every result is read again as a configuration of ours.
 */
#include <errno.h>

#include "expect.h"
#include "import/import.h"
#include "rules/change.h"
#include "rules/schema.h"

#define ROUTED " from keep ttl dec dscp keep"

#define MOST   8

struct import_case {
	const char *text;
	const char *rules[MOST];    /* exactly these, in the grammar */
	const char *comments[MOST]; /* each is in the result */
	unsigned int lost;	    /* lines */
};

/* A machine with one address, 10.0.1.1 on eth1. */
static bool iface_of(const struct xmc_addr *addr, char name[IF_NAMESIZE])
{
	struct xmc_addr own;

	assert_true(addr_parse("10.0.1.1", &own));
	strcpy(name, "eth1");
	return addr_equal(addr, &own);
}

static char *import(const char *peer, const char *bytes, struct sheet_count *count)
{
	struct import_source source = {
		.bytes = bytes, .length = strlen(bytes), .file = "conf", .iface_of = iface_of};
	struct errors errors = {0};
	size_t length;
	char *text = import_configuration(import_peer(peer), &source, &length, count, &errors);

	expect_no_errors(&errors, bytes);
	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	return text;
}

/* The configuration that the result is, which must be valid. */
static void read_again(const char *text, struct config *config)
{
	struct errors errors = {0};

	config_init(config);
	config_parse_yaml(text, strlen(text), "result", config, &errors);
	expect_no_errors(&errors, text);
}

static void expect_rules(const struct import_case *test, const struct config *config)
{
	struct errors errors = {0};
	struct config expected;
	unsigned int count = 0;

	while (count < MOST && test->rules[count])
		count++;
	config_init(&expected);
	config_add_rules(&expected, test->rules, count, "expected", &errors);
	expect_no_errors(&errors, test->text);
	assert_int_equal(config->nr_rules, count);
	for (unsigned int i = 0; i < count; i++) {
		if (!rule_equal(&config->rules[i], &expected.rules[i]))
			fail_msg("rule %u of <%s> is %s instead of <%s>", i, test->text,
				 rule_format(&config->rules[i], NULL), test->rules[i]);
	}
	config_free(&expected);
}

static void check(const char *peer, const struct import_case *test)
{
	struct sheet_count count;
	struct config config;
	char *text = import(peer, test->text, &count);

	read_again(text, &config);
	expect_rules(test, &config);
	for (unsigned int i = 0; i < MOST && test->comments[i]; i++) {
		if (!strstr(text, test->comments[i]))
			fail_msg("not in the result of <%s>: %s\n%s", test->text, test->comments[i],
				 text);
	}
	assert_int_equal(count.rules, config.nr_rules);
	if (count.lost != test->lost)
		fail_msg("%u lines lost instead of %u:\n%s", count.lost, test->lost, text);
	config_free(&config);
	free(text);
}

#define CHECK(peer, cases)                                                                         \
	do {                                                                                       \
		for (size_t i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++)                    \
			check(peer, &(cases)[i]);                                                  \
	} while (0)

/* ---- smcroute ---- */

static const struct import_case smcroute[] = {
	{.text = ""},
	{.text = "# a comment\n\n\t\n  # another"},
	{.text = "phyint eth0 enable ttl-threshold 1\n"
		 "mgroup from eth0 group 225.1.2.3\n"
		 "mroute from eth0 source 192.168.1.42 group 225.1.2.3 to eth1 eth2 # hall\n",
	 .rules = {"in 225.1.2.3:any@eth0 source 192.168.1.42 out 225.1.2.3@eth1" ROUTED
		   " out 225.1.2.3@eth2" ROUTED},
	 .comments = {"# conf:3: mroute from eth0 source", "# hall\n", "conf:2: mgroup",
		      "a rule joins its own group"}},
	{.text = "phyint eth1 disable mrdisc ttl-threshold 11 colour red\r\n",
	 .comments = {"mrdisc: no multicast router", "ttl-threshold 11: outputs have no threshold",
		      "colour: unknown", "red: unknown"},
	 .lost = 1},
	{.text = "ssmgroup from eth0 source 10.0.0.1 group 232.1.1.1", .comments = {"not needed"}},
	/* Sources: a prefix, any, one that is wrong. */
	{.text = "mroute from eth0 source 10.9.0.0/16 group 232.1.1.1 to eth1\n"
		 "mroute from eth0 source 0.0.0.0 group 232.1.1.2 to eth1\n",
	 .rules = {"in 232.1.1.1:any@eth0 source 10.9.0.0/16 out 232.1.1.1@eth1" ROUTED,
		   "in 232.1.1.2:any@eth0 out 232.1.1.2@eth1" ROUTED}},
	{.text = "mroute from eth0 source 10.9.0.1/16 group 232.1.1.1 to eth1",
	 .comments =
		 {"not carried over: '10.9.0.1/16': host bits are set; did you mean 10.9.0.0/16?",
		  "in the rule: in 232.1.1.1:any@eth0 source 10.9.0.1/16"},
	 .lost = 1},
	/* IPv6 */
	{.text = "mroute from eth0 source 2001:db8::1 group ff3e::5 to eth1\n"
		 "mroute from eth0 source :: group ff3e::6 to eth1",
	 .rules = {"in [ff3e::5]:any@eth0 source 2001:db8::1 out [ff3e::5]@eth1" ROUTED,
		   "in [ff3e::6]:any@eth0 out [ff3e::6]@eth1" ROUTED}},
	/* Ranges of groups */
	{.text = "mroute from eth0 group 225.0.0.6/31 to eth1\n"
		 "mroute from eth0 group ff3e::8/127 to eth1",
	 .rules = {"in 225.0.0.6:any@eth0 out 225.0.0.6@eth1" ROUTED,
		   "in 225.0.0.7:any@eth0 out 225.0.0.7@eth1" ROUTED,
		   "in [ff3e::8]:any@eth0 out [ff3e::8]@eth1" ROUTED,
		   "in [ff3e::9]:any@eth0 out [ff3e::9]@eth1" ROUTED},
	 .comments = {"a rule for each of the 2 groups"}},
	{.text = "mroute from eth0 group 239.0.0.0/8 to eth1\n"
		 "mroute from eth0 group 239.0.0.0/33 to eth1\n"
		 "mroute from eth0 group 239.0.0/8 to eth1\n"
		 "mroute from eth0 group 10.0.0.1 to eth1\n",
	 .comments = {"239.0.0.0/8: a rule has one group",
		      "'33': ", "'239.0.0': ", "not a multicast group"},
	 .lost = 4},
	/* Interfaces */
	{.text = "mroute from eth+ group 225.1.1.1 to eth1",
	 .comments = {"eth+: interfaces have"},
	 .lost = 1},
	{.text = "mroute from eth0 group 225.1.1.1 to eth/1", .comments = {"'eth/1'"}, .lost = 1},
	{.text = "mroute from eth{0..2} group 225.1.1.1 to eth3",
	 .comments = {"'{' is not expanded, in the rule: in 225.1.1.1:any@eth{0..2}"},
	 .lost = 1},
	/* Rules against each other */
	{.text = "mroute from eth0 group 225.1.1.1 to eth1\n\n"
		 "mroute from eth0 group 225.1.1.1 to eth2\n"
		 "mroute from eth1 group 225.1.1.1 to eth0\n"
		 "mroute from eth1 group 225.1.1.1 to eth1\n",
	 .rules = {"in 225.1.1.1:any@eth0 out 225.1.1.1@eth1" ROUTED},
	 .comments = {"duplicate input: rule 225.1.1.1:any@eth0 (line 1) already has it",
		      "rules that feed themselves", "the output is the rule's own input"},
	 .lost = 3},
	/* What is no line of it */
	{.text = "mroute from eth0 group 225.1.1.1\nmroute from\n"
		 "mroute of eth0 group 225.1.1.1 to eth1\ninclude /etc/smcroute.d/*.conf\nroute\n",
	 .comments = {"expected mroute from IFNAME group GROUP to IFNAME", "nothing behind from",
		      "of: unknown", "import each of them", "route: unknown directive"},
	 .lost = 5},
	/* Whatever bytes there are, comments are printable and stay comments. */
	{.text = "x\x01\xff\r- in: y",
	 .comments = {"# conf:1: x\\x01\\xff\\x0d- in: y"},
	 .lost = 1},
};

static void smcroute_files(void **state)
{
	CHECK("smcroute", smcroute);
}

/* ---- igmpproxy ---- */

static const struct import_case igmpproxy[] = {
	{.text = ""},
	{.text = "quickleave\n"
		 "phyint eth0 upstream ratelimit 0 threshold 1\n"
		 "        altnet 10.9.0.0/16\n"
		 "        whitelist 239.1.1.1/32\n"
		 "phyint eth1 downstream ratelimit 0 threshold 1\n"
		 "phyint eth2 disabled\n",
	 .rules = {"in 239.1.1.1:any@eth0 source 10.9.0.0/16 on demand out 239.1.1.1@eth1" ROUTED
		   " when joined"},
	 .comments = {"quickleave: add `demand: { leave: fast, linger: 1ms }`",
		      "sources in the networks of eth0 itself"},
	 .lost = 1},
	/* Words on any lines; any source; two downstream interfaces; a whitelist of one of them. */
	{.text = "phyint\neth0 upstream altnet 0.0.0.0/0 phyint eth1 downstream\n"
		 "whitelist 239.1.1.2/31 phyint eth2 downstream whitelist 239.1.1.3/32 # end",
	 .rules = {"in 239.1.1.2/31:any@eth0 on demand out same@eth1" ROUTED " when joined",
		   "in 239.1.1.3:any@eth0 on demand out 239.1.1.3@eth1" ROUTED
		   " when joined out 239.1.1.3@eth2" ROUTED " when joined"},
	 .lost = 1},
	/* What the upstream does not ask for. */
	{.text = "phyint eth0 upstream whitelist 239.1.1.1/32\n"
		 "phyint eth1 downstream whitelist 239.1.1.1/32 whitelist 239.1.1.9/32\n",
	 .rules = {"in 239.1.1.1:any@eth0 on demand out 239.1.1.1@eth1" ROUTED " when joined"},
	 .comments = {"any source is accepted"}},
	/* No group is named: all of them, on one of two interfaces. */
	{.text = "phyint eth0 upstream\nphyint eth1 downstream altnet 10.0.0.0/8\n"
		 "phyint eth2 downstream whitelist 239.1.7.9/16 whitelist 239.1.0.0/16",
	 .rules = {"in 224.0.0.0/4:any@eth0 on demand out same@eth1" ROUTED " when joined",
		   "in 239.1.0.0/16:any@eth0 on demand out same@eth1" ROUTED
		   " when joined out same@eth2" ROUTED " when joined"},
	 .comments = {"altnet 10.0.0.0/8: not needed", "any source is accepted"}},
	/* Wider than what the upstream asks for, and narrower. */
	{.text = "phyint eth0 upstream altnet 10.1.0.0/16 altnet 10.2.0.0/16 whitelist "
		 "239.1.0.0/16\n"
		 "phyint eth1 downstream whitelist 239.0.0.0/8\n",
	 .rules = {"in 239.1.0.0/16:any@eth0 source 10.1.0.0/16 on demand out same@eth1" ROUTED
		   " when joined",
		   "in 239.1.0.0/16:any@eth0 source 10.2.0.0/16 on demand out same@eth1" ROUTED
		   " when joined"},
	 .lost = 1},
	{.text = "phyint eth1 downstream whitelist 239.1.1.1",
	 .comments = {"no upstream interface"},
	 .lost = 1},
	{.text = "phyint eth0 upstream ratelimit 100 threshold 5 whitelist 239.0.0.0/8\n"
		 "user nobody chroot /var/empty defaultdown rescanvif hashtablesize 5\n"
		 "colour red phyint",
	 .comments = {"ratelimit 100: Linux never applied it", "threshold 5: outputs have no",
		      "user: set `security", "defaultdown: an output names",
		      "rescanvif: not needed", "colour: unknown", "nothing behind phyint"},
	 .lost = 3},
};

static void igmpproxy_files(void **state)
{
	CHECK("igmpproxy", igmpproxy);
}

/* ---- MCR ---- */

static const struct import_case mcr[] = {
	{.text = "{}"},
	{.text = "// comment\n{ /* another\n */ rules: [\n"
		 "  { name: \"market-data\",\n"
		 "    input: { interface: \"eth0\", group: \"239.1.1.1\", port: 5001 },\n"
		 "    outputs: [ { interface: \"eth1\", group: \"239.2.2.2\", port: 5002, } ], },\n"
		 "  {'input':{interface:'eth1',group:'10.0.0.50',port:'5002'},\n"
		 "   outputs:[{interface:'eth0',group:'239.1.1.3',port:5002},"
		 "{interface:'eth2',group:'10.0.0.100',port:6003}]}]}",
	 .rules = {"market-data in 239.1.1.1:5001@eth0 out 239.2.2.2:5002@eth1",
		   "in 10.0.0.50:5002@eth1 out 239.1.1.3:5002@eth0 out 10.0.0.100:6003@eth2"},
	 .comments = {"# conf:4:   { name: \"market-data\",\n", "# conf:7:   {'input'"}},
	/* TTLs, which are of groups; ESP, which has no port. */
	{.text = "{ multicast_ttl: 8, rules: [\n"
		 "{ input: { interface: 'eth0', group: '239.1.1.1', port: 0, protocol: 'esp' },\n"
		 "  outputs: [ { interface: 'eth1', group: '239.2.2.2', port: 1 },\n"
		 "             { interface: 'eth1', group: '239.2.2.3', port: 1, ttl: 3 },\n"
		 "             { interface: 'eth1', group: '10.0.0.1', port: 1, ttl: 3 } ] } ] }",
	 .rules = {"in 239.1.1.1/50@eth0 path kernel out 239.2.2.2@eth1 ttl 8 "
		   "out 239.2.2.3@eth1 ttl 3 out 10.0.0.1@eth1"}},
	{.text = "{ rules: [\n{ name: 'hall \\u00e4\\n1', input: { interface: 'eth0', group:\n"
		 "'239.1.1.1', port: 5 }, outputs: [ { group: '10.0.0.1', port: 6 } ] } ] }",
	 .rules = {"hall____1 in 239.1.1.1:5@eth0 out 10.0.0.1:6"},
	 .comments = {"note: the name is hall____1"}},
	{.text = "{\n pinning: { eth0: [0, 1] }, pim: {}, igmp: {}, msdp: {}, control_plane: {},\n"
		 " colour: 'red', rules: [ 5,\n"
		 " { input: { interface: 'eth0', group: '239.1.1.1', port: 5 }, outputs: [] },\n"
		 " { input: { interface: 'e 0', group: '239.1.1.1' }, outputs: [ {} ] },\n"
		 " {} ] }",
	 .comments = {"pinning: set `workers: { cpus: [...] }`", "pim: no multicast routing",
		      "igmp: rules that follow", "colour: unknown", "rules[0]: not an object",
		      "no output after it", "'e 0': a blank in interface", "in the rule: in "},
	 .lost = 4},
};

static void mcr_files(void **state)
{
	CHECK("mcr", mcr);
}

/* What is no JSON5, or no configuration: an error with its place, and nothing else. */
static void mcr_errors(void **state)
{
	static const struct {
		const char *text;
		struct expected expected[2];
	} cases[] = {
		{"", {{1, 1, NULL, "expected a value"}}},
		{"[]", {{0, 0, NULL, "expected { rules"}}},
		{"{ rules: {} }", {{0, 0, NULL, "expected { rules"}}},
		{"{} x", {{1, 4, "x", "expected nothing behind"}}},
		{"{ rules [] }", {{1, 9, "[", "expected :"}}},
		{"{ rules: [ 1 2 ] }", {{1, 14, "2", "expected , or ]"}}},
		{"{ a: 1\n  b: 2 }", {{2, 3, "b", "expected , or }"}}},
		{"{ , }", {{1, 3, ",", "expected the name of a member"}}},
		{"{ a: 1", {{1, 7, NULL, "expected , or }"}}},
		{"{ a: 1,", {{1, 8, NULL, "expected the name of a member"}}},
		{"{ a: }", {{1, 6, "}", "expected a value"}}},
		{"{ a: 'x\n' }", {{1, 8, "\\x0a", "a string without end"}}},
		{"{ a: 'x", {{1, 8, NULL, "a string without end"}}},
		{"{ a: 'x\\", {{1, 9, NULL, "a string without end"}}},
		{"{ a: '\\u12g4' }", {{1, 9, "1", "hexadecimal"}}},
		{"{ a: '\\ud800' }", {{1, 9, "d", "not a character of a name"}}},
		{"{ a: '\\1' }", {{1, 8, "1", "not an escape"}}},
		{"{ a: '\xff' }", {{1, 7, "\\xff", "not valid UTF-8"}}},
		{"/* x", {{1, 1, "/", "a comment without end"}}},
		{"[[[[[[[[[[[[[[[[[", {{1, 17, "[", "too many levels"}}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct import_source source = {
			.bytes = cases[i].text, .length = strlen(cases[i].text), .file = "conf"};
		struct errors errors = {0};
		struct sheet_count count;
		size_t length;

		assert_null(import_configuration(import_peer("mcr"), &source, &length, &count,
						 &errors));
		assert_int_equal(errno, EINVAL);
		expect_errors(&errors, cases[i].expected, cases[i].text);
	}
}

/* ---- socat ---- */

static const struct import_case socat[] = {
	{.text = "# nothing\n"},
	{.text = "socat -u UDP4-RECV:5000,ip-add-membership=239.1.1.1:eth0,reuseaddr \\\n"
		 "  UDP4-DATAGRAM:239.2.2.2:6000,ip-multicast-if=10.0.1.1,ip-multicast-ttl=8 2>&1 "
		 "&\n",
	 .rules = {"in 239.1.1.1:5000@eth0 out 239.2.2.2:6000@eth1 ttl 8"},
	 .comments = {"# conf:1: socat -u", "# conf:2:   UDP4-DATAGRAM"}},
	/* A unit; two groups; interfaces by their addresses; TOS; the other direction. */
	{.text = "[Service]\n"
		 "ExecStart=-/usr/bin/socat -T 5 -b2000 UDP4-RECVFROM:6666,fork,"
		 "ip-add-membership=224.1.0.1:10.0.1.1,ip-add-membership=224.1.0.2:eth0 "
		 "udp4-sendto:10.0.0.5:7000,bind=10.0.1.1:7,tos=0xb8,ttl=3\n"
		 "x=1 socat -U UDP:10.0.0.6:1 UDP4-RECV:5,ip-membership=239.1.1.1:10.0.0.1:eth2",
	 .rules = {"in 224.1.0.1:6666@eth1 out 10.0.0.5:7000 from 10.0.1.1:7 ttl 3 dscp ef",
		   "in 224.1.0.2:6666@eth0 out 10.0.0.5:7000 from 10.0.1.1:7 ttl 3 dscp ef",
		   "in 239.1.1.1:5@eth2 out 10.0.0.6:1"},
	 .comments = {"note: no command of socat", "answers are not carried back"}},
	/* IPv6; a datagram address that receives; sources. */
	{.text = "socat UDP6-RECV:5000,ipv6-join-group=[ff3e::1]:eth0 "
		 "'UDP6-DATAGRAM:[ff3e::2]:6000,if=eth1,ipv6-multicast-hops=4'\n"
		 "socat UDP4-DATAGRAM:239.255.1.1:6666,bind=:6667,range=10.9.0.0/16,"
		 "ip-add-membership=239.255.1.1:eth0 UDP4:10.0.0.5:5; "
		 "socat UDP4-RECV:7,ip-add-source-membership=232.1.1.1:10.0.1.1:10.9.9.9 "
		 "UDP:10.0.0.5:5",
	 .rules = {"in [ff3e::1]:5000@eth0 out [ff3e::2]:6000@eth1 ttl 4",
		   "in 239.255.1.1:6667@eth0 source 10.9.0.0/16 out 10.0.0.5:5",
		   "in 232.1.1.1:7@eth1 source 10.9.9.9 out 10.0.0.5:5"}},
	/* Hosts and broadcast. */
	{.text = "socat UDP4-RECV:7,bind=10.0.1.1 "
		 "UDP4-DATAGRAM:255.255.255.255:9,broadcast,if=eth2",
	 .rules = {"in 10.0.1.1:7@eth1 out 255.255.255.255:9@eth2"}},
	/* What is not said. */
	{.text = "socat -u UDP4-RECV:5000,ip-add-membership=239.1.1.1:10.0.0.9 UDP4:10.0.0.5:5\n"
		 "socat -u UDP4-RECV:5000,ip-add-membership=239.1.1.1:2 UDP4:10.0.0.5:5\n"
		 "socat -u UDP4-RECV:5000,ip-add-membership=239.1.1.1:eth0 "
		 "UDP4-SENDTO:239.2.2.2:6\n"
		 "socat -u UDP4-RECV:5000 UDP4-DATAGRAM:239.2.2.2:6000,if=eth1\n",
	 .comments = {"replace IFACE by its name in\n",
		      "  - in 239.1.1.1:5000@IFACE out 10.0.0.5:5\n",
		      "  - in 239.1.1.1:5000@eth0 out 239.2.2.2:6@IFACE\n",
		      "  - in ADDR:5000@IFACE out 239.2.2.2:6000@eth1\n"},
	 .lost = 4},
	/* What is no such command. */
	{.text = "socat TCP4-LISTEN:80,fork TCP4:www:80\nsocat -u UDP4-RECV:5 STDOUT\nsocat -h\n"
		 "socat \"UDP4-RECV:5 6\" UDP4:10.0.0.1:5\n"
		 "socat -u UDP4-RECV:5,ip-add-membership=239.1.1.1:eth0,shut-null,tos "
		 "UDP4:host:5,tos=3,sp=7\n",
	 .comments = {"TCP4-LISTEN: expected UDP-RECV", "STDOUT: expected UDP-DATAGRAM",
		      "expected two addresses", "a blank in an address", "shut-null: not available",
		      "tos=3: expected a DSCP", "source port 7: `from` needs", "'host': "},
	 .lost = 5},
};

static void socat_commands(void **state)
{
	CHECK("socat", socat);
}

/* ---- udp-broadcast-relay ---- */

#define AS_SENT " from keep ttl keep dscp keep"

static const struct import_case broadcast[] = {
	{.text = "udpbroadcastrelay --id 1 --port 6112 --dev eth0 --dev eth1 --dev eth2 -f",
	 .rules = {"in 255.255.255.255:6112@eth0 may_loop out 255.255.255.255:6112@eth1" AS_SENT
		   " out 255.255.255.255:6112@eth2" AS_SENT,
		   "in 255.255.255.255:6112@eth1 may_loop out 255.255.255.255:6112@eth0" AS_SENT
		   " out 255.255.255.255:6112@eth2" AS_SENT,
		   "in 255.255.255.255:6112@eth2 may_loop out 255.255.255.255:6112@eth0" AS_SENT
		   " out 255.255.255.255:6112@eth1" AS_SENT},
	 .comments = {"id 1: not needed", "a network's own broadcast address"}},
	{.text = "./udp-broadcast-relay-redux -id 2 --port 5353 -dev eth0 -dev eth1 "
		 "--multicast 224.0.0.251 -s 1.1.1.1 -d",
	 .rules =
		 {"in 224.0.0.251:5353@eth0 may_loop out 224.0.0.251:5353@eth1 ttl keep dscp keep",
		  "in 224.0.0.251:5353@eth1 may_loop out 224.0.0.251:5353@eth0 ttl keep dscp keep"},
	 .comments = {"-s 1.1.1.1: the packets leave from the address of their interface"},
	 .lost = 1},
	{.text = "udp-broadcast-relay -f 3 137 eth0 eth1",
	 .rules = {"in 255.255.255.255:137@eth0 may_loop out 255.255.255.255:137@eth1" AS_SENT,
		   "in 255.255.255.255:137@eth1 may_loop out 255.255.255.255:137@eth0" AS_SENT}},
	{.text = "udpbroadcastrelay --id 1 --port 80 --dev eth0 --dev eth1 -s 10.0.0.1 "
		 "--allowcidr 10.0.0.0/8 --blockcidr 10.1.0.0/16 --colour",
	 .rules = {"in 255.255.255.255:80@eth0 source 10.0.0.0/8 may_loop "
		   "out 255.255.255.255:80@eth1 from 10.0.0.1 ttl keep dscp keep",
		   "in 255.255.255.255:80@eth1 source 10.0.0.0/8 may_loop "
		   "out 255.255.255.255:80@eth0 from 10.0.0.1 ttl keep dscp keep"},
	 .comments = {"blockcidr 10.1.0.0/16: not available", "colour: unknown"},
	 .lost = 1},
	{.text = "udpbroadcastrelay --port 80 --dev eth0\nudpbroadcastrelay --dev eth0 --dev eth1\n"
		 "udpbroadcastrelay --port 80 --dev eth0 --dev\n"
		 "udpbroadcastrelay --port 80000 --dev eth0 --dev eth1\n",
	 .comments = {"expected --port PORT and --dev IFACE", "'80000'"},
	 .lost = 4},
};

static void broadcast_commands(void **state)
{
	CHECK("udp-broadcast-relay", broadcast);
}

/* ---- bounds ---- */

static void too_long(void **state)
{
	static const struct expected expected[] = {{0, 0, NULL, "too long"}, {0}};
	struct import_source source = {.length = IMPORT_BYTES_MAX + 1, .file = "conf"};
	struct errors errors = {0};
	struct sheet_count count;
	size_t length;

	for (const struct import_peer *peer = import_peers; peer->name; peer++) {
		assert_null(import_configuration(peer, &source, &length, &count, &errors));
		assert_int_equal(errno, EINVAL);
		expect_errors(&errors, expected, peer->name);
	}
}

static void too_many_rules(void **state)
{
	size_t lines = SHEET_RULES_MAX / 256 + 2;
	char *text = malloc(lines * 64);
	char *end = text;
	struct sheet_count count;
	char *result;

	for (size_t i = 0; i < lines; i++)
		end += sprintf(end, "mroute from eth0 group 239.0.%zu.0/24 to eth1\n", i);
	result = import("smcroute", text, &count);
	assert_int_equal(count.rules, SHEET_RULES_MAX);
	assert_int_equal(count.lost, 2);
	assert_non_null(strstr(result, "more than 4096 rules"));
	free(result);
	free(text);
}

/* Four refused rules of a line are shown, the others counted as one. */
static void refused_range(void **state)
{
	struct sheet_count count;
	char *result = import("smcroute", "mroute from eth0 group 239.0.0.0/24 to eth0", &count);
	unsigned int shown = 0;

	for (const char *at = result; (at = strstr(at, "in the rule: ")); at++)
		shown++;
	assert_int_equal(count.rules, 0);
	assert_int_equal(count.lost, 1);
	assert_int_equal(shown, 4);
	assert_non_null(strstr(result, "not carried over: more rules of this line"));
	free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smcroute_files), cmocka_unit_test(igmpproxy_files),
		cmocka_unit_test(mcr_files),	  cmocka_unit_test(mcr_errors),
		cmocka_unit_test(socat_commands), cmocka_unit_test(broadcast_commands),
		cmocka_unit_test(too_long),	  cmocka_unit_test(too_many_rules),
		cmocka_unit_test(refused_range),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
