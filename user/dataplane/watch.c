/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/watch.h"

bool watch_look(struct watch *watch, uint64_t beats, uint64_t now_ns)
{
	bool late = !watch->looked_ns || now_ns - watch->looked_ns > WATCH_LATE_NS;
	bool moved = beats != watch->beats;

	watch->looked_ns = now_ns;
	watch->beats = beats;
	if (late || moved) {
		watch->progress_ns = now_ns;
		watch->asked_ns = 0;
		return false;
	}
	if (watch->asked_ns)
		return false;
	watch->asked_ns = now_ns;
	return true;
}

uint64_t watch_owed_ns(const struct watch *watch)
{
	return watch->asked_ns ? watch->looked_ns - watch->asked_ns : 0;
}
