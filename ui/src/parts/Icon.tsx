// SPDX-License-Identifier: GPL-2.0-only

// Drawn on a 24 by 24 grid with a 1.75 stroke.
const PATHS = {
  alert: "M12 4 21 19.5H3ZM12 10v4.5M12 17v.2",
  archive: "M4 5h16v4H4ZM5.5 9v10.5h13V9M10 13h4",
  back: "M15 5l-7 7 7 7",
  bucket: "M4 7c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3ZM4 7l2 11.5c.2 1 2.8 1.8 6 1.8s5.8-.8 6-1.8L20 7",
  check: "M5 12.5l4.5 4.5L19 7.5",
  chevron: "M9 5l7 7-7 7",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10.5v10.5H9ZM15 9V4.5H4.5V15H9",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  file: "M6 3.5h8l4.5 4.5v12.5H6ZM14 3.5V8h4.5",
  folder: "M3.5 6h6l2 2.5h9V19h-17Z",
  folderPlus: "M3.5 6h6l2 2.5h9V19h-17ZM12 11v5.5M9.2 13.75h5.6",
  health: "M3 12.5h4l2.5-6 4.5 11 2.5-5H21",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17ZM12 11v5M12 7.8v.2",
  key: "M14.5 9.5a4 4 0 1 0-2.2 3.6L14 14.8h2.5v2.5H19V20h2.5v-2.8l-7.4-7.4",
  link: "M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7l1.1-1.1",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  play: "M7.5 5 18.5 12 7.5 19Z",
  plus: "M12 5v14M5 12h14",
  refresh: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3L20 9.4M20 4.5v4.9h-4.9",
  savings: "M4 19.5h16M7 16V9M12 16V4.5M17 16v-4",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.3 15.3 20 20",
  signOut: "M14 4.5H5v15h9M10 12h11M17.5 8.5 21 12l-3.5 3.5",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10.3 10.5v5.5M13.7 10.5v5.5",
  upload: "M12 16V5M7 9.5l5-5 5 5M5 20h14",
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration only: whatever it stands beside says the same in words. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#0e7a6d" />
      <path d="M6 20.5 26 8 19.5 25.5 15.5 20Z" fill="#fff" />
      <path d="M15.5 20 26 8 12.5 18.6 12.8 24Z" fill="#9fe3d4" />
    </svg>
  );
}
