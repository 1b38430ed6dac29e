// SPDX-License-Identifier: Apache-2.0
/** A cell's sides: the outer ones are as far from the edge as a card's title above the table. */
export function paddingOf(index: number, count: number, box: boolean): string {
  const first = index === 0 && !box; // a box before it has its own
  if (index === count - 1) return first ? "px-4" : "pr-4 pl-3";
  return first ? "pr-3 pl-4" : "px-3";
}
