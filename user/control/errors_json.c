/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/errors_json.h"

static json_t *error_json(const struct input_error *error)
{
	json_t *json = json_pack("{s:s, s:s, s:s*}", "file", error->at.file, "message",
				 error->message, "word", error->word);

	if (json && error->at.line &&
	    (json_object_set_new(json, "line", json_integer(error->at.line)) ||
	     json_object_set_new(json, "column", json_integer(error->at.column)))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *errors_json(const struct errors *errors)
{
	json_t *list = json_array();
	json_t *json;

	for (unsigned int i = 0; list && i < errors->kept; i++) {
		if (json_array_append_new(list, error_json(&errors->list[i]))) {
			json_decref(list);
			list = NULL;
		}
	}
	json = list ? json_pack("{s:O, s:I}", "errors", list, "count", (json_int_t)errors->count)
		    : NULL;
	json_decref(list);
	return json;
}
