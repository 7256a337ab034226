/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/etcd.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_build.h"
#include "base/json_text.h"
#include "base/base64.h"
#include "cluster/ask.h"
#include "cluster/rendezvous.h"

/* PREFIX/shards/LEASE/NUMBER. */
#define KEY_SIZE (ETCD_PREFIX_SIZE + CLUSTER_NAME_SIZE + 32)

/* A node's record with the names of all leases, and bits of all shards. */
#define VALUE_SIZE 16384

/* What etcd answers, by its gRPC codes: no or a wrong password; a token that is missing or is too
 * old. */
#define CODE_UNAUTHENTICATED  16
#define CODE_INVALID_ARGUMENT 3

bool etcd_name_valid(const char *name)
{
	size_t length =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return length && length < CLUSTER_NAME_SIZE && !name[length];
}

/* ---- requests ---- */

static json_t *bytes_json(const char *bytes, size_t length)
{
	char text[BASE64_SIZE(VALUE_SIZE)];

	base64_encode(bytes, length, text);
	return json_string(text);
}

static json_t *node_key(const char *prefix, const char *node)
{
	char key[KEY_SIZE];

	return bytes_json(key, (size_t)snprintf(key, sizeof(key), "%s/nodes/%s", prefix, node));
}

static json_t *shard_key(const char *prefix, const struct txn_shard *shard)
{
	char key[KEY_SIZE];

	return bytes_json(key, (size_t)snprintf(key, sizeof(key), "%s/shards/%s/%u", prefix,
						shard->lease, shard->number));
}

/* int64 are strings in the gateway's JSON. */
static json_t *number_json(int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	return json_string(text);
}

static json_t *compare_mod(json_t *key, int64_t mod)
{
	return json_pack("{s:o, s:s, s:s, s:o}", "key", key, "target", "MOD", "result", "EQUAL",
			 "mod_revision", number_json(mod));
}

static json_t *compare_create(json_t *key, const char *result, int64_t create)
{
	return json_pack("{s:o, s:s, s:s, s:o}", "key", key, "target", "CREATE", "result", result,
			 "create_revision", number_json(create));
}

/* The value is bytes to etcd: JSON as text, in base64. */
static json_t *value_json(json_t *value)
{
	size_t length = 0;
	char *text = value ? json_text_line(value, &length) : NULL;
	json_t *bytes = text && length <= VALUE_SIZE ? bytes_json(text, length - 1) : NULL;

	free(text);
	json_decref(value);
	return bytes;
}

static json_t *put(json_t *key, json_t *value)
{
	return json_pack("{s:{s:o, s:o}}", "request_put", "key", key, "value", value_json(value));
}

static json_t *delete (json_t *key)
{
	return json_pack("{s:{s:o}}", "request_delete_range", "key", key);
}

static const char hex_digits[] = "0123456789abcdef";

/* A digit for four shards, the first one in its lowest bit; none for the last ones that are fit. */
static json_t *unfit_json(const struct node_record *record)
{
	char text[CLUSTER_SHARDS / 4];
	size_t length = 0;

	for (size_t i = 0; i < sizeof(text); i++) {
		unsigned int bits = record->unfit[i / 16] >> i % 16 * 4 & 15;

		text[i] = hex_digits[bits];
		length = bits ? i + 1 : length;
	}
	return json_stringn(text, length);
}

static json_t *node_value(const struct node_record *record, const struct protocol *protocol)
{
	json_t *leases = json_array(), *value;
	const struct lease_name *lease;
	char instance[32], host[32];

	for (unsigned int i = 0; (lease = protocol_lease(protocol, i)); i++) {
		char text[CLUSTER_NAME_SIZE + 16];

		snprintf(text, sizeof(text), "%s/%u", lease->name, lease->shards);
		json_add(&leases, json_string(text));
	}
	snprintf(instance, sizeof(instance), "%016llx", (unsigned long long)record->instance);
	snprintf(host, sizeof(host), "%016llx", (unsigned long long)record->host);
	value = json_pack("{s:s, s:s, s:I, s:i, s:b, s:o, s:o}", "instance", instance, "host", host,
			  "serial", (json_int_t)record->serial, "weight", (int)record->weight,
			  "draining", record->draining, "leases", leases, "unfit",
			  unfit_json(record));
	if (record->ask.what)
		json_put(&value, "ask", ask_json(&record->ask));
	if (record->nr_heard)
		json_put(&value, "heard", ask_heard_json(record));
	if (record->real)
		json_put(&value, "real", json_integer((json_int_t)record->real));
	return value;
}

