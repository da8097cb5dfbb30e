/** How much memory a model will probably take: known at once, and rather too much than too little. */
import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { MeshModel } from '../../grpc/model-runtime.ts'
import { endsWithin } from '../closing.ts'
import { readModelKey } from './model-key.ts'

/** What a session takes beside its weights: the smallest model of ONNX Runtime, one of 200, was measured at 110 KiB. */
export const sessionBytes = 128 * 1024
/** Of what the files take: sessions hold more than their weights. */
const sizeFactor = 1.25
/** The mesh waits 500 ms. */
const patienceMs = 300
/** Enough for a model; who has more files is guessed at. */
const mostFiles = 10_000

export class ModelSizes {
  readonly #defaultBytes: number

  /** @param defaultBytes of a model that nothing is known of */
  constructor(defaultBytes: number) {
    this.#defaultBytes = defaultBytes
  }

  /**
   * From what the mesh says of its files, else from the files, where they are on this machine. In bytes.
   *
   * @throws InferenceError `invalid_argument` for a key that makes no sense
   */
  async predict({ modelPath, modelKey }: MeshModel): Promise<number> {
    const { diskBytes } = readModelKey(modelKey)
    const bytes = diskBytes ?? (isAbsolute(modelPath) ? await bytesAt(modelPath) : 0)
    return bytes === 0 ? this.#defaultBytes : Math.ceil(Math.max(bytes * sizeFactor, bytes + sessionBytes))
  }
}

/** 0 where it cannot be told in time. */
async function bytesAt(path: string): Promise<number> {
  let bytes = 0
  const adding = addFiles(path)
    .then((sum) => (bytes = sum))
    .then(() => undefined)
    .catch(() => undefined) // the load tells what is wrong with them
  return (await endsWithin(adding, patienceMs)) ? bytes : 0
}

async function addFiles(path: string): Promise<number> {
  const waiting = [path]
  let bytes = 0
  let files = 0
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const stats = await stat(next)
    if (!stats.isDirectory()) bytes += stats.size
    else for (const name of await readdir(next)) waiting.push(join(next, name))
    files += 1
    if (files > mostFiles) return 0
  }
  return bytes
}
