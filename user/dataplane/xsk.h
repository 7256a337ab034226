/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * One RX queue's AF_XDP socket with its UMEM: the memory of all frames of one worker.
 *
 *     NIC/veth ──XDP steer──▶ XSK RX ring ──▶ ingress thread ──frame queue──▶ egress thread ──io_uring──▶ UDP sockets
 *                  │ no rule: XDP_PASS             │ wakes through eventfd,        │
 *                  ▼                               │ only if egress sleeps         │ last send of a frame completed
 *             kernel stack                         ▼                               ▼
 *                               UMEM (one per worker) ◀────────────── XSK fill ring
 *
 *     where a frame is              who owns it          how it leaves
 *     fill ring                     the kernel           a packet arrives: to the RX ring
 *     RX ring                       the ingress thread   it is queued, whether or not it will be sent
 *     frame queue                   the queue            the egress thread takes it
 *     feed (feed.h), of a datagram  the merger's thread  it is sent, dropped or copied: through the feed
 *     that is merged                                     to the egress thread, which returns it
 *     in flight, with a count       the egress thread    its last send completes (at once if it has no
 *     of unfinished sends                                output): to the fill ring
 *
 * fill + RX + queued + in flight = all frames, always; what the feed and the merger's thread have is
 * queued. The kernel may hold a frame between fill ring and RX ring (of a packet that it then
 * drops), so both count as one: a frame is the kernel's from xsk_return() until xsk_receive().
 * worker_stop() checks the sum; a build with XMC_DEBUG also asserts the owner of each frame at every
 * hand-over.
 *
 * Threads: xsk_receive() and xsk_wake_driver() are the ingress thread's, xsk_return() the egress
 * thread's (the fill ring has ONE producer), open and close the main thread's.
 *
 * Zero copy: a driver that found the fill ring empty stops until a system call wakes it, and says so
 * by a flag. xsk_return() looks at the flag, but the driver may set it just behind that look. So
 * the ingress thread looks as well while it has nothing to receive: poll(2) does so whenever it is
 * called, which for a sleeping thread is at least every other second, because worker_check() wakes
 * it; a thread that spins calls xsk_wake_driver().
 *
 * Source: Documentation/networking/af_xdp.rst. Needs CAP_NET_RAW, and CAP_IPC_LOCK or a memlock
 * limit as large as the UMEM.
 */
/* clang-format on */
#ifndef XMCAST_DATAPLANE_XSK_H
#define XMCAST_DATAPLANE_XSK_H

#include <linux/if_xdp.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"

struct xsk;

struct xsk_options {
	const char *iface; /* at most 15 bytes */
	unsigned int queue;
	unsigned int frames;  /* power of two */
	unsigned int mtu;     /* of the interface: how large its packets are */
	unsigned int rx_ring; /* entries, power of two; 0: as many as frames */
	bool copy;	      /* never zero copy: the interface is in skb mode, for example */
	bool fail_if_busy;    /* report -EBUSY at once: the caller retries */
};

/* Ethernet header and two VLAN tags; the MTU is about the IP packet behind them. */
#define XSK_LINK_OVERHEAD 22

/* Most frames of one packet: enough for an MTU of 9,000 in the smallest buffers that zero-copy
 * drivers make of a frame, 2,048 bytes. */
#define XSK_MAX_PIECES 5

/* A received packet, or a piece of it: its frame, and where it lies in there. */
struct xsk_frame {
	uint32_t index;
	uint16_t offset; /* of the first byte from the frame's */
	uint16_t length;
	bool more; /* the packet continues in the next frame of the RX ring */
};

/* Packets that the kernel dropped on this socket (XDP_STATISTICS). In copy mode an empty fill ring
 * counts in both rx_dropped and fill_ring_empty: the two must not be added up. */
struct xsk_drops {
	uint64_t rx_dropped;
	uint64_t rx_ring_full;
	uint64_t fill_ring_empty;
};

/* Bytes per frame for an interface with this MTU: 2048, or 4096, which is a page and the most. With
 * zero copy it is always 4096, because drivers round the room down and split what does not fit it:
 * igb makes 1,024 bytes of 2,048. */
unsigned int xsk_frame_size(unsigned int mtu);

/* Are there packets that no frame can hold? Then the XDP program has to accept packets in several
 * buffers, and the socket receives them in several frames if the kernel can do that (Linux 6.6). */
bool xsk_is_jumbo(unsigned int mtu);

/* Does the socket receive packets in several frames? */
bool xsk_has_pieces(const struct xsk *xsk);

/* Bytes, from the Ethernet header on, of the largest packet that the socket can receive. */
uint32_t xsk_capacity(const struct xsk *xsk);

