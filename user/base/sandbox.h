/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Confining threads: packet threads have no capabilities, and every thread of the daemon has a list
 * of the system calls that it may make (seccomp(2)).
 *
 *     sandbox_start(true)             main thread, once, after everything that needs more rights
 *     sandbox_enter(SANDBOX_MAIN)     main thread, before the first other thread starts
 *     sandbox_enter(SANDBOX_INGRESS)  the thread itself, before it touches a packet
 *     sandbox_enter(SANDBOX_EGRESS)   the same, after its engine was opened
 *     sandbox_enter(SANDBOX_EXPORTER) the exporter's process, before its first client
 *
 * The lists are in tools/filters/filters.c. A thread inherits the filter of the thread that starts
 * it, so the list of MAIN includes those of INGRESS and EGRESS, and the calls that enter them.
 *
 * A call that is not on the list:
 *   MAIN             fails with EPERM, and the relay goes on. This thread runs libraries (NSS,
 *                    libbpf), which may try calls on other kernels that we have not seen, and
 *                    handle their failure. It may start no process. Of bpf(2) it has the commands
 *                    that attach and fill our own programs.
 *   INGRESS, EGRESS  kills the process (SIGSYS, exit status 159 for a shell; the kernel's log has
 *                    the number of the call). These threads run our own code only, so such a call
 *                    means that a packet has taken over the thread; since threads share their
 *                    memory, nothing less helps.
 *   EXPORTER         fails with EPERM, because it runs libraries as well. It may serve the
 *                    connections to its socket, connect Unix sockets (to the daemon) and allocate
 *                    memory; no file, no other socket, no process, no executable memory. A filter
 *                    cannot see the address of connect(2): the unit forbids all but local ones
 *                    (IPAddressDeny=).
 *
 * The lists are no boundary between threads: these share their memory, so code that runs in one can
 * make another one do what that one may (SECURITY.md).
 *
 * The calls that a sanitizer makes are allowed in builds with one (XMC_SANITIZED). io_uring is
 * invisible to seccomp: the ring has a list of its own (dataplane/engine_uring.c).
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
 * From now on sandbox_enter() confines; before, it does nothing. `filters`: with the lists of
 * calls; without, threads only drop their capabilities. Sets no_new_privs, which is inherited. 0,
 * or -errno if that fails. Main thread, before the others.
 */
int sandbox_start(bool filters);

/* Whether there are lists of calls, including that of the ring. Any thread. */
bool sandbox_filters(void);

/*
 * Confine the calling thread for good. All roles but MAIN drop all capabilities. 0, or -errno if
 * that fails, and then the thread must not run. A kernel without seccomp filters is no error: it is
 * logged once (sandbox-incomplete).
 */
int sandbox_enter(enum sandbox_role role);

/* Log that this kernel does not have the protection `part` (constant text), once for each. Any
 * thread. */
void sandbox_missing(const char *part, int err);

#endif
