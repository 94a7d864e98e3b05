// The bits of WebGPU's usage flags: Node has no such globals.

export const BUFFER_USAGE = {
  /** COPY_SRC | COPY_DST | STORAGE */
  storage: 0x4 | 0x8 | 0x80,
  /** COPY_DST | UNIFORM */
  uniform: 0x8 | 0x40,
  /** MAP_READ | COPY_DST */
  staging: 0x1 | 0x8,
} as const;

export const MAP_READ = 0x1;

export const STAGE_COMPUTE = 0x4;
