/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * An intake is ONE running ingress interface: its steering program, its ports (ports.h), and a
 * worker for each RX queue of these.
 *
 *              intake_bring_up()
 *     NEW ──────▶ OPEN ──────▶ STARTED ──────▶ ATTACHED ◀── intake_check() ──▶ IMPAIRED
 *      │           │              │               │  └────── intake_lose() ───────┤
 *      └─ error ─┬─┴──────────────┘               │               ▼               │
 *                ▼                                │             LOST              │
 *     ┌──────▶ FAILED                             │ intake_stop() │               │
 *     │          │  ▲                             ▼               ▼               │
 *     │          │  └── intake_give_up() ────── STOPPED ◀─────────┴───────────────┘
 *     └─ error ──┴──▶ OPEN: it is tried again when `backoff` says so
 *
 *     NEW         nothing is open, nothing was tried
 *     FAILED      nothing is open, because of `reason`: there is no such interface, or it is unsuited
 *     OPEN        program attached, but without rules, so that it passes all packets; sockets
 *                 bound, every frame in a fill ring; threads wait. Of a predecessor that has ended:
 *                 its program is attached, its rules are there, and packets wait
 *     STARTED     the threads run; nothing arrives yet, unless a predecessor's program steers
 *     ATTACHED    the keys of its rules are in the XDP map, and packets are relayed
 *     IMPAIRED    as ATTACHED, but none can arrive, because of `reason`: it is down, for example
 *     LOST        as ATTACHED, but the interface or memberships were lost: given up at the next look
 *     STOPPED     program detached, threads ended: the counters are final
 *
 * An intake knows nothing of routes, which join and leave their groups themselves. Main thread.
 * Rights as for steering/steer.h and dataplane/worker.h.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_INTAKE_H
#define XMCAST_RELAY_INTAKE_H

#include "dataplane/worker.h"
#include "links/below.h"
#include "relay/ledger.h"
#include "relay/lineup.h"
#include "relay/ports.h"
#include "relay/schedule.h"
#include "steering/steer.h"

/* Rules whose packets were captured last. */
#define INTAKE_CAPTURED_LAST 64

/* Below these MTUs the kernel disables a protocol on an interface, and drops its memberships (RFC
 * 791, RFC 8200). */
#define IPV4_MIN_MTU 68
#define IPV6_MIN_MTU 1280

enum intake_state {
	INTAKE_NEW,
	INTAKE_FAILED,
	INTAKE_OPEN,
	INTAKE_STARTED,
	INTAKE_ATTACHED,
	INTAKE_IMPAIRED,
	INTAKE_LOST,
	INTAKE_STOPPED,
};

/* How an intake receives, because packets vanish in the way that the interface has by itself
 * (intake_audit()). */
enum intake_fallback { FALLBACK_NONE, FALLBACK_COPY, FALLBACK_SKB };

/* What is known about steered packets that have arrived nowhere. */
struct missing {
	uint64_t before;	/* packets, until the interface was last opened */
	char text[REASON_SIZE]; /* for people; empty: there are none, or no longer */
	bool reported;		/* the loss goes on, and was reported */
	bool trial;		/* a fall-back is in use that has not proved itself */
	bool exhausted;		/* no fall-back helps */
	unsigned int looks;	/* with packets, and without a loss */
};

struct offloads;
struct tap;

/* A port of a running intake. Its RX queue q has slot number * XMC_MAX_QUEUES + q of the XSKMAP. */
struct intake_port {
	struct port at;
	unsigned int number;
	unsigned int nr_workers;
	struct worker *workers[XMC_MAX_QUEUES]; /* by RX queue */
};

