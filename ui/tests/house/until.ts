// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";

const BETWEEN_MS = 50;

/** The first answer of `ask` that is something; after `limitMs` an error that names what was waited for. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | null | undefined | false | Promise<Answer | null | undefined | false>,
  limitMs = 30_000,
): Promise<Answer> {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() >= end) throw new Error(`waited ${limitMs / 1000} s for ${what}`);
    await pause(BETWEEN_MS);
  }
}
