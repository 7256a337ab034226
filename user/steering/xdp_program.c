/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_STEERING
#include "steering/xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "steer.skel.h"
#include "steer_user.skel.h"

const struct bpf_program *xdp_program_bpf(const struct xdp_program *program)
{
	if (program->full)
		return program->full->progs.xmcast_steer;
	return program->user ? program->user->progs.xmcast_steer_user : NULL;
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

/* The tracepoints, by which transmits.c counts what devices drop, need it. So does the program of
 * the kernel path: without it, the verifier refuses packet pointers with a variable offset. */
const char *xdp_program_missing_right(void)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON) ||
			       capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN)
		       ? NULL
		       : "CAP_PERFMON is missing";
}

static void take_maps(struct pins *pins, const struct bpf_object *object)
{
	for (enum pin pin = 0; pin < NR_PINS; pin++) {
		int fd = bpf_object__find_map_fd_by_name(object, pin_names[pin]);

		pins->fds[pin] = fd < 0 ? -1 : fd;
	}
}

static int accept_frags(struct bpf_program *bpf)
{
	return bpf_program__set_flags(bpf, bpf_program__flags(bpf) | BPF_F_XDP_HAS_FRAGS);
}

static int load_user(struct xdp_program *program, bool frags, struct pins *pins)
{
	int err;

	program->user = steer_user_bpf__open();
	if (!program->user)
		return -errno;
	err = frags ? accept_frags(program->user->progs.xmcast_steer_user) : 0;
	if (!err)
		err = steer_user_bpf__load(program->user);
	if (err)
		return err;
	take_maps(pins, program->user->obj);
	return 0;
}

static int load_full(struct xdp_program *program, bool frags, const struct xdp_program_maps *from,
		     bool can_capture, struct pins *pins)
{
	int err;

	program->full = steer_bpf__open();
	if (!program->full)
		return -errno;
	program->full->rodata->frags = frags;
	program->full->rodata->can_capture = can_capture;
	err = frags ? accept_frags(program->full->progs.xmcast_steer) : 0;
	if (!err && from)
		err = bpf_map__reuse_fd(program->full->maps.outputs, from->outputs_fd);
	if (!err && from)
		err = bpf_map__reuse_fd(program->full->maps.tallies, from->tallies_fd);
	if (!err)
		err = steer_bpf__load(program->full);
	if (err) {
		steer_bpf__destroy(program->full);
		program->full = NULL;
		return err;
	}
	program->shared_maps = from != NULL;
	take_maps(pins, program->full->obj);
	if (can_capture) {
		pins->captures_fd = bpf_map__fd(program->full->maps.captures);
		pins->capture_tallies_fd = bpf_map__fd(program->full->maps.capture_tallies);
	}
	return 0;
}

/* Maps of another version do not fit. Then a few packets that are on their way when the program is
 * replaced may get the wrong headers or be dropped, and only if they have several outputs. */
static int load_both_paths(struct xdp_program *program, bool frags,
			   const struct xdp_program_maps *from, bool can_capture, struct pins *pins)
{
	int err = from && from->outputs_fd >= 0 ? load_full(program, frags, from, can_capture, pins)
						: -ENOENT;

	return err ? load_full(program, frags, NULL, can_capture, pins) : 0;
}

/* The verifiers of some kernels refuse the program with captures, which takes them about as long as
 * to accept it: it is tried once. */
static int load_with_captures(struct xdp_program *program, bool frags,
			      const struct xdp_program_maps *from, struct pins *pins)
{
	static bool refused;
	int err = refused ? -E2BIG : load_both_paths(program, frags, from, true, pins);

	if (!err || err == -ENOMEM)
		return err;
	err = load_both_paths(program, frags, from, false, pins);
	if (!err && !refused)
		log_info("no-kernel-captures", LOG_TEXT("reason", "the kernel's verifier refuses "
								  "the XDP program with captures"));
	refused |= !err;
	return err;
}

int xdp_program_load(struct xdp_program *program, bool frags, const struct xdp_program_maps *from,
		     struct pins *pins)
{
	int err;

	libbpf_set_print(log_libbpf);
	program->frags = frags;
	program->no_forwards = xdp_program_missing_right();
	err = program->no_forwards ? load_user(program, frags, pins)
				   : load_with_captures(program, frags, from, pins);
	if (err && err != -ENOMEM && !program->no_forwards) {
		program->no_forwards = "the kernel refuses the XDP program: xmcastd -d shows more";
		err = load_user(program, frags, pins);
	}
	return err;
}

bool xdp_program_describe_tap(const struct xdp_program *program, struct tap_maps *maps)
{
	if (!program->full)
		return false;
	maps->order = &program->full->bss->capture_order;
	maps->captures_fd = bpf_map__fd(program->full->maps.captures);
	maps->tallies_fd = bpf_map__fd(program->full->maps.capture_tallies);
	return true;
}

void xdp_program_unload(struct xdp_program *program)
{
	steer_bpf__destroy(program->full);
	steer_user_bpf__destroy(program->user);
}
