// SPDX-License-Identifier: Apache-2.0
const numbersOf = (text: string): number[] => (text.split(/[-+]/, 1)[0]?.match(/\d+/g) ?? []).map(Number);
const isEarly = (text: string): boolean => text.replace(/\+.*/, "").includes("-");

/** As the appliance compares: number by number ("4.10" is newer than "4.9"), and "2.0-rc1" comes before "2.0". */
export function isOlder(version: string, least: string): boolean {
  const [a, b] = [numbersOf(version), numbersOf(least)];
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return isEarly(version) && !isEarly(least);
}
