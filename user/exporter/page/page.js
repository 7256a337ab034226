// SPDX-License-Identifier: BSD-2-Clause
// The status page: asks for /api/stats and /api/events, and shows them. Names come from the
// configuration, so they are only ever set as text. What is kept is bounded: one minute of rates
// for each rule that exists, EVENTS_SHOWN events, and nodes for one page of rules, which are reused.
"use strict";

const PAGE_ROWS = 50;
const EVENTS_SHOWN = 200;
const MINUTE_MS = 60000;
const LOSING_MS = 10000; // for how long after a loss a rule is marked
const SAMPLES = 64; // of a minute; a power of two
const PERIOD_MS = 1000;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const format = new Intl.NumberFormat("en");
const number = (n) => format.format(n);

// ---- the model ----

const model = {
	stats: null,
	rules: [], // what is known of each rule, in the daemon's order
	byName: new Map(),
	times: new Float64Array(SAMPLES), // of the samples of all curves, as performance.now()
	taken: 0, // samples so far
	totals: { pps: new Float64Array(SAMPLES).fill(NaN), sent: new Float64Array(SAMPLES).fill(NaN),
		lost: new Float64Array(SAMPLES).fill(NaN) },
	before: null, // totals of the last answer, for rates
	expanded: new Set(), // names of rules
	page: 0,
	events: { since: 0, last: 0, failed: false },
};

const sum = (counts) => Object.values(counts || {}).reduce((total, n) => total + n, 0);
// What is dropped as standby is no loss, because another host sends it; nor is what nobody wants, or what another
// input of the rule has.
const lostByOutput = (output) =>
	output.send_errors + output.dropped_packets -
	["standby", "not_joined", "inactive_side", "duplicate", "late", "foreign"]
		.reduce((total, reason) => total + (output.drops[reason] || 0), 0);

// Where the stream of a rule with `watch` is broken; "": nowhere.
function brokenText(data) {
	const watch = data.watch || {};
	const places = [watch.broken_on_arrival && "on arrival", watch.broken_here && "here"].filter(Boolean);

	return places.length ? `broken ${places.join(" and ")}` : "";
}

// What is said of the stream: "rtp: 5 lost_packets, 2 reordered_packets, jitter 1.2 ms".
function watchText(data) {
	const kinds = Object.entries(data.watch || {})
		.filter(([, figures]) => figures !== null && figures.invalid_packets !== undefined);

	return kinds.map(([kind, figures]) => {
		const counts = Object.fromEntries(Object.entries(figures).filter(([key, value]) =>
			typeof value === "number" && key !== "jitter_ns"));
		const jitter = typeof figures.jitter_ns === "number" ? `, jitter ${time(figures.jitter_ns)}` : "";

		return `${kind}: ${reasons(counts) || "nothing yet"}${jitter}`;
	}).join("; ");
}

// How bad: 3 pending, 2 packets are being lost, 1 silent or an output cannot send, 0 fine.
function severity(rule) {
	if (rule.data.state === "pending")
		return 3;
	if (rule.data.state !== "active")
		return 0;
	if (rule.losing || brokenText(rule.data))
		return 2;
	return rule.data.flow === "silent" || rule.data.outputs.some((output) => output.reason) ? 1 : 0;
}

function updateRule(data, now, slot) {
	let rule = model.byName.get(data.name);

	if (!rule) {
		rule = { name: data.name, rates: new Float32Array(SAMPLES).fill(NaN), lost: null, lostAt: -Infinity };
		model.byName.set(data.name, rule);
	}
	const lost = data.outputs.reduce((total, output) => total + lostByOutput(output), 0);

	if (rule.lost !== null && lost > rule.lost)
		rule.lostAt = now;
	rule.losing = now - rule.lostAt < LOSING_MS;
	rule.lost = lost;
	rule.data = data;
	rule.rates[slot] = data.rate_pps;
	rule.seen = model.taken;
	rule.severity = severity(rule);
	rule.text = `${data.name} ${data.in} ${data.source || ""} ` +
		data.outputs.map((output) => output.to).join(" ");
	rule.text = rule.text.toLowerCase();
	return rule;
}

