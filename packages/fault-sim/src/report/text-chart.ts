import { formatRate } from "./format.ts";

/** A named curve; x and y not negative. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Choices of a chart drawn in characters. */
export interface TextChartOptions {
  readonly width?: number;
  readonly height?: number;
  /** Only ASCII characters. */
  readonly ascii?: boolean;
}

const MARKS = ["●", "▲", "■", "◆", "○", "△"];
const ASCII_MARKS = ["*", "+", "o", "x", "#", "@"];

/** Throughput over threads, one mark per series; where two series meet the later one shows. */
export function textChart(series: readonly Series[], options: TextChartOptions = {}): string {
  const width = options.width ?? 60;
  const height = options.height ?? 14;
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) return "(no points)";
  const maxX = Math.max(...points.map(([x]) => x), 1);
  const maxY = Math.max(...points.map(([, y]) => y), 1);
  const marks = options.ascii ? ASCII_MARKS : MARKS;
  const grid = Array.from({ length: height }, () => new Array<string>(width).fill(" "));
  series.forEach((one, index) => {
    for (const [x, y] of one.points) {
      const column = Math.round((x / maxX) * (width - 1));
      const row = height - 1 - Math.round((y / maxY) * (height - 1));
      grid[row]![column] = marks[index % marks.length]!;
    }
  });
  const legend = series.map((one, index) => `${marks[index % marks.length]} ${one.name}`).join("   ");
  return [...frame(grid, maxX, maxY, options.ascii === true), legend].join("\n");
}

function frame(grid: readonly (readonly string[])[], maxX: number, maxY: number, ascii: boolean): string[] {
  const [side, corner, floor] = ascii ? ["|", "+", "-"] : ["│", "└", "─"];
  const top = formatRate(maxY);
  const lines = grid.map((row, index) => {
    const label = index === 0 ? top : index === grid.length - 1 ? "0" : "";
    return `${label.padStart(top.length)} ${side}${row.join("").trimEnd()}`;
  });
  const width = grid[0]?.length ?? 0;
  const indent = " ".repeat(top.length + 1);
  lines.push(`${indent}${corner}${floor!.repeat(width)}`);
  lines.push(`${indent} 0${`${maxX} threads`.padStart(width - 1)}`);
  return lines;
}
