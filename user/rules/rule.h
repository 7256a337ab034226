/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rule model: what the user asked for, as plain data, and the tables of options. No
 * descriptors, no interface indexes, no state; those belong to the modules that act on a rule. The
 * same for both address families. Not thread-safe; built and read by the main thread.
 */
#ifndef XMCAST_RULES_RULE_H
#define XMCAST_RULES_RULE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "rules/field.h"
#include "rules/prefix.h"
#include "rules/words.h"

/* Longest rule name, with its NUL. A derived name ("SOURCE>GROUP:PORT@IFACE") always fits. */
#define RULE_NAME_SIZE 128

/* Datagrams that one send may carry (UDP_SEGMENT); the kernel's own UDP_MAX_SEGMENTS is 64 before
 * Linux 6.9. */
#define GSO_MAX_SEGMENTS 64

/* Limits of an output. At the lowest rate the longest packet still lasts less than ten minutes; the
 * highest is beyond any network device of today. */
#define RATE_BPS_MIN 1000ULL
#define RATE_BPS_MAX 400000000000ULL
#define RATE_PPS_MAX 999999999U

/* Milliseconds of burst that an output may have. The default is longer than the scheduler keeps
 * the relay from its packets, and than the video frame that an encoder sends at once. */
#define BURST_MS_MAX	 10000U
#define BURST_MS_DEFAULT 100U

/* The port of an input that matches every port of its group, and the port of an output that keeps
 * the destination port of each datagram. A rule of another IP protocol than UDP has no port, and
 * these values. */
#define RULE_PORT_ANY  0
#define RULE_PORT_KEPT 0

/* Which data path carries a rule. */
enum rule_path {
	RULE_PATH_DEFAULT, /* what `relay.path` says */
	RULE_PATH_USER,	   /* through user space, which supports every option */
	RULE_PATH_KERNEL,  /* rewritten and sent by the XDP program; pending if it cannot */
	RULE_PATH_AUTO, /* the kernel path while it can carry the rule, otherwise the user path */
};

/* Values of an output's TTL and DSCP that are no numbers on the wire: that of each packet as it
 * came; less one, and a packet whose TTL would become 0 is dropped. */
#define RULE_TTL_KEPT	     256
#define RULE_TTL_DECREMENTED 257
#define RULE_DSCP_KEPT	     64

/* Longest name of a lease, with its NUL; parts of a lease that can be held one by one. */
#define LEASE_NAME_SIZE	 64
#define LEASE_SHARDS_MAX 1024

/* Bytes in front of a sequence number, at most; where RTP has its own (RFC 3550, section 5.1). */
#define SEQUENCE_OFFSET_MAX 1024
#define SEQUENCE_RTP_OFFSET 2
#define SEQUENCE_RTP_BITS   16

/* What the payload of a rule is, for `watch` (dataplane/health.h): bits. */
#define WATCH_RTP    1
#define WATCH_TS     2
#define WATCH_MOLD64 4

/* The highest clock rate of RTP timestamps, in Hz. */
#define WATCH_CLOCK_MAX 1000000000U

/* When datagrams leave by an output. */
enum output_when {
	OUTPUT_ALWAYS,
	OUTPUT_WHEN_JOINED, /* while a receiver on its interface has joined the destination */
};

/* Rules with a prefix in one configuration: each group that receivers want is compared with all of
 * them. */
#define RULE_PREFIXES_MAX 256

/* Inputs of a rule with several (sides.h); longest label of one, with its NUL. */
#define RULE_SIDES_MAX	4
#define SIDE_LABEL_SIZE 17

/* How one stream is made of several inputs. */
enum rule_select {
	SELECT_NONE,
	SELECT_FIRST, /* the first input, in the order of the rule, that flows */
};

enum rule_merge {
	MERGE_NONE,
	MERGE_RTP,    /* by sequence number and SSRC (RFC 3550) */
	MERGE_MOLD64, /* by message (MoldUDP64) */
	MERGE_FIELD,  /* by the number behind `merge_offset` bytes, of `merge_bits` bits */
};

#define MERGE_OFFSET_MAX 1024

/* Milliseconds. `hold`: of silence after which the next input is selected; `return`: of good
 * behaviour after which an earlier one is selected again; `skew`: that one input may lag. */
#define HOLD_MS_DEFAULT	  100U
#define HOLD_MS_MAX	  60000U
#define RETURN_MS_DEFAULT 10000U
#define RETURN_MS_MAX	  3600000U
#define RETURN_NEVER	  UINT32_MAX
#define SKEW_MS_DEFAULT	  50U
#define SKEW_MS_MIN	  10U
#define SKEW_MS_MAX	  500U

