/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects and arrays that are whole or not at all: where there is no memory for a part, the whole
 * is dropped, *object is NULL, and stays so whatever else is put into it. json_pack() with a NULL
 * ends in NULL as well, so that only the result need be looked at. Any thread; an object has one at
 * a time.
 */
#ifndef XMCAST_BASE_JSON_BUILD_H
#define XMCAST_BASE_JSON_BUILD_H

#include <jansson.h>
#include <stddef.h>

/* Takes over `value`, NULL included: there was no memory for it. */
static inline void json_put(json_t **object, const char *key, json_t *value)
{
	if (!json_object_set_new(*object, key, value))
		return;
	json_decref(*object);
	*object = NULL;
}

/* The same at the end of an array. */
static inline void json_add(json_t **array, json_t *value)
{
	if (!json_array_append_new(*array, value))
		return;
	json_decref(*array);
	*array = NULL;
}

#endif
