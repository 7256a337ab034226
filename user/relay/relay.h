/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * The relay: everything that runs, of one configuration. This is its API, and the map of user/relay.
 * It knows nothing of signals, control sockets, files, rates or metrics. Main thread.
 *
 *     user/daemon
 *         │ relay_open, relay_apply, relay_retry, relay_run, relay_books, relay_stop, relay_close
 *         ▼
 *     relay ──▶ follow ──▶ plan ──▶ route ──▶ arrival ──▶ intake ──▶ steering, workers
 *         │         │                   └───▶ path ──┬──▶ streams and their sockets
 *         │         │                                └──▶ kernel_path ──▶ forwards, redirects
 *         │         └──▶ outputs, schedule
 *         └──▶ books
 *
 *     intake     ONE running ingress interface: its program, its workers; intake.h has its states
 *     examine    can an interface carry an intake, and with which settings?
 *     arrival    what a rule's input names, resolved; all names of one interface share an intake
 *     vlans      does XDP see the tags of an interface's packets?
 *     path       what carries a rule's packets: the user path, and on top of it, if the rule asks
 *                for it, the kernel path
 *     kernel_path     the kernel path of a rule: what its key has, its forwards, its counters
 *     kernel_examine  can the kernel path carry a rule now, and with which headers?
 *     offloads   features of devices that are switched off while an intake needs that
 *     redirects  the interfaces by which kernel paths send, and what they do with packets
 *     route      ONE running rule; route.h has its states
 *     plan       a change of routes and intakes, all or nothing; only a plan changes rules and
 *                brings intakes up
 *     plan_match the first step of a plan: which routes stay, which are new, where they arrive
 *     plan_commit the last step: it holds, or everything is as it was before
 *     follow     watches the network: gives intakes up, has them brought up, moves outputs
 *     outputs    the interfaces that outputs name
 *     schedule   when to look at the network, when to try again
 *     books      a snapshot of all counters
 *     leases     which shards of leases are held, and until when; double_source: whether other
 *                hosts send what this one holds
 *     capture    copies of packets for an administrator: of which intake, and with which headers
 *     state      the struct that plan, follow, books and relay share; counts: plain numbers;
 *                reason: why something does not run, in one sentence
 *
 * How a rule change travels
 *
 *     xmcastctl rule add ─▶ control socket ─▶ method_rule_add() ─▶ daemon_change_rules():
 *     config_change() makes the next configuration out of the running one and the new rule
 *     relay_apply()
 *       follow_sync()            look at what has been announced so far
 *       plan_change()
 *         match                  routes by name: kept, fresh, or gone; fresh ones get their arrivals,
 *                                and intakes that are down are to come up for them
 *         count_users            two rules with one input by two names: the second is pending
 *         open_intakes           intake_bring_up(OPEN)
 *         open_routes            route_open(): path, membership
 *         stage_intake           intake_stage(): kernel paths get their forwards; or
 *                                intake_bring_up(STARTED)
 *         switch_over            intake_switch(): the workers use the new rules (see worker.h);
 *                                intake_take_keys(): the XDP program steers packets of new inputs,
 *                                and each rule's by the path that it has now; or
 *                                intake_bring_up(ATTACHED)
 *         commit / revert        what is gone is released / everything is as it was
 *       follow_rules_changed()   soon look again, so that new outputs follow their interfaces
 *
 * How a lost interface travels
 *
 *     netlink ─▶ relay_run() ─▶ follow_run()
 *       on_link()                the interface was deleted: intake_lose(); look within 50 ms
 *       look()                   at least every 500 ms, in case an announcement was lost
 *         intake_check()         why the intake has to be given up
 *         give_up()              program detached, threads ended, groups left; its routes keep their
 *                                paths and are pending, for the reason of the intake
 *     … and once the interface is there again:
 *       look()
 *         intake_can_open()      yes
 *         plan_bring_up()        a plan in which nothing changes but this intake: OPEN, its routes
 *                                opened (groups joined, paths as they are), STARTED, ATTACHED
 *     An interface of outputs: look() ─▶ outputs_query(), outputs_apply() ─▶ path_follow():
 *     output_socket_follow() binds the socket to the interface that has the name now. Then
 *     update_kernel_paths(): headers change, or rules change their path
 *
 * What cannot run (an interface that does not exist, is down, has no XDP; a shortage) is reported
 * with its remedy and stays `pending`; everything else runs.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_RELAY_H
