// SPDX-License-Identifier: BSD-2-Clause
/* The sandbox from inside: a child enters it and tries calls that its role may make and others. */
#include "watchdog.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/sandbox.h"

#define LOG_FACILITY LOG_FACILITY_DAEMON

/* Exit status of the process that made the attempt. */
#define ALLOWED 10 /* the call reached the kernel, whatever it returned */
#define REFUSED 11 /* EPERM from the filter */

static void *nothing(void *context)
{
	return context;
}

static long try_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static long try_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long try_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static long try_other_socket(void)
{
	return socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static long try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long try_execute(void)
{
	char *const arguments[] = {"true", NULL};

	return execve("/bin/true", arguments, arguments + 1);
}

static long try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

static long try_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, nothing, NULL);
	if (errno)
		return -1;
	return pthread_join(thread, NULL);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

/* Without attributes: if the filter allows it, the kernel refuses it with another error. */
static long command_bpf(unsigned long command)
{
	return syscall(SYS_bpf, command, NULL, 0);
}

static long try_bpf(void)
{
	return command_bpf(BPF_MAP_CREATE);
}

/* The kernel looks at 32 bits of the argument, and so does the filter. */
static long try_bpf_upper_bits(void)
{
	return command_bpf(BPF_MAP_CREATE | 1UL << 32);
}

static long try_bpf_attach(void)
{
	return command_bpf(BPF_PROG_ATTACH);
}

static long try_bpf_attach_upper_bits(void)
{
	return command_bpf(BPF_PROG_ATTACH | 1UL << 32);
}

static long try_bpf_tracepoint(void)
{
	return command_bpf(BPF_RAW_TRACEPOINT_OPEN);
}

static long try_bpf_of_others(void)
{
	return command_bpf(BPF_PROG_GET_FD_BY_ID);
}

static long try_bpf_test_run(void)
{
	return command_bpf(BPF_PROG_TEST_RUN);
}

static long try_bpf_pin(void)
{
	return command_bpf(BPF_OBJ_PIN);
}

static long try_ring(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL);
}

static long try_register(void)
{
	return syscall(SYS_io_uring_register, -1, 0, NULL, 0);
}

static long try_enter(void)
{
	return syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0);
}

static long try_user(void)
{
	return syscall(SYS_setuid, 0);
}

static long try_mount(void)
{
	return syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL);
}

static long try_limit(void)
{
	const struct rlimit limit = {0, 0};

	return setrlimit(RLIMIT_CORE, &limit);
}

static long try_kill_other(void)
{
	return kill(1, 0);
}

static long try_connect(void)
{
	return connect(-1, NULL, 0);
}

static long try_accept(void)
{
	return accept4(-1, NULL, NULL, SOCK_CLOEXEC);
}

static long try_listen(void)
{
	return listen(-1, 1);
}

static long try_send(void)
{
	return send(-1, "", 0, 0);
}

static long try_send_to(void)
{
	struct sockaddr address = {.sa_family = AF_INET};

	return sendto(-1, "", 0, 0, &address, sizeof(address));
}

static long try_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long try_wake(void)
{
	const uint64_t one = 1;

	/* Not to a real eventfd, since creating one is not on the list. */
	return write(-1, &one, sizeof(one)) < 0 && errno == EBADF ? 0 : -1;
}

static long try_log(void)
{
	log_warning("test", LOG_INT("count", 1));
	return 0;
}

static long try_malloc(void)
{
	/* Arenas and large blocks: brk, mmap, mremap, munmap, madvise. */
	for (size_t size = 1; size < (8 << 20); size *= 2) {
		char *block = malloc(size);
		char *larger = block ? realloc(block, 3 * size) : NULL;

		if (!larger)
			return -1;
		memset(larger, 1, size);
		free(larger);
	}
	return 0;
}

static long try_malloc_many(void)
{
	void *blocks[256];

	/* A free megabyte at the end of the arena is returned to the kernel. */
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		blocks[i] = malloc(16384);
		if (!blocks[i])
			return -1;
		memset(blocks[i], 1, 16384);
	}
	for (size_t i = sizeof(blocks) / sizeof(blocks[0]); i > 0; i--)
		free(blocks[i - 1]);
	return 0;
}

/* ---- the table ---- */

enum outcome { MAY, MAY_NOT };

