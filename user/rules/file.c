/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"
#include "base/read_all.h"
#include "base/trust.h"
#include "rules/schema.h"
#include "rules/yaml_reader.h"

/* How the name of a file of conf.d ends; the most files there. */
#define PART_END  ".yaml"
#define PARTS_MAX 1000

static int file_error(struct errors *errors, const char *path, int err, const char *message)
{
	struct position at = {.file = path};

	if (err == -ENOMEM)
		return err;
	errors_add(errors, &at, NULL, 0, "%s%s%s, expected a readable file", message,
		   err == -EINVAL ? "" : ": ", err == -EINVAL ? "" : strerror(-err));
	return err;
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

/* A user who can change the file decides what the daemon does, and as which user. At the start, the
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

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Files that were read, the configuration file first. */
struct files {
	struct config_source *sources;
	struct trust *trusts; /* of each */
	unsigned int count;
	size_t bytes;
	bool trusted; /* only if nobody else can change them */
};

/* Open a file or directory, with what trust_open() finds. The descriptor, or -errno with an error
 * appended, except for -ENOENT. */
static int open_path(const char *path, int flags, bool trusted, struct trust *trust,
		     struct errors *errors)
{
	int fd;

	*trust = (struct trust){.owner = TRUST_NOBODY};
	if (trusted) {
		fd = trust_open(path, flags, trust);
	} else {
		fd = open(path, flags);
		fd = fd < 0 ? -errno : fd;
	}
	if (fd < 0 && trust->refused)
		return not_trusted(errors, path, trust->where, trust->text);
	if (fd < 0 && fd != -ENOENT)
		return file_error(errors, path, fd, "cannot be opened");
	return fd;
}

/* Append a file; its content is freed by files_free(). */
static int add_file(struct files *files, int fd, const char *path, const struct trust *trust,
		    struct errors *errors)
{
	struct config_source *sources =
		reallocarray(files->sources, files->count + 1UL, sizeof(*sources));
	struct trust *trusts;
	struct stat status;
	size_t length;
	char *bytes;
	int err;

	if (!sources)
		return -ENOMEM;
	files->sources = sources;
	trusts = reallocarray(files->trusts, files->count + 1UL, sizeof(*trusts));
	if (!trusts)
		return -ENOMEM;
	files->trusts = trusts;
	if (fstat(fd, &status))
		return file_error(errors, path, -errno, "cannot be examined");
	if (!S_ISREG(status.st_mode))
		return file_error(errors, path, -EINVAL,
				  S_ISDIR(status.st_mode) ? "is a directory"
							  : "is not a regular file");
	err = read_all(fd, YAML_BYTES_MAX, &bytes, &length);
	trusts[files->count] = *trust;
	sources[files->count++] = (struct config_source){path, bytes, length};
	files->bytes += length;
	return err ? file_error(errors, path, err, "cannot be read") : 0;
}

static void files_free(struct files *files)
{
	for (unsigned int i = 0; i < files->count; i++)
		free((char *)files->sources[i].bytes);
	free(files->sources);
	free(files->trusts);
}

static int read_file(struct files *files, const char *path, struct errors *errors)
{
	struct trust trust;
	int fd = open_path(path, OPEN_FLAGS, files->trusted, &trust, errors);
	int err;

	if (fd == -ENOENT)
		return file_error(errors, path, fd, "cannot be opened");
	if (fd < 0)
		return fd;
	err = add_file(files, fd, path, &trust, errors);
	close(fd);
	return err;
}

/* ---- conf.d ---- */

bool config_parts_directory(const char *path, char directory[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t before = (size_t)(name - path), length = strlen(name);

	if (strcmp(name, "xmcast.yaml") == 0)
		return snprintf(directory, PATH_MAX, "%.*sconf.d", (int)before, path) < PATH_MAX;
	if (length > strlen(PART_END) && strcmp(name + length - strlen(PART_END), PART_END) == 0)
		length -= strlen(PART_END);
	return snprintf(directory, PATH_MAX, "%.*s.d", (int)(before + length), path) < PATH_MAX;
}

/* Not hidden, and not what an editor or a package manager leaves. */
static int is_part(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > strlen(PART_END) &&
	       strcmp(entry->d_name + length - strlen(PART_END), PART_END) == 0;
}

bool config_has_parts(const char *path)
{
	char directory[PATH_MAX];
	struct dirent **entries;
	int count = config_parts_directory(path, directory)
			    ? scandir(directory, &entries, is_part, NULL)
			    : -1;

	for (int i = 0; i < count; i++)
		free(entries[i]);
	if (count >= 0)
		free(entries);
	return count > 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_parts(struct files *files, const char *directory, struct dirent **entries,
		      int count, struct errors *errors)
{
	char path[PATH_MAX + NAME_MAX + 2];
	int err = 0;

	if (count > PARTS_MAX) {
		errors_add(errors, &(struct position){.file = errors_keep_name(errors, directory)},
			   NULL, 0, "%d files, expected at most %d", count, PARTS_MAX);
		return -EINVAL;
	}
	for (int i = 0; i < count && !err; i++) {
		const char *name;

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		name = errors_keep_name(errors, path);
		err = name ? read_file(files, name, errors) : -ENOMEM;
		if (!err && files->bytes > YAML_BYTES_MAX) {
			errors_add(errors, &(struct position){.file = name}, NULL, 0,
				   "too large together with the files before, expected at most %u "
				   "bytes",
				   YAML_BYTES_MAX);
			err = -EINVAL;
		}
	}
	return err;
}

/* The files of conf.d, by name, if there are any. */
static int read_directory(struct files *files, const char *path, struct errors *errors)
{
	char directory[PATH_MAX];
	struct dirent **entries;
	struct trust trust;
	const char *name;
	int fd, count, err;

	if (!config_parts_directory(path, directory))
		return 0;
	name = errors_keep_name(errors, directory);
	if (!name)
		return -ENOMEM;
	/* Each file is checked with the path to it. */
	fd = open_path(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, files->trusted, &trust, errors);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	count = scandirat(fd, ".", &entries, is_part, compare_names);
	err = count < 0 ? file_error(errors, name, -errno, "cannot be read") : 0;
	close(fd);
	if (err)
		return err;
	err = read_parts(files, directory, entries, count, errors);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return err;
}

/* ---- the whole ---- */

static int check_owners(const struct files *files, bool start, const struct config *config,
			struct errors *errors)
{
	int err = 0;

	for (unsigned int i = 0; i < files->count && !err; i++)
		err = check_owner(&files->trusts[i], start, files->sources[i].file, config, errors);
	return err;
}

static int load(const char *path, bool trusted, bool start, struct config *config,
		struct errors *errors)
{
	struct files files = {.trusted = trusted};
	struct config loaded;
	int err;

	config_init(&loaded);
	err = read_file(&files, path, errors);
	if (!err)
		err = read_directory(&files, path, errors);
	if (!err)
		err = config_parse_sources(files.sources, files.count, &loaded, errors);
	if (!err)
		err = check_owners(&files, start, &loaded, errors);
	files_free(&files);
	if (err) {
		config_free(&loaded);
		return err;
	}
	config_free(config);
	*config = loaded;
	return 0;
}

int config_load_file(const char *path, struct config *config, struct errors *errors)
{
	return load(path, false, false, config, errors);
}

int config_load_trusted_file(const char *path, bool start, struct config *config,
			     struct errors *errors)
{
	return load(path, true, start, config, errors);
}
