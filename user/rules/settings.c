/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/settings.h"

#include <string.h>

#include "rules/walk.h"

#define FRAMES_MIN	   64
#define FRAMES_MAX	   (1 << 20)
#define RX_RING_MIN	   64
#define RX_RING_MAX	   (1 << 16)
#define STATS_INTERVAL_MAX 86400
#define SILENT_AFTER_MAX   86400
#define WATCHDOG_MAX	   3600

/* Below one full GSO batch with its book-keeping nothing could be sent. */
#define SEND_BUFFER_MIN (128 << 10)
#define SEND_BUFFER_MAX (256 << 20)

/* More than any Linux has (CONFIG_NR_CPUS). */
#define CPU_MAX 8191

static bool is_number(const struct word *word)
{
	return word->length > 0 && word->text[0] >= '0' && word->text[0] <= '9';
}

/* --- interfaces --- */

static int parse_mode(struct walk *walk, tree_node value, void *object)
{
	struct iface_config *iface = object;
	struct word word = tree_word(&walk->tree, value);
	unsigned int mode;

	if (walk_choice(walk, &word, iface_modes, COUNT(iface_modes), "", &mode))
		iface->mode = mode;
	return 0;
}

static int parse_queues(struct walk *walk, tree_node value, void *object)
{
	static const struct choice all[] = {{"all", 0}};
	struct iface_config *iface = object;
	struct word word = tree_word(&walk->tree, value);

	if (is_number(&word))
		word_parse_number(&word, "number of queues", 1, XMC_MAX_QUEUES, &iface->queues,
				  walk->errors);
	else
		walk_choice(walk, &word, all, COUNT(all), " or a number", &iface->queues);
	return 0;
}

static int parse_lost_program(struct walk *walk, tree_node value, void *object)
{
	struct iface_config *iface = object;
	struct word word = tree_word(&walk->tree, value);
	unsigned int choice;

	if (walk_choice(walk, &word, lost_programs, COUNT(lost_programs), "", &choice))
		iface->lost_program = choice;
	return 0;
}

static int parse_attach(struct walk *walk, tree_node value, void *object)
{
	struct iface_config *iface = object;
	struct word word = tree_word(&walk->tree, value);
	unsigned int choice;

	if (walk_choice(walk, &word, iface_attaches, COUNT(iface_attaches), "", &choice))
		iface->attach = choice;
	return 0;
}

/* An absolute path that fits, with its NUL. */
static void parse_path(struct walk *walk, tree_node value, char *path, size_t size)
{
	struct word word = tree_word(&walk->tree, value);

	if (!word.length || word.length >= size || word.text[0] != '/' ||
	    memchr(word.text, '\0', word.length)) {
		word_error(walk->errors, &word,
			   "not a path, expected an absolute one of at most %zu bytes", size - 1);
		return;
	}
	memcpy(path, word.text, word.length);
	path[word.length] = '\0';
}

static int parse_pins(struct walk *walk, tree_node value, void *object)
{
	struct iface_config *iface = object;

	parse_path(walk, value, iface->pins, sizeof(iface->pins));
	return 0;
}

static const struct field iface_fields[] = {
	{"mode", SCALAR, "auto, native or skb", .parse = parse_mode},
	{"queues", SCALAR, "all or a number", .parse = parse_queues},
	{"lost_program", SCALAR, "reattach or leave", .parse = parse_lost_program},
	{"attach", SCALAR, "auto, own or external", .parse = parse_attach},
	{"pins", SCALAR, "the path of a folder", .parse = parse_pins},
};

static int parse_iface(struct walk *walk, tree_node key, tree_node value)
{
	struct word word = tree_word(&walk->tree, key);
	struct iface_config iface = {.mode = IFACE_MODE_AUTO};
	bool valid = walk_check_kind(walk, key, SCALAR, "an interface name") &&
		     word_parse_iface(&word, iface.name, walk->errors);
	int error;

	if (!tree_is_null(&walk->tree, value)) {
		if (!walk_check_kind(walk, value, MAPPING,
				     "a mapping with mode, queues, lost_program, attach, pins"))
			return 0;
		error = walk_mapping(walk, value, iface_fields, COUNT(iface_fields), &iface);
		if (error)
			return error;
	}
	/* Also after an error inside it, so that a duplicate is found. */
	return valid ? draft_add_iface(&walk->draft, &iface, &word.at) : 0;
}

