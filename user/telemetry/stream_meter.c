/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/stream_meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/health.h"

/* The figures, what outputs have lost, and what the interface has lost. */
#define NEWS_COUNT (HEALTH_FIGURES + 2)

struct place {
	struct stream_state state;
	unsigned int quiet; /* samples without anything new */
};

struct stream_meter {
	char rule[RULE_NAME_SIZE];
	uint64_t figures[HEALTH_FIGURES];
	uint64_t side_errors[RULE_SIDES_MAX];
	uint64_t dropped; /* by the interface, so far */
	bool started;	  /* `dropped` is known */
	/* By the interface in the last samples, the newest first. */
	uint64_t recent[STREAM_RECENT];
	struct place places[STREAM_WHERES];
};

/* What of a sample breaks the stream, by name. */
struct news {
	unsigned int count;
	struct log_count numbers[NEWS_COUNT];
	char names[NEWS_COUNT][HEALTH_NAME_SIZE];
	char sides[RULE_SIDES_MAX * SIDE_LABEL_SIZE]; /* those that miss something, with "+" */
};

/* What another process has counted. */
static uint64_t carried_figure(const struct rule_counts *counts, unsigned int i)
{
	return counts->carried_health ? counts->carried_health->figures[i] : 0;
}

static uint64_t carried_errors(const struct rule_counts *counts, unsigned int side)
{
	const struct health_counts *carried = counts->sides[side].carried_health;

	return carried ? health_errors(carried) : 0;
}

/* Less than before: the path is a new one, and has counted what another process has not. */
static uint64_t growth(uint64_t now, uint64_t before, uint64_t carried)
{
	if (now >= before)
		return now - before;
	return now < carried ? now : now - carried;
}

struct stream_meter *stream_meter_new(const struct rule_counts *counts)
{
	struct stream_meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	memcpy(meter->rule, counts->rule->name, sizeof(meter->rule));
	for (unsigned int i = 0; i < HEALTH_FIGURES; i++)
		meter->figures[i] = carried_figure(counts, i);
	for (unsigned int i = 0; i < counts->rule->nr_sides; i++)
		meter->side_errors[i] = carried_errors(counts, i);
	return meter;
}

void stream_meter_free(struct stream_meter *meter)
{
	free(meter);
}

static void add_news(struct news *news, const char *name, uint64_t number)
{
	unsigned int i = news->count;

	if (!number)
		return;
	snprintf(news->names[i], sizeof(news->names[i]), "%s", name);
	news->numbers[i] = (struct log_count){news->names[i], number};
	news->count++;
}

/* No news: it is whole. */
static void emit(const struct stream_meter *meter, enum stream_where where, const struct news *news,
		 struct event_quota *quota)
{
	static const char *const names[] = STREAM_WHERE_NAMES;

	if (event_quota_take(quota))
		log_write_event(LOG_FACILITY_RULES, news ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
				news ? "stream-broken" : "stream-whole",
				LOG_NAME("rule", meter->rule), LOG_NAME("where", names[where]),
				news ? LOG_COUNTS("errors", news->numbers, news->count) : LOG_NONE,
				news ? (*news->sides ? LOG_NAME("sides", news->sides) : LOG_NONE)
				     : LOG_NONE);
}

static void sample_place(struct stream_meter *meter, enum stream_where where,
			 const struct news *news, struct event_quota *quota)
{
	struct place *place = &meter->places[where];

	if (news->count) {
		if (!place->state.broken)
			emit(meter, where, news, quota);
		place->state.breaks += !place->state.broken;
		place->state.broken = true;
		place->quiet = 0;
	} else if (place->state.broken && ++place->quiet >= STREAM_QUIET) {
		emit(meter, where, NULL, quota);
		place->state.broken = false;
	}
}

