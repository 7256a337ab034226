# SPDX-License-Identifier: BSD-2-Clause
#
#: make             build/xmcastd, xmcastctl, xmcast-exporter, xmcast-cluster, xmcast-gen, xmcast-sink
#: make demo        a live relay between network namespaces (root)
#: make test        every test (root); test-bare: install in a bare Debian root (root); test-vm: under QEMU
#: make lint        clang-format, clang-tidy, cppcheck, shellcheck, gcc's analyzer, who includes whom
#: make fuzz        libFuzzer on every parser, TIME=60 seconds or FUZZ_RUNS=N each; FUZZ_TARGETS=; fuzz-merge
#: make fault       make every system call and allocation of the daemon fail once (root)
#: make soak        HOURS=0.5: mixed traffic at half of the throughput while everything else changes (root)
#:                  soak-restarts: what 100 restarts of each kind cost a stream (root)
#:                  soak-cluster: 5,000 rules drained, 200 random faults, and no packet twice (root)
#: make bench       ratios against other relays and the bare receive rate (root); bench-full
#: make coverage    the tests in an instrumented build, then their coverage of user/ (root)
#: make install     and uninstall; DESTDIR= PREFIX=/usr/local bindir= sbindir= sysconfdir= mandir= unitdir=
#: make dist        build/xmcast-VERSION.tar.gz, which knows its version without git
#: make deb         Debian packages in build/deb/
#: make reference   generate docs/xmcast.yaml and parts of the manual from the tables in user/rules
#: make vmlinux     write this kernel's full types to vmlinux/full/vmlinux.h, for reference
#: make build-deps  install the Debian packages to build and run the demo; test-deps, lint-deps, deb-deps:
#:                  those of the other targets, which call it themselves; deps: all
#:
#: CC=clang   CFLAGS= CPPFLAGS= LDFLAGS=   WERROR= (warnings are no errors)   V=1 (show the commands)
#: SAN=address,undefined   SAN=thread (only the tests that use threads)   DEBUG=1   COV=1

# The only lists of Debian packages: what is needed to build and to run the demo; to test, measure and fuzz;
# to check; to make packages and try them. No package in them starts a service (tests/packaging/test_make.py).
BUILD_DEPS := gcc clang make pkg-config bpftool libc6-dev libbpf-dev libxdp-dev liburing-dev \
	libyaml-dev libjansson-dev libmnl-dev libcap-ng-dev libseccomp-dev libmicrohttpd-dev libcurl4-gnutls-dev \
	libncurses-dev libsmartcols-dev iproute2 ethtool python3 util-linux
TEST_DEPS := libcmocka-dev libclang-rt-14-dev llvm git perl iputils-ping socat xdp-tools ffmpeg multicat \
	iperf tcpdump tshark tmux bash-completion zsh fish qemu-system-x86 busybox-static gcovr systemd groff debootstrap \
	mmdebstrap e2fsprogs chromium-headless-shell
LINT_DEPS := git python3 clang-format clang-tidy cppcheck shellcheck
DEB_DEPS := build-essential dpkg-dev debhelper lintian debootstrap
# For the tests as well, but these would start a service or enable a unit: they are unpacked below
# build/unpacked and not installed. Behind a colon, the libraries that they need.
UNPACKED := etcd-server etcd-client prometheus prometheus-node-exporter smcroute igmpproxy frr:libyang2,libc-ares2,libjson-c5

# bpftool, ethtool and others are in directories that only a login shell of root has in its path; the tests
# use the unpacked programs where the packages are not installed.
export PATH := $(PATH):/usr/sbin:/sbin:$(CURDIR)/build/unpacked/usr/sbin:$(CURDIR)/build/unpacked/usr/bin

PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
sbindir ?= $(PREFIX)/sbin
libdir ?= $(PREFIX)/lib
datadir ?= $(PREFIX)/share
mandir ?= $(datadir)/man
docdir ?= $(datadir)/doc/xmcast
unitdir ?= $(libdir)/systemd/system
bashdir ?= $(datadir)/bash-completion/completions
zshdir ?= $(datadir)/zsh/site-functions
fishdir ?= $(datadir)/fish/vendor_completions.d
sysconfdir ?= /etc
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= bpftool
SAN ?=
DEBUG ?=
COV ?=
WERROR ?= -Werror

# One build directory per configuration, so that none links another's objects.
comma := ,
B := build$(if $(filter clang%,$(notdir $(CC))),-clang)$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(DEBUG),-debug)$(if $(COV),-coverage)

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

