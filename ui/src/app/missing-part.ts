// SPDX-License-Identifier: Apache-2.0
/** Pages are loaded when they are opened: their files may be out of reach then, or replaced by an upgrade's. */
const KEY = "muster.reloaded-at";
/** A part that is missing after that, too, is not waited for by loading on and on. */
const BETWEEN_MS = 30_000;

/** As Chromium, Firefox and Safari say it. */
const SAYS = /dynamically imported module|Importing a module script failed/i;

export const isMissingPart = (message: string): boolean => SAYS.test(message);

const LOOK_MS = 3000;

/** Of itself a page loads itself anew once in a while only. */
function mayReload(): boolean {
  const now = Date.now();
  if (now - Number(sessionStorage.getItem(KEY)) < BETWEEN_MS) return false;
  sessionStorage.setItem(KEY, String(now));
  return true;
}

/** Who loads a page while nothing answers has the browser's own error, which never goes away by itself: looks first. */
export function onceItAnswers(reload: () => void): () => void {
  const given = new AbortController();
  let timer: ReturnType<typeof setTimeout> | null = null;
  const look = async () => {
    const there = await fetch("/health", { cache: "no-store", signal: given.signal }).then(
      (answer) => answer.ok,
      () => false, // away, which is what this waits for
    );
    if (given.signal.aborted) return;
    if (there && mayReload()) reload();
    else timer = setTimeout(() => void look(), LOOK_MS);
  };
  void look();
  return () => {
    given.abort();
    if (timer) clearTimeout(timer);
  };
}
