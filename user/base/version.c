/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/version.h"

/* The one file that is compiled anew when only the version changes. */
const char xmc_version[] = XMC_VERSION;
