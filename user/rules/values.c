/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/values.h"

#include <stdlib.h>

#include "rules/choices.h"

const struct iface_config iface_config_default = {.mode = IFACE_MODE_AUTO};

static void put_choice(const struct choice *choices, size_t count, unsigned int value, FILE *stream)
{
	fputs(choice_name(choices, count, value), stream);
}

/* --- interfaces --- */

static void format_mode(const struct iface_config *iface, FILE *stream)
{
	put_choice(iface_modes, COUNT(iface_modes), iface->mode, stream);
}

static void format_queues(const struct iface_config *iface, FILE *stream)
{
	if (iface->queues)
		fprintf(stream, "%u", iface->queues);
	else
		fputs("all", stream);
}

static void format_lost_program(const struct iface_config *iface, FILE *stream)
{
	put_choice(lost_programs, COUNT(lost_programs), iface->lost_program, stream);
}

static void format_attach(const struct iface_config *iface, FILE *stream)
{
	put_choice(iface_attaches, COUNT(iface_attaches), iface->attach, stream);
}

static void format_pins(const struct iface_config *iface, FILE *stream)
{
	fputs(iface->pins, stream);
}

const struct iface_setting iface_setting_list[NR_IFACE_SETTINGS] = {
	{"mode", .format = format_mode},
	{"queues", .format = format_queues},
	{"lost_program", .format = format_lost_program},
	{"attach", .format = format_attach},
	{"pins", .text = true, .format = format_pins},
};

/* --- egress, workers, statistics --- */

static void format_engine(const struct config *config, unsigned int argument, FILE *stream)
{
	put_choice(egress_engines, COUNT(egress_engines), config->egress.engine, stream);
}

static void format_gso(const struct config *config, unsigned int argument, FILE *stream)
{
	fprintf(stream, "%u", config->egress.gso);
}

static void format_wakeup(const struct config *config, unsigned int argument, FILE *stream)
{
	put_choice(egress_wakeups, COUNT(egress_wakeups), config->egress.wakeup, stream);
}

static void format_send_buffer(const struct config *config, unsigned int argument, FILE *stream)
{
	fprintf(stream, "%u", config->egress.send_buffer);
}

static void format_frames(const struct config *config, unsigned int argument, FILE *stream)
{
	fprintf(stream, "%u", config->workers.frames);
}

static void format_rx_ring(const struct config *config, unsigned int argument, FILE *stream)
{
	if (config->workers.rx_ring)
		fprintf(stream, "%u", config->workers.rx_ring);
}

static void format_cpus(const struct config *config, unsigned int argument, FILE *stream)
{
	const struct worker_config *workers = &config->workers;

	for (unsigned int i = 0; i < workers->nr_cpus; i++)
		fprintf(stream, "%s%u", i ? ", " : "[", workers->cpus[i]);
	if (workers->nr_cpus)
		fputc(']', stream);
}

static void format_watchdog(const struct config *config, unsigned int argument, FILE *stream)
{
	fprintf(stream, "%u", config->workers.watchdog);
}

static void format_interval(const struct config *config, unsigned int argument, FILE *stream)
{
	fprintf(stream, "%u", config->stats_interval);
}

/* --- control --- */

static void format_group(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(config->control.group, stream);
}

static void format_admin_group(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(config->control.admin_group, stream);
}

static void format_save_changes(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(config->control.save_changes ? "yes" : "no", stream);
}

/* --- logging --- */

/* What `level` says, since a configuration keeps no more than each facility's own: the level that
 * most have, if several do the one of them that is nearest to the default. */
static enum log_level common_level(const struct log_config *logging)
{
	static const enum log_level preferred[LOG_LEVELS] = {LOG_LEVEL_INFO, LOG_LEVEL_WARNING,
							     LOG_LEVEL_DEBUG, LOG_LEVEL_ERROR};
	enum log_level common = LOG_LEVEL_INFO;
	unsigned int counts[LOG_LEVELS] = {0};

	for (int i = 0; i < LOG_FACILITIES; i++)
		counts[logging->levels[i]]++;
	for (int i = 0; i < LOG_LEVELS; i++) {
		if (counts[preferred[i]] > counts[common])
			common = preferred[i];
	}
	return common;
}

