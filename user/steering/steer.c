/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_STEERING
#include "steering/steer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "steering/claim.h"
#include "steering/forward.h"
#include "steering/grace.h"
#include "steering/leases.h"
#include "steering/pins.h"
#include "steering/shapes.h"
#include "steering/verdicts.h"
#include "steering/xdp_program.h"

/* Notes of one system call. */
#define PASSED_AT_ONCE 128

struct steer {
	struct xdp_program program; /* nothing loaded: an external one is used */
	struct pins pins;	    /* the maps of the program; -1: it has not that one */
	struct shapes shapes;
	struct grace grace;
	struct forwards *forwards;
	struct xmc_lease *leases; /* of the map; NULL: no rule can have a lease */
	struct trial *trial;	  /* NULL: nobody has asked yet */
	int trial_refused;	  /* why the kernel refused it, or 0 */
	struct verdicts verdicts;
	bool external; /* steer_open_pinned() has taken the maps over */
	int link_fd;   /* -1: not attached, and no link to adopt */
	bool shared;   /* the link is another process's as well */
	int claim_fd;  /* of our program while attached, or of the maps; -1: none */
};

uint32_t steer_program_id(const struct steer *steer)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	if (!xdp_program_bpf(&steer->program) ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(xdp_program_bpf(&steer->program)), &info, &size))
		return 0;
	return info.id;
}

/* Everything but the maps. steer_close() also if it fails. */
static int steer_new(struct steer **out)
{
	struct steer *steer = calloc(1, sizeof(*steer));
	int err;

	if (!steer)
		return -ENOMEM;
	steer->link_fd = steer->claim_fd = steer->verdicts.adopted_fd = -1;
	steer->pins = pins_none;
	steer->grace = GRACE_CLOSED;
	*out = steer;
	err = verdicts_open(&steer->verdicts);
	return err ? err : grace_open(&steer->grace);
}

/* The program for the user path only has none. */
static int map_leases(struct steer *steer)
{
	int fd = steer->pins.fds[PIN_LEASES];

	return fd < 0 ? 0 : leases_map(fd, &steer->leases);
}

static int load_own(struct steer *steer, bool frags, const struct steer_adoption *from)
{
	const struct xdp_program_maps maps = {from ? from->outputs_fd : -1,
					      from ? from->tallies_fd : -1};
	int err = xdp_program_load(&steer->program, frags, from ? &maps : NULL, &steer->pins);

	steer->shapes.map_fd = steer->pins.fds[PIN_SHAPES];
	if (!err)
		err = map_leases(steer);
	return err ? err
		   : forwards_open(&steer->forwards, &steer->pins, steer->program.shared_maps);
}

bool steer_is_attached(const struct steer_adoption *as, int ifindex)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return !bpf_obj_get_info_by_fd(as->link_fd, &info, &size) &&
	       info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == (__u32)ifindex;
}

static int keep_link(struct steer *steer, const struct steer_adoption *from)
{
	steer->link_fd = fcntl(from->link_fd, F_DUPFD_CLOEXEC, 0);
	steer->shared = true;
	verdicts_adopt(&steer->verdicts, from->verdicts_fd, from->counted, from->steered);
	return steer->link_fd < 0 ? -errno : 0;
}

int steer_open_after(struct steer **out, bool frags, const struct steer_adoption *from)
{
	struct steer *steer = NULL;
	int err = steer_new(&steer);

	if (!err && from)
		err = keep_link(steer, from);
	if (!err)
		err = load_own(steer, frags, from);
	if (err)
		steer_close(steer);
	else
		*out = steer;
	return err;
}

/* Without the grace period late packets are counted after the counters have been read, so the
 * books do not close. Nothing is unsafe: a socket in the XSKMAP is kept by the kernel. */
static int wait_for_packets(struct steer *steer)
{
	int err = grace_wait(&steer->grace);

	if (err)
		log_error("grace-period-failed", LOG_ERROR(err));
	return err;
}

