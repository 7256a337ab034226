/* SPDX-License-Identifier: BSD-2-Clause */
/* For fuzz targets: requirements that hold for any input, and numbers in it. */
#ifndef XMCAST_TESTS_FUZZ_MUST_H
#define XMCAST_TESTS_FUZZ_MUST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Not assert(), which NDEBUG removes. */
static inline void must(bool holds)
{
	if (!holds)
		abort();
}

/* In host order, at any alignment. */
static inline uint32_t read32(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

static inline uint16_t read16(const uint8_t *data)
{
	uint16_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

#endif