PKGS := libbpf libxdp liburing yaml-0.1 jansson libmnl libcap-ng
# The release that this tree is, or will become: the newest heading of CHANGELOG.md.
RELEASE := $(shell sed -n '/^## [0-9]/{s/^## \([0-9.]*\).*/\1/p;q}' CHANGELOG.md 2>/dev/null)
# `make dist` writes the version into the tarball. Otherwise it comes from git, but only if this directory is
# the top of the repository: a tree that was unpacked inside another repository must not take that one's
# version. Before the first tag, it sorts before the release: 0.1.0~COMMITS+gHASH. A tag name is outside
# input that ends up in shell commands and C strings, so any other character makes it unknown: 0.1.0~unknown.
IN_GIT := $(shell [ "$$(git rev-parse --show-toplevel 2>/dev/null)" = "$$(pwd -P)" ] && echo yes)
VERSION := $(shell if [ -e .version ]; then sed -n 1p .version; elif [ -n "$(IN_GIT)" ]; then \
	git describe --tags --dirty 2>/dev/null || \
	echo "$(or $(RELEASE),0)~$$(git rev-list --count HEAD)+g$$(git describe --always --dirty --exclude='*')"; \
	fi | grep -xE '[0-9A-Za-z.+~-]+' || echo '$(RELEASE:%=%~)unknown')

# The commit and the branch, for build_info; empty outside of git. The tarball has the commit, but not the branch:
# one commit gives the same tarball anywhere.
REVISION := $(shell { sed -n 3p .version 2>/dev/null || { [ -z "$(IN_GIT)" ] || git rev-parse HEAD; }; } | grep -xE '[0-9a-f]+')
BRANCH := $(shell [ -z "$(IN_GIT)" ] || git rev-parse --abbrev-ref HEAD | grep -xE '[0-9A-Za-z./_+-]+')

# Coverage is measured without optimization, because the optimizer merges branches that gcov counts.
CFLAGS ?= $(if $(COV),-O0 -g,-O2 -g)
# No assertions, because no test can take their failing branch; atomic counters, because several threads
# count. Without optimization gcc warns wrongly about uninitialized variables.
COV_CFLAGS := $(if $(COV),--coverage -fprofile-update=atomic -DNDEBUG -DXMC_COVERAGE -Wno-maybe-uninitialized)
XCFLAGS := -std=gnu11 -Wall -Wextra $(WERROR) -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
	-Wno-unused-parameter -Wvla -fno-common -fstack-protector-strong -D_GNU_SOURCE -pthread \
	-Iinclude -Iuser -Itools -I$(B)/gen $(if $(DEBUG),-DXMC_DEBUG,) \
	$(if $(filter thread,$(SAN)),-Wno-tsan) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -DXMC_DEBUG -DXMC_SANITIZED $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined)) $(COV_CFLAGS)
XCFLAGS += $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
XCFLAGS += -DXMC_LIBXDP_VERSION='"$(shell pkg-config --modversion libxdp 2>/dev/null)"' \
	-DXMC_LIBURING_VERSION='"$(shell pkg-config --modversion liburing 2>/dev/null)"'
# Replacements for some system calls in a coverage build.
COV_OBJS := $(if $(COV),$(B)/tests/coverage/exit.o)
XLDFLAGS := -pthread $(if $(SAN),-fsanitize=$(SAN)) -Wl,-z,relro,-z,now -Wl,--as-needed \
	$(if $(COV),--coverage -Wl$(comma)--wrap=_exit $(COV_OBJS))
LDLIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

# With sink-common-insts, clang merges the loads of IPv4 and IPv6 into one load from a packet pointer plus
# a variable, which the verifier refuses for a program without CAP_PERFMON.
BPF_CPU := v3
BPF_CFLAGS = -target bpf -mcpu=$(BPF_CPU) -O2 -g -ffile-prefix-map=$(CURDIR)=. -mllvm -sink-common-insts=false -Wall -Wextra $(WERROR) -Wno-unused-parameter \
	-Iinclude -Ivmlinux -Itools

