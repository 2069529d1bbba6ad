// SPDX-License-Identifier: GPL-2.0-only
import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";
import type { Folder } from "../logic/folder";
import type { Column, Order } from "../logic/order";
import { Icon } from "../parts/Icon";
import { NARROW, useMedia } from "../parts/useMedia";
import { useVisibleRows } from "../parts/useVisibleRows";
import table from "../styles/table.module.css";
import { FolderRow, ObjectRow } from "./ObjectRows";
import type { Selection } from "./useSelection";

interface Props {
  bucket: string;
  prefix: string;
  folder: Folder;
  order: Order;
  onOrder: (column: Column) => void;
  selection: Selection;
  open: string | null;
}

/** Pixels of a row, as the style sheet has them. */
const ROW = 46;
const NARROW_ROW = 60;

/** The list: only the rows near the window are there, between two empty ones as high as the rest. */
export function ObjectTable({ bucket, prefix, folder, order, onOrder, selection, open }: Props) {
  const body = useRef<HTMLTableSectionElement>(null);
  const wanted = useRef<number | null>(null);
  const height = useMedia(NARROW) ? NARROW_ROW : ROW;
  const { folders, objects } = folder;
  const count = folders.length + objects.length;
  const { first, end } = useVisibleRows(body, count, height);

  useEffect(() => {
    // The row that a key press asked for may be drawn only now.
    if (wanted.current === null || wanted.current < first || wanted.current >= end) return;
    body.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"] a`)?.focus();
    wanted.current = null;
  }, [first, end]);

  function onKeyDown(event: KeyboardEvent<HTMLElement>) {
    const row = (event.target as HTMLElement).closest<HTMLElement>("[data-index]");
    if (row === null) return;
    const at = Number(row.dataset.index);
    if (event.key === " " && event.target instanceof HTMLAnchorElement) {
      event.preventDefault();
      selection.toggle(at, event.shiftKey);
      return;
    }
    const page = Math.max(1, Math.floor(window.innerHeight / height) - 4);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: count - 1,
    };
    const to = steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    focusRow(Math.min(count - 1, Math.max(0, to)));
  }

  function focusRow(index: number) {
    const drawn = body.current?.querySelector<HTMLElement>(`[data-index="${index}"] a`);
    if (drawn) return drawn.focus();
    wanted.current = index;
    const top = (body.current?.getBoundingClientRect().top ?? 0) + window.scrollY;
    window.scrollTo({ top: top + index * height - window.innerHeight / 2 });
  }

  const rows: ReactNode[] = [];
  for (let index = first; index < end; index++) {
    const shared = { bucket, prefix, index, selected: selection.has(index), onToggle: selection.toggle };
    const inner = folders[index];
    if (inner !== undefined) rows.push(<FolderRow key={inner} {...shared} folder={inner} />);
    else {
      const object = objects[index - folders.length]!;
      rows.push(<ObjectRow key={object.key} {...shared} object={object} isOpen={object.key === open} />);
    }
  }

  const head = { order, onOrder };
  return (
    <table className={table.table} aria-rowcount={count + 1}>
      <thead>
        <tr aria-rowindex={1}>
          <th scope="col" className={table.tick}>
            <input
              type="checkbox"
              aria-label="Select all"
              checked={selection.count > 0 && selection.count === count}
              ref={(box) => {
                if (box) box.indeterminate = selection.count > 0 && selection.count < count;
              }}
              onChange={selection.toggleAll}
            />
          </th>
          <Head {...head} column="name" title="Name" />
          <th scope="col" className={table.kind}>
            Stored as
          </th>
          <Head {...head} column="size" title="Size" className={`${table.number} ${table.wideOnly}`} />
          <Head
            {...head}
            column="stored"
            title="Stored"
            className={`${table.number} ${table.wideOnly} ${table.third}`}
          />
          <Head {...head} column="saved" title="Saved" className={`${table.number} ${table.wideOnly}`} />
          <Head
            {...head}
            column="modified"
            title="Modified"
            className={`${table.date} ${table.wideOnly} ${table.second}`}
          />
        </tr>
      </thead>
      <tbody ref={body} onKeyDown={onKeyDown}>
        <Space rows={first} height={height} />
        {rows}
        <Space rows={count - end} height={height} />
      </tbody>
    </table>
  );
}

function Space({ rows, height }: { rows: number; height: number }) {
  if (rows === 0) return null;
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in it takes the focus
    <tr aria-hidden="true" className={table.space} style={{ height: rows * height }}>
      <td colSpan={7} />
    </tr>
  );
}

interface HeadProps {
  order: Order;
  onOrder: (column: Column) => void;
  column: Column;
  title: string;
  className?: string;
}

function Head({ order, onOrder, column, title, className }: HeadProps) {
  const active = order.column === column;
  return (
    <th
      scope="col"
      className={className}
      aria-sort={active ? (order.descending ? "descending" : "ascending") : undefined}
    >
      <button type="button" className={table.sort} onClick={() => onOrder(column)}>
        {title}
        {active && (
          <span className={order.descending ? table.down : table.up}>
            <Icon name="chevron" size={12} />
          </span>
        )}
      </button>
    </th>
  );
}
