import { download } from "../ui/download.js";
import { movedBy, type Row } from "./rows.js";

const HEADER = ["Created (UTC)", "Transaction", "Type", "Status", "Direction", "Amount", "Currency", "Counterparty", "Description", "Failure", "Fee", "Total"];

/** The rows as a table by RFC 4180. Amounts are exact and positive; the direction is a column of its own. The total is what moved, with the fee. */
export function csvOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.createdAt,
    row.id,
    row.found?.isFee === true ? "FEE" : row.type,
    row.status,
    row.direction,
    row.amount.amount,
    row.amount.currency,
    row.counterparty ?? "",
    row.description ?? "",
    row.failureCode ?? "",
    row.fee?.amount ?? "",
    row.status === "COMPLETED" ? movedBy(row).amount : "",
  ]);
  return [HEADER, ...lines].map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

/** A spreadsheet would run a cell that starts with one of these as a formula. An apostrophe makes it text. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/u;
const NEEDS_QUOTES = /[",\r\n]/;

function cell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return NEEDS_QUOTES.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Without it, some spreadsheets do not read the file as UTF-8. */
const BYTE_ORDER_MARK = "\uFEFF";

/** Save a table as a file. */
export function downloadCsv(csv: string, name: string): void {
  download([BYTE_ORDER_MARK, csv], "text/csv", name);
}
