/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/settings.h"

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
static const struct choice iface_offloads[] = {
	{"report", OFFLOADS_REPORT}, {"manage", OFFLOADS_MANAGE}, {0}};
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
static const struct choice gso_words[] = {{"on", GSO_MAX_SEGMENTS}, {"off", 1}, {0}};
static const struct choice yes_no[] = {{"yes", true}, {"no", false}, {0}};
static const struct choice never[] = {{"never", 0}, {0}};
static const struct choice auto_off[] = {{"auto", true}, {"off", false}, {0}};
static const struct choice demand_leaves[] = {{"query", DEMAND_LEAVE_QUERY},
					      {"tracked", DEMAND_LEAVE_TRACKED},
					      {"fast", DEMAND_LEAVE_FAST},
					      {0}};
static const struct choice iface_queriers[] = {{"default", IFACE_QUERIER_DEFAULT},
					       {"auto", IFACE_QUERIER_AUTO},
					       {"off", IFACE_QUERIER_OFF},
					       {0}};
static const struct choice iface_leaves[] = {{"default", IFACE_LEAVE_DEFAULT},
					     {"query", IFACE_LEAVE_QUERY},
					     {"tracked", IFACE_LEAVE_TRACKED},
					     {"fast", IFACE_LEAVE_FAST},
					     {0}};
static const struct choice time_units[] = {{"ms", 1}, {"s", 1000}, {0}};
static const struct choice on_off[] = {{"on", true}, {"off", false}, {0}};

/* ---- options of outputs as settings ---- */

static bool parse_default_from(const struct word *word, void *object, struct errors *errors)
{
	struct config *config = object;

	return field_parse(&output_fields[OUTPUT_FROM], word, &config->defaults.output, errors);
}

static void format_default_from(const void *object, char *text)
{
	const struct config *config = object;

	field_format(&output_fields[OUTPUT_FROM], &config->defaults.output, text);
}

/* Not what is between the numbers and the words. */
static bool parse_default_ttl(const struct word *word, void *object, struct errors *errors)
{
	struct config *config = object;

	return field_parse(&output_fields[OUTPUT_TTL], word, &config->defaults.output, errors);
}

/* The default is not written. */
static void format_default_dscp(const void *object, char *text)
{
	const struct config *config = object;

	if (config->defaults.output.dscp)
		field_format(&output_fields[OUTPUT_DSCP], &config->defaults.output, text);
	else
		*text = '\0';
}

/* ---- the table ---- */

#define CONFIG(field) FIELD(struct config, field)
#define IFACE(field)  FIELD(struct iface_config, field)

_Static_assert(LOG_FACILITIES == 8, "each has its line below");
#define LEVELS_HELP "Levels of single facilities, such as { steering: debug, control: error }."
#define OWN_LEVEL(facility_name, facility)                                                         \
	{                                                                                          \
		SETTING_LEVELS "." facility_name, FIELD_CHOICE, CONFIG(logging.levels[facility]),  \
			.live = true, .choices = levels, .what = "level",                          \
			.unset = "logging.level", .help = LEVELS_HELP, .value = LOG_LEVEL_INFO,    \
	}

