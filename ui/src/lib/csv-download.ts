// SPDX-License-Identifier: Apache-2.0
/** A file that only who is signed in may have: a link can't carry the token, so it is fetched and then saved. */
import { request } from "@/api/client";

/** The name in Content-Disposition, without any path. */
export function fileName(disposition: string | null, otherwise: string): string {
  const found = /filename="?([^";]+)"?/i.exec(disposition ?? "")?.[1];
  return found?.split(/[\\/]/).at(-1)?.trim() || otherwise;
}

export function saveAs(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers begin to read it only now
}

export async function downloadCsv(path: string, query: Record<string, unknown>, otherwise: string): Promise<void> {
  const response = await request("GET", path, { query: query as never });
  saveAs(await response.blob(), fileName(response.headers.get("content-disposition"), otherwise));
}
