/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/survey.h"

#include <cap-ng.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/account.h"
#include "relay/examine.h"
#include "relay/intake.h"
#include "relay/merging.h"
#include "relay/output_route.h"
#include "relay/vlans.h"
#include "rules/config.h"

#define NEXT_SIZE 200
#define TEXT_SIZE 400

struct surveyor {
	const struct config *config;
	struct redirects *redirects;
	survey_handler *handle;
	void *context;
	char about[RULE_NAME_SIZE + ENDPOINT_TEXT_SIZE];
	char next[NEXT_SIZE]; /* for the next finding; empty: none */
};

__attribute__((format(printf, 2, 3))) static void next(struct surveyor *surveyor,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(surveyor->next, sizeof(surveyor->next), format, args);
	va_end(args);
}

__attribute__((format(printf, 4, 5))) static void find(struct surveyor *surveyor, bool problem,
						       const char *cause, const char *format, ...)
{
	char text[TEXT_SIZE];
	const struct survey_finding finding = {
		.problem = problem,
		.cause = cause,
		.about = surveyor->about,
		.text = text,
		.next = *surveyor->next ? surveyor->next : NULL,
	};
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	surveyor->handle(surveyor->context, &finding);
	*surveyor->next = '\0';
}

/* A number in a file of /proc/sys; -1: it cannot be read. */
__attribute__((format(printf, 1, 2))) static long read_sysctl(const char *format, ...)
{
	char path[128], text[32] = "";
	long value = -1;
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fgets(text, sizeof(text), file))
		value = strtol(text, NULL, 10);
	fclose(file);
	return value;
}

/* ---- inputs ---- */

/* Does the rule have an input at this interface? */
static bool has_input(const struct rule *rule, const char *iface)
{
	struct rule view;

	for (unsigned int i = 0; i < rule_inputs(rule) && !rule->disabled; i++) {
		if (strcmp(rule_of_side(rule, i, &view)->iface, iface) == 0)
			return true;
	}
	return false;
}

/* Its rules have groups of this family: that of a rule is the same at all its inputs. */
static bool has_family(const struct surveyor *surveyor, const char *iface, bool ipv4)
{
	for (unsigned int i = 0; i < surveyor->config->nr_rules; i++) {
		const struct rule *rule = &surveyor->config->rules[i];

		if (addr_is_ipv4(&rule->group) == ipv4 && has_input(rule, iface))
			return true;
	}
	return false;
}

