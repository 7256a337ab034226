/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/lineup.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/ruleset.h"

void lineup_free(struct lineup *lineup)
{
	ruleset_free(lineup->ruleset);
	for (unsigned int i = 0; lineup->paths && i < lineup->count; i++)
		path_put(lineup->paths[i]);
	free(lineup->paths);
	free(lineup->keys);
	lookup_free(&lineup->by_key);
	*lineup = (struct lineup){};
}

int lineup_fill(struct lineup *lineup, const struct tagged_path *paths, unsigned int count)
{
	struct stream **streams = calloc(count + 1UL, sizeof(*streams));
	uint32_t *tags = calloc(count + 1UL, sizeof(*tags));
	unsigned int nr_streams = 0;
	int err = -ENOMEM;

	lineup->paths = calloc(count + 1UL, sizeof(*lineup->paths));
	lineup->keys = calloc(count + 1UL, sizeof(*lineup->keys));
	if (streams && tags && lineup->paths && lineup->keys)
		err = lookup_init(&lineup->by_key, count, lineup->keys, sizeof(*lineup->keys),
				  sizeof(*lineup->keys));
	for (unsigned int i = 0; !err && i < count; i++) {
		struct path *path = paths[i].path;

		rule_key(path->rule, &lineup->keys[i]);
		lineup->keys[i].tags = paths[i].tags;
		tags[nr_streams] = paths[i].tags;
		if (path->stream)
			streams[nr_streams++] = path->stream;
		lineup->paths[i] = path_hold(path);
		lineup->count++;
		if (lookup_add(&lineup->by_key, i) != LOOKUP_NONE)
			err = -EEXIST;
	}
	if (!err)
		err = ruleset_new(&lineup->ruleset, streams, tags, nr_streams);
	free(tags);
	free(streams);
	if (err)
		lineup_free(lineup);
	return err;
}

/* The path with this key, or NULL. */
static struct path *lineup_find(const struct lineup *lineup, const struct xmc_rule_key *key)
{
	uint32_t i = lineup->count ? lookup_find(&lineup->by_key, key) : LOOKUP_NONE;

	return i == LOOKUP_NONE ? NULL : lineup->paths[i];
}

/* The i-th path of the line-up had or shall have this key; NULL: none has. */
static struct key_value value_of(const struct kernel_side *side, const struct xmc_rule_key *key,
				 const struct path *path)
{
	if (!path)
		return (struct key_value){.target = KEY_NONE};
	return kernel_path_value(path->kernel, side, key->tags);
}

/* Change a key from what one path wants to what another one wants. NULL: there is no path. */
static int change_key(const struct kernel_side *side, const struct xmc_rule_key *key,
		      const struct path *from, const struct path *to)
{
	return kernel_side_change(side, key, value_of(side, key, from), value_of(side, key, to));
}

int lineup_take_keys(const struct lineup *lineup, const struct lineup *other,
		     const struct kernel_side *side, const struct path **failed)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < lineup->count; i++) {
		const struct path *before = lineup_find(other, &lineup->keys[i]);

		*failed = lineup->paths[i];
		if (before != *failed)
			err = change_key(side, &lineup->keys[i], before, *failed);
	}
	return err;
}

void lineup_return_keys(const struct lineup *lineup, const struct lineup *other,
			const struct kernel_side *side)
{
	for (unsigned int i = 0; i < lineup->count; i++) {
		const struct path *after = lineup_find(other, &lineup->keys[i]);

		if (after != lineup->paths[i])
			change_key(side, &lineup->keys[i], lineup->paths[i], after);
	}
}

void lineup_remove_keys(const struct lineup *lineup, const struct lineup *other,
			const struct kernel_side *side)
{
	for (unsigned int i = 0; i < lineup->count; i++) {
		if (!lineup_find(other, &lineup->keys[i]))
			change_key(side, &lineup->keys[i], lineup->paths[i], NULL);
	}
}

void lineup_join(const struct lineup *lineup, struct kernel_side *side)
{
	for (unsigned int i = 0; i < lineup->count; i++)
		kernel_path_join(lineup->paths[i]->kernel, side, lineup->keys[i].tags);
}

void lineup_leave(const struct lineup *lineup, const struct lineup *other,
		  const struct kernel_side *side, bool in_use)
{
	bool wait = false;

	for (unsigned int i = 0; in_use && !wait && i < lineup->count; i++)
		wait = kernel_path_has_forward(lineup->paths[i]->kernel, side,
					       lineup->keys[i].tags) &&
		       lineup_find(other, &lineup->keys[i]) != lineup->paths[i];
	if (wait)
		steer_wait(side->steer);
	for (unsigned int i = 0; i < lineup->count; i++) {
		struct path *path = lineup->paths[i];

		if (path->kernel && lineup_find(other, &lineup->keys[i]) != path)
			kernel_path_leave(path->kernel, side, lineup->keys[i].tags);
	}
}

void lineup_dismiss(const struct lineup *lineup, const struct kernel_side *side)
{
	const struct lineup none = {};

	for (unsigned int i = 0; i < lineup->count; i++) {
		if (kernel_path_has_forward(lineup->paths[i]->kernel, side, lineup->keys[i].tags))
			change_key(side, &lineup->keys[i], lineup->paths[i], NULL);
	}
	lineup_leave(lineup, &none, side, false);
}
