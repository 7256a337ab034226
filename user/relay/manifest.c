/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/stream.h"
#include "rules/schema.h"

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

static void read_interface(struct manifest *manifest, struct reading *reading, const json_t *object)
{
	struct inherited_steering *steering = &manifest->steerings[manifest->nr_steerings];
	const json_t *sockets, *counted, *chunks, *value;
	size_t i;

	/* Nothing of it can be adopted. */
	if (!json_object_size(object))
		return;
	manifest->nr_steerings++;
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
	if (manifest->other_abi)
		forget_maps(&steering->adoption);
	if (manifest->other_verdicts || json_array_size(counted) != XMC_REASONS)
		steering->adoption.verdicts_fd = -1;
	for (i = 0; i < XMC_REASONS; i++)
		steering->adoption.counted[i] =
			(uint64_t)json_integer_value(json_array_get(counted, i));
	sockets = read_array(reading, object, "sockets");
	json_array_foreach(sockets, i, value)
	{
		struct inherited_socket *socket = &manifest->sockets[manifest->nr_sockets++];

		read_socket(reading, value, socket);
		steering->keeps_sockets |= socket->adoption.socket_fd < 0;
	}
}

static void read_interfaces(struct manifest *manifest, struct reading *reading, const json_t *json)
{
	const json_t *interfaces = read_array(reading, json, "interfaces");
	size_t sockets = 0, i;
	const json_t *value;

	json_array_foreach(interfaces, i, value) sockets +=
		json_array_size(json_object_get(value, "sockets"));
	manifest->steerings =
		new_array(reading, json_array_size(interfaces), sizeof(*manifest->steerings));
	manifest->sockets = new_array(reading, sockets, sizeof(*manifest->sockets));
	if (!manifest->steerings || !manifest->sockets)
		return;
	json_array_foreach(interfaces, i, value) read_interface(manifest, reading, value);
}

