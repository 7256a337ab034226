/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of systemd's journal, whose fields can be searched for: journalctl XMCAST_RULE=cam1.
 * The protocol is documented at https://systemd.io/JOURNAL_NATIVE_PROTOCOL; datagrams are sent by
 * log_datagram.h. Pure; any thread.
 *
 *     MESSAGE            the line as it would be written to stderr, without the level
 *     PRIORITY           3, 4, 6 or 7, from the level
 *     SYSLOG_IDENTIFIER  the program
 *     XMCAST_EVENT, XMCAST_FACILITY, XMCAST_SUPPRESSED
 *     XMCAST_KEY         each key of the record, with its plain value; for LOG_IFACE, XMCAST_INTERFACE
 */
#ifndef XMCAST_BASE_LOG_JOURNAL_H
#define XMCAST_BASE_LOG_JOURNAL_H

#include "base/log_record.h"

#define LOG_JOURNAL_PATH "/run/systemd/journal/socket"

/* Bytes of an entry: a whole JSON line and fields as long again. */
#define LOG_JOURNAL_SIZE (2 * LOG_JSON_SIZE + 1024)

/* Write the entry and return its length. A field that does not fit is left out. */
size_t log_journal_entry(const struct log_record *record, const char *message, size_t length,
			 char entry[LOG_JOURNAL_SIZE]);

#endif
