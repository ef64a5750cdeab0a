import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { graphiqlTabs } from "./scripts/graphiql-tabs.js";

/** Where `npm run dev` finds the service. */
const service = process.env["PAYCORE_URL"] ?? "http://127.0.0.1:8000";

const COMMON = /node_modules\/(@urql|urql|wouter|wonka)\/|src\/(session|graphql|live)\/|src\/money\/(Money|RollingDigits|format|decimal|groups|CurrenciesContext)\.|src\/ui\/(Icon|Copy|Notice|title|time|motion)\.|src\/app\/(lazyPage|chunk|Shell|places|theme|ThemeToggle)\./;

export default defineConfig({
  plugins: [react(), graphiqlTabs()],
  build: {
    target: "es2022",
    // The Content-Security-Policy knows no data: addresses, and browsers that run this need no polyfill.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    rolldownOptions: {
      input: {
        dashboard: fileURLToPath(new URL("index.html", import.meta.url)),
        graphiql: fileURLToPath(new URL("graphiql/index.html", import.meta.url)),
      },
      // What every page of the dashboard needs, in one file: cut by which page needs what, it would be dozens of them, and larger.
      output: { codeSplitting: { groups: [{ name: "common", test: COMMON }] } },
    },
  },
  server: {
    proxy: {
      "/graphql": { target: service, ws: true },
      "/demo": { target: service },
    },
  },
});
