/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/inheritance.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/lookup.h"
#include "dataplane/stream.h"
#include "rules/schema.h"

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

struct inheritance {
	char version[64];
	struct config config;
	uint64_t started_ns;
	uint64_t next_id;
	uint64_t generation;
	struct transmits_adoption transmits;
	bool has_transmits;
	bool other_abi;	     /* its maps are laid out differently */
	bool other_verdicts; /* it counts by other reasons, or in another order */
	bool forgotten;	     /* its counters are lost */
	unsigned int nr_steerings, nr_sockets, nr_rules, nr_memberships;
	struct inherited_steering *steerings;
	struct inherited_socket *sockets;
	struct inherited_rule *rules;
	struct lookup by_name;
	struct membership_held *memberships;
	json_t *leases; /* relay_describe_leases(), in the manifest or later */
	unsigned int nr_wanted;
	struct membership_entry *wanted;
	unsigned int nr_offloads;
	struct inherited_offload *offloads;
	uint64_t paused_ns; /* when it has paused; if it was killed, when we have noticed */
	uint64_t relaying_ns;
	int (*pause)(void *context);  /* NULL: there is nothing to pause any more */
	int (*commit)(void *context); /* NULL: it has ended */
	void *context;
};

/* What a manifest is read with. */
struct reading {
	const int *fds;
	unsigned int nr_fds;
	int err; /* of the first failure; then everything reads as 0 */
};

/* ---- parts of a manifest ---- */

static json_int_t read_number(struct reading *reading, const json_t *object, const char *key,
			      json_int_t least, json_int_t most)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value) && json_integer_value(value) >= least &&
	    json_integer_value(value) <= most)
		return json_integer_value(value);
	reading->err = -EPROTO;
	return least;
}

/* A descriptor by its index; -1: there is none. */
static int read_fd_value(struct reading *reading, const json_t *value)
{
	json_int_t index = json_is_integer(value) ? json_integer_value(value) : -2;

	if (index == -1)
		return -1;
	if (index >= 0 && index < (json_int_t)reading->nr_fds)
		return reading->fds[index];
	reading->err = -EPROTO;
	return -1;
}

static int read_fd(struct reading *reading, const json_t *object, const char *key)
{
	return read_fd_value(reading, json_object_get(object, key));
}

/* Copy a string that is shorter than `size`. */
static void read_string(struct reading *reading, const json_t *object, const char *key, char *text,
			size_t size)
{
	const char *value = json_string_value(json_object_get(object, key));

	*text = '\0';
	if (value && strlen(value) < size)
		strcpy(text, value);
	else
		reading->err = -EPROTO;
}

static const json_t *read_array(struct reading *reading, const json_t *object, const char *key)
{
	const json_t *array = json_object_get(object, key);

	if (json_is_array(array))
		return array;
	reading->err = -EPROTO;
	return NULL;
}

static void read_address(struct reading *reading, const json_t *object, const char *key,
			 bool optional, struct xmc_addr *addr)
{
	const char *text = json_string_value(json_object_get(object, key));

	*addr = (struct xmc_addr){};
	if (optional && text && !*text)
		return;
	if (!text || !addr_parse(text, addr))
		reading->err = -EPROTO;
}

/* An array of `count` elements, at least one. NULL and -ENOMEM in *reading: no memory. */
static void *new_array(struct reading *reading, size_t count, size_t size)
{
	void *array = calloc(count + 1, size);

	if (!array)
		reading->err = -ENOMEM;
	return array;
}

/* ---- the manifest ---- */

static void read_socket(struct reading *reading, const json_t *object,
			struct inherited_socket *socket)
{
	struct xsk_adoption *as = &socket->adoption;

	read_string(reading, object, "device", socket->device, sizeof(socket->device));
	socket->queue = (unsigned int)read_number(reading, object, "queue", 0, INT32_MAX);
	as->socket_fd = read_fd(reading, object, "socket");
	as->frames_fd = read_fd(reading, object, "memory");
	as->record_fd = read_fd(reading, object, "record");
	as->frames = (unsigned int)read_number(reading, object, "frames", 1, 1 << 24);
	as->frame_size = (unsigned int)read_number(reading, object, "frame_size", 2048, 4096);
	as->rx_ring = (unsigned int)read_number(reading, object, "rx_ring", 1, 1 << 24);
	as->pieces = json_is_true(json_object_get(object, "pieces"));
}

