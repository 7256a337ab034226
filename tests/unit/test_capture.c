// SPDX-License-Identifier: BSD-2-Clause
/* The ring of captured packets, and the files that are made of them. */
#include "watchdog.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/capture_ring.h"
#include "base/clock.h"
#include "ctl/capture_filter.h"
#include "ctl/capture_packet.h"
#include "ctl/pcapng.h"
#include "dataplane/capture.h"

/* ---- ring ---- */

struct bench {
	struct capture_layout layout;
	struct capture_ring *ring;
	void *memory;
	struct capture_reader reader;
	struct capture_record *record;
};

static void bench_open(struct bench *bench, uint32_t snap)
{
	assert_true(capture_layout(&bench->layout, snap));
	bench->memory = aligned_alloc(CAPTURE_PAGE, (bench->layout.size + CAPTURE_PAGE - 1) /
							    CAPTURE_PAGE * CAPTURE_PAGE);
	bench->ring = aligned_alloc(CACHE_LINE, sizeof(*bench->ring));
	bench->record = malloc(sizeof(*bench->record) + snap);
	assert_true(bench->memory && bench->ring && bench->record);
	memset(bench->memory, 0, bench->layout.size);
	capture_ring_init(bench->ring, bench->memory, &bench->layout);
	capture_reader_init(&bench->reader, bench->memory, &bench->layout);
}

static void bench_close(struct bench *bench)
{
	free(bench->memory);
	free(bench->ring);
	free(bench->record);
}

/* Write a record whose length and bytes say which one it is. */
static void write_numbered(struct capture_ring *ring, uint32_t number)
{
	uint64_t position;
	struct capture_record *record = capture_ring_begin(ring, &position);

	if (!record)
		return;
	record->length = number + 100;
	record->captured = number % 100;
	record->kind = CAPTURE_RECEIVED;
	memset(record->data, (int)(number & 0xff), record->captured);
	capture_ring_end(ring, record, position);
}

static uint32_t number_of(const struct capture_record *record)
{
	uint32_t number = record->length - 100;

	assert_int_equal(record->captured, number % 100);
	for (uint32_t i = 0; i < record->captured; i++)
		assert_int_equal(record->data[i], number & 0xff);
	return number;
}

static bool next(struct bench *bench, bool last)
{
	return capture_reader_next(&bench->reader, bench->record, clock_ns(), last);
}

static void layouts(void **state)
{
	struct capture_layout layout;

	assert_false(capture_layout(&layout, CAPTURE_SNAP_LEAST - 1));
	assert_false(capture_layout(&layout, CAPTURE_SNAP_MOST + 1));
	for (uint32_t snap = CAPTURE_SNAP_LEAST; snap <= CAPTURE_SNAP_MOST; snap += 13) {
		assert_true(capture_layout(&layout, snap));
		assert_true(layout.slot_size >= sizeof(struct capture_record) + 8 + snap);
		assert_true(layout.slots >= 200);
		assert_true(layout.size <= CAPTURE_PAGE + CAPTURE_RING_BYTES);
	}
}

/* What is written is read, once and in order, also behind the end of the memory. */
static void in_order(void **state)
{
	struct bench bench;
	uint32_t number = 0;

	bench_open(&bench, CAPTURE_SNAP_DEFAULT);
	assert_false(next(&bench, false));
	for (uint32_t i = 0; i < 3 * bench.layout.slots; i++) {
		write_numbered(bench.ring, i);
		if (i % 100 != 99)
			continue;
		while (next(&bench, false))
			assert_int_equal(number_of(bench.record), number++);
		assert_int_equal(number, i + 1);
	}
	assert_int_equal(bench.reader.lost, 0);
	bench_close(&bench);
}

/* A reader that is too slow finds the later records, and knows how many it has lost. */
static void overwritten(void **state)
{
	struct bench bench;
	uint32_t written = 0, read = 0, last = 0;

	bench_open(&bench, CAPTURE_SNAP_DEFAULT);
	for (unsigned int turn = 0; turn < 5; turn++) {
		for (uint32_t i = 0; i < bench.layout.slots * (turn + 1) / 2 + turn; i++)
			write_numbered(bench.ring, written++);
		while (next(&bench, false)) {
			assert_true(!read || number_of(bench.record) > last);
			last = number_of(bench.record);
			read++;
		}
		assert_int_equal(last, written - 1);
		assert_int_equal(read + bench.reader.lost, written);
	}
	assert_true(bench.reader.lost > 0);
	bench_close(&bench);
}

