/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/kernel_path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/output_socket.h"
#include "links/next_hop.h"
#include "steering/forward.h"

/* How often the kernel is asked to keep a neighbour resolved: more often than an unused entry is
 * kept (gc_stale_time, 60 s). */
#define NEIGHBOUR_USE_NS (15 * NS_PER_SECOND)

/* A packet that was counted as received longer ago than this has been sent or dropped: the program
 * and the transmission run in one softirq. */
#define SETTLED_NS (100 * NS_PER_MS)

/* Room for a reason. */
#define TEXT_SIZE 128

/* An output, as the last update has found it. */
struct kernel_output {
	char reason[TEXT_SIZE]; /* why nothing leaves by it; empty: packets leave */
	int error;		/* the errno under which its packets are counted; 0: none */
	/* It is usable again since then, but some packets from before, which belong to this errno,
	 * may not have been counted under it yet. 0: all have been. */
	int error_before;
	uint64_t usable_ns;
	/* The neighbour to which it sends. Not resolved: `mac` is not set. */
	bool is_host; /* there is one */
	bool resolved;
	int ifindex;
	struct xmc_addr via;
	uint8_t mac[MAC_LENGTH];
	uint64_t used_ns; /* when the kernel was last asked to keep it resolved */
	/* Counters: of closed forwards, and of what did not become a copy. */
	struct xmc_tally closed;
	uint64_t errors[SEND_ERRORS]; /* while it was not usable */
	uint64_t unusable;	      /* their sum */
	uint64_t not_copied;
};

/* An intake in whose line-up the rule is. */
struct place {
	struct kernel_side *side; /* NULL: free */
	struct forward *forward;  /* NULL: not open */
	struct key_value value;	  /* what its key has */
};

/* Two while it moves from one intake to another. */
#define PLACES 2

struct kernel_path {
	const struct rule *rule;
	struct stream *stream; /* NULL: another IP protocol than UDP */
	bool strict;
	bool hosts; /* some outputs send to a host */
	/* Why not the kernel path, or what an output waits for; may be empty. */
	char reason[TEXT_SIZE];
	struct place places[PLACES];
	/* Counters of closed forwards, and as they were at `seen_ns`. */
	struct xmc_tally closed;
	struct xmc_tally seen;
	uint64_t seen_ns;
	struct total_counts *totals; /* of the relay; NULL: it has not joined a line-up yet */
	struct total_counts counted; /* what of it has been added to them */
	struct kernel_output outputs[];
};

/* ---- the intake's side ---- */

int kernel_side_change(const struct kernel_side *side, const struct xmc_rule_key *key,
		       struct key_value from, struct key_value to)
{
	if (from.target == to.target && from.forward == to.forward)
		return 0;
	if (to.target == KEY_NONE)
		return steer_remove_rule(side->steer, key);
	if (from.target == KEY_NONE)
		return steer_add_rule(side->steer, key, to.forward);
	return steer_set_rule(side->steer, key, to.forward);
}

void kernel_side_tidy(const struct kernel_side *side)
{
	if (!side->steer || !forwards_have_retired(steer_forwards(side->steer)))
		return;
	steer_wait(side->steer);
}

/* ---- examining the outputs ---- */

/* What was found about one output. */
struct finding {
	struct forward_output out; /* ifindex 0: something is in the way */
	char reason[TEXT_SIZE];	   /* what is in the way; empty: nothing */
	bool lasting;		   /* … and stays, as far as the kernel path is concerned */
	int error;		   /* … and is the errno of the packets that do not leave */
	bool is_host;
	bool resolved;
	struct next_hop hop;
};

__attribute__((format(printf, 3, 4))) static void wait_for(struct finding *finding, int error,
							   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->reason, sizeof(finding->reason), format, args);
	va_end(args);
	finding->error = error;
}

#define refuse(finding, ...)                                                                       \
	do {                                                                                       \
		wait_for(finding, EOPNOTSUPP, __VA_ARGS__);                                        \
		(finding)->lasting = true;                                                         \
	} while (0)

/* A query of the network has failed. `name`: of the interface, may be empty. */
static void wait_for_query(struct finding *finding, int err, const char *name)
{
	if (err == -ENODEV)
		wait_for(finding, ENODEV, "output interface %s does not exist", name);
	else
		wait_for(finding, -err, "the state of the output cannot be queried: %s",
			 strerror(-err));
}

