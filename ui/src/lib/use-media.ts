// SPDX-License-Identifier: Apache-2.0
import { useSyncExternalStore } from "react";

/** Does the window match? Renders again when that changes. */
export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = window.matchMedia(query);
      media.addEventListener("change", listener);
      return () => media.removeEventListener("change", listener);
    },
    () => window.matchMedia(query).matches,
  );
}

/** Narrower than a tablet: tables become cards, panels cover the page. */
export const useIsPhone = () => useMedia("(max-width: 639px)");
