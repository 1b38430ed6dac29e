// SPDX-License-Identifier: Apache-2.0
/**
 * What a browser fetches until the overview stands: the entry, what it preloads and imports, its styles, then the same of the
 * overview's page, the fonts of Latin text, the icon. By Vite's own manifest (build.manifest), in the form that is sent:
 *
 *   node scripts/first-load.mjs DIRECTORY       after pack.mjs; too much is an error that says what is large
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const BUNDLER_MANIFEST = ".vite/manifest.json";
const MOST_BYTES = 350_000;
const ENTRY = "index.html";
const AFTER_SIGN_IN = "src/pages/overview/index.tsx";
const ALWAYS = ["index.html", "favicon.svg"];
const FONT_OF_LATIN_TEXT = /-latin(-ext)?-[^/]*\.woff2$/;

function withImports(chunks, name, found = new Set()) {
  const chunk = chunks[name];
  if (!chunk)
    throw new Error(`${BUNDLER_MANIFEST} does not have ${name}, which the first load is reckoned from (ui/scripts/first-load.mjs)`);
  if (found.has(chunk)) return found;
  found.add(chunk);
  for (const other of chunk.imports ?? []) withImports(chunks, other, found);
  return found;
}

/** The paths, each once. `files`: all that were packed. */
function wanted(directory, files) {
  const source = join(directory, BUNDLER_MANIFEST);
  if (!existsSync(source)) throw new Error(`${source} is missing: vite.config.ts has to say build.manifest`);
  const chunks = JSON.parse(readFileSync(source, "utf8"));
  const parts = [ENTRY, AFTER_SIGN_IN].flatMap((name) => [...withImports(chunks, name)]);
  const fonts = files.map(({ path }) => path.slice(1)).filter((path) => FONT_OF_LATIN_TEXT.test(path));
  return new Set([...ALWAYS, ...parts.flatMap(({ file, css = [] }) => [file, ...css]), ...fonts].map((path) => `/${path}`));
}

const [directory] = process.argv.slice(2);
if (!directory) throw new Error("usage: node scripts/first-load.mjs DIRECTORY");
const { files } = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
const paths = wanted(directory, files);
const sent = files
  .filter(({ path }) => paths.has(path))
  .map((file) => ({ path: file.path, bytes: (file.br ?? file).bytes }))
  .sort((one, other) => other.bytes - one.bytes);
if (sent.length < paths.size) throw new Error(`of the first load's ${paths.size} files only ${sent.length} were packed`);
const bytes = sent.reduce((sum, file) => sum + file.bytes, 0);
const kb = (count) => `${Math.round(count / 1000)} kB`;
console.log(`first load: ${sent.length} files, ${kb(bytes)} compressed`);
if (bytes > MOST_BYTES) {
  const largest = sent.slice(0, 5).map((file) => `${file.path} ${kb(file.bytes)}`);
  console.error(
    `The console's first load is ${kb(bytes)}, ${kb(MOST_BYTES)} at most: load later (lazy, import()) what the overview does not ` +
      `need. The largest: ${largest.join(", ")}`,
  );
  process.exitCode = 1;
}