static void examine_device(const struct kernel_side *side, struct finding *finding)
{
	struct link link;
	int err = redirects_find_index(side->redirects, finding->hop.ifindex, &link);

	if (err)
		wait_for_query(finding, err, "");
	else if (!link.up)
		wait_for(finding, ENETDOWN, "output interface %s is down", link.name);
	else if (!link.carrier)
		wait_for(finding, ENETDOWN, "output interface %s has no carrier", link.name);
	else if (link.type != ARPHRD_ETHER)
		refuse(finding, "output interface %s is no Ethernet interface", link.name);
	else if (link.features_known && !(link.xdp_features & LINK_XDP_NDO_XMIT))
		refuse(finding,
		       "output interface %s cannot transmit redirected packets: see "
		       "docs/kernel-path.md",
		       link.name);
	else if (redirects_refuse(side->redirects, side->ifindex, link.ifindex))
		refuse(finding,
		       "output interface %s has refused redirected packets: see "
		       "docs/kernel-path.md",
		       link.name);
	else if (link.mtu < side->mtu)
		refuse(finding,
		       "the MTU of output interface %s, %u, is below that of the input, %u",
		       link.name, link.mtu, side->mtu);
	finding->out.mtu = link.mtu;
	memcpy(finding->out.header.mac_from, link.mac, sizeof(link.mac));
}

static void examine_neighbour(const struct kernel_side *side, const struct rule_output *output,
			      struct finding *finding)
{
	struct netlink *netlink = redirects_netlink(side->redirects);
	const struct next_hop *hop = &finding->hop;
	char address[ADDR_TEXT_SIZE];
	int err;

	finding->is_host = hop->kind == NEXT_HOP_HOST;
	if (!finding->is_host) {
		group_mac(&output->to, finding->out.header.mac_to);
		return;
	}
	err = neighbour_find(netlink, hop->ifindex, &hop->via, finding->out.header.mac_to);
	finding->resolved = !err;
	if (err && err != -EAGAIN) {
		wait_for_query(finding, err, "");
	} else if (err) {
		wait_for(finding, EHOSTUNREACH, "the MAC address of %s is not known",
			 addr_format(&hop->via, address));
		neighbour_use(netlink, hop->ifindex, &hop->via);
	}
}

/* What the kernel would do with the output's packets. `named`: the interface that it names, or all
 * zero. */
static void judge_route(struct finding *finding, const struct link *named)
{
	switch (finding->hop.kind) {
	case NEXT_HOP_GROUP:
	case NEXT_HOP_HOST:
		if (addr_is_any(&finding->hop.source))
			wait_for(finding, EADDRNOTAVAIL, "no address to send from");
		break;
	case NEXT_HOP_UNREACHABLE:
		/* The routes of an interface go when it is set down. */
		if (named->ifindex && !named->up)
			wait_for(finding, ENETDOWN, "output interface %s is down", named->name);
		else
			wait_for(finding, -finding->hop.error, "no route: %s",
				 strerror(-finding->hop.error));
		break;
	case NEXT_HOP_LOCAL:
		refuse(finding, "the destination is an address of this host");
		break;
	case NEXT_HOP_BROADCAST:
		refuse(finding, "the destination is a broadcast address");
		break;
	case NEXT_HOP_ENCAPSULATED:
		refuse(finding, "the route puts packets into a tunnel");
		break;
	}
}

static void examine_route(const struct kernel_side *side, const struct rule_output *output,
			  struct finding *finding)
{
	struct link named = {};
	int err = *output->iface ? redirects_find(side->redirects, output->iface, &named) : 0;

	if (!err)
		err = next_hop_find(redirects_netlink(side->redirects), &output->to, named.ifindex,
				    output->dscp, &finding->hop);
	if (err)
		wait_for_query(finding, err, output->iface);
	else
		judge_route(finding, &named);
}

static void examine_port(const struct kernel_path *kernel, unsigned int i, struct finding *finding)
{
	uint16_t port;
	int err;

	if (!kernel->stream)
		return;
	err = output_socket_port(kernel->stream->outputs[i].socket, &port);
	if (err)
		wait_for(finding, -err, "no UDP source port is available: %s", strerror(-err));
	else
		finding->out.header.source_port = htons(port);
}

