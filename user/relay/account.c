/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters from one process to the next, as JSON with names, because the processes may be of
 * different versions: what one of them does not know is left out. See hand_over.h. */
#define LOG_FACILITY LOG_FACILITY_RULES
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_build.h"
#include "base/log.h"
#include "relay/hand_over.h"
#include "relay/inheritance.h"
#include "relay/leases.h"
#include "relay/state.h"
#include "steering/forward.h"

/* A counter of a struct: its key and place. */
struct place {
	const char *key;
	size_t offset;
};

#define PLACE(type, member)                                                                        \
	{                                                                                          \
#member, offsetof(struct type, member)                                             \
	}

static const struct place rule_places[] = {
	PLACE(rule_counts, received),
	PLACE(rule_counts, received_bytes),
	PLACE(rule_counts, standby),
	PLACE(rule_counts, switches),
	{},
};

static const struct place side_places[] = {
	PLACE(side_counts, received), PLACE(side_counts, received_bytes), PLACE(side_counts, used),
	PLACE(side_counts, inactive), PLACE(side_counts, changing),	  {},
};

static const struct place output_places[] = {
	PLACE(output_counts, submitted),
	PLACE(output_counts, sent),
	PLACE(output_counts, sent_bytes),
	PLACE(output_counts, rate_limited),
	PLACE(output_counts, not_copied),
	PLACE(output_counts, gso_refused),
	{},
};

static const struct place worker_places[] = {
	PLACE(worker_state, submitted),
	PLACE(worker_state, sent),
	PLACE(worker_state, sent_bytes),
	PLACE(worker_state, send_errors),
	PLACE(worker_state, rate_limited),
	PLACE(worker_state, withheld),
	PLACE(worker_state, unwanted),
	PLACE(worker_state, inactive_side),
	PLACE(worker_state, received),
	PLACE(worker_state, wakeups),
	PLACE(worker_state, sleeps),
	PLACE(worker_state, submits),
	PLACE(worker_state, sends),
	PLACE(worker_state, cq_overflows),
	PLACE(worker_state, kernel.rx_dropped),
	PLACE(worker_state, kernel.rx_ring_full),
	PLACE(worker_state, kernel.fill_ring_empty),
	PLACE(worker_state, uncertain),
	{},
};

static const struct place tally_places[] = {
	PLACE(xmc_tally, received),   PLACE(xmc_tally, received_bytes),
	PLACE(xmc_tally, too_large),  PLACE(xmc_tally, sent),
	PLACE(xmc_tally, sent_bytes), PLACE(xmc_tally, ttl_expired),
	PLACE(xmc_tally, standby),    {},
};

static const struct place total_places[] = {
	PLACE(total_counts, steered),
	PLACE(total_counts, received),
	PLACE(total_counts, submitted),
	PLACE(total_counts, sent),
	PLACE(total_counts, sent_bytes),
	PLACE(total_counts, send_errors),
	PLACE(total_counts, rate_limited),
	PLACE(total_counts, withheld),
	PLACE(total_counts, unwanted),
	PLACE(total_counts, inactive_side),
	PLACE(total_counts, dropped),
	PLACE(total_counts, buffer_exhausted),
	{},
};

/* Counters in an array: the name of each. */
static const char *const verdict_names[XMC_REASONS] = XMC_REASON_NAMES;
static const char *const drop_names[INGRESS_DROPS] = INGRESS_DROP_NAMES;
static const char *const device_drop_names[XMC_DEVICE_DROPS] = XMC_DEVICE_DROP_NAMES;

static const char *const withheld_names[WITHHELD_REASONS] = WITHHELD_NAMES;
static const char *const icmp_names[ICMP_KINDS] = ICMP_KIND_NAMES;

static const char *error_names[SEND_ERRORS];

static void name_errors(void)
{
	for (unsigned int i = 0; i < SEND_ERRORS; i++)
		error_names[i] = send_error_name(i);
}

/* ---- writing; zeros are left out ---- */

