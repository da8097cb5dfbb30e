/** The command `servable` as a child process: the very file that the package's bin names, of this build. */
import { spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { root } from '../paths.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** Settings of this machine, and what the npm that runs the tests tells its own scripts. */
const foreign = /^(SERVABLE_|npm_package_|npm_lifecycle_|npm_config_local_prefix)/
const logLine = z.record(z.string(), z.unknown())

export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
}

export interface CliOptions {
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Another program than `node dist/src/cli/main.js`. It gets a group of its own, so that signals reach its children. */
  readonly command?: readonly string[]
}

/** One started command, its output so far and its end. */
export class Cli {
  stdout = ''
  stderr = ''
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  #hasEnded = false
  readonly #listeners = new Set<() => void>()
  readonly #isGroup: boolean

  constructor(args: readonly string[], { cwd = root, environment = {}, command }: CliOptions = {}) {
    const [program = process.execPath, ...first] = command ?? [process.execPath, main]
    this.#isGroup = command !== undefined
    const inherited = Object.entries(process.env).filter(([name]) => !foreign.test(name))
    this.child = spawn(program, [...first, ...args], {
      cwd,
      env: { ...Object.fromEntries(inherited), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: command !== undefined,
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#grow(() => (this.stdout += text)))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#grow(() => (this.stderr += text)))
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject).once('close', (status, signal) => {
        this.#grow(() => (this.#hasEnded = true))
        resolve({ status, signal })
      })
    })
  }

  /** Resolves with the first value that `look` finds in the output; throws where the command ends without it. */
  until<T>(what: string, look: (cli: this) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = look(this)
        if (found === undefined && !this.#hasEnded) return
        this.#listeners.delete(check)
        if (found !== undefined) resolve(found)
        else reject(new Error(`ended before ${what}\n--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`))
      }
      this.#listeners.add(check)
      check()
    })
  }

  /** The log line with this message. */
  logged(message: string): Promise<Readonly<Record<string, unknown>>> {
    return this.until(`'${message}' was logged`, () => this.logLines.find((line) => line['msg'] === message))
  }

  /** Standard error as the JSON lines that it must be made of; a last line that is not complete is left out. */
  get logLines(): readonly Readonly<Record<string, unknown>>[] {
    const complete = this.stderr.slice(0, this.stderr.lastIndexOf('\n') + 1)
    return complete
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => logLine.parse(JSON.parse(line)))
  }

  /** `http://127.0.0.1:PORT`, as soon as the port is open. */
  async url(): Promise<string> {
    return String((await this.logged('listening'))['http'])
  }

  /** The address, once all models are loaded or failed and the banner is out. */
  async started(): Promise<string> {
    await this.until("'ready' or 'not ready' was logged", () =>
      this.logLines.find(({ msg }) => msg === 'ready' || msg === 'not ready'),
    )
    return this.url()
  }

  /** To the whole group where there is one, as a terminal does at Ctrl-C. Nothing happens once the command has ended. */
  kill(signal: NodeJS.Signals): void {
    const { pid } = this.child
    if (this.#hasEnded || pid === undefined) return
    if (this.#isGroup) process.kill(-pid, signal)
    else this.child.kill(signal)
  }

  #grow(change: () => void): void {
    change()
    for (const check of this.#listeners) check()
  }
}

/** Commands and directories of one test file; `close` ends and removes what is left. */
export class Bench {
  readonly #started: Cli[] = []
  readonly #directories: string[] = []

  run(args: readonly string[], options: CliOptions = {}): Cli {
    const cli = new Cli(args, options)
    this.#started.push(cli)
    return cli
  }

  /** Runs a command to its end. */
  async output(args: readonly string[], options: CliOptions = {}) {
    const cli = this.run(args, options)
    const { status } = await cli.ended
    return { status, stdout: cli.stdout, stderr: cli.stderr }
  }

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'servable-e2e-'))
    this.#directories.push(path)
    return path
  }

  /** A model's directory with a copy of `file` and the given text files, below a new directory: `<path>/<name>`. */
  async model(name: string, file: string, texts: Readonly<Record<string, string>> = {}): Promise<string> {
    const path = join(await this.directory(), name)
    await mkdir(path)
    await cp(file, join(path, 'model.onnx'))
    for (const [text, content] of Object.entries(texts)) await writeFile(join(path, text), content)
    return path
  }

  async close(): Promise<void> {
    for (const cli of this.#started) cli.kill('SIGKILL')
    await Promise.all(this.#started.map(({ ended }) => ended))
    for (const path of this.#directories) await rm(path, { recursive: true, force: true, maxRetries: 5 })
    this.#started.length = 0
    this.#directories.length = 0
  }
}

/** A GET whose status and body are wanted whatever they are. */
export async function get(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(url)
  return { status: response.status, text: await response.text() }
}

/** A request to a V2 or V1 route with a JSON body. */
export async function post(url: string, body: unknown): Promise<{ readonly status: number; readonly answer: unknown }> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  return { status: response.status, answer: await response.json() }
}
