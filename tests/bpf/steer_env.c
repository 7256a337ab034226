// SPDX-License-Identifier: BSD-2-Clause
#include "steer_env.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <xmcast/packet.h>

#include "require.h"
#include "steer.skel.h"
#include "steer_user.skel.h"
#include "steering/pins.h"
#include "steering/shapes.h"
#include "which.skel.h"

/* The smallest memory that the kernel accepts: no packet ever arrives in it. */
#define UMEM_FRAMES 4
#define UMEM_FRAME  4096

struct steer_env {
	struct steer_bpf *skel;
	/* With the maps of `skel`. */
	struct which_bpf *which;
	struct steer_user_bpf *user;
	struct shapes shapes;
	void *umem;
	int socket; /* the AF_XDP socket, -1 if none */
	int cpus;
	__u64 totals[XMC_REASONS];
	__u64 *per_cpu; /* XMC_REASONS times `cpus` counters, as the kernel writes them */
};

/* The only one, and the reason if it could not be opened. */
static struct steer_env *opened;
static char lacking[128];

/* Whether the error means a missing privilege or feature, not a fault of the program under test. */
static bool is_lacking(int error)
{
	switch (-error) {
	case EPERM:
	case EACCES:
	case ENOSYS:
	case EAFNOSUPPORT:
		return true;
	default:
		return false;
	}
}

const char *steer_reason_name(enum xmc_reason reason)
{
	static const char *const names[] = XMC_REASON_NAMES;

	return reason < XMC_REASONS ? names[reason] : "nothing";
}

/* One CPU, so that one program run after the other finds its counters in a warm cache. */
static int pin_to_this_cpu(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	if (cpu < 0)
		return -errno;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		err = -errno;
	close(fd);
	return err;
}

/* The totals over all CPUs, in one system call: the walk through the corpus does it per packet. */
static int read_totals(struct steer_env *env, __u64 totals[XMC_REASONS])
{
	__u32 keys[XMC_REASONS], batch, count = XMC_REASONS;
	int err;

	err = bpf_map_lookup_batch(bpf_map__fd(env->skel->maps.verdicts), NULL, &batch, keys,
				   env->per_cpu, &count, NULL);
	if (err && err != -ENOENT) /* the end of the map */
		return err;
	if (count != XMC_REASONS)
		return -EPROTO;
	memset(totals, 0, XMC_REASONS * sizeof(*totals));
	for (__u32 i = 0; i < count; i++) {
		if (keys[i] >= XMC_REASONS)
			return -EPROTO;
		for (int cpu = 0; cpu < env->cpus; cpu++)
			totals[keys[i]] += env->per_cpu[i * env->cpus + cpu];
	}
	return 0;
}

/* With the maps of the full program. */
static int load_others(struct steer_env *env)
{
	const struct steer_bpf *full = env->skel;
	int err;

	env->which = which_bpf__open();
	env->user = steer_user_bpf__open();
	if (!env->which || !env->user)
		return -errno;
	err = bpf_map__reuse_fd(env->which->maps.rules, bpf_map__fd(full->maps.rules)) ?:
	      bpf_map__reuse_fd(env->which->maps.shapes, bpf_map__fd(full->maps.shapes)) ?:
	      bpf_map__reuse_fd(env->user->maps.rules, bpf_map__fd(full->maps.rules)) ?:
	      bpf_map__reuse_fd(env->user->maps.shapes, bpf_map__fd(full->maps.shapes)) ?:
	      bpf_map__reuse_fd(env->user->maps.sockets, bpf_map__fd(full->maps.sockets)) ?:
	      bpf_map__reuse_fd(env->user->maps.members, bpf_map__fd(full->maps.members)) ?:
	      bpf_map__reuse_fd(env->user->maps.about, bpf_map__fd(full->maps.about)) ?:
	      bpf_map__reuse_fd(env->user->maps.verdicts, bpf_map__fd(full->maps.verdicts));
	if (!err)
		err = which_bpf__load(env->which);
	return err ? err : steer_user_bpf__load(env->user);
}

static int load(struct steer_env *env, const char **step)
{
	libbpf_print_fn_t print;
	int err;

	*step = "unshare(CLONE_NEWNET)";
	if (unshare(CLONE_NEWNET))
		return -errno;
	*step = "bring up lo";
	err = loopback_up();
	if (err)
		return err;
	*step = "pin to a CPU";
	err = pin_to_this_cpu();
	if (err)
		return err;
	*step = "load the steering program";
	print = libbpf_set_print(
		NULL); /* missing privileges are reported in one line instead of twenty */
	env->skel = steer_bpf__open_and_load();
	err = env->skel ? 0 : -errno;
	libbpf_set_print(print);
	if (err && !is_lacking(err)) /* a real fault: show the verifier's log */
		env->skel = steer_bpf__open_and_load();
	if (err)
		return err;
	env->shapes.map_fd = bpf_map__fd(env->skel->maps.shapes);
	*step = "load the other programs";
	err = load_others(env);
	if (err)
		return err;
	*step = "read the verdict counters";
	env->cpus = libbpf_num_possible_cpus();
	if (env->cpus < 0)
		return env->cpus;
	env->per_cpu = calloc(XMC_REASONS * env->cpus, sizeof(*env->per_cpu));
	return env->per_cpu ? read_totals(env, env->totals) : -ENOMEM;
}

