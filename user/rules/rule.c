/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/words.h"

#define TTL_TO_GROUP 1
#define TTL_TO_HOST  64

void rule_free(struct rule *rule)
{
	free(rule->outputs);
	memset(rule, 0, sizeof(*rule));
}

int rule_copy(struct rule *copy, const struct rule *rule)
{
	*copy = *rule;
	copy->outputs = calloc(rule->nr_outputs ? rule->nr_outputs : 1, sizeof(*copy->outputs));
	if (!copy->outputs) {
		memset(copy, 0, sizeof(*copy));
		return -ENOMEM;
	}
	memcpy(copy->outputs, rule->outputs, rule->nr_outputs * sizeof(*copy->outputs));
	return 0;
}

static bool output_equal(const struct rule_output *a, const struct rule_output *b)
{
	return addr_equal(&a->to, &b->to) && a->port == b->port && a->ttl == b->ttl &&
	       a->dscp == b->dscp && a->gso == b->gso && a->rate_bps == b->rate_bps &&
	       a->rate_pps == b->rate_pps && a->burst_ms == b->burst_ms &&
	       strcmp(a->iface, b->iface) == 0;
}

bool rule_equal(const struct rule *a, const struct rule *b)
{
	bool equal = strcmp(a->name, b->name) == 0 && addr_equal(&a->source, &b->source) &&
		     a->source_host_bits == b->source_host_bits &&
		     addr_equal(&a->group, &b->group) && a->port == b->port &&
		     strcmp(a->iface, b->iface) == 0 && a->disabled == b->disabled &&
		     a->may_loop == b->may_loop && a->nr_outputs == b->nr_outputs;

	for (unsigned int i = 0; equal && i < a->nr_outputs; i++)
		equal = output_equal(&a->outputs[i], &b->outputs[i]);
	return equal;
}

bool rule_output_is_input(const struct rule *rule, const struct rule_output *output)
{
	uint16_t port = rule_output_port(rule, output);

	return (rule->port == RULE_PORT_ANY || port == rule->port) &&
	       addr_equal(&output->to, &rule->group) && strcmp(output->iface, rule->iface) == 0;
}

uint16_t rule_output_port(const struct rule *rule, const struct rule_output *output)
{
	return output->port == RULE_PORT_KEPT ? rule->port : output->port;
}

const char *input_format(const struct rule *rule, char text[ENDPOINT_TEXT_SIZE])
{
	char host[ENDPOINT_TEXT_SIZE];

	if (rule->port != RULE_PORT_ANY)
		return endpoint_format(&rule->group, rule->port, rule->iface, text);
	/* "[ADDR]" has 47 bytes at most. */
	endpoint_format(&rule->group, 0, NULL, host);
	snprintf(text, ENDPOINT_TEXT_SIZE, "%.47s:any@%.15s", host, rule->iface);
	return text;
}

const char *output_format(const struct rule_output *output, char text[ENDPOINT_TEXT_SIZE])
{
	return endpoint_format(&output->to, output->port, output->iface, text);
}

bool output_is_limited(const struct rule_output *output)
{
	return output->rate_bps || output->rate_pps;
}

const char *rate_format(uint64_t bps, char text[RATE_TEXT_SIZE])
{
	static const char *const units[] = {"bit", "kbit", "mbit", "gbit"};
	unsigned int unit = 0;

	for (; bps && bps % 1000 == 0 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		bps /= 1000;
	snprintf(text, RATE_TEXT_SIZE, "%llu%s", (unsigned long long)bps, units[unit]);
	return text;
}

const char *burst_format(uint32_t ms, char text[RATE_TEXT_SIZE])
{
	if (ms % 1000 == 0)
		snprintf(text, RATE_TEXT_SIZE, "%us", ms / 1000);
	else
		snprintf(text, RATE_TEXT_SIZE, "%ums", ms);
	return text;
}

uint8_t rule_default_ttl(const struct xmc_addr *to)
{
	return addr_is_multicast(to) ? TTL_TO_GROUP : TTL_TO_HOST;
}

uint8_t rule_host_bits(const struct rule *rule)
{
	return addr_is_any(&rule->source) ? XMC_HOST_BITS_ANY : rule->source_host_bits;
}

void rule_key(const struct rule *rule, struct xmc_rule_key *key)
{
	*key = (struct xmc_rule_key){
		.source = rule->source,
		.group = rule->group,
		.port = htons(rule->port),
		.host_bits = rule_host_bits(rule),
	};
}

static const char *format_source(const struct rule *rule, bool bracketed,
				 char text[SOURCE_TEXT_SIZE])
{
	unsigned int width = addr_is_ipv4(&rule->source) ? 32 : 128;
	const char *form = bracketed && width == 128 ? "[%.45s]" : "%.45s";
	char plain[ADDR_TEXT_SIZE];
	int length = snprintf(text, SOURCE_TEXT_SIZE, form, addr_format(&rule->source, plain));

	if (rule->source_host_bits)
		snprintf(text + length, SOURCE_TEXT_SIZE - (size_t)length, "/%u",
			 width - rule->source_host_bits);
	return text;
}

const char *source_format(const struct rule *rule, char text[SOURCE_TEXT_SIZE])
{
	return format_source(rule, false, text);
}

void rule_derive_name(struct rule *rule)
{
	char source[SOURCE_TEXT_SIZE] = "";
	char input[ENDPOINT_TEXT_SIZE];

	if (!addr_is_any(&rule->source))
		format_source(rule, true, source);
	input_format(rule, input);
	/* "[ADDR]/128" has 45 bytes at most. */
	snprintf(rule->name, sizeof(rule->name), "%.45s%s%s", source, *source ? ">" : "", input);
	for (char *byte = rule->name; *byte; byte++) {
		if (!name_byte_is_valid(*byte))
			*byte = '_';
	}
}

static void format_limit(const struct rule_output *output, FILE *stream)
{
	char text[RATE_TEXT_SIZE];

	if (output->rate_bps)
		fprintf(stream, " rate %s", rate_format(output->rate_bps, text));
	if (output->rate_pps)
		fprintf(stream, " pps %u", output->rate_pps);
	if (output->burst_ms)
		fprintf(stream, " burst %s", burst_format(output->burst_ms, text));
}

static void format_output(const struct rule_output *output, FILE *stream)
{
	char to[ENDPOINT_TEXT_SIZE];

	output_format(output, to);
	fprintf(stream, " out %s", to);
	if (output->ttl != rule_default_ttl(&output->to))
		fprintf(stream, " ttl %u", output->ttl);
	if (output->dscp) {
		const char *name = dscp_name(output->dscp);

		if (name)
			fprintf(stream, " dscp %s", name);
		else
			fprintf(stream, " dscp %u", output->dscp);
	}
	if (output->gso == 1)
		fputs(" gso off", stream);
	else if (output->gso)
		fprintf(stream, " gso %u", output->gso);
	format_limit(output, stream);
}

char *rule_format(const struct rule *rule)
{
	char input[ENDPOINT_TEXT_SIZE], source[SOURCE_TEXT_SIZE];
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	bool failed;

	if (!stream)
		return NULL;
	input_format(rule, input);
	fprintf(stream, "%s in %s", rule->name, input);
	if (!addr_is_any(&rule->source))
		fprintf(stream, " source %s", format_source(rule, true, source));
	if (rule->disabled)
		fputs(" disabled", stream);
	if (rule->may_loop)
		fputs(" may_loop", stream);
	for (unsigned int i = 0; i < rule->nr_outputs; i++)
		format_output(&rule->outputs[i], stream);
	failed = ferror(stream);
	if (fclose(stream) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
