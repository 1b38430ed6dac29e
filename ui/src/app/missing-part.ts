// SPDX-License-Identifier: Apache-2.0
/** Pages are loaded when they are opened: their files may be out of reach then, or replaced by an upgrade's. */
const KEY = "muster.reloaded-at";
/** A part that is missing after that, too, is not waited for by loading on and on. */
const BETWEEN_MS = 30_000;

/** As Chromium, Firefox and Safari say it. */
const SAYS = /dynamically imported module|Importing a module script failed/i;

export const isMissingPart = (message: string): boolean => SAYS.test(message);

/** Of itself a page loads itself anew once in a while only. */
export function mayReload(now: number): boolean {
  if (now - Number(sessionStorage.getItem(KEY)) < BETWEEN_MS) return false;
  sessionStorage.setItem(KEY, String(now));
  return true;
}
