// SPDX-License-Identifier: BSD-2-Clause
/* Who could change what a path leads to: files, directories, links, ACLs. As root, with other
 * users. */
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/errors.h"
#include "base/trust.h"
#include "control/listener.h"
#include "rules/file.h"

#define STRANGER 65534
#define ANOTHER	 65533

static char directory[64];
static char path[128];
static struct trust trust;

static int set_up(void **state)
{
	watchdog_start("trust");
	strcpy(directory, "/tmp/xmc-trust-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	return chmod(directory, 0755);
}

static int tear_down(void **state)
{
	char command[128];

	watchdog_stop();
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return system(command); /* NOLINT(cert-env33-c): our own directory */
}

static const char *in_directory(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* ---- files ---- */

/* Open it for a caller that trusts root and itself; the reason is in trust.text. */
static int look(const char *name)
{
	int fd = trust_open_ours(in_directory(name), O_RDONLY, &trust);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void make_file(const char *name, uid_t user, gid_t group, mode_t mode)
{
	int fd = open(in_directory(name), O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, user, group), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void test_files(void **state)
{
	static const struct {
		uid_t user;
		gid_t group;
		mode_t mode;
		int result;
		const char *text;
	} files[] = {
		{0, 0, 0644, 0, ""},
		{0, 0, 0664, 0, ""}, /* root's group is root */
		{0, STRANGER, 0644, 0, ""},
		{0, STRANGER, 0664, -EACCES,
		 "unsafe mode 0664, group 65534: run `chmod go-w` on it"},
		{0, 0, 0646, -EACCES, "unsafe mode 0646, group 0: run `chmod go-w` on it"},
		{STRANGER, 0, 0600, -EACCES, "unsafe owner 65534: run `chown root` on it"},
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		make_file("file", files[i].user, files[i].group, files[i].mode);
		assert_int_equal(look("file"), files[i].result);
		assert_int_equal(trust.refused, files[i].result != 0);
		assert_string_equal(trust.text, files[i].text);
		if (files[i].result)
			assert_string_equal(trust.where, path);
	}
	assert_int_equal(look("none"), -ENOENT);
	assert_false(trust.refused);
	assert_int_equal(look(""), 0); /* the directory itself */
}

/* An ACL as setfacl(1) writes it: one more user may write, and the group bits of the mode show only
 * its mask. */
static void allow(const char *name, uid_t user)
{
	struct {
		uint32_t version;
		struct {
			uint16_t tag, rights;
			uint32_t id;
		} entries[5];
	} acl = {2,
		 {{0x01, 6, (uint32_t)-1},
		  {0x02, 6, user},
		  {0x04, 4, (uint32_t)-1},
		  {0x10, 6, (uint32_t)-1},
		  {0x20, 4, (uint32_t)-1}}};

	assert_int_equal(
		setxattr(in_directory(name), "system.posix_acl_access", &acl, sizeof(acl), 0), 0);
}

static void test_acl(void **state)
{
	make_file("file", 0, 0, 0644);
	allow("file", STRANGER);
	assert_int_equal(look("file"), -EACCES);
	assert_string_equal(trust.text, "unsafe ACL: run `setfacl -b` on it");
	assert_int_equal(removexattr(in_directory("file"), "system.posix_acl_access"), 0);
	assert_int_equal(look("file"), 0);
	assert_int_equal(mkdir(in_directory("open"), 0755), 0);
	make_file("open/file", 0, 0, 0644);
	allow("open", STRANGER);
	assert_int_equal(look("open/file"), -EACCES);
	assert_string_equal(trust.where, in_directory("open"));
}

/* The owner of the path is reported to a caller that may trust it; there is only one. */
static void test_owner(void **state)
{
	int fd;

	assert_int_equal(mkdir(in_directory("home"), 0755), 0);
	assert_int_equal(chown(in_directory("home"), STRANGER, 0), 0);
	make_file("home/file", 0, 0, 0644);
	fd = trust_open(in_directory("home/file"), O_RDONLY, &trust);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(trust.owner, STRANGER);
	assert_false(trust.refused);
	assert_string_equal(trust.where, in_directory("home"));
	assert_int_equal(look("home/file"), -EACCES);
	assert_true(trust.refused);
	make_file("home/file", ANOTHER, 0, 0644);
	assert_int_equal(trust_open(in_directory("home/file"), O_RDONLY, &trust), -EACCES);
	assert_true(trust.refused);
	assert_string_equal(trust.where, in_directory("home/file"));
}

/* ---- directories ---- */

static int look_above(const char *name, const char *expected_where)
{
	int fd = trust_open_directory_ours(in_directory(name), &trust);

	if (fd == -EACCES)
		assert_string_equal(trust.where, in_directory(expected_where));
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void test_directories(void **state)
{
	assert_int_equal(look_above("socket", ""), 0);
	assert_int_equal(mkdir(in_directory("a"), 0755), 0);
	assert_int_equal(mkdir(in_directory("a/b"), 0755), 0);
	assert_int_equal(look_above("a/b/socket", ""), 0);
	assert_int_equal(chmod(in_directory("a"), 0777), 0);
	assert_int_equal(look_above("a/b/socket", "a"), -EACCES);
	assert_non_null(strstr(trust.text, "mode 0777"));
	assert_int_equal(chmod(in_directory("a"), 01777), 0);
	assert_int_equal(look_above("a/b/socket", ""), 0);
	assert_int_equal(chown(in_directory("a/b"), STRANGER, 0), 0);
	assert_int_equal(look_above("a/b/socket", "a/b"), -EACCES);
	assert_int_equal(look_above("none/socket", ""), -ENOENT);
}

/* What is above a relative path counts as well. */
static void test_relative(void **state)
{
	int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(before >= 0);
	assert_int_equal(mkdir(in_directory("sub"), 0755), 0);
	make_file("sub/file", 0, 0, 0644);
	assert_int_equal(chdir(in_directory("sub")), 0);
	assert_int_equal(close(trust_open_ours("file", O_RDONLY, &trust)), 0);
	assert_int_equal(close(trust_open_ours("../sub/./file", O_RDONLY, &trust)), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(trust_open_ours("file", O_RDONLY, &trust), -EACCES);
	assert_string_equal(trust.where, directory);
	assert_int_equal(fchdir(before), 0);
	close(before);
}

/* A link along the path: root's own is fine, a stranger's is not, whatever it leads to; and the
 * path to the target of root's link is checked as well. */
static void test_links(void **state)
{
	assert_int_equal(mkdir(in_directory("real"), 0755), 0);
	make_file("real/file", 0, 0, 0644);
	assert_int_equal(symlink("real", in_directory("link")), 0);
	assert_int_equal(look_above("link/socket", ""), 0);
	assert_int_equal(look("link/file"), 0);
	assert_int_equal(lchown(in_directory("link"), STRANGER, 0), 0);
	assert_int_equal(look_above("link/socket", "link"), -EACCES);
	assert_string_equal(trust.text, "unsafe owner 65534: run `chown root` on it");
	assert_int_equal(lchown(in_directory("link"), 0, 0), 0);
	assert_int_equal(mkdir(in_directory("open"), 0755), 0);
	assert_int_equal(chmod(in_directory("open"), 0777), 0);
	assert_int_equal(mkdir(in_directory("open/sub"), 0755), 0);
	assert_int_equal(unlink(in_directory("link")), 0);
	assert_int_equal(symlink("open/sub", in_directory("link")), 0);
	assert_int_equal(look_above("link/socket", "open"), -EACCES);
	/* The last component as well, absolute or not; and a circle ends. */
	assert_int_equal(symlink("real/file", in_directory("to-file")), 0);
	assert_int_equal(look("to-file"), 0);
	assert_int_equal(lchown(in_directory("to-file"), STRANGER, 0), 0);
	assert_int_equal(look("to-file"), -EACCES);
	assert_int_equal(symlink("circle", in_directory("circle")), 0);
	assert_int_equal(look("circle"), -ELOOP);
	assert_int_equal(unlink(in_directory("circle")), 0);
	assert_int_equal(symlink("/", in_directory("circle")), 0);
	assert_int_equal(look("circle"), 0);
}

/* The attack that a check by name loses: the owner of the directory swaps the file while it is
 * being opened. What was opened is what was checked. */
static void test_swap(void **state)
{
	for (unsigned int i = 0; i < 2000; i++) {
		struct stat status;
		pid_t child;
		int fd;

		if (i % 200 == 0) {
			make_file("file", 0, 0, 0644);
			make_file("other", STRANGER, 0, 0644);
		}
		child = i % 200 == 0 ? fork() : -1;
		if (child == 0) {
			char from[sizeof(path)], to[sizeof(path)];

			strcpy(from, in_directory("file"));
			strcpy(to, in_directory("other"));
			for (unsigned int j = 0; j < 2000; j++)
				renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
			_exit(0);
		}
		fd = trust_open_ours(in_directory("file"), O_RDONLY, &trust);
		if (fd >= 0) {
			assert_int_equal(fstat(fd, &status), 0);
			assert_int_equal(status.st_uid, 0);
			close(fd);
		} else {
			assert_int_equal(fd, -EACCES);
		}
		if (i % 200 == 199)
			while (wait(NULL) > 0)
				;
	}
}

/* ---- who asks ---- */

static void test_listener(void **state)
{
	struct listener *listener;
	int fd;

	assert_int_equal(listener_open(&listener, in_directory("socket"), (gid_t)-1), 0);
	listener_close(listener);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(listener_open(&listener, in_directory("socket"), (gid_t)-1), -EACCES);
	/* Sticky, with somebody's lock in our place; or a link that shall make us write elsewhere.
	 */
	assert_int_equal(chmod(directory, 01777), 0);
	assert_int_equal(unlink(in_directory("socket.lock")), 0);
	fd = open(in_directory("socket.lock"), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, STRANGER, STRANGER), 0);
	close(fd);
	assert_int_equal(listener_open(&listener, in_directory("socket"), (gid_t)-1), -EACCES);
	assert_int_equal(unlink(in_directory("socket.lock")), 0);
	assert_int_equal(symlink("elsewhere", in_directory("socket.lock")), 0);
	assert_int_equal(listener_open(&listener, in_directory("socket"), (gid_t)-1), -ELOOP);
	assert_int_equal(access(in_directory("elsewhere"), F_OK), -1);
	assert_int_equal(unlink(in_directory("socket.lock")), 0);
	assert_int_equal(listener_open(&listener, in_directory("socket"), (gid_t)-1), 0);
	listener_close(listener);
}

enum reading { CHECKED, AT_START, AT_RELOAD };

/* The file's errors, if any, begin with "is not trusted: ". */
static int load(const char *content, uid_t owner, mode_t mode, enum reading how)
{
	struct errors errors = {0};
	struct config config;
	FILE *file = fopen(in_directory("config"), "w");
	int result;

	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chown(path, owner, 0), 0);
	assert_int_equal(chmod(path, mode), 0);
	config_init(&config);
	result = how == CHECKED ? config_load_file(path, &config, &errors)
				: config_load_trusted_file(path, how == AT_START, &config, &errors);
	assert_int_equal(errors.count, result ? 1 : 0);
	if (result)
		assert_non_null(strstr(errors.list[0].message, "is not trusted: "));
	config_free(&config);
	errors_free(&errors);
	return result;
}

#define RULES "rules: []\n"
#define NAMES "rules: []\nsecurity: { user: 65534 }\n"

static void test_config(void **state)
{
	assert_int_equal(load(RULES, 0, 0640, AT_START), 0);
	assert_int_equal(load(RULES, 0, 0646, AT_START), -EACCES);
	assert_int_equal(load(RULES, 0, 0646, CHECKED), 0); /* xmcastctl config check */
	assert_int_equal(load(RULES, STRANGER, 0640, AT_START), -EACCES);
	assert_int_equal(load(NAMES, STRANGER, 0640, AT_START), 0);
	assert_int_equal(load(NAMES, ANOTHER, 0640, AT_START), -EACCES);
	/* A reload as root: nobody talks it into becoming its file's owner any more. */
	assert_int_equal(load(NAMES, STRANGER, 0640, AT_RELOAD), -EACCES);
	assert_int_equal(load(NAMES, 0, 0640, AT_RELOAD), 0);
}

/* The owner of the directory can swap the file, and so counts as its owner. */
static void test_config_directory(void **state)
{
	assert_int_equal(chown(directory, STRANGER, 0), 0);
	assert_int_equal(load(RULES, 0, 0640, AT_START), -EACCES);
	assert_int_equal(load(NAMES, 0, 0640, AT_START), 0);
	assert_int_equal(load(NAMES, 0, 0640, AT_RELOAD), -EACCES);
	assert_int_equal(load(NAMES, ANOTHER, 0640, AT_START), -EACCES);
}

/* A user's file gives rights to that user's groups only. */
static void test_config_groups(void **state)
{
	static const char *const settings[] = {"control: { group: %s }",
					       "control: { admin_group: %s }",
					       "security: { user: 65534, group: %s }"};
	char text[128], line[64];

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		for (int other = 0; other < 2; other++) {
			snprintf(line, sizeof(line), settings[i], other ? "shadow" : "65534");
			snprintf(text, sizeof(text), "rules: []\n%s%s\n", line,
				 i < 2 ? "\nsecurity: { user: 65534 }" : "");
			assert_int_equal(load(text, STRANGER, 0640, AT_START), other ? -EACCES : 0);
			assert_int_equal(load(text, 0, 0640, AT_START), 0);
		}
	}
}

#define AS_ROOT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AS_ROOT(test_files),	     AS_ROOT(test_acl),
		AS_ROOT(test_owner),	     AS_ROOT(test_directories),
		AS_ROOT(test_relative),	     AS_ROOT(test_links),
		AS_ROOT(test_swap),	     AS_ROOT(test_listener),
		AS_ROOT(test_config),	     AS_ROOT(test_config_directory),
		AS_ROOT(test_config_groups),
	};

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: files of other users\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
