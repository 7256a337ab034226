/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "relay/relay_internal.h"
#include "dataplane/output_socket.h"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct followed *)a)->name, ((const struct followed *)b)->name);
}

static struct followed *find(const struct followed_outputs *outputs, const char *name)
{
	struct followed key = {};

	if (!outputs->count)
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", name);
	return bsearch(&key, outputs->list, outputs->count, sizeof(key), compare);
}

/* ---- which there are ---- */

static unsigned int count_named(const struct config *config)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < config->nr_rules; i++) {
		for (unsigned int j = 0; j < config->rules[i].nr_outputs; j++)
			count += *config->rules[i].outputs[j].iface != '\0';
	}
	return count;
}

/* What was known of it stays known. */
static void add(struct followed_outputs *outputs, const struct followed_outputs *before,
		const char *name)
{
	const struct followed *known = find(before, name);
	struct followed *followed = &outputs->list[outputs->count++];

	memset(followed, 0, sizeof(*followed));
	if (known)
		*followed = *known;
	snprintf(followed->name, sizeof(followed->name), "%s", name);
	followed->changed = true;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the rules, sorted, as an array that the caller frees. NULL: no memory. */
static const char **sorted_names(const struct config *config, unsigned int *count)
{
	const char **names = calloc(count_named(config) + 1, sizeof(*names));

	*count = 0;
	for (unsigned int i = 0; names && i < config->nr_rules; i++) {
		for (unsigned int j = 0; j < config->rules[i].nr_outputs; j++) {
			const char *name = config->rules[i].outputs[j].iface;

			if (*name)
				names[(*count)++] = name;
		}
	}
	if (names)
		qsort(names, *count, sizeof(*names), compare_texts);
	return names;
}

static unsigned int count_different(const char **names, unsigned int count)
{
	unsigned int different = 0;

	for (unsigned int i = 0; i < count; i++)
		different += !i || strcmp(names[i], names[i - 1]) != 0;
	return different;
}

int outputs_collect(struct followed_outputs *outputs, const struct relay *relay)
{
	struct followed_outputs next = {NULL, 0};
	unsigned int count;
	const char **names = sorted_names(&relay->config, &count);

	if (names)
		next.list = calloc(count_different(names, count) + 1, sizeof(*next.list));
	for (unsigned int i = 0; next.list && i < count; i++) {
		if (!i || strcmp(names[i], names[i - 1]) != 0)
			add(&next, outputs, names[i]);
	}
	free(names);
	if (!next.list)
		return -ENOMEM;
	outputs_free(outputs);
	*outputs = next;
	return 0;
}

void outputs_free(struct followed_outputs *outputs)
{
	free(outputs->list);
	outputs->list = NULL;
	outputs->count = 0;
}

bool outputs_concern(const struct followed_outputs *outputs, const struct link *link)
{
	if (link->more_names || (*link->name && find(outputs, link->name)))
		return true;
	for (unsigned int i = 0; i < LINK_ALTERNATIVES; i++) {
		if (*link->alternatives[i] && find(outputs, link->alternatives[i]))
			return true;
	}
	for (unsigned int i = 0; i < outputs->count; i++) {
		if (outputs->list[i].there && outputs->list[i].link.ifindex == link->ifindex)
			return true;
	}
	return false;
}

/* ---- how they are ---- */

static bool is_port(const struct relay *relay, const char *name)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		if (strcmp(relay->intakes[i]->name, name) == 0)
			return true;
	}
	return false;
}

/* Interfaces that are inputs as well tell it themselves. */
static void tell(const struct followed *followed, const struct relay *relay)
{
	char reason[REASON_SIZE] = "";

	if (is_port(relay, followed->name))
		return;
	if (followed->trouble)
		snprintf(reason, sizeof(reason), "output interface %s %s", followed->name,
			 followed->there ? "is down: set it up" : "does not exist");
	if (followed->trouble)
		log_event(LOG_LEVEL_ERROR, "interface-impaired", LOG_IFACE(followed->name),
			  LOG_TEXT("reason", reason));
	else
		log_event(LOG_LEVEL_INFO, "interface-recovered", LOG_IFACE(followed->name));
}

/* False: it could not be asked. */
static bool query(struct followed *followed, const struct relay *relay)
{
	const char *trouble = NULL;
	struct link now;
	int err = link_query(followed->name, &now);

	/* No descriptor, no memory: it is no worse than it was, which at first nobody knows. */
	if (err && err != -ENODEV)
		return false;
	followed->known = true;
	if (err)
		trouble = "its interface does not exist";
	else if (!now.up)
		trouble = "its interface is down";
	followed->changed |=
		followed->there != !err || followed->trouble != trouble ||
		(!err && (followed->link.ifindex != now.ifindex || followed->link.mtu != now.mtu));
	followed->there = !err;
	if (!err)
		followed->link = now;
	if (followed->trouble == trouble)
		return true;
	followed->trouble = trouble;
	tell(followed, relay);
	return true;
}

bool outputs_query(struct followed_outputs *outputs, const struct relay *relay)
{
	bool all = true;

	for (unsigned int i = 0; i < outputs->count; i++)
		all &= query(&outputs->list[i], relay);
	return all;
}

/* ---- what follows from it ---- */

/* True: not all that was wanted could be had. */
static bool apply(struct stream *stream, unsigned int i, const struct followed *followed)
{
	struct output *output = &stream->outputs[i];
	int ifindex = followed->there ? followed->link.ifindex : 0;

	output->reason = followed->trouble;
	if (output_socket_follow(output->socket, ifindex)) {
		output->reason = "its socket cannot follow its interface";
		return true;
	}
	stream_route_changed(stream, i);
	return false;
}

static bool apply_stream(const struct followed_outputs *outputs, struct stream *stream, bool every)
{
	bool failed = false;

	for (unsigned int i = 0; i < stream->nr_outputs; i++) {
		const char *name = stream->outputs[i].rule.iface;
		const struct followed *followed = *name ? find(outputs, name) : NULL;

		if (followed && followed->known && (every || followed->changed))
			failed |= apply(stream, i, followed);
	}
	return failed;
}

void outputs_apply(struct followed_outputs *outputs, struct relay *relay, bool every)
{
	bool failed = false;
	bool any = every;

	for (unsigned int i = 0; i < outputs->count; i++)
		any |= outputs->list[i].changed;
	for (unsigned int i = 0; any && i < relay->config.nr_rules; i++) {
		if (relay->routes[i]->stream)
			failed |= apply_stream(outputs, relay->routes[i]->stream, every);
	}
	for (unsigned int i = 0; i < outputs->count; i++)
		outputs->list[i].changed = failed;
}

bool outputs_refresh(struct relay *relay, unsigned int *next, unsigned int most)
{
	unsigned int done = 0;

	for (; *next < relay->config.nr_rules && done < most; (*next)++) {
		struct stream *stream = relay->routes[*next]->stream;

		for (unsigned int i = 0; stream && i < stream->nr_outputs; i++) {
			stream_route_changed(stream, i);
			done++;
		}
	}
	return *next < relay->config.nr_rules;
}