/* What the figures say is missing; *packets: how many packets that are, as far as it is known. */
static void find_missing(struct stream_meter *meter, const struct rule_counts *counts,
			 struct news *news, uint64_t *packets)
{
	*packets = 0;
	for (unsigned int i = 0; i < HEALTH_FIGURES; i++) {
		uint64_t now = counts->health.figures[i], before = meter->figures[i];
		uint64_t grown = growth(now, before, carried_figure(counts, i));
		char name[HEALTH_NAME_SIZE];

		meter->figures[i] = now;
		if (!health_figures[i].broken)
			continue;
		add_news(news, health_name((enum health_figure)i, name), grown);
		if (i == HEALTH_RTP_LOST)
			*packets = grown;
	}
}

/* Which of several inputs have missed something since the last sample. */
static void find_sides(struct stream_meter *meter, const struct rule_counts *counts,
		       struct news *news)
{
	size_t length = 0;

	for (unsigned int i = 0; i < counts->rule->nr_sides; i++) {
		uint64_t now = health_errors(&counts->sides[i].health);

		if (growth(now, meter->side_errors[i], carried_errors(counts, i)))
			length += (size_t)snprintf(news->sides + length,
						   sizeof(news->sides) - length, "%s%s",
						   length ? "+" : "", counts->rule->sides[i].label);
		meter->side_errors[i] = now;
	}
}

/* Does the rule receive at this interface? */
static bool receives_at(const struct rule_counts *counts, const char *name)
{
	for (unsigned int i = 0; i < counts->rule->nr_sides; i++) {
		const char *interface = counts->sides[i].interface;

		if (interface && strcmp(interface, name) == 0)
			return true;
	}
	return counts->interface && strcmp(counts->interface, name) == 0;
}

/* What its interfaces have lost of all steered packets: in the kernel, in the workers, or nobody
 * knows where. */
static uint64_t read_dropped(const struct books *books, const struct rule_counts *counts)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < books->nr_interfaces; i++) {
		const struct interface_counts *iface = &books->interfaces[i];

		if (!receives_at(counts, iface->name))
			continue;
		sum += iface->missing;
		for (unsigned int j = 0; j < iface->nr_workers; j++)
			sum += kernel_drops(&books->workers[iface->first_worker + j].state);
	}
	return sum;
}

/* Returns what the interface has lost in the last samples. */
static uint64_t sample_dropped(struct stream_meter *meter, const struct books *books,
			       const struct rule_counts *counts)
{
	uint64_t now = read_dropped(books, counts), sum = 0;
	/* At the beginning all of it is recent. */
	uint64_t before = meter->started			   ? meter->dropped
			  : books->uptime_seconds <= STREAM_RECENT ? 0
								   : now;

	memmove(&meter->recent[1], &meter->recent[0],
		sizeof(meter->recent) - sizeof(meter->recent[0]));
	/* Less than before: the interface was opened again. */
	meter->recent[0] = now < before ? now : now - before;
	meter->dropped = now;
	meter->started = true;
	for (unsigned int i = 0; i < STREAM_RECENT; i++)
		sum += meter->recent[i];
	return sum;
}

void stream_meter_sample(struct stream_meter *meter, const struct books *books,
			 const struct rule_counts *counts, uint64_t lost, struct event_quota *quota)
{
	struct news arrival = {}, here = {};
	uint64_t packets, dropped = sample_dropped(meter, books, counts);

	find_missing(meter, counts, &arrival, &packets);
	find_sides(meter, counts, &arrival);
	if (arrival.count && dropped && packets <= dropped) {
		here = arrival;
		/* The copy has its own names. */
		for (unsigned int i = 0; i < here.count; i++)
			here.numbers[i].name = here.names[i];
		arrival.count = 0;
		add_news(&here, "interface_drops", dropped);
	}
	add_news(&here, "output_drops", lost);
	sample_place(meter, STREAM_ON_ARRIVAL, &arrival, quota);
	sample_place(meter, STREAM_HERE, &here, quota);
}

void stream_meter_end(struct stream_meter *meter, struct event_quota *quota)
{
	for (unsigned int i = 0; meter && i < STREAM_WHERES; i++) {
		if (meter->places[i].state.broken)
			emit(meter, (enum stream_where)i, NULL, quota);
	}
}

struct stream_state stream_meter_state(const struct stream_meter *meter, enum stream_where where)
{
	return meter ? meter->places[where].state : (struct stream_state){};
}
