/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "expect.h"
#include "rules/aliases.h"
#include "rules/change.h"
#include "rules/schema.h"

#define RULES_MAX 4

/* Rules that parse, and the errors in them or between them. The line is the rule's number. */
static const struct {
	const char *rules[RULES_MAX + 1];
	struct expected errors[6];
} bad[] = {
	/* names */
	{{"a in 239.1.1.1:1@a out 1.1.1.1:1", "a in 239.1.1.2:1@a out 1.1.1.1:1"},
	 {{2, 1, "a", "duplicate name: the rule for"}}},
	{{"in 239.1.1.1:1@a out 1.1.1.1:1", "239.1.1.1:1@a in 239.1.1.2:1@a out 1.1.1.1:1"},
	 {{2, 1, "239.1.1.1:1@a", "duplicate name"}}},
	{{"239.1.1.1:1@a in 239.1.1.2:1@a out 1.1.1.1:1", " in 239.1.1.1:1@a out 1.1.1.1:1"},
	 {{2, 2, "239.1.1.1:1@a", "duplicate name"}}},
	/* inputs */
	{{"a in 239.1.1.1:1@a out 1.1.1.1:1", "b in 239.1.1.1:1@a out 1.1.1.2:1"},
	 {{2, 6, "239.1.1.1:1@a", "duplicate input: rule a (line 1) already has it"}}},
	{{"a in 239.1.1.1:1@a source 1.1.1.1 out 1.1.1.1:1",
	  "b in 239.1.1.1:1@a source 1.1.1.1 out 1.1.1.2:1"},
	 {{2, 6, "239.1.1.1:1@a", "duplicate input"}}},
	{{"a in 239.1.1.1:1@a source 10.0.0.0/8 out 1.1.1.1:1",
	  "b in 239.1.1.1:1@a source 10.0.0.0/9 out 1.1.1.2:1",
	  "c in 239.1.1.1:1@a source 10.0.0.0/8 out 1.1.1.2:1"},
	 {{3, 6, "239.1.1.1:1@a", "duplicate input: rule a (line 1) already has it"}}},
	{{"a in [ff3e::1]:1@a source 10.0.0.0/8 out 1.1.1.1:1"},
	 {{1, 27, "10.0.0.0/8", "another address family than the input, expected IPv6"}}},
	/* a derived name is duplicate because the input is: reported once */
	{{"in 239.1.1.1:1@a out 1.1.1.1:1", "in 239.1.1.1:1@a out 1.1.1.1:1"},
	 {{2, 4, "239.1.1.1:1@a", "duplicate input"}}},
	/* both; and three of a kind */
	{{"a in 239.1.1.1:1@a out 1.1.1.1:1", "a in 239.1.1.1:1@a out 1.1.1.1:1",
	  "a in 239.1.1.2:1@a out 1.1.1.1:1"},
	 {{2, 1, "a", "duplicate name: the rule for"},
	  {2, 6, "239.1.1.1:1@a", "duplicate input: rule a (line 1) already has it"},
	  {3, 1, "a", "duplicate name: the rule for"}}},
	/* loops */
	{{"a in 239.1.1.1:1@a out 239.1.1.1:1@a"},
	 {{1, 24, "239.1.1.1:1@a", "the output is the rule's own input"}}},
	{{"a in 10.1.1.1:1@a out 1.1.1.1:1 out 10.1.1.1:1@a ttl 5"},
	 {{1, 37, "10.1.1.1:1@a", "the output is the rule's own input"}}},
	{{"a in 239.1.1.1:1@a may_loop out 239.1.1.1:1@a out 1.1.1.1:1 burst 1s"},
	 {{1, 51, "1.1.1.1:1", "a burst without a limit, expected `rate` or `pps` beside it"}}},
	/* on demand */
	{{"a in 239.1.1.1:1@a out 1.1.1.1:1 when joined"},
	 {{1, 24, "1.1.1.1:1", "`when joined` to an address that nobody can join, expected"}}},
	{{"a in 239.1.1.1:1@a on demand out 239.1.1.2:1@b when joined out 239.1.1.3:1@b"},
	 {{1, 64, "239.1.1.3:1@b", "`on demand`, and an output that is always wanted, expected"}}},
	{{"a in 1.1.1.1:1@a on demand out 239.1.1.2:1@b when joined"},
	 {{1, 6, "1.1.1.1:1@a", "`on demand` with an input that is not joined, expected"}}},
	/* prefixes of groups: what goes around, by both, by one of them, and the own input */
	{{"a in 239.1.0.0/16:any@a out same@b when joined",
	  "b in 239.0.0.0/8:any@b out same@a when joined"},
	 {{2, 28, "same@a", "rules that feed themselves: a -> b -> a"}}},
	{{"a in 239.1.0.0/16:any@a out same@b when joined",
	  "b in 239.1.2.3:6@b out 239.2.9.9:6@a out 239.1.9.9:7@a"},
	 {{2, 42, "239.1.9.9:7@a", "rules that feed themselves: a -> b -> a"}}},
	{{"b in 239.1.2.3:6@b out 239.1.9.9:7@a", "c in 239.1.2.3:6@c out 1.1.1.1",
	  "a in 239.1.0.0/16:7@a out same@c when joined out same:6@b when joined"},
	 {{3, 50, "same:6@b", "rules that feed themselves: b -> a -> b"}}},
	{{"a in [ff3e::]/32:any@a out same@a when joined"},
	 {{1, 28, "same@a", "the output is the rule's own input"}}},
	{{"a in 239.1.0.0/16:any@a out same@b when joined",
	  "b in 239.1.0.0/16:any@a out same@c when joined",
	  "c in 239.1.0.0/17:any@a out same@c when joined out same@c when joined"},
	 {{2, 6, "239.1.0.0/16:any@a", "duplicate input: rule a (line 1)"},
	  {3, 52, "same@c", "duplicate output"}}},
	{{"a in 239.1.0.0/16:any@a out same@b",
	  "b in 239.2.0.0/16:any@a out 239.2.1.1@b when joined out same@b when joined",
	  "c in 239.3.0.0/16:any@a sequence rtp out same@b when joined"},
	 {{1, 29, "same@b", "expected `when joined` in each output"},
	  {2, 29, "239.2.1.1@b", "one destination for a prefix of groups, expected same"},
	  {3, 6, "239.3.0.0/16:any@a", "`lease`, `sequence` and `watch` are not for a prefix"}}},
	/* Groups of the link alone are none that a prefix relays; one that has others as well is.
	 */
	{{"a in [ff00::]/15:any@a out same@b when joined",
	  "b in [ff12::]/16:any@a out same@b when joined",
	  "c in 224.0.0.128/25:any@a out same@b when joined"},
	 {{1, 6, "[ff00::]/15:any@a", "groups of the link, of which a prefix relays none"},
	  {2, 6, "[ff12::]/16:any@a", "groups of the link, of which a prefix relays none"},
	  {3, 6, "224.0.0.128/25:any@a", "groups of the link, of which a prefix relays none"}}},
	/* several inputs */
	{{"a in A:239.1.1.1:1@a in B:239.1.1.2:1@b out 1.1.1.1:1"},
	 {{1, 25, "B:239.1.1.2:1@b", "several inputs, but not how one stream is made of them"}}},
	{{"a in A:239.1.1.1:1@a out 1.1.1.1:1"},
	 {{1, 6, "A:239.1.1.1:1@a", "a label, but no further input"}}},
	{{"a in 239.1.1.1:1@a hold 1s skew 20ms order off out 1.1.1.1:1",
	  "b in 239.1.1.2:1@a select first out 1.1.1.1:1",
	  "c in 239.1.1.3:1@a merge rtp out 1.1.1.1:1"},
	 {{1, 25, "1s", "it is of `select first`"},
	  {1, 33, "20ms", "it is of `merge`"},
	  {1, 44, "off", "it is of `merge`"},
	  {2, 27, "first", "`select` needs several inputs"},
	  {3, 26, "rtp", "`merge` needs several inputs"}}},
	{{"a in A:239.1.1.1:1@a in B:239.1.1.1:1@a select first merge rtp out 1.1.1.1:1"},
	 {{1, 25, "B:239.1.1.1:1@a", "an input that the rule has already"},
	  {1, 60, "rtp", "both `select` and `merge`"}}},
	{{"a in A:239.1.1.1:1@a in B:[ff3e::1]:2@b select first path kernel sequence rtp out "
	  "1.1.1.1"},
	 {{1, 25, "B:[ff3e::1]:2@b", "another port than the first input, and an output without"},
	  {1, 25, "B:[ff3e::1]:2@b", "another address family"},
	  {1, 59, "kernel", "the kernel path has one input"},
	  {1, 75, "rtp", "a lease moves at a number of one input"},
	  {1, 83, "1.1.1.1", "the kernel path does not read sequence numbers"}}},
	{{"a in A:239.1.1.1:1@a in B:239.1.1.1/50@b select first out 1.1.1.1:1",
	  "b in A:239.1.2.1:any@a in B:239.1.2.0/24:any@b select first out 1.1.1.1:1"},
	 {{1, 25, "B:239.1.1.1/50@b", "an IP protocol among several inputs"},
	  {1, 25, "B:239.1.1.1/50@b", "any port of one input"},
	  {2, 27, "B:239.1.2.0/24:any@b", "a prefix among several inputs"}}},
	/* with other rules: the same input, and loops by any of them */
	{{"a in A:239.1.1.1:1@a in B:239.1.1.2:1@b select first out 1.1.1.1:1",
	  "b in 239.1.1.2:1@b out 1.1.1.1:1",
	  "c in A:239.1.1.3:1@c in B:239.1.1.1:1@a select first out 1.1.1.1:1"},
	 {{2, 6, "239.1.1.2:1@b", "duplicate input: rule a (line 1)"},
	  {3, 25, "239.1.1.1:1@a", "duplicate input: rule a (line 1)"}}},
	{{"a in A:239.1.1.1:1@a in B:239.1.1.2:1@b select first out 239.1.1.2:1@b"},
	 {{1, 58, "239.1.1.2:1@b", "the output is the rule's own input"}}},
	{{"a in A:239.1.1.1:1@a in B:239.1.1.2:1@b select first out 239.1.1.3:1@c",
	  "b in 239.1.1.3:1@c out 239.1.1.2:1@b"},
	 {{2, 24, "239.1.1.2:1@b", "rules that feed themselves: a -> b -> a"}}},
	/* outputs */
	{{"a in 239.1.1.1:1@a out 1.1.1.1:1 ttl 1 out 1.1.1.1:1 ttl 2"},
	 {{1, 44, "1.1.1.1:1", "duplicate output"}}},
	{{"a in 239.1.1.1:1@a out 239.1.1.2:1@b out 1.1.1.1:1 out 239.1.1.2:1@b"},
	 {{1, 56, "239.1.1.2:1@b", "duplicate output"}}},
	/* one destination written in two ways; the own input, with any port or one of them */
	{{"a in 239.1.1.1:7@a out 239.1.1.2@b out 1.1.1.1:7 out 239.1.1.2:7@b out 1.1.1.1"},
	 {{1, 54, "239.1.1.2:7@b", "duplicate output"}, {1, 72, "1.1.1.1", "duplicate output"}}},
	{{"a in 239.1.1.1:any@a out 239.1.1.2@b out 239.1.1.2@b"},
	 {{1, 42, "239.1.1.2@b", "duplicate output"}}},
	{{"a in 239.1.1.1:7@a out 239.1.1.1@a"},
	 {{1, 24, "239.1.1.1@a", "the output is the rule's own input"}}},
	{{"a in 239.1.1.1:any@a out 239.1.1.1@a out 239.1.1.1:7@a"},
	 {{1, 26, "239.1.1.1@a", "the output is the rule's own input"},
	  {1, 42, "239.1.1.1:7@a", "the output is the rule's own input"}}},
	/* any port twice */
	{{"a in 239.1.1.1:any@a out 1.1.1.1", "b in 239.1.1.1:any@a out 1.1.1.2",
	  "c in 239.1.1.1:any@a source 1.0.0.0/8 out 1.1.1.1",
	  "in 239.1.1.1:any@a source 1.0.0.0/8 out 1.1.1.1"},
	 {{2, 6, "239.1.1.1:any@a", "duplicate input"},
	  {4, 4, "239.1.1.1:any@a", "duplicate input"}}},
	{{"a in [ff3e::1]:1@a out [fe80::2]"},
	 {{1, 24, "[fe80::2]", "without an interface, expected [ADDR][:PORT]@IFACE"}}},
	/* the source's family is the input's */
	{{"a in 239.1.1.1:1@a source fe80::1 out 1.1.1.1:1 out [2001:db8::2]:1"},
	 {{1, 27, "fe80::1", "another address family than the input, expected IPv4"}}},
	{{"a in [ff3e::1]:1@a source 1.1.1.1 out 1.1.1.2:1"},
	 {{1, 27, "1.1.1.1", "another address family than the input, expected IPv6"}}},
	/* scopes */
	{{"a in [ff3e::1]:1@a out [fe80::2]:1 out [febf::2]:1 out [ff01::3]:1@b"},
	 {{1, 24, "[fe80::2]:1", "a link-local address without an interface"},
	  {1, 40, "[febf::2]:1", "a link-local address without an interface"},
	  {1, 56, "[ff01::3]:1@b", "interface-local scope leaves no host"}}},
	{{"a in [ff3e::1]:1@a out 127.0.0.1:1@b out [::1]:1@b out 127.0.0.2:1@lo out [::1]:2"},
	 {{1, 24, "127.0.0.1:1@b", "a loopback address leaves by no interface"},
	  {1, 42, "[::1]:1@b", "a loopback address leaves by no interface"}}},
	{{"a in 239.1.1.1:1@a out 239.1.1.2:1@b from 127.0.0.1 out 1.1.1.1:1 from 127.0.0.1 "
	  "out 239.1.1.2:1@lo from 127.0.0.1 out 127.0.0.1:2 from 127.0.0.1"},
	 {{1, 24, "239.1.1.2:1@b", "`from` a loopback address leaves by no interface"}}},
	{{"a in [ff01::1]:1@a out 1.1.1.1:1"},
	 {{1, 6, "[ff01::1]:1@a", "interface-local scope is on no wire"}}},
	{{"a in [ff10::1]:1@a out 1.1.1.1:1"},
	 {{1, 6, "[ff10::1]:1@a", "interface-local scope is on no wire"}}},
	/* an IP protocol needs the kernel path; the default is the user path */
	{{"a in 239.1.1.1/50@a out 239.1.1.2@b", "b in 239.1.1.1/47@a path auto out 239.1.1.2@b",
	  "c in [ff3e::1]/50@a path user out [ff3e::2]@b"},
	 {{1, 6, "239.1.1.1/50@a",
	   "/50 is an IP protocol, which the kernel path alone carries, expected `path kernel` in "
	   "the rule, or none there and `relay: { path: kernel }`"},
	  {2, 26, "auto", "/47 is an IP protocol, which the kernel path alone carries"},
	  {3, 26, "user", "/50 is an IP protocol, which the kernel path alone carries"}}},
	/* it has neither ports nor options of the user path, nor another family */
	{{"a in 239.1.1.1/50@a path kernel out 239.1.1.2:7@b out 239.1.1.2@b gso 2",
	  "b in 239.1.1.1/47@a path kernel out 239.1.1.2@b pps 1 burst 1s out [ff3e::1]@b",
	  "c in 239.1.1.1/4@a path kernel out 239.1.1.2@b burst 1s"},
	 {{1, 37, "239.1.1.2:7@b", "a port, which the IP protocol of the input does not have"},
	  {1, 55, "239.1.1.2@b", "expected no `gso`, `rate`, `pps` and `burst`"},
	  {2, 37, "239.1.1.2@b", "expected no `gso`, `rate`, `pps` and `burst`"},
	  {2, 68, "[ff3e::1]@b", "the kernel path keeps the address family, expected IPv4"},
	  {3, 36, "239.1.1.2@b", "expected no `gso`, `rate`, `pps` and `burst`"}}},
	{{"a in 239.1.1.1/50@a path kernel out 239.1.1.1@a out 239.1.1.2@b out 239.1.1.2@b",
	  "b in 239.1.1.1/50@a path kernel source fe80::1 out 239.1.1.2@b",
	  "in [ff01::1]/50@a path kernel out [ff3e::1]@b"},
	 {{1, 37, "239.1.1.1@a", "the output is the rule's own input"},
	  {1, 69, "239.1.1.2@b", "duplicate output"},
	  {2, 40, "fe80::1", "another address family than the input, expected IPv4"},
	  {3, 4, "[ff01::1]/50@a", "interface-local scope is on no wire"}}},
	{{"a in 239.1.1.1/50@a path kernel out 239.1.1.2@b",
	  "b in 239.1.1.1/50@a path kernel out 239.1.1.3@b"},
	 {{2, 6, "239.1.1.1/50@a", "duplicate input: rule a (line 1) already has it"}}},
	/* what the kernel path of a rule cannot do */
	{{"a in 239.1.1.1:1@a path kernel out 1.1.1.1:1 rate 1mbit burst 1s out [2001:db8::1]:1",
	  "b in [ff3e::1]:1@a path kernel out 1.1.1.1:1 pps 5 gso 7"},
	 {{1, 36, "1.1.1.1:1", "the kernel path has no limits, expected no `rate` and no `pps`"},
	  {1, 70, "[2001:db8::1]:1", "the kernel path keeps the address family, expected IPv4"},
	  {2, 36, "1.1.1.1:1", "the kernel path keeps the address family, expected IPv6"},
	  {2, 36, "1.1.1.1:1", "the kernel path has no limits"}}},
	/* the source of what is sent has the family of the destination */
	{{"a in 239.1.1.1:1@a out 1.1.1.1:1 from [2001:db8::1] out [ff3e::1]:1@b from 1.1.1.2:5",
	  "b in 239.1.1.2:1@a out [ff3e::1]:1@b from keep",
	  "c in [ff3e::1]:1@a out 1.1.1.1:1 from keep",
	  "d in [ff3e::1]:1@a source 2001:db8::1 out [2001:db8::2]:1 from [fe80::1]"},
	 {{1, 24, "1.1.1.1:1", "`from` of another address family, expected IPv4"},
	  {1, 57, "[ff3e::1]:1@b", "`from` of another address family, expected IPv6"},
	  {2, 24, "[ff3e::1]:1@b", "`from keep` to another address family than that of the input"},
	  {3, 24, "1.1.1.1:1", "`from keep` to another address family than that of the input"},
	  {4, 43, "[2001:db8::2]:1", "`from` a link-local address without an interface"}}},
	{{"a in 239.1.1.1/50@a path kernel out 239.1.1.2@b from 1.1.1.1:5"},
	 {{1, 37, "239.1.1.2@b",
	   "`from` a port, which the IP protocol of the input does not have"}}},
	{{"a in 255.255.255.255:1@a out 255.255.255.255:1@a"},
	 {{1, 30, "255.255.255.255:1@a", "the output is the rule's own input"}}},
	/* a rule that cannot be parsed does not prevent checks of the others */
	{{"a in 239.1.1.1:1@a", "b in 239.1.1.1:1@a out 1.1.1.1:1",
	  "b in 239.1.1.2:1@a out 1.1.1.1:1"},
	 {{1, 6, "239.1.1.1:1@a", "no output after it"}, {3, 1, "b", "duplicate name"}}},
};

