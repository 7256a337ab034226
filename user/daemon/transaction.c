/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "daemon/transaction_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "telemetry/sampler.h"

/* A right that is missing, or somebody else's interface: there is no sense in going on. */
static bool is_fatal(int err)
{
	return err == -EPERM || err == -EACCES || err == -EBUSY;
}

/* What may come by itself: the rule waits for it. All else the process lacks. */
static bool is_network(int err)
{
	switch (-err) {
	case ENODEV:
	case ENXIO:
	case ENETDOWN:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case EEXIST:
	case EMSGSIZE:
	case E2BIG:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

bool transaction_fails(const struct transaction *txn, int err)
{
	if (is_fatal(err))
		return txn->kind != TRANSACTION_RETRY;
	return err && txn->kind == TRANSACTION_CHANGE && !is_network(err);
}

int transaction_fail(struct transaction *txn, int err, const char *subject, const char *reason)
{
	if (snprintf(txn->reason, REASON_SIZE, "%s%s%s", subject, *subject ? ": " : "",
		     reason ? reason : strerror(-err)) >= REASON_SIZE)
		strcpy(&txn->reason[REASON_SIZE - sizeof("...")], "...");
	return err;
}

/* ---- match ---- */

static int compare_names(const void *a, const void *b)
{
	const struct entry *const *x = a;
	const struct entry *const *y = b;

	return strcmp((*x)->rule->name, (*y)->rule->name);
}

struct entry *transaction_entry(const struct transaction *txn, const struct rule *rule)
{
	const struct entry key = {.rule = rule};
	const struct entry *pointer = &key;
	struct entry **found = bsearch(&pointer, txn->by_name, txn->relay->config.nr_rules,
				       sizeof(struct entry *), compare_names);

	return found ? *found : NULL;
}

static bool is_pending(const struct entry *entry)
{
	return !entry->rule->disabled && (!entry->stream || entry->port->failed);
}

/* Pending for a reason of its own: those of a port that failed come back with it. */
static bool is_retried(const struct transaction *txn, const struct entry *entry)
{
	return txn->kind == TRANSACTION_RETRY && is_pending(entry) && !entry->port->failed;
}

/* The entry at a place of the next configuration is made anew. `before`: its namesake, or NULL. */
static int renew(struct transaction *txn, unsigned int i, struct entry *before)
{
	txn->entries[i] = entry_new(&txn->next->rules[i]);
	if (!txn->entries[i])
		return -ENOMEM;
	txn->entries[i]->fresh = true;
	txn->entries[i]->before = before ? before->stream : NULL;
	return 0;
}

static int match_entries(struct transaction *txn)
{
	const struct config *before = &txn->relay->config;
	int err = 0;

	for (unsigned int i = 0; i < before->nr_rules; i++) {
		txn->by_name[i] = txn->relay->entries[i];
		txn->by_name[i]->kept = false;
	}
	qsort(txn->by_name, before->nr_rules, sizeof(struct entry *), compare_names);
	txn->change.removed = before->nr_rules;
	for (unsigned int i = 0; !err && i < txn->next->nr_rules; i++) {
		const struct rule *rule = &txn->next->rules[i];
		struct entry *entry = transaction_entry(txn, rule);
		bool same = entry && rule_equal(entry->rule, rule);

		txn->change.added += !entry;
		txn->change.removed -= entry != NULL;
		txn->change.replaced += entry && !same;
		if (same && !is_retried(txn, entry)) {
			entry->kept = true;
			txn->entries[i] = entry;
			continue;
		}
		err = renew(txn, i, entry);
	}
	return err;
}

static bool needs_port(const struct entry *entry, const struct port *port)
{
	return entry->fresh && !entry->rule->disabled &&
	       strcmp(entry->rule->iface, port->name) == 0;
}

/* A port that failed is opened anew for a rule that comes to it: why it failed may hold no more.
 * The rules that wait for it come along, so that it has no users left. */
static int leave_failed_port(struct transaction *txn, const struct port *port)
{
	bool needed = false;
	int err = 0;

	for (unsigned int i = 0; i < txn->next->nr_rules; i++)
		needed |= needs_port(txn->entries[i], port);
	for (unsigned int i = 0; needed && !err && i < txn->next->nr_rules; i++) {
		struct entry *entry = txn->entries[i];

		if (!entry->kept || entry->port != port)
			continue;
		entry->kept = false;
		err = renew(txn, i, entry);
	}
	return err;
}

static int leave_failed_ports(struct transaction *txn)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < txn->relay->nr_ports; i++) {
		if (txn->relay->ports[i]->failed)
			err = leave_failed_port(txn, txn->relay->ports[i]);
	}
	return err;
}

/* ---- stage ---- */

/* What entries a port will have, and whether that is something else than it has. */
static bool port_changes(const struct transaction *txn, struct port *port)
{
	const struct relay *relay = txn->relay;
	bool changes = false;

	port->users = 0;
	for (unsigned int i = 0; i < txn->next->nr_rules; i++) {
		const struct entry *entry = txn->entries[i];

		port->users += entry->port == port;
		changes |= entry->port == port && entry->fresh && entry->stream;
	}
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct entry *entry = relay->entries[i];

		changes |= entry->port == port && !entry->kept && entry->stream;
	}
	return changes;
}

