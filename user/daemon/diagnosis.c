/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/diagnosis.h"

#include <stdio.h>
#include <string.h>

#include "daemon/findings.h"

/* What may drop datagrams without a trace: what the firewall's rules do is not known. */
static void examine_firewall(struct diagnosis *diagnosis)
{
	const struct firewall *firewall = &diagnosis->inspected->firewall;

	/* It does not see what XDP redirects. */
	if (strcmp(diagnosis->counts->path, "user") != 0)
		return;
	if (firewall->chains) {
		findings_next(diagnosis, "nft list ruleset");
		findings_add(diagnosis, HINT, "firewall_rules",
			     "what this host sends passes %u chain%s of nftables (%s%s), which may "
			     "drop it",
			     firewall->chains, firewall->chains == 1 ? "" : "s", firewall->name,
			     firewall->drops ? " drops by default" : "");
	}
	if (firewall->iptables) {
		findings_next(diagnosis, "iptables-save");
		findings_add(diagnosis, HINT, "firewall_rules",
			     "iptables is in use on this host, whose rules may drop what it sends");
	}
}

/* Outputs that nobody wants now. */
static void examine_demand(struct diagnosis *diagnosis)
{
	const struct rule *rule = diagnosis->inspected->rule;
	char group[PREFIX_TEXT_SIZE], source[ADDR_TEXT_SIZE];
	unsigned int refused = diagnosis->counts->refused_groups;
	unsigned int over_share = diagnosis->counts->over_share;
	const char *what = rule->group_host_bits ? "groups" : "sources";

	if (refused > over_share) {
		findings_next(diagnosis, "xmcastctl group list");
		findings_add(diagnosis, PROBLEM, "groups_full",
			     "%u %s that receivers want are above the limit "
			     "(demand.max_streams), and not relayed%s",
			     refused - over_share, what,
			     rule->group_host_bits ? "" : " as streams of their own");
	}
	if (over_share) {
		findings_next(diagnosis, "xmcastctl group list");
		findings_add(diagnosis, PROBLEM, "host_full",
			     "%u %s are refused because the hosts that want them report too many: "
			     "one host gets three quarters of demand.max_streams",
			     over_share, what);
	}
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct output_counts *counts = &diagnosis->stats->books->outputs[i];

		/* What a receiver wants of another source counts only without `from keep`. */
		bool by_source = rule->outputs[i].from_kept && !addr_is_any(&rule->source) &&
				 !rule->source_host_bits;

		if (!counts->unwanted)
			continue;
		findings_next(diagnosis, "xmcastctl group list");
		findings_add(
			diagnosis, HINT, "not_joined",
			"no receiver on %s has joined %s%s%s%s, so nothing is sent there (`when "
			"joined`)%s",
			rule->outputs[i].iface, rule->group_host_bits ? "a group of " : "",
			prefix_format(&rule->outputs[i].to, rule->group_host_bits, false, group),
			by_source ? " for the source " : "",
			by_source ? addr_format(&rule->source, source) : "",
			rule->on_demand && !diagnosis->inspected->joined
				? ", and the input is not joined (`on demand`)"
				: "");
	}
}

json_t *diagnosis_json(const struct inspected_rule *inspected, unsigned int inputs,
		       const struct stats *stats)
{
	struct diagnosis diagnosis = {.inspected = inspected,
				      .stats = stats,
				      .counts = stats->books->rules,
				      .findings = json_array()};
	const struct rule *rule = inspected->rule;

	if (!inspected->iface) {
		snprintf(diagnosis.about, sizeof(diagnosis.about), "rule");
		findings_next(&diagnosis, "xmcastctl rule enable %s", rule->name);
		findings_add(&diagnosis, PROBLEM, "disabled", "the rule is disabled");
		return diagnosis.findings;
	}
	snprintf(diagnosis.about, sizeof(diagnosis.about), "rule");
	examine_demand(&diagnosis);
	/* It is pending because of its outputs: they come first. */
	if (diagnosis.counts->reason && !inspected->reason)
		diagnosis_outputs(&diagnosis);
	for (unsigned int i = 0; i < inputs; i++) {
		diagnosis.inspected = &inspected[i];
		diagnosis_input(&diagnosis);
	}
	diagnosis.inspected = inspected;
	if (!diagnosis.counts->reason || inspected->reason)
		diagnosis_outputs(&diagnosis);
	snprintf(diagnosis.about, sizeof(diagnosis.about), "rule");
	if (diagnosis.counts->reason && !findings_have_problem(diagnosis.findings, NULL))
		findings_add(&diagnosis, PROBLEM, "pending", "%s", diagnosis.counts->reason);
	if (strcmp(diagnosis.counts->state, "standby") == 0) {
		findings_next(&diagnosis, "xmcastctl lease list");
		findings_add(&diagnosis, PROBLEM, "standby",
			     "this host does not hold lease %s, shard %u: the holder sends, or "
			     "nobody does",
			     rule->lease, rule_shard(rule));
	}
	examine_firewall(&diagnosis);
	diagnosis_stream(&diagnosis);
	if (diagnosis.counts->path_reason)
		findings_add(&diagnosis, HINT, "not_kernel_path", "%s",
			     diagnosis.counts->path_reason);
	return findings_sort(diagnosis.findings);
}
