// SPDX-License-Identifier: BSD-2-Clause
/* Where the packets of an input are received, on links that the tests make up. */
#include "watchdog.h"

#include <errno.h>
#include <net/if_arp.h>

#include "relay/arrival.h"
#include "relay/examine.h"
#include "relay/inheritance.h"
#include "relay/vlans.h"
#include "rules/config.h"

#define MAX 8

/* ---- a network ---- */

static struct link links[MAX]; /* by index, from 1 on; ifindex 0: does not exist */
static int query_error;
static int unsuited; /* the interface that cannot carry an intake */

int link_query(const char *name, struct link *link)
{
	memset(link, 0, sizeof(*link));
	snprintf(link->name, sizeof(link->name), "%s", name);
	if (query_error)
		return query_error;
	for (int i = 1; i < MAX; i++) {
		if (links[i].ifindex && strcmp(links[i].name, name) == 0) {
			*link = links[i];
			return 0;
		}
	}
	return -ENODEV;
}

int link_query_index(int ifindex, struct link *link)
{
	*link = links[ifindex];
	return link->ifindex ? 0 : -ENODEV;
}

int link_find_vlan(int lower, bool tags_8021q, bool tags_8021ad, struct link *vlan)
{
	for (int i = 1; i < MAX; i++) {
		if (links[i].ifindex && links[i].lower == lower &&
		    strcmp(links[i].kind, LINK_KIND_VLAN) == 0 &&
		    (links[i].vlan_8021ad ? tags_8021ad : tags_8021q)) {
			*vlan = links[i];
			return 1;
		}
	}
	return 0;
}

int link_query_ports(int master, struct link *list, unsigned int most, unsigned int *count)
{
	*count = 0;
	for (int i = 1; i < MAX; i++) {
		if (links[i].ifindex && links[i].master == master)
			list[(*count)++] = links[i];
	}
	assert_true(*count <= most);
	return 0;
}

struct iface_config examine_settings(const struct config *config, const char *name, int ifindex)
{
	const struct iface_config *section = config_iface(config, name);

	return section ? *section : (struct iface_config){};
}

bool examine_external(const struct link *link, const struct iface_config *settings)
{
	return false;
}

int examine(const struct link *link, bool external, char reason[REASON_SIZE])
{
	return link->ifindex == unsuited ? explain(reason, -EEXIST, "it is unsuited") : 0;
}

static bool inherited;

const struct steer_adoption *inheritance_steering(const struct inheritance *inheritance,
						  int ifindex)
{
	static const struct steer_adoption adoption;

	return inherited && ifindex == 1 ? &adoption : NULL;
}

bool intake_has_index(const struct intake *intake, int ifindex)
{
	return intake && intake->ifindex == ifindex;
}

static struct link *add_link(int ifindex, const char *name, const char *kind, int lower)
{
	struct link *link = &links[ifindex];

	*link = (struct link){.ifindex = ifindex,
			      .type = ARPHRD_ETHER,
			      .lower = lower,
			      .up = true,
			      .mtu = 1500,
			      .offloads.known = ~0U,
			      .offloads.changeable = ~0U};
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	return link;
}

static void add_vlan(int ifindex, const char *name, int lower, uint16_t id, bool is_8021ad)
{
	struct link *link = add_link(ifindex, name, LINK_KIND_VLAN, lower);

	link->vlan_id = id;
	link->vlan_8021ad = is_8021ad;
}

/* eth0 with eth0.100, eth0.ad of 802.1ad, and eth0.ad.5 on that. */
enum { ETH0 = 1, VLAN, AD, NESTED, DEEP, OTHER };

static struct config config;
static struct iface_config sections[2];
static struct intake intake;
static struct intake *intakes[] = {&intake};
static struct arrival_context context = {.config = &config, .intakes = intakes};
static struct arrival arrival;

static int set_up(void **state)
{
	memset(links, 0, sizeof(links));
	memset(sections, 0, sizeof(sections));
	memset(&intake, 0, sizeof(intake));
	memset(&arrival, 0, sizeof(arrival));
	config = (struct config){.ifaces = sections};
	context.nr_intakes = query_error = unsuited = 0;
	add_link(ETH0, "eth0", "", 0);
	add_vlan(VLAN, "eth0.100", ETH0, 100, false);
	add_vlan(AD, "eth0.ad", ETH0, 200, true);
	add_vlan(NESTED, "eth0.ad.5", AD, 5, false);
	add_vlan(DEEP, "deep", NESTED, 6, false);
	return 0;
}

