/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/metrics_table.h"

#include <stddef.h>

/* clang-format off */
#define COUNTER(level, key, name, unit, argument, help)                                            \
	{                                                                                          \
		LEVEL_##level, KIND_NUMBER, TYPE_COUNTER, key, name, unit, argument, 0, help       \
	}
#define GAUGE(level, kind, key, name, unit, argument, divisor, help)                               \
	{                                                                                          \
		LEVEL_##level, KIND_##kind, TYPE_GAUGE, key, name, unit, argument, divisor, help   \
	}
#define COUNTERS(level, key, name, unit, label, help)                                              \
	{                                                                                          \
		LEVEL_##level, KIND_MAP, TYPE_COUNTER, key, name, unit, label, 0, help             \
	}
#define INFO(level, name, keys, help)                                                              \
	{                                                                                          \
		LEVEL_##level, KIND_INFO, TYPE_INFO, NULL, name, NULL, keys, 0, help               \
	}

/* The usual names: that of the level and the key. */
#define NAME_TOTALS           "xmcast_"
#define NAME_RULE             "xmcast_rule_"
#define NAME_WATCH            "xmcast_watch_"
#define NAME_WATCH_RTP        "xmcast_watch_rtp_"
#define NAME_WATCH_TS         "xmcast_watch_ts_"
#define NAME_WATCH_MOLD64     "xmcast_watch_mold64_"
#define NAME_SIDE             "xmcast_side_"
#define NAME_OUTPUT           "xmcast_output_"
#define NAME_WORKER           "xmcast_worker_"
#define NAME_CLUSTER          "xmcast_cluster_"
#define NAME_CLUSTER_STORE    "xmcast_cluster_store_"
#define NAME_CLUSTER_DAEMON   "xmcast_cluster_daemon_"
#define NAME_CLUSTER_NODE     "xmcast_cluster_node_"
#define NAME_LEASES           "xmcast_lease_"
#define NAME_RECEIVERS        "xmcast_receiver_"
#define NAME_CONFIG           "xmcast_config_"
#define NAME_PROCESS          "process_"
#define NAME_INTERFACE        "xmcast_interface_"
#define NAME_REDIRECT         "xmcast_redirect_"
#define NAME_DEVICE           "xmcast_output_interface_"
#define NAME_QUEUE            "xmcast_xsk_"

