/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/methods_config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_build.h"
#include "base/json_text.h"
#include "base/unicode.h"
#include "control/errors_json.h"
#include "daemon/confirm.h"
#include "daemon/confirmation.h"
#include "daemon/daemon.h"
#include "daemon/methods_rules.h"
#include "daemon/reload.h"
#include "rules/diff.h"
#include "rules/save.h"

/* Bytes of the configuration's text in one answer. */
#define PIECE 65536

/* Names of each kind in one answer. */
#define NAMES_MOST 500

/* Bytes of the rules' texts in one answer, but for the last one. */
#define TEXT_MOST (256u << 10)

/* JSON is UTF-8, so a piece must not end within a character of the text. */
static size_t piece_length(const char *text, size_t left)
{
	size_t length = left < PIECE ? left : PIECE;

	while (length < left && length && utf8_is_continuation(text[length]))
		length--;
	return length;
}

void method_config_show(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	const struct config_text *text;
	size_t offset = 0;

	if (!control_param_unsigned(params, "offset", 0, SIZE_MAX / 2, &offset, reply))
		return;
	text = daemon_config_text(daemon);
	if (!text)
		return;
	if (offset > text->length)
		offset = text->length;
	if (utf8_is_continuation(text->text[offset])) {
		control_fail(reply, RPC_INVALID_PARAMS,
			     "offset: expected the start of a character");
		return;
	}
	reply->result = json_pack(
		"{s:I, s:I, s:I, s:s%}", "generation", (json_int_t)text->generation, "total_bytes",
		(json_int_t)text->length, "offset", (json_int_t)offset, "text", text->text + offset,
		piece_length(text->text + offset, text->length - offset));
}

void method_config_save(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	const char *path;
	size_t bytes;
	char reason[REASON_SIZE];
	int err;

	if (confirmation_blocks(daemon, reason)) {
		control_fail(reply, CONTROL_REFUSED, "%s", reason);
		return;
	}
	err = daemon_save(daemon, &bytes, &path);
	if (err == -ENOENT && !path)
		control_fail(reply, CONTROL_FAILED,
			     "the daemon was started without a configuration file; \"xmcastctl "
			     "config save FILE\" writes one");
	else if (err)
		control_fail(reply, CONTROL_FAILED, "%s: %s", path, config_save_reason(err));
	else
		reply->result =
			json_pack("{s:o, s:I}", "path", json_text_string(daemon->options.config),
				  "bytes", (json_int_t)bytes);
}

