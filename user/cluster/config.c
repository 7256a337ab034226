/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/trust.h"
#include "cluster/protocol.h"
#include "rules/load.h"

#define CONFIG(member) FIELD(struct cluster_config, member)

static const struct choice time_units[] = {{"ms", 1}, {"s", 1000}, {0}};
static const struct choice plain_passwords[] = {{"refuse", false}, {"allow", true}, {0}};
static const struct choice short_units[] = {{"us", 1}, {"ms", 1000}, {0}};
static const struct choice store_losses[] = {{"mute", false}, {"hold", true}, {0}};

/* ---- values that are no numbers ---- */

static bool parse_name(const struct word *word, char name[CLUSTER_NAME_SIZE], struct errors *errors)
{
	char text[CLUSTER_NAME_SIZE] = "";

	if (word->length < sizeof(text))
		memcpy(text, word->text, word->length);
	if (!etcd_name_valid(text) || strlen(text) != word->length) {
		word_error(errors, word,
			   "not a valid name, expected 1 to %d letters, digits, dots, hyphens and "
			   "underscores",
			   CLUSTER_NAME_SIZE - 1);
		return false;
	}
	memcpy(name, text, sizeof(text));
	return true;
}

static bool parse_node(const struct word *word, void *object, struct errors *errors)
{
	return parse_name(word, ((struct cluster_config *)object)->node, errors);
}

/* Copy a word of printable ASCII. False: it is too long, or has other characters; the error is
 * added to the list. */
static bool parse_text(const struct word *word, char *text, size_t size, const char *expected,
		       struct errors *errors)
{
	bool valid = word->length && word->length < size;

	for (size_t i = 0; i < word->length && valid; i++)
		valid = byte_is_printable(word->text[i]);
	if (!valid) {
		word_error(errors, word, "expected %s, at most %zu characters", expected, size - 1);
		return false;
	}
	memcpy(text, word->text, word->length);
	text[word->length] = '\0';
	return true;
}

static bool parse_prefix(const struct word *word, void *object, struct errors *errors)
{
	struct cluster_config *config = object;
	char *prefix = config->store.prefix;

	if (!parse_text(word, prefix, ETCD_PREFIX_SIZE, "a prefix of keys such as /xmcast", errors))
		return false;
	if (prefix[word->length - 1] == '/') {
		word_error(errors, word, "a slash at the end, expected a prefix such as /xmcast");
		return false;
	}
	return true;
}

static bool parse_user(const struct word *word, void *object, struct errors *errors)
{
	struct cluster_config *config = object;

	return parse_text(word, config->store.user, sizeof(config->store.user), "a user of etcd",
			  errors);
}

static bool parse_endpoint(const struct word *word, void *object, struct errors *errors)
{
	struct store_settings *store = &((struct cluster_config *)object)->store;
	const char *host;
	char *endpoint;

	if (store->nr_endpoints == STORE_ENDPOINTS) {
		word_error(errors, word, "too many endpoints, expected at most %d",
			   STORE_ENDPOINTS);
		return false;
	}
	endpoint = store->endpoints[store->nr_endpoints];
	if (!parse_text(word, endpoint, sizeof(store->endpoints[0]),
			"http://HOST:PORT or https://HOST:PORT", errors))
		return false;
	host = strncmp(endpoint, "https://", 8) == 0  ? endpoint + 8
	       : strncmp(endpoint, "http://", 7) == 0 ? endpoint + 7
						      : "";
	if (!*host || strpbrk(host, "/?#@") || !strrchr(host, ':')) {
		word_error(
			errors, word,
			"not an endpoint, expected http://HOST:PORT or https://HOST:PORT without "
			"a path");
		return false;
	}
	store->nr_endpoints++;
	return true;
}

/* ---- the table ---- */

#define TIME(key, member, from, to, standard, range)                                               \
	{                                                                                          \
		key, FIELD_UNITS, CONFIG(member), .min = from, .max = to, .value = standard,       \
						  .choices = time_units,                           \
						  .expected = "a time from " range ", in ms or s", \
	}
