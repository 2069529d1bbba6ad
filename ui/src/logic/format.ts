// SPDX-License-Identifier: GPL-2.0-only

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** "1 byte", "999 bytes", "1.5 KiB", "64 MiB": three significant digits at most below 1000, never "1024 KiB". */
export function formatBytes(bytes: number): string {
  if (bytes === 1) return "1 byte";
  let value = bytes;
  let unit = 0;
  while (unit < UNITS.length - 1 && Number(rounded(value, unit)) >= 1024) {
    value /= 1024;
    unit += 1;
  }
  return `${rounded(value, unit)} ${UNITS[unit]}`;
}

function rounded(value: number, unit: number): string {
  if (unit === 0 || value >= 100) return String(Math.round(value));
  return String(Number(value.toFixed(value < 10 ? 2 : 1)));
}

/** "8 s", "3 min 20 s", "2 h 5 min": the two largest parts. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (h > 0) return min > 0 ? `${h} h ${min} min` : `${h} h`;
  if (min > 0) return s > 0 ? `${min} min ${s} s` : `${min} min`;
  return `${s} s`;
}

export function formatCount(count: number, one: string, many: string): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** In the reader's time zone: "22 Nov 2026, 15:14". */
export function formatDate(date: Date): string {
  return DATE.format(date);
}
