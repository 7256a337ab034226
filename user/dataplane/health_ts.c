/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/health_ts.h"

#include <string.h>

#define SYNC_BYTE 0x47
#define PID_PAT	  0
#define PID_NULL  0x1fff

/* In the header. */
#define ERROR_BIT    0x80 /* byte 1 */
#define START_BIT    0x40 /* byte 1: a section begins in the packet */
#define SCRAMBLED    0xc0 /* byte 3 */
#define HAS_FIELD    0x20 /* byte 3: an adaptation field */
#define HAS_PAYLOAD  0x10 /* byte 3 */
#define DISCONTINUES 0x80 /* byte 5, of the adaptation field */
#define HAS_PCR	     0x10 /* byte 5 */

/* Of all four bytes: in sync, not erroneous, not scrambled, with payload and no adaptation field.
 */
#define PLAIN_MASK   0xff8000f0
#define PLAIN_HEADER 0x47000010

/* In ts_track.pids, above the continuity counter. */
#define PID_COUNTER  0x0f
#define PID_KNOWN    0x10 /* the counter is that of the last packet */
#define PID_REPEATED 0x20 /* the last packet repeated the one before, as any may once */
#define PID_IS_PMT   0x40
#define PID_HAS_PCR  0x80

#define TABLE_PAT    0
#define TABLE_PMT    2

/* How often to look for tables and PCR that do not come. */
#define LOOK_NS	      (TS_TABLE_NS / 10)

#define SYNC_LOST_AT  2
#define SYNC_FOUND_AT 5

#define PCR_HZ	      27000000ULL
#define PCR_WRAP      ((1ULL << 33) * 300)
#define PCR_MOST      (PCR_HZ / 10) /* 100 ms */

static void count(struct ts_counts *counts, enum ts_figure figure)
{
	counts->figures[figure]++;
}

static uint16_t read16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

/* ---- sync ---- */

/* Is this a packet? */
static bool check_sync(struct ts_track *track, const uint8_t *packet, struct ts_counts *counts)
{
	if (packet[0] == SYNC_BYTE) {
		track->bad_syncs = 0;
		if (track->sync_lost && ++track->good_syncs >= SYNC_FOUND_AT)
			track->sync_lost = false;
		return true;
	}
	count(counts, TS_SYNC_BYTE);
	track->good_syncs = 0;
	if (!track->sync_lost && ++track->bad_syncs >= SYNC_LOST_AT) {
		track->sync_lost = true;
		count(counts, TS_SYNC_LOSS);
	}
	return false;
}

/* ---- continuity ---- */

/* A packet without payload has the counter of the one before. */
static void check_continuity(uint8_t *pid, const uint8_t *packet, bool discontinues,
			     struct ts_counts *counts)
{
	uint8_t counter = packet[3] & PID_COUNTER;
	uint8_t before = *pid & PID_COUNTER;
	bool payload = packet[3] & HAS_PAYLOAD;
	bool repeats = payload && counter == before && !(*pid & PID_REPEATED);

	if (!(packet[3] & (HAS_PAYLOAD | HAS_FIELD)))
		return;
	if (*pid & PID_KNOWN && !discontinues && !repeats &&
	    counter != ((before + payload) & PID_COUNTER))
		count(counts, TS_CONTINUITY);
	repeats = repeats && *pid & PID_KNOWN && !discontinues;
	*pid = (uint8_t)((*pid & (PID_IS_PMT | PID_HAS_PCR)) | PID_KNOWN | counter |
			 (repeats ? PID_REPEATED : 0));
}

/* ---- tables ---- */

/* The section that begins in a packet, and how many of its bytes are in the packet; NULL: none. */
static const uint8_t *find_section(const uint8_t *packet, unsigned int *length)
{
	unsigned int at = 4;

	if (!(packet[1] & START_BIT) || !(packet[3] & HAS_PAYLOAD))
		return NULL;
	if (packet[3] & HAS_FIELD)
		at += 1U + packet[4];
	if (at >= TS_PACKET_SIZE)
		return NULL;
	at += 1U + packet[at];
	if (at >= TS_PACKET_SIZE)
		return NULL;
	*length = TS_PACKET_SIZE - at;
	return packet + at;
}

static void forget_pmts(struct ts_track *track)
{
	for (unsigned int i = 0; i < track->nr_pmts; i++)
		track->pids[track->pmts[i].pid] &= (uint8_t)~PID_IS_PMT;
	track->nr_pmts = 0;
}

