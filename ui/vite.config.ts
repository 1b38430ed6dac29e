// SPDX-License-Identifier: Apache-2.0
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` beside a running appliance: MUSTER_URL=http://127.0.0.1:8080
const appliance = process.env["MUSTER_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: {
      "@": new URL("./src", import.meta.url).pathname,
      "react-style-singleton": new URL("./src/lib/style-singleton.ts", import.meta.url).pathname,
    },
  },
  server: {
    proxy: {
      "/api": { target: appliance, ws: true },
      "/admin": appliance,
      "/v1": appliance,
      "/health": appliance,
      "/ready": appliance,
      "/metrics": appliance,
    },
  },
  build: {
    target: "es2022",
    sourcemap: false,
    manifest: true, // scripts/first-load.mjs reckons by it; it is not served
    assetsInlineLimit: 0, // the content security policy knows no data: scripts or styles
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
});
