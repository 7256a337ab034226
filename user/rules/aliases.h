/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of interfaces that mean the same interface (alternative names: "ip link property add …
 * altname"). This module does not look at the network: a program that does sets the function that
 * tells them apart. Not thread-safe.
 */
#ifndef XMCAST_RULES_ALIASES_H
#define XMCAST_RULES_ALIASES_H

#include "rules/model.h"

/* Returns a number for each interface, the same for all of its names; 0: there is none of this name
 * now. if_nametoindex(3) is one. NULL (initially): no two names are the same. */
typedef unsigned int name_resolver(const char *name);
void aliases_resolve_with(name_resolver *resolver);

/*
 * Copy rules and interfaces, with one name for each interface: that by which it comes first. 0;
 * -ENOENT: no interface has several names there, and nothing was copied; -ENOMEM. The copy is
 * released by config_free().
 */
int aliases_unify(struct config *copy, const struct config *config);

#endif
