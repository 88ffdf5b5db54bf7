/*
 * A failing schedule as one HTML file without dependencies: the table, stepped through with the arrow keys.
 */
import type { Report } from "./model.ts";
import { summaryText } from "./table.ts";

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .2rem .8rem; text-align: left; font-family: ui-monospace, monospace }
tr[aria-current] { background: Highlight; color: HighlightText } tr.later { opacity: .35 }
pre { overflow-x: auto }`;

const SCRIPT = `
const rows = [...document.querySelectorAll("tbody tr")];
let at = rows.length - 1;
function show(next) {
  at = Math.max(0, Math.min(rows.length - 1, next));
  rows.forEach((row, i) => { row.className = i > at ? "later" : ""; row.toggleAttribute("aria-current", i === at); });
  rows[at]?.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") { show(at + 1); event.preventDefault(); }
  if (event.key === "ArrowUp") { show(at - 1); event.preventDefault(); }
});
document.getElementById("back").onclick = () => show(at - 1);
document.getElementById("on").onclick = () => show(at + 1);
show(0);`;

/** The report as an HTML page, to be stepped through. */
export function reportHtml(report: Report, title: string): string {
  const { failure } = report;
  const head = `<h1>${escapeHtml(title)}</h1><p>${escapeHtml(summaryText(report))}</p>`;
  const body = failure === undefined ? "" : failureHtml(report);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style>
<body>${head}${body}</body></html>
`;
}

function failureHtml(report: Report): string {
  const failure = report.failure!;
  const threads = Array.from({ length: report.threads }, (_, i) => i);
  const rows = failure.rows.map((row, i) => {
    const text = `${row.operation}${row.outcome === "" ? "" : ` = ${row.outcome}`}`;
    const cells = threads.map((thread) => `<td>${thread === row.thread ? escapeHtml(text) : ""}</td>`);
    return `<tr><td>${i + 1}</td>${cells.join("")}<td>${escapeHtml(row.at)}</td></tr>`;
  });
  const heads = threads.map((thread) => `<th>thread ${thread}</th>`).join("");
  const stacks = failure.stacks.map((stack) => `<pre>${escapeHtml(stack)}</pre>`).join("");
  return `<h2>${escapeHtml(`${failure.kind}: ${failure.message}`)}</h2>
<p><button id="back">back</button> <button id="on">on</button> or the arrow keys</p>
<table><thead><tr><th>step</th>${heads}<th>source</th></tr></thead><tbody>${rows.join("\n")}</tbody></table>
${stacks}<p>schedule: <code>${escapeHtml(failure.schedule)}</code></p><script>${SCRIPT}</script>`;
}
