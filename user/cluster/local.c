/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/local.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "base/log.h"
#include "cluster/handover.h"
#include "cluster/role.h"
#include "control/client.h"
#include "control/lines.h"
#include "control/method.h"

/* Pause between attempts to connect. */
#define CONNECT_NS (50 * NS_PER_MS)

/* How often the leases of the rules are read, with their counters: that costs the daemon a look at
 * every rule, so it is less often where there are many. */
static const struct {
	json_int_t rules; /* up to these */
	uint64_t ns;
} list_pauses[] = {
	{200, NS_PER_SECOND / 20}, {1000, NS_PER_SECOND / 4}, {INT64_MAX, NS_PER_SECOND}};

enum request { REQUEST_NONE, REQUEST_HELLO, REQUEST_LIST, REQUEST_SET, REQUEST_HANDOVER };

struct local {
	const char *path;
	const struct cluster_config *config;
	struct protocol *protocol;
	int fd; /* -1: not connected */
	struct lines lines;
	char *out; /* what is being sent */
	size_t out_length, out_sent;
	enum request request; /* that is waited for */
	int id;
	uint64_t asked, connect_at, set_at, list_at, roles_at;
	bool welcome;  /* since it was connected: it accepts our deadlines, and nobody else's */
	bool taken;    /* it never was, because of another agent */
	bool known;    /* it was once */
	bool listed;   /* since it was connected, and its leases are still those */
	bool set_last; /* the last request was REQUEST_SET */
	bool refused;  /* the last REQUEST_SET */
	bool answers;
	char reason[160];
	/* What arrived at each shard when it was last read. */
	struct input {
		bool known;
		uint64_t received, at; /* when it last changed; 0: never */
		uint64_t last;	       /* the last pause between changes */
		uint64_t pause;	       /* the longest that was made twice, and is not long ago */
	} inputs[CLUSTER_SHARDS];
	/* The pages so far: */
	struct reading {
		uint64_t received;
		bool down;
	} readings[CLUSTER_SHARDS];
	unsigned int nr_readings;
	json_int_t rules;
	struct lease_name leases[CLUSTER_LEASES];
	unsigned int nr_leases, offset;
	struct handover handover;
	bool ending[CLUSTER_SHARDS]; /* the request that is waited for ends it */
};

struct local *local_new(const char *path, const struct cluster_config *config,
			struct protocol *protocol)
{
	struct local *local = calloc(1, sizeof(*local));

	if (!local)
		return NULL;
	local->path = path;
	local->config = config;
	local->protocol = protocol;
	local->fd = -1;
	local->lines.most = CONTROL_MAX_ANSWER;
	return local;
}

static void list_again(struct local *local)
{
	local->listed = false;
	local->offset = 0;
}

static void disconnect(struct local *local)
{
	if (local->fd >= 0)
		close(local->fd);
	local->fd = -1;
	lines_clear(&local->lines);
	free(local->out);
	local->out = NULL;
	local->request = REQUEST_NONE;
	local->welcome = false;
	handover_reset(&local->handover);
	list_again(local);
}

void local_free(struct local *local)
{
	if (!local)
		return;
	disconnect(local);
	free(local);
}

/* ---- the state ---- */

static void set_answers(struct local *local, bool answers, const char *reason)
{
	if (answers && !local->answers)
		log_info("daemon-answers", LOG_TEXT("socket", local->path));
	else if (!answers && (local->answers || strcmp(local->reason, reason) != 0))
		log_warning("daemon-lost", LOG_TEXT("socket", local->path),
			    LOG_TEXT("reason", reason));
	local->answers = answers;
	snprintf(local->reason, sizeof(local->reason), "%s", reason);
	protocol_set_daemon(local->protocol, answers);
}

static void lose(struct local *local, uint64_t now, const char *reason)
{
	disconnect(local);
	local->connect_at = now + CONNECT_NS;
	set_answers(local, false, reason);
}

static void connect_to(struct local *local, uint64_t now)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(local->path) >= sizeof(address.sun_path)) {
		lose(local, now, "the path of its socket is too long");
		return;
	}
	strcpy(address.sun_path, local->path);
	local->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (local->fd < 0 || connect(local->fd, (struct sockaddr *)&address, sizeof(address)))
		lose(local, now, strerror(errno));
}

/* ---- requests ---- */

