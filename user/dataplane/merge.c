/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/merge_window.h"

/* Streams that were replaced: a sender may restart several times within `skew`. */
#define FORMERS 4

struct former {
	uint64_t sender[2];
	uint64_t end; /* on the wire */
	uint64_t until_ns;
};

struct candidate {
	struct merge_item *first; /* in the order of arrival; NULL: there is none */
	struct merge_item *last;
	unsigned int count;
	unsigned int evidence; /* different numbers since the last contradiction */
	unsigned int sides;    /* likewise: bits */
	bool weak;	       /* it may only be old */
	bool jump;	       /* of the stream that runs, but far ahead */
	bool contradicted;
	bool overtaken; /* something new of the stream that runs has arrived behind the first one */
};

struct merge {
	struct merge_window window;

	bool running;
	uint64_t sender[2];
	uint64_t first; /* the number on the wire of MERGE_FIRST_POSITION */

	uint64_t mark; /* to be closed at mark_ns + skew */
	uint64_t mark_ns;
	uint64_t floor; /* what is before it is no lagging side's */
	uint64_t next_floor;
	uint64_t floor_ns;
	uint64_t last_new_ns; /* when a number arrived that had not left */

	struct {
		uint64_t end;	  /* behind its highest number; 0: it has none of this stream */
		uint64_t dropped; /* datagrams since then that were not offered */
	} sides[MERGE_MOST_SIDES];

	struct candidate candidate;
	/* Jumps that were too few within `skew`, of a stream that may be slow. */
	struct {
		uint64_t number; /* on the wire: of the last one */
		unsigned int evidence;
	} suspect;
	struct former formers[FORMERS];
	unsigned int replaced; /* how many streams were */
};

/* The number on the wire of a position. */
static uint64_t number_of(const struct merge *merge, uint64_t position)
{
	return merge->first + (position - MERGE_FIRST_POSITION);
}

/* How far ahead of the window the next number of a side is at least, because all sides dropped
 * datagrams. */
static uint64_t lead_of(const struct merge *merge, unsigned int side)
{
	uint64_t position = merge->sides[side].end + merge->sides[side].dropped;

	return merge_is_ahead(position, merge->window.end) ? position - merge->window.end : 0;
}

/* Its numbers may have wrapped unseen: it dropped so much that what the network has lost in between
 * could be as much, or nothing says where it was before. */
static bool is_lost(const struct merge *merge, unsigned int side)
{
	return merge->window.options.bits == 16 &&
	       merge->sides[side].dropped > (merge->sides[side].end ? MERGE_AHEAD : MERGE_AHEAD_16);
}

static void drop_candidates(struct merge *merge, enum merge_verdict verdict)
{
	struct merge_item *item = merge->candidate.first;

	merge->candidate.first = NULL;
	while (item) {
		struct merge_item *following = item->following;

		merge_window_decide(&merge->window, item, verdict);
		item = following;
	}
}

/* ---- which stream a datagram belongs to ---- */

/* How far a number on the wire is ahead of `base`, or behind it. With a lead the base is the least
 * that it can be: the network may have lost as much again. */
static int64_t distance(const struct merge *merge, uint64_t number, uint64_t base, uint64_t lead)
{
	uint16_t near = (uint16_t)(number - base);

	switch (merge->window.options.bits) {
	case 16:
		return near < MERGE_AHEAD_16 + lead ? near : (int64_t)near - 65536;
	case 32:
		return (int32_t)(number - base);
	default:
		return (int64_t)(number - base);
	}
}

/* How far apart two numbers are. */
static uint64_t apart(const struct merge *merge, uint64_t a, uint64_t b)
{
	int64_t far =
		merge->window.options.bits == 16 ? (int16_t)(a - b) : distance(merge, a, b, 0);

	return far < 0 ? -(uint64_t)far : (uint64_t)far;
}

static bool same_sender(const uint64_t a[2], const uint64_t b[2])
{
	return a[0] == b[0] && a[1] == b[1];
}

enum belonging {
	BELONGS,      /* to the stream that runs */
	BELONGED,     /* to a stream that was replaced */
	JUMP,	      /* to the stream that runs, unless it is damaged or forged: it is far ahead */
	NEW,	      /* to none */
	NEW_OR_STALE, /* it is behind, but nothing new arrives any more */
};

/* Does it belong to a stream that was replaced? If senders do not differ, the nearer numbers
 * decide; `next`: the one that is expected of the stream that runs. */
