/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "daemon/confirm.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/method.h"
#include "daemon/confirmation.h"

/* Instead of a user: the daemon itself. */
#define NO_CLIENT UINT_MAX

/* Processes that may end, one after the other, without having been asked to. */
#define STARTS_MOST 3

/* ---- applying ---- */

static void emit_applied(const struct daemon *daemon, const char *source, unsigned int seconds,
			 const struct reload_result *result, unsigned int uid)
{
	log_event(LOG_LEVEL_INFO, "config-applied", LOG_TEXT("source", source),
		  seconds ? LOG_UINT("rolled_back_in", seconds) : LOG_NONE,
		  LOG_UINT("generation", relay_generation(daemon->relay)),
		  LOG_UINT("added", result->change.added),
		  LOG_UINT("removed", result->change.removed),
		  LOG_UINT("replaced", result->change.replaced),
		  result->nr_restart ? LOG_UINT("needs_restart", result->nr_restart) : LOG_NONE,
		  uid == NO_CLIENT ? LOG_NONE : LOG_UINT("uid", uid));
}

/* Write what the next process needs. */
static int write_request(const struct daemon *daemon, const struct confirm_request *request,
			 char reason[REASON_SIZE])
{
	json_t *state = json_pack("{s:I, s:i, s:i, s:s, s:s}", "until",
				  (json_int_t)time(NULL) + (json_int_t)request->seconds, "seconds",
				  (int)request->seconds, "starts", 1, "source", request->source,
				  "config", request->text);
	int err = confirmation_write(daemon, state, reason);

	json_decref(state);
	return err;
}

/* A failure is logged once while a rollback is tried again. */
static void remove_file(const struct daemon *daemon)
{
	char reason[REASON_SIZE];

	if (confirmation_remove(daemon, reason) && !daemon->confirmation.failed)
		log_warning("rollback-file-stays", LOG_TEXT("reason", reason));
}

static int apply_text(struct daemon *daemon, const struct confirm_request *request,
		      struct reload_result *result, struct errors *errors)
{
	struct config next, before;
	char *source = NULL;
	int err;

	config_init(&before);
	err = daemon_parse_config(&daemon->options, request->text, request->source, &next, errors);
	if (err)
		return err;
	err = config_keep_files(&next, relay_config(daemon->relay));
	if (!err && request->seconds) {
		source = strdup(request->source);
		err = source ? config_copy(&before, relay_config(daemon->relay)) : -ENOMEM;
	}
	if (!err && request->seconds)
		err = write_request(daemon, request, result->reason);
	if (!err) {
		err = daemon_apply(daemon, &next, result);
		if (err && request->seconds)
			remove_file(daemon);
	}
	if (!err && request->seconds) {
		confirmation_await(daemon, source, &before, request->seconds);
		source = NULL;
	}
	free(source);
	config_free(&before);
	config_free(&next);
	return err;
}

int confirm_apply(struct daemon *daemon, const struct confirm_request *request,
		  struct reload_result *result, struct errors *errors)
{
	int err;

	memset(result, 0, sizeof(*result));
	if (confirmation_blocks(daemon, result->reason))
		return -EBUSY;
	err = apply_text(daemon, request, result, errors);
	if (err && !errors->count && !*result->reason)
		snprintf(result->reason, sizeof(result->reason), "%s", strerror(-err));
	if (err)
		return err;
	emit_applied(daemon, request->source, request->seconds, result, request->uid);
	if (!request->seconds)
		daemon_save_change(daemon);
	return 0;
}

/* ---- the outcome ---- */

/* A successor has read its own file already, and will read the one of the state directory. */
static bool is_taken_over(const struct daemon *daemon, char reason[REASON_SIZE])
{
	if (daemon->successor.state == SUCCESSOR_NONE)
		return false;
	snprintf(reason, REASON_SIZE, "another xmcastd is taking over: try again");
	return true;
}

int confirm_accept(struct daemon *daemon, unsigned int uid, char reason[REASON_SIZE])
{
	int err;

	if (!daemon->confirmation.awaited)
		return -ENOENT;
	if (is_taken_over(daemon, reason))
		return -EBUSY;
	err = confirmation_remove(daemon, reason);
	if (err)
		return err;
	log_event(LOG_LEVEL_INFO, "config-confirmed",
		  LOG_TEXT("source", daemon->confirmation.source), LOG_UINT("uid", uid));
	confirmation_end(daemon);
	daemon_save_change(daemon);
	return 0;
}

static int roll_back(struct daemon *daemon, const char *reason, unsigned int uid,
		     struct reload_result *result)
{
	struct confirmation *confirmation = &daemon->confirmation;
	struct config before;
	int err;

	remove_file(daemon);
	err = config_copy(&before, &confirmation->before);
	if (!err) {
		err = daemon_apply(daemon, &before, result);
		config_free(&before);
	}
	if (err && !*result->reason)
		snprintf(result->reason, sizeof(result->reason), "%s", strerror(-err));
	if (err) {
		if (!confirmation->failed)
			log_event(LOG_LEVEL_ERROR, "rollback-failed",
				  LOG_TEXT("source", confirmation->source),
				  LOG_TEXT("reason", result->reason));
		/* From now on once a second. */
		confirmation->failed = true;
		confirmation->deadline_ns = 0;
		return err;
	}
	log_event(LOG_LEVEL_WARNING, "config-rolled-back", LOG_TEXT("source", confirmation->source),
		  LOG_TEXT("reason", reason),
		  LOG_UINT("generation", relay_generation(daemon->relay)),
		  LOG_UINT("added", result->change.added),
		  LOG_UINT("removed", result->change.removed),
		  LOG_UINT("replaced", result->change.replaced),
		  uid == NO_CLIENT ? LOG_NONE : LOG_UINT("uid", uid));
	confirmation_end(daemon);
	return 0;
}

