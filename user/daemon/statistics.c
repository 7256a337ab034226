/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/statistics.h"

static unsigned int silent_after(const struct daemon *daemon)
{
	return relay_config(daemon->relay)->events.silent_after;
}

struct stats *statistics_now(const struct daemon *daemon)
{
	struct stats *stats = stats_new(relay_books(daemon->relay));

	if (stats)
		sampler_fill(daemon->sampler, stats, silent_after(daemon));
	return stats;
}

void statistics_sample(struct daemon *daemon)
{
	struct books *books = relay_books(daemon->relay);

	/* Without memory this second is left out. */
	if (books)
		sampler_take(daemon->sampler, books, silent_after(daemon));
	books_free(books);
}

void statistics_log(const struct daemon *daemon, const char *event)
{
	struct books *books = relay_books(daemon->relay);

	if (books)
		stats_log(books, event);
	books_free(books);
}