#define COUNT(level, key, unit, help)     COUNTER(level, key, NAME_##level key, unit, NULL, help)
#define COUNT_BY(level, key, label, help) COUNTERS(level, key, NAME_##level key, NULL, label, help)
#define NOW(level, kind, key, unit, help)                                                          \
	GAUGE(level, kind, key, NAME_##level key, unit, NULL, 0, help)

const struct metric metric_table[] = {
	INFO(VERSION, "xmcast_build",
	     "daemon=version revision=revision branch=branch kernel=kernel libbpf=libbpf "
	     "libxdp=libxdp liburing=liburing",
	     "What the daemon was built from, and the kernel and libraries that it uses."),
	COUNTER(VERSION, "exporter_closed_clients", "xmcast_exporter_closed_clients", NULL, NULL,
		"Clients that xmcast-exporter closed: too slow, too many, or in the way of others."),

	NOW(PROCESS, NUMBER, "start_time_seconds", "seconds",
	    "Unix time at which the daemon started."),
	{LEVEL_PROCESS, KIND_NUMBER, TYPE_COUNTER, "cpu_us", "process_cpu_seconds", "seconds", NULL,
	 1000000, "Time of CPUs that all threads of the daemon have used."},
	GAUGE(PROCESS, NUMBER, "resident_bytes", "process_resident_memory_bytes", "bytes", NULL, 0,
	      "Memory of the daemon that is in RAM."),
	GAUGE(PROCESS, NUMBER, "virtual_bytes", "process_virtual_memory_bytes", "bytes", NULL, 0,
	      "Address space of the daemon."),
	NOW(PROCESS, NUMBER, "open_fds", NULL, "Descriptors that the daemon has open."),
	NOW(PROCESS, NUMBER, "max_fds", NULL, "Descriptors that the daemon may open."),

	NOW(CONFIG, BOOLEAN, "last_reload_successful", NULL,
	    "Whether the last load or reload of the configuration was applied."),
	GAUGE(CONFIG, NUMBER, "last_reload_seconds",
	      "xmcast_config_last_reload_success_timestamp_seconds", "seconds", NULL, 0,
	      "Unix time of the last load or reload that was applied."),
	NOW(CONFIG, NUMBER, "rollback_timestamp_seconds", "seconds",
	    "Unix time at which an applied configuration is rolled back unless it is confirmed. "
	    "Absent: none waits."),
	COUNT(CONFIG, "reloads", NULL, "Reload requests, applied or refused."),

	NOW(LEASES, NUMBER, "held_shards", NULL, "Shards of leases that this host holds."),
	NOW(LEASES, NUMBER, "standby_shards", NULL,
	    "Shards of leases that this host does not hold."),
	NOW(LEASES, NUMBER, "unheld_shards", NULL,
	    "Shards of leases without a known holder for longer than events.unheld_after."),
	COUNT(LEASES, "double_sources", NULL,
	      "Seconds in which another host sent to the group of an output whose lease this "
	      "host held, or two others by turns; for each output that was looked at."),
	NOW(RECEIVERS, NUMBER, "groups", NULL,
	    "Pairs of output interface and group that receivers want."),
	NOW(RECEIVERS, NUMBER, "members", NULL,
	    "Receivers, each counted once for each of its groups."),
	COUNT(RECEIVERS, "messages", NULL,
	      "IGMP and MLD messages read on interfaces of outputs with `when joined`."),
	COUNT_BY(RECEIVERS, "bad_messages", "reason",
		 "Packets there that were not used; forwarded: not sent by a host of the link."),
	COUNT(RECEIVERS, "lost_messages", NULL,
	      "Messages that the kernel dropped because they were not read fast enough."),
	COUNT(RECEIVERS, "refused_reports", NULL,
	      "Reports above demand.max_groups or demand.max_members."),
	COUNT(RECEIVERS, "sent_queries", NULL, "Queries sent."),

	NOW(CLUSTER, BOOLEAN, "up", NULL,
	    "Whether xmcast-cluster answers on this host. Absent: it was not started."),
	GAUGE(CLUSTER, TEXT_IS, "state", "xmcast_cluster_member", NULL, "member", 0,
	      "Whether this host is a member and may hold shards."),
	GAUGE(CLUSTER, NUMBER, "deadline_ms", "xmcast_cluster_deadline_seconds", "seconds", NULL,
	      1000, "How long this host may send without another renewal in etcd."),
	COUNT(CLUSTER, "moves", NULL,
	      "Shards that this host has got or lost since its xmcast-cluster was started."),
	NOW(CLUSTER, NUMBER, "overruled_leases", NULL,
	    "Leases of which nothing is sent here: another host has another number of shards."),
	NOW(CLUSTER_DAEMON, BOOLEAN, "answers", NULL, "Whether xmcastd answers xmcast-cluster."),
	NOW(CLUSTER_STORE, BOOLEAN, "reachable", NULL,
	    "Whether etcd has answered the last transaction."),
	NOW(CLUSTER_STORE, BOOLEAN, "watching", NULL, "Whether changes of other hosts are seen."),
	COUNT(CLUSTER_STORE, "failures", NULL, "Transactions that etcd did not answer."),
	COUNT(CLUSTER_STORE, "watch_losses", NULL,
	      "Interruptions of the watch, after which all keys are read again."),
	COUNT(CLUSTER_STORE, "strange_keys", NULL,
	      "Keys below the prefix that xmcast-cluster has not written."),
	GAUGE(CLUSTER_NODE, TEXT_IS, "state", "xmcast_cluster_node_active", NULL, "active", 0,
	      "Whether the node renews its key and does not drain, as this host sees it."),
	NOW(CLUSTER_NODE, NUMBER, "shards", NULL,
	    "Shards that the node holds, as this host sees it."),
	GAUGE(CLUSTER_NODE, NUMBER, "silent_ms", "xmcast_cluster_node_silent_seconds", "seconds",
	      NULL, 1000, "Time since the last renewal of the node that this host has seen."),
	GAUGE(CLUSTER_LEASE, NUMBER, "held", "xmcast_cluster_lease_shards", NULL,
	      "state=\"held\"", 0, "Shards of the lease by state: held, moving, or free, without a "
	      "holder."),
	GAUGE(CLUSTER_LEASE, NUMBER, "moving", NULL, NULL, "state=\"moving\"", 0, NULL),
	GAUGE(CLUSTER_LEASE, NUMBER, "free", NULL, NULL, "state=\"free\"", 0, NULL),
	GAUGE(CLUSTER_LEASE, NUMBER, "own", "xmcast_cluster_lease_own_shards", NULL, NULL, 0,
	      "Shards of the lease that this host holds."),
	{LEVEL_RULES, KIND_NUMBER, TYPE_GAUGE, NULL, "xmcast_rules", NULL, NULL, 0,
	 "Rules by state."},

	COUNT(TOTALS, "steered_packets", "packets", "Packets that matched a rule, on either path."),
	COUNT(TOTALS, "received_packets", "packets",
	      "Packets read from RX rings or forwarded by the kernel path."),
	COUNT(TOTALS, "submitted_packets", "packets", "Datagrams handed to the kernel to be sent."),
	COUNT(TOTALS, "sent_packets", "packets",
	      "Datagrams that the kernel has accepted; on the kernel path, that were handed to "
	      "the output's device."),
	COUNT(TOTALS, "sent_bytes", "bytes", "UDP payload of the datagrams sent."),
	COUNT(TOTALS, "send_errors", NULL, "Datagrams that the kernel refused to send."),
	COUNT(TOTALS, "rate_limited_packets", "packets",
	      "Datagrams over the limit of their output, which were not sent."),
	COUNT(TOTALS, "withheld_packets", "packets",
	      "Datagrams that were not sent because they could not have left."),
	COUNT(TOTALS, "unwanted_packets", "packets",
	      "Datagrams that were not sent because no receiver has joined."),
	COUNT(TOTALS, "inactive_side_packets", "packets",
	      "Datagrams of inputs that are not selected, and those that a rule with `merge` did "
	      "not need, once for each output."),
	COUNT(TOTALS, "dropped_packets", "packets", "Steered packets that reached no output."),
	COUNT(TOTALS, "buffer_exhausted_packets", "packets",
	      "Packets dropped because no frame was free."),

	INFO(RULE, "xmcast_rule", "in=input source=source", "Input of the rule."),
	INFO(RULE, "xmcast_rule_path", "path=path",
	     "Path that carries the rule's packets: user or kernel."),
	NOW(RULE, BOOLEAN, "path_fallback", NULL,
	    "Whether the user path carries the rule although it may use the kernel path."),
	GAUGE(RULE, TEXT_IS, "state", "xmcast_rule_active", NULL, "active", 0,
	      "Whether the rule is active: 0 if it is idle, pending, standby or disabled."),
	GAUGE(RULE, TEXT_IS, "flow", "xmcast_rule_flowing", NULL, "flowing", 0,
	      "Whether a packet of the rule has arrived within the last events.silent_after "
	      "seconds."),
	COUNT(RULE, "received_packets", "packets", "Packets received for the rule."),
	COUNT(RULE, "received_bytes", "bytes", "UDP payload received for the rule."),
	NOW(RULE, NUMBER, "last_packet_timestamp_seconds", "seconds",
	    "Unix time of the last packet of the rule."),
	NOW(RULE, NUMBER, "groups", NULL,
	    "Groups of a prefix that the rule relays, because receivers want them."),
	NOW(RULE, NUMBER, "refused_groups", NULL,
	    "Groups of a prefix that receivers want, above a limit: not relayed."),
	NOW(RULE, NUMBER, "refused_sources", NULL,
	    "Sources of one group that receivers name, above a limit: without a stream of their "
	    "own."),
	NOW(RULE, NUMBER, "refused_over_share", NULL,
	    "Of the refused groups or sources: those that only hosts want that report too many."),
	{LEVEL_RULE, KIND_HISTOGRAM, TYPE_HISTOGRAM, "latency", "xmcast_rule_latency_seconds",
	 "seconds", NULL, 0,
	 "Time from reception to the completed send, of a sample of the rule's packets on the "
	 "user path; the kernel path is not measured."},

	NOW(WATCH, BOOLEAN, "broken_on_arrival", NULL,
	    "Whether something of the stream was missing when it reached this host, in the last "
	    "10 seconds."),
	NOW(WATCH, BOOLEAN, "broken_here", NULL,
	    "Whether this host has lost datagrams of the stream, in the last 10 seconds."),
	COUNT_BY(WATCH, "breaks", "where",
		 "How often the stream has become broken, on arrival or here; whole in between "
		 "is 10 seconds without more."),
	COUNT(WATCH, "errors", NULL,
	      "What breaks the stream, on arrival: lost packets and messages, errors of the "
	      "transport stream."),
	COUNT(WATCH, "unwatched_packets", "packets",
	      "Datagrams that were relayed and not looked at: of too many sources."),
	COUNT(WATCH_RTP, "received_packets", "packets", "RTP packets received."),
	COUNT(WATCH_RTP, "invalid_packets", "packets", "Datagrams that are no RTP."),
	COUNT(WATCH_RTP, "lost_packets", "packets", "Sequence numbers that have not arrived."),
	COUNT(WATCH_RTP, "reordered_packets", "packets",
	      "RTP packets that arrived behind a later one."),
	COUNT(WATCH_RTP, "duplicate_packets", "packets", "RTP packets that had arrived before."),
	COUNT(WATCH_RTP, "late_packets", "packets",
	      "RTP packets that arrived when they had been counted as lost, or that are far from "
	      "the others."),
	COUNT(WATCH_RTP, "restarts", NULL, "Sources whose sequence numbers have started again."),
	COUNT(WATCH_RTP, "source_changes", NULL,
	      "Sources (SSRC, address or port) that came after the first one."),
	GAUGE(WATCH_RTP, NUMBER, "jitter_ns", "xmcast_watch_rtp_jitter_seconds", "seconds", NULL,
	      1000000000, "The largest jitter of the RTP sources, as of RFC 3550."),
	COUNT(WATCH_TS, "invalid_packets", "packets",
	      "Datagrams that have no whole packets of a transport stream."),
	COUNT(WATCH_TS, "unchecked_packets", "packets",
	      "Datagrams that were relayed and not checked, because the relay was behind."),
	COUNTER(WATCH_TS, "ts_packets", "xmcast_watch_ts_packets", "packets", NULL,
		"Packets of transport streams."),
	COUNTER(WATCH_TS, "null_ts_packets", "xmcast_watch_ts_null_packets", "packets", NULL,
		"Null packets of transport streams."),
	COUNTER(WATCH_TS, "scrambled_ts_packets", "xmcast_watch_ts_scrambled_packets", "packets",
		NULL, "Scrambled packets of transport streams."),
	COUNT(WATCH_TS, "sync_byte_errors", NULL,
	      "Packets of transport streams with a wrong sync byte."),
	COUNT(WATCH_TS, "sync_losses", NULL, "Losses of sync of transport streams."),
	COUNT(WATCH_TS, "continuity_errors", NULL,
	      "Packets of transport streams with an unexpected continuity counter."),
	COUNT(WATCH_TS, "transport_errors", NULL,
	      "Packets of transport streams that a device in front of this host has marked as "
	      "erroneous."),
	COUNT(WATCH_TS, "pat_errors", NULL,
	      "Half seconds without a PAT, and wrong or scrambled ones."),
	COUNT(WATCH_TS, "pmt_errors", NULL,
	      "Half seconds without a PMT that the PAT names, and scrambled ones."),
	COUNT(WATCH_TS, "pcr_gaps", NULL, "Times of more than 100 ms without a PCR."),
	COUNT(WATCH_TS, "pcr_discontinuities", NULL,
	      "PCR values that differ by more than 100 ms without an announcement."),
	COUNT(WATCH_MOLD64, "received_packets", "packets", "MoldUDP64 packets received."),
	COUNT(WATCH_MOLD64, "invalid_packets", "packets", "Datagrams that are no MoldUDP64."),
	COUNT(WATCH_MOLD64, "heartbeats", NULL, "Heartbeats of MoldUDP64."),
	COUNT(WATCH_MOLD64, "ends_of_session", NULL,
	      "Packets that say that the session has ended."),
	COUNT(WATCH_MOLD64, "received_messages", "messages", "Messages of MoldUDP64 received."),
	COUNT(WATCH_MOLD64, "lost_messages", "messages", "Messages that have not arrived."),
	COUNT(WATCH_MOLD64, "reordered_messages", "messages",
	      "Messages that arrived behind a later one."),
	COUNT(WATCH_MOLD64, "duplicate_messages", "messages",
	      "Messages that had arrived before, or had been counted as lost."),
	COUNT(WATCH_MOLD64, "session_changes", NULL, "Sessions that came after the first one."),
	COUNT(WATCH_MOLD64, "restarts", NULL, "Sessions whose numbers have started again."),

	COUNT(RULE, "switches", NULL,
	      "How often another input of a rule with `select` was selected."),
	COUNT(RULE, "missing_numbers", "numbers",
	      "Numbers that no input of a rule with `merge` had in time."),
	COUNTER(RULE, "restarts", "xmcast_rule_merge_restarts", NULL, NULL,
		"How often a rule with `merge` has accepted another sender."),
	COUNT(RULE, "forced_gaps", NULL,
	      "Gaps that a rule with `merge` gave up early, because memory was short."),
	NOW(RULE, NUMBER, "held_packets", "packets",
	    "Packets that a rule with `merge` holds behind a gap."),
	NOW(RULE, NUMBER, "merge_bytes", "bytes",
	    "Memory in which a rule with `merge` remembers numbers."),

	COUNT(SIDE, "received_packets", "packets",
	      "Packets received for one of several inputs of a rule."),
	COUNT(SIDE, "received_bytes", "bytes",
	      "UDP payload received for one of several inputs of a rule."),
	COUNT(SIDE, "used_packets", "packets",
	      "Packets of one of several inputs that were relayed."),
	COUNT(SIDE, "inactive_packets", "packets",
	      "Packets of one of several inputs that came while another one was selected."),
	COUNTER(SIDE, "side_change_packets", "xmcast_side_change_packets", "packets", NULL,
		"Packets of an input that was selected just then, while those of the input before "
		"were still being sent."),
	COUNT(SIDE, "duplicate_packets", "packets",
	      "Packets of an input of a rule with `merge` that had left already."),
	COUNT(SIDE, "late_packets", "packets",
	      "Packets of an input of a rule with `merge` that had been given up before, or were "
	      "too old to know."),
	COUNT(SIDE, "foreign_packets", "packets",
	      "Packets of an input of a rule with `merge` by another sender, which did not take "
	      "over."),
	COUNT(SIDE, "missing_numbers", "numbers",
	      "Numbers that left, but did not arrive by this input of a rule with `merge` in "
	      "time."),
	NOW(SIDE, BOOLEAN, "selected", NULL, "Whether this one of several inputs is selected."),
	GAUGE(SIDE, TEXT_IS, "state", "xmcast_side_silent", NULL, "silent", 0,
	      "Whether this one of several inputs is silent."),

	COUNT(OUTPUT, "submitted_packets", "packets",
	      "Datagrams of the output handed to the kernel."),
	COUNT(OUTPUT, "sent_packets", "packets",
	      "Datagrams of the output that the kernel has accepted; on the kernel path, that "
	      "were handed to the output's device."),
	COUNT(OUTPUT, "sent_bytes", "bytes", "UDP payload sent to the output."),
	COUNTER(OUTPUT, "send_errors", "xmcast_output_failed_packets", "packets", NULL,
		"Datagrams of the output that the kernel refused, for any reason."),
	COUNTERS(OUTPUT, "errors", "xmcast_output_send_errors", NULL, "errno",
		 "Datagrams of the output that the kernel refused, by reason; EAGAIN is a full "
		 "socket buffer."),
	COUNT_BY(OUTPUT, "drops", "reason",
		 "Datagrams of the output that were not handed to the kernel; rate_limited: over "
		 "its limit; not_copied: the kernel path made no copy of the packet for it; "
		 "no_carrier, unreachable, no_source: it could not have left; ttl_expired: its "
		 "TTL would have been 0; standby: the lease of the rule was not held; "
		 "not_joined: no receiver has joined; inactive_side: another input of the rule "
		 "was selected; side_change: packets of the input before were still being sent; "
		 "of a rule with `merge`, duplicate: it had left already, late: it had been "
		 "given up before, foreign: of another sender, no_number: its number cannot be "
		 "read, merge_full: too many were waiting to be merged."),
	NOW(OUTPUT, BOOLEAN, "wanted", NULL,
	    "Whether a receiver has joined the group of an output with `when joined`."),
	COUNT_BY(OUTPUT, "icmp_errors", "error",
		 "ICMP errors about datagrams of the output, which others have sent or forged; "
		 "refused: no program receives on the port."),
	NOW(OUTPUT, NUMBER, "last_packet_timestamp_seconds", "seconds",
	    "Unix time at which the last packet was sent to the output."),
	NOW(OUTPUT, NUMBER, "gso_segments", NULL,
	    "Maximum number of datagrams in one batch; 1: they are sent singly."),
	COUNT(OUTPUT, "gso_refused_batches", NULL,
	      "Batches that the kernel refused; their datagrams were sent singly."),

	INFO(INTERFACE, "xmcast_interface", "mode=mode",
	     "Mode of the interface's XDP program."),
	GAUGE(INTERFACE, TEXT_IS, "state", "xmcast_interface_active", NULL, "active", 0,
	      "Whether the interface is active: 0 if it is impaired or failed."),
	NOW(INTERFACE, BOOLEAN, "zero_copy", NULL,
	    "Whether the driver writes packets into frames without copying them."),
	COUNTERS(INTERFACE, "verdicts", "xmcast_interface_packets", "packets", "verdict",
		 "Packets that the interface received: steered to the user path, forwarded by the "
		 "kernel path, or the reason why they were passed to the kernel."),

	COUNT(INTERFACE, "missing_packets", "packets",
	      "Steered packets that were neither received nor counted as dropped."),

	COUNT(REDIRECT, "sent_packets", "packets",
	      "Packets of the kernel path that the interface redirected to the device and the "
	      "device accepted."),
	COUNT_BY(REDIRECT, "drops", "reason",
		 "Packets of the kernel path that the interface redirected to the device and the "
		 "device dropped, by reason; ring_full: its transmit ring had no room."),

	COUNT(DEVICE, "sent_packets", "packets",
	      "Packets of all programs that an interface with outputs has transmitted."),
	COUNT_BY(DEVICE, "drops", "reason",
		 "Packets of all programs that an interface with outputs has dropped; queue: its "
		 "queueing discipline; tx_dropped, tx_errors: the device."),

	COUNT(QUEUE, "received_packets", "packets", "Packets read from the RX ring of the queue."),
	COUNTER(QUEUE, "rx_dropped", "xmcast_xsk_drops", NULL, "reason=\"rx_dropped\"",
		"Packets that the kernel dropped at the queue's AF_XDP socket, each counted once."),
	COUNTER(QUEUE, "rx_ring_full", NULL, NULL, "reason=\"rx_ring_full\"", NULL),
	COUNT(QUEUE, "fill_ring_empty", NULL,
	      "Packets for which no frame was free; in copy mode rx_dropped includes them."),

	COUNT(WORKER, "received_packets", "packets", "Packets received by the worker."),
	COUNT_BY(WORKER, "drops", "reason",
		 "Packets that the worker received and passed to no output."),
	NOW(WORKER, NUMBER, "frames", NULL, "Frames of the worker."),
	GAUGE(WORKER, NUMBER, "kernel_frames", "xmcast_worker_held_frames", NULL,
	      "holder=\"kernel\"", 0,
	      "Frames of the worker by holder: free in the kernel's rings, queued, or being sent."),
	GAUGE(WORKER, NUMBER, "queued_frames", NULL, NULL, "holder=\"queue\"", 0, NULL),
	GAUGE(WORKER, NUMBER, "in_flight_frames", NULL, NULL, "holder=\"sends\"", 0, NULL),
	COUNT(WORKER, "wakeups", NULL, "Wake-ups of the egress thread by the ingress thread."),
	COUNT(WORKER, "sleeps", NULL, "Times that the egress thread waited for an event."),
	COUNT(WORKER, "submits", NULL, "System calls that submitted sends."),
	COUNT(WORKER, "sends", NULL, "Sends of one or more datagrams."),
	COUNT(WORKER, "cq_overflows", NULL,
	      "Completions that did not fit into the completion ring at once."),
	COUNT(WORKER, "uncertain_frames", NULL,
	      "Frames that were in a process when it was killed: their packets were sent or "
	      "lost."),

	COUNTERS(TOP, "events", "xmcast_events", NULL, "event",
		 "Events by name, as in the log and in xmcastctl monitor."),
};
/* clang-format on */

const unsigned int metric_count = sizeof(metric_table) / sizeof(metric_table[0]);
