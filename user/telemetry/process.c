/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/process.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_build.h"

/* What is not known. */
#define UNKNOWN UINT64_MAX

struct process {
	uint64_t read_ns; /* CLOCK_MONOTONIC; 0: never */
	uint64_t start_time_seconds;
	uint64_t cpu_us;
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t open_fds;
	uint64_t max_fds;
};

/* The contents of a small file of /proc; "" if it cannot be read. */
static void read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, size - 1, file) : 0;

	text[length] = '\0';
	if (file)
		fclose(file);
}

/* The word with this number, from 0 on, as a number; UNKNOWN: it is none. */
static uint64_t number_at(const char *text, unsigned int word)
{
	char *end;
	uint64_t value;

	for (text += strspn(text, " "); word && *text; word--) {
		text += strcspn(text, " ");
		text += strspn(text, " ");
	}
	value = strtoull(text, &end, 10);
	return end > text ? value : UNKNOWN;
}

/* The time does not change with the clock: it is read once. */
static uint64_t start_time(void)
{
	uint64_t ticks = UNKNOWN;
	char text[1024];
	const char *at;

	read_file("/proc/self/stat", text, sizeof(text));
	/* The name in parentheses may have any character; 19 words stand between it and the time.
	 */
	at = strrchr(text, ')');
	if (at)
		ticks = number_at(at + 1, 19);
	if (ticks == UNKNOWN)
		return UNKNOWN;
	return (clock_read_ns(CLOCK_REALTIME) - clock_read_ns(CLOCK_BOOTTIME) +
		ticks * (NS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK))) /
	       NS_PER_SECOND;
}

static void read_memory(struct process *process)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char text[128];

	read_file("/proc/self/statm", text, sizeof(text));
	process->virtual_bytes = number_at(text, 0);
	process->resident_bytes = number_at(text, 1);
	if (process->virtual_bytes != UNKNOWN)
		process->virtual_bytes *= page;
	if (process->resident_bytes != UNKNOWN)
		process->resident_bytes *= page;
}

static uint64_t count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	uint64_t count = 0;

	if (!directory)
		return UNKNOWN;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 3; /* ".", ".." and the directory itself */
}

static uint64_t microseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void read_process(struct process *process)
{
	struct rlimit limit;
	struct rusage usage;

	if (!process->read_ns)
		process->start_time_seconds = start_time();
	process->read_ns = clock_ns();
	process->cpu_us = getrusage(RUSAGE_SELF, &usage)
				  ? UNKNOWN
				  : microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime);
	read_memory(process);
	process->open_fds = count_descriptors();
	process->max_fds = getrlimit(RLIMIT_NOFILE, &limit) ? UNKNOWN : limit.rlim_cur;
}

static void put(json_t **object, const char *key, uint64_t value)
{
	if (value <= INT64_MAX)
		json_put(object, key, json_integer((json_int_t)value));
}

json_t *process_json(void)
{
	static struct process process;
	json_t *object = json_object();

	if (!process.read_ns || clock_ns() - process.read_ns >= NS_PER_SECOND)
		read_process(&process);
	put(&object, "start_time_seconds", process.start_time_seconds);
	put(&object, "cpu_us", process.cpu_us);
	put(&object, "resident_bytes", process.resident_bytes);
	put(&object, "virtual_bytes", process.virtual_bytes);
	put(&object, "open_fds", process.open_fds);
	put(&object, "max_fds", process.max_fds);
	return object;
}
