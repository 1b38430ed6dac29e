// SPDX-License-Identifier: Apache-2.0
/** "Firefox on Windows" of what a program calls itself; the program's own word where it is no browser. */
const BROWSERS: [RegExp, string][] = [
  [/\bEdgA?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\bFirefox\//, "Firefox"],
  [/\bHeadlessChrome\//, "Chrome (headless)"],
  [/\bChrome\//, "Chrome"],
  [/\bVersion\/.*Safari\//, "Safari"],
];
const SYSTEMS: [RegExp, string][] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux/, "Linux"],
];

export interface Program {
  name: string;
  phone: boolean;
}

export function programOf(userAgent: string | null): Program {
  if (!userAgent) return { name: "Unknown program", phone: false };
  const browser = BROWSERS.find(([pattern]) => pattern.test(userAgent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1];
  const phone = /Mobile|iPhone|Android/.test(userAgent);
  if (!browser) return { name: userAgent.split(" ")[0] ?? userAgent, phone };
  return { name: system ? `${browser} on ${system}` : browser, phone };
}