/* A record that is not completed holds the reader up for a moment, or not at all at the end. */
static void never_completed(void **state)
{
	struct bench bench;
	uint64_t position;
	uint64_t now_ns = clock_ns();

	bench_open(&bench, CAPTURE_SNAP_DEFAULT);
	assert_non_null(capture_ring_begin(bench.ring, &position));
	assert_false(capture_reader_next(&bench.reader, bench.record, now_ns, true));
	write_numbered(bench.ring, 1);
	assert_false(capture_reader_next(&bench.reader, bench.record, now_ns, false));
	assert_false(
		capture_reader_next(&bench.reader, bench.record, now_ns + 50 * NS_PER_MS, false));
	assert_true(
		capture_reader_next(&bench.reader, bench.record, now_ns + 200 * NS_PER_MS, false));
	assert_int_equal(number_of(bench.record), 1);
	assert_int_equal(bench.reader.lost, 1);
	/* Its writer holds up nobody else: others find the slot in use, and count that. */
	for (uint32_t i = 2; i < bench.layout.slots; i++)
		write_numbered(bench.ring, i);
	assert_null(capture_ring_begin(bench.ring, &position));
	write_numbered(bench.ring, bench.layout.slots + 1);
	while (next(&bench, true))
		;
	assert_int_equal(number_of(bench.record), bench.layout.slots + 1);
	assert_int_equal(bench.reader.lost, 2);
	bench_close(&bench);
}

/* Lengths beyond the bounds, an unknown kind, names without an end: what only a broken or malicious
 * daemon writes. */
static void unsound(void **state)
{
	struct bench bench;

	bench_open(&bench, CAPTURE_SNAP_LEAST);
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t position;
		struct capture_record *record = capture_ring_begin(bench.ring, &position);

		memset(record, 'x', sizeof(*record));
		record->kind = i == 0 ? CAPTURE_KINDS : CAPTURE_RECEIVED;
		record->captured = i == 1 ? UINT32_MAX : CAPTURE_SNAP_LEAST;
		record->length = i == 2 ? CAPTURE_SNAP_LEAST - 1 : CAPTURE_SNAP_LEAST;
		capture_ring_end(bench.ring, record, position);
	}
	assert_true(next(&bench, false));
	assert_int_equal(bench.reader.lost, 3);
	assert_int_equal(strlen(bench.record->iface), IF_NAMESIZE - 1);
	assert_int_equal(strlen(bench.record->rule), CAPTURE_NAME_SIZE - 1);
	assert_false(next(&bench, false));
	bench_close(&bench);
}

#define WRITERS	   4
#define PER_WRITER 20000

static void *write_many(void *ring)
{
	for (uint32_t i = 0; i < PER_WRITER; i++)
		write_numbered(ring, i);
	return NULL;
}

/* Several writers and a reader at once: no record is torn, and all are accounted for. */
static void many_writers(void **state)
{
	struct bench bench;
	pthread_t threads[WRITERS];
	uint64_t read = 0;

	bench_open(&bench, CAPTURE_SNAP_MOST);
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, bench.ring), 0);
	while (read + bench.reader.lost < WRITERS * PER_WRITER / 2) {
		if (next(&bench, false)) {
			number_of(bench.record);
			read++;
		}
	}
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	while (next(&bench, true)) {
		number_of(bench.record);
		read++;
	}
	/* The last ones may have found their slots in use: nobody misses them. */
	assert_true(read + bench.reader.lost <= WRITERS * PER_WRITER);
	assert_true(read + bench.reader.lost >= WRITERS * PER_WRITER - WRITERS);
	assert_true(read > 0);
	bench_close(&bench);
}

