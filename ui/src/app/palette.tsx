// SPDX-License-Identifier: Apache-2.0
/** Ctrl-K: pages, devices and actions by their names; `/` searches the page's own list, else here; `?` the keys. */
import { lazy, Suspense, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import { useNavigate } from "react-router";
import { useMay } from "@/session/session";
import { listenForKeys } from "./keys";
import { PAGES } from "./nav";

const OPEN = "muster:palette";
const HELP = "muster:keys";

export function openPalette(): void {
  window.dispatchEvent(new Event(OPEN));
}

export function openKeyHelp(): void {
  window.dispatchEvent(new Event(HELP));
}

const loadWindow = () => import("./palette-window");
const PaletteWindow = lazy(loadWindow);
const KeyHelp = lazy(() => import("./key-help"));

const PRELOAD_AFTER_MS = 1500;

/** Where the window is still to come: what is typed is kept for it, and is no key of the page. */
function Meanwhile({ typed, onClose }: { typed: RefObject<string>; onClose: () => void }) {
  useLayoutEffect(() => {
    const heard = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape") onClose();
      else if (event.key === "Backspace") typed.current = typed.current.slice(0, -1);
      else if (event.key.length === 1) typed.current += event.key;
      else return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    window.addEventListener("keydown", heard, true);
    return () => window.removeEventListener("keydown", heard, true);
  }, [typed, onClose]);
  return null;
}

/** Once, in the shell. */
export function Palette() {
  const [shown, setShown] = useState<"palette" | "help" | null>(null);
  const navigate = useNavigate();
  const operator = useMay("operator");
  const admin = useMay("admin");
  const typed = useRef("");

  useEffect(() => {
    const palette = () => {
      typed.current = "";
      setShown((was) => (was === "palette" ? null : "palette"));
    };
    const help = () => setShown("help");
    const go = (path: string) => {
      const page = PAGES.find((one) => one.path === path);
      if (page && (page.role === "viewer" || admin || (operator && page.role === "operator"))) void navigate(path);
    };
    const unlisten = listenForKeys({ palette, help, go });
    window.addEventListener(OPEN, palette);
    window.addEventListener(HELP, help);
    return () => {
      unlisten();
      window.removeEventListener(OPEN, palette);
      window.removeEventListener(HELP, help);
    };
  }, [navigate, operator, admin]);

  // Not with the first load, but before anybody opens it.
  useEffect(() => {
    const timer = setTimeout(() => void loadWindow().catch(() => undefined), PRELOAD_AFTER_MS); // opening it tries again, and says why not
    return () => clearTimeout(timer);
  }, []);

  const close = () => setShown(null);
  return (
    <Suspense fallback={shown === "palette" ? <Meanwhile typed={typed} onClose={close} /> : null}>
      {shown === "palette" && <PaletteWindow typedBefore={typed} onClose={close} onHelp={() => setShown("help")} />}
      {shown === "help" && <KeyHelp onClose={close} />}
    </Suspense>
  );
}