/* Its program goes on with its own maps until ours takes its place. */
static void forget_maps(struct steer_adoption *adoption)
{
	adoption->outputs_fd = adoption->tallies_fd = -1;
	memset(adoption->tally_fds, 0xff, sizeof(adoption->tally_fds));
}

static void read_interface(struct inheritance *inheritance, struct reading *reading,
			   const json_t *object)
{
	struct inherited_steering *steering = &inheritance->steerings[inheritance->nr_steerings];
	const json_t *sockets, *counted, *chunks, *value;
	size_t i;

	/* Nothing of it can be adopted. */
	if (!json_object_size(object))
		return;
	inheritance->nr_steerings++;
	steering->ifindex = (int)read_number(reading, object, "ifindex", 1, INT32_MAX);
	steering->adoption.mode =
		json_is_true(json_object_get(object, "skb")) ? IFACE_MODE_SKB : IFACE_MODE_NATIVE;
	steering->adoption.link_fd = read_fd(reading, object, "link");
	steering->adoption.outputs_fd = read_fd(reading, object, "outputs");
	steering->adoption.tallies_fd = read_fd(reading, object, "tallies");
	steering->adoption.verdicts_fd = read_fd(reading, object, "verdicts");
	steering->adoption.steered =
		(uint64_t)read_number(reading, object, "steered", 0, INT64_MAX);
	chunks = read_array(reading, object, "tally_chunks");
	for (i = 0; i < XMC_CHUNKS; i++)
		steering->adoption.tally_fds[i] =
			i < json_array_size(chunks)
				? read_fd_value(reading, json_array_get(chunks, i))
				: -1;
	counted = read_array(reading, object, "counted");
	if (inheritance->other_abi)
		forget_maps(&steering->adoption);
	if (inheritance->other_verdicts || json_array_size(counted) != XMC_REASONS)
		steering->adoption.verdicts_fd = -1;
	for (i = 0; i < XMC_REASONS; i++)
		steering->adoption.counted[i] =
			(uint64_t)json_integer_value(json_array_get(counted, i));
	sockets = read_array(reading, object, "sockets");
	json_array_foreach(sockets, i, value)
	{
		struct inherited_socket *socket = &inheritance->sockets[inheritance->nr_sockets++];

		read_socket(reading, value, socket);
		steering->keeps_sockets |= socket->adoption.socket_fd < 0;
	}
}

static void read_interfaces(struct inheritance *inheritance, struct reading *reading,
			    const json_t *manifest)
{
	const json_t *interfaces = read_array(reading, manifest, "interfaces");
	size_t sockets = 0, i;
	const json_t *value;

	json_array_foreach(interfaces, i, value) sockets +=
		json_array_size(json_object_get(value, "sockets"));
	inheritance->steerings =
		new_array(reading, json_array_size(interfaces), sizeof(*inheritance->steerings));
	inheritance->sockets = new_array(reading, sockets, sizeof(*inheritance->sockets));
	if (!inheritance->steerings || !inheritance->sockets)
		return;
	json_array_foreach(interfaces, i, value) read_interface(inheritance, reading, value);
}

/* A socket that cannot be adopted costs this rule its source ports, nothing else. */
static void read_rule(struct inheritance *inheritance, struct reading *reading,
		      const json_t *object, const struct rule *rule)
{
	struct inherited_rule *into = &inheritance->rules[inheritance->nr_rules];
	const json_t *sockets = read_array(reading, object, "sockets");
	int fds[XMC_MAX_OUTPUTS];
	int err;

	read_string(reading, object, "name", into->name, sizeof(into->name));
	into->id = (uint64_t)read_number(reading, object, "id", 0, INT64_MAX);
	into->since_ns = (uint64_t)read_number(reading, object, "since_ns", 0, INT64_MAX);
	if (json_object_get(object, "selected"))
		into->selected = (unsigned int)read_number(reading, object, "selected", 0,
							   RULE_SIDES_MAX - 1);
	if (reading->err || strcmp(into->name, rule->name) != 0)
		return;
	lookup_add(&inheritance->by_name, inheritance->nr_rules++);
	if (json_array_size(sockets) != rule->nr_outputs || rule->nr_outputs > XMC_MAX_OUTPUTS)
		return;
	for (unsigned int i = 0; i < rule->nr_outputs; i++)
		fds[i] = read_fd_value(reading, json_array_get(sockets, i));
	err = reading->err ? 0 : stream_adopt(&into->stream, rule, fds);
	if (err)
		log_warning("not-taken-over", LOG_NAME("rule", rule->name), LOG_ERROR(err),
			    LOG_TEXT("part", "the sockets of its outputs"));
}

