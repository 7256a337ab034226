// SPDX-License-Identifier: BSD-2-Clause
/* Receiving with a BPF program: XDP, or tc ingress. Both have the same maps (maps.h). */
#include "receiver.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sink-skb.skel.h"
#include "sink.skel.h"

/* Since Linux 6.6; missing in the headers of Debian 12. */
#define ATTACH_TCX_INGRESS 46

struct receiver {
	struct sink_bpf *xdp; /* one of these two */
	struct sink_skb_bpf *skb;
	int flows_fd, totals_fd;
	int link_fd;
	const char *name;
	/* Without tcx: a classic filter, which must be removed explicitly. */
	struct bpf_tc_hook hook;
	struct bpf_tc_opts filter;
	bool own_qdisc, has_filter;
	int cpus;
	struct sink_totals *per_cpu;
};

static int quiet(enum libbpf_print_level level, const char *format, va_list list)
{
	return getenv("XMCAST_DEBUG") ? vfprintf(stderr, format, list) : 0;
}

static struct receiver *new_receiver(int *status)
{
	struct receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver)
		return receiver_fail(status, "memory", ENOMEM);
	libbpf_set_print(quiet);
	receiver->link_fd = -1;
	receiver->cpus = libbpf_num_possible_cpus();
	receiver->per_cpu =
		calloc(receiver->cpus > 0 ? receiver->cpus : 1, sizeof(struct sink_totals));
	if (!receiver->per_cpu) {
		free(receiver);
		return receiver_fail(status, "memory", ENOMEM);
	}
	return receiver;
}

static void bpf_stop(struct receiver *receiver)
{
	if (receiver->link_fd >= 0)
		close(receiver->link_fd);
	receiver->link_fd = -1;
	if (receiver->has_filter) {
		/* These must be zero for detaching. */
		receiver->filter.flags = 0;
		receiver->filter.prog_fd = 0;
		receiver->filter.prog_id = 0;
		bpf_tc_detach(&receiver->hook, &receiver->filter);
		receiver->has_filter = false;
	}
	if (receiver->own_qdisc) {
		/* With both directions named the qdisc itself is removed; a clsact that was there
		 * before must stay. */
		receiver->hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&receiver->hook);
		receiver->own_qdisc = false;
	}
}

static void bpf_close(struct receiver *receiver)
{
	if (!receiver)
		return;
	bpf_stop(receiver);
	sink_bpf__destroy(receiver->xdp);
	sink_skb_bpf__destroy(receiver->skb);
	free(receiver->per_cpu);
	free(receiver);
}

/* A link disappears with the process, however that ends. */
static int attach_xdp(struct receiver *receiver, unsigned ifindex)
{
	static const struct {
		__u32 flags;
		const char *name;
	} modes[] = {{XDP_FLAGS_DRV_MODE, "xdp-native"}, {XDP_FLAGS_SKB_MODE, "xdp-skb"}};
	int fd = bpf_program__fd(receiver->xdp->progs.sink_frame);

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = modes[i].flags);

		receiver->link_fd = bpf_link_create(fd, ifindex, BPF_XDP, &opts);
		if (receiver->link_fd >= 0) {
			receiver->name = modes[i].name;
			return 0;
		}
		if (receiver->link_fd == -EBUSY)
			break;
	}
	return receiver->link_fd;
}

static struct receiver *xdp_open(const struct options *options, unsigned ifindex, int *status)
{
	struct receiver *receiver = new_receiver(status);
	int err;

	if (!receiver)
		return NULL;
	receiver->xdp = sink_bpf__open();
	if (!receiver->xdp)
		goto failed;
	receiver->xdp->rodata->filter = options->filter;
	bpf_map__set_max_entries(receiver->xdp->maps.flows, options->flows);
	if (sink_bpf__load(receiver->xdp))
		goto failed;
	receiver->flows_fd = bpf_map__fd(receiver->xdp->maps.flows);
	receiver->totals_fd = bpf_map__fd(receiver->xdp->maps.totals);
	err = attach_xdp(receiver, ifindex);
	if (err >= 0)
		return receiver;
	receiver_fail(status, "attaching the XDP program", -err);
	if (err == -EBUSY)
		fputs("xmcast-sink: the interface already has an XDP program: use --skb, or detach "
		      "it (ip link set IFACE xdp off, or, if a BPF link holds it, bpftool link "
		      "detach)\n",
		      stderr);
	goto out;
failed:
	receiver_fail(status, "loading the XDP program (XMCAST_DEBUG=1 prints details)", errno);
out:
	bpf_close(receiver);
	return NULL;
}

