// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useState } from "react";
import { isAbort } from "../logic/explain";
import { formatBytes } from "../logic/format";
import { fileName } from "../logic/path";
import { type PreviewKind, previewKind, readable, TEXT_LIMIT } from "../logic/preview";
import { type ObjectDetails, readStart } from "../s3/store";
import { useBrowser } from "./context";
import styles from "./Preview.module.css";

interface Props {
  bucket: string;
  objectKey: string;
  details: ObjectDetails;
}

type Content = { is: "image"; url: string } | { is: "text"; text: string } | { is: "none" };

/** A look at texts, JSON and images, once somebody asks for it. */
export function Preview({ bucket, objectKey, details }: Props) {
  const { store, explain } = useBrowser();
  const { size, contentType, etag } = details;
  const kind = previewKind(objectKey, contentType, size);
  const [content, setContent] = useState<Content | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    if (kind === null) return;
    const stop = new AbortController();
    let url: string | null = null;
    async function look(kind: PreviewKind) {
      const bytes = await readStart(store, bucket, objectKey, kind === "image" ? size : TEXT_LIMIT, stop.signal);
      if (stop.signal.aborted) return;
      if (kind === "image") {
        url = URL.createObjectURL(new Blob([bytes as BlobPart], { type: contentType }));
        setContent({ is: "image", url });
      } else {
        const text = readable(bytes, kind, bytes.length >= size);
        setContent(text === null ? { is: "none" } : { is: "text", text });
      }
    }
    look(kind).catch((thrown) => {
      if (!stop.signal.aborted && !isAbort(thrown)) setProblem(explain(thrown));
    });
    return () => {
      stop.abort();
      if (url !== null) URL.revokeObjectURL(url);
    };
  }, [store, bucket, objectKey, kind, size, contentType, etag, explain]);

  if (kind === null || content?.is === "none") return null;
  return (
    <section className={styles.preview} aria-label="Preview">
      {problem !== null && <p>{problem}</p>}
      {content === null && problem === null && <p>Loading…</p>}
      {content?.is === "image" && <img src={content.url} alt={fileName(objectKey)} />}
      {content?.is === "text" && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <pre tabIndex={0}>
          {content.text}
          {size > TEXT_LIMIT && `\n\n… ${formatBytes(size - TEXT_LIMIT)} more`}
        </pre>
      )}
    </section>
  );
}
