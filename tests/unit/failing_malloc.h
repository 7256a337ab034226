/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No memory, at every single allocation: a piece of work is done again and again, and in round N
 * its N-th allocation fails, in our code or in a library.
 *
 * malloc() and its kin are ours here: the program's own definitions come first for all libraries. A
 * test program includes failing_malloc.c. Its thread must be the only one.
 */
#ifndef XMCAST_TESTS_FAILING_MALLOC_H
#define XMCAST_TESTS_FAILING_MALLOC_H

/*
 * A piece of work. Its result, or NULL and *err: what it said instead. The result is malloc()ed,
 * and what of it matters is text. Called with 0 in *err.
 */
typedef char *(*work)(int *err);

/*
 * In each round the work says that there is no memory, or comes to the very result that it comes to
 * with memory; and it gives back all that it had, descriptors included.
 */
void fail_each(const char *name, work run);

/* Within a piece of work: what follows is not part of it, so that none of it fails or is counted;
 * then it is again, and `kept` blocks that were allocated meanwhile are its. */
void fail_nothing(void);
void fail_again(unsigned int kept);

#endif