struct intake {
	char name[IF_NAMESIZE]; /* one of the names by which rules know the interface */
	enum intake_state state;
	char reason[REASON_SIZE]; /* of the state; NEW to STARTED: of the last failure, or empty */
	int ifindex;		  /* of the interface, as last seen; 0: it does not exist */
	struct link link;	  /* the interface when it was opened, and its MTU now */
	struct iface_config settings; /* of the interface, when it was opened */
	struct backoff backoff;	      /* FAILED: when to try again */
	bool hides_tags; /* in skb mode, which is all that it accepts, XDP does not see VLAN tags */
	uint64_t attach_ns; /* a lost program is not attached again before then */
	const char *loss;   /* LOST: why, as constant text for intake_give_up() */
	enum intake_fallback fallback;
	struct ledger ledger;
	struct missing missing;
	bool jumbo;		/* opened for packets that no frame can hold (xsk_is_jumbo()) */
	char hint[REASON_SIZE]; /* what an administrator should know although it relays; or empty */
	struct below below;	/* the devices below the interface, as last seen */
	uint64_t below_ns;	/* look for them again then; 0: at once */
	struct steer *steer;
	struct kernel_side kernel; /* see intake_describe() */
	enum iface_mode mode;	   /* of the attached program */
	uint32_t program;	   /* id of the program, own or external; 0: not known */
	bool external;		   /* an administrator attached it (steering/pins.h) */
	bool adopted;		   /* it takes the place of a predecessor's program */
	struct offloads *offloads; /* of the relay; the intake is a user of it */
	bool released;		   /* for a successor, its sockets are closed */
	bool flush;		   /* note of relay_set_leases() */
	bool on_members;	   /* the ports are members of a bond */
	unsigned int nr_ports;
	struct intake_port ports[XMC_MAX_MEMBERS];
	unsigned int first_worker; /* its index among all workers, which selects CPUs */
	unsigned int room;	   /* workers for which streams have shards; they may be fewer */
	unsigned int nr_workers;
	struct worker **workers; /* of all ports */
	/* The sum of workers that ended because their member left the bond: with the counters of
	 * the others, these are what belongs to the verdicts of `steer`. */
	struct worker_state closed;
	struct capture *capture; /* of its packets; NULL: none */
	struct tap *tap;	 /* of the kernel path; NULL: none, or the program has none */
	unsigned int captured_last[INTAKE_CAPTURED_LAST]; /* see intake_capture.c */
	char member_reason[REASON_SIZE]; /* why the last member that came has no workers, or empty
					  */
	struct lineup now;
	struct lineup other; /* while rules change: the next one; after the switch: the last one */
	bool switched;	     /* `now` and `other` have been exchanged, and not committed */

	/* Notes of the plan that is being carried out (plan.c). */
	struct {
		bool fresh;	    /* the plan made it */
		bool raised;	    /* the plan brings it up */
		bool changes;	    /* its rules change */
		bool staged;	    /* a line-up is staged */
		unsigned int names; /* arrivals that it will have */
		unsigned int users; /* routes that it will have, active or pending */
	} plan;
};

/* A new intake. Its counters are added to *totals: those of rules on the kernel path when they are
 * read, the others when it is closed. NULL: no memory. */
struct intake *intake_new(const char *name, int ifindex, struct redirects *redirects,
			  struct total_counts *totals);

/* Stop, close and free it. Accepts NULL. */
void intake_free(struct intake *intake);

/* Is something of it open? */
static inline bool intake_is_open(const struct intake *intake)
{
	return intake->state >= INTAKE_OPEN;
}

/* Write down in `kernel` what kernel paths need to know of it. Returns whether that has changed:
 * then update them. */
bool intake_describe(struct intake *intake);

/* Do that, and update the kernel paths of all its rules. */
void intake_update(struct intake *intake);

/* Why it is FAILED or IMPAIRED; NULL in every other state. */
static inline const char *intake_reason(const struct intake *intake)
{
	return intake->state == INTAKE_FAILED || intake->state == INTAKE_IMPAIRED ? intake->reason
										  : NULL;
}

/* ---- bringing it up ---- */

struct intake_means {
	const struct config *config;
	int epoll_fd; /* set that watches the workers' notification descriptors */
	/* An RX queue that is busy is -EBUSY at once, which is not reported at first (BUSY_TRIES).
	 * Otherwise wait for it for some seconds. */
	bool fail_if_busy;
	const struct inheritance *inheritance; /* of a predecessor, or NULL */
	const struct tagged_path *paths;       /* of its rules; for STARTED */
	unsigned int nr_paths;
};