int confirm_roll_back(struct daemon *daemon, unsigned int uid, struct reload_result *result)
{
	memset(result, 0, sizeof(*result));
	if (!daemon->confirmation.awaited)
		return -ENOENT;
	if (is_taken_over(daemon, result->reason))
		return -EBUSY;
	return roll_back(daemon, "a client asked for it", uid, result);
}

int confirm_second(struct daemon *daemon)
{
	struct reload_result result = {};

	if (!daemon->confirmation.awaited || daemon->successor.state >= SUCCESSOR_OFFERED ||
	    clock_read_ns(CLOCK_BOOTTIME) < daemon->confirmation.deadline_ns)
		return 0;
	return roll_back(daemon,
			 daemon->confirmation.failed ? "an earlier attempt failed"
						     : "it was not confirmed in time",
			 NO_CLIENT, &result) == -EIO
		       ? -EIO
		       : 0;
}

/* ---- after a start ---- */

/* Seconds left; 0: none, or nonsense. */
static uint64_t left_of(const json_t *state)
{
	json_int_t seconds = json_integer_value(json_object_get(state, "seconds"));
	json_int_t until = json_integer_value(json_object_get(state, "until"));
	json_int_t now = (json_int_t)time(NULL);

	return seconds <= CONTROL_CONFIRM_MOST && until > now && until - now <= seconds
		       ? (uint64_t)(until - now)
		       : 0;
}

static json_int_t starts_of(const json_t *state)
{
	json_int_t starts = json_integer_value(json_object_get(state, "starts"));

	return starts < 0 ? 0 : starts;
}

static int set_starts(const struct daemon *daemon, json_t *state, json_int_t starts)
{
	char reason[REASON_SIZE];

	return json_object_set_new(state, "starts", json_integer(starts))
		       ? -ENOMEM
		       : confirmation_write(daemon, state, reason);
}

bool confirm_count_start(const struct daemon *daemon)
{
	char reason[REASON_SIZE];
	json_t *state = NULL;
	json_int_t starts;

	if (confirmation_read(daemon, &state, reason))
		return false;
	starts = starts_of(state);
	if (starts <= STARTS_MOST)
		set_starts(daemon, state, ++starts);
	json_decref(state);
	return starts > STARTS_MOST;
}

void confirm_end_in_order(const struct daemon *daemon)
{
	char reason[REASON_SIZE];
	json_t *state = NULL;

	/* Should this fail, the end counts as one that was not in order. */
	if (daemon->confirmation.awaited && !confirmation_read(daemon, &state, reason))
		set_starts(daemon, state, 0);
	json_decref(state);
}

/* Whether it may be applied again. Otherwise the reason. */
static bool may_resume(const struct daemon *daemon, const json_t *state, char reason[REASON_SIZE])
{
	int err;

	if (!json_is_string(json_object_get(state, "source")) ||
	    !json_is_string(json_object_get(state, "config"))) {
		snprintf(reason, REASON_SIZE, "it cannot be read");
		return false;
	}
	if (!left_of(state)) {
		snprintf(reason, REASON_SIZE, "it was not confirmed in time");
		return false;
	}
	if (starts_of(state) > STARTS_MOST) {
		snprintf(reason, REASON_SIZE, "xmcastd ended %d times with it", STARTS_MOST);
		return false;
	}
	/* What cannot be written could not be removed either: it may have been rolled back. */
	err = confirmation_write(daemon, state, reason);
	if (err && !*reason)
		snprintf(reason, REASON_SIZE, "%s", strerror(-err));
	return !err;
}

/* 0, or the reason why it is not applied again: -EIO: the relay must end. */
static int resume(struct daemon *daemon, const json_t *state, struct config *own,
		  char reason[REASON_SIZE])
{
	const char *source = json_string_value(json_object_get(state, "source"));
	const char *text = json_string_value(json_object_get(state, "config"));
	uint64_t left = left_of(state);
	struct reload_result result = {};
	struct errors errors = {};
	struct config next;
	char *name;
	int err;

	if (!may_resume(daemon, state, reason))
		return -EINVAL;
	name = strdup(source);
	err = name ? daemon_parse_config(&daemon->options, text, source, &next, &errors) : -ENOMEM;
	if (!err) {
		err = config_keep_files(&next, own);
		if (!err)
			err = daemon_apply(daemon, &next, &result);
		config_free(&next);
	}
	snprintf(reason, REASON_SIZE, "%s",
		 errors.count	  ? "it is no longer valid"
		 : *result.reason ? result.reason
				  : strerror(-err));
	daemon_log_errors(&errors);
	errors_free(&errors);
	if (err) {
		free(name);
		return err;
	}
	confirmation_await(daemon, name, own, left);
	emit_applied(daemon, name, (unsigned int)left, &result, NO_CLIENT);
	return 0;
}

int confirm_resume(struct daemon *daemon, struct config *own)
{
	char reason[REASON_SIZE] = "";
	json_t *state = NULL;
	const char *source;
	int err = confirmation_read(daemon, &state, reason);

	if (err == -ENOENT)
		return err;
	if (!err)
		err = resume(daemon, state, own, reason);
	source = json_string_value(json_object_get(state, "source"));
	if (err && err != -EIO) {
		log_event(LOG_LEVEL_WARNING, "config-rolled-back",
			  LOG_TEXT("source", source ? source : ""), LOG_TEXT("reason", reason));
		remove_file(daemon);
		err = -ENOENT;
	}
	json_decref(state);
	return err;
}
