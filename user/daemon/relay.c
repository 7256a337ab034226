/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "daemon/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/port.h"
#include "membership/membership.h"

/* A thread that has not looked at its commands for so long is stuck. */
#define PING_MS 1000

/* A rule of the configuration, and what became of it. */
struct entry {
	const struct rule *rule;
	struct port *port;
	struct stream *stream; /* NULL: pending */
	char *reason;	       /* why, if that is the rule's own and not its port's */
	uint64_t last_received;
	uint64_t last_bytes;
	uint64_t rate_pps;
	uint64_t rate_bps;
};

struct relay {
	const struct config *config;
	struct membership *membership;
	unsigned int nr_ports;
	struct port *ports;
	unsigned int nr_entries;
	struct entry *entries;
	uint64_t started_ns;
	uint64_t sampled_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* ---- start ---- */

/* A right that is missing, or somebody else's interface, stops the daemon; all else only the part.
 */
static bool is_fatal(int err)
{
	return err == -EPERM || err == -EACCES || err == -EBUSY;
}

static void rule_fail(struct entry *entry, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void rule_fail(struct entry *entry, int err, const char *format, ...)
{
	char reason[REASON_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	entry->reason = strdup(reason);
	stream_put(entry->stream);
	entry->stream = NULL;
	log_error("rule-pending rule=%s error=\"%s\" reason=\"%s\"", entry->rule->name,
		  strerror(-err), reason);
}

static struct port *find_port(struct relay *relay, const char *name)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		if (strcmp(relay->ports[i].name, name) == 0)
			return &relay->ports[i];
	}
	return NULL;
}

/* One port per ingress interface. */
static int open_ports(struct relay *relay)
{
	unsigned int workers = 0;

	for (unsigned int i = 0; i < relay->config->nr_rules; i++) {
		const char *name = relay->config->rules[i].iface;
		int err;

		if (relay->config->rules[i].disabled || find_port(relay, name))
			continue;
		err = port_open(&relay->ports[relay->nr_ports], name, relay->config, workers);
		workers += relay->ports[relay->nr_ports++].nr_workers;
		if (is_fatal(err))
			return err;
	}
	return 0;
}

static void open_stream(struct relay *relay, struct entry *entry)
{
	const struct rule *rule = entry->rule;
	struct stream_failure failure;
	char text[ENDPOINT_TEXT_SIZE];
	int err;

	err = stream_open(&entry->stream, rule, entry->port->nr_workers, &relay->config->egress,
			  &failure);
	if (err == -ENODEV && failure.output)
		rule_fail(entry, err, "output interface %s does not exist", failure.output->iface);
	else if (err == -EMFILE)
		rule_fail(entry, err, "too few file descriptors: raise the limit (ulimit -n)");
	else if (err && failure.output)
		rule_fail(entry, err, "output %s: %s: %s",
			  endpoint_format(&failure.output->to, failure.output->port,
					  failure.output->iface, text),
			  failure.step, strerror(-err));
	else if (err)
		rule_fail(entry, err, "%s: %s", failure.step, strerror(-err));
}

/* Join what the rule takes in; only then can it be active. */
static void join(struct relay *relay, struct entry *entry)
{
	const struct rule *rule = entry->rule;
	char group[ADDR_TEXT_SIZE];
	int err;

	if (!addr_is_multicast(&rule->group))
		return;
	err = membership_join(relay->membership, &rule->group, &rule->source,
			      entry->port->link.ifindex);
	if (err)
		rule_fail(entry, err, "cannot join %s on %s: %s", addr_format(&rule->group, group),
			  rule->iface, strerror(-err));
}

/*
 * Descriptors kept back while outputs are opened, so that too low a limit costs the rules at the
 * end and not all: what follows (rings, the XDP link, the control socket's clients) needs some too.
 */
#define RESERVED 64

static void reserve_descriptors(int fds[RESERVED])
{
	for (unsigned int i = 0; i < RESERVED; i++)
		fds[i] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

static void release_descriptors(const int fds[RESERVED])
{
	for (unsigned int i = 0; i < RESERVED; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static void open_entries(struct relay *relay)
{
	int reserved[RESERVED];

	reserve_descriptors(reserved);
	for (unsigned int i = 0; i < relay->nr_entries; i++) {
		struct entry *entry = &relay->entries[i];

		entry->rule = &relay->config->rules[i];
		if (entry->rule->disabled)
			continue;
		entry->port = find_port(relay, entry->rule->iface);
		if (entry->port->failed)
			continue;
		open_stream(relay, entry);
		if (entry->stream)
			join(relay, entry);
	}
	release_descriptors(reserved);
}

/* The streams of one port, as an array that the caller frees. NULL: no memory. */
static struct stream **port_streams(const struct relay *relay, const struct port *port,
				    unsigned int *count)
{
	struct stream **streams = calloc(relay->nr_entries + 1, sizeof(struct stream *));

	*count = 0;
	for (unsigned int i = 0; streams && i < relay->nr_entries; i++) {
		if (relay->entries[i].port == port && relay->entries[i].stream)
			streams[(*count)++] = relay->entries[i].stream;
	}
	return streams;
}

static void drop_streams(struct relay *relay, const struct port *port)
{
	for (unsigned int i = 0; i < relay->nr_entries; i++) {
		if (relay->entries[i].port != port)
			continue;
		stream_put(relay->entries[i].stream);
		relay->entries[i].stream = NULL;
	}
}

static int start_port(struct relay *relay, struct port *port)
{
	struct stream **streams;
	unsigned int count;
	int err;

	if (!port->failed) {
		streams = port_streams(relay, port, &count);
		if (!streams)
			return -ENOMEM;
		err = port_start(port, streams, count);
		free(streams);
		if (!err)
			err = port_attach(port, relay->config);
		if (is_fatal(err))
			return err;
	}
	if (port->failed) {
		drop_streams(relay, port);
		port_close(port);
	}
	return 0;
}

int relay_open(struct relay **out, const struct config *config)
{
	struct relay *relay;
	int err;

	relay = calloc(1, sizeof(*relay));
	if (!relay)
		return -ENOMEM;
	relay->config = config;
	relay->started_ns = relay->sampled_ns = now_ns();
	relay->nr_entries = config->nr_rules;
	relay->entries = calloc(config->nr_rules + 1, sizeof(*relay->entries));
	relay->ports = calloc(config->nr_rules + 1, sizeof(*relay->ports));
	err = relay->entries && relay->ports ? membership_open(&relay->membership) : -ENOMEM;
	if (!err)
		err = open_ports(relay);
	if (!err)
		open_entries(relay);
	for (unsigned int i = 0; !err && i < relay->nr_ports; i++)
		err = start_port(relay, &relay->ports[i]);
	if (err) {
		relay_close(relay);
		return err;
	}
	*out = relay;
	return 0;
}

/* ---- stop ---- */

int relay_stop(struct relay *relay)
{
	int result = 0;

	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		int err = port_stop(&relay->ports[i]);

		if (err)
			result = err;
	}
	return result;
}

void relay_close(struct relay *relay)
{
	if (!relay)
		return;
	for (unsigned int i = 0; i < relay->nr_ports; i++)
		port_close(&relay->ports[i]);
	for (unsigned int i = 0; relay->entries && i < relay->nr_entries; i++) {
		stream_put(relay->entries[i].stream);
		free(relay->entries[i].reason);
	}
	membership_close(relay->membership);
	free(relay->entries);
	free(relay->ports);
	free(relay);
}

/* ---- while it runs ---- */

void relay_count(const struct relay *relay, unsigned int *active, unsigned int *pending)
{
	*active = 0;
	*pending = 0;
	for (unsigned int i = 0; i < relay->nr_entries; i++) {
		*active += relay->entries[i].stream != NULL;
		*pending += !relay->entries[i].stream && !relay->entries[i].rule->disabled;
	}
}

void relay_size(const struct relay *relay, unsigned int *interfaces, unsigned int *workers)
{
	*interfaces = 0;
	*workers = 0;
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		*interfaces += !relay->ports[i].failed;
		*workers += relay->ports[i].nr_workers;
	}
}

bool relay_failed(const struct relay *relay)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		for (unsigned int j = 0; j < relay->ports[i].nr_workers; j++) {
			if (worker_failed(relay->ports[i].workers[j]))
				return true;
		}
	}
	return false;
}

