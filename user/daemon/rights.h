/* SPDX-License-Identifier: BSD-2-Clause */
/* The capabilities that the daemon needs (capabilities(7)). */
#ifndef XMCAST_DAEMON_RIGHTS_H
#define XMCAST_DAEMON_RIGHTS_H

/* 0, or -EPERM after logging every capability that is missing and how to grant it. */
int rights_check(void);

#endif