static void query(const char *name)
{
	snprintf(arrival.name, sizeof(arrival.name), "%s", name);
	context.last.link.ifindex = 0;
	assert_int_equal(arrival_query(&arrival, &context), 0);
	assert_true(arrival.known);
	assert_string_equal(arrival.link.name, name);
}

/* The interface itself receives; `obstacle`: why, words of it, or NULL if there is no reason. */
static void expect_itself(const char *name, const char *obstacle)
{
	query(name);
	assert_int_equal(arrival.base.ifindex, arrival.link.ifindex);
	assert_string_equal(arrival.base.name, name);
	assert_int_equal(arrival.tags_now, 0);
	if (!obstacle)
		assert_string_equal(arrival.obstacle, "");
	else if (!strstr(arrival.obstacle, obstacle))
		fail_msg("obstacle: %s", arrival.obstacle);
}

static void expect_below(const char *name, int base, uint32_t tags)
{
	query(name);
	assert_int_equal(arrival.base.ifindex, base);
	assert_string_equal(arrival.base.name, links[base].name);
	assert_int_equal(arrival.tags_now, tags);
	assert_int_equal(arrival.lowest, base);
	assert_string_equal(arrival.obstacle, "");
}

static void test_plain(void **state)
{
	expect_itself("eth0", NULL);
	expect_itself("missing", NULL);
	assert_int_equal(arrival.link.ifindex, 0);
	query_error = -ENOBUFS;
	assert_int_equal(arrival_query(&arrival, &context), -ENOBUFS);
	assert_false(arrival.known);
}

static void test_tags(void **state)
{
	expect_below("eth0.100", ETH0, 0x1064);
	expect_below("eth0.ad", ETH0, 0x20c8);
	expect_below("eth0.ad.5", ETH0, 0x20c81005);
	expect_itself("deep", "more than two tags");
	links[VLAN].vlan_id = 0;
	expect_itself("eth0.100", "no VLAN id");
	links[VLAN].vlan_id = 4094;
	expect_below("eth0.100", ETH0, 0x1ffe);
	links[VLAN].lower = 0;
	expect_itself("eth0.100", "another network namespace");
}

/* Its own intake shows that it is down. */
static void test_down(void **state)
{
	links[VLAN].up = false;
	expect_itself("eth0.100", NULL);
	links[AD].up = false;
	expect_itself("eth0.ad.5", NULL);
	links[AD].ifindex = 0;
	expect_itself("eth0.ad.5", NULL);
}

/* Network cards remove the outer tag, each kind by a feature of its own. */
static void test_removed_tags(void **state)
{
	links[ETH0].offloads.active = 1 << ETHTOOL_RX_VLAN;
	expect_itself("eth0.100", "ethtool -K eth0 rx-vlan-hw-parse off");
	assert_int_equal(arrival.lowest, ETH0);
	/* An untagged rule beside it would take the packets of the others. */
	expect_itself("eth0.ad", "rx-vlan-hw-parse");
	links[VLAN].ifindex = 0;
	expect_below("eth0.ad", ETH0, 0x20c8);
	expect_below("eth0.ad.5", ETH0, 0x20c81005);
	links[ETH0].offloads.active = 1 << ETHTOOL_RX_VLAN_STAG;
	expect_itself("eth0.ad", "ethtool -K eth0 rx-vlan-stag-hw-parse off");
	expect_itself("eth0.ad.5", "rx-vlan-stag-hw-parse");
	/* The daemon may switch it off. */
	config.nr_ifaces = 1;
	strcpy(sections[0].name, "eth0");
	sections[0].offloads = OFFLOADS_MANAGE;
	expect_below("eth0.ad", ETH0, 0x20c8);
	links[ETH0].offloads.changeable = 0;
	expect_itself("eth0.ad", "cannot switch off");
	links[ETH0].offloads.changeable = ~0U;
	strcpy(links[ETH0].kind, LINK_KIND_VETH);
	expect_itself("eth0.ad", "at its peer");
}

