/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/kernel_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "relay/kernel_account.h"

/* How often the kernel is asked to keep a neighbour resolved: more often than an unused entry is
 * kept (gc_stale_time, 60 s). */
#define NEIGHBOUR_USE_NS (15 * NS_PER_SECOND)

/* A packet that was counted as received longer ago than this has been sent or dropped: the program
 * and the transmission run in one softirq. */
#define SETTLED_NS (100 * NS_PER_MS)

/* An output, as the last update has found it. */
struct kernel_output {
	char reason[FINDING_TEXT_SIZE]; /* why nothing leaves by it; empty: packets leave */
	struct kernel_account account;
	/* The neighbour to which it sends. Not resolved: `mac` is not set. */
	bool is_host; /* there is one */
	bool resolved;
	int ifindex;
	struct xmc_addr via;
	uint8_t mac[MAC_LENGTH];
	uint64_t used_ns;	    /* when the kernel was last asked to keep it resolved */
	struct xmc_tally closed;    /* counters of closed forwards */
	struct xmc_tally last_read; /* the sum when the counters were read last */
};

/* An intake in whose line-up the rule is, and the tags of its packets there. */
struct place {
	struct kernel_side *side; /* NULL: free */
	uint32_t tags;
	struct forward *forward; /* NULL: not open */
	struct key_value value;	 /* what its key has */
};

/* Two while it moves from one intake to another, or to another VLAN. */
#define PLACES 2

struct kernel_path {
	const struct rule *rule;
	struct stream *stream; /* NULL: another IP protocol than UDP */
	enum rule_path wanted;
	uint16_t lease; /* slot; 0: none */
	bool hosts;	/* some outputs send to a host */
	/* Why not the kernel path, or what an output waits for; may be empty. */
	char reason[FINDING_TEXT_SIZE];
	struct place places[PLACES];
	/* Counters of closed forwards, and as they were at `seen_ns`. */
	struct xmc_tally closed;
	struct xmc_tally seen;
	uint64_t seen_ns;
	struct xmc_tally last_read;  /* the sum when the counters were read last */
	struct total_counts *totals; /* of the relay; NULL: it has not joined a line-up yet */
	struct total_counts counted; /* what of it has been added to them */
	struct kernel_output outputs[];
};

/* ---- forwards ---- */

static const char *explain_forward(int err)
{
	if (err == -ENOSPC)
		return "the rules of the input use too many combinations of output interfaces";
	if (err == -E2BIG)
		return "the XDP maps of the input are full";
	if (err == -ENOMEM)
		return "no memory for the XDP maps of the input";
	return "the XDP maps of the input cannot be written";
}

static const char *explain_watch(int err)
{
	if (err == -E2BIG)
		return "too many pairs of input and output interfaces are in use";
	if (err == -ENOMEM)
		return "no memory for the counters of its output devices";
	if (err == -EMFILE || err == -ENFILE)
		return "too few file descriptors: raise the limit (ulimit -n)";
	return "what devices do with redirected packets cannot be counted: the kernel needs BTF";
}

/* A rule with more outputs than a forward can have is on the user path, where the forward needs
 * none. */
static int open_forward(const struct kernel_path *kernel, struct place *place)
{
	unsigned int count = kernel->rule->nr_outputs;

	if (place->forward)
		return 0;
	return forward_open(&place->forward, steer_forwards(place->side->steer),
			    count < XMC_MAX_COPIES ? count : XMC_MAX_COPIES, kernel->lease);
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
		return explain_watch(err);
	do {
		err = open_forward(kernel, place);
		if (!err)
			err = forward_set(place->forward, outputs);
	} while (kernel_side_make_room(side, err));
	return err ? explain_forward(err) : NULL;
}

