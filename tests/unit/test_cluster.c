// SPDX-License-Identifier: BSD-2-Clause
/* Parts of xmcast-cluster: how shards are distributed, its configuration, what it writes to etcd
 * and reads from it. The protocol is in test_cluster_model.c. */
#include "expect.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/base64.h"
#include "cluster/config.h"
#include "cluster/etcd.h"
#include "cluster/rendezvous.h"

/* ---- rendezvous ---- */

static unsigned int first_of(const unsigned int weights[], unsigned int nodes, unsigned int shard)
{
	uint64_t lease = lease_hash("tv", 1000), best = 0;
	unsigned int first = 0;

	for (unsigned int i = 0; i < nodes; i++) {
		const char name[] = {'n', (char)('a' + i), '\0'};
		uint64_t score = rendezvous_score(name_hash(name), weights[i], lease, shard);

		if (score > best) {
			best = score;
			first = i;
		}
	}
	return first;
}

/* In proportion to the weights: 200, 200, 400, 200 of 1000, and 4 standard deviations (15) of room.
 */
static void shards_follow_weights(void **state)
{
	const unsigned int weights[] = {1, 1, 2, 1};
	int counts[4] = {0};

	for (unsigned int shard = 0; shard < 1000; shard++)
		counts[first_of(weights, 4, shard)]++;
	for (unsigned int i = 0; i < 4; i++)
		assert_in_range(counts[i], 200 * weights[i] - 60, 200 * weights[i] + 60);
}

/* A node that comes takes its own shards, and no other shard moves. */
static void only_its_own_move(void **state)
{
	const unsigned int weights[] = {1, 3, 2, 1};

	for (unsigned int shard = 0; shard < 1000; shard++) {
		unsigned int before = first_of(weights, 3, shard),
			     after = first_of(weights, 4, shard);

		assert_true(after == before || after == 3);
	}
}

/* ---- the configuration ---- */

static void expect_config(const char *text, const struct expected *expected)
{
	static struct cluster_config config;
	static struct errors errors;

	memset(&errors, 0, sizeof(errors));
	assert_int_equal(cluster_config_parse(text, "file", &config, &errors), -EINVAL);
	expect_errors(&errors, expected, text);
}

static void accept_config(const char *text)
{
	static struct cluster_config config;
	static struct errors errors;

	memset(&errors, 0, sizeof(errors));
	assert_int_equal(cluster_config_parse(text, "file", &config, &errors), 0);
	errors_free(&errors);
}

static void reads_configuration(void **state)
{
	static struct cluster_config config;
	static struct errors errors;

	assert_int_equal(
		cluster_config_parse("node: studio-a\n"
				     "weight: 2\n"
				     "deadline: 1s\n"
				     "etcd:\n"
				     "  endpoints: [http://10.0.0.1:2379, 'https://[::1]:2379']\n"
				     "  ca: /etc/ca.pem\n"
				     "leases: { tv: { on_store_loss: hold }, radio: }\n",
				     "file", &config, &errors),
		0);
	assert_string_equal(config.node, "studio-a");
	assert_int_equal(config.weight, 2);
	assert_int_equal(config.deadline, 1000);
	assert_int_equal(config.guard, 25);
	assert_int_equal(config.renew, 100);
	assert_int_equal(config.gap, 15);
	assert_int_equal(config.daemon_timeout, 250);
	assert_int_equal(config.settle, 30000);
	assert_int_equal(config.clock_error, 0);
	assert_int_equal(config.store.nr_endpoints, 2);
	assert_string_equal(config.store.endpoints[1], "https://[::1]:2379");
	assert_string_equal(config.store.prefix, "/xmcast");
	assert_int_equal(config.nr_leases, 2);
	assert_true(config.leases[0].hold);
	assert_false(config.leases[1].hold);
}