/* The streams that a port will have, as an array that the caller frees. NULL: no memory. */
static struct stream **port_streams(const struct transaction *txn, const struct port *port,
				    unsigned int *count)
{
	struct stream **streams = calloc(txn->next->nr_rules + 1, sizeof(struct stream *));

	*count = 0;
	for (unsigned int i = 0; streams && i < txn->next->nr_rules; i++) {
		if (txn->entries[i]->port == port && txn->entries[i]->stream)
			streams[(*count)++] = txn->entries[i]->stream;
	}
	return streams;
}

/* A fresh port cannot run, but the rest can: its entries wait. */
static void abandon_port(struct transaction *txn, struct port *port)
{
	for (unsigned int i = 0; i < txn->next->nr_rules; i++) {
		if (txn->entries[i]->port == port)
			entry_close(txn->entries[i], txn->relay->membership);
	}
	port_close(port);
}

static int start_port(struct transaction *txn, struct port *port, struct stream *const *streams,
		      unsigned int count)
{
	int err = port->failed ? 0 : port_start(port, streams, count);

	if (transaction_fails(txn, err))
		return transaction_fail(txn, err, "", port->reason);
	if (port->failed)
		abandon_port(txn, port);
	return 0;
}

static int stage_port(struct transaction *txn, struct port *port)
{
	struct stream **streams;
	unsigned int count;
	int err;

	/* A port that nobody uses any more runs as it is until the commit. */
	if (!port_changes(txn, port) && !port->fresh)
		return 0;
	if (!port->fresh && (port->failed || !port->users))
		return 0;
	streams = port_streams(txn, port, &count);
	if (!streams)
		return -ENOMEM;
	err = port->fresh ? start_port(txn, port, streams, count)
			  : port_stage(port, streams, count);
	free(streams);
	return err;
}

static int stage_ports(struct transaction *txn)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < txn->nr_ports; i++)
		err = stage_port(txn, txn->ports[i]);
	return err;
}

/* ---- switch ---- */

static bool is_staged(const struct port *port)
{
	return !port->fresh && port->other;
}

static int switch_ports(struct transaction *txn)
{
	for (unsigned int i = 0; i < txn->nr_ports; i++) {
		if (!is_staged(txn->ports[i]) || !port_switch(txn->ports[i]))
			continue;
		txn->broken = true;
		return transaction_fail(txn, -EIO, "", "a worker has failed");
	}
	return 0;
}

/* Is this an input that its port, which ran before, did not have? */
static bool is_new_key(const struct entry *entry)
{
	return entry->fresh && entry->stream && is_staged(entry->port) &&
	       !ruleset_has(entry->port->other, entry->rule);
}

/* Only now, so that no packet comes that the workers would not know. */
static int add_keys(struct transaction *txn, unsigned int *added)
{
	for (*added = 0; *added < txn->next->nr_rules; (*added)++) {
		const struct entry *entry = txn->entries[*added];
		int err = is_new_key(entry) ? port_add_key(entry->port, entry->rule) : 0;

		if (err)
			return transaction_fail(txn, err, entry->rule->name,
						"it does not fit the XDP map");
	}
	return 0;
}

static void remove_keys(struct transaction *txn, unsigned int added)
{
	for (unsigned int i = 0; i < added; i++) {
		if (is_new_key(txn->entries[i]))
			port_remove_key(txn->entries[i]->port, txn->entries[i]->rule);
	}
}

static int attach_ports(struct transaction *txn)
{
	for (unsigned int i = 0; i < txn->nr_ports; i++) {
		struct port *port = txn->ports[i];
		int err;

		if (!port->fresh || port->failed)
			continue;
		err = port_attach(port, txn->next);
		if (transaction_fails(txn, err))
			return transaction_fail(txn, err, "", port->reason);
		if (err) {
			abandon_port(txn, port);
			continue;
		}
		/* Workers whose end nobody would hear of must not relay. */
		err = relay_watch_port(txn->relay, port);
		if (err)
			return transaction_fail(txn, err, port->name, NULL);
	}
	return 0;
}

/* The one step that what runs can see. */
static int go_over(struct transaction *txn)
{
	unsigned int added = 0;
	int err = switch_ports(txn);

	if (err)
		return err;
	err = add_keys(txn, &added);
	if (!err)
		err = attach_ports(txn);
	if (!err)
		return 0;
	remove_keys(txn, added);
	/* Back: `other` is what ran before. */
	return switch_ports(txn) ? -EIO : err;
}

/* ---- commit, or take back ---- */

