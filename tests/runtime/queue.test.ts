// The queue: strict order, and no error stops it.
import { expect, test } from "vitest";
import { Queue } from "../../runtime/queue.js";

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("tasks run one after the other, slow ones too", async () => {
  const seen: number[] = [];
  const queue = new Queue(() => undefined);
  expect(queue.isIdle).toBe(true);
  queue.push(async () => {
    await turn();
    seen.push(1);
  });
  queue.push(() => void seen.push(2));
  queue.push(async () => {
    queue.push(() => void seen.push(4));
    await turn();
    seen.push(3);
  });
  expect(queue.isIdle).toBe(false);
  await queue.whenDone();
  await turn();
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(queue.isIdle).toBe(true);
});

test("a task that throws or rejects is reported, and the next one runs", async () => {
  const errors: unknown[] = [];
  const seen: number[] = [];
  const queue = new Queue((error) => void errors.push(error));
  queue.push(() => {
    throw new Error("thrown");
  });
  queue.push(() => Promise.reject(new Error("rejected")));
  queue.push(() => void seen.push(1));
  await queue.whenDone();
  expect(errors.map(String)).toEqual(["Error: thrown", "Error: rejected"]);
  expect(seen).toEqual([1]);
});

test("thousands of tasks, some pushed while it runs, keep their order", async () => {
  const seen: number[] = [];
  const queue = new Queue(() => undefined);
  queue.push(turn);
  for (let i = 0; i < 5000; i++) {
    queue.push(() => {
      seen.push(i);
      if (i % 1000 === 0) queue.push(() => void seen.push(5000 + i / 1000));
    });
  }
  await queue.whenDone();
  await turn();
  expect(seen).toEqual(Array.from({ length: 5005 }, (_, i) => i));
});