static size_t count_texts(const char *const *texts)
{
	size_t count = 0;

	while (texts[count])
		count++;
	return count;
}

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct errors errors = {0};
		struct config config;

		config_init(&config);
		assert_int_equal(config_add_rules(&config, bad[i].rules, count_texts(bad[i].rules),
						  "--rule", &errors),
				 -EINVAL);
		expect_errors(&errors, bad[i].errors, bad[i].rules[0]);
		assert_int_equal(config.nr_rules, 0);
		assert_null(config.rules);
	}
}

/* Rules that barely avoid each of the errors above. */
static const char *const good[] = {
	"a in 239.1.1.1:1@a out 239.1.1.1:2@a out 239.1.1.1:1@b out 239.1.1.2:1@a",
	"b in 239.1.1.1:1@b out 1.1.1.1:1 out 1.1.1.1:1@a out 1.1.1.1:2 out 1.1.1.2:1",
	"c in 239.1.1.1:2@a out 1.1.1.1:1",
	"d in 239.1.1.1:1@a source 1.1.1.1 out 1.1.1.1:1",
	"e in 239.1.1.1:1@a source 1.1.1.2 out 1.1.1.1:1",
	"in 10.1.1.1:1@a out 10.1.1.1:2 rate 1mbit burst 1s",
	"A in 239.1.1.3:1@a out 1.1.1.1:1",
	"f in 239.1.1.1:1@a source 1.0.0.0/8 out 1.1.1.1:1",
	"g in 239.1.1.1:1@a source 1.0.0.0/9 out 1.1.1.1:1",
	"h in 239.1.1.1:1@b source 1.0.0.0/9 out 1.1.1.1:1",
	"in [ff3e::1]:1@a source fe80::1 out [ff02::2]:1@b out [fe80::1]:1@b out [fec0::1]:1",
	"in [fe80::1]:1@a out 1.1.1.1:1 out [ff3e::2]:1@b",
	"i in 239.1.1.1:any@a out 1.1.1.1 out 1.1.1.1:1 out 239.1.1.1@b out 239.1.1.2@a",
	"j in 239.1.1.1:any@a source 1.1.1.1 out 1.1.1.1",
	"k in 239.1.1.1:any@b out 1.1.1.1",
	"in 239.1.1.4:1@a source 10.0.0.1 out [ff3e::2]:1@b",
	"l in 239.1.1.1/50@a path kernel out 239.1.1.2@b out 239.1.1.2@c out 10.1.1.1",
	"m in 239.1.1.1/47@a path kernel out 239.1.1.2@b",
	"n in 239.1.1.1/50@a source 1.0.0.0/8 path kernel out 239.1.1.1@b ttl 9 dscp ef",
	"o in 239.1.1.5:1@a path kernel out 1.1.1.1:1 gso 5 out 239.1.1.6:7@b out 239.1.1.6@b",
	"p in 239.1.1.6:1@a path auto out 1.1.1.1:1 rate 1mbit out [ff3e::2]:1@b",
	"q in 239.1.1.7:1@a path user out 1.1.1.1:1 rate 1mbit out [ff3e::2]:1@b",
	("r in 239.1.1.8:1@a out 1.1.1.1:1 from 1.1.1.2:5 out 1.1.1.3:1 from 1.1.1.2:5 out "
	 "1.1.1.4:1 from keep out [ff3e::2]:1@b from [fe80::1]:5 ttl dec dscp keep"),
	"s in 239.1.1.3/47@a path kernel out 239.1.1.2@b from keep out 1.1.1.1 from 1.1.1.2",
	"t in 255.255.255.255:1@a out 255.255.255.255:1@b out 10.1.1.255:1",
	"u in 10.1.1.255:1@a out 255.255.255.255:2@b from keep",
	"z1 in 239.4.0.0/16:any@a out same@b when joined",
	"z2 in 239.4.0.0/16:5@b out same:6@c when joined from keep",
	"z3 in 239.4.2.3:any@b out 239.5.2.3@a",
	"z4 in [ff00::]/8:any@y out same@z when joined",
	"z5 in [ff02::]/15:any@y out same@z when joined",
	"z6 in 224.0.0.0/23:any@y out same@z when joined",
};