#define NUMBER(key, member, from, to, standard)                                                    \
	{                                                                                          \
		key, FIELD_NUMBER, CONFIG(member), .min = from, .max = to, .value = standard,      \
	}
#define OTHER(key, member, function)                                                               \
	{                                                                                          \
		key, FIELD_OTHER, CONFIG(member), .parse = function,                               \
	}
#define PATH(key, member)                                                                          \
	{                                                                                          \
		key, FIELD_PATH, CONFIG(member), .what = "path",                                   \
	}

/* The bounds of times: below, a busy host misses renewals; above, nobody would wait for it. */
static const struct field fields[] = {
	OTHER("node", node, parse_node),
	NUMBER("weight", weight, 1, CLUSTER_WEIGHT, 1),
	TIME("deadline", deadline, 200, 10000, 600, "200ms to 10s"),
	/* More than twice what a daemon may still send after its deadline, XMC_LEASE_DRAIN_NS. */
	TIME("guard", guard, 20, 5000, 25, "20ms to 5s"),
	TIME("renew", renew, 20, 1000, 100, "20ms to 1s"),
	TIME("gap", gap, 10, 1000, 15, "10ms to 1s"),
	TIME("daemon_timeout", daemon_timeout, 50, 5000, 250, "50ms to 5s"),
	TIME("input_timeout", input_timeout, 200, 60000, 300, "200ms to 60s"),
	TIME("settle", settle, 1000, 3600000, 30000, "1s to 3600s"),
	{"clock_error", FIELD_UNITS, CONFIG(clock_error), .min = 1, .max = 10000,
	 .choices = short_units, .expected = "a time from 1us to 10ms"},
	NUMBER("moves", moves, 1, 1000, 10),
	NUMBER("standbys", standbys, 1, CLUSTER_NODES, CLUSTER_NODES),
	OTHER("etcd.endpoints", store.endpoints, parse_endpoint),
	OTHER("etcd.prefix", store.prefix, parse_prefix),
	PATH("etcd.ca", store.ca),
	PATH("etcd.certificate", store.certificate),
	PATH("etcd.key", store.key),
	OTHER("etcd.user", store.user, parse_user),
	PATH("etcd.password_file", password_file),
	{"etcd.plain_password", FIELD_CHOICE, CONFIG(plain_password), .choices = plain_passwords},
	{0},
};

static const struct field on_store_loss = {
	"on_store_loss",
	FIELD_CHOICE,
	FIELD(struct lease_options, hold),
	.choices = store_losses,
};

static const struct field *find_field(const char *section, const struct word *key)
{
	size_t length = strlen(section);

	for (const struct field *field = fields; field->name; field++) {
		if (strncmp(field->name, section, length) == 0 &&
		    word_is(key, field->name + length))
			return field;
	}
	return NULL;
}

static void list_keys(const char *section, char names[FIELD_TEXT_SIZE])
{
	size_t length = strlen(section);

	for (const struct field *field = fields; field->name; field++) {
		if (strncmp(field->name, section, length) == 0 &&
		    !strchr(field->name + length, '.'))
			load_list_name(names, field->name + length, SIZE_MAX);
	}
}

/* ---- the file ---- */

/* Where a key stands, for what is checked at the end. */
struct places {
	struct word fields[sizeof(fields) / sizeof(fields[0])];
};

static void read_value(struct load *load, const struct field *field, struct cluster_config *config)
{
	struct yaml_value value = yaml_read(load->reader), item;
	bool list = strcmp(field->name, "etcd.endpoints") == 0 && value.kind == YAML_LIST;

	if (!list) {
		if (load_expect_kind(load, &value, SCALAR, "a value"))
			field_parse(field, &value.word, config, load->errors);
		return;
	}
	while ((item = yaml_read(load->reader)).kind != YAML_END) {
		if (load_expect_kind(load, &item, SCALAR, "http://HOST:PORT or https://HOST:PORT"))
			field_parse(field, &item.word, config, load->errors);
	}
}