static void format_level(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(log_level_name(common_level(&config->logging)), stream);
}

/* Of a facility, if it has another level than most. */
static void format_own_level(const struct config *config, unsigned int facility, FILE *stream)
{
	enum log_level level = config->logging.levels[facility];

	if (level != common_level(&config->logging))
		fputs(log_level_name(level), stream);
}

static void format_log_target(const struct config *config, unsigned int argument, FILE *stream)
{
	put_choice(log_targets, COUNT(log_targets), config->logging.target, stream);
}

static void format_log_format(const struct config *config, unsigned int argument, FILE *stream)
{
	put_choice(log_formats, COUNT(log_formats), config->logging.json, stream);
}

/* --- events, metrics, security --- */

static void format_silent_after(const struct config *config, unsigned int argument, FILE *stream)
{
	fprintf(stream, "%u", config->events.silent_after);
}

static void format_hook(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(config->events.hook, stream);
}

static void format_listen(const struct config *config, unsigned int argument, FILE *stream)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (config->metrics.port)
		fputs(endpoint_format(&config->metrics.address, config->metrics.port, NULL, text),
		      stream);
	else
		fputs("off", stream);
}

static void format_user(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(config->security.user, stream);
}

static void format_security_group(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(config->security.group, stream);
}

static void format_sandbox(const struct config *config, unsigned int argument, FILE *stream)
{
	fputs(config->security.no_sandbox ? "off" : "on", stream);
}

/* --- the list --- */

_Static_assert(LOG_FACILITIES == 8, "each has its logging.levels.FACILITY below");

#define OWN_LEVEL(name, facility)                                                                  \
	{                                                                                          \
		"logging.levels." name, true, false, facility, format_own_level                    \
	}

const struct setting setting_list[NR_SETTINGS] = {
	{"egress.engine", .format = format_engine},
	{"egress.gso", .format = format_gso},
	{"egress.wakeup", .format = format_wakeup},
	{"egress.send_buffer", .format = format_send_buffer},
	{"workers.frames", .format = format_frames},
	{"workers.rx_ring", .format = format_rx_ring},
	{"workers.cpus", .format = format_cpus},
	{"workers.watchdog", .format = format_watchdog},
	{"statistics.interval", .live = true, .format = format_interval},
	/* The socket has it from the start. */
	{"control.group", .text = true, .format = format_group},
	{"control.admin_group", .live = true, .text = true, .format = format_admin_group},
	{"control.save_changes", .live = true, .format = format_save_changes},
	{"logging.level", .live = true, .format = format_level},
	OWN_LEVEL("daemon", LOG_FACILITY_DAEMON),
	OWN_LEVEL("rules", LOG_FACILITY_RULES),
	OWN_LEVEL("steering", LOG_FACILITY_STEERING),
	OWN_LEVEL("ingress", LOG_FACILITY_INGRESS),
	OWN_LEVEL("egress", LOG_FACILITY_EGRESS),
	OWN_LEVEL("membership", LOG_FACILITY_MEMBERSHIP),
	OWN_LEVEL("links", LOG_FACILITY_LINKS),
	OWN_LEVEL("control", LOG_FACILITY_CONTROL),
	{"logging.to", .live = true, .format = format_log_target},
	{"logging.format", .live = true, .format = format_log_format},
	{"events.silent_after", .live = true, .format = format_silent_after},
	{"events.hook", .live = true, .text = true, .format = format_hook},
	{"metrics.listen", .text = true, .format = format_listen},
	{"security.user", .text = true, .format = format_user},
	{"security.group", .text = true, .format = format_security_group},
	{"security.sandbox", .format = format_sandbox},
};

/* --- as strings --- */

/* Close a memory stream. Returns its text, or NULL if any of it could not be stored. */
static char *finish(FILE *stream, char **text)
{
	bool failed = ferror(stream);

	if (fclose(stream) == 0 && !failed)
		return *text;
	free(*text);
	return NULL;
}

char *setting_format(const struct setting *setting, const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	setting->format(config, setting->argument, stream);
	return finish(stream, &text);
}

char *iface_setting_format(const struct iface_setting *setting, const struct iface_config *iface)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	setting->format(iface, stream);
	return finish(stream, &text);
}