int settings_interfaces(struct walk *walk, tree_node value, void *object)
{
	tree_node key = tree_child(&walk->tree, value);

	while (key) {
		tree_node iface = tree_next(&walk->tree, key);
		int error = parse_iface(walk, key, iface);

		if (error)
			return error;
		key = tree_next(&walk->tree, iface);
	}
	return 0;
}

/* --- egress --- */

static int parse_engine(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	unsigned int engine;

	if (walk_choice(walk, &word, egress_engines, COUNT(egress_engines), "", &engine))
		walk->draft.config.egress.engine = engine;
	return 0;
}

static int parse_gso(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_gso(&word, &walk->draft.config.egress.gso, walk->errors);
	return 0;
}

static int parse_wakeup(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	unsigned int wakeup;

	if (walk_choice(walk, &word, egress_wakeups, COUNT(egress_wakeups), "", &wakeup))
		walk->draft.config.egress.wakeup = wakeup;
	return 0;
}

static int parse_send_buffer(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_number(&word, "number of bytes", SEND_BUFFER_MIN, SEND_BUFFER_MAX,
			  &walk->draft.config.egress.send_buffer, walk->errors);
	return 0;
}

static const struct field egress_fields[] = {
	{"engine", SCALAR, "io_uring or sendmmsg", .parse = parse_engine},
	{"gso", SCALAR, "on, off or a number", .parse = parse_gso},
	{"wakeup", SCALAR, "eventfd, hybrid or spin", .parse = parse_wakeup},
	{"send_buffer", SCALAR, "a number of bytes", .parse = parse_send_buffer},
};

int settings_egress(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, egress_fields, COUNT(egress_fields), NULL);
}

/* --- workers, statistics --- */

/* The rings of AF_XDP take sizes that are powers of two only. */
static void parse_power(struct walk *walk, tree_node value, const char *what, unsigned int min,
			unsigned int max, unsigned int *number)
{
	struct word word = tree_word(&walk->tree, value);

	if (!word_parse_number(&word, what, min, max, number, walk->errors))
		return;
	if (*number & (*number - 1))
		word_error(walk->errors, &word,
			   "not a valid %s, expected a power of two from %u to %u", what, min, max);
}

static int parse_frames(struct walk *walk, tree_node value, void *object)
{
	parse_power(walk, value, "number of frames", FRAMES_MIN, FRAMES_MAX,
		    &walk->draft.config.workers.frames);
	return 0;
}

static int parse_rx_ring(struct walk *walk, tree_node value, void *object)
{
	parse_power(walk, value, "ring size", RX_RING_MIN, RX_RING_MAX,
		    &walk->draft.config.workers.rx_ring);
	return 0;
}

static int parse_cpus(struct walk *walk, tree_node value, void *object)
{
	struct worker_config *workers = &walk->draft.config.workers;
	tree_node item = tree_child(&walk->tree, value);

	workers->nr_cpus = 0;
	for (; item; item = tree_next(&walk->tree, item)) {
		struct word word = tree_word(&walk->tree, item);
		unsigned int cpu;

		if (!walk_check_kind(walk, item, SCALAR, "the number of a CPU") ||
		    !word_parse_number(&word, "CPU", 0, CPU_MAX, &cpu, walk->errors))
			continue;
		if (workers->nr_cpus == WORKER_CPUS_MAX) {
			word_error(walk->errors, &word, "too many CPUs, expected at most %d",
				   WORKER_CPUS_MAX);
			return 0;
		}
		workers->cpus[workers->nr_cpus++] = (uint16_t)cpu;
	}
	return 0;
}

static int parse_watchdog(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_number(&word, "number of seconds", 0, WATCHDOG_MAX,
			  &walk->draft.config.workers.watchdog, walk->errors);
	return 0;
}

static const struct field worker_fields[] = {
	{"frames", SCALAR, "a number", .parse = parse_frames},
	{"rx_ring", SCALAR, "a number", .parse = parse_rx_ring},
	{"cpus", SEQUENCE, "a list of CPU numbers", .parse = parse_cpus},
	{"watchdog", SCALAR, "a number of seconds", .parse = parse_watchdog},
};

int settings_workers(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, worker_fields, COUNT(worker_fields), NULL);
}