static json_t *shard_value(const struct shard_record *record)
{
	json_t *value = json_pack("{s:s, s:I, s:b}", "node", record->node, "term",
				  (json_int_t)record->term, "pinned", record->pinned);

	if (record->asked)
		json_put(&value, "asked", json_integer((json_int_t)record->asked));
	if (record->left)
		json_put(&value, "left_us", json_integer((json_int_t)(record->left / 1000) + 1));
	if (record->until_real)
		json_put(&value, "until_real", json_integer((json_int_t)record->until_real));
	if (record->cut)
		json_put(&value, "cut", json_loads(record->cut, JSON_REJECT_DUPLICATES, NULL));
	return value;
}

static char *body_of(json_t *json)
{
	size_t length = 0;
	char *text = json ? json_text_line(json, &length) : NULL;

	json_decref(json);
	return text;
}

char *etcd_txn_body(const char *prefix, const struct txn *txn, const char *node,
		    const struct protocol *protocol)
{
	bool deletes = txn->kind == TXN_CLEAR || txn->kind == TXN_LEAVE;
	json_t *compare = json_array(), *success = json_array();

	json_add(&compare, compare_mod(node_key(prefix, node), txn->mod));
	json_add(&success, deletes ? delete (node_key(prefix, node))
				   : put(node_key(prefix, node), node_value(&txn->own, protocol)));
	if (txn->kind == TXN_BURY) {
		json_add(&compare, compare_mod(node_key(prefix, txn->other), txn->other_mod));
		json_add(&success, delete (node_key(prefix, txn->other)));
	}
	if (txn->kind == TXN_PASS)
		json_add(&compare,
			 compare_create(node_key(prefix, txn->other), "EQUAL", txn->other_mod));
	for (unsigned int i = 0; i < txn->nr_shards; i++) {
		const struct txn_shard *shard = &txn->shards[i];

		json_add(&compare, compare_mod(shard_key(prefix, shard), shard->mod));
		if (*shard->ended_node)
			json_add(&compare, compare_create(node_key(prefix, shard->ended_node),
							  "NOT_EQUAL", shard->ended_term));
		json_add(&success, txn->kind == TXN_RELEASE ? delete (shard_key(prefix, shard))
							    : put(shard_key(prefix, shard),
								  shard_value(&shard->becomes)));
	}
	return body_of(json_pack("{s:o, s:o, s:[{s:{s:o}}]}", "compare", compare, "success",
				 success, "failure", "request_range", "key",
				 node_key(prefix, node)));
}

/* All keys that begin with "PREFIX/": up to the next byte after the slash. */
static json_t *all_keys(const char *prefix)
{
	char first[ETCD_PREFIX_SIZE + 1], end[ETCD_PREFIX_SIZE + 1];
	int length = snprintf(first, sizeof(first), "%s/", prefix);

	snprintf(end, sizeof(end), "%s0", prefix);
	return json_pack("{s:o, s:o}", "key", bytes_json(first, (size_t)length), "range_end",
			 bytes_json(end, (size_t)length));
}

char *etcd_range_body(const char *prefix)
{
	return body_of(all_keys(prefix));
}

char *etcd_watch_body(const char *prefix, int64_t revision)
{
	json_t *request = all_keys(prefix);

	if (request)
		json_put(&request, "start_revision", number_json(revision));
	return body_of(json_pack("{s:o}", "create_request", request));
}

char *etcd_login_body(const char *user, const char *password)
{
	return body_of(json_pack("{s:s, s:s}", "name", user, "password", password));
}

/* ---- answers ---- */

/* A number, or a string that is one; 0 if it is missing, as the gateway leaves out zeros; -1:
 * neither. */
static int64_t number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	long long number = json_integer_value(value);
	char *end = NULL;

	if (text) {
		errno = 0;
		number = strtoll(text, &end, 10);
		if (errno || !*text || *end || *text == ' ')
			return -1;
	}
	return number < 0 || (value && !text && !json_is_integer(value)) ? -1 : number;
}

static int complain(char words[ETCD_WORDS_SIZE], const char *text)
{
	snprintf(words, ETCD_WORDS_SIZE, "%s", text);
	return -EBADMSG;
}