/* Takes the params. */
static void ask(struct local *local, uint64_t now, enum request request, const char *method,
		json_t *params)
{
	json_t *json = json_pack("{s:s, s:s, s:i, s:o}", "jsonrpc", "2.0", "method", method, "id",
				 ++local->id, "params", params);

	local->out = json ? json_text_line(json, &local->out_length) : NULL;
	local->out_sent = 0;
	json_decref(json);
	local->request = request;
	local->set_last = request == REQUEST_SET;
	local->asked = now;
	if (!local->out)
		lose(local, now, "out of memory");
}

static void ask_list(struct local *local, uint64_t now)
{
	if (!local->offset) {
		local->nr_leases = local->nr_readings = 0;
		local->rules = 0;
	}
	ask(local, now, REQUEST_LIST, "lease.list",
	    json_pack("{s:i, s:i}", "offset", (int)local->offset, "limit", 500));
}

/* Takes the list. */
static void ask_leases(struct local *local, uint64_t now, enum request request, json_t *list)
{
	ask(local, now, request, "lease.set", json_pack("{s:o, s:b}", "leases", list, "sole", 1));
}

static void ask_set(struct local *local, uint64_t now)
{
	json_t *list = json_array();
	struct shard_status status;

	for (unsigned int i = 0; i < protocol_shards(local->protocol); i++) {
		int64_t epoch;
		uint64_t from, until;

		local->ending[i] = false;
		if (protocol_ends(local->protocol, i, now))
			continue;
		until = protocol_until(local->protocol, i, now, &from, &epoch);
		local->ending[i] = !until && protocol_is_set(local->protocol, i);
		if (!until && !local->ending[i])
			continue;
		protocol_shard_name(local->protocol, i, &status);
		json_add(&list, json_pack("{s:s, s:i, s:i, s:I, s:I, s:I}", "name",
					  status.lease->name, "shards", (int)status.lease->shards,
					  "shard", (int)status.number, "from", (json_int_t)from,
					  "until", (json_int_t)until, "epoch", (json_int_t)epoch));
	}
	local->set_at = now + LOCAL_SET_NS;
	if (now >= local->roles_at) {
		role_add(&list, local->protocol, local->config);
		local->roles_at = now + ROLE_NS;
	}
	/* Also an empty list, which shows that it answers. */
	ask_leases(local, now, REQUEST_SET, list);
}

static bool ask_handover(struct local *local, uint64_t now)
{
	json_t *params = NULL;
	const char *method = handover_request(&local->handover, local->protocol, now, &params);

	if (method)
		ask(local, now, REQUEST_HANDOVER, method, params);
	return method;
}

/* ---- answers ---- */

static void add_lease(struct local *local, const json_t *item)
{
	const char *name = json_string_value(json_object_get(item, "name"));
	json_int_t shards = json_integer_value(json_object_get(item, "shards"));
	struct lease_name *last = local->nr_leases ? &local->leases[local->nr_leases - 1] : NULL;

	if (!name || !etcd_name_valid(name) || shards < 1 || shards > CLUSTER_LEASE_SHARDS) {
		log_warning("lease-ignored", LOG_NAME("lease", name ? name : ""),
			    LOG_TEXT("hint", "name it with letters, digits, dots, hyphens and "
					     "underscores"));
		return;
	}
	/* One item is a shard; those of a lease are together and in their order. A daemon that does
	 * not count what arrives has nothing to say about it. */
	if (local->nr_readings < CLUSTER_SHARDS && json_object_get(item, "received_packets"))
		local->readings[local->nr_readings++] = (struct reading){
			.received = (uint64_t)json_integer_value(
				json_object_get(item, "received_packets")),
			.down = json_integer_value(json_object_get(item, "outputs_down")) > 0};
	local->rules += json_integer_value(json_object_get(item, "rules"));
	if ((last && strcmp(last->name, name) == 0) || local->nr_leases == CLUSTER_LEASES)
		return;
	last = &local->leases[local->nr_leases++];
	*last = (struct lease_name){.shards = (unsigned int)shards};
	snprintf(last->name, sizeof(last->name), "%s", name);
}

static void take_leases(struct local *local)
{
	int err = protocol_set_leases(local->protocol, local->leases, local->nr_leases);

	/* -EAGAIN: with the next list. */
	if (err && err != -EAGAIN)
		log_error("leases-refused", LOG_ERROR(err));
	for (unsigned int i = 0; i < local->config->nr_leases; i++)
		protocol_set_hold(local->protocol, local->config->leases[i].name,
				  local->config->leases[i].hold);
}