static void test_good(void **state)
{
	struct errors errors = {0};
	struct config config;
	unsigned int count = sizeof(good) / sizeof(good[0]);

	config_init(&config);
	assert_int_equal(config_add_rules(&config, good, count, "--rule", &errors), 0);
	expect_no_errors(&errors, "good");
	assert_int_equal(config.nr_rules, count);
	assert_string_equal(config.rules[5].name, "10.1.1.1:1@a");
	config_free(&config);
	assert_int_equal(config.nr_rules, 0);
}

/* Rules added later are compared with those before; refused ones leave no trace. */
static void test_add_later(void **state)
{
	static const struct expected duplicates[] = {
		{1, 1, "a", "duplicate name: the rule for"},
		{1, 6, "239.1.1.1:1@a", "duplicate input: rule a already has it"},
		{0},
	};
	static const struct expected mixed[] = {{2, 1, "in", "nothing after it"}, {0}};
	const char *texts[] = {"b in 239.1.1.2:1@a out 1.1.1.1:1", "in"};
	struct errors errors = {0};
	struct config config;
	struct rule *before;

	config_init(&config);
	config.stats_interval = 5;
	assert_int_equal(config_add_rules(&config, (const char *const[]){good[0]}, 1, "x", &errors),
			 0);
	before = config.rules;
	assert_int_equal(config_add_rules(&config, (const char *const[]){good[0]}, 1, "x", &errors),
			 -EINVAL);
	expect_errors(&errors, duplicates, "the same again");
	assert_int_equal(config_add_rules(&config, texts, 2, "x", &errors), -EINVAL);
	expect_errors(&errors, mixed, "one good, one bad");
	assert_ptr_equal(config.rules, before);
	assert_int_equal(config.nr_rules, 1);
	assert_int_equal(config_add_rules(&config, texts, 1, "x", &errors), 0);
	assert_int_equal(config_add_rules(&config, NULL, 0, "x", &errors), 0);
	for (unsigned int i = 1; i < sizeof(good) / sizeof(good[0]); i++) {
		if (i == 1) /* its name is taken by now */
			continue;
		assert_int_equal(
			config_add_rules(&config, (const char *const[]){good[i]}, 1, "x", &errors),
			0);
	}
	expect_no_errors(&errors, "later");
	assert_int_equal(config.nr_rules, sizeof(good) / sizeof(good[0]));
	assert_int_equal(config.stats_interval, 5);
	config_free(&config);
}

