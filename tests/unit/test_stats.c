// SPDX-License-Identifier: BSD-2-Clause
/* Statistics: the keys of the contract, each exactly so, and sums in which each packet counts once.
 */
#include "watchdog.h"

#include "telemetry/stats.h"

/* Two rules with three outputs, two interfaces with three workers; all numbers differ. */
static struct rule_output outputs[3] = {
	{.port = 6000, .ttl = 1, .iface = "eth1"},
	{.port = 6001, .ttl = 64},
	{.port = 6002, .ttl = 64},
};
static struct rule rules[2] = {
	{.name = "cam1", .port = 5000, .iface = "eth0", .nr_outputs = 2, .outputs = outputs},
	{.name = "cam2", .port = 5001, .iface = "br-lan", .nr_outputs = 1, .outputs = &outputs[2]},
};

/* Rates that all differ; the last packet came `base` / 100 seconds ago, or none if that is 20. */
static struct stats_rates make_rates(unsigned int base)
{
	return (struct stats_rates){
		.second = {.pps = base + 1, .bps = base + 2},
		.window = {.pps = base + 3, .bps = base + 4},
		.peak = {.pps = base + 5, .bps = base + 6},
		.last_packet_seconds = base == 2000 ? STATS_NEVER : base / 100,
		.last_packet_time = 1800000000 + base,
	};
}

static void make_outputs(struct books *books)
{
	for (unsigned int i = 0; i < 3; i++) {
		struct output_counts *output = &books->outputs[i];

		output->rule = &outputs[i];
		output->sent = 100 + i;
		output->sent_bytes = 10000 + i;
		output->errors[send_error_slot(EAGAIN)] = i;
		output->errors[SEND_ERROR_OTHER] = 2 * i;
		output->submitted = 100 + 4 * i;
		output->rate_limited = 10 * i;
		output->not_copied = 7 * i;
		output->icmp[ICMP_SAYS_REFUSED] = 40 * i;
		output->withheld[WITHHELD_NO_CARRIER] = 1000 * i;
		output->withheld[WITHHELD_UNREACHABLE] = 2000 * i;
		output->withheld[WITHHELD_NO_SOURCE] = 3000 * i;
		output->gso_refused = i;
		output->gso_segments = 64;
		output->gso_max_size = 65535;
	}
}

static void make_rules(struct books *books)
{
	for (unsigned int i = 0; i < 2; i++) {
		books->rules[i].rule = &rules[i];
		books->rules[i].state = i ? "pending" : "active";
		books->rules[i].reason = i ? "interface br-lan does not exist" : NULL;
		books->rules[i].path = i ? "kernel" : "user";
		books->rules[i].path_reason = i ? NULL : "eth1 is a VLAN device";
		books->rules[i].received = 50 + i;
		books->rules[i].received_bytes = 5000 + i;
		books->rules[i].first_output = 2 * i;
	}
}

static void make_interfaces(struct books *books)
{
	for (unsigned int i = 0; i < 2; i++) {
		books->interfaces[i].name = rules[i].iface;
		books->interfaces[i].state = i ? "pending" : "active";
		books->interfaces[i].mode = i ? NULL : "native";
		books->interfaces[i].zero_copy = !i;
		books->interfaces[i].first_worker = 2 * i;
		books->interfaces[i].nr_workers = 2 - i;
		for (unsigned int j = 0; j < XMC_REASONS; j++)
			books->interfaces[i].verdicts[j] = 1000 * (i + 1) + j;
	}
	books->interfaces[0].nr_redirects = 2;
	books->interfaces[0].redirects = calloc(2, sizeof(struct redirect_counts));
	assert_non_null(books->interfaces[0].redirects);
	for (unsigned int i = 0; i < 2; i++) {
		struct redirect_counts *redirect = &books->interfaces[0].redirects[i];

		redirect->device = i ? "bad\xff" : "eth1";
		redirect->sent = 70 + i;
		redirect->dropped[XMC_DEVICE_RING_FULL] = 20 * i;
		redirect->dropped[XMC_DEVICE_OTHER] = 3 * i;
	}
}

