// Loops whose end only the device knows: the host encodes some turns, reads one word, and goes on or not.
import { type Action, isDriven } from "./prepare.js";

/** Turns encoded at once at most. Those after the end do nothing, but each of their dispatches has its price. */
const MAX_TURNS = 64;

export interface Driver {
  /** Encodes actions that need no look at the device. */
  encode(actions: readonly Action[]): void;
  /** Whether the first word of a slot is 1, after all that was encoded. */
  isSet(slot: number): Promise<boolean>;
}

/** Runs `actions` in order. */
export async function drive(actions: readonly Action[], driver: Driver): Promise<void> {
  let plain: Action[] = [];
  const encode = (): void => {
    if (plain.length > 0) driver.encode(plain);
    plain = [];
  };
  for (const action of actions) {
    if (!("kind" in action) || !isDriven(action)) {
      plain.push(action);
      continue;
    }
    encode();
    if (action.kind === "repeat") {
      for (let i = 0; i < action.count; i++) await drive(i % 2 === 0 ? action.even : action.odd, driver);
    } else if (action.body.some(isDriven)) {
      while (await driver.isSet(action.flag)) await drive(action.body, driver);
    } else {
      // twice as many each time: what is done in vain is at most what was needed
      for (let turns = 1; await driver.isSet(action.flag); turns = Math.min(2 * turns, MAX_TURNS))
        driver.encode(Array.from({ length: turns }, () => action.body).flat());
    }
  }
  encode();
}
