/** The manifests that `-f` names, as single objects in the order in which a server can take them. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import { findFiles, resources, splitDocuments, type SplitDocument } from '../kserve/index.ts'

export interface GivenDocument extends SplitDocument {
  /** Absolute: the server may run in another directory. */
  readonly file: string
}

/**
 * @param stdin what `-` stands for
 * @throws InferenceError `invalid_argument` with file and line
 */
export async function readDocuments(
  paths: readonly string[],
  stdin: () => Promise<string>,
): Promise<readonly GivenDocument[]> {
  const found = await Promise.all(
    paths.map(async (path) => (path === '-' ? fromText(await stdin(), resolve('stdin.yaml')) : fromPath(path))),
  )
  const order = resources.map(({ kind }): string => kind)
  return found.flat().toSorted((left, right) => order.indexOf(left.kind) - order.indexOf(right.kind))
}

async function fromPath(path: string): Promise<readonly GivenDocument[]> {
  const files = await findFiles([path])
  const found = await Promise.all(
    files.map(async (file) => {
      try {
        return fromText(await readFile(file.path, 'utf8'), resolve(file.path))
      } catch (reason) {
        // A directory may hold other YAML beside manifests.
        if (!file.isNamed && reason instanceof InferenceError && reason.message.includes('is no manifest')) return []
        throw reason instanceof InferenceError ? reason : new InferenceError('invalid_argument', messageOf(reason))
      }
    }),
  )
  return found.flat()
}

function fromText(text: string, file: string): readonly GivenDocument[] {
  return splitDocuments(text, file).map((document) => ({ ...document, file }))
}

/** All of a stream. */
export async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}
