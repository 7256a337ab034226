/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a file that libyaml cannot read, in words for its author. Pure; any thread. */
#ifndef XMCAST_RULES_YAML_PROBLEM_H
#define XMCAST_RULES_YAML_PROBLEM_H

#define YAML_PROBLEM_SIZE 160

/* Where libyaml has stopped in a text. */
struct yaml_stop {
	const char *bytes, *end; /* of the whole text */
	const char *problem;	 /* libyaml's words */
	const char *at;		 /* the byte that they are about */
	const char *begin;	 /* where that part of the text begins */
};

/* Write the message, and return the byte that it is about, which may be an earlier one. */
const char *yaml_problem(const struct yaml_stop *stop, char message[YAML_PROBLEM_SIZE]);

/* The length of the key in "name:cam1", which YAML reads as one value; 0: it is none. */
unsigned int yaml_glued_key(const char *text, const char *end);

#endif
