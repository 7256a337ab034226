/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a configuration file and files of conf.d, which a line of "%%" separates. If all is
 * accepted, each file written by itself must make the same configuration again, of the same files;
 * if it is refused, there must be an error, and the configuration unchanged.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "rules/schema.h"
#include "rules/write.h"

#define SOURCES 4

/* Means that the configuration is unchanged. */
#define MARK 4711

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[SOURCES] = {"main", "1", "2", "3"};

static unsigned int split(const char *bytes, size_t size, struct config_source *sources)
{
	static const char between[] = "\n%%\n";
	unsigned int count = 0;

	while (count < SOURCES) {
		const char *end = memmem(bytes, size, between, strlen(between));
		size_t length = end && count < SOURCES - 1 ? (size_t)(end - bytes) : size;

		sources[count] = (struct config_source){names[count], bytes, length};
		count++;
		if (length == size)
			break;
		bytes += length + strlen(between);
		size -= length + strlen(between);
	}
	return count;
}

static void check_written(const struct config *config, unsigned int count)
{
	struct config_source written[SOURCES];
	struct errors errors = {0};
	struct config again;

	for (unsigned int i = 0; i < count; i++) {
		written[i].file = names[i];
		written[i].bytes = config_write_file(config, i, &written[i].length);
		must(written[i].bytes);
	}
	config_init(&again);
	must(config_parse_sources(written, count, &again, &errors) == 0);
	must(errors.count == 0);
	must(config_equal(config, &again));
	for (unsigned int i = 0; i < config->nr_rules; i++)
		must(config->rules[i].file == again.rules[i].file);
	for (unsigned int i = 0; i < config->nr_ifaces; i++)
		must(config->ifaces[i].file == again.ifaces[i].file);
	for (unsigned int i = 0; i < count; i++)
		free((char *)written[i].bytes);
	config_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_source sources[SOURCES];
	unsigned int count = split((const char *)data, size, sources);
	struct errors errors = {0};
	struct config config;
	int error;

	config_init(&config);
	config.workers.frames = MARK;
	error = config_parse_sources(sources, count, &config, &errors);
	if (error) {
		must(error == -EINVAL);
		must(errors.count > 0 && errors.kept > 0);
		must(config.workers.frames == MARK && !config.rules && !config.parts);
	} else {
		must(errors.count == 0);
		must(config.nr_parts == count - 1);
		require_rules_again(&config);
		check_written(&config, count);
	}
	errors_free(&errors);
	config_free(&config);
	return 0;
}
