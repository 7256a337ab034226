/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/choices.h"

#include "rules/config.h"

const struct choice iface_attaches[3] = {
	{"auto", IFACE_ATTACH_AUTO},
	{"own", IFACE_ATTACH_OWN},
	{"external", IFACE_ATTACH_EXTERNAL},
};

const struct choice lost_programs[2] = {
	{"reattach", LOST_PROGRAM_REATTACH},
	{"leave", LOST_PROGRAM_LEAVE},
};

const struct choice iface_modes[3] = {
	{"auto", IFACE_MODE_AUTO},
	{"native", IFACE_MODE_NATIVE},
	{"skb", IFACE_MODE_SKB},
};

const struct choice egress_engines[2] = {
	{"io_uring", ENGINE_IO_URING},
	{"sendmmsg", ENGINE_SENDMMSG},
};

const struct choice egress_wakeups[3] = {
	{"eventfd", WAKEUP_EVENTFD},
	{"hybrid", WAKEUP_HYBRID},
	{"spin", WAKEUP_SPIN},
};

const struct choice log_targets[3] = {
	{"auto", LOG_TARGET_AUTO},
	{"stderr", LOG_TARGET_STDERR},
	{"syslog", LOG_TARGET_SYSLOG},
};

const struct choice log_formats[2] = {
	{"text", 0},
	{"json", 1},
};

const char *choice_name(const struct choice *choices, size_t count, unsigned int value)
{
	size_t i = 0;

	while (i + 1 < count && choices[i].value != value)
		i++;
	return choices[i].name;
}
