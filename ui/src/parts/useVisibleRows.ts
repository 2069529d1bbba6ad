// SPDX-License-Identifier: GPL-2.0-only
import { type RefObject, useEffect, useState } from "react";
import { type Range, visibleRows } from "../logic/visible";

/** Which rows of a long list are near the window while the page scrolls; `top` is an element where the rows begin. */
export function useVisibleRows(top: RefObject<HTMLElement | null>, count: number, height: number): Range {
  const [range, setRange] = useState<Range>({ first: 0, end: Math.min(count, 60) });

  useEffect(() => {
    let frame = 0;
    function look() {
      frame = 0;
      if (top.current === null) return;
      const next = visibleRows(count, height, top.current.getBoundingClientRect().top, window.innerHeight);
      setRange((now) => (now.first === next.first && now.end === next.end ? now : next));
    }
    function soon() {
      if (frame === 0) frame = requestAnimationFrame(look);
    }
    look();
    window.addEventListener("scroll", soon, { passive: true });
    window.addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener("scroll", soon);
      window.removeEventListener("resize", soon);
    };
  }, [top, count, height]);

  return { first: Math.min(range.first, count), end: Math.min(range.end, count) };
}
