/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/rights.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>

#include "base/log.h"

static bool has(unsigned int capability)
{
	return capng_have_capability(CAPNG_EFFECTIVE, capability);
}

int rights_check(void)
{
	static const struct {
		unsigned int capability;
		const char *name;
		const char *what;
	} needed[] = {
		{CAP_NET_ADMIN, "CAP_NET_ADMIN", "to attach an XDP program"},
		{CAP_NET_RAW, "CAP_NET_RAW", "to open AF_XDP sockets"},
		{CAP_BPF, "CAP_BPF", "to load the XDP program"},
	};
	int result = 0;

	if (capng_get_caps_process())
		return 0; /* then the first call that lacks a right says so */
	for (unsigned int i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (has(needed[i].capability) ||
		    (needed[i].capability == CAP_BPF && has(CAP_SYS_ADMIN)))
			continue;
		log_error("permission-missing capability=%s reason=\"%s\" hint=\"run as root, or "
			  "with cap_net_admin,cap_net_raw,cap_bpf,cap_ipc_lock\"",
			  needed[i].name, needed[i].what);
		result = -EPERM;
	}
	return result;
}
