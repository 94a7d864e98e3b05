// One thing the doctor looked at, and what to do where it is not fine.

export interface Finding {
  readonly check: string;
  readonly status: "fine" | "warning" | "failed";
  /** What was seen, in words. */
  readonly found: string;
  /** The way out. Every finding that is not fine has one. */
  readonly fix?: string;
  /** What was seen, for programs. */
  readonly details?: Readonly<Record<string, unknown>>;
}

type Details = Readonly<Record<string, unknown>>;

export const fine = (check: string, found: string, details?: Details): Finding => ({
  check,
  status: "fine",
  found,
  ...(details && { details }),
});

export const warning = (check: string, found: string, fix: string, details?: Details): Finding => ({
  check,
  status: "warning",
  found,
  fix,
  ...(details && { details }),
});

export const failed = (check: string, found: string, fix: string, details?: Details): Finding => ({
  check,
  status: "failed",
  found,
  fix,
  ...(details && { details }),
});
