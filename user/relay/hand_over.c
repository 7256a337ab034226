/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/hand_over.h"

#include <errno.h>
#include <stdlib.h>

#include <xmcast/abi.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/log.h"
#include "base/version.h"
#include "dataplane/stream.h"
#include "relay/follow.h"
#include "relay/inheritance.h"
#include "relay/lease_moves.h"
#include "relay/state.h"
#include "rules/write.h"

int hand_over_add(struct hand_over *offer, int fd)
{
	unsigned int room = offer->room ? 2 * offer->room : 64;

	if (fd < 0)
		return -1;
	if (offer->nr_fds == offer->room) {
		int *larger = reallocarray(offer->fds, room, sizeof(*larger));

		if (!larger)
			return -1;
		offer->fds = larger;
		offer->room = room;
	}
	offer->fds[offer->nr_fds] = fd;
	return (int)offer->nr_fds++;
}

void hand_over_free(struct hand_over *offer)
{
	json_decref(offer->manifest);
	free(offer->fds);
	*offer = (struct hand_over){};
}

/* ---- the manifest ---- */

static json_t *describe_worker(struct hand_over *offer, const struct worker *worker)
{
	struct xsk_adoption as;

	xsk_describe(worker_xsk(worker), &as);
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b}", "device",
			 worker_interface(worker), "queue", (int)worker_queue(worker), "socket",
			 hand_over_add(offer, as.socket_fd), "memory",
			 hand_over_add(offer, as.frames_fd), "record",
			 hand_over_add(offer, as.record_fd), "frames", (int)as.frames, "frame_size",
			 (int)as.frame_size, "rx_ring", (int)as.rx_ring, "pieces", as.pieces);
}

/* Arrays are there up to a place, with few gaps. */
static json_t *describe_tallies(struct hand_over *offer, const struct steer_adoption *as)
{
	json_t *chunks = json_array();
	unsigned int count = XMC_CHUNKS;

	while (count && as->tally_fds[count - 1] < 0)
		count--;
	for (unsigned int i = 0; i < count; i++)
		json_add(&chunks, json_integer(hand_over_add(offer, as->tally_fds[i])));
	return chunks;
}

/* An external program, whose pinned maps a successor opens again, is not described. */
static json_t *describe_intake(struct hand_over *offer, const struct intake *intake)
{
	json_t *sockets = json_array();
	json_t *counted = json_array();
	struct steer_adoption as;

	if (!steer_describe(intake->steer, &as)) {
		json_decref(sockets);
		json_decref(counted);
		return json_object();
	}
	for (unsigned int i = 0; i < XMC_REASONS; i++)
		json_add(&counted, json_integer((json_int_t)as.counted[i]));
	for (unsigned int i = 0; i < intake->nr_workers; i++)
		json_add(&sockets, describe_worker(offer, intake->workers[i]));
	return json_pack("{s:s, s:i, s:b, s:i, s:i, s:i, s:i, s:o, s:I, s:o, s:o}", "name",
			 intake->name, "ifindex", intake->ifindex, "skb",
			 intake->mode == IFACE_MODE_SKB, "link", hand_over_add(offer, as.link_fd),
			 "outputs", hand_over_add(offer, as.outputs_fd), "tallies",
			 hand_over_add(offer, as.tallies_fd), "verdicts",
			 hand_over_add(offer, as.verdicts_fd), "counted", counted, "steered",
			 (json_int_t)as.steered, "tally_chunks", describe_tallies(offer, &as),
			 "sockets", sockets);
}

/* The order in which programs count packets. */
static json_t *describe_reasons(void)
{
	static const char *const names[XMC_REASONS] = XMC_REASON_NAMES;
	json_t *list = json_array();

	for (unsigned int i = 0; i < XMC_REASONS; i++)
		json_add(&list, json_string(names[i]));
	return list;
}

