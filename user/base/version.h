/* SPDX-License-Identifier: BSD-2-Clause */
/* The output of `git describe` when this was built, or "unknown". */
#ifndef XMCAST_BASE_VERSION_H
#define XMCAST_BASE_VERSION_H

extern const char xmc_version[];

#endif
