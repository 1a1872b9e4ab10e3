// The page of graphs. Prometheus serves it under /user/ and answers its queries;
// nothing else is asked, so it works wherever Prometheus can be reached.
"use strict";

// full says that the scale goes to 100 % whatever the values.
// $w is the window of rates: a minute, or more where a point stands for more.
const graphs = [
  {title: "Photos", unit: "a second", queries: {
    published: "sum(rate(burbn_photos_published_total[$w]))",
    ready: "sum(rate(burbn_photos_ready_total[$w]))",
    failed: "sum(rate(burbn_photos_failed_total[$w]))",
  }},
  {title: "Sign-ups", unit: "a minute", queries: {"sign-ups": "60 * sum(rate(burbn_signups_total[$w]))"}},
  {title: "Likes and follows", unit: "a second", queries: {
    likes: "sum(rate(burbn_likes_total[$w]))",
    follows: "sum(rate(burbn_follows_total[$w]))",
  }},
  {title: "Requests", unit: "a second, by code", queries: {"{code}": "sum by (code) (rate(burbn_http_requests_total[$w]))"}},
  {title: "Errors", unit: "share of requests", percent: true, queries: {
    errors: 'sum(rate(burbn_http_requests_total{code=~"5.."}[$w]) or 0 * rate(burbn_http_requests_total[$w])) / sum(rate(burbn_http_requests_total[$w]))',
  }},
  {title: "Time to answer", unit: "seconds", queries: {
    median: "histogram_quantile(0.5, sum by (le) (rate(burbn_http_request_seconds_bucket[$w])))",
    "99 %": "histogram_quantile(0.99, sum by (le) (rate(burbn_http_request_seconds_bucket[$w])))",
  }},
  {title: "From publishing to the followers' feeds", unit: "seconds", queries: {
    median: "histogram_quantile(0.5, sum by (le) (rate(burbn_visible_seconds_bucket[$w])))",
    "99 %": "histogram_quantile(0.99, sum by (le) (rate(burbn_visible_seconds_bucket[$w])))",
  }},
  // An empty queue has no row, so 0 wherever a database answers.
  {title: "Oldest task waiting", unit: "seconds, by queue", queries: {
    "{queue}": 'max by (queue) (burbn_queue_oldest_seconds) or label_replace(0 * max(burbn_database_connections), "queue", "all", "", "")',
  }},
  {title: "Tasks in the queues", unit: "by queue", queries: {
    "{queue}": 'sum by (queue) (burbn_queue_jobs{state!="discarded"}) or label_replace(0 * max(burbn_database_connections), "queue", "all", "", "")',
  }},
  {title: "Tasks done", unit: "a second", queries: {"{task}": 'sum by (task) (rate(burbn_tasks_total{result="done"}[$w]))'}},
  {title: "Pushes", unit: "a second, by result", queries: {"{result}": "sum by (result) (rate(burbn_pushes_total[$w]))"}},
  {title: "Cache hits", unit: "share of reads, by kind", percent: true, full: true, queries: {
    "{kind}": 'sum by (kind) (rate(burbn_cache_requests_total{result="hit"}[$w])) / sum by (kind) (rate(burbn_cache_requests_total[$w]))',
  }},
  {title: "Replica lag", unit: "seconds", queries: {"{replica}": "max by (replica) (burbn_replica_lag_seconds)"}},
  {title: "Database transactions", unit: "a second", queries: {"{machine}": 'sum by (machine) (rate(burbn_database_commits_total{role="postgres"}[$w]))'}},
  {title: "Database connections", unit: "open", queries: {"{machine}": 'max by (machine) (burbn_database_connections{role="postgres"})'}},
  {title: "Redis memory", unit: "share of its limit", percent: true, full: true, queries: {"{machine}": "redis_memory_used_bytes / (redis_memory_max_bytes > 0)"}},
  {title: "Requests at the edge", unit: "a second", queries: {
    "photos (CDN)": 'sum(rate(nginx_http_requests_total{role="cdn"}[$w]))',
    "API (nginx)": 'sum(rate(nginx_http_requests_total{role="nginx"}[$w]))',
  }},
  {title: "Processors busy", unit: "share, by machine", percent: true, full: true, queries: {
    "{machine}": '1 - avg by (machine) (rate(node_cpu_seconds_total{mode="idle"}[$w]))',
  }},
];

const ranges = {"15 min": 900, "1 h": 3600, "6 h": 21600, "24 h": 86400, "7 d": 604800};
const colours = ["#3b82f6", "#f97316", "#10b981", "#e11d48", "#8b5cf6", "#eab308", "#06b6d4", "#ec4899", "#84cc16", "#78716c", "#6366f1", "#14b8a6"];
const points = 240; // of a line
const refresh = 5000; // ms
const patience = 10000; // ms until a query counts as unanswered

let range = Number(new URLSearchParams(location.hash.slice(1)).get("range")) || 900;

const $ = id => document.getElementById(id);
const theme = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// ask returns the data of one answer of Prometheus's API.
async function ask(path, parameters = {}) {
  const response = await fetch(`../api/v1/${path}?${new URLSearchParams(parameters)}`, {signal: AbortSignal.timeout(patience)});
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(answer.error);
  return answer.data;
}

const number = (v, percent) =>
  v == null ? "–" : percent ? `${(100 * v).toPrecision(3)} %` : v !== 0 && Math.abs(v) < 0.01 ? v.toExponential(1) : String(Number(v.toPrecision(3)));

