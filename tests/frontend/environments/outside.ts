// What the functions under test import: bindings of every kind, one of which changes.
export const factors = [3];
export const double = (v: number): number => v * factors.length * 2;
export enum Mode {
  Linear,
  Cubic = 3,
}
export let count = 0;
export const increment = (): void => {
  count++;
};
export default { gain: 2 };
