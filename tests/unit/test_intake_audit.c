// SPDX-License-Identifier: BSD-2-Clause
/* What the daemon tries when steered packets vanish: zero copy, a copy, skb mode, each once, with a
 * driver that the test plays. */
#include "watchdog.h"

#include <string.h>

#include "relay/intake_audit.c"

/* The driver: in which ways packets vanish, and what it has counted since it was last opened. */
static struct {
	bool zero_copy;
	bool loses[3]; /* with zero copy, natively with a copy, in skb mode */
	uint64_t steered;
	uint64_t received;
	unsigned int opened;
} driver;

static struct intake intake;
static struct worker *const workers[1] = {(struct worker *)&driver};

int steer_verdicts(const struct steer *steer, uint64_t verdicts[XMC_REASONS])
{
	memset(verdicts, 0, XMC_REASONS * sizeof(*verdicts));
	verdicts[XMC_STEERED] = driver.steered;
	return 0;
}

void worker_read(const struct worker *worker, struct worker_state *state)
{
	memset(state, 0, sizeof(*state));
	state->received = driver.received;
}

struct xsk *worker_xsk(const struct worker *worker)
{
	return NULL;
}

bool xsk_zero_copy(const struct xsk *xsk)
{
	return driver.zero_copy && intake.fallback == FALLBACK_NONE &&
	       intake.mode == IFACE_MODE_NATIVE;
}

/* As the relay does with the next look. */
void intake_lose(struct intake *lost, const char *why)
{
	lost->state = INTAKE_LOST;
}

static void reopen(void)
{
	if (intake.state == INTAKE_LOST)
		intake_audit_end(&intake);
	driver.steered = driver.received = 0;
	driver.opened++;
	intake.mode = intake.fallback == FALLBACK_SKB || intake.settings.mode == IFACE_MODE_SKB
			      ? IFACE_MODE_SKB
			      : IFACE_MODE_NATIVE;
	intake.state = INTAKE_ATTACHED;
	intake_audit(&intake);
}

static void run(unsigned int seconds)
{
	while (seconds--) {
		int way = intake.mode == IFACE_MODE_SKB ? 2 : xsk_zero_copy(NULL) ? 0 : 1;

		driver.steered += 100;
		driver.received += driver.loses[way] ? 0 : 100;
		intake_audit(&intake);
		if (intake.state == INTAKE_LOST)
			reopen();
	}
}

static void start(enum iface_mode mode)
{
	memset(&intake, 0, sizeof(intake));
	strcpy(intake.name, "eth0");
	intake.settings.mode = mode;
	intake.workers = (struct worker **)workers;
	intake.nr_workers = 1;
	intake.steer = (struct steer *)&driver;
	driver.opened = 0;
	reopen();
}

static void test_all_is_well(void **state)
{
	memset(&driver, 0, sizeof(driver));
	driver.zero_copy = true;
	start(IFACE_MODE_AUTO);
	run(100);
	assert_int_equal(driver.opened, 1);
	assert_false(intake.missing.reported);
	assert_int_equal(intake.ledger.missing, 0);
}

static void test_zero_copy_loses(void **state)
{
	memset(&driver, 0, sizeof(driver));
	driver.zero_copy = driver.loses[0] = true;
	start(IFACE_MODE_AUTO);
	run(5);
	assert_int_equal(driver.opened, 2);
	assert_int_equal(intake.fallback, FALLBACK_COPY);
	assert_int_equal(intake.mode, IFACE_MODE_NATIVE);
	assert_int_equal(intake.missing.before, 400);
	run(100);
	assert_int_equal(driver.opened, 2);
	assert_false(intake.missing.reported);
	assert_non_null(strstr(intake.missing.text, "zero copy"));
}

static void test_native_loses(void **state)
{
	memset(&driver, 0, sizeof(driver));
	driver.zero_copy = driver.loses[0] = driver.loses[1] = true;
	start(IFACE_MODE_AUTO);
	run(100);
	assert_int_equal(driver.opened, 3);
	assert_int_equal(intake.mode, IFACE_MODE_SKB);
	assert_int_equal(intake.missing.before, 800);
	assert_false(intake.missing.reported);
}

/* `mode: native` is an order. */
static void test_native_is_wanted(void **state)
{
	memset(&driver, 0, sizeof(driver));
	driver.loses[1] = true;
	start(IFACE_MODE_NATIVE);
	run(100);
	assert_int_equal(driver.opened, 1);
	assert_int_equal(intake.fallback, FALLBACK_NONE);
	assert_true(intake.missing.reported && intake.missing.exhausted);
	assert_non_null(*intake.missing.text ? intake.missing.text : NULL);
}

/* Nothing helps: zero copy again, for good. */
static void test_everything_loses(void **state)
{
	memset(&driver, 0, sizeof(driver));
	driver.zero_copy = driver.loses[0] = driver.loses[1] = driver.loses[2] = true;
	start(IFACE_MODE_AUTO);
	run(200);
	assert_int_equal(driver.opened, 4);
	assert_int_equal(intake.fallback, FALLBACK_NONE);
	assert_true(intake.missing.reported && intake.missing.exhausted);
	/* It ends by itself. */
	memset(driver.loses, 0, sizeof(driver.loses));
	run(30);
	assert_int_equal(driver.opened, 4);
	assert_false(intake.missing.reported);
	assert_string_equal(intake.missing.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_well),	 cmocka_unit_test(test_zero_copy_loses),
		cmocka_unit_test(test_native_loses),	 cmocka_unit_test(test_native_is_wanted),
		cmocka_unit_test(test_everything_loses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
