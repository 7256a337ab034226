/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/settings.h"

#include <stdio.h>
#include <string.h>

/* ---- the values to choose from ---- */

static const struct choice iface_modes[] = {
	{"auto", IFACE_MODE_AUTO}, {"native", IFACE_MODE_NATIVE}, {"skb", IFACE_MODE_SKB}, {0}};
static const struct choice all_queues[] = {{"all", 0}, {0}};
static const struct choice lost_programs[] = {
	{"reattach", LOST_PROGRAM_REATTACH}, {"leave", LOST_PROGRAM_LEAVE}, {0}};
static const struct choice iface_attaches[] = {{"auto", IFACE_ATTACH_AUTO},
					       {"own", IFACE_ATTACH_OWN},
					       {"external", IFACE_ATTACH_EXTERNAL},
					       {0}};
static const struct choice engines[] = {
	{"io_uring", ENGINE_IO_URING}, {"sendmmsg", ENGINE_SENDMMSG}, {0}};
static const struct choice wakeups[] = {
	{"eventfd", WAKEUP_EVENTFD}, {"hybrid", WAKEUP_HYBRID}, {"spin", WAKEUP_SPIN}, {0}};
static const struct choice levels[] = {{"error", LOG_LEVEL_ERROR},
				       {"warning", LOG_LEVEL_WARNING},
				       {"info", LOG_LEVEL_INFO},
				       {"debug", LOG_LEVEL_DEBUG},
				       {0}};
static const struct choice log_targets[] = {{"auto", LOG_TARGET_AUTO},
					    {"stderr", LOG_TARGET_STDERR},
					    {"syslog", LOG_TARGET_SYSLOG},
					    {0}};
static const struct choice log_formats[] = {{"text", false}, {"json", true}, {0}};
static const struct choice yes_no[] = {{"yes", true}, {"no", false}, {0}};
static const struct choice on_off[] = {{"on", true}, {"off", false}, {0}};

/* ---- the table ---- */

#define FIELD(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)
#define CONFIG(field)	   FIELD(struct config, field)
#define IFACE(field)	   FIELD(struct iface_config, field)

_Static_assert(LOG_FACILITIES == 8, "each has its line below");
#define LEVELS_HELP "Levels of single facilities, such as { steering: debug, control: error }."
#define OWN_LEVEL(facility_name, facility)                                                         \
	{                                                                                          \
		"logging.levels." facility_name, SETTING_OWN_LEVEL,                                \
			CONFIG(logging.levels[facility]), .live = true, .choices = levels,         \
							  .help = LEVELS_HELP,                     \
							  .value = LOG_LEVEL_INFO,                 \
	}

