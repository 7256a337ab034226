/* SPDX-License-Identifier: BSD-2-Clause */
/* Saving a file: the old one is replaced or stays as it was. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "rules/save.h"

#define OLD "the old content\n"
#define NEW "the new content, which is longer\n"

/* On no system is there such a user or group. */
#define SOME_USER  12345
#define SOME_GROUP 12346

static char start[4096];

/* Each test runs in a directory of its own. */
static int set_up(void **state)
{
	char directory[] = "/tmp/test_save.XXXXXX";

	if (!getcwd(start, sizeof(start)) || !mkdtemp(directory) || chdir(directory))
		return -1;
	*state = strdup(directory);
	umask(0077);
	return 0;
}

static int tear_down(void **state)
{
	char command[64];
	int error;

	snprintf(command, sizeof(command), "chmod -R u+w %s; rm -r %s", (char *)*state,
		 (char *)*state);
	free(*state);
	error = chdir(start);
	return error ? error : system(command); /* NOLINT(cert-env33-c): a path of our own */
}

static void put(const char *path, const char *text)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	fputs(text, stream);
	assert_int_equal(fclose(stream), 0);
}

static void expect_content(const char *path, const char *text)
{
	char content[256] = "";
	FILE *stream = fopen(path, "r");

	assert_non_null(stream);
	content[fread(content, 1, sizeof(content) - 1, stream)] = '\0';
	fclose(stream);
	assert_string_equal(content, text);
}

static unsigned int count_entries(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	unsigned int count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(directory);
	return count;
}

static int save(const char *path)
{
	return config_save_file(path, NEW, strlen(NEW), CONFIG_MODE_IF_NEW);
}

static struct stat status_of(const char *path)
{
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status;
}

static void test_new(void **state)
{
	char path[128];

	assert_int_equal(save("file"), 0);
	expect_content("file", NEW);
	/* whatever the umask */
	assert_int_equal(status_of("file").st_mode, S_IFREG | 0640);
	snprintf(path, sizeof(path), "%s/second", (char *)*state);
	assert_int_equal(save(path), 0);
	expect_content("second", NEW);
	assert_int_equal(config_save_file("empty", "", 0, CONFIG_MODE_IF_NEW), 0);
	expect_content("empty", "");
	assert_int_equal(config_save_file("public", "", 0, 0644), 0);
	assert_int_equal(status_of("public").st_mode, S_IFREG | 0644);
	assert_int_equal(count_entries("."), 4);
}

static void test_replace(void **state)
{
	ino_t before;

	put("file", OLD);
	assert_int_equal(chmod("file", 0604), 0);
	before = status_of("file").st_ino;
	assert_int_equal(save("file"), 0);
	expect_content("file", NEW);
	assert_int_equal(status_of("file").st_mode, S_IFREG | 0604);
	assert_int_not_equal(status_of("file").st_ino, before);
	assert_int_equal(config_save_private_file("file", NEW, strlen(NEW)), 0);
	expect_content("file", NEW);
	assert_int_equal(status_of("file").st_mode, S_IFREG | 0600);
	/* shorter than before */
	assert_int_equal(config_save_file("./file", "x", 1, CONFIG_MODE_IF_NEW), 0);
	expect_content("file", "x");
	assert_int_equal(count_entries("."), 1);
}

static void test_owner(void **state)
{
	if (geteuid() != 0) {
		print_message("skipped: only root can give files away\n");
		skip();
	}
	put("file", OLD);
	assert_int_equal(chown("file", SOME_USER, SOME_GROUP), 0);
	assert_int_equal(chmod("file", 0664), 0);
	assert_int_equal(save("file"), 0);
	assert_int_equal(status_of("file").st_uid, SOME_USER);
	assert_int_equal(status_of("file").st_gid, SOME_GROUP);
	assert_int_equal(status_of("file").st_mode, S_IFREG | 0664);
}