// What reached no output, or was not sent by one.
function lostInAll(totals) {
	return totals.dropped_packets + totals.send_errors + totals.rate_limited_packets +
		totals.withheld_packets;
}

function updateTotals(stats, now, slot) {
	const totals = stats.totals;
	const before = model.before;
	const seconds = before ? (now - before.now) / 1000 : 0;
	// A counter that has decreased belongs to another process.
	const rate = (after, earlier) =>
		before && seconds > 0 && after >= earlier ? (after - earlier) / seconds : NaN;

	model.totals.pps[slot] = model.rules.reduce((pps, rule) => pps + rule.data.rate_pps, 0);
	model.totals.sent[slot] = rate(totals.sent_packets, before ? before.sent : 0);
	model.totals.lost[slot] = rate(lostInAll(totals), before ? before.lost : 0);
	model.before = { now, sent: totals.sent_packets, lost: lostInAll(totals) };
}

function update(stats) {
	const now = performance.now();
	const slot = model.taken % SAMPLES;

	model.times[slot] = now;
	model.rules = stats.rules.map((rule) => updateRule(rule, now, slot));
	updateTotals(stats, now, slot);
	for (const [name, rule] of model.byName) {
		if (rule.seen !== model.taken) {
			model.byName.delete(name);
			model.expanded.delete(name);
		}
	}
	model.taken++;
	model.stats = stats;
}

// ---- nodes ----

function element(tag, className, text) {
	const made = document.createElement(tag);

	if (className)
		made.className = className;
	if (text !== undefined)
		made.textContent = text;
	return made;
}

// Setting an equal text would still replace the node, and with it a selection.
function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

function setClass(node, name) {
	if (node.className !== name)
		node.className = name;
}

function setHidden(node, hidden) {
	if (node.hidden !== hidden)
		node.hidden = hidden;
}

// Give `parent` one child for each item, reusing those that it has.
function fill(parent, items, make, show) {
	while (parent.children.length > items.length)
		parent.lastElementChild.remove();
	items.forEach((item, i) => {
		if (i === parent.children.length)
			parent.append(make());
		show(parent.children[i], item);
	});
}

function makeCells(row, classes, role) {
	for (const name of classes) {
		const cell = element("td", name);

		if (role)
			cell.setAttribute("role", "cell");
		row.append(cell);
	}
	return row;
}

function makeCurve() {
	const svg = document.createElementNS(SVG, "svg");

	svg.setAttribute("viewBox", "0 0 60 20");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("role", "img");
	svg.append(document.createElementNS(SVG, "path"));
	return svg;
}

// The values of the last minute, the newest on the right, scaled to their maximum.
function showCurve(svg, values, what) {
	const now = model.times[(model.taken - 1) % SAMPLES];
	const points = [];
	let most = 0;

	for (let i = Math.max(0, model.taken - SAMPLES); i < model.taken; i++) {
		const age = now - model.times[i % SAMPLES];
		const value = values[i % SAMPLES];

		if (age > MINUTE_MS || Number.isNaN(value))
			continue;
		points.push([60 - age / 1000, value]);
		most = Math.max(most, value);
	}
	const path = points.map(([x, y], i) =>
		`${i ? "L" : "M"}${x.toFixed(1)} ${(19 - (most ? y / most * 18 : 0)).toFixed(1)}`);

	svg.firstElementChild.setAttribute("d", path.join(""));
	svg.setAttribute("aria-label", `${what}, most in the last minute: ${number(Math.round(most))}`);
}

// ---- texts ----

function bits(n) {
	const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
	let unit = 0;

	for (; n >= 1000 && unit < units.length - 1; unit++)
		n /= 1000;
	return `${unit ? n.toPrecision(3) : n} ${units[unit]}`;
}