static void examine_output(const struct kernel_path *kernel, const struct kernel_side *side,
			   unsigned int i, struct finding *finding)
{
	const struct rule_output *output = &kernel->rule->outputs[i];
	struct xmc_output *header = &finding->out.header;

	*finding = (struct finding){};
	if (output_is_limited(output))
		refuse(finding, "rate limits need the user path");
	else if (addr_is_ipv4(&output->to) != addr_is_ipv4(&kernel->rule->group))
		refuse(finding, "a change of the address family needs the user path");
	if (!*finding->reason)
		examine_route(side, output, finding);
	if (!*finding->reason)
		examine_device(side, finding);
	if (!*finding->reason)
		examine_neighbour(side, output, finding);
	if (!*finding->reason)
		examine_port(kernel, i, finding);
	if (*finding->reason)
		return;
	finding->out.ifindex = finding->hop.ifindex;
	header->source = finding->hop.source;
	header->destination = output->to;
	header->port = htons(rule_output_port(kernel->rule, output));
	header->ttl = output->ttl;
	header->tos = (uint8_t)(output->dscp << 2);
}

/* What is in the way of all outputs, and stays. NULL: nothing. */
static const char *examine_rule(const struct kernel_path *kernel, const struct kernel_side *side)
{
	const char *why;

	if (!steer_can_forward(side->steer, &why))
		return why;
	if (kernel->rule->nr_outputs > XMC_MAX_COPIES)
		return "more than 64 outputs need the user path";
	if (side->skb && kernel->rule->nr_outputs > 1)
		return "in skb mode the kernel path supports one output";
	return NULL;
}

/* ---- forwards ---- */

static const char *explain_forward(int err)
{
	if (err == -ENOSPC)
		return "the rules of its input use too many combinations of output interfaces";
	if (err == -E2BIG)
		return "the XDP maps of its input are full";
	if (err == -ENOMEM)
		return "no memory for the XDP maps of its input";
	return "the XDP maps of its input cannot be written";
}

/* Give the forward these outputs, and open it before if necessary. NULL, or what is in the way. */
static const char *set_forward(const struct kernel_path *kernel, struct place *place,
			       const struct finding *findings)
{
	const struct kernel_side *side = place->side;
	struct forward_output outputs[XMC_MAX_COPIES];
	unsigned int count = kernel->rule->nr_outputs;
	int err = 0;

	for (unsigned int i = 0; !err && i < count; i++) {
		outputs[i] = findings[i].out;
		if (outputs[i].ifindex)
			err = redirects_watch(side->redirects, side->ifindex, outputs[i].ifindex,
					      side->skb);
	}
	if (err)
		return "what devices do with redirected packets cannot be counted: the kernel "
		       "needs BTF";
	if (!place->forward)
		err = forward_open(&place->forward, steer_forwards(side->steer), count);
	if (!err)
		err = forward_set(place->forward, outputs);
	return err ? explain_forward(err) : NULL;
}

/* ---- counters ---- */

static struct xmc_tally sum_output(const struct kernel_path *kernel, unsigned int i)
{
	struct xmc_tally sum = kernel->outputs[i].closed, tally;

	for (unsigned int j = 0; j < PLACES; j++) {
		if (!kernel->places[j].forward)
			continue;
		forward_read_output(kernel->places[j].forward, i, &tally);
		tally_add(&sum, &tally);
	}
	return sum;
}

static struct xmc_tally sum_rule(const struct kernel_path *kernel)
{
	struct xmc_tally sum = kernel->closed, tally;

	for (unsigned int j = 0; j < PLACES; j++) {
		if (!kernel->places[j].forward)
			continue;
		forward_read_rule(kernel->places[j].forward, &tally);
		tally_add(&sum, &tally);
	}
	return sum;
}

/* `received` was read so long before `sent` that none of these packets is on its way. Those that
 * the output has not sent are lost: it was not usable, or the kernel did not make a copy for it. */
static void account(struct kernel_output *output, const struct xmc_tally *received,
		    const struct xmc_tally *sent)
{
	uint64_t known = received->too_large + sent->sent + output->unusable + output->not_copied;
	uint64_t missing = received->received - known;
	int error = output->error ? output->error : output->error_before;

	if (received->received <= known)
		return;
	if (error) {
		output->errors[send_error_slot(error)] += missing;
		output->unusable += missing;
	} else {
		output->not_copied += missing;
	}
}