/* Of a rule with several inputs, all send by the same sockets. */
static json_t *describe_route(struct hand_over *offer, const struct route *route)
{
	const struct path *path = route->path ? route->path : siblings_path(route->siblings);
	const struct stream *stream = path ? path->stream : NULL;
	json_t *sockets = json_array();
	json_t *object;

	for (unsigned int i = 0; stream && i < stream->nr_outputs; i++)
		json_add(&sockets, json_integer(hand_over_add(offer, stream->outputs[i].fd)));
	object = json_pack("{s:s, s:I, s:I, s:o}", "name", route->rule->name, "id",
			   (json_int_t)route->id, "since_ns", (json_int_t)route->since_ns,
			   "sockets", sockets);
	if (route->siblings && route->siblings->selection)
		json_put(&object, "selected",
			 json_integer(selection_side(route->siblings->selection)));
	return object;
}

static json_t *describe_redirects(struct hand_over *offer, const struct redirects *redirects)
{
	struct transmits_adoption as;
	json_t *links = json_array();

	if (!redirects_describe(redirects, &as)) {
		json_decref(links);
		return json_object();
	}
	for (unsigned int i = 0; i < TRANSMITS_PARTS; i++)
		json_add(&links, json_integer(hand_over_add(offer, as.link_fds[i])));
	return json_pack("{s:i, s:i, s:i, s:o}", "pairs", hand_over_add(offer, as.pairs_fd),
			 "skb_pairs", hand_over_add(offer, as.skb_pairs_fd), "bonds",
			 hand_over_add(offer, as.bonds_fd), "links", links);
}

/* Several memberships have one socket, which is described once. */
static json_t *describe_memberships(struct hand_over *offer, const struct membership *membership)
{
	struct membership_held *list = NULL;
	int count = membership_describe(membership, &list);
	unsigned int first = offer->nr_fds;
	json_t *array = count < 0 ? NULL : json_array();

	for (int i = 0; i < count; i++) {
		const struct membership_entry *what = &list[i].what;
		char group[ADDR_TEXT_SIZE], source[ADDR_TEXT_SIZE];
		unsigned int index = first;

		while (index < offer->nr_fds && offer->fds[index] != list[i].fd)
			index++;
		if (index == offer->nr_fds)
			hand_over_add(offer, list[i].fd);
		json_add(&array,
			 json_pack("{s:s, s:s, s:i, s:i}", "group",
				   addr_format(&what->group, group), "source",
				   addr_is_any(&what->source) ? ""
							      : addr_format(&what->source, source),
				   "ifindex", what->ifindex, "socket", (int)index));
	}
	free(list);
	return array;
}

struct wanted_groups {
	const struct receivers *receivers;
	uint64_t now_ns;
	json_t *array;
};

/* Each source for itself if all receivers name theirs. */
static void describe_wanted_group(void *context, int ifindex, const struct xmc_addr *group)
{
	struct wanted_groups *wanted = context;
	struct receivers_sources sources = {.count = 0};
	char text[ADDR_TEXT_SIZE], source[ADDR_TEXT_SIZE];

	addr_format(group, text);
	receivers_add_sources(wanted->receivers, ifindex, group, wanted->now_ns, &sources);
	if (sources.others || sources.more || !sources.count)
		json_add(&wanted->array,
			 json_pack("{s:s, s:i}", "group", text, "ifindex", ifindex));
	else
		for (unsigned int i = 0; i < sources.count; i++)
			json_add(&wanted->array,
				 json_pack("{s:s, s:i, s:s}", "group", text, "ifindex", ifindex,
					   "source", addr_format(&sources.list[i], source)));
}

/* What receivers want: they would have to be asked first otherwise. */
static json_t *describe_wanted(const struct demand *demand)
{
	struct wanted_groups wanted = {
		.receivers = demand_receivers(demand), .now_ns = clock_ns(), .array = json_array()};

	receivers_visit_groups(wanted.receivers, describe_wanted_group, &wanted);
	return wanted.array;
}

/* What the successor has to switch on again at its end. */
static json_t *describe_offloads(const struct offloads *offloads)
{
	json_t *array = json_array();
	enum ethtool_feature feature;
	int ifindex;

	for (unsigned int i = 0; offloads_get(offloads, i, &ifindex, &feature); i++)
		json_add(&array, json_pack("{s:i, s:s}", "ifindex", ifindex, "feature",
					   ethtool_feature_names[feature]));
	return array;
}

