/* SPDX-License-Identifier: BSD-2-Clause */
/* Random configurations written as text and read again are equal. */
#include "config_text.h"

/* If one of these fails, a setting was added or removed: adapt random_config() below. */
_Static_assert(sizeof(struct rule) == 336, "rule");
_Static_assert(sizeof(struct rule_output) == 80, "output");
_Static_assert(sizeof(struct iface_config) == 304, "interfaces");
_Static_assert(sizeof(struct relay_config) == 4, "relay");
_Static_assert(sizeof(struct egress_config) == 16, "egress");
_Static_assert(sizeof(struct worker_config) == 272, "workers");
_Static_assert(sizeof(struct control_config) == 67, "control");
_Static_assert(sizeof(struct log_config) == 40, "logging");
_Static_assert(sizeof(struct events_config) == 12, "events");
_Static_assert(sizeof(struct security_config) == 67, "security");
_Static_assert(sizeof(struct default_config) == 80, "defaults");
_Static_assert(sizeof(struct demand_config) == 40, "demand");
_Static_assert(sizeof(struct config) == 672, "config");

#define CONFIGS 3000

static unsigned int random_state;

/* The same numbers on every machine: a failure can be repeated. */
static unsigned int pick(unsigned int below)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 8) % below;
}

/* The default, mostly; otherwise one of `count` values. */
static unsigned int pick_or(unsigned int usual, unsigned int first, unsigned int count)
{
	return pick(3) ? usual : first + pick(count);
}

/* A word of any printable ASCII except these bytes. */
static void pick_word(char *word, unsigned int longest, const char *without)
{
	unsigned int length = 1 + pick(longest);

	for (unsigned int i = 0; i < length; i++) {
		do {
			word[i] = (char)('!' + pick('~' - '!' + 1));
		} while (strchr(without, word[i]));
	}
	/* Neither names nor interfaces end like this. */
	if (strchr(",:;", word[length - 1]))
		word[length - 1] = '.';
	word[length] = '\0';
}

static void pick_iface(char iface[IF_NAMESIZE])
{
	static const char *const odd[] = {
		"yes", "123", "~", "null", "0x10", "a\"b", "a#b", "#",	 "{",	 "a'b", "[x]",
		"-",   "\\",  "@", "%",	   "!",	   "&a",   "*a",  "a,b", "...",	 "---", "<<",
		"=",   "|",   ">", "eth0", "a@b",  "1.5",  "`",	  "?",	 "a\\n", "0"};

	memset(iface, 0, IF_NAMESIZE);
	do {
		if (pick(2))
			strcpy(iface, odd[pick(sizeof(odd) / sizeof(odd[0]))]);
		else
			pick_word(iface, IF_NAMESIZE - 1, "/:");
	} while (strcmp(iface, ".") == 0 || strcmp(iface, "..") == 0);
}

static struct xmc_addr pick_addr(bool group)
{
	struct xmc_addr addr;
	char text[ADDR_TEXT_SIZE];

	snprintf(text, sizeof(text), "%u.%u.%u.%u", group ? 224 + pick(16) : 1 + pick(223),
		 pick(256), pick(256), pick(256));
	assert_true(addr_parse(text, &addr));
	return addr;
}

/* Of a rule that only the kernel path can carry there are no limits, and of one of an IP protocol
 * no ports and no gso. */
static struct rule_output pick_output(const struct rule *rule, unsigned int number)
{
	bool group = pick(2);
	struct rule_output output = {
		.to = pick_addr(group),
		.port = (uint16_t)(1 + number), /* all different: no duplicates, no loops */
		.gso = (uint8_t)pick_or(0, 1, GSO_MAX_SEGMENTS),
		.dscp = (uint8_t)pick_or(0, 0, RULE_DSCP_KEPT),
		.from_kept = pick(4) == 0,
	};

	if (rule->protocol)
		output.port = output.gso = 0;
	if (pick(2) && !rule_is_kernel_only(rule))
		output.rate_bps = RATE_BPS_MIN * (1 + pick(400000)) * (pick(2) ? 1000 : 1);
	if (pick(2) && !rule_is_kernel_only(rule))
		output.rate_pps = 1 + pick(RATE_PPS_MAX);
	if (output_is_limited(&output) && pick(2))
		output.burst_ms = 1 + pick(BURST_MS_MAX);
	output.ttl = (uint16_t)pick_or(rule_default_ttl(&output.to), 1, RULE_TTL_DECREMENTED);
	/* A loopback address leaves by no interface. */
	if (!output.from_kept && pick(2)) {
		do
			output.from = pick_addr(false);
		while (addr_is_loopback(&output.from));
		output.from_port = rule->protocol ? 0 : (uint16_t)pick_or(0, 1, UINT16_MAX);
	}
	if (group || (pick(2) && !addr_is_loopback(&output.to)))
		pick_iface(output.iface);
	return output;
}

