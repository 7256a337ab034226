/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/errors_json.h"

#include "base/json_text.h"

static json_t *error_json(const struct input_error *error)
{
	json_t *json = json_object();
	int failed = json_object_set_new(json, "file", json_text_string(error->at.file));

	if (error->at.line) {
		failed |= json_object_set_new(json, "line", json_integer(error->at.line));
		failed |= json_object_set_new(json, "column", json_integer(error->at.column));
	}
	if (error->word)
		failed |= json_object_set_new(json, "word", json_text_string(error->word));
	failed |= json_object_set_new(json, "message", json_text_string(error->message));
	if (!failed)
		return json;
	json_decref(json);
	return NULL;
}

json_t *errors_list_json(const struct errors *errors)
{
	json_t *list = json_array();

	for (unsigned int i = 0; list && i < errors->kept; i++) {
		if (json_array_append_new(list, error_json(&errors->list[i]))) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

json_t *errors_json(const struct errors *errors)
{
	return json_pack("{s:o, s:I}", "errors", errors_list_json(errors), "count",
			 (json_int_t)errors->count);
}
