/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/trial.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "steer.skel.h"

struct trial {
	struct steer_bpf *full;
	int program_fd;
	int notes_fd;
	uint8_t frame[TRIAL_FRAME_MAX];
};

static int share_maps(struct bpf_object *object, const struct pins *pins)
{
	int err = 0;

	for (enum pin pin = 0; !err && pin < NR_PINS; pin++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, pin_names[pin]);

		if (map && pins->fds[pin] >= 0)
			err = bpf_map__reuse_fd(map, pins->fds[pin]);
	}
	return err;
}

static int accept_frags(struct bpf_program *program, bool frags)
{
	if (!frags)
		return 0;
	return bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);
}

static int load_full(struct trial *trial, const struct pins *pins, const struct trial_kind *kind)
{
	int err;

	trial->full = steer_bpf__open();
	if (!trial->full)
		return -errno;
	trial->full->rodata->trial = true;
	trial->full->rodata->trial_pinned = kind->pinned;
	trial->full->rodata->frags = kind->frags;
	err = share_maps(trial->full->obj, pins);
	if (!err)
		err = accept_frags(trial->full->progs.xmcast_steer, kind->frags);
	if (!err)
		err = steer_bpf__load(trial->full);
	if (err)
		return err;
	trial->program_fd = bpf_program__fd(trial->full->progs.xmcast_steer);
	trial->notes_fd = bpf_map__fd(trial->full->maps.trials);
	return 0;
}

int trial_open(struct trial **out, const struct pins *pins, const struct trial_kind *kind)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	int err;

	if (!trial)
		return -ENOMEM;
	err = kind->full ? load_full(trial, pins, kind) : -EOPNOTSUPP;
	if (err)
		trial_close(trial);
	else
		*out = trial;
	return err;
}

void trial_close(struct trial *trial)
{
	if (!trial)
		return;
	steer_bpf__destroy(trial->full);
	free(trial);
}

int trial_run(struct trial *trial, int ifindex, unsigned int queue, const void *frame,
	      size_t length, struct trial_verdict *verdict)
{
	struct xdp_md context = {.data_end = (__u32)length,
				 .ingress_ifindex = (__u32)ifindex,
				 .rx_queue_index = queue};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (__u32)length,
		    .data_out = trial->frame, .data_size_out = sizeof(trial->frame),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	struct xmc_trial notes = {.reason = XMC_REASONS};
	__u32 first = 0;
	int err;

	if (length < TRIAL_FRAME_MIN || length > TRIAL_FRAME_MAX)
		return -EINVAL;
	err = bpf_map_update_elem(trial->notes_fd, &first, &notes, BPF_ANY);
	if (!err)
		err = bpf_prog_test_run_opts(trial->program_fd, &options);
	if (!err)
		err = bpf_map_lookup_elem(trial->notes_fd, &first, &notes);
	if (err)
		return err;
	*verdict = (struct trial_verdict){
		.reason = (enum xmc_reason)notes.reason,
		.action = options.retval,
		.found = notes.found,
		.key = notes.key,
		.too_large = notes.tally.too_large,
		.expired = notes.tally.ttl_expired,
		.length = options.data_size_out,
	};
	return 0;
}

const uint8_t *trial_frame(const struct trial *trial)
{
	return trial->frame;
}