static void make_workers(struct books *books)
{
	for (unsigned int i = 0; i < 3; i++) {
		struct worker_state *state = &books->workers[i].state;

		books->workers[i].iface = i == 2 ? "br-lan" : "eth0";
		books->workers[i].queue = i % 2;
		state->submitted = 100 + 4 * i;
		state->sent = 100 + i;
		state->sent_bytes = 10000 + i;
		state->send_errors = 3 * i;
		state->rate_limited = 10 * i;
		state->withheld = 6000 * i;
		state->unwanted = 7000 * i;
		state->inactive_side = 8000 * i;
		state->received = 10 + i;
		state->drops[INGRESS_INVALID] = 100 * (i + 1);
		state->drops[INGRESS_NO_RULE] = 1000 * (i + 1);
		state->frames = 64;
		/* In copy mode rx_dropped includes the 3 that found the fill ring empty. */
		state->kernel = (struct xsk_drops){
			.rx_dropped = 5, .rx_ring_full = 7, .fill_ring_empty = 3};
	}
}

static struct stats *make(void)
{
	struct books *books = books_new(2, 3, 2, 3);
	struct stats *stats;

	assert_non_null(books);
	assert_true(addr_parse("239.2.2.2", &outputs[0].to));
	assert_true(addr_parse("10.0.0.100", &outputs[1].to));
	assert_true(addr_parse("10.0.0.101", &outputs[2].to));
	assert_true(addr_parse("239.1.1.1", &rules[0].group));
	assert_true(addr_parse("10.9.9.9", &rules[0].source));
	assert_true(addr_parse("239.1.1.2", &rules[1].group));
	books->uptime_seconds = 42;
	make_outputs(books);
	make_rules(books);
	make_interfaces(books);
	make_workers(books);
	stats = stats_new(books);
	assert_non_null(stats);
	for (unsigned int i = 0; i < 3; i++)
		stats->outputs[i] = make_rates(100 * (i + 1));
	for (unsigned int i = 0; i < 2; i++) {
		stats->rules[i] = make_rates(1000 * (i + 1));
		stats->rules[i].flow = i ? FLOW_NEVER : FLOW_FLOWING;
	}
	return stats;
}

/* The object has these keys and no others; those with a '?' may be missing. */
static void expect_keys(const json_t *object, const char *keys)
{
	char *copy = strdup(keys);
	size_t count = 0;

	assert_true(json_is_object(object));
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
		bool optional = *word == '?';

		if (json_object_get(object, word + optional))
			count++;
		else if (!optional)
			fail_msg("no key %s", word);
	}
	if (json_object_size(object) != count) {
		char *text = json_dumps(object, JSON_INDENT(1));

		fail_msg("keys other than %s: %s", keys, text);
	}
	free(copy);
}

static json_int_t at(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("%s is no integer", key);
	return json_integer_value(value);
}

static const char *text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const json_t *item(const json_t *object, const char *key, size_t index)
{
	return json_array_get(json_object_get(object, key), index);
}

static void test_sums(void **state)
{
	struct stats *stats = make();
	struct total_counts t;

	books_sum(stats->books, &t);
	assert_int_equal(t.steered, 1000 + 2000 + 1001 + 2001 + 1002 + 2002);
	assert_int_equal(t.received, 10 + 11 + 12 + 1001 + 2001 + 1002 + 2002);
	assert_int_equal(t.submitted, 100 + 104 + 108);
	assert_int_equal(t.sent, 100 + 101 + 102);
	assert_int_equal(t.sent_bytes, 10000 + 10001 + 10002);
	assert_int_equal(t.send_errors, 3 + 6);
	assert_int_equal(t.submitted, t.sent + t.send_errors);
	assert_int_equal(t.rate_limited, 10 + 20);
	assert_int_equal(t.withheld, 6000 + 12000);
	assert_int_equal(t.dropped, 3 * (5 + 7) + 6 * 100 + 6 * 1000);
	assert_int_equal(t.buffer_exhausted, 3 * 3);
	assert_int_equal(kernel_drops(&stats->books->workers[0].state), 12);
	stats_free(stats);
	stats_free(NULL);
}

