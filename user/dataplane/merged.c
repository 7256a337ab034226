/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/merged.h"

#include <string.h>

#include "dataplane/cut.h"
#include "dataplane/mold64.h"
#include "dataplane/rtp.h"

static bool read_rtp(const uint8_t *payload, uint32_t length, struct merge_datagram *datagram)
{
	struct rtp_header header;

	if (!rtp_parse(payload, length, &header))
		return false;
	datagram->sender[0] = header.ssrc;
	datagram->first = header.sequence;
	return true;
}

static bool read_mold64(const uint8_t *payload, uint32_t length, struct merge_datagram *datagram)
{
	struct mold64_header header;

	if (!mold64_parse_whole(payload, length, &header))
		return false;
	memcpy(datagram->sender, header.session, MOLD64_SESSION_SIZE);
	datagram->first = header.sequence;
	datagram->count = mold64_messages(&header);
	return true;
}

static bool read_field(const struct rule_merging *as, const uint8_t *payload, uint32_t length,
		       struct merge_datagram *datagram)
{
	uint32_t high = 0;
	uint32_t low;

	if (as->bits == 64 && !sequence_read(payload, length, as->offset, 32, &high))
		return false;
	if (!sequence_read(payload, length, as->offset + (as->bits == 64 ? 4 : 0),
			   as->bits == 64 ? 32 : as->bits, &low))
		return false;
	datagram->first = (uint64_t)high << 32 | low;
	return true;
}

bool merged_read(const struct merged *merged, const uint8_t *payload, uint32_t length,
		 struct merge_datagram *datagram)
{
	*datagram = (struct merge_datagram){.count = 1};
	switch (merged->as.by) {
	case MERGE_RTP:
		return read_rtp(payload, length, datagram);
	case MERGE_MOLD64:
		return read_mold64(payload, length, datagram);
	default:
		return read_field(&merged->as, payload, length, datagram);
	}
}

/* The kind of its sender, of whom the beginning of a payload is enough. False: it has none. */
static bool read_kind(const struct merged *merged, const uint8_t *payload, uint32_t readable,
		      unsigned int *kind)
{
	uint64_t sender[2] = {};

	switch (merged->as.by) {
	case MERGE_RTP:
		if (!rtp_is(payload, readable))
			return false;
		sender[0] = rtp_ssrc(payload);
		break;
	case MERGE_MOLD64:
		if (readable < MOLD64_HEADER_SIZE)
			return false;
		memcpy(sender, payload, MOLD64_SESSION_SIZE);
		break;
	default: /* nothing identifies it */
		break;
	}
	*kind = merge_kind(sender);
	return true;
}

struct merge_skipped unmerged_read(const struct unmerged *unmerged, const struct merged *merged,
				   const uint8_t *payload, uint32_t readable)
{
	unsigned int kind;

	if (!unmerged->kinds || !read_kind(merged, payload, readable, &kind))
		return (struct merge_skipped){};
	return (struct merge_skipped){.count = unmerged->counts[kind], .kind = kind};
}

void unmerged_add(struct unmerged *unmerged, const struct merged *merged, const uint8_t *payload,
		  uint32_t readable)
{
	unsigned int kind;

	if (!read_kind(merged, payload, readable, &kind))
		return;
	unmerged->counts[kind]++;
	unmerged->kinds |= (uint8_t)(1U << kind);
}

uint32_t merged_cut(uint8_t *payload, uint32_t *length, const struct merge_item *item)
{
	struct mold64_header header;
	uint32_t begin = 0;

	if (item->kept == item->datagram.count || !mold64_parse(payload, *length, &header))
		return 0;
	*length = mold64_skip(payload, *length, item->cut + item->kept);
	header.count = (uint16_t)(item->cut + item->kept);
	if (item->cut)
		begin = mold64_cut(payload, *length, &header, item->cut);
	else
		mold64_write(payload, &header);
	*length -= begin;
	return begin;
}