/* The client's descriptor: nothing that it can do changes the memory, or its size. */
static void memory_is_shown_only(void **state)
{
	const struct capture_options options = {.rule = "cam1", .rate = 1, .snap = 128};
	struct capture *capture;
	char path[64];
	int fd, again;

	assert_int_equal(capture_new(&capture, &options), 0);
	fd = capture_fd(capture);
	assert_ptr_equal(mmap(NULL, CAPTURE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
			 MAP_FAILED);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	assert_true(again >= 0);
	assert_int_equal(pwrite(again, "x", 1, 0), -1);
	assert_ptr_equal(mmap(NULL, CAPTURE_PAGE, PROT_WRITE, MAP_SHARED, again, 0), MAP_FAILED);
	close(again);
	capture_free(capture);
}

/* ---- pcapng ---- */

/* Written byte by byte from the specification; little-endian. */
static void pcapng_bytes(void **state)
{
	static const uint8_t expected[] =
		"\x0a\x0d\x0d\x0a\x28\0\0\0\x4d\x3c\x2b\x1a\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
		"\4\0\3\0abc\0\0\0\0\0\x28\0\0\0"
		"\1\0\0\0\x30\0\0\0\1\0\0\0\0\4\0\0\2\0\2\0in\0\0\3\0\4\0text"
		"\x09\0\1\0\x09\0\0\0\0\0\0\0\x30\0\0\0"
		"\6\0\0\0\x34\0\0\0\0\0\0\0\x04\x03\x02\x01\x08\x07\x06\x05\5\0\0\0\x40\0\0\0hello"
		"\0\0\0"
		"\2\0\4\0\1\0\0\0\0\0\0\0\x34\0\0\0"
		"\5\0\0\0\x4c\0\0\0\0\0\0\0\2\0\0\0\1\0\0\0\2\0\x08\0\0\0\0\0\7\0\0\0"
		"\3\0\x08\0\2\0\0\0\1\0\0\0\4\0\x08\0\x64\0\0\0\0\0\0\0\x08\0\x08\0\x09\0\0\0\0\0\0"
		"\0"
		"\0\0\0\0\x4c\0\0\0";
	char *bytes;
	size_t length;
	FILE *file = open_memstream(&bytes, &length);

	pcapng_begin(file, "abc");
	pcapng_interface(file, "in", "text", 1024);
	pcapng_packet(file, &(struct pcapng_packet){
				    .direction = PCAPNG_IN,
				    .time_ns = 0x0102030405060708,
				    .length = 64,
				    .captured = 5,
				    .data = (const uint8_t *)"hello",
			    });
	pcapng_statistics(file, &(struct pcapng_statistics){
					.begin_ns = 7,
					.end_ns = 0x200000001,
					.received = 100,
					.dropped = PCAPNG_UNKNOWN,
					.delivered = 9,
				});
	fclose(file);
	if (htonl(1) != 1) {
		assert_int_equal(length, sizeof(expected) - 1);
		assert_memory_equal(bytes, expected, length);
	}
	free(bytes);
}

/* ---- frames ---- */

/* The rebuilt headers, whose checksums were computed by hand. */
static void rebuilt(void **state)
{
	static const uint8_t expected[] =
		"\x01\0\x5e\2\2\2\2\0\0\0\0\1\x08\0\x45\xb8\0\x1e\0\0\0\0\x09\x11\xb6\x10\x0a\2\0\1"
		"\xef\2\2\2\x9c\x40\x17\x70\0\x0a\xe8\xb8hi";
	const struct capture_output output = {
		.source_port = 40000,
		.mac_to = {1, 0, 0x5e, 2, 2, 2},
		.mac_from = {2, 0, 0, 0, 0, 1},
	};
	struct capture_output known = output;
	struct capture_record *record = calloc(1, sizeof(*record) + CAPTURE_SNAP_LEAST);
	struct capture_frame frame;
	uint8_t room[CAPTURE_HEADERS + CAPTURE_SNAP_LEAST];
	uint16_t sum;

	memcpy(&sum, "hi", 2);
	*record = (struct capture_record){
		.kind = CAPTURE_SUBMITTED,
		.length = 2,
		.captured = 2,
		.sum = sum,
		.ttl = 9,
		.tos = 46 << 2,
		.to_port = htons(6000),
	};
	memcpy(record->data, "hi", 2);
	assert_true(addr_parse("10.2.0.1", &known.source));
	assert_true(addr_parse("239.2.2.2", &record->to));
	capture_frame_make(&frame, record, &known, CAPTURE_SNAP_LEAST, room);
	assert_int_equal(frame.length, sizeof(expected) - 1);
	assert_int_equal(frame.captured, frame.length);
	assert_memory_equal(frame.data, expected, frame.length);
	assert_true(frame.parsed);
	assert_int_equal(frame.source_port, 40000);
	assert_int_equal(frame.port, 6000);
	assert_int_equal(frame.dscp, 46);
	assert_int_equal(frame.payload, 2);
	/* Larger than what is kept. */
	record->length = 65000;
	record->captured = CAPTURE_SNAP_LEAST;
	capture_frame_make(&frame, record, &known, CAPTURE_SNAP_LEAST, room);
	assert_int_equal(frame.captured, CAPTURE_SNAP_LEAST);
	assert_int_equal(frame.length, 65042);
	free(record);
}

/* ---- filter ---- */

static bool parse(struct capture_filter *filter, const char *text,
		  struct capture_filter_error *error)
{
	char copy[200];
	char *words[40];
	int count = 0;
	bool good;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	good = capture_filter_parse(filter, words, count, error);
	/* It points into `copy`. */
	if (!good && error->word)
		error->word = text + (error->word - copy);
	return good;
}

static void filters(void **state)
{
	static const struct {
		const char *text;
		bool matches;
	} cases[] = {
		{"", true},
		{"in", true},
		{"out", false},
		{"not out", true},
		{"src 10.9.9.9", true},
		{"src 10.9.0.0/16 and dst 239.1.1.1", true},
		{"src 10.9.255.255/16", true},
		{"src 10.8.0.0/16", false},
		{"dst 10.9.9.9", false},
		{"host 10.9.9.9 host 239.1.1.1", true},
		{"not host ::/0", true},
		{"host 0.0.0.0/0", true},
		{"port 5000", true},
		{"port 40000", true},
		{"src port 5000", false},
		{"dst port 5000 in", true},
		{"len 1316", true},
		{"len 1000-1316 len 1316-1500", true},
		{"len 0-1315", false},
		{"not len 0-1315", true},
	};
	struct capture_frame frame = {
		.parsed = true, .source_port = 40000, .port = 5000, .payload = 1316};
	struct capture_filter filter;
	struct capture_filter_error error;

	addr_parse("10.9.9.9", &frame.source);
	addr_parse("239.1.1.1", &frame.destination);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!parse(&filter, cases[i].text, &error))
			fail_msg("%s: expected %s", cases[i].text, error.expected);
		if (capture_filter_matches(&filter, &frame, true) != cases[i].matches)
			fail_msg("%s", cases[i].text);
	}
	/* Without readable headers. */
	frame.parsed = false;
	parse(&filter, "in", &error);
	assert_true(capture_filter_matches(&filter, &frame, true));
	parse(&filter, "not src 10.0.0.1", &error);
	assert_false(capture_filter_matches(&filter, &frame, true));
}