/* Where the kernel removes the tags itself. */
static void test_stacked(void **state)
{
	static const char *const kinds[] = {"bridge", "macvlan", "team", "vxlan"};

	for (unsigned int i = 0; i < 4; i++) {
		strcpy(links[ETH0].kind, kinds[i]);
		expect_itself("eth0.100", "does not see VLAN tags on eth0");
	}
	strcpy(links[ETH0].kind, LINK_KIND_TUN);
	expect_below("eth0.100", ETH0, 0x1064);
	/* The program of a bond runs on its members, but not in skb mode. */
	strcpy(links[ETH0].kind, LINK_KIND_BOND);
	expect_below("eth0.100", ETH0, 0x1064);
	config.nr_ifaces = 1;
	strcpy(sections[0].name, "eth0");
	sections[0].mode = IFACE_MODE_SKB;
	expect_itself("eth0.100", "does not see VLAN tags");
	sections[0].mode = IFACE_MODE_AUTO;
	expect_below("eth0.100", ETH0, 0x1064);
}

/* Of a bond, its members remove the tags, or not; its own feature means nothing. */
static void test_bond_members(void **state)
{
	char reason[REASON_SIZE] = "";

	strcpy(links[ETH0].kind, LINK_KIND_BOND);
	links[ETH0].offloads.active = 1 << ETHTOOL_RX_VLAN;
	expect_below("eth0.100", ETH0, 0x1064);
	for (int i = OTHER; i <= OTHER + 1; i++)
		add_link(i, i == OTHER ? "m0" : "m1", "", 0)->master = ETH0;
	expect_below("eth0.100", ETH0, 0x1064);
	links[OTHER + 1].offloads.active = 1 << ETHTOOL_RX_VLAN;
	expect_itself("eth0.100", "ethtool -K m1 rx-vlan-hw-parse off");
	assert_true(arrival_concerns(&arrival, &links[OTHER]));
	assert_int_equal(vlans_check(&links[ETH0], IFACE_MODE_AUTO, OFFLOADS_MANAGE, reason), 0);
	assert_int_equal(vlans_check(&links[ETH0], IFACE_MODE_SKB, OFFLOADS_MANAGE, reason),
			 -EOPNOTSUPP);
}

/* Native mode was refused: it is not tried again and again. */
static void test_bond_in_skb_mode(void **state)
{
	strcpy(links[ETH0].kind, LINK_KIND_BOND);
	context.nr_intakes = 1;
	intake.ifindex = ETH0;
	intake.state = INTAKE_ATTACHED;
	intake.mode = IFACE_MODE_NATIVE;
	expect_below("eth0.100", ETH0, 0x1064);
	intake.mode = IFACE_MODE_SKB;
	expect_itself("eth0.100", "does not see VLAN tags");
	context.nr_intakes = 0;
	expect_itself("eth0.100", "in skb mode");
	arrival.skb_ifindex = 0;
	expect_below("eth0.100", ETH0, 0x1064);
	/* An untagged rule waits on the bond. */
	context.nr_intakes = 1;
	intake.state = INTAKE_FAILED;
	expect_below("eth0.100", ETH0, 0x1064);
	intake.hides_tags = true;
	expect_itself("eth0.100", "does not see VLAN tags");
}

/* What another tool does to the interface below. An intake that runs there is proof. */
static void test_unsuited(void **state)
{
	unsuited = ETH0;
	expect_itself("eth0.100", "it is unsuited");
	context.nr_intakes = 1;
	intake.ifindex = ETH0;
	intake.state = INTAKE_FAILED;
	expect_itself("eth0.100", "it is unsuited");
	intake.state = INTAKE_ATTACHED;
	expect_below("eth0.100", ETH0, 0x1064);
	/* So is the program of a predecessor, whose place this process takes. */
	context.nr_intakes = 0;
	expect_itself("eth0.100", "it is unsuited");
	inherited = true;
	expect_below("eth0.100", ETH0, 0x1064);
	inherited = false;
}