static void test_totals(void **state)
{
	struct stats *stats = make();
	json_t *json = stats_json(stats);
	const json_t *totals = json_object_get(json, "totals");

	expect_keys(json, "uptime_seconds generation total totals rules interfaces "
			  "output_interfaces workers");
	assert_int_equal(at(json, "uptime_seconds"), 42);
	expect_keys(totals, "steered_packets received_packets submitted_packets sent_packets "
			    "sent_bytes send_errors rate_limited_packets withheld_packets "
			    "unwanted_packets inactive_side_packets dropped_packets "
			    "buffer_exhausted_packets");
	assert_int_equal(at(totals, "steered_packets"), 9006);
	assert_int_equal(at(totals, "received_packets"), 33 + 6006);
	assert_int_equal(at(totals, "submitted_packets"), 312);
	assert_int_equal(at(totals, "sent_packets"), 303);
	assert_int_equal(at(totals, "sent_bytes"), 30003);
	assert_int_equal(at(totals, "send_errors"), 9);
	assert_int_equal(at(totals, "rate_limited_packets"), 30);
	assert_int_equal(at(totals, "withheld_packets"), 18000);
	assert_int_equal(at(totals, "unwanted_packets"), 21000);
	assert_int_equal(at(totals, "inactive_side_packets"), 24000);
	assert_int_equal(at(totals, "dropped_packets"), 6636);
	assert_int_equal(at(totals, "buffer_exhausted_packets"), 9);
	json_decref(json);
	stats_free(stats);
}

#define RATES                                                                                      \
	"rate_pps rate_bps rate_10s_pps rate_10s_bps peak_pps peak_bps last_packet_seconds "       \
	"last_packet_timestamp_seconds"

static void expect_rates(const json_t *object, unsigned int base)
{
	assert_int_equal(at(object, "rate_pps"), base + 1);
	assert_int_equal(at(object, "rate_bps"), base + 2);
	assert_int_equal(at(object, "rate_10s_pps"), base + 3);
	assert_int_equal(at(object, "rate_10s_bps"), base + 4);
	assert_int_equal(at(object, "peak_pps"), base + 5);
	assert_int_equal(at(object, "peak_bps"), base + 6);
}

static void test_rules(void **state)
{
	struct stats *stats = make();
	json_t *json = stats_json(stats);
	const json_t *rule = item(json, "rules", 0);
	const json_t *output = item(rule, "outputs", 1);

	assert_int_equal(json_array_size(json_object_get(json, "rules")), 2);
	expect_keys(rule, "name in source state path path_reason flow received_packets "
			  "received_bytes latency outputs path_fallback " RATES);
	assert_string_equal(text_at(rule, "name"), "cam1");
	assert_string_equal(text_at(rule, "in"), "239.1.1.1:5000@eth0");
	assert_string_equal(text_at(rule, "source"), "10.9.9.9");
	assert_string_equal(text_at(rule, "state"), "active");
	assert_string_equal(text_at(rule, "path"), "user");
	assert_string_equal(text_at(rule, "path_reason"), "eth1 is a VLAN device");
	assert_int_equal(at(rule, "received_packets"), 50);
	assert_int_equal(at(rule, "received_bytes"), 5000);
	assert_string_equal(text_at(rule, "flow"), "flowing");
	expect_rates(rule, 1000);
	assert_int_equal(at(rule, "last_packet_seconds"), 10);
	assert_int_equal(at(rule, "last_packet_timestamp_seconds"), 1800001000);
	assert_true(json_is_true(json_object_get(rule, "path_fallback")));
	assert_true(json_is_null(json_object_get(rule, "latency")));
	assert_int_equal(json_array_size(json_object_get(rule, "outputs")), 2);
	assert_string_equal(text_at(item(rule, "outputs", 0), "to"), "239.2.2.2:6000@eth1");
	expect_keys(output, "to submitted_packets sent_packets sent_bytes send_errors errors "
			    "dropped_packets drops icmp_errors gso_refused_batches gso_segments "
			    "gso_max_bytes " RATES);
	assert_string_equal(text_at(output, "to"), "10.0.0.100:6001");
	assert_int_equal(at(output, "submitted_packets"), 104);
	assert_int_equal(at(output, "sent_packets"), 101);
	assert_int_equal(at(output, "sent_bytes"), 10001);
	assert_int_equal(at(output, "send_errors"), 3);
	assert_int_equal(at(output, "gso_refused_batches"), 1);
	expect_rates(output, 200);
	assert_int_equal(at(output, "last_packet_seconds"), 2);
	assert_int_equal(at(output, "dropped_packets"), 10 + 7 + 6000);
	expect_keys(json_object_get(output, "drops"),
		    "rate_limited not_copied no_carrier unreachable no_source ttl_expired "
		    "standby not_joined inactive_side side_change duplicate late foreign "
		    "no_number merge_full");
	assert_int_equal(at(json_object_get(output, "drops"), "no_carrier"), 1000);
	assert_int_equal(at(json_object_get(output, "drops"), "unreachable"), 2000);
	assert_int_equal(at(json_object_get(output, "drops"), "no_source"), 3000);
	assert_int_equal(at(json_object_get(output, "drops"), "rate_limited"), 10);
	assert_int_equal(at(json_object_get(output, "drops"), "not_copied"), 7);
	expect_keys(json_object_get(output, "icmp_errors"),
		    "refused unreachable prohibited expired too_large");
	assert_int_equal(at(json_object_get(output, "icmp_errors"), "refused"), 40);
	expect_keys(json_object_get(output, "errors"), "EAGAIN other");
	assert_int_equal(at(json_object_get(output, "errors"), "EAGAIN"), 1);
	assert_int_equal(at(json_object_get(output, "errors"), "other"), 2);
	expect_keys(json_object_get(item(rule, "outputs", 0), "errors"), "");
	rule = item(json, "rules", 1);
	expect_keys(rule, "name in state reason path flow received_packets received_bytes latency "
			  "outputs path_fallback " RATES);
	assert_true(json_is_false(json_object_get(rule, "path_fallback")));
	assert_string_equal(text_at(rule, "path"), "kernel");
	assert_string_equal(text_at(rule, "flow"), "never");
	assert_true(json_is_null(json_object_get(rule, "last_packet_seconds")));
	assert_true(json_is_null(json_object_get(rule, "last_packet_timestamp_seconds")));
	assert_string_equal(text_at(rule, "state"), "pending");
	assert_string_equal(text_at(rule, "reason"), "interface br-lan does not exist");
	json_decref(json);
	stats_free(stats);
}

