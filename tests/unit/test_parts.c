/* SPDX-License-Identifier: BSD-2-Clause */
/* conf.d: further files of rules and interfaces beside the configuration file. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_text.h"
#include "rules/file.h"

static char directory[] = "/tmp/xmc-parts-XXXXXX";

/* Write a file below the directory of the test. */
static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int set_up(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0);
	assert_int_equal(mkdir(directory, 0755), 0);
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(mkdir("conf.d", 0755), 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(chdir("/"), 0);
	return system(command);
}

static struct config load(const char *path)
{
	struct errors errors = {0};
	struct config config;
	int err;

	config_init(&config);
	err = config_load_trusted_file(path, true, &config, &errors);
	expect_no_errors(&errors, path);
	assert_int_equal(err, 0);
	return config;
}

/* What is printed about a file that is refused with this error. */
static void expect_refused(const char *path, int error, const char *expected)
{
	struct errors errors = {0};
	struct config config;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	config_init(&config);
	assert_int_equal(config_load_trusted_file(path, true, &config, &errors), error);
	errors_print(&errors, stream);
	fclose(stream);
	assert_string_equal(text, expected);
	errors_free(&errors);
	free(text);
}

#define A "a in 239.1.1.1:5000@eth0 out 10.0.0.1"
#define B "b in 239.1.1.2:5000@eth0 out 10.0.0.2"
#define C "c in 239.1.1.3:5000@eth1 out 10.0.0.3"
#define D "d in 239.1.1.4:5000@eth1 out 10.0.0.4"

static void put_good(void)
{
	put("xmcast.yaml", "defaults: { ttl: 8 }\nrules:\n- " D "\ninterfaces: { eth0: {} }\n");
	put("conf.d/20-cams.yaml", "rules:\n- " B "\n- " C "\ninterfaces: { eth1: {mode: skb} }\n");
	put("conf.d/10-cams.yaml", "rules:\n- " A "\n");
	put("conf.d/30-empty.yaml", "# nothing yet\n");
	put("conf.d/.hidden.yaml", "nonsense");
	put("conf.d/10-cams.yaml~", "nonsense");
	put("conf.d/10-cams.yml", "nonsense");
	put("conf.d/README", "nonsense");
}

/* In the order of the names, with the settings of the first file. */
static void test_order(void **state)
{
	static const char *const names[] = {"d", "a", "b", "c"};
	static const unsigned int files[] = {0, 1, 2, 2};
	struct config config;

	put_good();
	config = load("xmcast.yaml");
	assert_int_equal(config.nr_rules, 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_string_equal(config.rules[i].name, names[i]);
		assert_int_equal(config.rules[i].file, files[i]);
		assert_int_equal(config.rules[i].outputs[0].ttl, 8);
	}
	assert_int_equal(config.nr_parts, 3);
	assert_string_equal(config.parts[1].path, "conf.d/20-cams.yaml");
	assert_int_equal(config.ifaces[1].file, 2);
	expect_same(&config);
	config_free(&config);
	/* An instance has a directory of its own. */
	assert_int_equal(rename("conf.d", "studio.d"), 0);
	assert_int_equal(rename("xmcast.yaml", "studio.yaml"), 0);
	config = load("studio.yaml");
	assert_int_equal(config.nr_parts, 3);
	config_free(&config);
	assert_int_equal(rename("studio.yaml", "other.yaml"), 0);
	config = load("other.yaml");
	assert_int_equal(config.nr_rules, 1);
	assert_int_equal(config.nr_parts, 0);
	config_free(&config);
}

/* A group may be in another file than its rules, and each is saved in its own. */
static void test_groups(void **state)
{
	static const char *const expected[] = {"groups:\n  tv:\n    lease: tv/4\n",
					       "    group: tv\n"};
	struct config config;

	put("xmcast.yaml", "rules: []\ngroups: { tv: { lease: tv/4 } }\n");
	put("conf.d/1.yaml", "rules: [{ group: tv, in: 239.1.1.1:5000@eth0, out: 10.0.0.1 }]\n");
	config = load("xmcast.yaml");
	assert_int_equal(config.nr_rules, 1);
	assert_string_equal(config.rules[0].lease, "tv");
	assert_int_equal(config.rules[0].lease_shards, 4);
	for (unsigned int i = 0; i < 2; i++) {
		size_t length;
		char *text = config_write_file(&config, i, &length);

		assert_non_null(strstr(text, expected[i]));
		assert_null(strstr(text, expected[!i]));
		free(text);
	}
	config_free(&config);
}