/* One of several inputs. */
struct rule_side {
	char label[SIDE_LABEL_SIZE];
	uint8_t source_host_bits; /* these as in struct rule */
	uint8_t protocol;
	uint8_t group_host_bits;
	uint16_t port;
	struct xmc_addr source;
	struct xmc_addr group;
	char iface[IF_NAMESIZE];
};

struct range;

/* One destination of a rule. */
struct rule_output {
	struct xmc_addr to; /* a group, a host, or a broadcast address */
	uint16_t port;	    /* host order, or RULE_PORT_KEPT */
	/* The source of what is sent, without padding between: an address of this host (all zero:
	 * the kernel chooses one) and a UDP port (host order; 0: a free one). */
	uint16_t from_port;
	struct xmc_addr from;
	bool from_kept; /* source address and UDP port of each packet; the two above are 0 */
	bool same;    /* of a prefix: `to` is that of the rule, and each datagram keeps its group */
	uint8_t dscp; /* 0..63, or RULE_DSCP_KEPT */
	uint16_t ttl; /* 1..255, or RULE_TTL_*; by default 1 to a group, 64 otherwise */
	uint8_t gso;  /* most datagrams in one send; 0: as the egress section says */
	uint8_t when; /* enum output_when */
	/* Datagrams beyond these limits are dropped and counted. Bits are those of whole IP
	 * packets, without the link's own headers. */
	uint64_t rate_bps;	 /* RATE_BPS_MIN..RATE_BPS_MAX; 0: no limit */
	uint32_t rate_pps;	 /* 1..RATE_PPS_MAX; 0: no limit */
	uint32_t burst_ms;	 /* 1..BURST_MS_MAX, of both rates; 0: BURST_MS_DEFAULT */
	char iface[IF_NAMESIZE]; /* empty: routed (unicast only) */
};

/* `defaults:` of the file: options of outputs that do not give them. */
struct default_config {
	struct rule_output
		output; /* from, from_port, from_kept, ttl (0: by the address) and dscp */
};

/* One input, or several (sides.h), and the outputs. */
struct rule {
	char name[RULE_NAME_SIZE];
	struct xmc_addr source; /* all zero: any source */
	/* The lowest bits of `source` that are 0 and match anything: those behind a prefix. 0: one
	 * host, or any source. */
	uint8_t source_host_bits;
	/* Destination of the incoming packets: a group, an address of a host, or a broadcast
	 * address. */
	struct xmc_addr group;
	uint16_t port;	  /* host order, or RULE_PORT_ANY (of a group only) */
	uint8_t protocol; /* 0: UDP; otherwise an IP protocol, and there are no ports */
	/* The lowest bits of `group` that are 0 and match anything: of a prefix, whose groups are
	 * relayed one by one as they are wanted (relay/branches.h). 0: one address. */
	uint8_t group_host_bits;
	char iface[IF_NAMESIZE];
	uint8_t path;		     /* enum rule_path as written: see rule_path() in config.h */
	char lease[LEASE_NAME_SIZE]; /* without which nothing is sent; empty: none is needed */
	uint16_t lease_shards;	     /* 1..LEASE_SHARDS_MAX; 0: no lease */
	/* Where its datagrams have a sequence number, for moves of the lease: bytes into the
	 * payload, and its bits, 16 or 32; 0: they have none. */
	uint16_t sequence_offset;
	uint8_t sequence_bits;
	uint16_t file;		 /* of conf.d, by struct config; 0: the configuration file */
	uint16_t group_number;	 /* of struct config: its lease is the group's; 0: none */
	bool disabled;		 /* defined, but not relaying */
	bool may_loop;		 /* what it sends may come back to it: see feedback.h */
	bool on_demand;		 /* the input is joined only while an output is wanted */
	uint8_t watch;		 /* WATCH_* bits; 0: the payload is not looked at */
	uint32_t watch_clock;	 /* of RTP, in Hz; 0: as its payload type says */
	uint8_t merge;		 /* enum rule_merge; no padding between these three */
	uint8_t merge_bits;	 /* MERGE_FIELD: 16, 32 or 64 */
	uint16_t merge_offset;	 /* MERGE_FIELD */
	uint8_t select;		 /* enum rule_select */
	bool unordered;		 /* `merge` does not wait for what is missing */
	uint16_t skew_ms;	 /* SKEW_MS_MIN..MAX; 0: the default. These as in sides.h */
	uint32_t hold_ms;	 /* 1..HOLD_MS_MAX; 0: the default */
	uint32_t return_ms;	 /* 1..RETURN_MS_MAX, or RETURN_NEVER; 0: the default */
	uint32_t below_pps;	 /* a slower input counts as silent; 0: at any rate it flows */
	uint8_t side;		 /* of a view (rule_of_side()): which one */
	uint8_t nr_sides;	 /* 2..RULE_SIDES_MAX; 0: one input */
	struct rule_side *sides; /* all of them, the first one included; NULL: one input */
	uint32_t stem; /* made by the relay of the rule with this index + 1 (relay/branches.h);
			  0: of the configuration */
	bool others;   /* sources that receivers name have such rules of their own: outputs that
			  keep the source send only what is left */
	struct range *range;	 /* one reference: it is one of these (range.h); NULL: of none */
	unsigned int nr_outputs; /* 1..XMC_MAX_OUTPUTS */
	struct rule_output *outputs;
};

