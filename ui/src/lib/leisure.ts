// SPDX-License-Identifier: Apache-2.0
/**
 * What a page reads of itself, since something changed: not while nobody looks at it, and not where it would take
 * the requests that a person needs.
 */
import { untilRoomMs } from "@/api/room";

/** Reads after `ms`, or later; the function given back calls it off. */
export function atLeisure(read: () => void, ms: number): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const stop = () => {
    if (timer) clearTimeout(timer);
    timer = null;
    document.removeEventListener("visibilitychange", look);
  };
  const wait = (forMs: number) => {
    timer = setTimeout(look, forMs);
  };
  function look(): void {
    stop();
    if (document.hidden) return document.addEventListener("visibilitychange", look);
    const room = untilRoomMs();
    if (room > 0) wait(room);
    else read();
  }
  wait(ms);
  return stop;
}
