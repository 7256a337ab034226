/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/clock.h"
#include "base/exit_codes.h"
#include "base/log.h"
#include "cluster/local.h"
#include "cluster/rendezvous.h"
#include "cluster/status.h"
#include "control/server.h"

struct agent {
	const struct cluster_config *config;
	struct agent_options options;
	struct protocol *protocol;
	struct store *store;
	struct local *local;
	struct control_server *server;
	struct status status;
	uint64_t now, tick_at;
	uint64_t give_up_at; /* 0: not leaving */
	enum protocol_state state;
	bool reachable;
	uint64_t watch_losses;
	bool wrong_clock[CLUSTER_NODES];    /* that was reported */
	uint64_t overruled[CLUSTER_LEASES]; /* likewise: the lease's hash; 0: it is not overruled */
	bool ours[CLUSTER_SHARDS];
};

/* ---- who we are ---- */

/* The daemon of this host since its boot, in this network namespace. An agent that is started again
 * finds the key of its predecessor by it. */
static uint64_t host_number(const char *daemon_socket)
{
	char text[512] = "";
	struct stat status = {0};
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, text, 64);

	if (fd >= 0)
		close(fd);
	stat("/proc/self/ns/net", &status);
	length = length < 0 ? 0 : length;
	snprintf(text + length, sizeof(text) - (size_t)length, "%lu %s",
		 (unsigned long)status.st_ino, daemon_socket);
	return name_hash(text);
}

static int random_number(uint64_t *number)
{
	ssize_t n = getrandom(number, sizeof(*number), 0);

	return n == sizeof(*number) ? 0 : n < 0 ? -errno : -EIO;
}

/* ---- what the store reports ---- */

/* With the time of receipt: a record that seems older than it is may be declared dead too early, if
 * this process was stopped between the beginning of step() and the receipt. */

/* Readings of two clocks that are further apart were interrupted: the difference would be wrong by
 * a part of `clock_error` that matters, or look like a step. Some clocks take microseconds to read.
 */
static uint64_t longest_reading(const struct agent *agent)
{
	uint64_t tenth = agent->config->clock_error * 1000ULL / 10;

	return tenth > 10000 ? tenth : 10000;
}

/* The time of this moment, for the protocol. */
static uint64_t take_time(struct agent *agent)
{
	struct timespec real;
	uint64_t now, after = clock_ns(), longest = longest_reading(agent);
	unsigned int tries = 0;

	do {
		now = after;
		clock_gettime(CLOCK_REALTIME, &real);
		after = clock_ns();
	} while (after - now > longest && ++tries < 3);
	if (after - now <= longest)
		protocol_set_real(agent->protocol, now,
				  (int64_t)real.tv_sec * (int64_t)NS_PER_SECOND + real.tv_nsec -
					  (int64_t)now);
	return now;
}

static void on_answer(void *context, const struct answer *answer)
{
	struct agent *agent = context;

	protocol_answer(agent->protocol, clock_ns(), answer);
}

static void on_reading(void *context)
{
	struct agent *agent = context;

	protocol_reading(agent->protocol);
}

static void on_key(void *context, const struct etcd_key *key)
{
	struct agent *agent = context;
	uint64_t now = take_time(agent);

	if (key->is_shard)
		protocol_see_shard(agent->protocol, now, key->lease, key->number, key->mod,
				   key->deleted ? NULL : &key->shard_record);
	else
		protocol_see_node(agent->protocol, now, key->node, key->create, key->mod,
				  key->deleted ? NULL : &key->node_record);
}

static void on_all(void *context, int64_t revision)
{
	struct agent *agent = context;

	protocol_see_all(agent->protocol, clock_ns(), revision);
}

/* ---- the log ---- */

static void log_lost(struct agent *agent)
{
	struct node_ask ask;
	const char *reason;

	while (protocol_lost_ask(agent->protocol, &ask, &reason)) {
		if (ask.what == ASK_MOVE)
			log_warning("move-lost", LOG_NAME("lease", ask.lease),
				    LOG_UINT("shard", ask.shard), LOG_NAME("node", ask.node),
				    LOG_TEXT("reason", reason), LOG_TEXT("hint", "ask again"));
		else
			log_warning(ask.what == ASK_DRAIN ? "drain-lost" : "undrain-lost",
				    LOG_NAME("node", ask.node), LOG_TEXT("reason", reason),
				    LOG_TEXT("hint", "ask again"));
	}
}

