/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/querier.h"

#include <netinet/in.h>
#include <string.h>

/* For the answers to the first query. */
#define FIRST_RESPONSE_NS NS_PER_SECOND

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- election ---- */

void querier_start(struct querier *querier, bool ipv4, const struct querier_rules *rules,
		   uint64_t now_ns)
{
	*querier = (struct querier){.ipv4 = ipv4, .starting = rules->robustness, .due_ns = now_ns};
}

void querier_set_own(struct querier *querier, const struct xmc_addr *own)
{
	querier->own = *own;
}

static bool other_is_there(const struct querier *querier, uint64_t now_ns)
{
	return querier->other_until_ns > now_ns;
}

/* Queries of MLD need a link-local source (RFC 3810, section 5.1.14). Those of IGMP may have none:
 * hosts answer. */
static bool can_ask(const struct querier *querier, const struct querier_rules *rules)
{
	return rules->asks && (querier->ipv4 || addr_is_link_local(&querier->own));
}

bool querier_is_asking(const struct querier *querier, const struct querier_rules *rules,
		       uint64_t now_ns)
{
	return can_ask(querier, rules) && !other_is_there(querier, now_ns);
}

static bool is_lower(const struct xmc_addr *a, const struct xmc_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) < 0;
}

static bool has_no_address(const struct group_message *query)
{
	static const uint8_t none[4];

	return query->ipv4 && memcmp(&query->source.b[12], none, sizeof(none)) == 0;
}

/* The other querier present interval, by its own values if it says them (RFC 3376, section 8.5),
 * within limits: it can claim an interval of 9 hours, and any host can send a query. */
static void note_times(struct querier *querier, const struct querier_rules *rules,
		       const struct group_message *query, uint64_t now_ns)
{
	uint64_t robustness = query->robustness ? query->robustness : rules->robustness;
	uint64_t interval_ns =
		query->interval ? query->interval * (uint64_t)NS_PER_SECOND : rules->interval_ns;
	uint64_t own_ns = rules->robustness * rules->interval_ns, longest_ns = 4 * own_ns;
	uint64_t response_ns = rules->response_ns;

	/* That of a query of one group says nothing about the others. */
	if (addr_is_any(&query->group))
		response_ns = least(query->response_ms * (uint64_t)NS_PER_MS, longest_ns);
	querier->other_until_ns =
		now_ns + least(robustness * interval_ns, longest_ns) + response_ns / 2;
	querier->other_member_ns =
		greatest(robustness * interval_ns + response_ns, own_ns + rules->response_ns);
}

bool querier_heard(struct querier *querier, const struct querier_rules *rules,
		   const struct group_message *query, uint64_t now_ns)
{
	bool was_there = other_is_there(querier, now_ns);
	bool same = was_there && addr_equal(&querier->other, &query->source);

	if (has_no_address(query) || addr_equal(&query->source, &querier->own))
		return false;
	/* Without an address of our own everybody's is lower. */
	if (rules->asks && !addr_is_any(&querier->own) && !is_lower(&query->source, &querier->own))
		return false;
	if (was_there && !same && !is_lower(&query->source, &querier->other))
		return false;
	querier->other = query->source;
	querier->nr_questions = querier->everything.left = 0;
	note_times(querier, rules, query, now_ns);
	return !same;
}

uint64_t querier_ends_ns(const struct querier *querier, const struct querier_rules *rules,
			 const struct group_message *query, uint64_t now_ns)
{
	uint64_t robustness = query->robustness ? query->robustness : rules->robustness;

	if (addr_is_any(&query->group) || query->suppressed || !other_is_there(querier, now_ns) ||
	    !addr_equal(&querier->other, &query->source))
		return 0;
	return now_ns + greatest(robustness * query->response_ms * NS_PER_MS,
				 rules->robustness * rules->last_member_ns);
}

/* ---- questions ---- */

/* What hosts want of groups that were left ends soon: all groups are asked with the times of a
 * question about one. No sooner after the last such query than those follow each other, however
 * many groups are left. */
static void ask_everything(struct querier *querier, const struct querier_rules *rules,
			   uint64_t now_ns)
{
	struct question *question = &querier->everything;

	if (question->left)
		return;
	question->left = rules->robustness;
	question->due_ns = greatest(question->due_ns, now_ns);
}

void querier_ask(struct querier *querier, const struct querier_rules *rules,
		 const struct xmc_addr *group, uint64_t now_ns)
{
	if (!querier_is_asking(querier, rules, now_ns))
		return;
	for (unsigned int i = 0; i < querier->nr_questions; i++) {
		if (addr_equal(&querier->questions[i].group, group))
			return;
	}
	if (querier->nr_questions == QUERIER_QUESTIONS) {
		ask_everything(querier, rules, now_ns);
		return;
	}
	querier->questions[querier->nr_questions++] =
		(struct question){*group, rules->robustness, now_ns};
}

uint64_t querier_due_ns(const struct querier *querier, const struct querier_rules *rules)
{
	uint64_t due_ns = querier->due_ns;

	if (!can_ask(querier, rules))
		return UINT64_MAX;
	if (querier->everything.left)
		due_ns = least(due_ns, querier->everything.due_ns);
	for (unsigned int i = 0; i < querier->nr_questions; i++)
		due_ns = least(due_ns, querier->questions[i].due_ns);
	return due_ns > querier->other_until_ns ? due_ns : querier->other_until_ns;
}

static void fill(const struct querier *querier, const struct querier_rules *rules,
		 uint64_t response_ns, struct group_query *query)
{
	*query = (struct group_query){
		.source = querier->own,
		.ipv4 = querier->ipv4,
		.response_ns = response_ns,
		.robustness = rules->robustness,
		.interval_ns = rules->interval_ns,
	};
}

