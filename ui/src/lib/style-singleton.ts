// SPDX-License-Identifier: Apache-2.0
/**
 * Stands in for the package react-style-singleton (vite.config.ts), by which Radix keeps the page from scrolling behind
 * a dialog: that one adds a <style> element, which the appliance's content security policy refuses. A constructed style
 * sheet is no inline style.
 */
import { useEffect } from "react";

interface Singleton {
  add: (styles: string) => void;
  remove: () => void;
}

/** One sheet however many ask for it: there from the first add to the last remove. */
export function stylesheetSingleton(): Singleton {
  let users = 0;
  let sheet: CSSStyleSheet | null = null;
  return {
    add(styles) {
      users += 1;
      if (users > 1) return;
      sheet = new CSSStyleSheet();
      sheet.replaceSync(styles);
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    },
    remove() {
      users -= 1;
      if (users > 0) return;
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
      sheet = null;
    },
  };
}

export function styleHookSingleton() {
  const sheet = stylesheetSingleton();
  return function useStyle(styles: string, dynamic?: boolean) {
    // Only a dynamic one follows changes of its text.
    const key = dynamic ? styles : "";
    useEffect(() => {
      sheet.add(styles);
      return () => sheet.remove();
    }, [key]);
  };
}

export function styleSingleton() {
  const useStyle = styleHookSingleton();
  return function Sheet({ styles, dynamic }: { styles: string; dynamic?: boolean }) {
    useStyle(styles, dynamic);
    return null;
  };
}
