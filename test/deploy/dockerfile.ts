/** Reads a Dockerfile as far as ours go, and does without Docker what it says: copies, commands, environment. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

export interface Instruction {
  /** In capitals: `RUN`. */
  readonly name: string
  readonly text: string
}

export interface Stage {
  readonly base: string
  /** Of `AS`; empty for the last one. */
  readonly alias: string
  readonly instructions: readonly Instruction[]
}

export async function stagesOf(file: string): Promise<readonly Stage[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  const stages: { base: string; alias: string; instructions: Instruction[] }[] = []
  for (const line of lines.join('\n').replaceAll('\\\n', ' ').split('\n')) {
    const [, name = '', text = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === '') throw new Error(`no instruction: ${line}`)
    const [, base, alias] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(name === 'FROM' ? text : '') ?? []
    if (base !== undefined) stages.push({ base, alias: alias ?? '', instructions: [] })
    else stages.at(-1)?.instructions.push({ name, text })
  }
  return stages
}

/** The texts of all instructions of one name. */
export function textsOf(stage: Stage | undefined, name: string): readonly string[] {
  return (stage?.instructions ?? []).filter((instruction) => instruction.name === name).map(({ text }) => text)
}

/** The words of `CMD ["a", "b"]`, with options of HEALTHCHECK before it or none. */
export function wordsOf(text: string): readonly string[] {
  const words: unknown = JSON.parse(text.slice(text.indexOf('[')))
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string')) throw new Error(`no words: ${text}`)
  return words
}

/** `ENV A=1 B=2` */
export function environmentOf(stage: Stage | undefined): Readonly<Record<string, string>> {
  const pairs = textsOf(stage, 'ENV').flatMap((text) => [...text.matchAll(/(\w+)=(\S+)/g)])
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value]))
}

export interface Copy {
  /** Another stage; the context of the build where absent. */
  readonly from: string | undefined
  readonly sources: readonly string[]
  readonly target: string
}

export function copyOf(text: string): Copy {
  const [, from, rest = ''] = /^(?:--from=(\S+)\s+)?(.*)$/.exec(text) ?? []
  const words = rest.split(/\s+/)
  return { from, sources: words.slice(0, -1), target: words.at(-1) ?? '' }
}

/**
 * Does the copies and commands of one stage in an empty directory, which stands for its WORKDIR.
 *
 * @param context the sources of the build
 * @param others directories of earlier stages, by their names; what they have elsewhere is left out
 */
export async function perform(
  stage: Stage,
  directory: string,
  context: string,
  others: Readonly<Record<string, string>>,
): Promise<void> {
  for (const { name, text } of stage.instructions) {
    if (name === 'RUN') await promisify(execFile)('sh', ['-ec', text], { cwd: directory, maxBuffer: 2 ** 26 })
    if (name !== 'COPY') continue
    const { from, sources, target } = copyOf(text)
    if (target.startsWith('/')) continue
    const root = from === undefined ? context : (others[from] ?? '')
    for (const source of sources) {
      const path = from === undefined ? source : source.replace(/^\/app\//, '')
      const to = target.endsWith('/') ? join(directory, target, basename(path)) : join(directory, target)
      await mkdir(join(to, '..'), { recursive: true })
      await cp(join(root, path), to, { recursive: true, verbatimSymlinks: true })
    }
  }
}
