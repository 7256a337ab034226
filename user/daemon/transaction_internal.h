/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of a transaction share: transaction.c (its course) and transaction_open.c (what it
 * opens). Main thread. */
#ifndef XMCAST_DAEMON_TRANSACTION_INTERNAL_H
#define XMCAST_DAEMON_TRANSACTION_INTERNAL_H

#include "daemon/transaction.h"

struct transaction {
	struct relay *relay;
	enum transaction_kind kind;
	struct config *next;
	struct entry **entries; /* of `next`: kept ones and fresh ones */
	struct entry **by_name; /* the relay's, sorted by name */
	unsigned int nr_ports;
	struct port **ports; /* the relay's, and fresh ones behind them */
	struct relay_change change;
	bool broken;  /* a worker has failed: neither on nor back */
	char *reason; /* REASON_SIZE bytes: why it fails */
};

/* Whether this error of a part makes the whole fail. */
bool transaction_fails(const struct transaction *txn, int err);

/* Why the whole fails: `subject`, if it is not empty, and `reason` (NULL: what `err` means).
 * Returns `err`. */
int transaction_fail(struct transaction *txn, int err, const char *subject, const char *reason);

/* The relay's entry that has this rule's name, or NULL. */
struct entry *transaction_entry(const struct transaction *txn, const struct rule *rule);

/* The port of each fresh entry; those it needs are opened. 0 or -errno. */
int transaction_open_ports(struct transaction *txn);

/* Outputs and memberships of fresh entries; those that have to wait say why. 0 or -errno. */
int transaction_open_entries(struct transaction *txn);

#endif
