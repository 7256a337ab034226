// SPDX-License-Identifier: BSD-2-Clause
/*
 * No memory, at every single allocation of each piece of work below (failing_malloc.h): each says
 * so, or has come to the very result that it comes to with memory; and has given back all that it
 * had.
 */
#include "watchdog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "failing_malloc.c"
#include "base/clock.h"
#include "base/json_text.h"
#include "control/rpc.h"
#include "import/import.h"
#include "membership/membership.h"
#include "rules/change.h"
#include "rules/diff.h"
#include "rules/file.h"
#include "rules/grammar.h"
#include "rules/save.h"
#include "rules/schema.h"
#include "rules/write.h"
#include "dataplane/ruleset.h"
#include "telemetry/event.h"
#include "telemetry/metrics.h"
#include "telemetry/sampler.h"
#include "telemetry/stats.h"

/* ---- rules ---- */

static const char *const texts[] = {
	"a in 239.1.1.1:5000@eth0 source 10.9.9.9 out 239.2.2.2:6000@eth1 ttl 8 out 10.0.0.1:7",
	"b in 239.1.1.2:5000@eth0 out 239.2.2.3:6000@eth1 dscp af41",
	"n{1..2} in 239.1.1.{3..4}:5000@eth1 disabled out 10.0.0.2:7",
};

static const char document[] =
	"rules:\n"
	"  - name: cam1\n    in: 239.1.1.1:5000@eth0\n    source: 10.9.9.9\n"
	"    out:\n      - { to: 239.2.2.2:6000@eth1, ttl: 8, dscp: af41, gso: 16 }\n"
	"      - 10.0.0.100:6000\n"
	"  - cam2 in 239.1.1.2:5000@eth0 out 239.2.2.3:6000@eth1 ttl 8\n"
	"  - { name: 'n{1..2}', in: '239.1.2.{1..2}:1@eth0', out: { ttl: 3, to: 10.0.0.1 } }\n"
	"  - in 239.1.3.{1..2}:1@eth0 out 10.0.0.1\n"
	"defaults: { ttl: 9, from: keep }\n"
	"interfaces: { eth0: { mode: skb, queues: 2 }, eth1: { mode: native } }\n"
	"egress: { engine: sendmmsg, gso: off, wakeup: hybrid }\n"
	"workers: { frames: 1024, cpus: [0, 1] }\n"
	"control: { group: root, admin_group: root, save_changes: yes }\n"
	"logging: { level: debug, levels: { steering: error } }\n"
	"events: { silent_after: 7 }\n";

static char directory[] = "/tmp/xmcast-memory-XXXXXX";
static char file[64];

static char *as_text(struct config *config, int *err)
{
	size_t length = SIZE_MAX; /* not set where there is no text: then not to be looked at */
	char *text = config_write(config, &length);

	if (!text)
		*err = -errno;
	config_free(config);
	return text;
}

/* What has become of a configuration: its text, or *err as it is. Empties both. */
static char *outcome(struct config *config, struct errors *errors, int *err)
{
	errors_free(errors);
	if (!*err)
		return as_text(config, err);
	config_free(config);
	return NULL;
}

/* What a list of errors says; empties it. Of errors that there was no memory for it says how many
 * they are: that is an answer to having none. */
static char *errors_text(struct errors *errors, int *err)
{
	char *text = NULL;
	size_t length;
	FILE *stream;

	if (errors->kept != errors->count) {
		errors_free(errors);
		*err = -ENOMEM;
		return NULL;
	}
	*err = 0;
	fail_nothing();
	stream = open_memstream(&text, &length);
	assert_non_null(stream);
	errors_print(errors, stream);
	fclose(stream);
	fail_again(1); /* the text */
	errors_free(errors);
	return text;
}

static char *parse_rules(int *err)
{
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	*err = config_add_rules(&config, texts, 3, "x", &errors);
	return outcome(&config, &errors, err);
}

/* ---- imports ---- */

static char *import(const char *peer, const char *bytes, int *err)
{
	struct import_source source = {.bytes = bytes, .length = strlen(bytes), .file = "x"};
	struct errors errors = {0};
	struct sheet_count count;
	size_t length;
	char *text = import_configuration(import_peer(peer), &source, &length, &count, &errors);

	*err = text ? 0 : -errno;
	errors_free(&errors);
	return text;
}