const struct setting setting_list[] = {
	{"interfaces.mode", SETTING_CHOICE, IFACE(mode), .choices = iface_modes,
	 .value = IFACE_MODE_AUTO,
	 .help = "Where XDP runs. native: in the driver. skb: behind the driver, which is slower "
		 "and works with every interface. auto: native if the driver supports it, "
		 "otherwise skb."},
	{"interfaces.queues", SETTING_NUMBER, IFACE(queues), .choices = all_queues, .min = 1,
	 .max = XMC_MAX_QUEUES, .what = "number of queues",
	 .help = "Serve only the first N RX queues."},
	/* Rules shall relay, so the program is attached again by default. `leave` is for an
	 * administrator who removes it on purpose. */
	{"interfaces.lost_program", SETTING_CHOICE, IFACE(lost_program), .choices = lost_programs,
	 .value = LOST_PROGRAM_REATTACH,
	 .help = "What to do when another tool removes or replaces the XDP program. reattach: "
		 "attach it again. leave: wait for a reload."},
	{"interfaces.attach", SETTING_CHOICE, IFACE(attach), .choices = iface_attaches,
	 .value = IFACE_ATTACH_AUTO,
	 .help = "Who attaches the XDP program. own: xmcastd. external: an administrator, with "
		 "\"xdp-loader load -p PINS\" (docs/xdp-loader.md). auto: external if its maps "
		 "are pinned, otherwise own."},
	{"interfaces.pins", SETTING_PATH, IFACE(pins), .what = "path",
	 .unset = "/sys/fs/bpf/xmcast/INTERFACE", .example = "/sys/fs/bpf/xmcast/eth0",
	 .help = "Directory with the maps that xdp-loader has pinned."},

	{"egress.engine", SETTING_CHOICE, CONFIG(egress.engine), .choices = engines,
	 .value = ENGINE_IO_URING,
	 .help = "How datagrams are sent. sendmmsg is for systems where io_uring is disabled."},
	{"egress.gso", SETTING_GSO, CONFIG(egress.gso), .min = 1, .max = GSO_MAX_SEGMENTS,
	 .value = GSO_MAX_SEGMENTS, .what = "gso",
	 .help = "The most datagrams in one send (UDP segmentation offload): on is 64, off is 1."},
	{"egress.wakeup", SETTING_CHOICE, CONFIG(egress.wakeup), .choices = wakeups,
	 .value = WAKEUP_EVENTFD,
	 .help = "What a thread does when it has to wait. eventfd: it sleeps at once. hybrid: it "
		 "spins briefly, then sleeps. spin: it never sleeps and occupies a CPU."},
	/* 4 MiB, counted as the kernel does, is 20 ms of a full 1 Gbit/s. Below one full GSO batch
	 * with its overhead nothing could be sent. */
	{"egress.send_buffer", SETTING_NUMBER, CONFIG(egress.send_buffer), .min = 128 << 10,
	 .max = 256 << 20, .value = 4 << 20, .what = "number of bytes",
	 .help = "Bytes that the socket of one output may hold back. Datagrams beyond that are "
		 "dropped and counted."},

	/* 16384 frames last 11 ms at 1.5 M packets/s, longer than the scheduler takes a thread off
	 * its CPU, and are 32 MiB at an MTU of 1500. */
	{"workers.frames", SETTING_POWER, CONFIG(workers.frames), .min = 64, .max = 1 << 20,
	 .value = 16384, .what = "number of frames",
	 .help = "Packets that one worker can hold. Each takes 2 or 4 KiB of memory."},
	/* With as many entries as frames the ring cannot be full before the frames run out. */
	{"workers.rx_ring", SETTING_POWER, CONFIG(workers.rx_ring), .min = 64, .max = 1 << 16,
	 .what = "ring size", .unset = "as many as frames", .example = "16384",
	 .help = "Packets that may wait for one worker."},
	/* 8192 is the most that Linux is built for (CONFIG_NR_CPUS). */
	{"workers.cpus", SETTING_CPUS, CONFIG(workers), .max = 8191, .what = "CPU",
	 .unset = "the scheduler decides", .example = "[2, 3]",
	 .help = "Bind the threads to these CPUs, in turn."},
	/* No pass of a loop takes 10 s, and a supervisor's own watchdog is slower still. */
	{"workers.watchdog", SETTING_NUMBER, CONFIG(workers.watchdog), .max = 3600, .value = 10,
	 .what = "number of seconds",
	 .help = "Seconds without a heartbeat after which a thread counts as stuck. xmcastd then "
		 "exits with code 70. 0: never."},

	{"statistics.interval", SETTING_NUMBER, CONFIG(stats_interval), .live = true, .max = 86400,
	 .value = 10, .what = "number of seconds",
	 .help = "Seconds between two lines of statistics in the log. 0: none."},

	/* The socket is given to its group when it is made. */
	{"control.group", SETTING_ACCOUNT, CONFIG(control.group), .what = "group",
	 .unset = "the daemon's own group", .example = "xmcast",
	 .help = "Members of this group may connect and read."},
	{"control.admin_group", SETTING_ACCOUNT, CONFIG(control.admin_group), .live = true,
	 .what = "group", .unset = "nobody else", .example = "xmcast-admin",
	 .help = "Members of this group may change everything, as root may."},
	{"control.save_changes", SETTING_SWITCH, CONFIG(control.save_changes), .live = true,
	 .choices = yes_no, .help = "Save each change to this file. Its comments are lost."},

	{"logging.level", SETTING_LEVEL, CONFIG(logging.levels), .live = true, .choices = levels,
	 .value = LOG_LEVEL_INFO,
	 .help = "The least severe messages that are logged, of all facilities that levels does "
		 "not name."},
	OWN_LEVEL("daemon", LOG_FACILITY_DAEMON),
	OWN_LEVEL("rules", LOG_FACILITY_RULES),
	OWN_LEVEL("steering", LOG_FACILITY_STEERING),
	OWN_LEVEL("ingress", LOG_FACILITY_INGRESS),
	OWN_LEVEL("egress", LOG_FACILITY_EGRESS),
	OWN_LEVEL("membership", LOG_FACILITY_MEMBERSHIP),
	OWN_LEVEL("links", LOG_FACILITY_LINKS),
	OWN_LEVEL("control", LOG_FACILITY_CONTROL),
	{"logging.to", SETTING_CHOICE, CONFIG(logging.target), .live = true, .choices = log_targets,
	 .value = LOG_TARGET_AUTO,
	 .help = "Where the log goes. auto: standard error, in the journal's form under systemd."},
	{"logging.format", SETTING_CHOICE, CONFIG(logging.json), .live = true,
	 .choices = log_formats, .help = "The form of a line of the log."},

	{"events.silent_after", SETTING_NUMBER, CONFIG(events.silent_after), .live = true, .min = 1,
	 .max = 86400, .value = 3, .what = "number of seconds",
	 .help = "Seconds without a packet after which a rule counts as silent."},
	{"events.hook", SETTING_PATH, CONFIG(events.hook), .live = true, .what = "path",
	 .unset = "none", .example = "/usr/local/bin/on-event",
	 .help = "A program to run for each event."},

	{"metrics.listen", SETTING_LISTEN, CONFIG(metrics), .what = "address",
	 .help = "A loopback address at which OpenMetrics are served over HTTP."},

	{"security.user", SETTING_ACCOUNT, CONFIG(security.user), .what = "user",
	 .unset = "it stays", .example = "xmcast",
	 .help = "The user that xmcastd becomes if root starts it."},
	{"security.group", SETTING_ACCOUNT, CONFIG(security.group), .what = "group",
	 .unset = "the user's own group", .example = "xmcast",
	 .help = "The group that xmcastd becomes if root starts it."},
	{"security.sandbox", SETTING_SWITCH, CONFIG(security.sandbox), .choices = on_off,
	 .value = true,
	 .help = "Restrict every thread to the system calls that it needs. off is for locating a "
		 "fault."},
	{0},
};