static void filters_refused(void **state)
{
	static const struct {
		const char *text;
		const char *word; /* NULL: behind the last one */
	} cases[] = {
		{"source 10.0.0.1", "source"},
		{"src", NULL},
		{"src 10.0.0", "10.0.0"},
		{"src 10.0.0.0/33", "10.0.0.0/33"},
		{"src 10.0.0.0/", "10.0.0.0/"},
		{"src ::1/129", "::1/129"},
		{"port", NULL},
		{"port 65536", "65536"},
		{"port -1", "-1"},
		{"port 5x", "5x"},
		{"len 5-", "5-"},
		{"len 9-5", "9-5"},
		{"len 99999", "99999"},
		{"in and", NULL},
		{"and in", "and"},
		{"not", NULL},
		{"not not in", "not in"},
		{"port 99999999999999999999", "99999999999999999999"},
		{"in in in in in in in in in in in in in in in in out", "out"},
	};
	struct capture_filter filter;
	struct capture_filter_error error;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(&filter, cases[i].text, &error))
			fail_msg("%s: accepted", cases[i].text);
		if (!error.word != !cases[i].word ||
		    (error.word && strncmp(error.word, cases[i].word, strlen(cases[i].word)) != 0))
			fail_msg("%s: the wrong word", cases[i].text);
		assert_non_null(error.expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),
		cmocka_unit_test(in_order),
		cmocka_unit_test(overwritten),
		cmocka_unit_test(never_completed),
		cmocka_unit_test(unsound),
		cmocka_unit_test(many_writers),
		cmocka_unit_test(memory_is_shown_only),
		cmocka_unit_test(pcapng_bytes),
		cmocka_unit_test(rebuilt),
		cmocka_unit_test(filters),
		cmocka_unit_test(filters_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