/* The histograms of all shards are added up; empty buckets are left out. */
static void test_latency(void **state)
{
	struct histogram *queues = calloc(2, sizeof(*queues));
	struct stats *stats = make();
	const json_t *latency;
	const json_t *buckets;
	json_t *json;

	assert_non_null(queues);
	stats->books->rules[0].latency[0] = queues;
	stats->books->rules[0].nr_latency[0] = 2;
	for (unsigned int i = 0; i < 99; i++)
		histogram_add(&queues[i % 2], 1500);
	histogram_add(&queues[1], 5000);
	json = stats_json(stats);
	latency = json_object_get(item(json, "rules", 0), "latency");
	expect_keys(latency, "samples p50_ns p90_ns p99_ns max_ns sum_ns buckets");
	assert_int_equal(at(latency, "samples"), 100);
	assert_int_equal(at(latency, "max_ns"), 5000);
	assert_int_equal(at(latency, "sum_ns"), 99 * 1500 + 5000);
	assert_in_range(at(latency, "p50_ns"), 1280, 1536);
	assert_in_range(at(latency, "p99_ns"), 1280, 1536);
	assert_true(at(latency, "p50_ns") < at(latency, "p90_ns"));
	buckets = json_object_get(latency, "buckets");
	assert_int_equal(json_array_size(buckets), 2);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(buckets, 0), 0)), 1536);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(buckets, 0), 1)), 99);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(buckets, 1), 0)), 5120);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(buckets, 1), 1)), 1);
	assert_true(json_is_null(json_object_get(item(json, "rules", 1), "latency")));
	json_decref(json);
	stats_free(stats);
	free(queues);
}

/* The rules are those of the books; everything else is of all rules. */
static void test_parts(void **state)
{
	struct stats *stats = make();
	json_t *json;

	stats->books->all_rules = 7;
	stats->books->first_rule = 3;
	stats->books->nr_rules = 1;
	json = stats_json(stats);
	assert_int_equal(at(json, "total"), 7);
	assert_int_equal(json_array_size(json_object_get(json, "rules")), 1);
	assert_string_equal(text_at(item(json, "rules", 0), "name"), "cam1");
	assert_int_equal(at(json_object_get(json, "totals"), "sent_packets"), 303);
	json_decref(json);
	stats->books->nr_rules = 0;
	json = stats_json(stats);
	assert_int_equal(at(json, "total"), 7);
	assert_int_equal(json_array_size(json_object_get(json, "rules")), 0);
	assert_int_equal(at(json_object_get(json, "totals"), "sent_packets"), 303);
	json_decref(json);
	stats_free(stats);
}

