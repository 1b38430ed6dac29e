// SPDX-License-Identifier: Apache-2.0
/**
 * The connection to /api/ws: a one-time ticket, a subscription, and after a loss a resume from the
 * last sequence, with full jitter between 1 and 30 s. Hidden pages stay connected; a page that was
 * frozen notices by the silence of 45 s (the fleet's numbers come every few seconds) and begins anew.
 */
import { api } from "@/api/client";
import { liveStore, type LiveStore, type Message } from "./store";

const WAIT_MIN_MS = 1000;
const WAIT_MAX_MS = 30_000;
const SILENCE_MS = 45_000;
const TOPICS = ["fleet", "devices", "commands", "alerts"];
const NOT_AUTHENTICATED = 4401;
const FORBIDDEN = 4403;

export class LiveSocket {
  private socket: WebSocket | null = null;
  private wanted = false;
  /** Counts the attempts to connect: one that was given up meanwhile must not go on. */
  private turn = 0;
  private tries = 0;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private watchdog: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly store: LiveStore) {}

  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    window.addEventListener("online", this.hurry);
    void this.open();
  }

  stop(): void {
    this.wanted = false;
    this.turn++;
    window.removeEventListener("online", this.hurry);
    this.clearTimers();
    this.socket?.close(1000);
    this.socket = null;
    this.store.setState("off");
    this.store.reset();
  }

  private hurry = (): void => {
    if (!this.socket && this.wanted) {
      this.clearTimers();
      void this.open();
    }
  };

  private clearTimers(): void {
    if (this.retry) clearTimeout(this.retry);
    if (this.watchdog) clearTimeout(this.watchdog);
    this.retry = null;
    this.watchdog = null;
  }

  private async open(): Promise<void> {
    const turn = ++this.turn;
    this.store.setState(this.tries === 0 ? "connecting" : "reconnecting", this.store.detail);
    let ticket: string;
    try {
      ({ ticket } = await api.post("/api/auth/ws-ticket"));
    } catch (error) {
      if (turn === this.turn) this.later(error instanceof Error ? error.message : null);
      return;
    }
    if (turn !== this.turn) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/ws`);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "auth", ticket }));
    socket.onmessage = (event) => this.heard(socket, String(event.data));
    socket.onclose = (event) => this.lost(socket, event);
    this.watch(socket);
  }

  private lost(socket: WebSocket, { code, reason }: Pick<CloseEvent, "code" | "reason">): void {
    if (this.socket !== socket) return;
    this.socket = null;
    if (code === FORBIDDEN) this.store.setState("off", "You may not watch the fleet live.");
    else this.later(code === NOT_AUTHENTICATED ? null : reason || null);
  }

  private watch(socket: WebSocket): void {
    if (this.watchdog) clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      socket.close(); // over a dead line its own event may take a minute more
      this.lost(socket, { code: 0, reason: "" });
    }, SILENCE_MS);
  }

  private heard(socket: WebSocket, text: string): void {
    if (this.socket !== socket) return;
    this.watch(socket);
    const message = JSON.parse(text) as Message;
    if (message.type === "welcome") {
      const topics = TOPICS.filter((topic) => message.topics.includes(topic));
      const { stream, seq } = this.store;
      this.store.setState("catching-up");
      socket.send(JSON.stringify(stream ? { type: "resume", topics, stream, seq } : { type: "subscribe", topics }));
      return;
    }
    if (message.type === "ready") this.tries = 0;
    this.store.take(message);
  }

  private later(detail: string | null): void {
    if (!this.wanted) return;
    const most = Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** this.tries);
    this.tries++;
    this.store.setState("reconnecting", detail);
    this.retry = setTimeout(() => void this.open(), WAIT_MIN_MS / 2 + Math.random() * most);
  }
}

export const liveSocket = new LiveSocket(liveStore);