static void test_outputs_limit(void **state)
{
	static const struct expected expected[] = {
		{1, 4783, "1.1.1.1:257", "too many outputs for one rule, expected at most 256"},
		{0},
	};
	struct errors errors = {0};
	struct config config;
	char text[8192] = "a in 239.1.1.1:1@a";
	size_t used = strlen(text);

	config_init(&config);
	for (int i = 1; i <= XMC_MAX_OUTPUTS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "    out 1.1.1.1:%d", i);
	assert_int_equal(config_add_rules(&config, (const char *const[]){text}, 1, "x", &errors),
			 0);
	assert_int_equal(config.rules[0].nr_outputs, XMC_MAX_OUTPUTS);
	config_free(&config);
	snprintf(text + used, sizeof(text) - used, "    out 1.1.1.1:257");
	assert_int_equal(config_add_rules(&config, (const char *const[]){text}, 1, "x", &errors),
			 -EINVAL);
	expect_errors(&errors, expected, "257 outputs");
	config_free(&config);
}

/* On the kernel path, a rule has at most 64 outputs, and its first one too many is reported. */
static void test_kernel_outputs_limit(void **state)
{
	static const struct expected expected[] = {
		{1, 987, "1.1.1.1:65", "too many outputs for the kernel path, expected at most 64"},
		{0},
	};
	const char *texts[1];
	struct errors errors = {0};
	struct config config;
	char text[2048];
	size_t used = (size_t)snprintf(text, sizeof(text), "a in 239.1.1.1:1@a path kernel");

	config_init(&config);
	texts[0] = text;
	for (int i = 1; i <= XMC_MAX_COPIES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, " out 1.1.1.1:%d", i);
	assert_int_equal(config_add_rules(&config, texts, 1, "x", &errors), 0);
	config_free(&config);
	used += (size_t)snprintf(text + used, sizeof(text) - used, " out 1.1.1.1:65");
	snprintf(text + used, sizeof(text) - used, " out 1.1.1.1:66");
	assert_int_equal(config_add_rules(&config, texts, 1, "x", &errors), -EINVAL);
	expect_errors(&errors, expected, "66 outputs");
	/* With another path all are accepted. */
	memcpy(strstr(text, "kernel"), "auto  ", 6);
	assert_int_equal(config_add_rules(&config, texts, 1, "x", &errors), 0);
	config_free(&config);
}

