/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/watch.h"

bool watch_look(struct watch *watch, uint64_t beats, uint64_t now_ns)
{
	bool late = !watch->looked_ns || now_ns - watch->looked_ns > WATCH_LATE_NS;
	bool moved = beats != watch->beats;

	watch->looked_ns = now_ns;
	watch->beats = beats;
	if (late || moved) {
		watch->woken_ns = 0;
		return false;
	}
	if (watch->woken_ns)
		return false;
	watch->woken_ns = now_ns;
	return true;
}

uint64_t watch_overdue_ns(const struct watch *watch)
{
	return watch->woken_ns ? watch->looked_ns - watch->woken_ns : 0;
}