/* ---- fields ---- */

/*
 * The fields of a rule and of an output. The grammar, the file, writing, comparing and the
 * reference are made from these tables, so a new option is one line there and a member of the
 * struct. The first ones have a place of their own in the grammar; the options behind them begin
 * with their word, and a FIELD_SWITCH has no value there.
 */
#define RULE_NAME	    0
#define RULE_INPUT	    1
#define RULE_SOURCE	    2
#define RULE_PATH	    3
#define RULE_LEASE	    4
#define RULE_SEQUENCE	    5
#define RULE_FIRST_OPTION   2
#define RULE_ON		    8
#define RULE_WATCH	    9
#define RULE_CLOCK	    10
#define RULE_SELECT	    11
#define RULE_HOLD	    12
#define RULE_RETURN	    13
#define RULE_BELOW	    14
#define RULE_MERGE	    15
#define RULE_SKEW	    16
#define RULE_ORDER	    17
#define RULE_FIELDS	    18

#define OUTPUT_TO	    0
#define OUTPUT_FIRST_OPTION 1
#define OUTPUT_FROM	    1
#define OUTPUT_TTL	    2
#define OUTPUT_DSCP	    3
#define OUTPUT_WHEN	    8
#define OUTPUT_FIELDS	    9

/* Also of settings. */
extern const struct choice rule_paths[], output_ttls[], output_dscps[];
extern const struct field rule_fields[RULE_FIELDS + 1];
extern const struct field output_fields[OUTPUT_FIELDS + 1];

/* The options alone. */
#define rule_options   (&rule_fields[RULE_FIRST_OPTION])
#define output_options (&output_fields[OUTPUT_FIRST_OPTION])

/* The key in the file. */
const char *rule_field_key(const struct field *field);

/* The value as text; empty if it is the default, which is not written. `usual`: of an output, one
 * that has the values that are not written; NULL: the built-in ones. Returns `text`. */
const char *rule_field_format(const struct field *field, const void *object,
			      const struct rule_output *usual, char text[FIELD_TEXT_SIZE]);

/* in, out, and every option up to RULE_ON: what begins a clause and so cannot be a NAME. Options
 * behind them are newer than rules that may have their names. */
bool word_is_keyword(const struct word *word);

/* The same, and the newer options of a rule. */
bool word_begins_clause(const struct word *word);

/* Printable ASCII without space, quotes and backslash. */
bool name_byte_is_valid(char byte);

/* `parse` and `format` of the fields that have no type of field.h (rule_endpoints.c,
 * rule_sides.c). */
bool name_parse(const struct word *word, void *object, struct errors *errors);
void name_format(const void *object, char *text);
bool in_parse(const struct word *word, void *object, struct errors *errors);
void in_format(const void *object, char *text);
bool source_parse(const struct word *word, void *object, struct errors *errors);
void source_option_format(const void *object, char *text);
bool to_parse(const struct word *word, void *object, struct errors *errors);
void to_format(const void *object, char *text);
bool from_parse(const struct word *word, void *object, struct errors *errors);
void from_format(const void *object, char *text);
bool merge_parse(const struct word *word, void *object, struct errors *errors);
void merge_format(const void *object, char *text);
bool return_parse(const struct word *word, void *object, struct errors *errors);
void return_format(const void *object, char *text);

/* ---- rules ---- */

/* Release what the rule owns and leave it all zero. */
void rule_free(struct rule *rule);

/* Copy a rule with its outputs; the copy is the caller's. 0 or -ENOMEM. */
int rule_copy(struct rule *copy, const struct rule *rule);

/* Whether both say the same: name, input, options, and the same outputs in the same order, whatever
 * range they are of. */
bool rule_equal(const struct rule *a, const struct rule *b);

/* Set the name that a rule without one gets: its input, such as "GROUP:PORT@IFACE", behind
 * "SOURCE>" if it has a source. The few bytes that an interface may have and a name may not
 * (quotes, backslash) become '_'. */
void rule_derive_name(struct rule *rule);

/*
 * The shard of its lease that the rule belongs to: 0..lease_shards - 1. The same on every host and
 * in every version: FNV-1a of 32 bits (draft-eastlake-fnv) over the bytes of the rule's name,
 * without the NUL, and then `hash * shards >> 32`. "cam1" has hash 0x6aeed327.
 */
unsigned int rule_shard(const struct rule *rule);

