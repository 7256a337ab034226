/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_STEERING
#include "steering/steer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/membarrier.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "steer.skel.h"
#include "steering/pins.h"
#include "steering/shapes.h"

struct steer {
	struct steer_bpf *skel; /* NULL: somebody else's program */
	struct pins pins;	/* its maps then, else those of `skel` */
	struct shapes shapes;
	int ifindex;		      /* of somebody else's program */
	uint64_t before[XMC_REASONS]; /* what it had counted when we came */
	int link_fd;		      /* -1: not attached */
	int claim_fd;		      /* see claim(); -1: none */
	int nr_cpus;
	uint64_t *per_cpu; /* scratch for reading one per-CPU counter */
};

uint32_t steer_program_id(const struct steer *steer)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	if (!steer->skel ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(steer->skel->progs.xmcast_steer), &info, &size))
		return 0;
	return info.id;
}

static int log_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libbpf", LOG_TEXT("message", line));
	return 0;
}

/* All but the maps. */
static int steer_new(struct steer **out)
{
	struct steer *steer = calloc(1, sizeof(*steer));

	libbpf_set_print(log_libbpf);
	if (!steer)
		return -ENOMEM;
	steer->link_fd = steer->claim_fd = -1;
	steer->pins = pins_none;
	*out = steer;
	steer->nr_cpus = libbpf_num_possible_cpus();
	if (steer->nr_cpus < 0)
		return steer->nr_cpus;
	steer->per_cpu = calloc((size_t)steer->nr_cpus, sizeof(*steer->per_cpu));
	return steer->per_cpu ? 0 : -ENOMEM;
}

static int load_own(struct steer *steer)
{
	steer->skel = steer_bpf__open_and_load();
	if (!steer->skel)
		return -errno;
	steer->pins.fds[PIN_RULES] = bpf_map__fd(steer->skel->maps.rules);
	steer->pins.fds[PIN_SOCKETS] = bpf_map__fd(steer->skel->maps.sockets);
	steer->pins.fds[PIN_VERDICTS] = bpf_map__fd(steer->skel->maps.verdicts);
	steer->pins.fds[PIN_SHAPES] = bpf_map__fd(steer->skel->maps.shapes);
	steer->pins.fds[PIN_ABOUT] = bpf_map__fd(steer->skel->maps.about);
	steer->shapes.map_fd = steer->pins.fds[PIN_SHAPES];
	return 0;
}

int steer_open(struct steer **out)
{
	struct steer *steer = NULL;
	int err = steer_new(&steer);

	if (!err)
		err = load_own(steer);
	if (err)
		steer_close(steer);
	else
		*out = steer;
	return err;
}

/* XDP runs and flushes its redirects inside one RCU read-side section; this barrier is
 * synchronize_rcu() (membarrier(2), MEMBARRIER_CMD_GLOBAL). */
static void wait_for_packets(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/*
 * Take the name of a program, or of pinned maps by one of them, in this network namespace: an
 * abstract socket (unix(7)), which ends with its process. To look at another's program takes
 * CAP_SYS_ADMIN, which we have given up; a name that is taken tells as well that the program is an
 * xmcastd's. Anybody can take one: it decides what is said of a program that is in the way, nothing
 * more. The descriptor, or -errno.
 */
static int claim(const char *kind, uint32_t id)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int length =
		snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "xmcast-%s-%u", kind, id);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&name,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* With the maps open: from whoever had them before, to us. */
static int take_over(struct steer *steer)
{
	uint64_t counted[XMC_REASONS];
	int err = claim("maps", pins_id(&steer->pins));

	if (err < 0)
		return err == -EADDRINUSE ? -EBUSY : err;
	steer->claim_fd = err;
	err = pins_empty(&steer->pins);
	wait_for_packets();
	if (!err)
		err = steer_verdicts(steer, counted);
	if (!err)
		memcpy(steer->before, counted, sizeof(counted));
	return err;
}

int steer_open_pinned(struct steer **out, const char *folder, int ifindex,
		      char text[PINS_TEXT_SIZE])
{
	struct steer *steer = NULL;
	int err = steer_new(&steer);

	snprintf(text, PINS_TEXT_SIZE, "they cannot be opened: %s", strerror(-err));
	if (!err)
		err = pins_open(&steer->pins, folder, text);
	if (!err)
		err = pins_check_interface(&steer->pins, ifindex, text);
	if (!err) {
		snprintf(text, PINS_TEXT_SIZE, "another xmcastd uses them");
		err = take_over(steer);
		if (err && err != -EBUSY)
			snprintf(text, PINS_TEXT_SIZE, "they cannot be emptied: %s",
				 strerror(-err));
	}
	if (err) {
		steer_close(steer);
		return err;
	}
	steer->ifindex = ifindex;
	steer->shapes.map_fd = steer->pins.fds[PIN_SHAPES];
	pins_forget_interface(&steer->pins);
	*out = steer;
	return 0;
}

