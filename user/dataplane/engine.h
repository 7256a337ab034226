/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine hands sends to the kernel and waits for whatever happens next: frames queued by the
 * ingress thread (the wake-up eventfd), sends completed, commands, the end of the command stream.
 * It knows nothing of frames, rules or batches, and calls back. Everything runs in the egress
 * thread.
 *
 *   io_uring  everything is a request in one ring, one call submits and waits (engine_uring.c)
 *   sendmmsg  sendmmsg(2) and poll(2), where io_uring is disabled (engine_mmsg.c)
 */
#ifndef XMCAST_DATAPLANE_ENGINE_H
#define XMCAST_DATAPLANE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* A record of the command stream, from the main thread. */
struct egress_command {
	enum {
		EGRESS_PING, /* nothing to do: that the thread wakes up shows that it runs */
	} kind;
};

/* One sendmsg(2). Belongs to the engine from engine_send() until it is reported as sent. */
struct send {
	int fd;
	struct msghdr message;
};

/* Most sends that may be prepared or at the kernel at once. */
#define ENGINE_SENDS 2048

/* What an engine reports, from within engine_enter() only. */
struct engine_handler {
	void *context;
	/* A send has completed: what sendmsg(2) returned, or -errno. */
	void (*sent)(void *context, struct send *send, int result);
	void (*command)(void *context, const struct egress_command *command);
	/* The command stream has closed: drain and end. */
	void (*shutdown)(void *context);
};

struct engine;

struct engine_ops {
	int (*open)(struct engine **out, const struct engine_handler *handler, int wakeup_fd,
		    int command_fd);
	void (*close)(struct engine *engine);
	void (*send)(struct engine *engine, struct send *send);
	int (*enter)(struct engine *engine, bool wait, uint64_t until_ns);
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
 * Create the engine, in the thread that will use it. `wakeup_fd`: a non-blocking eventfd, which the
 * engine consumes; `command_fd`: records of struct egress_command. 0 or -errno (engine_uring:
 * -EPERM or -ENOSYS where io_uring is disabled).
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

/* Prepare a send. The next engine_enter() hands it over, in the order of preparation. */
static inline void engine_send(struct engine *engine, struct send *send)
{
	engine->prepared++;
	engine->ops->send(engine, send);
}

/*
 * Hand over what is prepared and report what has happened; with `wait`, return only once there is
 * something to report, or a wake-up, or it is `until_ns` (CLOCK_MONOTONIC; UINT64_MAX: never). 0,
 * or -errno if the engine cannot continue; temporary errors (EINTR, EAGAIN, EBUSY) are 0.
 */
static inline int engine_enter(struct engine *engine, bool wait, uint64_t until_ns)
{
	engine->prepared = 0;
	return engine->ops->enter(engine, wait, until_ns);
}

/* Completions that did not fit the ring, since open: always 0, or the rings are too small. */
static inline unsigned int engine_overflows(const struct engine *engine)
{
	return engine->ops->overflows(engine);
}

#endif