int relay_watch(const struct relay *relay, int epoll_fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};

	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		for (unsigned int j = 0; j < relay->ports[i].nr_workers; j++) {
			int fd = worker_notify_fd(relay->ports[i].workers[j]);

			if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
				return -errno;
		}
	}
	return 0;
}

int relay_ping(struct relay *relay)
{
	int count = 0;

	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		for (unsigned int j = 0; j < relay->ports[i].nr_workers; j++) {
			int err = worker_ping(relay->ports[i].workers[j], PING_MS);

			if (err)
				return err;
			count++;
		}
	}
	return count;
}

static void sum_received(const struct stream *stream, uint64_t *packets, uint64_t *bytes)
{
	*packets = *bytes = 0;
	for (unsigned int i = 0; stream && i < stream->nr_queues; i++) {
		*packets += counter_read(&stream->queues[i].received);
		*bytes += counter_read(&stream->queues[i].received_bytes);
	}
}

void relay_sample(struct relay *relay)
{
	uint64_t now = now_ns();
	double seconds = (double)(now - relay->sampled_ns) / 1e9;

	relay->sampled_ns = now;
	for (unsigned int i = 0; i < relay->nr_entries; i++) {
		struct entry *entry = &relay->entries[i];
		uint64_t packets;
		uint64_t bytes;

		sum_received(entry->stream, &packets, &bytes);
		entry->rate_pps = (uint64_t)((double)(packets - entry->last_received) / seconds);
		entry->rate_bps = (uint64_t)(8.0 * (double)(bytes - entry->last_bytes) / seconds);
		entry->last_received = packets;
		entry->last_bytes = bytes;
	}
}

