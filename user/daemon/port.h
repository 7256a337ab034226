/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port is an ingress interface at work: its steering program and one worker per RX queue.
 * Main thread.
 */
#ifndef XMCAST_DAEMON_PORT_H
#define XMCAST_DAEMON_PORT_H

#include "daemon/relay.h"
#include "dataplane/worker.h"
#include "links/link.h"
#include "steering/steer.h"
#include "telemetry/sampler.h"

struct port {
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
	unsigned int first_worker; /* workers of other ports before its own */
	bool fresh;		   /* made by the transaction that runs */
	unsigned int users; /* entries that a transaction leaves it with, active or pending */
	unsigned int nr_workers;
	struct worker **workers;
	struct ruleset *ruleset;     /* what the workers use */
	struct ruleset *other;	     /* while rules change: the next one, or the one before */
	const struct events *events; /* who is told what happens to it */
	struct interface_meter meter;
};

/*
 * Why this interface, as link_query() has found it (`err` is what that returned), cannot carry an
 * ingress, by our own program or by an external one: 0: it can; else -errno, and `reason` says why
 * and what to do.
 */
int port_examine(const char *name, const struct link *link, int err, bool external,
		 char reason[REASON_SIZE]);

/* Is the program of an interface in this state somebody else's to attach? */
bool port_wants_external(const char *name, const struct link *link, const struct config *config);

/* Of a port with an external program: has a packet shown that it is on this interface, and uses the
 * maps that we use? If not, `text` says what is known, for behind the interface's name. */
bool port_is_proven(const struct port *port, char text[REASON_SIZE]);

/*
 * Look at the interface, load the program, open the workers, of which there are `first_worker` on
 * other ports already. 0; -EPERM or -EBUSY as relay_open()
 * has them; any other error leaves the port `failed`, with the reason set and logged.
 */
int port_open(struct port *port, const char *name, const struct config *config,
	      unsigned int first_worker);

/* Instead of port_open(), where the interface is a port already, by `other` of its names: -EBUSY,
 * with the reason set and logged. */
int port_refuse(struct port *port, const char *name, const char *other);

/*
 * Could a port that failed be opened again? Sets `usable`, and if not, why not, which is logged if
 * it is another reason than before.
 */
bool port_look(struct port *port, const struct config *config);

/*
 * port_open() for a port that is `failed` and closed, whose interface is `usable`. It stays
 * `failed` until port_attach(). Does not wait for queues: -EBUSY, and no line in the log for the
 * first few tries. A reason that is as it was is not logged again.
 */
int port_reopen(struct port *port, const struct config *config);

/*
 * Start the workers with these streams, and let the program know their keys. Not attached, they get
 * nothing yet. Errors as above.
 */
int port_start(struct port *port, struct stream *const *streams, unsigned int count);

/* Attach the program: from here on packets are relayed. Errors as above. */
int port_attach(struct port *port, const struct config *config);

/*
 * Changing the rules of a port that runs: stage the next ruleset, switch to it, and forget the
 * other one. Between switch and forget, switching again takes it all back. No packet of a rule that
 * is in both is lost, doubled or overtaken (worker_update()).
 *
 * port_stage: 0, -EEXIST or -ENOMEM. port_switch: 0, or -errno if a worker has failed: the relay
 * must end then.
 */
int port_stage(struct port *port, struct stream *const *streams, unsigned int count);
int port_switch(struct port *port);
void port_forget(struct port *port);

/* Add or remove the key of a rule in the XDP map. 0 or -errno (-E2BIG: the map is full). */
int port_add_key(struct port *port, const struct rule *rule);
int port_remove_key(struct port *port, const struct rule *rule);

/*
 * Look at the interface of a port that runs. What passes by itself or can be mended (it is down;
 * the XDP program has been taken off) sets or clears `impaired`, and every change is logged. NULL;
 * or, as constant text, why the port has to be given up and opened anew: port_lose().
 */
const char *port_check(struct port *port, const struct config *config);

/* Nothing can come, for this reason, which is said behind the interface's name; NULL: not any more.
 * Every change is logged. */
void port_impair(struct port *port, const char *impairment);

/* The part of port_check() for an external program: is it there, in front of our maps? */
const char *port_check_external(struct port *port, const struct link *now,
				const struct config *config);

/* Close a port that has been stopped, and whose counters have been kept: it is `failed`, since its
 * interface `why`. */
void port_lose(struct port *port, const char *why);

/* Detach, then end the workers in order. 0 or -EIO. */
int port_stop(struct port *port);

/* Give back all that it holds; its name, and why it failed, stay. */
void port_close(struct port *port);

#endif
