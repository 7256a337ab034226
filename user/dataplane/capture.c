/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xmcast/rewrite.h>

#include "base/clock.h"
#include "dataplane/memory_file.h"
#include "dataplane/rate_limit.h"
#include "dataplane/send_request.h"

/* How much of a burst is taken: enough to see packets that follow each other. */
#define BURST_MS 100

_Static_assert(CAPTURE_NAME_SIZE == RULE_NAME_SIZE, "a rule's name fits");

struct capture {
	struct capture_ring ring;
	struct rate_limit limit;
	struct capture_options options;
	char branch_begin[BRANCH_BEGIN_SIZE]; /* as rule_branch_begin() of the rule */
	struct memory_file file;
};

struct capture_tap {
	struct capture *capture;
	struct capture_counts *received;
	/* Per frame: its packet was taken. Written by ingress before it publishes the frame. */
	uint8_t marks[];
};

int capture_new(struct capture **out, const struct capture_options *options)
{
	const struct rule_output rate = {.rate_pps = options->rate, .burst_ms = BURST_MS};
	struct capture_layout layout;
	struct capture *capture;
	int err;

	if (!capture_layout(&layout, options->snap))
		return -EINVAL;
	capture = aligned_alloc(CACHE_LINE, sizeof(*capture));
	if (!capture)
		return -ENOMEM;
	memset(capture, 0, sizeof(*capture));
	capture->options = *options;
	rule_branch_begin(options->rule, capture->branch_begin);
	rate_limit_init(&capture->limit, &rate, clock_ns());
	err = memory_file_open_shown(&capture->file, "xmcast-capture", layout.size);
	if (err) {
		free(capture);
		return err;
	}
	memset(capture->file.memory, 0, layout.size);
	mlock(capture->file.memory, layout.size);
	capture_ring_init(&capture->ring, capture->file.memory, &layout);
	strcpy(capture->ring.page->counts[CAPTURE_SENT].iface, "-");
	*out = capture;
	return 0;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	memory_file_close(&capture->file);
	free(capture);
}

const struct capture_options *capture_options(const struct capture *capture)
{
	return &capture->options;
}

int capture_fd(const struct capture *capture)
{
	return capture->file.fd;
}

const struct capture_layout *capture_memory(const struct capture *capture)
{
	return &capture->ring.layout;
}

const struct capture_counts *capture_counts(const struct capture *capture)
{
	return capture->ring.page->counts;
}

/* ---- taps ---- */

/* The counters of this interface. There are more of them than an intake has members; the last ones
 * would be shared. */
static struct capture_counts *counts_of(struct capture *capture, const char *iface)
{
	struct capture_counts *counts = capture->ring.page->counts;
	unsigned int i = CAPTURE_SENT + 1;

	while (i + 1 < CAPTURE_COUNTS && *counts[i].iface && strcmp(counts[i].iface, iface) != 0)
		i++;
	if (!*counts[i].iface)
		snprintf(counts[i].iface, sizeof(counts[i].iface), "%s", iface);
	return &counts[i];
}

struct capture_tap *capture_tap_new(struct capture *capture, const char *iface, unsigned int frames)
{
	struct capture_tap *tap = calloc(1, sizeof(*tap) + frames);

	if (!tap)
		return NULL;
	tap->capture = capture;
	tap->received = counts_of(capture, iface);
	return tap;
}

void capture_tap_free(struct capture_tap *tap)
{
	free(tap);
}

/* ---- packet threads ---- */