static bool belonged(const struct merge *merge, const struct merge_item *item, bool same,
		     uint64_t next)
{
	uint64_t number = item->datagram.first;

	for (unsigned int i = 0; i < FORMERS; i++) {
		const struct former *former = &merge->formers[i];
		uint64_t far = apart(merge, number, former->end);

		if (item->arrived_ns < former->until_ns &&
		    same_sender(item->datagram.sender, former->sender) && far < MERGE_AHEAD &&
		    (!same || far < apart(merge, number, next)))
			return true;
	}
	return false;
}

/* How far ahead a number needs no confirmation. What the stream moved within `skew` is how far the
 * first side may be ahead of one that lags. */
static int64_t reach(const struct merge *merge, unsigned int side)
{
	int64_t moved = (int64_t)(merge->mark - merge->window.closed);

	return (moved > MERGE_JUMP ? moved : MERGE_JUMP) + (int64_t)merge->sides[side].dropped;
}

/* Whose it is. Sets its position. */
static enum belonging belonging(const struct merge *merge, struct merge_item *item)
{
	const struct merge_window *window = &merge->window;
	const struct merge_datagram *datagram = &item->datagram;
	uint64_t lead = lead_of(merge, item->side);
	uint64_t next = number_of(merge, window->end + lead);
	int64_t far = distance(merge, datagram->first, next, lead);
	int64_t last = (int64_t)((uint64_t)far + (datagram->count ? datagram->count - 1 : 0));
	bool same = same_sender(datagram->sender, merge->sender);

	item->position = window->end + lead + (uint64_t)far;
	if (belonged(merge, item, same, next))
		return BELONGED;
	/* Behind a pause of `skew` it is no copy of something that has left. */
	if (same && is_lost(merge, item->side))
		return item->arrived_ns - merge->last_new_ns > window->options.skew_ns ? NEW
										       : BELONGED;
	if (!same || far >= (int64_t)(MERGE_AHEAD + lead) ||
	    last < -(int64_t)(window->end + lead - merge->floor))
		return NEW;
	if (last < -(int64_t)lead &&
	    item->arrived_ns - merge->last_new_ns > MERGE_STALE * window->options.skew_ns)
		return NEW_OR_STALE;
	return far < reach(merge, item->side) ? BELONGS : JUMP;
}

/* ---- restarts ---- */

/* Send, hold or drop a datagram of the stream that runs. True: a number of it is new. */
static bool accept(struct merge *merge, struct merge_item *item)
{
	uint64_t end = item->position + item->datagram.count;

	if (merge_is_ahead(end, merge->sides[item->side].end))
		merge->sides[item->side].end = end;
	merge->sides[item->side].dropped = 0;
	if (!merge_window_accept(&merge->window, item))
		return false;
	/* What other sides have next is not far from it. */
	for (unsigned int i = 0; i < merge->window.options.nr_sides; i++) {
		if (is_lost(merge, i)) {
			merge->sides[i].end = 0;
			merge->sides[i].dropped = MERGE_AHEAD_16;
		}
	}
	return true;
}

/* Begin with this number. */
static void begin(struct merge *merge, const struct merge_datagram *datagram, uint64_t now_ns)
{
	merge_window_begin(&merge->window);
	memcpy(merge->sender, datagram->sender, sizeof(merge->sender));
	merge->first = datagram->first;
	merge->mark = merge->next_floor = MERGE_FIRST_POSITION;
	/* What arrives just behind the first datagram may be older. */
	merge->floor = MERGE_FIRST_POSITION - MERGE_MOST_NUMBERS;
	merge->mark_ns = merge->floor_ns = merge->last_new_ns = now_ns;
	merge->suspect.evidence = 0;
	for (unsigned int i = 0; i < MERGE_MOST_SIDES; i++) {
		merge->sides[i].end = 0;
		merge->sides[i].dropped = 0;
	}
	merge->running = true;
}

/* The candidate with the lowest number. */
static const struct merge_datagram *lowest(const struct merge *merge)
{
	const struct merge_item *least = merge->candidate.first;

	for (const struct merge_item *item = least->following; item; item = item->following) {
		if (distance(merge, item->datagram.first, least->datagram.first, 0) < 0)
			least = item;
	}
	return &least->datagram;
}

/* What is held of the old stream leaves, and the candidates become the stream. Which numbers a side
 * lacks of those that are not closed is not known. */
static void switch_over(struct merge *merge, uint64_t now_ns)
{
	struct merge_window *window = &merge->window;
	struct merge_item *item = merge->candidate.first;
	struct former *former = &merge->formers[merge->replaced++ % FORMERS];

	merge_window_give_up(window, window->end);
	merge_window_close(window, window->end, false);
	memcpy(former->sender, merge->sender, sizeof(merge->sender));
	former->end = number_of(merge, window->end);
	former->until_ns = now_ns + 2 * window->options.skew_ns;
	begin(merge, lowest(merge), now_ns);
	merge->candidate.first = NULL;
	counter_add(&window->counters.restarts, 1);
	while (item) {
		struct merge_item *following = item->following;

		item->position = window->end + (uint64_t)distance(merge, item->datagram.first,
								  number_of(merge, window->end), 0);
		accept(merge, item);
		item = following;
	}
}