static void put_number(json_t **object, const char *key, uint64_t value)
{
	if (value)
		json_put(object, key, json_integer((json_int_t)value));
}

static json_t *write_places(const void *counts, const struct place *places)
{
	json_t *object = json_object();

	for (; places->key; places++) {
		uint64_t value;

		memcpy(&value, (const char *)counts + places->offset, sizeof(value));
		put_number(&object, places->key, value);
	}
	return object;
}

static json_t *write_array(const uint64_t *values, const char *const *names, unsigned int count)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < count; i++)
		put_number(&object, names[i], values[i]);
	return object;
}

static json_t *write_latency(const struct rule_counts *counts)
{
	struct histogram_counts sum = {};
	json_t *buckets = json_array();

	rule_latency(counts, &sum);
	for (unsigned int i = 0; sum.samples && i < HISTOGRAM_BUCKETS; i++)
		json_add(&buckets, json_integer((json_int_t)sum.buckets[i]));
	return json_pack("{s:I, s:I, s:o}", "max", (json_int_t)sum.max_ns, "sum",
			 (json_int_t)sum.sum_ns, "buckets", buckets);
}

static json_t *write_health(const struct health_counts *health)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < HEALTH_FIGURES; i++) {
		char name[HEALTH_NAME_SIZE];

		put_number(&object, health_name((enum health_figure)i, name), health->figures[i]);
	}
	return object;
}

static json_t *write_output(const struct output_counts *counts)
{
	json_t *object = write_places(counts, output_places);

	json_put(&object, "errors", write_array(counts->errors, error_names, SEND_ERRORS));
	json_put(&object, "withheld",
		 write_array(counts->withheld, withheld_names, WITHHELD_REASONS));
	json_put(&object, "icmp", write_array(counts->icmp, icmp_names, ICMP_KINDS));
	return object;
}

/* The counters of a forward as they are in its maps: they may still grow. */
static json_t *write_forward(const struct route *route)
{
	struct xmc_tally rule, outputs[XMC_MAX_OUTPUTS];
	json_t *list;
	uint32_t slot;

	if (!route->path || !kernel_path_describe(route->path->kernel, &slot, &rule, outputs))
		return json_object();
	list = json_array();
	for (unsigned int i = 0; i < route->rule->nr_outputs; i++)
		json_add(&list, write_places(&outputs[i], tally_places));
	return json_pack("{s:I, s:o, s:o}", "slot", (json_int_t)slot, "rule",
			 write_places(&rule, tally_places), "outputs", list);
}

static json_t *write_sides(const struct rule_counts *counts)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < counts->rule->nr_sides; i++) {
		json_t *side = write_places(&counts->sides[i], side_places);

		if (counts->rule->watch)
			json_put(&side, "watch", write_health(&counts->sides[i].health));
		json_add(&list, side);
	}
	return list;
}

static json_t *write_rule(const struct books *books, const struct rule_counts *counts)
{
	json_t *object = write_places(counts, rule_places);
	json_t *outputs = json_array();

	for (unsigned int i = 0; i < counts->rule->nr_outputs; i++)
		json_add(&outputs, write_output(&books->outputs[counts->first_output + i]));
	json_put(&object, "name", json_string(counts->rule->name));
	json_put(&object, "latency", write_latency(counts));
	if (counts->sides)
		json_put(&object, "sides", write_sides(counts));
	if (counts->rule->watch)
		json_put(&object, "watch", write_health(&counts->health));
	json_put(&object, "outputs", outputs);
	return object;
}

static json_t *write_device(const struct xmc_device_counts *counts)
{
	json_t *object =
		write_array((const uint64_t *)counts->dropped, device_drop_names, XMC_DEVICE_DROPS);

	put_number(&object, "sent", counts->sent);
	return object;
}

