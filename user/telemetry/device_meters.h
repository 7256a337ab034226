/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which interfaces lose packets: events when that begins and when it has ended. Three kinds: an
 * intake that runs out of frames, a device to which packets of an intake are redirected, and a
 * device by which outputs send.
 *
 * Part of the sampler (sampler.h). Starts as all zero. Main thread.
 */
#ifndef XMCAST_TELEMETRY_DEVICE_METERS_H
#define XMCAST_TELEMETRY_DEVICE_METERS_H

#include "relay/books.h"
#include "telemetry/event_quota.h"

/* Sweeps without a new drop after which dropping has ended; also of the outputs of rules. */
#define METER_QUIET 3

struct device_meter;

struct device_meters {
	unsigned int count;
	struct device_meter *list;
};

/* Compare with the last sample. What is not in the books any more loses nothing any more. 0;
 * -ENOMEM: nothing was sampled. */
int device_meters_sample(struct device_meters *meters, const struct books *books,
			 struct event_quota *quota);

void device_meters_free(struct device_meters *meters);

#endif
