// SPDX-License-Identifier: Apache-2.0
/**
 * Finishes a build for musterd: compresses its files and lists them in manifest.json, the one file by which musterd
 * knows the others (src/http/site.h).
 *
 *   node scripts/pack.mjs DIRECTORY
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
};
const COMPRESSED_ALREADY = new Set([".png", ".woff2", ".ico"]);
const BUNDLER_MANIFEST = "/.vite/manifest.json"; // for first-load.mjs; nobody is served it
const WORTH_IT = 0.95; // of the plain size: less is not worth unpacking

const FORMS = [
  { name: "br", suffix: ".br", compress: brotli },
  { name: "gzip", suffix: ".gz", compress: (bytes) => gzipSync(bytes, { level: 9 }) },
];

function brotli(bytes) {
  return brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
}

/** Paths of all files below a directory, as the browser asks for them. */
function filesBelow(directory, prefix = "") {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesBelow(join(directory, entry.name), `${prefix}/${entry.name}`)
      : [`${prefix}/${entry.name}`],
  );
}

const described = (bytes) => ({ bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });

function pack(directory, path) {
  const type = TYPES[extname(path)];
  if (!type) throw new Error(`${path}: its type is not known to ui/scripts/pack.mjs`);
  const bytes = readFileSync(join(directory, path));
  const entry = { path, type, immutable: path.startsWith("/assets/"), ...described(bytes) };
  if (COMPRESSED_ALREADY.has(extname(path))) return entry;
  for (const form of FORMS) {
    const smaller = form.compress(bytes);
    if (smaller.length > bytes.length * WORTH_IT) continue;
    writeFileSync(join(directory, path + form.suffix), smaller);
    entry[form.name] = described(smaller);
  }
  return entry;
}

const [directory] = process.argv.slice(2);
if (!directory) throw new Error("usage: node scripts/pack.mjs DIRECTORY");
const paths = filesBelow(directory)
  .filter((path) => path !== BUNDLER_MANIFEST)
  .sort();
for (const path of paths.filter((name) => /\.(br|gz)$|^\/manifest\.json$/.test(name))) rmSync(join(directory, path));
const files = paths.filter((name) => !/\.(br|gz)$|^\/manifest\.json$/.test(name)).map((path) => pack(directory, path));
writeFileSync(join(directory, "manifest.json"), `${JSON.stringify({ format: 1, files }, null, 1)}\n`);
const sum = (pick) => files.reduce((total, file) => total + pick(file), 0);
const kib = (bytes) => `${Math.round(bytes / 1024)} KiB`;
console.log(
  `${files.length} files, ${kib(sum((file) => file.bytes))}; compressed ${kib(sum((file) => (file.br ?? file).bytes))}`,
);