static json_t *write_redirects(const struct relay *relay, const struct intake *intake,
			       const struct interface_counts *counts)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < counts->nr_redirects; i++) {
		const struct redirect_counts *redirect = &counts->redirects[i];
		struct xmc_device_counts all = {.sent = redirect->sent}, before;

		memcpy(all.dropped, redirect->dropped, sizeof(all.dropped));
		redirects_before(relay->redirects, intake->ifindex, redirect->device, &before);
		json_add(&list, json_pack("{s:s, s:o, s:o}", "device", redirect->device, "all",
					  write_device(&all), "before", write_device(&before)));
	}
	return list;
}

static json_t *write_interface(const struct relay *relay, const struct books *books, unsigned int i)
{
	const struct interface_counts *counts = &books->interfaces[i];
	json_t *workers = json_array();

	for (unsigned int j = 0; j < counts->nr_workers; j++) {
		const struct worker_counts *worker = &books->workers[counts->first_worker + j];
		json_t *object = write_places(&worker->state, worker_places);

		json_put(&object, "drops",
			 write_array(worker->state.drops, drop_names, INGRESS_DROPS));
		/* The sum of those that are gone has neither. */
		if (worker->worker) {
			json_put(&object, "device", json_string(worker_interface(worker->worker)));
			json_put(&object, "queue", json_integer(worker->queue));
		}
		json_add(&workers, object);
	}
	return json_pack("{s:s, s:o, s:o, s:o}", "name", counts->name, "verdicts",
			 write_array(counts->verdicts, verdict_names, XMC_REASONS), "redirects",
			 write_redirects(relay, relay->intakes[i], counts), "workers", workers);
}

json_t *relay_account(const struct relay *relay)
{
	struct books *books = relay_books(relay, 0, SIZE_MAX);
	json_t *rules = json_array();
	json_t *interfaces = json_array();
	json_t *account;

	if (!books) {
		json_decref(rules);
		json_decref(interfaces);
		return NULL;
	}
	name_errors();
	for (unsigned int i = 0; i < books->nr_rules; i++) {
		json_t *rule = write_rule(books, &books->rules[i]);

		json_put(&rule, "forward", write_forward(relay->routes[i]));
		json_add(&rules, rule);
	}
	for (unsigned int i = 0; i < books->nr_interfaces; i++)
		json_add(&interfaces, write_interface(relay, books, i));
	account =
		json_pack("{s:o, s:o, s:o}", "retired", write_places(&books->retired, total_places),
			  "rules", rules, "interfaces", interfaces);
	books_free(books);
	return account;
}

/* ---- reading; what is missing is 0 ---- */

static uint64_t get_number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static void read_places(const json_t *object, void *counts, const struct place *places)
{
	for (; places->key; places++) {
		uint64_t value = get_number(object, places->key);

		memcpy((char *)counts + places->offset, &value, sizeof(value));
	}
}

static void read_array(const json_t *object, uint64_t *values, const char *const *names,
		       unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		values[i] = get_number(object, names[i]);
}

static void read_latency(const json_t *object, struct histogram *latency)
{
	const json_t *buckets = json_object_get(object, "buckets");

	if (json_array_size(buckets) != HISTOGRAM_BUCKETS)
		return;
	atomic_init(&latency->max_ns, get_number(object, "max"));
	atomic_init(&latency->sum_ns, get_number(object, "sum"));
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		atomic_init(&latency->buckets[i],
			    (uint64_t)json_integer_value(json_array_get(buckets, i)));
}

static void read_health(const json_t *object, struct health_counts *health)
{
	for (unsigned int i = 0; i < HEALTH_FIGURES; i++) {
		char name[HEALTH_NAME_SIZE];

		health->figures[i] = get_number(object, health_name((enum health_figure)i, name));
	}
}

/* What is in a slot now, less what was in it. */
static void read_growth(const struct forwards *forwards, const int *tally_fds, uint32_t slot,
			const json_t *then, struct xmc_tally *growth)
{
	struct xmc_tally before = {}, now;

	*growth = (struct xmc_tally){};
	read_places(then, &before, tally_places);
	if (!forwards_read_foreign(forwards, tally_fds, slot, &now))
		return;
	for (const struct place *place = tally_places; place->key; place++)
		*(uint64_t *)((char *)growth + place->offset) =
			*(uint64_t *)((char *)&now + place->offset) -
			*(uint64_t *)((char *)&before + place->offset);
}

