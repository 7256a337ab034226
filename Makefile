# SPDX-License-Identifier: BSD-2-Clause
#
# make             build/xmcastd, xmcastctl, xmcast-exporter, xmcast-gen, xmcast-sink
# make deps        install the Debian packages below, if any is missing
# make demo        a live relay between network namespaces (root)
# make test        every test (root)
# make bench       ratios against other relays and the bare receive rate (root); make bench-full
# make soak        HOURS=0.5: mixed traffic at half of the throughput while everything else changes (root)
# make coverage    the tests in an instrumented build, then their coverage of user/ (root)
# make lint        clang-format, clang-tidy, cppcheck, shellcheck, gcc's analyzer, who includes whom
# make install     DESTDIR= PREFIX=/usr/local
# make fault       make every system call and allocation of the daemon fail once (root)
# make test-vm     the tests on Debian's stock kernel under QEMU
# make fuzz        libFuzzer on every parser, TIME=60 seconds or FUZZ_RUNS=N each; FUZZ_TARGETS=; make fuzz-merge
# make reference   generate docs/xmcast.yaml and parts of the manual from the tables in user/rules
# make vmlinux     write this kernel's full types to vmlinux/full/vmlinux.h, for reference
# CC=clang   SAN=address,undefined   SAN=thread (only the tests that use threads)   V=1   DEBUG=1   COV=1

# The only list of Debian packages: for building, testing and checking.
PACKAGES := gcc clang llvm make pkg-config bpftool libc6-dev libbpf-dev libxdp-dev liburing-dev \
	libyaml-dev libjansson-dev libmnl-dev libcap-ng-dev libseccomp-dev libmicrohttpd-dev \
	libncurses-dev libsmartcols-dev libcmocka-dev \
	git iproute2 ethtool iputils-ping python3 perl util-linux procps libclang-rt-14-dev \
	clang-format clang-tidy cppcheck shellcheck smcroute socat xdp-tools \
	ffmpeg multicat iperf tshark igmpproxy \
	libyang2 libc-ares2 libjson-c5 tmux bash-completion qemu-system-x86 busybox-static gcovr systemd groff
# For the tests. Only unpacked below build/unpacked, because installing them would start servers.
UNPACKED := prometheus frr

# bpftool, ethtool and others are in directories that only a login shell of root has in its path.
export PATH := $(PATH):/usr/sbin:/sbin

PREFIX ?= /usr/local
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
BPFTOOL ?= bpftool
SAN ?=
DEBUG ?=
COV ?=

# One build directory per configuration, so that none links another's objects.
comma := ,
B := build$(if $(filter clang%,$(notdir $(CC))),-clang)$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(DEBUG),-debug)$(if $(COV),-coverage)

Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

PKGS := libbpf libxdp liburing yaml-0.1 jansson libmnl libcap-ng
# The version from git, but only if this directory is the top of the repository: a tree that was unpacked
# inside another repository must not take that one's version. A tag name is outside input that ends up
# in shell commands and C strings, so any other character makes the version `unknown`.
VERSION := $(shell [ "$$(git rev-parse --show-toplevel 2>/dev/null)" = "$$(pwd -P)" ] && \
	git describe --tags --always --dirty 2>/dev/null | grep -xE '[0-9A-Za-z.+~-]+' || echo unknown)

# Coverage is measured without optimization, because the optimizer merges branches that gcov counts.
CFLAGS ?= $(if $(COV),-O0 -g,-O2 -g)
# No assertions, because no test can take their failing branch; atomic counters, because several threads
# count. Without optimization gcc warns wrongly about uninitialized variables.
COV_CFLAGS := $(if $(COV),--coverage -fprofile-update=atomic -DNDEBUG -DXMC_COVERAGE -Wno-maybe-uninitialized)
XCFLAGS := -std=gnu11 -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
	-Wno-unused-parameter -Wvla -fno-common -fstack-protector-strong -D_GNU_SOURCE -pthread \
	-Iinclude -Iuser -Itools -I$(B)/gen $(if $(DEBUG),-DXMC_DEBUG,) \
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
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -mllvm -sink-common-insts=false -Wall -Wextra -Werror -Wno-unused-parameter \
	-Iinclude -Ivmlinux -Itools

