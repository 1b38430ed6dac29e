// SPDX-License-Identifier: Apache-2.0
/**
 * Journeys: what people do on the console, in Debian's Chromium, against a real musterd that the
 * tests start themselves (tests/house). `./muster test --only journeys` builds what they need;
 * by hand: npx playwright test [file] [-g words] [--headed].
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "@playwright/test";

const outside = process.env["MUSTER_JOURNEYS_OUT"] ?? "../build/journeys";

export default defineConfig({
  testDir: "tests/journeys",
  outputDir: `${outside}/failures`,
  // Each file has an appliance of its own and its tests run one after another: what one leaves, the next may meet.
  fullyParallel: false,
  workers: Math.ceil(availableParallelism() * 1.5), // they wait more than they work
  forbidOnly: true,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [["list"], ["junit", { outputFile: process.env["MUSTER_JOURNEYS_JUNIT"] ?? `${outside}/junit.xml` }]],
  use: {
    browserName: "chromium",
    viewport: { width: 1366, height: 900 },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    contextOptions: { reducedMotion: "reduce" },
    actionTimeout: 20_000,
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      // Chromium's own sandbox does not start as root, which is who runs CI.
      chromiumSandbox: process.getuid?.() !== 0,
    },
  },
});