#define XMCAST_RELAY_RELAY_H

#include "base/log.h"
#include "dataplane/capture.h"
#include "links/next_hop_parse.h"
#include "membership/membership.h"
#include "relay/books.h"
#include "rules/config.h"
#include "steering/pins.h"

struct demand;
struct inheritance;
struct lease_change;
struct leases;
struct relay;

/* ---- life ---- */

/*
 * Start. The configuration becomes the relay's, and *config is left empty. What cannot run is
 * `pending`. 0; -EPERM, -EACCES: a right is missing; -EBUSY: another xmcastd has one of the
 * interfaces; -ENOMEM, -EMFILE.
 */
int relay_open(struct relay **out, struct config *config);

/*
 * The same, with what a predecessor has left (inheritance.h); NULL: there is none. `config` is the
 * predecessor's: apply another one afterwards. Until relay_settle() the predecessor could go on: if
 * this relay is closed before, nothing of it is detached or left. -EPIPE: the predecessor has not
 * paused. `notes_fd`: see offloads_open().
 */
int relay_open_after(struct relay **out, struct config *config, struct inheritance *inheritance,
		     int notes_fd);

/* The predecessor has released everything: what nobody needs is closed and left. The inheritance
 * can be freed. */
void relay_settle(struct relay *relay);

/* Readable when relay_run() has something to do: a worker has failed, or the network has changed.
 */
int relay_fd(const struct relay *relay);

/* Do it. 0; -EIO: a worker has failed, and the relay must end. */
int relay_run(struct relay *relay);

/* See whether the workers make progress (worker_check()), and whether what is steered arrives
 * (intake_audit()); call once a second. 0; -EIO: as relay_run(). */
int relay_check_workers(struct relay *relay);

/*
 * Stop steering, relay what has arrived, end the workers, count every frame. 0; -EIO: a worker had
 * failed, or a frame is missing. The counters stay readable until relay_close().
 */
int relay_stop(struct relay *relay);
void relay_close(struct relay *relay); /* accepts NULL */

/* ---- changes ---- */

/*
 * Change to this configuration: all of it, or nothing. Rules that are the same in both go on
 * without losing, doubling or reordering a packet; a rule of the same name that differs is replaced
 * from one packet to the next. Settings of interfaces, egress and workers apply to what is opened
 * from now on.
 *
 * A rule that the network does not let run (its interface does not exist, or is down) is accepted
 * and `pending`; a shortage of this process (descriptors, memory, memberships, room in the XDP map)
 * makes the whole change fail. -EBUSY: a successor is taking over. 0: *config has become the
 * relay's and is left empty, and *change says what differs. -errno: nothing has changed, *config is
 * still the caller's, and `reason` says why. -EIO: a worker has failed, and the relay must end.
 */
int relay_apply(struct relay *relay, struct config *config, struct relay_change *change,
		char reason[REASON_SIZE]);

/* Try again what is pending, now. 0; -EIO: the relay must end. */
int relay_retry(struct relay *relay);

/* Note the level of one facility, or of all (LOG_FACILITIES), in the running configuration. The log
 * itself is not changed. */
void relay_set_log_level(struct relay *relay, enum log_facility facility, enum log_level level);

/* ---- what runs ---- */

/* The running configuration, and a number that grows with each of its changes. Valid until the next
 * change. */
const struct config *relay_config(const struct relay *relay);

/* The files of conf.d have been written as the configuration says. */
void relay_config_saved(struct relay *relay);
uint64_t relay_generation(const struct relay *relay);

struct relay_summary {
	unsigned int active;	 /* rules that relay */
	unsigned int pending;	 /* rules that wait */
	unsigned int interfaces; /* that are open */
	unsigned int workers;
};

struct relay_summary relay_summary(const struct relay *relay);

/* The counters now (books.h) of up to `most` rules from the `first` on, and of all that is no rule.
 * NULL: no memory. The caller frees them before the relay changes or is closed. */
struct books *relay_books(const struct relay *relay, size_t first, size_t most);

/* The number of workers if all made progress in the last relay_check_workers(), otherwise -EIO. */
int relay_ping(const struct relay *relay);