static void check_families(struct surveyor *surveyor, const struct link *link)
{
	const char *name = link->name;
	bool ipv4 = has_family(surveyor, surveyor->about, true);
	bool ipv6 = has_family(surveyor, surveyor->about, false);

	if (ipv4 && link->mtu < IPV4_MIN_MTU)
		find(surveyor, true, "mtu", "the MTU of %s, %u, is too small for IPv4", name,
		     link->mtu);
	if (ipv6 && link->mtu < IPV6_MIN_MTU) {
		next(surveyor, "ip link set %s mtu 1500", name);
		find(surveyor, true, "mtu",
		     "the MTU of %s, %u, is too small for IPv6, which needs %d", name, link->mtu,
		     IPV6_MIN_MTU);
	} else if (ipv6 && read_sysctl("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name) == 1) {
		next(surveyor, "sysctl net.ipv6.conf.%s.disable_ipv6=0", name);
		find(surveyor, true, "no_ipv6", "IPv6 is disabled on %s, so no group can be joined",
		     name);
	}
	if (ipv4 && (read_sysctl("/proc/sys/net/ipv4/conf/%s/rp_filter", name) > 0 ||
		     read_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter") > 0))
		find(surveyor, false, "rp_filter",
		     "the reverse-path check (rp_filter) is on; it does not matter to xmcast, "
		     "which "
		     "receives before it");
}

/* What changes packets before XDP sees them. */
static void check_offloads(struct surveyor *surveyor, const struct link *link,
			   const struct iface_config *settings)
{
	char reason[REASON_SIZE];
	struct below below;

	if (vlans_check(link, settings->mode, settings->offloads, reason) == -EOPNOTSUPP)
		find(surveyor, false, "vlan_offload", "%s", reason);
	if (settings->offloads == OFFLOADS_REPORT && merging_is_possible(link, settings->mode) &&
	    !below_query(link, &below) &&
	    merging_prevent(&below, link->name, OFFLOADS_REPORT, NULL, NULL, reason))
		find(surveyor, true, "merging_offload", "%s", reason);
}

/* The interface by which the packets of a VLAN arrive has the program if it can carry it; otherwise
 * the VLAN has one of its own. So only the VLAN itself must be there. */
static void check_input(struct surveyor *surveyor, const char *name)
{
	struct iface_config settings;
	char reason[REASON_SIZE];
	struct link link;
	int err = link_query(name, &link);

	snprintf(surveyor->about, sizeof(surveyor->about), "%s", name);
	if (err == -ENODEV) {
		next(surveyor, "ip link show");
		find(surveyor, true, "input_missing", "interface %s does not exist", name);
		return;
	}
	if (err) {
		find(surveyor, true, "input", "interface %s cannot be queried: %s", name,
		     strerror(-err));
		return;
	}
	settings = examine_settings(surveyor->config, name, link.ifindex);
	err = examine(&link, examine_external(&link, &settings), reason);
	if (err == -ENETDOWN) {
		next(surveyor, "ip link set %s up", name);
		find(surveyor, true, "input_down", "interface %s is down", name);
	} else if (err == -EBUSY) {
		find(surveyor, false, "in_use", "an xmcastd runs on %s already", name);
	} else if (err) {
		find(surveyor, true, "input", "%s", reason);
	} else if (!link.carrier) {
		next(surveyor, "ip -s link show %s", name);
		find(surveyor, true, "input_no_carrier", "interface %s has no carrier", name);
	}
	check_families(surveyor, &link);
	check_offloads(surveyor, &link, &settings);
}

/* Each interface once: with the first rule that has it, and there with the first input. */
static bool is_first(const struct config *config, unsigned int rule, unsigned int side,
		     const char *name)
{
	struct rule view;

	for (unsigned int i = 0; i < side; i++) {
		if (strcmp(rule_of_side(&config->rules[rule], i, &view)->iface, name) == 0)
			return false;
	}
	for (unsigned int i = 0; i < rule; i++) {
		if (has_input(&config->rules[i], name))
			return false;
	}
	return true;
}

static void check_inputs(struct surveyor *surveyor)
{
	const struct config *config = surveyor->config;

	for (unsigned int i = 0; i < config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i];

		for (unsigned int j = 0; j < rule_inputs(rule) && !rule->disabled; j++) {
			struct rule view;
			const char *name = rule_of_side(rule, j, &view)->iface;

			if (is_first(config, i, j, name))
				check_input(surveyor, name);
		}
	}
}

/* ---- outputs ---- */

/* Of the input with the largest packets; 0: none can be queried. */
static unsigned int input_mtu(const struct rule *rule)
{
	unsigned int mtu = 0;
	struct rule view;
	struct link link;

	for (unsigned int i = 0; i < rule_inputs(rule); i++) {
		if (!link_query(rule_of_side(rule, i, &view)->iface, &link) && link.mtu > mtu)
			mtu = link.mtu;
	}
	return mtu;
}

static void check_device(struct surveyor *surveyor, const struct rule *rule,
			 const struct link *device)
{
	bool kernel = rule_path(surveyor->config, rule) == RULE_PATH_KERNEL;
	unsigned int mtu = input_mtu(rule);

	if (!device->up) {
		next(surveyor, "ip link set %s up", device->name);
		find(surveyor, true, "output_down", "output interface %s is down", device->name);
	} else if (!device->carrier) {
		next(surveyor, "ip -s link show %s", device->name);
		find(surveyor, true, "output_no_carrier", "output interface %s has no carrier",
		     device->name);
	}
	if (kernel && device->features_known && !(device->xdp_features & LINK_XDP_NDO_XMIT))
		find(surveyor, true, "output",
		     "output interface %s cannot transmit redirected packets now: see "
		     "docs/kernel-path.md",
		     device->name);
	if (device->mtu < mtu) {
		next(surveyor, "ip link set %s mtu %u", device->name, mtu);
		find(surveyor, kernel, kernel ? "mtu" : "smaller_mtu",
		     "the MTU of output interface %s, %u, is less than that of the input, %u: %s",
		     device->name, device->mtu, mtu,
		     kernel ? "the kernel path cannot carry the rule"
			    : "larger packets leave in fragments");
	}
}

static void check_output(struct surveyor *surveyor, const struct rule *rule,
			 const struct rule_output *output)
{
	char text[ENDPOINT_TEXT_SIZE], reason[SOURCE_REASON_SIZE], address[ADDR_TEXT_SIZE];
	struct link named, device;
	struct next_hop hop;
	int err = output_route(surveyor->redirects, output, &named, &hop);

	snprintf(surveyor->about, sizeof(surveyor->about), "%s, output %s", rule->name,
		 output_format(output, text));
	addr_format(&output->to, address);
	if (err == -ENODEV) {
		next(surveyor, "ip link show");
		find(surveyor, true, "output_missing", "output interface %s does not exist",
		     output->iface);
	} else if (err == -EADDRNOTAVAIL) {
		next(surveyor, "ip address show");
		find(surveyor, true, "no_source", "%s", output_source_reason(output, reason));
	} else if (err) {
		find(surveyor, true, "no_route", "its route cannot be queried: %s", strerror(-err));
	} else if (named.ifindex && !named.up) {
		check_device(surveyor, rule, &named);
	} else if (hop.kind == NEXT_HOP_UNREACHABLE) {
		next(surveyor, "ip route get %s", address);
		find(surveyor, true, "no_route", "no route to %s: %s", address,
		     strerror(-hop.error));
	} else if (addr_is_ipv4(&output->to) && addr_is_any(&hop.source) &&
		   !output_has_from(output)) {
		next(surveyor, "ip address show");
		find(surveyor, true, "no_source", "there is no address to send from");
	} else if (!redirects_find_index(surveyor->redirects, hop.ifindex, &device)) {
		check_device(surveyor, rule, &device);
	}
}

static void check_outputs(struct surveyor *surveyor)
{
	for (unsigned int i = 0; i < surveyor->config->nr_rules; i++) {
		const struct rule *rule = &surveyor->config->rules[i];

		for (unsigned int j = 0; j < rule->nr_outputs && !rule->disabled; j++)
			check_output(surveyor, rule, &rule->outputs[j]);
	}
}

/* ---- the host ---- */

static void check_limits(struct surveyor *surveyor)
{
	const struct config *config = surveyor->config;
	long most = read_sysctl("/proc/sys/net/ipv4/igmp_max_memberships");
	unsigned int groups = 0, outputs = 0;
	unsigned long needed;
	struct rlimit files;

	for (unsigned int i = 0; i < config->nr_rules; i++) {
		if (config->rules[i].disabled)
			continue;
		groups += addr_is_ipv4(&config->rules[i].group) &&
					  addr_is_multicast(&config->rules[i].group)
				  ? rule_inputs(&config->rules[i])
				  : 0;
		outputs += config->rules[i].nr_outputs;
	}
	if (groups && !most) {
		next(surveyor, "sysctl net.ipv4.igmp_max_memberships=20");
		find(surveyor, true, "igmp_limit",
		     "net.ipv4.igmp_max_memberships is 0, so no group can be joined");
		return;
	}
	/* Memberships are spread over sockets. */
	needed = outputs + (most > 0 ? groups / (unsigned long)most : 0) + 100;
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_max < needed)
		find(surveyor, false, "descriptors",
		     "the rules need about %lu file descriptors, and the limit of this shell is "
		     "%lu: the daemon needs a higher one (ulimit -n, LimitNOFILE)",
		     needed, (unsigned long)files.rlim_max);
}

static bool wants_kernel_path(const struct config *config)
{
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		if (!config->rules[i].disabled &&
		    rule_path(config, &config->rules[i]) == RULE_PATH_KERNEL)
			return true;
	}
	return false;
}

