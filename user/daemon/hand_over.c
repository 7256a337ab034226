/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/hand_over.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bundle.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "base/log.h"
#include "daemon/capture.h"

/* The successor reads at once: it waits for nothing else. */
#define SEND_MS 5000

/* While the relay is frozen, announcements of the network are not read: they must not keep the main
 * loop busy. */
static void watch_relay(const struct daemon *daemon, bool frozen)
{
	struct epoll_event event = {
		.events = EPOLLIN | (frozen ? EPOLLET : 0),
		.data.u64 = daemon->successor.relay_source,
	};

	if (epoll_ctl(daemon->epoll_fd, EPOLL_CTL_MOD, relay_fd(daemon->relay), &event))
		log_debug("relay-watch-failed", LOG_ERROR(-errno));
}

/* The successor has gone, or has to go. 0 or -EIO. */
static int withdraw(struct daemon *daemon, int err)
{
	struct successor *successor = &daemon->successor;
	bool offered = successor->state >= SUCCESSOR_OFFERED;

	close(successor->fd);
	successor->fd = -1;
	successor->state = SUCCESSOR_NONE;
	if (!offered)
		return 0;
	log_event(LOG_LEVEL_WARNING, "hand-over-failed", LOG_ERROR(err));
	watch_relay(daemon, false);
	return relay_withdraw(daemon->relay);
}

/* ---- the method ---- */

static void take_connection(void *context, int fd)
{
	struct daemon *daemon = context;
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = daemon->successor.source};

	if (daemon->successor.state != SUCCESSOR_NONE ||
	    epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		return;
	}
	daemon->successor.fd = fd;
	daemon->successor.state = SUCCESSOR_CONNECTED;
	daemon->successor.seconds = 0;
}

void hand_over_method(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;

	if (daemon->successor.state != SUCCESSOR_NONE || daemon->stopping) {
		control_fail(reply, CONTROL_REFUSED, "%s",
			     daemon->stopping ? "the daemon is stopping"
					      : "another xmcastd is taking over");
		return;
	}
	reply->take = take_connection;
	reply->result = json_object();
}

/* ---- its commands ---- */

/* The control socket is the daemon's, not the relay's. */
static json_t *describe_control(const struct daemon *daemon, struct hand_over *offer)
{
	struct control_adoption as;

	control_server_describe(daemon->control, &as);
	return json_pack("{s:o, s:i, s:i}", "path", json_text_string(daemon->options.socket),
			 "listener", hand_over_add(offer, as.listen_fd), "lock",
			 hand_over_add(offer, as.lock_fd));
}

/* All counters: the relay's, and those of the process. */
static json_t *describe_account(const struct daemon *daemon)
{
	json_t *account = relay_account(daemon->relay);

	json_put(&account, "events", event_counts_json(&daemon->event_counts));
	json_put(&account, "reloads", json_integer((json_int_t)daemon->reload.count));
	return account;
}

int hand_over_describe(const struct daemon *daemon, bool account, struct hand_over *offer,
		       char **text, size_t *length)
{
	int err = relay_describe(daemon->relay, offer);

	*text = NULL;
	if (err)
		return err;
	json_put(&offer->manifest, "control", describe_control(daemon, offer));
	json_put(&offer->manifest, "process",
		 json_integer(hand_over_add(offer, daemon->successor.process_fd)));
	if (account)
		json_put(&offer->manifest, "account", describe_account(daemon));
	*text = offer->manifest ? json_text_line(offer->manifest, length) : NULL;
	return *text ? 0 : -ENOMEM;
}

static int send_offer(struct daemon *daemon)
{
	struct hand_over offer = {};
	size_t length;
	char *text;
	int err = capture_end(daemon, "another xmcastd takes over");

	if (err)
		return err;
	err = hand_over_describe(daemon, false, &offer, &text, &length);
	relay_freeze(daemon->relay);
	watch_relay(daemon, true);
	daemon->successor.state = SUCCESSOR_OFFERED;
	if (!err)
		err = bundle_send(daemon->successor.fd, text, length, offer.fds, offer.nr_fds,
				  SEND_MS);
	if (!err)
		log_info("hand-over-offered");
	free(text);
	hand_over_free(&offer);
	return err;
}

/* Send an object as a bundle without descriptors. Drops the reference; NULL: no memory. */
static int send_text(const struct daemon *daemon, json_t *object)
{
	size_t length;
	char *text = object ? json_text_line(object, &length) : NULL;
	int err =
		text ? bundle_send(daemon->successor.fd, text, length, NULL, 0, SEND_MS) : -ENOMEM;

	free(text);
	json_decref(object);
	return err;
}

static int pause_relay(struct daemon *daemon)
{
	const char answer = HAND_OVER_PAUSED;
	int err = relay_pause(daemon->relay);

	if (err)
		return err;
	daemon->successor.state = SUCCESSOR_PAUSED;
	if (send(daemon->successor.fd, &answer, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return -EPIPE;
	return send_text(daemon, relay_describe_leases(daemon->relay));
}

static int obey(struct daemon *daemon, char command)
{
	switch (command) {
	case HAND_OVER_OFFER:
		return daemon->successor.state == SUCCESSOR_CONNECTED ? send_offer(daemon)
								      : -EPROTO;
	case HAND_OVER_PAUSE:
		return daemon->successor.state == SUCCESSOR_OFFERED ? pause_relay(daemon) : -EPROTO;
	case HAND_OVER_COMMIT:
		if (daemon->successor.state != SUCCESSOR_PAUSED)
			return -EPROTO;
		daemon->successor.state = SUCCESSOR_COMMITTED;
		daemon->stopping = true;
		return 0;
	default:
		return -EPROTO;
	}
}

int hand_over_run(struct daemon *daemon)
{
	char command = 0;
	ssize_t n = recv(daemon->successor.fd, &command, 1, MSG_DONTWAIT);
	int err;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	err = n == 1 ? obey(daemon, command) : n < 0 ? -errno : -EPIPE;
	if (err == -EIO)
		return err;
	return err ? withdraw(daemon, err) : 0;
}

void hand_over_second(struct daemon *daemon)
{
	if ((daemon->successor.state == SUCCESSOR_CONNECTED ||
	     daemon->successor.state == SUCCESSOR_OFFERED) &&
	    ++daemon->successor.seconds > HAND_OVER_SECONDS)
		withdraw(daemon, -ETIMEDOUT);
}

/* ---- the end ---- */

bool hand_over_release(struct daemon *daemon)
{
	if (daemon->successor.state != SUCCESSOR_COMMITTED)
		return false;
	log_event(LOG_LEVEL_INFO, "handed-over");
	control_server_set_owner(daemon->control, false);
	relay_release(daemon->relay);
	return true;
}

void hand_over_finish(struct daemon *daemon)
{
	int err = send_text(daemon, describe_account(daemon));

	if (err)
		log_warning("counters-not-handed-over", LOG_ERROR(err));
}
