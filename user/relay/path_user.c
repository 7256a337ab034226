/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/path_user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/output_socket.h"
#include "dataplane/stream.h"

struct path_user {
	struct path path;
	struct stream *stream;
};

static struct stream *stream_of(const struct path *path)
{
	return ((const struct path_user *)path)->stream;
}

static bool user_fits(const struct path *path, unsigned int nr_queues)
{
	return stream_of(path)->nr_shards == nr_queues;
}

static const char *user_name(const struct path *path)
{
	return stream_of(path)->rule.name;
}

static void user_key(const struct path *path, struct xmc_rule_key *key)
{
	rule_key(&stream_of(path)->rule, key);
}

static int user_follow(struct path *path, unsigned int i, int ifindex, const char *reason)
{
	struct stream *stream = stream_of(path);
	struct output *output = &stream->outputs[i];
	int err = output_socket_follow(output->socket, ifindex);

	output->reason = err ? "its socket cannot follow its output interface" : reason;
	if (!err)
		stream_route_changed(stream, i);
	return err;
}

static void user_refresh(struct path *path, unsigned int i)
{
	stream_route_changed(stream_of(path), i);
}

static const char *user_reason(const struct path *path)
{
	const struct stream *stream = stream_of(path);

	/* One output that works is enough. */
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		if (!stream->outputs[i].reason)
			return NULL;
	}
	return stream->nr_outputs ? stream->outputs[0].reason : NULL;
}

static unsigned int least(unsigned int so_far, unsigned int value, bool first)
{
	return !first && so_far < value ? so_far : value;
}

static void user_read_output(const struct path *path, unsigned int i, struct output_counts *counts)
{
	const struct stream *stream = stream_of(path);
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
	}
}

static void user_read(const struct path *path, struct rule_counts *counts)
{
	const struct stream *stream = stream_of(path);

	counts->latency = stream->latency;
	counts->nr_latency = stream->nr_shards;
	for (unsigned int i = 0; i < stream->nr_shards; i++) {
		counts->received += counter_read(&stream->shards[i].received);
		counts->received_bytes += counter_read(&stream->shards[i].received_bytes);
	}
}

static void user_close(struct path *path)
{
	stream_put(stream_of(path));
	free(path);
}

static const struct path_operations operations = {
	.fits = user_fits,
	.name = user_name,
	.key = user_key,
	.stream = stream_of,
	.follow = user_follow,
	.refresh = user_refresh,
	.reason = user_reason,
	.read_output = user_read_output,
	.read = user_read,
	.close = user_close,
};

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

int path_user_open(struct path **out, const struct path_request *request, char reason[REASON_SIZE])
{
	const struct path *replaced = request->replaced;
	struct stream_failure failure = {NULL, "memory"};
	struct path_user *user = calloc(1, sizeof(*user));
	int err = -ENOMEM;

	/* A path of another kind has no sockets to share. */
	if (replaced && replaced->operations != &operations)
		replaced = NULL;
	if (user)
		err = stream_open(&user->stream, request->rule, request->nr_queues, request->egress,
				  replaced ? stream_of(replaced) : NULL, &failure);
	if (err) {
		free(user);
		return explain_failure(reason, err, &failure);
	}
	user->path.operations = &operations;
	user->path.references = 1;
	user->path.nr_outputs = user->stream->nr_outputs;
	*out = &user->path;
	return 0;
}
