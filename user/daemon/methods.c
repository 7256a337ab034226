/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "daemon/methods.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/json_build.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/version.h"
#include "daemon/capture.h"
#include "daemon/daemon.h"
#include "daemon/hand_over.h"
#include "daemon/methods_config.h"
#include "daemon/methods_explain.h"
#include "daemon/methods_leases.h"
#include "daemon/methods_receivers.h"
#include "daemon/methods_rules.h"
#include "daemon/statistics.h"
#include "links/link.h"
#include "telemetry/process.h"

#define PROTOCOL 1

/* Outputs on one page of stats.show: about 15 ms, in which the main thread serves no other client,
 * and 300 KB. A rule may have 256 of them, so 500 rules could make an answer of 60 MB. */
#define PAGE_OUTPUTS 500

/* Counters stay far below 2^63, the largest integer of jansson. */
static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* ---- version, ping, monitor ---- */

static void method_version(void *context, const json_t *params, struct control_reply *reply)
{
	struct utsname kernel = {};

	uname(&kernel);
	reply->result =
		json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "daemon", xmc_version,
			  "protocol", PROTOCOL, "revision", xmc_revision, "branch", xmc_branch,
			  "kernel", kernel.release, "libbpf", libbpf_version_string(), "libxdp",
			  XMC_LIBXDP_VERSION, "liburing", XMC_LIBURING_VERSION);
}

static void method_ping(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	int workers = relay_ping(daemon->relay);

	reply->result = json_pack("{s:b, s:i}", "alive", workers >= 0, "workers",
				  workers < 0 ? 0 : workers);
}

static void method_monitor_start(void *context, const json_t *params, struct control_reply *reply)
{
	reply->monitor = true;
	reply->result = json_object();
}

/* ---- counters ---- */

/* The number of rules on the page: fewer than requested if they have many outputs, but at least
 * one. */
static size_t fitting_rules(const struct config *config, const struct control_page *page)
{
	size_t most = control_page_count(page, config->nr_rules);
	size_t outputs = 0;

	for (size_t i = 0; i < most; i++) {
		outputs += config->rules[page->offset + i].nr_outputs;
		if (i && outputs > PAGE_OUTPUTS)
			return i;
	}
	return most;
}

static void method_stats_show(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	struct control_page page;
	struct stats *stats;

	if (!control_param_page(params, &page, reply))
		return;
	stats = statistics_now(daemon, page.offset,
			       fitting_rules(relay_config(daemon->relay), &page));
	if (stats)
		reply->result = stats_json(stats);
	json_put(&reply->result, "config", config_status_json(daemon));
	json_put(&reply->result, "events", event_counts_json(&daemon->event_counts));
	json_put(&reply->result, "process", process_json());
	json_put(&reply->result, "leases", method_lease_counts(daemon));
	json_put(&reply->result, "receivers", receivers_stats_json(daemon->relay));
	stats_free(stats);
}

static void method_stats_reset_peaks(void *context, const json_t *params,
				     struct control_reply *reply)
{
	sampler_reset_peaks(((struct daemon *)context)->sampler);
	reply->result = json_object();
}

/* ---- interfaces ---- */

/* null: the intake is not running. */
static json_t *attachment_json(const struct relay *relay, const char *iface)
{
	struct relay_attachment attachment;
	json_t *maps;

	if (!relay_attachment(relay, iface, &attachment))
		return json_null();
	maps = json_object();
	for (enum pin pin = 0; pin < NR_PINS; pin++)
		json_put(&maps, pin_names[pin],
			 attachment.maps[pin] ? number(attachment.maps[pin]) : json_null());
	return json_pack("{s:s, s:s?, s:o}", "by", attachment.external ? "external" : "own", "pins",
			 attachment.pins, "maps", maps);
}

/* With the kernel's present values; null for an interface that does not exist. */
static json_t *iface_json(const struct relay *relay, const struct books *books,
			  const struct interface_counts *iface)
{
	json_t *object = stats_interface_json(books, iface);
	struct link link;
	int err = link_query(iface->name, &link);

	if (!object)
		return NULL;
	json_put(&object, "ifindex", err ? json_null() : number((uint64_t)link.ifindex));
	json_put(&object, "mtu", err ? json_null() : number(link.mtu));
	json_put(&object, "rx_queues", err ? json_null() : number(link.rx_queues));
	json_put(&object, "program_id",
		 err || !link.xdp_program ? json_null() : number(link.xdp_program));
	json_put(&object, "attach", attachment_json(relay, iface->name));
	json_put(&object, "rules", number(relay_rules(relay, iface->name)));
	return object;
}

static void method_iface_list(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	struct books *books = relay_books(daemon->relay, 0, 0);
	json_t *list = books ? json_array() : NULL;

	for (unsigned int i = 0; list && i < books->nr_interfaces; i++)
		json_add(&list, iface_json(daemon->relay, books, &books->interfaces[i]));
	books_free(books);
	reply->result = json_pack("{s:o}", "interfaces", list);
}