static char *import_smcroute(int *err)
{
	return import("smcroute",
		      "mroute from a source 10.0.0.0/8 group 239.1.1.2/31 to b c\n"
		      "mroute from a source 10.0.0.1/8 group 239.1.1.2 to b\n"
		      "mroute from a group 239.1.1.2 to b\nmroute from a group 239.1.1.2 to a/ b/",
		      err);
}

static char *import_igmpproxy(int *err)
{
	return import("igmpproxy",
		      "quickleave phyint a upstream altnet 10.0.0.0/8 whitelist 239.1.1.2/31\n"
		      "phyint b downstream threshold 3 whitelist 239.1.1.x",
		      err);
}

static char *import_mcr(int *err)
{
	return import(
		"mcr",
		"{ rules: [ { name: 'a b', input: { interface: 'a', group: '239.1.1.1', port: 5 "
		"}, outputs: [ { interface: 'b', group: '239.1.1.2', port: 6 } ] } ], x: [{}] }",
		err);
}

static char *import_socat(int *err)
{
	return import(
		"socat",
		"x socat -u 'UDP4-RECV:5',ip-add-membership=239.1.1.1:a UDP4:10.0.0.1:5 2>&1\n"
		"socat UDP4-RECV:5,x UDP4-DATAGRAM:239.1.1.1:6",
		err);
}

static char *import_broadcast(int *err)
{
	return import("udp-broadcast-relay",
		      "udpbroadcastrelay --id 1 --port 5 --dev a --dev b -s 10.0.0.1 --blockid 3",
		      err);
}

static char *parse_document(int *err)
{
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	*err = config_parse_yaml(document, strlen(document), "x", &config, &errors);
	return outcome(&config, &errors, err);
}

static char *refuse_document(int *err)
{
	static const char bad[] = "rules:\n  - name: a b\n    in: 1.2.3:4@eth0\n    out: [x, y]\n"
				  "    wrong: 1\n  - in\negress: { gso: 99999 }\nodd: {}\n";
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	*err = config_parse_yaml(bad, strlen(bad), "x", &config, &errors);
	config_free(&config);
	if (*err == -EINVAL)
		return errors_text(&errors, err);
	errors_free(&errors);
	return NULL;
}

static char *read_file(int *err)
{
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	*err = config_load_file(file, &config, &errors);
	return outcome(&config, &errors, err);
}

static struct config running;

static char *copy(int *err)
{
	struct config config;

	*err = config_copy(&config, &running);
	return *err ? NULL : as_text(&config, err);
}

static const struct rule_operation operations[] = {
	{RULE_ADD, "c in 239.1.1.4:5000@eth0 out 239.2.2.2:6001@eth1"},
	{RULE_REPLACE, "a in 239.1.1.5:5000@eth0 out 239.2.2.2:6001@eth1"},
	{RULE_DISABLE, "c"},
	{RULE_ENABLE, "c"},
	{RULE_DELETE, "b"},
};

static char *change(int *err)
{
	struct errors errors = {0};
	struct config result;

	*err = config_change(&running, operations, 5, "x", &result, &errors);
	errors_free(&errors);
	return *err ? NULL : as_text(&result, err);
}

static struct config other;

static char *compare(int *err)
{
	struct config_diff diff;
	char *text = NULL;

	*err = config_diff(&running, &other, &diff);
	if (*err)
		return NULL;
	if (asprintf(&text, "%u %u %u %u %s", diff.nr_added, diff.nr_removed, diff.nr_changed,
		     diff.nr_settings, diff.nr_settings ? diff.settings[0].name : "") < 0) {
		*err = -ENOMEM;
		text = NULL;
	}
	config_diff_free(&diff);
	return text;
}

static char *save(int *err)
{
	*err = config_save_file(file, document, strlen(document), CONFIG_MODE_IF_NEW);
	if (*err)
		return NULL;
	return read_file(err);
}

/* ---- kernel ---- */

