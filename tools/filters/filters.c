/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generates the seccomp filters of base/sandbox.h when xmcastd is built. The lists of system calls
 * are here and nowhere else; libseccomp compiles them, and this program prints the result as C.
 *
 * Why not at run time: libseccomp 2.5.4 crashes, or builds a different filter, when it runs out of
 * memory; and a thread that is about to be confined would need all of libseccomp's system calls.
 *
 * tgkill(2) is on no list. Therefore abort(3) ends a packet thread with SIGSYS, and the main thread
 * with SIGSEGV, because abort(3) then executes an illegal instruction.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sandbox.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the lists ---- */

/* Every thread: wait, wake, lock, read the time, use and return memory, end. */
static const int every_thread[] = {
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(read),
	SCMP_SYS(write),    /* eventfds, and the log's lines */
	SCMP_SYS(pwritev2), /* the same, to a pipe of another user */
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(clock_gettime), /* this and the next: if the vDSO cannot */
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid), /* syslog lines; abort(3) */
	SCMP_SYS(munmap),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(brk),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), /* a wait continues after SIGSTOP and SIGCONT */
	SCMP_SYS(exit),
};

/* sendmsg: a refused batch, re-sent singly. sendmmsg: the other engine. recvfrom: the wake-up of
 * the fill ring. close: the ring at its end. */
static const int egress_thread[] = {
	SCMP_SYS(io_uring_enter), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom),	  SCMP_SYS(close),
};

/* HTTP over connections that come to its socket; a connection to the daemon per scrape, for which
 * add_exporter() allows Unix sockets; its end. sendto also with an address: to the service manager.
 */
static const int exporter_process[] = {
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(accept4),
	SCMP_SYS(recvfrom),  SCMP_SYS(recvmsg),	   SCMP_SYS(sendmsg),	  SCMP_SYS(writev),
	SCMP_SYS(sendto),    SCMP_SYS(connect),	   SCMP_SYS(setsockopt),  SCMP_SYS(getsockopt),
	SCMP_SYS(shutdown),  SCMP_SYS(close),	   SCMP_SYS(getrandom),	  SCMP_SYS(exit_group),
};

/* Files, sockets, BPF, threads, and what libraries need. */
static const int main_thread[] = {
	/* descriptors */
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(fcntl),
	SCMP_SYS(ioctl),
	SCMP_SYS(eventfd2),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(signalfd4),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	/* files: the configuration, what libraries read */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(stat),
	SCMP_SYS(fstat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getxattr), /* ACLs of the configuration: base/trust.h */
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchown),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(umask),
	SCMP_SYS(flock),
	/* sockets; socket(2) itself by family, below */
	SCMP_SYS(socketpair),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(connect),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(recvmmsg),
	/* the data plane; bpf(2) by command, below */
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(mlock),
	SCMP_SYS(munlock),
	/* memory with executable code: libraries that NSS loads */
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(memfd_create),
	/* threads; clone(2) itself only for threads, below */
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(capget),
	SCMP_SYS(capset),
	SCMP_SYS(prctl),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(seccomp),
	/* time, limits, who we are */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(alarm), /* bounds the end of a daemon with a stuck worker */
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_getres),
	SCMP_SYS(times),
	SCMP_SYS(getrlimit),
	SCMP_SYS(getrusage),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(getrandom),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getgroups),
	SCMP_SYS(getresuid),
	SCMP_SYS(getresgid),
	SCMP_SYS(getppid),
	SCMP_SYS(getcpu),
	SCMP_SYS(exit_group),
};

/* What the run-time libraries of sanitizers call in any thread. */
static const int sanitizers[] = {
#ifdef XMC_SANITIZED
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(clone),
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(ioctl),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(prctl),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(ptrace),
	SCMP_SYS(getppid), /* LeakSanitizer's thread ends itself if it fails, and is waited for */
	SCMP_SYS(wait4),
	SCMP_SYS(getrlimit),
	SCMP_SYS(prlimit64),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(getdents64),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(getdents),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(tgkill),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(exit_group),
	SCMP_SYS(getcwd),
	SCMP_SYS(stat),
#else
	SCMP_SYS(exit),
#endif
};

/* What gcov calls at the end of the exporter, to write its counters. */
static const int coverage[] = {
#ifdef XMC_COVERAGE
	SCMP_SYS(open),	      SCMP_SYS(openat), SCMP_SYS(fcntl),     SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(lseek),	SCMP_SYS(ftruncate), SCMP_SYS(mkdir),
	SCMP_SYS(access),     SCMP_SYS(getcwd),
#else
	SCMP_SYS(exit),
#endif
};

/* Socket families: control and log, outputs and memberships, netlink, receivers' reports, AF_XDP.
 */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_XDP};

/* What libbpf does for us: create our programs and their maps, with types and constants, or open
 * pinned ones; link a program to an interface or a tracepoint. No access to others' objects by id,
 * no other way to attach. */
static const int bpf_commands[] = {
	BPF_MAP_CREATE,		BPF_MAP_LOOKUP_ELEM,  BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,	BPF_MAP_GET_NEXT_KEY, BPF_MAP_FREEZE, /* of constants */
	BPF_BTF_LOAD,		BPF_PROG_LOAD,	      BPF_OBJ_GET,
	BPF_OBJ_GET_INFO_BY_FD, BPF_LINK_CREATE,      BPF_LINK_DETACH,
	BPF_LINK_UPDATE,	BPF_PROG_TEST_RUN,    BPF_MAP_LOOKUP_BATCH, /* explain */
};

