// SPDX-License-Identifier: BSD-2-Clause
/* Counters of devices and queueing disciplines: messages of the kernel, damaged ones, a real
 * device. */
#include "watchdog.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <string.h>

#include "links/device_stats.h"

#define IFINDEX 7

alignas(4) static char buffer[1024];

static struct nlmsghdr *stats_message(size_t size)
{
	const struct rtnl_link_stats64 counts = {
		.tx_packets = 11,
		.tx_bytes = 22,
		.tx_errors = 33,
		.tx_dropped = 1ULL << 40,
	};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct if_stats_msg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	message->nlmsg_type = RTM_NEWSTATS;
	info->ifindex = IFINDEX;
	mnl_attr_put(message, IFLA_STATS_LINK_64, size, &counts);
	return message;
}

static void test_stats(void **state)
{
	struct device_stats stats = {};
	struct nlmsghdr *message = stats_message(sizeof(struct rtnl_link_stats64));

	assert_int_equal(device_stats_parse(message, IFINDEX, &stats), 0);
	assert_int_equal(stats.tx_packets, 11);
	assert_int_equal(stats.tx_errors, 33);
	assert_int_equal(stats.tx_dropped, 1ULL << 40);
	assert_int_equal(device_stats_parse(message, IFINDEX + 1, &stats), -EPROTO);
	assert_int_equal(device_stats_parse_queue(message, IFINDEX, &stats), -EPROTO);
	/* An older kernel has fewer counters, and one without these has none for us. */
	message = stats_message(8 * sizeof(uint64_t));
	assert_int_equal(device_stats_parse(message, IFINDEX, &stats), 0);
	message = stats_message(8 * sizeof(uint64_t) - 1);
	assert_int_equal(device_stats_parse(message, IFINDEX, &stats), -EBADMSG);
	message->nlmsg_len = NLMSG_LENGTH(sizeof(struct if_stats_msg));
	assert_int_equal(device_stats_parse(message, IFINDEX, &stats), -EBADMSG);
	message->nlmsg_len--;
	assert_int_equal(device_stats_parse(message, IFINDEX, &stats), -EBADMSG);
}

static struct nlmsghdr *queue_message(size_t size)
{
	const struct gnet_stats_queue counts = {.qlen = 1, .drops = 44, .overlimits = 5};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct tcmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct nlattr *nest;

	message->nlmsg_type = RTM_NEWQDISC;
	info->tcm_ifindex = IFINDEX;
	mnl_attr_put_strz(message, TCA_KIND, "pfifo");
	nest = mnl_attr_nest_start(message, TCA_STATS2);
	mnl_attr_put(message, TCA_STATS_QUEUE, size, &counts);
	mnl_attr_nest_end(message, nest);
	return message;
}

static void test_queue(void **state)
{
	struct device_stats stats = {};
	struct nlmsghdr *message = queue_message(sizeof(struct gnet_stats_queue));

	assert_int_equal(device_stats_parse_queue(message, IFINDEX, &stats), 0);
	assert_int_equal(stats.queue_drops, 44);
	assert_int_equal(device_stats_parse_queue(message, IFINDEX + 1, &stats), -EPROTO);
	assert_int_equal(device_stats_parse(message, IFINDEX, &stats), -EPROTO);
	message = queue_message(sizeof(struct gnet_stats_queue) - 1);
	assert_int_equal(device_stats_parse_queue(message, IFINDEX, &stats), -EBADMSG);
	message->nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg));
	assert_int_equal(device_stats_parse_queue(message, IFINDEX, &stats), -EBADMSG);
}

/* The loopback device exists everywhere, and has no queueing discipline that the kernel shows. */
static void test_loopback(void **state)
{
	struct device_stats stats = {.queue_drops = 1};
	struct netlink *netlink;

	assert_int_equal(netlink_open(&netlink, NETLINK_ROUTE), 0);
	assert_int_equal(device_stats_query(netlink, 1, &stats), 0);
	assert_int_equal(stats.queue_drops, 0);
	assert_int_equal(device_stats_query(netlink, INT32_MAX, &stats), -ENODEV);
	assert_int_equal(device_stats_query(netlink, 1, &stats), 0);
	netlink_close(netlink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
