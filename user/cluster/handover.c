/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/handover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_build.h"

/* ---- the numbers ---- */

static uint64_t last_of(const json_t *rule)
{
	return (uint64_t)json_integer_value(json_object_get(rule, "last"));
}

/* How many numbers have passed between the readings; UINT64_MAX: they go backwards. */
static uint64_t passed(const json_t *first, const json_t *second)
{
	uint64_t all = 1ULL << json_integer_value(json_object_get(second, "bits"));
	uint64_t count = (last_of(second) - last_of(first)) & (all - 1);

	/* Nothing had arrived: it counts from here. */
	if (!json_object_get(first, "last"))
		return 0;
	return count > all / 4 ? UINT64_MAX : count;
}

/* Reduce *left. False: not possible. */
static bool limit(const json_t *first, const json_t *second, uint64_t between, uint64_t *left)
{
	json_t *rule;
	const char *name;

	json_object_foreach((json_t *)second, name, rule)
	{
		const json_t *before = json_object_get(first, name);
		json_int_t bits = json_integer_value(json_object_get(rule, "bits"));
		uint64_t count;

		if (!before || (bits != 16 && bits != 32))
			return false;
		count = passed(before, rule);
		if (count == UINT64_MAX)
			return false;
		/* A quarter of 2^32 times a second is below 2^60. */
		if (count && (1ULL << bits) / 4 * between / count < *left)
			*left = (1ULL << bits) / 4 * between / count;
	}
	return *left >= HANDOVER_LEAST_NS;
}

bool handover_limit(const json_t *first, const json_t *second, uint64_t between, uint64_t wait,
		    uint64_t *left)
{
	json_t *rule;
	const char *name;

	json_object_foreach((json_t *)second, name, rule)
	{
		const json_t *before = json_object_get(first, name);
		json_int_t bits = json_integer_value(json_object_get(rule, "bits"));
		uint64_t count, half;

		if (!before || (bits != 16 && bits != 32) || between > 1000000000ULL)
			return false;
		count = passed(before, rule);
		if (!count)
			continue;
		/* Half of 2^32 times a second is below 2^61. */
		half = (1ULL << bits) / 2 * between / count;
		if (count == UINT64_MAX || half <= wait)
			return false;
		if ((half - wait) / 2 < *left)
			*left = (half - wait) / 2;
	}
	return true;
}

/* A reading sees at most some packets of such a stream. */
#define SLOW_INTERVAL_US 10000

/* How many numbers a stream passes in `time`: as it has counted between the readings. In those of a
 * slow stream is one packet or none, so its rate in the last seconds says more. */
static uint64_t ahead_of(const json_t *rule, uint64_t count, uint64_t between, uint64_t time)
{
	json_int_t interval = json_integer_value(json_object_get(rule, "interval_us"));
	uint64_t counted = count * time / between;
	uint64_t usual;

	if (interval < SLOW_INTERVAL_US)
		return counted;
	usual = time / 1000 / (uint64_t)interval;
	/* The next packet may come before the new host has the number. It surely comes before the
	 * end, which is after twice the time, so the number can be that of the one behind it. */
	if (!usual && (uint64_t)interval < 2 * time / 1000)
		usual = 1;
	return count <= 1 || usual > counted ? usual : counted;
}

json_t *handover_choose(const json_t *first, const json_t *second, uint64_t between, uint64_t *left)
{
	json_t *cut, *rule;
	const char *name;

	if (!between || between > 1000000000ULL || !limit(first, second, between, left))
		return NULL;
	cut = json_object();
	json_object_foreach((json_t *)second, name, rule)
	{
		uint64_t all = 1ULL << json_integer_value(json_object_get(rule, "bits"));
		uint64_t count = passed(json_object_get(first, name), rule);
		uint64_t number = last_of(rule) + 1 + ahead_of(rule, count, between, *left / 2);

		json_put(&cut, name, json_integer((json_int_t)(number & (all - 1))));
	}
	if (cut && json_object_size(cut) &&
	    json_dumpb(cut, NULL, 0, JSON_COMPACT) < CLUSTER_CUT_SIZE - 1)
		return cut;
	json_decref(cut);
	return NULL;
}

/* ---- steps ---- */

void handover_reset(struct handover *handover)
{
	json_decref(handover->rules);
	json_decref(handover->earlier);
	json_decref(handover->cut);
	*handover = (struct handover){0};
}

/* The shard that it is about; false: there is no such shard any more. */
static bool find(const struct handover *handover, const struct protocol *protocol,
		 unsigned int *index)
{
	struct shard_status shard;

	for (*index = 0; *index < protocol_shards(protocol); ++*index) {
		protocol_shard_name(protocol, *index, &shard);
		if (shard.number == handover->number &&
		    strcmp(shard.lease->name, handover->lease) == 0)
			return true;
	}
	return false;
}

