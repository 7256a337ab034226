/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/methods_explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "daemon/daemon.h"
#include "daemon/diagnosis.h"
#include "daemon/methods_rules.h"
#include "daemon/statistics.h"
#include "relay/inspect.h"
#include "telemetry/stats.h"

/* Of an explanation, in requests of a reader: some 100 us of the main thread are one. */
#define COST_PER_INTERFACE 2

/* ---- a frame in hexadecimal ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Its length; 0: it is not one, or too long. */
static size_t parse_frame(const char *text, uint8_t frame[TRIAL_FRAME_MAX])
{
	size_t length = strlen(text);

	if (length % 2 || length / 2 > TRIAL_FRAME_MAX)
		return 0;
	for (size_t i = 0; i < length; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);

		if (high < 0 || low < 0)
			return 0;
		frame[i / 2] = (uint8_t)(high << 4 | low);
	}
	return length / 2;
}

/* ---- a packet ---- */

static json_t *address_json(const struct xmc_addr *address)
{
	char text[ADDR_TEXT_SIZE];

	return addr_is_any(address) ? json_null() : json_string(addr_format(address, text));
}

static json_t *number_or_null(unsigned int value)
{
	return value ? json_integer(value) : json_null();
}

static json_t *packet_json(const struct inspected_packet *packet)
{
	const struct xmc_datagram *dgram = &packet->dgram;

	if (!packet->described)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:i, s:o}", "source", address_json(&dgram->source),
			 "destination", address_json(&dgram->destination), "port",
			 number_or_null(ntohs(dgram->port)), "protocol",
			 dgram->protocol ? dgram->protocol : XMC_PROTO_UDP, "vlan",
			 dgram->tags ? stats_tags_json(dgram->tags) : json_null());
}

static json_t *verdict_json(const struct trial_verdict *verdict)
{
	static const char *const reasons[] = XMC_REASON_NAMES;
	static const char *const actions[] = {[XDP_DROP] = "drop",
					      [XDP_PASS] = "pass",
					      [XDP_TX] = "tx",
					      [XDP_REDIRECT] = "redirect"};
	bool known =
		verdict->action < sizeof(actions) / sizeof(actions[0]) && actions[verdict->action];

	if (verdict->reason >= XMC_REASONS)
		return json_null();
	return json_pack("{s:s, s:s, s:b, s:b}", "reason", reasons[verdict->reason], "action",
			 known ? actions[verdict->action] : "aborted", "too_large",
			 verdict->too_large, "ttl_expired", verdict->expired);
}

static json_t *mac_json(const struct inspected_output *to)
{
	const uint8_t *mac = to->mac;

	if (!to->mac_known)
		return json_null();
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			    mac[5]);
}

static const char *hop_name(enum next_hop_kind kind)
{
	static const char *const names[] = {
		[NEXT_HOP_UNREACHABLE] = "unreachable",
		[NEXT_HOP_GROUP] = "group",
		[NEXT_HOP_HOST] = "host",
		[NEXT_HOP_LOCAL] = "local",
		[NEXT_HOP_BROADCAST] = "broadcast",
		[NEXT_HOP_ENCAPSULATED] = "tunnel",
	};

	return names[kind];
}

/* The TTL with which the packet leaves: a number, "keep" or "dec". */
static json_t *ttl_json(const struct rule_output *output)
{
	if (output->ttl == RULE_TTL_KEPT)
		return json_string("keep");
	if (output->ttl == RULE_TTL_DECREMENTED)
		return json_string("dec");
	return json_integer(output->ttl);
}

/* Where it sends from: null: no address. */
static json_t *source_json(const struct rule_output *output, const struct inspected_output *to)
{
	if (output->from_kept)
		return json_string("keep");
	return address_json(addr_is_any(&output->from) ? &to->hop.source : &output->from);
}

static json_t *output_json(const struct inspected_output *to, const struct output_counts *counts)
{
	const struct rule_output *output = counts->rule;
	bool host = !to->error && to->hop.kind == NEXT_HOP_HOST;
	char text[ENDPOINT_TEXT_SIZE];
	json_t *object;

	object = json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "to",
		output_format(output, text), "route",
		to->error ? "unknown" : hop_name(to->hop.kind), "source", source_json(output, to),
		"source_port", number_or_null(to->source_port), "next_hop",
		host ? address_json(&to->hop.via) : json_null(), "mac", mac_json(to), "interface",
		to->device.ifindex ? json_text_string(to->device.name) : json_null(), "mtu",
		number_or_null(to->device.mtu), "ttl", ttl_json(output), "dscp",
		output->dscp == RULE_DSCP_KEPT ? json_string("keep") : json_integer(output->dscp));
	json_put(&object, "carrier",
		 to->device.ifindex ? json_boolean(to->device.up && to->device.carrier)
				    : json_null());
	json_put(&object, "rate_bps",
		 output->rate_bps ? json_integer((json_int_t)output->rate_bps) : json_null());
	json_put(&object, "rate_pps", number_or_null(output->rate_pps));
	if (to->error)
		json_put(&object, "error", json_string(strerror(-to->error)));
	else if (to->hop.kind == NEXT_HOP_UNREACHABLE)
		json_put(&object, "error", json_string(strerror(-to->hop.error)));
	if (counts->reason)
		json_put(&object, "reason", json_text_string(counts->reason));
	else if (counts->unwanted)
		json_put(&object, "reason",
			 json_string("no receiver has joined its group (`when joined`)"));
	return object;
}