/* The same for the user path. */
static const char *set_user(const struct kernel_path *kernel, struct place *place)
{
	int err;

	do {
		err = open_forward(kernel, place);
		if (!err)
			err = forward_set_user(place->forward);
	} while (kernel_side_make_room(place->side, err));
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
		struct kernel_account *account = &kernel->outputs[i].account;

		kernel->outputs[i].last_read = sent[i];
		if (at_rest)
			kernel_account_close(account, &rule, &sent[i]);
		else if (settled)
			kernel_account_settle(account, &kernel->seen, kernel->seen_ns, &sent[i]);
		kernel_account_read(account, &rule, &sent[i], &outputs[i], &totals);
	}
	kernel->last_read = rule;
	if (settled || at_rest) {
		kernel->seen = rule;
		kernel->seen_ns = now_ns;
	}
	counts->received += rule.received;
	counts->received_bytes += rule.received_bytes;
	counts->standby += rule.standby;
	if (kernel->totals)
		totals_advance(kernel->totals, &kernel->counted, &totals);
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
	struct kernel_account *account = &kernel->outputs[i].account;
	struct xmc_tally received, sent;

	if (error) {
		received = sum_rule(kernel);
		sent = sum_output(kernel, i);
		kernel_account_add(account, &received, &sent);
	} else {
		account->error_before = account->error;
		account->usable_ns = clock_ns();
	}
}

