// SPDX-License-Identifier: GPL-2.0-only
// Light or dark: the system's choice, unless somebody made another one here, which this browser keeps.

const SLOT = "deltaglider.theme";

type Theme = "light" | "dark";

/** Puts a choice made earlier into force. */
export function restoreTheme(): void {
  const chosen = localStorage.getItem(SLOT);
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}

export function setTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(SLOT, theme);
}

export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? window.matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
}