/* The stream has jumped: the candidates belong to it. */
static void jump(struct merge *merge, uint64_t now_ns)
{
	struct merge_item *item = merge->candidate.first;

	merge->candidate.first = NULL;
	merge->suspect.evidence = 0;
	while (item) {
		struct merge_item *following = item->following;

		if (accept(merge, item))
			merge->last_new_ns = now_ns;
		item = following;
	}
}

/* Does it continue the candidates? */
static bool joins_candidates(const struct merge *merge, const struct merge_item *item,
			     enum belonging as)
{
	const struct candidate *candidate = &merge->candidate;
	const struct merge_datagram *last = &candidate->last->datagram;

	return candidate->count < merge->window.options.most_held &&
	       candidate->jump == (as == JUMP) &&
	       same_sender(item->datagram.sender, last->sender) &&
	       apart(merge, item->datagram.first, last->first) <
		       (candidate->jump ? MERGE_JUMP : MERGE_AHEAD);
}

/* The first candidate. False: its number is no evidence. */
static bool begin_candidates(struct merge *merge, struct merge_item *item, enum belonging as)
{
	uint64_t number = item->datagram.first;

	merge->candidate = (struct candidate){
		.first = item,
		.weak = as == NEW_OR_STALE,
		.jump = as == JUMP,
	};
	if (as != JUMP || !merge->suspect.evidence ||
	    apart(merge, number, merge->suspect.number) >= MERGE_JUMP)
		return true;
	merge->candidate.evidence = merge->suspect.evidence;
	return number != merge->suspect.number;
}

static void propose(struct merge *merge, struct merge_item *item, enum belonging as)
{
	struct candidate *candidate = &merge->candidate;
	bool another;

	if (candidate->first && !joins_candidates(merge, item, as))
		drop_candidates(merge, MERGE_FOREIGN);
	item->following = NULL;
	if (candidate->first) {
		another = item->datagram.first != candidate->last->datagram.first;
		candidate->last->following = item;
	} else {
		another = begin_candidates(merge, item, as);
	}
	candidate->last = item;
	candidate->count++;
	candidate->evidence += another;
	candidate->sides |= 1U << item->side;
	if ((candidate->evidence < MERGE_CONFIRMED || candidate->overtaken) &&
	    !(candidate->sides & (candidate->sides - 1)))
		return;
	if (candidate->jump)
		jump(merge, item->arrived_ns);
	else
		switch_over(merge, item->arrived_ns);
}

/* The side continues the stream as it was. */
static void contradict(struct merge *merge, unsigned int side)
{
	struct candidate *candidate = &merge->candidate;

	if (!candidate->first || !(candidate->sides & 1U << side))
		return;
	candidate->contradicted = true;
	candidate->sides = 0;
	candidate->evidence = 0;
}

/* Too few to follow a jump, but they count for those that come next. */
static void suspect(struct merge *merge)
{
	merge->suspect.number = merge->candidate.last->datagram.first;
	merge->suspect.evidence = merge->candidate.evidence;
	drop_candidates(merge, MERGE_FOREIGN);
}

/* The candidates have waited long enough. */
static void settle_candidates(struct merge *merge, uint64_t now_ns)
{
	if (merge->candidate.weak)
		drop_candidates(merge, MERGE_LATE);
	else if (merge->candidate.contradicted || merge->candidate.overtaken)
		drop_candidates(merge, MERGE_FOREIGN);
	else if (merge->candidate.jump)
		suspect(merge);
	else
		switch_over(merge, now_ns);
}

/* ---- time ---- */

/* What was seen one `skew` ago is closed, and where the stream stood MERGE_STALE ones ago is its
 * floor. */
static void move_marks(struct merge *merge, uint64_t now_ns)
{
	struct merge_window *window = &merge->window;
	uint64_t skew_ns = window->options.skew_ns;

	if (now_ns - merge->mark_ns >= skew_ns) {
		merge_window_close(window, merge->mark, true);
		merge_window_shrink(window);
		merge->mark = window->end;
		merge->mark_ns = now_ns;
	}
	/* While nothing new arrives, it stays where it is. */
	if (now_ns - merge->floor_ns >= MERGE_STALE * skew_ns &&
	    merge->last_new_ns > merge->floor_ns) {
		merge->floor = merge->next_floor;
		merge->next_floor = window->end;
		merge->floor_ns = now_ns;
	}
}

