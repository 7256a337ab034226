/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a configuration file. If it is accepted, it must be within every limit, its rules
 * written as lines must parse to the same rules, and all of it written as a file to the same
 * configuration; if it is refused, there must be an error, and the configuration unchanged.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "rules/diff.h"
#include "rules/schema.h"
#include "rules/write.h"

/* Means that the configuration is unchanged. */
#define MARK 4711

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_power(unsigned int number)
{
	return number && !(number & (number - 1));
}

static void check_limit(const struct rule_output *output)
{
	must(!output->rate_bps ||
	     (output->rate_bps >= RATE_BPS_MIN && output->rate_bps <= RATE_BPS_MAX));
	must(output->rate_pps <= RATE_PPS_MAX);
	must(output->burst_ms <= BURST_MS_MAX);
	must(!output->burst_ms || output_is_limited(output));
}

/* A rule of another IP protocol than UDP. */
static void check_protocol(const struct config *config, const struct rule *rule)
{
	must(addr_is_multicast(&rule->group) && rule->port == 0);
	must(rule_path(config, rule) == RULE_PATH_KERNEL);
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct rule_output *output = &rule->outputs[i];

		must(!output->port && !output->gso && !output_is_limited(output));
		must(addr_is_ipv4(&output->to) == addr_is_ipv4(&rule->group));
	}
}

static void check_limits(const struct config *config)
{
	must(config->nr_rules <= XMC_MAX_RULES);
	must(config->egress.engine <= ENGINE_SENDMMSG);
	must(config->egress.gso >= 1 && config->egress.gso <= GSO_MAX_SEGMENTS);
	must(config->egress.wakeup <= WAKEUP_SPIN);
	must(is_power(config->workers.frames));
	must(!config->workers.rx_ring || is_power(config->workers.rx_ring));
	must(config->workers.nr_cpus <= WORKER_CPUS_MAX);
	must(config->egress.send_buffer >= 1 << 17);
	must(config->stats_interval <= 86400);
	must(config->relay.path > RULE_PATH_DEFAULT && config->relay.path <= RULE_PATH_AUTO);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i];

		must(*rule->name && *rule->iface);
		must(rule->port != RULE_PORT_ANY || addr_is_multicast(&rule->group));
		must(addr_is_any(&rule->source) ||
		     addr_is_ipv4(&rule->source) == addr_is_ipv4(&rule->group));
		must(rule->path <= RULE_PATH_AUTO);
		if (rule->protocol)
			check_protocol(config, rule);
		must(rule->nr_outputs > 0 && rule->nr_outputs <= XMC_MAX_OUTPUTS);
		for (unsigned int j = 0; j < rule->nr_outputs; j++)
			check_limit(&rule->outputs[j]);
	}
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		must(*config->ifaces[i].name);
		must(config->ifaces[i].mode <= IFACE_MODE_SKB);
		must(config->ifaces[i].queues <= XMC_MAX_QUEUES);
	}
}

/* The configuration as text is accepted, equal, and written the same again. */
static void check_written(const struct config *config)
{
	struct errors errors = {0};
	struct config_diff diff;
	struct config again;
	size_t length, length_again;
	char *text = config_write(config, &length), *text_again;

	must(text);
	config_init(&again);
	must(config_parse_yaml(text, length, "written", &again, &errors) == 0);
	must(errors.count == 0);
	must(config_equal(config, &again));
	must(config_diff(config, &again, &diff) == 0);
	must(!diff.nr_added && !diff.nr_removed && !diff.nr_changed && !diff.nr_settings);
	text_again = config_write(&again, &length_again);
	must(text_again && strcmp(text, text_again) == 0);
	config_diff_free(&diff);
	config_free(&again);
	free(text_again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errors errors = {0};
	struct config config;
	int error;

	config_init(&config);
	config.workers.frames = MARK;
	error = config_parse_yaml((const char *)data, size, "fuzz", &config, &errors);
	if (error) {
		must(error == -EINVAL);
		must(errors.count > 0 && errors.kept > 0);
		must(config.workers.frames == MARK && !config.rules && !config.ifaces);
	} else {
		must(errors.count == 0);
		check_limits(&config);
		require_rules_again(&config);
		check_written(&config);
	}
	errors_free(&errors);
	config_free(&config);
	return 0;
}
