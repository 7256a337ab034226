/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cut hands a stream over between two hosts at one of its datagrams: the old host sends those
 * before the number, the new one the others. Both hold the lease meanwhile and compare alike, so
 * each datagram is sent by exactly one of them, whatever their clocks say.
 *
 * Numbers are compared as serial numbers (RFC 1982): of 16 bits, the 32,768 in front of the cut are
 * before it. A datagram that is too short for a number is not before it, on either host.
 *
 * The main thread sets it, the egress threads read it.
 */
#ifndef XMCAST_DATAPLANE_CUT_H
#define XMCAST_DATAPLANE_CUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum cut_side {
	CUT_NONE,
	CUT_FROM,  /* the numbers before it are another host's, until `from_ns` */
	CUT_UNTIL, /* it and those behind it are */
	CUT_ALL,   /* the number is not known: all are another host's, until `from_ns` */
};

struct cut {
	_Atomic uint64_t word; /* the side in the upper half, the number in the lower */
	_Atomic uint64_t
		from_ns; /* CLOCK_MONOTONIC; but for CUT_UNTIL, all are ours from then on */
};

/* Half of it withholds too much rather than too little. */
static inline void cut_set(struct cut *cut, enum cut_side side, uint32_t number, uint64_t from_ns)
{
	atomic_store(&cut->from_ns, UINT64_MAX);
	atomic_store(&cut->word, (uint64_t)side << 32 | number);
	atomic_store(&cut->from_ns, from_ns);
}

static inline bool cut_is(const struct cut *cut, enum cut_side side, uint32_t number,
			  uint64_t from_ns)
{
	return atomic_load(&cut->word) == ((uint64_t)side << 32 | number) &&
	       atomic_load(&cut->from_ns) == from_ns;
}

static inline void cut_copy(struct cut *cut, const struct cut *from)
{
	uint64_t word = atomic_load(&from->word);

	cut_set(cut, (enum cut_side)(word >> 32), (uint32_t)word, atomic_load(&from->from_ns));
}

static inline enum cut_side cut_side(const struct cut *cut)
{
	return (enum cut_side)(atomic_load_explicit(&cut->word, memory_order_acquire) >> 32);
}

static inline uint32_t cut_number(const struct cut *cut)
{
	return (uint32_t)atomic_load_explicit(&cut->word, memory_order_relaxed);
}

/* Read the number of a datagram, in network order. False: it is too short. */
static inline bool sequence_read(const uint8_t *payload, uint32_t length, unsigned int offset,
				 unsigned int bits, uint32_t *number)
{
	if (length < offset + bits / 8)
		return false;
	*number = 0;
	for (unsigned int i = 0; i < bits / 8; i++)
		*number = *number << 8 | payload[offset + i];
	return true;
}

/* Is a datagram another host's? `has_number`: it has this number, of `bits` bits. */
static inline bool cut_withholds(const struct cut *cut, bool has_number, uint32_t number,
				 unsigned int bits, uint64_t now_ns)
{
	uint64_t word = atomic_load_explicit(&cut->word, memory_order_acquire);
	bool before = has_number && (int32_t)((number - (uint32_t)word) << (32 - bits)) < 0;

	switch (word >> 32) {
	case CUT_FROM:
		return before && now_ns < atomic_load_explicit(&cut->from_ns, memory_order_relaxed);
	case CUT_UNTIL:
		return !before;
	case CUT_ALL:
		return now_ns < atomic_load_explicit(&cut->from_ns, memory_order_relaxed);
	default:
		return false;
	}
}

#endif
