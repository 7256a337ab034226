/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/device_meters.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Counters of one meter, at most. */
#define COUNTERS                                                                                   \
	((int)XMC_DEVICE_DROPS > (int)DEVICE_DROPS ? (int)XMC_DEVICE_DROPS : (int)DEVICE_DROPS)

/* What a kind of meter counts, and its events. */
struct meter_kind {
	enum log_facility facility;
	const char *begun, *ended;
	unsigned int nr_counters;
	const char *counters[COUNTERS]; /* NULL: the only one, and the event calls it `packets` */
};

static const struct meter_kind exhausted = {
	LOG_FACILITY_INGRESS, "buffer-exhausted", "buffer-exhausted-ended", 1, {NULL},
};
static const struct meter_kind redirect = {
	LOG_FACILITY_STEERING, "device-dropping",     "device-dropping-ended",
	XMC_DEVICE_DROPS,      XMC_DEVICE_DROP_NAMES,
};
static const struct meter_kind output = {
	LOG_FACILITY_EGRESS, "interface-dropping", "interface-dropping-ended",
	DEVICE_DROPS,	     DEVICE_DROP_NAMES,
};

struct device_meter {
	const struct meter_kind *kind;
	char interface[IF_NAMESIZE];
	char device[IF_NAMESIZE]; /* to which it redirects; empty for other kinds */
	uint64_t lost[COUNTERS];
	unsigned int quiet; /* samples without another loss */
	bool losing;
};

/* A sample that is being taken: the meters of the last one, and those of this one so far. */
struct sample {
	const struct device_meters *before;
	struct device_meters now;
	struct event_quota *quota;
};

static void emit(struct event_quota *quota, const struct device_meter *meter,
		 const struct log_count *losses, unsigned int nr_losses)
{
	const struct meter_kind *kind = meter->kind;
	struct log_field numbers = LOG_NONE;

	if (!event_quota_take(quota))
		return;
	if (nr_losses && !losses[0].name)
		numbers = LOG_UINT("packets", losses[0].count);
	else if (nr_losses)
		numbers = LOG_COUNTS("drops", losses, nr_losses);
	log_write_event(kind->facility, nr_losses ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			nr_losses ? kind->begun : kind->ended,
			LOG_NAME("interface", meter->interface),
			*meter->device ? LOG_NAME("device", meter->device) : LOG_NONE, numbers);
}

static const struct device_meter *find(const struct device_meters *meters,
				       const struct device_meter *like)
{
	for (unsigned int i = 0; i < meters->count; i++) {
		const struct device_meter *meter = &meters->list[i];

		if (meter->kind == like->kind && strcmp(meter->interface, like->interface) == 0 &&
		    strcmp(meter->device, like->device) == 0)
			return meter;
	}
	return NULL;
}

/* The losses since the last sample, by name. Returns how many names there are. */
static unsigned int new_losses(struct device_meter *meter, const uint64_t *lost,
			       struct log_count numbers[COUNTERS])
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < meter->kind->nr_counters; i++) {
		/* Less than before: it is counted from 0 again. */
		uint64_t grown = lost[i] < meter->lost[i] ? lost[i] : lost[i] - meter->lost[i];

		meter->lost[i] = lost[i];
		if (grown)
			numbers[count++] = (struct log_count){meter->kind->counters[i], grown};
	}
	return count;
}

/* `device`: NULL: none. */
static void sample(struct sample *sample, const struct meter_kind *kind, const char *interface,
		   const char *device, const uint64_t *lost)
{
	struct device_meter *meter = &sample->now.list[sample->now.count++];
	struct log_count losses[COUNTERS];
	const struct device_meter *before;
	unsigned int nr_losses;

	meter->kind = kind;
	snprintf(meter->interface, IF_NAMESIZE, "%s", interface);
	snprintf(meter->device, IF_NAMESIZE, "%s", device ? device : "");
	before = find(sample->before, meter);
	if (before)
		*meter = *before;
	nr_losses = new_losses(meter, lost, losses);
	if (nr_losses) {
		if (!meter->losing)
			emit(sample->quota, meter, losses, nr_losses);
		meter->losing = true;
		meter->quiet = 0;
	} else if (meter->losing && ++meter->quiet >= METER_QUIET) {
		emit(sample->quota, meter, NULL, 0);
		meter->losing = false;
	}
}

static void sample_interface(struct sample *to, const struct books *books,
			     const struct interface_counts *counts)
{
	uint64_t lost = 0;

	for (unsigned int i = 0; i < counts->nr_workers; i++)
		lost += books->workers[counts->first_worker + i].state.kernel.fill_ring_empty;
	sample(to, &exhausted, counts->name, NULL, &lost);
	for (unsigned int i = 0; i < counts->nr_redirects; i++)
		sample(to, &redirect, counts->name, counts->redirects[i].device,
		       counts->redirects[i].dropped);
}

int device_meters_sample(struct device_meters *meters, const struct books *books,
			 struct event_quota *quota)
{
	struct sample next = {.before = meters, .quota = quota};
	unsigned int room = books->nr_interfaces + books->nr_devices;

	for (unsigned int i = 0; i < books->nr_interfaces; i++)
		room += books->interfaces[i].nr_redirects;
	next.now.list = calloc(room + 1UL, sizeof(*next.now.list));
	if (!next.now.list)
		return -ENOMEM;
	for (unsigned int i = 0; i < books->nr_interfaces; i++)
		sample_interface(&next, books, &books->interfaces[i]);
	for (unsigned int i = 0; i < books->nr_devices; i++)
		sample(&next, &output, books->devices[i].name, NULL, books->devices[i].drops);
	for (unsigned int i = 0; i < meters->count; i++) {
		if (meters->list[i].losing && !find(&next.now, &meters->list[i]))
			emit(quota, &meters->list[i], NULL, 0);
	}
	device_meters_free(meters);
	*meters = next.now;
	return 0;
}

void device_meters_free(struct device_meters *meters)
{
	free(meters->list);
}
