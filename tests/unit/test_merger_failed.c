// SPDX-License-Identifier: BSD-2-Clause
/* The merger's thread has ended by itself, and nothing else happens: the relay notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* For what it keeps to itself. */
#include "dataplane/merger_thread.c"

#include "relay/leases.h"
#include "relay/relay.h"
#include "relay/state.h"

static void test_noticed(void **state)
{
	static struct relay relay = {.frozen = true};

	assert_int_equal(leases_open(&relay.leases), 0);
	assert_int_equal(relay_check_workers(&relay), 0);
	atomic_store(&self.failed, true);
	assert_int_equal(relay_check_workers(&relay), -EIO);
	leases_close(relay.leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
