/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal of `top`, by ncurses, which knows all terminals, their keys and the shortest way
 * from one picture to the next. Only this module includes it, because its macros have names such as
 * `clear` and `move`.
 *
 * One per process: the terminal is in another mode while it is open. top_screen_close() restores
 * it, and a handler of the signals of a crash does as much of that as it can.
 */
#ifndef XMCAST_CTL_TOP_SCREEN_H
#define XMCAST_CTL_TOP_SCREEN_H

#include <stdbool.h>

#include "ctl/top_view.h"

/* 0; -ENOTTY: stdin or stdout is not a terminal, or one of unknown type. */
int top_screen_open(bool colour);
void top_screen_close(void); /* also if it is not open */

/* The size of the terminal. To be called at the start and after SIGWINCH. */
void top_screen_size(unsigned int *rows, unsigned int *columns);

void top_screen_draw(const struct top_frame *frame);

/* The next key that was pressed, for top_model_key(); -1: none. */
int top_screen_key(void);

#endif
