// SPDX-License-Identifier: GPL-2.0-only
import { memo } from "react";
import { formatBytes, formatDate } from "../logic/format";
import { nameInside } from "../logic/path";
import { folder as folderRoute, formatRoute } from "../logic/route";
import { formatShare, savings } from "../logic/savings";
import { Icon } from "../parts/Icon";
import { Saved } from "../parts/Saved";
import { StorageBadge } from "../parts/StorageBadge";
import type { StoredObject } from "../s3/own";
import table from "../styles/table.module.css";

interface Shared {
  bucket: string;
  prefix: string;
  /** Among all rows, folders first. */
  index: number;
  selected: boolean;
  onToggle: (index: number, range: boolean) => void;
}

export const FolderRow = memo(function FolderRow({ folder, ...shared }: Shared & { folder: string }) {
  const { bucket, prefix, index, selected } = shared;
  const name = nameInside(prefix, folder).slice(0, -1) || "(no name)";
  return (
    <tr data-index={index} aria-rowindex={index + 2} data-selected={selected || undefined}>
      <Tick {...shared} name={`folder ${name}`} />
      <td className={table.name} colSpan={6}>
        <a data-row className={table.folder} href={formatRoute(folderRoute(bucket, folder))}>
          <Icon name="folder" size={20} />
          <span>{name}</span>
        </a>
      </td>
    </tr>
  );
});

interface ObjectProps extends Shared {
  object: StoredObject;
  isOpen: boolean;
}

export const ObjectRow = memo(function ObjectRow({ object, isOpen, ...shared }: ObjectProps) {
  const { bucket, prefix, index, selected } = shared;
  const { key, size, stored, storage } = object;
  const modified = new Date(object.modified);
  const name = nameInside(prefix, key) || "(this folder's own object)";
  const date = <time dateTime={modified.toISOString()}>{formatDate(modified)}</time>;
  const saved = storage === "delta" ? savings(size, stored) : null;
  return (
    <tr
      data-index={index}
      aria-rowindex={index + 2}
      data-open={isOpen || undefined}
      data-selected={selected || undefined}
    >
      <Tick {...shared} name={name} />
      <td className={table.name}>
        <a data-row href={formatRoute(folderRoute(bucket, prefix, key))} aria-current={isOpen ? "true" : undefined}>
          <Icon name={isArchive(key) ? "archive" : "file"} size={20} />
          <span title={key}>
            {name}
            <small>
              {formatBytes(size)}
              {saved !== null ? ` · ${formatShare(saved)} saved` : <> · {date}</>}
            </small>
          </span>
        </a>
      </td>
      <td className={table.kind}>
        <StorageBadge type={storage} />
      </td>
      <td className={`${table.number} ${table.wideOnly}`}>{formatBytes(size)}</td>
      <td className={`${table.number} ${table.wideOnly} ${table.third} ${table.quiet}`}>{formatBytes(stored)}</td>
      <td className={`${table.number} ${table.wideOnly}`}>
        <Saved size={size} stored={stored} />
      </td>
      <td className={`${table.date} ${table.wideOnly} ${table.second} ${table.quiet}`}>{date}</td>
    </tr>
  );
});

function Tick({ index, selected, onToggle, name }: Shared & { name: string }) {
  return (
    <td className={table.tick}>
      <input
        type="checkbox"
        aria-label={`Select ${name}`}
        checked={selected}
        onChange={() => undefined}
        onClick={(event) => onToggle(index, event.shiftKey)}
      />
    </td>
  );
}

function isArchive(key: string): boolean {
  return /\.(zip|tar|tgz|tar\.\w+|jar|war|ear|rar|7z|dmg|iso|gz|xz|bz2|zst)$/i.test(key);
}