const struct pins *steer_pins(const struct steer *steer)
{
	return &steer->pins;
}

void steer_close(struct steer *steer)
{
	if (!steer)
		return;
	steer_detach(steer);
	if (steer->skel)
		steer_bpf__destroy(steer->skel);
	else
		pins_close(&steer->pins);
	if (steer->claim_fd >= 0)
		close(steer->claim_fd);
	free(steer->per_cpu);
	free(steer);
}

int steer_set_socket(struct steer *steer, unsigned int queue, int xsk_fd)
{
	__u32 key = queue;

	return bpf_map_update_elem(steer->pins.fds[PIN_SOCKETS], &key, &xsk_fd, BPF_ANY);
}

int steer_add_rule(struct steer *steer, const struct xmc_rule_key *key)
{
	__u32 present = 1;
	int err = shapes_hold(&steer->shapes, key);

	if (err)
		return err;
	err = bpf_map_update_elem(steer->pins.fds[PIN_RULES], key, &present, BPF_NOEXIST);
	if (err)
		shapes_release(&steer->shapes, key);
	return err;
}

int steer_remove_rule(struct steer *steer, const struct xmc_rule_key *key)
{
	int err = bpf_map_delete_elem(steer->pins.fds[PIN_RULES], key);

	if (!err)
		shapes_release(&steer->shapes, key);
	return err;
}

static void claim_own(struct steer *steer, int program_fd)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &size) == 0)
		steer->claim_fd = claim("xdp", info.id);
}

static bool is_claimed(uint32_t program_id)
{
	int fd = claim("xdp", program_id);

	if (fd >= 0)
		close(fd);
	return fd == -EADDRINUSE;
}

static int attach_mode(struct steer *steer, int ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd;

	fd = bpf_link_create(bpf_program__fd(steer->skel->progs.xmcast_steer), ifindex, BPF_XDP,
			     &opts);
	if (fd < 0)
		return fd;
	steer->link_fd = fd;
	claim_own(steer, bpf_program__fd(steer->skel->progs.xmcast_steer));
	return 0;
}

int steer_attach(struct steer *steer, int ifindex, enum iface_mode wanted, enum iface_mode *mode)
{
	int err = -EOPNOTSUPP;

	if (wanted != IFACE_MODE_SKB) {
		*mode = IFACE_MODE_NATIVE;
		err = attach_mode(steer, ifindex, XDP_FLAGS_DRV_MODE);
		if (!err || err == -EBUSY || err == -EEXIST || wanted == IFACE_MODE_NATIVE)
			return err;
		log_warning("native-xdp-refused", LOG_INT("ifindex", ifindex), LOG_ERROR(err),
			    LOG_TEXT("hint",
				     "skb mode is slower, and takes no packets that the sending "
				     "side left uncut: ethtool -K PEER tx-udp-segmentation off"));
	}
	*mode = IFACE_MODE_SKB;
	return attach_mode(steer, ifindex, XDP_FLAGS_SKB_MODE);
}

void steer_detach(struct steer *steer)
{
	if (!steer->skel && steer->pins.fds[PIN_RULES] >= 0 && steer->ifindex) {
		/* The program stays, and passes all to the stack. */
		int err = pins_empty(&steer->pins);

		if (err)
			log_error("pins-not-emptied", LOG_ERROR(err));
		wait_for_packets();
		return;
	}
	if (steer->link_fd < 0)
		return;
	/* Closing the link would detach as well, but not before the kernel gets to it. */
	bpf_link_detach(steer->link_fd);
	close(steer->link_fd);
	steer->link_fd = -1;
	if (steer->claim_fd >= 0)
		close(steer->claim_fd);
	steer->claim_fd = -1;
	wait_for_packets();
}

int steer_verdicts(const struct steer *steer, uint64_t verdicts[XMC_REASONS])
{
	int fd = steer->pins.fds[PIN_VERDICTS];

	for (__u32 reason = 0; reason < XMC_REASONS; reason++) {
		int err = bpf_map_lookup_elem(fd, &reason, steer->per_cpu);

		if (err)
			return err;
		verdicts[reason] = 0;
		for (int cpu = 0; cpu < steer->nr_cpus; cpu++)
			verdicts[reason] += steer->per_cpu[cpu];
		verdicts[reason] -= steer->before[reason];
	}
	return 0;
}

bool steer_is_ours(uint32_t program_id)
{
	return is_claimed(program_id);
}