static void note_output(struct kernel_path *kernel, unsigned int i, const struct finding *finding,
			bool used)
{
	struct kernel_output *output = &kernel->outputs[i];
	int error = used ? finding->withheld ? -(int)finding->withheld : finding->error : 0;

	if (output->account.error && output->account.error != error)
		close_account(kernel, i, error);
	output->account.error = error;
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

/* Packets take the user path for this reason, or NULL. Returns it, or what is in the way of that.
 */
static const char *fall_back(const struct kernel_path *kernel, struct place *place,
			     struct key_value *next, const char *reason)
{
	const char *failure;

	if (kernel->wanted == RULE_PATH_KERNEL)
		return reason;
	failure = kernel->lease ? set_user(kernel, place) : NULL;
	if (failure)
		return failure;
	*next = (struct key_value){KEY_USER, kernel->lease ? place->forward : NULL};
	return reason;
}

/* Examine the rule and set its forward if packets can take it. *next: what its key shall have.
 * Returns what is in the way of the rule or of some outputs, or NULL. */
static const char *decide(const struct kernel_path *kernel, struct place *place,
			  struct finding *findings, struct key_value *next)
{
	const char *reason = kernel_examine_rule(place->side, kernel->rule, place->tags);
	const char *failure;
	bool lasting = true;

	*next = (struct key_value){.target = KEY_NONE};
	if (kernel->lease && !steer_can_forward(place->side->steer, &failure))
		return reason;
	if (kernel->wanted == RULE_PATH_USER)
		return fall_back(kernel, place, next, NULL);
	if (!reason)
		reason = kernel_examine_outputs(place->side, kernel->rule, kernel->stream, findings,
						&lasting);
	if (reason && (lasting || kernel->wanted != RULE_PATH_KERNEL))
		return fall_back(kernel, place, next, reason);
	failure = set_forward(kernel, place, findings);
	if (failure)
		return fall_back(kernel, place, next, failure);
	*next = (struct key_value){.target = KEY_FORWARD, .forward = place->forward};
	return reason;
}

static int write_key(const struct kernel_path *kernel, const struct place *place,
		     struct key_value next)
{
	struct xmc_rule_key key;

	rule_key(kernel->rule, &key);
	key.tags = place->tags;
	return kernel_side_change(place->side, &key, place->value, next);
}

static void log_pending(const struct kernel_path *kernel, const char *reason)
{
	if (strcmp(reason, kernel->reason) != 0)
		log_error("rule-pending", LOG_NAME("rule", kernel->rule->name),
			  LOG_ERROR(-EOPNOTSUPP), LOG_TEXT("reason", reason));
}

/* `keyed`: its key is in the XDP map. */
static void update(struct kernel_path *kernel, struct place *place, bool keyed)
{
	struct finding findings[XMC_MAX_COPIES] = {};
	struct key_value next;
	const char *reason = decide(kernel, place, findings, &next);
	int err = keyed ? write_key(kernel, place, next) : 0;
	bool used;

	if (err) {
		next = place->value;
		reason = explain_forward(err);
	}
	used = next.target != KEY_USER;
	for (unsigned int i = 0; i < kernel->rule->nr_outputs && i < XMC_MAX_COPIES; i++)
		note_output(kernel, i, &findings[i], used);
	if (next.target == KEY_NONE)
		log_pending(kernel, reason);
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

static struct place *find_place(const struct kernel_path *kernel, const struct kernel_side *side,
				uint32_t tags)
{
	for (unsigned int i = 0; kernel && i < PLACES; i++) {
		if (kernel->places[i].side == side && kernel->places[i].tags == tags)
			return (struct place *)&kernel->places[i];
	}
	return NULL;
}

void kernel_path_join(struct kernel_path *kernel, struct kernel_side *side, uint32_t tags)
{
	struct place *place;

	if (!kernel)
		return;
	kernel->totals = side->totals;
	if (find_place(kernel, side, tags))
		return;
	place = &kernel->places[kernel->places[0].side ? 1 : 0];
	place->side = side;
	place->tags = tags;
	update(kernel, place, false);
}

struct key_value kernel_path_value(const struct kernel_path *kernel, const struct kernel_side *side,
				   uint32_t tags)
{
	const struct place *place = find_place(kernel, side, tags);

	return place ? place->value : (struct key_value){.target = KEY_USER};
}

bool kernel_path_has_forward(const struct kernel_path *kernel, const struct kernel_side *side,
			     uint32_t tags)
{
	const struct place *place = find_place(kernel, side, tags);

	return place && place->forward;
}

bool kernel_path_has_slot(const struct kernel_path *kernel, const struct kernel_side *side,
			  uint32_t slot, unsigned int *output)
{
	for (unsigned int i = 0; kernel && i < PLACES; i++) {
		const struct forward *forward = kernel->places[i].forward;

		if (!forward || kernel->places[i].side != side)
			continue;
		*output = slot - forward_slot(forward);
		if (*output < kernel->rule->nr_outputs)
			return true;
	}
	return false;
}

bool kernel_path_slot(const struct kernel_path *kernel, const struct kernel_side *side,
		      uint32_t *slot)
{
	for (unsigned int i = 0; kernel && i < PLACES; i++) {
		if (kernel->places[i].side != side || !kernel->places[i].forward)
			continue;
		*slot = forward_slot(kernel->places[i].forward);
		return true;
	}
	return false;
}

void kernel_path_leave(struct kernel_path *kernel, const struct kernel_side *side, uint32_t tags)
{
	struct place *place = find_place(kernel, side, tags);
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

/* ---- from one process to the next ---- */

bool kernel_path_describe(const struct kernel_path *kernel, uint32_t *slot, struct xmc_tally *rule,
			  struct xmc_tally *outputs)
{
	const struct forward *forward = kernel ? kernel->places[0].forward : NULL;

	if (!forward)
		return false;
	*slot = forward_slot(forward);
	*rule = tally_difference(&kernel->last_read, &kernel->closed);
	for (unsigned int i = 0; i < kernel->rule->nr_outputs; i++)
		outputs[i] =
			tally_difference(&kernel->outputs[i].last_read, &kernel->outputs[i].closed);
	return true;
}

void kernel_path_carry(struct kernel_path *kernel, const struct xmc_tally *rule,
		       const struct xmc_tally *outputs)
{
	tally_add(&kernel->closed, rule);
	for (unsigned int i = 0; i < kernel->rule->nr_outputs; i++)
		tally_add(&kernel->outputs[i].closed, &outputs[i]);
}

/* ---- life ---- */

int kernel_path_new(struct kernel_path **out, const struct rule *rule, struct stream *stream,
		    enum rule_path wanted, uint16_t lease)
{
	struct kernel_path *kernel =
		calloc(1, sizeof(*kernel) + rule->nr_outputs * sizeof(kernel->outputs[0]));

	if (!kernel)
		return -ENOMEM;
	kernel->rule = rule;
	kernel->stream = stream;
	kernel->wanted = wanted;
	kernel->lease = lease;
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
	const struct place *place = kernel ? &kernel->places[0] : NULL;

	return kernel &&
	       (kernel->wanted == RULE_PATH_KERNEL || place->value.target == KEY_FORWARD ||
		(place->side && place->value.target == KEY_NONE));
}

const char *kernel_path_reason(const struct kernel_path *kernel)
{
	unsigned int count = kernel ? kernel->rule->nr_outputs : 0;
	const char *reason = NULL;

	if (!kernel_path_is_used(kernel))
		return NULL;
	/* Not in a line-up: the intake has a reason. */
	if (kernel->places[0].value.target == KEY_NONE)
		return text_or_null(kernel->reason);
	/* Of those that are wanted, one output that works is enough. */
	for (unsigned int i = 0; i < count; i++) {
		if (kernel->outputs[i].account.error == -WITHHELD_NOT_JOINED)
			continue;
		if (!*kernel->outputs[i].reason)
			return NULL;
		if (!reason)
			reason = kernel->outputs[i].reason;
	}
	return reason;
}
