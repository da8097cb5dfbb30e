/** One run of a program of others: started behind a guard, its output logged, ended with all that it has started. */
import { spawn, type ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { guardFd, howItEnded, type GuardReport } from './guard-report.ts'
import { LastWords } from './last-words.ts'
import { LineBudget } from './line-budget.ts'

const guard = fileURLToPath(new URL('./process-guard.js', import.meta.url))
/** It holds next to nothing; its heap must not grow to the size of the machine. */
const guardFlags = ['--max-old-space-size=16', '--no-warnings']

export interface ProgramOptions {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  readonly stopGraceMs: number
  /** For the log. */
  readonly name: string
  readonly log: Log
}

export class GuardedProgram {
  readonly #child: ChildProcess
  readonly #lastWords = new LastWords()
  readonly #graceMs: number
  #how: string | undefined
  #isGone = false
  /** Settles with how it ended. */
  readonly ended: Promise<string>

  constructor({ command, env, cwd, stopGraceMs, name, log }: ProgramOptions) {
    if (process.platform === 'win32') {
      throw new InferenceError('unimplemented', 'launching a server process works on Linux and macOS only')
    }
    this.#graceMs = stopGraceMs
    this.#child = spawn(process.execPath, [...guardFlags, guard, String(stopGraceMs), ...command], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true, // a group of their own: a terminal's Ctrl-C does not reach it, and it ends as a whole
      env: { ...process.env, ...env, NODE_OPTIONS: env['NODE_OPTIONS'] ?? '' },
      ...(cwd === undefined ? {} : { cwd }),
    })
    this.ended = new Promise((resolve) => this.#onceEnded(resolve))
    this.#listen(name, log)
  }

  /** Its last lines, '' where it said nothing. */
  get lastWords(): string {
    return this.#lastWords.text
  }

  /** Of the guard, which is also the id of the process group. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Asks it to end, and kills it with all that it has started where it does not in time. */
  async stop(): Promise<void> {
    this.#signal('SIGTERM')
    const timer = setTimeout(() => this.#signal('SIGKILL'), this.#graceMs)
    await this.ended
    clearTimeout(timer)
  }

  #listen(name: string, log: Log): void {
    const budget = new LineBudget()
    const write = (line: string): void => {
      const dropped = budget.take(performance.now())
      if (dropped === undefined) return
      log.info({ model: name, line, ...(dropped === 0 ? {} : { lines_dropped: dropped }) }, 'launched process wrote')
    }
    // Most programs log to their standard error: it says nothing of how bad a line is.
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) this.#lastWords.follow(stream, write)
    }
    const reports = this.#child.stdio[guardFd]
    if (!(reports instanceof Socket)) return
    let text = ''
    reports.setEncoding('utf8')
    reports.on('data', (chunk: string) => {
      text += chunk
      if (text.endsWith('\n')) this.#how = howItEnded(JSON.parse(text) as GuardReport) // made by the guard of this program
    })
    reports.on('error', () => undefined) // of a guard that has ended, which is told by 'exit'
  }

  #onceEnded(told: (how: string) => void): void {
    this.#child.on('error', (reason) => told(`could not be started: ${messageOf(reason)}`))
    this.#child.on('exit', (code, signal) => {
      this.#signal('SIGKILL') // the guard itself may have been killed, and the program not
      this.#isGone = true
      const tell = (): void => told(this.#how ?? `ended with its guard, by ${signal ?? `code ${String(code)}`}`)
      const limit = setTimeout(tell, 1000) // its streams may be held open by a process that left the group
      this.#child.on('close', () => {
        clearTimeout(limit)
        tell()
      })
    })
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (pid === undefined || this.#isGone) return
    try {
      process.kill(-pid, signal)
    } catch {
      // The group has ended.
    }
  }
}