_Static_assert(sizeof(setting_list) / sizeof(setting_list[0]) <= 64, "a bit each in `seen`");

const struct setting_section setting_sections[] = {
	{SETTING_IFACES, "Interfaces of inputs, by the names that the rules use."},
	{"egress", "How packets are sent."},
	{"workers", "There is one worker for each RX queue of each input interface."},
	{"statistics", "What is logged regularly."},
	{"control", "Who may use the control socket. Root and the daemon's own user may do "
		    "everything."},
	{"logging", "What is logged, and where."},
	{"events", "Events that clients may watch."},
	{"metrics", "Metrics over HTTP."},
	{"security", "What the daemon gives up."},
	{0},
};

/* ---- names ---- */

bool setting_of_iface(const struct setting *setting)
{
	return setting_key(setting, SETTING_IFACES);
}

const char *setting_key(const struct setting *setting, const char *section)
{
	size_t length = strlen(section);

	if (!length)
		return setting->name;
	return strncmp(setting->name, section, length) == 0 && setting->name[length] == '.'
		       ? setting->name + length + 1
		       : NULL;
}

bool setting_is_text(const struct setting *setting)
{
	return setting->type == SETTING_PATH || setting->type == SETTING_ACCOUNT ||
	       setting->type == SETTING_LISTEN;
}

/* ---- values that are numbers ---- */

/* Of a bool, an unsigned int or an enum. */
static unsigned int get_number(const struct setting *setting, const void *object)
{
	const char *field = (const char *)object + setting->offset;
	unsigned int number;

	if (setting->size == sizeof(bool))
		return *(const bool *)field;
	memcpy(&number, field, sizeof(number));
	return number;
}

static void set_number(const struct setting *setting, void *object, unsigned int number)
{
	char *field = (char *)object + setting->offset;

	if (setting->size == sizeof(bool))
		*(bool *)field = number;
	else
		memcpy(field, &number, sizeof(number));
}

static const char *choice_name(const struct choice *choices, unsigned int value)
{
	for (; choices && choices->name; choices++) {
		if (choices->value == value)
			return choices->name;
	}
	return NULL;
}

static bool find_choice(const struct choice *choices, const struct word *word, unsigned int *value)
{
	for (; choices && choices->name; choices++) {
		if (word_is(word, choices->name)) {
			*value = choices->value;
			return true;
		}
	}
	return false;
}