static void note_input(struct input *input, uint64_t received, uint64_t now)
{
	uint64_t pause = input->at ? now - input->at : 0;
	uint64_t twice = pause < input->last ? pause : input->last;

	if (!input->known) {
		*input = (struct input){.known = true, .received = received};
		return;
	}
	if (received == input->received)
		return;
	/* A pause is forgotten after some dozens of changes. */
	input->pause -= input->pause / 32;
	if (twice > input->pause)
		input->pause = twice;
	input->last = pause;
	input->received = received;
	input->at = now;
}

/* Half of the time; for the other half the protocol looks whether another node receives it. A slow
 * stream is not silent in the pauses that it always makes. */
static bool is_silent(const struct local *local, const struct input *input, uint64_t now)
{
	uint64_t silent = now - input->at;

	/* Nothing has arrived since this program looks: another node may not know better. */
	if (!input->at)
		return true;
	return silent >= local->config->input_timeout * NS_PER_MS / 2 && silent >= 2 * input->pause;
}

/* Which shards this host can relay now. */
static void take_inputs(struct local *local, uint64_t now)
{
	unsigned int shards = protocol_shards(local->protocol);

	for (unsigned int i = 0; i < shards && shards == local->nr_readings; i++) {
		const struct reading *reading = &local->readings[i];

		/* What is not joined cannot arrive, and gets its time once it is joined. */
		if (role_is_cold(local->protocol, local->config, i))
			local->inputs[i] = (struct input){
				.known = true, .received = reading->received, .at = now};
		else
			note_input(&local->inputs[i], reading->received, now);
		protocol_set_fit(local->protocol, i,
				 !reading->down && !is_silent(local, &local->inputs[i], now));
	}
}

static void set_list_time(struct local *local, uint64_t now)
{
	unsigned int i = 0;

	while (local->rules > list_pauses[i].rules)
		i++;
	local->list_at = now + list_pauses[i].ns;
}

static void read_list(struct local *local, uint64_t now, const json_t *result)
{
	const json_t *items = json_object_get(result, "leases");
	json_int_t total = json_integer_value(json_object_get(result, "total"));
	size_t count = json_array_size(items);

	for (size_t i = 0; i < count; i++)
		add_lease(local, json_array_get(items, i));
	local->offset += (unsigned int)count;
	if (count && local->offset < total && local->offset < CLUSTER_SHARDS)
		return; /* the next page */
	take_leases(local);
	take_inputs(local, now);
	local->offset = 0;
	local->listed = true;
	set_list_time(local, now);
}

static void read_set(struct local *local)
{
	for (unsigned int i = 0; i < protocol_shards(local->protocol); i++) {
		if (!local->ending[i])
			continue;
		local->ending[i] = false;
		protocol_muted(local->protocol, i);
	}
}

/* After a restart the daemon may have kept our deadlines, and until the protocol knows that it
 * answers, all of them would be ended. If it has refused deadlines, it has to accept some first. */
static void come_back(struct local *local, uint64_t now)
{
	set_answers(local, true, "");
	local->set_at = now;
}

/* A daemon that has known another store refuses our epochs, and says which it has. */
static bool learn_epochs(struct local *local, const json_t *error)
{
	const json_t *stale = json_object_get(json_object_get(error, "data"), "stale");
	struct shard_status shard;

	for (size_t i = 0; i < json_array_size(stale); i++) {
		const json_t *item = json_array_get(stale, i);
		const char *name = json_string_value(json_object_get(item, "name"));

		for (unsigned int j = 0; name && j < protocol_shards(local->protocol); j++) {
			protocol_shard_name(local->protocol, j, &shard);
			if (strcmp(shard.lease->name, name) == 0 &&
			    json_integer_value(json_object_get(item, "shard")) == shard.number)
				protocol_set_epoch(
					local->protocol, j,
					json_integer_value(json_object_get(item, "epoch")));
		}
	}
	return json_array_size(stale);
}

