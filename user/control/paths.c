/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *control_default_path(void)
{
	const char *environment = getenv("XMCAST_SOCKET");

	return environment && *environment ? environment : CONTROL_DEFAULT_PATH;
}

int control_instance_path(const char *name, char path[CONTROL_PATH_SIZE])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789:-_.\\@";
	int length;

	if (!*name || name[strspn(name, allowed)])
		return -EINVAL;
	length = snprintf(path, CONTROL_PATH_SIZE, CONTROL_INSTANCE_PATH, name);
	return length < CONTROL_PATH_SIZE ? 0 : -EINVAL;
}
