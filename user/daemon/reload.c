/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "daemon/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "daemon/confirmation.h"
#include "daemon/service.h"
#include "rules/change.h"
#include "rules/diff.h"
#include "rules/file.h"
#include "rules/grammar.h"
#include "rules/range.h"
#include "rules/save.h"
#include "rules/schema.h"
#include "rules/settings.h"
#include "rules/write.h"

/* Whether the configuration has the rule that a text describes, enabled or disabled; of a range:
 * the rule with this index. */
static bool has_rule(const struct config *config, const char *text, unsigned int index)
{
	const struct grammar_range member = {.index = index};
	const struct position at = {"", 1, 1};
	struct rule_positions where;
	struct errors errors = {0};
	bool found = false;
	struct rule rule;

	if (!grammar_parse_member(text, strlen(text), &at, &member, &rule, &where, &errors)) {
		rule_complete(&rule, &where, &config->defaults);
		rule_positions_free(&where);
		for (unsigned int i = 0; !found && i < config->nr_rules; i++) {
			rule.disabled = config->rules[i].disabled;
			found = rule_equal(&rule, &config->rules[i]);
		}
		rule_free(&rule);
	}
	errors_free(&errors);
	return found;
}

/* Whether it has all that the text describes. */
static bool has_rules(const struct config *config, const char *text)
{
	const struct position at = {"", 1, 1};
	struct errors errors = {0};
	unsigned int count = range_count(text, strlen(text), &at, true, &errors), found = 0;

	errors_free(&errors);
	while (found < count && has_rule(config, text, found))
		found++;
	return count && found == count;
}

/* Add the rules of the command line, except those that have been saved into the file. */
static int add_rules(const struct options *options, struct config *config, struct errors *errors)
{
	const char **texts = calloc(options->nr_rules + 1, sizeof(*texts));
	unsigned int count = 0;
	int err;

	if (!texts)
		return -ENOMEM;
	for (unsigned int i = 0; i < options->nr_rules; i++) {
		if (!has_rules(config, options->rules[i]))
			texts[count++] = options->rules[i];
	}
	err = config_add_rules(config, texts, count, "--rule", errors);
	free(texts);
	return err;
}

int daemon_read_config(const struct options *options, bool start, struct config *config,
		       struct errors *errors)
{
	int err = 0;

	config_init(config);
	if (options->config)
		err = config_load_trusted_file(options->config, start, config, errors);
	if (!err && options->nr_rules)
		err = add_rules(options, config, errors);
	if (err)
		config_free(config);
	return err;
}

int daemon_parse_config(const struct options *options, const char *text, const char *label,
			struct config *config, struct errors *errors)
{
	int err;

	config_init(config);
	err = config_parse_yaml(text, strlen(text), label, config, errors);
	if (!err && options->nr_rules)
		err = add_rules(options, config, errors);
	if (err)
		config_free(config);
	return err;
}

void daemon_use_settings(struct daemon *daemon)
{
	const struct config *config = relay_config(daemon->relay);
	struct log_config logging = config->logging;

	options_logging(&daemon->options, &logging);
	log_configure(&logging);
	/* An unknown group is logged there, and the former administrators stay. */
	control_server_set_admins(daemon->control, config->control.admin_group);
}

/* ---- events ---- */

static void emit_change(struct daemon *daemon, const char *name, const struct relay_change *change,
			unsigned int needs_restart)
{
	log_event(LOG_LEVEL_INFO, name, LOG_UINT("generation", relay_generation(daemon->relay)),
		  LOG_UINT("added", change->added), LOG_UINT("removed", change->removed),
		  LOG_UINT("replaced", change->replaced),
		  needs_restart ? LOG_UINT("needs_restart", needs_restart) : LOG_NONE);
}

static void emit_refusal(const struct errors *errors, const char *reason)
{
	log_event(LOG_LEVEL_ERROR, "reload-refused", LOG_UINT("errors", errors->count),
		  LOG_TEXT("reason", reason));
}

/* ---- reload ---- */

