/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/books.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/relay_internal.h"

/* ---- reading ---- */

struct books *books_new(unsigned int rules, unsigned int outputs, unsigned int interfaces,
			unsigned int workers)
{
	struct books *books = calloc(1, sizeof(*books));

	if (!books)
		return NULL;
	/* One more than needed, because calloc(0) may return NULL. */
	books->rules = calloc(rules + 1UL, sizeof(*books->rules));
	books->outputs = calloc(outputs + 1UL, sizeof(*books->outputs));
	books->interfaces = calloc(interfaces + 1UL, sizeof(*books->interfaces));
	books->workers = calloc(workers + 1UL, sizeof(*books->workers));
	if (!books->rules || !books->outputs || !books->interfaces || !books->workers) {
		books_free(books);
		return NULL;
	}
	books->all_rules = books->nr_rules = rules;
	books->nr_interfaces = interfaces;
	books->nr_workers = workers;
	return books;
}

void books_free(struct books *books)
{
	if (!books)
		return;
	free(books->rules);
	free(books->outputs);
	free(books->interfaces);
	free(books->workers);
	free(books);
}

/* The smaller one; in the first round `value`. */
static unsigned int least(unsigned int so_far, unsigned int value, unsigned int round)
{
	return round && so_far < value ? so_far : value;
}

static void read_output(const struct output *output, unsigned int nr_shards,
			struct output_counts *counts)
{
	counts->reason = output->reason;
	for (unsigned int i = 0; i < nr_shards; i++) {
		const struct output_shard *shard = &output->shards[i];
		unsigned int segments, max_size;

		/* First what follows the submission, see books.h. */
		counts->sent += counter_read(&shard->sent);
		counts->sent_bytes += counter_read(&shard->sent_bytes);
		counts->gso_refused += counter_read(&shard->gso_refused);
		/* Each shard learns its limits by itself: show the lowest. */
		gso_limits(&shard->gso, &segments, &max_size);
		counts->gso_segments = least(counts->gso_segments, segments, i);
		counts->gso_max_size = least(counts->gso_max_size, max_size, i);
		for (unsigned int j = 0; j < SEND_ERRORS; j++)
			counts->errors[j] += counter_read(&shard->errors[j]);
		counts->submitted += counter_read(&shard->submitted);
		counts->rate_limited += counter_read(&shard->rate_limited);
	}
}

static void read_route(const struct route *route, struct rule_counts *counts,
		       struct output_counts *outputs)
{
	const struct stream *stream = route->stream;

	counts->id = route->id;
	counts->since_ns = route->since_ns;
	counts->rule = route->rule;
	counts->state = "active";
	if (route->rule->disabled) {
		counts->state = "disabled";
	} else {
		counts->reason = route_reason(route);
		if (counts->reason)
			counts->state = "pending";
	}
	for (unsigned int i = 0; i < route->rule->nr_outputs; i++) {
		outputs[i].rule = &route->rule->outputs[i];
		if (stream)
			read_output(&stream->outputs[i], stream->nr_shards, &outputs[i]);
	}
	if (!stream)
		return;
	counts->latency = stream->latency;
	counts->nr_latency = stream->nr_shards;
	/* After its outputs, see books.h. */
	for (unsigned int i = 0; i < stream->nr_shards; i++) {
		counts->received += counter_read(&stream->shards[i].received);
		counts->received_bytes += counter_read(&stream->shards[i].received_bytes);
	}
}

static void read_intake(const struct intake *intake, struct interface_counts *counts,
			struct worker_counts *workers)
{
	counts->name = intake->name;
	counts->state = intake->failed ? "failed" : intake->impaired ? "impaired" : "active";
	counts->reason = intake->failed || intake->impaired ? intake->reason : NULL;
	counts->nr_workers = intake->nr_workers;
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		workers[i].iface = intake->name;
		workers[i].worker = intake->workers[i];
		workers[i].queue = worker_queue(intake->workers[i]);
		worker_read(intake->workers[i], &workers[i].state);
		counts->zero_copy = worker_zero_copy(intake->workers[i]);
	}
	/* After its workers, see books.h. */
	if (intake->steer) {
		counts->mode = intake->mode == IFACE_MODE_NATIVE ? "native" : "skb";
		steer_verdicts(intake->steer, counts->verdicts);
	}
}