/* The smaller of both; in the first round the second. */
static unsigned int least(unsigned int so_far, unsigned int value, unsigned int round)
{
	return round && so_far < value ? so_far : value;
}

void relay_check(struct relay *relay)
{
	for (unsigned int i = 0; i < relay->nr_ports; i++)
		port_check(&relay->ports[i]);
}

static void read_output(const struct output *output, unsigned int nr_queues,
			struct stats_output *stats)
{
	for (unsigned int i = 0; i < nr_queues; i++) {
		const struct output_queue *queue = &output->queues[i];

		stats->submitted += counter_read(&queue->submitted);
		stats->sent += counter_read(&queue->sent);
		stats->sent_bytes += counter_read(&queue->sent_bytes);
		stats->gso_refused += counter_read(&queue->gso_refused);
		/* The queues find out each for itself; what the most careful one does is told. */
		stats->gso_segments = least(stats->gso_segments, queue->gso_segments, i);
		stats->gso_max_size = least(stats->gso_max_size, queue->gso_max_size, i);
		for (unsigned int j = 0; j < SEND_ERRORS; j++)
			stats->errors[j] += counter_read(&queue->errors[j]);
	}
}

static void read_entry(const struct entry *entry, struct stats_rule *stats)
{
	const struct stream *stream = entry->stream;

	stats->rule = entry->rule;
	stats->state = "active";
	if (entry->rule->disabled) {
		stats->state = "disabled";
	} else if (!stream || entry->port->impaired) {
		stats->state = "pending";
		stats->reason = entry->reason ? entry->reason : entry->port->reason;
	}
	stats->rate_pps = entry->rate_pps;
	stats->rate_bps = entry->rate_bps;
	sum_received(stream, &stats->received, &stats->received_bytes);
	for (unsigned int i = 0; i < entry->rule->nr_outputs; i++) {
		stats->outputs[i].rule = &entry->rule->outputs[i];
		if (stream)
			read_output(&stream->outputs[i], stream->nr_queues, &stats->outputs[i]);
	}
}

static void read_port(const struct port *port, struct stats_interface *stats,
		      struct stats_worker *workers)
{
	stats->name = port->name;
	stats->state = port->failed ? "failed" : port->impaired ? "impaired" : "active";
	stats->reason = port->failed || port->impaired ? port->reason : NULL;
	stats->nr_workers = port->nr_workers;
	if (port->steer) {
		stats->mode = port->mode == IFACE_MODE_NATIVE ? "native" : "skb";
		steer_verdicts(port->steer, stats->verdicts);
	}
	for (unsigned int i = 0; i < port->nr_workers; i++) {
		workers[i].iface = port->name;
		workers[i].queue = worker_queue(port->workers[i]);
		worker_read(port->workers[i], &workers[i].state);
		stats->zero_copy = worker_zero_copy(port->workers[i]);
	}
}

struct stats *relay_stats(const struct relay *relay)
{
	unsigned int outputs = 0;
	unsigned int workers = 0;
	struct stats *stats;

	for (unsigned int i = 0; i < relay->nr_entries; i++)
		outputs += relay->entries[i].rule->nr_outputs;
	for (unsigned int i = 0; i < relay->nr_ports; i++)
		workers += relay->ports[i].nr_workers;
	stats = stats_new(relay->nr_entries, outputs, relay->nr_ports, workers);
	if (!stats)
		return NULL;
	stats->uptime_seconds = (now_ns() - relay->started_ns) / 1000000000ULL;
	workers = 0;
	/* From the end of the packet's way to its beginning: what is in between shows as under way,
	 * never as sent without having been received. */
	outputs = 0;
	for (unsigned int i = 0; i < relay->nr_entries; i++) {
		stats->rules[i].outputs = &stats->outputs[outputs];
		outputs += relay->entries[i].rule->nr_outputs;
		read_entry(&relay->entries[i], &stats->rules[i]);
	}
	for (unsigned int i = 0; i < relay->nr_ports; i++) {
		stats->interfaces[i].first_worker = workers;
		read_port(&relay->ports[i], &stats->interfaces[i], &stats->workers[workers]);
		workers += relay->ports[i].nr_workers;
	}
	return stats;
}
