/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * supervise PAGE PRELOAD PROGRAM [ARGUMENT...]: run a program whose system calls may fail.
 *
 * Executes the program in this process, so that the process ID, parent and exit code are the
 * program's. A second process, which is not a child of the program, decides about the system calls
 * of all its threads and of the processes that run the same file. Needs CAP_SYS_ADMIN.
 *
 * Sources: seccomp_unotify(2), seccomp(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fault/fault.h"

/*
 * The calls that may fail, each with an error that the kernel really returns for it. Calls that
 * cannot fail are left out, and those that take effect even if they fail (close, munmap), and
 * futex, because the C library aborts if it fails.
 */
static const struct call {
	int number;
	int error;
	const char *name;
	enum fault_kind kind;
} calls[] = {
#define CALL(name, error)                                                                          \
	{                                                                                          \
		SYS_##name, error, #name, FAULT_CALL                                               \
	}
	CALL(accept4, EMFILE),
	CALL(bind, ENOMEM),
	CALL(bpf, ENOMEM),
	CALL(capget, EPERM),
	CALL(capset, EPERM),
	CALL(chdir, EACCES),
	CALL(clone, EAGAIN),
	CALL(clone3, EAGAIN),
	CALL(close_range, ENOMEM),
	CALL(connect, ENOBUFS),
	CALL(dup, EMFILE),
	CALL(dup2, EMFILE),
	CALL(dup3, EMFILE),
	CALL(epoll_create1, EMFILE),
	CALL(epoll_ctl, ENOMEM),
	CALL(epoll_pwait, EINTR),
	CALL(epoll_wait, EINTR),
	CALL(eventfd2, EMFILE),
	CALL(execve, ENOMEM),
	CALL(faccessat, ENOMEM),
	CALL(faccessat2, ENOMEM),
	CALL(fchmod, EPERM),
	CALL(fchown, EPERM),
	CALL(fcntl, EMFILE),
	CALL(flock, EINTR),
	CALL(fstat, ENOMEM),
	CALL(fsync, EIO),
	CALL(ftruncate, ENOSPC),
	CALL(getrandom, EAGAIN),
	CALL(getsockname, ENOBUFS),
	CALL(getsockopt, ENOBUFS),
	CALL(io_uring_enter, ENOMEM),
	CALL(io_uring_register, ENOMEM),
	CALL(io_uring_setup, ENOMEM),
	CALL(ioctl, ENOMEM),
	CALL(kill, EPERM),
	CALL(listen, ENOMEM),
	CALL(lseek, EOVERFLOW),
	CALL(lstat, ENOMEM),
	CALL(mkdir, ENOSPC),
	CALL(mkdirat, ENOSPC),
	CALL(newfstatat, ENOMEM),
	CALL(open, ENFILE),
	CALL(openat, EMFILE),
	CALL(openat2, EMFILE),
	CALL(pidfd_open, EMFILE),
	CALL(pipe2, EMFILE),
	CALL(poll, ENOMEM),
	CALL(ppoll, ENOMEM),
	CALL(prctl, EPERM),
	CALL(pread64, EIO),
	CALL(prlimit64, EPERM),
	CALL(pwrite64, ENOSPC),
	CALL(read, EIO),
	CALL(readlink, ENOMEM),
	CALL(recvfrom, ENOMEM),
	CALL(recvmsg, ENOMEM),
	CALL(rename, ENOSPC),
	CALL(renameat2, ENOSPC),
	CALL(sched_setaffinity, EPERM),
	CALL(seccomp, ENOMEM),
	CALL(sendmmsg, ENOBUFS),
	CALL(sendmsg, ENOBUFS),
	CALL(sendto, ENOBUFS),
	CALL(setgid, EAGAIN),
	CALL(setgroups, ENOMEM),
	CALL(setresgid, EAGAIN),
	CALL(setresuid, EAGAIN),
	CALL(setsockopt, ENOBUFS),
	CALL(setuid, EAGAIN),
	CALL(signalfd4, EMFILE),
	CALL(socket, EMFILE),
	CALL(socketpair, EMFILE),
	CALL(stat, ENOMEM),
	CALL(statx, ENOMEM),
	CALL(timerfd_create, EMFILE),
	CALL(timerfd_settime, ENOMEM),
	CALL(unlink, EACCES),
	CALL(unlinkat, EACCES),
	CALL(vfork, EAGAIN),
	CALL(wait4, EINTR),
	CALL(waitid, EINTR),
	CALL(write, ENOSPC),
	CALL(writev, ENOSPC),
#undef CALL
	{SYS_mmap, ENOMEM, "mmap", FAULT_MAPPING},
	{SYS_mprotect, ENOMEM, "mprotect", FAULT_MAPPING},
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* Shared by both processes until the supervisor has its own copy of the listener's descriptor. */
struct handover {
	atomic_int listener; /* -1: none yet */
	atomic_int taken;
};

struct supervisor {
	struct fault_page *page;
	const char *program;
	int listener;
};

static void die(const char *what)
{
	fprintf(stderr, "supervise: %s: %s\n", what, strerror(errno));
	_exit(126);
}

/* ---- the supervisor ---- */

static const struct call *find_call(int number)
{
	for (size_t i = 0; i < CALLS; i++) {
		if (calls[i].number == number)
			return &calls[i];
	}
	return NULL;
}

/* False for other programs, such as those that start the daemon: their calls do not fail. */
static bool is_program(const struct supervisor *supervisor, uint32_t pid)
{
	char path[64];
	char file[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	length = readlink(path, file, sizeof(file) - 1);
	if (length < 0)
		return false;
	file[length] = '\0';
	return strcmp(file, supervisor->program) == 0;
}

/* The stack of the calling thread, from /proc/pid/syscall (proc(5)). A word that looks like a
 * return address may be left over from an earlier call. */
static void describe_stack(struct fault_page *page, uint32_t pid)
{
	unsigned long long sp;
	unsigned long long pc;
	unsigned long words[512];
	char path[64];
	char line[512];
	size_t used = 0;
	ssize_t length;
	FILE *file;
	int fd;

	page->where[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%u/syscall", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	line[0] = '\0';
	if (!fgets(line, sizeof(line), file) ||
	    sscanf(line, "%*d %*x %*x %*x %*x %*x %*x %llx %llx", &sp, &pc) != 2)
		sp = 0;
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%u/mem", pid);
	fd = sp ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	length = pread(fd, words, sizeof(words), (off_t)sp);
	close(fd);
	/* Without randomization a position-independent program is loaded at 0x555555554000. */
	for (ssize_t i = 0; i < length / (ssize_t)sizeof(words[0]); i++) {
		if (words[i] - 0x555555554000UL < 0x8000000UL && used < sizeof(page->where) - 32)
			used += (size_t)snprintf(page->where + used, sizeof(page->where) - used,
						 "?+%#lx ", words[i] - 0x555555554000UL);
	}
}

static void describe(struct fault_page *page, const struct call *call,
		     const struct seccomp_notif *notif)
{
	char comm[64] = "";
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/comm", notif->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, comm, sizeof(comm) - 1) > 0)
			comm[strcspn(comm, "\n")] = '\0';
		close(fd);
	}
	snprintf(page->what, sizeof(page->what), "%s(%#llx, %#llx, %#llx) thread=%s", call->name,
		 notif->data.args[0], notif->data.args[1], notif->data.args[2], comm);
	describe_stack(page, notif->pid);
}

/* The errno with which this call must fail, or 0. */
static int judge(const struct supervisor *supervisor, const struct seccomp_notif *notif)
{
	struct fault_page *page = supervisor->page;
	const struct call *call = find_call(notif->data.nr);
	int error;

	if (!call || !atomic_load(&page->armed) || !is_program(supervisor, notif->pid) ||
	    !fault_hits(page, call->kind))
		return 0;
	error = (int)atomic_load(&page->force);
	if (!error)
		error = call->error;
	describe(page, call, notif);
	atomic_store(&page->error, (unsigned int)error);
	atomic_store(&page->fired, 1);
	return error;
}

static void answer_calls(const struct supervisor *supervisor)
{
	struct pollfd fd = {.fd = supervisor->listener, .events = POLLIN};

	for (;;) {
		struct seccomp_notif notif = {};
		struct seccomp_notif_resp answer = {};

		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			die("poll");
		if (fd.revents & (POLLHUP | POLLERR))
			_exit(0); /* all supervised processes have ended */
		if (ioctl(supervisor->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif))
			continue; /* the caller was killed meanwhile */
		answer.id = notif.id;
		answer.error = -judge(supervisor, &notif);
		if (!answer.error)
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(supervisor->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

static void supervise(struct supervisor *supervisor, struct handover *handover, pid_t parent)
{
	prctl(PR_SET_NAME, "fault-supervise");
	while (atomic_load(&handover->listener) < 0) {
		if (kill(parent, 0))
			_exit(0);
		sched_yield();
	}
	supervisor->listener = atomic_load(&handover->listener);
	/* From now on the descriptor table is not shared with the program. */
	if (unshare(CLONE_FILES))
		die("unshare");
	atomic_store(&handover->taken, 1);
	for (int i = 0; i < 3; i++)
		close(i);
	open("/dev/null", O_RDWR);
	dup(0);
	dup(0);
	answer_calls(supervisor);
}

/* ---- the program ---- */

static int install_filter(void)
{
	struct sock_filter filter[CALLS + 6];
	struct sock_fprog program = {.filter = filter};
	unsigned short n = 0;

	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, arch));
	filter[n++] =
		(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < CALLS; i++)
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   (unsigned int)calls[i].number,
							   (unsigned char)(CALLS - i), 0);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	program.len = n;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER |
				    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
			    &program);
}

/* Like fork(2), but both processes share the table of descriptors. */
static pid_t fork_sharing(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
}

static void start_supervisor(struct supervisor *supervisor, struct handover *handover)
{
	pid_t parent = getpid();
	pid_t child = fork_sharing();

	if (child < 0)
		die("fork");
	if (!child) {
		/* Fork twice, so that the program has no child that it did not start. */
		pid_t grandchild = fork_sharing();

		if (!grandchild)
			supervise(supervisor, handover, parent);
		_exit(grandchild < 0);
	}
	waitpid(child, NULL, 0);
}

static struct fault_page *map_page(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory;

	if (fd < 0)
		die(path);
	memory = mmap(NULL, FAULT_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		die(path);
	return memory;
}

int main(int argc, char **argv)
{
	struct supervisor supervisor = {.listener = -1};
	struct handover *handover;
	int listener;

	if (argc < 4) {
		fprintf(stderr, "usage: supervise PAGE PRELOAD PROGRAM [ARGUMENT...]\n");
		return 1;
	}
	supervisor.page = map_page(argv[1]);
	supervisor.program = realpath(argv[3], NULL);
	handover = mmap(NULL, sizeof(*handover), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (!supervisor.program || handover == MAP_FAILED)
		die(argv[3]);
	atomic_store(&handover->listener, -1);
	setenv(FAULT_PAGE_VARIABLE, argv[1], 1);
	setenv("LD_PRELOAD", argv[2], 1);
	if (personality(ADDR_NO_RANDOMIZE) < 0)
		die("personality");
	start_supervisor(&supervisor, handover);
	listener = install_filter();
	if (listener < 0)
		die("seccomp");
	atomic_store(&handover->listener, listener);
	while (!atomic_load(&handover->taken))
		sched_yield();
	execv(argv[3], argv + 3);
	die(argv[3]);
}