void daemon_log_errors(const struct errors *errors)
{
	for (unsigned int i = 0; i < errors->kept; i++) {
		const struct input_error *error = &errors->list[i];

		if (!error->at.line) { /* it concerns the whole file */
			log_error("config-error", LOG_TEXT("file", error->at.file),
				  LOG_TEXT("reason", error->message));
			continue;
		}
		log_error("config-error", LOG_TEXT("file", error->at.file),
			  LOG_UINT("line", error->at.line), LOG_UINT("column", error->at.column),
			  LOG_TEXT("word", error->word ? error->word : ""),
			  LOG_TEXT("reason", error->message));
	}
}

/* Replace the settings that need a restart by the running ones. Those of an interface that is not
 * in use take effect when its intake is opened. */
static int keep_settings(const struct relay *relay, struct config *next)
{
	const struct config *running = relay_config(relay);
	struct iface_config *ifaces;
	unsigned int count = 0;

	for (const struct field *setting = setting_list; setting->name; setting++) {
		if (!setting->live && !setting_of_iface(setting))
			memcpy((char *)next + setting->offset,
			       (const char *)running + setting->offset, setting->size);
	}
	ifaces = calloc(running->nr_ifaces + next->nr_ifaces + 1, sizeof(*ifaces));
	if (!ifaces)
		return -ENOMEM;
	for (unsigned int i = 0; i < running->nr_ifaces; i++) {
		const struct iface_config *same = config_iface(next, running->ifaces[i].name);

		if (!relay_interface(relay, running->ifaces[i].name))
			continue;
		ifaces[count] = running->ifaces[i];
		ifaces[count++].file = same ? same->file : 0;
	}
	for (unsigned int i = 0; i < next->nr_ifaces; i++) {
		if (!relay_interface(relay, next->ifaces[i].name))
			ifaces[count++] = next->ifaces[i];
	}
	free(next->ifaces);
	next->ifaces = ifaces;
	next->nr_ifaces = count;
	return 0;
}

/* List the settings that differ and need a restart. */
static void list_restart(const struct config_diff *diff, struct reload_result *result)
{
	for (unsigned int i = 0; i < diff->nr_settings; i++) {
		const struct setting_change *setting = &diff->settings[i];

		if (setting->live || result->nr_restart == RESTART_MAX)
			continue;
		snprintf(result->restart[result->nr_restart++], SETTING_NAME_SIZE, "%s",
			 setting->name);
		log_warning("setting-needs-restart", LOG_NAME("setting", setting->name),
			    LOG_TEXT("running", setting->before), LOG_TEXT("file", setting->after));
	}
}

int daemon_apply(struct daemon *daemon, struct config *next, struct reload_result *result)
{
	struct config_diff diff;
	int err = config_diff(relay_config(daemon->relay), next, &diff);

	if (err)
		return err;
	err = keep_settings(daemon->relay, next);
	if (!err)
		err = relay_apply(daemon->relay, next, &result->change, result->reason);
	if (!err)
		list_restart(&diff, result);
	config_diff_free(&diff);
	if (err == -EIO)
		daemon->broken = true;
	if (err)
		return err;
	daemon_use_settings(daemon);
	/* A reload after a repair of the network should retry at once what is pending. The file has
	 * been applied by now, whatever the outcome. */
	err = relay_retry(daemon->relay);
	if (err == -EIO)
		daemon->broken = true;
	return 0;
}

int daemon_reload(struct daemon *daemon, struct reload_result *result, struct errors *errors)
{
	struct config next;
	int err;

	memset(result, 0, sizeof(*result));
	if (confirmation_blocks(daemon, result->reason)) {
		emit_refusal(errors, result->reason);
		return -EBUSY;
	}
	daemon->reload.count++;
	service_reloading(daemon);
	err = daemon_read_config(&daemon->options, false, &next, errors);
	if (!err) {
		err = daemon_apply(daemon, &next, result);
		config_free(&next);
	}
	daemon->reload.last_successful = !err;
	/* sd_notify has no "reload failed": report READY again; the old configuration keeps
	 * running. */
	service_ready(daemon);
	if (err) {
		daemon_log_errors(errors);
		if (!*result->reason)
			snprintf(result->reason, sizeof(result->reason), "%s", strerror(-err));
		emit_refusal(errors,
			     errors->count ? "the configuration is not valid" : result->reason);
		return err;
	}
	daemon->reload.last_seconds = (uint64_t)time(NULL);
	emit_change(daemon, "reloaded", &result->change, result->nr_restart);
	return 0;
}

