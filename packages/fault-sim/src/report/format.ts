/** `4650000` → `4.65 M`; three significant digits. */
export function formatRate(perSecond: number): string {
  if (perSecond >= 1e6) return `${significant(perSecond / 1e6)} M`;
  if (perSecond >= 1e3) return `${significant(perSecond / 1e3)} k`;
  return significant(perSecond);
}

/** Picoseconds as ns, us, ms or s; three significant digits. */
export function formatTime(picoseconds: number): string {
  if (picoseconds >= 1e12) return `${significant(picoseconds / 1e12)} s`;
  if (picoseconds >= 1e9) return `${significant(picoseconds / 1e9)} ms`;
  if (picoseconds >= 1e6) return `${significant(picoseconds / 1e6)} us`;
  return `${significant(picoseconds / 1e3)} ns`;
}

/** A share as whole per cent. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "0 %" : `${Math.round((100 * part) / whole)} %`;
}

function significant(value: number): string {
  if (value === 0) return "0";
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