/* 0: *json is an object, the caller's, and no error. */
static int read_object(const char *text, size_t length, json_t **json, char words[ETCD_WORDS_SIZE])
{
	int err = json_text_read(json, text, length, JSON_REJECT_DUPLICATES, NULL);
	const json_t *error;
	const char *message;
	int64_t code;

	*words = '\0';
	if (err)
		return err == -ENOMEM ? err : complain(words, "the answer is not JSON");
	error = json_object_get(*json, "error");
	if (json_is_object(*json) && !error)
		return 0;
	/* {"error": TEXT, "code"} of a call, {"error": {"message", "grpc_code"}} of a watch. */
	message = json_string_value(json_is_object(error) ? json_object_get(error, "message")
							  : error);
	code = json_is_object(error) ? number_of(error, "grpc_code") : number_of(*json, "code");
	err = complain(words, message ? message : "the answer is no object");
	if (code == CODE_UNAUTHENTICATED ||
	    (code == CODE_INVALID_ARGUMENT && message && strstr(message, "user name is empty")))
		err = -EACCES;
	json_decref(*json);
	*json = NULL;
	return err;
}

static bool read_hex(const json_t *object, const char *key, uint64_t *number)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return false;
	*number = strtoull(text, NULL, 16);
	return true;
}

/* NAME/NUMBER. */
static bool read_pair(const char *text, char name[CLUSTER_NAME_SIZE], unsigned long *number)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	char *end;

	if (!slash || (size_t)(slash - text) >= CLUSTER_NAME_SIZE || slash[1] < '0' ||
	    slash[1] > '9')
		return false;
	snprintf(name, CLUSTER_NAME_SIZE, "%.*s", (int)(slash - text), text);
	*number = strtoul(slash + 1, &end, 10);
	return etcd_name_valid(name) && !*end && *number <= CLUSTER_LEASE_SHARDS;
}

static bool read_unfit(const char *text, struct node_record *record)
{
	for (size_t i = 0; text && text[i]; i++) {
		const char *digit = strchr(hex_digits, text[i]);

		if (!digit || i >= CLUSTER_SHARDS / 4)
			return false;
		record->unfit[i / 16] |= (uint64_t)(digit - hex_digits) << i % 16 * 4;
	}
	return true;
}

/* *first is the number of all shards before those of the lease, and after them. */
static bool read_lease(const char *text, struct node_record *record, unsigned long *first)
{
	char name[CLUSTER_NAME_SIZE];
	unsigned long shards;

	if (!read_pair(text, name, &shards) || !shards || *first + shards > CLUSTER_SHARDS)
		return false;
	record->leases[record->nr_leases] = lease_hash(name, (unsigned int)shards);
	record->names[record->nr_leases] = name_hash(name);
	record->first[record->nr_leases++] = (uint16_t)*first;
	*first += shards;
	return true;
}

static bool read_node(const json_t *value, struct node_record *record)
{
	const json_t *leases = json_object_get(value, "leases");
	int64_t serial = number_of(value, "serial"), weight = number_of(value, "weight");
	unsigned long first = 0;

	*record =
		(struct node_record){.serial = (uint64_t)serial,
				     .draining = json_is_true(json_object_get(value, "draining"))};
	if (serial < 0 || weight < 1 || weight > CLUSTER_WEIGHT || !json_is_array(leases) ||
	    json_array_size(leases) > CLUSTER_LEASES || !read_hex(value, "host", &record->host) ||
	    !read_hex(value, "instance", &record->instance))
		return false;
	record->weight = (unsigned int)weight;
	record->real = (uint64_t)json_integer_value(json_object_get(value, "real"));
	if (record->real > INT64_MAX / 2)
		return false;
	/* A request that this version does not know must not make its node unknown. */
	if (!ask_read(json_object_get(value, "ask"), &record->ask))
		record->ask = (struct node_ask){0};
	ask_heard_read(json_object_get(value, "heard"), record);
	for (size_t i = 0; i < json_array_size(leases); i++) {
		if (!read_lease(json_string_value(json_array_get(leases, i)), record, &first))
			return false;
	}
	return read_unfit(json_string_value(json_object_get(value, "unfit")), record);
}

