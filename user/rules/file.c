/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/file.h"

#include <errno.h>
#include <fcntl.h>
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

/* Whoever can write the file decides what the daemon does, what program it runs for events, as
 * whom. The user that it names may: what the daemon does, it does as that user. */
static int check_trust(const struct stat *status, const char *path, const struct config *config,
		       struct errors *errors)
{
	struct position at = {.file = path};
	uid_t user = TRUST_NOBODY;
	char text[TRUST_TEXT_SIZE];
	gid_t group;
	int err;

	if (*config->security.user)
		account_find_user(config->security.user, &user, &group);
	err = trust_file(status, user, text);
	if (err)
		errors_add(errors, &at, NULL, 0, "is not to be trusted: %s", text);
	return err;
}

static int load(int fd, const char *path, bool trusted, struct config *config,
		struct errors *errors)
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
	if (!error && trusted)
		error = check_trust(&status, path, &loaded, errors);
	if (error) {
		config_free(&loaded);
		return error;
	}
	config_free(config);
	*config = loaded;
	return 0;
}

static int load_file(const char *path, bool trusted, struct config *config, struct errors *errors)
{
	/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error;

	if (fd < 0)
		return file_error(errors, path, errno, "cannot be opened");
	error = load(fd, path, trusted, config, errors);
	close(fd);
	return error;
}

int config_load_file(const char *path, struct config *config, struct errors *errors)
{
	return load_file(path, false, config, errors);
}

int config_load_trusted_file(const char *path, struct config *config, struct errors *errors)
{
	return load_file(path, true, config, errors);
}
