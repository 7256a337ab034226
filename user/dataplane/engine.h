/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine hands the egress thread's sends to the kernel and waits for its events: packets queued
 * by ingress (the wake-up eventfd), sends completed, commands, the end of the command stream. It
 * knows nothing of frames, rules or order; it calls back. All of it runs in the egress thread.
 *
 *   io_uring  everything is a request in one ring, one call submits and waits (engine_uring.c)
 *   sendmmsg  sendmmsg(2) and poll(2), where io_uring is disabled (engine_mmsg.c)
 */
#ifndef XMCAST_DATAPLANE_ENGINE_H
#define XMCAST_DATAPLANE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/egress_batch.h"

/* What the main thread may ask for; a record of this size in the command stream. */
struct egress_command {
	enum { EGRESS_PING } kind;
	uint32_t sequence; /* EGRESS_PING: comes back in `pong` */
};

/* Most requests that may be open, prepared or at the kernel at once: as many outputs may gather a
 * batch at the same time. 1.5 kB each, of which only those in use are ever touched. */
#define ENGINE_REQUESTS 2048

/* What an engine reports, from within engine_enter() only. */
struct engine_handler {
	void *context;
	/* A request is done: what sendmsg(2) returned, or -errno. It may be used again. */
	void (*sent)(void *context, struct send_request *request, int result);
	void (*command)(void *context, const struct egress_command *command);
	/* The command stream has closed: drain and end. */
	void (*shutdown)(void *context);
};

struct engine;

struct engine_ops {
	int (*open)(struct engine **out, const struct engine_handler *handler, int wakeup_fd,
		    int command_fd);
	void (*close)(struct engine *engine);
	void (*send)(struct engine *engine, struct send_request *request);
	int (*enter)(struct engine *engine, bool wait);
	unsigned int (*overflows)(const struct engine *engine);
};

/* The base of every engine. */
struct engine {
	const struct engine_ops *ops;
	struct engine_handler handler;
	const char *text; /* name and what the kernel granted, for the start-up line; constant */
	unsigned int prepared; /* sends not yet handed to the kernel */
};

extern const struct engine_ops engine_uring;
extern const struct engine_ops engine_mmsg;

/*
 * Make the engine; by the thread that uses it. `wakeup_fd`: a non-blocking eventfd, consumed here;
 * `command_fd`: records of struct egress_command. 0 or -errno (engine_uring: -EPERM or -ENOSYS
 * where io_uring is disabled).
 */
static inline int engine_open(struct engine **out, const struct engine_ops *ops,
			      const struct engine_handler *handler, int wakeup_fd, int command_fd)
{
	return ops->open(out, handler, wakeup_fd, command_fd);
}

static inline void engine_close(struct engine *engine)
{
	if (engine)
		engine->ops->close(engine);
}

/* Prepare a finished request; it goes out with the next engine_enter(), in order. */
static inline void engine_send(struct engine *engine, struct send_request *request)
{
	engine->prepared++;
	engine->ops->send(engine, request);
}

/*
 * Hand over what is prepared and report what has happened; `wait`: not before there is something to
 * report, or a wake-up. 0, or -errno if the engine cannot go on; what passes (EINTR, EAGAIN, EBUSY)
 * is 0.
 */
static inline int engine_enter(struct engine *engine, bool wait)
{
	engine->prepared = 0;
	return engine->ops->enter(engine, wait);
}

/* Completions that found no room, since open: always 0, or the rings are too small. */
static inline unsigned int engine_overflows(const struct engine *engine)
{
	return engine->ops->overflows(engine);
}

#endif