/* {RULE: NUMBER, …}, whose names only the daemon can know. NULL in the record: there is none. */
static bool read_cut(const json_t *cut, struct shard_record *record, char text[CLUSTER_CUT_SIZE])
{
	json_t *number;
	const char *rule;
	size_t length;

	if (!cut)
		return true;
	json_object_foreach((json_t *)cut, rule, number)
	{
		if (!json_is_integer(number) || json_integer_value(number) < 0 ||
		    json_integer_value(number) > UINT32_MAX)
			return false;
	}
	length = json_dumpb(cut, text, CLUSTER_CUT_SIZE - 1, JSON_COMPACT);
	if (!json_object_size(cut) || length >= CLUSTER_CUT_SIZE - 1)
		return false;
	text[length] = '\0';
	record->cut = text;
	return true;
}

static bool read_shard(const json_t *value, struct shard_record *record, char cut[CLUSTER_CUT_SIZE])
{
	const char *node = json_string_value(json_object_get(value, "node"));
	int64_t left = number_of(value, "left_us");

	*record = (struct shard_record){.term = number_of(value, "term"),
					.asked = number_of(value, "asked"),
					.pinned = json_is_true(json_object_get(value, "pinned"))};
	if (!node || !etcd_name_valid(node) || record->term < 1 || record->asked < 0 || left < 0 ||
	    left > (int64_t)(CLUSTER_LEFT_NS / 1000))
		return false;
	record->left = (uint64_t)left * 1000;
	record->until_real = (uint64_t)json_integer_value(json_object_get(value, "until_real"));
	if (record->until_real > INT64_MAX / 2)
		return false;
	snprintf(record->node, sizeof(record->node), "%s", node);
	return read_cut(json_object_get(value, "cut"), record, cut);
}

static bool read_key(const char *text, const char *prefix, struct etcd_key *key)
{
	size_t length = strlen(prefix);
	const char *slash, *number;
	char *end;

	if (strncmp(text, prefix, length) != 0)
		return false;
	text += length;
	if (strncmp(text, "/nodes/", 7) == 0) {
		snprintf(key->node, sizeof(key->node), "%s", text + 7);
		return etcd_name_valid(text + 7);
	}
	slash = strncmp(text, "/shards/", 8) == 0 ? strchr(text + 8, '/') : NULL;
	if (!slash || (size_t)(slash - text - 8) >= sizeof(key->lease))
		return false;
	key->is_shard = true;
	snprintf(key->lease, sizeof(key->lease), "%.*s", (int)(slash - text - 8), text + 8);
	number = slash + 1;
	key->number = (unsigned int)strtoul(number, &end, 10);
	/* Each shard has one key: no sign, no leading zeros. */
	return etcd_name_valid(key->lease) && *number && !*end && strlen(number) <= 4 &&
	       strspn(number, "0123456789") == strlen(number) && (*number != '0' || !number[1]) &&
	       key->number < CLUSTER_LEASE_SHARDS;
}

/* False: the value is not a record as we write it. */
static bool read_value(const char *value, struct etcd_key *key)
{
	char text[VALUE_SIZE + 1];
	json_t *json = NULL;
	ssize_t length = value ? base64_decode(value, text, sizeof(text)) : -1;
	bool fine;

	if (length < 0 || json_text_read(&json, text, (size_t)length, JSON_REJECT_DUPLICATES, NULL))
		return false;
	fine = key->is_shard ? read_shard(json, &key->shard_record, key->cut)
			     : read_node(json, &key->node_record);
	json_decref(json);
	return fine;
}

/* A KeyValue of etcd. False: it is not one of our keys. If only its value cannot be read, its
 * record is empty, so that its mod_revision is known: a transaction can replace or delete it. */
static bool read_kv(const json_t *kv, bool deleted, const char *prefix, struct etcd_key *key,
		    unsigned int *strange)
{
	const char *name = json_string_value(json_object_get(kv, "key"));
	char text[VALUE_SIZE + 1];
	ssize_t length;

	*key = (struct etcd_key){.deleted = deleted,
				 .create = number_of(kv, "create_revision"),
				 .mod = number_of(kv, "mod_revision")};
	length = name ? base64_decode(name, text, sizeof(text)) : -1;
	if (length < 0 || strlen(text) != (size_t)length || !read_key(text, prefix, key) ||
	    key->mod < 1 || (!deleted && key->create < 1)) {
		++*strange;
		return false;
	}
	if (!deleted && !read_value(json_string_value(json_object_get(kv, "value")), key)) {
		++*strange;
		key->shard_record = (struct shard_record){0};
		key->node_record = (struct node_record){0};
	}
	return true;
}

/* The key in the answer to the reading that follows a comparison that failed. Its name is ours,
 * because nothing else was asked for. */
