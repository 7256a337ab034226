/* SPDX-License-Identifier: BSD-2-Clause */
/* The words that settings choose from: one list for reading and for writing. Pure; any thread. */
#ifndef XMCAST_RULES_CHOICES_H
#define XMCAST_RULES_CHOICES_H

#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct choice {
	const char *name;
	unsigned int value;
};

extern const struct choice iface_modes[3];    /* enum iface_mode */
extern const struct choice iface_attaches[3]; /* enum iface_attach */
extern const struct choice lost_programs[2];  /* enum lost_program */
extern const struct choice egress_engines[2]; /* enum egress_engine */
extern const struct choice egress_wakeups[3]; /* enum egress_wakeup */
extern const struct choice log_targets[3];    /* enum log_target */
extern const struct choice log_formats[2];    /* log_config.json */

/* The name of a value that is in the list; constant text. */
const char *choice_name(const struct choice *choices, size_t count, unsigned int value);

#endif
