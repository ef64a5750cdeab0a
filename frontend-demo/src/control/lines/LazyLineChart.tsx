import "./lines.css";
import { lazyPart } from "../../app/lazyPage.js";

/** LineChart with the library that draws it, loaded after the page. The page's figures do not wait for it. */
export const LazyLineChart = lazyPart(async () => (await import("./LineChart.js")).LineChart, <div className="line-chart" />);