// lines are the series of a graph on a common row of times.
async function lines(graph, end) {
  const step = Math.max(5, Math.ceil(range / points));
  const start = end - range - (end - range) % step;
  const times = [];
  for (let t = start; t <= end; t += step) times.push(t);
  const window = `${Math.max(60, 2 * step)}s`;
  const all = await Promise.all(Object.entries(graph.queries).map(async ([name, query]) => {
    const {result} = await ask("query_range", {query: query.replaceAll("$w", window), start, end, step});
    return result.map(series => {
      const at = new Map(series.values.map(([t, v]) => [t, Number(v)]));
      return {
        label: name.replace(/\{(\w+)\}/, (_, label) => series.metric[label] ?? "?"),
        values: times.map(t => Number.isFinite(at.get(t)) ? at.get(t) : null),
      };
    });
  }));
  return {times, series: all.flatMap(series => series.sort((a, b) => a.label < b.label ? -1 : 1))};
}

// latest lets the legend of a plot tell the newest values, unless the cursor asks for others.
function latest(plot) {
  const values = plot.data.slice(1);
  const idx = plot.data[0].findLastIndex((_, i) => values.some(vs => vs[i] != null));
  if (plot.cursor.idx == null && idx >= 0) plot.setLegend({idx});
}

// place makes the empty frame of a graph; its draw fills and refills it.
function place(graph) {
  const frame = element("article", "graph");
  const title = element("h2", "", graph.title + " ");
  title.append(element("span", "", graph.unit));
  const body = element("div");
  frame.append(title, body);
  $("graphs").append(frame);

  let plot, shown;
  const clear = () => { plot?.destroy(); plot = undefined; body.replaceChildren(); };
  const draw = async end => {
    const {times, series} = await lines(graph, end);
    if (series.length === 0) {
      clear();
      body.append(element("div", "nothing", "no data in this time"));
      return;
    }
    const data = [times, ...series.map(s => s.values)];
    const key = [range, ...series.map(s => s.label)].join("\n");
    if (plot && shown === key) {
      plot.setData(data);
      latest(plot);
      return;
    }
    clear();
    shown = key;
    const grid = {stroke: theme("--line"), width: 1};
    plot = new uPlot({
      width: body.clientWidth, height: 190,
      cursor: {sync: {key: "burbn"}, drag: {x: false, y: false}},
      scales: {y: {range: (_, min, max) => [Math.min(0, min), graph.full ? Math.max(1, max) : max > 0 ? max * 1.1 : 1]}},
      axes: [
        {stroke: theme("--muted"), grid, ticks: grid, values: range > 86400 ? "{M}/{D} {HH}:{mm}" : "{HH}:{mm}", space: range > 86400 ? 90 : 60, size: 30},
        {stroke: theme("--muted"), grid, ticks: grid, size: 56, values: (_, vs) => vs.map(v => number(v, graph.percent))},
      ],
      series: [
        {value: (_, t) => t == null ? "–" : new Date(1000 * t).toLocaleTimeString()},
        ...series.map((s, i) => ({
          label: s.label, stroke: colours[i % colours.length], width: 1.5, spanGaps: false,
          value: (_, v) => number(v, graph.percent),
        })),
      ],
      // The legend tells the latest values, or those below the cursor.
      hooks: {setCursor: [latest]},
    }, data, body);
    latest(plot);
  };
  new ResizeObserver(() => plot?.setSize({width: body.clientWidth, height: 190})).observe(body);
  return {draw, clear};
}

async function drawAlerts() {
  const {alerts} = await ask("alerts");
  const rank = a => (a.state === "firing" ? 0 : 2) + (a.labels.severity === "page" ? 0 : 1);
  const shown = alerts.sort((a, b) => rank(a) - rank(b)).map(a => {
    const e = element("div", `alert ${a.labels.severity} ${a.state}`);
    e.append(element("strong", "", `${a.labels.alertname}${a.state === "pending" ? " (pending)" : ""}: `), a.annotations.summary);
    e.append(element("p", "", `since ${new Date(a.activeAt).toLocaleTimeString()} · ${a.annotations.action}`));
    return e;
  });
  $("alerts").replaceChildren(...(shown.length ? shown : [element("div", "alert none", "No alert is firing.")]));
  const firing = alerts.filter(a => a.state === "firing").length;
  document.title = (firing ? `(${firing}) ` : "") + "burbn";
}

async function drawMachines() {
  const {result} = await ask("query", {query: "burbn_machine_up"});
  const chips = result.map(({metric, value}) => ({name: metric.machine, up: Number(value[1]) === 1}))
    .sort((a, b) => a.up - b.up || (a.name < b.name ? -1 : 1));
  $("machines").replaceChildren(...chips.map(m => element("span", m.up ? "machine" : "machine down", m.name)));
}

const placed = graphs.map(place);

async function draw() {
  const end = Math.floor(Date.now() / 1000);
  const results = await Promise.allSettled([drawAlerts(), drawMachines(), ...placed.map(g => g.draw(end))]);
  const failed = results.find(r => r.status === "rejected");
  $("updated").className = failed ? "bad" : "";
  $("updated").textContent = failed ? `Prometheus: ${failed.reason.message}` : `as of ${new Date().toLocaleTimeString()}`;
}

function drawRanges() {
  $("ranges").replaceChildren(...Object.entries(ranges).map(([name, seconds]) => {
    const b = element("button", "", name);
    b.setAttribute("aria-pressed", seconds === range);
    b.onclick = () => { range = seconds; location.hash = `range=${range}`; drawRanges(); draw(); };
    return b;
  }));
}

async function run() {
  drawRanges();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { placed.forEach(g => g.clear()); draw(); });
  ask("status/config").then(({yaml}) => { $("stack").textContent = /stack: (\S+)/.exec(yaml)?.[1] ?? ""; });
  for (;;) {
    if (!document.hidden) await draw();
    await new Promise(done => setTimeout(done, refresh));
  }
}

run();