static void begin_step(struct handover *handover, const struct protocol *protocol,
		       unsigned int index, enum handover_step step)
{
	struct shard_status shard;

	handover_reset(handover);
	protocol_shard_name(protocol, index, &shard);
	snprintf(handover->lease, sizeof(handover->lease), "%s", shard.lease->name);
	handover->number = shard.number;
	handover->shards = shard.lease->shards;
	handover->step = step;
}

static const char *ask_sequence(const struct handover *handover, json_t **params)
{
	*params = json_pack("{s:s, s:i}", "name", handover->lease, "shard", (int)handover->number);
	return "lease.sequence";
}

static const char *set_end(const struct handover *handover, const struct protocol_end *end,
			   const char *key, json_t **params)
{
	*params = json_pack("{s:s, s:i, s:i, s:I, s:I, s:I}", "name", handover->lease, "shards",
			    (int)handover->shards, "shard", (int)handover->number, "from",
			    (json_int_t)end->from, "until", (json_int_t)end->until, "epoch",
			    (json_int_t)end->epoch);
	if (end->cut)
		json_put(params, key, json_loads(end->cut, 0, NULL));
	return "lease.set";
}

/* A shard that begins here comes first: the other host does not wait. */
static const char *begin(struct handover *handover, struct protocol *protocol, unsigned int index,
			 uint64_t now, json_t **params)
{
	struct protocol_end end = {.cut = protocol_cut(protocol, index, now)};

	if (end.cut)
		end.until = protocol_until(protocol, index, now, &end.from, &end.epoch);
	if (end.until) {
		begin_step(handover, protocol, index, HANDOVER_BEGIN);
		return set_end(handover, &end, "from_seq", params);
	}
	if (!protocol_wants_later(protocol, index, now, &end))
		return NULL;
	begin_step(handover, protocol, index, HANDOVER_LATER);
	protocol_end_asked(protocol, index, end.until);
	return set_end(handover, &end, "until_seq", params);
}

static const char *find_work(struct handover *handover, struct protocol *protocol, uint64_t now,
			     json_t **params)
{
	const char *method = NULL;
	uint64_t latest;

	for (unsigned int i = 0; i < protocol_shards(protocol) && !method; i++)
		method = begin(handover, protocol, i, now, params);
	for (unsigned int i = 0; i < protocol_shards(protocol) && !method; i++) {
		if (!protocol_wants_end(protocol, i, now, &latest))
			continue;
		begin_step(handover, protocol, i, HANDOVER_FIRST);
		method = ask_sequence(handover, params);
	}
	return method;
}

/* At the numbers: as late as was reckoned with, so that they come before. At a moment: soon. */
static const char *ask_end(struct handover *handover, struct protocol *protocol, uint64_t now,
			   json_t **params)
{
	struct protocol_end end = {0};
	unsigned int index;
	uint64_t latest, moment;
	char *cut;

	if (!find(handover, protocol, &index) ||
	    !protocol_wants_end(protocol, index, now, &latest) ||
	    !protocol_until(protocol, index, now, &end.from, &end.epoch)) {
		handover_reset(handover);
		return NULL;
	}
	moment = handover->cut ? handover->at + handover->left
			       : now + protocol_lead(protocol, index);
	end.until = latest < moment ? latest : moment;
	handover->until = end.until;
	handover->step = HANDOVER_END;
	protocol_end_asked(protocol, index, end.until);
	cut = handover->cut ? json_dumps(handover->cut, JSON_COMPACT) : NULL;
	end.cut = cut;
	set_end(handover, &end, "until_seq", params);
	free(cut);
	return "lease.set";
}

const char *handover_request(struct handover *handover, struct protocol *protocol, uint64_t now,
			     json_t **params)
{
	switch (handover->step) {
	case HANDOVER_IDLE:
		return find_work(handover, protocol, now, params);
	case HANDOVER_PAUSE:
		if (now < handover->at + HANDOVER_MEASURE_NS)
			return NULL;
		handover->step = HANDOVER_SECOND;
		return ask_sequence(handover, params);
	case HANDOVER_READY:
		return ask_end(handover, protocol, now, params);
	default:
		return NULL;
	}
}

/* ---- answers ---- */

/* How many numbers count as passed, of two readings. At the slower pace: a sender that was late
 * hurries for a moment, and its numbers would be too far ahead. But not much slower than both
 * together, because it may have paused in one of them. */
static uint64_t count_of(uint64_t a, uint64_t b, bool fast)
{
	uint64_t count = a < b ? a : b;

	if (a == UINT64_MAX || b == UINT64_MAX)
		return count;
	if (fast)
		return a > b ? a : b;
	return (a + b) / 8 > count ? (a + b) / 8 : count;
}