/* A host or a prefix; of few lengths, because their number is limited. */
static void pick_source(struct rule *rule)
{
	rule->source = pick_addr(false);
	if (pick(2))
		return;
	rule->source_host_bits = (uint8_t)(8 * pick(3) + pick(2));
	for (unsigned int bit = 0; bit < rule->source_host_bits; bit++)
		rule->source.b[15 - bit / 8] &= (uint8_t) ~(1U << bit % 8);
}

/* One of those that may be relayed; the rule must have the kernel path then. */
static void pick_protocol(struct rule *rule, enum rule_path relay_path)
{
	static const uint8_t protocols[] = {4, 5, 47, 50, 94, 132, 137, 254};

	rule->port = RULE_PORT_ANY;
	rule->protocol = protocols[pick(sizeof(protocols))];
	rule->path =
		relay_path == RULE_PATH_KERNEL && pick(2) ? RULE_PATH_DEFAULT : RULE_PATH_KERNEL;
}

/* Whether an input may be on demand depends on all outputs. */
static void pick_demand(struct rule *rule)
{
	bool all = addr_is_multicast(&rule->group);

	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		struct rule_output *output = &rule->outputs[i];

		if (addr_is_multicast(&output->to) && pick(2))
			output->when = OUTPUT_WHEN_JOINED;
		all &= output->when == OUTPUT_WHEN_JOINED;
	}
	rule->on_demand = all && pick(2);
}

/* A prefix of groups in place of a group, if the rule may have one. */
static void pick_prefix(struct rule *rule)
{
	if (!addr_is_multicast(&rule->group) || rule->protocol || rule->lease_shards ||
	    rule->sequence_bits || rule->watch || rule->nr_sides)
		return;
	rule->group_host_bits = 8;
	rule->group.b[15] = 0;
	rule->may_loop = true;
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		struct rule_output *output = &rule->outputs[i];

		if (!*output->iface)
			pick_iface(output->iface);
		output->same = true;
		output->to = rule->group;
		output->when = OUTPUT_WHEN_JOINED;
		if (addr_is_loopback(&output->from))
			output->from = pick_addr(false);
	}
}

/* Further inputs on interfaces of their own. */
static void pick_sides(struct rule *rule)
{
	struct rule_side *sides = calloc(RULE_SIDES_MAX, sizeof(*sides));
	static const unsigned int bits[] = {16, 32, 64};

	assert_non_null(sides);
	rule->sides = sides;
	rule->nr_sides = (uint8_t)(2 + pick(RULE_SIDES_MAX - 1));
	for (unsigned int i = 0; i < rule->nr_sides; i++) {
		snprintf(sides[i].label, SIDE_LABEL_SIZE, "%c%u_-", 'A' + (int)pick(26), i);
		sides[i].group = rule->group;
		sides[i].port = rule->port;
		memcpy(sides[i].iface, rule->iface, IF_NAMESIZE);
		if (i)
			snprintf(sides[i].iface, IF_NAMESIZE, "side%u", i);
		if (!i || pick(2)) {
			sides[i].source = rule->source;
			sides[i].source_host_bits = rule->source_host_bits;
		}
	}
	if (pick(2)) {
		rule->select = SELECT_FIRST;
		rule->hold_ms = pick_or(0, 1, HOLD_MS_MAX);
		rule->return_ms = pick(3) ? pick_or(0, 1, RETURN_MS_MAX) : RETURN_NEVER;
		rule->below_pps = pick_or(0, 1, RATE_PPS_MAX);
		return;
	}
	rule->merge = (uint8_t)(MERGE_RTP + pick(3));
	if (rule->merge == MERGE_FIELD) {
		rule->merge_offset = (uint16_t)pick(MERGE_OFFSET_MAX + 1);
		rule->merge_bits = (uint8_t)bits[pick(3)];
	}
	rule->skew_ms = (uint16_t)pick_or(0, SKEW_MS_MIN, SKEW_MS_MAX - SKEW_MS_MIN + 1);
	rule->unordered = pick(2);
}

