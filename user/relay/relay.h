/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay: all of a configuration at work. Composes links, steering, membership and workers into
 * intakes (one per ingress interface), and rules into streams.
 *
 * What cannot run (an interface that does not exist, is down, has no XDP, too few resources) is
 * reported with its remedy and left `pending`; everything else runs. Main thread.
 */
#ifndef XMCAST_RELAY_RELAY_H
#define XMCAST_RELAY_RELAY_H

#include "membership/membership.h"
#include "relay/books.h"
#include "rules/config.h"
#include "steering/pins.h"

struct relay;

/* Bytes of a text that says why something is not at work, with its NUL. */
#define REASON_SIZE 256

/* What a change came to. */
struct relay_change {
	unsigned int added;
	unsigned int removed;
	unsigned int replaced;
	unsigned int pending; /* of those added and replaced: not at work, and waiting */
};

/*
 * Start. The relay takes the configuration over (it is left empty). What cannot run is left
 * `pending`. 0; -EPERM, -EACCES: a right is missing; -EBUSY: another xmcastd has one of the
 * interfaces; -ENOMEM.
 */
int relay_open(struct relay **out, struct config *config);

/*
 * Go over to this configuration: all of it, or nothing. Rules that are the same in both go on
 * without losing, doubling or reordering a packet; a rule whose name is the same and which differs
 * is replaced from one packet to the next. Settings that only the start looks at (interfaces,
 * egress, workers) hold for what is opened from now on.
 *
 * A rule that the network does not let run (no such interface, or it is down) is taken, and
 * `pending`; what the process lacks (descriptors, memory, memberships, room in the XDP map) makes
 * the whole fail. 0: *config was taken over and is left empty, *change tells what differs. -errno:
 * nothing has changed, *config is still the caller's, and `reason` says why. -EIO: a worker has
 * failed, and the relay must end.
 */
int relay_apply(struct relay *relay, struct config *config, struct relay_change *change,
		char reason[REASON_SIZE]);

/* The level of one facility, or of all (LOG_FACILITIES), as the configuration that runs has it from
 * now on; the log itself is not touched. */
void relay_set_log_level(struct relay *relay, enum log_facility facility, enum log_level level);

/* Try again what is pending, now. Returns the number of rules that are active now and were not, or
 * -EIO: the relay must end. */
int relay_retry(struct relay *relay);

/* Is this an interface that rules take in from? */
bool relay_uses(const struct relay *relay, const char *iface);

/* Who attached the program of an interface, and what it uses. */
struct relay_attachment {
	bool external;
	const char *pins; /* the folder of pinned maps; NULL: they are our own. Valid until the
			     next change. */
	uint32_t maps[NR_PINS]; /* ids, 0: unknown; named by pin_names */
};

/* False: the interface is not in use, or not at work. */
bool relay_attachment(const struct relay *relay, const char *iface,
		      struct relay_attachment *attachment);

/* What runs, and the number of that state. Valid until the next change. */
const struct config *relay_config(const struct relay *relay);
uint64_t relay_generation(const struct relay *relay);

/*
 * Stop steering, relay what has arrived, end the workers, count every frame. 0; -EIO: a worker had
 * failed, or a frame is missing. The counters stay readable until relay_close().
 */
int relay_stop(struct relay *relay);
void relay_close(struct relay *relay); /* takes NULL */

struct relay_summary {
	unsigned int active;	 /* rules that relay */
	unsigned int pending;	 /* and those that wait */
	unsigned int interfaces; /* in use, as the next */
	unsigned int workers;
};

struct relay_summary relay_summary(const struct relay *relay);

/* True if a worker's thread has ended on its own, or is stuck. */
bool relay_failed(const struct relay *relay);

/* Add the workers' notification descriptors to an epoll set, also those to come; data.u64 is 0 for
 * all of them. */
int relay_watch(struct relay *relay, int epoll_fd);

/* Do all workers make progress, as relay_check_workers() last saw it? Their number, or -EIO. */
int relay_ping(const struct relay *relay);

/* See whether the workers make progress (worker_check()); call once a second. */
void relay_check_workers(struct relay *relay);

/* Follow the network (follow.h): call relay_follow() when the descriptor is readable. -EIO: a
 * worker had failed, and the relay must end. */
int relay_follow_fd(const struct relay *relay);
int relay_follow(struct relay *relay);

/* What is joined, as membership_list() has it. */
int relay_memberships(const struct relay *relay, struct membership_entry **list);

/* The counters now (books.h) of up to `most` rules from the `first` on, and of everything else.
 * NULL: no memory. The caller frees them before the relay changes or is closed. */
struct books *relay_books(const struct relay *relay, size_t first, size_t most);

#endif