/* Where the packets of a VLAN are received. */
static void test_vlans(void **state)
{
	static const struct {
		uint32_t tags;
		const char *text;
	} cases[] = {
		{0x1064, "802.1Q 100"},
		{0x2ffe, "802.1ad 4094"},
		{0x20c81005, "802.1ad 200, 802.1Q 5"},
	};
	static const char *list[] = {"eth0.100", "eth0.200"};
	struct stats *stats = make();
	struct rule_counts *rule = &stats->books->rules[0];
	json_t *json;

	for (unsigned int i = 0; i < 3; i++) {
		rule->tags = cases[i].tags;
		rule->vlan_base = "eth0";
		json = stats_rule_json(stats, 0);
		expect_keys(json_object_get(json, "vlan"), "interface tags");
		assert_string_equal(text_at(json_object_get(json, "vlan"), "interface"), "eth0");
		assert_string_equal(text_at(json_object_get(json, "vlan"), "tags"), cases[i].text);
		json_decref(json);
	}
	rule->tags = 0;
	rule->vlan_reason = "XDP does not see VLAN tags";
	json = stats_rule_json(stats, 0);
	expect_keys(json_object_get(json, "vlan"), "reason");
	json_decref(json);
	json = stats_json(stats);
	assert_int_equal(json_array_size(json_object_get(item(json, "interfaces", 0), "vlans")), 0);
	json_decref(json);
	stats->books->interfaces[0].vlans = malloc(sizeof(list));
	assert_non_null(stats->books->interfaces[0].vlans);
	memcpy(stats->books->interfaces[0].vlans, list, sizeof(list));
	stats->books->interfaces[0].nr_vlans = 2;
	json = stats_json(stats);
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(item(json, "interfaces", 0), "vlans"), 1)),
			    "eth0.200");
	json_decref(json);
	stats_free(stats);
}

static void test_interfaces(void **state)
{
	struct stats *stats = make();
	json_t *json = stats_json(stats);
	const json_t *iface = item(json, "interfaces", 0);
	const json_t *verdicts = json_object_get(iface, "verdicts");
	const json_t *queue = item(iface, "queues", 1);

	expect_keys(iface, "name state mode zero_copy queues verdicts redirected vlans "
			   "missing_packets");
	assert_string_equal(text_at(iface, "name"), "eth0");
	assert_string_equal(text_at(iface, "state"), "active");
	assert_string_equal(text_at(iface, "mode"), "native");
	assert_true(json_is_true(json_object_get(iface, "zero_copy")));
	expect_keys(verdicts, "steered forwarded standby no_rule no_socket inactive_member "
			      "too_large not_ip not_udp "
			      "vlan fragment ip_options malformed");
	assert_int_equal(at(verdicts, "steered"), 1000 + XMC_STEERED);
	assert_int_equal(at(verdicts, "malformed"), 1000 + XMC_MALFORMED);
	assert_int_equal(json_array_size(json_object_get(iface, "queues")), 2);
	expect_keys(queue, "queue received_packets rx_dropped rx_ring_full fill_ring_empty");
	assert_int_equal(at(queue, "queue"), 1);
	assert_int_equal(at(queue, "received_packets"), 11);
	assert_int_equal(at(queue, "rx_dropped"), 5);
	assert_int_equal(at(queue, "rx_ring_full"), 7);
	assert_int_equal(at(queue, "fill_ring_empty"), 3);
	iface = item(json, "interfaces", 1);
	assert_true(json_is_null(json_object_get(iface, "mode"))); /* not attached */
	assert_int_equal(json_array_size(json_object_get(iface, "queues")), 1);
	assert_int_equal(at(item(iface, "queues", 0), "received_packets"), 12);
	json_decref(json);
	stats_free(stats);
}

/* What was redirected, by device; names may have any bytes. */
/* Two members of a bond, of which it uses one, and a third one that has left. */
static void test_bond(void **state)
{
	struct stats *stats = make();
	struct interface_counts *bond = &stats->books->interfaces[0];
	struct worker_counts *workers = stats->books->workers;
	const json_t *iface, *members;
	json_t *json;

	bond->nr_members = 2;
	bond->members[0] = "in0";
	bond->members[1] = "in1";
	bond->inactive[0] = true;
	workers[0].member = "in1";
	workers[1].ended = true;
	json = stats_json(stats);
	iface = item(json, "interfaces", 0);
	expect_keys(iface, "name state mode zero_copy queues verdicts redirected vlans "
			   "missing_packets members active_members");
	members = json_object_get(iface, "members");
	assert_int_equal(json_array_size(members), 2);
	assert_string_equal(json_string_value(json_array_get(members, 0)), "in0");
	members = json_object_get(iface, "active_members");
	assert_int_equal(json_array_size(members), 1);
	assert_string_equal(json_string_value(json_array_get(members, 0)), "in1");
	assert_string_equal(text_at(item(iface, "queues", 0), "member"), "in1");
	assert_true(json_is_null(json_object_get(item(iface, "queues", 1), "queue")));
	assert_int_equal(at(item(iface, "queues", 1), "received_packets"), 11);
	assert_true(json_is_null(json_object_get(item(json, "workers", 1), "queue")));
	json_decref(json);
	stats_free(stats);
}

