/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/take_over.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bundle.h"
#include "base/json_text.h"
#include "base/log.h"
#include "control/client.h"
#include "daemon/confirm.h"
#include "daemon/hand_over.h"
#include "daemon/reload.h"
#include "daemon/fd_store.h"
#include "relay/inheritance.h"

/* The predecessor sends its descriptors at once; its threads end when all that they have taken is
 * sent; its counters are final after a grace period of the kernel. */
#define OFFER_MS   30000
#define PAUSE_MS   30000
#define ACCOUNT_MS 30000

/* A process that is killed closes its connections a moment before it has ended. */
#define END_MS 2000

struct take_over {
	int fd;	     /* to the predecessor; -1: it has ended */
	int process; /* its pidfd, of the bundle; -1: unknown */
	struct bundle bundle;
	json_t *manifest;
	struct inheritance *inheritance;
	struct control_adoption control;
	bool has_control;
};

/* ---- connecting ---- */

/* The connection, after the predecessor has accepted. -errno; -ECONNREFUSED, -ENOENT: nobody
 * listens. */
static int ask(const char *path)
{
	struct control_client *client = NULL;
	json_t *answer = NULL;
	int err = control_client_open(&client, path);
	int fd = -1;

	if (!err)
		err = control_client_call(client, "daemon.hand_over", NULL, &answer);
	if (err > 0) {
		const char *reason = json_string_value(json_object_get(answer, "message"));

		log_error("take-over-refused", LOG_TEXT("reason", reason ? reason : ""));
		err = -EPROTO;
	}
	json_decref(answer);
	if (!err) {
		fd = fcntl(control_client_fd(client), F_DUPFD_CLOEXEC, 0);
		err = fd < 0 ? -errno : 0;
	}
	control_client_close(client);
	return err ? err : fd;
}

static int command(const struct take_over *take, char byte)
{
	ssize_t n = send(take->fd, &byte, 1, MSG_NOSIGNAL);

	return n == 1 ? 0 : n < 0 && errno != ECONNRESET ? -errno : -EPIPE;
}

/* Of the predecessor's control socket, if it listens at our path. */
static void find_control(struct take_over *take, const char *path)
{
	const json_t *control = json_object_get(take->manifest, "control");
	const char *where = json_string_value(json_object_get(control, "path"));
	json_int_t listener = json_integer_value(json_object_get(control, "listener"));
	json_int_t lock = json_integer_value(json_object_get(control, "lock"));

	take->has_control = where && strcmp(where, path) == 0 && listener >= 0 && lock >= 0 &&
			    listener < take->bundle.nr_fds && lock < take->bundle.nr_fds;
	if (take->has_control)
		take->control = (struct control_adoption){take->bundle.fds[listener],
							  take->bundle.fds[lock]};
}

/*
 * The predecessor does not answer. If it was killed, nobody uses the rings any more: that is as
 * good as a pause, but its counters are lost. Otherwise it goes on. 0 or `err`.
 */
static int go_on_without(struct take_over *take, int err)
{
	struct pollfd process = {.fd = take->process, .events = POLLIN};

	if (err != -EPIPE || poll(&process, 1, END_MS) <= 0)
		return err;
	log_warning("predecessor-ended");
	close(take->fd);
	take->fd = -1;
	inheritance_forget_counters(take->inheritance);
	return 0;
}

static int ask_for_pause(const struct take_over *take)
{
	struct pollfd fd = {.fd = take->fd, .events = POLLIN};
	char answer = 0;
	int err = command(take, HAND_OVER_PAUSE);

	if (err)
		return err;
	/* Restarted by a signal, which the main loop handles later. */
	while (poll(&fd, 1, PAUSE_MS) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!fd.revents)
		return -ETIMEDOUT;
	return recv(take->fd, &answer, 1, MSG_DONTWAIT) == 1 && answer == HAND_OVER_PAUSED ? 0
											   : -EPIPE;
}

