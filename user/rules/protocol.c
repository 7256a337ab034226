/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/protocol.h"

#include <netdb.h>
#include <string.h>
#include <unistd.h>

/* Bytes for a name, with its NUL, and for an entry of /etc/protocols. */
#define NAME_SIZE  64
#define ENTRY_SIZE 4096

#define EXPECTED   "expected another protocol, such as 50 (ESP) or 47 (GRE)"
#define IS_HEADER(name)                                                                            \
	name " is an IPv6 extension header, and such packets are left to the stack, " EXPECTED
#define COVERS_ADDRESSES(name)                                                                     \
	name " cannot be relayed: its checksum covers the addresses, " EXPECTED
#define CONTROLS_NETWORK(name)                                                                     \
	name " cannot be relayed: hosts and routers control their own network with it, " EXPECTED

/* Why a protocol is refused, by its number. */
static const char *const refused[UINT8_MAX + 1] = {
	[0] = IS_HEADER("0"),
	[1] = CONTROLS_NETWORK("ICMP"),
	[2] = CONTROLS_NETWORK("IGMP"),
	[3] = CONTROLS_NETWORK("GGP"),
	[6] = COVERS_ADDRESSES("TCP"),
	[8] = CONTROLS_NETWORK("EGP"),
	[9] = CONTROLS_NETWORK("IGP"),
	[17] = "UDP is relayed by port, expected GROUP:PORT@IFACE or GROUP:any@IFACE",
	[33] = COVERS_ADDRESSES("DCCP"),
	[35] = CONTROLS_NETWORK("IDPR"),
	[38] = CONTROLS_NETWORK("IDPR-CMTP"),
	[43] = IS_HEADER("43"),
	[44] = IS_HEADER("44"),
	[45] = CONTROLS_NETWORK("IDRP"),
	[46] = CONTROLS_NETWORK("RSVP"),
	[48] = CONTROLS_NETWORK("DSR"),
	[51] = "AH cannot be relayed: it authenticates the addresses, " EXPECTED,
	[54] = CONTROLS_NETWORK("NARP"),
	[58] = COVERS_ADDRESSES("ICMPv6"),
	[59] = IS_HEADER("59"),
	[60] = IS_HEADER("60"),
	[73] = CONTROLS_NETWORK("RSPF"),
	[85] = CONTROLS_NETWORK("NSFNET-IGP"),
	[86] = CONTROLS_NETWORK("DGP"),
	[88] = CONTROLS_NETWORK("EIGRP"),
	[89] = CONTROLS_NETWORK("OSPF"),
	[91] = CONTROLS_NETWORK("LARP"),
	[101] = CONTROLS_NETWORK("IFMP"),
	[103] = CONTROLS_NETWORK("PIM"),
	[112] = CONTROLS_NETWORK("VRRP"),
	[114] = CONTROLS_NETWORK("114"),
	[124] = CONTROLS_NETWORK("IS-IS"),
	[134] = CONTROLS_NETWORK("RSVP-E2E-IGNORE"),
	[135] = IS_HEADER("135"),
	[136] = COVERS_ADDRESSES("UDP-Lite"),
	[138] = CONTROLS_NETWORK("MANET"),
	[139] = IS_HEADER("139"),
	[140] = IS_HEADER("140"),
	[255] = "255 is reserved, " EXPECTED,
};

/* False: there is no such name. */
static bool find_name(const struct word *word, unsigned int *number)
{
	struct protoent entry, *found = NULL;
	char name[NAME_SIZE] = "", strings[ENTRY_SIZE];

	if (!word->length || word->length >= sizeof(name))
		return false;
	memcpy(name, word->text, word->length);
	if (strlen(name) != word->length ||
	    getprotobyname_r(name, &entry, strings, sizeof(strings), &found) || !found)
		return false;
	*number = (unsigned int)found->p_proto;
	return true;
}

bool protocol_parse(const struct word *word, uint8_t *protocol, struct errors *errors)
{
	unsigned int number;

	if (!word_to_number(word, &number) && !find_name(word, &number))
		word_error(
			errors, word, "not an IP protocol, expected a number from 0 to 255%s",
			access("/etc/protocols", R_OK)
				? ": names are unknown here, because /etc/protocols cannot be read"
				: " or a name from /etc/protocols");
	else if (number > UINT8_MAX)
		word_error(errors, word,
			   "this is protocol %u, expected a number from 0 to 255, as an IP header "
			   "has it",
			   number);
	else if (refused[number])
		word_error(errors, word, "%s", refused[number]);
	else {
		*protocol = (uint8_t)number;
		return true;
	}
	return false;
}
