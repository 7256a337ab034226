/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdicts of a steering program: how many packets it has met, by reason, on all CPUs, as this
 * process counts them: without what an external program had counted before, and with what
 * predecessors have counted, whose last map is read once more when their program has ended. Main
 * thread.
 */
#ifndef XMCAST_STEERING_VERDICTS_H
#define XMCAST_STEERING_VERDICTS_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

/* Starts as all zero, but `adopted_fd`, which is -1. */
struct verdicts {
	/* What the external program had counted before; less what other processes have counted. */
	uint64_t before[XMC_REASONS];
	uint64_t steered; /* see steer_steered_before() */
	int adopted_fd;	  /* the map of a predecessor; -1: none */
	uint64_t adopted_counts[XMC_REASONS];
	int nr_cpus;
	uint64_t *per_cpu; /* scratch for reading one verdict */
};

/* 0 or -errno; verdicts_close() also if it fails. */
int verdicts_open(struct verdicts *verdicts);
void verdicts_close(struct verdicts *verdicts);

/* Those of a predecessor, as in struct steer_adoption. Its map is not used if it is none for these
 * reasons. */
void verdicts_adopt(struct verdicts *verdicts, int fd, const uint64_t counted[XMC_REASONS],
		    uint64_t steered);

/* Read the adopted map for the last time, if it is `final`, and close it. */
void verdicts_settle(struct verdicts *verdicts, bool final);

/* Read the map of our program. 0 or -errno. */
int verdicts_read(const struct verdicts *verdicts, int fd, uint64_t counts[XMC_REASONS]);

#endif