/* In the order of the configuration. */
static void read_rules(struct inheritance *inheritance, struct reading *reading,
		       const json_t *manifest)
{
	const json_t *rules = read_array(reading, manifest, "rules");
	unsigned int count = inheritance->config.nr_rules;
	size_t i;
	const json_t *value;

	inheritance->rules = new_array(reading, count, sizeof(*inheritance->rules));
	if (!inheritance->rules ||
	    lookup_init(&inheritance->by_name, count, inheritance->rules->name,
			sizeof(*inheritance->rules), 0)) {
		reading->err = -ENOMEM;
		return;
	}
	json_array_foreach(rules, i, value)
	{
		if (i < count)
			read_rule(inheritance, reading, value, &inheritance->config.rules[i]);
	}
}

static void read_memberships(struct inheritance *inheritance, struct reading *reading,
			     const json_t *manifest)
{
	const json_t *list = read_array(reading, manifest, "memberships");
	const json_t *value;
	size_t i;

	inheritance->memberships =
		new_array(reading, json_array_size(list), sizeof(*inheritance->memberships));
	if (!inheritance->memberships)
		return;
	json_array_foreach(list, i, value)
	{
		struct membership_held *held =
			&inheritance->memberships[inheritance->nr_memberships];

		read_address(reading, value, "group", false, &held->what.group);
		read_address(reading, value, "source", true, &held->what.source);
		held->what.ifindex = (int)read_number(reading, value, "ifindex", 1, INT32_MAX);
		held->fd = read_fd(reading, value, "socket");
		inheritance->nr_memberships += held->fd >= 0;
	}
}

/* An older version has none. */
static void read_wanted(struct inheritance *inheritance, struct reading *reading,
			const json_t *manifest)
{
	const json_t *list = json_object_get(manifest, "wanted");
	const json_t *value;
	size_t i;

	inheritance->wanted =
		new_array(reading, json_array_size(list), sizeof(*inheritance->wanted));
	if (!inheritance->wanted)
		return;
	json_array_foreach(list, i, value)
	{
		struct membership_entry *entry = &inheritance->wanted[inheritance->nr_wanted++];

		read_address(reading, value, "group", false, &entry->group);
		entry->ifindex = (int)read_number(reading, value, "ifindex", 1, INT32_MAX);
	}
}

static void read_redirects(struct inheritance *inheritance, struct reading *reading,
			   const json_t *manifest)
{
	const json_t *redirects = json_object_get(manifest, "redirects");
	struct transmits_adoption *as = &inheritance->transmits;
	const json_t *links;

	/* An older version does not know of the members of bonds: count anew. */
	if (!json_object_get(redirects, "bonds"))
		return;
	as->pairs_fd = read_fd(reading, redirects, "pairs");
	as->skb_pairs_fd = read_fd(reading, redirects, "skb_pairs");
	as->bonds_fd = read_fd(reading, redirects, "bonds");
	links = read_array(reading, redirects, "links");
	for (unsigned int i = 0; i < TRANSMITS_PARTS; i++)
		as->link_fds[i] = read_fd_value(reading, json_array_get(links, i));
	inheritance->has_transmits = !reading->err && !inheritance->other_abi;
}

static void read_abi(struct inheritance *inheritance, struct reading *reading,
		     const json_t *manifest)
{
	int abi = (int)read_number(reading, manifest, "abi", 0, INT32_MAX);
	char reason[REASON_SIZE];

	inheritance->other_abi = abi != XMC_ABI_VERSION;
	if (reading->err || !inheritance->other_abi)
		return;
	explain(reason, 0,
		"they have ABI version %d, this xmcastd has version %d; no stream is interrupted",
		abi, XMC_ABI_VERSION);
	log_warning("not-taken-over", LOG_TEXT("part", "the XDP maps of the kernel path"),
		    LOG_TEXT("reason", reason));
}

static void read_reasons(struct inheritance *inheritance, const json_t *manifest)
{
	static const char *const names[XMC_REASONS] = XMC_REASON_NAMES;
	const json_t *list = json_object_get(manifest, "reasons");

	for (unsigned int i = 0; list && i < XMC_REASONS; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		inheritance->other_verdicts |= !name || strcmp(name, names[i]) != 0;
	}
}