static void test_settings(void **state)
{
	config.nr_ifaces = 1;
	strcpy(sections[0].name, "eth0.100");
	expect_below("eth0.100", ETH0, 0x1064);
	sections[0].mode = IFACE_MODE_SKB;
	expect_itself("eth0.100", "its section");
	sections[0].mode = IFACE_MODE_AUTO;
	sections[0].attach = IFACE_ATTACH_EXTERNAL;
	expect_itself("eth0.100", "its section");
}

static void test_concerns(void **state)
{
	struct link event = {.ifindex = OTHER};

	arrival.intake = &intake;
	query("eth0.ad.5");
	for (int i = ETH0; i <= NESTED; i++)
		assert_true(arrival_concerns(&arrival, &links[i]));
	assert_false(arrival_concerns(&arrival, &event));
	strcpy(event.name, "eth0.ad.5");
	assert_true(arrival_concerns(&arrival, &event));
	/* VLANs that come and go beside it. */
	event = (struct link){.ifindex = OTHER, .lower = ETH0};
	assert_true(arrival_concerns(&arrival, &event));
	/* In its own intake it still looks at what is below. */
	unsuited = ETH0;
	query("eth0.ad.5");
	assert_int_equal(arrival.base.ifindex, NESTED);
	assert_true(arrival_concerns(&arrival, &links[ETH0]));
	assert_true(arrival_concerns(&arrival, &links[AD]));
}

/* Untagged rules beside VLANs. */
static void test_check(void **state)
{
	struct link *eth0 = &links[ETH0];
	char reason[REASON_SIZE] = "";

	assert_int_equal(vlans_check(eth0, IFACE_MODE_AUTO, OFFLOADS_REPORT, reason), 0);
	eth0->offloads.active = 1 << ETHTOOL_RX_VLAN;
	assert_int_equal(vlans_check(eth0, IFACE_MODE_AUTO, OFFLOADS_REPORT, reason), -EOPNOTSUPP);
	assert_non_null(strstr(reason, "eth0.100"));
	assert_non_null(strstr(reason, "ethtool -K eth0 rx-vlan-hw-parse off"));
	assert_int_equal(vlans_check(eth0, IFACE_MODE_SKB, OFFLOADS_REPORT, reason), -EOPNOTSUPP);
	assert_int_equal(vlans_check(eth0, IFACE_MODE_AUTO, OFFLOADS_MANAGE, reason), 0);
	links[VLAN].ifindex = 0;
	assert_int_equal(vlans_check(eth0, IFACE_MODE_AUTO, OFFLOADS_REPORT, reason), 0);
	eth0->offloads.active = 1 << ETHTOOL_RX_VLAN_STAG;
	assert_int_equal(vlans_check(eth0, IFACE_MODE_AUTO, OFFLOADS_REPORT, reason), -EOPNOTSUPP);
	assert_non_null(strstr(reason, "eth0.ad"));
	eth0->offloads.active = 0;
	strcpy(eth0->kind, "bridge");
	assert_int_equal(vlans_check(eth0, IFACE_MODE_AUTO, OFFLOADS_MANAGE, reason), -EOPNOTSUPP);
	strcpy(eth0->kind, LINK_KIND_BOND);
	assert_int_equal(vlans_check(eth0, IFACE_MODE_AUTO, OFFLOADS_REPORT, reason), 0);
	assert_int_equal(vlans_check(eth0, IFACE_MODE_SKB, OFFLOADS_REPORT, reason), -EOPNOTSUPP);
	/* A tag inside of a VLAN's own is in the packet. */
	assert_int_equal(vlans_check(&links[AD], IFACE_MODE_SKB, OFFLOADS_REPORT, reason), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain, set_up),
		cmocka_unit_test_setup(test_tags, set_up),
		cmocka_unit_test_setup(test_down, set_up),
		cmocka_unit_test_setup(test_removed_tags, set_up),
		cmocka_unit_test_setup(test_stacked, set_up),
		cmocka_unit_test_setup(test_bond_members, set_up),
		cmocka_unit_test_setup(test_bond_in_skb_mode, set_up),
		cmocka_unit_test_setup(test_unsuited, set_up),
		cmocka_unit_test_setup(test_settings, set_up),
		cmocka_unit_test_setup(test_concerns, set_up),
		cmocka_unit_test_setup(test_check, set_up),
	};

	return cmocka_run_group_tests_name("arrival", tests, NULL, NULL);
}
