/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/arrival.h"

#include <errno.h>
#include <string.h>

#include "relay/examine.h"
#include "relay/inheritance.h"
#include "relay/vlans.h"

struct arrival *arrival_find(struct arrival *const *arrivals, unsigned int count, const char *name)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!arrivals[i]->stale && strcmp(arrivals[i]->name, name) == 0)
			return arrivals[i];
	}
	return NULL;
}

struct intake *arrival_home(const struct arrival_context *context, int ifindex)
{
	struct intake *home = NULL;

	for (unsigned int i = 0; i < context->nr_intakes; i++) {
		struct intake *intake = context->intakes[i];

		if (intake->ifindex == ifindex &&
		    (!home || (intake_is_open(intake) && !intake_is_open(home))))
			home = intake;
	}
	return home;
}

/* ---- VLANs ---- */

static bool is_vlan(const struct link *link)
{
	return strcmp(link->kind, LINK_KIND_VLAN) == 0;
}

/* Does the section of the VLAN itself ask for an intake of its own? */
static bool has_settings(const struct arrival *arrival, const struct config *config)
{
	const struct iface_config *own = config_iface(config, arrival->name);

	return own && (own->mode == IFACE_MODE_SKB || own->attach == IFACE_ATTACH_EXTERNAL ||
		       own->pins[0]);
}

/* Could `base` receive packets of VLANs? */
static void judge(struct arrival_context *context, const struct link *base)
{
	struct iface_config settings = examine_settings(context->config, base->name, base->ifindex);
	const struct intake *home = arrival_home(context, base->ifindex);
	struct judgement *judgement = &context->last;
	enum iface_mode mode = settings.mode;

	*judgement = (struct judgement){.link = *base};
	judgement->open = (home && intake_is_open(home)) ||
			  inheritance_steering(context->inheritance, base->ifindex);
	if (home && intake_is_open(home))
		mode = home->mode;
	else if (home && home->hides_tags)
		mode = IFACE_MODE_SKB;
	judgement->skb = home && mode == IFACE_MODE_SKB;
	judgement->hides = vlans_check(base, mode, settings.offloads, judgement->obstacle) != 0;
	if (!judgement->hides && !judgement->open)
		examine(base, examine_external(base, &settings), judgement->obstacle);
}

/* Could `base` receive its packets? If not, the reason is set. */
static bool can_receive(struct arrival *arrival, struct arrival_context *context,
			const struct link *base)
{
	const struct judgement *judgement = &context->last;

	if (judgement->link.ifindex != base->ifindex)
		judge(context, base);
	if (judgement->hides && judgement->skb)
		arrival->skb_ifindex = base->ifindex;
	memcpy(arrival->obstacle, judgement->obstacle, sizeof(arrival->obstacle));
	/* It would be tried natively again and again. */
	if (!judgement->open && !*arrival->obstacle && arrival->skb_ifindex == base->ifindex)
		explain(arrival->obstacle, 0, "XDP does not see VLAN tags on %s in skb mode",
			base->name);
	return !*arrival->obstacle;
}

/* Query the interface below a VLAN. */
static int query_lower(const struct arrival_context *context, int ifindex, struct link *link)
{
	if (context->last.link.ifindex != ifindex)
		return link_query_index(ifindex, link);
	*link = context->last.link;
	return 0;
}

/* Find the interface below the VLAN `link`, and the tags of its packets there. False: `link` has to
 * receive by itself, and `obstacle` says why, unless it cannot run anyway. */
static bool find_base(struct arrival *arrival, struct arrival_context *context,
		      const struct link *link, struct link *base, uint32_t *tags)
{
	unsigned int count;

	*base = *link;
	*tags = 0;
	for (count = 0; is_vlan(base) && count < XMC_MAX_TAGS; count++) {
		int lower = base->lower;

		/* Its own intake shows that it is down. */
		if (!base->up)
			return false;
		/* A tag without a VLAN is no tag. */
		if (!base->vlan_id || !lower)
			break;
		*tags |= (base->vlan_id | (base->vlan_8021ad ? XMC_TAG_8021AD : XMC_TAG_8021Q))
			 << 16 * count;
		arrival->lowest = lower;
		if (query_lower(context, lower, base))
			return false;
	}
	if (is_vlan(base)) {
		explain(arrival->obstacle, 0, "%s",
			base->vlan_id ? "more than two tags, or the interface below is in another "
					"network namespace"
				      : "it has no VLAN id, so its packets have no tag");
		return false;
	}
	if (!has_settings(arrival, context->config))
		return can_receive(arrival, context, base);
	explain(arrival->obstacle, 0, "its section of the configuration asks for that");
	return false;
}

int arrival_query(struct arrival *arrival, struct arrival_context *context)
{
	struct link now, base;
	uint32_t tags;
	int err = link_query(arrival->name, &now);

	arrival->known = !err || err == -ENODEV;
	if (!arrival->known)
		return err;
	/* link_query() has set only the name. */
	if (err)
		now.ifindex = 0;
	arrival->lowest = 0;
	arrival->obstacle[0] = '\0';
	if (!is_vlan(&now) || !find_base(arrival, context, &now, &base, &tags)) {
		base = now;
		tags = 0;
	}
	arrival->link = now;
	arrival->base = base;
	arrival->tags_now = tags;
	return 0;
}

bool arrival_concerns(const struct arrival *arrival, const struct link *link)
{
	if (link->ifindex == arrival->link.ifindex || link->ifindex == arrival->base.ifindex ||
	    link_may_be_called(link, arrival->name))
		return true;
	/* What a VLAN is on, and the members of that; and VLANs that come and go, because untagged
	 * rules beside them need their tags to be seen. */
	return (link->ifindex &&
		(link->ifindex == arrival->link.lower || link->ifindex == arrival->lowest)) ||
	       (link->lower && link->lower == arrival->base.ifindex) ||
	       (link->master && link->master == arrival->lowest);
}
