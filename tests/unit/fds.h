/* SPDX-License-Identifier: BSD-2-Clause */
/* Open descriptors of this process, to find leaks. Include behind cmocka. */
#ifndef XMCAST_TESTS_FDS_H
#define XMCAST_TESTS_FDS_H

#include <dirent.h>

static inline unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

#endif
