// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on what xmcastctl makes of a daemon's words: any bytes, as the line that answers. The
 * first byte says which command it answers and on what screen; what is shown is printable ASCII and
 * fits the screen, whatever the line says.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/client.h"
#include "ctl/refusal.h"
#include "ctl/show.h"
#include "ctl/show_explain.h"
#include "ctl/top_view.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void (*const shows[])(const struct screen *screen, const json_t *answer) = {
	show_ping,	     show_version,
	show_rules,	     show_rule,
	show_changed,	     show_diff,
	show_saved,	     show_stats,
	show_interfaces,     show_interface,
	show_workers,	     show_groups,
	show_cluster,	     show_log,
	show_event,	     show_explained_packet,
	show_explained_rule, show_explained_capture,
};

#define NR_SHOWS (sizeof(shows) / sizeof(shows[0]))

static void must_be_plain(const char *text)
{
	for (; *text; text++)
		must(*text == '\n' || (*text >= 0x20 && *text < 0x7f));
}

static void show_all(const json_t *answer, unsigned int choice)
{
	struct screen screen = {
		.width = choice & 0x10 ? 40 : 0,
		.brief = choice & 0x20,
		.stats = choice & 0x40,
	};
	char *text = NULL;
	size_t size = 0;

	screen.stream = open_memstream(&text, &size);
	must(screen.stream != NULL);
	shows[choice % NR_SHOWS](&screen, answer);
	fclose(screen.stream);
	must_be_plain(text);
	free(text);
}

static void refuse(const json_t *error)
{
	const struct place lines[] = {{7, 3}, {9, 1}};
	const struct places places = {"file", 2, lines};
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	must(stream != NULL);
	refusal_print(stream, error, NULL);
	refusal_print(stream, error, &places);
	fclose(stream);
	must_be_plain(text);
	free(text);
}

static void must_fit(const struct top_frame *frame, unsigned int rows, unsigned int columns)
{
	for (size_t i = 0; i < frame->count; i++) {
		must_be_plain(frame->lines[i].text);
		must(strlen(frame->lines[i].text) <= columns &&
		     !strchr(frame->lines[i].text, '\n'));
	}
	/* What stands above the list is there on any screen. */
	must(frame->count <= (rows < 14 ? 14 : rows) + 3);
}

/* Two samples, some keys, large and small screens. */
static void top(json_t *stats, unsigned int choice)
{
	static const int keys[] = {TOP_KEY_ENTER, TOP_KEY_DOWN, 'd', 'd', 'x',		TOP_KEY_END,
				   TOP_KEY_ENTER, 'n',		'/', 'a', TOP_KEY_ENTER};
	struct top_model *model = top_model_new();
	struct top_frame frame = {0};

	must(model != NULL);
	for (int i = 0; i < 2; i++) {
		unsigned int rows = i ? 24 : 1 + choice % 8;

		must(top_model_sample(model, json_incref(stats), 1 + i) == 0);
		for (size_t j = 0; j < sizeof(keys) / sizeof(keys[0]); j++)
			top_model_key(model, keys[j]);
		top_view_draw(model, rows, i ? 80 : 20, &frame);
		must_fit(&frame, rows, i ? 80 : 20);
	}
	top_frame_free(&frame);
	top_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *body = NULL;
	int kind;

	if (!size)
		return 0;
	kind = control_client_parse((const char *)data + 1, size - 1, 1, &body);
	must((kind < 0) == (body == NULL));
	if (kind == 1)
		refuse(body);
	else if (kind >= 0)
		show_all(body, data[0]);
	if (kind == 0 && data[0] & 0x80)
		top(body, data[0]);
	json_decref(body);
	return 0;
}