static void method_iface_show(void *context, const json_t *params, struct control_reply *reply)
{
	const char *name = control_param_string(params, "name", reply);
	const struct daemon *daemon = context;
	const char *listed;
	struct books *books;
	unsigned int i = 0;

	if (!name)
		return;
	listed = relay_interface(daemon->relay, name);
	if (!listed) {
		control_fail(reply, CONTROL_NOT_FOUND, "no rule has an input on interface %.100s",
			     name);
		return;
	}
	books = relay_books(daemon->relay, 0, 0);
	while (books && i < books->nr_interfaces && strcmp(books->interfaces[i].name, listed) != 0)
		i++;
	if (books && i < books->nr_interfaces)
		reply->result = iface_json(daemon->relay, books, &books->interfaces[i]);
	books_free(books);
}

/* ---- workers ---- */

static json_t *worker_json(const struct worker_counts *worker)
{
	json_t *object = stats_worker_json(worker);
	json_t *cpus = json_array();
	int cpu[WORKER_THREADS];

	worker_cpus(worker->worker, cpu);
	for (unsigned int i = 0; i < WORKER_THREADS; i++) {
		if (cpu[i] >= 0)
			json_add(&cpus, json_integer(cpu[i]));
	}
	json_put(&object, "engine", json_string(worker_engine(worker->worker)));
	json_put(&object, "cpus", cpus);
	json_put(&object, "umem_bytes", number(xsk_memory_size(worker_xsk(worker->worker))));
	json_put(&object, "huge_pages", json_boolean(xsk_huge_pages(worker_xsk(worker->worker))));
	return object;
}

static void method_worker_list(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	struct books *books = relay_books(daemon->relay, 0, 0);
	json_t *list = books ? json_array() : NULL;

	for (unsigned int i = 0; list && i < books->nr_workers; i++) {
		if (!books->workers[i].ended)
			json_add(&list, worker_json(&books->workers[i]));
	}
	books_free(books);
	reply->result = json_pack("{s:o}", "workers", list);
}

/* ---- memberships ---- */

static json_t *membership_json(const struct membership_entry *entry)
{
	bool any = addr_is_any(&entry->source);
	char iface[IF_NAMESIZE];
	char group[ADDR_TEXT_SIZE];
	char source[ADDR_TEXT_SIZE];
	/* NULL if it has just been deleted. The kernel accepts names that are not UTF-8. */
	const char *name = if_indextoname((unsigned int)entry->ifindex, iface);

	return json_pack("{s:s, s:s?, s:o}", "group", addr_format(&entry->group, group), "source",
			 any ? NULL : addr_format(&entry->source, source), "interface",
			 name ? json_text_string(name) : json_null());
}

static void method_group_list(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	struct membership_entry *entries = NULL;
	json_t *list = json_array();
	struct control_page page;
	size_t count;
	int total;

	if (!control_param_page(params, &page, reply)) {
		json_decref(list);
		return;
	}
	total = relay_memberships(daemon->relay, &entries);
	count = total < 0 ? 0 : control_page_count(&page, (size_t)total);
	for (size_t i = 0; i < count; i++)
		json_add(&list, membership_json(&entries[page.offset + i]));
	free(entries);
	if (total >= 0)
		reply->result = json_pack("{s:i, s:i, s:o, s:O}", "total", total, "receivers_total",
					  receivers_total(daemon->relay), "generation",
					  number(relay_generation(daemon->relay)), "groups", list);
	json_decref(list);
}

/* ---- log ---- */

static json_t *log_json(void)
{
	static const char *const targets[] = {
		[LOG_TARGET_AUTO] = "auto",
		[LOG_TARGET_STDERR] = "stderr",
		[LOG_TARGET_SYSLOG] = "syslog",
	};
	json_t *levels = json_object();
	struct log_config config;

	log_current(&config);
	for (unsigned int i = 0; i < LOG_FACILITIES; i++)
		json_put(&levels, log_facility_name(i),
			 json_string(log_level_name(config.levels[i])));
	return json_pack("{s:o, s:s, s:s}", "levels", levels, "to", targets[config.target],
			 "format", config.json ? "json" : "text");
}

static void method_log_show(void *context, const json_t *params, struct control_reply *reply)
{
	reply->result = log_json();
}

/* LOG_FACILITIES for "all"; a larger number if there is none of that name. */
static unsigned int find_facility(const char *name)
{
	unsigned int i = 0;

	if (strcmp(name, "all") == 0)
		return LOG_FACILITIES;
	while (i < LOG_FACILITIES && strcmp(log_facility_name(i), name) != 0)
		i++;
	return i < LOG_FACILITIES ? i : LOG_FACILITIES + 1;
}

static unsigned int find_level(const char *name)
{
	unsigned int i = 0;

	while (i < LOG_LEVELS && strcmp(log_level_name(i), name) != 0)
		i++;
	return i;
}

