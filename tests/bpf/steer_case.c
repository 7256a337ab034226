// SPDX-License-Identifier: BSD-2-Clause
#include "steer_case.h"

#include <linux/bpf.h>

struct steer_env *env;

void add_rule(const char *source, const char *group, uint16_t port)
{
	struct xmc_rule_key key = packet_flow(source, group, port);

	assert_int_equal(steer_env_add_rule(env, &key, 0), 0);
}

void remove_rule(const char *source, const char *group, uint16_t port)
{
	struct xmc_rule_key key = packet_flow(source, group, port);

	assert_int_equal(steer_env_remove_rule(env, &key), 0);
}

void begin(void)
{
	env = steer_env_get();
	steer_env_remove_rules(env);
	steer_env_remove_socket(env, 1);
	add_rule(NULL, GROUP4, PORT);
	add_rule(NULL, GROUP6, PORT);
}

void expect_at(const struct packet *packet, enum xmc_reason reason, int line)
{
	uint32_t action = reason == XMC_STEERED ? XDP_REDIRECT : XDP_PASS;
	struct steer_result result;
	int err;

	err = steer_env_run(env, packet, &result);
	if (!err && result.action == action && result.reason == reason && result.counted == 1 &&
	    result.unchanged && result.same)
		return;
	packet_dump(packet);
	if (err)
		fail_msg("line %d: BPF_PROG_TEST_RUN: %s", line, strerror(-err));
	fail_msg("line %d: action %u, not %u; reason %s, not %s; counted %llu; %s; user path: %s",
		 line, result.action, action, steer_reason_name(result.reason),
		 steer_reason_name(reason), (unsigned long long)result.counted,
		 result.unchanged ? "unchanged" : "CHANGED", result.same ? "same" : "DIFFERENT");
}

void build4(struct packet *packet, size_t payload)
{
	packet_build_text(packet, SOURCE4, GROUP4, PORT, payload);
}

void build6(struct packet *packet, size_t payload)
{
	packet_build_text(packet, SOURCE6, GROUP6, PORT, payload);
}
