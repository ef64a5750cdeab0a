import { defineConfig } from "vitest/config";
import { readmes } from "./tests/readmes.js";

export default defineConfig({
  plugins: [readmes()],
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    // Node 20 has the WebSocket of browsers behind a flag; later ones have it anyway.
    execArgv: ["--experimental-websocket"],
    setupFiles: ["./tests/setup.ts"],
    testTimeout: 20_000,
  },
});
