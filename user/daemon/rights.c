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
#include "rules/file.h"

/* Made by systemd or tmpfiles.d, so it may be root's when a daemon with security.user starts. */
#define RUN_DIRECTORY "/run/xmcast"

/* The types of the running kernel. */
#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

static const struct {
	unsigned int capability;
	const char *name;
	const char *purpose;
} needed[] = {
	{CAP_NET_ADMIN, "CAP_NET_ADMIN", "to attach an XDP program"},
	{CAP_NET_RAW, "CAP_NET_RAW", "to open AF_XDP sockets"},
	{CAP_BPF, "CAP_BPF", "to load the XDP program"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool has(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

const char *rights_missing_for_kernel_path(void)
{
	/* CAP_SYS_ADMIN includes CAP_PERFMON, but is kept only instead of CAP_BPF. */
	if (capng_get_caps_process() ||
	    (!has(CAP_PERFMON) && (!has(CAP_SYS_ADMIN) || has(CAP_BPF))))
		return "CAP_PERFMON";
	/* The programs that count what devices do with redirected packets are loaded with it. */
	if (access(KERNEL_BTF, R_OK))
		return "a kernel with BTF (CONFIG_DEBUG_INFO_BTF)";
	return NULL;
}

int rights_check(void)
{
	int result = 0;

	if (capng_get_caps_process())
		return 0; /* the first call that is refused will say so */
	for (unsigned int i = 0; i < COUNT(needed); i++) {
		if (has(needed[i].capability) ||
		    (needed[i].capability == CAP_BPF && has(CAP_SYS_ADMIN)))
			continue;
		log_error("permission-missing", LOG_NAME("capability", needed[i].name),
			  LOG_TEXT("reason", needed[i].purpose),
			  LOG_TEXT("hint",
				   "run as root, or with "
				   "cap_net_admin,cap_net_raw,cap_bpf,cap_perfmon,cap_ipc_lock"));
		result = -EPERM;
	}
	return result;
}

/* ---- capabilities ---- */

/* Fill libcap-ng's state with the capabilities of the table in rights.h that we have. Returns 0 and
 * whether we may change the bounding set, or -EPERM. */
static int choose_capabilities(bool ipc_lock, bool *may_bound)
{
	unsigned int chosen[COUNT(needed) + 2];
	size_t count = 0;

	if (capng_get_caps_process())
		return -EPERM;
	*may_bound = has(CAP_SETPCAP);
	for (size_t i = 0; i < COUNT(needed); i++) {
		if (has(needed[i].capability))
			chosen[count++] = needed[i].capability;
		else if (needed[i].capability == CAP_BPF && has(CAP_SYS_ADMIN))
			chosen[count++] = CAP_SYS_ADMIN;
	}
	if (has(CAP_PERFMON))
		chosen[count++] = CAP_PERFMON;
	if (ipc_lock && has(CAP_IPC_LOCK))
		chosen[count++] = CAP_IPC_LOCK;
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < count; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, chosen[i]);
	return 0;
}

/* ---- limits ---- */

/* Each output needs two sockets. The soft limit of 1024 is for programs that use select(2). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_debug("descriptor-limit-failed", LOG_ERROR(-errno));
}

/* The memory of packets is locked. Without a limit for that, CAP_IPC_LOCK is not needed. */
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
	gid_t control_group; /* a file can only be given to a group that one is in */
	bool has_control_group;
};

static int find_identity(const struct config *config, struct identity *identity)
{
	const struct security_config *security = &config->security;
	int err = account_find_user(security->user, &identity->user, &identity->group);
	const char *missing = "no such user";

	if (!err && *security->group) {
		err = account_find_group(security->group, &identity->group);
		missing = "no such group";
	}
	if (err) {
		log_error("user-unknown", LOG_TEXT("user", security->user),
			  *security->group ? LOG_TEXT("of", security->group) : LOG_NONE,
			  LOG_TEXT("error", err == -ESRCH ? missing : strerror(-err)),
			  LOG_TEXT("hint",
				   "create it with useradd --system, or change security.user"));
		return err;
	}
	/* A missing control group is reported where it is used. */
	identity->has_control_group =
		*config->control.group &&
		!account_find_group(config->control.group, &identity->control_group) &&
		identity->control_group != identity->group;
	return 0;
}

/* Give the user this file if it is root's. By descriptor, and not with a second link: the user may
 * own the directory, and link a file of root's there. */
static int give_file(int directory, const char *name, const struct identity *identity)
{
	int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	int err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &status))
		err = -errno;
	else if (status.st_uid == 0 && status.st_nlink == 1 &&
		 (S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode)) &&
		 fchownat(fd, "", identity->user, identity->group, AT_EMPTY_PATH))
		err = -errno;
	close(fd);
	return err;
}