void setting_defaults(void *object, bool of_iface)
{
	for (const struct setting *setting = setting_list; setting->name; setting++) {
		if (setting_of_iface(setting) == of_iface && setting->value &&
		    setting->type != SETTING_LEVEL)
			set_number(setting, object, setting->value);
	}
}

/* ---- log levels ---- */

/* A configuration keeps the level of each facility only. What `logging.level` says is the level
 * that most have; if several levels are equally common, the one nearest to the default. */
static enum log_level common_level(const struct log_config *logging)
{
	static const enum log_level preferred[LOG_LEVELS] = {LOG_LEVEL_INFO, LOG_LEVEL_WARNING,
							     LOG_LEVEL_DEBUG, LOG_LEVEL_ERROR};
	enum log_level common = LOG_LEVEL_INFO;
	unsigned int counts[LOG_LEVELS] = {0};

	for (int i = 0; i < LOG_FACILITIES; i++)
		counts[logging->levels[i]]++;
	for (int i = 0; i < LOG_LEVELS; i++) {
		if (counts[preferred[i]] > counts[common])
			common = preferred[i];
	}
	return common;
}

static void set_common_level(struct config *config, unsigned int level, uint64_t seen)
{
	for (size_t i = 0; setting_list[i].name; i++) {
		if (setting_list[i].type == SETTING_OWN_LEVEL && !(seen & 1ULL << i))
			set_number(&setting_list[i], config, level);
	}
}

/* ---- reading ---- */

const char *setting_expected(const struct setting *setting, char text[SETTING_TEXT_SIZE])
{
	char names[128] = "";

	for (const struct choice *choice = setting->choices; choice && choice->name; choice++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
			 *names ? ", " : "", choice->name);
	switch (setting->type) {
	case SETTING_CHOICE:
	case SETTING_LEVEL:
	case SETTING_OWN_LEVEL:
		snprintf(text, SETTING_TEXT_SIZE, "one of %s", names);
		break;
	case SETTING_SWITCH:
		strcpy(text, WORD_BOOL_EXPECTED);
		break;
	case SETTING_NUMBER:
	case SETTING_CPUS:
		snprintf(text, SETTING_TEXT_SIZE, "%s%sa number from %u to %u", names,
			 *names ? " or " : "", setting->min, setting->max);
		break;
	case SETTING_POWER:
		snprintf(text, SETTING_TEXT_SIZE, "a power of two from %u to %u", setting->min,
			 setting->max);
		break;
	case SETTING_GSO:
		strcpy(text, GSO_EXPECTED);
		break;
	case SETTING_PATH:
		snprintf(text, SETTING_TEXT_SIZE, "an absolute path of at most %zu bytes",
			 setting->size - 1);
		break;
	case SETTING_ACCOUNT:
		snprintf(text, SETTING_TEXT_SIZE,
			 "the name or the number of a %s, at most %zu "
			 "characters",
			 setting->what, setting->size - 1);
		break;
	case SETTING_LISTEN:
		strcpy(text, "a loopback address and port, such as 127.0.0.1:9710, or off");
		break;
	}
	return text;
}

static bool parse_number(const struct setting *setting, const struct word *word,
			 unsigned int *number)
{
	return word_to_number(word, number) && *number >= setting->min && *number <= setting->max &&
	       (setting->type != SETTING_POWER || !(*number & (*number - 1)));
}

/* A text fits with its NUL. It is padded with zeros, so that equal texts are equal bytes. */
static bool store_text(const struct setting *setting, void *object, const struct word *word)
{
	char *field = (char *)object + setting->offset;

	if (!word->length || word->length >= setting->size)
		return false;
	memset(field, 0, setting->size);
	memcpy(field, word->text, word->length);
	return true;
}

static bool is_path(const struct word *word)
{
	return word->length && word->text[0] == '/' && !memchr(word->text, '\0', word->length);
}

/* What useradd(8) allows, or a number. Whether it exists is known when it is used. */
static bool is_account(const struct word *word)
{
	for (size_t i = 0; i < word->length; i++) {
		char c = word->text[i];
		bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
			     (c >= '0' && c <= '9') || (i && (c == '-' || c == '.'));

		if (!valid)
			return false;
	}
	return true;
}

