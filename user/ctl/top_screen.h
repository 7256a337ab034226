/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal of `top`, through ncurses: it knows terminals, their keys and the shortest way from
 * one picture to the next, on slow lines too; our own sequences would know xterm. Only this module
 * includes it, for its macros have names such as `clear` and `move`.
 *
 * One per process: while it is open the terminal is not as it was. top_screen_close() puts it back,
 * and so does, as well as it can, a handler of the signals that crash a program.
 */
#ifndef XMCAST_CTL_TOP_SCREEN_H
#define XMCAST_CTL_TOP_SCREEN_H

#include <stdbool.h>

#include "ctl/top_view.h"

/* 0; -ENOTTY: stdin or stdout is no terminal, or one of a kind that is not known. */
int top_screen_open(bool colour);
void top_screen_close(void); /* also if it is not open */

/* The size of the terminal, now: to be called at first and after SIGWINCH. */
void top_screen_size(unsigned int *rows, unsigned int *columns);

void top_screen_draw(const struct top_frame *frame);

/* The next key that was pressed, as top_view_key() takes it; -1: none. */
int top_screen_key(void);

#endif
