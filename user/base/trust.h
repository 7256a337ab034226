/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening a file or directory only if no untrusted user can change or replace it.
 *
 * Checking a name and then using it leaves a gap in which the file can be swapped. So a path is
 * walked component by component, each directory is checked through the descriptor that the next
 * component is opened from, and the caller gets the final descriptor and uses nothing else.
 *
 * Trusted are root and the user that we run as. Others must not be able to write to a file or to
 * any directory above it, by mode or by ACL; a sticky directory such as /tmp may be writable,
 * because its entries belong to their owners. A symbolic link must belong to a trusted user, and
 * the path to its target is walked in the same way.
 *
 * At most one further user, the owner, may appear along the path; trust->owner names it, and the
 * caller decides whether to trust it (a configuration may belong to the user that it tells the
 * daemon to run as). A caller that trusts nobody else refuses if there is one.
 *
 * Any thread. Needs only search permission on the directories. ACLs are read through /proc
 * (acl(5)); without /proc, a path with group-writable parts is refused.
 */
#ifndef XMCAST_BASE_TRUST_H
#define XMCAST_BASE_TRUST_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TRUST_NOBODY ((uid_t)-1)

/* Room for the reason why something is not trusted. */
#define TRUST_TEXT_SIZE 160

struct trust {
	uid_t owner;		    /* the one further user along the path, or TRUST_NOBODY */
	bool refused;		    /* no caller may trust it, whatever `owner` is */
	char where[PATH_MAX];	    /* the part of the path that `text` is about */
	char text[TRUST_TEXT_SIZE]; /* why it is unsafe; with an owner: for who does not trust it */
};

/*
 * Open an existing file or directory with these flags; O_CLOEXEC is added, and O_CREAT is not
 * supported. Returns the descriptor; -EACCES with trust->refused: an untrusted user may change it,
 * and where and text say what is unsafe; another -errno: it cannot be opened.
 */
int trust_open(const char *path, int flags, struct trust *trust);

/* Open the directory that holds the last component of `path`, which need not exist, for *at()
 * calls (O_PATH). Errors as above. */
int trust_open_directory(const char *path, struct trust *trust);

/* trust_open() and trust_open_directory() for a caller that trusts nobody but root and itself:
 * -EACCES, refused, if the path has another owner. */
int trust_open_ours(const char *path, int flags, struct trust *trust);
int trust_open_directory_ours(const char *path, struct trust *trust);

/* Check an open file without the path to it: 0, or -EACCES, refused, unless it belongs to root or
 * to us and nobody else may write it. */
int trust_check(int fd, struct trust *trust);

/*
 * Read a whole text file of at most 64 KiB that nobody but root and we may write and, if it is
 * `secret`, that not everybody may read. NULL: *reason says why. The caller frees the text, which
 * ends with a NUL.
 */
#define TRUST_REASON_SIZE 256
char *trust_read(const char *path, bool secret, char reason[TRUST_REASON_SIZE]);

#endif
