/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/version.h"

/* The only file that is compiled again when only the version changes. */
const char xmc_version[] = XMC_VERSION;
