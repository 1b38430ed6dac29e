// SPDX-License-Identifier: Apache-2.0
/** Who receives webhooks, on loopback: keeps what came, as it came. */
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Told {
  headers: IncomingHttpHeaders;
  /** The bytes that are signed. */
  text: string;
  body: { type: string; data: Record<string, unknown> };
}

export class Receiver {
  readonly told: Told[] = [];
  /** The status of the next answers. */
  answer = 204;
  readonly #server: Server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const text = Buffer.concat(pieces).toString("utf8");
      this.told.push({ headers: request.headers, text, body: JSON.parse(text) as Told["body"] });
      response.writeHead(this.answer).end();
    });
  });

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Is one of its signatures by this secret, as Standard Webhooks has it? */
export function isSignedBy({ headers, text }: Told, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key)
    .update(`${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${text}`)
    .digest("base64");
  return String(headers["webhook-signature"]).split(" ").includes(`v1,${expected}`);
}