# Everything except the main.c files: the programs' own parts too, so that tests can link them.
MODULES := base rules import links steering dataplane membership relay telemetry control daemon ctl exporter cluster
LIB_SRCS := $(filter-out %/main.c,$(foreach m,$(MODULES),$(wildcard user/$(m)/*.c)))
LIB_OBJS := $(LIB_SRCS:%.c=$(B)/%.o)
SKELS := $(patsubst %.bpf.c,$(B)/gen/%.skel.h,$(notdir $(wildcard bpf/*.bpf.c tools/*/*.bpf.c tests/bpf/*.bpf.c)))

# The seccomp filters are generated before all objects as well, by our own program.
SKELS += $(B)/gen/filters.h

# The steering program for xdp-loader: the same source, with pinned maps (docs/xdp-loader.md).
EXTERNAL := $(B)/xmcast.bpf.o

PROGRAMS := $(B)/xmcastd $(B)/xmcastctl $(B)/xmcast-exporter $(B)/xmcast-cluster $(B)/xmcast-gen $(B)/xmcast-sink
BENCH_PROGRAMS := $(B)/xmcast-bench-receive $(B)/xmcast-bench-redirect
REFERENCE := $(B)/xmcast-reference

.PHONY: all help demo test test-bare bench bench-full soak soak-restarts soak-cluster lint format install uninstall dist deb clean vmlinux \
	deps build-deps test-deps lint-deps deb-deps
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

all: $(PROGRAMS) $(EXTERNAL)

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

$(B)/xmcastd: $(B)/user/daemon/main.o $(B)/libxmcast.a
$(B)/xmcast-exporter: LDLIBS += -lmicrohttpd
$(B)/xmcast-exporter: $(B)/user/exporter/main.o $(B)/libxmcast.a
$(B)/xmcast-cluster $(B)/tests/unit/test_cluster_store: LDLIBS += -lcurl
$(B)/xmcast-cluster: $(B)/user/cluster/main.o $(B)/libxmcast.a
$(B)/xmcastctl: LDLIBS += -lncursesw -ltinfo
$(B)/xmcastctl $(B)/tests/unit/test_table $(B)/tests/fuzz/replay_answer $(B)/tests/fuzz/fuzz_answer: LDLIBS += -lsmartcols
$(B)/xmcastctl: $(B)/user/ctl/main.o $(B)/libxmcast.a
$(B)/xmcast-gen: $(B)/tools/args.o $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c,$(wildcard tools/gen/*.c))) $(B)/libxmcast.a
$(B)/xmcast-sink: $(B)/tools/args.o $(patsubst %.c,$(B)/%.o,$(filter-out %.bpf.c,$(wildcard tools/sink/*.c))) $(B)/libxmcast.a
$(B)/xmcast-bench-receive: $(B)/tools/args.o $(B)/tools/bench/receive.o $(B)/libxmcast.a
$(B)/xmcast-bench-redirect: $(B)/tools/bench/redirect.o

$(REFERENCE): $(B)/tools/reference/reference.o $(B)/libxmcast.a

$(PROGRAMS) $(BENCH_PROGRAMS) $(REFERENCE): | $(COV_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(XLDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/libxmcast.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

# Skeletons come before objects, because any source may include them.
$(B)/%.o: %.c Makefile | $(SKELS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(XCFLAGS) -MMD -MP $(DEFINES) -c -o $@ $<

# The status page is part of the exporter.
$(B)/user/exporter/page.o: $(wildcard user/exporter/page/*)

# The version is in one object, which is rebuilt when the version changes.
$(B)/user/base/version.o: DEFINES := -DXMC_VERSION='"$(VERSION)"' -DXMC_REVISION='"$(REVISION)"' \
	-DXMC_BRANCH='"$(BRANCH)"'
$(B)/user/base/version.o: $(B)/gen/version
$(B)/gen/version: FORCE
	@mkdir -p $(@D); echo '$(VERSION) $(REVISION) $(BRANCH)' | cmp -s - $@ || \
		echo '$(VERSION) $(REVISION) $(BRANCH)' > $@

# Bytecode of the programs in bpf/, tools/*/ and tests/bpf/, all in one directory: their names are unique.
vpath %.bpf.c bpf tests/bpf $(wildcard tools/*)
$(B)/gen/%.bpf.o: %.bpf.c Makefile
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<

$(B)/gen/steer_user.bpf.o: BPF_CPU := v2

$(EXTERNAL): bpf/steer.bpf.c Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -DXMC_PINNED -MMD -MP -MF $(B)/gen/xmcast.d -MT $@ -c -o $@ $<

$(B)/gen/%.skel.h: $(B)/gen/%.bpf.o
	$(call say,SKEL,$@)
	$(Q){ echo '/* NOLINTBEGIN: generated */'; \
		$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf && \
		echo '/* NOLINTEND */'; } > $@

# The seccomp filters are made by a program that is compiled for the target, so the target's programs must run
# here: natively or by an emulator that the kernel knows (binfmt_misc).
$(B)/gen/native: Makefile
	@mkdir -p $(@D); echo 'int main(void) { return 0; }' | $(CC) $(CFLAGS) $(LDFLAGS) -x c -o $@ -
	@$@ || { rm -f $@; echo "programs that $(CC) makes do not run on this machine ($$(uname -m))." \
		"xmcast cannot be cross built: the seccomp filters are made by a program that runs during" \
		"the build. Build on the target, or in a chroot of it with qemu-user-static." >&2; exit 1; }

# Built first, when the coverage replacements do not exist yet.
$(B)/gen/filters.h: tools/filters/filters.c user/base/sandbox.h Makefile $(B)/gen/native
	$(call say,FILTER,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(filter-out --coverage,$(XCFLAGS)) $(if $(COV),,$(XLDFLAGS)) $(LDFLAGS) \
		-o $(B)/gen/filters $< -lseccomp && \
		$(B)/gen/filters > $@

# ---- tests --------------------------------------------------------------------------------------

UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
UNIT_SCRIPTS := $(wildcard tests/unit/test_*.py)
BPF_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/bpf/test_*.c))
BPF_TEST_OBJS := $(patsubst %.c,$(B)/%.o,$(filter-out tests/bpf/test_% %.bpf.c,$(wildcard tests/bpf/*.c)))
# Each fuzz target is linked with a main() that replays its corpus; `make fuzz` links it to libFuzzer.
ALL_FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS := $(ALL_FUZZ_TARGETS:%=$(B)/tests/fuzz/replay_%)
NETNS_TESTS := $(wildcard tests/netns/test_*.py)
PACKAGING_TESTS := $(if $(SAN)$(DEBUG),,$(wildcard tests/packaging/test_*.py))
# Short runs on Debian's stock kernel under QEMU; sanitizers are too slow there. The second boots a Debian with systemd.
VM_TESTS := $(if $(SAN)$(DEBUG),,tests/vm/test_debian tests/vm/test_boot)
# ThreadSanitizer runs the tests with several threads in one process: the parts of the data path, then all
# of it while rules change. With fewer packets, because it is ten times slower.
SAN_THREAD := $(filter thread,$(SAN))
UNIT_THREAD_TESTS := $(patsubst %,$(B)/tests/unit/test_%,frame_queue feed dataplane egress egress_batch \
	egress_late egress_order stream ruleset log counter)
NETNS_THREAD_TESTS := $(patsubst %,tests/netns/test_%.py,relay change engine lifecycle)
TESTS = $(if $(SAN_THREAD),$(UNIT_THREAD_TESTS) $(NETNS_THREAD_TESTS),\
	$(UNIT_TESTS) $(UNIT_SCRIPTS) $(THREAD_TESTS) $(BPF_TESTS) $(REPLAYS) $(NETNS_TESTS) \
	$(PACKAGING_TESTS) $(VM_TESTS))
# The thread tests also run under ThreadSanitizer, which needs a build of its own, of the modules that they use.
THREAD_MODULES := base rules links steering dataplane
THREAD_TESTS := $(if $(SAN)$(DEBUG)$(COV),,$(patsubst %,$(B)-thread/tests/unit/test_%,frame_queue feed dataplane))

$(UNIT_TESTS): $(B)/%: $(B)/%.o $(B)/libxmcast.a
$(BPF_TESTS): $(B)/%: $(B)/%.o $(BPF_TEST_OBJS) $(B)/libxmcast.a
$(REPLAYS): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/libxmcast.a
$(UNIT_TESTS) $(BPF_TESTS) $(REPLAYS): | $(COV_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(XLDFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Counts what is read of the relay.
$(B)/tests/unit/test_statistics: XLDFLAGS += -Wl,--wrap=relay_books
# Has leases without a relay.
$(B)/tests/fuzz/replay_lease_set $(B)/tests/fuzz/fuzz_lease_set: XLDFLAGS += -Wl,--wrap=relay_leases,--wrap=relay_set_leases

# What tests put beneath programs: a kernel that is too old to hand AF_XDP sockets over, a clock that jumps.
BENEATH := $(B)/tests/netns/one_mapping.so $(B)/tests/netns/stepped_clock
$(B)/tests/netns/one_mapping.so: tests/netns/one_mapping.c
$(B)/tests/netns/stepped_clock: tests/netns/stepped_clock.c
$(BENEATH):
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -Wextra -Werror -Wno-unused-parameter -D_GNU_SOURCE $(if $(filter %.so,$@),-shared -fPIC) -o $@ $< -ldl

# Never built with a sanitizer, because they run underneath it.
FAULT_TOOLS := $(B)/tests/fault/supervise $(B)/tests/fault/preload.so
FAULT_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -I.
$(B)/tests/fault/supervise: tests/fault/supervise.c tests/fault/fault.h
$(B)/tests/fault/preload.so: tests/fault/preload.c tests/fault/fault.h
$(FAULT_TOOLS):
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(FAULT_CFLAGS) $(if $(filter %.so,$@),-fPIC -shared) -o $@ $<

.PHONY: test-programs test-vm fault fuzz fuzz-merge fuzz-programs check-root FORCE
test-programs: all $(BENCH_PROGRAMS) $(REFERENCE) $(if $(SAN_THREAD),$(UNIT_THREAD_TESTS),$(UNIT_TESTS) $(BPF_TESTS) $(REPLAYS) \
	$(FAULT_TOOLS) $(BENEATH))
	$(if $(THREAD_TESTS),$(Q)$(MAKE) --no-print-directory SAN=thread MODULES='$(THREAD_MODULES)' $(THREAD_TESTS))

check-root:
	@[ "$$(id -u)" = 0 ] || { echo "this needs root: it makes network namespaces" >&2; exit 77; }

# All tests in one run; its last line is the result, or what the failed ones have said. XMCAST_REQUIRE=1 turns skips
# into failures.
test: check-root test-deps
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) test-programs
	$(if $(filter tests/vm/%,$(TESTS)),$(Q)tests/vm/kernel >/dev/null)
	$(Q)rm -rf $(B)/failed; XMCAST_BUILD=$(B) $(if $(SAN_THREAD),XMCAST_CHURN_RATE=5000) HARNESS_RULESFILE=tests/rules.yml \
		prove -j3 --timer --exec tests/run-tap $(TESTS) || { tail -vn 60 $(B)/failed/*; exit 1; }

# Line and branch coverage of user/ by the tests. Branches are gcov's (each outcome of a condition and of
# each part of && and ||), except on lines without code. The first run of each program creates the files
# that it can later write as an unprivileged user.
COVERAGE_TESTS ?= $(UNIT_TESTS) $(BPF_TESTS) $(REPLAYS) $(NETNS_TESTS)
COVERAGE_FLAGS ?= --fail-under-line 90 --fail-under-branch 80
.PHONY: coverage coverage-run
coverage: check-root test-deps
	$(Q)$(MAKE) --no-print-directory COV=1 test-programs
	$(Q)$(MAKE) --no-print-directory COV=1 coverage-run
coverage-run:
	$(Q)find $(B) -name '*.gcda' -delete
	$(Q)$(B)/xmcastd -V >$(B)/version && $(B)/xmcastctl -V >>$(B)/version && \
		$(B)/xmcast-exporter -V >>$(B)/version && $(B)/xmcast-cluster -V >>$(B)/version
	$(Q)find $(B) -type d -exec chmod a+rwx {} + && find $(B) -name '*.gcda' -exec chmod a+rw {} +
	$(Q)XMCAST_BUILD=$(B) prove --timer --exec tests/run-tap $(COVERAGE_TESTS)
	$(Q)gcovr -j2 --root . --filter user/ --exclude-unreachable-branches --exclude-throw-branches \
		--json $(B)/coverage.json $(B)
	$(Q)gcovr --root . -a $(B)/coverage.json --txt
	$(Q)gcovr --root . -a $(B)/coverage.json --branches --print-summary $(COVERAGE_FLAGS)

# Makes every call of the daemon fail once; some minutes a stage. `test` runs a sample of it.
# FAULT_FLAGS: see tests/fault/sweep.py --help.
fault: check-root test-deps
	$(Q)$(MAKE) --no-print-directory all $(FAULT_TOOLS)
	$(Q)XMCAST_BUILD=$(B) tests/fault/sweep.py --report $(B)/fault $(FAULT_FLAGS)

# All tests on Debian's own kernel under QEMU, which is slow, see tests/vm/run; and the packages in a Debian that
# boots, see tests/vm/machine.py. `test` runs short forms of both.
test-vm: check-root test-deps deb
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)XMCAST_BUILD=$(B) tests/vm/run --nics
	$(Q)XMCAST_BUILD=$(B) XMCAST_TEST_TIMEOUT=600 prove --timer --exec tests/run-tap tests/vm/boot_packages

# Build, install and remove xmcast in a bare Debian 12, and the packages as well; some minutes.
test-bare: check-root test-deps deb
	$(Q)XMCAST_BUILD=$(B) XMCAST_TEST_TIMEOUT=3000 prove --timer --exec tests/run-tap \
		$(wildcard tests/packaging/bare_*.py)

# libFuzzer on every target, for TIME seconds or FUZZ_RUNS executions each. Findings go to build/fuzz/, and
# the corpus grows in build/fuzz/TARGET.corpus. FUZZ_FLAGS: see -help=1 of any target.
TIME ?= 60
FUZZ_TIME ?= $(TIME)
FUZZ_RUNS ?=
FUZZ_TARGETS ?= $(ALL_FUZZ_TARGETS)
FUZZ_FLAGS ?=
FUZZ_CONFIGURATION := CC=clang SAN=fuzzer-no-link,address,undefined
FUZZ_BUILD := build-clang-fuzzer-no-link-address-undefined
fuzz: fuzz-programs
	$(Q)for target in $(FUZZ_TARGETS); do tests/fuzz/run $(FUZZ_BUILD) $$target \
		$(if $(FUZZ_RUNS),-runs=$(FUZZ_RUNS),-max_total_time=$(FUZZ_TIME)) $(FUZZ_FLAGS) || exit 1; done

# Replace each corpus by the smallest set of inputs with the same coverage, including those of build/fuzz/.
fuzz-merge: fuzz-programs
	$(Q)for target in $(FUZZ_TARGETS); do tests/fuzz/run $(FUZZ_BUILD) $$target merge || exit 1; done

fuzz-programs:
	$(Q)$(MAKE) --no-print-directory $(FUZZ_CONFIGURATION) $(FUZZ_TARGETS:%=$(FUZZ_BUILD)/tests/fuzz/fuzz_%)

$(ALL_FUZZ_TARGETS:%=$(B)/tests/fuzz/fuzz_%): %: %.o $(B)/libxmcast.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(XLDFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# ---- generated documents ---------------------------------------------------------------------------

# The reference of settings and options is committed; tests/unit/test_reference.py compares it.
.PHONY: reference
reference: $(REFERENCE)
	$(call say,DOC,'docs/xmcast.yaml docs/man')
	$(Q)$(REFERENCE) yaml >$(B)/gen/xmcast.yaml && mv $(B)/gen/xmcast.yaml docs/xmcast.yaml
	$(Q)for page in xmcast.yaml.5 xmcastd.8; do $(REFERENCE) man <docs/man/$$page >$(B)/gen/$$page && \
		mv $(B)/gen/$$page docs/man/$$page || exit 1; done

# ---- showing and measuring ----------------------------------------------------------------------

demo: check-root build-deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)XMCAST_BUILD=$(B) tools/demo/demo.py

# About 7 minutes; bench-full about an hour. BENCH_FLAGS: see tools/bench/bench.py --help.
bench bench-full: check-root test-deps
	$(Q)$(MAKE) --no-print-directory all $(BENCH_PROGRAMS)
	$(Q)XMCAST_BUILD=$(B) tools/bench/bench.py $(if $(filter bench-full,$@),--full) $(BENCH_FLAGS)
	$(Q)XMCAST_BUILD=$(B) tools/bench/join.py

# SOAK_FLAGS: see tests/soak/soak.py --help.
HOURS ?= 0.5
soak: check-root test-deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)XMCAST_BUILD=$(B) tests/soak/soak.py --hours $(HOURS) $(SOAK_FLAGS)

# About 10 minutes. SOAK_FLAGS: see tests/soak/restarts.py --help.
soak-restarts: check-root test-deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)XMCAST_BUILD=$(B) tests/soak/restarts.py $(SOAK_FLAGS)

# About 5 minutes. SOAK_FLAGS: see tests/soak/cluster.py --help.
soak-cluster: check-root test-deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)XMCAST_BUILD=$(B) tests/soak/drain.py
	$(Q)XMCAST_BUILD=$(B) tests/soak/cluster.py $(SOAK_FLAGS)

# ---- checks -------------------------------------------------------------------------------------

LINT_DEFINES := -DXMC_VERSION='""' -DXMC_REVISION='""' -DXMC_BRANCH='""'
C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null | grep -v '^vmlinux/')
SHELL_FILES := tests/fuzz/run .ci/run $(wildcard packaging/debian/*.p*inst packaging/debian/*.p*rm) $(wildcard packaging/completion/*.bash) $(wildcard tools/bench/adapters/* $(addprefix tests/vm/,run switch kernel init inside suite short test_debian))
ANALYZED := $(filter-out %.bpf.c,$(filter user/%.c tools/%.c,$(C_FILES)))
lint: lint-deps build-deps $(SKELS)
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	shellcheck $(SHELL_FILES)
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -j2 \
		--enable=warning,performance,portability --suppressions-list=.cppcheck \
		-Iinclude -Iuser -Itools $(LINT_DEFINES) user tools
	$(Q)$(MAKE) --no-print-directory -j2 $(ANALYZED:%.c=build/analyzed/%.done)
	$(Q)printf "%s\n" $(ANALYZED) | \
		xargs -P2 -I{} clang-tidy --quiet --warnings-as-errors='*' {} -- \
		$(subst -I$(B)/gen,-isystem $(B)/gen,$(XCFLAGS)) $(LINT_DEFINES) 2>/dev/null
	tools/lint/includes.py
	tools/lint/words.py

# gcc's analyzer, one file at a time and only files that have changed; .analyzer lists the warnings that
# are turned off, with the reasons.
build/analyzed/%.done: %.c .analyzer Makefile | $(SKELS)
	$(call say,CHECK,$<)
	$(Q)mkdir -p $(@D)
	$(Q)gcc -O1 $(filter-out -fsanitize%,$(XCFLAGS)) $(LINT_DEFINES) -fanalyzer \
		$(shell awk '$$1 == "$<" {sub(/^-W/, "-Wno-", $$2); print $$2}' .analyzer) \
		-MMD -MP -MF $(@:.done=.d) -MT $@ -c -o /dev/null $<
	$(Q)touch $@

format:
	clang-format -i $(C_FILES)

# ---- installing ---------------------------------------------------------------------------------

# xmcastd@.service, for one of several daemons, is xmcastd.service with its own file, socket and directories.
install: all
	install -d "$(DESTDIR)$(sbindir)" "$(DESTDIR)$(bindir)" "$(DESTDIR)$(sysconfdir)/xmcast"
	install -m 755 $(B)/xmcastd $(B)/xmcast-exporter $(B)/xmcast-cluster "$(DESTDIR)$(sbindir)/"
	install -m 755 $(B)/xmcastctl $(B)/xmcast-gen $(B)/xmcast-sink "$(DESTDIR)$(bindir)/"
	install -d "$(DESTDIR)$(libdir)/xmcast"
	install -m 644 $(EXTERNAL) "$(DESTDIR)$(libdir)/xmcast/"
	install -d "$(DESTDIR)$(bashdir)" "$(DESTDIR)$(zshdir)" "$(DESTDIR)$(fishdir)"
	install -m 644 packaging/completion/xmcastctl.bash "$(DESTDIR)$(bashdir)/xmcastctl"
	install -m 644 packaging/completion/xmcast.bash "$(DESTDIR)$(bashdir)/xmcastd"
	install -m 644 packaging/completion/xmcast.zsh "$(DESTDIR)$(zshdir)/_xmcast"
	install -m 644 packaging/completion/xmcast.fish "$(DESTDIR)$(fishdir)/xmcastd.fish"
	for program in xmcast-exporter xmcast-cluster xmcast-gen xmcast-sink; do \
		ln -sf xmcastd "$(DESTDIR)$(bashdir)/$$program" || exit 1; done
	for program in xmcastctl xmcast-exporter xmcast-cluster xmcast-gen xmcast-sink; do \
		ln -sf xmcastd.fish "$(DESTDIR)$(fishdir)/$$program.fish" || exit 1; done
	install -m 644 docs/xmcast.yaml "$(DESTDIR)$(sysconfdir)/xmcast/xmcast.yaml.example"
	install -d "$(DESTDIR)$(docdir)/docs"
	install -m 644 README.md CHANGELOG.md CONTRIBUTING.md LICENSE SECURITY.md "$(DESTDIR)$(docdir)/"
	install -m 644 $(wildcard docs/*.*) "$(DESTDIR)$(docdir)/docs/"
	for section in 1 5 8; do \
		install -d "$(DESTDIR)$(mandir)/man$$section" && \
		install -m 644 docs/man/*.$$section "$(DESTDIR)$(mandir)/man$$section/" || exit 1; \
	done
	install -d "$(DESTDIR)$(datadir)/xmcast"
	install -m 644 packaging/grafana/xmcast.json "$(DESTDIR)$(datadir)/xmcast/"
	sed 's|file:///usr/share/doc/xmcast|file://$(docdir)|' packaging/prometheus/xmcast-alerts.yml \
		> "$(DESTDIR)$(datadir)/xmcast/xmcast-alerts.yml"
	install -d "$(DESTDIR)$(unitdir)" "$(DESTDIR)$(libdir)/sysusers.d" "$(DESTDIR)$(libdir)/tmpfiles.d"
	for unit in packaging/systemd/*.service; do \
		sed 's|/usr/local/sbin/|$(sbindir)/|; s|/usr/local/bin/|$(bindir)/|; s|/etc/|$(sysconfdir)/|' \
			"$$unit" > "$(DESTDIR)$(unitdir)/$${unit##*/}" || exit 1; \
	done
	sed -e 's|^Description=.*|& %i|; s|\(XMCAST_CONFIG=.*/\)xmcast\.yaml|\1%i.yaml XMCAST_SOCKET=/run/xmcast-%i/xmcast.sock|' \
		-e 's|^RuntimeDirectory=.*|&-%i|; s|^StateDirectory=.*|&/%i|; s|/var/lib/xmcast/xmcast|/var/lib/xmcast/%i/%i|' \
		"$(DESTDIR)$(unitdir)/xmcastd.service" > "$(DESTDIR)$(unitdir)/xmcastd@.service"
	install -m 644 packaging/sysusers.d/*.conf "$(DESTDIR)$(libdir)/sysusers.d/"
	install -m 644 packaging/tmpfiles.d/xmcast.conf "$(DESTDIR)$(libdir)/tmpfiles.d/"

# Removes what `install` would put there, and directories of ours that are empty then. It installs into an
# empty directory to find out what that is, so that there is no second list. Configurations stay.
uninstall: ROOT := $(CURDIR)/$(B)/uninstall
uninstall: all
	$(Q)rm -rf "$(ROOT)" && $(MAKE) --no-print-directory -s install DESTDIR="$(ROOT)"
	$(Q)cd "$(ROOT)" && find . ! -type d -printf '%P\n' | while read -r file; do \
		rm -fv "$(DESTDIR)/$$file" || exit 1; done
	$(Q)cd "$(ROOT)" && find . -depth -type d -path '*xmcast*' -printf '%P\n' | while read -r directory; do \
		rmdir --ignore-fail-on-non-empty "$(DESTDIR)/$$directory" 2>/dev/null || true; done
	$(Q)rm -rf "$(ROOT)"

# ---- packing ------------------------------------------------------------------------------------

# The files of the working tree, also those that are not committed yet.
SOURCE_FILES = $(if $(IN_GIT),git ls-files --cached --others --exclude-standard --deduplicate,\
	find . \( -path './build*' -o -path ./.git -o -path ./vmlinux/full -o -name __pycache__ \) -prune -o \
	! -type d ! -name .version -printf '%P\n')
# The time of the last commit, so that one commit gives the same packages anywhere.
SOURCE_TIME = $(shell if [ -n "$(IN_GIT)" ]; then git log -1 --format=%ct; else stat -c %Y CHANGELOG.md; fi)
DIST = build/xmcast-$(VERSION:v%=%).tar.gz

dist:
	$(call say,DIST,$(DIST))
	$(Q)mkdir -p build/dist && printf '%s\n' '$(VERSION)' '$(DEB_MAINTAINER)' '$(REVISION)' >build/dist/.version
	$(Q)$(SOURCE_FILES) | LC_ALL=C sort | while read -r file; do \
		[ ! -e "$$file" ] || echo "$$file"; done | \
		tar -c --owner=0 --group=0 --numeric-owner --mode=u+rwX,go=rX --mtime=@$(SOURCE_TIME) \
		--transform='flags=rSH;s|^|xmcast-$(VERSION:v%=%)/|' -T - -C build/dist .version | \
		gzip -n >$(DIST)

# Debian's order of versions: a candidate sorts before its release, commits after a tag behind it, and a dash
# would separate the revision of the package.
DEB_VERSION = $(subst -,+,$(subst -rc,~rc,$(VERSION:v%=%)))
# Who answers for the packages: the committer of what they are made of, unless whoever gives them to others says so.
# Without quotes, dollars, ampersands and slashes: they mean something to the shell or to sed.
DEB_MAINTAINER ?= $(shell if [ -e .version ]; then sed -n 2p .version; else git log -1 --format='%cn <%ce>'; fi | \
	tr -d '\042\044\046\047\057\134\140')
DEB_TREE = build/deb/xmcast-$(VERSION:v%=%)
deb: build-deps deb-deps dist
	$(Q)rm -rf build/deb && mkdir -p build/deb
	$(Q)cp $(DIST) build/deb/xmcast_$(DEB_VERSION).orig.tar.gz && tar -xzf $(DIST) -C build/deb
	$(Q)cp -r packaging/debian $(DEB_TREE)/debian && cd $(DEB_TREE)/debian && mv changelog.in changelog && \
		sed -i -e 's/@VERSION@/$(DEB_VERSION)/; s/@MAINTAINER@/$(DEB_MAINTAINER)/' \
		-e "s/@DATE@/$$(LC_ALL=C date -u -R -d @$(SOURCE_TIME))/" changelog control
	$(Q)cd $(DEB_TREE) && dpkg-buildpackage -us -uc $(DEB_FLAGS)
	$(Q)lintian --fail-on error,warning --allow-root build/deb/*.changes

# ---- Debian packages that we need ---------------------------------------------------------------

# Install those of the given packages that are not installed.
define apt_install
@have=$$(dpkg-query -W -f='$${Package} $${Status}\n' $(1) 2>/dev/null | awk '/ok installed/{print $$1}'); \
missing=$$(printf '%s\n' $(sort $(1)) $$have $$have | sort | uniq -u); \
if [ -n "$$missing" ]; then echo "installing:" $$missing; \
	apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; fi
endef

deps: build-deps test-deps lint-deps deb-deps
build-deps:
	$(call apt_install,$(BUILD_DEPS))
lint-deps:
	$(call apt_install,$(LINT_DEPS))
deb-deps:
	$(call apt_install,$(DEB_DEPS))
test-deps: build-deps $(foreach package,$(UNPACKED),build/unpacked/.$(firstword $(subst :, ,$(package))))
	$(call apt_install,$(TEST_DEPS) $(foreach package,$(UNPACKED),$(subst $(comma), ,$(word 2,$(subst :, ,$(package))))))

# A package without its configuration and state. Not if it is installed already: then the machine's own is used.
build/unpacked/.%:
	@mkdir -p $(@D); if dpkg-query -W -f='$${Status}' $* 2>/dev/null | grep -q 'ok installed'; then exit; fi; \
	echo "unpacking: $*"; directory=$$(mktemp -d build/unpacked/download.XXXXXX) && \
	{ [ -n "$$(apt-cache policy $* 2>/dev/null)" ] || apt-get update -qq; } && \
	(cd "$$directory" && apt-get -qq -o APT::Sandbox::User=root download $*) && \
	dpkg-deb --fsys-tarfile "$$directory"/*.deb | \
		tar -xC build/unpacked --exclude=./usr/share --exclude=./etc --exclude=./var && touch $@; \
	status=$$?; rm -rf "$$directory"; exit $$status

# We build with the minimal header; the full one is for reference and not committed.
vmlinux:
	$(Q)mkdir -p vmlinux/full
	$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > vmlinux/full/vmlinux.h

clean:
	rm -rf build build-* vmlinux/full

-include $(wildcard $(B)/gen/*.d) $(shell find $(B)/user $(B)/tools $(B)/tests build/analyzed -type f -name '*.d' 2>/dev/null)
