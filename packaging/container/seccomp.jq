# SPDX-License-Identifier: BSD-2-Clause
#
# An engine's own system call filter, plus what xmcastd needs: bpf(2), which the engines allow only together with
# CAP_SYS_ADMIN, and io_uring. The capabilities still decide what bpf(2) may do.
#
#     jq -f seccomp.jq /usr/share/containers/seccomp.json > xmcast-seccomp.json
#
# Docker's filter, which has the same format, is profiles/seccomp/default.json in its sources.

["bpf", "io_uring_enter", "io_uring_register", "io_uring_setup"] as $calls
| .syscalls |= [{names: $calls, action: "SCMP_ACT_ALLOW"}] + map(.names -= $calls | select(.names != []))