static json_t *rule_json(const struct rule_counts *counts)
{
	char in[ENDPOINT_TEXT_SIZE], source[SOURCE_TEXT_SIZE];
	json_t *object;

	if (!counts)
		return json_null();
	object = json_pack("{s:s, s:s, s:s?, s:s, s:s}", "name", counts->rule->name, "in",
			   input_format(counts->rule, in), "source",
			   addr_is_any(&counts->rule->source) ? NULL
							      : source_format(counts->rule, source),
			   "state", counts->state, "path", counts->path);
	if (counts->reason)
		json_put(&object, "reason", json_text_string(counts->reason));
	if (counts->path_reason)
		json_put(&object, "path_reason", json_text_string(counts->path_reason));
	return object;
}

static json_t *differs_json(unsigned int differs)
{
	static const char *const names[] = {"source", "port", "vlan", "interface", "less_specific"};
	json_t *list = json_array();

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (differs & 1U << i)
			json_add(&list, json_string(names[i]));
	}
	return list;
}

static json_t *near_json(const struct inspected_packet *packet)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < packet->nr_near; i++) {
		const struct rule *rule = packet->near[i].rule;
		char in[ENDPOINT_TEXT_SIZE], source[SOURCE_TEXT_SIZE];

		json_add(&list,
			 json_pack("{s:s, s:s, s:s?, s:o}", "name", rule->name, "in",
				   input_format(rule, in), "source",
				   addr_is_any(&rule->source) ? NULL : source_format(rule, source),
				   "differs", differs_json(packet->near[i].differs)));
	}
	return list;
}

static json_t *answer_json(const struct inspected_packet *packet)
{
	unsigned int count = packet->books ? packet->books->rules->rule->nr_outputs : 0;
	json_t *outputs = json_array();
	json_t *object;

	for (unsigned int i = 0; i < count; i++)
		json_add(&outputs, output_json(&packet->outputs[i], &packet->books->outputs[i]));
	object = json_pack(
		"{s:s, s:o, s:o, s:s?, s:o, s:i, s:b, s:i, s:o, s:o, s:o, s:o, s:o}", "interface",
		packet->arrival, "received_by", json_text_string(packet->iface), "device",
		*packet->port ? json_text_string(packet->port) : json_null(), "mode", packet->mode,
		"vlan", packet->tags ? stats_tags_json(packet->tags) : json_null(), "mtu",
		(int)packet->mtu, "too_long", packet->too_long, "frame_bytes", (int)packet->length,
		"packet", packet_json(packet), "verdict", verdict_json(&packet->verdict), "rule",
		rule_json(packet->books ? packet->books->rules : NULL), "near_rules",
		near_json(packet), "outputs", outputs);
	if (packet->reason)
		json_put(&object, "reason", json_text_string(packet->reason));
	return object;
}

void method_explain_packet(void *context, const json_t *params, struct control_reply *reply)
{
	const char *iface = control_param_string(params, "interface", reply);
	const char *text = iface ? control_param_string(params, "frame", reply) : NULL;
	const struct daemon *daemon = context;
	struct inspected_packet packet;
	uint8_t frame[TRIAL_FRAME_MAX];
	char reason[REASON_SIZE];
	size_t length;
	int err;

	if (!text)
		return;
	length = parse_frame(text, frame);
	if (!length) {
		control_fail(reply, RPC_INVALID_PARAMS,
			     "frame: expected up to %d bytes in hexadecimal, two lower case digits "
			     "each",
			     TRIAL_FRAME_MAX);
		return;
	}
	err = relay_inspect_packet(daemon->relay, iface, frame, length, &packet, reason);
	if (err) {
		control_fail(reply, err == -ENODEV ? CONTROL_NOT_FOUND : CONTROL_FAILED, "%s",
			     reason);
		return;
	}
	reply->result = answer_json(&packet);
	inspected_packet_free(&packet);
}

/* ---- a rule ---- */

static uint64_t seconds_since(const struct inspected_rule *inspected, uint64_t ns)
{
	return ns < inspected->now_ns ? (inspected->now_ns - ns) / NS_PER_SECOND : 0;
}

