// SPDX-License-Identifier: BSD-2-Clause
/* Who may have put something there: files, folders, links. As root, with users that are not. */
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/errors.h"
#include "base/trust.h"
#include "control/listener.h"
#include "rules/file.h"

#define STRANGER 65534
#define ANOTHER	 65533

static char folder[64];
static char path[128];
static char text[TRUST_TEXT_SIZE];

static int set_up(void **state)
{
	watchdog_start("trust");
	strcpy(folder, "/tmp/xmc-trust-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	return chmod(folder, 0755);
}

static int tear_down(void **state)
{
	char command[128];

	watchdog_stop();
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command); /* NOLINT(cert-env33-c): our own folder */
}

static const char *in_folder(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* ---- files ---- */

static const struct {
	uid_t user;
	gid_t group;
	mode_t mode;
	uid_t other;
	int result;
	const char *text;
} files[] = {
	{0, 0, 0644, TRUST_NOBODY, 0, ""},
	{0, 0, 0664, TRUST_NOBODY, 0, ""}, /* root's group is root */
	{0, STRANGER, 0644, TRUST_NOBODY, 0, ""},
	{0, STRANGER, 0664, TRUST_NOBODY, -EACCES,
	 "owner 0, group 65534, mode 0664, expected that nobody else may write it"},
	{0, 0, 0646, TRUST_NOBODY, -EACCES,
	 "owner 0, group 0, mode 0646, expected that nobody else may write it"},
	{STRANGER, 0, 0600, TRUST_NOBODY, -EACCES,
	 "owner 65534, group 0, mode 0600, expected it to belong to root or to the daemon's user"},
	{STRANGER, 0, 0600, STRANGER, 0, ""},
	{STRANGER, 0, 0600, ANOTHER, -EACCES, "owner 65534"},
	{STRANGER, 0, 0602, STRANGER, -EACCES, "mode 0602"},
};

static void test_files(void **state)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const struct stat status = {.st_uid = files[i].user,
					    .st_gid = files[i].group,
					    .st_mode = S_IFREG | files[i].mode};

		text[0] = '\0';
		assert_int_equal(trust_file(&status, files[i].other, text), files[i].result);
		if (!strstr(text, files[i].text))
			fail_msg("%zu: %s", i, text);
	}
}

/* ---- folders ---- */

static int look(const char *name, const char *expected_where)
{
	char where[PATH_MAX] = "";
	int err = trust_folder(in_folder(name), where, text);

	if (err == -EACCES) {
		in_folder(expected_where);
		assert_string_equal(where, path);
	}
	return err;
}

static void test_folders(void **state)
{
	assert_int_equal(look("socket", ""), 0);
	assert_int_equal(mkdir(in_folder("a"), 0755), 0);
	assert_int_equal(mkdir(in_folder("a/b"), 0755), 0);
	assert_int_equal(look("a/b/socket", ""), 0);
	assert_int_equal(chmod(in_folder("a"), 0777), 0);
	assert_int_equal(look("a/b/socket", "a"), -EACCES);
	assert_non_null(strstr(text, "mode 0777"));
	assert_int_equal(chmod(in_folder("a"), 01777), 0);
	assert_int_equal(look("a/b/socket", ""), 0);
	assert_int_equal(chown(in_folder("a/b"), STRANGER, 0), 0);
	assert_int_equal(look("a/b/socket", "a/b"), -EACCES);
	assert_int_equal(look("none/socket", ""), -ENOENT);
}

/* A link on the way: root's own is fine, a stranger's is not, whatever it leads to; and where
 * root's leads is looked at, too. */
static void test_links(void **state)
{
	assert_int_equal(mkdir(in_folder("real"), 0755), 0);
	assert_int_equal(symlink("real", in_folder("link")), 0);
	assert_int_equal(look("link/socket", ""), 0);
	assert_int_equal(lchown(in_folder("link"), STRANGER, 0), 0);
	assert_int_equal(look("link/socket", "link"), -EACCES);
	assert_non_null(strstr(text, "expected a link of root's"));
	assert_int_equal(lchown(in_folder("link"), 0, 0), 0);
	assert_int_equal(mkdir(in_folder("open"), 0755), 0);
	assert_int_equal(chmod(in_folder("open"), 0777), 0);
	assert_int_equal(mkdir(in_folder("open/sub"), 0755), 0);
	assert_int_equal(unlink(in_folder("link")), 0);
	assert_int_equal(symlink("open/sub", in_folder("link")), 0);
	assert_int_equal(look("link/socket", "open"), -EACCES);
}

/* ---- who asks ---- */

static void test_listener(void **state)
{
	struct listener *listener;
	int fd;

	assert_int_equal(listener_open(&listener, in_folder("socket"), (gid_t)-1), 0);
	listener_close(listener);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(listener_open(&listener, in_folder("socket"), (gid_t)-1), -EACCES);
	/* Sticky, with somebody's lock in our place; or a link that shall make us write elsewhere.
	 */
	assert_int_equal(chmod(folder, 01777), 0);
	assert_int_equal(unlink(in_folder("socket.lock")), 0);
	fd = open(in_folder("socket.lock"), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, STRANGER, STRANGER), 0);
	close(fd);
	assert_int_equal(listener_open(&listener, in_folder("socket"), (gid_t)-1), -EACCES);
	assert_int_equal(unlink(in_folder("socket.lock")), 0);
	assert_int_equal(symlink("elsewhere", in_folder("socket.lock")), 0);
	assert_int_equal(listener_open(&listener, in_folder("socket"), (gid_t)-1), -ELOOP);
	assert_int_equal(access(in_folder("elsewhere"), F_OK), -1);
	assert_int_equal(unlink(in_folder("socket.lock")), 0);
	assert_int_equal(listener_open(&listener, in_folder("socket"), (gid_t)-1), 0);
	listener_close(listener);
}

static int load(const char *content, uid_t owner, mode_t mode, bool trusted)
{
	struct errors errors = {0};
	struct config config;
	FILE *file = fopen(in_folder("config"), "w");
	int result;

	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chown(path, owner, 0), 0);
	assert_int_equal(chmod(path, mode), 0);
	config_init(&config);
	result = trusted ? config_load_trusted_file(path, &config, &errors)
			 : config_load_file(path, &config, &errors);
	assert_int_equal(errors.count, result ? 1 : 0);
	if (result)
		assert_non_null(strstr(errors.list[0].message, "is not to be trusted: owner "));
	config_free(&config);
	errors_free(&errors);
	return result;
}

static void test_config(void **state)
{
	assert_int_equal(load("rules: []\n", 0, 0640, true), 0);
	assert_int_equal(load("rules: []\n", 0, 0646, true), -EACCES);
	assert_int_equal(load("rules: []\n", 0, 0646, false), 0); /* xmcastctl config check */
	assert_int_equal(load("rules: []\n", STRANGER, 0640, true), -EACCES);
	assert_int_equal(load("rules: []\nsecurity: { user: 65534 }\n", STRANGER, 0640, true), 0);
	assert_int_equal(load("rules: []\nsecurity: { user: 65533 }\n", STRANGER, 0640, true),
			 -EACCES);
}

#define AS_ROOT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files), AS_ROOT(test_folders), AS_ROOT(test_links),
		AS_ROOT(test_listener),	      AS_ROOT(test_config),
	};

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: files of other users\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
