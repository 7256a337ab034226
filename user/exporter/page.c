/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/page.h"

#include <stdint.h>
#include <string.h>

/* The bytes of a file and their number. The path is relative to the directory of the Makefile,
 * which also knows that this object depends on the files. */
#define EMBED(name, path)                                                                          \
	extern const char page_##name[];                                                           \
	extern const uint64_t page_##name##_length;                                                \
	__asm__(".pushsection .rodata\n"                                                           \
		"page_" #name ": .incbin \"user/exporter/page/" path "\"\n"                        \
		"1: .byte 0\n"                                                                     \
		".balign 8\n"                                                                      \
		"page_" #name "_length: .quad 1b - page_" #name "\n"                               \
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

	files[0].length = page_html_length;
	files[1].length = page_style_length;
	files[2].length = page_script_length;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(files[i].url, url) == 0)
			return &files[i];
	}
	return NULL;
}
