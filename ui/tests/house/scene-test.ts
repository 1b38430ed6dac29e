// SPDX-License-Identifier: Apache-2.0
/** Journeys in the scene of a small company, one for each worker. */
import { test as base } from "./journey";
import { setScene, type Scene } from "./scene";

export const test = base.extend<object, { scene: Scene }>({
  scene: [
    async ({ appliance }, use) => {
      const scene = await setScene(appliance);
      await use(scene);
      await scene.close();
    },
    { scope: "worker", timeout: 180_000 },
  ],
});
