// SPDX-License-Identifier: BSD-2-Clause
#include "source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "frame.h"
#include "gen.skel.h"

/* Defined in linux/bpf.h of Debian 12, but not in older headers. */
#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

/* Frames in a batch of the kernel's test loop. Flat out: its default, the budget of a NAPI poll.
 * Paced: the kernel's bulk, and no more than fit into a tick, so that only the tick is uneven. */
#define BATCH_FLAT_OUT 64
#define BATCH_PACED    16
#define BATCH_TICK_NS  16000

/* How soon after its end, or after a signal, the run is interrupted. */
#define WATCH_NS 1000000

#define REPEAT	 INT32_MAX

struct source {
	struct gen_bpf *bpf;
	struct gen_flow *flows;
	size_t flows_size;
	uint32_t flows_count;
	bool knows_drops;
	sigset_t watched;
	pthread_t runner;
	atomic_bool finished;
};

static int fail(int *status, int code, const char *what, int error)
{
	fprintf(stderr, "xmcast-gen: %s: %s\n", what, strerror(error));
	if (error == EPERM || error == EACCES) {
		fputs("xmcast-gen: run it as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON\n",
		      stderr);
		code = EXIT_NO_PERMISSION;
	}
	*status = code;
	return -error;
}

/* libbpf explains a failed load at length; print that only with `XMCAST_DEBUG=1`. */
static int quiet(enum libbpf_print_level level, const char *format, va_list list)
{
	return getenv("XMCAST_DEBUG") ? vfprintf(stderr, format, list) : 0;
}

static int find_interface(const char *name, uint32_t *ifindex, uint8_t mac[6], int *status)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {};
	int err = 0;

	if (fd < 0)
		return fail(status, EXIT_FAILED, "socket", errno);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &request)) {
		err = fail(status, EXIT_FAILED, name, errno);
	} else if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		fprintf(stderr, "xmcast-gen: %s is not an Ethernet interface\n", name);
		*status = EXIT_FAILED;
		err = -EPROTONOSUPPORT;
	} else {
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
		*ifindex = if_nametoindex(name);
	}
	close(fd);
	return err;
}

static struct gen_bpf *load(const struct options *options, bool with_drops)
{
	struct gen_bpf *bpf = gen_bpf__open();

	if (!bpf)
		return NULL;
	bpf_program__set_autoload(bpf->progs.count_transmitted, with_drops);
	bpf_program__set_autoload(bpf->progs.count_refused, with_drops);
	bpf_map__set_max_entries(bpf->maps.flows, options->flows);
	if (gen_bpf__load(bpf) || (with_drops && gen_bpf__attach(bpf))) {
		int err = errno;

		gen_bpf__destroy(bpf);
		errno = err;
		return NULL;
	}
	return bpf;
}

static void fill_pattern(struct gen_bpf *bpf)
{
	uint8_t *pattern = bpf->bss->pattern;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < PATTERN_SIZE; i++)
		pattern[i] = bpf->bss->config.ts ? probe_ts_byte(i) : probe_pattern_byte(i);
	for (uint32_t i = 0; i < PATTERN_SIZE / 2; i++) {
		bpf->bss->pattern_sums[i] = sum;
		sum += ((struct xmc_half *)pattern)[i].value;
	}
	bpf->bss->pattern_sums[PATTERN_SIZE / 2] = sum;
}

/* The requested number of packets; ~0: no limit. */
static uint64_t packets_asked(const struct options *options)
{
	uint64_t limit = options->count ? options->count : UINT64_MAX;
	__uint128_t timed = (__uint128_t)options->rate_pps * options->duration_ns / 1000000000;

	if (options->rate_pps && options->duration_ns && timed < limit)
		limit = timed ? timed : 1;
	return limit;
}

static void configure(struct source *source, const struct options *options,
		      const uint32_t ifindex[2])
{
	struct gen_config *config = &source->bpf->bss->config;
	uint64_t in_tick = options->rate_pps * BATCH_TICK_NS / 1000000000;

	config->rate_pps = options->rate_pps;
	config->limit = packets_asked(options);
	config->duration_ns = options->duration_ns;
	config->ifindex[0] = ifindex[0];
	config->ifindex[1] = ifindex[1];
	config->flows = options->flows;
	config->sides = options->sides;
	config->burst = options->burst;
	config->headers = (addr_is_ipv4(&options->group) ? GEN_HEADER_IPV4 : GEN_HEADER_IPV6) +
			  (options->vlan ? GEN_TAG : 0);
	config->sizes_count = options->sizes_count;
	config->size_by_flow = options->size_by_flow;
	config->size_span = options->size_span;
	config->ts = options->ts;
	for (unsigned i = 0; i < options->sizes_count; i++) {
		config->sizes[i] = options->sizes[i];
		if (config->sizes[i] > config->size_max)
			config->size_max = config->sizes[i];
	}
	if (config->size_span)
		config->size_max += config->size_span - 1;
	if (!options->rate_pps)
		config->batch = BATCH_FLAT_OUT;
	else
		config->batch = in_tick < 1 ? 1 : in_tick > BATCH_PACED ? BATCH_PACED : in_tick;
	if (getrandom(&config->run, sizeof(config->run), 0) != sizeof(config->run))
		config->run = (uint32_t)time(NULL) ^ (uint32_t)getpid() << 16;
	/* The program steps to the next flow first. */
	source->bpf->bss->state.flow = options->flows - 1;
}

