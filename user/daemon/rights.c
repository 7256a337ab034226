/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/rights.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"
#include "base/log.h"

#define OWN_FOLDER "/run/xmcast"

static const struct {
	unsigned int capability;
	const char *name;
	const char *what;
} needed[] = {
	{CAP_NET_ADMIN, "CAP_NET_ADMIN", "to attach an XDP program"},
	{CAP_NET_RAW, "CAP_NET_RAW", "to open AF_XDP sockets"},
	{CAP_BPF, "CAP_BPF", "to load the XDP program"},
};

/* Kept until it is known whether they are needed. */
static const unsigned int perhaps[] = {CAP_PERFMON, CAP_IPC_LOCK};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool has(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

int rights_check(void)
{
	int result = 0;

	if (capng_get_caps_process())
		return 0; /* then the first call that lacks a right says so */
	for (unsigned int i = 0; i < COUNT(needed); i++) {
		if (has(needed[i].capability) ||
		    (needed[i].capability == CAP_BPF && has(CAP_SYS_ADMIN)))
			continue;
		log_error("permission-missing", LOG_NAME("capability", needed[i].name),
			  LOG_TEXT("reason", needed[i].what),
			  LOG_TEXT("hint",
				   "run as root, or with "
				   "cap_net_admin,cap_net_raw,cap_bpf,cap_perfmon,cap_ipc_lock"));
		result = -EPERM;
	}
	return result;
}

/* ---- sets of capabilities ---- */

struct set {
	bool has[64];
};

/* What we need and have, with those of `perhaps`. */
static int read_set(struct set *set)
{
	memset(set, 0, sizeof(*set));
	if (capng_get_caps_process())
		return -EPERM;
	for (size_t i = 0; i < COUNT(needed); i++)
		set->has[needed[i].capability] = has(needed[i].capability);
	for (size_t i = 0; i < COUNT(perhaps); i++)
		set->has[perhaps[i]] = has(perhaps[i]);
	/* In place of CAP_BPF, of which it is a superset; see rights_check(). */
	set->has[CAP_SYS_ADMIN] = !set->has[CAP_BPF] && has(CAP_SYS_ADMIN);
	return 0;
}

/* Into libcap-ng's memory, all else out of it. */
static void choose(const struct set *set, capng_type_t types)
{
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned int i = 0; i < COUNT(set->has); i++) {
		if (set->has[i])
			capng_update(CAPNG_ADD, types, i);
	}
}

/* ---- limits ---- */

/* Two sockets per output: the soft limit of 1024 is for programs that use select(2). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_debug("descriptor-limit-failed", LOG_ERROR(-errno));
}

/* Memory of packets is locked: without a limit of that, CAP_IPC_LOCK is of no use. */
static void raise_memory_limit(void)
{
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

	if (capng_get_caps_process() == 0 && has(CAP_SYS_RESOURCE) &&
	    setrlimit(RLIMIT_MEMLOCK, &none))
		log_debug("memory-limit-failed", LOG_ERROR(-errno));
}

static bool memory_is_limited(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY;
}

/* ---- becoming a user ---- */

struct identity {
	uid_t user;
	gid_t group;
	gid_t others[2];
	unsigned int nr_others;
};

/* The groups of control: a file may only be given to a group that one is in. */
static void add_group(struct identity *identity, const char *name)
{
	gid_t group;

	/* One that is not there is told of where it is used. */
	if (*name && !account_find_group(name, &group) && group != identity->group)
		identity->others[identity->nr_others++] = group;
}

static int find_identity(const struct config *config, struct identity *identity)
{
	const struct security_config *security = &config->security;
	int err = account_find_user(security->user, &identity->user, &identity->group);

	if (!err && *security->group)
		err = account_find_group(security->group, &identity->group);
	if (err) {
		log_error(
			"user-unknown", LOG_TEXT("user", security->user),
			LOG_TEXT("of", security->group),
			LOG_TEXT("error", err == -ESRCH ? "no such user or group" : strerror(-err)),
			LOG_TEXT("hint",
				 "create it with useradd --system, or change security.user"));
		return -ESRCH;
	}
	identity->nr_others = 0;
	add_group(identity, config->control.group);
	return 0;
}

