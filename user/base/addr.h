/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of either family (struct xmc_addr: 16 bytes, IPv4 as IPv4-mapped) as text and as
 * sockaddr. Pure; any thread.
 */
#ifndef XMCAST_BASE_ADDR_H
#define XMCAST_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <xmcast/abi.h>

/* Bytes for any address; for any address in brackets, ":65535@" and an interface name. */
#define ADDR_TEXT_SIZE	   48
#define ENDPOINT_TEXT_SIZE 80

/* Parse a plain address, "10.0.0.1" or "ff3e::1" without brackets. False: not an address, or an
 * IPv4-mapped one ("::ffff:1.2.3.4"), which would be a second spelling of an IPv4 address. */
bool addr_parse(const char *text, struct xmc_addr *addr);

bool addr_is_ipv4(const struct xmc_addr *addr);
bool addr_is_multicast(const struct xmc_addr *addr);  /* 224.0.0.0/4, ff00::/8 */
bool addr_is_broadcast(const struct xmc_addr *addr);  /* 255.255.255.255 alone */
bool addr_is_loopback(const struct xmc_addr *addr);   /* 127.0.0.0/8, ::1 */
bool addr_is_link_local(const struct xmc_addr *addr); /* fe80::/10 */
bool addr_is_any(const struct xmc_addr *addr);	      /* all zero: no address */
bool addr_equal(const struct xmc_addr *a, const struct xmc_addr *b);

/* AF_INET or AF_INET6. */
int addr_family(const struct xmc_addr *addr);

/* Write the address as text into `text` and return it. IPv6 without brackets. */
const char *addr_format(const struct xmc_addr *addr, char text[ADDR_TEXT_SIZE]);

/* Write "ADDR:PORT" or, with an interface (not NULL, not empty), "ADDR:PORT@IFACE", IPv6 in
 * brackets: the form of the rule grammar. Port in host order; 0: none, "ADDR[@IFACE]". Returns
 * `text`. */
const char *endpoint_format(const struct xmc_addr *addr, uint16_t port, const char *iface,
			    char text[ENDPOINT_TEXT_SIZE]);

/* Fill a sockaddr_in or sockaddr_in6 (scope 0); port in host order. Returns its length. */
socklen_t addr_to_sockaddr(const struct xmc_addr *addr, uint16_t port,
			   struct sockaddr_storage *sockaddr);

#endif