/* A bundle without descriptors. */
static int receive_text(const struct take_over *take, int timeout_ms, json_t **object)
{
	struct bundle bundle;
	int err = bundle_receive(&bundle, take->fd, false, timeout_ms);

	if (!err) {
		err = json_text_read(object, bundle.text, bundle.length, 0, NULL);
		bundle_free(&bundle);
	}
	return err;
}

static int pause_predecessor(void *context)
{
	struct take_over *take = context;
	json_t *leases = NULL;
	int err = ask_for_pause(take);

	/* A predecessor of an older version, which knows no numbers, describes its leases once. */
	if (!err && json_object_get(take->manifest, "numbers"))
		err = receive_text(take, PAUSE_MS, &leases);
	if (!err && leases)
		inheritance_set_leases(take->inheritance, leases);
	return err ? go_on_without(take, err) : 0;
}

static int end_predecessor(void *context)
{
	struct take_over *take = context;
	int err = take->fd < 0 ? 0 : command(take, HAND_OVER_COMMIT);

	return err ? go_on_without(take, err) : 0;
}

static int inherit(struct take_over *take, const char *path)
{
	char reason[REASON_SIZE] = "";
	const json_t *process;
	int err = json_text_read(&take->manifest, take->bundle.text, take->bundle.length, 0, NULL);

	if (!err)
		err = inheritance_new(&take->inheritance, take->manifest, take->bundle.fds,
				      take->bundle.nr_fds, reason);
	if (err) {
		log_error("take-over-refused", LOG_ERROR(err), LOG_TEXT("reason", reason));
		return -EPROTO;
	}
	find_control(take, path);
	process = json_object_get(take->manifest, "process");
	if (json_is_integer(process) && json_integer_value(process) >= 0 &&
	    json_integer_value(process) < take->bundle.nr_fds)
		take->process = take->bundle.fds[json_integer_value(process)];
	return 0;
}

/* What a running daemon offers. */
static int receive_offer(struct take_over *take, const char *path)
{
	int err = command(take, HAND_OVER_OFFER);

	if (!err)
		err = bundle_receive(&take->bundle, take->fd, false, OFFER_MS);
	if (!err)
		err = inherit(take, path);
	if (!err)
		inheritance_set_predecessor(take->inheritance, pause_predecessor, end_predecessor,
					    take);
	return err;
}

static int new_take_over(struct daemon *daemon, int fd)
{
	daemon->take_over = calloc(1, sizeof(*daemon->take_over));
	if (!daemon->take_over)
		return -ENOMEM;
	daemon->take_over->fd = fd;
	daemon->take_over->process = -1;
	return 0;
}

/* What cannot be used is removed, so that the kernel frees it: everything is opened again. */
static int open_stored(struct daemon *daemon)
{
	struct bundle bundle;
	int err = fd_store_get(daemon->store, &bundle);

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = new_take_over(daemon, -1);
	if (!err) {
		daemon->take_over->bundle = bundle;
		err = inherit(daemon->take_over, daemon->options.socket);
	} else {
		bundle_free(&bundle);
	}
	if (err) {
		take_over_close(daemon);
		fd_store_clear(daemon->store);
	} else if (!json_object_get(daemon->take_over->manifest, "account")) {
		inheritance_forget_counters(daemon->take_over->inheritance);
	}
	return 0;
}

/* A daemon with very many clients closes idle ones to make room, also one that is about to ask; and
 * it may be killed before it has offered something. */
#define TRIES 10

static int open_running(struct daemon *daemon)
{
	int err = -EPIPE;

	for (unsigned int i = 0; i < TRIES && (err == -EPIPE || err == -ECONNRESET); i++) {
		int fd = ask(daemon->options.socket);

		take_over_close(daemon);
		err = fd < 0 ? fd : new_take_over(daemon, fd);
		if (!err)
			err = receive_offer(daemon->take_over, daemon->options.socket);
		else if (fd >= 0)
			close(fd);
	}
	return err;
}