static void pick_rule(struct rule *rule, enum rule_path relay_path, unsigned int number)
{
	size_t used;

	memset(rule, 0, sizeof(*rule));
	rule->group = pick_addr(pick(4));
	if (pick(2))
		pick_source(rule);
	rule->port = (uint16_t)(1000 + number);
	/* Of a group, and all different. */
	if (addr_is_multicast(&rule->group) && pick(4) == 0) {
		rule->port = RULE_PORT_ANY;
		rule->group.b[14] = (uint8_t)(number >> 8);
		rule->group.b[15] = (uint8_t)number;
	}
	rule->path = (uint8_t)pick(RULE_PATH_AUTO + 1);
	if (addr_is_multicast(&rule->group) && pick(4) == 0)
		pick_protocol(rule, relay_path);
	pick_iface(rule->iface);
	rule->disabled = pick(4) == 0;
	if (!pick(3)) {
		rule->lease_shards = (uint16_t)(1 + pick(3));
		snprintf(rule->lease, sizeof(rule->lease), "lease-%u.a", rule->lease_shards);
	}
	if (!rule->protocol && (rule->path == RULE_PATH_USER || rule->path == RULE_PATH_AUTO)) {
		rule->sequence_offset = (uint16_t)pick(SEQUENCE_OFFSET_MAX + 1);
		rule->sequence_bits = pick(2) ? 16 : 32;
	}
	if (!rule->protocol && (rule->path == RULE_PATH_USER || rule->path == RULE_PATH_AUTO)) {
		static const uint8_t watches[] = {0, WATCH_RTP, WATCH_TS, WATCH_RTP | WATCH_TS,
						  WATCH_MOLD64};

		rule->watch = watches[pick(5)];
		rule->watch_clock = rule->watch & WATCH_RTP && pick(2) ? 1 + pick(90000) : 0;
	}
	if (!rule->protocol && rule->path != RULE_PATH_KERNEL && pick(3) == 0) {
		rule->sequence_offset = rule->sequence_bits = 0;
		pick_sides(rule);
	}
	rule->may_loop = pick(4) == 0;
	rule->nr_outputs = 1 + pick(5);
	rule->outputs = calloc(rule->nr_outputs, sizeof(*rule->outputs));
	assert_non_null(rule->outputs);
	for (unsigned int i = 0; i < rule->nr_outputs; i++)
		rule->outputs[i] = pick_output(rule, i);
	pick_demand(rule);
	if (pick(4) == 0)
		pick_prefix(rule);
	/* One output that keeps the port; two could be duplicates. */
	if (pick(3) == 0)
		rule->outputs[pick(rule->nr_outputs)].port = RULE_PORT_KEPT;
	if (pick(3) == 0) {
		rule_derive_name(rule);
		return;
	}
	pick_word(rule->name, 20, "\"'\\");
	/* All different, and no keywords. */
	used = strlen(rule->name);
	snprintf(rule->name + used, sizeof(rule->name) - used, "%u", number);
}

/* Made of pieces, so that lines, quotes, escapes and characters of every length occur. */
static void pick_path(char path[PINS_PATH_SIZE])
{
	static const char *const pieces[] = {
		"a",  "/",  " ",  "\n",	  "\"",	      "'",	  "\\",		  ":",	 "#",
		"\t", ": ", " #", "\x01", "\xc3\xa9", "\xc2\x85", "\xe2\x80\xa8", "\\x", "\r"};
	unsigned int count = pick(60);

	strcpy(path, "/");
	for (unsigned int i = 0; i < count; i++)
		strcat(path, pieces[pick(sizeof(pieces) / sizeof(pieces[0]))]);
}

static void pick_group(char group[GROUP_NAME_SIZE])
{
	static const char *const groups[] = {
		"",	"xmcast", "0",	"1000", "no",
		"NULL", "a.b-c",  "_x", "1.5",	"abcdefghijklmnopqrstuvwxyz012345"};

	strcpy(group, groups[pick(sizeof(groups) / sizeof(groups[0]))]);
}

static void pick_workers(struct worker_config *workers)
{
	workers->frames = pick(2) ? 16384 : 64U << pick(15);
	workers->rx_ring = pick(2) ? 0 : 64U << pick(11);
	workers->watchdog = pick_or(10, 0, 3601);
	workers->nr_cpus = pick_or(0, 0, WORKER_CPUS_MAX + 1);
	for (unsigned int i = 0; i < workers->nr_cpus; i++)
		workers->cpus[i] = (uint16_t)pick(8192);
}

static void pick_logging(struct log_config *logging)
{
	enum log_level level = (enum log_level)pick(LOG_LEVELS);

	for (int i = 0; i < LOG_FACILITIES; i++)
		logging->levels[i] = (enum log_level)pick_or(level, 0, LOG_LEVELS);
	logging->target = (enum log_target)pick(LOG_TARGET_SYSLOG + 1);
	logging->json = pick(2);
}

