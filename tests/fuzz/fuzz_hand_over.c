// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on what another process hands over: any text as the manifest (relay/inheritance.h),
 * with descriptors that are what they should be, of other kinds, or closed. What can be found in it
 * must be in bounds, and no descriptor of the caller's is closed.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/log.h"
#include "relay/inheritance.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FDS 4

static void open_fds(int fds[FDS])
{
	if (fds[0])
		return;
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	fds[2] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	fds[3] = -1;
}

static void look_up(struct inheritance *inheritance)
{
	unsigned int memberships;
	const struct membership_held *list = inheritance_memberships(inheritance, &memberships);
	const struct config *config = inheritance_config(inheritance);
	uint64_t id, since;

	for (unsigned int i = 0; i < memberships; i++)
		must(list[i].what.ifindex > 0);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		inheritance_rule(inheritance, config->rules[i].name, &id, &since);
		inheritance_stream(inheritance, config->rules[i].name);
	}
	must(strlen(inheritance_version(inheritance)) < 64);
	inheritance_steering(inheritance, 1);
	inheritance_socket(inheritance, "in0", 0);
	inheritance_transmits(inheritance);
	inheritance_forget_counters(inheritance);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_config silent;
	static int fds[FDS];
	struct inheritance *inheritance;
	char reason[REASON_SIZE] = "";
	json_t *manifest;

	log_configure(&silent);
	open_fds(fds);
	if (json_text_read(&manifest, (const char *)data, size, 0, NULL))
		return 0;
	if (inheritance_new(&inheritance, manifest, fds, FDS, reason)) {
		must(*reason);
	} else {
		look_up(inheritance);
		inheritance_free(inheritance);
	}
	for (unsigned int i = 0; i < 3; i++)
		must(fcntl(fds[i], F_GETFD) >= 0);
	json_decref(manifest);
	return 0;
}
