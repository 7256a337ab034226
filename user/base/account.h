/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users and groups by name, or by number. What NSS has to do for that may open files and sockets
 * (getpwnam_r(3), getgrnam_r(3)). Main thread.
 */
#ifndef XMCAST_BASE_ACCOUNT_H
#define XMCAST_BASE_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

/* The user, and the group that is the user's own (with a number that nobody has: the same number).
 * 0; -ESRCH: there is none; -ENOMEM, -ERANGE. */
int account_find_user(const char *name, uid_t *user, gid_t *group);

/* The same for a group. */
int account_find_group(const char *name, gid_t *group);

/* Is this group the user's own, or one that the user is a member of? False also if that cannot be
 * found out (memory, NSS). */
bool account_is_member(uid_t user, gid_t group);

#endif