static void test_not_a_file(void **state)
{
	static const struct {
		const char *path;
		int error;
	} cases[] = {
		{"directory", -EISDIR}, {"directory/", -EISDIR},   {".", -EISDIR},
		{"..", -EISDIR},	{"directory/..", -EISDIR}, {"", -EISDIR},
		{"/", -EISDIR},		{"to_directory", -ELOOP},  {"fifo", -EINVAL},
		{"none/x", -ENOENT},	{"file/x", -ENOTDIR},	   {"loop", -ELOOP},
		{"/dev/null", -EINVAL}, {"to_none", -ELOOP},
	};
	char name[300];

	assert_int_equal(mkdir("directory", 0700), 0);
	assert_int_equal(symlink("directory", "to_directory"), 0);
	assert_int_equal(symlink("none/x", "to_none"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	put("file", OLD);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (save(cases[i].path) != cases[i].error)
			fail_msg("<%s>: not %s", cases[i].path, strerror(-cases[i].error));
	}
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	assert_int_equal(save(name), -ENAMETOOLONG);
	/* the longest name there is */
	name[255] = '\0';
	assert_int_equal(save(name), 0);
	expect_content(name, NEW);
	expect_content("file", OLD);
	assert_int_equal(count_entries("directory"), 0);
	assert_int_equal(count_entries("."), 7);
}

/* A file that is a link is refused, and its target is not touched; a directory may be a link. */
static void test_links(void **state)
{
	static const char *const links[] = {"absolute", "relative", "directory/back", "dangling"};
	char target[128];

	assert_int_equal(mkdir("directory", 0700), 0);
	snprintf(target, sizeof(target), "%s/file", (char *)*state);
	assert_int_equal(symlink(target, "absolute"), 0);
	assert_int_equal(symlink("file", "relative"), 0);
	assert_int_equal(symlink("../file", "directory/back"), 0);
	assert_int_equal(symlink("none", "dangling"), 0);
	assert_int_equal(symlink("directory", "to_directory"), 0);
	put("file", OLD);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		assert_int_equal(save(links[i]), -ELOOP);
		assert_true(S_ISLNK(status_of(links[i]).st_mode));
	}
	assert_non_null(strstr(config_save_reason(-ELOOP), "symbolic link"));
	expect_content("file", OLD);
	assert_int_equal(save("to_directory/new"), 0);
	expect_content("directory/new", NEW);
	assert_int_equal(count_entries("."), 6);
	assert_int_equal(count_entries("directory"), 2);
}

/* --- failures while saving --- */

