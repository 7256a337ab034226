// SPDX-License-Identifier: BSD-2-Clause
/* What is remembered of the devices to which packets are redirected, on a network and with counters
 * that the tests make up. */
#include "watchdog.h"

#include <errno.h>
#include <net/if.h>

#include "relay/redirects.h"
#include "steering/transmits.h"

#define IN 1

static int out_index; /* of the only output interface */
static unsigned int watched;
static struct xmc_device_counts counted; /* by each pair */
static int bonds[10];			 /* by member */

int link_query(const char *name, struct link *link)
{
	*link = (struct link){.ifindex = out_index};
	snprintf(link->name, sizeof(link->name), "%s", name);
	return 0;
}

char *if_indextoname(unsigned int ifindex, char name[IF_NAMESIZE])
{
	errno = ENXIO;
	return (int)ifindex == out_index ? strcpy(name, "out0") : NULL;
}

void transmits_describe(const struct transmits *transmits, struct transmits_adoption *as)
{
}

void transmits_set_owner(struct transmits *transmits, bool owner)
{
}

int transmits_open(struct transmits **out, const struct transmits_adoption *from)
{
	*out = (struct transmits *)&watched;
	return 0;
}

void transmits_close(struct transmits *transmits)
{
}

int transmits_watch(struct transmits *transmits, int from, int to, bool skb)
{
	watched++;
	return 0;
}

int transmits_set_bond(struct transmits *transmits, int member, int bond)
{
	bonds[member] = bond;
	return 0;
}

void transmits_unwatch(struct transmits *transmits, int from, int to)
{
	watched--;
}

int transmits_read(const struct transmits *transmits, int from, int to,
		   struct xmc_device_counts *counts)
{
	*counts = counted;
	return 0;
}

/* An interface that is created again and again is watched once, and its counters add up. */
static void test_created_again(void **state)
{
	struct redirect_counts *counts;
	struct redirects *redirects;
	unsigned int count;

	assert_int_equal(redirects_open(&redirects), 0);
	counted.sent = 10;
	counted.dropped[XMC_DEVICE_ENXIO] = 2;
	for (unsigned int i = 1; i <= 2 * XMC_MAX_DEVICE_PAIRS; i++) {
		out_index = (int)i + 10;
		redirects_look(redirects);
		assert_int_equal(redirects_watch(redirects, IN, out_index, false), 0);
		assert_int_equal(watched, 1);
		counts = redirects_counts(redirects, IN, &count);
		assert_int_equal(count, 1);
		assert_string_equal(counts->device, "out0");
		assert_int_equal(counts->sent, 10 * i);
		assert_int_equal(counts->dropped[XMC_DEVICE_ENXIO], 2 * i);
		free(counts);
	}
	redirects_forget(redirects, IN);
	assert_int_equal(watched, 0);
	redirects_close(redirects);
}

/* Pairs that nobody may ever use leave room for those that are needed. */
static void test_prepared(void **state)
{
	struct redirects *redirects;

	out_index = 10;
	watched = 0;
	assert_int_equal(redirects_open(&redirects), 0);
	for (int from = 1; from <= XMC_MAX_DEVICE_PAIRS; from++) {
		redirects_look(redirects);
		redirects_prepare(redirects, from, out_index, false);
	}
	assert_int_equal(watched, XMC_MAX_DEVICE_PAIRS / 2);
	assert_int_equal(redirects_watch(redirects, XMC_MAX_DEVICE_PAIRS, out_index, false), 0);
	assert_int_equal(watched, XMC_MAX_DEVICE_PAIRS / 2 + 1);
	for (int from = 1; from <= XMC_MAX_DEVICE_PAIRS; from++)
		redirects_forget(redirects, from);
	assert_int_equal(watched, 0);
	redirects_close(redirects);
}

/* Members of bonds are known whenever packets are counted, also those that came before. */
static void test_bonds(void **state)
{
	struct redirects *redirects;

	out_index = 10;
	assert_int_equal(redirects_open(&redirects), 0);
	for (int member = 2; member < 5; member++)
		assert_int_equal(redirects_set_bond(redirects, member, IN), 0);
	assert_int_equal(redirects_set_bond(redirects, 3, 0), 0);
	assert_int_equal(redirects_set_bond(redirects, 3, 0), 0);
	assert_int_equal(bonds[2], 0);
	assert_int_equal(redirects_watch(redirects, IN, out_index, false), 0);
	for (int member = 2; member < 6; member++)
		assert_int_equal(bonds[member], member == 2 || member == 4 ? IN : 0);
	assert_int_equal(redirects_set_bond(redirects, 2, 0), 0);
	assert_int_equal(redirects_set_bond(redirects, 4, 5), 0);
	assert_int_equal(redirects_set_bond(redirects, 5, IN), 0);
	assert_int_equal(bonds[2], 0);
	assert_int_equal(bonds[4], 5);
	assert_int_equal(bonds[5], IN);
	redirects_forget(redirects, IN);
	redirects_close(redirects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bonds),
		cmocka_unit_test(test_created_again),
		cmocka_unit_test(test_prepared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
