/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/table.h"

#include "base/version.h"

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "-";
}

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

void show_ping(const json_t *answer)
{
	printf("xmcastd is %s, %lld workers answer\n",
	       json_is_true(json_object_get(answer, "alive")) ? "alive" : "NOT relaying",
	       number(answer, "workers"));
}

void show_version(const json_t *answer)
{
	printf("xmcastctl %s\nxmcastd %s\nprotocol %lld\n", xmc_version, text(answer, "daemon"),
	       number(answer, "protocol"));
}

/* "EAGAIN 3, ENOBUFS 1", or "-". */
static void list_counts(const json_t *object, char *line, size_t size)
{
	const char *key;
	json_t *value;
	size_t used = 0;

	snprintf(line, size, "-");
	json_object_foreach((json_t *)object, key, value)
	{
		int n;

		if (!json_integer_value(value) || used >= size)
			continue;
		n = snprintf(line + used, size - used, "%s%s %lld", used ? ", " : "", key,
			     (long long)json_integer_value(value));
		used += n > 0 ? (size_t)n : 0;
	}
}

static void show_totals(const json_t *answer)
{
	const json_t *totals = json_object_get(answer, "totals");
	struct table *table = table_new(
		">STEERED >RECEIVED >SUBMITTED >SENT >ERRORS >DROPPED >EXHAUSTED >UPTIME");

	table_add(table, "%lld", number(totals, "steered_packets"));
	table_add(table, "%lld", number(totals, "received_packets"));
	table_add(table, "%lld", number(totals, "submitted_packets"));
	table_add(table, "%lld", number(totals, "sent_packets"));
	table_add(table, "%lld", number(totals, "send_errors"));
	table_add(table, "%lld", number(totals, "dropped_packets"));
	table_add(table, "%lld", number(totals, "buffer_exhausted_packets"));
	table_add(table, "%llds", number(answer, "uptime_seconds"));
	table_print(table, stdout);
}

static void show_rules(const json_t *answer)
{
	struct table *table =
		table_new("RULE STATE IN >RECEIVED >PPS >KBIT/S OUT >SENT >ERRORS REASONS");
	const json_t *rule;
	const json_t *output;
	size_t i;
	size_t j;

	json_array_foreach(json_object_get(answer, "rules"), i, rule)
	{
		json_array_foreach(json_object_get(rule, "outputs"), j, output)
		{
			char errors[128];

			list_counts(json_object_get(output, "errors"), errors, sizeof(errors));
			table_add(table, "%s", j ? "" : text(rule, "name"));
			table_add(table, "%s", j ? "" : text(rule, "state"));
			table_add(table, "%s", j ? "" : text(rule, "in"));
			if (j) {
				table_add(table, " ");
				table_add(table, " ");
				table_add(table, " ");
			} else {
				table_add(table, "%lld", number(rule, "received_packets"));
				table_add(table, "%lld", number(rule, "rate_pps"));
				table_add(table, "%lld", number(rule, "rate_bps") / 1000);
			}
			table_add(table, "%s", text(output, "to"));
			table_add(table, "%lld", number(output, "sent_packets"));
			table_add(table, "%lld", number(output, "send_errors"));
			table_add(table, "%s",
				  json_object_get(rule, "reason") && !j ? text(rule, "reason")
									: errors);
		}
	}
	table_print(table, stdout);
}

static void show_interfaces(const json_t *answer)
{
	struct table *table = table_new("INTERFACE STATE MODE COPY QUEUE >RECEIVED >RX_DROPPED "
					">RING_FULL >FILL_EMPTY VERDICTS");
	const json_t *iface;
	const json_t *queue;
	size_t i;
	size_t j;

	json_array_foreach(json_object_get(answer, "interfaces"), i, iface)
	{
		char verdicts[256];

		list_counts(json_object_get(iface, "verdicts"), verdicts, sizeof(verdicts));
		json_array_foreach(json_object_get(iface, "queues"), j, queue)
		{
			table_add(table, "%s", j ? "" : text(iface, "name"));
			table_add(table, "%s", j ? "" : text(iface, "state"));
			table_add(table, "%s", j ? "" : text(iface, "mode"));
			table_add(table, "%s",
				  json_is_true(json_object_get(iface, "zero_copy")) ? "zero"
										    : "copy");
			table_add(table, "%lld", number(queue, "queue"));
			table_add(table, "%lld", number(queue, "received_packets"));
			table_add(table, "%lld", number(queue, "rx_dropped"));
			table_add(table, "%lld", number(queue, "rx_ring_full"));
			table_add(table, "%lld", number(queue, "fill_ring_empty"));
			table_add(table, "%s", j ? "" : verdicts);
		}
		if (!json_array_size(json_object_get(iface, "queues")))
			printf("%s: %s: %s\n", text(iface, "name"), text(iface, "state"),
			       text(iface, "reason"));
	}
	table_print(table, stdout);
}

void show_stats(const json_t *answer)
{
	show_totals(answer);
	putchar('\n');
	show_rules(answer);
	putchar('\n');
	show_interfaces(answer);
}
