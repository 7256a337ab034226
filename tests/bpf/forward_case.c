// SPDX-License-Identifier: BSD-2-Clause
#include "forward_case.h"

#include "require.h"
#include "rewritten.h"

enum iface_mode attached;

void attach(enum iface_mode mode)
{
	assert_int_equal(steer_attach(forward_env.steer, forward_env.in, mode, &attached), 0);
}

void detach(void)
{
	steer_detach(forward_env.steer);
}

void set(const char *command)
{
	assert_int_equal(system(command), 0);
}

/* The identification depends on the CPU on which the packet was processed. */
static uint16_t id_of(const struct packet *packet)
{
	return packet->bytes[14] / 16 == 4 ? packet_get16(packet, 18) : 0;
}

void expect_frame(unsigned int device, const struct packet *sent, const struct xmc_output *header)
{
	struct packet packet, wanted = *sent;

	if (!forward_env_receive(1 + device, &packet, false))
		fail_msg("no frame has come out of device %u", device);
	rewrite_expected(&wanted, header, id_of(&packet));
	if (packet.length == wanted.length &&
	    memcmp(packet.bytes, wanted.bytes, packet.length) == 0)
		return;
	packet_dump(&packet);
	packet_dump(&wanted);
	fail_msg("another frame than expected (second) has come out of device %u", device);
}

void expect_nothing(unsigned int device)
{
	struct packet packet;

	if (!forward_env_receive(1 + device, &packet, true))
		return;
	packet_dump(&packet);
	fail_msg("an unexpected frame has come out of device %u", device);
}

void make_outputs(struct forward_output *outputs, unsigned int count, bool ipv6)
{
	for (unsigned int i = 0; i < count; i++) {
		char destination[40];

		snprintf(destination, sizeof(destination), ipv6 ? "ff3e::2:%x" : "239.2.2.%u",
			 i + 1);
		outputs[i] = forward_env_output(i * 2 / 3 % 2, ipv6 ? "2001:db8:1::1" : "192.0.2.1",
						destination, i % 4 ? (uint16_t)(6000 + i) : 0);
		outputs[i].header.ttl = (uint8_t)(i + 1);
		outputs[i].header.mac_to[5] = (uint8_t)i;
	}
}