const struct field setting_list[] = {
	{"interfaces.mode", FIELD_CHOICE, IFACE(mode), .choices = iface_modes,
	 .value = IFACE_MODE_AUTO,
	 .help = "Where XDP runs. native: in the driver. skb: behind the driver, which is slower "
		 "and works with every interface. auto: native if the driver supports it, "
		 "otherwise skb."},
	{"interfaces.queues", FIELD_NUMBER, IFACE(queues), .choices = all_queues, .min = 1,
	 .max = XMC_MAX_QUEUES, .what = "number of queues",
	 .help = "Serve only the first N RX queues."},
	/* Rules shall relay, so the program is attached again by default. `leave` is for an
	 * administrator who removes it on purpose. */
	{"interfaces.lost_program", FIELD_CHOICE, IFACE(lost_program), .choices = lost_programs,
	 .value = LOST_PROGRAM_REATTACH,
	 .help = "What to do when another tool removes or replaces the XDP program. reattach: "
		 "attach it again. leave: wait for a reload."},
	{"interfaces.attach", FIELD_CHOICE, IFACE(attach), .choices = iface_attaches,
	 .value = IFACE_ATTACH_AUTO,
	 .help = "Who attaches the XDP program. own: xmcastd. external: an administrator, with "
		 "\"xdp-loader load -p PINS\" (docs/xdp-loader.md). auto: external if its maps "
		 "are pinned, otherwise own."},
	{"interfaces.pins", FIELD_PATH, IFACE(pins), .what = "path",
	 .unset = "/sys/fs/bpf/xmcast/INTERFACE", .example = "/sys/fs/bpf/xmcast/eth0",
	 .help = "Directory with the maps that xdp-loader has pinned."},
	/* Features of a device are the administrator's, and other programs rely on them. */
	{"interfaces.offloads", FIELD_CHOICE, IFACE(offloads), .choices = iface_offloads,
	 .value = OFFLOADS_REPORT,
	 .help = "What to do about offloads that change packets before XDP sees them, of the "
		 "interface or of those below it: VLAN tags that the device removes, datagrams "
		 "that are merged. report: the rules are pending, and the reason has the ethtool "
		 "command. manage: xmcastd switches them off while it runs, and on again at the "
		 "end."},

	{"interfaces.querier", FIELD_CHOICE, IFACE(querier), .live = true,
	 .choices = iface_queriers, .value = IFACE_QUERIER_DEFAULT,
	 .help = "Of an interface of outputs with `when joined`: demand.querier, or something else "
		 "on this interface."},
	{"interfaces.leave", FIELD_CHOICE, IFACE(leave), .live = true, .choices = iface_leaves,
	 .value = IFACE_LEAVE_DEFAULT,
	 .help = "Likewise: demand.leave, or something else on this interface."},

	{"defaults.from", FIELD_OTHER, CONFIG(defaults), .live = true, .parse = parse_default_from,
	 .format = format_default_from, .what = "source", .expected = "ADDR[:PORT], keep or auto",
	 .form = "ADDR[:PORT]|keep|auto", .unset = "auto", .example = "keep",
	 .help = "The source of what is sent, as of an output."},
	{"defaults.ttl", FIELD_NUMBER, CONFIG(defaults.output.ttl), .live = true, .min = 1,
	 .max = RULE_TTL_DECREMENTED, .parse = parse_default_ttl, .choices = output_ttls,
	 .form = "N|keep|dec", .expected = "a number from 1 to 255, keep or dec",
	 .unset = "1 to a group, 64 to a host", .example = "8",
	 .help = "TTL or hop limit, as of an output."},
	{"defaults.dscp", FIELD_NUMBER, CONFIG(defaults.output.dscp), .live = true, .max = 63,
	 .choices = output_dscps, .format = format_default_dscp, .unset = "0", .example = "af41",
	 .expected = "a number from 0 to 63 or a name such as ef, af41, cs5, keep",
	 .form = "N|NAME|keep", .help = "Differentiated services code point, as of an output."},

	/* What the kernel path bypasses may be what protects a network, so it is never a default.
	 */
	{"relay.path", FIELD_CHOICE, CONFIG(relay.path), .live = true, .choices = rule_paths,
	 .value = RULE_PATH_USER,
	 .help = "Which path carries the rules that do not name one. user: xmcastd sends the "
		 "packets by sockets, with every option. kernel: the XDP program rewrites the "
		 "packets and the kernel sends them at once, which is faster, but bypasses "
		 "netfilter's OUTPUT chain, queueing disciplines and captures on the output "
		 "interface. A rule that the kernel path cannot carry is pending then. auto: the "
		 "kernel path while it can carry the rule, otherwise the user path. Choose user if "
		 "output packets must be filtered, shaped or captured on this host, kernel if "
		 "latency or rate must not depend on circumstances, and otherwise auto."},

	{"egress.engine", FIELD_CHOICE, CONFIG(egress.engine), .choices = engines,
	 .value = ENGINE_IO_URING,
	 .help = "How datagrams are sent. sendmmsg is for systems where io_uring is disabled."},
	{"egress.gso", FIELD_NUMBER, CONFIG(egress.gso), .also = gso_words, .min = 1,
	 .max = GSO_MAX_SEGMENTS, .value = GSO_MAX_SEGMENTS, .what = "gso",
	 .help = "The most datagrams in one send (UDP segmentation offload): on is 64, off is 1."},
	{"egress.wakeup", FIELD_CHOICE, CONFIG(egress.wakeup), .choices = wakeups,
	 .value = WAKEUP_EVENTFD,
	 .help = "What a thread does when it has to wait. eventfd: it sleeps at once. hybrid: it "
		 "spins briefly, then sleeps. spin: it never sleeps and occupies a CPU."},
	/* 4 MiB, counted as the kernel does, is 20 ms of a full 1 Gbit/s. Below one full GSO batch
	 * with its overhead nothing could be sent. */
	{"egress.send_buffer", FIELD_NUMBER, CONFIG(egress.send_buffer), .min = 128 << 10,
	 .max = 256 << 20, .value = 4 << 20, .what = "number of bytes",
	 .help = "Bytes that the socket of one output may hold back. Datagrams beyond that are "
		 "dropped and counted."},

	/* 16384 frames last 11 ms at 1.5 M packets/s, longer than the scheduler takes a thread off
	 * its CPU, and are 32 MiB at an MTU of 1500. */
	{"workers.frames", FIELD_POWER, CONFIG(workers.frames), .min = 64, .max = 1 << 20,
	 .value = 16384, .what = "number of frames",
	 .help = "Packets that one worker can hold. Each takes 2 or 4 KiB of memory."},
	/* With as many entries as frames the ring cannot be full before the frames run out. */
	{"workers.rx_ring", FIELD_POWER, CONFIG(workers.rx_ring), .min = 64, .max = 1 << 16,
	 .what = "ring size", .unset = "as many as frames", .example = "16384",
	 .help = "Packets that may wait for one worker."},
	/* 8192 is the most that Linux is built for (CONFIG_NR_CPUS). */
	{"workers.cpus", FIELD_LIST, FIELDS(struct config, workers.nr_cpus, workers.cpus),
	 .max = 8191, .what = "CPU", .unset = "the scheduler decides", .example = "[2, 3]",
	 .help = "Bind the threads to these CPUs, in turn."},
	/* No pass of a loop takes 10 s, and a supervisor's own watchdog is slower still. */
	{"workers.watchdog", FIELD_NUMBER, CONFIG(workers.watchdog), .max = 3600, .value = 10,
	 .what = "number of seconds",
	 .help = "Seconds without a heartbeat after which a thread counts as stuck. xmcastd then "
		 "exits with code 70. 0: never."},

	{"statistics.interval", FIELD_NUMBER, CONFIG(stats_interval), .live = true, .max = 86400,
	 .value = 600, .what = "number of seconds",
	 .help = "Seconds between two lines of statistics in the log. 0: none."},

	/* The socket is given to its group when it is made. */
	{"control.group", FIELD_ACCOUNT, CONFIG(control.group), .what = "group",
	 .unset = "the daemon's own group", .example = "xmcast",
	 .help = "Members of this group may connect and read."},
	{"control.admin_group", FIELD_ACCOUNT, CONFIG(control.admin_group), .live = true,
	 .what = "group", .unset = "nobody else", .example = "xmcast-admin",
	 .help = "Members of this group may change everything, as root may."},
	{"control.save_changes", FIELD_SWITCH, CONFIG(control.save_changes), .live = true,
	 .choices = yes_no, .help = "Save each change to this file. Its comments are lost."},

	{"logging.level", FIELD_CHOICE, CONFIG(logging.levels[0]), .live = true, .choices = levels,
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
	{"logging.to", FIELD_CHOICE, CONFIG(logging.target), .live = true, .choices = log_targets,
	 .value = LOG_TARGET_AUTO, .what = "log target",
	 .help = "Where the log goes. auto: standard error, or the journal under systemd."},
	{"logging.format", FIELD_CHOICE, CONFIG(logging.json), .live = true, .choices = log_formats,
	 .what = "log format", .help = "The form of a line of the log."},

	{"demand.querier", FIELD_CHOICE, CONFIG(demand.querier), .live = true, .choices = auto_off,
	 .value = true, .what = "querier",
	 .help = "auto: xmcastd asks for receivers on interfaces of outputs with `when joined` "
		 "where no other querier is heard. off: it only listens."},
	/* Longer than a receiver needs to change to another channel and back. */
	{"demand.linger", FIELD_UNITS, CONFIG(demand.linger), .live = true, .min = 1,
	 .max = 86400000, .value = 10000, .choices = time_units, .what = "time",
	 .expected = "a time from 1ms to 86400s, in ms or s", .form = "N(ms|s)",
	 .help = "How long an input `on demand` stays joined when no output is wanted any more."},
	/* What RFC 3376 and RFC 3810 ask for. */
	{"demand.leave", FIELD_CHOICE, CONFIG(demand.leave), .live = true, .choices = demand_leaves,
	 .value = DEMAND_LEAVE_QUERY,
	 .help = "What happens when a receiver leaves. query: others are asked first, within "
		 "last_member_interval times robustness. tracked: the stream ends at once if no "
		 "other receiver is known, unless some speak IGMPv1, IGMPv2 or MLDv1, which "
		 "receivers hide behind each other. fast: it also ends at once for these: for "
		 "links with one receiver."},
	/* The defaults of RFC 3376, section 8, and RFC 3810, section 9. */
	{"demand.query_interval", FIELD_UNITS, CONFIG(demand.query_interval), .live = true,
	 .min = 1000, .max = 31744000, .value = 125000, .choices = time_units, .what = "time",
	 .expected = "a time from 1s to 31744s, in ms or s", .form = "N(ms|s)",
	 .help = "From one query of all groups to the next."},
	{"demand.response_time", FIELD_UNITS, CONFIG(demand.response_time), .live = true,
	 .min = 100, .max = 25000, .value = 10000, .choices = time_units, .what = "time",
	 .expected = "a time from 100ms to 25s, in ms or s", .form = "N(ms|s)",
	 .help = "Receivers answer such a query within this time."},
	{"demand.last_member_interval", FIELD_UNITS, CONFIG(demand.last_member_interval),
	 .live = true, .min = 100, .max = 25000, .value = 1000, .choices = time_units,
	 .what = "time", .expected = "a time from 100ms to 25s, in ms or s", .form = "N(ms|s)",
	 .help = "From one query of a group that was left to the next."},
	{"demand.robustness", FIELD_NUMBER, CONFIG(demand.robustness), .live = true, .min = 1,
	 .max = 7, .value = 2, .what = "number",
	 .help = "How often queries are sent before a receiver counts as gone, because messages "
		 "are lost."},
	/* 2,000 receivers of 100 groups each, and as much again: about 50 MiB. */
	{"demand.max_groups", FIELD_NUMBER, CONFIG(demand.max_groups), .live = true, .min = 1,
	 .max = 65536, .value = 16384, .what = "number of groups",
	 .help = "The most groups, each counted once for each interface, whose receivers are "
		 "known. What is above is not wanted, and counted."},
	{"demand.max_members", FIELD_NUMBER, CONFIG(demand.max_members), .live = true, .min = 1,
	 .max = 4194304, .value = 400000, .what = "number of members",
	 .help = "The most receivers, each counted once for each of its groups."},
	/* Each has a socket for each output. */
	{"demand.max_streams", FIELD_NUMBER, CONFIG(demand.max_streams), .live = true, .min = 1,
	 .max = 65536, .value = 1024, .what = "number of streams",
	 .help = "The most streams of one rule that are relayed at the same time: groups of a "
		 "prefix, "
		 "and sources that receivers name. What is above is not relayed, and counted."},

	{"events.silent_after", FIELD_NUMBER, CONFIG(events.silent_after), .live = true, .min = 1,
	 .max = 86400, .value = 3, .what = "number of seconds",
	 .help = "Seconds without a packet after which a rule counts as silent."},
	/* A host that is the standby of another one holds nothing for weeks, and only what hands
	 * out leases knows that the other one does. */
	{"events.unheld_after", FIELD_NUMBER, CONFIG(events.unheld_after), .live = true, .min = 1,
	 .max = 86400, .choices = never, .what = "number of seconds",
	 .help = "Seconds without a holder after which a lease is reported as unheld: neither this "
		 "host nor, as far as the daemon was told, another one holds it."},
	{"events.double_source", FIELD_SWITCH, CONFIG(events.double_source), .live = true,
	 .choices = on_off, .value = true,
	 .help = "Join the groups of outputs whose rule has a lease, some at a time, and report "
		 "other hosts that send to them although this host holds the lease."},
	{"events.hook", FIELD_RETIRED,
	 .help = "xmcastd runs no programs: use `xmcastctl monitor --exec PROGRAM`, or the unit "
		 "xmcast-monitor@.service"},

	{"metrics.listen", FIELD_RETIRED,
	 .help = "xmcastd serves no metrics: use the program xmcast-exporter, or its unit "
		 "xmcast-exporter.service"},

	{"security.user", FIELD_ACCOUNT, CONFIG(security.user), .what = "user",
	 .unset = "the user that starts it", .example = "xmcast",
	 .help = "The user that xmcastd becomes if root starts it."},
	{"security.group", FIELD_ACCOUNT, CONFIG(security.group), .what = "group",
	 .unset = "the user's own group", .example = "xmcast",
	 .help = "The group that xmcastd becomes if root starts it."},
	{"security.sandbox", FIELD_SWITCH, CONFIG(security.sandbox), .choices = on_off,
	 .value = true,
	 .help = "Restrict every thread to the system calls that it needs. off is for locating a "
		 "fault."},
	{0},
};

_Static_assert(sizeof(setting_list) / sizeof(setting_list[0]) <= 64, "a bit each in `seen`");

const struct setting_section setting_sections[] = {
	{SETTING_IFACES, "Interfaces of inputs, by the names that the rules use."},
	{"defaults", "Options of outputs that do not give them, of all rules."},
	{"relay", "How packets travel from input to output."},
	{"egress", "How packets are sent on the user path."},
	{"workers", "There is one worker for each RX queue of each input interface."},
	{"statistics", "What is logged regularly."},
	{"control", "Who may use the control socket. Root and the daemon's own user may do "
		    "everything."},
	{"logging", "What is logged, and where."},
	{"demand", "Outputs with `when joined`, and how their receivers are found."},
	{"events", "Events that clients may watch."},
	{"security", "What the daemon gives up."},
	{0},
};

bool setting_of_iface(const struct field *setting)
{
	return setting_key(setting, SETTING_IFACES);
}

const char *setting_key(const struct field *setting, const char *section)
{
	size_t length = strlen(section);

	if (!length)
		return setting->name;
	return strncmp(setting->name, section, length) == 0 && setting->name[length] == '.'
		       ? setting->name + length + 1
		       : NULL;
}

void setting_defaults(void *object, bool of_iface)
{
	for (const struct field *setting = setting_list; setting->name; setting++) {
		if (setting_of_iface(setting) == of_iface)
			field_set_default(setting, object);
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

static bool is_common_level(const struct field *setting)
{
	return strcmp(setting->name, "logging.level") == 0;
}

void setting_parse(const struct field *setting, const struct word *word, void *object,
		   uint64_t seen, struct errors *errors)
{
	struct config *config = object, common;

	if (!is_common_level(setting)) {
		field_parse(setting, word, object, errors);
		return;
	}
	if (!field_parse(setting, word, &common, errors))
		return;
	for (size_t i = 0; setting_list[i].name; i++) {
		if (setting_key(&setting_list[i], SETTING_LEVELS) && !(seen & 1ULL << i))
			field_set_number(&setting_list[i], config, field_number(setting, &common));
	}
}

const char *setting_format(const struct field *setting, const void *object,
			   char text[FIELD_TEXT_SIZE])
{
	const struct config *config = object;

	if (is_common_level(setting))
		return strcpy(text, levels[common_level(&config->logging)].name);
	/* A facility with the common level has none of its own. */
	if (setting_key(setting, SETTING_LEVELS) &&
	    field_number(setting, config) == common_level(&config->logging))
		return strcpy(text, "");
	return field_format(setting, object, text);
}

const char *setting_default(const struct field *setting, char text[FIELD_TEXT_SIZE])
{
	bool of_iface = setting_of_iface(setting);
	struct iface_config iface = {.queues = 0};
	struct config config = {.nr_rules = 0};

	setting_defaults(of_iface ? (void *)&iface : &config, of_iface);
	setting_format(setting, of_iface ? (void *)&iface : &config, text);
	/* A word reads better than the number that is written. */
	for (const struct choice *word = setting->also; word && word->name; word++) {
		if (word->value == setting->value)
			strcpy(text, word->name);
	}
	return text;
}

void settings_print(FILE *stream)
{
	bool seen_level = false;

	for (const struct field *setting = setting_list; setting->name; setting++) {
		bool level = setting_key(setting, SETTING_LEVELS);
		char name[64], form[FIELD_TEXT_SIZE], usual[FIELD_TEXT_SIZE];

		if (setting->type == FIELD_RETIRED || (level && seen_level))
			continue;
		seen_level |= level;
		if (setting_of_iface(setting))
			snprintf(name, sizeof(name), SETTING_IFACES ".NAME.%s",
				 setting_key(setting, SETTING_IFACES));
		else
			snprintf(name, sizeof(name), "%s",
				 level ? SETTING_LEVELS ".FACILITY" : setting->name);
		setting_default(setting, usual);
		fprintf(stream, "  %-28s %s (%s)\n", name, field_form(setting, form),
			*usual ? usual : setting->unset);
	}
}
