/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An intake is an ingress interface at work: its steering program and one worker per RX queue.
 * Main thread.
 */
#ifndef XMCAST_RELAY_INTAKE_H
#define XMCAST_RELAY_INTAKE_H

#include "relay/relay.h"
#include "dataplane/worker.h"
#include "links/link.h"
#include "steering/steer.h"

struct intake {
	char name[IF_NAMESIZE];
	struct link link;
	struct steer *steer;
	enum iface_mode mode; /* once attached */
	bool attached;
	bool failed; /* cannot run; then `reason` says why and what to do */
	char reason[REASON_SIZE];
	bool impaired;	   /* its workers run, and nothing can come: `reason` says why */
	bool usable;	   /* it failed, and its interface could carry it again */
	bool torn;	   /* its interface was taken from it, even if it seems to be there again */
	bool patient;	   /* waits for queues that another socket has not given back yet */
	bool attach_asked; /* a lost program is to be attached again whatever the configuration */
	uint32_t program;  /* id of ours, or of what somebody else attached */
	bool external;	   /* somebody else attached the program (steering/pins.h) */
	unsigned int tries; /* to open it again, in vain */
	uint64_t retry_ns;  /* not before then (clock_ns()); of a failed one, or a lost program */
	uint64_t opened_ns; /* when that last succeeded */
	unsigned int first_worker; /* workers of other intakes before its own */
	bool fresh;		   /* made by the plan that runs */
	unsigned int users;	   /* routes that a plan leaves it with, active or pending */
	unsigned int nr_workers;
	struct worker **workers;
	struct ruleset *ruleset; /* what the workers use */
	struct ruleset *other;	 /* while rules change: the next one, or the one before */
};

/*
 * Why this interface, as link_query() has found it (`err` is what that returned), cannot carry an
 * ingress, by our own program or by an external one: 0: it can; else -errno, and `reason` says why
 * and what to do.
 */
int intake_examine(const char *name, const struct link *link, int err, bool external,
		   char reason[REASON_SIZE]);

/* Is the program of an interface in this state somebody else's to attach? */
bool intake_wants_external(const char *name, const struct link *link, const struct config *config);

/* Of an intake with an external program: has a packet shown that it is on this interface, and uses
 * the maps that we use? If not, `text` says what is known, for behind the interface's name. */
bool intake_is_proven(const struct intake *intake, char text[REASON_SIZE]);

/*
 * Look at the interface, load the program, open the workers, of which there are `first_worker` on
 * other intakes already. 0; -EPERM or -EBUSY as relay_open()
 * has them; any other error leaves the intake `failed`, with the reason set and logged.
 */
int intake_open(struct intake *intake, const char *name, const struct config *config,
		unsigned int first_worker);

/* Instead of intake_open(), where the interface is an intake already, by `other` of its names:
 * -EBUSY, with the reason set and logged. */
int intake_refuse(struct intake *intake, const char *name, const char *other);

/*
 * Could an intake that failed be opened again? Sets `usable`, and if not, why not, which is logged
 * if it is another reason than before.
 */
bool intake_look(struct intake *intake, const struct config *config);

/*
 * intake_open() for an intake that is `failed` and closed, whose interface is `usable`. It stays
 * `failed` until intake_attach(). Does not wait for queues: -EBUSY, and no line in the log for the
 * first few tries. A reason that is as it was is not logged again.
 */
int intake_reopen(struct intake *intake, const struct config *config);

/*
 * Start the workers with these streams, and let the program know their keys. Not attached, they get
 * nothing yet. Errors as above.
 */
int intake_start(struct intake *intake, struct stream *const *streams, unsigned int count);

/* Attach the program: from here on packets are relayed. Errors as above. */
int intake_attach(struct intake *intake, const struct config *config);

/*
 * Changing the rules of an intake that runs: stage the next ruleset, switch to it, and forget the
 * other one. Between switch and forget, switching again takes it all back. No packet of a rule that
 * is in both is lost, doubled or overtaken (worker_update()).
 *
 * intake_stage: 0, -EEXIST or -ENOMEM. intake_switch: 0, or -errno if a worker has failed: the
 * relay must end then.
 */
int intake_stage(struct intake *intake, struct stream *const *streams, unsigned int count);
int intake_switch(struct intake *intake);
void intake_forget(struct intake *intake);

/* Add or remove the key of a rule in the XDP map. 0 or -errno (-E2BIG: the map is full). */
int intake_add_key(struct intake *intake, const struct rule *rule);
int intake_remove_key(struct intake *intake, const struct rule *rule);

/*
 * Look at the interface of an intake that runs. What passes by itself or can be mended (it is down;
 * the XDP program has been taken off) sets or clears `impaired`, and every change is logged. NULL;
 * or, as constant text, why the intake has to be given up and opened anew: intake_lose().
 */
const char *intake_check(struct intake *intake, const struct config *config);

/* Nothing can come, for this reason, which is said behind the interface's name; NULL: not any more.
 * Every change is logged. */
void intake_impair(struct intake *intake, const char *impairment);

/* The part of intake_check() for an external program: is it there, in front of our maps? */
const char *intake_check_external(struct intake *intake, const struct link *now,
				  const struct config *config);

/* Close an intake that has been stopped, and whose counters have been kept: it is `failed`, since
 * its interface `why`. */
void intake_lose(struct intake *intake, const char *why);

/* Detach, then end the workers in order. 0 or -EIO. */
int intake_stop(struct intake *intake);

/* Give back all that it holds; its name, and why it failed, stay. */
void intake_close(struct intake *intake);

#endif
