/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"
#include "base/trust.h"
#include "rules/schema.h"
#include "rules/yaml_reader.h"

/* Bytes of the first read; the buffer doubles, because files in /proc do not say their size. */
#define FIRST_READ 4096

static int file_error(struct errors *errors, const char *path, int err, const char *message)
{
	struct position at = {.file = path};

	if (err == -ENOMEM)
		return err;
	errors_add(errors, &at, NULL, 0, "%s%s%s, expected a readable file", message,
		   err == -EINVAL ? "" : ": ", err == -EINVAL ? "" : strerror(-err));
	return err;
}

/* Read until the end, or until there is more than is allowed. *bytes is the caller's, also on
 * failure. 0 or -errno. */
static int read_all(int fd, char **bytes, size_t *length)
{
	size_t room = 0;
	ssize_t count = 1;

	*bytes = NULL;
	*length = 0;
	while (count > 0 && *length <= YAML_BYTES_MAX) {
		if (*length == room) {
			char *larger = realloc(*bytes, room ? 2 * room : FIRST_READ);

			if (!larger)
				return -ENOMEM;
			*bytes = larger;
			room = room ? 2 * room : FIRST_READ;
		}
		count = read(fd, *bytes + *length, room - *length);
		if (count > 0)
			*length += (size_t)count;
	}
	return count < 0 ? -errno : 0;
}

static int not_trusted(struct errors *errors, const char *path, const char *where, const char *text)
{
	struct position at = {.file = path};

	errors_add(errors, &at, NULL, 0, "is not trusted: %s: %s", where, text);
	return -EACCES;
}

/* The groups that the file gives rights to must be the owner's own: otherwise a user could have
 * root lend it any group of the system. */
static int check_groups(uid_t owner, const char *path, const struct config *config,
			struct errors *errors)
{
	const struct {
		const char *setting;
		const char *name;
	} groups[] = {
		{"security.group", config->security.group},
		{"control.group", config->control.group},
		{"control.admin_group", config->control.admin_group},
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		char text[TRUST_TEXT_SIZE];
		gid_t group;

		if (!*groups[i].name || account_find_group(groups[i].name, &group) ||
		    account_is_member(owner, group))
			continue;
		snprintf(text, sizeof(text),
			 "user %u, the owner of the file or of its directory, is not in this group "
			 "(%s): add the user to it, or run `chown root`",
			 owner, groups[i].setting);
		return not_trusted(errors, path, groups[i].name, text);
	}
	return 0;
}

/* Whoever can change the file decides what the daemon does, and as which user. At the start, the
 * user that the file itself names may own it: as root, the daemon does nothing but become it. */
static int check_owner(const struct trust *trust, bool start, const char *path,
		       const struct config *config, struct errors *errors)
{
	uid_t user = TRUST_NOBODY;
	gid_t group;

	if (trust->owner == TRUST_NOBODY)
		return 0;
	if (start && *config->security.user)
		account_find_user(config->security.user, &user, &group);
	if (trust->owner != user)
		return not_trusted(errors, path, trust->where, trust->text);
	return check_groups(trust->owner, path, config, errors);
}

/* `trust`: NULL, or what trust_open() has found. */
static int load(int fd, const char *path, const struct trust *trust, bool start,
		struct config *config, struct errors *errors)
{
	struct config loaded;
	struct stat status;
	size_t length = 0;
	char *bytes;
	int err;

	if (fstat(fd, &status))
		return file_error(errors, path, -errno, "cannot be examined");
	if (!S_ISREG(status.st_mode))
		return file_error(errors, path, -EINVAL,
				  S_ISDIR(status.st_mode) ? "is a directory"
							  : "is not a regular file");
	config_init(&loaded);
	err = read_all(fd, &bytes, &length);
	if (err)
		err = file_error(errors, path, err, "cannot be read");
	else
		err = config_parse_yaml(bytes, length, path, &loaded, errors);
	free(bytes);
	if (!err && trust)
		err = check_owner(trust, start, path, &loaded, errors);
	if (err) {
		config_free(&loaded);
		return err;
	}
	config_free(config);
	*config = loaded;
	return 0;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

int config_load_file(const char *path, struct config *config, struct errors *errors)
{
	int fd = open(path, OPEN_FLAGS);
	int err;

	if (fd < 0)
		return file_error(errors, path, -errno, "cannot be opened");
	err = load(fd, path, NULL, false, config, errors);
	close(fd);
	return err;
}

int config_load_trusted_file(const char *path, bool start, struct config *config,
			     struct errors *errors)
{
	struct trust trust;
	int fd = trust_open(path, OPEN_FLAGS, &trust);
	int err;

	if (fd < 0 && trust.refused)
		return not_trusted(errors, path, trust.where, trust.text);
	if (fd < 0)
		return file_error(errors, path, fd, "cannot be opened");
	err = load(fd, path, &trust, start, config, errors);
	close(fd);
	return err;
}