static void read_lease(struct load *load, struct lease_options *lease)
{
	struct yaml_value mapping = yaml_read(load->reader), key, value;

	if (yaml_is_null(&mapping) ||
	    !load_expect_kind(load, &mapping, MAPPING, "a mapping with on_store_loss"))
		return;
	while (load_next_key(load, &key)) {
		if (!word_is(&key.word, on_store_loss.name)) {
			load_unknown_key(load, &key.word, on_store_loss.name, NULL);
			continue;
		}
		value = yaml_read(load->reader);
		if (load_expect_kind(load, &value, SCALAR, "mute or hold"))
			field_parse(&on_store_loss, &value.word, lease, load->errors);
	}
}

static void read_leases(struct load *load, struct cluster_config *config)
{
	struct yaml_value mapping = yaml_read(load->reader), key;

	if (yaml_is_null(&mapping) ||
	    !load_expect_kind(load, &mapping, MAPPING, "a mapping of the names of leases"))
		return;
	while (load_next_key(load, &key)) {
		struct lease_options lease = {0};
		struct word word = key.word;
		bool valid = parse_name(&word, lease.name, load->errors);

		for (unsigned int i = 0; i < config->nr_leases && valid; i++) {
			valid = strcmp(config->leases[i].name, lease.name) != 0;
			if (!valid)
				word_error(load->errors, &word, "duplicate key, expected it once");
		}
		if (valid && config->nr_leases == CLUSTER_LEASES) {
			word_error(load->errors, &word, "too many leases, expected at most %d",
				   CLUSTER_LEASES);
			valid = false;
		}
		read_lease(load, &lease);
		if (valid)
			config->leases[config->nr_leases++] = lease;
	}
}

static void read_section(struct load *load, const char *section, struct cluster_config *config,
			 struct places *places)
{
	struct yaml_value mapping = yaml_read(load->reader), key;
	char names[FIELD_TEXT_SIZE] = "";

	list_keys(section, names);
	if (!*section)
		load_list_name(names, "etcd, leases", SIZE_MAX);
	if (!load_expect_kind(load, &mapping, MAPPING,
			      *section ? "a mapping with endpoints" : "a mapping with etcd"))
		return;
	while (load_next_key(load, &key)) {
		const struct field *field = find_field(section, &key.word);

		if (field && places->fields[field - fields].text)
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		if (field) {
			places->fields[field - fields] = key.word;
			read_value(load, field, config);
		} else if (!*section && word_is(&key.word, "etcd")) {
			read_section(load, "etcd.", config, places);
		} else if (!*section && word_is(&key.word, "leases")) {
			read_leases(load, config);
		} else {
			load_unknown_key(load, &key.word, names, NULL);
		}
	}
}

/* ---- what must fit together ---- */

static void complain(struct load *load, const struct places *places, const char *file,
		     const char *name, const char *text, unsigned int least)
{
	for (const struct field *field = fields; field->name; field++) {
		const struct word *word = &places->fields[field - fields];

		if (strcmp(field->name, name) != 0)
			continue;
		if (word->text)
			word_error(load->errors, word, text, least);
		else
			errors_add(load->errors, &(struct position){file, 1, 1}, name, strlen(name),
				   text, least);
	}
}

/* Everybody on the way could read it, and write to etcd. */
static bool sends_plain_password(const struct cluster_config *config)
{
	bool plain = false;

	for (unsigned int i = 0; i < config->store.nr_endpoints; i++)
		plain = plain || strncmp(config->store.endpoints[i], "https://", 8) != 0;
	return plain && *config->store.user && *config->password_file && !config->plain_password;
}

