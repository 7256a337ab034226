/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard input, output and error of a program, any of which may be closed. Main thread. */
#ifndef XMCAST_BASE_STREAMS_H
#define XMCAST_BASE_STREAMS_H

/* Call this first. Puts /dev/null, opened so that every write fails, in the place of each closed
 * stream. Otherwise the next socket would get its number, and the log would be sent as datagrams.
 */
void streams_reserve(void);

/* Flush stdout. 0; EXIT_USAGE if anything that was printed could not be written, after a message on
 * stderr: a script must not mistake missing output for an empty answer. */
int streams_flush(const char *program);

#endif