/* ---- building a filter ---- */

/* With all fields set, unlike by the macros of libseccomp. */
static struct scmp_arg_cmp equals(unsigned int argument, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0};
}

static struct scmp_arg_cmp masked(unsigned int argument, scmp_datum_t mask, scmp_datum_t value)
{
	return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

/* Keeps the first error, so that a list of rules needs no checks in between. */
struct builder {
	scmp_filter_ctx filter;
	int err;
};

static void allow(struct builder *builder, const int *calls, size_t count)
{
	for (size_t i = 0; i < count && !builder->err; i++)
		builder->err = seccomp_rule_add(builder->filter, SCMP_ACT_ALLOW, calls[i], 0);
}

static void allow_if(struct builder *builder, int call, struct scmp_arg_cmp condition)
{
	if (!builder->err)
		builder->err =
			seccomp_rule_add(builder->filter, SCMP_ACT_ALLOW, call, 1, condition);
}

static void add_main(struct builder *builder)
{
	allow(builder, main_thread, COUNT(main_thread));
	for (size_t i = 0; i < COUNT(families); i++)
		allow_if(builder, SCMP_SYS(socket), equals(0, (scmp_datum_t)families[i]));
	/* The command is an int: ignore the upper half of the register. */
	for (size_t i = 0; i < COUNT(bpf_commands); i++)
		allow_if(builder, SCMP_SYS(bpf),
			 masked(0, UINT32_MAX, (scmp_datum_t)bpf_commands[i]));
	/* Reading limits, not setting them. */
	allow_if(builder, SCMP_SYS(prlimit64), equals(2, 0));
#ifndef XMC_SANITIZED
	allow_if(builder, SCMP_SYS(clone), masked(0, CLONE_THREAD, CLONE_THREAD));
#endif
	/* Its flags are in memory, where a filter cannot see them. glibc falls back to clone(2). */
	if (!builder->err)
		builder->err = seccomp_rule_add(builder->filter, SCMP_ACT_ERRNO(ENOSYS),
						SCMP_SYS(clone3), 0);
}

/* All but the main thread: memory, but none that is executable. */
static void add_memory(struct builder *builder)
{
#ifndef XMC_SANITIZED
	allow_if(builder, SCMP_SYS(mmap), masked(2, PROT_EXEC, 0));
	allow_if(builder, SCMP_SYS(mprotect), masked(2, PROT_EXEC, 0));
#endif
}

/* Log lines to the syslog daemon, through a socket that is already connected. */
static void add_packet_thread(struct builder *builder)
{
	add_memory(builder);
	allow_if(builder, SCMP_SYS(sendto), equals(4, 0));
}

static void add_exporter(struct builder *builder)
{
	add_memory(builder);
	allow(builder, exporter_process, COUNT(exporter_process));
	allow(builder, coverage, COUNT(coverage));
	allow_if(builder, SCMP_SYS(socket), equals(0, AF_UNIX));
}

static int fill(scmp_filter_ctx filter, enum sandbox_role role)
{
	struct builder builder = {.filter = filter};

	allow(&builder, every_thread, COUNT(every_thread));
	allow(&builder, sanitizers, COUNT(sanitizers));
	if (role == SANDBOX_MAIN)
		add_main(&builder);
	else if (role == SANDBOX_EXPORTER)
		add_exporter(&builder);
	else
		add_packet_thread(&builder);
	if (role == SANDBOX_EGRESS)
		allow(&builder, egress_thread, COUNT(egress_thread));
	return builder.err;
}

/* Write the filter of a role to a file. */
static int make(FILE *file, enum sandbox_role role)
{
	uint32_t refusal = role == SANDBOX_MAIN || role == SANDBOX_EXPORTER
				   ? SCMP_ACT_ERRNO(EPERM)
				   : (uint32_t)SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter = seccomp_init(refusal);
	int err;

	if (!filter)
		return -ENOMEM;
	/* Otherwise a call of another architecture (int 0x80) would end only the thread. */
	err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* Level 2: a binary tree, so that no call is compared with all others. */
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = fill(filter, role);
	if (!err)
		err = seccomp_export_bpf(filter, fileno(file));
	seccomp_release(filter);
	return err;
}

static int print(const char *name, enum sandbox_role role)
{
	struct sock_filter instruction;
	FILE *file = tmpfile();
	int err = file ? make(file, role) : -errno;

	if (!err) {
		rewind(file);
		printf("static const struct sock_filter %s_filter[] = {\n", name);
		while (fread(&instruction, sizeof(instruction), 1, file) == 1)
			printf("\t{0x%02x, %u, %u, 0x%08x},\n", instruction.code, instruction.jt,
			       instruction.jf, instruction.k);
		printf("};\n\n");
	}
	if (file)
		fclose(file);
	return err;
}

int main(void)
{
	int err;

	printf("/* Generated by tools/filters/filters.c. */\n\n");
	err = print("main", SANDBOX_MAIN);
	if (!err)
		err = print("ingress", SANDBOX_INGRESS);
	if (!err)
		err = print("egress", SANDBOX_EGRESS);
	if (!err)
		err = print("exporter", SANDBOX_EXPORTER);
	if (err)
		fprintf(stderr, "filters: %s\n", strerror(-err));
	return err || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