/* The tracepoints see the frames of every process. They recognize ours by the process id in our own
 * pid namespace. */
static int configure_tracing(struct source *source)
{
	struct stat ns;

	if (stat("/proc/self/ns/pid", &ns))
		return -errno;
	source->bpf->bss->pid_ns_dev = ns.st_dev;
	source->bpf->bss->pid_ns_ino = ns.st_ino;
	source->bpf->bss->pid = getpid();
	return 0;
}

static int map_flows(struct source *source, const struct options *options, uint8_t mac[2][6])
{
	int fd = bpf_map__fd(source->bpf->maps.flows);
	void *memory;

	source->flows_count = options->flows;
	source->flows_size = sizeof(struct gen_flow) * options->flows;
	memory = mmap(NULL, source->flows_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	source->flows = memory;
	for (uint32_t i = 0; i < options->flows; i++)
		frame_template(options, mac[i % 2], i, &source->flows[i]);
	return 0;
}

/* Block the signals before any thread exists, so that only the watcher receives them. */
static void watch_signals(struct source *source)
{
	sigemptyset(&source->watched);
	sigaddset(&source->watched, SIGINT);
	sigaddset(&source->watched, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &source->watched, NULL);
}

struct source *source_open(const struct options *options, int *status)
{
	struct source *source = calloc(1, sizeof(*source));
	const char *also = *options->also ? options->also : options->interface;
	uint32_t ifindex[2] = {};
	uint8_t mac[2][6] = {};
	int err;

	if (!source) {
		fail(status, EXIT_FAILED, "memory", ENOMEM);
		return NULL;
	}
	libbpf_set_print(quiet);
	if (find_interface(options->interface, &ifindex[0], mac[0], status) ||
	    find_interface(also, &ifindex[1], mac[1], status))
		goto out;
	source->bpf = load(options, true);
	source->knows_drops = source->bpf != NULL;
	if (!source->bpf)
		source->bpf = load(options, false);
	if (!source->bpf) {
		fail(status, EXIT_FAILED, "loading the XDP program (XMCAST_DEBUG=1 prints details)",
		     errno);
		goto out;
	}
	configure(source, options, ifindex);
	fill_pattern(source->bpf);
	err = map_flows(source, options, mac);
	if (!err)
		err = configure_tracing(source);
	if (err) {
		fail(status, EXIT_FAILED, "setting up", -err);
		goto out;
	}
	watch_signals(source);
	fputs("ready\n", stderr);
	return source;
out:
	source_close(source);
	return NULL;
}

void source_close(struct source *source)
{
	if (!source)
		return;
	if (source->flows)
		munmap(source->flows, source->flows_size);
	gen_bpf__destroy(source->bpf);
	free(source);
}

static void interrupted(int signal)
{
	/* Its arrival alone ends the system call. */
}

/* Forward SIGINT and SIGTERM to the program, and end the test run when the program is done: the
 * kernel's loop itself ends only by its count or by a signal. */
static void *watch(void *arg)
{
	const struct timespec tick = {.tv_nsec = WATCH_NS};
	struct source *source = arg;

	while (!source->finished) {
		if (sigtimedwait(&source->watched, NULL, &tick) > 0)
			source->bpf->bss->stop = 1;
		if (*(volatile __u32 *)&source->bpf->bss->state.done)
			pthread_kill(source->runner, SIGUSR1);
	}
	return NULL;
}

/* Few long test runs, because each takes tens of milliseconds to set up. */
static int run_program(struct source *source)
{
	uint8_t template[GEN_HEADER_IPV6 + GEN_TAG + PROBE_SIZE_MAX] = {};
	struct gen_config *config = &source->bpf->bss->config;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = template,
		    .data_size_in = config->size_max + config->headers, .repeat = REPEAT,
		    .batch_size = config->batch, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int fd = bpf_program__fd(source->bpf->progs.generate);

	while (!*(volatile __u32 *)&source->bpf->bss->state.done) {
		int err;

		source->bpf->bss->state.calls = 0;
		err = bpf_prog_test_run_opts(fd, &opts);
		if (err && err != -EINTR)
			return err;
	}
	return 0;
}

int source_run(struct source *source)
{
	struct sigaction action = {.sa_handler = interrupted};
	pthread_t watcher;
	int err;

	source->runner = pthread_self();
	sigaction(SIGUSR1, &action, NULL); /* no SA_RESTART */
	err = pthread_create(&watcher, NULL, watch, source);
	if (err)
		return -err;
	err = run_program(source);
	source->finished = true;
	pthread_join(watcher, NULL);
	return err;
}

const struct gen_state *source_state(const struct source *source)
{
	return &source->bpf->bss->state;
}

const struct gen_flow *source_flow(const struct source *source, uint32_t number)
{
	return &source->flows[number];
}

uint64_t source_asked(const struct source *source)
{
	return source->bpf->bss->config.limit;
}

uint32_t source_run_id(const struct source *source)
{
	return source->bpf->bss->config.run;
}

bool source_knows_drops(const struct source *source)
{
	return source->knows_drops;
}
