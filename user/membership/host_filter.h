/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sources of one group one host wants: the filter of RFC 3376, section 6.2, for a host by
 * itself.
 *
 *     excludes   all sources, until `exclude_until_ns`, but those with until_ns 0
 *     includes   the sources whose until_ns has not come yet, alone
 *
 * Pure: the time is an argument (CLOCK_MONOTONIC in ns). Starts as all zero: nothing is wanted.
 */
#ifndef XMCAST_MEMBERSHIP_HOST_FILTER_H
#define XMCAST_MEMBERSHIP_HOST_FILTER_H

#include "membership/group_message.h"

/* Sources that are kept. A host that wants more gets all of them. */
#define HOST_FILTER_SOURCES 64

struct host_source {
	struct xmc_addr address;
	uint64_t until_ns; /* it is wanted; 0: it is not, although all others are */
};

struct host_filter {
	uint64_t exclude_until_ns; /* 0: it includes */
	unsigned int nr_sources;
	struct host_source *sources;
};

void host_filter_free(struct host_filter *filter);

bool host_filter_excludes(const struct host_filter *filter, uint64_t now_ns);
bool host_filter_wants(const struct host_filter *filter, const struct xmc_addr *source,
		       uint64_t now_ns);

/* When the next part of what it wants ends; UINT64_MAX: nothing does. */
uint64_t host_filter_due_ns(const struct host_filter *filter);

/*
 * These return whether what is wanted may have changed. Without memory a source is treated as one
 * for which there is no room.
 */

/* All sources but these, which replace what was said before. */
bool host_filter_exclude(struct host_filter *filter, const struct group_sources *sources,
			 uint64_t until_ns);

/* These sources as well. */
bool host_filter_allow(struct host_filter *filter, const struct group_sources *sources,
		       uint64_t until_ns, uint64_t now_ns);

/* These sources no longer than until then. */
bool host_filter_block(struct host_filter *filter, const struct group_sources *sources,
		       uint64_t until_ns, uint64_t now_ns);

/* Nothing of it longer than until then. */
void host_filter_shorten(struct host_filter *filter, uint64_t until_ns);

/* Remove what has ended. *empty: nothing is wanted any more. */
bool host_filter_tidy(struct host_filter *filter, uint64_t now_ns, bool *empty);

#endif