static void retire_entries(struct transaction *txn, struct sampler *sampler)
{
	struct relay *relay = txn->relay;

	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		struct entry *entry = relay->entries[i];

		if (entry->kept)
			continue;
		if (entry->stream && is_staged(entry->port) &&
		    !ruleset_has(entry->port->ruleset, entry->rule))
			port_remove_key(entry->port, entry->rule);
		/* Of a port that goes the threads still count. */
		if (entry->port && !entry->port->users)
			port_stop(entry->port);
		relay_retire_entry(relay, entry);
		sampler_rule_gone(sampler, entry->meter, entry->rule);
		entry_free(entry, relay->membership);
	}
}

/* Ports without users go; those that are left become the relay's. */
static void settle_ports(struct transaction *txn, struct sampler *sampler)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < txn->nr_ports; i++) {
		struct port *port = txn->ports[i];

		port_forget(port);
		port->fresh = false;
		if (port->users) {
			txn->ports[left++] = port;
			continue;
		}
		if (port->attached || port->nr_workers)
			log_write(LOG_FACILITY_LINKS, LOG_LEVEL_INFO, "interface-released iface=%s",
				  port->name);
		sampler_interface_gone(sampler, &port->meter, port->name);
		port_stop(port);
		relay_retire_port(txn->relay, port);
		port_close(port);
		free(port);
	}
	txn->nr_ports = left;
}

/* A rule that was tried again is the same rule: it has changed its state, and that is told. */
static void hand_down_meters(struct transaction *txn)
{
	for (unsigned int i = 0; i < txn->next->nr_rules; i++) {
		struct entry *entry = txn->entries[i];
		struct entry *before = entry->fresh ? transaction_entry(txn, entry->rule) : NULL;
		struct meter *meter = entry->meter;

		if (!before || !rule_equal(before->rule, entry->rule))
			continue;
		entry->meter = before->meter;
		before->meter = meter;
	}
}

static void commit(struct transaction *txn)
{
	struct relay *relay = txn->relay;
	struct sampler sampler;

	hand_down_meters(txn);
	sampler_begin(&sampler, relay->events, clock_ns(), relay->config.events.silent_after);
	retire_entries(txn, &sampler);
	settle_ports(txn, &sampler);
	sampler_end(&sampler);
	for (unsigned int i = 0; i < txn->next->nr_rules; i++) {
		txn->entries[i]->rule = &txn->next->rules[i];
		txn->entries[i]->before = NULL;
		txn->change.pending += txn->entries[i]->fresh && is_pending(txn->entries[i]);
		txn->entries[i]->fresh = false;
	}
	free(relay->entries);
	free(relay->ports);
	relay->entries = txn->entries;
	relay->ports = txn->ports;
	relay->nr_ports = txn->nr_ports;
	if (!relay->generation || !config_equal(&relay->config, txn->next))
		relay->generation++;
	config_free(&relay->config);
	relay->config = *txn->next;
	config_init(txn->next);
	txn->entries = NULL;
	txn->ports = NULL;
}

static void take_back(struct transaction *txn)
{
	struct relay *relay = txn->relay;

	for (unsigned int i = 0; i < txn->nr_ports; i++) {
		if (txn->ports[i]->fresh) {
			port_close(txn->ports[i]);
			free(txn->ports[i]);
		} else {
			port_forget(txn->ports[i]);
		}
	}
	for (unsigned int i = 0; txn->entries && i < txn->next->nr_rules; i++) {
		if (txn->entries[i] && txn->entries[i]->fresh)
			entry_free(txn->entries[i], relay->membership);
	}
}

static int prepare(struct transaction *txn)
{
	const struct relay *relay = txn->relay;
	int err;

	txn->entries = calloc(txn->next->nr_rules + 1, sizeof(*txn->entries));
	txn->by_name = calloc(relay->config.nr_rules + 1, sizeof(*txn->by_name));
	/* No more ports than there were, and one for each rule. */
	txn->ports = calloc(relay->nr_ports + txn->next->nr_rules + 1, sizeof(struct port *));
	if (!txn->entries || !txn->by_name || !txn->ports)
		return -ENOMEM;
	for (unsigned int i = 0; i < relay->nr_ports; i++)
		txn->ports[txn->nr_ports++] = relay->ports[i];
	err = match_entries(txn);
	if (!err)
		err = leave_failed_ports(txn);
	if (!err)
		err = transaction_open_ports(txn);
	if (!err)
		err = transaction_open_entries(txn);
	return err ? err : stage_ports(txn);
}

int transaction_run(struct relay *relay, struct config *config, enum transaction_kind kind,
		    struct relay_change *change, char reason[REASON_SIZE])
{
	struct transaction txn = {
		.relay = relay,
		.kind = kind,
		.next = config,
		.reason = reason,
	};
	int err;

	*reason = '\0';
	err = prepare(&txn);
	if (!err)
		err = go_over(&txn);
	if (!err)
		commit(&txn);
	else
		take_back(&txn);
	if (err && !*reason)
		snprintf(reason, REASON_SIZE, "%s", strerror(-err));
	*change = txn.change;
	/* A driver's word for something else. */
	if (err == -EIO && !txn.broken)
		err = -EREMOTEIO;
	free(txn.entries);
	free(txn.by_name);
	free(txn.ports);
	return err;
}