/* The name under which an ingress interface is listed (interface_counts.name), given any of its
 * names; NULL: no rule's input names it. */
const char *relay_interface(const struct relay *relay, const char *name);

/* The number of rules whose input is this interface, disabled ones included. `iface`: as
 * relay_interface() returns it. */
unsigned int relay_rules(const struct relay *relay, const char *iface);

/* How the program of an interface was attached, and the maps that it uses. */
struct relay_attachment {
	bool external;	  /* by an administrator (steering/pins.h) */
	const char *pins; /* the directory of the pinned maps; NULL: they are our own. Valid until
			     the next change */
	uint32_t maps[NR_PINS]; /* ids, 0: unknown; named by pin_names */
};

/* `iface`: as relay_interface() returns it. False: it is not open. */
bool relay_attachment(const struct relay *relay, const char *iface,
		      struct relay_attachment *attachment);

/* The leases that rules name (leases.h). */
struct leases *relay_leases(const struct relay *relay);

/* See double_source_count(). */
uint64_t relay_double_sources(const struct relay *relay);

/* Of the rules of a shard. */
struct lease_load {
	uint64_t received;	   /* packets, also while it is not held */
	unsigned int outputs_down; /* rules that are pending, or have an output that cannot send */
};

/* Of the shards with a slot that is wanted; both arrays are of XMC_LEASE_SLOTS, and the loads are 0
 * before. Lasts longer with more rules in these shards. 0 or -ENOMEM. */
int relay_read_lease_loads(const struct relay *relay, const bool *wanted, struct lease_load *loads);

/* Call `handle` for each enabled rule of a shard, with its counters now. 0 or -ENOMEM. */
typedef void shard_handler(void *context, const struct rule_counts *counts);
int relay_read_shard(const struct relay *relay, const char *name, unsigned int shard,
		     shard_handler *handle, void *context);

/*
 * Change leases as leases_change(), and, for changes at a sequence number, how the streams are cut;
 * all or nothing. A change with cuts needs one for every rule of its shard, because the others
 * would be sent by both hosts. Waits as worker_flush(), if a shard begins. -EINVAL: a rule has no
 * number, or is not in the shard; -EBUSY: a successor is taking over, ask it; -EIO: a worker has
 * failed; others as leases_change().
 */
int relay_set_leases(struct relay *relay, struct lease_change *changes, unsigned int count,
		     char reason[REASON_SIZE]);

/* End a shard, or all of them (`shard` -1), whatever the epoch. 0, -EBUSY, -EIO or -ENOENT. */
int relay_release_lease(struct relay *relay, const char *name, int shard, char reason[REASON_SIZE]);

/* ---- capture (dataplane/capture.h) ---- */

/* Is there such a rule, or does a rule's input name this interface? */
bool relay_can_capture(const struct relay *relay, const struct capture_options *options);

/* What of it cannot be captured, for people: constant text, or NULL. */
const char *relay_capture_hint(const struct relay *relay, const struct capture_options *options);

/* Capture from now on, until it is called with NULL; then nothing uses the capture any more. 0;
 * -ENOMEM: nothing is captured; -EIO: a worker has failed, and the relay must end. */
int relay_capture(struct relay *relay, struct capture *capture);

/* Rules or intakes may have changed: capture where the packets arrive now. Returns as above. */
int relay_follow_capture(struct relay *relay);

/* Take what kernel paths have captured; relay_run() does it as well. */
void relay_drain_capture(struct relay *relay);

/* The headers with which the datagrams of an output would leave now, as far as the kernel chooses
 * them. What is not known is all zero. */
struct output_headers {
	char to[ENDPOINT_TEXT_SIZE]; /* as in the rule: output_format() */
	char iface[IF_NAMESIZE];
	struct xmc_addr source;
	uint16_t source_port; /* host order; 0 with `from keep` */
	uint8_t mac_to[MAC_LENGTH];
	uint8_t mac_from[MAC_LENGTH];
};

/* 0; -ENOENT: there is no such rule, or it has no such output. */
int relay_output_headers(struct relay *relay, const char *rule, unsigned int output,
			 struct output_headers *headers);

/* ---- */

/* The joined groups, as membership_list() returns them. */
int relay_memberships(const struct relay *relay, struct membership_entry **list);

/* What receivers want. */
const struct demand *relay_demand(const struct relay *relay);

#endif
