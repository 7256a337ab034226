/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "daemon/capture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bundle.h"
#include "base/json_text.h"
#include "base/log.h"

/* Of the memory of the ring: what a client has to know to read it. */
#define FORMAT 1

/* A client begins at once: it waits for nothing else. */
#define BEGIN_SECONDS 5

/* ---- the end ---- */

static void log_end(const struct capture_service *service, const char *reason)
{
	const struct capture_options *options = capture_options(service->capture);
	const struct capture_counts *counts = capture_counts(service->capture);
	uint64_t matched = 0, taken = 0;

	for (unsigned int i = CAPTURE_SENT + 1; i < CAPTURE_COUNTS; i++) {
		matched += counts[i].matched;
		taken += counts[i].taken;
	}
	log_info("capture-ended", LOG_NAME("of", *options->rule ? options->rule : options->iface),
		 LOG_INT("pid", service->pid), LOG_UINT("matched", matched),
		 LOG_UINT("taken", taken), LOG_TEXT("reason", reason));
}

int capture_end(struct daemon *daemon, const char *reason)
{
	struct capture_service *service = &daemon->capture;
	bool running = service->state == CAPTURE_RUNNING;
	int err = 0;

	if (service->state == CAPTURE_NONE)
		return 0;
	if (running) {
		err = relay_capture(daemon->relay, NULL);
		log_end(service, reason);
	}
	/* Closed last: the client then finds all counters final. */
	if (service->fd >= 0)
		close(service->fd);
	/* A thread that has failed may use it for ever. */
	if (!err)
		capture_free(service->capture);
	*service = (struct capture_service){.fd = -1, .source = service->source};
	return err ? -EIO : 0;
}

/* ---- the connection ---- */

static int begin(struct daemon *daemon)
{
	struct capture_service *service = &daemon->capture;
	const struct capture_options *options = capture_options(service->capture);
	int fd = capture_fd(service->capture);
	/* There is room for it: nothing that was sent before is left in the socket. */
	int err = bundle_send(service->fd, "", 0, &fd, 1, 0);

	if (err) {
		capture_end(daemon, NULL);
		return 0;
	}
	service->state = CAPTURE_RUNNING;
	err = relay_capture(daemon->relay, service->capture);
	if (err)
		return err == -ENOMEM ? capture_end(daemon, "out of memory") : -EIO;
	log_info("capture-started", LOG_NAME("of", *options->rule ? options->rule : options->iface),
		 LOG_INT("pid", service->pid), LOG_UINT("rate", options->rate),
		 LOG_UINT("snap", options->snap));
	return 0;
}

int capture_run(struct daemon *daemon)
{
	char byte;
	ssize_t n = recv(daemon->capture.fd, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 1 && daemon->capture.state == CAPTURE_CONNECTED)
		return begin(daemon);
	return capture_end(daemon,
			   n == 1 ? "the client has sent something" : "the client has ended it");
}

int capture_second(struct daemon *daemon)
{
	struct capture_service *service = &daemon->capture;

	if (service->state == CAPTURE_NONE)
		return 0;
	if (service->state != CAPTURE_RUNNING)
		return ++service->seconds > BEGIN_SECONDS ? capture_end(daemon, NULL) : 0;
	if (!relay_can_capture(daemon->relay, capture_options(service->capture)))
		return capture_end(daemon, "the rule or interface is gone");
	return 0;
}

static void take_connection(void *context, int fd)
{
	struct daemon *daemon = context;
	struct capture_service *service = &daemon->capture;
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = service->source};
	struct ucred peer = {};
	socklen_t size = sizeof(peer);

	if (service->state != CAPTURE_PREPARED ||
	    epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	service->fd = fd;
	service->pid = peer.pid;
	service->state = CAPTURE_CONNECTED;
}

/* ---- capture.start ---- */

static bool read_options(struct capture_options *options, const json_t *params,
			 struct control_reply *reply)
{
	size_t rate = CAPTURE_RATE_DEFAULT, snap = CAPTURE_SNAP_DEFAULT;

