/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/version.h"

/* The only file that is compiled again when only these change. */
const char xmc_version[] = XMC_VERSION;
const char xmc_revision[] = XMC_REVISION;
const char xmc_branch[] = XMC_BRANCH;
