import { useState } from "react";
import { troubleOf } from "../graphql/client.js";
import { useAccount } from "../session/AccountContext.js";
import { CopyableId } from "../ui/Copy.js";
import { formatBytes } from "./period.js";
import { DOWNLOAD, type Format, type StatementFile } from "./queries.js";

const NAMES: Readonly<Record<Format, string>> = { CSV: "CSV", JSON: "JSON", CAMT_053: "camt.053", MT940: "MT940", PDF: "PDF" };
const WORDS: Readonly<Record<Format, string>> = {
  CSV: "for spreadsheets",
  JSON: "for programs",
  CAMT_053: "ISO 20022, for banks and accounting",
  MT940: "SWIFT, for older accounting",
  PDF: "for people",
};

interface FilesProps {
  readonly statementId: string;
  readonly number: string;
  readonly files: readonly StatementFile[];
}

/** The files of a statement, each with its size, its checksum and its download. */
export function Files({ statementId, number, files }: FilesProps) {
  const { plain } = useAccount();
  const [problem, setProblem] = useState<string | null>(null);
  const download = async (format: Format): Promise<void> => {
    setProblem(null);
    const { data, error } = await plain.query(DOWNLOAD, { id: statementId, format }, { requestPolicy: "network-only" }).toPromise();
    const link = data?.node && "download" in data.node ? data.node.download : null;
    if (link) {
      follow(link.url);
    } else {
      setProblem(error === undefined ? "This service gives no links to files. The REST API has them." : troubleOf(error).message);
    }
  };
  return (
    <>
      <ul className="statement-files" aria-label={`Files of statement ${number}`}>
        {files.map(({ format, bytes, sha256, problem: reason }) => (
          <li key={format}>
            <span className="statement-file-name">
              <strong>{NAMES[format]}</strong> <span className="muted">{WORDS[format]}</span>
            </span>
            {sha256 === null ? (
              <span className="muted statement-file-sum">{reason}</span>
            ) : (
              <>
                <span className="muted statement-file-sum">
                  SHA-256 <CopyableId id={sha256} label={`the SHA-256 of the ${NAMES[format]} file`} />
                </span>
                <button type="button" className="button button-small" aria-label={`Download ${NAMES[format]}, ${formatBytes(bytes)}`} onClick={() => void download(format)}>
                  Download <span className="muted">{formatBytes(bytes)}</span>
                </button>
              </>
            )}
          </li>
        ))}
      </ul>
      {problem !== null && (
        <p className="field-problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

/** The service names the file. */
function follow(url: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}
