/*
 * The page and the built packages over HTTP, cross-origin isolated: without the two headers a browser has no
 * SharedArrayBuffer to give.
 *
 *   /                     the page, with the import map in it
 *   /page/FILE            the tests
 *   /packages/NAME/…      the packages as they were built
 *   /in-worker/page/…     the same files for Web Workers, with the import map written into them: browsers apply
 *   /in-worker/packages/… an import map to documents only, so a bare specifier means nothing in a worker
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { builtFiles, folderOf } from "./packages.mjs";

const here = new URL("./", import.meta.url);
const TYPES = { html: "text/html", js: "text/javascript", mjs: "text/javascript", map: "application/json" };
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cache-Control": "no-store",
};

/** Starts the server on a free port of this machine. @returns its address, and how to stop it */
export async function serve() {
  const files = builtFiles();
  const server = createServer((request, response) => {
    const { pathname } = new URL(`http://localhost${request.url}`);
    const answer = answerTo(pathname, files);
    response.writeHead(answer === undefined ? 404 : 200, {
      ...ISOLATED,
      "Content-Type": `${TYPES[pathname.split(".").at(-1)] ?? "text/html"}; charset=utf-8`,
    });
    response.end(answer ?? `nothing at ${pathname}`);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, close };
}

function answerTo(pathname, files) {
  if (pathname === "/") return pageWith(files);
  if (pathname === "/favicon.ico") return "";
  if (!pathname.startsWith("/in-worker/")) return fileAt(pathname);
  const text = fileAt(pathname.slice("/in-worker".length));
  return text?.replaceAll(/(from\s*|import\s*\(?\s*)"(@faultline\/[^"]+)"/g, (whole, keyword, specifier) => {
    const path = files.get(specifier);
    return path === undefined ? whole : `${keyword}"/in-worker/packages/${path}"`;
  });
}

function pageWith(files) {
  const imports = Object.fromEntries([...files].map(([name, path]) => [name, `/packages/${path}`]));
  const page = readFileSync(new URL("page/index.html", here), "utf8");
  return page.replace('"IMPORTS"', () => JSON.stringify(imports));
}

/** `URL` has resolved `..` by now; what is left is to allow two kinds of folder only. */
function fileAt(pathname) {
  const [, top, name, ...rest] = pathname.split("/");
  const isPackage = top === "packages" && rest[0] === "dist";
  const url = top === "page" ? new URL(`page/${name}`, here) : isPackage ? folderOf(name) : undefined;
  if (url === undefined) return undefined;
  try {
    return readFileSync(isPackage ? new URL(rest.join("/"), url) : url, "utf8");
  } catch {
    return undefined;
  }
}
