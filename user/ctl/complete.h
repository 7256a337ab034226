/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `xmcastctl complete WORD…`: print what the last word may become, one candidate per line, from the
 * tables that the commands themselves use. The shell's completion calls it. The single line
 * "<file>" asks the shell for file names. Prints no errors, and gives up quickly if the daemon does
 * not answer.
 */
#ifndef XMCAST_CTL_COMPLETE_H
#define XMCAST_CTL_COMPLETE_H

#include "ctl/ctl.h"

/* words[-1] is "complete". Returns an exit code. */
int complete_run(struct ctl *ctl, char **words, int count);

#endif