/* Older versions switch nothing off. */
static void read_offloads(struct inheritance *inheritance, struct reading *reading,
			  const json_t *manifest)
{
	const json_t *list = json_object_get(manifest, "offloads");
	const json_t *value;
	size_t i;

	inheritance->offloads =
		new_array(reading, json_array_size(list), sizeof(*inheritance->offloads));
	if (!inheritance->offloads)
		return;
	json_array_foreach(list, i, value)
	{
		struct inherited_offload *into = &inheritance->offloads[inheritance->nr_offloads];
		char name[ETHTOOL_NAME_SIZE];

		into->ifindex = (int)read_number(reading, value, "ifindex", 1, INT32_MAX);
		read_string(reading, value, "feature", name, sizeof(name));
		into->feature = ethtool_feature_find(name);
		inheritance->nr_offloads += into->feature < ETHTOOL_FEATURES;
	}
}

static int read_config(struct inheritance *inheritance, const json_t *manifest)
{
	const json_t *text = json_object_get(manifest, "config");
	struct errors *errors = calloc(1, sizeof(*errors));
	int err = -ENOMEM;

	if (errors)
		err = json_is_string(text)
			      ? config_parse_yaml(json_string_value(text), json_string_length(text),
						  "the predecessor", &inheritance->config, errors)
			      : -EPROTO;
	if (errors && errors->kept)
		log_warning("not-taken-over", LOG_TEXT("part", "the configuration"),
			    LOG_TEXT("reason", errors->list[0].message));
	if (errors)
		errors_free(errors);
	free(errors);
	return err == -EINVAL ? -EPROTO : err;
}

static int read_manifest(struct inheritance *inheritance, const json_t *manifest, const int *fds,
			 unsigned int nr_fds, char reason[REASON_SIZE])
{
	struct reading reading = {.fds = fds, .nr_fds = nr_fds};
	json_int_t format = json_integer_value(json_object_get(manifest, "format"));

	if (format != HAND_OVER_FORMAT)
		return explain(reason, -EPROTO,
			       "it hands over in format %lld, this xmcastd takes over format %d",
			       (long long)format, HAND_OVER_FORMAT);
	read_string(&reading, manifest, "version", inheritance->version,
		    sizeof(inheritance->version));
	inheritance->started_ns =
		(uint64_t)read_number(&reading, manifest, "started_ns", 0, INT64_MAX);
	inheritance->next_id = (uint64_t)read_number(&reading, manifest, "next_id", 0, INT64_MAX);
	inheritance->generation =
		(uint64_t)read_number(&reading, manifest, "generation", 0, INT64_MAX);
	inheritance->paused_ns =
		json_object_get(manifest, "paused_ns")
			? (uint64_t)read_number(&reading, manifest, "paused_ns", 0, INT64_MAX)
			: clock_ns();
	read_abi(inheritance, &reading, manifest);
	read_reasons(inheritance, manifest);
	read_redirects(inheritance, &reading, manifest);
	if (!reading.err)
		reading.err = read_config(inheritance, manifest);
	if (!reading.err)
		read_interfaces(inheritance, &reading, manifest);
	if (!reading.err)
		read_rules(inheritance, &reading, manifest);
	if (!reading.err)
		read_memberships(inheritance, &reading, manifest);
	if (!reading.err)
		read_wanted(inheritance, &reading, manifest);
	if (!reading.err)
		read_offloads(inheritance, &reading, manifest);
	inheritance->leases = json_incref((json_t *)manifest);
	if (reading.err)
		explain(reason, reading.err, "its manifest cannot be used: %s",
			strerror(-reading.err));
	return reading.err;
}

int inheritance_new(struct inheritance **out, const json_t *manifest, const int *fds,
		    unsigned int nr_fds, char reason[REASON_SIZE])
{
	struct inheritance *inheritance = calloc(1, sizeof(*inheritance));
	int err;

	if (!inheritance)
		return explain(reason, -ENOMEM, "no memory");
	config_init(&inheritance->config);
	err = read_manifest(inheritance, manifest, fds, nr_fds, reason);
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
	for (unsigned int i = 0; i < inheritance->nr_rules; i++)
		stream_put(inheritance->rules[i].stream);
	lookup_free(&inheritance->by_name);
	config_free(&inheritance->config);
	free(inheritance->steerings);
	free(inheritance->sockets);
	free(inheritance->rules);
	free(inheritance->memberships);
	free(inheritance->wanted);
	free(inheritance->offloads);
	json_decref(inheritance->leases);
	free(inheritance);
}

