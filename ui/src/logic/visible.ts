// SPDX-License-Identifier: GPL-2.0-only

/** Rows from `first` up to, not including, `end`. */
export interface Range {
  first: number;
  end: number;
}

/** Rows drawn beyond each edge of the window, so that scrolling a little shows no gap. */
const MARGIN = 12;

/**
 * The rows of a list to draw: `count` rows of `height` pixels, whose top lies `top` pixels below the window's top
 * (negative once scrolled past it); the window is `view` pixels high.
 */
export function visibleRows(count: number, height: number, top: number, view: number): Range {
  const first = Math.floor(-top / height) - MARGIN;
  const end = Math.ceil((view - top) / height) + MARGIN;
  const clamp = (row: number) => Math.min(count, Math.max(0, row));
  return { first: clamp(first), end: clamp(end) };
}
