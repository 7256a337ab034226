/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets through real devices: the steering program is attached to in0, and a test looks at the
 * frames that come out of the outputs. */
#ifndef XMCAST_TESTS_FORWARD_CASE_H
#define XMCAST_TESTS_FORWARD_CASE_H

#include "forward_env.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SOURCE	     "10.9.9.9"
#define GROUP	     "239.1.1.1"
#define SOURCE6	     "2001:db8::9"
#define GROUP6	     "ff3e::1"
#define PORT	     5000

extern enum iface_mode attached;

void attach(enum iface_mode mode);

/* With its socket, which detaching does not remove. */
void detach(void);

/* Run a command of the shell. */
void set(const char *command);

/* The next frame that comes out of the device is this packet with these headers. */
void expect_frame(unsigned int device, const struct packet *sent, const struct xmc_output *header);
void expect_nothing(unsigned int device);

/* One output to a group and port of its own on each device, mixed, `count` of them. */
void make_outputs(struct forward_output *outputs, unsigned int count, bool ipv6);

#endif
