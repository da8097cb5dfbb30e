/** `model.yaml`: what a user says about one model. Every complaint names the file, the line and the key. */
import { readFile, stat } from 'node:fs/promises'
import { isMap, isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { z } from 'zod'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { DeviceRequest } from '../core/model.ts'
import { nearest } from '../core/nearest.ts'
import { imageOptions } from '../hooks/image-options.ts'
import { labelsOptions } from '../hooks/labels-options.ts'
import { keyMistake, parserOptions } from './map-keys.ts'
import { warmUpInputKeys, warmUpKeys, warmUpSchema } from './warmup-yaml.ts'
import { queuePolicyKeys, schedulingKeys, schedulingSchema } from './scheduling-yaml.ts'

/** Far above any model.yaml; keeps a wrong file from being read into memory. */
const maxBytes = 1_000_000
/** Aliases may repeat a part of the file this often: enough to share options, too few for a bomb. */
const maxAliases = 100

/** Errors of the syntax in one message. */
const mostTold = 20
/** What the parser says where its recursion meets the end of the stack. */
const stackOverflow = 'Maximum call stack'
const tooDeep = 'is nested too deeply'

const limits = z.strictObject({
  /** Most rows that one request may hold. */
  max_batch_size: z.int().min(1).optional(),
  /** Requests that may wait; the next one is refused. */
  max_queue_size: z.int().min(0).optional(),
})

const hook = z.union([
  z.string().min(1),
  z.strictObject({ image: imageOptions }),
  z.strictObject({ labels: labelsOptions }),
])

/** Triton's form, or the bare word. */
const responseCache = z
  .union([z.boolean(), z.strictObject({ enable: z.boolean() })])
  .transform((given) => (typeof given === 'boolean' ? given : given.enable))

const keys = z.strictObject({
  name: z.string().min(1).optional(),
  runtime: z.string().min(1).optional(),
  /** The model file, relative to the version's directory. */
  file: z.string().min(1).optional(),
  /** Where the files are fetched from, instead of those beside this one: a URI of a store, or a path. */
  uri: z.string().min(1).optional(),
  format: z.string().min(1).optional(),
  placement: z.enum(['auto', 'inline', 'pool', 'thread', 'process']).optional(),
  device: z.custom<DeviceRequest>(isDevice, { error: 'expected auto, cpu, cuda or cuda:N' }).optional(),
  /** Sessions of this model that may run at once; `auto`, like no word about it: the runtime chooses. */
  instances: z.preprocess((value) => (value === 'auto' ? undefined : value), z.int().min(1).max(64).optional()),
  /** With `placement: process`: a run that takes longer is taken for hung and its process is killed. Default 300. */
  run_timeout_seconds: z.number().positive().max(86_400).optional(),
  limits: limits.optional(),
  /** With a memory budget: loaded at the start, and not unloaded for others. */
  pinned: z.boolean().optional(),
  /** Without a request for so long it is unloaded, and loaded again by the next one. */
  idle_seconds: z.number().positive().max(31_536_000).optional(),
  /** How requests wait and share runs. */
  scheduling: schedulingSchema.optional(),
  /** Answers are kept and given again to equal requests. */
  response_cache: responseCache.optional(),
  /** For the runtime, which checks them. */
  options: z.record(z.string(), z.unknown()).optional(),
  /** Versions by name, for callers that ask for `stable` instead of 3. */
  version_labels: z.record(z.string().min(1), z.int().min(0)).optional(),
  /** Requests that the model answers before its first caller. */
  warmup: warmUpSchema.optional(),
  /** File with the names of the classes: for the labels hook, and for callers that ask for classes. */
  labels: z.string().min(1).optional(),
  hooks: z
    .union([z.string().min(1), z.array(hook)])
    .transform((hooks) => (typeof hooks === 'string' ? [hooks] : hooks))
    .optional(),
})

const schema = keys.superRefine(({ limits: limited, scheduling }, context) => {
  for (const key of ['max_batch_size', 'max_queue_size'] as const) {
    const [here, there] = [limited?.[key], scheduling?.[key]]
    if (here === undefined || there === undefined || here === there) continue
    const message = `says ${there} where limits.${key} says ${here}; give one of them`
    context.addIssue({ code: 'custom', path: ['scheduling', key], message })
  }
})

/** A hook as written: the path of a module, or one of the built-in ones with its options. */
export type HookSpec = z.infer<typeof hook>

export type ModelYaml = z.infer<typeof schema>

/** The keys that exist at each place, for suggestions. Items of `hooks` are known by the key they hold. */
const keysAt: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(keys.shape),
  scheduling: schedulingKeys,
  default_queue_policy: queuePolicyKeys,
  priority_queue_policy: queuePolicyKeys,
  response_cache: ['enable'],
  limits: Object.keys(limits.shape),
  image: Object.keys(imageOptions.shape),
  labels: Object.keys(labelsOptions.shape),
  hooks: ['image', 'labels'],
  warmup: warmUpKeys,
  inputs: warmUpInputKeys,
}