static int parse_interval(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_number(&word, "number of seconds", 0, STATS_INTERVAL_MAX,
			  &walk->draft.config.stats_interval, walk->errors);
	return 0;
}

static const struct field statistics_fields[] = {
	{"interval", SCALAR, "a number of seconds", .parse = parse_interval},
};

int settings_statistics(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, statistics_fields, COUNT(statistics_fields), NULL);
}

/* --- control --- */

/* What useradd(8) takes, or a number. Whether there is such a user or group is seen when it is
 * used. */
static void parse_account(struct walk *walk, tree_node value, const char *what,
			  char name[GROUP_NAME_SIZE])
{
	struct word word = tree_word(&walk->tree, value);
	bool valid = word.length > 0 && word.length < GROUP_NAME_SIZE;

	for (size_t i = 0; valid && i < word.length; i++) {
		char c = word.text[i];

		valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
			(c >= '0' && c <= '9') || (i && (c == '-' || c == '.'));
	}
	if (!valid) {
		word_error(walk->errors, &word,
			   "not the name of a %s, expected a name or a "
			   "number of at most 32 characters",
			   what);
		return;
	}
	memcpy(name, word.text, word.length);
	name[word.length] = '\0';
}

static int parse_control_group(struct walk *walk, tree_node value, void *object)
{
	parse_account(walk, value, "group", walk->draft.config.control.group);
	return 0;
}

static int parse_admin_group(struct walk *walk, tree_node value, void *object)
{
	parse_account(walk, value, "group", walk->draft.config.control.admin_group);
	return 0;
}

static int parse_save_changes(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	walk_bool(walk, &word, &walk->draft.config.control.save_changes);
	return 0;
}

static const struct field control_fields[] = {
	{"group", SCALAR, "a group", .parse = parse_control_group},
	{"admin_group", SCALAR, "a group", .parse = parse_admin_group},
	{"save_changes", SCALAR, "yes or no", .parse = parse_save_changes},
};

int settings_control(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, control_fields, COUNT(control_fields), NULL);
}

/* --- logging --- */

static bool parse_level(struct walk *walk, tree_node value, unsigned int *level)
{
	struct choice choices[LOG_LEVELS];
	struct word word = tree_word(&walk->tree, value);

	for (unsigned int i = 0; i < LOG_LEVELS; i++)
		choices[i] = (struct choice){log_level_name((enum log_level)i), i};
	return walk_choice(walk, &word, choices, COUNT(choices), "", level);
}

/* `level` holds for the facilities that `levels` does not name, wherever that stands. */
struct logging_object {
	enum log_level level;
	bool named[LOG_FACILITIES];
};

static int parse_common_level(struct walk *walk, tree_node value, void *object)
{
	struct logging_object *logging = object;
	unsigned int level;

	if (parse_level(walk, value, &level))
		logging->level = (enum log_level)level;
	return 0;
}

static void parse_facility(struct walk *walk, tree_node key, tree_node value,
			   struct logging_object *logging)
{
	struct choice choices[LOG_FACILITIES];
	struct word word = tree_word(&walk->tree, key);
	unsigned int facility;
	unsigned int level;

	for (unsigned int i = 0; i < LOG_FACILITIES; i++)
		choices[i] = (struct choice){log_facility_name((enum log_facility)i), i};
	if (!walk_check_kind(walk, key, SCALAR, "a facility") ||
	    !walk_choice(walk, &word, choices, COUNT(choices), "", &facility))
		return;
	if (logging->named[facility])
		word_error(walk->errors, &word, "duplicate key, expected it once");
	logging->named[facility] = true;
	if (walk_check_kind(walk, value, SCALAR, "a level") && parse_level(walk, value, &level))
		walk->draft.config.logging.levels[facility] = (enum log_level)level;
}

static int parse_levels(struct walk *walk, tree_node value, void *object)
{
	tree_node key = tree_child(&walk->tree, value);

	while (key) {
		tree_node level = tree_next(&walk->tree, key);

		parse_facility(walk, key, level, object);
		key = tree_next(&walk->tree, level);
	}
	return 0;
}

static int parse_log_target(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	unsigned int target;

	if (walk_choice(walk, &word, log_targets, COUNT(log_targets), "", &target))
		walk->draft.config.logging.target = (enum log_target)target;
	return 0;
}

