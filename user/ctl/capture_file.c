/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/capture_file.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "ctl/pcapng.h"

/* ---- places ---- */

static bool is_input(const struct capture_place *place)
{
	return place->kind == CAPTURE_RECEIVED;
}

const char *capture_place_name(const struct capture_place *place, char text[CAPTURE_PLACE_TEXT])
{
	const char *iface = *place->iface ? place->iface : "?";

	if (is_input(place))
		snprintf(text, CAPTURE_PLACE_TEXT, "%s (in)", iface);
	else
		snprintf(text, CAPTURE_PLACE_TEXT, "%s (out %s)", iface, place->rule);
	return text;
}

static const char *describe(const struct capture_place *place, char text[CAPTURE_PLACE_TEXT])
{
	switch (place->kind) {
	case CAPTURE_RECEIVED:
		return "frames as they were received";
	case CAPTURE_REWRITTEN:
		snprintf(text, CAPTURE_PLACE_TEXT, "to %s: frames as the kernel path sends them",
			 place->to);
		return text;
	default:
		snprintf(text, CAPTURE_PLACE_TEXT,
			 "to %s: datagrams as they were handed to the kernel; the Ethernet, IP and "
			 "UDP headers are rebuilt",
			 place->to);
		return text;
	}
}

struct capture_place *capture_file_find(struct capture_file *file,
					const struct capture_record *record)
{
	uint32_t serial = record->kind == CAPTURE_SUBMITTED ? record->serial : 0;

	for (uint32_t i = 0; i < file->count; i++) {
		struct capture_place *place = &file->places[i];

		if (place->kind != record->kind)
			continue;
		if (is_input(place) ? strcmp(place->iface, record->iface) == 0
				    : place->output == record->output && place->serial == serial &&
					      strcmp(place->rule, record->rule) == 0)
			return place;
	}
	return NULL;
}

struct capture_place *capture_file_add(struct capture_file *file, const struct capture_place *place)
{
	char name[CAPTURE_PLACE_TEXT], text[CAPTURE_PLACE_TEXT];
	struct capture_place *places;

	if (file->count == CAPTURE_PLACES)
		return NULL;
	places = realloc(file->places, (file->count + 1) * sizeof(*places));
	if (!places)
		return NULL;
	file->places = places;
	places[file->count] = *place;
	if (file->format == CAPTURE_PCAPNG)
		pcapng_interface(file->stream, capture_place_name(place, name),
				 describe(place, text), file->snap);
	return &places[file->count++];
}

/* ---- lines ---- */

static const char *format_time(uint64_t ns, char text[16])
{
	time_t seconds = (time_t)(ns / NS_PER_SECOND);
	struct tm tm = {};

	localtime_r(&seconds, &tm);
	snprintf(text, 16, "%02d:%02d:%02d.%06u", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned int)(ns % NS_PER_SECOND / 1000));
	return text;
}

static void write_line(const struct capture_file *file, const struct capture_place *place,
		       const struct capture_record *record, const struct capture_frame *frame,
		       uint64_t time_ns)
{
	char name[CAPTURE_PLACE_TEXT], time[16];
	char from[ENDPOINT_TEXT_SIZE], to[ENDPOINT_TEXT_SIZE];

	screen_print(file->screen, "%s %s", format_time(time_ns, time),
		     capture_place_name(place, name));
	if (is_input(place))
		screen_print(file->screen, " %s", record->rule);
	if (!frame->parsed) {
		screen_print(file->screen, " %u bytes\n", frame->length);
		return;
	}
	screen_print(file->screen, " %s > %s ",
		     endpoint_format(&frame->source, frame->source_port, NULL, from),
		     endpoint_format(&frame->destination, frame->port, NULL, to));
	if (frame->protocol == XMC_PROTO_UDP)
		screen_print(file->screen, "UDP");
	else
		screen_print(file->screen, "protocol %u", frame->protocol);
	screen_print(file->screen, " len %u ttl %u", frame->payload, frame->ttl);
	if (frame->dscp)
		screen_print(file->screen, " dscp %u", frame->dscp);
	screen_print(file->screen, "\n");
}