static void refuses_configuration(void **state)
{
	expect_config("node: a/b\netcd: { endpoints: http://a:1/x, prefix: /x/ }\nweight: 17\n",
		      (struct expected[]){{1, 7, "a/b", "not a valid name"},
					  {2, 20, "http://a:1/x", "not an endpoint"},
					  {2, 42, "/x/", "a slash at the end"},
					  {3, 9, "17", "a number from 1 to 16"},
					  {}});
	expect_config("node: a\ndeadline: 300ms\nguard: 400ms\ndaemon_timeout: 500ms\n"
		      "etcd: { endpoints: http://a:1, user: x, key: /k }\n",
		      (struct expected[]){{2, 1, "deadline", "expected at least 400ms"},
					  {3, 1, "guard", "expected at most 300ms"},
					  {4, 1, "daemon_timeout", "expected at most 300ms"},
					  {5, 32, "user", "user and password_file belong together"},
					  {5, 41, "key", "certificate and key belong together"},
					  {}});
	expect_config("node: a\nguard: 19ms\ngap: 9ms\netcd: { endpoints: http://a:1 }\n",
		      (struct expected[]){{2, 8, "19ms", "a time from 20ms to 5s"},
					  {3, 6, "9ms", "a time from 10ms to 1s"},
					  {}});
	expect_config("node: a\ndeadline: 10s\nguard: 20ms\netcd: { endpoints: http://a:1 }\n",
		      (struct expected[]){{3, 1, "guard", "expected at least 200ms"}, {}});
	expect_config(
		"node: a\n"
		"etcd: { endpoints: [https://a:1, http://b:1], user: x, password_file: /p }\n",
		(struct expected[]){{2, 47, "user", "sent without encryption"}, {}});
	accept_config(
		"node: a\n"
		"etcd: { endpoints: http://b:1, plain_password: allow, user: x, password_file: "
		"/p }\n");
	accept_config("node: a\netcd: { endpoints: https://b:1, user: x, password_file: /p }\n");
	/* At most half of the shortest guard. */
	accept_config("node: a\nclock_error: 1us\netcd: { endpoints: http://b:1 }\n");
	accept_config("node: a\nclock_error: 10ms\netcd: { endpoints: http://b:1 }\n");
	for (unsigned int i = 0; i < 4; i++) {
		static const char *const errors_of_clocks[] = {"0us", "-1us", "11ms", "10001us"};
		char text[100];

		snprintf(text, sizeof(text),
			 "node: a\nclock_error: %s\netcd: { endpoints: http://b:1 }\n",
			 errors_of_clocks[i]);
		expect_config(text, (struct expected[]){{2, 14, errors_of_clocks[i], "us"}, {}});
	}
	expect_config("node: a\n",
		      (struct expected[]){{1, 1, "etcd.endpoints", "no endpoint"}, {}});
	expect_config("node: a\nnode: b\nnods: c\netcd: { endpoints: http://a:1 }\n",
		      (struct expected[]){{2, 1, "node", "duplicate key"},
					  {3, 1, "nods", "did you mean node?"},
					  {}});
}

/* ---- etcd ---- */

static void base64_of_all_lengths(void **state)
{
	char bytes[] = "\x00\xff any bytes", text[BASE64_SIZE(sizeof(bytes))],
	     back[sizeof(bytes) + 1];

	for (size_t length = 0; length <= sizeof(bytes); length++) {
		base64_encode(bytes, length, text);
		assert_int_equal(strlen(text), BASE64_SIZE(length) - 1);
		assert_int_equal(base64_decode(text, back, sizeof(back)), (ssize_t)length);
		assert_memory_equal(bytes, back, length);
	}
	assert_int_equal(base64_decode("AAAA", back, 3), -1);
	assert_int_equal(base64_decode("AAA", back, sizeof(back)), -1);
	assert_int_equal(base64_decode("A=AA", back, sizeof(back)), -1);
	assert_int_equal(base64_decode("===A", back, sizeof(back)), -1);
}

static void remember(void *context, const struct etcd_key *key)
{
	*(struct etcd_key *)context = *key;
}

/* A record that is written is read again, from the answer to a reading. */
static void keys_are_read(void **state)
{
	static struct etcd_key key;
	char value[128], encoded_key[128], encoded[256], text[1024], words[ETCD_WORDS_SIZE];
	unsigned int strange = 0;
	int64_t revision;

	snprintf(value, sizeof(value), "{\"node\":\"a\",\"term\":12,\"pinned\":true}");
	base64_encode(value, strlen(value), encoded);
	base64_encode("/xmcast/shards/tv/3", strlen("/xmcast/shards/tv/3"), encoded_key);
	snprintf(text, sizeof(text),
		 "{\"header\":{\"revision\":\"20\"},\"kvs\":[{\"key\":\"%s\",\"create_revision\":"
		 "\"3\","
		 "\"mod_revision\":\"7\",\"value\":\"%s\"},{\"key\":\"AAAA\"}]}",
		 encoded_key, encoded);
	assert_int_equal(etcd_read_range(text, strlen(text), "/xmcast", &revision, remember, &key,
					 &strange, words),
			 0);
	assert_int_equal(revision, 20);
	assert_int_equal(strange, 1);
	assert_true(key.is_shard && key.shard_record.pinned && !key.deleted);
	assert_string_equal(key.lease, "tv");
	assert_int_equal(key.number, 3);
	assert_int_equal(key.mod, 7);
	assert_int_equal(key.shard_record.term, 12);
	assert_string_equal(key.shard_record.node, "a");
}

/* Reads one key with this value. Returns how many were strange. */
static unsigned int read_one(const char *name, const char *value, struct etcd_key *key)
{
	char encoded_key[128], encoded[2048], text[4096], words[ETCD_WORDS_SIZE];
	unsigned int strange = 0;
	int64_t revision;

	*key = (struct etcd_key){0};
	base64_encode(name, strlen(name), encoded_key);
	base64_encode(value, strlen(value), encoded);
	snprintf(text, sizeof(text),
		 "{\"header\":{\"revision\":\"20\"},\"kvs\":[{\"key\":\"%s\",\"create_revision\":"
		 "\"3\",\"mod_revision\":\"7\",\"value\":\"%s\"}]}",
		 encoded_key, encoded);
	assert_int_equal(etcd_read_range(text, strlen(text), "/xmcast", &revision, remember, key,
					 &strange, words),
			 0);
	return strange;
}