/*
 * Bring an intake up from its present state to OPEN, STARTED or ATTACHED, one state after the
 * other. This is the only way up. To OPEN: examine the interface, load and attach the program, bind
 * the sockets. The program comes first, because only then it is known in which mode it runs, and
 * how many RX queues the driver has for it. To STARTED: let the threads run. To ATTACHED: add the
 * keys of its rules.
 *
 * The program of a predecessor that has ended still steers to the sockets, which nobody reads. So
 * the threads run first, and our program, which takes the kernel 100 ms to check, is loaded last.
 *
 * 0; -EPERM, -EACCES: a right is missing; -EBUSY: another xmcastd has the interface, or an RX queue
 * is in use; other -errno. On failure it is closed and FAILED. The reason is logged unless it is
 * the same as before.
 */
int intake_bring_up(struct intake *intake, enum intake_state state,
		    const struct intake_means *means);

/*
 * Could a FAILED intake be brought up? `now`: its interface as it is now (ifindex 0: it does not
 * exist). If not, the reason is set, and logged unless it is the same as before.
 */
bool intake_can_open(struct intake *intake, const struct link *now, const struct config *config);

/* ---- changing its rules ---- */

/*
 * In this order: stage the next line-up, whose kernel paths get their forwards; switch the workers
 * to it; take the keys, which adds those that only the next one has, and gives those that both have
 * to the next one's paths; then either commit, which removes the keys that only the last one had,
 * or revert, which undoes all of it. No packet of a rule that is in both is lost, duplicated or
 * reordered (worker_update()). If forwards have to be closed, the last step waits for a grace
 * period, once.
 *
 * intake_stage(), intake_take_keys(): 0 or -errno (-EEXIST: two rules have the same input; -E2BIG,
 * -ENOSPC: the XDP map is full). *failed: the path whose key could not be added. intake_switch(),
 * intake_revert(): 0, or -errno if a worker has failed: then the relay must end.
 */
int intake_stage(struct intake *intake, const struct tagged_path *paths, unsigned int count);
int intake_switch(struct intake *intake);
int intake_take_keys(struct intake *intake, const struct path **failed);
void intake_commit(struct intake *intake);
int intake_revert(struct intake *intake);

/* ---- capture (intake_capture.c) ---- */

/* Capture its packets, or none (NULL): with all workers that it has or will have, and on the kernel
 * path those of the paths that it has now. Call it again when these may have changed. `epoll_fd`:
 * as in intake_means; readable when intake_drain_capture() has something to do. 0 or -errno as
 * worker_capture(). */
int intake_capture(struct intake *intake, struct capture *capture, int epoll_fd);

/* Take packets that the kernel path has captured, a bounded number. True: there may be more. */
bool intake_drain_capture(struct intake *intake);

/* Before the steering program is closed: take all that it has captured. */
void intake_close_tap(struct intake *intake);

/* ---- watching it ---- */

/*
 * Compare a running intake with its interface as it is now. What is temporary or can be repaired
 * (it is down, the program was detached) makes it IMPAIRED, and ATTACHED again later; both are
 * logged. `asked`: attach a lost program again, whatever the settings say. Members of a bond that
 * come and go get and lose workers by `means`.
 *
 * Returns NULL; or, as constant text, why the intake has to be given up: then call intake_stop()
 * and intake_give_up().
 */
const char *intake_check(struct intake *intake, const struct link *now, bool asked,
			 const struct intake_means *means);

/* Is this the index of its interface, or of one of its ports? */
bool intake_has_index(const struct intake *intake, int ifindex);

/*
 * Prevent that it receives merged datagrams (relay/merging.h) on its interface, which is `now`,
 * with a program in this mode. 0; otherwise -errno, and `why` is the reason: it must not run.
 */
int intake_prevent_merging(struct intake *intake, const struct link *now, enum iface_mode mode,
			   char why[REASON_SIZE]);

