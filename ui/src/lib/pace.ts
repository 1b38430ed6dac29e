// SPDX-License-Identifier: Apache-2.0
/**
 * A few requests at once, then one each `everyMs`: an account has 60 a minute for everything it does, while a fleet
 * changes all the time and who drags a scroll bar passes a page each frame.
 */
export class Pace {
  private left: number;
  private at = 0;

  constructor(
    private readonly burst: number,
    private readonly everyMs: number,
  ) {
    this.left = burst;
  }

  private refill(now: number): void {
    this.left = Math.min(this.burst, this.left + (now - this.at) / this.everyMs);
    this.at = now;
  }

  /** Milliseconds until there is one to spend, `spare` being left for others. */
  waitMs(now: number, spare = 0): number {
    this.refill(now);
    return Math.max(0, Math.ceil((1 + spare - this.left) * this.everyMs));
  }

  spend(now: number): void {
    this.refill(now);
    this.left -= 1;
  }
}
