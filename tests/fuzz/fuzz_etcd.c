// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on what xmcast-cluster makes of etcd's words: any bytes, as the answer to a
 * transaction, to a reading of all keys, to a login, or as a line of a watch (the first byte says
 * which). What is accepted keeps to the limits of cluster/record.h. After a "c" it is the
 * configuration file.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/config.h"
#include "cluster/etcd.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_node(const struct node_record *record)
{
	/* Without a weight its value could not be read. */
	must(record->weight <= CLUSTER_WEIGHT && (record->weight || !record->instance));
	must(record->nr_leases <= CLUSTER_LEASES);
}

static void must_be_key(void *context, const struct etcd_key *key)
{
	must(context == NULL && key->mod > 0);
	if (key->is_shard)
		must(etcd_name_valid(key->lease) && key->number < CLUSTER_LEASE_SHARDS);
	else
		must(etcd_name_valid(key->node));
	if (key->deleted)
		return;
	must(key->create > 0);
	if (key->is_shard)
		must(!*key->shard_record.node ||
		     (etcd_name_valid(key->shard_record.node) && key->shard_record.term > 0));
	else
		must_be_node(&key->node_record);
}

static void read_answer(unsigned int kind, const char *text, size_t length)
{
	char words[ETCD_WORDS_SIZE], token[ETCD_TOKEN_SIZE];
	struct answer answer;
	unsigned int strange = 0;
	int64_t revision = 0;
	int err;

	switch (kind % 4) {
	case 0:
		err = etcd_read_txn(text, length, &answer, words);
		must((err == 0) == (answer.kind != ANSWER_UNKNOWN));
		must(answer.kind != ANSWER_DONE || answer.revision > 0);
		must(answer.kind != ANSWER_REFUSED || answer.mod >= answer.create);
		break;
	case 1:
		err = etcd_read_range(text, length, "/xmcast", &revision, must_be_key, NULL,
				      &strange, words);
		must(err || revision > 0);
		break;
	case 2:
		err = etcd_read_watch(text, length, "/xmcast", must_be_key, NULL, &strange, words);
		break;
	default:
		err = etcd_read_login(text, length, token, words);
		must(err || (*token && strlen(token) < sizeof(token)));
	}
	must(err <= 0);
}

static void read_config(const char *text)
{
	static struct cluster_config config;
	static struct errors errors;
	int err = cluster_config_parse(text, "file", &config, &errors);

	must(err == 0 || err == -EINVAL || err == -ENOMEM);
	must(err != -EINVAL || errors.count);
	must(err || (config.store.nr_endpoints && config.deadline >= 4 * config.renew &&
		     etcd_name_valid(config.node)));
	errors_free(&errors);
	memset(&errors, 0, sizeof(errors));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = calloc(1, size + 1);
	must(text != NULL);
	memcpy(text, data + 1, size - 1);
	if (data[0] == 'c')
		read_config(text);
	else
		read_answer(data[0], text, size - 1);
	free(text);
	return 0;
}