int steer_env_add_rule(struct steer_env *env, const struct xmc_rule_key *key, uint32_t number)
{
	const struct xmc_rule value = {.output = number};
	int err = shapes_hold(&env->shapes, key);

	if (err)
		return err;
	err = bpf_map_update_elem(bpf_map__fd(env->skel->maps.rules), key, &value, BPF_NOEXIST);
	pins_count_change(bpf_map__fd(env->skel->maps.about));
	if (err)
		shapes_release(&env->shapes, key);
	return err;
}

int steer_env_remove_rule(struct steer_env *env, const struct xmc_rule_key *key)
{
	int err = bpf_map_delete_elem(bpf_map__fd(env->skel->maps.rules), key);

	pins_count_change(bpf_map__fd(env->skel->maps.about));
	if (!err)
		shapes_release(&env->shapes, key);
	return err;
}

static const struct pins *pins_of(const struct steer_env *env)
{
	static struct pins pins;

	pins = pins_none;
	pins.fds[PIN_ABOUT] = bpf_map__fd(env->skel->maps.about);
	return &pins;
}

int steer_env_set_capacity(struct steer_env *env, uint32_t bytes)
{
	return pins_set_capacity(pins_of(env), bytes);
}

int steer_env_set_member(struct steer_env *env, bool members, uint32_t value)
{
	int fd = bpf_map__fd(env->skel->maps.members);
	__u32 loopback = if_nametoindex("lo");
	int err = 0;

	bpf_map_delete_elem(fd, &loopback);
	if (members && value != XMC_SOCKET_SLOTS)
		err = bpf_map_update_elem(fd, &loopback, &value, BPF_ANY);
	return err ? err : pins_set_members(pins_of(env), members);
}

unsigned int steer_env_shapes(struct steer_env *env, enum xmc_family family,
			      enum xmc_shape_state state)
{
	unsigned int count = 0;

	for (__u32 slot = 0; slot < XMC_SHAPE_SLOTS; slot++) {
		__u32 index = family * XMC_SHAPE_SLOTS + slot;
		struct xmc_shape shape;

		if (!bpf_map_lookup_elem(env->shapes.map_fd, &index, &shape))
			count += shape.state == state;
	}
	return count;
}

void steer_env_remove_rules(struct steer_env *env)
{
	int fd = bpf_map__fd(env->skel->maps.rules);
	struct xmc_rule_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		steer_env_remove_rule(env, &key);
}

