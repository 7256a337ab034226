// SPDX-License-Identifier: BSD-2-Clause
/* Where the log goes and in which form: JSON lines, the journal, syslog. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "watchdog.h"

#include <endian.h>
#include <errno.h>

#include <jansson.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/log_datagram.h"
#include "base/log_journal.h"
#include "base/log_syslog.h"
#include "log_capture.h"

#define SECOND 1000000000ULL

static void test_json_lines(void **state)
{
	struct log_config config = log_config_default;
	struct log_config current;
	char text[4096];
	json_t *json;

	config.json = true;
	config.levels[LOG_FACILITY_EGRESS] = LOG_LEVEL_DEBUG;
	log_configure(&config);
	log_current(&current);
	capture();
	log_write(LOG_FACILITY_EGRESS, LOG_LEVEL_DEBUG, "event", LOG_NAME("rule", "7"),
		  LOG_INT("n", 7));
	release(text, sizeof(text));
	log_configure(&log_config_default);
	assert_true(current.json);
	assert_int_equal(current.target, LOG_TARGET_AUTO);
	assert_int_equal(current.levels[LOG_FACILITY_EGRESS], LOG_LEVEL_DEBUG);
	assert_int_equal(current.levels[LOG_FACILITY_DAEMON], LOG_LEVEL_INFO);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "facility")), "egress");
	assert_string_equal(json_string_value(json_object_get(json, "level")), "debug");
	assert_string_equal(json_string_value(json_object_get(json, "event")), "event");
	assert_string_equal(json_string_value(json_object_get(json, "rule")), "7");
	assert_int_equal(json_integer_value(json_object_get(json, "n")), 7);
	json_decref(json);
}

/* <N> only if JOURNAL_STREAM names the current stderr, and the target is AUTO. */
static void test_journal(void **state)
{
	struct log_config config = log_config_default;
	struct stat status;
	char stream[64];
	char text[4096];

	capture();
	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_configure(&config);
	log_error("one");
	log_warning("two");
	log_info("three");
	config.target = LOG_TARGET_STDERR;
	log_configure(&config);
	log_info("four");
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_configure(&log_config_default);
	log_info("five");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_configure(&log_config_default);
	log_info("six");
	unsetenv("JOURNAL_STREAM");
	log_configure(&log_config_default);
	release(text, sizeof(text));
	assert_string_equal(text, "<3>one\n<4>two\n<6>three\ninfo  four\ninfo  five\ninfo  six\n");
}

/* A syslog daemon that is missing, slow or restarted: no caller waits. */
static void test_datagrams(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char directory[] = "/tmp/xmc-syslog-XXXXXX";
	struct log_datagram syslog = {.path = address.sun_path, .fd = -1};
	char prefix[LOG_SYSLOG_PREFIX_SIZE];
	char text[256];
	int server;
	int err = 0;
	int sent;

	watchdog_start(__func__);
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/log", directory);
	assert_int_equal(log_datagram_send(&syslog, "line", 4, SECOND), -ENOENT);
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	/* Connecting is tried once a second. */
	assert_int_not_equal(log_datagram_send(&syslog, "line", 4, SECOND + 1), 0);
	assert_int_equal(log_datagram_send(&syslog, "line", 4, 2 * SECOND), 0);
	assert_int_equal(recv(server, text, sizeof(text), 0), 4);
	assert_memory_equal(text, "line", 4);
	for (sent = 0; sent < 1000000 && !err; sent++)
		err = log_datagram_send(&syslog, "line", 4, 2 * SECOND);
	assert_int_equal(err, -EAGAIN);
	assert_true(sent > 1);
	assert_int_equal(recv(server, text, sizeof(text), 0), 4);
	assert_int_equal(log_datagram_send(&syslog, "line", 4, 2 * SECOND), 0);
	close(server);
	unlink(address.sun_path);
	assert_int_not_equal(log_datagram_send(&syslog, "line", 4, 3 * SECOND), 0);
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(log_datagram_send(&syslog, "again", 5, 4 * SECOND), 0);
	assert_int_equal(recv(server, text, sizeof(text), 0), 5);
	log_datagram_close(&syslog);
	close(server);
	unlink(address.sun_path);
	rmdir(directory);
	log_syslog_prefix(LOG_LEVEL_ERROR, prefix);
	assert_int_equal(strncmp(prefix, "<27>", 4), 0);
	snprintf(text, sizeof(text), " xmcastd[%d]: ", (int)getpid());
	assert_string_equal(prefix + 4 + strlen("Nov 22 15:04:05"), text);
	watchdog_stop();
}

