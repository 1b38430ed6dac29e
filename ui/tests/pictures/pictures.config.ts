// SPDX-License-Identifier: Apache-2.0
/**
 * Pictures of the console, for people to look at: `./muster screenshots`. With the small company of tests/house/scene.ts on
 * an appliance of its own, or of a running one (MUSTER_CONSOLE, MUSTER_PASSWORD_FILE). MUSTER_PICTURES_OF: some names alone.
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