static json_t *restart_json(const struct reload_result *result)
{
	json_t *list = json_array();

	for (unsigned int i = 0; list && i < result->nr_restart; i++) {
		if (json_array_append_new(list, json_string(result->restart[i]))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* The outcome of a change of the whole configuration. */
static void answer(const struct daemon *daemon, int err, const struct reload_result *result,
		   const struct errors *errors, struct control_reply *reply)
{
	if (!err) {
		reply->result = change_json(daemon, &result->change);
		json_put(&reply->result, "needs_restart", restart_json(result));
	} else if (errors && errors->count) {
		control_fail(reply, CONTROL_REFUSED, "refused: %u error%s, nothing was changed",
			     errors->count, errors->count == 1 ? "" : "s");
		reply->data = errors_json(errors);
	} else {
		control_fail(reply, err == -EBUSY ? CONTROL_REFUSED : CONTROL_FAILED,
			     "%s; nothing was changed", result->reason);
	}
}

void method_config_reload(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	struct errors *errors = calloc(1, sizeof(*errors));
	struct reload_result result;

	if (!errors)
		return;
	answer(daemon, daemon_reload(daemon, &result, errors), &result, errors, reply);
	errors_free(errors);
	free(errors);
}

/* ---- apply, confirm, rollback ---- */

void method_config_apply(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	struct errors *errors = NULL;
	struct confirm_request request = {.uid = reply->uid};
	struct reload_result result;
	size_t seconds = 0;

	request.text = control_param_string(params, "text", reply);
	if (request.text)
		request.source = control_param_string(params, "source", reply);
	if (!request.source || !control_param_unsigned(params, "confirm_seconds", 0,
						       CONTROL_CONFIRM_MOST, &seconds, reply))
		return;
	if (strlen(request.source) >= PATH_MAX) {
		control_fail(reply, RPC_INVALID_PARAMS, "source: expected at most %d bytes",
			     PATH_MAX - 1);
		return;
	}
	request.seconds = (unsigned int)seconds;
	errors = calloc(1, sizeof(*errors));
	if (!errors)
		return;
	answer(daemon, confirm_apply(daemon, &request, &result, errors), &result, errors, reply);
	json_put(&reply->result, "confirm_seconds", json_integer((json_int_t)seconds));
	errors_free(errors);
	free(errors);
}

static void nothing_to_confirm(struct control_reply *reply)
{
	control_fail(reply, CONTROL_NOT_FOUND,
		     "no change waits to be confirmed; `xmcastctl config apply FILE --confirm "
		     "10m` makes one");
}

/* Whether a restart would read what runs. */
static bool is_in_file(const struct daemon *daemon)
{
	struct errors errors = {};
	struct config file;
	bool same = false;

	if (!daemon_read_config(&daemon->options, false, &file, &errors)) {
		same = config_equal(relay_config(daemon->relay), &file);
		config_free(&file);
	}
	errors_free(&errors);
	return same;
}

void method_config_confirm(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	char reason[REASON_SIZE];
	int err = confirm_accept(daemon, reply->uid, reason);

	if (err == -ENOENT)
		nothing_to_confirm(reply);
	else if (err)
		control_fail(reply, err == -EBUSY ? CONTROL_REFUSED : CONTROL_FAILED,
			     "%s; nothing was changed", reason);
	else
		reply->result = json_pack("{s:b, s:o*}", "saved", is_in_file(daemon), "file",
					  json_text_string(daemon->options.config));
}

void method_config_rollback(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	struct reload_result result;
	int err = confirm_roll_back(daemon, reply->uid, &result);

	if (err == -ENOENT)
		nothing_to_confirm(reply);
	else if (err && daemon->confirmation.failed)
		control_fail(reply, CONTROL_FAILED, "%s; the rollback is tried again every second",
			     result.reason);
	else
		answer(daemon, err, &result, NULL, reply);
}

json_t *config_status_json(const struct daemon *daemon)
{
	const struct reload_state *reload = &daemon->reload;
	const struct confirmation *confirmation = &daemon->confirmation;
	json_t *json =
		json_pack("{s:o*, s:b, s:I, s:I}", "file", json_text_string(daemon->options.config),
			  "last_reload_successful", reload->last_successful, "last_reload_seconds",
			  (json_int_t)reload->last_seconds, "reloads", (json_int_t)reload->count);

	if (!confirmation->awaited)
		return json;
	json_put(&json, "unconfirmed", json_text_string(confirmation->source));
	json_put(&json, "rollback_in_seconds",
		 json_integer((json_int_t)confirmation_seconds_left(daemon)));
	json_put(&json, "rollback_timestamp_seconds",
		 json_integer((json_int_t)confirmation->until_seconds));
	return json;
}

void method_config_status(void *context, const json_t *params, struct control_reply *reply)
{
	reply->result = config_status_json(context);
}

/* ---- diff ---- */

/* Append a name; if there are too many, set *more instead. */
static void add_name(json_t *list, const struct rule *rule, bool *more)
{
	if (json_array_size(list) == NAMES_MOST)
		*more = true;
	else
		json_add(&list, json_string(rule->name));
}

static json_t *settings_json(const struct config_diff *diff)
{
	json_t *list = json_array();

	for (unsigned int i = 0; list && i < diff->nr_settings; i++) {
		const struct setting_change *setting = &diff->settings[i];

		if (json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "setting",
							  setting->name, "running", setting->before,
							  "file", setting->after, "needs_restart",
							  !setting->live))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* What both configurations say of the rules that differ, as long as the answer has room. */
struct texts {
	json_t *list;
	size_t room;
	const struct default_config *running, *file;
};

/* `item` becomes NULL if there is no memory. A rule that is NULL has no text. */
static void add_text(struct texts *texts, json_t **item, const char *key, const struct rule *rule,
		     const struct default_config *defaults)
{
	char *text = rule ? rule_format(rule, defaults) : NULL;
	size_t length = text ? strlen(text) : 0;

	if (rule && *item && (!text || json_object_set_new(*item, key, json_string(text)))) {
		json_decref(*item);
		*item = NULL;
	}
	texts->room -= length < texts->room ? length : texts->room;
	free(text);
}

/* A rule that one of them does not have is NULL. */
static void add_texts(struct texts *texts, const struct rule *running, const struct rule *file)
{
	json_t *item;

	if (!texts->list || !texts->room)
		return;
	item = json_pack("{s:s}", "name", running ? running->name : file->name);
	add_text(texts, &item, "running", running, texts->running);
	add_text(texts, &item, "file", file, texts->file);
	json_add(&texts->list, item);
}

static json_t *diff_json(const struct config *running, const struct config *file)
{
	json_t *added = json_array();
	json_t *removed = json_array();
	json_t *changed = json_array();
	struct texts texts = {json_array(), TEXT_MOST, &running->defaults, &file->defaults};
	struct config_diff diff;
	bool more = false;
	json_t *json;

	if (config_diff(running, file, &diff)) {
		json_decref(added);
		added = NULL;
	}
	for (unsigned int i = 0; i < diff.nr_removed; i++) {
		const struct rule *rule = &running->rules[diff.removed[i]];

		add_name(removed, rule, &more);
		add_texts(&texts, rule, NULL);
	}
	for (unsigned int i = 0; i < diff.nr_changed; i++) {
		const struct rule *rule = &file->rules[diff.changed[i].after];

		add_name(changed, rule, &more);
		add_texts(&texts, &running->rules[diff.changed[i].before], rule);
	}
	for (unsigned int i = 0; i < diff.nr_added; i++) {
		const struct rule *rule = &file->rules[diff.added[i]];

		add_name(added, rule, &more);
		add_texts(&texts, NULL, rule);
	}
	/* NULL if any part is NULL because memory has run out. */
	json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "added", added, "removed", removed,
			 "changed", changed, "rules", texts.list, "settings", settings_json(&diff),
			 "more", more || !texts.room);
	config_diff_free(&diff);
	return json;
}

void method_config_diff(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	struct errors *errors = calloc(1, sizeof(*errors));
	struct config file;
	int err;

	if (!errors)
		return;
	err = daemon_read_config(&daemon->options, false, &file, errors);
	if (!err) {
		reply->result = diff_json(relay_config(daemon->relay), &file);
		config_free(&file);
	} else if (errors->count) {
		control_fail(reply, CONTROL_REFUSED, "the file is not valid: %u error%s",
			     errors->count, errors->count == 1 ? "" : "s");
		reply->data = errors_json(errors);
	}
	errors_free(errors);
	free(errors);
}
