/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/gso.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

/* With segments up to this a refusal is not about the MTU: every IPv4 path carries packets of 576
 * bytes (RFC 791). */
#define SMALLEST_MTU_PAYLOAD 548

/* How long a limit is kept: short enough that a passing fault costs little, doubled for as long as
 * it is confirmed. */
#define KEEP_FIRST_NS (NS_PER_SECOND / 2)
#define KEEP_MOST_NS  (64 * NS_PER_SECOND)

static void set(atomic_uint *value, unsigned int to)
{
	atomic_store_explicit(value, to, memory_order_relaxed);
}

static unsigned int get(const atomic_uint *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

void gso_init(struct gso *gso, unsigned int segments)
{
	memset(gso, 0, sizeof(*gso));
	gso->most_segments = segments;
	gso_forget(gso);
}

void gso_route_changed(struct gso *gso)
{
	atomic_fetch_add_explicit(&gso->route, 1, memory_order_relaxed);
}

void gso_limits(const struct gso *gso, unsigned int *segments, unsigned int *max_size)
{
	bool stale = get(&gso->route) != get(&gso->seen_route);

	*segments = stale ? gso->most_segments : get(&gso->segments);
	*max_size = stale ? UINT16_MAX : get(&gso->max_size);
}

void gso_forget(struct gso *gso)
{
	unsigned int route = get(&gso->route);

	if (route != get(&gso->seen_route))
		gso->keep_ns = 0;
	set(&gso->segments, gso->most_segments);
	set(&gso->max_size, UINT16_MAX);
	set(&gso->seen_route, route);
	gso->proven = 0;
	gso->expires_ns = 0;
}

void gso_begin(struct gso *gso, unsigned int count, uint32_t segment)
{
	if (count < 2)
		return;
	if (!gso->unfinished++ || gso->unfinished_max < segment)
		gso->unfinished_max = segment;
}

void gso_end(struct gso *gso, unsigned int count)
{
	if (count > 1)
		gso->unfinished--;
}

void gso_accepted(struct gso *gso, uint32_t segment)
{
	if (gso->proven < segment)
		gso->proven = segment;
	/* What was refused is accepted now, so the next refusal is a new one. */
	if (segment >= gso->refused)
		gso->keep_ns = 0;
}

bool gso_is_refusal(int error)
{
	return error == EINVAL || error == EMSGSIZE || error == EIO || error == EOPNOTSUPP;
}

void gso_refused(struct gso *gso, uint32_t segment, int error, uint64_t now_ns)
{
	bool is_size = (error == EINVAL || error == EMSGSIZE) && segment > SMALLEST_MTU_PAYLOAD;

	/* Further refusals while there is a limit belong to the same cause. */
	if (!gso->expires_ns) {
		gso->keep_ns = gso->keep_ns ? 2 * gso->keep_ns : KEEP_FIRST_NS;
		if (gso->keep_ns > KEEP_MOST_NS)
			gso->keep_ns = KEEP_MOST_NS;
		gso->expires_ns = now_ns + gso->keep_ns;
		gso->refused = segment;
	}
	if (gso->refused > segment)
		gso->refused = segment;
	if (!is_size)
		set(&gso->segments, 1);
	else if (get(&gso->max_size) >= segment)
		set(&gso->max_size, segment - 1);
}
