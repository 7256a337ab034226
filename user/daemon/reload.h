/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration of a daemon: read at the start, changed, read again, saved. Main thread. */
#ifndef XMCAST_DAEMON_RELOAD_H
#define XMCAST_DAEMON_RELOAD_H

#include "daemon/daemon.h"
#include "rules/change.h"

/* Read what the command line says, the file and the rules. 0; -EINVAL or another -errno with errors
 * appended; -ENOMEM. */
int daemon_read_config(const struct options *options, bool start, struct config *config,
		       struct errors *errors);

/* Settings that differ from those that run and that a running daemon does not take over. */
#define RESTART_MAX	  32
#define SETTING_NAME_SIZE 64

struct reload_result {
	struct relay_change change;
	unsigned int nr_restart;
	char restart[RESTART_MAX][SETTING_NAME_SIZE];
	char reason[REASON_SIZE]; /* of a failure that is not about the content */
};

/*
 * Read the configuration again and go over to it, as far as a running daemon can. 0; -EINVAL: it is
 * not valid (errors appended); -errno: result->reason says why. Nothing has changed then. Logs the
 * outcome, each error with its place.
 */
int daemon_reload(struct daemon *daemon, struct reload_result *result, struct errors *errors);

/*
 * Change the rules that run, all or nothing. 0; -EINVAL: not valid (errors appended, in file
 * `label`); -errno: `reason` says why. With control.save_changes the file is saved then; if that
 * fails, the change stays, and the log tells.
 */
int daemon_change_rules(struct daemon *daemon, const struct rule_operation *operations,
			size_t count, const char *label, struct relay_change *change,
			struct errors *errors, char reason[REASON_SIZE]);

/* Save what runs in place of the configuration file. 0 and the number of bytes, or -errno (-ENOENT:
 * there is no such file, the daemon was started without one). */
int daemon_save(struct daemon *daemon, size_t *bytes);

/* Take over from the running configuration what the relay does not look at: the log's settings. */
void daemon_use_settings(struct daemon *daemon);

/* The running configuration as text; valid until the next call. NULL: no memory. */
const struct config_text *daemon_config_text(struct daemon *daemon);

#endif