# Everything except the main.c files: the programs' own parts too, so that tests can link them.
MODULES := base rules links steering dataplane membership relay telemetry control daemon ctl exporter
LIB_SRCS := $(filter-out %/main.c,$(foreach m,$(MODULES),$(wildcard user/$(m)/*.c)))
LIB_OBJS := $(LIB_SRCS:%.c=$(B)/%.o)
SKELS := $(patsubst %.bpf.c,$(B)/gen/%.skel.h,$(notdir $(wildcard bpf/*.bpf.c tools/*/*.bpf.c tests/bpf/*.bpf.c)))

# The seccomp filters are generated before all objects as well, by our own program.
SKELS += $(B)/gen/filters.h

# The steering program for xdp-loader: the same source, with pinned maps (docs/xdp-loader.md).
EXTERNAL := $(B)/xmcast.bpf.o

PROGRAMS := $(B)/xmcastd $(B)/xmcastctl $(B)/xmcast-exporter $(B)/xmcast-gen $(B)/xmcast-sink
BENCH_PROGRAMS := $(B)/xmcast-bench-receive $(B)/xmcast-bench-redirect
REFERENCE := $(B)/xmcast-reference

.PHONY: all deps demo test bench bench-full soak lint format install clean vmlinux
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

all: $(PROGRAMS) $(EXTERNAL)

$(B)/xmcastd: $(B)/user/daemon/main.o $(B)/libxmcast.a
$(B)/xmcast-exporter: LDLIBS += -lmicrohttpd
$(B)/xmcast-exporter: $(B)/user/exporter/main.o $(B)/libxmcast.a
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
	$(Q)$(CC) $(CFLAGS) $(XLDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/libxmcast.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

# Skeletons come before objects, because any source may include them.
$(B)/%.o: %.c Makefile | $(SKELS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(XCFLAGS) -MMD -MP $(DEFINES) -c -o $@ $<

# The version is in one object, which is rebuilt when the version changes.
$(B)/user/base/version.o: DEFINES := -DXMC_VERSION='"$(VERSION)"'
$(B)/user/base/version.o: $(B)/gen/version
$(B)/gen/version: FORCE
	@mkdir -p $(@D); echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@

# Bytecode of the programs in bpf/, tools/*/ and tests/bpf/, all in one directory: their names are unique.
vpath %.bpf.c bpf tests/bpf $(wildcard tools/*)
$(B)/gen/%.bpf.o: %.bpf.c Makefile
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<

$(EXTERNAL): bpf/steer.bpf.c Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -DXMC_PINNED -MMD -MP -MF $(B)/gen/xmcast.d -MT $@ -c -o $@ $<

$(B)/gen/%.skel.h: $(B)/gen/%.bpf.o
	$(call say,SKEL,$@)
	$(Q){ echo '/* NOLINTBEGIN: generated */'; \
		$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf && \
		echo '/* NOLINTEND */'; } > $@

# Built first, when the coverage replacements do not exist yet.
$(B)/gen/filters.h: tools/filters/filters.c user/base/sandbox.h Makefile
	$(call say,FILTER,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(filter-out --coverage,$(XCFLAGS)) $(if $(COV),,$(XLDFLAGS)) \
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
# A short run on Debian's stock kernel under QEMU; sanitizers are too slow there.
VM_TESTS := $(if $(SAN)$(DEBUG),,tests/vm/test_debian)
# ThreadSanitizer runs the tests with several threads in one process: the parts of the data path, then all
# of it while rules change. With fewer packets, because it is ten times slower.
SAN_THREAD := $(filter thread,$(SAN))
UNIT_THREAD_TESTS := $(patsubst %,$(B)/tests/unit/test_%,frame_queue dataplane egress egress_batch \
	egress_late egress_order stream ruleset log)
NETNS_THREAD_TESTS := $(patsubst %,tests/netns/test_%.py,relay change engine lifecycle)
TESTS = $(if $(SAN_THREAD),$(UNIT_THREAD_TESTS) $(NETNS_THREAD_TESTS),\
	$(UNIT_TESTS) $(UNIT_SCRIPTS) $(THREAD_TESTS) $(BPF_TESTS) $(REPLAYS) $(NETNS_TESTS) \
	$(VM_TESTS))
# The thread tests also run under ThreadSanitizer, which needs a build of its own.
THREAD_TESTS := $(if $(SAN)$(DEBUG)$(COV),,$(patsubst %,$(B)-thread/tests/unit/test_%,frame_queue dataplane))

$(UNIT_TESTS): $(B)/%: $(B)/%.o $(B)/libxmcast.a
$(BPF_TESTS): $(B)/%: $(B)/%.o $(BPF_TEST_OBJS) $(B)/libxmcast.a
$(REPLAYS): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/libxmcast.a
$(UNIT_TESTS) $(BPF_TESTS) $(REPLAYS): | $(COV_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(XLDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Counts what is read of the relay.
$(B)/tests/unit/test_statistics: XLDFLAGS += -Wl,--wrap=relay_books

# The library that the clock test preloads.
CLOCK := $(B)/tests/netns/jumping_clock.so
$(CLOCK): tests/netns/jumping_clock.c
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -Wextra -Werror -Wno-unused-parameter -D_GNU_SOURCE -shared -fPIC -o $@ $< -ldl

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
	$(FAULT_TOOLS) $(CLOCK))
	$(if $(THREAD_TESTS),$(Q)$(MAKE) --no-print-directory SAN=thread $(THREAD_TESTS))

check-root:
	@[ "$$(id -u)" = 0 ] || { echo "this needs root: it makes network namespaces" >&2; exit 77; }

# All tests in one run; its last line is the result. XMCAST_REQUIRE=1 turns skips into failures.
test: check-root deps
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)XMCAST_BUILD=$(B) $(if $(SAN_THREAD),XMCAST_CHURN_RATE=5000) \
		prove --timer --exec tests/run-tap $(TESTS)

# Line and branch coverage of user/ by the tests. Branches are gcov's (each outcome of a condition and of
# each part of && and ||), except on lines without code. The first run of each program creates the files
# that it can later write as an unprivileged user.
COVERAGE_TESTS ?= $(UNIT_TESTS) $(BPF_TESTS) $(REPLAYS) $(NETNS_TESTS)
COVERAGE_FLAGS ?= --fail-under-line 90 --fail-under-branch 80
.PHONY: coverage coverage-run
coverage: check-root deps
	$(Q)$(MAKE) --no-print-directory COV=1 test-programs
	$(Q)$(MAKE) --no-print-directory COV=1 coverage-run
coverage-run:
	$(Q)find $(B) -name '*.gcda' -delete
	$(Q)$(B)/xmcastd -V >$(B)/version && $(B)/xmcastctl -V >>$(B)/version && \
		$(B)/xmcast-exporter -V >>$(B)/version
	$(Q)find $(B) -type d -exec chmod a+rwx {} + && find $(B) -name '*.gcda' -exec chmod a+rw {} +
	$(Q)XMCAST_BUILD=$(B) prove --timer --exec tests/run-tap $(COVERAGE_TESTS)
	$(Q)gcovr -j2 --root . --filter user/ --exclude-unreachable-branches --exclude-throw-branches \
		--json $(B)/coverage.json $(B)
	$(Q)gcovr --root . -a $(B)/coverage.json --txt
	$(Q)gcovr --root . -a $(B)/coverage.json --branches --print-summary $(COVERAGE_FLAGS)

# Makes every call of the daemon fail once; some minutes a stage. `test` runs a sample of it.
# FAULT_FLAGS: see tests/fault/sweep.py --help.
fault: check-root deps
	$(Q)$(MAKE) --no-print-directory all $(FAULT_TOOLS)
	$(Q)XMCAST_BUILD=$(B) tests/fault/sweep.py --report $(B)/fault $(FAULT_FLAGS)

# All tests on Debian's own kernel under QEMU, which is slow; `test` runs tests/vm/test_debian. See tests/vm/run.
test-vm: check-root deps
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)XMCAST_BUILD=$(B) tests/vm/run

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
	$(Q)$(CC) $(CFLAGS) $(XLDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# ---- generated documents ---------------------------------------------------------------------------

# The reference of settings and options is committed; tests/unit/test_reference.py compares it.
.PHONY: reference
reference: $(REFERENCE)
	$(call say,DOC,'docs/xmcast.yaml docs/man')
	$(Q)$(REFERENCE) yaml >$(B)/gen/xmcast.yaml && mv $(B)/gen/xmcast.yaml docs/xmcast.yaml
	$(Q)for page in xmcast.yaml.5 xmcastd.8; do $(REFERENCE) man <docs/man/$$page >$(B)/gen/$$page && \
		mv $(B)/gen/$$page docs/man/$$page || exit 1; done

# ---- showing and measuring ----------------------------------------------------------------------

demo: check-root deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)XMCAST_BUILD=$(B) tools/demo/demo.py

# About 5 minutes; bench-full about an hour. BENCH_FLAGS: see tools/bench/bench.py --help.
bench bench-full: check-root deps
	$(Q)$(MAKE) --no-print-directory all $(BENCH_PROGRAMS)
	$(Q)XMCAST_BUILD=$(B) tools/bench/bench.py $(if $(filter bench-full,$@),--full) $(BENCH_FLAGS)

# SOAK_FLAGS: see tests/soak/soak.py --help.
HOURS ?= 0.5
soak: check-root deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)XMCAST_BUILD=$(B) tests/soak/soak.py --hours $(HOURS) $(SOAK_FLAGS)

# ---- checks -------------------------------------------------------------------------------------

C_FILES := $(shell git ls-files '*.c' '*.h' 2>/dev/null | grep -v '^vmlinux/')
SHELL_FILES := tests/fuzz/run .ci/run packaging/completion/xmcastctl.bash $(wildcard tools/bench/adapters/* $(addprefix tests/vm/,run init inside suite short test_debian))
ANALYZED := $(filter-out %.bpf.c,$(filter user/%.c tools/%.c,$(C_FILES)))
lint: deps $(SKELS)
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	shellcheck $(SHELL_FILES)
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -j2 \
		--enable=warning,performance,portability --suppressions-list=.cppcheck \
		-Iinclude -Iuser -Itools -DXMC_VERSION='""' user tools
	$(Q)$(MAKE) --no-print-directory -j2 $(ANALYZED:%.c=build/analyzed/%.done)
	$(Q)printf "%s\n" $(ANALYZED) | \
		xargs -P2 -I{} clang-tidy --quiet --warnings-as-errors='*' {} -- \
		$(subst -I$(B)/gen,-isystem $(B)/gen,$(XCFLAGS)) -DXMC_VERSION='""' 2>/dev/null
	tools/lint/includes.py

# gcc's analyzer, one file at a time and only files that have changed; .analyzer lists the warnings that
# are turned off, with the reasons.
build/analyzed/%.done: %.c .analyzer Makefile | $(SKELS)
	$(call say,CHECK,$<)
	$(Q)mkdir -p $(@D)
	$(Q)gcc -O1 $(filter-out -fsanitize%,$(XCFLAGS)) -DXMC_VERSION='""' -fanalyzer \
		$(shell awk '$$1 == "$<" {sub(/^-W/, "-Wno-", $$2); print $$2}' .analyzer) \
		-MMD -MP -MF $(@:.done=.d) -MT $@ -c -o /dev/null $<
	$(Q)touch $@

format:
	clang-format -i $(C_FILES)

# ---- installing ---------------------------------------------------------------------------------

install: all
	install -d "$(DESTDIR)$(PREFIX)/sbin" "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)/etc/xmcast"
	install -m 755 $(B)/xmcastd $(B)/xmcast-exporter "$(DESTDIR)$(PREFIX)/sbin/"
	install -m 755 $(B)/xmcastctl $(B)/xmcast-gen $(B)/xmcast-sink "$(DESTDIR)$(PREFIX)/bin/"
	install -d "$(DESTDIR)$(PREFIX)/lib/xmcast"
	install -m 644 $(EXTERNAL) "$(DESTDIR)$(PREFIX)/lib/xmcast/"
	install -d "$(DESTDIR)$(PREFIX)/share/bash-completion/completions"
	install -m 644 packaging/completion/xmcastctl.bash \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/xmcastctl"
	install -m 644 docs/xmcast.yaml "$(DESTDIR)/etc/xmcast/xmcast.yaml.example"
	install -d "$(DESTDIR)$(PREFIX)/share/doc/xmcast/docs"
	install -m 644 README.md LICENSE SECURITY.md "$(DESTDIR)$(PREFIX)/share/doc/xmcast/"
	install -m 644 $(wildcard docs/*.*) "$(DESTDIR)$(PREFIX)/share/doc/xmcast/docs/"
	for section in 1 5 8; do \
		install -d "$(DESTDIR)$(PREFIX)/share/man/man$$section" && \
		install -m 644 docs/man/*.$$section "$(DESTDIR)$(PREFIX)/share/man/man$$section/" || exit 1; \
	done
	install -d "$(DESTDIR)$(PREFIX)/share/xmcast"
	install -m 644 packaging/prometheus/xmcast-alerts.yml packaging/grafana/xmcast.json \
		"$(DESTDIR)$(PREFIX)/share/xmcast/"
	install -d "$(DESTDIR)$(PREFIX)/lib/systemd/system" "$(DESTDIR)$(PREFIX)/lib/sysusers.d" \
		"$(DESTDIR)$(PREFIX)/lib/tmpfiles.d"
	for unit in packaging/systemd/*.service; do \
		sed 's|/usr/local/|$(PREFIX)/|' "$$unit" > \
			"$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}" || exit 1; \
	done
	install -m 644 packaging/sysusers.d/xmcast.conf "$(DESTDIR)$(PREFIX)/lib/sysusers.d/"
	install -m 644 packaging/tmpfiles.d/xmcast.conf "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/"

deps:
	@have=$$(dpkg-query -W -f='$${Package} $${Status}\n' $(PACKAGES) 2>/dev/null | \
		awk '/ok installed/{print $$1}'); \
	missing=$$(printf '%s\n' $(PACKAGES) $$have $$have | sort | uniq -u); \
	if [ -n "$$missing" ]; then echo "installing:" $$missing; \
		apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; fi
	@for package in $(UNPACKED); do \
		command -v "$$package" >/dev/null || [ -d "/usr/lib/$$package" ] || \
		[ -x "build/unpacked/usr/bin/$$package" ] || [ -d "build/unpacked/usr/lib/$$package" ] || { \
		echo "unpacking: $$package"; mkdir -p build/unpacked/download && \
		{ [ -n "$$(apt-cache policy "$$package" 2>/dev/null)" ] || apt-get update -qq; } && \
		(cd build/unpacked/download && apt-get download -qq "$$package" 2>/dev/null) && \
		dpkg-deb --fsys-tarfile build/unpacked/download/"$$package"_*.deb | \
			tar -xC build/unpacked --exclude=./usr/share --exclude=./etc --exclude=./var && \
		rm -r build/unpacked/download; } || exit 1; \
	done

# We build with the minimal header; the full one is for reference and not committed.
vmlinux:
	$(Q)mkdir -p vmlinux/full
	$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > vmlinux/full/vmlinux.h

clean:
	rm -rf build build-* vmlinux/full

-include $(wildcard $(B)/gen/*.d) $(shell find $(B) build/analyzed -type f -name '*.d' 2>/dev/null)
