/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Why these: see config.h. */
#define DEFAULT_FRAMES	       16384
#define DEFAULT_SEND_BUFFER    (4 << 20)
#define DEFAULT_SILENT_AFTER   3
#define DEFAULT_STATS_INTERVAL 10
#define DEFAULT_WATCHDOG       10

void config_init(struct config *config)
{
	*config = (struct config){
		.egress = {.engine = ENGINE_IO_URING,
			   .gso = GSO_MAX_SEGMENTS,
			   .wakeup = WAKEUP_EVENTFD,
			   .send_buffer = DEFAULT_SEND_BUFFER},
		.workers = {.frames = DEFAULT_FRAMES, .watchdog = DEFAULT_WATCHDOG},
		.logging = log_config_default,
		.events = {.silent_after = DEFAULT_SILENT_AFTER},
		.stats_interval = DEFAULT_STATS_INTERVAL,
	};
}

void config_free(struct config *config)
{
	for (unsigned int i = 0; i < config->nr_rules; i++)
		rule_free(&config->rules[i]);
	free(config->rules);
	free(config->ifaces);
	config_init(config);
}

int config_copy_settings(struct config *copy, const struct config *config)
{
	*copy = *config;
	copy->nr_rules = 0;
	copy->rules = NULL;
	copy->ifaces = NULL;
	if (config->nr_ifaces == 0)
		return 0;
	copy->ifaces = calloc(config->nr_ifaces, sizeof(*copy->ifaces));
	if (!copy->ifaces) {
		config_init(copy);
		return -ENOMEM;
	}
	memcpy(copy->ifaces, config->ifaces, config->nr_ifaces * sizeof(*copy->ifaces));
	return 0;
}

static int copy_rules(struct config *copy, const struct config *config)
{
	copy->rules = calloc(config->nr_rules ? config->nr_rules : 1, sizeof(*copy->rules));
	if (!copy->rules)
		return -ENOMEM;
	while (copy->nr_rules < config->nr_rules) {
		int err = rule_copy(&copy->rules[copy->nr_rules], &config->rules[copy->nr_rules]);

		if (err)
			return err;
		copy->nr_rules++;
	}
	return 0;
}

int config_copy(struct config *copy, const struct config *config)
{
	int err = config_copy_settings(copy, config);

	if (!err)
		err = copy_rules(copy, config);
	if (err)
		config_free(copy);
	return err;
}

static bool workers_equal(const struct worker_config *a, const struct worker_config *b)
{
	return a->frames == b->frames && a->rx_ring == b->rx_ring && a->watchdog == b->watchdog &&
	       a->nr_cpus == b->nr_cpus &&
	       memcmp(a->cpus, b->cpus, a->nr_cpus * sizeof(a->cpus[0])) == 0;
}

static bool logging_equal(const struct log_config *a, const struct log_config *b)
{
	return memcmp(a->levels, b->levels, sizeof(a->levels)) == 0 && a->target == b->target &&
	       a->json == b->json;
}

static bool metrics_equal(const struct metrics_config *a, const struct metrics_config *b)
{
	return a->port == b->port && (a->port == 0 || addr_equal(&a->address, &b->address));
}

static bool security_equal(const struct security_config *a, const struct security_config *b)
{
	return strcmp(a->user, b->user) == 0 && strcmp(a->group, b->group) == 0 &&
	       a->no_sandbox == b->no_sandbox;
}

static bool settings_equal(const struct config *a, const struct config *b)
{
	return a->egress.engine == b->egress.engine && a->egress.gso == b->egress.gso &&
	       a->egress.wakeup == b->egress.wakeup &&
	       a->egress.send_buffer == b->egress.send_buffer &&
	       workers_equal(&a->workers, &b->workers) &&
	       strcmp(a->control.group, b->control.group) == 0 &&
	       strcmp(a->control.admin_group, b->control.admin_group) == 0 &&
	       a->control.save_changes == b->control.save_changes &&
	       logging_equal(&a->logging, &b->logging) &&
	       a->events.silent_after == b->events.silent_after &&
	       strcmp(a->events.hook, b->events.hook) == 0 &&
	       metrics_equal(&a->metrics, &b->metrics) &&
	       security_equal(&a->security, &b->security) && a->stats_interval == b->stats_interval;
}

static bool iface_equal(const struct iface_config *a, const struct iface_config *b)
{
	return strcmp(a->name, b->name) == 0 && a->mode == b->mode && a->queues == b->queues &&
	       a->lost_program == b->lost_program && a->attach == b->attach &&
	       strcmp(a->pins, b->pins) == 0;
}

bool config_equal(const struct config *a, const struct config *b)
{
	bool equal =
		a->nr_rules == b->nr_rules && a->nr_ifaces == b->nr_ifaces && settings_equal(a, b);

	for (unsigned int i = 0; equal && i < a->nr_rules; i++)
		equal = rule_equal(&a->rules[i], &b->rules[i]);
	for (unsigned int i = 0; equal && i < a->nr_ifaces; i++)
		equal = iface_equal(&a->ifaces[i], &b->ifaces[i]);
	return equal;
}

const struct iface_config *config_iface(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		if (strcmp(config->ifaces[i].name, name) == 0)
			return &config->ifaces[i];
	}
	return NULL;
}