/*
 * Allocate the UMEM, bind a socket to the queue, hand every frame to the kernel. A queue may answer
 * EBUSY for some tens of milliseconds after another process has released it: retried for some
 * seconds unless `fail_if_busy`. 0; -EBUSY: another socket has the queue; -EPERM; -ENOMEM,
 * -ENOBUFS: memory or memlock limit.
 */
int xsk_open(struct xsk **out, const struct xsk_options *options);
void xsk_close(struct xsk *xsk); /* accepts NULL */

/* Close the socket, which no thread uses any more, so that another process can have the queue. What
 * it has counted can still be read, and nothing else be done. */
void xsk_release(struct xsk *xsk);

/* ---- from one process to the next ---- */

/* What another process needs to go on with a socket. The descriptors are borrowed. They are -1 if
 * the kernel does not let another process map the rings (before Linux 6.4): then the socket must
 * not outlive its process, because it would keep the queue busy. */
struct xsk_adoption {
	int socket_fd;
	int frames_fd; /* memory_file.h */
	int record_fd; /* frame_record.h */
	unsigned int frames;
	unsigned int frame_size;
	unsigned int rx_ring;
	bool pieces; /* xsk_has_pieces() */
};

void xsk_describe(const struct xsk *xsk, struct xsk_adoption *as);

/* Does the kernel let another process map the rings? */
bool xsk_can_be_adopted(const struct xsk *xsk);

/*
 * Map the rings and frames of a bound socket that another process uses or has used: nothing is
 * changed before xsk_resume(). 0; -EOPNOTSUPP: the kernel cannot do that; -EINVAL: a descriptor is
 * not what it should be; -ENODEV: the socket's interface is gone; -errno.
 */
int xsk_adopt(struct xsk **out, const struct xsk_adoption *from);

/* Go on where the last user of the socket has stopped, which no thread is any more: this or another
 * process. Frames that it had taken out of the RX ring and not returned are returned now. */
void xsk_resume(struct xsk *xsk);

/* Frames that the users of an adopted socket before us have taken out of the RX ring, modulo 2^32.
 */
uint32_t xsk_taken_before(const struct xsk *xsk);

/* Frames that another process has taken out of the RX ring between the last pause here and
 * xsk_resume(). */
uint32_t xsk_taken_meanwhile(const struct xsk *xsk);

/* Frames that were in a process when it was killed: their packets were sent, or lost. */
uint64_t xsk_uncertain(const struct xsk *xsk);

int xsk_fd(const struct xsk *xsk);
bool xsk_zero_copy(const struct xsk *xsk);
bool xsk_huge_pages(const struct xsk *xsk);
size_t xsk_memory_size(const struct xsk *xsk);
unsigned int xsk_frames(const struct xsk *xsk);

/* First byte of a frame. */
uint8_t *xsk_frame(const struct xsk *xsk, uint32_t index);

/* Ingress: take up to `max` frames out of the RX ring; the caller owns them now. The kernel puts
 * all frames of a packet there or none, but `max` may be reached between them. */
unsigned int xsk_receive(struct xsk *xsk, struct xsk_frame *frames, unsigned int max);

/* Ingress: wake a zero-copy driver that waits for it. Costs a load unless there is one. */
void xsk_wake_driver(const struct xsk *xsk);

/* Egress: return frames, by index, to the kernel. Never blocks and never fails: the fill ring has
 * room for all frames. */
void xsk_return(struct xsk *xsk, const uint32_t *frames, unsigned int count);

/* A frame changes its owner between the threads; an assertion in a debug build, otherwise nothing.
 */
enum xsk_owner { OWNER_KERNEL, OWNER_INGRESS, OWNER_QUEUE, OWNER_EGRESS };
#ifdef XMC_DEBUG
void xsk_hand_over(struct xsk *xsk, uint32_t frame, enum xsk_owner from, enum xsk_owner to);
#else
static inline void xsk_hand_over(struct xsk *xsk, uint32_t frame, enum xsk_owner from,
				 enum xsk_owner to)
{
}
#endif

/* Main thread: has the interface been unregistered or moved to another network namespace since the
 * socket was bound? True only once per event. Such a socket never receives again, even if the
 * interface returns. */
bool xsk_has_lost_device(const struct xsk *xsk);

/* Any thread: frames that the kernel has now (in the fill ring, in the RX ring, or held). */
uint64_t xsk_kernel_frames(const struct xsk *xsk);

/* Any thread: frames that wait in the RX ring. */
uint32_t xsk_waiting(const struct xsk *xsk);

/* Any thread. 0 or -errno. */
int xsk_read_drops(const struct xsk *xsk, struct xsk_drops *drops);

#endif
