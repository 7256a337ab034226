// SPDX-License-Identifier: BSD-2-Clause
/* Detaching waits for running programs, also where membarrier(2) fails. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <xmcast/abi.h>

/* The variables of the skeleton are memory that the program writes. */
#include "hold.skel.h"
#include "require.h"
#include "steer.skel.h"
#include "steering/grace.h"
#include "steering/steer.h"

static struct hold_bpf *skel;
static char directory[] = "/tmp/xmcast-test-grace-XXXXXX";

static void *run_program(void *arg)
{
	static char packet[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = 1);

	return (void *)(intptr_t)bpf_prog_test_run_opts(bpf_program__fd(skel->progs.hold), &opts);
}

/* Start the program in another thread, and return while it runs. */
static pthread_t start_program(void)
{
	time_t deadline = time(NULL) + 30;
	pthread_t thread;

	skel->bss->running = skel->bss->finished = 0;
	assert_int_equal(pthread_create(&thread, NULL, run_program, NULL), 0);
	while (!skel->bss->running && time(NULL) < deadline)
		sched_yield();
	assert_true(skel->bss->running);
	return thread;
}

static void join_program(pthread_t thread)
{
	void *result;

	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
}

/* Let membarrier(2) fail as on a kernel booted with nohz_full. */
static void refuse_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
	assert_int_equal(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), -1);
	assert_int_equal(errno, EINVAL);
}

static void need_program(void)
{
	if (!skel)
		skip_for("no BPF program can be loaded: needs root and Linux 5.17");
}

static void test_wait(void **state)
{
	struct grace grace;
	pthread_t thread;
	bool finished;
	int err;

	need_program();
	assert_int_equal(grace_open(&grace), 0);
	thread = start_program();
	err = grace_wait(&grace);
	finished = skel->bss->finished;
	join_program(thread);
	assert_int_equal(err, 0);
	assert_true(finished);
	grace_close(&grace);
	assert_int_equal(grace_wait(&grace), -EBADF);
}

/* Of an external program with pinned maps: for our own, detaching the link already waits. */
static void test_detach(void **state)
{
	struct steer_bpf *external;
	char text[PINS_TEXT_SIZE];
	struct steer *steer;
	pthread_t thread;
	bool finished;

	need_program();
	external = steer_bpf__open_and_load();
	assert_non_null(external);
	assert_int_equal(bpf_object__pin_maps(external->obj, directory), 0);
	assert_int_equal(steer_open_pinned(&steer, directory, 1, text), 0);
	thread = start_program();
	steer_detach(steer);
	finished = skel->bss->finished;
	join_program(thread);
	assert_true(finished);
	steer_close(steer);
	assert_int_equal(bpf_object__unpin_maps(external->obj, directory), 0);
	steer_bpf__destroy(external);
}

static void test_without_membarrier(void **state)
{
	need_program();
	refuse_membarrier();
	test_wait(state);
	test_detach(state);
}

/* In its own network and mount namespace, with its own bpffs. */
static int set_up(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("bpf", directory, "bpf", 0, NULL) == 0 && chmod(directory, 0700) == 0)
		skel = hold_bpf__open_and_load();
	return 0;
}

static int tear_down(void **state)
{
	hold_bpf__destroy(skel);
	umount2(directory, MNT_DETACH);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_without_membarrier),
	};
	int failed = cmocka_run_group_tests_name("grace", tests, set_up, tear_down);

	return failed || skel ? failed : EXIT_SKIPPED;
}
