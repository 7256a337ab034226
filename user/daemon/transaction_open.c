/* SPDX-License-Identifier: BSD-2-Clause */
/* The second step of a transaction: ports, outputs and memberships of what is new. */
#define LOG_FACILITY LOG_FACILITY_RULES
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/transaction_internal.h"

static struct port *find_port(const struct transaction *txn, const char *name)
{
	for (unsigned int i = 0; i < txn->nr_ports; i++) {
		const struct port *port = txn->ports[i];

		/* One that failed before is opened anew, beside the one that says why. */
		if (strcmp(port->name, name) == 0 && (port->fresh || !port->failed))
			return txn->ports[i];
	}
	return NULL;
}

/* The name by which an interface is a port already. NULL: it is none. */
static const char *find_other_name(const struct transaction *txn, const char *name)
{
	struct link link;

	if (!txn->nr_ports || link_query(name, &link))
		return NULL;
	for (unsigned int i = 0; i < txn->nr_ports; i++) {
		const struct port *port = txn->ports[i];

		if (!port->failed && port->link.ifindex == link.ifindex &&
		    strcmp(port->name, name) != 0)
			return port->name;
	}
	return NULL;
}

static int open_port(struct transaction *txn, const char *name, struct port **out)
{
	const char *other = find_other_name(txn, name);
	unsigned int workers = 0;
	struct port *port;
	int err;

	for (unsigned int i = 0; i < txn->nr_ports; i++)
		workers += txn->ports[i]->nr_workers;
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->fresh = true;
	port->events = txn->relay->events;
	txn->ports[txn->nr_ports++] = port;
	err = other ? port_refuse(port, name, other) : port_open(port, name, txn->next, workers);
	if (transaction_fails(txn, err))
		return transaction_fail(txn, err, "", port->reason);
	*out = port;
	return 0;
}

int transaction_open_ports(struct transaction *txn)
{
	for (unsigned int i = 0; i < txn->next->nr_rules; i++) {
		struct entry *entry = txn->entries[i];
		int err = 0;

		if (!entry->fresh || entry->rule->disabled)
			continue;
		entry->port = find_port(txn, entry->rule->iface);
		if (!entry->port)
			err = open_port(txn, entry->rule->iface, &entry->port);
		if (err)
			return err;
	}
	return 0;
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

/* A rule that is tried again, and waits for what it has waited for, is no news. */
static void log_pending(const struct transaction *txn, const struct entry *entry, int err)
{
	const char *reason = entry->reason ? entry->reason : "";
	const struct entry *before =
		txn->kind == TRANSACTION_RETRY ? transaction_entry(txn, entry->rule) : NULL;

	if (before && before->reason && strcmp(before->reason, reason) == 0)
		return;
	log_error("rule-pending rule=%s error=\"%s\" reason=\"%s\"", entry->rule->name,
		  strerror(-err), reason);
}

int transaction_open_entries(struct transaction *txn)
{
	int reserved[RESERVED];
	int err = 0;

	reserve_descriptors(reserved);
	for (unsigned int i = 0; !err && i < txn->next->nr_rules; i++) {
		struct entry *entry = txn->entries[i];

		if (!entry->fresh || !entry->port || entry->port->failed)
			continue;
		err = entry_open(entry, &txn->next->egress, txn->relay->membership);
		if (!err)
			continue;
		if (transaction_fails(txn, err)) {
			transaction_fail(txn, err, entry->rule->name, entry->reason);
			break;
		}
		log_pending(txn, entry, err);
		err = 0;
	}
	release_descriptors(reserved);
	return err;
}
