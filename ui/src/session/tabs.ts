// SPDX-License-Identifier: Apache-2.0
/** What the other tabs of this browser are told of the session. No secret goes this way. */
export type Told = "in" | "out";

const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("muster.session");

export const tellTabs = (what: Told): void => channel?.postMessage(what);

export function hearTabs(heard: (what: Told) => void): void {
  channel?.addEventListener("message", (event: MessageEvent<Told>) => heard(event.data));
}