static void add_pmt(struct ts_track *track, uint16_t pid, uint64_t now_ns)
{
	if (track->pids[pid] & PID_IS_PMT || track->nr_pmts == TS_PMTS)
		return;
	track->pids[pid] |= PID_IS_PMT;
	track->pmts[track->nr_pmts++] = (struct ts_pmt){.last_ns = now_ns, .pid = pid};
}

/* The programs of a PAT, as far as they are in the packet. */
static void read_pat(struct ts_track *track, const uint8_t *section, unsigned int length,
		     uint64_t now_ns)
{
	unsigned int end;
	uint8_t version;

	if (length < 8)
		return;
	/* Without the checksum at its end. */
	end = 3 + (read16(section + 1) & 0xfffU);
	end = end > 4 ? end - 4 : 0;
	if (end > length)
		end = length;
	/* One that will be valid later has an even bit there. */
	if (!(section[5] & 1))
		return;
	version = section[5] & 0x3e;
	if (version != track->pat_version)
		forget_pmts(track);
	track->pat_version = version;
	for (unsigned int at = 8; at + 4 <= end; at += 4) {
		uint16_t pid = read16(section + at + 2) & 0x1fff;

		/* Program 0 is the network's table. */
		if (read16(section + at) && pid != PID_PAT && pid != PID_NULL)
			add_pmt(track, pid, now_ns);
	}
}

static void note_pat(struct ts_track *track, const uint8_t *packet, uint64_t now_ns,
		     struct ts_counts *counts)
{
	unsigned int length = 0;
	const uint8_t *section = find_section(packet, &length);

	if (packet[3] & SCRAMBLED) {
		count(counts, TS_PAT);
	} else if (section && section[0] != TABLE_PAT) {
		count(counts, TS_PAT);
	} else if (section) {
		if (now_ns - track->pat_ns > TS_TABLE_NS)
			count(counts, TS_PAT);
		track->pat_ns = now_ns;
		read_pat(track, section, length, now_ns);
	}
}

static void note_pmt(struct ts_track *track, uint16_t pid, const uint8_t *packet, uint64_t now_ns,
		     struct ts_counts *counts)
{
	unsigned int length = 0, i = 0;
	const uint8_t *section = find_section(packet, &length);

	if (packet[3] & SCRAMBLED) {
		count(counts, TS_PMT);
		return;
	}
	if (!section || section[0] != TABLE_PMT)
		return;
	while (track->pmts[i].pid != pid)
		i++;
	if (now_ns - track->pmts[i].last_ns > TS_TABLE_NS)
		count(counts, TS_PMT);
	track->pmts[i].last_ns = now_ns;
}

/* ---- PCR ---- */

static struct ts_pcr *find_pcr(struct ts_track *track, uint16_t pid)
{
	unsigned int i = 0;

	if (track->pids[pid] & PID_HAS_PCR) {
		while (track->pcrs[i].pid != pid)
			i++;
		return &track->pcrs[i];
	}
	if (track->nr_pcrs == TS_PCRS)
		return NULL;
	track->pids[pid] |= PID_HAS_PCR;
	track->pcrs[track->nr_pcrs] = (struct ts_pcr){.pid = pid};
	return &track->pcrs[track->nr_pcrs++];
}

static void note_pcr(struct ts_track *track, uint16_t pid, const uint8_t *field, bool discontinues,
		     uint64_t now_ns, struct ts_counts *counts)
{
	uint64_t base = (uint64_t)field[0] << 25 | (uint64_t)field[1] << 17 |
			(uint64_t)field[2] << 9 | (uint64_t)field[3] << 1 | field[4] >> 7;
	uint64_t value = base * 300 + (read16(field + 4) & 0x1ff);
	struct ts_pcr *pcr = find_pcr(track, pid);

	if (!pcr)
		return;
	if (pcr->last_ns && !discontinues) {
		uint64_t passed = (value + PCR_WRAP - pcr->value) % PCR_WRAP;

		if (passed > PCR_MOST)
			count(counts, TS_PCR_DISCONTINUITY);
		if (now_ns - pcr->last_ns > TS_PCR_NS)
			count(counts, TS_PCR_GAP);
	}
	pcr->last_ns = now_ns;
	pcr->value = value;
}

/* ---- packets ---- */

/* Most packets have payload alone, of a PID that is no table's, and the next number: nothing else
 * is read of them. Returns how many such packets come first. */