/* A file with this `relay.path`. */
static int parse_file(const char *path, const char *rule, struct config *config,
		      struct errors *errors)
{
	char *text;
	int length = asprintf(&text, "rules: [ '%s' ]\nrelay: { path: %s }\n", rule, path);
	int error;

	assert_true(length > 0);
	config_init(config);
	error = config_parse_yaml(text, (size_t)length, "x", config, errors);
	free(text);
	return error;
}

/* The path that a rule has by `relay.path`. */
static void test_relay_path(void **state)
{
	static const struct {
		const char *relay, *rule;
		enum rule_path path;
		struct expected error;
	} cases[] = {
		{"user", "in 239.1.1.1:1@a out 1.1.1.1:1", RULE_PATH_USER, {0}},
		{"auto", "in 239.1.1.1:1@a out 1.1.1.1:1", RULE_PATH_AUTO, {0}},
		{"kernel", "in 239.1.1.1:1@a out 1.1.1.1:1", RULE_PATH_KERNEL, {0}},
		{"kernel", "in 239.1.1.1:1@a path user out 1.1.1.1:1", RULE_PATH_USER, {0}},
		{"user", "in 239.1.1.1:1@a path auto out 1.1.1.1:1", RULE_PATH_AUTO, {0}},
		/* limits and families are the relay's concern then: such a rule is pending */
		{"kernel",
		 "in 239.1.1.1:1@a out 1.1.1.1:1 pps 1 out [ff3e::1]:1@b",
		 RULE_PATH_KERNEL,
		 {0}},
		/* IP protocols */
		{"kernel", "in 239.1.1.1/50@a out 1.1.1.1", RULE_PATH_KERNEL, {0}},
		{"auto", "in 239.1.1.1/50@a path kernel out 1.1.1.1", RULE_PATH_KERNEL, {0}},
		{"auto",
		 "in 239.1.1.1/50@a out 1.1.1.1",
		 0,
		 {1, 14, "239.1.1.1/50@a", "expected `path kernel` in the rule"}},
		{"kernel",
		 "in 239.1.1.1/50@a path auto out 1.1.1.1",
		 0,
		 {1, 34, "auto", "/50 is an IP protocol, which the kernel path alone carries"}},
		{"kernel",
		 "in 239.1.1.1/50@a out 1.1.1.1:1",
		 0,
		 {1, 33, "1.1.1.1:1", "a port, which the IP protocol of the input does not have"}},
		{"kernel",
		 "in 239.1.1.1/50@a out 1.1.1.1 rate 1mbit",
		 0,
		 {1, 33, "1.1.1.1", "expected no `gso`"}},
		{"kernel",
		 "in 239.1.1.1/50@a out [ff3e::1]@b",
		 0,
		 {1, 33, "[ff3e::1]@b", "the kernel path keeps the address family"}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct expected expected[] = {cases[i].error, {0}};
		struct errors errors = {0};
		struct config config;
		int error = parse_file(cases[i].relay, cases[i].rule, &config, &errors);

		expect_errors(&errors, expected, cases[i].rule);
		assert_int_equal(error, cases[i].error.message ? -EINVAL : 0);
		if (!error)
			assert_int_equal(rule_path(&config, &config.rules[0]), cases[i].path);
		config_free(&config);
	}
}

/* A rule that is added later has the running `relay.path`. */
static void test_relay_path_later(void **state)
{
	const char *esp = "in 239.1.1.1/50@a out 1.1.1.1";
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	assert_int_equal(config_add_rules(&config, &esp, 1, "x", &errors), -EINVAL);
	expect_errors(&errors,
		      (const struct expected[]){{1, 4, "239.1.1.1/50@a", "`path kernel`"}, {0}},
		      esp);
	config.relay.path = RULE_PATH_KERNEL;
	assert_int_equal(config_add_rules(&config, &esp, 1, "x", &errors), 0);
	expect_no_errors(&errors, esp);
	assert_int_equal(config.relay.path, RULE_PATH_KERNEL);
	config_free(&config);
}

/* One rule per text: 239.a.b.c. */
static char **many_texts(unsigned int count)
{
	char **texts = calloc(count, sizeof(*texts));

	assert_non_null(texts);
	for (unsigned int i = 0; i < count; i++) {
		if (asprintf(&texts[i], "in 239.%u.%u.%u:5000@eth0 out 10.0.0.1:%u", i >> 16,
			     i >> 8 & 255, i & 255, 1 + i % 65535) < 0)
			fail();
	}
	return texts;
}

static void free_texts(char **texts, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void test_rules_limit(void **state)
{
	static const struct expected expected[] = {
		{65537, 1, "239.1.0.0:5000@eth0", "too many rules, expected at most 65536"},
		{0},
	};
	static const struct expected one_more[] = {
		{1, 1, "239.1.0.0:5000@eth0", "too many rules"},
		{0},
	};
	unsigned int count = XMC_MAX_RULES + 10;
	char **texts = many_texts(count);
	const char *const *list = (const char *const *)texts;
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	assert_int_equal(config_add_rules(&config, list, count, "x", &errors), -EINVAL);
	expect_errors(&errors, expected, "65,546 rules");
	assert_int_equal(config.nr_rules, 0);
	assert_int_equal(config_add_rules(&config, list, XMC_MAX_RULES, "x", &errors), 0);
	expect_no_errors(&errors, "65,536 rules");
	assert_int_equal(config.nr_rules, XMC_MAX_RULES);
	assert_int_equal(config_add_rules(&config, (const char *const[]){list[XMC_MAX_RULES]}, 1,
					  "x", &errors),
			 -EINVAL);
	expect_errors(&errors, one_more, "one more");
	assert_int_equal(config.nr_rules, XMC_MAX_RULES);
	config_free(&config);
	free_texts(texts, count);
}

static void test_all_duplicate(void **state)
{
	unsigned int count = 10000;
	const char **texts = calloc(count, sizeof(*texts));
	struct errors errors = {0};
	struct config config;

	assert_non_null(texts);
	for (unsigned int i = 0; i < count; i++)
		texts[i] = "a in 239.1.1.1:1@a out 1.1.1.1:1";
	config_init(&config);
	assert_int_equal(config_add_rules(&config, texts, count, "x", &errors), -EINVAL);
	assert_int_equal(errors.count, 2 * (count - 1));
	assert_int_equal(errors.kept, ERRORS_MAX);
	errors_free(&errors);
	free(texts);
}

static void test_interfaces(void **state)
{
	static const struct expected expected[] = {
		{5, 3, "eth0", "duplicate interface: it is there already (line 3)"},
		{0},
	};
	const char *text = "rules: [ \"in 239.1.1.1:1@a out 1.1.1.1:1\" ]\n"
			   "interfaces:\n"
			   "  eth0: { mode: skb }\n"
			   "  eth1: { mode: native, queues: 2 }\n"
			   "  eth0:\n";
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	assert_int_equal(config_parse_yaml(text, strlen(text), "x", &config, &errors), -EINVAL);
	expect_errors(&errors, expected, text);
	assert_int_equal(config.nr_ifaces, 0);
	assert_int_equal(config_parse_yaml(text, strlen(text) - 8, "x", &config, &errors), 0);
	expect_no_errors(&errors, text);
	assert_int_equal(config_iface(&config, "eth0")->mode, IFACE_MODE_SKB);
	assert_int_equal(config_iface(&config, "eth1")->queues, 2);
	assert_null(config_iface(&config, "eth"));
	config_free(&config);
}

/* Sources of 16 lengths on one interface and family are accepted; a 17th is refused. */
static void test_lengths(void **state)
{
	char texts[3 * XMC_MAX_SHAPES + 1][100];
	const char *rules[3 * XMC_MAX_SHAPES + 1];
	struct errors errors = {0};
	struct config config;
	size_t count = 0;

	config_init(&config);
	for (int i = 0; i < XMC_MAX_SHAPES; i++) {
		/* Any source is one length, a host another. */
		snprintf(texts[count++], sizeof(texts[0]),
			 "a%d in 239.1.1.1:1@a%s%.0d out 1.1.1.1:1", i,
			 i ? " source 16.0.0.0/" : "", i ? 33 - i : 0);
		snprintf(texts[count++], sizeof(texts[0]),
			 "b%d in 239.1.1.1:1@b source 16.0.0.0/%d out 1.1.1.1:1", i, 32 - i);
		snprintf(texts[count++], sizeof(texts[0]),
			 "c%d in [ff3e::1]:1@a source 2001::/%d out 1.1.1.1:1", i, 128 - i);
	}
	for (size_t i = 0; i < count; i++)
		rules[i] = texts[i];
	assert_int_equal(config_add_rules(&config, rules, count, "--rule", &errors), 0);
	rules[0] = "more in 239.1.1.2:1@a source 16.0.0.0/32 out 1.1.1.1:1";
	assert_int_equal(config_add_rules(&config, rules, 1, "--rule", &errors), 0);
	rules[0] = "more6 in [ff3e::1]:1@a out 1.1.1.1:1";
	rules[1] = "more4 in 239.1.1.2:1@a source 16.0.0.0/8 out 1.1.1.1:1";
	assert_int_equal(config_add_rules(&config, rules, 2, "--rule", &errors), -EINVAL);
	expect_errors(
		&errors,
		(const struct expected[]){{1, 10, "[ff3e::1]:1@a",
					   "too many lengths of sources on a, expected at "
					   "most 16 for IPv6"},
					  {2, 31, "16.0.0.0/8",
					   "too many lengths of sources on a, expected at most "
					   "16 for IPv4"},
					  {0}},
		"more");
	config_free(&config);
}

/* One length of source with a port and with any port counts as two. */
static void test_lengths_of_any_port(void **state)
{
	char texts[XMC_MAX_SHAPES][100];
	const char *rules[XMC_MAX_SHAPES];
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	for (int i = 0; i < XMC_MAX_SHAPES; i++) {
		snprintf(texts[i], sizeof(texts[0]),
			 "a%d in 239.1.1.1:%s@a source 16.0.0.0/%d out 1.1.1.1", i,
			 i % 2 ? "any" : "1", 32 - i / 2);
		rules[i] = texts[i];
	}
	assert_int_equal(config_add_rules(&config, rules, XMC_MAX_SHAPES, "--rule", &errors), 0);
	rules[0] = "more in 239.1.1.2:any@a source 16.0.0.0/32 out 1.1.1.1";
	assert_int_equal(config_add_rules(&config, rules, 1, "--rule", &errors), 0);
	/* IP protocols are looked up as any port is. */
	rules[0] = "esp in 239.1.1.2/50@a source 16.0.0.0/32 path kernel out 1.1.1.1";
	assert_int_equal(config_add_rules(&config, rules, 1, "--rule", &errors), 0);
	rules[0] = "none in 239.1.1.2/50@a path kernel out 1.1.1.1";
	assert_int_equal(config_add_rules(&config, rules, 1, "--rule", &errors), -EINVAL);
	expect_errors(&errors,
		      (const struct expected[]){{1, 9, "239.1.1.2/50@a", "too many lengths"}, {0}},
		      "none");
	rules[0] = "less in 239.1.1.1:any@a out 1.1.1.1";
	assert_int_equal(config_add_rules(&config, rules, 1, "--rule", &errors), -EINVAL);
	expect_errors(&errors,
		      (const struct expected[]){{1, 9, "239.1.1.1:any@a",
						 "too many lengths of sources on a, expected at "
						 "most 16 for IPv4: prefixes, hosts and any source "
						 "each count, with ports and with any port or "
						 "an IP protocol"},
						{0}},
		      "less");
	config_free(&config);
}

/* "a", "b" and every other name are interfaces, "a2" and "a3" mean "a"; "gone" and "lost" are none.
 */
static unsigned int resolve(const char *name)
{
	if (strcmp(name, "gone") == 0 || strcmp(name, "lost") == 0)
		return 0;
	return (unsigned int)name[0];
}

static const struct {
	const char *rules[RULES_MAX + 1];
	struct expected errors[3];
} bad_aliases[] = {
	{{"a in 239.1.1.1:1@a out 1.1.1.1:1", "b in 239.1.1.1:1@a2 out 1.1.1.2:1"},
	 {{2, 6, "239.1.1.1:1@a", "duplicate input: rule a (line 1) already has it"}}},
	{{"a in 239.1.1.1:1@a3 out 239.1.1.1:1@a2"},
	 {{1, 25, "239.1.1.1:1@a3", "the output is the rule's own input"}}},
	{{"a in 239.1.1.1:1@b out 239.1.1.2:1@a out 239.1.1.2:1@a2"},
	 {{1, 42, "239.1.1.2:1@a", "duplicate output"}}},
	{{"a in 239.1.1.1:1@a out 239.1.1.2:1@b", "b in 239.1.1.2:1@b out 239.1.1.1:1@a2"},
	 {{2, 24, "239.1.1.1:1@a", "rules that feed themselves: a -> b -> a"}}},
};

/* All names of an interface are the same. */
static void test_aliases(void **state)
{
	static const char *const apart[] = {"a in 239.1.1.1:1@a out 239.1.1.2:1@b",
					    "b in 239.1.1.2:1@a2 out 239.1.1.1:1@b2",
					    "c in 239.1.1.3:1@gone out 239.1.1.4:1@lost",
					    "d in 239.1.1.3:1@lost out 239.1.1.4:1@gone"};
	struct errors errors = {0};
	struct config config;

	aliases_resolve_with(resolve);
	for (size_t i = 0; i < sizeof(bad_aliases) / sizeof(bad_aliases[0]); i++) {
		config_init(&config);
		assert_int_equal(config_add_rules(&config, bad_aliases[i].rules,
						  count_texts(bad_aliases[i].rules), "--rule",
						  &errors),
				 -EINVAL);
		expect_errors(&errors, bad_aliases[i].errors, bad_aliases[i].rules[0]);
		assert_int_equal(config.nr_rules, 0);
	}
	config_init(&config);
	assert_int_equal(config_add_rules(&config, apart, 4, "--rule", &errors), 0);
	/* They keep the names by which they were given. */
	assert_string_equal(config.rules[1].iface, "a2");
	assert_string_equal(config.rules[1].outputs[0].iface, "b2");
	config_free(&config);
	aliases_resolve_with(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_add_later),
		cmocka_unit_test(test_outputs_limit),
		cmocka_unit_test(test_kernel_outputs_limit),
		cmocka_unit_test(test_relay_path),
		cmocka_unit_test(test_relay_path_later),
		cmocka_unit_test(test_rules_limit),
		cmocka_unit_test(test_all_duplicate),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_lengths_of_any_port),
		cmocka_unit_test(test_aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