/* What the reading before the third one would have been at the slower or faster of two paces. */
static json_t *paced(const json_t *first, const json_t *second, const json_t *third, bool fast)
{
	json_t *before = json_object();
	json_t *rule;
	const char *name;

	json_object_foreach((json_t *)third, name, rule)
	{
		const json_t *middle = json_object_get(second, name);
		json_int_t bits = json_integer_value(json_object_get(rule, "bits"));
		uint64_t count;

		if (!middle || (bits != 16 && bits != 32))
			continue;
		count = count_of(passed(json_object_get(first, name), middle), passed(middle, rule),
				 fast);
		if (count == UINT64_MAX)
			continue;
		json_put(&before, name,
			 json_pack("{s:I, s:I}", "bits", bits, "last",
				   (json_int_t)((last_of(rule) - count) & ((1ULL << bits) - 1))));
	}
	return before;
}

/* From three readings, the last one of which is `rules`. */
static void choose_cut(struct handover *handover, const struct protocol *protocol, uint64_t between,
		       const json_t *rules)
{
	uint64_t longer = between > handover->between ? between : handover->between;
	uint64_t shorter = between < handover->between ? between : handover->between;
	json_t *slow = paced(handover->earlier, handover->rules, rules, false);
	json_t *fast = paced(handover->earlier, handover->rules, rules, true);
	bool possible =
		handover_limit(fast, rules, shorter, protocol_withheld(protocol) + HANDOVER_WAY_NS,
			       &handover->left);

	/* It may only have been a burst: with more time the new host learns the numbers surely. */
	if (handover->left < PROTOCOL_LATER_NS / 2 && handover->readings + 1 < HANDOVER_READINGS)
		possible = false;
	if (possible)
		handover->cut = handover_choose(slow, rules, longer, &handover->left);
	json_decref(slow);
	json_decref(fast);
}

static void choose(struct handover *handover, const struct protocol *protocol, uint64_t now,
		   json_t *rules)
{
	uint64_t between = now - handover->at;

	handover->left = PROTOCOL_LATER_NS;
	if (handover->earlier)
		choose_cut(handover, protocol, between, rules);
	handover->at = now;
	handover->step = HANDOVER_READY;
	if (handover->cut || !rules || ++handover->readings >= HANDOVER_READINGS)
		return;
	json_decref(handover->earlier);
	handover->earlier = handover->rules;
	handover->rules = json_incref(rules);
	handover->between = between;
	handover->step = HANDOVER_PAUSE;
}

static void end_answered(struct handover *handover, struct protocol *protocol, uint64_t now,
			 bool refused)
{
	struct protocol_cut cut = {.comes = handover->at + handover->left / 2,
				   .later = handover->at + handover->left};
	unsigned int index;
	char *numbers;

	if (refused && handover->cut) {
		/* A rule has changed. */
		json_decref(handover->cut);
		handover->cut = NULL;
		handover->step = HANDOVER_READY;
		return;
	}
	if (!refused && find(handover, protocol, &index)) {
		numbers = handover->cut ? json_dumps(handover->cut, JSON_COMPACT) : NULL;
		cut.numbers = numbers;
		protocol_end_set(protocol, index, now, handover->until, numbers ? &cut : NULL);
		free(numbers);
	}
	handover_reset(handover);
}

void handover_answer(struct handover *handover, struct protocol *protocol, uint64_t now,
		     const json_t *result)
{
	json_t *rules = json_object_get(result, "rules");
	unsigned int index;

	switch (handover->step) {
	case HANDOVER_FIRST:
		handover->rules = json_incref(rules);
		handover->at = now;
		handover->step = rules ? HANDOVER_PAUSE : HANDOVER_READY;
		break;
	case HANDOVER_SECOND:
		choose(handover, protocol, now, rules);
		break;
	case HANDOVER_END:
		end_answered(handover, protocol, now, !result);
		break;
	case HANDOVER_LATER:
		if (find(handover, protocol, &index))
			protocol_later_set(protocol, index, result);
		handover_reset(handover);
		break;
	case HANDOVER_BEGIN:
		/* Refused: the rules differ, or it is too late. It begins at the moment, and what
		 * comes between the numbers and that is lost. */
		if (find(handover, protocol, &index) && result) {
			protocol_cut_set(protocol, index, now);
		} else if (find(handover, protocol, &index)) {
			protocol_cut_refused(protocol, index, now);
		}
		handover_reset(handover);
		break;
	default:
		break;
	}
}

uint64_t handover_next(const struct handover *handover)
{
	return handover->step == HANDOVER_PAUSE	  ? handover->at + HANDOVER_MEASURE_NS
	       : handover->step == HANDOVER_READY ? 0
						  : UINT64_MAX;
}