struct books *relay_books(const struct relay *relay, size_t first, size_t most)
{
	unsigned int all = relay->config.nr_rules;
	unsigned int begin = first < all ? (unsigned int)first : all;
	unsigned int count = most < all - begin ? (unsigned int)most : all - begin;
	struct route *const *routes = relay->routes + begin;
	unsigned int outputs = 0;
	unsigned int workers = 0;
	struct books *books;

	for (unsigned int i = 0; i < count; i++)
		outputs += routes[i]->rule->nr_outputs;
	for (unsigned int i = 0; i < relay->nr_intakes; i++)
		workers += relay->intakes[i]->nr_workers;
	books = books_new(count, outputs, relay->nr_intakes, workers);
	if (!books)
		return NULL;
	books->all_rules = all;
	books->first_rule = begin;
	books->generation = relay->generation;
	books->retired = relay->retired;
	books->taken_ns = clock_ns();
	books->uptime_seconds = (books->taken_ns - relay->started_ns) / NS_PER_SECOND;
	/* Rules before interfaces: from the last stage of a packet to the first, see books.h. */
	outputs = 0;
	for (unsigned int i = 0; i < count; i++) {
		books->rules[i].first_output = outputs;
		read_route(routes[i], &books->rules[i], &books->outputs[outputs]);
		outputs += routes[i]->rule->nr_outputs;
	}
	workers = 0;
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		books->interfaces[i].first_worker = workers;
		read_intake(relay->intakes[i], &books->interfaces[i], &books->workers[workers]);
		workers += relay->intakes[i]->nr_workers;
	}
	return books;
}

/* ---- sums ---- */

uint64_t books_kernel_drops(const struct worker_state *state)
{
	/* rx_dropped includes those that found the fill ring empty. */
	return state->kernel.rx_dropped + state->kernel.rx_ring_full;
}

static void add_worker(const struct worker_state *state, struct total_counts *totals)
{
	totals->submitted += state->submitted;
	totals->sent += state->sent;
	totals->sent_bytes += state->sent_bytes;
	totals->send_errors += state->send_errors;
	totals->rate_limited += state->rate_limited;
	totals->received += state->received;
	totals->dropped += books_kernel_drops(state);
	for (unsigned int i = 0; i < INGRESS_DROPS; i++)
		totals->dropped += state->drops[i];
	totals->buffer_exhausted += state->kernel.fill_ring_empty;
}

void books_sum(const struct books *books, struct total_counts *totals)
{
	*totals = books->retired;
	for (unsigned int i = 0; i < books->nr_interfaces; i++)
		totals->steered += books->interfaces[i].verdicts[XMC_STEERED];
	for (unsigned int i = 0; i < books->nr_workers; i++)
		add_worker(&books->workers[i].state, totals);
}

/* ---- what is gone ---- */

void relay_retire_intake(struct relay *relay, const struct intake *intake)
{
	uint64_t verdicts[XMC_REASONS];

	if (intake->steer && !steer_verdicts(intake->steer, verdicts))
		relay->retired.steered += verdicts[XMC_STEERED];
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		struct worker_state state;

		worker_read(intake->workers[i], &state);
		add_worker(&state, &relay->retired);
	}
}

/* ---- attachment ---- */

bool relay_attachment(const struct relay *relay, const char *iface,
		      struct relay_attachment *attachment)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		const struct intake *intake = relay->intakes[i];
		const struct pins *pins;

		if (!intake->attached || strcmp(intake->name, iface) != 0)
			continue;
		pins = steer_pins(intake->steer);
		attachment->external = intake->external;
		attachment->pins = intake->external ? pins->folder : NULL;
		for (enum pin pin = 0; pin < NR_PINS; pin++)
			attachment->maps[pin] = pins_map_id(pins, pin);
		return true;
	}
	return false;
}