static void method_log_set(void *context, const json_t *params, struct control_reply *reply)
{
	const char *facility_name = control_param_string(params, "facility", reply);
	const char *level_name = NULL;
	unsigned int facility;
	unsigned int level;

	if (facility_name)
		level_name = control_param_string(params, "level", reply);
	if (!level_name)
		return;
	facility = find_facility(facility_name);
	level = find_level(level_name);
	if (facility > LOG_FACILITIES) {
		control_fail(reply, RPC_INVALID_PARAMS,
			     "facility: \"%.32s\", expected daemon, rules, steering, ingress, "
			     "egress, membership, links, control or all",
			     facility_name);
	} else if (level == LOG_LEVELS) {
		control_fail(reply, RPC_INVALID_PARAMS,
			     "level: \"%.32s\", expected error, warning, info or debug",
			     level_name);
	} else {
		log_set_level(facility, level);
		relay_set_log_level(((struct daemon *)context)->relay, facility, level);
		log_info("log-level-set", LOG_NAME("of", facility_name),
			 LOG_NAME("to", level_name));
		reply->result = log_json();
	}
}

/* ---- all of them ---- */

static const char *const page_keys[] = {"offset", "limit", NULL};
static const char *const name_keys[] = {"name", NULL};
static const char *const lease_keys[] = {"leases", "name",   "shard",	  "from",     "until",
					 "sole",   "epoch",  "elsewhere", "from_seq", "until_seq",
					 "cold",   "shards", NULL};
static const char *const shard_keys[] = {"name", "shard", NULL};
static const char *const log_keys[] = {"facility", "level", NULL};
static const char *const rules_keys[] = {"rules", NULL};
static const char *const names_keys[] = {"names", NULL};
static const char *const operations_keys[] = {"operations", NULL};
static const char *const apply_keys[] = {"text", "source", "confirm_seconds", NULL};
static const char *const offset_keys[] = {"offset", NULL};
static const char *const packet_keys[] = {"interface", "frame", NULL};
static const char *const capture_keys[] = {"of", "rate", "snap", NULL};
static const char *const output_keys[] = {"rule", "output", NULL};

const struct control_method daemon_methods[] = {
	{"version", CONTROL_READ, NULL, method_version},
	{"ping", CONTROL_READ, NULL, method_ping},
	{"stats.show", CONTROL_READ, page_keys, method_stats_show},
	{"stats.reset_peaks", CONTROL_CHANGE, NULL, method_stats_reset_peaks},
	{"rule.list", CONTROL_READ, page_keys, method_rule_list},
	{"rule.show", CONTROL_READ, name_keys, method_rule_show},
	{"rule.add", CONTROL_CHANGE, rules_keys, method_rule_add},
	{"rule.replace", CONTROL_CHANGE, rules_keys, method_rule_replace},
	{"rule.del", CONTROL_CHANGE, names_keys, method_rule_del},
	{"rule.enable", CONTROL_CHANGE, names_keys, method_rule_enable},
	{"rule.disable", CONTROL_CHANGE, names_keys, method_rule_disable},
	{"rule.change", CONTROL_CHANGE, operations_keys, method_rule_change},
	{"config.show", CONTROL_READ, offset_keys, method_config_show},
	{"config.save", CONTROL_CHANGE, NULL, method_config_save},
	{"config.reload", CONTROL_CHANGE, NULL, method_config_reload},
	{"config.apply", CONTROL_OWN, apply_keys, method_config_apply},
	{"config.confirm", CONTROL_CHANGE, NULL, method_config_confirm},
	{"config.rollback", CONTROL_CHANGE, NULL, method_config_rollback},
	{"config.status", CONTROL_READ, NULL, method_config_status},
	{"config.diff", CONTROL_READ, NULL, method_config_diff},
	{"iface.list", CONTROL_READ, NULL, method_iface_list},
	{"iface.show", CONTROL_READ, name_keys, method_iface_show},
	{"worker.list", CONTROL_READ, NULL, method_worker_list},
	{"group.list", CONTROL_READ, page_keys, method_group_list},
	{"receiver.list", CONTROL_READ, page_keys, method_receiver_list},
	{"explain.rule", CONTROL_READ, name_keys, method_explain_rule},
	{"explain.packet", CONTROL_READ, packet_keys, method_explain_packet},
	{"lease.set", CONTROL_CHANGE, lease_keys, method_lease_set},
	{"lease.list", CONTROL_READ, page_keys, method_lease_list},
	{"lease.sequence", CONTROL_READ, shard_keys, method_lease_sequence},
	{"lease.release", CONTROL_CHANGE, shard_keys, method_lease_release},
	{"log.show", CONTROL_READ, NULL, method_log_show},
	{"log.set", CONTROL_CHANGE, log_keys, method_log_set},
	{"capture.start", CONTROL_CHANGE, capture_keys, method_capture_start},
	{"capture.headers", CONTROL_CHANGE, output_keys, method_capture_headers},
	{"daemon.hand_over", CONTROL_OWN, NULL, hand_over_method},
	{"monitor.start", CONTROL_READ, NULL, method_monitor_start},
	{},
};
