/* SPDX-License-Identifier: BSD-2-Clause */
/* explain: what would happen to a packet; why a rule does not relay. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_codes.h"
#include "ctl/command.h"
#include "ctl/packet_words.h"
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
	if (!params) {
		fputs("xmcastctl: out of memory\n", stderr);
		return EXIT_REFUSED;
	}
	return ctl_call_and_show(ctl, "explain.packet", params, show_explained_packet);
}

/* One word is the name of a rule, unless it has the sign of a packet. Derived names may have that,
 * too: behind the word `rule` it is a name in any case. */
int verb_explain(struct ctl *ctl, const struct command *command, char **words, int count)
{
	bool named = count == 2 && strcmp(words[0], "rule") == 0;
	json_t *params;

	if (!named && (count > 1 || strchr(words[0], '>') || strchr(words[0], ' ')))
		return explain_packet(ctl, command, words, count);
	params = json_pack("{s:s}", "name", words[count - 1]);
	if (!params)
		return ctl_usage(command->usage, "\"%s\" is not UTF-8", words[count - 1]);
	return ctl_call_and_show(ctl, "explain.rule", params, show_explained_rule);
}