/* An AF_XDP socket with what bind(2) requires: memory, its two rings, and an RX ring. */
static int bind_socket(struct steer_env *env)
{
	struct sockaddr_xdp address = {.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY};
	struct xdp_umem_reg umem = {.len = UMEM_FRAMES * UMEM_FRAME, .chunk_size = UMEM_FRAME};
	static const int rings[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING};
	int entries = UMEM_FRAMES;

	env->socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (env->socket < 0)
		return -errno;
	env->umem =
		mmap(NULL, umem.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (env->umem == MAP_FAILED)
		return -errno;
	umem.addr = (uintptr_t)env->umem;
	if (setsockopt(env->socket, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)))
		return -errno;
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		if (setsockopt(env->socket, SOL_XDP, rings[i], &entries, sizeof(entries)))
			return -errno;
	}
	address.sxdp_ifindex = if_nametoindex("lo");
	if (bind(env->socket, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return 0;
}

static void close_socket(struct steer_env *env)
{
	if (env->socket >= 0)
		close(env->socket);
	if (env->umem != MAP_FAILED)
		munmap(env->umem, UMEM_FRAMES * UMEM_FRAME);
	env->socket = -1;
	env->umem = MAP_FAILED;
}

int steer_env_add_socket(struct steer_env *env, uint32_t queue)
{
	int fd = bpf_map__fd(env->skel->maps.sockets);
	int err;

	if (env->socket < 0) {
		err = bind_socket(env);
		if (err) {
			close_socket(env);
			return err;
		}
	}
	return bpf_map_update_elem(fd, &queue, &env->socket, BPF_ANY);
}

int steer_env_remove_socket(struct steer_env *env, uint32_t queue)
{
	return bpf_map_delete_elem(bpf_map__fd(env->skel->maps.sockets), &queue);
}

static void env_close(struct steer_env *env)
{
	if (!env)
		return;
	which_bpf__destroy(env->which);
	steer_user_bpf__destroy(env->user);
	steer_bpf__destroy(env->skel);
	close_socket(env);
	free(env->per_cpu);
	free(env);
}

/* 0 or -errno; then *step says what failed. */
static int env_open(struct steer_env **out, const char **step)
{
	struct steer_env *env;
	int err;

	*out = NULL;
	*step = "allocate";
	env = calloc(1, sizeof(*env));
	if (!env)
		return -ENOMEM;
	env->umem = MAP_FAILED;
	env->socket = -1;
	err = load(env, step);
	if (err) {
		env_close(env);
		return err;
	}
	*out = env;
	return 0;
}

int steer_env_setup(void **state)
{
	const char *step;
	int err = env_open(&opened, &step);

	if (!err)
		return 0;
	snprintf(lacking, sizeof(lacking), "%s: %s", step, strerror(-err));
	if (is_lacking(err))
		return 0; /* each test skips */
	fprintf(stderr, "%s\n", lacking);
	return -1;
}

int steer_env_teardown(void **state)
{
	env_close(opened);
	opened = NULL;
	return 0;
}

struct steer_env *steer_env_get(void)
{
	int err;

	if (!opened)
		skip_for(lacking);
	err = steer_env_add_socket(opened, 0);
	if (err && is_lacking(err))
		skip_for("no AF_XDP sockets (CAP_NET_RAW, CONFIG_XDP_SOCKETS)");
	assert_int_equal(err, 0);
	return opened;
}

int steer_env_exit_code(int failed)
{
	return !failed && lacking[0] ? EXIT_SKIPPED : failed;
}

static int run_program(struct steer_env *env, const struct bpf_program *program,
		       const struct packet *packet, struct steer_result *result)
{
	uint8_t out[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = packet->length, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = 1);
	__u64 totals[XMC_REASONS];
	int err;

	memset(out, 0xa5, packet->length);
	err = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	if (err)
		return err;
	err = read_totals(env, totals);
	if (err)
		return err;
	*result = (struct steer_result){.action = opts.retval, .reason = XMC_REASONS};
	for (int i = 0; i < XMC_REASONS; i++) {
		if (totals[i] != env->totals[i])
			result->reason = i;
		result->counted += totals[i] - env->totals[i];
	}
	memcpy(env->totals, totals, sizeof(totals));
	result->unchanged = opts.data_size_out == packet->length &&
			    memcmp(out, packet->bytes, packet->length) == 0;
	return 0;
}

/* The program for the user path knows no rules for other protocols than UDP. */
static bool is_same(const struct packet *packet, const struct steer_result *full,
		    const struct steer_result *user)
{
	struct xmc_datagram dgram;

	if (user->counted != 1 || !user->unchanged)
		return false;
	if (xmc_parse(packet->bytes, packet->bytes + packet->length, &dgram) == XMC_NOT_UDP &&
	    (full->reason == XMC_STEERED || full->reason == XMC_NO_SOCKET))
		return user->action == XDP_PASS &&
		       user->reason == (dgram.tags ? XMC_VLAN : XMC_NOT_UDP);
	return user->reason == full->reason && user->action == full->action;
}

int steer_env_run(struct steer_env *env, const struct packet *packet, struct steer_result *result)
{
	struct steer_result user;
	int err = run_program(env, env->skel->progs.xmcast_steer, packet, result);

	if (!err)
		err = run_program(env, env->user->progs.xmcast_steer_user, packet, &user);
	if (!err)
		result->same = is_same(packet, result, &user);
	return err;
}

int steer_env_find(struct steer_env *env, const struct packet *packet, uint32_t *number)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = packet->length, .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(env->which->progs.which), &opts);

	if (err || !opts.retval)
		return err;
	*number = opts.retval - 1;
	return 1;
}

int steer_env_passed(struct steer_env *env, struct xmc_passed *notes, unsigned int most)
{
	struct xmc_passed *per_cpu = calloc((size_t)env->cpus, sizeof(*per_cpu));
	unsigned int count = 0;
	int err = per_cpu ? 0 : -ENOMEM;

	for (__u32 place = 0; !err && place < XMC_PASSED_NOTES; place++) {
		err = bpf_map_lookup_elem(bpf_map__fd(env->skel->maps.passed), &place, per_cpu);
		for (int cpu = 0; !err && cpu < env->cpus; cpu++) {
			if (per_cpu[cpu].packets && count < most)
				notes[count++] = per_cpu[cpu];
		}
		memset(per_cpu, 0, (size_t)env->cpus * sizeof(*per_cpu));
		if (!err)
			err = bpf_map_update_elem(bpf_map__fd(env->skel->maps.passed), &place,
						  per_cpu, BPF_ANY);
	}
	free(per_cpu);
	return err ? err : (int)count;
}
