/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/host_filter.h"

#include <stdlib.h>

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void host_filter_free(struct host_filter *filter)
{
	free(filter->sources);
	*filter = (struct host_filter){.nr_sources = 0};
}

static struct host_source *find(const struct host_filter *filter, const struct xmc_addr *address)
{
	for (unsigned int i = 0; i < filter->nr_sources; i++) {
		if (addr_equal(&filter->sources[i].address, address))
			return &filter->sources[i];
	}
	return NULL;
}

bool host_filter_excludes(const struct host_filter *filter, uint64_t now_ns)
{
	return filter->exclude_until_ns > now_ns;
}

bool host_filter_wants(const struct host_filter *filter, const struct xmc_addr *address,
		       uint64_t now_ns)
{
	const struct host_source *source = find(filter, address);

	if (host_filter_excludes(filter, now_ns))
		return !source || source->until_ns;
	return source && source->until_ns > now_ns;
}

uint64_t host_filter_due_ns(const struct host_filter *filter)
{
	uint64_t due_ns = filter->exclude_until_ns ? filter->exclude_until_ns : UINT64_MAX;

	for (unsigned int i = 0; i < filter->nr_sources; i++) {
		if (filter->sources[i].until_ns)
			due_ns = least(due_ns, filter->sources[i].until_ns);
	}
	return due_ns;
}

/* False: there is no room. */
static bool set(struct host_filter *filter, const struct xmc_addr *address, uint64_t until_ns,
		bool *changed)
{
	struct host_source *source = find(filter, address), *sources;

	if (!source) {
		if (filter->nr_sources == HOST_FILTER_SOURCES)
			return false;
		sources = realloc(filter->sources, (filter->nr_sources + 1) * sizeof(*sources));
		if (!sources)
			return false;
		filter->sources = sources;
		source = &sources[filter->nr_sources++];
		*source = (struct host_source){.address = *address};
		*changed = true;
	}
	*changed |= !source->until_ns != !until_ns;
	source->until_ns = until_ns;
	return true;
}

/* Does it exclude exactly these already? */
static bool has_excluded(const struct host_filter *filter, const struct group_sources *sources)
{
	if (!filter->exclude_until_ns || filter->nr_sources != sources->count)
		return false;
	for (unsigned int i = 0; i < sources->count; i++) {
		const struct xmc_addr address = group_source(sources, i);
		const struct host_source *source = find(filter, &address);

		if (!source || source->until_ns)
			return false;
	}
	return true;
}

bool host_filter_exclude(struct host_filter *filter, const struct group_sources *sources,
			 uint64_t until_ns)
{
	bool changed = !has_excluded(filter, sources), fits = true;

	if (changed)
		filter->nr_sources = 0;
	/* What there is no room for is not excluded. */
	for (unsigned int i = 0; changed && fits && i < sources->count; i++) {
		const struct xmc_addr address = group_source(sources, i);

		fits = set(filter, &address, 0, &changed);
	}
	filter->exclude_until_ns = until_ns;
	return changed;
}

bool host_filter_allow(struct host_filter *filter, const struct group_sources *sources,
		       uint64_t until_ns, uint64_t now_ns)
{
	bool changed = false, fits = true;

	for (unsigned int i = 0; fits && i < sources->count; i++) {
		const struct xmc_addr address = group_source(sources, i);

		fits = set(filter, &address, until_ns, &changed);
	}
	if (fits)
		return changed;
	changed |= !host_filter_excludes(filter, now_ns);
	filter->exclude_until_ns = until_ns;
	return changed;
}

bool host_filter_block(struct host_filter *filter, const struct group_sources *sources,
		       uint64_t until_ns, uint64_t now_ns)
{
	bool changed = false;

	for (unsigned int i = 0; i < sources->count; i++) {
		const struct xmc_addr address = group_source(sources, i);
		struct host_source *source = find(filter, &address);

		if (host_filter_excludes(filter, now_ns))
			set(filter, &address, 0, &changed);
		else if (source)
			source->until_ns = least(source->until_ns, until_ns);
	}
	return changed;
}

void host_filter_shorten(struct host_filter *filter, uint64_t until_ns)
{
	filter->exclude_until_ns = least(filter->exclude_until_ns, until_ns);
	for (unsigned int i = 0; i < filter->nr_sources; i++)
		filter->sources[i].until_ns = least(filter->sources[i].until_ns, until_ns);
}

bool host_filter_tidy(struct host_filter *filter, uint64_t now_ns, bool *empty)
{
	bool ended = filter->exclude_until_ns && !host_filter_excludes(filter, now_ns);
	unsigned int left = 0, before = filter->nr_sources;

	if (ended)
		filter->exclude_until_ns = 0;
	for (unsigned int i = 0; i < before; i++) {
		const struct host_source *source = &filter->sources[i];

		if (source->until_ns > now_ns || (!source->until_ns && filter->exclude_until_ns))
			filter->sources[left++] = *source;
	}
	filter->nr_sources = left;
	*empty = !left && !filter->exclude_until_ns;
	return ended || left != before;
}
