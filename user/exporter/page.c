/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/page.h"

#include <string.h>

/* The bytes of a file, between two symbols. The path is relative to the directory of the Makefile,
 * which also knows that this object depends on the files. */
#define EMBED(name, path)                                                                          \
	extern const char page_##name[], page_##name##_end[];                                      \
	__asm__(".pushsection .rodata\n"                                                           \
		"page_" #name ": .incbin \"user/exporter/page/" path "\"\n"                        \
		"page_" #name "_end: .byte 0\n"                                                    \
		".popsection\n")

EMBED(html, "index.html");
EMBED(style, "page.css");
EMBED(script, "page.js");

const struct page_file *page_file(const char *url)
{
	static struct page_file files[] = {
		{.url = "/", .type = "text/html; charset=utf-8", .bytes = page_html},
		{.url = "/page.css", .type = "text/css; charset=utf-8", .bytes = page_style},
		{.url = "/page.js", .type = "text/javascript; charset=utf-8", .bytes = page_script},
	};

	files[0].length = (size_t)(page_html_end - page_html);
	files[1].length = (size_t)(page_style_end - page_style);
	files[2].length = (size_t)(page_script_end - page_script);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(files[i].url, url) == 0)
			return &files[i];
	}
	return NULL;
}
