/* SPDX-License-Identifier: BSD-2-Clause */
#include "import/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "import/routed.h"

#define OWN_NAME "The outputs are sent by this host: from its own address, with a new TTL.\n"

const struct import_peer import_peers[] = {
	{"smcroute", false, ROUTED_HEADING, ROUTED_DEFAULTS, smcroute_read},
	{"igmpproxy", false,
	 ROUTED_HEADING
	 "igmpproxy forwards a group while a host behind an interface has joined it. So do rules\n"
	 "`on demand` with outputs `when joined`.\n",
	 ROUTED_DEFAULTS, igmpproxy_read},
	{"mcr", false, OWN_NAME, NULL, mcr_read},
	{"socat", true, OWN_NAME, NULL, socat_read},
	{"udp-broadcast-relay", true,
	 "A rule for each interface: what arrives by it leaves by the others.\n", NULL,
	 udp_broadcast_relay_read},
	{0},
};

const struct import_peer *import_peer(const char *name)
{
	for (const struct import_peer *peer = import_peers; peer->name; peer++) {
		if (strcmp(peer->name, name) == 0)
			return peer;
	}
	return NULL;
}

static char *write(const struct import_peer *peer, struct sheet *sheet, size_t *length,
		   struct sheet_count *count)
{
	char *heading =
		text_format("Imported from a configuration of %s by xmcastctl: each line of it,\n"
			    "and below it the rules that do the same.\n%s",
			    peer->name, peer->heading);
	char *text = heading ? sheet_write(sheet, heading, peer->defaults, length, count) : NULL;

	free(heading);
	return text;
}

char *import_configuration(const struct import_peer *peer, const struct import_source *source,
			   size_t *length, struct sheet_count *count, struct errors *errors)
{
	struct position at = {.file = source->file};
	struct sheet *sheet = NULL;
	char *text = NULL;
	int err;

	if (source->length > IMPORT_BYTES_MAX) {
		errors_add(errors, &at, NULL, 0, "too long, expected at most %u bytes",
			   IMPORT_BYTES_MAX);
		errno = EINVAL;
		return NULL;
	}
	err = sheet_new(&sheet, source->file);
	if (!err)
		err = peer->read(source, sheet, errors);
	if (!err) {
		text = write(peer, sheet, length, count);
		err = text ? 0 : -ENOMEM;
	}
	sheet_free(sheet);
	errno = -err;
	return text;
}
