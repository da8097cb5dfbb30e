/** Manifests written for a test, in a directory that goes away with it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { InferenceError } from '../../src/core/errors.ts'
import { plan, readManifests, type Manifests, type Plan, type PlanOptions } from '../../src/kserve/index.ts'

export class ManifestBench {
  readonly #directories: string[] = []

  /** @param files texts by path; a file of one document where it is a text */
  async write(files: string | Readonly<Record<string, string>>): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'servable-manifests-'))
    this.#directories.push(directory)
    for (const [name, text] of Object.entries(typeof files === 'string' ? { 'm.yaml': files } : files)) {
      await mkdir(dirname(join(directory, name)), { recursive: true })
      await writeFile(join(directory, name), text)
    }
    return directory
  }

  async read(files: string | Readonly<Record<string, string>>): Promise<Manifests> {
    const directory = await this.write(files)
    return readManifests(typeof files === 'string' ? [join(directory, 'm.yaml')] : [directory])
  }

  async plan(text: string, options: PlanOptions = { formats: ['onnx'] }): Promise<Plan> {
    return plan(await this.read(text), options)
  }

  /** What is wrong, one line each, without the directory. */
  async mistakes(work: Promise<unknown>): Promise<readonly string[]> {
    const reason: unknown = await work.then(
      () => new Error('nothing is wrong'),
      (thrown: unknown) => thrown,
    )
    if (!(reason instanceof InferenceError)) throw reason
    return this.plain(reason.message.split('\n'))
  }

  /** Messages without the directories of this bench. */
  plain(messages: readonly string[]): readonly string[] {
    return messages.map((line) => this.#directories.reduce((text, each) => text.replaceAll(`${each}/`, ''), line))
  }

  async close(): Promise<void> {
    for (const path of this.#directories) await rm(path, { recursive: true, force: true })
  }
}

export const v1beta1 = 'apiVersion: serving.kserve.io/v1beta1'
export const v1alpha1 = 'apiVersion: serving.kserve.io/v1alpha1'

/** An InferenceService with this predictor, each line of it indented by four blanks. */
export function service(predictor: string, name = 'iris', metadata = ''): string {
  const lines = predictor.trim().split('\n')
  return `${v1beta1}
kind: InferenceService
metadata: {name: ${name}${metadata}}
spec:
  predictor:
${lines.map((line) => `    ${line}`).join('\n')}
`
}

export const onnxModel = 'model:\n  modelFormat: {name: onnx}\n  storageUri: file:///models/iris'
