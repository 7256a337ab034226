/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/protocol.h"

#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include <xmcast/packet.h>

/* Bytes for a name, with its NUL, and for an entry of /etc/protocols. */
#define NAME_SIZE  64
#define ENTRY_SIZE 4096

/* Why a protocol is refused. */
static const char header[] = "is an IPv6 extension header, and such packets are left to the stack";
static const char checksum[] = "cannot be relayed: its checksum covers the addresses";
static const char control[] = "cannot be relayed: hosts and routers control their network with it";

/* By number; a name that is NULL: it is not refused. UDP has a message of its own. */
static const struct {
	const char *name, *why;
} refused[UINT8_MAX + 1] = {
	[0] = {"0", header},
	[1] = {"ICMP", control},
	[2] = {"IGMP", control},
	[3] = {"GGP", control},
	[6] = {"TCP", checksum},
	[8] = {"EGP", control},
	[9] = {"IGP", control},
	[33] = {"DCCP", checksum},
	[35] = {"IDPR", control},
	[38] = {"IDPR-CMTP", control},
	[43] = {"43", header},
	[44] = {"44", header},
	[45] = {"IDRP", control},
	[46] = {"RSVP", control},
	[48] = {"DSR", control},
	[51] = {"AH", "cannot be relayed: it authenticates the addresses"},
	[54] = {"NARP", control},
	[58] = {"ICMPv6", checksum},
	[59] = {"59", header},
	[60] = {"60", header},
	[73] = {"RSPF", control},
	[85] = {"NSFNET-IGP", control},
	[86] = {"DGP", control},
	[88] = {"EIGRP", control},
	[89] = {"OSPF", control},
	[91] = {"LARP", control},
	[101] = {"IFMP", control},
	[103] = {"PIM", control},
	[112] = {"VRRP", control},
	[114] = {"114", control},
	[124] = {"IS-IS", control},
	[134] = {"RSVP-E2E-IGNORE", control},
	[135] = {"135", header},
	[136] = {"UDP-Lite", checksum},
	[138] = {"MANET", control},
	[139] = {"139", header},
	[140] = {"140", header},
	[255] = {"255", "is reserved"},
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
	else if (number == XMC_PROTO_UDP)
		word_error(errors, word,
			   "UDP is relayed by port, expected GROUP:PORT@IFACE or GROUP:any@IFACE");
	else if (refused[number].name)
		word_error(errors, word, "%s %s, expected another protocol, such as 50 (ESP)",
			   refused[number].name, refused[number].why);
	else {
		*protocol = (uint8_t)number;
		return true;
	}
	return false;
}