/* Save in a child, because `prepare` drops rights or lowers limits for good. Returns the result. */
static int save_in_child(const char *path, void (*prepare)(void))
{
	int status;
	pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		prepare();
		_exit(-save(path));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void become_somebody(void)
{
	if (geteuid() == 0 && (setresgid(SOME_GROUP, SOME_GROUP, SOME_GROUP) ||
			       setresuid(SOME_USER, SOME_USER, SOME_USER)))
		_exit(255);
}

static void test_read_only_directory(void **state)
{
	assert_int_equal(mkdir("directory", 0700), 0);
	put("directory/file", OLD);
	assert_int_equal(chmod("directory/file", 0666), 0);
	assert_int_equal(chmod("directory", 0555), 0);
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(save_in_child("directory/file", become_somebody), -EACCES);
	expect_content("directory/file", OLD);
	assert_int_equal(count_entries("directory"), 1);
}

/* A process that may not give the new file to its owner leaves the old one in place. */
static void test_foreign_owner(void **state)
{
	if (geteuid() != 0) {
		print_message("skipped: only root can make another's file\n");
		skip();
	}
	put("file", OLD);
	assert_int_equal(chmod("file", 0666), 0);
	assert_int_equal(chmod(".", 0777), 0);
	assert_int_equal(save_in_child("file", become_somebody), -EPERM);
	expect_content("file", OLD);
	assert_int_equal(status_of("file").st_uid, 0);
	assert_int_equal(count_entries("."), 1);
}

/* As with a full disk, the first bytes can be written and the rest cannot. */
static void allow_few_bytes(void)
{
	const struct rlimit limit = {strlen(OLD), strlen(OLD)};

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		_exit(255);
}

static void test_full_disk(void **state)
{
	put("file", OLD);
	assert_int_equal(save_in_child("file", allow_few_bytes), -EFBIG);
	expect_content("file", OLD);
	assert_int_equal(save_in_child("new", allow_few_bytes), -EFBIG);
	assert_int_equal(count_entries("."), 1);
}

static void allow_no_descriptors(void)
{
	const struct rlimit limit = {3, 3};

	if (setrlimit(RLIMIT_NOFILE, &limit))
		_exit(255);
}

static void test_no_descriptors(void **state)
{
	put("file", OLD);
	assert_int_equal(save_in_child("file", allow_no_descriptors), -EMFILE);
	expect_content("file", OLD);
	assert_int_equal(count_entries("."), 1);
}

/* --- readers meanwhile --- */

#define SAVES 300
#define LARGE (256 << 10)

static atomic_bool done;

/* Every reader finds LARGE equal bytes. */
static void *read_meanwhile(void *argument)
{
	char *content = malloc(LARGE + 1);
	unsigned long torn = 0;

	while (content && !torn && !atomic_load(&done)) {
		int fd = open("file", O_RDONLY);
		ssize_t length = 0, count = 1;

		if (fd < 0) {
			torn++;
			break;
		}
		while (count > 0 && length <= LARGE) {
			count = read(fd, content + length, (size_t)(LARGE + 1 - length));
			length += count;
		}
		close(fd);
		torn += length != LARGE || content[0] != content[LARGE / 2] ||
			content[0] != content[LARGE - 1];
	}
	torn += !content;
	free(content);
	return (void *)torn;
}

static void test_readers(void **state)
{
	char *text = malloc(LARGE);
	pthread_t reader;
	void *torn;

	assert_non_null(text);
	memset(text, 'a', LARGE);
	assert_int_equal(config_save_file("file", text, LARGE, CONFIG_MODE_IF_NEW), 0);
	atomic_store(&done, false);
	assert_int_equal(pthread_create(&reader, NULL, read_meanwhile, NULL), 0);
	for (int i = 0; i < SAVES; i++) {
		memset(text, 'a' + i % 26, LARGE);
		assert_int_equal(config_save_file("file", text, LARGE, CONFIG_MODE_IF_NEW), 0);
	}
	atomic_store(&done, true);
	assert_int_equal(pthread_join(reader, &torn), 0);
	assert_null(torn);
	assert_int_equal(count_entries("."), 1);
	free(text);
}

/* --- temporary files of others --- */

#define TEMPORARY ".xmcast-save"

/* The temporary file of a killed process is replaced, and so is anything else with its name. */
static void test_leftover(void **state)
{
	put("file", OLD);
	put(TEMPORARY, "half of a fi");
	assert_int_equal(chmod(TEMPORARY, 0666), 0);
	assert_int_equal(save("file"), 0);
	expect_content("file", NEW);
	assert_int_equal(symlink("file", TEMPORARY), 0);
	assert_int_equal(config_save_file("file", OLD, strlen(OLD), CONFIG_MODE_IF_NEW), 0);
	expect_content("file", OLD);
	assert_true(S_ISREG(status_of("file").st_mode));
	assert_int_equal(mkfifo(TEMPORARY, 0600), 0);
	assert_int_equal(save("file"), 0);
	expect_content("file", NEW);
	assert_int_equal(count_entries("."), 1);
	/* A directory cannot be a temporary file. */
	assert_int_equal(mkdir(TEMPORARY, 0700), 0);
	assert_int_equal(config_save_file("file", OLD, strlen(OLD), CONFIG_MODE_IF_NEW), -EISDIR);
	expect_content("file", NEW);
}

/* A descriptor of the stale file that is still open does not lead to the new file. */
static void test_leftover_kept_open(void **state)
{
	int kept;

	put("file", OLD);
	put(TEMPORARY, "");
	kept = open(TEMPORARY, O_WRONLY | O_CLOEXEC);
	assert_true(kept >= 0);
	assert_int_equal(save("file"), 0);
	assert_int_equal(write(kept, "foreign", 7), 7);
	expect_content("file", NEW);
	close(kept);
}

/* The writer of the temporary file holds its lock. */
static void test_busy(void **state)
{
	int held;

	put("file", OLD);
	put(TEMPORARY, "being written");
	held = open(TEMPORARY, O_WRONLY | O_CLOEXEC);
	assert_true(held >= 0);
	assert_int_equal(flock(held, LOCK_EX), 0);
	assert_int_equal(save("file"), -EBUSY);
	expect_content("file", OLD);
	expect_content(TEMPORARY, "being written");
	close(held);
	assert_int_equal(save("file"), 0);
	expect_content("file", NEW);
}

/* Save a text many times, while another process does the same. */
static void save_many(const char *text)
{
	for (int i = 0; i < SAVES; i++) {
		int err = config_save_file("file", text, strlen(text), CONFIG_MODE_IF_NEW);

		if (err && err != -EBUSY)
			_exit(1);
	}
}

static void test_two_writers(void **state)
{
	pid_t writer;
	int status;

	put("file", OLD);
	writer = fork();
	if (writer == 0) {
		save_many(NEW);
		_exit(0);
	}
	assert_true(writer > 0);
	save_many(OLD);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(count_entries("."), 1);
	assert_true(status_of("file").st_size == strlen(OLD) ||
		    status_of("file").st_size == strlen(NEW));
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_new),	   ALONE(test_replace),	    ALONE(test_owner),
		ALONE(test_not_a_file),	   ALONE(test_links),	    ALONE(test_read_only_directory),
		ALONE(test_foreign_owner), ALONE(test_full_disk),   ALONE(test_no_descriptors),
		ALONE(test_readers),	   ALONE(test_leftover),    ALONE(test_leftover_kept_open),
		ALONE(test_busy),	   ALONE(test_two_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
