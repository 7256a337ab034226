/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/entry.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct entry *entry_new(const struct rule *rule)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->rule = rule;
	entry->meter = meter_new(rule->nr_outputs, clock_ns());
	if (!entry->meter) {
		free(entry);
		return NULL;
	}
	return entry;
}

static int fail(struct entry *entry, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct entry *entry, int err, const char *format, ...)
{
	char reason[REASON_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	free(entry->reason);
	entry->reason = strdup(reason); /* NULL: there is a general one */
	return err;
}

static int open_stream(struct entry *entry, const struct egress_config *egress)
{
	const struct rule_output *output;
	struct stream_failure failure;
	char text[ENDPOINT_TEXT_SIZE];
	int err = stream_open(&entry->stream, entry->rule, entry->port->nr_workers, egress,
			      entry->before, &failure);

	if (!err)
		return 0;
	output = failure.output;
	if (err == -ENODEV && output)
		return fail(entry, err, "output interface %s does not exist", output->iface);
	if (err == -EMFILE)
		return fail(entry, err, "too few file descriptors: raise the limit (ulimit -n)");
	if (!output)
		return fail(entry, err, "%s: %s", failure.step, strerror(-err));
	return fail(entry, err, "output %s: %s: %s", output_format(output, text), failure.step,
		    strerror(-err));
}

/* The source to join for. A join cannot name a prefix (RFC 3376 section 2): of one, all of the
 * group is joined, and the rule picks. */
static const struct xmc_addr *joined_source(const struct rule *rule)
{
	static const struct xmc_addr any;

	return rule->source_host_bits ? &any : &rule->source;
}

/* Join what the rule takes in; only then can it be active. */
static int join(struct entry *entry, struct membership *membership)
{
	const struct rule *rule = entry->rule;
	char group[ADDR_TEXT_SIZE];
	int err;

	if (!addr_is_multicast(&rule->group))
		return 0;
	entry->joined_ifindex = entry->port->link.ifindex;
	err = membership_join(membership, &rule->group, joined_source(rule), entry->joined_ifindex);
	/* The kernel's word for an interface that has no IPv6; it may get some. */
	if (err == -EINVAL && !addr_is_ipv4(&rule->group))
		return fail(entry, -EADDRNOTAVAIL,
			    "cannot join %s on %s: it has no IPv6 (its MTU must be 1280 or more)",
			    addr_format(&rule->group, group), rule->iface);
	if (err) {
		const char *limit = membership_limit(err, &rule->group);

		return fail(entry, err, "cannot join %s on %s: %s%s%s",
			    addr_format(&rule->group, group), rule->iface, strerror(-err),
			    limit ? ": raise " : "", limit ? limit : "");
	}
	entry->joined = true;
	return 0;
}

int entry_open(struct entry *entry, const struct egress_config *egress,
	       struct membership *membership)
{
	int err = open_stream(entry, egress);

	if (err)
		return err;
	err = join(entry, membership);
	if (err)
		entry_close(entry, membership);
	return err;
}

int entry_reopen(struct entry *entry, const struct egress_config *egress,
		 struct membership *membership)
{
	struct stream *before = entry->stream;
	int err = 0;

	free(entry->reason);
	entry->reason = NULL;
	if (!before || before->nr_queues != entry->port->nr_workers) {
		entry->before = before;
		entry->stream = NULL;
		err = open_stream(entry, egress);
		entry->before = NULL;
		stream_put(before);
	}
	if (!err)
		err = join(entry, membership);
	if (err)
		entry_close(entry, membership);
	return err;
}

void entry_leave(struct entry *entry, struct membership *membership)
{
	if (entry->joined)
		membership_leave(membership, &entry->rule->group, joined_source(entry->rule),
				 entry->joined_ifindex);
	entry->joined = false;
}

/* Of a rule with several outputs one is enough. */
static const char *outputs_trouble(const struct stream *stream)
{
	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		if (!stream->outputs[i].trouble)
			return NULL;
	}
	return stream->nr_outputs ? stream->outputs[0].trouble : NULL;
}

const char *entry_trouble(const struct entry *entry)
{
	if (entry->rule->disabled)
		return NULL;
	if (entry->port->failed || entry->port->impaired)
		return entry->port->reason;
	if (!entry->stream)
		return entry->reason ? entry->reason : "no memory to say why";
	return outputs_trouble(entry->stream);
}

void entry_close(struct entry *entry, struct membership *membership)
{
	entry_leave(entry, membership);
	stream_put(entry->stream);
	entry->stream = NULL;
}

void entry_free(struct entry *entry, struct membership *membership)
{
	if (!entry)
		return;
	entry_close(entry, membership);
	free(entry->reason);
	meter_free(entry->meter);
	free(entry);
}
