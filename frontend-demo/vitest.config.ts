import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    // Node 20 has the WebSocket of browsers behind a flag; later ones have it anyway.
    execArgv: ["--experimental-websocket"],
    testTimeout: 20_000,
  },
});
