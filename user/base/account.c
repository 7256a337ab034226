/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>

/* Bytes for the strings of one entry: more than any group with many members has. */
#define ENTRY_MOST (1U << 20)

/* One look-up, with `size` bytes for the entry's strings. Returns what getpwnam_r(3) returns: 0 and
 * *found = 0 if there is no such entry. */
typedef int (*look_up)(const char *name, char *room, size_t size, id_t ids[2], int *found);

static int look_up_user(const char *name, char *room, size_t size, id_t ids[2], int *found)
{
	struct passwd entry;
	struct passwd *result = NULL;
	int err = getpwnam_r(name, &entry, room, size, &result);

	*found = result != NULL;
	if (result) {
		ids[0] = result->pw_uid;
		ids[1] = result->pw_gid;
	}
	return err;
}

static int look_up_group(const char *name, char *room, size_t size, id_t ids[2], int *found)
{
	struct group entry;
	struct group *result = NULL;
	int err = getgrnam_r(name, &entry, room, size, &result);

	*found = result != NULL;
	if (result)
		ids[0] = ids[1] = result->gr_gid;
	return err;
}

static int find_by_name(look_up look, const char *name, id_t ids[2])
{
	int err = ERANGE;
	int found = 0;

	for (size_t size = 1024; err == ERANGE && size <= ENTRY_MOST; size *= 4) {
		char *room = malloc(size);

		if (!room)
			return -ENOMEM;
		err = look(name, room, size, ids, &found);
		free(room);
	}
	if (found)
		return 0;
	switch (err) {
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EIO:
	case EINTR:
	case ERANGE:
		return -err;
	default:
		/* The errno for a missing entry depends on where the accounts are stored. */
		return -ESRCH;
	}
}

static int find(look_up look, const char *name, id_t ids[2])
{
	int err = find_by_name(look, name, ids);
	unsigned long number;
	char *end;

	if (err != -ESRCH || *name < '0' || *name > '9')
		return err;
	errno = 0;
	number = strtoul(name, &end, 10);
	/* UINT32_MAX means "leave it unchanged" to chown(2). */
	if (errno || *end || number >= UINT32_MAX)
		return -ESRCH;
	ids[0] = ids[1] = (id_t)number;
	return 0;
}

int account_find_user(const char *name, uid_t *user, gid_t *group)
{
	id_t ids[2];
	int err = find(look_up_user, name, ids);

	if (err)
		return err;
	*user = ids[0];
	*group = ids[1];
	return 0;
}

int account_find_group(const char *name, gid_t *group)
{
	id_t ids[2];
	int err = find(look_up_group, name, ids);

	if (!err)
		*group = ids[0];
	return err;
}

bool account_is_member(uid_t user, gid_t group)
{
	struct passwd *result = NULL;
	struct passwd entry;
	gid_t *groups = NULL;
	char *room = malloc(ENTRY_MOST);
	bool member = false;
	int count = 0;

	if (room && !getpwuid_r(user, &entry, room, ENTRY_MOST, &result) && result) {
		getgrouplist(entry.pw_name, entry.pw_gid, NULL, &count);
		groups = calloc((size_t)count + 1, sizeof(*groups));
		if (groups && getgrouplist(entry.pw_name, entry.pw_gid, groups, &count) >= 0) {
			for (int i = 0; i < count; i++)
				member |= groups[i] == group;
		}
	} else {
		/* A user without an account has the group of the same number: see above. */
		member = room && !result && group == (gid_t)user;
	}
	free(groups);
	free(room);
	return member;
}