/* Claim the opened maps, and remove what a previous daemon has left in them. */
static int take_over(struct steer *steer, char text[PINS_TEXT_SIZE])
{
	uint32_t id = pins_id(&steer->pins);
	uint64_t counted[XMC_REASONS];
	char name[CLAIM_NAME_SIZE];
	int err;

	steer->claim_fd = claim_take(CLAIM_MAPS, id);
	if (steer->claim_fd == -EBUSY) {
		snprintf(text, PINS_TEXT_SIZE, "another xmcastd uses them");
		return -EBUSY;
	}
	if (steer->claim_fd < 0) {
		claim_name(CLAIM_MAPS, id, name);
		snprintf(text, PINS_TEXT_SIZE,
			 "the abstract socket @%s, which claims them, cannot be bound: %s", name,
			 steer->claim_fd == -EADDRINUSE
				 ? "a process of neither root nor this daemon's user has it"
				 : strerror(-steer->claim_fd));
		return steer->claim_fd;
	}
	steer->external = steer->program.frags = true;
	err = pins_empty(&steer->pins);
	if (!err)
		err = grace_wait(&steer->grace);
	if (!err)
		err = pins_purge(&steer->pins);
	if (!err)
		err = map_leases(steer);
	if (!err)
		err = forwards_open(&steer->forwards, &steer->pins, false);
	if (!err)
		err = steer_verdicts(steer, counted);
	if (err) {
		snprintf(text, PINS_TEXT_SIZE, "they cannot be emptied: %s", strerror(-err));
		return err;
	}
	memcpy(steer->verdicts.before, counted, sizeof(counted));
	steer->program.no_forwards = xdp_program_missing_right();
	return 0;
}

int steer_open(struct steer **out, bool frags)
{
	return steer_open_after(out, frags, NULL);
}

int steer_open_pinned(struct steer **out, const char *directory, int ifindex,
		      char text[PINS_TEXT_SIZE])
{
	struct steer *steer = NULL;
	int err = steer_new(&steer);

	if (err)
		snprintf(text, PINS_TEXT_SIZE, "they cannot be opened: %s", strerror(-err));
	if (!err)
		err = pins_open(&steer->pins, directory, text);
	if (!err)
		err = pins_check_interface(&steer->pins, ifindex, text);
	if (!err)
		err = take_over(steer, text);
	if (err) {
		steer_close(steer);
		return err;
	}
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
	if (steer->external) {
		int err = pins_purge(&steer->pins);

		if (err)
			log_error("pins-not-emptied", LOG_ERROR(err));
	}
	trial_close(steer->trial);
	forwards_close(steer->forwards);
	leases_unmap(steer->leases);
	if (!xdp_program_bpf(&steer->program))
		pins_close(&steer->pins);
	xdp_program_unload(&steer->program);
	if (steer->claim_fd >= 0)
		close(steer->claim_fd);
	verdicts_close(&steer->verdicts);
	grace_close(&steer->grace);
	free(steer);
}

int steer_set_socket(struct steer *steer, unsigned int slot, int xsk_fd)
{
	__u32 key = slot;

	return bpf_map_update_elem(steer->pins.fds[PIN_SOCKETS], &key, &xsk_fd, BPF_ANY);
}

int steer_clear_socket(struct steer *steer, unsigned int slot)
{
	__u32 key = slot;

	return bpf_map_delete_elem(steer->pins.fds[PIN_SOCKETS], &key);
}

int steer_set_member(struct steer *steer, int ifindex, unsigned int first)
{
	__u32 key = (__u32)ifindex, slot = first;
	int err = bpf_map_update_elem(steer->pins.fds[PIN_MEMBERS], &key, &slot, BPF_ANY);

	return err ? err : pins_set_members(&steer->pins, true);
}

int steer_remove_member(struct steer *steer, int ifindex)
{
	__u32 key = (__u32)ifindex;

	return bpf_map_delete_elem(steer->pins.fds[PIN_MEMBERS], &key);
}

int steer_set_capacity(struct steer *steer, unsigned int bytes)
{
	return pins_set_capacity(&steer->pins, bytes);
}

int steer_set_own(struct steer *steer, bool own)
{
	return pins_set_own(&steer->pins, own);
}

bool steer_can_forward(const struct steer *steer, const char **why)
{
	*why = steer->program.no_forwards;
	return !*why;
}

bool steer_describe_tap(const struct steer *steer, struct tap_maps *maps)
{
	return steer->pins.captures_fd >= 0 && xdp_program_describe_tap(&steer->program, maps);
}

struct xmc_lease *steer_leases(struct steer *steer)
{
	return steer->leases;
}

struct forwards *steer_forwards(struct steer *steer)
{
	return steer->forwards;
}

