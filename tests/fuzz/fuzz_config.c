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
	require(!output->rate_bps ||
		(output->rate_bps >= RATE_BPS_MIN && output->rate_bps <= RATE_BPS_MAX));
	require(output->rate_pps <= RATE_PPS_MAX);
	require(output->burst_ms <= BURST_MS_MAX);
	require(!output->burst_ms || output_is_limited(output));
}

/* A rule of another IP protocol than UDP. */
static void check_protocol(const struct config *config, const struct rule *rule)
{
	require(addr_is_multicast(&rule->group) && rule->port == 0);
	require(rule_path(config, rule) == RULE_PATH_KERNEL);
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct rule_output *output = &rule->outputs[i];

		require(!output->port && !output->gso && !output_is_limited(output));
		require(addr_is_ipv4(&output->to) == addr_is_ipv4(&rule->group));
	}
}

static void check_limits(const struct config *config)
{
	require(config->nr_rules <= XMC_MAX_RULES);
	require(config->egress.engine <= ENGINE_SENDMMSG);
	require(config->egress.gso >= 1 && config->egress.gso <= GSO_MAX_SEGMENTS);
	require(config->egress.wakeup <= WAKEUP_SPIN);
	require(is_power(config->workers.frames));
	require(!config->workers.rx_ring || is_power(config->workers.rx_ring));
	require(config->workers.nr_cpus <= WORKER_CPUS_MAX);
	require(config->egress.send_buffer >= 1 << 17);
	require(config->stats_interval <= 86400);
	require(config->relay.path > RULE_PATH_DEFAULT && config->relay.path <= RULE_PATH_AUTO);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i];

		require(*rule->name && *rule->iface);
		require(rule->port != RULE_PORT_ANY || addr_is_multicast(&rule->group));
		require(addr_is_any(&rule->source) ||
			addr_is_ipv4(&rule->source) == addr_is_ipv4(&rule->group));
		require(rule->path <= RULE_PATH_AUTO);
		if (rule->protocol)
			check_protocol(config, rule);
		require(rule->nr_outputs > 0 && rule->nr_outputs <= XMC_MAX_OUTPUTS);
		for (unsigned int j = 0; j < rule->nr_outputs; j++)
			check_limit(&rule->outputs[j]);
	}
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		require(*config->ifaces[i].name);
		require(config->ifaces[i].mode <= IFACE_MODE_SKB);
		require(config->ifaces[i].queues <= XMC_MAX_QUEUES);
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

	require(text);
	config_init(&again);
	require(config_parse_yaml(text, length, "written", &again, &errors) == 0);
	require(errors.count == 0);
	require(config_equal(config, &again));
	require(config_diff(config, &again, &diff) == 0);
	require(!diff.nr_added && !diff.nr_removed && !diff.nr_changed && !diff.nr_settings);
	text_again = config_write(&again, &length_again);
	require(text_again && strcmp(text, text_again) == 0);
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
		require(error == -EINVAL);
		require(errors.count > 0 && errors.kept > 0);
		require(config.workers.frames == MARK && !config.rules && !config.ifaces);
	} else {
		require(errors.count == 0);
		check_limits(&config);
		require_rules_again(&config);
		check_written(&config);
	}
	errors_free(&errors);
	config_free(&config);
	return 0;
}