/* `at_rest`: no packet is on its way. Otherwise only what was received some time ago counts. */
static void account_again(const struct kernel_path *kernel, struct kernel_output *output,
			  bool at_rest, const struct xmc_tally *received,
			  const struct xmc_tally *sent)
{
	account(output, at_rest ? received : &kernel->seen, sent);
	if (at_rest || kernel->seen_ns >= output->usable_ns)
		output->error_before = 0;
}

/* What was not sent because it was too large. Counted after `sent`, so it is limited to what the
 * output cannot have sent. */
static uint64_t too_large(const struct kernel_output *output, const struct xmc_tally *rule,
			  const struct xmc_tally *sent)
{
	uint64_t rest = rule->received - sent->sent - output->unusable - output->not_copied;

	return rule->too_large < rest ? rule->too_large : rest;
}

/* Add to the totals what was counted since the last call. */
static void add_totals(struct kernel_path *kernel, const struct total_counts *now)
{
	struct total_counts *before = &kernel->counted, *totals = kernel->totals;

	totals->submitted += now->sent + now->send_errors - before->sent - before->send_errors;
	totals->sent += now->sent - before->sent;
	totals->sent_bytes += now->sent_bytes - before->sent_bytes;
	totals->send_errors += now->send_errors - before->send_errors;
	*before = *now;
}

/* Read all counters and add them to `counts` and `outputs`. `at_rest`: no packet is on its way. */
static void read_counters(struct kernel_path *kernel, bool at_rest, struct rule_counts *counts,
			  struct output_counts *outputs)
{
	unsigned int count = kernel->rule->nr_outputs;
	uint64_t now_ns = clock_ns();
	bool settled = now_ns - kernel->seen_ns >= SETTLED_NS;
	struct total_counts totals = {};
	struct xmc_tally sent[XMC_MAX_OUTPUTS];
	struct xmc_tally rule;

	/* First what follows the reception, see books.h. */
	for (unsigned int i = 0; i < count; i++)
		sent[i] = sum_output(kernel, i);
	rule = sum_rule(kernel);
	for (unsigned int i = 0; i < count; i++) {
		struct kernel_output *output = &kernel->outputs[i];
		uint64_t large;

		if (at_rest || settled)
			account_again(kernel, output, at_rest, &rule, &sent[i]);
		large = too_large(output, &rule, &sent[i]);
		for (unsigned int k = 0; k < SEND_ERRORS; k++)
			outputs[i].errors[k] += output->errors[k];
		outputs[i].errors[send_error_slot(EMSGSIZE)] += large;
		outputs[i].sent += sent[i].sent;
		outputs[i].sent_bytes += sent[i].sent_bytes;
		outputs[i].submitted += sent[i].sent + output->unusable + large;
		outputs[i].not_copied += output->not_copied;
		totals.sent += sent[i].sent;
		totals.sent_bytes += sent[i].sent_bytes;
		totals.send_errors += output->unusable + large;
	}
	if (settled || at_rest) {
		kernel->seen = rule;
		kernel->seen_ns = now_ns;
	}
	counts->received += rule.received;
	counts->received_bytes += rule.received_bytes;
	if (kernel->totals)
		add_totals(kernel, &totals);
}

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

void kernel_path_read(struct kernel_path *kernel, struct rule_counts *counts,
		      struct output_counts *outputs)
{
	if (!kernel)
		return;
	read_counters(kernel, false, counts, outputs);
	counts->path_reason = text_or_null(kernel->reason);
	if (!kernel_path_is_used(kernel))
		return;
	counts->path = "kernel";
	for (unsigned int i = 0; i < kernel->rule->nr_outputs; i++)
		outputs[i].reason = text_or_null(kernel->outputs[i].reason);
}

void kernel_path_settle(struct kernel_path *kernel)
{
	struct output_counts outputs[XMC_MAX_OUTPUTS] = {};
	struct rule_counts counts = {};

	if (kernel)
		read_counters(kernel, true, &counts, outputs);
}

/* ---- deciding ---- */

/* The packets of the time in which the output was not usable belong to its error. If it is still
 * not usable, none is on its way to it, so those of this moment count. Otherwise the packets that
 * were received since its headers were written are on their way: count later. */
