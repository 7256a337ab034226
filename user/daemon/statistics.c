/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/statistics.h"

/* Rules of one part of a sample: some 3 ms, in which the main thread serves nobody else. */
#define PART 2048

static unsigned int silent_after(const struct daemon *daemon)
{
	return relay_config(daemon->relay)->events.silent_after;
}

struct stats *statistics_now(const struct daemon *daemon, size_t first, size_t most)
{
	struct stats *stats = stats_new(relay_books(daemon->relay, first, most));

	if (stats)
		sampler_fill(daemon->sampler, stats, silent_after(daemon));
	return stats;
}

void statistics_begin_sample(struct daemon *daemon)
{
	if (!daemon->sampling)
		daemon->next_sample = 0;
	daemon->sampling = true;
}

void statistics_sample_part(struct daemon *daemon)
{
	struct books *books = relay_books(daemon->relay, daemon->next_sample, PART);

	/* Without memory this second is left out. */
	daemon->sampling = false;
	if (!books)
		return;
	sampler_take(daemon->sampler, books, silent_after(daemon));
	daemon->next_sample = books->first_rule + books->nr_rules;
	daemon->sampling = daemon->next_sample < books->all_rules;
	books_free(books);
}

void statistics_log(const struct daemon *daemon, const char *event)
{
	struct books *books = relay_books(daemon->relay, 0, 0);

	if (books)
		stats_log(books, event);
	books_free(books);
}