/* What a daemon that was root has left: its lock, and its socket if it was killed. */
static void give_leftovers(int folder, const char *name, const struct identity *identity)
{
	char lock[NAME_MAX + 1];
	const char *const names[] = {name, lock};

	snprintf(lock, sizeof(lock), "%s.lock", name);
	for (size_t i = 0; i < COUNT(names); i++) {
		struct stat status;

		if (!fstatat(folder, names[i], &status, AT_SYMLINK_NOFOLLOW) &&
		    status.st_uid == 0 && (S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode)) &&
		    fchownat(folder, names[i], identity->user, identity->group,
			     AT_SYMLINK_NOFOLLOW))
			log_debug("user-folder-failed", LOG_TEXT("path", names[i]),
				  LOG_ERROR(-errno));
	}
}

/* A folder that is not ours stays as it is: whether it will do is seen when the socket is made. */
static void prepare_folder(const char *socket, const struct identity *identity)
{
	char copy[PATH_MAX];
	char name[PATH_MAX];
	const char *path;
	bool made;
	int fd;

	if (strlen(socket) >= sizeof(copy))
		return;
	strcpy(copy, socket);
	strcpy(name, socket);
	path = dirname(copy);
	made = mkdir(path, 0755) == 0;
	if (!made && strcmp(path, OWN_FOLDER) != 0)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, identity->user, identity->group))
		log_debug("user-folder-failed", LOG_TEXT("path", path), LOG_ERROR(-errno));
	else
		give_leftovers(fd, basename(name), identity);
	if (fd >= 0)
		close(fd);
}

static int change_identity(const struct identity *identity)
{
	struct set set;
	int err = read_set(&set);

	if (err)
		return err;
	if (setgroups(identity->nr_others, identity->others))
		return -errno;
	choose(&set, CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	if (capng_change_id((int)identity->user, (int)identity->group, CAPNG_CLEAR_BOUNDING))
		return -EPERM;
	if (getuid() != identity->user || geteuid() != identity->user || setuid(0) == 0)
		return -EPERM;
	return 0;
}

int rights_become(const struct config *config, const char *socket)
{
	const char *user = config->security.user;
	struct identity identity;
	int err;

	raise_descriptor_limit();
	raise_memory_limit();
	if (!*user)
		return 0;
	err = find_identity(config, &identity);
	if (err)
		return err;
	if (identity.user == 0 || identity.user == geteuid())
		return 0;
	if (geteuid() == 0)
		prepare_folder(socket, &identity);
	err = change_identity(&identity);
	if (err)
		log_error("user-change-failed", LOG_TEXT("user", user), LOG_ERROR(err),
			  LOG_TEXT("hint", "start xmcastd as root, or as that user"));
	return err;
}

/* ---- what is left in the end ---- */

static int apply(const struct set *set)
{
	bool bounding = has(CAP_SETPCAP);

	choose(set, CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	/* Without CAP_SETPCAP it stays; no_new_privs makes it meaningless. */
	if (bounding && capng_apply(CAPNG_SELECT_BOUNDS))
		return -EPERM;
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

int rights_reduce(void)
{
	struct set set;
	char *text;
	int err = read_set(&set);

	if (!err && !memory_is_limited())
		set.has[CAP_IPC_LOCK] = false;
	if (!err)
		err = apply(&set);
	if (err) {
		log_error("rights-failed", LOG_ERROR(err));
		return err;
	}
	choose(&set, CAPNG_EFFECTIVE | CAPNG_PERMITTED);
	text = capng_print_caps_text(CAPNG_PRINT_BUFFER, CAPNG_PERMITTED);
	log_info("rights", LOG_UINT("uid", geteuid()), LOG_UINT("gid", getegid()),
		 LOG_TEXT("capabilities", text ? text : ""));
	free(text);
	return 0;
}

void rights_warn(const struct config *config, const char *path)
{
	char folder[PATH_MAX];

	if (!path || strlen(path) >= sizeof(folder))
		return;
	strcpy(folder, path);
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS))
		log_warning("config-unreadable", LOG_TEXT("path", path), LOG_ERROR(-errno),
			    LOG_TEXT("hint",
				     "the daemon, as the user that it is now, cannot reload it"));
	if (config->control.save_changes &&
	    faccessat(AT_FDCWD, dirname(folder), W_OK | X_OK, AT_EACCESS))
		log_warning("config-unwritable", LOG_TEXT("path", path), LOG_ERROR(-errno),
			    LOG_TEXT("hint", "changes cannot be saved: the folder, and the file, "
					     "must belong to the daemon's user"));
}
