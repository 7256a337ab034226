/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/output_socket.h"

static int open_limit(struct output *output)
{
	if (!output_is_limited(&output->rule))
		return 0;
	output->limit = aligned_alloc(CACHE_LINE, sizeof(*output->limit));
	if (!output->limit)
		return -ENOMEM;
	rate_limit_init(output->limit, &output->rule, clock_ns());
	return 0;
}

static int open_shards(struct output *output, const struct stream *stream,
		       const struct egress_config *egress)
{
	const struct rule_output *rule = &output->rule;
	unsigned int nr_shards = stream->nr_shards;
	size_t buckets = rule->from_kept ? (size_t)nr_shards * OPEN_BUCKETS : 0;

	output->shards = aligned_alloc(CACHE_LINE, nr_shards * sizeof(*output->shards));
	output->buckets = buckets ? calloc(buckets, sizeof(*output->buckets)) : NULL;
	if (!output->shards || (buckets && !output->buckets))
		return -ENOMEM;
	memset(output->shards, 0, nr_shards * sizeof(*output->shards));
	for (unsigned int i = 0; i < nr_shards; i++) {
		struct output_shard *shard = &output->shards[i];

		shard->output = output;
		shard->limit = output->limit;
		if (buckets)
			shard->buckets = &output->buckets[(size_t)i * OPEN_BUCKETS];
		shard->keeps_port = rule_output_port(&stream->rule, rule) == RULE_PORT_KEPT;
		shard->keeps_headers = output_keeps_headers(rule);
		shard->latency = &stream->latency[i];
		gso_init(&shard->gso, rule->gso ? rule->gso : egress->gso);
	}
	return 0;
}

static int open_output(struct output *output, const struct stream *stream,
		       const struct rule_output *rule, const struct egress_config *egress,
		       const struct stream *before, struct stream_failure *failure)
{
	uint16_t port = rule_output_port(&stream->rule, rule);
	int err = 0;

	output->stream = stream;
	output->rule = *rule;
	failure->output = rule;
	failure->step = "memory";
	if (open_limit(output) || open_shards(output, stream, egress))
		return -ENOMEM;
	output->to_length = addr_to_sockaddr(&rule->to, port, &output->to);
	/* The kernel knows the lease of a socket. */
	if (before && !rule_lease_equal(&before->rule, &stream->rule))
		before = NULL;
	for (unsigned int i = 0; before && i < before->nr_outputs && !output->socket; i++) {
		struct output_socket *socket = before->outputs[i].socket;

		if (socket && output_socket_fits(socket, rule, port))
			output->socket = output_socket_hold(socket);
	}
	if (!output->socket)
		err = output_socket_open(&output->socket, rule, port, egress->send_buffer,
					 &failure->step);
	if (err)
		return err;
	output->fd = output_socket_fd(output->socket);
	output->ports = output_socket_ports(output->socket);
	return 0;
}

static void close_stream(struct stream *stream)
{
	if (stream->leave && !stream->leave(stream))
		return;
	for (unsigned int i = 0; stream->outputs && i < stream->nr_outputs; i++) {
		output_socket_put(stream->outputs[i].socket);
		free(stream->outputs[i].shards);
		free(stream->outputs[i].buckets);
		free(stream->outputs[i].limit);
	}
	free(stream->outputs);
	free(stream->shards);
	free(stream->latency);
	health_free(stream->health);
	selection_put(stream->selection);
	free(stream);
}

/* Are the interfaces of all outputs missing? */
static bool is_away(const struct stream *stream)
{
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		if (!output_socket_is_away(stream->outputs[i].socket))
			return false;
	}
	return stream->nr_outputs > 0;
}

int stream_open(struct stream **out, const struct rule *rule, unsigned int nr_shards,
		const struct egress_config *egress, const struct stream *before,
		struct stream_failure *failure)
{
	static uint32_t serials;
	struct stream *stream;
	int err = -ENOMEM;

