/* SPDX-License-Identifier: BSD-2-Clause */
/* What was built, from git (Makefile). Any thread. */
#ifndef XMCAST_BASE_VERSION_H
#define XMCAST_BASE_VERSION_H

extern const char xmc_version[];
extern const char xmc_revision[]; /* the commit; "": unknown */
extern const char xmc_branch[];	  /* "": unknown, as in a build from a tarball */

#endif
