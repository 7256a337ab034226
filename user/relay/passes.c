/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_LINKS
#include "relay/passes.h"

#include "base/clock.h"
#include "base/log.h"

/* How long a turn may take. To examine a path takes some tens of µs for each output. */
#define FIRST_NS (20 * NS_PER_MS)
#define TURN_NS	 (2 * NS_PER_MS)

/* How often it is checked whether devices refuse packets, and whether neighbours are resolved. */
#define DEVICES_NS    (400 * NS_PER_MS)
#define NEIGHBOURS_NS NS_PER_SECOND

/* How often entries of the XDP maps are made free again, if there are many, and if there are any.
 * That waits for a grace period, up to 100 ms on a busy host, in which a receiver that joins has to
 * wait as well. */
#define TIDY_NS	    (5 * NS_PER_SECOND)
#define TIDY_ANY_NS (60 * NS_PER_SECOND)
#define TIDY_MANY   256

void passes_expect(struct passes *passes)
{
	if (passes->schedule->in_pass && passes->full && passes->next_path) {
		passes->again = true;
		return;
	}
	passes->schedule->in_pass = passes->full = true;
	passes->next_path = 0;
}

void passes_begin_turn(struct passes *passes)
{
	passes->updates_until_ns = clock_ns() + FIRST_NS;
}

void passes_on_neighbour(struct passes *passes, const struct neighbour *neighbour)
{
	const struct relay *relay = passes->relay;
	bool looked = false;

	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		struct path *path = relay->routes[i]->path;

		if (!path || !path_concerns(path, neighbour))
			continue;
		if ((passes->schedule->in_pass && passes->full) ||
		    clock_ns() >= passes->updates_until_ns) {
			passes_expect(passes);
			return;
		}
		if (!looked)
			redirects_look(relay->redirects);
		looked = true;
		path_update(path, relay->redirects);
	}
}

/* Changes of neighbours concern rules from now on, or not any more. */
static void watch_neighbours(struct passes *passes, bool on)
{
	int err = passes->watch ? link_watch_neighbours(passes->watch, on) : 0;

	if (err)
		log_warning("link-watch-failed", LOG_ERROR(err),
			    LOG_TEXT("hint", "changes of neighbours are seen a second late"));
	passes->has_hosts = on;
	passes->neighbours_unseen = on && (!passes->watch || err != 0);
}

void passes_prepare(struct passes *passes)
{
	const struct relay *relay = passes->relay;
	bool hosts = false;

	passes->has_kernel = passes->has_from = passes->has_unnamed = false;
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct path *path = relay->routes[i]->path;
		const struct rule *rule = relay->routes[i]->rule;

		passes->has_kernel |= rule_path(&relay->config, rule) != RULE_PATH_USER;
		for (unsigned int j = 0; j < rule->nr_outputs; j++) {
			passes->has_from |= !addr_is_any(&rule->outputs[j].from);
			passes->has_unnamed |= !*rule->outputs[j].iface;
		}
		hosts = hosts || (path && path_has_hosts(path));
	}
	watch_neighbours(passes, hosts);
}

/* For this long. */
static void do_turn(struct passes *passes, uint64_t for_ns)
{
	const struct relay *relay = passes->relay;
	uint64_t now_ns = clock_ns(), until_ns = now_ns + for_ns;

	redirects_look(relay->redirects);
	while (passes->next_path < relay->nr_routes) {
		struct path *path = relay->routes[passes->next_path++]->path;

		if (!path)
			continue;
		if (passes->full || path_keep_neighbours(path, relay->redirects, now_ns))
			path_update(path, relay->redirects);
		if (!passes->has_hosts && path_has_hosts(path))
			watch_neighbours(passes, true);
		if (clock_ns() >= until_ns)
			return;
	}
	passes->next_path = 0;
	passes->schedule->in_pass = passes->full = passes->again;
	passes->again = false;
}

/* What nobody announces: devices that refuse packets, neighbours that are used only by us, and
 * entries of the maps that no packet can read any more. */
static void look_after_paths(struct passes *passes, uint64_t now_ns)
{
	const struct relay *relay = passes->relay;
	bool any;

	if (passes->has_kernel && now_ns - passes->devices_ns >= DEVICES_NS) {
		passes->devices_ns = now_ns;
		if (redirects_check(relay->redirects, now_ns))
			passes_expect(passes);
	}
	if (now_ns - passes->neighbours_ns < NEIGHBOURS_NS)
		return;
	passes->neighbours_ns = now_ns;
	if (passes->neighbours_unseen)
		passes_expect(passes);
	passes->schedule->in_pass |= passes->has_hosts;
	if (!passes->has_kernel || now_ns - passes->tidied_ns < TIDY_NS)
		return;
	passes->tidied_ns = now_ns;
	any = now_ns - passes->tidied_any_ns >= TIDY_ANY_NS;
	if (any)
		passes->tidied_any_ns = now_ns;
	for (unsigned int i = 0; i < relay->nr_intakes; i++)
		kernel_side_tidy(&relay->intakes[i]->kernel, any ? 0 : TIDY_MANY);
}

void passes_look(struct passes *passes, uint64_t now_ns)
{
	look_after_paths(passes, now_ns);
	if (passes->schedule->in_pass)
		do_turn(passes, FIRST_NS);
}

void passes_turn(struct passes *passes)
{
	if (passes->schedule->in_pass)
		do_turn(passes, TURN_NS);
}