/* The kernel path went on between the account and the end of the predecessor's program. */
static void carry_forward(const struct route *route, const json_t *object,
			  const struct inheritance *inheritance)
{
	const struct intake *intake = route->arrival ? route->arrival->intake : NULL;
	const struct steer_adoption *from =
		intake ? inheritance_steering(inheritance, intake->ifindex) : NULL;
	const json_t *outputs = json_object_get(object, "outputs");
	uint32_t slot = (uint32_t)get_number(object, "slot");
	struct xmc_tally rule, growth[XMC_MAX_OUTPUTS];
	unsigned int count = route->rule->nr_outputs;
	struct forwards *forwards;

	if (!from || !intake->adopted || json_array_size(outputs) != count)
		return;
	forwards = steer_forwards(intake->steer);
	/* The first output has the same slot as the rule. */
	read_growth(forwards, from->tally_fds, slot, json_object_get(object, "rule"), &rule);
	rule.sent = rule.sent_bytes = rule.ttl_expired = 0;
	for (unsigned int i = 0; i < count; i++) {
		read_growth(forwards, from->tally_fds, slot + i, json_array_get(outputs, i),
			    &growth[i]);
		growth[i].received = growth[i].received_bytes = growth[i].too_large = 0;
		growth[i].standby = 0;
	}
	kernel_path_carry(route->path->kernel, &rule, growth);
}

/* Its outputs are those of the rule, because the relay runs the predecessor's configuration. */
static int carry_rule(struct route *route, const json_t *object,
		      const struct inheritance *inheritance)
{
	unsigned int count = route->rule->nr_outputs;
	const json_t *outputs = json_object_get(object, "outputs");
	const char *name = json_string_value(json_object_get(object, "name"));
	struct carried *carried;

	if (!name || strcmp(name, route->rule->name) != 0 || json_array_size(outputs) != count)
		return -EPROTO;
	carried = calloc(1, sizeof(*carried) + count * sizeof(carried->outputs[0]));
	if (!carried)
		return -ENOMEM;
	carried->references = 1;
	carried_put(route->carried);
	route->carried = carried;
	read_places(object, &carried->rule, rule_places);
	for (unsigned int i = 0; i < route->rule->nr_sides; i++) {
		const json_t *side = json_array_get(json_object_get(object, "sides"), i);

		read_places(side, &carried->sides[i], side_places);
		read_health(json_object_get(side, "watch"), &carried->sides[i].health);
	}
	read_latency(json_object_get(object, "latency"), &carried->latency);
	read_health(json_object_get(object, "watch"), &carried->rule.health);
	for (unsigned int i = 0; i < count; i++) {
		const json_t *output = json_array_get(outputs, i);

		read_places(output, &carried->outputs[i], output_places);
		read_array(json_object_get(output, "errors"), carried->outputs[i].errors,
			   error_names, SEND_ERRORS);
		read_array(json_object_get(output, "withheld"), carried->outputs[i].withheld,
			   withheld_names, WITHHELD_REASONS);
		read_array(json_object_get(output, "icmp"), carried->outputs[i].icmp, icmp_names,
			   ICMP_KINDS);
	}
	if (route->path && route->path->kernel)
		carry_forward(route, json_object_get(object, "forward"), inheritance);
	return 0;
}

static struct worker *find_worker(const struct intake *intake, const json_t *object)
{
	const char *device = json_string_value(json_object_get(object, "device"));
	uint64_t queue = get_number(object, "queue");

	for (unsigned int i = 0; device && intake && i < intake->nr_workers; i++) {
		if (worker_queue(intake->workers[i]) == queue &&
		    strcmp(worker_interface(intake->workers[i]), device) == 0)
			return intake->workers[i];
	}
	return NULL;
}

