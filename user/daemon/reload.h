/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the configuration comes from: read at the start, changed, reloaded, saved. Main thread. */
#ifndef XMCAST_DAEMON_RELOAD_H
#define XMCAST_DAEMON_RELOAD_H

#include "daemon/daemon.h"
#include "rules/change.h"

/* Read the file and the rules of the command line. 0; -EINVAL or another -errno with errors
 * appended; -ENOMEM. */
int daemon_read_config(const struct options *options, bool start, struct config *config,
		       struct errors *errors);

/* Changed settings that need a restart: how many are listed, and bytes of a name. */
#define RESTART_MAX	  32
#define SETTING_NAME_SIZE 64

struct reload_result {
	struct relay_change change;
	unsigned int nr_restart;
	char restart[RESTART_MAX][SETTING_NAME_SIZE];
	char reason[REASON_SIZE]; /* of a failure that is not in the content */
};

/* The same of a text, instead of the file: `label` is its name in errors, and must outlive them. */
int daemon_parse_config(const struct options *options, const char *text, const char *label,
			struct config *config, struct errors *errors);

/*
 * Read the configuration again and apply it, except for settings that need a restart. 0; -EINVAL:
 * it is not valid (errors appended); other -errno: for the reason in result->reason, -EBUSY: a
 * change waits to be confirmed. In all cases nothing has changed. Logs the outcome, and each error
 * with its place.
 */
int daemon_reload(struct daemon *daemon, struct reload_result *result, struct errors *errors);

/* Log each error with its place. */
void daemon_log_errors(const struct errors *errors);

/*
 * Apply changes of rules, all or none. 0; -EINVAL: not valid (errors appended, with `label` as
 * their file); other -errno: for the reason in `reason`. With control.save_changes the file is then
 * saved; if that fails, the change stays applied, and the failure is logged.
 */
int daemon_change_rules(struct daemon *daemon, const struct rule_operation *operations,
			size_t count, const char *label, struct relay_change *change,
			struct errors *errors, char reason[REASON_SIZE]);

/* Replace the configuration file by the running configuration: its settings and the rules that are
 * not from conf.d. Files of conf.d are replaced, before it, if rules that are from there have
 * changed. 0 and the number of bytes, or -errno and the file that could not be written (-ENOENT
 * with NULL: the daemon was started without a file; -EBUSY with NULL: a change waits to be
 * confirmed). */
int daemon_save(struct daemon *daemon, size_t *bytes, const char **path);

/*
 * Change to *next, except for settings that need a restart, which are listed in *result. *next is
 * the relay's then. 0; -EIO: the relay must end; other -errno, with result->reason: nothing has
 * changed.
 */
int daemon_apply(struct daemon *daemon, struct config *next, struct reload_result *result);

/* After a change: save it, if control.save_changes says so. A failure is logged. */
void daemon_save_change(struct daemon *daemon);

/* Change to a configuration after the place of another process was taken, whose configuration runs.
 * Differences that cannot be applied now are logged. 0; -EIO: the relay must end. */
int daemon_change_config(struct daemon *daemon, struct config *next);

/* Apply the settings of the running configuration that are not the relay's: log, administrators. */
void daemon_use_settings(struct daemon *daemon);

/* The running configuration as text; valid until the next call. NULL: no memory. */
const struct config_text *daemon_config_text(struct daemon *daemon);

#endif