static void test_redirected(void **state)
{
	struct stats *stats = make();
	json_t *json = stats_json(stats);
	const json_t *redirected = json_object_get(item(json, "interfaces", 0), "redirected");
	const json_t *device = json_object_get(redirected, "bad\\xff");

	expect_keys(redirected, "eth1 bad\\xff");
	expect_keys(device, "sent_packets dropped_packets drops");
	assert_int_equal(at(device, "sent_packets"), 71);
	assert_int_equal(at(device, "dropped_packets"), 23);
	device = json_object_get(device, "drops");
	expect_keys(device, "ring_full ENXIO EOPNOTSUPP ENETDOWN EMSGSIZE EINVAL ENOMEM other");
	assert_int_equal(at(device, "ring_full"), 20);
	assert_int_equal(at(device, "ENXIO"), 0);
	assert_int_equal(at(device, "other"), 3);
	device = json_object_get(redirected, "eth1");
	assert_int_equal(at(device, "sent_packets"), 70);
	assert_int_equal(at(device, "dropped_packets"), 0);
	expect_keys(json_object_get(item(json, "interfaces", 1), "redirected"), "");
	json_decref(json);
	stats_free(stats);
}

static void test_workers(void **state)
{
	struct stats *stats = make();
	json_t *json = stats_json(stats);
	const json_t *worker = item(json, "workers", 2);

	assert_int_equal(json_array_size(json_object_get(json, "workers")), 3);
	expect_keys(worker, "interface queue received_packets drops frames kernel_frames "
			    "queued_frames in_flight_frames wakeups sleeps submits sends "
			    "cq_overflows uncertain_frames");
	assert_string_equal(text_at(worker, "interface"), "br-lan");
	expect_keys(json_object_get(worker, "drops"), "invalid no_rule too_large");
	assert_int_equal(at(json_object_get(worker, "drops"), "invalid"), 300);
	assert_int_equal(at(json_object_get(worker, "drops"), "no_rule"), 3000);
	json_decref(json);
	stats_free(stats);
}

static void test_output_interfaces(void **state)
{
	struct stats *stats = make();
	const json_t *device;
	json_t *json;

	stats->books->devices = calloc(1, sizeof(*stats->books->devices));
	assert_non_null(stats->books->devices);
	stats->books->nr_devices = 1;
	stats->books->devices[0] =
		(struct device_counts){.name = "eth1", .sent = 50, .drops = {1, 20, 300}};
	json = stats_json(stats);
	device = item(json, "output_interfaces", 0);
	expect_keys(device, "name sent_packets dropped_packets drops");
	assert_string_equal(text_at(device, "name"), "eth1");
	assert_int_equal(at(device, "sent_packets"), 50);
	assert_int_equal(at(device, "dropped_packets"), 321);
	expect_keys(json_object_get(device, "drops"), "queue tx_dropped tx_errors");
	assert_int_equal(at(json_object_get(device, "drops"), "queue"), 1);
	assert_int_equal(at(json_object_get(device, "drops"), "tx_dropped"), 20);
	assert_int_equal(at(json_object_get(device, "drops"), "tx_errors"), 300);
	json_decref(json);
	stats_free(stats);
}

static void test_nothing(void **state)
{
	struct stats *stats = stats_new(books_new(0, 0, 0, 0));
	json_t *json = stats_json(stats);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(text, "{\"uptime_seconds\":0,\"generation\":0,\"total\":0,\"totals\":{"
				  "\"steered_packets\":0,"
				  "\"received_packets\":0,\"submitted_packets\":0,"
				  "\"sent_packets\":0,\"sent_bytes\":0,\"send_errors\":0,"
				  "\"rate_limited_packets\":0,\"withheld_packets\":0,\"unwanted_"
				  "packets\":0,\"inactive_side_packets\":0,"
				  "\"dropped_packets\":0,\"buffer_exhausted_packets\":0},"
				  "\"rules\":[],\"interfaces\":[],"
				  "\"output_interfaces\":[],\"workers\":[]}");
	free(text);
	json_decref(json);
	stats_free(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_bond),
		cmocka_unit_test(test_redirected),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_output_interfaces),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
