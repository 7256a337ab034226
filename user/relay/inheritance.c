/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/inheritance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/manifest.h"

struct inheritance {
	struct manifest manifest;
	bool forgotten; /* its counters are lost */
	uint64_t relaying_ns;
	int (*pause)(void *context);  /* NULL: there is nothing to pause any more */
	int (*commit)(void *context); /* NULL: it has ended */
	void *context;
};

int inheritance_new(struct inheritance **out, const json_t *manifest, const int *fds,
		    unsigned int nr_fds, char reason[REASON_SIZE])
{
	struct inheritance *inheritance = calloc(1, sizeof(*inheritance));
	int err;

	if (!inheritance)
		return explain(reason, -ENOMEM, "no memory");
	err = manifest_read(&inheritance->manifest, manifest, fds, nr_fds, reason);
	if (err)
		inheritance_free(inheritance);
	else
		*out = inheritance;
	return err;
}

void inheritance_set_predecessor(struct inheritance *inheritance, int (*pause)(void *context),
				 int (*commit)(void *context), void *context)
{
	inheritance->pause = pause;
	inheritance->commit = commit;
	inheritance->context = context;
}

void inheritance_free(struct inheritance *inheritance)
{
	if (!inheritance)
		return;
	manifest_free(&inheritance->manifest);
	free(inheritance);
}

/* What the tracepoints have counted belongs to the counters that are lost. */
void inheritance_forget_counters(struct inheritance *inheritance)
{
	uint64_t now_ns = clock_ns();

	inheritance->forgotten = true;
	inheritance->manifest.started_ns = now_ns;
	inheritance->manifest.has_transmits = false;
	for (unsigned int i = 0; i < inheritance->manifest.nr_rules; i++)
		inheritance->manifest.rules[i].since_ns = now_ns;
}

bool inheritance_has_other_abi(const struct inheritance *inheritance)
{
	return inheritance->manifest.other_abi;
}

bool inheritance_has_verdicts(const struct inheritance *inheritance)
{
	return !inheritance->manifest.other_verdicts;
}

bool inheritance_has_forgotten(const struct inheritance *inheritance)
{
	return inheritance && inheritance->forgotten;
}

const char *inheritance_version(const struct inheritance *inheritance)
{
	return inheritance->manifest.version;
}

struct config *inheritance_config(struct inheritance *inheritance)
{
	return &inheritance->manifest.config;
}

/* ---- for the relay ---- */

uint64_t inheritance_started_ns(const struct inheritance *inheritance, uint64_t otherwise)
{
	return inheritance ? inheritance->manifest.started_ns : otherwise;
}

uint64_t inheritance_generation(const struct inheritance *inheritance)
{
	return inheritance ? inheritance->manifest.generation : 0;
}

const struct transmits_adoption *inheritance_transmits(const struct inheritance *inheritance)
{
	return inheritance && inheritance->manifest.has_transmits ? &inheritance->manifest.transmits
								  : NULL;
}

uint64_t inheritance_next_id(const struct inheritance *inheritance)
{
	return inheritance ? inheritance->manifest.next_id : 0;
}

bool inheritance_is_running(const struct inheritance *inheritance)
{
	return inheritance && inheritance->pause;
}

bool inheritance_can_return(const struct inheritance *inheritance)
{
	return inheritance && inheritance->commit && !inheritance->forgotten;
}

int inheritance_pause(struct inheritance *inheritance)
{
	int err = 0;

	if (inheritance && inheritance->pause) {
		inheritance->manifest.paused_ns = clock_ns();
		err = inheritance->pause(inheritance->context);
	}
	if (inheritance && !err)
		inheritance->pause = NULL;
	return err;
}

void inheritance_note_relaying(struct inheritance *inheritance)
{
	if (inheritance)
		inheritance->relaying_ns = clock_ns();
}

int inheritance_commit(struct inheritance *inheritance)
{
	int err = 0;

	if (inheritance->commit)
		err = inheritance->commit(inheritance->context);
	if (!err)
		inheritance->commit = NULL;
	return err;
}

uint64_t inheritance_gap_ns(const struct inheritance *inheritance)
{
	return inheritance->relaying_ns - inheritance->manifest.paused_ns;
}

const struct steer_adoption *inheritance_steering(const struct inheritance *inheritance,
						  int ifindex)
{
	for (unsigned int i = 0; inheritance && i < inheritance->manifest.nr_steerings; i++) {
		if (inheritance->manifest.steerings[i].ifindex == ifindex)
			return &inheritance->manifest.steerings[i].adoption;
	}
	return NULL;
}

bool inheritance_blocks(const struct inheritance *inheritance, int ifindex)
{
	for (unsigned int i = 0;
	     inheritance_is_running(inheritance) && i < inheritance->manifest.nr_steerings; i++) {
		if (inheritance->manifest.steerings[i].ifindex == ifindex)
			return inheritance->manifest.steerings[i].keeps_sockets;
	}
	return false;
}

const struct xsk_adoption *inheritance_socket(const struct inheritance *inheritance,
					      const char *device, unsigned int queue)
{
	for (unsigned int i = 0; inheritance && i < inheritance->manifest.nr_sockets; i++) {
		if (inheritance->manifest.sockets[i].queue == queue &&
		    strcmp(inheritance->manifest.sockets[i].device, device) == 0)
			return &inheritance->manifest.sockets[i].adoption;
	}
	return NULL;
}

static const struct inherited_rule *find_rule(const struct inheritance *inheritance,
					      const char *name)
{
	uint32_t i = inheritance && inheritance->manifest.nr_rules
			     ? lookup_find(&inheritance->manifest.by_name, name)
			     : LOOKUP_NONE;

	return i == LOOKUP_NONE ? NULL : &inheritance->manifest.rules[i];
}

const struct stream *inheritance_stream(const struct inheritance *inheritance, const char *name)
{
	const struct inherited_rule *rule = find_rule(inheritance, name);

	return rule ? rule->stream : NULL;
}

unsigned int inheritance_selected(const struct inheritance *inheritance, const char *name)
{
	const struct inherited_rule *rule = find_rule(inheritance, name);

	return rule ? rule->selected : 0;
}

bool inheritance_rule(const struct inheritance *inheritance, const char *name, uint64_t *id,
		      uint64_t *since_ns)
{
	const struct inherited_rule *rule = find_rule(inheritance, name);

	if (!rule)
		return false;
	*id = rule->id;
	*since_ns = rule->since_ns;
	return true;
}

const json_t *inheritance_leases(const struct inheritance *inheritance)
{
	return inheritance ? inheritance->manifest.leases : NULL;
}

void inheritance_set_leases(struct inheritance *inheritance, json_t *leases)
{
	json_decref(inheritance->manifest.leases);
	inheritance->manifest.leases = leases;
}

const struct inherited_offload *inheritance_offloads(const struct inheritance *inheritance,
						     unsigned int *count)
{
	*count = inheritance ? inheritance->manifest.nr_offloads : 0;
	return inheritance ? inheritance->manifest.offloads : NULL;
}

const struct membership_held *inheritance_memberships(const struct inheritance *inheritance,
						      unsigned int *count)
{
	*count = inheritance ? inheritance->manifest.nr_memberships : 0;
	return *count ? inheritance->manifest.memberships : NULL;
}

const struct membership_entry *inheritance_wanted(const struct inheritance *inheritance,
						  unsigned int *count)
{
	*count = inheritance ? inheritance->manifest.nr_wanted : 0;
	return inheritance ? inheritance->manifest.wanted : NULL;
}
