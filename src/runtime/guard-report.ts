/** What a process guard tells the server of the program that it started. */

/** File descriptor of the pipe between them; it closes when the server is gone. */
export const guardFd = 3

export type GuardReport =
  | { readonly kind: 'not started'; readonly message: string }
  | { readonly kind: 'ended'; readonly code: number | null; readonly signal: NodeJS.Signals | null }

/** How a program ended, as a part of a sentence. */
export function howItEnded(report: GuardReport): string {
  if (report.kind === 'not started') return `could not be started: ${report.message}`
  return report.signal === null ? `ended with code ${String(report.code)}` : `ended by signal ${report.signal}`
}
