/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* PINNED, for each map that the steering program of a daemon shares with user space. xmcast.bpf.o
 * is for xdp-loader, which pins the maps. The daemon's own maps are not pinned. */
#ifndef XMCAST_PINNED_H
#define XMCAST_PINNED_H

#ifdef XMC_PINNED
#define PINNED __uint(pinning, LIBBPF_PIN_BY_NAME)
#else
#define PINNED __uint(pinning, LIBBPF_PIN_NONE)
#endif

#endif
