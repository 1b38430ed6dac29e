// SPDX-License-Identifier: Apache-2.0
import { useSyncExternalStore } from "react";

export type ThemeChoice = "system" | "light" | "dark";

const KEY = "muster.theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let choice: ThemeChoice = (localStorage.getItem(KEY) as ThemeChoice | null) ?? "system";

export const isDark = () => choice === "dark" || (choice === "system" && dark.matches);

function apply(): void {
  document.documentElement.dataset["theme"] = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}

dark.addEventListener("change", apply);
apply();

export function setTheme(next: ThemeChoice): void {
  choice = next;
  if (next === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  apply();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useTheme = () => useSyncExternalStore(subscribe, () => choice);
/** For charts, which draw with colours of their own. */
export const useIsDark = () => useSyncExternalStore(subscribe, isDark);
