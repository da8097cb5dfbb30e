/** One declaration of a setting gives its flag, its environment variable, its key in the file and its line in `--help`. */
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { InferenceError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'

/** Reads a text as a value, or throws an Error that says what would be right. */
type Parse<T> = (text: string) => T

export interface Setting<T> {
  /** The value from all texts that were given, one or more. */
  readonly read: (texts: readonly string[]) => T
  readonly default: T
  /** What the value is, for `--help`: `PORT`, `auto|cpu|cuda`. Empty for a switch. */
  readonly value: string
  readonly description: string
  /** The flag may stand alone and may be negated by `--no-…`. */
  readonly isSwitch?: boolean
  /** May be given several times or, in the file, as a list. */
  readonly isList?: boolean
  /** A letter that does as a flag: `f` for `-f`. */
  readonly short?: string
}

type Declared<T> = Omit<Setting<T>, 'read' | 'isList'> & { readonly parse: Parse<T> }

/** A setting with one value; the last that was given counts. */
export function setting<T>({ parse, ...declared }: Declared<T>): Setting<T> {
  return { ...declared, read: (texts) => parse(texts.at(-1) ?? '') }
}

/** A setting that may be given several times. */
export function listSetting<T>(declared: Omit<Declared<T>, 'default'>): Setting<readonly T[]> {
  const { parse, ...rest } = declared
  return { ...rest, default: [], isList: true, read: (texts) => texts.map(parse) }
}

export type Settings = Readonly<Record<string, Setting<unknown>>>
export type ValuesOf<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never }

/** A value as it was written, and where. */
export interface GivenSetting {
  readonly texts: readonly string[]
  /** For messages: `settings.json: http_port`. */
  readonly origin: string
}

/** Where the values of a command come from. Flags win over the environment, that over the file, that over the rest, that over defaults. */
export interface Sources {
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly file?: { readonly path: string; readonly text: string }
  /** By the names of settings: what the files of others say. */
  readonly rest?: ReadonlyMap<string, GivenSetting>
}

export interface Parsed<S extends Settings> {
  readonly values: ValuesOf<S>
  readonly positionals: readonly string[]
  /** Names of the settings that were given, by whatever source. */
  readonly given: ReadonlySet<string>
}

export function integer(range: { min: number; max: number }): Parse<number> {
  return (text) => {
    const number = Number(text)
    if (!/^-?\d+$/.test(text.trim()) || number < range.min || number > range.max) {
      throw new Error(`expected an integer from ${range.min} to ${range.max}, got '${text}'`)
    }
    return number
  }
}

export function choice<const T extends string>(...values: readonly T[]): Parse<T> {
  return (text) => {
    const found = values.find((value) => value === text)
    if (found === undefined) throw new Error(`expected one of ${values.join(', ')}, got '${text}'`)
    return found
  }
}

/** A size: plain bytes or with a unit, `64MiB`, `1.5GB`. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|KiB|MiB|GiB)?$/i.exec(text.trim())
  const units: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 }
  if (match === null) throw new Error(`expected a size such as 1048576, 64MiB or 1GB, got '${text}'`)
  return Math.round(Number(match[1]) * (units[(match[2] ?? 'B').toLowerCase()] ?? 1))
}

export function flag(text: string): boolean {
  if (/^(true|1|yes|on)$/i.test(text)) return true
  if (/^(false|0|no|off)$/i.test(text)) return false
  throw new Error(`expected true or false, got '${text}'`)
}

export const string: Parse<string> = (text) => text

/** `httpPort` → `http-port` */
export function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** `httpPort` → `SERVABLE_HTTP_PORT` */
export function variableName(name: string): string {
  return `SERVABLE_${flagName(name).replaceAll('-', '_').toUpperCase()}`
}

/** `httpPort` → `http_port` */
export function keyName(name: string): string {
  return flagName(name).replaceAll('-', '_')
}

/**
 * Reads all settings of a command from their sources.
 *
 * @throws InferenceError `invalid_argument` that names the flag, variable or key (with its line) and what would be right
 */
export function parseSettings<S extends Settings>(settings: S, sources: Sources): Parsed<S> {
  const texts: Texts = new Map(sources.rest)
  if (sources.file !== undefined) readFile(settings, sources.file, texts)
  for (const name of Object.keys(settings)) {
    const text = sources.environment?.[variableName(name)]
    if (text !== undefined && text !== '') texts.set(name, { texts: [text], origin: variableName(name) })
  }
  const positionals = readFlags(settings, sources.args, texts)
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(settings)) {
    const given = texts.get(name)
    values[name] = given === undefined ? setting.default : parseValue(setting, given)
  }
  // Each key of `settings` was set just now, by the parser of that very setting.
  return { values: values as ValuesOf<S>, positionals, given: new Set(texts.keys()) }
}

function parseValue(setting: Setting<unknown>, given: { texts: readonly string[]; origin: string }): unknown {
  try {
    return setting.read(given.texts)
  } catch (reason) {
    throw invalid(`${given.origin}: ${reason instanceof Error ? reason.message : String(reason)}`)
  }
}

type Texts = Map<string, GivenSetting>

