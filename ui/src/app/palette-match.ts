// SPDX-License-Identifier: Apache-2.0
/** Is every word that was typed the beginning of a word of `text`? Nothing typed matches all. */
export function matches(typed: string, text: string): boolean {
  const words = text.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  return typed
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((part) => words.some((word) => word.startsWith(part)));
}
