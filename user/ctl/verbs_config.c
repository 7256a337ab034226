/* SPDX-License-Identifier: BSD-2-Clause */
/* config check|show|save|reload|diff */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "base/json_text.h"
#include "control/errors_json.h"
#include "ctl/command.h"
#include "ctl/show.h"
#include "rules/file.h"

/* A configuration is read in parts of 64 KiB: no valid one is longer than this. */
#define MAX_TEXT (256U << 20)

/* Changes during the reading after which we give up. */
#define MAX_READINGS 5

/* ---- check ---- */

/* {"valid", "rules", "errors": […]}; "more" if there are more errors than were kept. */
static json_t *verdict(const struct config *config, const struct errors *errors, bool valid)
{
	json_t *list = errors_list_json(errors);

	if (errors->count > errors->kept)
		return json_pack("{s:b, s:i, s:o, s:i}", "valid", valid, "rules",
				 (int)config->nr_rules, "errors", list, "more",
				 (int)(errors->count - errors->kept));
	return json_pack("{s:b, s:i, s:o}", "valid", valid, "rules", (int)config->nr_rules,
			 "errors", list);
}

static void show_verdict(const struct screen *screen, const json_t *answer)
{
	long long rules = show_number(answer, "rules");

	if (show_true(answer, "valid"))
		screen_print(screen, "valid, %lld rule%s\n", rules, rules == 1 ? "" : "s");
}

int verb_config_check(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	struct errors *errors = calloc(1, sizeof(*errors));
	struct config config;
	json_t *answer;
	bool valid;
	int code;

	if (!errors) {
		fputs("xmcastctl: no memory\n", stderr);
		return EXIT_REFUSED;
	}
	config_init(&config);
	valid = config_load_file(words[0], &config, errors) == 0;
	if (!ctl->options.json)
		errors_print(errors, stderr);
	answer = verdict(&config, errors, valid);
	code = ctl_show(ctl, answer, show_verdict);
	json_decref(answer);
	config_free(&config);
	errors_free(errors);
	free(errors);
	return code || valid ? code : EXIT_REFUSED;
}

/* ---- show ---- */

struct text {
	char *bytes;
	size_t length;
	size_t total; /* as the daemon says */
	json_int_t generation;
};

/* Add one part. 0, 1: the rules have changed; -EPROTO, -ENOMEM. */
static int add_part(struct text *text, const json_t *answer)
{
	const json_t *part = json_object_get(answer, "text");
	json_int_t total = show_number(answer, "total_bytes");
	json_int_t generation = show_number(answer, "generation");
	size_t length = json_string_length(part);
	char *larger;

	if (!json_is_string(part) || total < 0 || total > MAX_TEXT ||
	    show_number(answer, "offset") != (json_int_t)text->length)
		return -EPROTO;
	if (text->length && (generation != text->generation || (size_t)total != text->total))
		return 1;
	if (length > (size_t)total - text->length || (!length && text->length < (size_t)total))
		return -EPROTO;
	larger = realloc(text->bytes, text->length + length + 1);
	if (!larger)
		return -ENOMEM;
	memcpy(larger + text->length, json_string_value(part), length);
	text->bytes = larger;
	text->length += length;
	text->bytes[text->length] = '\0';
	text->total = (size_t)total;
	text->generation = generation;
	return 0;
}

/* Read it once. 0, 1: it changed meanwhile; -EPROTO, -ENOMEM; *code: the exit code if a call
 * failed. */
static int read_text(struct ctl *ctl, struct text *text, int *code)
{
	int err;

	text->length = 0;
	do {
		json_t *answer;

		*code = ctl_call(ctl, "config.show",
				 json_pack("{s:I}", "offset", (json_int_t)text->length), &answer);
		err = *code ? 0 : add_part(text, answer);
		json_decref(answer);
	} while (!err && !*code && text->length < text->total);
	return err;
}

/* The whole configuration; text->bytes is the caller's. 0 or an exit code. */
static int fetch_text(struct ctl *ctl, struct text *text)
{
	int code = 0;
	int err = 1;

	*text = (struct text){0};
	for (int i = 0; i < MAX_READINGS && err == 1 && !code; i++)
		err = read_text(ctl, text, &code);
	if (err < 0)
		return ctl_no_answer(ctl, err);
	if (err == 1) {
		fprintf(stderr,
			"xmcastctl: the configuration changed during each of %d readings; try "
			"again\n",
			MAX_READINGS);
		return EXIT_REFUSED;
	}
	return code;
}

int verb_config_show(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	struct text text;
	int code = fetch_text(ctl, &text);
	json_t *json;

	if (code) {
		free(text.bytes);
		return code;
	}
	if (ctl->options.json) {
		json = json_pack("{s:I, s:s}", "generation", text.generation, "text", text.bytes);
		code = ctl_show(ctl, json, show_nothing);
		json_decref(json);
	} else if (ctl->screen.terminal) {
		screen_print(&ctl->screen, "%s", text.bytes);
		code = ctl_flush();
	} else {
		/* For a file or a program: byte by byte what the daemon runs. */
		fwrite(text.bytes, 1, text.length, stdout);
		code = ctl_flush();
	}
	free(text.bytes);
	return code;
}

/* ---- save ---- */

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

/* The name must last as well as the content. */
static int sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int err = fd < 0 || fsync(fd) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(folder);
	return err;
}

/* Put the bytes in place of the file, whole or not at all. A file that was there keeps its mode. */
static int replace_file(const char *path, const char *bytes, size_t length)
{
	struct stat status;
	char *temporary;
	int err;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	err = fd < 0 ? -errno : write_all(fd, bytes, length);
	if (!err && fchmod(fd, stat(path, &status) == 0 ? status.st_mode & 07777 : 0644))
		err = -errno;
	if (!err && fsync(fd))
		err = -errno;
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (!err && rename(temporary, path))
		err = -errno;
	if (err && fd >= 0)
		unlink(temporary);
	free(temporary);
	return err ? err : sync_folder(path);
}

/* The client writes what runs, with the rights of its user. */
static int save_to(struct ctl *ctl, const char *path)
{
	struct text text;
	int code = fetch_text(ctl, &text);
	json_t *answer;
	int err;

	if (code) {
		free(text.bytes);
		return code;
	}
	err = replace_file(path, text.bytes, text.length);
	free(text.bytes);
	if (err) {
		screen_print_to(stderr, "xmcastctl: cannot write %s: %s\n", path, strerror(-err));
		return EXIT_REFUSED;
	}
	answer = json_pack("{s:o, s:I}", "path", json_text_string(path), "bytes",
			   (json_int_t)text.length);
	code = ctl_show(ctl, answer, show_saved);
	json_decref(answer);
	return code;
}

int verb_config_save(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	if (count)
		return save_to(ctl, words[0]);
	return ctl_call_and_show(ctl, "config.save", NULL, show_saved);
}

int verb_config_reload(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return ctl_call_and_show(ctl, "config.reload", NULL, show_changed);
}

int verb_config_diff(struct ctl *ctl, const struct verb *verb, char **words, int count)
{
	return ctl_call_and_show(ctl, "config.diff", NULL, show_diff);
}
