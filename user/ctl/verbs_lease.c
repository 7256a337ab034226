/* SPDX-License-Identifier: BSD-2-Clause */
/* lease set|release */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "rules/rule.h"

/* A week: for longer than that, a rule without a lease is meant. */
#define LONGEST_SECONDS (7.0 * 24 * 3600)

/* {"name": NAME} of NAME, or with "shard" of NAME/SHARD. NULL after printing what is wrong. */
static json_t *parse_shard(const struct command *command, const char *word)
{
	const char *slash = strchr(word, '/');
	size_t length = slash ? (size_t)(slash - word) : strlen(word);
	json_t *params = json_pack("{s:s%}", "name", word, length);
	double shard = 0;

	if (slash && (!ctl_parse_number(slash + 1, 0, LEASE_SHARDS_MAX - 1, &shard) ||
		      shard != (int)shard || !strchr("0123456789", slash[1]))) {
		ctl_usage(command->usage,
			  "\"%s\" is not a shard, expected a number from 0 to %d behind the slash",
			  word, LEASE_SHARDS_MAX - 1);
		json_decref(params);
		return NULL;
	}
	if (!params)
		ctl_usage(command->usage, "\"%s\" is not UTF-8", word);
	if (params && slash)
		json_object_set_new(params, "shard", json_integer((json_int_t)shard));
	return params;
}

/* "500ms", "10s", "5m", "1h". */
static bool parse_duration(const char *word, double *seconds)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
	char number[32];

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t length = strlen(word), unit = strlen(units[i].unit);

		if (length <= unit || length - unit >= sizeof(number) ||
		    strcmp(word + length - unit, units[i].unit) != 0)
			continue;
		memcpy(number, word, length - unit);
		number[length - unit] = '\0';
		if (!ctl_parse_number(number, 0.001, LONGEST_SECONDS, seconds))
			continue;
		*seconds *= units[i].seconds;
		return *seconds >= 1e-3 && *seconds <= LONGEST_SECONDS;
	}
	return false;
}

/* The daemon has the same CLOCK_MONOTONIC: it is on this host. */
int verb_lease_set(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *params;
	double seconds;

	if (strcmp(words[1], "for") != 0)
		return ctl_usage(command->usage, "unexpected argument \"%s\", expected `for`",
				 words[1]);
	if (count < 3)
		return ctl_usage(command->usage, "no duration after `for`");
	if (!parse_duration(words[2], &seconds))
		return ctl_usage(command->usage,
				 "\"%s\" is not a duration, expected a number with ms, s, m or h, "
				 "up to a week",
				 words[2]);
	params = parse_shard(command, words[0]);
	if (!params)
		return EXIT_USAGE;
	json_object_set_new(
		params, "until",
		json_integer((json_int_t)(clock_ns() + (uint64_t)(seconds * NS_PER_SECOND))));
	return ctl_call_and_show(ctl, command->method, params, command->show);
}

int verb_lease_release(struct ctl *ctl, const struct command *command, char **words, int count)
{
	json_t *params = parse_shard(command, words[0]);

	return params ? ctl_call_and_show(ctl, command->method, params, command->show) : EXIT_USAGE;
}
