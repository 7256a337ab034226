// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on IGMP and MLD messages, which any host of a link can send, and on the table of
 * receivers that they fill. The input is a series of packets: flags, a host, the length, the bytes.
 * Flags: 1: the checksum is made correct; 2: some seconds pass before; 4: a minute; 8: leaves are
 * fast; 16: a querier asks. Every record lies in its packet, the limits hold, and what is listed is
 * wanted.
 */
#include "must.h"

#include "../unit/group_messages.h"
#include "membership/receivers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GROUPS	4
#define MEMBERS 8

struct check {
	const struct receivers *receivers;
	uint64_t now_ns;
	unsigned int count;
};

static void check_receiver(void *context, const struct receiver *receiver)
{
	struct check *check = context;
	bool any = receiver->excludes || receiver->nr_sources;

	check->count++;
	must(receiver->ifindex == 1 && addr_is_multicast(&receiver->group));
	must(receiver->nr_sources <= HOST_FILTER_SOURCES);
	must(receiver->since_ns <= receiver->seen_ns && receiver->seen_ns <= check->now_ns);
	must(any && receiver->until_ns > check->now_ns);
	must(receivers_want(check->receivers, 1, &receiver->group, NULL, check->now_ns));
	for (unsigned int i = 0; !receiver->excludes && i < receiver->nr_sources; i++)
		must(receivers_want(check->receivers, 1, &receiver->group, &receiver->sources[i],
				    check->now_ns));
}

static void check_table(const struct receivers *receivers, uint64_t now_ns)
{
	struct check check = {receivers, now_ns, 0};

	must(receivers_groups(receivers) <= GROUPS &&
	     receivers_members(receivers) < MEMBERS + GROUPS);
	receivers_visit(receivers, 0, MEMBERS + GROUPS, check_receiver, &check, now_ns);
	must(check.count == receivers_members(receivers));
}

static void take_message(struct receivers *receivers, const struct receivers_rules *rules,
			 struct group_message *message, const uint8_t *packet, size_t length,
			 uint8_t host, uint64_t now_ns)
{
	struct receiver_host sender = {.address = message->source, .mac = {host}};
	struct group_record record;
	unsigned int left = message->left;

	must(message->version >= 1 && message->version <= 3);
	for (unsigned int i = 0; message->query && i < message->asked.count; i++)
		group_source(&message->asked, i);
	while (group_message_next(message, &record)) {
		must(left-- > 0);
		must(record.kind >= RECORD_IS_INCLUDE && record.kind <= RECORD_BLOCK);
		must(addr_is_multicast(&record.group));
		must(addr_is_ipv4(&record.group) == message->ipv4);
		must(!record.sources.count ||
		     (record.sources.bytes >= packet &&
		      record.sources.bytes +
				      (size_t)record.sources.count * (message->ipv4 ? 4 : 16) <=
			      packet + length));
		receivers_report(receivers, rules, 1, &sender, message->version + !message->ipv4,
				 &record, now_ns);
	}
}

static void run_packet(struct receivers *receivers, const struct receivers_rules *rules,
		       const uint8_t *data, size_t length, uint8_t flags, uint8_t host,
		       uint64_t now_ns)
{
	/* In memory of exactly this size, so that a read behind it is noticed. */
	uint8_t *packet = malloc(length + !length);
	struct group_message message;
	enum group_defect defect;

	must(packet != NULL);
	memcpy(packet, data, length);
	if (flags & 1)
		set_group_checksum(packet, length);
	defect = group_message_parse(packet, length, &message);
	must(defect < GROUP_DEFECTS);
	if (!defect) {
		take_message(receivers, rules, &message, packet, length, host, now_ns);
		if (flags & 16 && message.query)
			receivers_asked(receivers, 1, &message.group, &message.asked,
					now_ns + NS_PER_SECOND, now_ns);
	}
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct receivers_rules rules = {.most_groups = GROUPS,
					.most_members = MEMBERS,
					.membership_ns = 260 * NS_PER_SECOND,
					.last_member_ns = 2 * NS_PER_SECOND};
	uint64_t now_ns = NS_PER_SECOND;
	struct receivers *receivers;

	must(receivers_new(&receivers) == 0);
	while (size >= 3) {
		size_t length = data[2] < size - 3 ? data[2] : size - 3;

		now_ns += (data[0] & 2 ? 3 * NS_PER_SECOND : 0) +
			  (data[0] & 4 ? 60 * NS_PER_SECOND : 0);
		rules.leave = data[0] & 8    ? LEAVE_FAST
			      : data[0] & 32 ? LEAVE_TRACKED
					     : LEAVE_QUERIED;
		rules.asked = data[0] & 64;
		receivers_expire(receivers, now_ns);
		run_packet(receivers, &rules, data + 3, length, data[0], data[1], now_ns);
		check_table(receivers, now_ns);
		data += 3 + length;
		size -= 3 + length;
	}
	receivers_expire(receivers, UINT64_MAX);
	must(receivers_groups(receivers) == 0 && receivers_members(receivers) == 0);
	receivers_free(receivers);
	return 0;
}
