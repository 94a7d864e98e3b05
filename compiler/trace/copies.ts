// Counts of the copies that are made because models share memory: none while the same models are used together.

/** Totals since the process started. */
export const copies = {
  /** Variables of several models that were put into one array. */
  arraysStacked: 0,
  /** Arrays of which entries were gathered, for some of the models, or for another order. */
  arraysGathered: 0,
  /** Entries of such arrays that were copied out, to be read or kept by themselves. */
  entriesCopied: 0,
};
