/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit codes of all programs: part of the contract with scripts. */
#ifndef XMCAST_BASE_EXIT_CODES_H
#define XMCAST_BASE_EXIT_CODES_H

enum {
	EXIT_DONE = 0,
	EXIT_USAGE = 1, /* the command line is wrong */
	EXIT_REFUSED =
		2, /* understood, and not done; for the daemon: somebody else has the place */
	EXIT_UNREACHABLE = 3, /* xmcastctl: no daemon answers */
	EXIT_INTERNAL = 70,   /* out of memory or descriptors, a worker failed, a frame leaked
			       * (EX_SOFTWARE of sysexits.h) */
	EXIT_PERMISSION = 77, /* EX_NOPERM */
	EXIT_CONFIG = 78,     /* EX_CONFIG */
};

#endif