/* Write the value of a key, and note which forward the key uses. */
static int write_rule(struct steer *steer, const struct xmc_rule_key *key, struct forward *forward,
		      __u64 flags)
{
	struct xmc_rule rule = {.kind = XMC_TO_USER};
	int err = forward ? forward_use(forward, key, &rule) : 0;

	if (err)
		return err;
	err = pins_write_rule(&steer->pins, key, &rule, flags);
	if (err && forward)
		forward_unuse(forward);
	return err;
}

int steer_add_rule(struct steer *steer, const struct xmc_rule_key *key, struct forward *forward)
{
	int err = shapes_hold(&steer->shapes, key);

	if (err)
		return err;
	err = write_rule(steer, key, forward, BPF_NOEXIST);
	if (err)
		shapes_release(&steer->shapes, key);
	return err;
}

int steer_set_rule(struct steer *steer, const struct xmc_rule_key *key, struct forward *forward)
{
	struct forward *before;
	struct xmc_rule rule;
	int err = bpf_map_lookup_elem(steer->pins.fds[PIN_RULES], key, &rule);

	if (err)
		return err;
	before = forwards_find(steer->forwards, &rule);
	if (before == forward)
		return 0;
	err = write_rule(steer, key, forward, BPF_EXIST);
	if (!err && before)
		forward_unuse(before);
	return err;
}

int steer_remove_rule(struct steer *steer, const struct xmc_rule_key *key)
{
	struct forward *before;
	struct xmc_rule rule;
	int err = bpf_map_lookup_elem(steer->pins.fds[PIN_RULES], key, &rule);

	if (!err)
		err = pins_remove_rule(&steer->pins, key);
	if (err)
		return err;
	before = forwards_find(steer->forwards, &rule);
	if (before)
		forward_unuse(before);
	shapes_release(&steer->shapes, key);
	return 0;
}

int steer_wait(struct steer *steer)
{
	int err = wait_for_packets(steer);

	if (!err)
		forwards_reap(steer->forwards);
	return err;
}

int steer_set_mode(struct steer *steer, enum iface_mode mode)
{
	int err = pins_set_skb(&steer->pins, mode == IFACE_MODE_SKB);

	if (!err)
		forwards_set_skb(steer->forwards, mode == IFACE_MODE_SKB);
	return err;
}

/* Without a claim, another xmcastd only misses that the program is one of its kind. */
static void claim_program(struct steer *steer)
{
	if (steer->claim_fd >= 0)
		return;
	steer->claim_fd = claim_take(CLAIM_PROGRAM, steer_program_id(steer));
	if (steer->claim_fd < 0)
		log_debug("claim-failed", LOG_UINT("program", steer_program_id(steer)),
			  LOG_ERROR(steer->claim_fd));
}

static int attach_mode(struct steer *steer, int ifindex, enum iface_mode mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = mode == IFACE_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int fd = steer_set_mode(steer, mode);

	if (fd)
		return fd;
	fd = bpf_link_create(bpf_program__fd(xdp_program_bpf(&steer->program)), ifindex, BPF_XDP,
			     &opts);
	if (fd < 0)
		return fd;
	steer->link_fd = fd;
	claim_program(steer);
	log_debug("program-attached", LOG_INT("ifindex", ifindex),
		  LOG_NAME("xdp_mode", mode == IFACE_MODE_SKB ? "skb" : "native"),
		  LOG_UINT("program", steer_program_id(steer)));
	return 0;
}

int steer_attach(struct steer *steer, int ifindex, enum iface_mode wanted, enum iface_mode *mode)
{
	int err = -EOPNOTSUPP;

	if (wanted != IFACE_MODE_SKB) {
		*mode = IFACE_MODE_NATIVE;
		err = attach_mode(steer, ifindex, IFACE_MODE_NATIVE);
		if (!err || err == -EBUSY || err == -EEXIST || wanted == IFACE_MODE_NATIVE)
			return err;
		log_warning("native-xdp-refused", LOG_INT("ifindex", ifindex), LOG_ERROR(err),
			    LOG_TEXT("hint",
				     "skb mode is slower and cannot receive unsegmented GSO "
				     "packets of a local sender: ethtool -K PEER "
				     "tx-udp-segmentation off"));
	}
	*mode = IFACE_MODE_SKB;
	return attach_mode(steer, ifindex, IFACE_MODE_SKB);
}

/* ---- from one process to the next ---- */

