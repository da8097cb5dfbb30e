/** A `model.json` and its weight files, read and checked against each other before the library sees them. */
import { open, readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize, sep } from 'node:path'
import { z } from 'zod'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'

const size = z.int().min(0)
const fixed = { float32: 4, int32: 4, bool: 1, complex64: 8 } as const
const quantized = { uint8: 1, uint16: 2, float16: 2 } as const

const weightSchema = z.looseObject({
  name: z.string().min(1),
  shape: z.array(size).max(64),
  dtype: z.enum(['float32', 'int32', 'bool', 'complex64', 'string']),
  quantization: z.looseObject({ dtype: z.enum(['uint8', 'uint16', 'float16']) }).optional(),
})

const schema = z.looseObject({
  format: z.enum(['graph-model', 'layers-model']).nullish(),
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z
    .array(z.looseObject({ paths: z.array(z.string().min(1)), weights: z.array(weightSchema) }))
    .default([]),
  signature: z.unknown().optional(),
  userDefinedMetadata: z.record(z.string(), z.unknown()).optional(),
  modelInitializer: z.unknown().optional(),
  initializerSignature: z.unknown().optional(),
  generatedBy: z.string().nullish(),
  convertedBy: z.string().nullish(),
})

type ModelJson = z.infer<typeof schema>
type WeightGroup = ModelJson['weightsManifest'][number]
type Weight = WeightGroup['weights'][number]

/** As the library's loaders take them. */
export interface Artifacts {
  readonly modelTopology: Readonly<Record<string, unknown>>
  readonly weightSpecs: readonly Weight[]
  /** The weight files, one after the other. */
  readonly weightData: readonly ArrayBuffer[]
  readonly signature?: unknown
  readonly userDefinedMetadata?: Readonly<Record<string, unknown>>
  readonly modelInitializer?: unknown
  readonly initializerSignature?: unknown
}

export interface ModelFile {
  readonly kind: 'graph' | 'layers'
  readonly artifacts: Artifacts
  /** Bytes of all weight files. */
  readonly weightBytes: number
  /** Some tensor of it holds texts. */
  readonly hasTexts: boolean
  /** Who wrote it: 'TensorFlow.js Converter v3.7.0'; '' where it does not say. */
  readonly origin: string
}

/** V8 makes no longer strings. */
const mostJsonBytes = 500_000_000

/**
 * @param file absolute path of a `model.json`
 * @throws InferenceError `failed_precondition` naming the file, the field and what would be right
 */
export async function readModelFile(file: string): Promise<ModelFile> {
  const text = await readText(file)
  const json = parse(file, text)
  const groups = json.weightsManifest
  const sizes = await Promise.all(groups.map((group, index) => checkSizes(file, group, index)))
  const weightData: ArrayBuffer[] = []
  for (const path of groups.flatMap(({ paths }) => paths)) weightData.push(await readWhole(weightPath(file, path)))
  const { modelTopology, signature, userDefinedMetadata, modelInitializer, initializerSignature } = json
  return {
    kind: kindOf(file, json),
    artifacts: {
      ...{ modelTopology, weightData, weightSpecs: groups.flatMap(({ weights }) => weights) },
      ...{ signature, modelInitializer, initializerSignature },
      ...(userDefinedMetadata === undefined ? {} : { userDefinedMetadata }),
    },
    weightBytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
    hasTexts: text.includes('"DT_STRING"') || groups.some(({ weights }) => weights.some(isText)),
    origin: json.convertedBy ?? json.generatedBy ?? '',
  }
}

async function readText(file: string): Promise<string> {
  const found = await stat(file).catch((reason: unknown) => {
    throw broken(`a TensorFlow.js model needs '${file}': ${messageOf(reason)}`, reason)
  })
  if (!found.isFile() || found.size > mostJsonBytes) {
    throw broken(`'${file}' is no file, or larger than ${mostJsonBytes} bytes`)
  }
  return readFile(file, 'utf8')
}

function parse(file: string, text: string): ModelJson {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (reason) {
    throw broken(`'${file}' is no JSON, or cut short: ${messageOf(reason)}`, reason)
  }
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw broken(`'${file}': ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}`, result.error)
}

/** Files of early converters name no format. */
function kindOf(file: string, { format, modelTopology }: ModelJson): ModelFile['kind'] {
  if (format !== undefined && format !== null) return format === 'graph-model' ? 'graph' : 'layers'
  if (Array.isArray(modelTopology['node'])) return 'graph'
  if ('model_config' in modelTopology || 'class_name' in modelTopology) return 'layers'
  throw broken(`'${file}': modelTopology has neither nodes (a graph model) nor model_config (a layers model)`)
}

/** @returns bytes of the group's files */
async function checkSizes(file: string, { paths, weights }: WeightGroup, index: number): Promise<number> {
  const label = `'${file}': weightsManifest.${index}`
  const needed = weights.reduce((sum, weight) => sum + leastBytes(weight, label), 0)
  let there = 0
  for (const path of paths) {
    const found = await stat(weightPath(file, path)).catch((reason: unknown) => {
      throw broken(`${label}: weight file '${path}' cannot be read: ${messageOf(reason)}`, reason)
    })
    if (!found.isFile()) throw broken(`${label}: '${path}' is no file`)
    there += found.size
  }
  const isExact = !weights.some(isText)
  if (there < needed || (isExact && there > needed)) {
    const wanted = `${isExact ? '' : 'at least '}${needed}`
    const text = `${label}: its weights take ${wanted} bytes, its files ${paths.join(', ')} have ${there}: copy them again`
    throw broken(text)
  }
  return there
}

function isText({ dtype }: Weight): boolean {
  return dtype === 'string'
}

/** Texts are as long as they are, after four bytes each with their length. */
function leastBytes({ name, shape, dtype, quantization }: Weight, label: string): number {
  const each = quantization !== undefined ? quantized[quantization.dtype] : dtype === 'string' ? 4 : fixed[dtype]
  const bytes = shape.reduce((product, dimension) => product * dimension, each)
  if (Number.isSafeInteger(bytes)) return bytes
  throw broken(`${label}: weight '${name}' of shape [${shape.join(',')}] is larger than any file`)
}

/** @throws InferenceError `failed_precondition` where it leads out of the directory of the model */
function weightPath(file: string, path: string): string {
  const inside = normalize(path)
  if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`) || path.includes('\0')) {
    throw broken(`'${file}': weight file '${path}' lies outside of the model's directory`)
  }
  return join(dirname(file), inside)
}

/** An ArrayBuffer of its own: the library looks at all of it. */
async function readWhole(path: string): Promise<ArrayBuffer> {
  const handle = await open(path)
  try {
    const { size: bytes } = await handle.stat()
    const buffer = new ArrayBuffer(bytes)
    let offset = 0
    while (offset < bytes) {
      const { bytesRead } = await handle.read(new Uint8Array(buffer, offset), 0, bytes - offset, offset)
      if (bytesRead === 0) throw broken(`'${path}' was cut short while it was read`)
      offset += bytesRead
    }
    return buffer
  } finally {
    await handle.close()
  }
}

function broken(text: string, cause?: unknown): InferenceError {
  return new InferenceError('failed_precondition', text, cause === undefined ? {} : { cause })
}
