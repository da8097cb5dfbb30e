/** An ONNX session: the native calls, in whichever thread they were placed. */
import type { Batch, Session, Tensor } from '../../src/runtime/index.ts'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import { fromNative, toNative } from './convert.ts'
import { describeOpenError, shorten } from './errors.ts'
import type { OnnxFile } from './model-file.ts'
import { readModelBytes, readModelFile } from './model-file.ts'
import type { Feeds, NativeOptions, NativeSession } from './native-session.ts'
import { openNative } from './native.ts'
import type { OnnxSignature } from './signature.ts'
import { readSignature } from './signature.ts'
import type { Timings } from './warm-up.ts'
import { warmUp } from './warm-up.ts'

/** What `open` takes: plain data, it crosses a thread border. */
export interface OnnxSessionOptions {
  /** Where the model is, or came from. */
  readonly file: string
  /** The model itself, where it is not in the file. */
  readonly bytes?: Uint8Array
  /** SessionOptions of onnxruntime. */
  readonly native: NativeOptions
  /** Of an earlier session of the same file: they are not measured again. */
  readonly timings?: Timings
}

/** What is known once the file is open: plain data as well. */
export interface OnnxInfo {
  readonly file: OnnxFile
  readonly signature: OnnxSignature
  /** Milliseconds that onnxruntime took to open the file. */
  readonly openMs: number
  readonly timings: Timings
}

/** @throws InferenceError `failed_precondition` that says what is wrong with the file */
export async function open(options: unknown): Promise<Session & { readonly info: OnnxInfo }> {
  const { file, bytes, native, timings: known } = options as OnnxSessionOptions // made by open-placed.ts
  const description = bytes === undefined ? readModelFile(file) : readModelBytes(file, bytes)
  const session = await openFile({ file, source: bytes ?? file }, native, description)
  try {
    const signature = readSignature(file, session, description)
    const run = runner(session, signature)
    const timings = await warmUp(run, signature.inputs, known)
    return {
      info: { file: description, signature, openMs: session.openMs, timings },
      run,
      close: () => session.close(),
    }
  } catch (reason) {
    await session.close()
    throw reason
  }
}

async function openFile(
  { file, source }: { readonly file: string; readonly source: string | Uint8Array },
  native: NativeOptions,
  description: OnnxFile,
): Promise<NativeSession> {
  try {
    return await openNative(source, native)
  } catch (reason) {
    if (reason instanceof InferenceError) throw reason
    throw describeOpenError(file, description, reason)
  }
}

export type Run = (batch: Batch) => readonly Tensor[] | Promise<readonly Tensor[]>

function runner(session: NativeSession, signature: OnnxSignature): Run {
  const names = signature.outputs.map((output) => output.name)
  const all = fetchesOf(names)
  return (batch) => {
    const feeds: Feeds = {}
    for (const input of batch.inputs) feeds[input.name] = toNative(input)
    const wanted = batch.outputs ?? names
    try {
      const results = session.run(feeds, batch.outputs === undefined ? all : fetchesOf(batch.outputs))
      return results instanceof Promise
        ? results.then((settled) => collect(wanted, settled), rethrow)
        : collect(wanted, results)
    } catch (reason) {
      return rethrow(reason)
    }
  }
}

function collect(names: readonly string[], results: Awaited<ReturnType<NativeSession['run']>>): readonly Tensor[] {
  return names.map((name) => {
    const result = results[name]
    if (result === undefined) throw new InferenceError('internal', `onnxruntime gave no output '${name}'`)
    return fromNative(name, result)
  })
}

/** `null`: onnxruntime allocates the output. */
function fetchesOf(names: readonly string[]): Readonly<Record<string, null>> {
  const fetches: Record<string, null> = {}
  for (const name of names) fetches[name] = null
  return fetches
}

function rethrow(reason: unknown): never {
  if (reason instanceof InferenceError) throw reason
  throw new InferenceError('internal', `onnxruntime: ${shorten(messageOf(reason))}`, { cause: reason })
}