int daemon_change_config(struct daemon *daemon, struct config *next)
{
	struct reload_result result = {};
	int err = daemon_apply(daemon, next, &result);

	if (err)
		log_event(LOG_LEVEL_ERROR, "reload-refused", LOG_UINT("errors", 0),
			  LOG_TEXT("reason", *result.reason ? result.reason : strerror(-err)));
	else if (result.change.added || result.change.removed || result.change.replaced)
		emit_change(daemon, "rules-changed", &result.change, result.nr_restart);
	return err == -EIO ? err : 0;
}

/* ---- changes ---- */

void daemon_save_change(struct daemon *daemon)
{
	const char *path;
	size_t bytes;
	int err;

	if (!relay_config(daemon->relay)->control.save_changes)
		return;
	err = daemon_save(daemon, &bytes, &path);
	if (err)
		log_error("save-failed", LOG_TEXT("path", path ? path : ""),
			  LOG_TEXT("error", config_save_reason(err)),
			  LOG_TEXT("hint", "the change is applied, but not in the file"));
}

int daemon_change_rules(struct daemon *daemon, const struct rule_operation *operations,
			size_t count, const char *label, struct relay_change *change,
			struct errors *errors, char reason[REASON_SIZE])
{
	struct config next;
	int err;

	*reason = '\0';
	if (confirmation_blocks(daemon, reason))
		return -EBUSY;
	err = config_change(relay_config(daemon->relay), operations, count, label, &next, errors);
	if (err)
		return err;
	err = relay_apply(daemon->relay, &next, change, reason);
	config_free(&next);
	if (err == -EIO)
		daemon->broken = true;
	if (err) {
		log_error("change-refused", LOG_UINT("operations", count), LOG_ERROR(err),
			  LOG_TEXT("reason", reason));
		return err;
	}
	if (!change->added && !change->removed && !change->replaced)
		return 0;
	emit_change(daemon, "rules-changed", change, 0);
	daemon_save_change(daemon);
	return 0;
}

/* ---- the running configuration as text ---- */

const struct config_text *daemon_config_text(struct daemon *daemon)
{
	struct config_text *text = &daemon->text;

	if (text->text && text->generation == relay_generation(daemon->relay))
		return text;
	free(text->text);
	text->text = config_write(relay_config(daemon->relay), &text->length);
	text->generation = relay_generation(daemon->relay);
	return text->text ? text : NULL;
}

/* What is from this file, see config_write_file(). Adds its bytes. */
static int save_file(const struct config *config, unsigned int file, const char *path,
		     size_t *bytes)
{
	size_t length = 0;
	char *text = config_write_file(config, file, &length);
	int err = text ? config_save_file(path, text, length, CONFIG_MODE_IF_NEW) : -errno;

	free(text);
	if (!err)
		*bytes += length;
	return err;
}

int daemon_save(struct daemon *daemon, size_t *bytes, const char **path)
{
	const struct config *config = relay_config(daemon->relay);
	char reason[REASON_SIZE];
	int err = 0;

	*bytes = 0;
	*path = NULL;
	if (confirmation_blocks(daemon, reason))
		return -EBUSY;
	*path = daemon->options.config;
	if (!*path)
		return -ENOENT;
	/* A rule that has moved to the configuration file must not be in both, whatever happens. */
	for (unsigned int i = 0; i < config->nr_parts && !err; i++) {
		if (!config->parts[i].changed)
			continue;
		*path = config->parts[i].path;
		err = save_file(config, i + 1, *path, bytes);
	}
	if (err)
		return err;
	*path = daemon->options.config;
	err = save_file(config, 0, *path, bytes);
	if (!err)
		relay_config_saved(daemon->relay);
	return err;
}