/* Whether both have the same lease, or both none. */
bool rule_lease_equal(const struct rule *a, const struct rule *b);

/* Bits of a packet's source that the rule does not look at: XMC_HOST_BITS_ONE..ANY. */
uint8_t rule_host_bits(const struct rule *rule);

/* The rule's key in the rule map: its packets are found by it. */
void rule_key(const struct rule *rule, struct xmc_rule_key *key);

/* "10.9.9.9", "10.9.0.0/16", "2001:db8::/32": the source of a rule that has one, as the file and
 * JSON have it. Returns `text`. */
#define SOURCE_TEXT_SIZE PREFIX_TEXT_SIZE
const char *source_format(const struct rule *rule, char text[SOURCE_TEXT_SIZE]);

/* The port to which the output sends: RULE_PORT_KEPT only of a rule whose input has any port. */
uint16_t rule_output_port(const struct rule *rule, const struct rule_output *output);

/* "239.1.1.1:5000@eth0", "[ff3e::]/32:any@eth0", "239.1.1.1/50@eth0": the rule's input as the
 * grammar has it. A protocol is a number, which means the same on every host. Returns `text`. */
const char *input_format(const struct rule *rule, char text[ENDPOINT_TEXT_SIZE]);

/* The same of an output: "10.0.0.1:6000", "239.2.2.2@eth1", "same@eth1". */
const char *output_format(const struct rule_output *output, char text[ENDPOINT_TEXT_SIZE]);

/* Whether the rule's input matches what the output sends, or a part of it, regardless of other
 * rules. */
bool rule_output_is_input(const struct rule *rule, const struct rule_output *output);

/*
 * ---- several inputs (rule_sides.c) ----
 *
 * One stream that comes several times. The input of struct rule (group, port, source, interface) is
 * that of its first side; `sides` has all of them. What looks at one input at a time looks at the
 * view of each side.
 */

/* "LABEL:GROUP:PORT@IFACE", with its NUL. */
#define SIDE_TEXT_SIZE (SIDE_LABEL_SIZE + ENDPOINT_TEXT_SIZE)

/* A rule has one input or up to RULE_SIDES_MAX. */
static inline unsigned int rule_inputs(const struct rule *rule)
{
	return rule->nr_sides ? rule->nr_sides : 1;
}

/* The rule as one of its sides sees it: with the input of this side. It borrows everything that the
 * rule owns. Of a rule with one input it is the rule. Returns `view`. */
const struct rule *rule_of_side(const struct rule *rule, unsigned int side, struct rule *view);

/* How the names of a rule's branches (relay/branches.h) begin: the rule's name, of a longer one the
 * beginning and a hash, and a space, which no other name has. Returns `text`. */
#define BRANCH_NAME_MAX	  32
#define BRANCH_BEGIN_SIZE (BRANCH_NAME_MAX + sizeof("~00000000 "))
const char *rule_branch_begin(const char *name, char text[BRANCH_BEGIN_SIZE]);

/* "A:239.1.1.1:5000@eth0": the input of a side, with its label. Returns `text`. */
const char *side_format(const struct rule *rule, unsigned int side, char text[SIDE_TEXT_SIZE]);

/* Whether both have the same sides in the same order. */
bool rule_sides_equal(const struct rule *a, const struct rule *b);

/* Where a packet of this view of the rule would have been received: the label, or NULL of a rule
 * with one input. */
const char *rule_side_label(const struct rule *view);

/* What a rule does not say gets its default: milliseconds. RETURN_NEVER stays. */
uint32_t rule_hold_ms(const struct rule *rule);
uint32_t rule_return_ms(const struct rule *rule);
uint32_t rule_skew_ms(const struct rule *rule);

/* ---- */

/* Whether the kernel path alone can carry the rule, or the rule asks for it: what the kernel path
 * cannot do is an error of such a rule. */
bool rule_is_kernel_only(const struct rule *rule);

/* Whether the output has a limit. */
bool output_is_limited(const struct rule_output *output);

/* Does the output say which source address its packets have? Otherwise the kernel chooses one. */
bool output_has_from(const struct rule_output *output);

/* Does the output take anything from the headers of each packet: source, TTL or DSCP? */
bool output_keeps_headers(const struct rule_output *output);

/* The default TTL of an output to this address: 1 to a group, 64 to a host or by broadcast. */
uint8_t rule_default_ttl(const struct xmc_addr *to);

/* Give an output what it does not say; `given` has a bit for each field that it does. `defaults`:
 * NULL: the built-in ones. */
void output_complete(struct rule_output *output, unsigned int given,
		     const struct default_config *defaults);

/* Write the rule in the grammar, NAME first, every option that is not a default: parsing it with
 * the same defaults gives the same rule. Returns a malloc()ed string, or NULL without memory. */
char *rule_format(const struct rule *rule, const struct default_config *defaults);

#endif
