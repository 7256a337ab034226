/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building objects and arrays that are complete or NULL: if an allocation fails, the whole object
 * is dropped, *object becomes NULL, and further calls leave it NULL. json_pack() with a NULL gives
 * NULL as well, so that only the result has to be checked. Any thread, one at a time for each
 * object.
 */
#ifndef XMCAST_BASE_JSON_BUILD_H
#define XMCAST_BASE_JSON_BUILD_H

#include <jansson.h>
#include <stddef.h>

/* Takes the reference to `value`; NULL means that it could not be allocated. */
static inline void json_put(json_t **object, const char *key, json_t *value)
{
	if (!json_object_set_new(*object, key, value))
		return;
	json_decref(*object);
	*object = NULL;
}

/* The same, at the end of an array. */
static inline void json_add(json_t **array, json_t *value)
{
	if (!json_array_append_new(*array, value))
		return;
	json_decref(*array);
	*array = NULL;
}

#endif
