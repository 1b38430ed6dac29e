// SPDX-License-Identifier: Apache-2.0
/** What keys do everywhere. Nothing happens while somebody types, nor in a dialog. */
export interface Shortcut {
  keys: string[];
  does: string;
}

/** After `g`: the page. */
export const PAGE_KEYS: Record<string, string> = {
  o: "/",
  d: "/devices",
  c: "/commands",
  a: "/alerts",
  e: "/enrol",
  p: "/appliance",
  l: "/audit",
  u: "/people",
  s: "/settings",
};

export const SHORTCUTS: { title: string; entries: Shortcut[] }[] = [
  {
    title: "Everywhere",
    entries: [
      { keys: ["Ctrl", "K"], does: "Search devices, pages and actions" },
      { keys: ["/"], does: "Search the page's list, or everything" },
      { keys: ["?"], does: "These keys" },
      { keys: ["Esc"], does: "Close what is open" },
    ],
  },
  {
    title: "In a table",
    entries: [
      { keys: ["↑", "↓"], does: "Another row; also Page up and down, Home, End" },
      { keys: ["Enter"], does: "Open the row" },
      { keys: ["Space"], does: "Select it; with Shift all from the last one" },
      { keys: ["Ctrl", "A"], does: "Select all that are loaded" },
      { keys: ["Esc"], does: "Select none" },
    ],
  },
];

const TYPING = "input, textarea, select, [contenteditable=true]";

/** Is the key meant for the page, and not for a field or a dialog? */
export function isFree(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return false;
  const target = event.target instanceof Element ? event.target : null;
  return !target?.closest(TYPING) && !document.querySelector("[role=dialog], [role=alertdialog]");
}

const CHORD_MS = 1200;

export interface KeyActions {
  palette: () => void;
  help: () => void;
  go: (path: string) => void;
}

/** Listens until what it returns is called. */
export function listenForKeys(actions: KeyActions): () => void {
  let goUntil = 0;
  const search = () => {
    const field = document.querySelector<HTMLInputElement>("[data-page-search]");
    if (field) {
      field.focus();
      field.select();
    } else actions.palette();
  };
  const onKey = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      actions.palette();
      return;
    }
    if (!isFree(event)) return;
    const path = event.timeStamp < goUntil ? PAGE_KEYS[event.key] : undefined;
    goUntil = 0;
    if (path) actions.go(path);
    else if (event.key === "/") search();
    else if (event.key === "?") actions.help();
    else if (event.key === "g") goUntil = event.timeStamp + CHORD_MS;
    else return;
    event.preventDefault();
  };
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}
