/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit codes of all programs, a contract with scripts and service managers. 70, 77 and 78 are
 * EX_SOFTWARE, EX_NOPERM and EX_CONFIG of sysexits.h. */
#ifndef XMCAST_BASE_EXIT_CODES_H
#define XMCAST_BASE_EXIT_CODES_H

enum {
	EXIT_DONE = 0,
	EXIT_USAGE = 1,	      /* the command line is wrong */
	EXIT_REFUSED = 2,     /* understood but not done; xmcastd: another daemon is running */
	EXIT_UNREACHABLE = 3, /* xmcastctl: no daemon answers */
	EXIT_INTERNAL = 70,   /* out of memory or descriptors, a worker failed, a frame leaked */
	EXIT_PERMISSION = 77,
	EXIT_CONFIG = 78, /* bad configuration, or an unusable path of the control socket */
};

#endif