static int parse_log_format(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	unsigned int json;

	if (walk_choice(walk, &word, log_formats, COUNT(log_formats), "", &json))
		walk->draft.config.logging.json = json;
	return 0;
}

static const struct field logging_fields[] = {
	{"level", SCALAR, "error, warning, info or debug", .parse = parse_common_level},
	{"levels", MAPPING, "a mapping of facilities", .nullable = true, .parse = parse_levels},
	{"to", SCALAR, "auto, stderr or syslog", .parse = parse_log_target},
	{"format", SCALAR, "text or json", .parse = parse_log_format},
};

int settings_logging(struct walk *walk, tree_node value, void *object)
{
	struct logging_object logging = {.level = LOG_LEVEL_INFO};
	int error = walk_mapping(walk, value, logging_fields, COUNT(logging_fields), &logging);

	for (int i = 0; i < LOG_FACILITIES; i++) {
		if (!logging.named[i])
			walk->draft.config.logging.levels[i] = logging.level;
	}
	return error;
}

/* --- events --- */

static int parse_silent_after(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);

	word_parse_number(&word, "number of seconds", 1, SILENT_AFTER_MAX,
			  &walk->draft.config.events.silent_after, walk->errors);
	return 0;
}

static int parse_hook(struct walk *walk, tree_node value, void *object)
{
	struct events_config *events = &walk->draft.config.events;

	parse_path(walk, value, events->hook, sizeof(events->hook));
	return 0;
}

static const struct field events_fields[] = {
	{"silent_after", SCALAR, "a number of seconds", .parse = parse_silent_after},
	{"hook", SCALAR, "the path of a program", .parse = parse_hook},
};

int settings_events(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, events_fields, COUNT(events_fields), NULL);
}

/* --- metrics --- */

static int parse_listen(struct walk *walk, tree_node value, void *object)
{
	struct metrics_config *metrics = &walk->draft.config.metrics;
	struct word word = tree_word(&walk->tree, value);
	struct rule_output listen = {.port = 0};
	struct errors ignored = {0}; /* they speak of outputs, which may be any host or group */
	bool valid;

	if (word_is(&word, "off")) {
		metrics->port = 0;
		return 0;
	}
	valid = word_parse_output(&word, &listen, &ignored);
	errors_free(&ignored);
	/* Counters tell what a network carries: they do not leave the host by themselves. */
	if (!valid || !listen.port || !addr_is_loopback(&listen.to) || listen.iface[0]) {
		word_error(walk->errors, &word,
			   "not an address of this host alone with a port, expected "
			   "127.0.0.1:PORT, [::1]:PORT or off");
		return 0;
	}
	metrics->address = listen.to;
	metrics->port = listen.port;
	return 0;
}

static const struct field metrics_fields[] = {
	{"listen", SCALAR, "127.0.0.1:PORT or off", .parse = parse_listen},
};

int settings_metrics(struct walk *walk, tree_node value, void *object)
{
	return walk_mapping(walk, value, metrics_fields, COUNT(metrics_fields), NULL);
}

/* --- security --- */

static int parse_user(struct walk *walk, tree_node value, void *object)
{
	parse_account(walk, value, "user", walk->draft.config.security.user);
	return 0;
}

static int parse_security_group(struct walk *walk, tree_node value, void *object)
{
	parse_account(walk, value, "group", walk->draft.config.security.group);
	return 0;
}

static int parse_sandbox(struct walk *walk, tree_node value, void *object)
{
	struct word word = tree_word(&walk->tree, value);
	bool on;

	if (walk_bool(walk, &word, &on))
		walk->draft.config.security.no_sandbox = !on;
	return 0;
}

static const struct field security_fields[] = {
	{"user", SCALAR, "a user", .parse = parse_user},
	{"group", SCALAR, "a group", .parse = parse_security_group},
	{"sandbox", SCALAR, "on or off", .parse = parse_sandbox},
};

int settings_security(struct walk *walk, tree_node value, void *object)
{
	struct security_config *security = &walk->draft.config.security;
	int error = walk_mapping(walk, value, security_fields, COUNT(security_fields), NULL);
	struct word word = tree_word(&walk->tree, value);

	if (security->group[0] && !security->user[0])
		word_error(walk->errors, &word, "a group without a user, expected both or a user");
	return error;
}
