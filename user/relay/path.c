/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/output_socket.h"
#include "dataplane/merger_rules.h"
#include "dataplane/stream.h"
#include "relay/cuts.h"
#include "relay/leases.h"

static int explain_failure(char reason[REASON_SIZE], int err, const struct stream_failure *failure)
{
	const struct rule_output *output = failure->output;
	char text[ENDPOINT_TEXT_SIZE];

	if (err == -ENODEV && output)
		return explain(reason, err, "output interface %s does not exist", output->iface);
	if (err == -EMFILE)
		return explain(reason, err,
			       "too few file descriptors: raise the limit (ulimit -n)");
	if (output)
		return explain(reason, err, "output %s: %s: %s", output_format(output, text),
			       failure->step, strerror(-err));
	return explain(reason, err, "%s: %s", failure->step, strerror(-err));
}

/* Its interface comes first: without it nothing else is known. */
static void apply_output(struct path *path, unsigned int i)
{
	const struct output_reach *known = &path->reaches[i];
	const char *reason = *known->reach.reason ? known->reach.reason : NULL;

	/* What stands in the way of packets that nobody wants does not matter. */
	if (path->unwanted[i]) {
		path->stream->outputs[i].reason = NULL;
		stream_withhold(path->stream, i, WITHHELD_NOT_JOINED);
		return;
	}
	path->stream->outputs[i].reason = *known->reason ? known->reason : reason;
	stream_withhold(path->stream, i, known->withheld ? known->withheld : known->reach.withheld);
}

/* What receivers want counts on both paths: packets that the XDP program cannot rewrite, with
 * unfinished checksums or in several buffers, take the user path all the same. */
static void apply_outputs(struct path *path)
{
	for (unsigned int i = 0; path->stream && i < path->stream->nr_outputs; i++)
		apply_output(path, i);
}

static void examine_demand(struct path *path)
{
	for (unsigned int i = 0; i < path->rule->nr_outputs; i++)
		path->unwanted[i] =
			!demand_wants(path->demand, path->rule, &path->rule->outputs[i]);
}

static void examine_outputs(struct path *path, struct redirects *redirects)
{
	for (unsigned int i = 0; path->stream && i < path->stream->nr_outputs; i++)
		reach_update(&path->reaches[i].reach, redirects, &path->stream->outputs[i].rule);
	apply_outputs(path);
}

/* One for each worker, and one for the merger. */
static unsigned int count_shards(const struct path_request *request)
{
	return request->nr_queues + (request->merged != NULL);
}

int path_open(struct path **out, const struct path_request *request, char reason[REASON_SIZE])
{
	const struct stream *before =
		request->replaced ? request->replaced->stream : request->inherited;
	struct stream_failure failure = {NULL, "memory"};
	uint16_t lease = leases_find(request->leases, request->rule);
	struct path *path = calloc(1, sizeof(*path));
	int err = -ENOMEM;

	if (!path)
		return explain_failure(reason, err, &failure);
	path->references = 1;
	path->rule = request->rule;
	path->demand = request->demand;
	path->unwanted = calloc(request->rule->nr_outputs, sizeof(*path->unwanted));
	err = path->unwanted ? 0 : -ENOMEM;
	if (!err && !request->rule->protocol)
		err = stream_open(&path->stream, request->rule, count_shards(request),
				  request->egress, before, &failure);
	if (!err && path->stream) {
		path->reaches = calloc(request->rule->nr_outputs, sizeof(*path->reaches));
		err = path->reaches ? 0 : -ENOMEM;
	}
	/* What the XDP program drops of a rule with a lease is counted there, too. */
	if (!err && (request->wanted != RULE_PATH_USER || lease))
		err = kernel_path_new(&path->kernel, request->rule, path->stream, request->wanted,
				      lease);
	if (!err && path->stream && lease)
		stream_set_lease(path->stream, leases_slot(request->leases, lease), lease,
				 leases_guard(request->leases));
	if (!err && path->stream && request->selection)
		stream_set_selection(path->stream, request->selection);
	if (!err && path->stream && request->merged)
		merged_join(request->merged, path->stream);
	if (err) {
		path_put(path);
		return explain_failure(reason, err, &failure);
	}
	err = cut_carry(request->leases, request->rule, path->stream, before, reason);
	if (err) {
		path_put(path);
		return err;
	}
	examine_demand(path);
	examine_outputs(path, request->redirects);
	*out = path;
	return 0;
}

