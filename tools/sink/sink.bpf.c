// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sink as an XDP program: counts and drops probes, passes everything else. */
#include "sink/maps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Fields that xmc_parse() does not return. `headers` is a constant: packets with IP options do not
 * get this far. */
static __always_inline enum probe_state read_frame(void *data, void *data_end,
						   const struct xmc_datagram *dgram,
						   struct arrival *arrival, const __u32 headers)
{
	const __u8 *ip = data + sizeof(struct xmc_eth);

	if (data + headers + sizeof(struct probe) > data_end)
		return PROBE_NONE;
	if (dgram->payload_length < sizeof(struct probe))
		return PROBE_NONE;
	if (headers == 42) {
		arrival->dscp = ip[1] >> 2;
		arrival->ttl = ip[8];
	} else {
		arrival->dscp = (ip[0] & 0xf) << 2 | ip[1] >> 6;
		arrival->ttl = ip[7];
	}
	arrival->source_port = *(__be16 *)(data + headers - sizeof(struct xmc_udp));
	return probe_read(data + headers, dgram->payload_length, arrival);
}

SEC("xdp")
int sink_frame(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct xmc_datagram dgram = {};
	struct arrival arrival = {};
	struct sink_totals *sums;
	enum probe_state state;
	enum xmc_reason reason;
	__u32 zero = 0;

	sums = bpf_map_lookup_elem(&totals, &zero);
	if (!sums)
		return XDP_PASS;
	reason = xmc_parse(data, data_end, &dgram);
	if (reason == XMC_MALFORMED)
		sums->malformed++;
	else if (reason != XMC_STEERED || !filter_match(&filter, &dgram.destination, dgram.port))
		sums->foreign++;
	else
		goto ours;
	return XDP_PASS;
ours:
	arrival.key.destination = dgram.destination;
	arrival.key.port = dgram.port;
	arrival.source = dgram.source;
	state = dgram.payload_offset == 42 ? read_frame(data, data_end, &dgram, &arrival, 42)
					   : read_frame(data, data_end, &dgram, &arrival, 62);
	return take(state, &arrival, sums) ? XDP_DROP : XDP_PASS;
}
