/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IP protocols that a rule may relay besides UDP: the PROTO of GROUP/PROTO@IFACE. Only the IP
 * header of such packets is rewritten, so a protocol whose own checksum or authentication covers
 * the addresses cannot be relayed, and neither can what hosts and routers say to their neighbours.
 *
 * Sources: IANA, Protocol Numbers and IPv6 Extension Header Types; the RFCs of the protocols. Any
 * thread.
 */
#ifndef XMCAST_RULES_PROTOCOL_H
#define XMCAST_RULES_PROTOCOL_H

#include "rules/words.h"

/*
 * A number from 0 to 255, or a name that getprotobyname(3) finds, usually in /etc/protocols. Names
 * are not stored: the same name may mean another number on another host, or none. False: it is no
 * protocol, or one that cannot be relayed; an error was appended.
 */
bool protocol_parse(const struct word *word, uint8_t *protocol, struct errors *errors);

#endif