static void check(struct load *load, const struct places *places, const char *file,
		  const struct cluster_config *config)
{
	const struct store_settings *store = &config->store;

	if (!store->nr_endpoints)
		complain(load, places, file, "etcd.endpoints",
			 "no endpoint, expected at least %u of etcd", 1);
	/* Two renewals may be lost, and the third one has to be answered. */
	if (config->deadline < 4 * config->renew)
		complain(load, places, file, "deadline",
			 "shorter than four times `renew`, expected at least %ums: it must outlast "
			 "an election of etcd and retries",
			 4 * config->renew);
	if (config->guard > config->deadline)
		complain(load, places, file, "guard",
			 "longer than `deadline`, expected at most %ums", config->deadline);
	if (config->daemon_timeout > config->deadline)
		complain(load, places, file, "daemon_timeout",
			 "longer than `deadline`, expected at most %ums", config->deadline);
	/* 2 % is far more than two crystals differ by, and what a slow read of a clock adds. */
	if (config->guard * 50 < config->deadline)
		complain(load, places, file, "guard",
			 "too short for clocks of different rates, expected at least %ums",
			 (config->deadline + 49) / 50);
	if (!*store->certificate != !*store->key)
		complain(load, places, file, *store->key ? "etcd.key" : "etcd.certificate",
			 "certificate and key belong together", 0);
	if (!*store->user != !*config->password_file)
		complain(load, places, file, *store->user ? "etcd.user" : "etcd.password_file",
			 "user and password_file belong together", 0);
	if (sends_plain_password(config))
		complain(load, places, file, "etcd.user",
			 "its password would be sent without encryption, expected https:// "
			 "endpoints, or `plain_password: allow`",
			 0);
}

static void set_defaults(struct cluster_config *config)
{
	*config = (struct cluster_config){.store.prefix = "/xmcast"};
	for (const struct field *field = fields; field->name; field++) {
		if (field->type == FIELD_NUMBER || field->type == FIELD_UNITS)
			field_set_default(field, config);
	}
	gethostname(config->node, sizeof(config->node) - 1);
	config->node[strcspn(config->node, ".")] = '\0';
}

int cluster_config_parse(const char *text, const char *file, struct cluster_config *config,
			 struct errors *errors)
{
	struct load load = {.errors = errors};
	struct places places = {0};
	unsigned int before = errors->count;
	int err;

	set_defaults(config);
	err = yaml_reader_new(&load.reader, text, strlen(text), file, errors);
	if (!err) {
		read_section(&load, "", config, &places);
		while (yaml_read(load.reader).kind != YAML_END)
			;
		err = yaml_error(load.reader);
	}
	if (!err && errors->count == before)
		check(&load, &places, file, config);
	yaml_reader_free(load.reader);
	config->store.timeout = PROTOCOL_TIMEOUT(config->deadline * NS_PER_MS);
	config->store.lag = config->deadline * NS_PER_MS / 2;
	return err ? err : errors->count != before ? -EINVAL : 0;
}

static int read_password(struct cluster_config *config, struct errors *errors)
{
	char reason[TRUST_REASON_SIZE];
	char *text = trust_read(config->password_file, true, reason);
	size_t length = text ? strcspn(text, "\r\n") : 0;
	bool fits = length && length < sizeof(config->store.password);

	if (!text || !fits)
		errors_add(errors, &(struct position){.file = config->password_file}, NULL, 0,
			   "%s, expected a line with the password",
			   text ? "no password, or a long one" : reason);
	else
		memcpy(config->store.password, text, length);
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return text && fits ? 0 : -EINVAL;
}

int cluster_config_load(const char *path, struct cluster_config *config, struct errors *errors)
{
	char reason[TRUST_REASON_SIZE];
	char *text = trust_read(path, false, reason);
	int err;

	if (!text) {
		errors_add(errors, &(struct position){.file = path}, NULL, 0,
			   "%s, expected a readable file", reason);
		return -EINVAL;
	}
	err = cluster_config_parse(text, path, config, errors);
	free(text);
	if (!err && *config->password_file)
		err = read_password(config, errors);
	return err;
}