/* Those that no process in this container, say, can have. */
static void check_capabilities(struct surveyor *surveyor)
{
	static const struct {
		unsigned int number;
		const char *name;
	} needed[] = {{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		      {CAP_NET_RAW, "CAP_NET_RAW"},
		      {CAP_BPF, "CAP_BPF"},
		      {CAP_PERFMON, "CAP_PERFMON"}};
	bool admin;

	capng_get_caps_process();
	admin = capng_have_capability(CAPNG_BOUNDING_SET, CAP_SYS_ADMIN);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		bool optional =
			needed[i].number == CAP_PERFMON && !wants_kernel_path(surveyor->config);

		if (capng_have_capability(CAPNG_BOUNDING_SET, needed[i].number) ||
		    (admin && (needed[i].number == CAP_BPF || needed[i].number == CAP_PERFMON)))
			continue;
		find(surveyor, !optional, "capability",
		     "no process here can have %s%s: see docs/containers.md", needed[i].name,
		     needed[i].number == CAP_PERFMON ? ", which the kernel path needs" : "");
	}
}

/* The users and groups of the file. Their names are unknown where the file is only written. */
static void check_accounts(struct surveyor *surveyor)
{
	const struct config *config = surveyor->config;
	const struct {
		const char *setting, *name;
		bool user;
	} accounts[] = {{"security.user", config->security.user, true},
			{"security.group", config->security.group, false},
			{"control.group", config->control.group, false},
			{"control.admin_group", config->control.admin_group, false}};

	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++) {
		const char *name = accounts[i].name;
		uid_t user;
		gid_t group;

		if (!*name || (accounts[i].user ? account_find_user(name, &user, &group)
						: account_find_group(name, &group)) != -ESRCH)
			continue;
		next(surveyor, accounts[i].user ? "useradd --system %s" : "groupadd --system %s",
		     name);
		find(surveyor, true, "account", "%s: there is no %s %s", accounts[i].setting,
		     accounts[i].user ? "user" : "group", name);
	}
}

int survey(const struct config *config, survey_handler *handle, void *context)
{
	struct surveyor surveyor = {.config = config, .handle = handle, .context = context};
	int err = redirects_open(&surveyor.redirects);

	if (err)
		return err;
	check_inputs(&surveyor);
	redirects_look(surveyor.redirects);
	check_outputs(&surveyor);
	snprintf(surveyor.about, sizeof(surveyor.about), "host");
	check_limits(&surveyor);
	check_capabilities(&surveyor);
	check_accounts(&surveyor);
	redirects_close(surveyor.redirects);
	return 0;
}
