// uPlot, fetched when the first chart is drawn, in the colours of the theme and the width of its box.

import { html, useEffect, useRef } from "./vendor/preact-htm.js";

let loading = null;

function uplot() {
  loading = loading || import("./vendor/uplot.js").then((module) => module.default);
  return loading;
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** `plan(colour)` gives uPlot's options but for the width; `data` its columns; `words` says what is seen to those who cannot see it. */
export function Chart({ plan, data, words }) {
  const box = useRef(null);
  const chart = useRef(null);
  const latest = useRef(null);
  latest.current = { plan, data };

  useEffect(() => {
    let here = true;
    const draw = async () => {
      const Plot = await uplot();
      if (!here || !box.current) return;
      if (chart.current) chart.current.destroy();
      chart.current = new Plot({ width: box.current.clientWidth || 300, ...latest.current.plan(colour) }, latest.current.data, box.current);
    };
    const fit = new ResizeObserver(() => {
      const width = box.current && box.current.clientWidth;
      if (chart.current && width && width !== chart.current.width) chart.current.setSize({ width, height: chart.current.height });
    });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    draw();
    fit.observe(box.current);
    dark.addEventListener("change", draw);
    addEventListener("themechange", draw);
    return () => {
      here = false;
      fit.disconnect();
      dark.removeEventListener("change", draw);
      removeEventListener("themechange", draw);
      if (chart.current) chart.current.destroy();
      chart.current = null;
    };
  }, [plan]);
  useEffect(() => {
    if (chart.current) chart.current.setData(data);
  }, [data]);

  return html`<div class="chart" ref=${box} role="img" aria-label=${words}></div>`;
}

/** Axis and grid in the theme's colours. */
export function axis(look, more = {}) {
  return { stroke: look("dim"), grid: { stroke: look("line"), width: 1 }, ticks: { stroke: look("line"), width: 1 }, font: "11px system-ui, sans-serif", ...more };
}
