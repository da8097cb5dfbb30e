/** Folders full of models, for the length of a measurement. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const mebibyte = 2 ** 20

/** Started in the repository root, as `npm run bench` does. */
const iris = join(process.cwd(), 'models', 'iris', '1', 'model.onnx')

/** One row of iris, over V2. */
export const irisBody = JSON.stringify({
  inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }],
})

export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'servable-density-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function copyOf(index: number): string {
  return `iris${index}`
}

/** A repository with so many copies of iris, each with files of its own. */
export function writeCopies(folder: string, count: number): void {
  for (let index = 0; index < count; index += 1) {
    const version = join(folder, copyOf(index), '1')
    mkdirSync(version, { recursive: true })
    copyFileSync(iris, join(version, 'model.onnx'))
  }
}

/** Loads and unloads are not told any more: thousands a minute would be measured, too. */
export async function quieten(url: string): Promise<void> {
  const response = await fetch(`${url}/v2/logging`, { method: 'POST', body: '{"log_info": false}' })
  if (!response.ok) throw new Error(`logging: ${response.status} ${await response.text()}`)
}
