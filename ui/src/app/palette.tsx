// SPDX-License-Identifier: Apache-2.0
/** Ctrl-K: pages, devices and actions by their names; `/` opens it too. */
export function openPalette(): void {
  window.dispatchEvent(new Event("muster:palette"));
}
