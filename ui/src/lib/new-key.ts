// SPDX-License-Identifier: Apache-2.0
/** An idempotency key. (crypto.randomUUID is not there over plain HTTP.) */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