/* null: the rule is disabled. */
static json_t *input_json(const struct inspected_rule *inspected)
{
	const struct link *link = &inspected->input;
	json_t *querier = json_null();
	json_t *object;

	if (!inspected->iface)
		return json_null();
	if (inspected->querier_seen)
		querier = json_pack("{s:o, s:I}", "address", address_json(&inspected->querier),
				    "seconds",
				    (json_int_t)seconds_since(inspected, inspected->querier_ns));
	object = json_pack("{s:s, s:o, s:b, s:b, s:b, s:i, s:o, s:b, s:o}", "interface",
			   inspected->rule->iface, "received_by",
			   inspected->iface ? json_text_string(inspected->iface) : json_null(),
			   "exists", link->ifindex != 0, "up", link->up, "carrier", link->carrier,
			   "mtu", (int)link->mtu, "vlan",
			   inspected->tags ? stats_tags_json(inspected->tags) : json_null(),
			   "joined", inspected->joined, "querier", querier);
	if (inspected->reason)
		json_put(&object, "reason", json_text_string(inspected->reason));
	return object;
}

static void add_passed(json_t **list, const struct inspected_rule *inspected)
{
	static const char *const reasons[] = XMC_REASON_NAMES;

	for (unsigned int i = 0; i < inspected->nr_passed; i++) {
		const struct passed_packets *passed = &inspected->passed[i];
		const struct xmc_passed *note = &passed->note;

		json_add(list,
			 json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:I, s:I}", "interface",
				   json_text_string(passed->iface), "source",
				   address_json(&note->source), "port",
				   number_or_null(ntohs(note->port)), "vlan",
				   note->tags ? stats_tags_json(note->tags) : json_null(), "reason",
				   reasons[note->reason < XMC_REASONS ? note->reason : 0],
				   "differs", differs_json(passed->differs), "packets",
				   (json_int_t)note->packets, "seconds",
				   (json_int_t)seconds_since(inspected, note->last_ns)));
	}
}

/* `inspected`: at each of its inputs. */
static json_t *explained_rule_json(const struct inspected_rule *inspected,
				   const struct stats *stats)
{
	unsigned int inputs = rule_inputs(stats->books->rules->rule);
	uint64_t last = stats->rules->last_packet_seconds;
	json_t *outputs = json_array();
	json_t *rule = rule_json(stats->books->rules);
	json_t *object, *list = json_array(), *passed = json_array();

	json_put(&rule, "flow", json_string(flow_name(stats->rules->flow)));
	json_put(&rule, "received_packets",
		 json_integer((json_int_t)stats->books->rules->received));
	json_put(&rule, "last_packet_seconds",
		 last == STATS_NEVER ? json_null() : json_integer((json_int_t)last));
	for (unsigned int i = 0; i < inspected->rule->nr_outputs; i++)
		json_add(&outputs, output_json(&inspected->outputs[i], &stats->books->outputs[i]));
	for (unsigned int i = 0; i < inputs; i++) {
		json_add(&list, input_json(&inspected[i]));
		add_passed(&passed, &inspected[i]);
	}
	object = json_pack("{s:o, s:o, s:o, s:o, s:o}", "rule", rule, "input",
			   input_json(inspected), "passed", passed, "outputs", outputs, "findings",
			   diagnosis_json(inspected, inputs, stats));
	json_put(&object, "inputs", list);
	return object;
}

/* Inspect it at all its inputs. True, then inspected_rule_free() of all. */
static bool inspect(struct relay *relay, unsigned int index, unsigned int inputs,
		    struct inspected_rule *inspected)
{
	unsigned int done = 0;

	while (done < inputs && !relay_inspect_rule(relay, index, done, &inspected[done]))
		done++;
	if (done == inputs)
		return true;
	while (done)
		inspected_rule_free(&inspected[--done]);
	return false;
}

void method_explain_rule(void *context, const json_t *params, struct control_reply *reply)
{
	const char *name = control_param_string(params, "name", reply);
	struct daemon *daemon = context;
	const struct config *config = relay_config(daemon->relay);
	struct inspected_rule inspected[RULE_SIDES_MAX];
	unsigned int inputs;
	char text[NO_RULE_TEXT_SIZE];
	struct stats *stats;
	unsigned int index;

	if (!name)
		return;
	index = method_find_rule(config, name);
	if (index == config->nr_rules) {
		control_fail(reply, CONTROL_NOT_FOUND, "%.127s: %s", name,
			     no_rule_text(config, name, text));
		return;
	}
	stats = statistics_now(daemon, index, 1);
	/* It reads what each interface has passed. */
	reply->cost = COST_PER_INTERFACE * relay_summary(daemon->relay).interfaces;
	inputs = rule_inputs(&config->rules[index]);
	if (stats && inspect(daemon->relay, index, inputs, inspected)) {
		reply->result = explained_rule_json(inspected, stats);
		while (inputs)
			inspected_rule_free(&inspected[--inputs]);
	}
	stats_free(stats);
}
