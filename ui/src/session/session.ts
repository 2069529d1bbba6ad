// SPDX-License-Identifier: GPL-2.0-only

/** How requests are authenticated: not at all (the proxy is open), or signed with these keys. */
export type Session = { kind: "open" } | { kind: "keys"; accessKeyId: string; secretAccessKey: string };

// Session storage is this tab's, and gone with it. Nothing is ever written to disk-backed local storage.
const SLOT = "deltaglider.session";

export function keepForTab(session: Session): void {
  sessionStorage.setItem(SLOT, JSON.stringify(session));
}

export function forget(): void {
  sessionStorage.removeItem(SLOT);
}

/** The keys kept for this tab, or null; what is there and is no session counts as nothing. */
export function kept(): Session | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(SLOT) ?? "null") as Partial<Record<string, unknown>> | null;
    const { accessKeyId, secretAccessKey } = found ?? {};
    if (typeof accessKeyId !== "string" || typeof secretAccessKey !== "string") return null;
    return { kind: "keys", accessKeyId, secretAccessKey };
  } catch {
    return null;
  }
}
