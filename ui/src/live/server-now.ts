// SPDX-License-Identifier: Apache-2.0
import { liveStore } from "./store";

/** The appliance's clock, epoch seconds: the viewer's may be wrong. */
let aheadS = 0;

liveStore.subscribe(() => {
  if (liveStore.fleet) aheadS = liveStore.fleet.at - Date.now() / 1000;
});

/** A second or two behind at most; without a live channel the viewer's own clock. */
export const serverNow = (): number => Date.now() / 1000 + (Math.abs(aheadS) > 5 ? aheadS : 0);
