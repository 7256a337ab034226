/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may ask: the users and tokens of a file, and the names under which a loopback address may be
 * asked. Pure; any thread.
 *
 * The file has one line for each, and comments after "#":
 *
 *     user NAME PASSWORD      HTTP Basic, as browsers ask for it
 *     token TOKEN             Authorization: Bearer TOKEN, as in Prometheus' credentials_file
 */
#ifndef XMCAST_EXPORTER_CREDENTIALS_H
#define XMCAST_EXPORTER_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/trust.h"

/* Lines of a file; bytes of a password or token, at least and at most. Without a limit on attempts
 * a secret must be long enough not to be guessed. */
#define CREDENTIALS_MOST     64
#define CREDENTIALS_SHORTEST 16
#define CREDENTIALS_LONGEST  128

/* Room for a reason. */
#define CREDENTIALS_REASON TRUST_REASON_SIZE

struct credentials;

/* From the text of such a file. NULL: *reason says why, with the line. */
struct credentials *credentials_parse(const char *text, char reason[CREDENTIALS_REASON]);
void credentials_free(struct credentials *credentials); /* accepts NULL; wipes the secrets */

/* Whether a header Authorization (or NULL) has one of them. The time that this takes depends on the
 * length of the header alone. */
bool credentials_match(const struct credentials *credentials, const char *authorization);

/*
 * Whether a request with this header Host (or NULL, as in HTTP/1.0) may be meant for a loopback
 * address: it is a loopback address or "localhost", with any port. A page of another site can make
 * a browser ask under the site's own name after it has changed that name's address (DNS rebinding).
 */
bool credentials_local_host(const char *host);

#endif