/* What the tracepoints have counted belongs to the counters that are lost. */
void inheritance_forget_counters(struct inheritance *inheritance)
{
	uint64_t now_ns = clock_ns();

	inheritance->forgotten = true;
	inheritance->started_ns = now_ns;
	inheritance->has_transmits = false;
	for (unsigned int i = 0; i < inheritance->nr_rules; i++)
		inheritance->rules[i].since_ns = now_ns;
}

bool inheritance_has_other_abi(const struct inheritance *inheritance)
{
	return inheritance->other_abi;
}

bool inheritance_has_verdicts(const struct inheritance *inheritance)
{
	return !inheritance->other_verdicts;
}

bool inheritance_has_forgotten(const struct inheritance *inheritance)
{
	return inheritance && inheritance->forgotten;
}

const char *inheritance_version(const struct inheritance *inheritance)
{
	return inheritance->version;
}

struct config *inheritance_config(struct inheritance *inheritance)
{
	return &inheritance->config;
}

/* ---- for the relay ---- */

uint64_t inheritance_started_ns(const struct inheritance *inheritance, uint64_t otherwise)
{
	return inheritance ? inheritance->started_ns : otherwise;
}

uint64_t inheritance_generation(const struct inheritance *inheritance)
{
	return inheritance ? inheritance->generation : 0;
}

const struct transmits_adoption *inheritance_transmits(const struct inheritance *inheritance)
{
	return inheritance && inheritance->has_transmits ? &inheritance->transmits : NULL;
}

uint64_t inheritance_next_id(const struct inheritance *inheritance)
{
	return inheritance ? inheritance->next_id : 0;
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
		inheritance->paused_ns = clock_ns();
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
	return inheritance->relaying_ns - inheritance->paused_ns;
}

const struct steer_adoption *inheritance_steering(const struct inheritance *inheritance,
						  int ifindex)
{
	for (unsigned int i = 0; inheritance && i < inheritance->nr_steerings; i++) {
		if (inheritance->steerings[i].ifindex == ifindex)
			return &inheritance->steerings[i].adoption;
	}
	return NULL;
}

bool inheritance_blocks(const struct inheritance *inheritance, int ifindex)
{
	for (unsigned int i = 0;
	     inheritance_is_running(inheritance) && i < inheritance->nr_steerings; i++) {
		if (inheritance->steerings[i].ifindex == ifindex)
			return inheritance->steerings[i].keeps_sockets;
	}
	return false;
}

const struct xsk_adoption *inheritance_socket(const struct inheritance *inheritance,
					      const char *device, unsigned int queue)
{
	for (unsigned int i = 0; inheritance && i < inheritance->nr_sockets; i++) {
		if (inheritance->sockets[i].queue == queue &&
		    strcmp(inheritance->sockets[i].device, device) == 0)
			return &inheritance->sockets[i].adoption;
	}
	return NULL;
}

static const struct inherited_rule *find_rule(const struct inheritance *inheritance,
					      const char *name)
{
	uint32_t i = inheritance && inheritance->nr_rules ? lookup_find(&inheritance->by_name, name)
							  : LOOKUP_NONE;

	return i == LOOKUP_NONE ? NULL : &inheritance->rules[i];
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
	return inheritance ? inheritance->leases : NULL;
}

void inheritance_set_leases(struct inheritance *inheritance, json_t *leases)
{
	json_decref(inheritance->leases);
	inheritance->leases = leases;
}

const struct inherited_offload *inheritance_offloads(const struct inheritance *inheritance,
						     unsigned int *count)
{
	*count = inheritance ? inheritance->nr_offloads : 0;
	return inheritance ? inheritance->offloads : NULL;
}

const struct membership_held *inheritance_memberships(const struct inheritance *inheritance,
						      unsigned int *count)
{
	*count = inheritance ? inheritance->nr_memberships : 0;
	return *count ? inheritance->memberships : NULL;
}

const struct membership_entry *inheritance_wanted(const struct inheritance *inheritance,
						  unsigned int *count)
{
	*count = inheritance ? inheritance->nr_wanted : 0;
	return inheritance ? inheritance->wanted : NULL;
}