static const struct {
	const char *what;
	long (*attempt)(void);
	enum outcome outcome[SANDBOX_ROLES]; /* MAIN, INGRESS, EGRESS, EXPORTER */
	bool sanitizer;			     /* the sanitizer's library needs the call */
} attempts[] = {
	{"accept", try_accept, {MAY, MAY_NOT, MAY_NOT, MAY}, false},
	{"listen", try_listen, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"socket", try_socket, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"socket(AF_UNIX)", try_unix_socket, {MAY, MAY_NOT, MAY_NOT, MAY}, false},
	{"socket(AF_PACKET)", try_packet_socket, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"socket(AF_BLUETOOTH)", try_other_socket, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"open", try_open, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, true},
	{"execve", try_execute, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"fork", try_fork, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, true},
	{"pthread_create", try_thread, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, true},
	{"ptrace", try_ptrace, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, true},
	{"bpf", try_bpf, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"bpf, more than an int", try_bpf_upper_bits, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"bpf: attach", try_bpf_attach, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"bpf: attach, more than an int",
	 try_bpf_attach_upper_bits,
	 {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT},
	 false},
	{"bpf: tracepoint", try_bpf_tracepoint, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"bpf: program by id", try_bpf_of_others, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"bpf: test run", try_bpf_test_run, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"bpf: pin", try_bpf_pin, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"io_uring_setup", try_ring, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"io_uring_register", try_register, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"io_uring_enter", try_enter, {MAY, MAY_NOT, MAY, MAY_NOT}, false},
	{"setuid", try_user, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"mount", try_mount, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, false},
	{"setrlimit", try_limit, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, true},
	{"kill", try_kill_other, {MAY_NOT, MAY_NOT, MAY_NOT, MAY_NOT}, true},
	{"connect", try_connect, {MAY, MAY_NOT, MAY_NOT, MAY}, false},
	{"send", try_send, {MAY, MAY, MAY, MAY}, false},
	{"sendto with an address", try_send_to, {MAY, MAY_NOT, MAY_NOT, MAY}, false},
	{"memory", try_memory, {MAY, MAY, MAY, MAY}, false},
	{"executable memory", try_code, {MAY, MAY_NOT, MAY_NOT, MAY_NOT}, true},
	{"write", try_wake, {MAY, MAY, MAY, MAY}, false},
	{"log", try_log, {MAY, MAY, MAY, MAY}, false},
	{"malloc", try_malloc, {MAY, MAY, MAY, MAY}, false},
	{"malloc of many blocks", try_malloc_many, {MAY, MAY, MAY, MAY}, false},
};

/* Roles whose refused calls fail, and roles whose process is killed. */
static bool is_process(enum sandbox_role role)
{
	return role == SANDBOX_MAIN || role == SANDBOX_EXPORTER;
}

/* In the child, as in the daemon: a thread enters its role after the process has entered that of
 * the main thread. */
static void enter(enum sandbox_role role)
{
	if (sandbox_start(true) || (role != SANDBOX_EXPORTER && sandbox_enter(SANDBOX_MAIN)))
		_exit(1);
	if (role != SANDBOX_MAIN && sandbox_enter(role))
		_exit(1);
}

static struct {
	enum sandbox_role role;
	long (*attempt)(void);
} task;

/* A worker may only call exit(2), not exit_group(2); the main thread returns the result. */
static void *attempt_in_thread(void *context)
{
	long *result = context;

	if (sandbox_enter(task.role))
		return NULL;
	errno = 0;
	*result = task.attempt();
	*result = *result < 0 && errno == EPERM ? REFUSED : ALLOWED;
	return context;
}

static void run_child(enum sandbox_role role, long (*attempt)(void))
{
	pthread_t thread;
	long result = 1;

	alarm(30);
	tzset(); /* as log_configure() does before any thread is confined */
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(1);
	if (is_process(role)) {
		enter(role);
		errno = 0;
		result = attempt();
		_exit(result < 0 && errno == EPERM ? REFUSED : ALLOWED);
	}
	enter(SANDBOX_MAIN);
	task.role = role;
	task.attempt = attempt;
	if (pthread_create(&thread, NULL, attempt_in_thread, &result) || pthread_join(thread, NULL))
		_exit(2);
	_exit((int)result);
}

