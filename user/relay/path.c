/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/path.h"

struct path *path_hold(struct path *path)
{
	path->references++;
	return path;
}

void path_put(struct path *path)
{
	if (path && --path->references == 0)
		path->operations->close(path);
}
