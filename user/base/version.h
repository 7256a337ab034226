/* SPDX-License-Identifier: BSD-2-Clause */
/* What `git describe` said when this was built, or "unknown". */
#ifndef XMCAST_BASE_VERSION_H
#define XMCAST_BASE_VERSION_H

extern const char xmc_version[];

#endif