static void log_shards(struct agent *agent)
{
	struct shard_status shard;

	for (unsigned int i = 0; i < protocol_shards(agent->protocol); i++) {
		bool ours = protocol_is_ours(agent->protocol, i);

		protocol_shard_name(agent->protocol, i, &shard);
		if (protocol_late(agent->protocol, i))
			log_write(LOG_FACILITY_CONTROL, LOG_LEVEL_WARNING, "move-late",
				  LOG_NAME("lease", shard.lease->name),
				  LOG_UINT("shard", shard.number));
		if (ours == agent->ours[i])
			continue;
		agent->ours[i] = ours;
		protocol_shard(agent->protocol, i, &shard);
		status_moved(&agent->status, i, shard.owner, protocol_why(agent->protocol, i));
		if (ours)
			log_info("shard-held", LOG_NAME("lease", shard.lease->name),
				 LOG_UINT("shard", shard.number),
				 LOG_UINT("moment", protocol_moment(agent->protocol, i)));
		else
			log_info("shard-left", LOG_NAME("lease", shard.lease->name),
				 LOG_UINT("shard", shard.number), LOG_NAME("owner", shard.owner));
	}
}

/* After a reload a lease may have another index. */
static void log_overruled(struct agent *agent)
{
	const struct lease_name *lease;
	unsigned int i;

	for (i = 0; (lease = protocol_lease(agent->protocol, i)); i++) {
		const char *ruler = protocol_ruler(agent->protocol, i);
		uint64_t hash = ruler ? lease_hash(lease->name, lease->shards) : 0;

		if (ruler && agent->overruled[i] != hash) {
			log_warning(
				"lease-overruled", LOG_NAME("lease", lease->name),
				LOG_UINT("shards", lease->shards), LOG_NAME("node", ruler),
				LOG_TEXT("hint",
					 "the rules of that node name another number of shards: "
					 "nothing of this lease is sent here; make the rules of "
					 "all nodes the same"));
			local_hurry(agent->local);
		}
		agent->overruled[i] = hash;
	}
	for (; i < CLUSTER_LEASES; i++)
		agent->overruled[i] = 0;
}

static void log_clocks(struct agent *agent)
{
	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		const char *wrong = protocol_wrong_clock(agent->protocol, i);

		if (wrong && !agent->wrong_clock[i])
			log_warning("clock-error", LOG_NAME("node", wrong),
				    LOG_TEXT("hint",
					     "its time of day is ahead by more than "
					     "`clock_error`: moves at a moment do not use it"));
		agent->wrong_clock[i] = wrong;
	}
}

static void log_state(struct agent *agent)
{
	enum protocol_state state = protocol_state(agent->protocol);
	struct store_status store;

	if (state != agent->state && state == PROTOCOL_MEMBER)
		log_info("cluster-joined", LOG_NAME("node", agent->config->node));
	else if (state != agent->state && agent->state == PROTOCOL_MEMBER)
		log_warning("cluster-left", LOG_NAME("node", agent->config->node));
	agent->state = state;
	store_status(agent->store, &store);
	if (store.reachable && !agent->reachable)
		log_info("store-reachable", LOG_NAME("endpoint", store.endpoint));
	else if (!store.reachable && agent->reachable)
		log_warning("store-unreachable", LOG_TEXT("reason", store.error));
	agent->reachable = store.reachable;
	if (store.watch_losses != agent->watch_losses)
		log_warning("watch-lost", LOG_TEXT("reason", store.error));
	agent->watch_losses = store.watch_losses;
	log_overruled(agent);
	log_clocks(agent);
}

/* ---- opening ---- */

