// SPDX-License-Identifier: GPL-2.0-only
import { memo, useEffect, useRef, useState } from "react";
import { formatBytes, formatDate } from "../logic/format";
import { nameInside } from "../logic/path";
import { folder, formatRoute } from "../logic/route";
import { Icon } from "../parts/Icon";
import { moveByArrows } from "../parts/rows";
import { StorageBadge } from "../parts/StorageBadge";
import type { ListedObject, Page, StorageType } from "../s3/store";
import table from "../styles/table.module.css";
import { useBrowser } from "./context";

interface Props {
  bucket: string;
  prefix: string;
  page: Page;
  open: string | null;
}

export function ObjectTable({ bucket, prefix, page, open }: Props) {
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col" className={table.kind}>
            Stored as
          </th>
          <th scope="col" className={`${table.number} ${table.wideOnly}`}>
            Size
          </th>
          <th scope="col" className={`${table.date} ${table.wideOnly}`}>
            Modified
          </th>
        </tr>
      </thead>
      <tbody onKeyDown={moveByArrows}>
        {page.folders.map((inner) => (
          <tr key={inner}>
            <td className={table.name} colSpan={4}>
              <a data-row className={table.folder} href={formatRoute(folder(bucket, inner))}>
                <Icon name="folder" size={20} />
                <span>{nameInside(prefix, inner).slice(0, -1) || "(no name)"}</span>
              </a>
            </td>
          </tr>
        ))}
        {page.objects.map((object) => (
          <ObjectRow key={object.key} bucket={bucket} prefix={prefix} object={object} isOpen={object.key === open} />
        ))}
      </tbody>
    </table>
  );
}

interface RowProps {
  bucket: string;
  prefix: string;
  object: ListedObject;
  isOpen: boolean;
}

const ObjectRow = memo(function ObjectRow({ bucket, prefix, object, isOpen }: RowProps) {
  const { key, size, modified } = object;
  const date = modified !== null && <time dateTime={modified.toISOString()}>{formatDate(modified)}</time>;
  return (
    <tr data-open={isOpen || undefined}>
      <td className={table.name}>
        <a data-row href={formatRoute(folder(bucket, prefix, key))} aria-current={isOpen ? "true" : undefined}>
          <Icon name={isArchive(key) ? "archive" : "file"} size={20} />
          <span title={key}>
            {nameInside(prefix, key) || "(this folder's own object)"}
            <small>
              {formatBytes(size)} · {date}
            </small>
          </span>
        </a>
      </td>
      <td className={table.kind}>
        <StorageCell bucket={bucket} object={object} />
      </td>
      <td className={`${table.number} ${table.wideOnly}`}>{formatBytes(size)}</td>
      <td className={`${table.date} ${table.wideOnly} ${table.quiet}`}>{date}</td>
    </tr>
  );
});

/** Asks how the object is stored once the row is in sight. */
function StorageCell({ bucket, object }: { bucket: string; object: ListedObject }) {
  const { storageTypes } = useBrowser();
  const cell = useRef<HTMLSpanElement>(null);
  const [type, setType] = useState<StorageType | undefined>(storageTypes.known(bucket, object));

  useEffect(() => {
    const known = storageTypes.known(bucket, object);
    setType(known);
    if (known !== undefined) return;
    const stop = new AbortController();
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      storageTypes.ask({ bucket, object, signal: stop.signal, answer: setType });
    });
    seen.observe(cell.current!);
    return () => {
      seen.disconnect();
      stop.abort();
    };
  }, [storageTypes, bucket, object]);

  return <span ref={cell}>{type != null && <StorageBadge type={type} />}</span>;
}

function isArchive(key: string): boolean {
  return /\.(zip|tar|tgz|tar\.\w+|jar|war|ear|rar|7z|dmg|iso|gz|xz|bz2|zst)$/i.test(key);
}
