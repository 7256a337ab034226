// SPDX-License-Identifier: BSD-2-Clause
/*
 * xmcast-bench-redirect IN OUT: redirect every packet that arrives on IN to OUT, unchanged, until
 * SIGINT or SIGTERM. An upper bound for the kernel path: the ratio of the two is the cost of
 * finding the rule, rewriting the headers and counting. Prints "ready" on stderr.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "redirect.skel.h"

static int fail(const char *what, int error)
{
	fprintf(stderr, "xmcast-bench-redirect: %s: %s\n", what, strerror(error));
	return error == EPERM || error == EACCES ? EXIT_NO_PERMISSION : EXIT_FAILED;
}

/* Attach by a link, which disappears with the process, and wait for a signal. */
static int run(struct redirect_bpf *bpf, unsigned int in, unsigned int out)
{
	LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
	__u32 first = 0;
	sigset_t set;
	int link, received;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (bpf_map_update_elem(bpf_map__fd(bpf->maps.device), &first, &out, BPF_ANY))
		return fail("adding the device", errno);
	link = bpf_link_create(bpf_program__fd(bpf->progs.redirect), (int)in, BPF_XDP, &native);
	if (link < 0)
		return fail("attaching the XDP program", -link);
	fputs("ready\n", stderr);
	sigwait(&set, &received);
	close(link);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct redirect_bpf *bpf;
	unsigned int in, out;
	int status;

	if (argc != 3) {
		fputs("Usage: xmcast-bench-redirect IN OUT\n", stderr);
		return EXIT_USAGE;
	}
	in = if_nametoindex(argv[1]);
	out = if_nametoindex(argv[2]);
	if (!in || !out)
		return fail(argv[in ? 2 : 1], ENODEV);
	bpf = redirect_bpf__open_and_load();
	if (!bpf)
		return fail("loading the XDP program", errno);
	status = run(bpf, in, out);
	redirect_bpf__destroy(bpf);
	return status;
}
