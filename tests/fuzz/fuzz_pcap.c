// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on capture files: any bytes. Every packet is counted once, the frames that are kept are
 * those of its flow, and a file that is refused is refused with a reason.
 */
#include <errno.h>

#include "ctl/pcap_flows.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As pcap_flows_read() does. */
static uint64_t count_packets(FILE *stream, int *result)
{
	struct pcap_reader *reader = pcap_reader_open(stream);
	struct pcap_packet packet;
	uint64_t count = 0, sum = 0;

	must(reader != NULL);
	while ((*result = pcap_reader_next(reader, &packet)) > 0) {
		must(packet.captured <= packet.length && packet.captured <= PCAP_PACKET_MAX);
		must(!packet.iface || (*packet.iface && strlen(packet.iface) < IF_NAMESIZE));
		/* All of it can be read. */
		for (uint32_t i = 0; i < packet.captured; i++)
			sum += packet.data[i];
		count++;
	}
	must(sum <= 255 * count * PCAP_PACKET_MAX);
	must(*result == 0 || (*result == -EBADMSG && *pcap_reader_problem(reader)));
	pcap_reader_close(reader);
	return count;
}

static void check_flows(const struct pcap_flows *flows)
{
	uint64_t packets = 0;

	for (unsigned int i = 0; i < flows->count; i++) {
		const struct pcap_flow *flow = &flows->list[i];

		must(flow->packets > 0 && flow->length >= 14 && flow->length <= PCAP_FRAME_MAX);
		must(flow->parsed < XMC_REASONS);
		packets += flow->packets;
	}
	must(packets + flows->beyond + flows->not_ethernet == flows->packets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcap_flows *flows = calloc(1, sizeof(*flows));
	FILE *stream = size ? fmemopen((void *)data, size, "rb") : NULL;
	struct pcap_reader *reader;
	int first, second;
	uint64_t count;

	must(flows != NULL);
	if (!stream) {
		free(flows);
		return 0;
	}
	count = count_packets(stream, &first);
	rewind(stream);
	reader = pcap_reader_open(stream);
	must(reader != NULL);
	second = pcap_flows_read(flows, reader);
	must(first == second && flows->packets == count);
	check_flows(flows);
	pcap_reader_close(reader);
	pcap_flows_free(flows);
	free(flows);
	fclose(stream);
	return 0;
}