	failure->output = NULL;
	failure->step = "memory";
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->rule = *rule;
	stream->rule.outputs = NULL;
	stream->rule.sides = NULL;
	stream->rule.nr_sides = 0;
	stream->nr_shards = nr_shards;
	stream->references = 1;
	stream->serial = ++serials;
	stream->outputs = calloc(rule->nr_outputs, sizeof(*stream->outputs));
	stream->shards = aligned_alloc(CACHE_LINE, nr_shards * sizeof(*stream->shards));
	/* Untouched until the first sample, so that the pages of idle streams are never allocated.
	 */
	stream->latency = calloc(nr_shards, sizeof(*stream->latency));
	if (!stream->outputs || !stream->shards || !stream->latency)
		goto fail;
	memset(stream->shards, 0, nr_shards * sizeof(*stream->shards));
	if (rule->watch)
		stream->health = health_new(rule, nr_shards);
	if (rule->watch && !stream->health)
		goto fail;
	/* Counted one by one, so that a failure closes only those that are open. */
	while (stream->nr_outputs < rule->nr_outputs) {
		unsigned int i = stream->nr_outputs++;

		err = open_output(&stream->outputs[i], stream, &rule->outputs[i], egress, before,
				  failure);
		if (err)
			goto fail;
	}
	failure->output = &rule->outputs[0];
	failure->step = "interface";
	err = -ENODEV;
	if (is_away(stream))
		goto fail;
	*out = stream;
	return 0;
fail:
	close_stream(stream);
	return err;
}

int stream_adopt(struct stream **out, const struct rule *rule, const int *fds)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int err = 0;

	if (!stream)
		return -ENOMEM;
	stream->references = 1;
	stream->rule = *rule;
	stream->rule.outputs = NULL;
	stream->rule.sides = NULL;
	stream->rule.nr_sides = 0;
	stream->outputs = calloc(rule->nr_outputs, sizeof(*stream->outputs));
	if (!stream->outputs)
		err = -ENOMEM;
	for (; !err && stream->nr_outputs < rule->nr_outputs; stream->nr_outputs++) {
		unsigned int i = stream->nr_outputs;

		/* One with ports of its own has more sockets behind it, and is opened again: the
		 * same ports, which both processes can have. */
		if (fds[i] >= 0 && !rule->outputs[i].from_kept && !rule->outputs[i].from_port)
			err = output_socket_adopt(&stream->outputs[i].socket, fds[i],
						  &rule->outputs[i],
						  rule_output_port(rule, &rule->outputs[i]));
	}
	if (err)
		close_stream(stream);
	else
		*out = stream;
	return err;
}

void stream_set_lease(struct stream *stream, const struct xmc_lease *lease, uint32_t slot,
		      int guard)
{
	stream->lease = lease;
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		output_socket_guard(stream->outputs[i].socket, guard, slot);
		for (unsigned int j = 0; j < stream->nr_shards; j++)
			stream->outputs[i].shards[j].lease = lease;
	}
}

void stream_set_selection(struct stream *stream, struct selection *selection)
{
	stream->selection = selection_hold(selection);
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		for (unsigned int j = 0; j < stream->nr_shards; j++)
			stream->outputs[i].shards[j].side = &selection->sides[stream->rule.side];
	}
}

void stream_route_changed(struct stream *stream, unsigned int i)
{
	for (unsigned int j = 0; j < stream->nr_shards; j++)
		gso_route_changed(&stream->outputs[i].shards[j].gso);
}

void stream_withhold(struct stream *stream, unsigned int i, enum withheld reason)
{
	for (unsigned int j = 0; j < stream->nr_shards; j++)
		atomic_store_explicit(&stream->outputs[i].shards[j].withhold, (uint8_t)reason,
				      memory_order_relaxed);
}

void stream_hold(struct stream *stream)
{
	stream->references++;
}

void stream_put(struct stream *stream)
{
	if (stream && --stream->references == 0)
		close_stream(stream);
}
