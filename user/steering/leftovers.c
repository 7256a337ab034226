/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/leftovers.h"

#include <errno.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "steering/pins.h"
#include "steering/steer.h"

/* The libraries print nothing: errors are in the result. */
static int print_libxdp(enum libxdp_print_level level, const char *format, va_list args)
{
	return 0;
}

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static bool is_steering(const struct xdp_program *program)
{
	const char *name = program ? xdp_program__name(program) : NULL;

	return name && strcmp(name, STEER_PROGRAM_NAME) == 0;
}

/* The first steering program among those in the dispatcher, or the only program. */
static struct xdp_program *find(const struct xdp_multiprog *all)
{
	struct xdp_program *program = NULL;

	if (xdp_multiprog__is_legacy(all)) {
		program = xdp_multiprog__main_prog(all);
		return is_steering(program) ? program : NULL;
	}
	do
		program = xdp_multiprog__next_prog(program, all);
	while (program && !is_steering(program));
	return program;
}

/* 1: one was detached; 0: there is none; -errno. */
static int detach_one(int ifindex, struct leftovers *done)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program;
	int err = (int)libxdp_get_error(all);

	if (err)
		return err == -ENOENT ? 0 : err;
	program = find(all);
	if (program) {
		uint32_t id = xdp_program__id(program);

		err = xdp_program__detach(program, ifindex, xdp_multiprog__attach_mode(all), 0);
		if (!err)
			done->programs[done->nr_programs++] = id;
	}
	xdp_multiprog__close(all);
	return err ? err : program != NULL;
}

int leftovers_detach(const char *iface, struct leftovers *done)
{
	unsigned int ifindex = if_nametoindex(iface);
	int found = 1;

	if (!ifindex)
		return -ENODEV;
	libxdp_set_print(print_libxdp);
	libbpf_set_print(print_libbpf);
	while (found > 0 && done->nr_programs < LEFTOVERS_MAX)
		found = detach_one((int)ifindex, done);
	/* The kernel's answers if a bpf_link is attached. */
	if (found == -EINVAL || found == -EBUSY)
		return -EBUSY;
	return found < 0 ? found : 0;
}

int leftovers_unpin(const char *directory, struct leftovers *done)
{
	struct statfs status;

	if (statfs(directory, &status))
		return errno == ENOENT ? 0 : -errno;
	if (status.f_type != BPF_FS_MAGIC)
		return -EINVAL;
	for (enum pin pin = 0; pin < NR_PINS; pin++) {
		char path[PINS_PATH_SIZE + 16];

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, pin_names[pin]) >=
		    sizeof(path))
			return -ENAMETOOLONG;
		if (unlink(path) == 0)
			done->pins++;
		else if (errno != ENOENT)
			return -errno;
	}
	if (rmdir(directory) && errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	return 0;
}