/* Prefer tcx, because it also disappears with the process; otherwise use clsact. */
static int attach_skb(struct receiver *receiver, unsigned ifindex)
{
	int fd = bpf_program__fd(receiver->skb->progs.sink_skb);
	int err;

	receiver->name = "tcx";
	receiver->link_fd = bpf_link_create(fd, ifindex, ATTACH_TCX_INGRESS, NULL);
	if (receiver->link_fd >= 0)
		return 0;
	if (receiver->link_fd == -EPERM)
		return receiver->link_fd;

	receiver->name = "tc";
	receiver->hook = (struct bpf_tc_hook){
		.sz = sizeof(receiver->hook), .ifindex = ifindex, .attach_point = BPF_TC_INGRESS};
	receiver->filter = (struct bpf_tc_opts){.sz = sizeof(receiver->filter), .prog_fd = fd};
	err = bpf_tc_hook_create(&receiver->hook);
	if (err && err != -EEXIST)
		return err;
	receiver->own_qdisc = !err;
	err = bpf_tc_attach(&receiver->hook, &receiver->filter);
	receiver->has_filter = !err;
	return err;
}

static struct receiver *skb_open(const struct options *options, unsigned ifindex, int *status)
{
	struct receiver *receiver = new_receiver(status);
	int err;

	if (!receiver)
		return NULL;
	receiver->skb = sink_skb_bpf__open();
	if (!receiver->skb)
		goto failed;
	receiver->skb->rodata->filter = options->filter;
	bpf_map__set_max_entries(receiver->skb->maps.flows, options->flows);
	if (sink_skb_bpf__load(receiver->skb))
		goto failed;
	receiver->flows_fd = bpf_map__fd(receiver->skb->maps.flows);
	receiver->totals_fd = bpf_map__fd(receiver->skb->maps.totals);
	err = attach_skb(receiver, ifindex);
	if (err >= 0)
		return receiver;
	receiver_fail(status, "attaching the tc program", -err);
	goto out;
failed:
	receiver_fail(status, "loading the tc program (XMCAST_DEBUG=1 prints details)", errno);
out:
	bpf_close(receiver);
	return NULL;
}

static void bpf_wait(struct receiver *receiver, int ms, int wake_fd)
{
	struct pollfd wake = {.fd = wake_fd, .events = POLLIN};

	poll(&wake, 1, ms);
}

static void bpf_totals(struct receiver *receiver, struct sink_totals *sum)
{
	const struct sink_totals *cpu = receiver->per_cpu;
	__u32 zero = 0;

	memset(sum, 0, sizeof(*sum));
	if (bpf_map_lookup_elem(receiver->totals_fd, &zero, receiver->per_cpu))
		return;
	for (int i = 0; i < receiver->cpus; i++) {
		sum->received += cpu[i].received;
		sum->bytes += cpu[i].bytes;
		sum->corrupted += cpu[i].corrupted;
		sum->malformed += cpu[i].malformed;
		sum->foreign += cpu[i].foreign;
		sum->unplaced += cpu[i].unplaced;
		if (cpu[i].last_ns > sum->last_ns)
			sum->last_ns = cpu[i].last_ns;
		if (cpu[i].first_ns && (!sum->first_ns || cpu[i].first_ns < sum->first_ns))
			sum->first_ns = cpu[i].first_ns;
	}
}

static int bpf_collect(struct receiver *receiver, struct flow_list *list)
{
	struct flow_key *previous = NULL, key, next;

	while (!bpf_map_get_next_key(receiver->flows_fd, previous, &next)) {
		struct flow_record *record = flow_list_add(list);

		if (!record)
			return -ENOMEM;
		record->key = key = next;
		previous = &key;
		if (bpf_map_lookup_elem_flags(receiver->flows_fd, &key, &record->stats, BPF_F_LOCK))
			return -errno;
	}
	return 0;
}

static const char *bpf_name(const struct receiver *receiver)
{
	return receiver->name;
}

static uint64_t bpf_overrun(const struct receiver *receiver)
{
	return 0; /* nothing is queued */
}

const struct receiver_ops receiver_xdp = {
	.open = xdp_open,
	.wait = bpf_wait,
	.totals = bpf_totals,
	.stop = bpf_stop,
	.collect = bpf_collect,
	.name = bpf_name,
	.overrun = bpf_overrun,
	.close = bpf_close,
};

const struct receiver_ops receiver_skb = {
	.open = skb_open,
	.wait = bpf_wait,
	.totals = bpf_totals,
	.stop = bpf_stop,
	.collect = bpf_collect,
	.name = bpf_name,
	.overrun = bpf_overrun,
	.close = bpf_close,
};
