/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process hands over (hand_over.h), as plain data: the manifest is JSON, and numbers the
 * descriptors that come with it. It is checked, because it may be of another version. Main thread.
 */
#ifndef XMCAST_RELAY_MANIFEST_H
#define XMCAST_RELAY_MANIFEST_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lookup.h"
#include "dataplane/xsk.h"
#include "links/ethtool_features.h"
#include "membership/membership.h"
#include "relay/reason.h"
#include "rules/config.h"
#include "steering/steer.h"
#include "steering/transmits.h"

/* The version of the manifest (hand_over.h): raised when a successor must not read an older one. */
#define HAND_OVER_FORMAT 1

struct stream;

struct inherited_socket {
	char device[IF_NAMESIZE];
	unsigned int queue;
	struct xsk_adoption adoption;
};

struct inherited_steering {
	int ifindex;
	bool keeps_sockets; /* they cannot be adopted */
	struct steer_adoption adoption;
};

struct inherited_rule {
	char name[RULE_NAME_SIZE];
	uint64_t id;
	uint64_t since_ns;
	unsigned int selected; /* of several inputs: which one */
	struct stream *stream; /* NULL: it had none, or a socket is unsuitable */
};

/* Features of devices that it had switched off (offloads.h). */
struct inherited_offload {
	int ifindex;
	enum ethtool_feature feature;
};
struct manifest {
	char version[64];
	struct config config;
	uint64_t started_ns;
	uint64_t next_id;
	uint64_t generation;
	uint64_t paused_ns; /* when it has paused; if it was killed, when we have noticed */
	struct transmits_adoption transmits;
	bool has_transmits;
	bool other_abi;	     /* its maps are laid out differently */
	bool other_verdicts; /* it counts by other reasons, or in another order */
	unsigned int nr_steerings, nr_sockets, nr_rules, nr_memberships, nr_wanted, nr_offloads;
	struct inherited_steering *steerings;
	struct inherited_socket *sockets;
	struct inherited_rule *rules;
	struct lookup by_name;
	struct membership_held *memberships;
	struct membership_entry *wanted;
	struct inherited_offload *offloads;
	json_t *leases; /* relay_describe_leases(), in the manifest or later */
};

/* Read and check it into what is all zero. `fds` stay the caller's, and must stay open as long as
 * the manifest. 0; -EPROTO: another format, or not a manifest: `reason` says why; -ENOMEM. Free it
 * in any case. */
int manifest_read(struct manifest *manifest, const json_t *json, const int *fds,
		  unsigned int nr_fds, char reason[REASON_SIZE]);
void manifest_free(struct manifest *manifest);

#endif
