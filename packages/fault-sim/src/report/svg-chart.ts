import { formatRate } from "./format.ts";
import type { Series } from "./text-chart.ts";

const WIDTH = 720;
const HEIGHT = 420;
const LEFT = 72;
const RIGHT = 20;
const TOP = 44;
const BOTTOM = 84;
// Distinguishable with the common forms of colour blindness (Okabe and Ito).
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const DASHES = ["none", "7 3", "2 3", "9 3 2 3", "4 4", "1 3"];

/** A self-contained SVG line chart; curves differ in colour and in dashes. Equal input, equal text. */
export function svgChart(title: string, series: readonly Series[]): string {
  const points = series.flatMap((one) => one.points);
  const maxX = Math.max(...points.map(([x]) => x), 1);
  const maxY = niceCeiling(Math.max(...points.map(([, y]) => y), 1));
  const x = (value: number): string => (LEFT + (value / maxX) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number): string =>
    (HEIGHT - BOTTOM - (value / maxY) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="24" font-size="15">${escapeXml(title)}</text>`,
    ...gridLines(maxY, y),
    ...ticks(series, x),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - BOTTOM + 34}" text-anchor="middle">threads</text>`,
    ...series.flatMap((one, index) => curve(one, index, x, y)),
    ...series.map(legendEntry),
    "</svg>",
    "",
  ].join("\n");
}

function gridLines(maxY: number, y: (value: number) => string): string[] {
  return [0, 1, 2, 3, 4].flatMap((quarter) => {
    const value = (maxY * quarter) / 4;
    return [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>`,
      `<text x="${LEFT - 6}" y="${y(value)}" dy="4" text-anchor="end">${formatRate(value)}</text>`,
    ];
  });
}

function ticks(series: readonly Series[], x: (value: number) => string): string[] {
  const values = [...new Set(series.flatMap((one) => one.points.map(([value]) => value)))].sort(
    (a, b) => a - b,
  );
  let last = -100;
  return values.flatMap((value) => {
    if (Number(x(value)) - last < 24) return [];
    last = Number(x(value));
    return [`<text x="${x(value)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${value}</text>`];
  });
}

function curve(
  one: Series,
  index: number,
  x: (value: number) => string,
  y: (value: number) => string,
): string[] {
  const colour = COLOURS[index % COLOURS.length];
  const path = one.points.map(([px, py]) => `${x(px)},${y(py)}`).join(" ");
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${DASHES[index % DASHES.length]}" points="${path}"/>`,
    ...one.points.map(([px, py]) => `<circle cx="${x(px)}" cy="${y(py)}" r="3" fill="${colour}"/>`),
  ];
}

function legendEntry(one: Series, index: number): string {
  const left = LEFT + (index % 3) * 210;
  const top = HEIGHT - 30 + Math.floor(index / 3) * 18;
  const colour = COLOURS[index % COLOURS.length];
  return (
    `<line x1="${left}" x2="${left + 26}" y1="${top}" y2="${top}" stroke="${colour}" stroke-width="2" stroke-dasharray="${DASHES[index % DASHES.length]}"/>` +
    `<text x="${left + 32}" y="${top + 4}">${escapeXml(one.name)}</text>`
  );
}

function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 4, 5, 8, 10]) if (step * power >= value) return step * power;
  return 10 * power;
}

function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