static char *join(int *err)
{
	struct membership *membership;
	struct membership_entry *list = NULL;
	struct xmc_addr none = {0};
	struct xmc_addr group;
	struct xmc_addr source;
	char *text = NULL;
	int n = 0;

	addr_parse("10.9.9.9", &source);
	*err = membership_open(&membership);
	if (*err)
		return NULL;
	for (int i = 0; !*err && i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "239.7.7.%d", i);
		addr_parse(name, &group);
		*err = membership_join(membership, &group, i % 2 ? &source : &none, 1);
	}
	if (!*err)
		membership_leave(membership, &group, &source, 1);
	if (!*err) {
		n = membership_list(membership, &list);
		*err = n < 0 ? n : 0;
	}
	if (!*err && asprintf(&text, "%d", n) < 0) {
		*err = -ENOMEM;
		text = NULL;
	}
	free(list);
	membership_close(membership);
	return text;
}

static char *open_streams(int *err)
{
	const struct egress_config egress = {.gso = 64, .send_buffer = 65536};
	struct stream *streams[3] = {0};
	struct stream_failure failure;
	struct ruleset *ruleset = NULL;
	struct xmc_datagram dgram = {0};
	char *text = NULL;

	for (unsigned int i = 0; !*err && i < 3; i++) {
		struct rule rule = running.rules[i];
		struct rule_output output = {.port = 7, .ttl = 1};

		addr_parse("127.0.0.1", &output.to);
		rule.outputs = &output;
		rule.nr_outputs = 1;
		*err = stream_open(&streams[i], &rule, 2, &egress, i ? streams[i - 1] : NULL,
				   &failure);
	}
	if (!*err)
		*err = ruleset_new(&ruleset, streams, NULL, 3);
	if (!*err) {
		dgram.destination = running.rules[2].group;
		dgram.port = htons(running.rules[2].port);
		text = strdup(ruleset_find(ruleset, &dgram) ? "has it" : "does not have it");
		*err = text ? 0 : -ENOMEM;
	}
	ruleset_free(ruleset);
	for (unsigned int i = 0; i < 3; i++)
		stream_put(streams[i]);
	return text;
}

/* ---- JSON ---- */

static struct rule_output outputs[2] = {{.port = 6000, .ttl = 1, .iface = "eth1"}, {.port = 7}};
static struct rule rule = {
	.name = "cam1", .port = 5000, .iface = "eth0", .nr_outputs = 2, .outputs = outputs};
static struct histogram latency;

static struct stats *make_stats(void)
{
	struct books *books = books_new(1, 2, 1, 1);

	if (!books)
		return NULL;
	for (unsigned int i = 0; i < 2; i++) {
		books->outputs[i].rule = &outputs[i];
		books->outputs[i].errors[0] = 7;
		books->outputs[i].errors[SEND_ERROR_OTHER] = 7;
	}
	books->rules[0] = (struct rule_counts){.rule = &rule,
					       .state = "pending",
					       .reason = "interface eth0 does not exist",
					       .path = "user",
					       .path_reason = "eth1 is a VLAN device",
					       .latency = {&latency},
					       .nr_latency = {1}};
	books->interfaces[0] = (struct interface_counts){
		.name = "eth0", .state = "pending", .reason = "it is down", .nr_workers = 1};
	books->workers[0].iface = "eth0";
	books->interfaces[0].redirects = calloc(1, sizeof(*books->interfaces[0].redirects));
	if (!books->interfaces[0].redirects) {
		books_free(books);
		return NULL;
	}
	books->interfaces[0].nr_redirects = 1;
	books->interfaces[0].redirects[0] = (struct redirect_counts){.device = "eth1", .sent = 7};
	return stats_new(books);
}

static char *json_line(json_t *json, int *err)
{
	size_t length;
	char *text = json ? json_text_line(json, &length) : NULL;

	json_decref(json);
	if (!text)
		*err = -ENOMEM;
	return text;
}

static char *tell_stats(int *err)
{
	struct stats *stats = make_stats();
	json_t *json = stats ? stats_json(stats) : NULL;

	stats_free(stats);
	return json_line(json, err);
}

static char names[512];

static void add_name(void *context, const struct log_record *record)
{
	strcat(strcat(names, record->event), " ");
}