static int read_own(const json_t *answer, struct answer *out)
{
	const json_t *responses = json_object_get(answer, "responses");
	const json_t *range = json_object_get(json_array_get(responses, 0), "response_range");
	const json_t *kvs = json_object_get(range, "kvs");
	const json_t *kv = json_array_get(kvs, 0);
	const char *value = json_string_value(json_object_get(kv, "value"));
	char text[VALUE_SIZE + 1];
	json_t *json = NULL;
	ssize_t length;

	if (!json_is_object(range))
		return -EBADMSG;
	if (!kv)
		return 0;
	out->create = number_of(kv, "create_revision");
	out->mod = number_of(kv, "mod_revision");
	length = value ? base64_decode(value, text, sizeof(text)) : -1;
	if (out->create < 1 || out->mod < out->create)
		return -EBADMSG;
	/* Whatever it has, it is not ours. */
	if (length < 0 ||
	    json_text_read(&json, text, (size_t)length, JSON_REJECT_DUPLICATES, NULL) ||
	    !read_node(json, &out->own))
		out->own = (struct node_record){0};
	json_decref(json);
	return 0;
}

int etcd_read_txn(const char *text, size_t length, struct answer *answer,
		  char words[ETCD_WORDS_SIZE])
{
	json_t *json;
	int err = read_object(text, length, &json, words);

	*answer = (struct answer){.kind = ANSWER_UNKNOWN};
	if (err)
		return err;
	answer->revision = number_of(json_object_get(json, "header"), "revision");
	if (answer->revision < 1 || !json_is_array(json_object_get(json, "responses")))
		err = -EBADMSG;
	else if (!json_is_true(json_object_get(json, "succeeded")))
		err = read_own(json, answer);
	if (err)
		complain(words, "not an answer to a transaction");
	else
		answer->kind = json_is_true(json_object_get(json, "succeeded")) ? ANSWER_DONE
										: ANSWER_REFUSED;
	json_decref(json);
	return err;
}

int etcd_read_range(const char *text, size_t length, const char *prefix, int64_t *revision,
		    etcd_key_function *each, void *context, unsigned int *strange,
		    char words[ETCD_WORDS_SIZE])
{
	struct etcd_key key;
	json_t *json;
	const json_t *kvs;
	int err = read_object(text, length, &json, words);

	if (err)
		return err;
	*revision = number_of(json_object_get(json, "header"), "revision");
	kvs = json_object_get(json, "kvs");
	if (*revision < 1 || (kvs && !json_is_array(kvs)))
		err = complain(words, "not an answer to a reading");
	for (size_t i = 0; i < json_array_size(kvs) && !err; i++) {
		if (read_kv(json_array_get(kvs, i), false, prefix, &key, strange))
			each(context, &key);
	}
	json_decref(json);
	return err;
}

int etcd_read_watch(const char *text, size_t length, const char *prefix, etcd_key_function *each,
		    void *context, unsigned int *strange, char words[ETCD_WORDS_SIZE])
{
	struct etcd_key key;
	json_t *json;
	const json_t *result, *events;
	int err = read_object(text, length, &json, words);

	if (err)
		return err;
	result = json_object_get(json, "result");
	events = json_object_get(result, "events");
	if (!json_is_object(result) || (events && !json_is_array(events)))
		err = complain(words, "not a line of a watch");
	else if (json_is_true(json_object_get(result, "canceled")))
		err = -ECANCELED;
	for (size_t i = 0; i < json_array_size(events) && !err; i++) {
		const json_t *event = json_array_get(events, i);
		const char *type = json_string_value(json_object_get(event, "type"));

		if (read_kv(json_object_get(event, "kv"), type && strcmp(type, "DELETE") == 0,
			    prefix, &key, strange))
			each(context, &key);
	}
	json_decref(json);
	return err;
}

int etcd_read_login(const char *text, size_t length, char token[ETCD_TOKEN_SIZE],
		    char words[ETCD_WORDS_SIZE])
{
	json_t *json;
	const char *found;
	int err = read_object(text, length, &json, words);

	if (err)
		return err;
	found = json_string_value(json_object_get(json, "token"));
	/* It becomes a line of the header. */
	if (!found || !*found || strlen(found) >= ETCD_TOKEN_SIZE || strpbrk(found, "\r\n"))
		err = complain(words, "not an answer to a login");
	else
		strcpy(token, found);
	json_decref(json);
	return err;
}