/* Their mod_revisions are known, so that they do not stop every transaction that compares them. */
static void unreadable_records_are_empty(void **state)
{
	static struct etcd_key key;

	assert_int_equal(read_one("/xmcast/shards/tv/3", "garbage", &key), 1);
	assert_true(key.is_shard && key.mod == 7 && !*key.shard_record.node);
	assert_int_equal(read_one("/xmcast/shards/tv/3",
				  "{\"node\":\"a\",\"term\":2,\"cut\":{\"x\":-1}}", &key),
			 1);
	assert_true(key.is_shard && key.mod == 7 && !*key.shard_record.node);
	assert_int_equal(read_one("/xmcast/nodes/b", "{\"weight\":1}", &key), 1);
	assert_string_equal(key.node, "b");
	assert_true(!key.is_shard && key.mod == 7 && key.create == 3 && !key.node_record.weight);
	/* A request of a later version. */
	assert_int_equal(read_one("/xmcast/nodes/b",
				  "{\"instance\":\"0000000000000001\",\"host\":"
				  "\"0000000000000002\",\"serial\":3,\"weight\":4,\"leases\":[],"
				  "\"ask\":{\"what\":\"dance\",\"id\":5}}",
				  &key),
			 0);
	assert_int_equal(key.node_record.weight, 4);
	assert_int_equal(key.node_record.ask.what, ASK_NONE);
	assert_int_equal(key.node_record.ask.id, 0);
	/* The longest deadline and guard. */
	assert_int_equal(read_one("/xmcast/shards/tv/3",
				  "{\"node\":\"a\",\"term\":2,\"left_us\":15000000}", &key),
			 0);
	assert_int_equal(key.shard_record.left, 15000000000ULL);
}

/* However many shards a node cannot relay, its record says which: the one that it writes is the one
 * that others read. */
static void unfit_shards_are_read(void **state)
{
	static const struct lease_name leases[] = {{"tv", 3}, {"wide", 1000}, {"radio", 1}};
	const struct protocol_settings settings = {
		.node = "a", .weight = 1, .deadline = 600, .guard = 100, .renew = 100};
	struct protocol *protocol = protocol_new(&settings);
	static struct etcd_key key;
	static struct txn txn;
	char text[4096];
	json_t *body;
	const char *value;
	char *sent;

	assert_int_equal(protocol_set_leases(protocol, leases, 3), 0);
	for (unsigned int i = 0; i < 1004; i += 1 + i % 3)
		protocol_set_fit(protocol, i, false);
	protocol_set_daemon(protocol, true);
	protocol_reading(protocol);
	protocol_see_all(protocol, 1, 1);
	assert_true(protocol_request(protocol, 1, &txn));
	sent = etcd_txn_body("/xmcast", &txn, "a", protocol);
	body = json_loads(sent, 0, NULL);
	assert_int_equal(
		json_unpack(body, "{s:[{s:{s:s}}]}", "success", "request_put", "value", &value), 0);
	assert_true(base64_decode(value, text, sizeof(text)) > 0);
	assert_int_equal(read_one("/xmcast/nodes/a", text, &key), 0);
	assert_memory_equal(key.node_record.unfit, txn.own.unfit, sizeof(txn.own.unfit));
	assert_memory_equal(key.node_record.first, txn.own.first, sizeof(txn.own.first));
	assert_int_equal(key.node_record.first[2], 1003);
	assert_int_not_equal(txn.own.unfit[15], 0);
	/* More than one node may have. */
	assert_int_equal(read_one("/xmcast/nodes/b",
				  "{\"instance\":\"0000000000000001\",\"host\":"
				  "\"0000000000000002\",\"serial\":3,\"weight\":4,\"leases\":["
				  "\"a/1024\",\"b/1024\",\"c/1024\",\"d/1024\",\"e/1\"]}",
				  &key),
			 1);
	json_decref(body);
	free(sent);
	protocol_free(protocol);
}

static void errors_of_etcd(void **state)
{
	static const char no_user[] = "{\"error\":\"etcdserver: user name is empty\",\"code\":3}";
	static const char no_leader[] = "{\"error\":\"etcdserver: no leader\",\"code\":14}";
	char words[ETCD_WORDS_SIZE];
	struct answer answer;

	assert_int_equal(etcd_read_txn(no_user, strlen(no_user), &answer, words), -EACCES);
	assert_int_equal(etcd_read_txn(no_leader, strlen(no_leader), &answer, words), -EBADMSG);
	assert_int_equal(answer.kind, ANSWER_UNKNOWN);
	assert_string_equal(words, "etcdserver: no leader");
	assert_int_equal(etcd_read_txn("{", 1, &answer, words), -EBADMSG);
	assert_string_equal(words, "the answer is not JSON");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shards_follow_weights),
		cmocka_unit_test(only_its_own_move),
		cmocka_unit_test(reads_configuration),
		cmocka_unit_test(refuses_configuration),
		cmocka_unit_test(base64_of_all_lengths),
		cmocka_unit_test(keys_are_read),
		cmocka_unit_test(unreadable_records_are_empty),
		cmocka_unit_test(unfit_shards_are_read),
		cmocka_unit_test(errors_of_etcd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
