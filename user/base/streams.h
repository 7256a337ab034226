/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard input, output and error of a program, which may be missing. Main thread. */
#ifndef XMCAST_BASE_STREAMS_H
#define XMCAST_BASE_STREAMS_H

/* To be called first: a stream that is closed is taken by /dev/null, opened so that every write to
 * it fails. Else the next socket would get its number, and the log would go out as datagrams. */
void streams_reserve(void);

/* Has all that was printed to stdout been written? 0, or EXIT_USAGE after telling on stderr why
 * not: whoever reads an empty answer is to know that it is none. */
int streams_flush(const char *program);

#endif
