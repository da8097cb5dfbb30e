/** A session module for tests: echoes its inputs, or does what the parameter `do` says. */
import { existsSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import type { Batch, Session, Tensor } from '../../../src/runtime/index.ts'
import { InferenceError, tensor } from '../../../src/runtime/index.ts'

export interface ScriptedOptions {
  readonly failOpen?: boolean
  readonly exitOnOpen?: boolean
  /** Never opens. */
  readonly hangOnOpen?: boolean
  /** Once this file exists, opening fails. */
  readonly failFile?: string
}

export async function open(options: unknown): Promise<Session> {
  const { failOpen, exitOnOpen, hangOnOpen, failFile } = options as ScriptedOptions
  if (failFile !== undefined && existsSync(failFile))
    throw new InferenceError('failed_precondition', 'the file is there')
  if (hangOnOpen === true) for (;;);
  if (failOpen === true) throw new InferenceError('failed_precondition', 'told not to open')
  if (exitOnOpen === true) process.exit(4)
  return { info: { threadId }, run: perform, close: async () => undefined }
}

function perform(batch: Batch): readonly Tensor[] | Promise<readonly Tensor[]> {
  switch (String(batch.parameters?.['do'])) {
    case 'exit':
      return process.exit(3)
    case 'abort':
      return process.abort()
    case 'hang':
      for (;;);
    case 'pid':
      return [tensor('pid', 'INT32', [], Int32Array.of(process.pid))]
    case 'speak':
      console.log('to stdout')
      console.error('to stderr')
      return []
    case 'throw':
      throw new InferenceError('invalid_argument', "inference input 'X' is no good")
    case 'throw foreign':
      throw new TypeError('boom')
    case 'die':
      return new Promise(() => {
        setImmediate(() => {
          throw new Error('out of the blue')
        })
      })
    case 'thread':
      return [tensor('thread', 'INT32', [], Int32Array.of(threadId))]
    case 'spin': {
      const stop = performance.now() + 50
      while (performance.now() < stop);
      return batch.inputs
    }
    default:
      return batch.inputs.filter((input) => batch.outputs?.includes(input.name) ?? true)
  }
}
