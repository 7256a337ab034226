// SPDX-License-Identifier: BSD-2-Clause
/* xmcast-gen: the traffic source. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "frame.h"
#include "source.h"

struct summary {
	uint64_t sent, sent_bytes, dropped;
	double seconds, rate;
};

static struct summary summarise(const struct source *source, const struct options *options)
{
	const struct gen_state *state = source_state(source);
	struct summary sum = {};

	for (uint32_t i = 0; i < options->flows; i++) {
		const struct gen_flow *flow = source_flow(source, i);

		sum.sent += flow->queued - flow->dropped;
		sum.sent_bytes += flow->queued_bytes - flow->dropped_bytes;
		sum.dropped += flow->dropped;
	}
	if (state->packets) {
		sum.seconds = (state->last_ns - state->start_ns) / 1e9;
		/* N packets evenly paced last N intervals, not N-1. */
		if (options->rate_pps)
			sum.seconds += 1.0 / options->rate_pps;
		if (sum.seconds > 0)
			sum.rate = sum.sent / sum.seconds;
	}
	return sum;
}

/* The flow with these payloads that lost the fewest packets. */
static const struct gen_flow *best_side(const struct source *source, uint32_t number,
					uint32_t sides)
{
	const struct gen_flow *best = source_flow(source, number);

	for (uint32_t i = 1; i < sides; i++) {
		const struct gen_flow *flow = source_flow(source, number + i);

		if (flow->queued - flow->dropped > best->queued - best->dropped)
			best = flow;
	}
	return best;
}

static json_t *flow_json(const struct source *source, const struct options *options,
			 uint32_t number)
{
	const struct gen_flow *flow = best_side(source, number, options->sides);
	char text[ADDR_TEXT_SIZE];
	struct xmc_addr group;
	uint16_t port;
	json_t *json;

	frame_destination(options, number, &group, &port);
	json = json_pack("{s:I, s:s, s:i, s:I, s:I, s:I}", "flow",
			 (json_int_t)(number / options->sides), "group", addr_format(&group, text),
			 "port", port, "sent", (json_int_t)(flow->queued - flow->dropped),
			 "sent_bytes", (json_int_t)(flow->queued_bytes - flow->dropped_bytes),
			 "dropped", (json_int_t)flow->dropped);
	if (flow->queued) {
		json_object_set_new(json, "first_seq", json_integer(options->first_sequence));
		json_object_set_new(json, "last_seq", json_integer(flow->sequence - 1));
	}
	return json;
}

static void print_json(const struct source *source, const struct options *options, uint64_t asked)
{
	const struct gen_state *state = source_state(source);
	struct summary sum = summarise(source, options);
	json_t *flows = json_array();
	json_t *json;

	for (uint32_t i = 0; i < options->flows; i += options->sides)
		json_array_append_new(flows, flow_json(source, options, i));
	json = json_pack(
		"{s:I, s:s, s:o, s:o, s:I, s:I, s:o, s:f, s:f, s:I, s:I, s:o}", "run",
		(json_int_t)source_run_id(source), "interface", options->interface, "asked",
		asked == UINT64_MAX ? json_null() : json_integer(asked), "asked_rate_pps",
		options->rate_pps ? json_integer(options->rate_pps) : json_null(), "sent_packets",
		(json_int_t)sum.sent, "sent_bytes", (json_int_t)sum.sent_bytes, "dropped_packets",
		source_knows_drops(source) ? json_integer(sum.dropped) : json_null(), "seconds",
		sum.seconds, "rate_pps", sum.rate, "largest_lag_ns",
		(json_int_t)state->largest_lag_ns, "slipped_ns", (json_int_t)state->slipped_ns,
		"flows", flows);
	json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(json);
}

static void print_text(const struct source *source, const struct options *options)
{
	const struct gen_state *state = source_state(source);
	struct summary sum = summarise(source, options);

	printf("sent %" PRIu64 " packets, %" PRIu64 " payload bytes in %.3f s: %.0f packets/s",
	       sum.sent, sum.sent_bytes, sum.seconds, sum.rate);
	if (options->rate_pps)
		printf(" of %" PRIu64 " asked", options->rate_pps);
	printf(", %" PRIu32 " flow%s\n", options->flows, options->flows == 1 ? "" : "s");
	if (!source_knows_drops(source))
		puts("drops of the interface are unknown (no BTF tracepoints)");
	else if (sum.dropped)
		printf("dropped by %s, so not sent: %" PRIu64 " packets\n", options->interface,
		       sum.dropped);
	if (options->rate_pps)
		printf("largest pacing lag %.1f us, schedule slipped by %.1f ms\n",
		       state->largest_lag_ns / 1e3, state->slipped_ns / 1e6);
}

/* Why nothing was sent at all, and what to do about it. */
static void explain(const struct source *source, const struct options *options)
{
	int error = -source_state(source)->error;

	fprintf(stderr, "xmcast-gen: %s accepted no frame: %s\n", options->interface,
		error ? strerror(error) : "its queue is full");
	if (error == EOPNOTSUPP || error == ENXIO)
		fputs("xmcast-gen: the other end of a veth needs an XDP program or GRO "
		      "(ethtool -K PEER gro on), and must be up\n",
		      stderr);
	else if (error == ENETDOWN)
		fprintf(stderr, "xmcast-gen: ip link set %s up\n", options->interface);
	else if (error == EMSGSIZE)
		fputs("xmcast-gen: --size is too large for its MTU\n", stderr);
}

int main(int argc, char **argv)
{
	const struct gen_state *state;
	struct options options;
	struct source *source;
	uint64_t asked;
	int status, err;

	if (!options_parse(argc, argv, &options, &status))
		return status;
	source = source_open(&options, &status);
	if (!source)
		return status;
	if (!source_knows_drops(source))
		fputs("xmcast-gen: this kernel has no BTF tracepoints: drops are unknown\n",
		      stderr);
	asked = source_asked(source);
	err = source_run(source);
	state = source_state(source);
	status = EXIT_OK;
	if (err) {
		fprintf(stderr, "xmcast-gen: test run of the XDP program: %s\n", strerror(-err));
		if (err == -EINVAL)
			fputs("xmcast-gen: live frames need Linux 5.18, and --size must fit one "
			      "page\n",
			      stderr);
		status = EXIT_FAILED;
	} else if (state->packets && !summarise(source, &options).sent) {
		explain(source, &options);
		status = EXIT_FAILED;
	}
	if (options.json)
		print_json(source, &options, asked);
	else
		print_text(source, &options);
	source_close(source);
	return status;
}