static json_t *describe(const struct relay *relay, struct hand_over *offer)
{
	json_t *interfaces = json_array();
	json_t *rules = json_array();
	size_t length;
	char *config = config_write(&relay->asked, &length);
	json_t *leases = relay_describe_leases(relay);
	json_t *manifest;

	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (relay->intakes[i]->state == INTAKE_ATTACHED ||
		    relay->intakes[i]->state == INTAKE_IMPAIRED)
			json_add(&interfaces, describe_intake(offer, relay->intakes[i]));
	}
	for (unsigned int i = 0; i < relay->asked.nr_rules; i++)
		json_add(&rules, describe_route(offer, relay->routes[i]));
	manifest = json_pack(
		"{s:i, s:s, s:i, s:o, s:I, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "format",
		HAND_OVER_FORMAT, "version", xmc_version, "abi", XMC_ABI_VERSION, "reasons",
		describe_reasons(), "started_ns", (json_int_t)relay->started_ns, "next_id",
		(json_int_t)relay->next_id, "generation", (json_int_t)relay->generation, "config",
		config ? config : "", "interfaces", interfaces, "redirects",
		describe_redirects(offer, relay->redirects), "rules", rules, "memberships",
		describe_memberships(offer, relay->membership), "offloads",
		describe_offloads(relay->offloads), "wanted", describe_wanted(relay->demand));
	if (json_object_update(manifest, leases)) {
		json_decref(manifest);
		manifest = NULL;
	}
	json_decref(leases);
	if (relay->paused_ns)
		json_put(&manifest, "paused_ns", json_integer((json_int_t)relay->paused_ns));
	free(config);
	return config ? manifest : NULL;
}

json_t *relay_describe_leases(const struct relay *relay)
{
	return lease_moves_describe(relay);
}

/* ---- states ---- */

int relay_describe(const struct relay *relay, struct hand_over *offer)
{
	*offer = (struct hand_over){};
	offer->manifest = describe(relay, offer);
	return offer->manifest ? 0 : -ENOMEM;
}

uint64_t relay_changes(const struct relay *relay)
{
	return relay->changes;
}

void relay_freeze(struct relay *relay)
{
	relay->frozen = true;
}

int relay_pause(struct relay *relay)
{
	int result = 0;

	relay->paused_ns = clock_ns();
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		int err = intake_pause_ports(relay->intakes[i]);

		if (err)
			result = err;
	}
	relay->broken |= result != 0;
	return result ? -EIO : 0;
}

/* The successor may have taken packets out of the rings, and put its program in place of ours. */
static int resume_intake(struct intake *intake)
{
	int err;

	if (!intake_is_open(intake))
		return 0;
	err = intake_resume_ports(intake);
	for (unsigned int i = 0; !err && !intake->released && i < intake->nr_workers; i++)
		steer_subtract(intake->steer, xsk_taken_meanwhile(worker_xsk(intake->workers[i])));
	if (!err && !intake->external && intake->state != INTAKE_STOPPED)
		err = steer_replace(intake->steer);
	return err;
}

int relay_withdraw(struct relay *relay)
{
	int result = 0;

	for (unsigned int i = 0; relay->paused_ns && i < relay->nr_intakes; i++) {
		int err = resume_intake(relay->intakes[i]);

		/* The successor may have received packets that were steered. */
		ledger_reset(&relay->intakes[i]->ledger);
		if (!err)
			continue;
		log_error("resume-failed", LOG_IFACE(relay->intakes[i]->name), LOG_ERROR(err));
		result = -EIO;
	}
	/* Some may have to be opened again. */
	if (relay->paused_ns)
		follow_rules_changed(relay->follow);
	relay->paused_ns = 0;
	relay->frozen = false;
	relay->broken |= result != 0;
	return result;
}

void relay_release(struct relay *relay)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (relay->intakes[i]->steer)
			steer_set_owner(relay->intakes[i]->steer, false);
	}
	redirects_set_owner(relay->redirects, false);
	offloads_forget(relay->offloads);
}