static void pick_ifaces(struct config *config)
{
	unsigned int count = pick(5);

	config->ifaces = calloc(count + 1, sizeof(*config->ifaces));
	assert_non_null(config->ifaces);
	while (config->nr_ifaces < count) {
		struct iface_config iface = {
			.mode = (enum iface_mode)pick(IFACE_MODE_SKB + 1),
			.queues = pick_or(0, 1, XMC_MAX_QUEUES),
			.lost_program = (enum lost_program)pick(LOST_PROGRAM_LEAVE + 1),
			.attach = (enum iface_attach)pick(IFACE_ATTACH_EXTERNAL + 1),
			.offloads = (enum iface_offloads)pick(OFFLOADS_MANAGE + 1),
			.querier = (enum iface_querier)pick(IFACE_QUERIER_OFF + 1),
			.leave = (enum iface_leave)pick(IFACE_LEAVE_FAST + 1),
		};

		pick_iface(iface.name);
		if (pick(2))
			pick_path(iface.pins);
		if (!config_iface(config, iface.name))
			config->ifaces[config->nr_ifaces++] = iface;
	}
}

static void pick_demand_config(struct demand_config *demand)
{
	demand->querier = pick(2);
	demand->linger = pick_or(10000, 1, 86400000);
	demand->leave = (enum demand_leave)pick(DEMAND_LEAVE_FAST + 1);
	demand->query_interval = pick_or(125000, 1000, 31743001);
	demand->response_time = pick_or(10000, 100, 24901);
	demand->last_member_interval = pick_or(1000, 100, 24901);
	demand->robustness = pick_or(2, 1, 7);
	demand->max_groups = pick_or(16384, 1, 65536);
	demand->max_members = pick_or(400000, 1, 4194304);
}

/* Some rules with a lease have it from a group. */
static void pick_groups(struct config *config)
{
	config->groups = calloc(config->nr_rules + 1UL, sizeof(*config->groups));
	assert_non_null(config->groups);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		struct rule *rule = &config->rules[i];
		struct rule_group group = {.lease_shards = rule->lease_shards};

		if (!rule->lease_shards || pick(2))
			continue;
		snprintf(group.name, sizeof(group.name), "%s", rule->lease);
		memcpy(group.lease, rule->lease, sizeof(group.lease));
		while (rule->group_number < config->nr_groups &&
		       strcmp(config->groups[rule->group_number].name, group.name) != 0)
			rule->group_number++;
		if (rule->group_number == config->nr_groups)
			config->groups[config->nr_groups++] = group;
		rule->group_number++;
	}
}

static void random_config(struct config *config)
{
	unsigned int count = pick(4);

	config_init(config);
	config->relay.path = (enum rule_path)(RULE_PATH_USER + pick(3));
	config->defaults.output.from_kept = pick(2);
	config->defaults.output.ttl = (uint16_t)pick(RULE_TTL_DECREMENTED + 1);
	config->defaults.output.dscp = (uint8_t)pick(RULE_DSCP_KEPT + 1);
	config->rules = calloc(count + 1, sizeof(*config->rules));
	assert_non_null(config->rules);
	for (; config->nr_rules < count; config->nr_rules++)
		pick_rule(&config->rules[config->nr_rules], config->relay.path, config->nr_rules);
	pick_groups(config);
	pick_ifaces(config);
	config->egress.engine = (enum egress_engine)pick(ENGINE_SENDMMSG + 1);
	config->egress.gso = pick_or(GSO_MAX_SEGMENTS, 1, GSO_MAX_SEGMENTS);
	config->egress.wakeup = (enum egress_wakeup)pick(WAKEUP_SPIN + 1);
	config->egress.send_buffer = pick_or(4 << 20, 128 << 10, 1 << 20);
	pick_workers(&config->workers);
	pick_group(config->control.group);
	pick_group(config->control.admin_group);
	config->control.save_changes = pick(2);
	pick_logging(&config->logging);
	pick_demand_config(&config->demand);
	config->events.silent_after = pick_or(3, 1, 86400);
	config->events.unheld_after = pick_or(0, 1, 86400);
	config->events.double_source = pick(2);
	config->stats_interval = pick_or(600, 0, 86401);
	pick_group(config->security.user);
	if (config->security.user[0])
		pick_group(config->security.group);
	config->security.sandbox = pick(2);
}

static void test_random(void **state)
{
	struct config config, other;
	unsigned int differ = 0;

	random_config(&other);
	for (unsigned int i = 0; i < CONFIGS; i++) {
		random_state = i;
		random_config(&config);
		expect_same(&config);
		/* A comparison that always holds would prove nothing. */
		differ += !config_equal(&config, &other);
		config_free(&other);
		other = config;
	}
	assert_true(differ >= CONFIGS - 1);
	config_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