static json_t *packet_json(const struct capture_place *place, const struct capture_record *record,
			   const struct capture_frame *frame, uint64_t time_ns)
{
	char address[ADDR_TEXT_SIZE];
	json_t *object =
		json_pack("{s:I, s:s, s:o, s:o, s:i, s:i}", "time_ns", (json_int_t)time_ns,
			  "direction", is_input(place) ? "in" : "out", "interface",
			  json_text_string(place->iface), "rule", json_text_string(record->rule),
			  "bytes", (int)frame->length, "captured_bytes", (int)frame->captured);

	if (!is_input(place)) {
		json_put(&object, "to", json_text_string(place->to));
		json_put(&object, "rebuilt_headers",
			 json_boolean(place->kind == CAPTURE_SUBMITTED));
	}
	if (!frame->parsed)
		return object;
	json_put(&object, "source", json_string(addr_format(&frame->source, address)));
	json_put(&object, "destination", json_string(addr_format(&frame->destination, address)));
	json_put(&object, "protocol", json_integer(frame->protocol));
	if (frame->protocol == XMC_PROTO_UDP) {
		json_put(&object, "source_port", json_integer(frame->source_port));
		json_put(&object, "port", json_integer(frame->port));
	}
	json_put(&object, "payload_bytes", json_integer(frame->payload));
	json_put(&object, "ttl", json_integer(frame->ttl));
	json_put(&object, "dscp", json_integer(frame->dscp));
	return object;
}

/* ---- writing ---- */

void capture_file_begin(struct capture_file *file, const char *program)
{
	if (file->format == CAPTURE_PCAPNG)
		pcapng_begin(file->stream, program);
}

void capture_file_write(struct capture_file *file, struct capture_place *place,
			const struct capture_record *record, const struct capture_frame *frame)
{
	uint64_t time_ns = record->time_ns + file->offset_ns;
	const struct pcapng_packet packet = {
		.interface = (uint32_t)(place - file->places),
		.direction = is_input(place) ? PCAPNG_IN : PCAPNG_OUT,
		.time_ns = time_ns,
		.length = frame->length,
		.captured = frame->captured,
		.data = frame->data,
	};
	json_t *json;

	place->packets++;
	switch (file->format) {
	case CAPTURE_PCAPNG:
		pcapng_packet(file->stream, &packet);
		break;
	case CAPTURE_LINES:
		write_line(file, place, record, frame, time_ns);
		break;
	case CAPTURE_JSON:
		json = packet_json(place, record, frame, time_ns);
		json_dumpf(json, file->stream, JSON_ENSURE_ASCII | JSON_COMPACT);
		json_decref(json);
		putc('\n', file->stream);
		break;
	}
}

/* ---- the end ---- */

/* The counters of the place; NULL: there are none of it alone. */
static const struct capture_counts *counts_of(const struct capture_file *file,
					      const struct capture_place *place,
					      const struct capture_counts *counts)
{
	unsigned int outputs = 0;

	if (is_input(place)) {
		for (unsigned int i = CAPTURE_SENT + 1; i < CAPTURE_COUNTS; i++) {
			if (strncmp(counts[i].iface, place->iface, IF_NAMESIZE) == 0)
				return &counts[i];
		}
		return NULL;
	}
	for (uint32_t i = 0; i < file->count; i++)
		outputs += !is_input(&file->places[i]);
	return outputs == 1 ? &counts[CAPTURE_SENT] : NULL;
}

void capture_file_end(struct capture_file *file, const struct capture_counts *counts)
{
	uint64_t now_ns = clock_read_ns(CLOCK_REALTIME);

	for (uint32_t i = 0; file->format == CAPTURE_PCAPNG && i < file->count; i++) {
		const struct capture_counts *own = counts_of(file, &file->places[i], counts);
		const struct pcapng_statistics statistics = {
			.interface = i,
			.begin_ns = file->begin_ns,
			.end_ns = now_ns,
			.received = own ? own->matched : PCAPNG_UNKNOWN,
			.dropped = own ? own->matched - file->places[i].seen : PCAPNG_UNKNOWN,
			.delivered = file->places[i].packets,
		};

		pcapng_statistics(file->stream, &statistics);
	}
}

void capture_file_free(struct capture_file *file)
{
	free(file->places);
	file->places = NULL;
}