static void read_answer(struct local *local, uint64_t now, const char *line, size_t length)
{
	json_t *body = NULL;
	int kind = control_client_parse(line, length, local->id, &body);
	const char *message = json_string_value(json_object_get(body, "message"));
	enum request request = local->request;
	json_int_t code;
	char reason[160];

	if (kind == 2)
		goto out; /* an event, which was not asked for */
	if (kind < 0 || request == REQUEST_NONE) {
		lose(local, now, "it answers something else");
		goto out;
	}
	local->request = REQUEST_NONE;
	code = kind == 1 ? json_integer_value(json_object_get(body, "code")) : 0;
	/* Another process takes its place within milliseconds, at the same socket. It refuses no
	 * numbers: they are read again there. */
	if (code == CONTROL_FAILED && (request == REQUEST_SET || request == REQUEST_HANDOVER)) {
		lose(local, now, "another one takes its place");
		goto out;
	}
	if (request == REQUEST_HANDOVER) {
		handover_answer(&local->handover, local->protocol, now, kind ? NULL : body);
		goto out;
	}
	if (kind == 1) {
		if (request == REQUEST_SET && code == CONTROL_NOT_FOUND) {
			/* A reload has removed a lease; the other ones go on. Not at once, in case
			 * that the list still has it. */
			list_again(local);
			local->set_at = now + LOCAL_SET_NS / 5;
			goto out;
		}
		if (request == REQUEST_SET && learn_epochs(local, body)) {
			local->set_at = now + LOCAL_SET_NS / 5;
			goto out;
		}
		local->refused = request == REQUEST_SET;
		local->taken = code == CONTROL_TAKEN && !local->known;
		/* What was set stays as it is, and ends by itself. */
		snprintf(reason, sizeof(reason), "it refuses: %s", message ? message : "no reason");
		lose(local, now, reason);
		local->connect_at = now + NS_PER_SECOND;
	} else if (request == REQUEST_HELLO) {
		local->welcome = local->known = true;
	} else if (request == REQUEST_LIST) {
		read_list(local, now, body);
		if (local->listed && !local->answers && !local->refused)
			come_back(local, now);
	} else {
		local->refused = false;
		read_set(local);
		set_answers(local, true, "");
	}
out:
	json_decref(body);
}

/* ---- running ---- */

static void send_more(struct local *local, uint64_t now)
{
	ssize_t n = send(local->fd, local->out + local->out_sent,
			 local->out_length - local->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		lose(local, now, strerror(errno));
		return;
	}
	local->out_sent += n > 0 ? (size_t)n : 0;
	if (local->out_sent == local->out_length) {
		free(local->out);
		local->out = NULL;
	}
}

static void receive(struct local *local, uint64_t now)
{
	ssize_t n = 1;

	while (local->fd >= 0 && n > 0) {
		const char *line;
		size_t length;

		n = lines_receive(&local->lines, local->fd);
		while (local->fd >= 0 && (line = lines_first(&local->lines, &length))) {
			read_answer(local, now, line, length);
			if (local->fd >= 0)
				lines_drop(&local->lines);
		}
	}
	if (local->fd >= 0 && n != -EAGAIN && n != -EINTR)
		lose(local, now, n ? strerror((int)-n) : "it has closed the connection");
}

static void ask_next(struct local *local, uint64_t now)
{
	bool list = !local->listed || local->offset || now >= local->list_at;

	/* Deadlines do not wait for a list of many pages, nor the list for a slow daemon's
	 * deadlines. */
	if (!local->welcome)
		ask_leases(local, now, REQUEST_HELLO, json_array());
	else if (local->listed && now >= local->set_at && !(list && local->set_last))
		ask_set(local, now);
	else if (local->listed && ask_handover(local, now))
		return;
	else if (list)
		ask_list(local, now);
}

void local_run(struct local *local, uint64_t now)
{
	uint64_t patience = local->config->daemon_timeout * NS_PER_MS;

	if (local->fd < 0 && now >= local->connect_at)
		connect_to(local, now);
	if (local->fd >= 0)
		receive(local, now);
	if (local->fd >= 0 && local->request != REQUEST_NONE && now - local->asked >= patience)
		lose(local, now, "it does not answer");
	if (local->fd >= 0 && local->request == REQUEST_NONE)
		ask_next(local, now);
	if (local->fd >= 0 && local->out)
		send_more(local, now);
}

bool local_wait(const struct local *local, struct curl_waitfd *fd)
{
	if (local->fd < 0)
		return false;
	*fd = (struct curl_waitfd){
		.fd = local->fd, .events = CURL_WAIT_POLLIN | (local->out ? CURL_WAIT_POLLOUT : 0)};
	return true;
}

uint64_t local_next(const struct local *local)
{
	if (local->fd < 0)
		return local->connect_at;
	if (local->request != REQUEST_NONE)
		return local->asked + local->config->daemon_timeout * NS_PER_MS;
	if (!local->listed)
		return 0;
	return handover_next(&local->handover) < local->set_at ? handover_next(&local->handover)
							       : local->set_at;
}

void local_hurry(struct local *local)
{
	local->set_at = 0;
}

bool local_taken(const struct local *local)
{
	return local->taken;
}

bool local_answers(const struct local *local, const char **reason)
{
	*reason = local->reason;
	return local->answers;
}