struct path *path_hold(struct path *path)
{
	path->references++;
	return path;
}

void path_put(struct path *path)
{
	if (!path || --path->references)
		return;
	kernel_path_free(path->kernel);
	stream_put(path->stream);
	free(path->reaches);
	free(path->unwanted);
	free(path);
}

void path_set_rule(struct path *path, const struct rule *rule)
{
	path->rule = rule;
	kernel_path_set_rule(path->kernel, rule);
}

bool path_fits(const struct path *path, unsigned int nr_queues)
{
	return !path->stream ||
	       path->stream->nr_shards == nr_queues + (path->stream->merged != NULL);
}

int path_follow(struct path *path, unsigned int i, int ifindex, const char *reason,
		enum withheld withheld)
{
	int err;

	if (!path->stream)
		return 0;
	err = output_socket_follow(path->stream->outputs[i].socket, ifindex);
	if (err)
		explain(path->reaches[i].reason, 0,
			"the socket cannot be moved to output interface %s: %s",
			path->stream->outputs[i].rule.iface, strerror(-err));
	else
		explain(path->reaches[i].reason, 0, "%s", reason ? reason : "");
	path->reaches[i].withheld = withheld;
	apply_output(path, i);
	if (!err)
		stream_route_changed(path->stream, i);
	return err;
}

void path_refresh(struct path *path, unsigned int i)
{
	if (path->stream)
		stream_route_changed(path->stream, i);
}

void path_update(struct path *path, struct redirects *redirects)
{
	examine_demand(path);
	kernel_path_update(path->kernel);
	/* It carries what the kernel path does not. */
	if (!kernel_path_is_used(path->kernel))
		examine_outputs(path, redirects);
	else
		apply_outputs(path);
}

bool path_has_new_demand(const struct path *path)
{
	for (unsigned int i = 0; i < path->rule->nr_outputs; i++) {
		const struct rule_output *output = &path->rule->outputs[i];

		if (output->when == OUTPUT_WHEN_JOINED &&
		    path->unwanted[i] == demand_wants(path->demand, path->rule, output))
			return true;
	}
	return false;
}

bool path_is_idle(const struct path *path)
{
	for (unsigned int i = 0; i < path->rule->nr_outputs; i++) {
		if (!path->unwanted[i])
			return false;
	}
	return true;
}

bool path_concerns(const struct path *path, const struct neighbour *neighbour)
{
	if (kernel_path_concerns(path->kernel, neighbour))
		return true;
	for (unsigned int i = 0; path->stream && i < path->stream->nr_outputs; i++) {
		if (reach_concerns(&path->reaches[i].reach, neighbour))
			return true;
	}
	return false;
}

bool path_has_hosts(const struct path *path)
{
	if (kernel_path_has_hosts(path->kernel))
		return true;
	for (unsigned int i = 0; path->stream && i < path->stream->nr_outputs; i++) {
		if (path->reaches[i].reach.is_host)
			return true;
	}
	return false;
}

bool path_keep_neighbours(struct path *path, struct redirects *redirects, uint64_t now_ns)
{
	bool due = kernel_path_refresh(path->kernel, now_ns);

	if (kernel_path_is_used(path->kernel))
		return due;
	for (unsigned int i = 0; path->stream && i < path->stream->nr_outputs; i++)
		due |= reach_refresh(&path->reaches[i].reach, redirects, now_ns);
	return due;
}

/* May anybody report this about a datagram to a group? (RFC 1122 section 3.2.2, RFC 4443 section
 * 2.4) */
static bool is_allowed_about_groups(const struct icmp_error *error)
{
	return error->kind == ICMP_SAYS_TOO_LARGE && !addr_is_ipv4(&error->destination);
}