/* The value of a field of an entry, which must have it once; NULL: none. */
static const char *journal_value(const char *entry, size_t length, const char *name, size_t *size)
{
	const char *value = NULL;

	for (size_t at = 0; at < length;) {
		const char *end = memchr(entry + at, '\n', length - at);
		size_t name_length = end ? (size_t)(end - entry) - at : 0;
		uint64_t bytes;

		assert_non_null(end);
		memcpy(&bytes, end + 1, sizeof(bytes));
		bytes = le64toh(bytes);
		assert_true(at + name_length + 9 + bytes < length);
		if (name_length == strlen(name) && memcmp(entry + at, name, name_length) == 0) {
			assert_null(value);
			value = end + 9;
			*size = bytes;
		}
		at += name_length + 9 + bytes;
		assert_int_equal(entry[at++], '\n');
	}
	return value;
}

/* Every key becomes a field, whatever bytes its value has; one that does not fit is left out. */
static void test_journal_entry(void **state)
{
	static char large[LOG_JOURNAL_SIZE];
	static char entry[LOG_JOURNAL_SIZE];
	const struct log_count counts[] = {{"ENOBUFS", 12}, {"EAGAIN", 3}};
	const struct log_field fields[] = {
		LOG_NAME("rule", "cam1\nPRIORITY=0"),
		LOG_IFACE("eth0"),
		LOG_UINT("owed_ms", 7),
		LOG_ERROR(-ENODEV),
		LOG_COUNTS("errors", counts, 2),
		LOG_TEXT("reason", NULL),
		LOG_TEXT("large", large),
		LOG_TEXT("hint", "\xff"),
	};
	const struct log_record record = {
		.facility = LOG_FACILITY_RULES,
		.level = LOG_LEVEL_WARNING,
		.event = "dropping",
		.fields = fields,
		.nr_fields = sizeof(fields) / sizeof(fields[0]),
		.suppressed = 5,
	};
	static const struct {
		const char *name;
		const char *value; /* NULL: no such field */
	} expected[] = {
		{"MESSAGE", "the line"},
		{"PRIORITY", "4"},
		{"SYSLOG_IDENTIFIER", "test_log_targets"},
		{"XMCAST_EVENT", "dropping"},
		{"XMCAST_FACILITY", "rules"},
		{"XMCAST_RULE", "cam1\nPRIORITY=0"},
		{"XMCAST_INTERFACE", "eth0"},
		{"XMCAST_OWED_MS", "7"},
		{"XMCAST_ERROR", "No such device"},
		{"XMCAST_ERRORS", "ENOBUFS:12,EAGAIN:3"},
		{"XMCAST_HINT", "\xff"},
		{"XMCAST_SUPPRESSED", "5"},
		{"XMCAST_REASON", NULL},
		{"XMCAST_LARGE", NULL},
	};
	size_t length;

	memset(large, 'x', sizeof(large) - 1);
	length = log_journal_entry(&record, "the line, newline", strlen("the line"), entry);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		size_t size = 0;
		const char *value = journal_value(entry, length, expected[i].name, &size);

		if (!expected[i].value) {
			assert_null(value);
			continue;
		}
		assert_non_null(value);
		assert_int_equal(size, strlen(expected[i].value));
		assert_memory_equal(value, expected[i].value, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_journal_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
