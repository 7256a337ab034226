/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte that chooses a peer, then any bytes as its configuration. What is accepted becomes a
 * configuration of ours, with as many rules as were counted; what is refused is an error.
 */
#include <errno.h>

#include "import/import.h"
#include "rules/schema.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const char *text, size_t length, unsigned int rules)
{
	struct errors errors = {0};
	struct config config;

	must(strlen(text) == length);
	config_init(&config);
	must(config_parse_yaml(text, length, "fuzz", &config, &errors) == 0);
	must(config.nr_rules == rules);
	config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_source source = {
		.bytes = (const char *)data + 1, .length = size - 1, .file = "fuzz"};
	const struct import_peer *peer = import_peers;
	struct errors errors = {0};
	struct sheet_count count;
	size_t length;
	char *text;

	if (!size)
		return 0;
	/* A letter, so that a corpus can be written by hand: 'a' is the first. */
	for (unsigned int i = 'a'; peer->name && i < data[0]; i++)
		peer++;
	if (!peer->name)
		return 0;
	text = import_configuration(peer, &source, &length, &count, &errors);
	if (text) {
		must(!errors.count);
		check_again(text, length, count.rules);
		free(text);
	} else {
		must(errno == EINVAL && errors.count);
		errors_free(&errors);
	}
	return 0;
}