static void close_account(struct kernel_path *kernel, unsigned int i, int error)
{
	struct kernel_output *output = &kernel->outputs[i];
	struct xmc_tally received, sent;

	if (error) {
		received = sum_rule(kernel);
		sent = sum_output(kernel, i);
		account(output, &received, &sent);
	} else {
		output->error_before = output->error;
		output->usable_ns = clock_ns();
	}
}

static void note_output(struct kernel_path *kernel, unsigned int i, const struct finding *finding,
			bool used)
{
	struct kernel_output *output = &kernel->outputs[i];
	int error = used ? finding->error : 0;

	if (output->error && output->error != error)
		close_account(kernel, i, error);
	output->error = error;
	snprintf(output->reason, sizeof(output->reason), "%s", used ? finding->reason : "");
	output->is_host = finding->is_host;
	output->resolved = finding->resolved;
	output->ifindex = finding->hop.ifindex;
	output->via = finding->hop.via;
	/* The kernel does not trust a new address before the neighbour is used: use it soon. */
	if (memcmp(output->mac, finding->out.header.mac_to, sizeof(output->mac)) != 0)
		output->used_ns = 0;
	memcpy(output->mac, finding->out.header.mac_to, sizeof(output->mac));
	kernel->hosts |= finding->is_host;
}

/* Examine all outputs. Returns the first obstacle that stays, otherwise the first one that passes;
 * NULL: nothing is in the way. */
static const char *examine_outputs(const struct kernel_path *kernel, const struct kernel_side *side,
				   struct finding *findings, bool *lasting)
{
	const char *reason = NULL;

	*lasting = false;
	for (unsigned int i = 0; i < kernel->rule->nr_outputs; i++) {
		examine_output(kernel, side, i, &findings[i]);
		if (*findings[i].reason && (!reason || (findings[i].lasting && !*lasting)))
			reason = findings[i].reason;
		*lasting |= findings[i].lasting;
	}
	return reason;
}

/* `keyed`: its key is in the XDP map. */
static void update(struct kernel_path *kernel, struct place *place, bool keyed)
{
	struct finding findings[XMC_MAX_COPIES] = {};
	const char *reason = examine_rule(kernel, place->side);
	bool lasting = reason != NULL;
	struct key_value next = {.target = KEY_NONE};
	struct xmc_rule_key key;

	if (!reason)
		reason = examine_outputs(kernel, place->side, findings, &lasting);
	if (!reason || (kernel->strict && !lasting)) {
		const char *failure = set_forward(kernel, place, findings);

		next.target = failure ? KEY_NONE : KEY_FORWARD;
		reason = failure ? failure : reason;
	}
	if (next.target == KEY_FORWARD)
		next.forward = place->forward;
	else if (!kernel->strict)
		next.target = KEY_USER;
	rule_key(kernel->rule, &key);
	if (keyed && kernel_side_change(place->side, &key, place->value, next)) {
		next = place->value;
		reason = "the XDP map of its input is full";
	}
	for (unsigned int i = 0; i < kernel->rule->nr_outputs && i < XMC_MAX_COPIES; i++)
		note_output(kernel, i, &findings[i], kernel->strict || next.target == KEY_FORWARD);
	if (next.target == KEY_NONE && strcmp(reason, kernel->reason) != 0)
		log_error("rule-pending", LOG_NAME("rule", kernel->rule->name),
			  LOG_ERROR(-EOPNOTSUPP), LOG_TEXT("reason", reason));
	place->value = next;
	snprintf(kernel->reason, sizeof(kernel->reason), "%s", reason ? reason : "");
}

void kernel_path_update(struct kernel_path *kernel)
{
	for (unsigned int i = 0; kernel && i < PLACES; i++) {
		if (kernel->places[i].side)
			update(kernel, &kernel->places[i], true);
	}
}

bool kernel_path_concerns(const struct kernel_path *kernel, const struct neighbour *neighbour)
{
	for (unsigned int i = 0; kernel && kernel->hosts && i < kernel->rule->nr_outputs; i++) {
		const struct kernel_output *output = &kernel->outputs[i];

		if (!output->is_host || output->ifindex != neighbour->ifindex ||
		    !addr_equal(&output->via, &neighbour->address))
			continue;
		if (output->resolved != neighbour->usable ||
		    (neighbour->usable && memcmp(output->mac, neighbour->mac, MAC_LENGTH) != 0))
			return true;
	}
	return false;
}