static bool ask_question(struct querier *querier, const struct querier_rules *rules,
			 struct question *question, uint64_t now_ns, struct group_query *query)
{
	if (!question->left || question->due_ns > now_ns)
		return false;
	fill(querier, rules, rules->last_member_ns, query);
	query->group = question->group;
	question->due_ns = now_ns + rules->last_member_ns;
	question->left--;
	querier->sent++;
	return true;
}

/* About groups that were left. */
static bool next_question(struct querier *querier, const struct querier_rules *rules,
			  uint64_t now_ns, struct group_query *query)
{
	if (ask_question(querier, rules, &querier->everything, now_ns, query))
		return true;
	for (unsigned int i = 0; i < querier->nr_questions; i++) {
		struct question *question = &querier->questions[i];

		if (!ask_question(querier, rules, question, now_ns, query))
			continue;
		if (!question->left)
			*question = querier->questions[--querier->nr_questions];
		return true;
	}
	return false;
}

bool querier_next(struct querier *querier, const struct querier_rules *rules, uint64_t now_ns,
		  struct group_query *query)
{
	bool first = querier->starting == rules->robustness;

	if (!querier_is_asking(querier, rules, now_ns))
		return false;
	if (querier->due_ns > now_ns)
		return next_question(querier, rules, now_ns, query);
	/* Another router has asked until now. */
	if (!addr_is_any(&querier->other))
		querier->other = (struct xmc_addr){0};
	fill(querier, rules,
	     first ? least(FIRST_RESPONSE_NS, rules->response_ns) : rules->response_ns, query);
	if (querier->starting)
		querier->starting--;
	/* RFC 3376, section 8.6. */
	querier->due_ns =
		now_ns + (querier->starting ? rules->interval_ns / 4 : rules->interval_ns);
	querier->sent++;
	return true;
}

/* ---- packets ---- */

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* As group_message.c decodes it: never more than the value. */
static unsigned int encode(uint64_t value, unsigned int mantissa)
{
	uint64_t one = 1ULL << mantissa, most = ((2 * one) - 1) << 10;
	unsigned int exponent = 0;

	if (value > most)
		value = most;
	if (value < one << 3)
		return (unsigned int)value;
	while (value >> (exponent + 3) >= 2 * one)
		exponent++;
	return (unsigned int)(one << 3 | (uint64_t)exponent << mantissa |
			      (value >> (exponent + 3) & (one - 1)));
}

static uint32_t sum(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* What both families have from their flags on. */
static void write_tail(const struct group_query *query, uint8_t *at)
{
	at[0] = (uint8_t)query->robustness;
	at[1] = (uint8_t)encode(query->interval_ns / NS_PER_SECOND, 4);
}

static size_t write_ipv4(const struct group_query *query, uint8_t *packet, struct xmc_addr *to)
{
	static const uint8_t head[24] = {0x46, 0xc0, 0, 36, 0, 0, 0,   0, 1, IPPROTO_IGMP,
					 0,    0,    0, 0,  0, 0, 224, 0, 0, 1,
					 0x94, 4,    0, 0};
	uint8_t *igmp = packet + sizeof(head);
	static const size_t size = sizeof(head) + 12;

	memset(packet, 0, size);
	memcpy(packet, head, sizeof(head));
	if (!addr_is_any(&query->source))
		memcpy(packet + 12, &query->source.b[12], 4);
	igmp[0] = 0x11;
	igmp[1] = (uint8_t)encode(query->response_ns / (100 * NS_PER_MS), 4);
	if (!addr_is_any(&query->group)) {
		memcpy(packet + 16, &query->group.b[12], 4);
		memcpy(igmp + 4, &query->group.b[12], 4);
	}
	write_tail(query, igmp + 8);
	put16(igmp + 2, ~sum(0, igmp, 12));
	put16(packet + 10, ~sum(0, packet, sizeof(head)));
	*to = (struct xmc_addr){.b = {[10] = 0xff, 0xff}};
	memcpy(&to->b[12], packet + 16, 4);
	return size;
}

static size_t write_ipv6(const struct group_query *query, uint8_t *packet, struct xmc_addr *to)
{
	static const uint8_t options[8] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
	uint8_t *mld = packet + 48;

	if (!addr_is_link_local(&query->source))
		return 0;
	memset(packet, 0, GROUP_QUERY_SIZE);
	packet[0] = 0x60;
	packet[5] = sizeof(options) + 28;
	packet[6] = IPPROTO_HOPOPTS;
	packet[7] = 1;
	memcpy(packet + 8, query->source.b, 16);
	*to = addr_is_any(&query->group) ? (struct xmc_addr){.b = {0xff, 2, [15] = 1}}
					 : query->group;
	memcpy(packet + 24, to->b, 16);
	memcpy(packet + 40, options, sizeof(options));
	mld[0] = 130;
	put16(mld + 4, encode(query->response_ns / NS_PER_MS, 12));
	memcpy(mld + 8, query->group.b, 16);
	write_tail(query, mld + 24);
	put16(mld + 2, ~sum(sum(28 + IPPROTO_ICMPV6, packet + 8, 32), mld, 28));
	return GROUP_QUERY_SIZE;
}

size_t group_query_write(const struct group_query *query, uint8_t packet[GROUP_QUERY_SIZE],
			 struct xmc_addr *to)
{
	return query->ipv4 ? write_ipv4(query, packet, to) : write_ipv6(query, packet, to);
}
