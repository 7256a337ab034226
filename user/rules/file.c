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

/* The first read of a file that does not say its size, such as one in /proc. */
#define FIRST_READ 4096

static int file_error(struct errors *errors, const char *path, int error, const char *message)
{
	struct position at = {.file = path};

	if (error == ENOMEM)
		return -ENOMEM;
	errors_add(errors, &at, NULL, 0, "%s%s%s, expected a readable file", message,
		   error == EINVAL ? "" : ": ", error == EINVAL ? "" : strerror(error));
	return -error;
}

/* Read until the end, or until one byte more than is allowed. */
static int read_all(int fd, char **bytes, size_t *length)
{
	size_t limit = YAML_BYTES_MAX + 1, size = FIRST_READ, used = 0;
	char *buffer = NULL, *larger;
	ssize_t count;
	int error;

	while (used < limit) {
		if (used == size)
			size *= 2;
		if (size > limit)
			size = limit;
		larger = realloc(buffer, size);
		if (!larger)
			goto failed;
		buffer = larger;
		count = read(fd, buffer + used, size - used);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			goto failed;
		if (count == 0)
			break;
		used += (size_t)count;
	}
	*bytes = buffer;
	*length = used;
	return 0;
failed:
	error = errno;
	free(buffer);
	return -error;
}

static int not_trusted(struct errors *errors, const char *path, const char *where, const char *text)
{
	struct position at = {.file = path};

	errors_add(errors, &at, NULL, 0, "is not to be trusted: %s: %s", where, text);
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
			 "it belongs to user %u, which is not a member of the group of %s", owner,
			 groups[i].setting);
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
	char *bytes = NULL;
	size_t length = 0;
	int error;

	if (fstat(fd, &status))
		return file_error(errors, path, errno, "cannot be examined");
	if (S_ISDIR(status.st_mode))
		return file_error(errors, path, EINVAL, "is a directory");
	if (!S_ISREG(status.st_mode))
		return file_error(errors, path, EINVAL, "is not a regular file");
	error = read_all(fd, &bytes, &length);
	if (error)
		return file_error(errors, path, -error, "cannot be read");
	config_init(&loaded);
	error = config_parse_yaml(bytes, length, path, &loaded, errors);
	free(bytes);
	if (!error && trust)
		error = check_owner(trust, start, path, &loaded, errors);
	if (error) {
		config_free(&loaded);
		return error;
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
	int error;

	if (fd < 0)
		return file_error(errors, path, errno, "cannot be opened");
	error = load(fd, path, NULL, false, config, errors);
	close(fd);
	return error;
}

int config_load_trusted_file(const char *path, bool start, struct config *config,
			     struct errors *errors)
{
	struct trust trust;
	int fd = trust_open(path, OPEN_FLAGS, &trust);
	int error;

	if (fd < 0 && trust.refused)
		return not_trusted(errors, path, trust.where, trust.text);
	if (fd < 0)
		return file_error(errors, path, -fd, "cannot be opened");
	error = load(fd, path, &trust, start, config, errors);
	close(fd);
	return error;
}