bool kernel_path_refresh(struct kernel_path *kernel, uint64_t now_ns)
{
	const struct kernel_side *side = kernel ? kernel->places[0].side : NULL;
	bool due = false;

	for (unsigned int i = 0; side && kernel->hosts && i < kernel->rule->nr_outputs; i++) {
		struct kernel_output *output = &kernel->outputs[i];

		if (!output->is_host ||
		    (output->resolved && now_ns - output->used_ns < NEIGHBOUR_USE_NS))
			continue;
		due = true;
		output->used_ns = now_ns;
		neighbour_use(redirects_netlink(side->redirects), output->ifindex, &output->via);
	}
	return due;
}

bool kernel_path_has_hosts(const struct kernel_path *kernel)
{
	return kernel && kernel->hosts;
}

/* ---- line-ups ---- */

static struct place *find_place(const struct kernel_path *kernel, const struct kernel_side *side)
{
	for (unsigned int i = 0; kernel && i < PLACES; i++) {
		if (kernel->places[i].side == side)
			return (struct place *)&kernel->places[i];
	}
	return NULL;
}

void kernel_path_join(struct kernel_path *kernel, struct kernel_side *side)
{
	struct place *place;

	if (!kernel || find_place(kernel, side))
		return;
	place = &kernel->places[kernel->places[0].side ? 1 : 0];
	place->side = side;
	kernel->totals = side->totals;
	update(kernel, place, false);
}

struct key_value kernel_path_value(const struct kernel_path *kernel, const struct kernel_side *side)
{
	const struct place *place = find_place(kernel, side);

	return place ? place->value : (struct key_value){.target = KEY_USER};
}

bool kernel_path_has_forward(const struct kernel_path *kernel, const struct kernel_side *side)
{
	const struct place *place = find_place(kernel, side);

	return place && place->forward;
}

void kernel_path_leave(struct kernel_path *kernel, const struct kernel_side *side)
{
	struct place *place = find_place(kernel, side);
	struct xmc_tally tally;

	if (!place)
		return;
	for (unsigned int i = 0; place->forward && i < kernel->rule->nr_outputs; i++) {
		forward_read_output(place->forward, i, &tally);
		tally_add(&kernel->outputs[i].closed, &tally);
	}
	if (place->forward) {
		forward_read_rule(place->forward, &tally);
		tally_add(&kernel->closed, &tally);
		forward_close(place->forward);
	}
	*place = (struct place){};
	if (!kernel->places[0].forward && !kernel->places[1].forward)
		kernel_path_settle(kernel);
	/* The place that is in use comes first. */
	if (kernel->places[1].side && !kernel->places[0].side) {
		kernel->places[0] = kernel->places[1];
		kernel->places[1] = (struct place){};
	}
}

/* ---- life ---- */

int kernel_path_new(struct kernel_path **out, const struct rule *rule, struct stream *stream,
		    bool strict)
{
	struct kernel_path *kernel =
		calloc(1, sizeof(*kernel) + rule->nr_outputs * sizeof(kernel->outputs[0]));

	if (!kernel)
		return -ENOMEM;
	kernel->rule = rule;
	kernel->stream = stream;
	kernel->strict = strict;
	*out = kernel;
	return 0;
}

void kernel_path_free(struct kernel_path *kernel)
{
	free(kernel);
}

void kernel_path_set_rule(struct kernel_path *kernel, const struct rule *rule)
{
	if (kernel)
		kernel->rule = rule;
}

/* ---- state ---- */

bool kernel_path_is_used(const struct kernel_path *kernel)
{
	return kernel && (kernel->strict || kernel->places[0].value.target == KEY_FORWARD);
}

const char *kernel_path_reason(const struct kernel_path *kernel)
{
	unsigned int count = kernel ? kernel->rule->nr_outputs : 0;

	if (!kernel_path_is_used(kernel))
		return NULL;
	/* Not in a line-up: the intake has a reason. */
	if (kernel->places[0].value.target == KEY_NONE)
		return text_or_null(kernel->reason);
	/* One output that works is enough. */
	for (unsigned int i = 0; i < count; i++) {
		if (!*kernel->outputs[i].reason)
			return NULL;
	}
	return count ? kernel->outputs[0].reason : NULL;
}