/* Give the user what a daemon that ran as root has left: its lock, and its socket if it was killed.
 */
static void give_leftovers(int directory, const char *name, const struct identity *identity)
{
	char lock[NAME_MAX + 1];
	const char *const names[] = {name, lock};

	snprintf(lock, sizeof(lock), "%s.lock", name);
	for (size_t i = 0; i < COUNT(names); i++) {
		int err = give_file(directory, names[i], identity);

		if (err)
			log_debug("user-directory-failed", LOG_TEXT("path", names[i]),
				  LOG_ERROR(err));
	}
}

/* Any other directory that exists stays as it is: opening the socket shows whether it will do. */
static void prepare_directory(const char *socket, const struct identity *identity)
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
	if (!made && strcmp(path, RUN_DIRECTORY) != 0)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, identity->user, identity->group))
		log_debug("user-directory-failed", LOG_TEXT("path", path), LOG_ERROR(-errno));
	else
		give_leftovers(fd, basename(name), identity);
	if (fd >= 0)
		close(fd);
}

static int change_identity(const struct identity *identity)
{
	bool may_bound;
	int err;

	if (setgroups(identity->has_control_group, &identity->control_group))
		return -errno;
	err = choose_capabilities(true, &may_bound);
	if (err)
		return err;
	errno = EPERM; /* for what is no system call's failure */
	if (capng_change_id((int)identity->user, (int)identity->group, CAPNG_CLEAR_BOUNDING))
		return -errno;
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
		prepare_directory(socket, &identity);
	err = change_identity(&identity);
	if (err)
		log_error("user-change-failed", LOG_TEXT("user", user), LOG_ERROR(err),
			  LOG_TEXT("hint", "start xmcastd as root, or as that user"));
	return err;
}

/* ---- what is left in the end ---- */

static int drop_the_rest(void)
{
	bool may_bound;
	int err = choose_capabilities(memory_is_limited(), &may_bound);

	if (err)
		return err;
	/* If it cannot be emptied, no_new_privs makes it meaningless. */
	if (may_bound && capng_apply(CAPNG_SELECT_BOUNDS))
		return -EPERM;
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	/* After the last change of user or capabilities, which may reset it. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0;
}

int rights_reduce(void)
{
	char *text;
	int err = drop_the_rest();

	if (err) {
		log_error("rights-failed", LOG_ERROR(err));
		return err;
	}
	text = capng_print_caps_text(CAPNG_PRINT_BUFFER, CAPNG_PERMITTED);
	log_info("rights", LOG_UINT("uid", geteuid()), LOG_UINT("gid", getegid()),
		 LOG_TEXT("capabilities", text ? text : ""));
	free(text);
	return 0;
}

static void warn_unreadable(const char *path, int mode)
{
	if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) && errno != ENOENT)
		log_warning("config-unreadable", LOG_TEXT("path", path), LOG_ERROR(-errno),
			    LOG_TEXT("hint", "as the user that it is now, the daemon cannot reload "
					     "it"));
}

void rights_warn(const struct config *config, const char *path)
{
	char directory[PATH_MAX], parts[PATH_MAX];
	struct stat file;
	int err = 0;

	if (!path || strlen(path) >= sizeof(directory))
		return;
	strcpy(directory, path);
	warn_unreadable(path, R_OK);
	if (config_parts_directory(path, parts))
		warn_unreadable(parts, R_OK | X_OK);
	for (unsigned int i = 0; i < config->nr_parts; i++)
		warn_unreadable(config->parts[i].path, R_OK);
	if (!config->control.save_changes)
		return;
	if (faccessat(AT_FDCWD, dirname(directory), W_OK | X_OK, AT_EACCESS))
		err = -errno;
	else if (!stat(path, &file) && file.st_uid != geteuid())
		err = -EPERM; /* a new file in its place could not keep the owner */
	if (err)
		log_warning("config-unwritable", LOG_TEXT("path", path), LOG_ERROR(err),
			    LOG_TEXT("hint", "changes cannot be saved: the directory, and the "
					     "file, must belong to the daemon's user"));
}
