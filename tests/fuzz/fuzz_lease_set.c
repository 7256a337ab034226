// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as the params of lease.set. What reaches the relay must be within its bounds;
 * everything else must be refused with a reason, and a refusal for an old epoch names a bounded
 * list of shards.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/methods_leases.h"
#include "relay/leases.h"
#include "relay/relay.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct leases *leases;
static unsigned int calls;

/* ---- the relay has two leases, and no streams ---- */

struct leases *__wrap_relay_leases(const struct relay *relay);

struct leases *__wrap_relay_leases(const struct relay *relay)
{
	return leases;
}

int __wrap_relay_set_leases(struct relay *relay, struct lease_change *changes, unsigned int count,
			    char reason[REASON_SIZE]);

int __wrap_relay_set_leases(struct relay *relay, struct lease_change *changes, unsigned int count,
			    char reason[REASON_SIZE])
{
	calls++;
	must(count > 0 && count <= XMC_LEASE_SLOTS);
	for (unsigned int i = 0; i < count; i++) {
		const struct lease_change *change = &changes[i];

		must(change->name);
		must(change->shard >= -1 && change->shard < LEASE_SHARDS_MAX);
		must(change->from_ns <= INT64_MAX && change->until_ns <= INT64_MAX &&
		     change->elsewhere_ns <= INT64_MAX);
		must(change->epoch == LEASE_SAME_EPOCH || change->epoch <= INT64_MAX);
		must(!change->nr_cuts == (change->side == CUT_NONE));
		must(!change->nr_cuts || change->side == CUT_FROM || change->side == CUT_UNTIL);
		for (unsigned int j = 0; j < change->nr_cuts; j++)
			must(change->cuts[j].rule);
		must(!change->keep || !change->nr_cuts);
	}
	return leases_change(leases, changes, count, reason);
}

/* ---- */

static void open_leases(void)
{
	static struct rule rules[] = {
		{.name = "a", .lease = "tv", .lease_shards = 16},
		{.name = "b", .lease = "radio", .lease_shards = 1},
	};
	const struct config config = {.nr_rules = 2, .rules = rules};

	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	must(leases_open(&leases) == 0);
	/* Without a map of sockets nothing is loaded into the kernel. */
	leases_wait(leases);
	leases->guard_tried = true;
	must(leases_add(leases, &config) == 0);
	leases_trim(leases, &config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_reply reply = {};
	struct daemon daemon = {};
	json_t *params;

	if (json_text_read(&params, (const char *)data, size, 0, NULL))
		return 0;
	if (!json_is_object(params)) {
		json_decref(params);
		return 0;
	}
	open_leases();
	calls = 0;
	method_lease_set(&daemon, params, &reply);
	must(calls <= 1);
	must(!reply.result || calls == 1);
	must(reply.result || reply.code);
	must(!reply.code || *reply.message);
	must(json_array_size(json_object_get(reply.data, "stale")) <= LEASE_SHARDS_MAX);
	json_decref(reply.result);
	json_decref(reply.data);
	json_decref(params);
	leases_close(leases);
	return 0;
}
