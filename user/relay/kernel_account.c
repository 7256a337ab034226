/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/kernel_account.h"

#include <errno.h>

void kernel_account_add(struct kernel_account *account, const struct xmc_tally *received,
			const struct xmc_tally *sent)
{
	uint64_t known = received->too_large + received->standby + sent->sent + sent->ttl_expired +
			 account->unusable + account->not_copied;
	uint64_t missing = received->received - known;
	int error = account->error ? account->error : account->error_before;

	if (received->received <= known)
		return;
	if (error < 0) {
		account->withheld[-error] += missing;
		account->unusable += missing;
	} else if (error) {
		account->errors[send_error_slot(error)] += missing;
		account->unusable += missing;
	} else {
		account->not_copied += missing;
	}
}

void kernel_account_settle(struct kernel_account *account, const struct xmc_tally *received,
			   uint64_t received_ns, const struct xmc_tally *sent)
{
	kernel_account_add(account, received, sent);
	if (received_ns >= account->usable_ns)
		account->error_before = 0;
}

void kernel_account_close(struct kernel_account *account, const struct xmc_tally *received,
			  const struct xmc_tally *sent)
{
	kernel_account_settle(account, received, UINT64_MAX, sent);
}

/* What was not sent because it was too large. Counted after `sent`, so it is limited to what the
 * output cannot have sent. */
static uint64_t too_large(const struct kernel_account *account, const struct xmc_tally *rule,
			  const struct xmc_tally *sent)
{
	uint64_t rest = rule->received - rule->standby - sent->sent - sent->ttl_expired -
			account->unusable - account->not_copied;

	return rule->too_large < rest ? rule->too_large : rest;
}

void kernel_account_read(const struct kernel_account *account, const struct xmc_tally *rule,
			 const struct xmc_tally *sent, struct output_counts *counts,
			 struct total_counts *totals)
{
	uint64_t large = too_large(account, rule, sent);
	uint64_t refused = 0;

	for (unsigned int k = 0; k < SEND_ERRORS; k++) {
		counts->errors[k] += account->errors[k];
		refused += account->errors[k];
	}
	for (unsigned int k = 0; k < WITHHELD_REASONS; k++)
		counts->withheld[k] += account->withheld[k];
	counts->withheld[WITHHELD_TTL_EXPIRED] += sent->ttl_expired;
	counts->withheld[WITHHELD_STANDBY] += rule->standby;
	counts->errors[send_error_slot(EMSGSIZE)] += large;
	counts->sent += sent->sent;
	counts->sent_bytes += sent->sent_bytes;
	counts->submitted += sent->sent + refused + large;
	counts->not_copied += account->not_copied;
	totals->sent += sent->sent;
	totals->sent_bytes += sent->sent_bytes;
	totals->send_errors += refused + large;
	totals->unwanted += account->withheld[WITHHELD_NOT_JOINED];
	totals->withheld += account->unusable - refused - account->withheld[WITHHELD_NOT_JOINED] +
			    sent->ttl_expired + rule->standby;
}