static unsigned int track_plain(struct ts_track *track, const uint8_t *packets, unsigned int number)
{
	unsigned int i;

	if (track->bad_syncs || track->sync_lost)
		return 0;
	for (i = 0; i < number; i++) {
		const uint8_t *packet = packets + (size_t)i * TS_PACKET_SIZE;
		uint32_t header = (uint32_t)read16(packet) << 16 | read16(packet + 2);
		uint8_t counter = header & PID_COUNTER;
		uint8_t *known = &track->pids[header >> 8 & 0x1fff];

		if ((header & PLAIN_MASK) != PLAIN_HEADER || known == track->pids ||
		    (*known & ~PID_HAS_PCR) != (PID_KNOWN | ((counter - 1) & PID_COUNTER)))
			break;
		*known = (uint8_t)((*known & PID_HAS_PCR) | PID_KNOWN | counter);
	}
	return i;
}

static void track_packet(struct ts_track *track, const uint8_t *packet, uint64_t now_ns,
			 struct ts_counts *counts)
{
	uint16_t pid = read16(packet + 1) & 0x1fff;
	uint8_t *known = &track->pids[pid];
	bool discontinues = false;

	if (packet[1] & ERROR_BIT) {
		/* Its PID may be wrong, too. */
		count(counts, TS_TRANSPORT);
		return;
	}
	if (packet[3] & SCRAMBLED)
		count(counts, TS_SCRAMBLED);
	if (pid == PID_NULL) {
		count(counts, TS_NULL);
		return;
	}
	if (packet[3] & HAS_FIELD && packet[4]) {
		discontinues = packet[5] & DISCONTINUES;
		if (packet[5] & HAS_PCR && packet[4] >= 7)
			note_pcr(track, pid, packet + 6, discontinues, now_ns, counts);
	}
	check_continuity(known, packet, discontinues, counts);
	if (pid == PID_PAT)
		note_pat(track, packet, now_ns, counts);
	else if (*known & PID_IS_PMT)
		note_pmt(track, pid, packet, now_ns, counts);
}

/* Count what has not come in time, once for each interval in which it was missing. */
static void look_for_missing(struct ts_track *track, uint64_t now_ns, struct ts_counts *counts)
{
	if (now_ns - track->pat_ns > TS_TABLE_NS) {
		count(counts, TS_PAT);
		track->pat_ns += TS_TABLE_NS;
	}
	for (unsigned int i = 0; i < track->nr_pmts; i++) {
		if (now_ns - track->pmts[i].last_ns <= TS_TABLE_NS)
			continue;
		count(counts, TS_PMT);
		track->pmts[i].last_ns += TS_TABLE_NS;
	}
}

/* Nothing has been looked at for so long that tables and PCR can be missing: wait for them from now
 * on. */
static void resume(struct ts_track *track, uint64_t now_ns)
{
	track->pat_ns = now_ns;
	for (unsigned int i = 0; i < track->nr_pmts; i++)
		track->pmts[i].last_ns = now_ns;
	for (unsigned int i = 0; i < track->nr_pcrs; i++)
		track->pcrs[i].last_ns = 0;
}

/* What was skipped may have had anything, another PAT as well. */
static void resume_behind_skipped(struct ts_track *track, uint64_t now_ns)
{
	for (unsigned int i = 0; i < TS_PIDS; i++)
		track->pids[i] &= (uint8_t)~PID_KNOWN;
	forget_pmts(track);
	track->bad_syncs = track->good_syncs = 0;
	track->skipped = false;
	resume(track, now_ns);
}

bool ts_track(struct ts_track *track, const uint8_t *packets, unsigned int number, uint64_t now_ns,
	      struct ts_counts *counts)
{
	bool plain = true;

	if (track->skipped)
		resume_behind_skipped(track, now_ns);
	else if (!track->last_ns || now_ns - track->last_ns > TS_TABLE_NS)
		resume(track, now_ns);
	track->last_ns = now_ns;
	counts->figures[TS_PACKETS] += number;
	for (unsigned int i = 0;; i++) {
		const uint8_t *packet;

		i += track_plain(track, packets + (size_t)i * TS_PACKET_SIZE, number - i);
		if (i == number)
			break;
		packet = packets + (size_t)i * TS_PACKET_SIZE;
		plain = false;
		if (check_sync(track, packet, counts))
			track_packet(track, packet, now_ns, counts);
	}
	if (now_ns < track->look_ns)
		return !plain;
	look_for_missing(track, now_ns, counts);
	track->look_ns = now_ns + LOOK_NS;
	return true;
}
