/* SPDX-License-Identifier: BSD-2-Clause */
/* explain: what would happen to a packet; why a rule does not relay. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "control/method.h"
#include "ctl/command.h"
#include "ctl/packet_words.h"
#include "ctl/pcap_flows.h"
#include "ctl/show_explain.h"

/* The daemon's parameters for a frame at an interface. NULL: no memory, or not UTF-8. */
static json_t *frame_params(const char *iface, const uint8_t *frame, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * length + 1);
	json_t *params;

	if (!text)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[frame[i] >> 4];
		text[2 * i + 1] = digits[frame[i] & 0xf];
	}
	text[2 * length] = '\0';
	params = json_pack("{s:s, s:s}", "interface", iface, "frame", text);
	free(text);
	return params;
}

static int explain_packet(struct ctl *ctl, const struct command *command, char **words, int count)
{
	struct errors *errors = calloc(1, sizeof(*errors));
	uint8_t frame[PACKET_FRAME_SIZE];
	struct packet_words packet;
	json_t *params;
	int err = errors ? packet_words_parse(words, count, &packet, errors) : -ENOMEM;

	if (err == -EINVAL)
		errors_print(errors, stderr);
	if (errors)
		errors_free(errors);
	free(errors);
	if (err == -EINVAL)
		return ctl_usage(command->usage, "that is no packet");
	params = err ? NULL : frame_params(packet.iface, frame, packet_words_build(&packet, frame));
	if (!params)
		return ctl_no_memory();
	return ctl_call_and_show(ctl, "explain.packet", params, show_explained_packet);
}

/* ---- the packets of a capture ---- */

/* Where the packets of the capture arrive if neither the command nor the file says so: the only
 * interface that there is. NULL: there are several, or none. The caller frees it. */
static char *only_interface(struct ctl *ctl, int *code)
{
	const json_t *list;
	json_t *answer;
	char *name = NULL;

	*code = ctl_call(ctl, "iface.list", NULL, &answer);
	list = json_object_get(answer, "interfaces");
	if (json_array_size(list) == 1)
		name = strdup(show_text(json_array_get(list, 0), "name"));
	json_decref(answer);
	return name;
}

/* The answer for one flow, or {"error"} if the daemon has none. NULL: *code is the exit code. */
static json_t *ask(struct ctl *ctl, const char *iface, const struct pcap_flow *flow, int *code)
{
	json_t *params = frame_params(iface, flow->frame, flow->length);
	json_t *answer = NULL, *object = NULL;
	int err;

	*code = params ? ctl_connect(ctl) : EXIT_REFUSED;
	if (*code) {
		json_decref(params);
		return NULL;
	}
	err = control_client_call(ctl->client, "explain.packet", params, &answer);
	json_decref(params);
	if (!err && json_is_object(answer))
		object = json_incref(answer);
	else if (err == 1)
		object = json_pack("{s:s, s:O}", "interface", iface, "error",
				   json_object_get(answer, "message"));
	else
		*code = ctl_no_answer(ctl, err ? err : -EPROTO);
	json_decref(answer);
	if (object)
		json_object_set_new(object, "packets", json_integer((json_int_t)flow->packets));
	else if (!*code)
		*code = ctl_no_answer(ctl, -EPROTO);
	return object;
}

/* Read the capture. 0 or an exit code. */
static int read_capture(const char *path, struct pcap_flows *flows)
{
	FILE *stream = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
	struct pcap_reader *reader = stream ? pcap_reader_open(stream) : NULL;
	int err = stream ? -ENOMEM : -errno;

	if (reader)
		err = pcap_flows_read(flows, reader);
	if (err)
		screen_print_to(stderr, "xmcastctl: %s: %s\n", path,
				err == -EBADMSG ? pcap_reader_problem(reader) : strerror(-err));
	pcap_reader_close(reader);
	if (stream && stream != stdin)
		fclose(stream);
	return err ? EXIT_REFUSED : 0;
}

static int explain_flows(struct ctl *ctl, const struct command *command, const char *path,
			 const char *iface, const struct pcap_flows *flows)
{
	json_t *list = json_array(), *answer;
	char *only = NULL;
	int code = 0;

	for (unsigned int i = 0; i < flows->count && !code; i++) {
		const struct pcap_flow *flow = &flows->list[i];
		const char *at = iface ? iface : *flow->iface ? flow->iface : only;

		if (!at)
			at = only = only_interface(ctl, &code);
		if (!code && !at)
			code = ctl_usage(command->usage,
					 "at which interface do the packets arrive?");
		if (!code)
			json_add(&list, ask(ctl, at, flow, &code));
	}
	free(only);
	answer = json_pack("{s:o, s:I, s:I, s:I, s:o}", "file", json_text_string(path), "packets",
			   (json_int_t)flows->packets, "not_ethernet",
			   (json_int_t)flows->not_ethernet, "beyond", (json_int_t)flows->beyond,
			   "flows", list);
	if (!code)
		code = answer ? ctl_show(ctl, answer, show_explained_capture) : EXIT_REFUSED;
	json_decref(answer);
	return code;
}

static int explain_capture(struct ctl *ctl, const struct command *command, char **words, int count)
{
	struct pcap_flows *flows;
	int code;

	if (count < 2 || count > 3)
		return ctl_usage(command->usage, count < 2 ? "--pcap needs a FILE"
							   : "too many words behind --pcap");
	flows = calloc(1, sizeof(*flows));
	if (!flows)
		return ctl_no_memory();
	code = read_capture(words[1], flows);
	if (!code)
		code = explain_flows(ctl, command, words[1], count > 2 ? words[2] : NULL, flows);
	pcap_flows_free(flows);
	free(flows);
	return code;
}

/* ---- all of them ---- */

/* One word is the name of a rule, unless it has the sign of a packet. Derived names may have that,
 * too: behind the word `rule` it is a name in any case. */
int verb_explain(struct ctl *ctl, const struct command *command, char **words, int count)
{
	bool named = count == 2 && strcmp(words[0], "rule") == 0;
	json_t *params;

	if (strcmp(words[0], "--pcap") == 0 || strcmp(words[0], "-pcap") == 0)
		return explain_capture(ctl, command, words, count);
	if (words[0][0] == '-')
		return ctl_usage(command->usage, "unknown option \"%s\"", words[0]);
	if (!named && (count > 1 || strchr(words[0], '>') || strchr(words[0], ' ')))
		return explain_packet(ctl, command, words, count);
	params = json_pack("{s:s}", "name", words[count - 1]);
	if (!params)
		return ctl_usage(command->usage, "\"%s\" is not UTF-8", words[count - 1]);
	return ctl_call_and_show(ctl, "explain.rule", params, show_explained_rule);
}
