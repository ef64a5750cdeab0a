import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "../styles/fonts.css";
import "../styles/tokens.css";
import "../styles/controls.css";
import "./graphiql.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { applyTheme } from "../app/theme.js";
import { fetchDemoSession, type DemoSession } from "../session/demo.js";
import { GraphiqlPage } from "./GraphiqlPage.js";

/** The demo's users; null in production, and where the service cannot be asked: GraphiQL then says so itself. */
async function demoSession(): Promise<DemoSession | null> {
  try {
    return await fetchDemoSession();
  } catch {
    return null;
  }
}

applyTheme();
const root = document.getElementById("root");
if (root !== null) {
  const demo = await demoSession();
  createRoot(root).render(
    <StrictMode>
      <GraphiqlPage demo={demo} />
    </StrictMode>,
  );
}