/* What has no place in the relay any more stays in its totals. */
static void carry_worker(struct relay *relay, struct intake *intake, const json_t *object)
{
	struct worker *worker = find_worker(intake, object);
	struct worker_state state = {};

	read_places(object, &state, worker_places);
	read_array(json_object_get(object, "drops"), state.drops, drop_names, INGRESS_DROPS);
	if (worker)
		worker_carry(worker, &state);
	else if (intake && intake_is_open(intake))
		worker_state_add(&intake->closed, &state);
	else
		totals_add_worker(&relay->retired, &state);
}

static void carry_device(const struct relay *relay, const struct intake *intake,
			 const json_t *object)
{
	const char *device = json_string_value(json_object_get(object, "device"));
	struct xmc_device_counts counts[2] = {};
	static const char *const keys[] = {"all", "before"};

	for (unsigned int i = 0; i < 2; i++) {
		const json_t *part = json_object_get(object, keys[i]);

		counts[i].sent = get_number(part, "sent");
		read_array(part, (uint64_t *)counts[i].dropped, device_drop_names,
			   XMC_DEVICE_DROPS);
	}
	if (device)
		redirects_carry(relay->redirects, intake->ifindex, device, &counts[0], &counts[1]);
}

static void carry_interface(struct relay *relay, const json_t *object,
			    const struct inheritance *inheritance)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const json_t *redirects = json_object_get(object, "redirects");
	const json_t *workers = json_object_get(object, "workers");
	uint64_t verdicts[XMC_REASONS] = {};
	struct intake *intake = NULL;
	const json_t *value;
	size_t i;

	for (unsigned int j = 0; name && j < relay->nr_intakes; j++) {
		if (strcmp(relay->intakes[j]->name, name) == 0)
			intake = relay->intakes[j];
	}
	read_array(json_object_get(object, "verdicts"), verdicts, verdict_names, XMC_REASONS);
	/* What the kernel still counts is read when it is final (steer_settle()). */
	if (!intake || !intake->adopted)
		totals_add_steered(&relay->retired, verdicts);
	else if (inheritance_has_other_abi(inheritance))
		/* Together with the counters of the rules, which are in maps that do not fit. */
		steer_set_carried(intake->steer, XMC_FORWARDED, verdicts[XMC_FORWARDED]);
	if (intake && intake->adopted && !inheritance_has_verdicts(inheritance))
		for (i = 0; i < XMC_REASONS; i++)
			steer_set_carried(intake->steer, (enum xmc_reason)i, verdicts[i]);
	json_array_foreach(workers, i, value) carry_worker(relay, intake, value);
	json_array_foreach(redirects, i, value)
	{
		if (intake)
			carry_device(relay, intake, value);
	}
	/* The audit begins again: what the workers have received has just been added. */
	if (intake)
		ledger_reset(&intake->ledger);
}

static void totals_add(struct total_counts *sum, const json_t *object)
{
	for (const struct place *place = total_places; place->key; place++)
		*(uint64_t *)((char *)sum + place->offset) += get_number(object, place->key);
}

int relay_carry(struct relay *relay, const json_t *account, const struct inheritance *inheritance)
{
	const json_t *interfaces = json_object_get(account, "interfaces");
	const json_t *rules = json_object_get(account, "rules");
	const json_t *value;
	int err = 0;
	size_t i;

	if (!json_is_array(rules) || !json_is_array(interfaces) ||
	    json_array_size(rules) != relay->asked.nr_rules)
		return -EPROTO;
	name_errors();
	json_array_foreach(rules, i, value)
	{
		if (!err)
			err = carry_rule(relay->routes[i], value, inheritance);
	}
	json_array_foreach(interfaces, i, value) carry_interface(relay, value, inheritance);
	/* What waits in the rings was counted as steered by the predecessor. */
	for (unsigned int j = 0; j < relay->nr_intakes; j++)
		ledger_reset(&relay->intakes[j]->ledger);
	totals_add(&relay->retired, json_object_get(account, "retired"));
	return err;
}
