"use strict";
// The latencies of a job by uPlot: drag to zoom, double-click or the button for the whole day. Each zoom asks the
// server for finer means.

(() => {
  const place = document.getElementById("chart");
  const buttons = document.getElementById("chart-buttons");
  const COLOURS = ["#2f7ed8", "#d9822b", "#2a9d6f", "#a65fd0", "#c94f4f", "#6b8e23", "#3aa6b9", "#b8860b", "#8a7f8d", "#d05fa2", "#5f7fd0", "#7d9b3c"];
  const DAY_S = 86400;
  const LEAST_S = 60;
  const AGAIN_MS = 15000;
  const HEIGHT = 240;
  let chart = null;
  let asked = 0;
  let shown = null;
  let isWhole = true;
  let loaded = 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clock = (seconds, isFine) => new Date(seconds * 1000).toISOString().slice(11, isFine ? 19 : 16);
  const duration = (ms) => ms == null ? "–" : ms >= 1000 ? (ms / 1000).toFixed(2) + " s" : ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0) + " ms";

  const load = async (start, end) => {
    const query = new URLSearchParams({ job: place.dataset.job });
    if (start !== undefined) {
      query.set("from", Math.round(start * 1000));
      query.set("to", Math.round(end * 1000));
    }
    isWhole = start === undefined;
    loaded = Date.now();
    const number = ++asked;
    const answer = await fetch("/-/latency?" + query, { headers: { accept: "application/json" } });
    if (!answer.ok || number !== asked) return;
    draw(await answer.json());
  };

  const draw = (found) => {
    shown = found;
    const table = [found.times, ...found.series.map((series) => series.values)];
    if (chart && chart.series.length === table.length) {
      chart.setData(table, false);
      chart.setScale("x", { min: found.start, max: found.end });
    } else {
      make(found, table);
    }
    place.dataset.start = found.start;
    place.dataset.end = found.end;
  };

  const make = (found, table) => {
    if (chart) chart.destroy();
    place.replaceChildren();
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { show: false } };
    chart = new uPlot({
      width: place.clientWidth - 32,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: true, range: (_chart, min, max) => [min, max] }, y: { range: (_chart, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [
        { ...axis, values: (_chart, splits) => splits.map((split) => clock(split, splits.length > 1 && splits[1] - splits[0] < 60)) },
        { ...axis, size: 70, values: (_chart, splits) => splits.map(duration) },
      ],
      series: [
        { label: "UTC", value: (_chart, seconds) => seconds == null ? "–" : clock(seconds, true) },
        ...found.series.map((series, number) => ({
          label: series.name, stroke: COLOURS[number % COLOURS.length], width: 1.5, spanGaps: true,
          dash: number ? [4 + 2 * number, 3] : undefined,
          points: { size: 4, show: series.values.filter((value) => value !== null).length < 100 },
          value: (_chart, ms) => duration(ms),
        })),
      ],
      hooks: {
        setSelect: [(drawn) => {
          const { left, width } = drawn.select;
          if (width < 4) return;
          drawn.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          zoom(drawn.posToVal(left, "x"), drawn.posToVal(left + width, "x"));
        }],
      },
    }, table, place);
    chart.setScale("x", { min: found.start, max: found.end });
    chart.root.setAttribute("role", "img");
    chart.root.setAttribute("aria-label", place.dataset.label);
    chart.over.addEventListener("dblclick", () => load());
  };

  const zoom = (start, end) => {
    const middle = (start + end) / 2;
    const half = Math.max(LEAST_S, end - start) / 2;
    load(middle - half, middle + half);
  };

  buttons.addEventListener("click", (event) => {
    const { move, zoom: isZoom, whole } = event.target.dataset;
    if (!shown) return;
    const length = shown.end - shown.start;
    if (whole !== undefined) load();
    else if (isZoom !== undefined) zoom(shown.start + length / 4, shown.end - length / 4);
    else if (move !== undefined) {
      const end = Math.min(Date.now() / 1000, shown.end + Number(move) * length / 2);
      load(end - Math.min(length, 31 * DAY_S), end);
    }
  });

  document.addEventListener("news", () => { if (shown && isWhole && Date.now() - loaded > AGAIN_MS) load(); });
  addEventListener("resize", () => { if (chart) chart.setSize({ width: place.clientWidth - 32, height: HEIGHT }); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (shown && chart) { chart.destroy(); chart = null; draw(shown); }
  });

  if (place.querySelector("svg")) {
    buttons.hidden = false;
    document.getElementById("chart-hint").hidden = false;
    load();
  }
})();