int take_over_open(struct daemon *daemon)
{
	int err = daemon->options.take_over ? open_running(daemon) : -ENOENT;

	if (err != -ENOENT && err != -ECONNREFUSED)
		return err;
	if (daemon->store)
		return open_stored(daemon);
	if (daemon->options.take_over)
		log_info("nothing-to-take-over", LOG_TEXT("socket", daemon->options.socket));
	return 0;
}

const struct control_adoption *take_over_control(const struct daemon *daemon)
{
	const struct take_over *take = daemon->take_over;

	return take && take->has_control ? &take->control : NULL;
}

/* ---- relaying ---- */

/* The counters of the predecessor: in the store, or once they are final. -ENODATA: it was killed.
 */
static int get_account(const struct take_over *take, json_t **account)
{
	if (take->fd < 0) {
		*account = json_incref(json_object_get(take->manifest, "account"));
		return *account ? 0 : -ENODATA;
	}
	return receive_text(take, ACCOUNT_MS, account);
}

/* Without its counters the relay goes on all the same. Drops the reference. */
static void carry_account(struct daemon *daemon, json_t *account, int err)
{
	if (!err)
		err = relay_carry(daemon->relay, account, daemon->take_over->inheritance);
	event_counts_carry(&daemon->event_counts, json_object_get(account, "events"));
	daemon->reload.count += (uint64_t)json_integer_value(json_object_get(account, "reloads"));
	if (err)
		log_warning("counters-not-taken-over", LOG_ERROR(err));
	json_decref(account);
}

int take_over_relay(struct daemon *daemon)
{
	struct take_over *take = daemon->take_over;
	struct control_adoption control;
	json_t *account = NULL;
	int account_err, err;

	/* The control socket's lock is a file that outlives a killed daemon and is ours alone. */
	control_server_describe(daemon->control, &control);
	if ((!take || take->fd < 0) && confirm_count_start(daemon) && take) {
		log_warning("store-not-used",
			    LOG_TEXT("reason", "its configuration is rolled back"));
		take_over_close(daemon);
		fd_store_clear(daemon->store);
		take = NULL;
	}
	if (!take)
		return relay_open_after(&daemon->relay, &daemon->config, NULL, control.lock_fd);
	err = relay_open_after(&daemon->relay, inheritance_config(take->inheritance),
			       take->inheritance, control.lock_fd);
	if (!err)
		err = inheritance_commit(take->inheritance);
	if (err && daemon->relay) {
		relay_stop(daemon->relay);
		relay_close(daemon->relay);
		daemon->relay = NULL;
	}
	if (err)
		return err;
	control_server_set_owner(daemon->control, true);
	account_err = get_account(take, &account);
	if (account_err)
		inheritance_forget_counters(take->inheritance);
	relay_settle(daemon->relay);
	carry_account(daemon, account, account_err);
	log_event(LOG_LEVEL_INFO, "taken-over",
		  LOG_TEXT("predecessor", inheritance_version(take->inheritance)),
		  LOG_NAME("from", take->fd >= 0 ? "process" : "store"),
		  LOG_UINT("gap_us", inheritance_gap_ns(take->inheritance) / 1000));
	return 0;
}

int take_over_settle(struct daemon *daemon)
{
	bool taken = daemon->take_over;
	struct config own;
	int err;

	take_over_close(daemon);
	if (taken) {
		own = daemon->config;
		config_init(&daemon->config);
	} else if (config_copy(&own, relay_config(daemon->relay))) {
		return -ENOMEM;
	}
	err = confirm_resume(daemon, &own);
	if (err == -ENOENT)
		err = taken ? daemon_change_config(daemon, &own) : 0;
	config_free(&own);
	return err;
}

void take_over_close(struct daemon *daemon)
{
	struct take_over *take = daemon->take_over;

	if (!take)
		return;
	daemon->take_over = NULL;
	inheritance_free(take->inheritance);
	json_decref(take->manifest);
	bundle_free(&take->bundle);
	if (take->fd >= 0)
		close(take->fd);
	free(take);
}
