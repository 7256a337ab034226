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

const struct metric metric_table[] = {
	INFO(VERSION, "xmcast_build",
	     "daemon=version revision=revision branch=branch kernel=kernel libbpf=libbpf "
	     "libxdp=libxdp liburing=liburing",
	     "What the daemon was built from, and the kernel and libraries that it uses."),
	COUNTER(VERSION, "exporter_closed_clients", "xmcast_exporter_closed_clients", NULL, NULL,
		"Clients that xmcast-exporter closed: too slow, too many, or in the way of others."),

	GAUGE(PROCESS, NUMBER, "start_time_seconds", "process_start_time_seconds", "seconds", NULL, 0,
	      "Unix time at which the daemon started."),
	{LEVEL_PROCESS, KIND_NUMBER, TYPE_COUNTER, "cpu_us", "process_cpu_seconds", "seconds", NULL,
	 1000000, "Time of CPUs that all threads of the daemon have used."},
	GAUGE(PROCESS, NUMBER, "resident_bytes", "process_resident_memory_bytes", "bytes", NULL, 0,
	      "Memory of the daemon that is in RAM."),
	GAUGE(PROCESS, NUMBER, "virtual_bytes", "process_virtual_memory_bytes", "bytes", NULL, 0,
	      "Address space of the daemon."),
	GAUGE(PROCESS, NUMBER, "open_fds", "process_open_fds", NULL, NULL, 0,
	      "Descriptors that the daemon has open."),
	GAUGE(PROCESS, NUMBER, "max_fds", "process_max_fds", NULL, NULL, 0,
	      "Descriptors that the daemon may open."),

	GAUGE(CONFIG, BOOLEAN, "last_reload_successful", "xmcast_config_last_reload_successful",
	      NULL, NULL, 0,
	      "Whether the last load or reload of the configuration was applied."),
	GAUGE(CONFIG, NUMBER, "last_reload_seconds",
	      "xmcast_config_last_reload_success_timestamp_seconds", "seconds", NULL, 0,
	      "Unix time of the last load or reload that was applied."),
	GAUGE(CONFIG, NUMBER, "rollback_timestamp_seconds",
	      "xmcast_config_rollback_timestamp_seconds", "seconds", NULL, 0,
	      "Unix time at which an applied configuration is rolled back unless it is confirmed. "
	      "Absent: none waits."),
	COUNTER(CONFIG, "reloads", "xmcast_config_reloads", NULL, NULL,
		"Reload requests, applied or refused."),

	GAUGE(LEASES, NUMBER, "held_shards", "xmcast_lease_held_shards", NULL, NULL, 0,
	      "Shards of leases that this host holds."),
	GAUGE(LEASES, NUMBER, "standby_shards", "xmcast_lease_standby_shards", NULL, NULL, 0,
	      "Shards of leases that this host does not hold."),
	GAUGE(LEASES, NUMBER, "unheld_shards", "xmcast_lease_unheld_shards", NULL, NULL, 0,
	      "Shards of leases without a known holder for longer than events.unheld_after."),
	COUNTER(LEASES, "double_sources", "xmcast_lease_double_sources", NULL, NULL,
		"Seconds in which another host sent to the group of an output whose lease this host "
		"held, or two others by turns; for each output that was looked at."),
	GAUGE(RECEIVERS, NUMBER, "groups", "xmcast_receiver_groups", NULL, NULL, 0,
	      "Pairs of output interface and group that receivers want."),
	GAUGE(RECEIVERS, NUMBER, "members", "xmcast_receiver_members", NULL, NULL, 0,
	      "Receivers, each counted once for each of its groups."),
	COUNTER(RECEIVERS, "messages", "xmcast_receiver_messages", NULL, NULL,
		"IGMP and MLD messages read on interfaces of outputs with `when joined`."),
	COUNTERS(RECEIVERS, "bad_messages", "xmcast_receiver_bad_messages", NULL, "reason",
		 "Packets there that were not used; forwarded: not sent by a host of the link."),
	COUNTER(RECEIVERS, "lost_messages", "xmcast_receiver_lost_messages", NULL, NULL,
		"Messages that the kernel dropped because they were not read fast enough."),
	COUNTER(RECEIVERS, "refused_reports", "xmcast_receiver_refused_reports", NULL, NULL,
		"Reports above demand.max_groups or demand.max_members."),
	COUNTER(RECEIVERS, "sent_queries", "xmcast_receiver_sent_queries", NULL, NULL,
		"Queries sent."),

	GAUGE(CLUSTER, BOOLEAN, "up", "xmcast_cluster_up", NULL, NULL, 0,
	      "Whether xmcast-cluster answers on this host. Absent: it was not started."),
	GAUGE(CLUSTER, TEXT_IS, "state", "xmcast_cluster_member", NULL, "member", 0,
	      "Whether this host is a member and may hold shards."),
	GAUGE(CLUSTER, NUMBER, "deadline_ms", "xmcast_cluster_deadline_seconds", "seconds", NULL,
	      1000, "How long this host may send without another renewal in etcd."),
	COUNTER(CLUSTER, "moves", "xmcast_cluster_moves", NULL, NULL,
		"Shards that this host has got or lost since its xmcast-cluster was started."),
	GAUGE(CLUSTER_DAEMON, BOOLEAN, "answers", "xmcast_cluster_daemon_answers", NULL, NULL, 0,
	      "Whether xmcastd answers xmcast-cluster."),
	GAUGE(CLUSTER_STORE, BOOLEAN, "reachable", "xmcast_cluster_store_reachable", NULL, NULL, 0,
	      "Whether etcd has answered the last transaction."),
	GAUGE(CLUSTER_STORE, BOOLEAN, "watching", "xmcast_cluster_store_watching", NULL, NULL, 0,
	      "Whether changes of other hosts are seen."),
	COUNTER(CLUSTER_STORE, "failures", "xmcast_cluster_store_failures", NULL, NULL,
		"Transactions that etcd did not answer."),
	COUNTER(CLUSTER_STORE, "watch_losses", "xmcast_cluster_store_watch_losses", NULL, NULL,
		"Interruptions of the watch, after which all keys are read again."),
	COUNTER(CLUSTER_STORE, "strange_keys", "xmcast_cluster_store_strange_keys", NULL, NULL,
		"Keys below the prefix that xmcast-cluster has not written."),
	GAUGE(CLUSTER_NODE, TEXT_IS, "state", "xmcast_cluster_node_active", NULL, "active", 0,
	      "Whether the node renews its key and does not drain, as this host sees it."),
	GAUGE(CLUSTER_NODE, NUMBER, "shards", "xmcast_cluster_node_shards", NULL, NULL, 0,
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

	COUNTER(TOTALS, "steered_packets", "xmcast_steered_packets", "packets", NULL,
		"Packets that matched a rule, on either path."),
	COUNTER(TOTALS, "received_packets", "xmcast_received_packets", "packets", NULL,
		"Packets read from RX rings or forwarded by the kernel path."),
	COUNTER(TOTALS, "submitted_packets", "xmcast_submitted_packets", "packets", NULL,
		"Datagrams handed to the kernel to be sent."),
	COUNTER(TOTALS, "sent_packets", "xmcast_sent_packets", "packets", NULL,
		"Datagrams that the kernel has accepted; on the kernel path, that were handed to "
		"the output's device."),
	COUNTER(TOTALS, "sent_bytes", "xmcast_sent_bytes", "bytes", NULL,
		"UDP payload of the datagrams sent."),
	COUNTER(TOTALS, "send_errors", "xmcast_send_errors", NULL, NULL,
		"Datagrams that the kernel refused to send."),
	COUNTER(TOTALS, "rate_limited_packets", "xmcast_rate_limited_packets", "packets", NULL,
		"Datagrams over the limit of their output, which were not sent."),
	COUNTER(TOTALS, "withheld_packets", "xmcast_withheld_packets", "packets", NULL,
		"Datagrams that were not sent because they could not have left."),
	COUNTER(TOTALS, "unwanted_packets", "xmcast_unwanted_packets", "packets", NULL,
		"Datagrams that were not sent because no receiver has joined."),
	COUNTER(TOTALS, "dropped_packets", "xmcast_dropped_packets", "packets", NULL,
		"Steered packets that reached no output."),
	COUNTER(TOTALS, "buffer_exhausted_packets", "xmcast_buffer_exhausted_packets", "packets",
		NULL, "Packets dropped because no frame was free."),

	INFO(RULE, "xmcast_rule", "in=input source=source", "Input of the rule."),
	INFO(RULE, "xmcast_rule_path", "path=path",
	     "Path that carries the rule's packets: user or kernel."),
	GAUGE(RULE, BOOLEAN, "path_fallback", "xmcast_rule_path_fallback", NULL, NULL, 0,
	      "Whether the user path carries the rule although it may use the kernel path."),
	GAUGE(RULE, TEXT_IS, "state", "xmcast_rule_active", NULL, "active", 0,
	      "Whether the rule is active: 0 if it is idle, pending, standby or disabled."),
	GAUGE(RULE, TEXT_IS, "flow", "xmcast_rule_flowing", NULL, "flowing", 0,
	      "Whether a packet of the rule has arrived within the last events.silent_after "
	      "seconds."),
	COUNTER(RULE, "received_packets", "xmcast_rule_received_packets", "packets", NULL,
		"Packets received for the rule."),
	COUNTER(RULE, "received_bytes", "xmcast_rule_received_bytes", "bytes", NULL,
		"UDP payload received for the rule."),
	GAUGE(RULE, NUMBER, "last_packet_timestamp_seconds",
	      "xmcast_rule_last_packet_timestamp_seconds", "seconds", NULL, 0,
	      "Unix time of the last packet of the rule."),
	{LEVEL_RULE, KIND_HISTOGRAM, TYPE_HISTOGRAM, "latency", "xmcast_rule_latency_seconds",
	 "seconds", NULL, 0,
	 "Time from reception to the completed send, of a sample of the rule's packets on the "
	 "user path; the kernel path is not measured."},

	COUNTER(OUTPUT, "submitted_packets", "xmcast_output_submitted_packets", "packets", NULL,
		"Datagrams of the output handed to the kernel."),
	COUNTER(OUTPUT, "sent_packets", "xmcast_output_sent_packets", "packets", NULL,
		"Datagrams of the output that the kernel has accepted; on the kernel path, that "
		"were handed to the output's device."),
	COUNTER(OUTPUT, "sent_bytes", "xmcast_output_sent_bytes", "bytes", NULL,
		"UDP payload sent to the output."),
	COUNTER(OUTPUT, "send_errors", "xmcast_output_failed_packets", "packets", NULL,
		"Datagrams of the output that the kernel refused, for any reason."),
	COUNTERS(OUTPUT, "errors", "xmcast_output_send_errors", NULL, "errno",
		 "Datagrams of the output that the kernel refused, by reason; EAGAIN is a full "
		 "socket buffer."),
	COUNTERS(OUTPUT, "drops", "xmcast_output_drops", NULL, "reason",
		 "Datagrams of the output that were not handed to the kernel; rate_limited: over "
		 "its limit; not_copied: the kernel path made no copy of the packet for it; "
		 "no_carrier, unreachable, no_source: it could not have left; ttl_expired: its "
		 "TTL would have been 0; standby: the lease of the rule was not held; not_joined: no receiver has joined."),
	GAUGE(OUTPUT, BOOLEAN, "wanted", "xmcast_output_wanted", NULL, NULL, 0,
	      "Whether a receiver has joined the group of an output with `when joined`."),
	COUNTERS(OUTPUT, "icmp_errors", "xmcast_output_icmp_errors", NULL, "error",
		 "ICMP errors about datagrams of the output, which others have sent or forged; "
		 "refused: no program receives on the port."),
	GAUGE(OUTPUT, NUMBER, "last_packet_timestamp_seconds",
	      "xmcast_output_last_packet_timestamp_seconds", "seconds", NULL, 0,
	      "Unix time at which the last packet was sent to the output."),
	GAUGE(OUTPUT, NUMBER, "gso_segments", "xmcast_output_gso_segments", NULL, NULL, 0,
	      "Maximum number of datagrams in one batch; 1: they are sent singly."),
	COUNTER(OUTPUT, "gso_refused_batches", "xmcast_output_gso_refused_batches", NULL, NULL,
		"Batches that the kernel refused; their datagrams were sent singly."),

	INFO(INTERFACE, "xmcast_interface", "mode=mode",
	     "Mode of the interface's XDP program."),
	GAUGE(INTERFACE, TEXT_IS, "state", "xmcast_interface_active", NULL, "active", 0,
	      "Whether the interface is active: 0 if it is impaired or failed."),
	GAUGE(INTERFACE, BOOLEAN, "zero_copy", "xmcast_interface_zero_copy", NULL, NULL, 0,
	      "Whether the driver writes packets into frames without copying them."),
	COUNTERS(INTERFACE, "verdicts", "xmcast_interface_packets", "packets", "verdict",
		 "Packets that the interface received: steered to the user path, forwarded by the "
		 "kernel path, or the reason why they were passed to the kernel."),

	COUNTER(INTERFACE, "missing_packets", "xmcast_interface_missing_packets", "packets", NULL,
		"Steered packets that were neither received nor counted as dropped."),

	COUNTER(REDIRECT, "sent_packets", "xmcast_redirect_sent_packets", "packets", NULL,
		"Packets of the kernel path that the interface redirected to the device and the "
		"device accepted."),
	COUNTERS(REDIRECT, "drops", "xmcast_redirect_drops", NULL, "reason",
		 "Packets of the kernel path that the interface redirected to the device and the "
		 "device dropped, by reason; ring_full: its transmit ring had no room."),

	COUNTER(DEVICE, "sent_packets", "xmcast_output_interface_sent_packets", "packets", NULL,
		"Packets of all programs that an interface with outputs has transmitted."),
	COUNTERS(DEVICE, "drops", "xmcast_output_interface_drops", NULL, "reason",
		 "Packets of all programs that an interface with outputs has dropped; queue: its "
		 "queueing discipline; tx_dropped, tx_errors: the device."),

	COUNTER(QUEUE, "received_packets", "xmcast_xsk_received_packets", "packets", NULL,
		"Packets read from the RX ring of the queue."),
	COUNTER(QUEUE, "rx_dropped", "xmcast_xsk_drops", NULL, "reason=\"rx_dropped\"",
		"Packets that the kernel dropped at the queue's AF_XDP socket, each counted once."),
	COUNTER(QUEUE, "rx_ring_full", NULL, NULL, "reason=\"rx_ring_full\"", NULL),
	COUNTER(QUEUE, "fill_ring_empty", "xmcast_xsk_fill_ring_empty", NULL, NULL,
		"Packets for which no frame was free; in copy mode rx_dropped includes them."),

	COUNTER(WORKER, "received_packets", "xmcast_worker_received_packets", "packets", NULL,
		"Packets received by the worker."),
	COUNTERS(WORKER, "drops", "xmcast_worker_drops", NULL, "reason",
		 "Packets that the worker received and passed to no output."),
	GAUGE(WORKER, NUMBER, "frames", "xmcast_worker_frames", NULL, NULL, 0,
	      "Frames of the worker."),
	GAUGE(WORKER, NUMBER, "kernel_frames", "xmcast_worker_held_frames", NULL,
	      "holder=\"kernel\"", 0,
	      "Frames of the worker by holder: free in the kernel's rings, queued, or being sent."),
	GAUGE(WORKER, NUMBER, "queued_frames", NULL, NULL, "holder=\"queue\"", 0, NULL),
	GAUGE(WORKER, NUMBER, "in_flight_frames", NULL, NULL, "holder=\"sends\"", 0, NULL),
	COUNTER(WORKER, "wakeups", "xmcast_worker_wakeups", NULL, NULL,
		"Wake-ups of the egress thread by the ingress thread."),
	COUNTER(WORKER, "sleeps", "xmcast_worker_sleeps", NULL, NULL,
		"Times that the egress thread waited for an event."),
	COUNTER(WORKER, "submits", "xmcast_worker_submits", NULL, NULL,
		"System calls that submitted sends."),
	COUNTER(WORKER, "sends", "xmcast_worker_sends", NULL, NULL,
		"Sends of one or more datagrams."),
	COUNTER(WORKER, "cq_overflows", "xmcast_worker_cq_overflows", NULL, NULL,
		"Completions that did not fit into the completion ring at once."),
	COUNTER(WORKER, "uncertain_frames", "xmcast_worker_uncertain_frames", NULL, NULL,
		"Frames that were in a process when it was killed: their packets were sent or lost."),

	COUNTERS(TOP, "events", "xmcast_events", NULL, "event",
		 "Events by name, as in the log and in xmcastctl monitor."),
};
/* clang-format on */

const unsigned int metric_count = sizeof(metric_table) / sizeof(metric_table[0]);