void merge_advance(struct merge *merge, uint64_t now_ns)
{
	struct merge_window *window = &merge->window;
	uint64_t skew_ns = window->options.skew_ns;

	if (!merge->running)
		return;
	/* First, because candidates may be held further. */
	if (merge->candidate.first && merge->candidate.first->arrived_ns + skew_ns <= now_ns)
		settle_candidates(merge, now_ns);
	while (window->oldest && window->oldest->arrived_ns + skew_ns <= now_ns)
		merge_window_give_up(window, window->oldest->position);
	move_marks(merge, now_ns);
}

uint64_t merge_deadline(const struct merge *merge)
{
	const struct merge_item *oldest = merge->window.oldest;
	const struct merge_item *candidate = merge->candidate.first;

	if (!oldest || (candidate && candidate->arrived_ns < oldest->arrived_ns))
		oldest = candidate;
	return oldest ? oldest->arrived_ns + merge->window.options.skew_ns : UINT64_MAX;
}

/* ---- datagrams ---- */

/* One of the stream that runs. */
static void go_on(struct merge *merge, struct merge_item *item)
{
	if (accept(merge, item)) {
		merge->last_new_ns = item->arrived_ns;
		merge->candidate.overtaken = true;
		merge->suspect.evidence = 0;
	}
	/* What is late may also be the beginning of another stream. */
	if (item->verdict != MERGE_LATE)
		contradict(merge, item->side);
}

void merge_offer(struct merge *merge, struct merge_item *item, unsigned int side,
		 const struct merge_datagram *datagram, uint64_t now_ns)
{
	enum belonging as;

	merge_advance(merge, now_ns);
	counter_add(&merge->window.counters.sides[side].received, 1);
	*item = (struct merge_item){
		.side = side,
		.kept = datagram->count,
		.arrived_ns = now_ns,
		.datagram = *datagram,
	};
	if (!merge->running)
		begin(merge, datagram, now_ns);
	as = belonging(merge, item);
	if (as == BELONGS)
		go_on(merge, item);
	else if (as == BELONGED)
		merge_window_decide(&merge->window, item, MERGE_LATE);
	else
		propose(merge, item, as);
}

void merge_skip(struct merge *merge, unsigned int side, struct merge_skipped skipped)
{
	if (skipped.kind == merge_kind(merge->sender))
		merge->sides[side].dropped += skipped.count;
}

bool merge_place(const struct merge *merge, struct merge_place *place)
{
	if (!merge->running)
		return false;
	memcpy(place->sender, merge->sender, sizeof(place->sender));
	place->next = number_of(merge, merge->window.end);
	return true;
}

void merge_resume(struct merge *merge, const struct merge_place *place, uint64_t now_ns)
{
	const struct merge_datagram datagram = {
		.sender = {place->sender[0], place->sender[1]},
		.first = place->next,
	};

	begin(merge, &datagram, now_ns);
	/* If only older numbers arrive for `skew`, the stream has wrapped or begun again meanwhile.
	 */
	merge->last_new_ns = now_ns - (MERGE_STALE - 1) * merge->window.options.skew_ns;
}

struct merge_item *merge_take(struct merge *merge)
{
	struct merge_window *window = &merge->window;
	struct merge_item *item = window->decided;

	if (!item)
		return NULL;
	window->decided = item->following;
	if (!window->decided)
		window->decided_end = &window->decided;
	return item;
}

void merge_give_up(struct merge *merge)
{
	const struct candidate *candidate = &merge->candidate;

	if (candidate->first && candidate->count > counter_read(&merge->window.counters.held))
		drop_candidates(merge, MERGE_FOREIGN);
	else
		merge_window_give_up_first(&merge->window);
}

void merge_flush(struct merge *merge)
{
	if (!merge->running)
		return;
	if (merge->candidate.first)
		settle_candidates(merge, merge->candidate.last->arrived_ns);
	merge_window_give_up(&merge->window, merge->window.end);
}

const struct merge_counters *merge_counters(const struct merge *merge)
{
	return &merge->window.counters;
}

/* ---- life ---- */

int merge_new(struct merge **out, const struct merge_options *options)
{
	struct merge *merge = calloc(1, sizeof(*merge));

	if (!merge)
		return -ENOMEM;
	if (merge_window_init(&merge->window, options)) {
		free(merge);
		return -ENOMEM;
	}
	*out = merge;
	return 0;
}

void merge_free(struct merge *merge)
{
	if (!merge)
		return;
	merge_window_destroy(&merge->window);
	free(merge);
}
