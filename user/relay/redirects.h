/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces by which kernel paths send: how they are now, and what becomes of the packets that
 * the XDP programs of the intakes redirect to them (steering/transmits.h).
 *
 * A device may refuse redirected packets although it seemed able to transmit them: some drivers
 * need an XDP program or a free queue of their own. The kernel reports that only to its
 * tracepoints. Such a device counts as refusing for REFUSED_NS, or until its interface changes.
 *
 * Main thread. Watching needs CAP_BPF and CAP_PERFMON, the rest no privilege.
 */
#ifndef XMCAST_RELAY_REDIRECTS_H
#define XMCAST_RELAY_REDIRECTS_H

#include "base/clock.h"
#include "links/link.h"
#include "links/netlink.h"
#include "relay/counts.h"
#include "steering/transmits.h"

/* How long a device that has refused packets is not used. */
#define REFUSED_NS (30 * NS_PER_SECOND)

struct redirects;

/* 0 or -errno (-EMFILE, -ENOMEM). */
int redirects_open(struct redirects **out);
void redirects_close(struct redirects *redirects); /* accepts NULL */

/* A socket for next hops and neighbours (links/next_hop.h). */
struct netlink *redirects_netlink(struct redirects *redirects);

/* ---- how they are now ---- */

/*
 * An interface by name or by index. It is queried once and remembered until redirects_look(), which
 * every pass over the rules calls first. 0; -ENODEV: it does not exist; other -errno: it could not
 * be queried.
 */
int redirects_find(struct redirects *redirects, const char *name, struct link *link);
int redirects_find_index(struct redirects *redirects, int ifindex, struct link *link);
void redirects_look(struct redirects *redirects);

/* ---- what becomes of redirected packets ---- */

/* Count from now on what becomes of packets that the intake `from` redirects to the device `to`
 * (indexes of interfaces), in skb mode or not. Does nothing if they are counted already. 0 or
 * -errno, see transmits_watch(). */
int redirects_watch(struct redirects *redirects, int from, int to, bool skb);

/* The same for packets that may be redirected later: nobody may ever want them, so it leaves half
 * of the pairs that can be watched to those that are needed. */
void redirects_prepare(struct redirects *redirects, int from, int to, bool skb);

/* The interface `member` is a member of the bond that is the intake `bond`: in native mode, its
 * packets count as the bond's. bond 0: it is not any more. 0 or -errno, see transmits_set_bond().
 */
int redirects_set_bond(struct redirects *redirects, int member, int bond);

/* The intake is closed: forget its counters. */
void redirects_forget(struct redirects *redirects, int from);

/* ---- from one process to the next ---- */

/* What a successor needs to count on. False: nothing is counted. */
bool redirects_describe(const struct redirects *redirects, struct transmits_adoption *as);

/* Go on with the counters of another process, whose descriptors stay open until
 * redirects_set_owner(). NULL: there is none. */
void redirects_adopt(struct redirects *redirects, const struct transmits_adoption *from);

/* See transmits_set_owner(). */
void redirects_set_owner(struct redirects *redirects, bool owner);

/* Add what another process has counted for packets from an intake to a device of this name: `all`,
 * or only `before`, which its maps do not have, if they were adopted. */
void redirects_carry(struct redirects *redirects, int from, const char *device,
		     const struct xmc_device_counts *all, const struct xmc_device_counts *before);

/* The counters of the other process are lost, and so is what its maps, which were adopted, have
 * counted until now. */
void redirects_forget_counters(struct redirects *redirects);

/* What its maps do not have: of devices that had the same name before, and of processes. */
void redirects_before(const struct redirects *redirects, int from, const char *device,
		      struct xmc_device_counts *before);

/* Does any intake redirect packets to this device? */
bool redirects_use(const struct redirects *redirects, int to);

/* Does the device refuse the intake's packets? */
bool redirects_refuse(const struct redirects *redirects, int from, int to);

/* The interface has changed: try it again. */
void redirects_forgive(struct redirects *redirects, int to);

/* Read the counters. True: a device refuses packets now that did not, or the other way round. Call
 * it about twice a second. */
bool redirects_check(struct redirects *redirects, uint64_t now_ns);

/* What the devices did with the packets of an intake: *count entries that the caller frees, or NULL
 * if there are none, or no memory. The names are valid until the next redirects_watch() or
 * redirects_forget(). */
struct redirect_counts *redirects_counts(const struct redirects *redirects, int from,
					 unsigned int *count);

#endif
