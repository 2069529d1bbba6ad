// SPDX-License-Identifier: GPL-2.0-only
import { useState } from "react";
import { isDark, setTheme } from "../logic/theme";
import { Icon } from "../parts/Icon";

/** Light or dark, against what the system says. */
export function ThemeButton() {
  const [dark, setDark] = useState(isDark);
  return (
    <button
      type="button"
      className="button icon"
      aria-label={dark ? "Use light colours" : "Use dark colours"}
      title={dark ? "Light" : "Dark"}
      onClick={() => {
        setTheme(dark ? "light" : "dark");
        setDark(!dark);
      }}
    >
      <Icon name={dark ? "sun" : "moon"} />
    </button>
  );
}