function time(ns) {
	const units = [["s", 1e9], ["ms", 1e6], ["µs", 1e3]];
	const [unit, size] = units.find(([, least]) => ns >= least) || ["ns", 1];

	return `${Number((ns / size).toPrecision(3))} ${unit}`;
}

function duration(seconds) {
	const days = Math.floor(seconds / 86400);
	const clock = [seconds % 86400 / 3600, seconds % 3600 / 60, seconds % 60]
		.map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");

	return days ? `${days} d ${clock}` : clock;
}

// "5 EAGAIN, 3 rate_limited"
const reasons = (...maps) => maps.flatMap((map) => Object.entries(map || {}))
	.filter(([, count]) => count).map(([name, count]) => `${number(count)} ${name}`).join(", ");

// What all outputs have lost, by reason.
function lossReasons(outputs) {
	const all = {};

	for (const output of outputs) {
		for (const [name, count] of Object.entries({ ...output.errors, ...output.drops }))
			all[name] = (all[name] || 0) + count;
	}
	return reasons(all);
}

// ---- totals ----

function showTotals() {
	const totals = model.stats.totals;
	const slot = (model.taken - 1) % SAMPLES;
	const counts = { active: 0, pending: 0 };
	const rate = (n) => Number.isNaN(n) ? "" : number(Math.round(n));

	for (const rule of model.rules)
		counts[rule.data.state] = (counts[rule.data.state] || 0) + 1;
	fill(byId("totals"), [
		{ title: "Rules", value: number(model.rules.length), bad: counts.pending > 0,
			more: Object.entries(counts).map(([state, n]) => `${number(n)} ${state}`).join(", ") },
		{ title: "Received/s", value: rate(model.totals.pps[slot]), curve: model.totals.pps,
			more: `${number(totals.received_packets)} received` },
		{ title: "Sent/s", value: rate(model.totals.sent[slot]), curve: model.totals.sent,
			more: `${number(totals.sent_packets)} sent` },
		{ title: "Lost/s", value: rate(model.totals.lost[slot]), curve: model.totals.lost,
			bad: model.totals.lost[slot] > 0, more: `${number(lostInAll(totals))} lost` },
	], () => {
		const card = element("div");

		card.append(element("dt"), element("dd"), element("dd", "more"), makeCurve());
		return card;
	}, (card, item) => {
		const [title, value, more, curve] = card.children;

		setClass(card, item.bad ? "bad" : "");
		setText(title, item.title);
		setText(value, item.value || "\u2013");
		setText(more, item.more);
		curve.toggleAttribute("hidden", !item.curve);
		if (item.curve)
			showCurve(curve, item.curve, item.title);
	});
}

// ---- rules ----

const filters = {
	all: () => true,
	problems: (rule) => rule.severity > 0,
	active: (rule) => rule.data.state === "active",
	pending: (rule) => rule.data.state === "pending",
	standby: (rule) => rule.data.state === "standby",
	idle: (rule) => rule.data.state === "idle",
	disabled: (rule) => rule.data.state === "disabled",
	silent: (rule) => rule.data.state === "active" && rule.data.flow !== "flowing",
	losing: (rule) => rule.losing,
};

const latency = (rule) => rule.data.latency ? rule.data.latency.p99_ns : -1;
const orders = {
	problem: (a, b) => b.severity - a.severity,
	name: () => 0,
	pps: (a, b) => b.data.rate_pps - a.data.rate_pps,
	bps: (a, b) => b.data.rate_bps - a.data.rate_bps,
	lost: (a, b) => b.lost - a.lost,
	p99: (a, b) => latency(b) - latency(a),
};

