/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a thread may still ask of the kernel: no capabilities for those that touch packets, and for
 * every thread of the daemon a list of the system calls that it makes (seccomp(2)).
 *
 *     sandbox_start(true)             main thread, once, when all that needs more is done
 *     sandbox_enter(SANDBOX_MAIN)     main thread, before the first other thread starts
 *     sandbox_enter(SANDBOX_INGRESS)  the thread itself, before it touches a packet
 *     sandbox_enter(SANDBOX_EGRESS)   the same, with its ring or its other engine open
 *     sandbox_enter(SANDBOX_EXPORTER) the exporter's process, before its first client
 *
 * The lists are in tools/filters/filters.c, and nowhere else. A thread inherits the filter of the
 * one that starts it: INGRESS and EGRESS are within MAIN, and so is what they need to enter.
 *
 * What is not on the list:
 *   MAIN             the call fails with EPERM and the relay goes on. This thread runs libraries
 *                    (NSS, libbpf), which try things on other kernels that we have not seen, and
 *                    handle that they fail. No new process is among what it may: hooks and exporter
 *                    are started by the launcher (daemon/launcher.h). Of bpf(2) it has the
 *                    commands that attach and fill our own program, and no others.
 *   INGRESS, EGRESS  the process is killed (SIGSYS, exit status 159 for a shell; the kernel's log
 *                    has the number of the call). They run our own code only, so that such a call
 *                    means that a packet has taken the thread over; with the memory of all of them
 *                    in its hands, nothing less helps.
 *
 *   EXPORTER         the call fails with EPERM, as of MAIN, since it runs libraries as well. It may
 *                    serve the connections that come to its socket, connect Unix sockets (to the
 *                    daemon), and get memory; no file, no other socket, no process, no executable
 *                    memory. A filter cannot see which address connect(2) is given: the unit
 * forbids all but local ones (IPAddressDeny=).
 *
 * The launcher's process has no list: whatever it starts would inherit it, and hooks may be any
 * program.
 *
 * A sanitizer's own calls are allowed in builds that have one (XMC_SANITIZED).
 * io_uring is invisible to seccomp: the ring has its own list (dataplane/engine_uring.c).
 */
#ifndef XMCAST_BASE_SANDBOX_H
#define XMCAST_BASE_SANDBOX_H

#include <stdbool.h>

enum sandbox_role {
	SANDBOX_MAIN,
	SANDBOX_INGRESS,
	SANDBOX_EGRESS,
	SANDBOX_EXPORTER,
	SANDBOX_ROLES
};

/*
 * From now on sandbox_enter() does what it says; before, nothing. `filters`: with the lists of
 * calls, else capabilities are all that is given up. Sets no_new_privs, which is inherited. 0, or
 * -errno if that cannot be had. Main thread, before the others.
 */
int sandbox_start(bool filters);

/* Whether lists of calls, the ring's included, are wanted. Any thread. */
bool sandbox_filters(void);

/*
 * Confine the calling thread, for good. All but MAIN give up all capabilities: 0, or -errno if
 * they cannot; then the thread must not run. A kernel without seccomp filters is warned of
 * (sandbox-incomplete), once, and is no error.
 */
int sandbox_enter(enum sandbox_role role);

/* Say, once for each `part` (constant text), that this kernel has no such protection. Any thread.
 */
void sandbox_lacks(const char *part, int err);

#endif
