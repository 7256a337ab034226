/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `xmcastctl complete WORD…`: what the last word may become, one candidate a line, read from the
 * tables that the commands themselves use; the shell's completion calls it. "<file>" alone asks the
 * shell for file names. Silent, and quick if the daemon is away.
 */
#ifndef XMCAST_CTL_COMPLETE_H
#define XMCAST_CTL_COMPLETE_H

#include "ctl/ctl.h"

int complete_run(struct ctl *ctl, char **words, int count);

#endif