/* Counters show what a network carries, so they are served to this host alone. */
static bool parse_listen(const struct word *word, struct metrics_config *metrics)
{
	struct errors ignored = {0};
	struct rule_output listen = {.port = 0};
	bool valid;

	if (word_is(word, "off")) {
		metrics->port = 0;
		return true;
	}
	valid = rule_parse_output(word, &listen, &ignored) && listen.port && !*listen.iface &&
		addr_is_loopback(&listen.to);
	errors_free(&ignored);
	if (valid) {
		metrics->address = listen.to;
		metrics->port = listen.port;
	}
	return valid;
}

static bool append_cpu(struct worker_config *workers, unsigned int cpu)
{
	if (workers->nr_cpus == WORKER_CPUS_MAX)
		return false;
	workers->cpus[workers->nr_cpus++] = (uint16_t)cpu;
	return true;
}

void setting_parse(const struct setting *setting, void *object, const struct word *word,
		   uint64_t seen, struct errors *errors)
{
	char expected[SETTING_TEXT_SIZE];
	unsigned int number = 0;
	bool valid = false, on;

	switch (setting->type) {
	case SETTING_CHOICE:
	case SETTING_LEVEL:
	case SETTING_OWN_LEVEL:
		valid = find_choice(setting->choices, word, &number);
		break;
	case SETTING_SWITCH:
		valid = word_to_bool(word, &on);
		number = on;
		break;
	case SETTING_NUMBER:
	case SETTING_POWER:
		valid = find_choice(setting->choices, word, &number) ||
			parse_number(setting, word, &number);
		break;
	case SETTING_GSO:
		valid = word_to_gso(word, &number);
		break;
	case SETTING_PATH:
		valid = is_path(word) && store_text(setting, object, word);
		break;
	case SETTING_ACCOUNT:
		valid = is_account(word) && store_text(setting, object, word);
		break;
	case SETTING_LISTEN:
		valid = parse_listen(word, &((struct config *)object)->metrics);
		break;
	case SETTING_CPUS:
		valid = parse_number(setting, word, &number);
		if (valid && !append_cpu(&((struct config *)object)->workers, number)) {
			word_error(errors, word, "too many CPUs, expected at most %d",
				   WORKER_CPUS_MAX);
			return;
		}
		break;
	}
	if (!valid)
		word_error(errors, word, "not a valid %s, expected %s",
			   setting->what ? setting->what : "value",
			   setting_expected(setting, expected));
	else if (setting->type == SETTING_LEVEL)
		set_common_level(object, number, seen);
	else if (!setting_is_text(setting) && setting->type != SETTING_CPUS)
		set_number(setting, object, number);
}

/* ---- writing ---- */

static void format_cpus(const struct worker_config *workers, char text[SETTING_TEXT_SIZE])
{
	size_t used = 0;

	*text = '\0';
	for (unsigned int i = 0; i < workers->nr_cpus; i++)
		used += (size_t)snprintf(text + used, SETTING_TEXT_SIZE - used, "%s%u",
					 i ? ", " : "[", workers->cpus[i]);
	if (used)
		strcpy(text + used, "]");
}

const char *setting_format(const struct setting *setting, const void *object,
			   char text[SETTING_TEXT_SIZE])
{
	const struct config *config = object;
	const char *name = NULL;
	unsigned int number;

	*text = '\0';
	switch (setting->type) {
	case SETTING_PATH:
	case SETTING_ACCOUNT:
		snprintf(text, SETTING_TEXT_SIZE, "%s", (const char *)object + setting->offset);
		return text;
	case SETTING_CPUS:
		format_cpus(&config->workers, text);
		return text;
	case SETTING_LISTEN:
		strcpy(text, "off");
		if (config->metrics.port)
			endpoint_format(&config->metrics.address, config->metrics.port, NULL, text);
		return text;
	case SETTING_LEVEL:
		strcpy(text, choice_name(levels, common_level(&config->logging)));
		return text;
	case SETTING_OWN_LEVEL:
		/* Not set: as most facilities. */
		if (get_number(setting, object) == common_level(&config->logging))
			return text;
		break;
	default:
		break;
	}
	number = get_number(setting, object);
	name = choice_name(setting->choices, number);
	if (name)
		strcpy(text, name);
	else if (number >= setting->min && number <= setting->max)
		snprintf(text, SETTING_TEXT_SIZE, "%u", number);
	return text;
}