static int status_of(void (*child)(enum sandbox_role, long (*)(void)), enum sandbox_role role,
		     long (*attempt)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		child(role, attempt);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void check_role(enum sandbox_role role)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		bool may = attempts[i].outcome[role] == MAY;
		int status;

#ifdef XMC_SANITIZED
		if (attempts[i].sanitizer)
			continue;
#endif
#ifdef XMC_COVERAGE
		/* Builds that count coverage write their counters. */
		if (role == SANDBOX_EXPORTER && attempts[i].attempt == try_open)
			continue;
#endif
		status = status_of(run_child, role, attempts[i].attempt);
		if (may && (!WIFEXITED(status) || WEXITSTATUS(status) != ALLOWED))
			fail_msg("%s: not allowed: status %x", attempts[i].what, status);
		if (!may && is_process(role) &&
		    (!WIFEXITED(status) || WEXITSTATUS(status) != REFUSED))
			fail_msg("%s: not refused: status %x", attempts[i].what, status);
		if (!may && !is_process(role) &&
		    (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS))
			fail_msg("%s: not killed: status %x", attempts[i].what, status);
	}
}

static void test_main(void **state)
{
	check_role(SANDBOX_MAIN);
}

static void test_ingress(void **state)
{
	check_role(SANDBOX_INGRESS);
}

static void test_egress(void **state)
{
	check_role(SANDBOX_EGRESS);
}

static void test_exporter(void **state)
{
	check_role(SANDBOX_EXPORTER);
}

/* ---- capabilities and failures ---- */

static void *look_at_capabilities(void *context)
{
	bool *none = context;

	*none = !sandbox_enter(SANDBOX_INGRESS) && !capng_get_caps_process() &&
		capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE;
	return NULL;
}

/* Of the calling thread alone, and also without filters. */
static void capabilities_child(enum sandbox_role role, long (*attempt)(void))
{
	pthread_t thread;
	bool none = false;
	capng_results_t before;

	if (capng_get_caps_process() || sandbox_start(false) || sandbox_enter(SANDBOX_MAIN))
		_exit(1);
	before = capng_have_capabilities(CAPNG_SELECT_CAPS);
	if (pthread_create(&thread, NULL, look_at_capabilities, &none) ||
	    pthread_join(thread, NULL) || capng_get_caps_process())
		_exit(2);
	_exit(none && capng_have_capabilities(CAPNG_SELECT_CAPS) == before &&
			      prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
		      ? ALLOWED
		      : REFUSED);
}

static void test_capabilities(void **state)
{
	int status = status_of(capabilities_child, SANDBOX_INGRESS, NULL);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ALLOWED);
}

/* A kernel without seccomp: its two calls fail as they would there. The thread runs nevertheless.
 */
static void no_seccomp_child(enum sandbox_role role, long (*attempt)(void))
{
	static struct sock_filter lacks[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(lacks) / sizeof(lacks[0]), lacks};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(1);
	enter(SANDBOX_INGRESS);
	_exit(try_socket() >= 0 ? ALLOWED : REFUSED);
}

static void test_no_seccomp(void **state)
{
	char text[1024];
	int saved = dup(STDERR_FILENO);
	int fds[2];
	int status;
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	status = status_of(no_seccomp_child, SANDBOX_INGRESS, NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	text[n > 0 ? n : 0] = '\0';
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ALLOWED);
	assert_non_null(strstr(text, "warn  sandbox-incomplete part=seccomp error=\""));
	/* Both roles are entered, and it is logged once. */
	assert_null(strstr(strstr(text, "sandbox-incomplete") + 1, "sandbox-incomplete"));
}

/* Without sandbox_start(), as in tests and tools, nothing is confined. */
static void test_not_started(void **state)
{
	assert_int_equal(sandbox_enter(SANDBOX_INGRESS), 0);
	assert_int_equal(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
	assert_false(sandbox_filters());
}

static int set_up(void **state)
{
	watchdog_start("sandbox");
	return 0;
}

static int tear_down(void **state)
{
	watchdog_stop();
	return 0;
}

#define WATCHED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WATCHED(test_not_started), WATCHED(test_main),	   WATCHED(test_ingress),
		WATCHED(test_egress),	   WATCHED(test_exporter), WATCHED(test_capabilities),
		WATCHED(test_no_seccomp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