/* Can a datagram with these ports have been sent by the output, and have caused the report? */
static bool has_sent(const struct output *output, const struct icmp_error *error)
{
	in_port_t port = ((const struct sockaddr_in *)&output->to)->sin_port;

	if (addr_is_multicast(&error->destination) && !is_allowed_about_groups(error))
		return false;
	return addr_equal(&output->rule.to, &error->destination) &&
	       (!port || ntohs(port) == error->destination_port) &&
	       output_socket_has_port(output->socket, error->source_port);
}

bool path_count_icmp(struct path *path, const struct icmp_error *error)
{
	bool counted = false;

	for (unsigned int i = 0; path->stream && i < path->stream->nr_outputs; i++) {
		if (!has_sent(&path->stream->outputs[i], error))
			continue;
		path->reaches[i].icmp[error->kind]++;
		counted = true;
	}
	return counted;
}

const char *path_reason(const struct path *path)
{
	const struct stream *stream = path->stream;
	const char *reason = NULL;

	if (kernel_path_is_used(path->kernel))
		return kernel_path_reason(path->kernel);
	/* Of those that are wanted, one output that works is enough. */
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		if (path->unwanted[i])
			continue;
		if (!stream->outputs[i].reason)
			return NULL;
		if (!reason)
			reason = stream->outputs[i].reason;
	}
	return reason;
}

static unsigned int least(unsigned int so_far, unsigned int value, bool first)
{
	return !first && so_far < value ? so_far : value;
}

static void read_output(const struct stream *stream, unsigned int i, struct output_counts *counts)
{
	const struct output *output = &stream->outputs[i];

	counts->reason = output->reason;
	for (unsigned int j = 0; j < stream->nr_shards; j++) {
		const struct output_shard *shard = &output->shards[j];
		unsigned int segments, max_size;

		/* First what follows the submission, see books.h. */
		counts->sent += counter_read(&shard->sent);
		counts->sent_bytes += counter_read(&shard->sent_bytes);
		counts->gso_refused += counter_read(&shard->gso_refused);
		/* Each shard learns its limits by itself: show the lowest. */
		gso_limits(&shard->gso, &segments, &max_size);
		counts->gso_segments = least(counts->gso_segments, segments, !j);
		counts->gso_max_size = least(counts->gso_max_size, max_size, !j);
		for (unsigned int k = 0; k < SEND_ERRORS; k++)
			counts->errors[k] += counter_read(&shard->errors[k]);
		counts->submitted += counter_read(&shard->submitted);
		counts->rate_limited += counter_read(&shard->rate_limited);
		for (unsigned int k = 0; k < WITHHELD_REASONS; k++)
			counts->withheld[k] += counter_read(&shard->withheld[k]);
	}
}

/* The outputs first, see books.h. */
static void read_stream(const struct stream *stream, struct rule_counts *counts,
			struct output_counts *outputs)
{
	uint64_t most = 0;

	for (unsigned int i = 0; i < stream->nr_outputs; i++)
		read_output(stream, i, &outputs[i]);
	health_read(stream->health, &counts->health);
	counts->live_health = stream->health;
	counts->latency[0] = stream->latency;
	counts->nr_latency[0] = stream->nr_shards;
	for (unsigned int i = 0; i < stream->nr_shards; i++) {
		uint64_t received = counter_read(&stream->shards[i].received);

		/* A stream arrives on one RX queue, unless its sender changes. */
		if (stream->rule.sequence_bits && received > most) {
			counts->has_sequence = true;
			counts->sequence = atomic_load_explicit(&stream->shards[i].sequence,
								memory_order_relaxed);
			most = received;
		}
		counts->received += received;
		counts->received_bytes += counter_read(&stream->shards[i].received_bytes);
	}
}

void path_read(const struct path *path, struct rule_counts *counts, struct output_counts *outputs)
{
	if (path->stream)
		read_stream(path->stream, counts, outputs);
	for (unsigned int i = 0; path->stream && i < path->stream->nr_outputs; i++)
		memcpy(outputs[i].icmp, path->reaches[i].icmp, sizeof(outputs[i].icmp));
	for (unsigned int i = 0; i < path->rule->nr_outputs; i++)
		outputs[i].unwanted = path->unwanted[i];
	kernel_path_read(path->kernel, counts, outputs);
}