function chosenRules() {
	const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
	const filter = filters[byId("filter").value];
	const order = orders[byId("sort").value];
	const chosen = model.rules.filter((rule) =>
		filter(rule) && words.every((word) => rule.text.includes(word)));

	return chosen.sort((a, b) => order(a, b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const RULE_CELLS = ["", "", "", "number", "number", "", "number", "number", "number", ""];

function makeRule() {
	const row = makeCells(element("tr"), RULE_CELLS, true);
	const cells = row.children;
	const labels = ["", "", "Input", "Packets/s", "Bit/s", "", "Received", "Lost", "99 % within", "Path"];

	row.setAttribute("role", "row");
	labels.forEach((label, i) => label && cells[i].setAttribute("data-label", label));
	cells[0].append(element("button", "name"));
	cells[0].firstChild.type = "button";
	cells[1].append(element("span", "badge"), element("span", "reason"));
	cells[2].append(element("span"));
	cells[5].append(makeCurve());
	return row;
}

function showRule(row, rule) {
	const [name, state, input, pps, bps, curve, received, lost, within, path] = row.children;
	const data = rule.data;
	const expanded = model.expanded.has(rule.name);
	const kinds = ["", "warn", "bad", "bad"];
	const where = brokenText(data);
	const flow = data.state !== "active" ? data.state : rule.losing ? "losing packets" :
		where ? where :
		data.flow === "never" ? "no packet yet" : data.flow;
	const badge = data.state === "pending" ? "bad" : data.state !== "active" ? "" :
		rule.losing || where ? "bad" : data.flow === "flowing" ? "good" : "warn";
	const broken = data.outputs.filter((output) => output.reason)
		.map((output) => `${output.to}: ${output.reason}`);

	setClass(row, kinds[rule.severity]);
	row.dataset.rule = rule.name;
	setText(name.firstChild, rule.name);
	name.firstChild.setAttribute("aria-expanded", expanded);
	setText(state.children[0], flow);
	setClass(state.children[0], `badge ${badge}`);
	setText(state.children[1], data.reason || broken.join("; ") ||
		(rule.losing ? lossReasons(data.outputs) : where ? watchText(data) : ""));
	setText(input.firstChild, data.source ? `${data.in} from ${data.source}` : data.in);
	setText(pps, number(data.rate_pps));
	setText(bps, bits(data.rate_bps));
	showCurve(curve.firstChild, rule.rates, "Packets/s");
	setText(received, number(data.received_packets));
	setText(lost, number(rule.lost));
	setClass(lost, rule.losing ? "number bad" : "number");
	setText(within, data.latency ? time(data.latency.p99_ns) : "\u2013");
	setText(path, data.path);
}

function makeDetail() {
	const row = makeCells(element("tr", "detail"), [""], true);
	const cell = row.firstChild;
	const table = element("table");
	const head = element("tr");

	row.setAttribute("role", "row");
	cell.colSpan = RULE_CELLS.length;
	for (const [title, className] of [["Output", ""], ["Packets/s", "number"], ["Sent", "number"],
		["Lost", "number"], ["Why"]]) {
		const cellOfHead = element("th", className, title);

		cellOfHead.scope = "col";
		head.append(cellOfHead);
	}
	table.append(element("thead"), element("tbody"));
	table.tHead.append(head);
	cell.append(element("p"), table);
	return row;
}

function showDetail(row, rule) {
	const [note, table] = row.firstChild.children;
	const data = rule.data;
	const texts = [];

	if (data.latency)
		texts.push(`Latency: 50 % within ${time(data.latency.p50_ns)}, 90 % ${time(data.latency.p90_ns)}, ` +
			`99 % ${time(data.latency.p99_ns)}, most ${time(data.latency.max_ns)}.`);
	if (data.watch)
		texts.push(`Stream${brokenText(data) ? `, ${brokenText(data)}` : ""}: ${watchText(data)}.`);
	if (data.sides)
		texts.push(`Inputs: ${data.sides.map((side) => `${side.name} ${side.state} (${side.in})`).join(", ")}.`);
	if (data.path_reason)
		texts.push(`Path ${data.path}: ${data.path_reason}.`);
	texts.push(`Highest rate: ${number(data.peak_pps)} packets/s.`);
	if (data.last_packet_seconds !== null)
		texts.push(`Last packet: ${duration(data.last_packet_seconds)} ago.`);
	setText(note, texts.join(" "));
	fill(table.tBodies[0], data.outputs, () => makeCells(element("tr"), ["", "number", "number", "number", ""]),
		(line, output) => {
			const [to, pps, sent, lost, why] = line.children;
			const texts = [output.reason, reasons(output.errors, output.drops),
				reasons(output.icmp_errors) && `ICMP: ${reasons(output.icmp_errors)}`];

			setText(to, output.to);
			setText(pps, number(output.rate_pps));
			setText(sent, number(output.sent_packets));
			setText(lost, number(lostByOutput(output)));
			setText(why, texts.filter(Boolean).join("; "));
			setClass(why, output.reason ? "bad-text" : "");
		});
}

// The focus stays with its rule when the order changes.
function keepFocus(show) {
	const focused = document.activeElement.closest("tr[data-rule]");
	const name = focused && focused.dataset.rule;

	show();
	if (!focused || focused.dataset.rule === name)
		return;
	for (const row of byId("list").children) {
		if (row.dataset.rule === name)
			row.querySelector(".name").focus({ preventScroll: true });
	}
}

// A row for each rule of the page, and one behind it if it is expanded. Rows are reused, but keep
// their kind.
function showRules() {
	const chosen = chosenRules();
	const pages = Math.max(1, Math.ceil(chosen.length / PAGE_ROWS));

	model.page = Math.min(model.page, pages - 1);
	const first = model.page * PAGE_ROWS;
	const shown = chosen.slice(first, first + PAGE_ROWS);
	const list = byId("list");
	let next = list.firstElementChild;
	const row = (isDetail, make) => {
		if (!next || next.classList.contains("detail") !== isDetail) {
			const made = make();

			list.insertBefore(made, next);
			return made;
		}
		const reused = next;

		next = next.nextElementSibling;
		return reused;
	};

	for (const rule of shown) {
		while (next && next.classList.contains("detail")) {
			const gone = next;

			next = next.nextElementSibling;
			gone.remove();
		}
		showRule(row(false, makeRule), rule);
		if (model.expanded.has(rule.name))
			showDetail(row(true, makeDetail), rule);
	}
	while (next) {
		const gone = next;

		next = next.nextElementSibling;
		gone.remove();
	}
	setText(byId("range"), chosen.length ?
		`${number(first + 1)}\u2013${number(first + shown.length)} of ${number(chosen.length)}` : "0 of 0");
	byId("previous").disabled = model.page === 0;
	byId("next").disabled = model.page >= pages - 1;
	setHidden(byId("empty"), chosen.length > 0);
	setHidden(byId("rules"), !chosen.length);
	setText(byId("empty"), model.rules.length ? "No rule matches." : "There are no rules.");
}

// ---- interfaces ----

function showInterfaces() {
	const stats = model.stats;

	fill(byId("inputs"), stats.interfaces, () => {
		const row = makeCells(element("tr"), ["", "", "", "number", "number", "number", "number", "number"]);

		row.children[1].append(element("span", "badge"), element("span", "reason"));
		return row;
	}, (row, data) => {
		const [name, state, mode, steered, forwarded, passed, dropped, missing] = row.children;
		const drops = data.queues.reduce((n, queue) => n + queue.rx_dropped + queue.rx_ring_full, 0) +
			Object.values(data.redirected).reduce((n, device) => n + device.dropped_packets, 0);

		setClass(row, data.state === "active" ? "" : "bad");
		setText(name, data.name);
		setText(state.children[0], data.state);
		setClass(state.children[0], `badge ${data.state === "active" ? "good" : "bad"}`);
		setText(state.children[1], [data.reason, data.hint].filter(Boolean).join("; "));
		setText(mode, [data.mode, data.zero_copy ? "zero copy" : ""].filter(Boolean).join(", "));
		setText(steered, number(data.verdicts.steered));
		setText(forwarded, number(data.verdicts.forwarded));
		setText(passed, number(sum(data.verdicts) - data.verdicts.steered - data.verdicts.forwarded));
		setText(dropped, number(drops));
		setClass(dropped, drops ? "number bad" : "number");
		setText(missing, number(data.missing_packets));
		setClass(missing, data.missing_packets ? "number bad" : "number");
	});
	fill(byId("outputs"), stats.output_interfaces,
		() => makeCells(element("tr"), ["", "number", "number", ""]),
		(row, data) => {
			const [name, sent, dropped, why] = row.children;

			setText(name, data.name);
			setText(sent, number(data.sent_packets));
			setText(dropped, number(data.dropped_packets));
			setClass(dropped, data.dropped_packets ? "number bad" : "number");
			setText(why, reasons(data.drops));
		});
}

// ---- cluster ----

const SHARDS_SHOWN = 100;

function clusterState(cluster) {
	const texts = [`This is ${cluster.node}: ${cluster.state}`,
		`may send for ${number(cluster.deadline_ms)} ms without another renewal`];

	if (!cluster.daemon.answers)
		texts.push(`xmcastd does not answer: ${cluster.daemon.reason}`);
	if (!cluster.store.reachable)
		texts.push(`etcd does not answer: ${cluster.store.error}`);
	return `${texts.join("; ")}.`;
}

// Shards without a holder first, then those that move.
function chosenShards(cluster) {
	const order = { free: 0, moving: 1, held: 2 };

	return [...cluster.shards].sort((a, b) => order[a.state] - order[b.state]).slice(0, SHARDS_SHOWN);
}

// {}: there is no xmcast-cluster on this host.
function showCluster(cluster) {
	setHidden(byId("cluster"), !("up" in cluster));
	setText(byId("cluster-state"), cluster.up ? clusterState(cluster) : "xmcast-cluster does not answer.");
	setClass(byId("cluster-state"), cluster.up && cluster.state === "member" && cluster.daemon.answers &&
		cluster.store.reachable ? "" : "bad-text");
	fill(byId("nodes"), cluster.nodes || [], () => {
		const row = makeCells(element("tr"), ["", "", "number", "number", "number"]);

		row.children[1].append(element("span", "badge"));
		return row;
	}, (row, node) => {
		const [name, state, weight, shards, silent] = row.children;

		setText(name, node.name);
		setText(state.firstChild, node.state);
		setClass(state.firstChild, `badge ${{ active: "good", draining: "warn" }[node.state] || "bad"}`);
		setText(weight, number(node.weight));
		setText(shards, number(node.shards));
		setText(silent, `${number(node.silent_ms)} ms`);
	});
	fill(byId("shards"), cluster.up ? chosenShards(cluster) : [], () => {
		const row = makeCells(element("tr"), ["", "number", "", "", "", ""]);

		row.children[2].append(element("span", "badge"));
		return row;
	}, (row, shard) => {
		const [lease, index, state, owner, standby, move] = row.children;

		setText(lease, shard.lease);
		setText(index, number(shard.shard));
		setText(state.firstChild, shard.state);
		setClass(state.firstChild, `badge ${{ held: "good", moving: "warn" }[shard.state] || "bad"}`);
		setText(owner, shard.owner || "\u2013");
		setText(standby, shard.standby || "\u2013");
		setText(move, shard.last_move || "");
	});
	const left = cluster.up ? cluster.total - Math.min(cluster.shards.length, SHARDS_SHOWN) : 0;

	setHidden(byId("more-shards"), left <= 0);
	setText(byId("more-shards"), `${number(left)} more shards: xmcastctl cluster status`);
}

// ---- events ----

const badEvents = new Set(["double-source", "stream-broken", "lease-expired", "lease-unheld", "pending", "dropping", "icmp-errors", "interface-failed", "interface-impaired",
	"device-dropping", "interface-dropping", "buffer-exhausted", "packets-missing", "reload-refused",
	"worker-stuck", "hand-over-failed", "rollback-failed", "events-lost", "events-suppressed"]);
const warnEvents = new Set(["silent", "path-changed", "stopping", "config-rolled-back"]);

function eventText(event) {
	const texts = [];

	for (const [key, value] of Object.entries(event)) {
		if (key === "id" || key === "time" || key === "event")
			continue;
		texts.push(`${key}: ${value !== null && typeof value === "object" ? reasons(value) : value}`);
	}
	return texts.join(", ");
}

function makeEvent(event) {
	const line = element("li");
	const when = element("time", "", (event.time || "").replace("T", " ").replace(/\.\d+Z$/, " UTC"));
	const kind = badEvents.has(event.event) ? "bad-text" : warnEvents.has(event.event) ? "warn" : "";

	when.dateTime = event.time || "";
	line.append(when, element("b", kind, event.event || "event"), eventText(event));
	return line;
}

// The newest is on top.
function showEvents(answer) {
	const list = byId("events");

	if (answer.since !== model.events.since) {
		list.replaceChildren();
		model.events.since = answer.since;
	}
	for (const event of answer.events)
		list.prepend(makeEvent(event));
	while (list.children.length > EVENTS_SHOWN)
		list.lastElementChild.remove();
	model.events.last = answer.last;
	setHidden(byId("quiet"), list.children.length > 0);
}

// ---- asking ----

class NoAnswer extends Error {}

async function ask(url) {
	const answer = await fetch(url, { cache: "no-store" }).catch(() => {
		throw new NoAnswer("xmcast-exporter does not answer.");
	});

	if (!answer.ok)
		throw new NoAnswer((await answer.text()).trim());
	return answer.json();
}

// Ids start again when the exporter does: then ask for all.
async function askEvents() {
	let answer = await ask(`api/events?after=${model.events.last}`);

	if (model.events.since && answer.since !== model.events.since)
		answer = await ask("api/events?after=0");
	showEvents(answer);
}

function showAll() {
	showTotals();
	keepFocus(showRules);
	showInterfaces();
}

function showState(reason) {
	const status = byId("status");
	const bad = model.rules.filter((rule) => rule.severity > 1).length;

	setHidden(byId("notice"), !reason);
	setText(byId("notice"), reason || "");
	setText(status, reason ? "no answer" : bad ? `${number(bad)} with problems` : "relaying");
	setClass(status, `badge ${reason || bad ? "bad" : "good"}`);
	if (!reason)
		setText(byId("about"), `up ${duration(model.stats.uptime_seconds)}`);
	document.title = `${reason ? "no answer" : bad ? `${bad} with problems` : "ok"} \u00b7 xmcast`;
}

// Once a second, or as often as takes a tenth of the time: 10,000 rules are many megabytes, which the
// daemon has to write. A page
// that nobody sees asks less often.
async function cycle() {
	const began = performance.now();
	let reason = "";
	const note = (error) => {
		reason = reason || error.message;
		if (!(error instanceof NoAnswer))
			console.error(error);
	};

	await ask("api/stats").then(update).then(showAll).catch(note);
	await askEvents().catch(note);
	await ask("api/cluster").then(showCluster).catch(note);
	showState(reason);
	const wait = Math.max(PERIOD_MS, 9 * (performance.now() - began));

	setTimeout(cycle, document.hidden ? 10 * wait : wait);
}

// ---- the user ----

function chosenAnew() {
	model.page = 0;
	if (model.stats)
		keepFocus(showRules);
}

function turn(by) {
	model.page = Math.max(0, model.page + by);
	if (model.stats)
		keepFocus(showRules);
}

byId("tools").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["search", "filter", "sort"])
	byId(id).addEventListener("input", chosenAnew);
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
byId("list").addEventListener("click", (event) => {
	const button = event.target.closest(".name");

	if (!button)
		return;
	const name = button.closest("tr").dataset.rule;

	if (!model.expanded.delete(name))
		model.expanded.add(name);
	keepFocus(showRules);
});
cycle();
