import { Link } from "wouter";
import { Empty } from "../ui/Notice.js";
import { useTitle } from "../ui/title.js";

/** The paths that have a page. The service answers all others with 404, by the same pattern (app/http/dashboard.py). */
const PAGES = /^\/(|wallets(\/[^/]+(\/statements)?)?|activity|send|convert|transactions\/[^/]+|holds\/[^/]+|checkout|webhooks(\/[^/]+)?|control|find(\/[^/]+)?|break)\/?$/;

export function isPage(path: string): boolean {
  return PAGES.test(path);
}

export function NoSuchPage() {
  useTitle("No such page");
  return (
    <Empty isPage icon="alert" title="There is no such page">
      <p className="muted">The address may be mistyped, or the page has moved.</p>
      <Link href="/" className="button">
        To the start
      </Link>
    </Empty>
  );
}
