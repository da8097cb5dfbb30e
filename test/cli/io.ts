/** Catches what a command writes. */
import type { Io } from '../../src/cli/infer.ts'

export interface CaughtIo extends Io {
  readonly out: () => string
  readonly err: () => string
}

export function catchIo(columns?: number): CaughtIo {
  const out: string[] = []
  const err: string[] = []
  return {
    stdout: { write: (text) => out.push(text), ...(columns === undefined ? {} : { columns }) },
    stderr: { write: (text) => err.push(text) },
    out: () => out.join(''),
    err: () => err.join(''),
  }
}
