// SPDX-License-Identifier: Apache-2.0
/**
 * Pictures of the console, for people to look at: `./muster screenshots`. Of the running appliance (MUSTER_CONSOLE and
 * MUSTER_PASSWORD_FILE), or with MUSTER_SCENE=1 of one of its own, with the small company of tests/house/scene.ts.
 */
import { defineConfig } from "@playwright/test";
import journeys from "../../playwright.config";

const folder = process.env["MUSTER_PICTURES"] ?? "../../../build/screenshots";

export default defineConfig({
  ...journeys,
  testDir: ".",
  testMatch: "*.pictures.ts",
  outputDir: `${folder}/.work`,
  workers: 1,
  timeout: 60_000,
  reporter: [["list"]],
  use: { ...journeys.use, trace: "off", screenshot: "off" },
});
