// SPDX-License-Identifier: BSD-2-Clause
#include "expect.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

/* One flow as the generator reports it. */
struct sent_flow {
	uint32_t run, flow;
	uint64_t sent;
	struct xmc_addr group;
	uint16_t port;
};

static uint64_t distinct(const struct flow_stats *stats)
{
	return stats->received - stats->duplicated - stats->stale;
}

void expect_nothing(struct flow_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct flow_stats *stats = &list->records[i].stats;

		list->records[i].lost = stats->last + 1 - stats->first - distinct(stats);
	}
}

static int compare(const void *a, const void *b)
{
	const struct flow_key *x = &((const struct flow_record *)a)->key;
	const struct flow_key *y = &((const struct flow_record *)b)->key;

	if (x->run != y->run)
		return x->run < y->run ? -1 : 1;
	if (x->flow != y->flow)
		return x->flow < y->flow ? -1 : 1;
	return 0;
}

/* First record of (run, flow) among the `count` sorted ones, or `count`. */
static size_t find(const struct flow_list *list, size_t count, const struct sent_flow *flow)
{
	const struct flow_record wanted = {.key = {.run = flow->run, .flow = flow->flow}};
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&list->records[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && !compare(&list->records[low], &wanted) ? low : count;
}

/* Compare one flow with the records; the first `count` are the flows that arrived, sorted. */
static bool apply_flow(const struct sent_flow *flow, uint32_t copies, struct flow_list *list,
		       size_t count)
{
	uint32_t found = 0;

	for (size_t i = find(list, count, flow); i < count; i++, found++) {
		struct flow_record *record = &list->records[i];
		uint64_t came = distinct(&record->stats);

		if (record->key.run != flow->run || record->key.flow != flow->flow)
			break;
		record->known = true;
		record->sent = flow->sent;
		record->lost = flow->sent > came ? flow->sent - came : 0;
	}
	if (!flow->sent)
		return true;
	for (; found < copies; found++) {
		struct flow_record *record = flow_list_add(list);

		if (!record)
			return false;
		record->key.run = flow->run;
		record->key.flow = flow->flow;
		record->key.destination = flow->group;
		record->key.port = XMC_BE16(flow->port);
		record->known = true;
		record->sent = record->lost = flow->sent;
	}
	return true;
}

static bool read_flow(json_t *json, uint32_t run, struct sent_flow *flow)
{
	json_int_t number, sent;
	const char *group;
	int port;

	if (json_unpack(json, "{s:I, s:I, s:s, s:i}", "flow", &number, "sent", &sent, "group",
			&group, "port", &port))
		return false;
	flow->run = run;
	flow->flow = number;
	flow->sent = sent;
	flow->port = port;
	return sent >= 0 && addr_parse(group, &flow->group);
}

static bool apply_file(const char *path, uint32_t copies, struct flow_list *list, size_t count)
{
	json_error_t error;
	json_t *root = json_load_file(path, 0, &error);
	json_t *flows, *item;
	struct sent_flow flow;
	json_int_t run;
	bool ok = false;
	size_t i;

	if (!root) {
		if (error.line > 0)
			fprintf(stderr, "xmcast-sink: --expect %s: line %d: %s\n", path, error.line,
				error.text);
		else
			fprintf(stderr, "xmcast-sink: --expect: %s\n", error.text);
		return false;
	}
	if (!json_unpack(root, "{s:I, s:o}", "run", &run, "flows", &flows)) {
		ok = json_is_array(flows);
		json_array_foreach(flows, i, item) ok =
			ok && read_flow(item, run, &flow) && apply_flow(&flow, copies, list, count);
	}
	if (!ok)
		fprintf(stderr, "xmcast-sink: --expect %s: not the output of xmcast-gen -j\n",
			path);
	json_decref(root);
	return ok;
}

bool expect_apply(const struct options *options, struct flow_list *list)
{
	size_t count = list->count;

	if (count)
		qsort(list->records, count, sizeof(*list->records), compare);
	for (unsigned i = 0; i < options->expect_count; i++)
		if (!apply_file(options->expect[i], options->copies, list, count))
			return false;
	return true;
}
