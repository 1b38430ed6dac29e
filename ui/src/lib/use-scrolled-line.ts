// SPDX-License-Identifier: Apache-2.0
import { useEffect, useLayoutEffect, useRef, type RefObject } from "react";

const FADE_PX = 48; // more than a name's own margin

/** As much of an edge fades as is hidden behind it: see `fade-x` in index.css. */
function fade(line: HTMLElement): void {
  const left = line.scrollLeft;
  const right = line.scrollWidth - line.clientWidth - left;
  line.style.setProperty("--fade-left", `${Math.min(FADE_PX, Math.max(0, left))}px`);
  line.style.setProperty("--fade-right", `${Math.min(FADE_PX, Math.max(0, right))}px`);
}

/** A line of names too long for a phone: the chosen one is in view, and it shows at which end there are more. */
export function useScrolledLine(value: string, names: string): RefObject<HTMLDivElement | null> {
  const line = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const list = line.current;
    const chosen = list?.querySelector<HTMLElement>("[data-state=active], [data-state=checked]");
    if (!list || !chosen) return;
    const from = chosen.offsetLeft;
    const inView = from >= list.scrollLeft && from + chosen.offsetWidth <= list.scrollLeft + list.clientWidth;
    if (!inView) list.scrollLeft = from - (list.clientWidth - chosen.offsetWidth) / 2; // the page stays where it is
  }, [value, names]);
  useEffect(() => {
    const list = line.current;
    if (!list) return;
    const draw = () => fade(list);
    draw();
    list.addEventListener("scroll", draw, { passive: true });
    window.addEventListener("resize", draw);
    return () => {
      list.removeEventListener("scroll", draw);
      window.removeEventListener("resize", draw);
    };
  }, [value, names]);
  return line;
}
