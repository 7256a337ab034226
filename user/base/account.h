/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Users and groups by name or by number. NSS may open files and sockets to find them
 * (getpwnam_r(3), getgrnam_r(3)). Main thread.
 */
#ifndef XMCAST_BASE_ACCOUNT_H
#define XMCAST_BASE_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

/* Find a user and its primary group. A number that no user has is valid, and is the group as well.
 * 0; -ESRCH: no such user; -ENOMEM, -EMFILE and other -errno: it could not be looked up. */
int account_find_user(const char *name, uid_t *user, gid_t *group);

/* Find a group, likewise. */
int account_find_group(const char *name, gid_t *group);

/* Whether this is the user's primary group, or one that the user is a member of. False if that
 * cannot be found out (memory, NSS). */
bool account_is_member(uid_t user, gid_t group);

#endif