/* Everything is said, with the file where it is. */
static void test_bad(void **state)
{
	put("xmcast.yaml", "rules:\n- " A "\ninterfaces: { eth0: {} }\n");
	put("conf.d/1.yaml", "rules:\n- " B "\n- a in 239.1.1.9:1@eth0 out 10.0.0.1\n");
	put("conf.d/2.yaml", "logging: { level: debug }\nrules:\n"
			     "- x in 239.1.1.2:5000@eth0 out 10.0.0.1\n"
			     "interfaces: { eth0: {} }\n");
	put("conf.d/3.yaml", "rules:\n\t- x\n");
	put("conf.d/4.yaml", "rules: [ in 239.1.1.5:1@eth0 ]\n");
	expect_refused(
		"xmcast.yaml", -EINVAL,
		"conf.d/2.yaml:1:1: 'logging': a setting, expected it in xmcast.yaml: a file of "
		"conf.d has `rules`, `groups` and `interfaces`\n"
		"conf.d/3.yaml:2:1: '': a tab, expected spaces: YAML is not indented with tabs\n"
		"conf.d/4.yaml:1:13: '239.1.1.5:1@eth0': no output after it, expected `out "
		"DEST[:PORT][@IFACE]`\n"
		"conf.d/1.yaml:3:3: 'a': duplicate name: the rule for 239.1.1.1:5000@eth0 "
		"(xmcast.yaml:2) already has it\n"
		"conf.d/2.yaml:3:8: '239.1.1.2:5000@eth0': duplicate input: rule b "
		"(conf.d/1.yaml:2) already has it\n"
		"conf.d/2.yaml:4:15: 'eth0': duplicate interface: it is there already "
		"(xmcast.yaml:3)\n");
}

/* A user who can change one of them decides what the daemon does. */
static void test_trust(void **state)
{
	char expected[300];

	if (geteuid())
		skip();
	put_good();
	assert_int_equal(chmod("conf.d/20-cams.yaml", 0666), 0);
	snprintf(expected, sizeof(expected),
		 "conf.d/20-cams.yaml: is not trusted: %s/conf.d/20-cams.yaml: unsafe mode 0666, "
		 "group 0: run `chmod go-w` on it\n",
		 directory);
	expect_refused("xmcast.yaml", -EACCES, expected);
	assert_int_equal(chmod("conf.d/20-cams.yaml", 0644), 0);
	assert_int_equal(chown("conf.d/10-cams.yaml", 65534, 0), 0);
	snprintf(expected, sizeof(expected),
		 "conf.d/10-cams.yaml: is not trusted: %s/conf.d/10-cams.yaml: unsafe owner 65534: "
		 "run `chown root` on it\n",
		 directory);
	expect_refused("xmcast.yaml", -EACCES, expected);
	assert_int_equal(chown("conf.d/10-cams.yaml", 0, 0), 0);
	assert_int_equal(chmod("conf.d", 0777), 0);
	snprintf(
		expected, sizeof(expected),
		"conf.d: is not trusted: %s/conf.d: unsafe mode 0777, group 0: run `chmod go-w` on "
		"it\n",
		directory);
	expect_refused("xmcast.yaml", -EACCES, expected);
}

static void test_kinds(void **state)
{
	put_good();
	assert_int_equal(mkdir("conf.d/sub.yaml", 0755), 0);
	expect_refused("xmcast.yaml", -EINVAL,
		       "conf.d/sub.yaml: is a directory, expected a readable file\n");
	assert_int_equal(rmdir("conf.d/sub.yaml"), 0);
	assert_int_equal(rename("conf.d", "elsewhere"), 0);
	put("conf.d", "");
	expect_refused("xmcast.yaml", -ENOTDIR,
		       "conf.d: cannot be opened: Not a directory, expected a readable file\n");
}

static void write_part(const struct config *config, unsigned int file, const char *name)
{
	size_t length;
	char *text = config_write_file(config, file, &length);

	assert_non_null(text);
	put(name, text);
	free(text);
}

/* Rules stay in their files, new ones go to the first; a file is to be saved if its rules have
 * changed. Read again, all is the same. */
static void test_save(void **state)
{
	struct config config, again;

	put_good();
	config = load("xmcast.yaml");
	apply(&config, RULE_ADD, "e in 239.1.1.5:5000@eth0 out 10.0.0.5");
	assert_false(config.parts[0].changed || config.parts[1].changed);
	apply(&config, RULE_REPLACE, "c in 239.1.1.3:5000@eth1 out 10.0.0.3 ttl 9");
	assert_false(config.parts[0].changed);
	assert_true(config.parts[1].changed);
	apply(&config, RULE_DELETE, "a");
	assert_true(config.parts[0].changed);
	write_part(&config, 0, "xmcast.yaml");
	write_part(&config, 1, "conf.d/10-cams.yaml");
	write_part(&config, 2, "conf.d/20-cams.yaml");
	again = load("xmcast.yaml");
	assert_int_equal(again.nr_rules, 4);
	assert_string_equal(again.rules[1].name, "e");
	assert_int_equal(again.rules[1].file, 0);
	assert_int_equal(again.rules[3].file, 2);
	assert_int_equal(again.rules[3].outputs[0].ttl, 9);
	assert_int_equal(again.nr_ifaces, 2);
	config_free(&again);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_trust, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_save, set_up, tear_down),
	};

	return mkdtemp(directory) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
