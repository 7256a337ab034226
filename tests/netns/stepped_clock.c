/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run a program whose time of day differs from the machine's, whatever its language and libraries:
 *
 *     stepped_clock FILE PROGRAM [ARGUMENT…]
 *
 * FILE has two differences, int64_t in ns, of which each reading of the clock gets the other one.
 * They may change at any time. The program keeps the number of this process. It has no vDSO, so it
 * asks the kernel for the time; a seccomp filter leaves the answer to another process, the
 * supervisor, which ends when nobody has the filter any more. Every clock but CLOCK_REALTIME and
 * CLOCK_REALTIME_COARSE is as it was, and so are timers. Needs root, and x86-64.
 *
 * Sources: seccomp_unotify(2), getauxval(3).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(125);
}

/* ---- the supervisor ---- */

/* The program has just begun: the pointer to the vDSO is in its auxiliary vector, behind the
 * arguments and the environment. */
static void hide_vdso(pid_t pid)
{
	struct user_regs_struct registers;
	long word;
	size_t at, nulls = 0;

	must(!ptrace(PTRACE_GETREGS, pid, NULL, &registers), "registers");
	for (at = registers.rsp + sizeof(long); nulls < 2; at += sizeof(long)) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, pid, (void *)at, NULL);
		must(!errno, "the stack");
		nulls += !word;
	}
	while ((word = ptrace(PTRACE_PEEKDATA, pid, (void *)at, NULL)) != AT_SYSINFO_EHDR) {
		must(word != AT_NULL, "no vDSO");
		at += 2 * sizeof(long);
	}
	must(!ptrace(PTRACE_POKEDATA, pid, (void *)at, (void *)AT_IGNORE), "the vDSO");
}

static void hide_vdso_at_exec(pid_t pid)
{
	int status;

	do {
		must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "wait for the program");
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			break;
		must(!ptrace(PTRACE_CONT, pid, NULL, WSTOPSIG(status)), "go on");
	} while (1);
	hide_vdso(pid);
	must(!ptrace(PTRACE_DETACH, pid, NULL, NULL), "let go");
}

static long answer(const struct seccomp_notif *call, int64_t difference)
{
	struct timespec ts;
	struct timeval tv;
	struct iovec ours, theirs = {(void *)call->data.args[0], 0};
	int64_t time;

	clock_gettime(CLOCK_REALTIME, &ts);
	time = ts.tv_sec * NS + ts.tv_nsec + difference;
	if (call->data.nr == SYS_time && !theirs.iov_base)
		return time / NS;
	if (call->data.nr == SYS_clock_gettime)
		theirs.iov_base = (void *)call->data.args[1];
	ts = (struct timespec){time / NS, time % NS};
	tv = (struct timeval){time / NS, time % NS / 1000};
	ours = call->data.nr == SYS_clock_gettime  ? (struct iovec){&ts, sizeof(ts)}
	       : call->data.nr == SYS_gettimeofday ? (struct iovec){&tv, sizeof(tv)}
						   : (struct iovec){&ts.tv_sec, sizeof(ts.tv_sec)};
	theirs.iov_len = ours.iov_len;
	if (theirs.iov_base &&
	    process_vm_writev((pid_t)call->pid, &ours, 1, &theirs, 1, 0) != (ssize_t)ours.iov_len)
		return -EFAULT;
	return call->data.nr == SYS_time ? time / NS : 0;
}

static void supervise(int listener, const volatile int64_t *differences)
{
	unsigned int readings = 0;
	struct pollfd poller = {.fd = listener, .events = POLLIN};

	while (poll(&poller, 1, -1) >= 0 && !(poller.revents & POLLHUP)) {
		struct seccomp_notif call = {0};
		struct seccomp_notif_resp reply = {0};
		long result;

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
			continue; /* it has died meanwhile */
		result = answer(&call, differences[readings++ % 2]);
		reply.id = call.id;
		reply.val = result < 0 ? 0 : result;
		reply.error = result < 0 ? (int)result : 0;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
	}
}

/* ---- the program ---- */

#define LOAD(field)	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_NOT(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define IF(value, skip)	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0)

/* The descriptor by which the supervisor gets the calls. */
static int install_filter(void)
{
	struct sock_filter filter[] = {
		LOAD(arch),
		IF_NOT(AUDIT_ARCH_X86_64, 7),
		LOAD(nr),
		IF(SYS_gettimeofday, 6),
		IF(SYS_time, 5),
		IF_NOT(SYS_clock_gettime, 3),
		LOAD(args[0]),
		IF(CLOCK_REALTIME, 2),
		IF(CLOCK_REALTIME_COARSE, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

static void be_supervisor(int channel, pid_t program, const volatile int64_t *differences)
{
	int theirs, pidfd, listener;

	must(!ptrace(PTRACE_SEIZE, program, NULL, (void *)PTRACE_O_TRACEEXEC), "trace");
	must(write(channel, "", 1) == 1, "write");
	must(read(channel, &theirs, sizeof(theirs)) == sizeof(theirs), "read");
	pidfd = (int)syscall(SYS_pidfd_open, program, 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	must(listener >= 0, "the descriptor of the filter");
	must(write(channel, "", 1) == 1, "write");
	close(channel);
	close(pidfd);
	hide_vdso_at_exec(program);
	supervise(listener, differences);
}

int main(int argc, char **argv)
{
	const volatile int64_t *differences;
	int file, channel[2], listener;
	pid_t self = getpid();
	char byte;

	if (argc < 3) {
		fprintf(stderr, "usage: stepped_clock FILE PROGRAM [ARGUMENT…]\n");
		return 125;
	}
	file = open(argv[1], O_RDONLY | O_CLOEXEC);
	must(file >= 0, argv[1]);
	differences = mmap(NULL, 2 * sizeof(*differences), PROT_READ, MAP_SHARED, file, 0);
	must(differences != MAP_FAILED, "map");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), "socketpair");
	if (!fork()) {
		/* What the program writes to ends with the program. */
		int nothing = open("/dev/null", O_RDWR);

		dup2(nothing, 0);
		dup2(nothing, 1);
		setsid();
		close(channel[1]);
		be_supervisor(channel[0], self, differences);
		return 0;
	}
	close(channel[0]);
	must(read(channel[1], &byte, 1) == 1, "the supervisor");
	listener = install_filter();
	must(listener >= 0, "filter");
	fcntl(listener, F_SETFD, FD_CLOEXEC);
	must(write(channel[1], &listener, sizeof(listener)) == sizeof(listener), "write");
	must(read(channel[1], &byte, 1) == 1, "the supervisor");
	close(listener);
	execvp(argv[2], argv + 2);
	must(0, argv[2]);
}
