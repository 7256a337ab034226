/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control server and its clients in one thread, which writes as a client, lets the server run
 * until it has nothing to do, and reads. A test includes server_env.c.
 */
#ifndef XMCAST_TESTS_SERVER_ENV_H
#define XMCAST_TESTS_SERVER_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "control/server.h"

extern char directory[];
extern char path[64]; /* of the socket */
extern struct control_server *server;

/*
 * Its methods: echo (answers with params), large {bytes}, change (for administrators), watch (as
 * monitor.start), emit (publishes params as an event), dear (counts as 100 requests).
 */
extern const struct control_method methods[];

/* cmocka's set-up and tear-down: of a group of tests, and of one test. */
int make_directory(void **state);
int remove_directory(void **state);
int open_server(void **state);
int close_server(void **state);

#define SERVED(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

/* Open a server at `path` with default rights. */
int open_at_path(struct control_server **out);

/* Whether the server has something to do. */
bool has_work(void);

/* Run the server until it has nothing to do. */
void serve(void);

/* Call control_server_tick() this number of seconds in the future, then serve(). */
void tick(unsigned int seconds);

/* Skip the test unless it runs as root, and so can connect as another user. */
void need_root(void);

/* Connect, non-blocking: as an administrator, because the user is the server's own; as another user
 * with these groups; as a reader. The latter two need root. */
int connect_client(void);
int connect_as(uid_t uid, gid_t gid, const gid_t *groups, size_t count);
int connect_reader(void);

/* connect_client(), and let it monitor. */
int connect_monitor(void);

void put(int fd, const char *bytes, size_t length);
void put_echo(int fd, int id);
void put_large(int fd, int id, size_t bytes);
void put_call(int fd, const char *method, int id);

/* Write a request for "echo" to `line`. Returns its length. */
size_t request_echo(char *line, size_t size, int id);

/* The next line; runs the server until it is complete. NULL: end of file. */
json_t *get(int fd);

void expect_echo(int fd, int id);
void expect_alive(int fd, int id); /* a request is answered */
void expect_large(int fd, int id, size_t bytes);
void expect_code(int fd, int code);
void expect_nothing(int fd);
void expect_end(int fd); /* and close it */

/* Publish an event with this number, and expect it. */
void publish(int number);
void expect_event(int fd, int number);

#endif
