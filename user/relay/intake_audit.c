/* SPDX-License-Identifier: BSD-2-Clause */
/* intake_audit(): does every packet that the program has steered arrive? */
#define LOG_FACILITY LOG_FACILITY_INGRESS
#include "base/log.h"
#include "relay/intake.h"

/* Looks with packets and without a loss, after which a loss counts as ended. */
#define ENDED_LOOKS 5

/* Everything that steered packets end up in. Packets that wait in a ring are read before those that
 * were received, because they move from the former to the latter. */
static uint64_t count_arrived(const struct intake *intake)
{
	uint64_t sum = intake->closed.received + kernel_drops(&intake->closed);

	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		struct worker_state state;

		worker_read(intake->workers[i], &state);
		sum += state.waiting + state.received + kernel_drops(&state);
	}
	return sum;
}

static bool has_zero_copy(const struct intake *intake)
{
	return intake->nr_workers && xsk_zero_copy(worker_xsk(intake->workers[0]));
}

static const char *describe_cause(const struct intake *intake)
{
	if (has_zero_copy(intake))
		return "probably the driver loses them with zero copy";
	if (intake->mode == IFACE_MODE_NATIVE)
		return "probably the device or queue that receives them is not that of the socket";
	return "probably another program has changed the map of sockets";
}

/* The next way of receiving packets that may help. NULL: there is none; otherwise its name. */
static const char *next_fallback(const struct intake *intake, enum intake_fallback *next)
{
	if (intake->fallback < FALLBACK_COPY && has_zero_copy(intake)) {
		*next = FALLBACK_COPY;
		return "copy";
	}
	if (intake->fallback < FALLBACK_SKB && intake->mode == IFACE_MODE_NATIVE &&
	    intake->settings.mode == IFACE_MODE_AUTO && !intake->external) {
		*next = FALLBACK_SKB;
		return "skb";
	}
	return NULL;
}

/* Packets vanish: report it, and open the intake again in the next way. If the last one has not
 * helped either, it is not the driver: return to the first one, and try no more. */
static void fall_back(struct intake *intake)
{
	struct missing *missing = &intake->missing;
	enum intake_fallback next = FALLBACK_NONE;
	const char *name = missing->exhausted ? NULL : next_fallback(intake, &next);

	explain(missing->text, 0, "%llu packets that were steered on %s have arrived nowhere: %s",
		(unsigned long long)intake->ledger.missing, intake->name, describe_cause(intake));
	log_event(LOG_LEVEL_ERROR, "packets-missing", LOG_IFACE(intake->name),
		  LOG_UINT("packets", intake->ledger.missing), LOG_TEXT("reason", missing->text),
		  LOG_NAME("next", name ? name : "none"));
	missing->reported = true;
	missing->looks = 0;
	if (name || missing->trial)
		intake_lose(intake, "loses steered packets, and is opened in another way");
	missing->trial = name;
	missing->exhausted = !name;
	intake->fallback = next;
}

static void end(struct intake *intake)
{
	intake->missing.reported = intake->missing.trial = false;
	if (intake->fallback == FALLBACK_NONE)
		intake->missing.text[0] = '\0';
	log_event(LOG_LEVEL_INFO, "packets-missing-ended", LOG_IFACE(intake->name));
}

void intake_audit_end(struct intake *intake)
{
	uint64_t verdicts[XMC_REASONS];
	uint64_t missing = intake->ledger.missing;

	/* No packet passes any more, so what is missing now is exact. */
	if (intake->steer && intake->ledger.started && !steer_verdicts(intake->steer, verdicts))
		missing = ledger_missing(&intake->ledger, verdicts[XMC_STEERED],
					 count_arrived(intake));
	intake->missing.before += missing;
	ledger_reset(&intake->ledger);
}

void intake_audit(struct intake *intake)
{
	struct missing *missing = &intake->missing;
	uint64_t before = intake->ledger.steered;
	uint64_t verdicts[XMC_REASONS];
	bool lost;

	if ((intake->state != INTAKE_ATTACHED && intake->state != INTAKE_IMPAIRED) ||
	    steer_verdicts(intake->steer, verdicts))
		return;
	lost = ledger_look(&intake->ledger, verdicts[XMC_STEERED], count_arrived(intake),
			   intake->nr_workers);
	if (lost && (!missing->reported || missing->trial))
		fall_back(intake);
	else if (lost || intake->ledger.grown)
		missing->looks = 0;
	else if (missing->reported && intake->ledger.steered != before &&
		 ++missing->looks >= ENDED_LOOKS)
		end(intake);
}