/* A socket that cannot be adopted costs this rule its source ports, nothing else. */
static void read_rule(struct manifest *manifest, struct reading *reading, const json_t *object,
		      const struct rule *rule)
{
	struct inherited_rule *into = &manifest->rules[manifest->nr_rules];
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
	lookup_add(&manifest->by_name, manifest->nr_rules++);
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
static void read_rules(struct manifest *manifest, struct reading *reading, const json_t *json)
{
	const json_t *rules = read_array(reading, json, "rules");
	unsigned int count = manifest->config.nr_rules;
	size_t i;
	const json_t *value;

	manifest->rules = new_array(reading, count, sizeof(*manifest->rules));
	if (!manifest->rules || lookup_init(&manifest->by_name, count, manifest->rules->name,
					    sizeof(*manifest->rules), 0)) {
		reading->err = -ENOMEM;
		return;
	}
	json_array_foreach(rules, i, value)
	{
		if (i < count)
			read_rule(manifest, reading, value, &manifest->config.rules[i]);
	}
}

static void read_memberships(struct manifest *manifest, struct reading *reading, const json_t *json)
{
	const json_t *list = read_array(reading, json, "memberships");
	const json_t *value;
	size_t i;

	manifest->memberships =
		new_array(reading, json_array_size(list), sizeof(*manifest->memberships));
	if (!manifest->memberships)
		return;
	json_array_foreach(list, i, value)
	{
		struct membership_held *held = &manifest->memberships[manifest->nr_memberships];

		read_address(reading, value, "group", false, &held->what.group);
		read_address(reading, value, "source", true, &held->what.source);
		held->what.ifindex = (int)read_number(reading, value, "ifindex", 1, INT32_MAX);
		held->fd = read_fd(reading, value, "socket");
		manifest->nr_memberships += held->fd >= 0;
	}
}

/* An older version has none, or no sources. */
static void read_wanted(struct manifest *manifest, struct reading *reading, const json_t *json)
{
	const json_t *list = json_object_get(json, "wanted");
	const json_t *value;
	size_t i;

	manifest->wanted = new_array(reading, json_array_size(list), sizeof(*manifest->wanted));
	if (!manifest->wanted)
		return;
	json_array_foreach(list, i, value)
	{
		struct membership_entry *entry = &manifest->wanted[manifest->nr_wanted++];

		read_address(reading, value, "group", false, &entry->group);
		if (json_object_get(value, "source"))
			read_address(reading, value, "source", false, &entry->source);
		entry->ifindex = (int)read_number(reading, value, "ifindex", 1, INT32_MAX);
	}
}

static void read_redirects(struct manifest *manifest, struct reading *reading, const json_t *json)
{
	const json_t *redirects = json_object_get(json, "redirects");
	struct transmits_adoption *as = &manifest->transmits;
	const json_t *links;

	/* An older version does not know of the members of bonds: count again. */
	if (!json_object_get(redirects, "bonds"))
		return;
	as->pairs_fd = read_fd(reading, redirects, "pairs");
	as->skb_pairs_fd = read_fd(reading, redirects, "skb_pairs");
	as->bonds_fd = read_fd(reading, redirects, "bonds");
	links = read_array(reading, redirects, "links");
	for (unsigned int i = 0; i < TRANSMITS_PARTS; i++)
		as->link_fds[i] = read_fd_value(reading, json_array_get(links, i));
	manifest->has_transmits = !reading->err && !manifest->other_abi;
}

static void read_abi(struct manifest *manifest, struct reading *reading, const json_t *json)
{
	int abi = (int)read_number(reading, json, "abi", 0, INT32_MAX);
	char reason[REASON_SIZE];

	manifest->other_abi = abi != XMC_ABI_VERSION;
	if (reading->err || !manifest->other_abi)
		return;
	explain(reason, 0,
		"they have ABI version %d, this xmcastd has version %d; no stream is interrupted",
		abi, XMC_ABI_VERSION);
	log_warning("not-taken-over", LOG_TEXT("part", "the XDP maps of the kernel path"),
		    LOG_TEXT("reason", reason));
}

static void read_reasons(struct manifest *manifest, const json_t *json)
{
	static const char *const names[XMC_REASONS] = XMC_REASON_NAMES;
	const json_t *list = json_object_get(json, "reasons");

	for (unsigned int i = 0; list && i < XMC_REASONS; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		manifest->other_verdicts |= !name || strcmp(name, names[i]) != 0;
	}
}

/* Older versions switch nothing off. */
static void read_offloads(struct manifest *manifest, struct reading *reading, const json_t *json)
{
	const json_t *list = json_object_get(json, "offloads");
	const json_t *value;
	size_t i;

	manifest->offloads = new_array(reading, json_array_size(list), sizeof(*manifest->offloads));
	if (!manifest->offloads)
		return;
	json_array_foreach(list, i, value)
	{
		struct inherited_offload *into = &manifest->offloads[manifest->nr_offloads];
		char name[ETHTOOL_NAME_SIZE];

		into->ifindex = (int)read_number(reading, value, "ifindex", 1, INT32_MAX);
		read_string(reading, value, "feature", name, sizeof(name));
		into->feature = ethtool_feature_find(name);
		manifest->nr_offloads += into->feature < ETHTOOL_FEATURES;
	}
}

static int read_config(struct manifest *manifest, const json_t *json)
{
	const json_t *text = json_object_get(json, "config");
	struct errors *errors = calloc(1, sizeof(*errors));
	int err = -ENOMEM;

	if (errors)
		err = json_is_string(text)
			      ? config_parse_yaml(json_string_value(text), json_string_length(text),
						  "the predecessor", &manifest->config, errors)
			      : -EPROTO;
	if (errors && errors->kept)
		log_warning("not-taken-over", LOG_TEXT("part", "the configuration"),
			    LOG_TEXT("reason", errors->list[0].message));
	if (errors)
		errors_free(errors);
	free(errors);
	return err == -EINVAL ? -EPROTO : err;
}

int manifest_read(struct manifest *manifest, const json_t *json, const int *fds,
		  unsigned int nr_fds, char reason[REASON_SIZE])
{
	struct reading reading = {.fds = fds, .nr_fds = nr_fds};
	json_int_t format = json_integer_value(json_object_get(json, "format"));

	config_init(&manifest->config);
	if (format != HAND_OVER_FORMAT)
		return explain(reason, -EPROTO,
			       "it hands over in format %lld, this xmcastd takes over format %d",
			       (long long)format, HAND_OVER_FORMAT);
	read_string(&reading, json, "version", manifest->version, sizeof(manifest->version));
	manifest->started_ns = (uint64_t)read_number(&reading, json, "started_ns", 0, INT64_MAX);
	manifest->next_id = (uint64_t)read_number(&reading, json, "next_id", 0, INT64_MAX);
	manifest->generation = (uint64_t)read_number(&reading, json, "generation", 0, INT64_MAX);
	manifest->paused_ns =
		json_object_get(json, "paused_ns")
			? (uint64_t)read_number(&reading, json, "paused_ns", 0, INT64_MAX)
			: clock_ns();
	read_abi(manifest, &reading, json);
	read_reasons(manifest, json);
	read_redirects(manifest, &reading, json);
	if (!reading.err)
		reading.err = read_config(manifest, json);
	if (!reading.err)
		read_interfaces(manifest, &reading, json);
	if (!reading.err)
		read_rules(manifest, &reading, json);
	if (!reading.err)
		read_memberships(manifest, &reading, json);
	if (!reading.err)
		read_wanted(manifest, &reading, json);
	if (!reading.err)
		read_offloads(manifest, &reading, json);
	manifest->leases = json_incref((json_t *)json);
	if (reading.err)
		explain(reason, reading.err, "its manifest cannot be used: %s",
			strerror(-reading.err));
	return reading.err;
}

void manifest_free(struct manifest *manifest)
{
	for (unsigned int i = 0; i < manifest->nr_rules; i++)
		stream_put(manifest->rules[i].stream);
	lookup_free(&manifest->by_name);
	config_free(&manifest->config);
	free(manifest->steerings);
	free(manifest->sockets);
	free(manifest->rules);
	free(manifest->memberships);
	free(manifest->wanted);
	free(manifest->offloads);
	json_decref(manifest->leases);
}