	*options = (struct capture_options){};
	if (!control_param_unsigned(params, "rate", 1, CAPTURE_RATE_MOST, &rate, reply) ||
	    !control_param_unsigned(params, "snap", CAPTURE_SNAP_LEAST, CAPTURE_SNAP_MOST, &snap,
				    reply))
		return false;
	options->rate = (uint32_t)rate;
	options->snap = (uint32_t)snap;
	return true;
}

/* A rule of this name, otherwise an interface of a rule's input. */
static bool find_target(struct capture_options *options, const struct relay *relay,
			const char *name)
{
	size_t length = strlen(name);

	if (length < sizeof(options->rule)) {
		memcpy(options->rule, name, length + 1);
		if (relay_can_capture(relay, options))
			return true;
	}
	*options->rule = '\0';
	if (length >= sizeof(options->iface))
		return false;
	memcpy(options->iface, name, length + 1);
	return relay_can_capture(relay, options);
}

/* NULL: a capture can be started. */
static const char *obstacle(const struct daemon *daemon)
{
	if (daemon->stopping)
		return "the daemon is stopping";
	if (daemon->successor.state != SUCCESSOR_NONE)
		return "another xmcastd is taking over";
	return NULL;
}

static void refuse_second(const struct capture_service *service, struct control_reply *reply)
{
	const struct capture_options *options = capture_options(service->capture);

	control_fail(reply, CONTROL_REFUSED,
		     "there is one capture at a time, and process %d captures %s", service->pid,
		     *options->rule ? options->rule : options->iface);
}

void method_capture_start(void *context, const json_t *params, struct control_reply *reply)
{
	struct daemon *daemon = context;
	struct capture_service *service = &daemon->capture;
	const char *of = control_param_string(params, "of", reply);
	struct capture_options options;
	const struct capture_layout *layout;
	int err;

	if (!of || !read_options(&options, params, reply))
		return;
	if (service->state != CAPTURE_NONE) {
		refuse_second(service, reply);
		return;
	}
	if (obstacle(daemon)) {
		control_fail(reply, CONTROL_REFUSED, "%s", obstacle(daemon));
		return;
	}
	if (!find_target(&options, daemon->relay, of)) {
		control_fail(reply, CONTROL_NOT_FOUND,
			     "no rule has the name or the input interface %.100s; of an output, "
			     "capture the rule",
			     of);
		return;
	}
	err = capture_new(&service->capture, &options);
	if (err) {
		control_fail(reply, CONTROL_FAILED, "no memory for captured packets: %s",
			     strerror(-err));
		return;
	}
	layout = capture_memory(service->capture);
	service->state = CAPTURE_PREPARED;
	service->seconds = 0;
	reply->take = take_connection;
	reply->result = json_pack("{s:i, s:i, s:i, s:s*}", "format", FORMAT, "snap",
				  (int)layout->snap, "bytes", (int)layout->size, "hint",
				  relay_capture_hint(daemon->relay, &options));
}

/* ---- capture.headers ---- */

static json_t *mac_json(const uint8_t mac[MAC_LENGTH])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			    mac[5]);
}

void method_capture_headers(void *context, const json_t *params, struct control_reply *reply)
{
	const char *rule = control_param_string(params, "rule", reply);
	struct daemon *daemon = context;
	struct output_headers headers;
	char source[ADDR_TEXT_SIZE];
	size_t output = 0;

	if (!rule ||
	    !control_param_unsigned(params, "output", 0, XMC_MAX_OUTPUTS - 1, &output, reply))
		return;
	if (relay_output_headers(daemon->relay, rule, (unsigned int)output, &headers)) {
		control_fail(reply, CONTROL_NOT_FOUND, "no rule %.100s with output %zu", rule,
			     output);
		return;
	}
	reply->result =
		json_pack("{s:s, s:o, s:s, s:i, s:o, s:o}", "to", headers.to, "interface",
			  json_text_string(headers.iface), "source",
			  addr_is_any(&headers.source) ? "" : addr_format(&headers.source, source),
			  "source_port", headers.source_port, "mac_to", mac_json(headers.mac_to),
			  "mac_from", mac_json(headers.mac_from));
}
