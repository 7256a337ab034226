/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of the status page (user/exporter/page/), which are part of the program. They load
 * nothing from elsewhere: the page asks this server for /api/stats and /api/events. Any thread.
 */
#ifndef XMCAST_EXPORTER_PAGE_H
#define XMCAST_EXPORTER_PAGE_H

#include <stddef.h>

struct page_file {
	const char *url;
	const char *type; /* media type */
	const char *bytes;
	size_t length;
};

/* What the page may load and do, for the header Content-Security-Policy: its own script, style and
 * data; no inline script or style, no form, no frame around it. */
#define PAGE_POLICY                                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* The file at this URL; NULL: there is none. */
const struct page_file *page_file(const char *url);

#endif
