/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control server and its clients, both played by one thread: it writes as a client, lets the
 * server run until it has nothing to do, and reads. A test includes server_env.c.
 */
#ifndef XMCAST_TESTS_SERVER_ENV_H
#define XMCAST_TESTS_SERVER_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "control/server.h"

extern char folder[];
extern char path[64]; /* of the socket */
extern struct control_server *server;

/*
 * Its methods: echo (params), large {bytes}, change (for those who may), watch (monitor.start),
 * emit (publish the params).
 */
extern const struct control_method methods[];

/* cmocka's set-up and tear-down: of a group of tests, and of one. */
int make_folder(void **state);
int remove_folder(void **state);
int open_server(void **state);
int close_server(void **state);

#define SERVED(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

/* At `path`, with the rights as they are by default. */
int open_at_path(struct control_server **out);

/* Is there something to do for the server? */
bool has_work(void);

/* Let it run until it has nothing to do. */
void serve(void);

/* Let it believe that a second has passed, or so many, and then the same. */
void tick(unsigned int seconds);

/* Skips the test unless we are root: to be somebody else. */
void need_root(void);

/* Non-blocking. A client that may change things, because it is of this process's user; one of
 * another user, with these groups; and one that may only read, which needs root as well. */
int connect_client(void);
int connect_as(uid_t uid, gid_t gid, const gid_t *groups, size_t count);
int connect_reader(void);

/* connect_client(), and it gets the events. */
int connect_monitor(void);

void put(int fd, const char *bytes, size_t length);
void put_echo(int fd, int id);
void put_large(int fd, int id, size_t bytes);
void put_call(int fd, const char *method, int id);

/* "echo", with this id. Returns its length. */
size_t request_echo(char *line, size_t size, int id);

/* The next line, letting the server run as long as it is not whole. NULL: end of file. */
json_t *get(int fd);

void expect_echo(int fd, int id);
void expect_alive(int fd, int id); /* it is answered when it asks */
void expect_large(int fd, int id, size_t bytes);
void expect_code(int fd, int code);
void expect_nothing(int fd);
void expect_end(int fd); /* closes it */

/* An event with that number, published as publish() does. */
void publish(int number);
void expect_event(int fd, int number);

#endif
