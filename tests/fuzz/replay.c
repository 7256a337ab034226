/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over every file of the directories given, without libFuzzer; without
 * arguments, as replay_NAME, over tests/fuzz/corpus/NAME. A target that finds something wrong
 * aborts. Prints TAP; a corpus that is not there is a failure, not a pass.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input under way, for a reader of why the target ended us. */
static char current[8192];

static void name_input(int number)
{
	ssize_t ignored = write(STDERR_FILENO, current, strlen(current));

	(void)ignored;
	signal(number, SIG_DFL);
	raise(number);
}

static int replay_file(const char *path)
{
	FILE *stream = fopen(path, "rb");
	struct stat status;
	uint8_t *data;
	size_t size;
	int error = -1;

	if (!stream)
		return -1;
	if (fstat(fileno(stream), &status))
		goto close;
	/* Not one byte more than the input, so that a sanitizer sees a read past its end. */
	size = (size_t)status.st_size;
	data = malloc(size);
	if ((data || size == 0) && fread(data, 1, size, stream) == size) {
		snprintf(current, sizeof(current), "# %s\n", path);
		LLVMFuzzerTestOneInput(data, size);
		error = 0;
	}
	free(data);
close:
	fclose(stream);
	return error;
}

static int replay_directory(const char *directory, unsigned int *count)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	char path[4096];

	if (!stream)
		return -1;
	while ((entry = readdir(stream))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (replay_file(path)) {
			fprintf(stderr, "# %s: %s\n", path, strerror(errno));
			closedir(stream);
			return -1;
		}
		(*count)++;
	}
	closedir(stream);
	return 0;
}

static int fail(const char *directory)
{
	printf("not ok 1 - cannot replay %s\n", directory);
	return 1;
}

int main(int argc, char **argv)
{
	const char *name = strstr(argv[0], "replay_");
	unsigned int count = 0;
	char directory[256];

	signal(SIGABRT, name_input);
	puts("1..1");
	fflush(stdout);
	if (argc == 1) {
		snprintf(directory, sizeof(directory), "tests/fuzz/corpus/%s",
			 name ? name + strlen("replay_") : "");
		if (replay_directory(directory, &count))
			return fail(directory);
	}
	for (int i = 1; i < argc; i++) {
		if (replay_directory(argv[i], &count))
			return fail(argv[i]);
	}
	printf("%s 1 - replayed %u inputs\n", count ? "ok" : "not ok", count);
	return count ? 0 : 1;
}