int agent_open(struct agent **out, const struct cluster_config *config,
	       const struct agent_options *options)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	struct protocol_settings settings = {
		.host = host_number(options->daemon_socket),
		.weight = config->weight,
		.deadline = config->deadline * NS_PER_MS,
		.guard = config->guard * NS_PER_MS,
		.renew = config->renew * NS_PER_MS,
		.gap = config->gap * NS_PER_MS,
		.daemon = config->daemon_timeout * NS_PER_MS,
		.unfit = config->input_timeout / 2 * NS_PER_MS,
		.settle = config->settle * NS_PER_MS,
		.clock_error = config->clock_error * 1000ULL,
		.moves = config->moves,
	};
	const struct store_listener listener = {agent, on_answer, on_reading, on_key, on_all};
	const struct control_options control = {.path = options->socket,
						.group = options->group,
						.admin_group = options->admin_group};
	int err;

	if (!agent)
		return -ENOMEM;
	agent->config = config;
	agent->options = *options;
	memcpy(settings.node, config->node, sizeof(settings.node));
	err = random_number(&settings.instance);
	if (err)
		goto out;
	agent->protocol = protocol_new(&settings);
	agent->local =
		agent->protocol ? local_new(options->daemon_socket, config, agent->protocol) : NULL;
	err = !agent->local ? -ENOMEM : store_open(&agent->store, &config->store, &listener);
	if (err)
		goto out;
	agent->status = (struct status){.config = config,
					.protocol = agent->protocol,
					.store = agent->store,
					.local = agent->local};
	err = control_server_open(&agent->server, &control, status_methods, &agent->status);
out:
	if (err) {
		agent_close(agent);
		return err;
	}
	*out = agent;
	return 0;
}

void agent_close(struct agent *agent)
{
	if (!agent)
		return;
	control_server_close(agent->server);
	store_close(agent->store);
	local_free(agent->local);
	protocol_free(agent->protocol);
	free(agent);
}

/* ---- running ---- */

static void wait_for_something(struct agent *agent)
{
	struct curl_waitfd fds[3] = {
		{.fd = agent->options.signal_fd, .events = CURL_WAIT_POLLIN},
		{.fd = control_server_fd(agent->server), .events = CURL_WAIT_POLLIN},
	};
	unsigned int count = 2 + local_wait(agent->local, &fds[2]);
	uint64_t now = clock_ns(), next = protocol_next(agent->protocol, now);

	if (local_next(agent->local) < next)
		next = local_next(agent->local);
	/* The first one is ignored after a signal: it stays readable. */
	store_wait(agent->store, fds + (agent->give_up_at != 0), count - (agent->give_up_at != 0),
		   next > now ? (unsigned int)((next - now + NS_PER_MS - 1) / NS_PER_MS) : 0);
	if (!agent->give_up_at && fds[0].revents) {
		log_info("cluster-leaving", LOG_NAME("node", agent->config->node));
		protocol_leave(agent->protocol);
		agent->give_up_at =
			clock_ns() +
			2 * (agent->config->deadline + agent->config->guard) * NS_PER_MS;
	}
}

static void step(struct agent *agent)
{
	struct txn txn;

	store_run(agent->store, clock_ns());
	/* Not before what was just received. */
	local_run(agent->local, clock_ns());
	if (protocol_wants_reading(agent->protocol))
		store_read_again(agent->store);
	/* The moment from which the deadline counts must not be later than the sending. */
	agent->now = take_time(agent);
	if (protocol_request(agent->protocol, agent->now, &txn))
		store_send(agent->store, etcd_txn_body(agent->config->store.prefix, &txn,
						       agent->config->node, agent->protocol));
	if (protocol_hurries(agent->protocol)) {
		local_hurry(agent->local);
		local_run(agent->local, agent->now);
		log_lost(agent);
		log_shards(agent);
	}
	log_state(agent);
	control_server_run(agent->server);
	if (agent->now >= agent->tick_at) {
		control_server_tick(agent->server, agent->now);
		agent->tick_at = agent->now + NS_PER_SECOND;
	}
}

int agent_run(struct agent *agent)
{
	while (true) {
		wait_for_something(agent);
		step(agent);
		if (agent->state == PROTOCOL_LEFT)
			return EXIT_DONE;
		if (agent->give_up_at && agent->now > agent->give_up_at) {
			log_warning("store-unreachable",
				    LOG_TEXT("reason",
					     "the node could not leave; the others wait for "
					     "its deadline"));
			return EXIT_DONE;
		}
		if (agent->state == PROTOCOL_REPLACED || protocol_name_taken(agent->protocol)) {
			log_error("node-taken", LOG_NAME("node", agent->config->node),
				  LOG_TEXT("hint",
					   "another xmcast-cluster is running with this name; "
					   "each host needs its own `node` and one agent"));
			return EXIT_REFUSED;
		}
		if (local_taken(agent->local)) {
			log_error("daemon-taken", LOG_TEXT("socket", agent->options.daemon_socket),
				  LOG_TEXT("hint",
					   "another xmcast-cluster serves this xmcastd, under "
					   "another name or by another path; stop one of them"));
			return EXIT_REFUSED;
		}
	}
}
