/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two network namespaces of our own for a test of user/links:
 *
 *     here                                           peer
 *     out0  10.1.0.1/24, 10.1.0.9/24,  ── veth ──    peer0  10.1.0.2/24, fd01::2/64, fe80::2/64,
 *           fd01::1/64, fe80::1/64, OUT_MAC                 PEER_MAC
 *     bare0 (no address)               ── veth ──    bare1 (here as well, down)
 *
 * Routes and neighbours stay until the program ends.
 */
#ifndef XMCAST_TESTS_LINK_BED_H
#define XMCAST_TESTS_LINK_BED_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "../bpf/require.h"

#define OUT_MAC	 "02:00:00:00:00:01"
#define PEER_MAC "02:00:00:00:00:02"

static int bed_here = -1, bed_peer = -1;

/* Run a command of the shell. */
static inline void bed_run(const char *command)
{
	if (system(command) == 0)
		return;
	fail_msg("command failed: %s", command);
}

static inline void bed_run_at_peer(const char *command)
{
	assert_int_equal(setns(bed_peer, CLONE_NEWNET), 0);
	bed_run(command);
	assert_int_equal(setns(bed_here, CLONE_NEWNET), 0);
}

static inline int bed_open_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		return -1;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* The kernel makes IPv6 addresses usable in the background, some time after the link is up. */
static inline void bed_wait_for_addresses(const char *address, const char *link_local)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "for i in $(seq 200); do set -- $(ip -6 route show table local | "
		 "grep -cwE 'local (%s|%s)'); [ $1 = 2 ] && exit; sleep 0.05; done; exit 1",
		 address, link_local);
	bed_run(command);
}

/* IPv6 addresses without duplicate address detection, so that they can be used at once. Before
 * the first test; false: this process may not make namespaces (then return EXIT_SKIPPED). */
static inline bool bed_open(void)
{
	char command[128];

	bed_peer = bed_open_namespace();
	bed_here = bed_peer < 0 ? -1 : bed_open_namespace();
	if (bed_here < 0) {
		fprintf(stderr, "SKIP: no network namespace: %s\n", strerror(errno));
		return false;
	}
	bed_run("ip link set lo up");
	bed_run("ip link add out0 address " OUT_MAC " type veth peer name peer0");
	snprintf(command, sizeof(command), "ip link set peer0 netns /proc/%d/fd/%d", getpid(),
		 bed_peer);
	bed_run(command);
	bed_run("ip link add bare0 type veth peer name bare1");
	bed_run("ip link set bare0 addrgenmode none");
	bed_run("ip link set out0 addrgenmode none");
	bed_run("ip address add 10.1.0.1/24 broadcast 10.1.0.255 dev out0");
	bed_run("ip address add 10.1.0.9/24 dev out0");
	bed_run("ip address add fd01::1/64 dev out0 nodad");
	bed_run("ip address add fe80::1/64 dev out0 nodad");
	bed_run_at_peer("ip link set peer0 addrgenmode none");
	bed_run_at_peer("ip link set peer0 address " PEER_MAC);
	bed_run_at_peer("ip address add 10.1.0.2/24 dev peer0");
	bed_run_at_peer("ip address add fd01::2/64 dev peer0 nodad");
	bed_run_at_peer("ip address add fe80::2/64 dev peer0 nodad");
	bed_run_at_peer("ip link set peer0 up");
	bed_run("ip link set out0 up");
	bed_run("ip link set bare0 up");
	bed_wait_for_addresses("fd01::1", "fe80::1");
	assert_int_equal(setns(bed_peer, CLONE_NEWNET), 0);
	bed_wait_for_addresses("fd01::2", "fe80::2");
	assert_int_equal(setns(bed_here, CLONE_NEWNET), 0);
	return true;
}

static inline void bed_close(void)
{
	close(bed_here);
	close(bed_peer);
}

#endif
