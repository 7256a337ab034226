/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations of other relays as ours, as far as rules can do what they say; the rest becomes
 * comments with the reason. docs/coming-from.md has the words of each.
 *
 * The input is outside input: bounded and never run. No I/O, but for what `iface_of` does. One
 * thread.
 */
#ifndef XMCAST_IMPORT_IMPORT_H
#define XMCAST_IMPORT_IMPORT_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/errors.h"
#include "import/sheet.h"

/* Bytes of an input: no configuration of these programs is as long. */
#define IMPORT_BYTES_MAX (1u << 20)

struct import_source {
	const char *bytes;
	size_t length;
	const char *file; /* as the user named it; must outlive the errors */
	/* Find the interface that has this address; false: none has. NULL: not on this machine. */
	bool (*iface_of)(const struct xmc_addr *addr, char name[IF_NAMESIZE]);
};

/* A program whose configuration can be imported. */
struct import_peer {
	const char *name;     /* NULL ends the list */
	bool commands;	      /* its configuration is its command line */
	const char *heading;  /* what holds for every rule that comes from it */
	const char *defaults; /* the section `defaults` of the result; NULL: none */
	/* Fill the sheet. 0, -EINVAL (errors appended) if this is not such a configuration at all,
	 * or -ENOMEM. */
	int (*read)(const struct import_source *source, struct sheet *sheet, struct errors *errors);
};

extern const struct import_peer import_peers[];

/* The peer of this name, or NULL. */
const struct import_peer *import_peer(const char *name);

/*
 * The configuration as a text of ours that config_parse_yaml() accepts.
 *
 * Returns a malloc()ed string and its length; NULL: see errno. EINVAL: errors were appended;
 * ENOMEM.
 */
char *import_configuration(const struct import_peer *peer, const struct import_source *source,
			   size_t *length, struct sheet_count *count, struct errors *errors);

/* ---- import_peer.read, in a file for each ---- */

#define IMPORT_READER(name)                                                                        \
	int name(const struct import_source *source, struct sheet *sheet, struct errors *errors)

IMPORT_READER(smcroute_read);
IMPORT_READER(igmpproxy_read);
IMPORT_READER(mcr_read);
IMPORT_READER(socat_read);
IMPORT_READER(udp_broadcast_relay_read);

#endif