bool steer_describe(const struct steer *steer, struct steer_adoption *as)
{
	*as = (struct steer_adoption){
		.link_fd = steer->link_fd,
		.outputs_fd = steer->pins.fds[PIN_OUTPUTS],
		.tallies_fd = steer->pins.fds[PIN_TALLIES],
		.verdicts_fd = steer->pins.fds[PIN_VERDICTS],
	};
	for (unsigned int reason = 0; reason < XMC_REASONS; reason++)
		as->counted[reason] = 0 - steer->verdicts.before[reason];
	as->steered = steer->verdicts.steered;
	forwards_describe(steer->forwards, as->tally_fds);
	return !steer->external && steer->link_fd >= 0;
}

int steer_replace(struct steer *steer)
{
	int err = bpf_link_update(steer->link_fd, bpf_program__fd(xdp_program_bpf(&steer->program)),
				  NULL);

	if (!err)
		claim_program(steer);
	return err;
}

void steer_set_owner(struct steer *steer, bool owner)
{
	steer->shared = !owner;
}

void steer_settle(struct steer *steer)
{
	if (steer->program.shared_maps)
		forwards_drop_shared(steer->forwards);
	steer->program.shared_maps = false;
	if (steer->verdicts.adopted_fd >= 0)
		verdicts_settle(&steer->verdicts, !wait_for_packets(steer));
}

uint64_t steer_steered_before(const struct steer *steer)
{
	return steer->verdicts.steered;
}

void steer_subtract(struct steer *steer, uint64_t packets)
{
	steer->verdicts.before[XMC_STEERED] += packets;
}

void steer_set_carried(struct steer *steer, enum xmc_reason reason, uint64_t packets)
{
	steer->verdicts.before[reason] = 0 - packets;
}

void steer_detach(struct steer *steer)
{
	if (steer->external) {
		int err = pins_empty(&steer->pins);

		if (err)
			log_error("pins-not-emptied", LOG_ERROR(err));
		wait_for_packets(steer);
		return;
	}
	if (steer->link_fd < 0)
		return;
	/* Closing the link would detach as well, but at a time that the kernel chooses. */
	if (!steer->shared)
		bpf_link_detach(steer->link_fd);
	close(steer->link_fd);
	steer->link_fd = -1;
	if (steer->claim_fd >= 0)
		close(steer->claim_fd);
	steer->claim_fd = -1;
	wait_for_packets(steer);
}

int steer_verdicts(const struct steer *steer, uint64_t verdicts[XMC_REASONS])
{
	return verdicts_read(&steer->verdicts, steer->pins.fds[PIN_VERDICTS], verdicts);
}

int steer_try(struct steer *steer, int ifindex, unsigned int queue, const void *frame,
	      size_t length, struct trial_verdict *verdict)
{
	const struct trial_kind kind = {
		.full = steer->external ? !steer->program.no_forwards : steer->program.full != NULL,
		.frags = steer->program.frags,
		.pinned = steer->external,
	};
	int err = steer->trial ? 0 : steer->trial_refused;

	if (!err && !steer->trial)
		err = trial_open(&steer->trial, &steer->pins, &kind);
	/* A kernel that refuses the program refuses it again, and takes long to do so. */
	if (err == -EACCES || err == -EPERM || err == -EINVAL)
		steer->trial_refused = err;
	return err ? err : trial_run(steer->trial, ifindex, queue, frame, length, verdict);
}

const uint8_t *steer_tried_frame(const struct steer *steer)
{
	return trial_frame(steer->trial);
}

int steer_read_passed(const struct steer *steer, steer_passed_handler *handle, void *context)
{
	size_t cpus = (size_t)steer->verdicts.nr_cpus;
	struct xmc_passed *notes = calloc(PASSED_AT_ONCE * cpus, sizeof(*notes));
	__u32 places[PASSED_AT_ONCE], next = 0;
	bool begun = false;
	int err = notes ? 0 : -ENOMEM;

	while (!err) {
		__u32 count = PASSED_AT_ONCE;

		/* -ENOENT: these are the last. */
		err = bpf_map_lookup_batch(steer->pins.fds[PIN_PASSED], begun ? &next : NULL, &next,
					   places, notes, &count, NULL);
		begun = true;
		for (size_t i = 0; (!err || err == -ENOENT) && i < count * cpus; i++) {
			if (notes[i].packets)
				handle(context, &notes[i]);
		}
	}
	free(notes);
	return err == -ENOENT ? 0 : err;
}

bool steer_is_ours(uint32_t program_id)
{
	return claim_is_genuine(CLAIM_PROGRAM, program_id);
}