static void add(_Atomic uint64_t *counter, uint64_t count)
{
	atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

/* Note the length of a packet in several parts, and copy as much as is kept. */
static void copy_parts(struct capture_record *record, uint32_t snap, const struct iovec *parts,
		       unsigned int count)
{
	record->length = record->captured = 0;
	for (unsigned int i = 0; i < count; i++) {
		uint32_t room = snap - record->captured;
		uint32_t length = parts[i].iov_len < room ? (uint32_t)parts[i].iov_len : room;

		memcpy(record->data + record->captured, parts[i].iov_base, length);
		record->captured += length;
		record->length += (uint32_t)parts[i].iov_len;
	}
}

void capture_forwarded(struct capture *capture, const struct xmc_captured *packet,
		       const char *iface, const struct rule *rule, unsigned int output)
{
	const struct iovec part = {(void *)packet->data, packet->bytes};
	struct capture_counts *counts = packet->sent ? &capture->ring.page->counts[CAPTURE_SENT]
						     : counts_of(capture, iface);
	uint64_t position;
	struct capture_record *record = rule ? capture_ring_begin(&capture->ring, &position) : NULL;

	if (!record) {
		add(&counts->lost, 1);
		return;
	}
	record->time_ns = packet->time_ns;
	record->kind = packet->sent ? CAPTURE_REWRITTEN : CAPTURE_RECEIVED;
	record->output = (uint16_t)output;
	snprintf(record->iface, sizeof(record->iface), "%s", iface);
	memcpy(record->rule, rule->name, sizeof(record->rule));
	copy_parts(record, capture->ring.layout.snap, &part, 1);
	record->length = packet->length;
	capture_ring_end(&capture->ring, record, position);
	add(&counts->taken, 1);
}

void capture_count(struct capture *capture, const char *iface,
		   const struct xmc_capture_tally *counted)
{
	struct capture_counts *received = counts_of(capture, iface);
	struct capture_counts *sent = &capture->ring.page->counts[CAPTURE_SENT];

	add(&received->matched, counted->received);
	add(&received->limited, counted->received_limited);
	add(&received->lost, counted->received_lost);
	add(&sent->matched, counted->sent);
	add(&sent->limited, counted->sent_limited);
	add(&sent->lost, counted->sent_lost);
}

/* The rule itself, or one that the relay has made of it for a group or a source. */
static bool is_wanted(const struct capture *capture, const struct rule *rule)
{
	const char *wanted = capture->options.rule, *begin = capture->branch_begin;

	return rule && (!*wanted || strcmp(rule->name, wanted) == 0 ||
			strncmp(rule->name, begin, strlen(begin)) == 0);
}

/* True: it was taken. */
static bool take_received(struct capture *capture, struct capture_counts *counts,
			  const struct rule *rule, const struct iovec *parts, unsigned int count,
			  uint64_t now_ns)
{
	struct capture_record *record;
	uint64_t position;

	add(&counts->matched, 1);
	if (!rate_limit_allows(&capture->limit, 0, now_ns)) {
		add(&counts->limited, 1);
		return false;
	}
	record = capture_ring_begin(&capture->ring, &position);
	if (!record) {
		add(&counts->lost, 1);
		return false;
	}
	record->time_ns = now_ns;
	record->kind = CAPTURE_RECEIVED;
	memcpy(record->iface, counts->iface, sizeof(record->iface));
	memcpy(record->rule, rule->name, sizeof(record->rule));
	copy_parts(record, capture->ring.layout.snap, parts, count);
	capture_ring_end(&capture->ring, record, position);
	add(&counts->taken, 1);
	return true;
}

void capture_received(struct capture_tap *tap, const struct rule *rule, uint32_t frame,
		      const struct iovec *parts, unsigned int count, uint64_t now_ns)
{
	tap->marks[frame] = is_wanted(tap->capture, rule) &&
			    take_received(tap->capture, tap->received, rule, parts, count, now_ns);
}

static void take_submitted(struct capture *capture, const struct send_request *request,
			   const struct iovec *parts, unsigned int count, uint64_t now_ns)
{
	struct capture_counts *counts = &capture->ring.page->counts[CAPTURE_SENT];
	const struct output *output = request->to->output;
	uint64_t position;
	struct capture_record *record = capture_ring_begin(&capture->ring, &position);

	if (!record) {
		add(&counts->lost, 1);
		return;
	}
	record->time_ns = now_ns;
	record->kind = CAPTURE_SUBMITTED;
	record->ttl = output->rule.ttl > UINT8_MAX ? request->key.ttl : (uint8_t)output->rule.ttl;
	record->tos = output->rule.dscp == RULE_DSCP_KEPT ? request->key.tos
							  : (uint8_t)(output->rule.dscp << 2);
	record->sum = xmc_fold(send_payload_sum(parts, count));
	record->source_port = send_source_port(output, &request->key);
	record->to_port = send_request_port(request);
	record->output = (uint16_t)(output - output->stream->outputs);
	record->serial = output->stream->serial;
	record->source = *send_request_source(request);
	record->to = output->rule.to;
	memcpy(record->iface, output->rule.iface, sizeof(record->iface));
	memcpy(record->rule, output->stream->rule.name, sizeof(record->rule));
	copy_parts(record, capture->ring.layout.snap, parts, count);
	capture_ring_end(&capture->ring, record, position);
	add(&counts->taken, 1);
}

void capture_submitted(struct capture_tap *tap, const struct send_request *request)
{
	struct capture *capture = tap->capture;
	struct capture_counts *counts = &capture->ring.page->counts[CAPTURE_SENT];
	uint64_t now_ns;

	if (!is_wanted(capture, &request->to->output->stream->rule))
		return;
	now_ns = clock_ns();
	for (unsigned int i = 0; i < request->count; i++) {
		const struct iovec *parts = &request->payloads[i];

		add(&counts->matched, 1);
		if (!tap->marks[request->frames[i]])
			add(&counts->limited, 1);
		else if (request->pieces)
			take_submitted(capture, request, parts, request->pieces, now_ns);
		else
			take_submitted(capture, request, parts, 1, now_ns);
	}
}
