/* SPDX-License-Identifier: BSD-2-Clause */
/* Reasons: one sentence for a person, why a rule or an interface is not active, and what to do. */
#ifndef XMCAST_RELAY_REASON_H
#define XMCAST_RELAY_REASON_H

/* Bytes of a reason, with its NUL. */
#define REASON_SIZE 256

/* Set a reason; a longer one is cut. Returns `err`. */
int explain(char reason[REASON_SIZE], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