function readFlags(settings: Settings, args: readonly string[], texts: Texts): string[] {
  const positionals: string[] = []
  const byFlag = new Map(Object.keys(settings).map((name) => [flagName(name), name]))
  const byLetter = new Map(
    Object.entries(settings).flatMap(([name, { short }]) =>
      short === undefined ? [] : [[`-${short}`, flagName(name)]],
    ),
  )
  const fromFlags = new Set<string>()
  const put = (name: string, text: string, origin: string) => {
    const earlier = fromFlags.has(name) ? (texts.get(name)?.texts ?? []) : []
    fromFlags.add(name)
    texts.set(name, { texts: [...earlier, text], origin })
  }
  for (let index = 0; index < args.length; index += 1) {
    const argument = args[index] ?? ''
    if (argument === '--') {
      positionals.push(...args.slice(index + 1))
      break
    }
    if (!argument.startsWith('-') || argument === '-') {
      positionals.push(argument)
      continue
    }
    const [written = '', inline] = split(argument)
    const short = byLetter.get(written)
    if (short === undefined && !written.startsWith('--')) throw unknownFlag(argument, byFlag)
    const spelled = short ?? written.slice(2).replaceAll('_', '-') // KServe spells its flags with underscores
    const negated = spelled.startsWith('no-') ? byFlag.get(spelled.slice(3)) : undefined
    const name = byFlag.get(spelled) ?? negated
    const setting = name === undefined ? undefined : settings[name]
    if (name === undefined || setting === undefined) throw unknownFlag(written, byFlag)
    if (byFlag.get(spelled) === undefined) {
      if (setting.isSwitch !== true || inline !== undefined) throw unknownFlag(argument, byFlag)
      put(name, 'false', written)
    } else if (inline !== undefined) put(name, inline, written)
    else if (setting.isSwitch === true) {
      const next = args[index + 1]
      const isValue = next !== undefined && /^(true|false)$/i.test(next)
      put(name, isValue ? next : 'true', written)
      if (isValue) index += 1
    } else {
      const next = args[index + 1]
      if (next === undefined) throw invalid(`${written}: expected a value: ${written} ${setting.value}`)
      put(name, next, written)
      index += 1
    }
  }
  return positionals
}

function split(argument: string): [string, string | undefined] {
  const equals = argument.indexOf('=')
  return equals === -1 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)]
}

function unknownFlag(written: string, byFlag: ReadonlyMap<string, string>): InferenceError {
  const near = nearest(written.replace(/^-+/, '').replaceAll('_', '-'), [...byFlag.keys()])
  return invalid(`unknown option ${written}${near === undefined ? '' : `, did you mean --${near}?`} See --help.`)
}

function readFile(settings: Settings, file: { path: string; text: string }, texts: Texts): void {
  const lines = new LineCounter()
  const document = parseDocument(file.text, { lineCounter: lines })
  const at = (offset: number | undefined) => `${file.path}:${offset === undefined ? 1 : lines.linePos(offset).line}`
  const [error] = document.errors
  if (error !== undefined) throw invalid(`${at(error.pos[0])}: ${error.message.split('\n')[0] ?? ''}`)
  if (document.contents === null) return
  if (!isMap(document.contents)) throw invalid(`${at(0)}: expected keys and values, such as 'http_port: 8080'`)
  const byKey = new Map(Object.keys(settings).map((name) => [keyName(name), name]))
  const plain: unknown = document.toJS({ maxAliasCount: 16 })
  const values = new Map(typeof plain === 'object' && plain !== null ? Object.entries(plain) : [])
  for (const { key } of document.contents.items) {
    const written = isScalar(key) ? String(key.value) : ''
    const where = at(isScalar(key) ? key.range?.[0] : undefined)
    const name = byKey.get(written.replaceAll('-', '_'))
    if (name === undefined) {
      const near = nearest(written, [...byKey.keys()])
      throw invalid(`${where}: unknown key '${written}'${near === undefined ? '' : `, did you mean '${near}'?`}`)
    }
    const value: unknown = values.get(written)
    const items: readonly unknown[] = settings[name]?.isList === true && Array.isArray(value) ? value : [value]
    const words = items.map((item) => {
      if (typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean') return String(item)
      throw invalid(`${where}: ${written}: expected ${settings[name]?.value ?? 'a value'}`)
    })
    texts.set(name, { texts: words, origin: `${where}: ${written}` })
  }
}

/** The lines of `--help`, one setting each, aligned. */
export function helpOf(settings: Settings): string {
  const rows = Object.entries(settings).map(([name, setting]) => {
    const letter = setting.short === undefined ? '' : `-${setting.short}, `
    const left = `  ${letter}--${flagName(name)}${setting.value === '' ? '' : ` ${setting.value}`}`
    const fallback = defaultText(setting.default)
    return [left, `${setting.description}${fallback === '' ? '' : ` (${fallback})`}`] as const
  })
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  return rows.map(([left, right]) => left.padEnd(width) + right).join('\n')
}

function defaultText(value: unknown): string {
  if (value === undefined || value === '' || value === false) return ''
  if (Array.isArray(value)) return value.join(' ')
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
