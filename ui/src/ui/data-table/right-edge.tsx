// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState, type RefObject } from "react";

const SHADE = "pointer-events-none absolute inset-y-0 right-0 z-10 w-12 bg-linear-to-l from-surface to-transparent";

/** Shade at the right of a table that is wider than its place, until its last column is in view. */
export function RightEdge({ scroller, least }: { scroller: RefObject<HTMLElement | null>; least: number }) {
  const [more, setMore] = useState(false);
  useEffect(() => {
    const table = scroller.current;
    if (!table) return;
    let left = Number.NaN;
    const look = () => {
      if (table.scrollLeft === left) return; // it went up or down
      left = table.scrollLeft;
      setMore(left + table.clientWidth < table.scrollWidth - 1);
    };
    const anew = () => {
      left = Number.NaN;
      look();
    };
    anew();
    table.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", anew);
    return () => {
      table.removeEventListener("scroll", look);
      window.removeEventListener("resize", anew);
    };
  }, [scroller, least]);
  if (!more) return null;
  return <div aria-hidden className={SHADE} />;
}
