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

static int open_output(struct output *output, const struct stream *stream,
		       const struct rule_output *rule, const struct egress_config *egress,
		       const struct stream *before, struct stream_failure *failure)
{
	unsigned int nr_queues = stream->nr_queues;
	uint16_t port = rule_output_port(&stream->rule, rule);

	output->rule = *rule;
	output->fd = output->decoy_fd = -1;
	failure->output = rule;
	failure->step = "memory";
	output->queues = aligned_alloc(CACHE_LINE, nr_queues * sizeof(*output->queues));
	if (!output->queues || open_limit(output))
		return -ENOMEM;
	memset(output->queues, 0, nr_queues * sizeof(*output->queues));
	for (unsigned int i = 0; i < nr_queues; i++) {
		output->queues[i].output = output;
		output->queues[i].limit = output->limit;
		output->queues[i].keeps_port = port == RULE_PORT_KEPT;
		output->queues[i].latency = &stream->latency[i];
		output->queues[i].gso_segments = rule->gso ? rule->gso : egress->gso;
		output->queues[i].gso_max_size = UINT16_MAX;
	}
	output->to_length = addr_to_sockaddr(&rule->to, port, &output->to);
	for (unsigned int i = 0; before && i < before->nr_outputs; i++) {
		if (output_socket_share(output, &before->outputs[i]))
			return 0;
	}
	return output_socket_open(output, egress->send_buffer, &failure->step);
}

static void close_stream(struct stream *stream)
{
	for (unsigned int i = 0; stream->outputs && i < stream->nr_outputs; i++) {
		output_socket_close(&stream->outputs[i]);
		free(stream->outputs[i].queues);
		free(stream->outputs[i].limit);
	}
	free(stream->outputs);
	free(stream->queues);
	free(stream->latency);
	free(stream);
}

/* Does the whole rule wait for interfaces of its outputs? */
static bool is_away(const struct stream *stream)
{
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		if (!output_socket_is_away(&stream->outputs[i]))
			return false;
	}
	return stream->nr_outputs > 0;
}

int stream_open(struct stream **out, const struct rule *rule, unsigned int nr_queues,
		const struct egress_config *egress, const struct stream *before,
		struct stream_failure *failure)
{
	struct stream *stream;
	int err = -ENOMEM;

	failure->output = NULL;
	failure->step = "memory";
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->rule = *rule;
	stream->rule.outputs = NULL;
	stream->nr_queues = nr_queues;
	stream->references = 1;
	stream->gso_segments = egress->gso;
	stream->outputs = calloc(rule->nr_outputs, sizeof(*stream->outputs));
	stream->queues = aligned_alloc(CACHE_LINE, nr_queues * sizeof(*stream->queues));
	/* Not touched until there is a sample: pages of idle streams stay the kernel's. */
	stream->latency = calloc(nr_queues, sizeof(*stream->latency));
	if (!stream->outputs || !stream->queues || !stream->latency)
		goto fail;
	memset(stream->queues, 0, nr_queues * sizeof(*stream->queues));
	/* Counted up one by one, so that a failure closes just those that are open. */
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

void stream_forget_limits(struct stream *stream, unsigned int i, bool anew)
{
	struct output *output = &stream->outputs[i];
	unsigned int segments = output->rule.gso ? output->rule.gso : stream->gso_segments;

	for (unsigned int j = 0; j < stream->nr_queues; j++) {
		output->queues[j].gso_max_size = UINT16_MAX;
		if (anew)
			output->queues[j].gso_segments = segments;
	}
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
