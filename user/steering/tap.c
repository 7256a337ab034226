/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/tap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* Some 2,000 packets of 1,500 bytes: what comes in while the main thread changes rules. */
#define RING_BYTES (4U << 20)

/* Packets of one turn, some milliseconds. */
#define TURN 512

/* Windows of this length, unless they would have no packet. */
#define WINDOW_MS 100

struct tap {
	struct steer *steer;
	struct tap_maps maps;
	struct tap_options options;
	struct ring_buffer *ring;
	int ring_fd;
	unsigned int taken; /* in this turn */
	int nr_cpus;
	struct xmc_capture_tally *per_cpu; /* scratch */
	struct xmc_capture_tally counted;  /* when it was read last */
};

static int take(void *context, void *data, size_t size)
{
	struct tap *tap = context;

	tap->options.captured(tap->options.context, data);
	/* Any error ends the turn; what was taken is released. */
	return ++tap->taken < TURN ? 0 : -EAGAIN;
}

static int zero_counts(struct tap *tap)
{
	const __u32 first = 0;

	tap->nr_cpus = libbpf_num_possible_cpus();
	if (tap->nr_cpus < 0)
		return tap->nr_cpus;
	tap->per_cpu = calloc((size_t)tap->nr_cpus, sizeof(*tap->per_cpu));
	if (!tap->per_cpu)
		return -ENOMEM;
	return bpf_map_update_elem(tap->maps.tallies_fd, &first, tap->per_cpu, BPF_ANY);
}

static int open_ring(struct tap *tap)
{
	const __u32 first = 0;
	long err;

	tap->ring_fd =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "xmcast_capture", 0, 0, RING_BYTES, NULL);
	if (tap->ring_fd < 0)
		return tap->ring_fd;
	errno = 0;
	tap->ring = ring_buffer__new(tap->ring_fd, take, tap, NULL);
	err = libbpf_get_error(tap->ring);
	if (err || !tap->ring) {
		tap->ring = NULL;
		return err ? (int)err : errno ? -errno : -ENOMEM;
	}
	return bpf_map_update_elem(tap->maps.captures_fd, &first, &tap->ring_fd, BPF_ANY);
}

int tap_open(struct tap **out, struct steer *steer, const struct tap_options *options)
{
	bool seldom = options->rate < 1000 / WINDOW_MS;
	struct tap *tap = calloc(1, sizeof(*tap));
	int err;

	if (!tap)
		return -ENOMEM;
	tap->steer = steer;
	tap->options = *options;
	tap->ring_fd = -1;
	err = steer_describe_tap(steer, &tap->maps) ? 0 : -EOPNOTSUPP;
	if (!err)
		err = zero_counts(tap);
	if (!err)
		err = open_ring(tap);
	if (err) {
		tap_close(tap);
		return err;
	}
	*tap->maps.order = (struct xmc_capture_order){
		.snap = options->snap,
		.most = seldom ? options->rate : options->rate / (1000 / WINDOW_MS),
		.window_ns = seldom ? NS_PER_SECOND : WINDOW_MS * NS_PER_MS,
	};
	*out = tap;
	return 0;
}

void tap_select(struct tap *tap, uint32_t slot)
{
	__u32 of = slot == TAP_NONE ? 0 : slot == TAP_ALL ? XMC_CAPTURE_ALL : slot + 1;

	/* Behind the other fields of the order. */
	__atomic_store_n(&tap->maps.order->of, of, __ATOMIC_RELEASE);
}

int tap_fd(const struct tap *tap)
{
	return ring_buffer__epoll_fd(tap->ring);
}

bool tap_drain(struct tap *tap)
{
	tap->taken = 0;
	return ring_buffer__consume(tap->ring) < 0;
}

void tap_count(struct tap *tap, struct xmc_capture_tally *counted)
{
	struct xmc_capture_tally sum = {};
	const __u32 first = 0;

	*counted = (struct xmc_capture_tally){};
	if (bpf_map_lookup_elem(tap->maps.tallies_fd, &first, tap->per_cpu))
		return;
	for (int cpu = 0; cpu < tap->nr_cpus; cpu++) {
		sum.received += tap->per_cpu[cpu].received;
		sum.received_limited += tap->per_cpu[cpu].received_limited;
		sum.received_lost += tap->per_cpu[cpu].received_lost;
		sum.sent += tap->per_cpu[cpu].sent;
		sum.sent_limited += tap->per_cpu[cpu].sent_limited;
		sum.sent_lost += tap->per_cpu[cpu].sent_lost;
	}
	counted->received = sum.received - tap->counted.received;
	counted->received_limited = sum.received_limited - tap->counted.received_limited;
	counted->received_lost = sum.received_lost - tap->counted.received_lost;
	counted->sent = sum.sent - tap->counted.sent;
	counted->sent_limited = sum.sent_limited - tap->counted.sent_limited;
	counted->sent_lost = sum.sent_lost - tap->counted.sent_lost;
	tap->counted = sum;
}

void tap_stop(struct tap *tap)
{
	tap_select(tap, TAP_NONE);
	steer_wait(tap->steer);
}

void tap_close(struct tap *tap)
{
	const __u32 first = 0;

	if (!tap)
		return;
	if (tap->ring)
		bpf_map_delete_elem(tap->maps.captures_fd, &first);
	ring_buffer__free(tap->ring);
	if (tap->ring_fd >= 0)
		close(tap->ring_fd);
	free(tap->per_cpu);
	free(tap);
}