/*
 * Compare what its program has steered with what has arrived (relay/ledger.h); call it once a
 * second. If packets vanish, that is reported, and the intake is lost: it is opened again without
 * zero copy, then in skb mode. What helps is kept, until the daemon ends.
 */
void intake_audit(struct intake *intake);

/* It is stopped, and about to be closed: what is missing is final. */
void intake_audit_end(struct intake *intake);

/* Tell the program which packets are too large, after the mode or the MTU of the interface has
 * changed. 0 or -errno. */
int intake_set_capacity(struct intake *intake);

/* Notice whether its interface, which is `now`, is a port of a bridge or bond, which is logged, or
 * a bond that has to run in skb mode, and set `hint`. */
void intake_note_place(struct intake *intake, const struct link *now);

/* This link, which has changed, is the interface of the intake, or below it, or will be: look at
 * the devices below it again. */
bool intake_is_above(struct intake *intake, const struct link *changed);

/* No packet can arrive, because "interface NAME `impairment`". NULL: packets can arrive. Changes
 * are logged. */
void intake_impair(struct intake *intake, const char *impairment);

/* The part of intake_check() about an external program: has a packet proved that it runs on this
 * interface and uses our maps? */
void intake_check_external(struct intake *intake);

/* ---- taking it down ---- */

/* Its interface was removed or moved away, or has lost its memberships, even if all seems well now:
 * the next intake_check() returns `why`, which is constant text. */
void intake_lose(struct intake *intake, const char *why);

/* Detach the program, then end the workers in order. 0 or -EIO (worker_stop()). */
int intake_stop(struct intake *intake);

/* Close a stopped intake: it is FAILED, because "interface NAME `why`". */
void intake_give_up(struct intake *intake, const char *why);

/* ---- its ports (intake_ports.c): for intake.c and intake_check.c ---- */

/* Before the program is attached: forget the setting `queues` if it covers all RX queues. Then it
 * is to cover those as well that the driver adds for the program. virtio-net adds one for each CPU,
 * if the host has provided them, and the host uses all of them. 0 or -errno with `why`. */
int intake_limit_queues(struct intake *intake, char why[REASON_SIZE]);

/* Find the ports, and open a worker for each RX queue that is served, with threads that wait. The
 * program is attached, ours or a predecessor's. 0 or -errno, and `why` says why (empty: it is not
 * to be logged). */
int intake_open_ports(struct intake *intake, const struct intake_means *means,
		      char why[REASON_SIZE]);

/* Let the threads run, with the ruleset of the intake. */
void intake_start_ports(const struct intake *intake);

/* Let the program steer packets to the sockets. 0 or -errno with `why`. */
int intake_steer_ports(struct intake *intake, char why[REASON_SIZE]);

/* End the threads in order. 0 or -EIO (worker_stop()). */
int intake_stop_ports(struct intake *intake);

/*
 * End the threads for a successor, and leave what is in the RX rings to it (worker_pause()).
 * Sockets that it cannot have, because the kernel is too old (xsk_can_be_adopted()) or the program
 * is external, are closed: from now on packets are passed to the stack (`no_socket`), and what has
 * arrived before is sent first. 0 or -EIO.
 */
int intake_pause_ports(struct intake *intake);

/* There is no successor after all: go on. Without its sockets, the intake is lost, and opened again
 * at the next look. 0 or -errno. */
int intake_resume_ports(struct intake *intake);

/* Close what was stopped or never started, and add its counters to the intake's totals. */
void intake_close_ports(struct intake *intake);

/*
 * Compare the ports with the interface as it is now, while the program is attached. Members of a
 * bond that have come or gone get or lose their workers, without disturbing the others; and it is
 * noted which of them the bond uses. NULL; or, as constant text, why the intake has to be given up.
 */
const char *intake_follow_ports(struct intake *intake, const struct link *now,
				const struct intake_means *means);

/* explain() for an error in opening something of `name`. `otherwise`: what to say if it is no
 * shortage of descriptors. */
int intake_explain_shortage(char why[REASON_SIZE], int err, const char *name,
			    const char *otherwise);

#endif