/* Three samples; the rule is missing from the last one. */
static char *take_samples(int *err)
{
	struct sampler *sampler = sampler_new();
	struct stats *stats = make_stats();
	char *text;

	names[0] = '\0';
	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	log_watch(add_name, NULL);
	if (!sampler || !stats)
		*err = -ENOMEM;
	for (unsigned int i = 0; !*err && i < 3; i++) {
		struct books *books = stats->books;

		books->taken_ns += NS_PER_SECOND;
		/* What was not reported of the first, is of the second. */
		books->outputs[0].errors[0]++;
		books->outputs[1].errors[0]++;
		/* Of the last one, so that the order of events is always the same. */
		books->interfaces[0].redirects[0].dropped[XMC_DEVICE_OTHER] = i == 2;
		books->all_rules = books->nr_rules = i < 2;
		*err = sampler_take(sampler, books, 3);
	}
	if (!*err)
		sampler_fill(sampler, stats, 3);
	log_watch(NULL, NULL);
	sampler_free(sampler);
	stats_free(stats);
	text = *err ? NULL : strdup(names);
	if (!text)
		*err = -ENOMEM;
	return text;
}

static char *tell_event(int *err)
{
	const struct log_count counts[] = {{"ENOBUFS", 12}, {"EAGAIN", 3}};
	const struct log_field fields[] = {LOG_NAME("rule", "cam1"), LOG_UINT("packets", 7),
					   LOG_COUNTS("errors", counts, 2)};
	const struct log_record record = {.event = "dropping", .fields = fields, .nr_fields = 3};

	return json_line(event_json(&record), err);
}

static char *render_metrics(int *err)
{
	struct stats *stats = make_stats();
	json_t *json = stats ? stats_json(stats) : NULL;
	json_t *version = json_pack("{s:s, s:i}", "daemon", "1.0", "protocol", 1);
	size_t length;
	char *text = NULL;

	if (json && version)
		text = metrics_render(METRICS_OPENMETRICS, json, version, &length);
	json_decref(json);
	json_decref(version);
	stats_free(stats);
	if (!text)
		*err = -ENOMEM;
	return text;
}

static void echo(void *context, const json_t *params, struct control_reply *reply)
{
	reply->result = json_deep_copy(params);
}

static const char *const echo_keys[] = {"a", "b", NULL};
static const struct control_method methods[] = {{"echo", CONTROL_READ, echo_keys, echo}, {0}};

static char *answer(int *err)
{
	static const char request[] =
		"{\"jsonrpc\":\"2.0\",\"id\":\"seven\",\"method\":\"echo\",\"params\":"
		"{\"a\":[1,2,{\"x\":\"a text that is long enough to need memory of its own\"}],"
		"\"b\":{\"c\":null,\"d\":1.5}}}";
	const struct rpc rpc = {methods, NULL, CONTROL_READ, 0, 0};
	struct rpc_answer reply = {0};

	*err = rpc_run(&rpc, request, strlen(request), &reply);
	if (*err || !strstr(reply.line, "\"error\""))
		return reply.line;
	/* "Internal error": a word for it. */
	if (!strstr(reply.line, "-32603"))
		return reply.line;
	free(reply.line);
	*err = -ENOMEM;
	return NULL;
}

/* ---- tests ---- */

static const struct {
	const char *name;
	work run;
} works[] = {
	{"rules of the grammar", parse_rules},
	{"import smcroute", import_smcroute},
	{"import igmpproxy", import_igmpproxy},
	{"import mcr", import_mcr},
	{"import socat", import_socat},
	{"import udp-broadcast-relay", import_broadcast},
	{"a document", parse_document},
	{"a document that is refused", refuse_document},
	{"a file", read_file},
	{"a copy", copy},
	{"a change", change},
	{"a comparison", compare},
	{"a file saved", save},
	{"memberships", join},
	{"streams and a ruleset", open_streams},
	{"statistics", tell_stats},
	{"samples", take_samples},
	{"an event", tell_event},
	{"metrics", render_metrics},
	{"an answer", answer},
};

static void test_each(void **state)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		fail_each(works[i].name, works[i].run);
}

static int set_up(void **state)
{
	struct errors errors = {0};
	int err;

	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof(file), "%s/xmcast.yaml", directory);
	config_init(&running);
	config_init(&other);
	histogram_add(&latency, 1000);
	err = config_add_rules(&running, texts, 3, "x", &errors);
	if (!err)
		err = config_parse_yaml(document, strlen(document), "x", &other, &errors);
	return err ? err : config_save_file(file, document, strlen(document), CONFIG_MODE_IF_NEW);
}

static int tear_down(void **state)
{
	config_free(&running);
	config_free(&other);
	unlink(file);
	/* Also says whether a temporary file was left. */
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