/** @throws InferenceError `invalid_argument` with every complaint in one line */
export async function readModelYaml(path: string): Promise<ModelYaml> {
  const { size } = await stat(path)
  if (size > maxBytes) throw invalid(`${path}: is ${size} bytes long; a model.yaml may have ${maxBytes}`)
  return parseModelYaml(await readFile(path, 'utf8'), path)
}

/**
 * @param path for messages
 * @throws InferenceError `invalid_argument` with every complaint in one line
 */
export function parseModelYaml(text: string, path: string): ModelYaml {
  const lines = new LineCounter()
  const document = parseDocument(text, { ...parserOptions, lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    if (document.errors.some(({ message }) => message.startsWith(stackOverflow))) throw invalid(`${path}:1: ${tooDeep}`)
    const complaints = document.errors.map((error) => `${path}:${lines.linePos(error.pos[0]).line}: ${error.message}`)
    throw invalid(complaints.slice(0, mostTold).join('; '))
  }
  let value: unknown
  try {
    const mistake = keyMistake(document)
    if (mistake !== undefined) throw invalid(`${path}:${lines.linePos(mistake.offset).line}: ${mistake.message}`)
    value = document.toJS({ maxAliasCount: maxAliases })
  } catch (reason) {
    if (reason instanceof InferenceError) throw reason
    throw invalid(`${path}:1: ${reason instanceof RangeError ? tooDeep : messageOf(reason)}`)
  }
  const checked = schema.safeParse(value ?? {})
  if (checked.success) return checked.data
  const complaints = checked.error.issues.flatMap((issue) => describe(issue, [], document, lines))
  throw invalid(complaints.map(({ line, text: complaint }) => `${path}:${line}: ${complaint}`).join('; '))
}

interface Complaint {
  readonly line: number
  readonly text: string
}

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

function describe(issue: Issue, parent: Path, document: Document, lines: LineCounter): Complaint[] {
  const path = [...parent, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      line: lineOf([...path, key], document, lines),
      text: `unknown key '${[...path, key].join('.')}'${suggestion(key, path)}`,
    }))
  }
  if (issue.code === 'invalid_union') {
    const branch = closest(issue.errors)
    if (branch !== undefined) return branch.flatMap((inner) => describe(inner, path, document, lines))
  }
  const key = path.length === 0 ? 'the file' : `'${path.join('.')}'`
  return [{ line: lineOf(path, document, lines), text: `${key}: ${issue.message.replace(/^Invalid input: /, '')}` }]
}

/** Of the forms that a value may have, the complaints about the one that was meant: it got furthest into the value. */
function closest(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const depthOf = (issues: readonly Issue[]) => Math.max(...issues.map((issue) => depth(issue)))
  const meant = branches.filter((issues) => depthOf(issues) > 0)
  const [branch] = meant.toSorted((left, right) => depthOf(right) - depthOf(left))
  // A misspelt key is missing under its right name too: that would only be noise.
  const unknownKeys = branch?.filter((issue) => issue.code === 'unrecognized_keys' && issue.path.length === 0) ?? []
  return unknownKeys.length > 0 ? unknownKeys : branch
}

function depth(issue: Issue): number {
  if (issue.code !== 'invalid_union') return issue.path.length
  return issue.path.length + Math.max(0, ...issue.errors.flat().map((inner) => depth(inner)))
}

function suggestion(key: string, path: Path): string {
  const place = path.findLast((part) => typeof part === 'string') ?? ''
  const known = keysAt[String(place)] ?? []
  const meant = nearest(key, known)
  return meant === undefined ? `; known are ${known.join(', ')}` : `; did you mean '${meant}'?`
}

/** The line of the deepest part of `path` that the file has; of the key itself where the last part is a key. */
function lineOf(path: Path, document: Document, lines: LineCounter): number {
  let node: unknown = document.contents
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isNode(key) && String(key) === String(part))
      if (pair === undefined) break
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else {
      node = document.getIn([...path.slice(0, path.indexOf(part) + 1)], true)
      if (!isNode(node)) break
      offset = node.range?.[0] ?? offset
    }
  }
  return lines.linePos(offset).line
}

function isDevice(value: unknown): boolean {
  return typeof value === 'string' && /^(auto|cpu|cuda|cuda:\d{1,3})$/.test(value)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
