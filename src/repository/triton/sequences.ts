/** Triton's sequences: requests that belong together, told to the model by control tensors. */
import { InferenceError } from '../../core/errors.ts'
import type { InferenceRequest } from '../../core/inference.ts'
import { tensor, type DataType, type Parameters, type Tensor } from '../../core/tensor.ts'
import { datatypeOf, type TritonControl, type TritonSequences } from './config-schema.ts'

/** Triton's default, in microseconds. */
const usualIdle = 1_000_000
/** Sequences that go on at once; the next one is refused. */
const mostSequences = 100_000

/** A tensor that the model has and callers do not see. */
export interface ControlTensor {
  readonly name: string
  readonly datatype: DataType
  readonly control: TritonControl
}

/** What a request says of its sequence. */
interface Place {
  /** Distinguishes 1 and '1'. */
  readonly key: string
  readonly id: number | string
  readonly isStart: boolean
  readonly isEnd: boolean
}

export function controlsOf(sequences: TritonSequences | undefined): readonly ControlTensor[] {
  return (sequences?.control_input ?? []).flatMap(({ name, control: [control] }) =>
    control === undefined ? [] : [{ name, control, datatype: controlDatatype(control) }],
  )
}

function controlDatatype(control: TritonControl): DataType {
  if (control.data_type !== undefined) return datatypeOf(control.data_type)
  if (control.fp32_false_true !== undefined) return 'FP32'
  if (control.bool_false_true !== undefined) return 'BOOL'
  return control.kind === 'CONTROL_SEQUENCE_CORRID' ? 'UINT64' : 'INT32'
}

/** The sequences of one model: which go on, and what the model is told of each request. */
export class Sequences {
  readonly #model: string
  readonly #controls: readonly ControlTensor[]
  readonly #isBatched: boolean
  readonly #idleMs: number
  /** When each was heard of last, in the order of that. */
  readonly #active = new Map<string, number>()
  readonly #now: () => number

  constructor(model: string, config: TritonSequences, isBatched: boolean, now: () => number = () => performance.now()) {
    this.#model = model
    this.#controls = controlsOf(config)
    this.#isBatched = isBatched
    const idle = config.max_sequence_idle_microseconds ?? 0
    this.#idleMs = (idle === 0 ? usualIdle : idle) / 1000
    this.#now = now
  }

  /**
   * The request as the model takes it: with its controls, without what was said for them.
   *
   * @throws InferenceError `invalid_argument` in Triton's words; `unavailable` where too many go on
   */
  admit(request: InferenceRequest): InferenceRequest {
    const place = this.#placeOf(request.parameters ?? {})
    const rows = this.#isBatched ? (request.inputs[0]?.shape[0] ?? 1) : 1
    if (rows !== 1) {
      throw invalid(
        `inference request to model '${this.#model}' must specify batch-size 1 due to requirements of sequence batcher`,
      )
    }
    this.#follow(place)
    const parameters = Object.fromEntries(
      Object.entries(request.parameters ?? {}).filter(([name]) => !/^sequence_(id|start|end)$/.test(name)),
    )
    return {
      ...request,
      inputs: [...request.inputs, ...this.#controls.map((one) => this.#tell(one, place))],
      parameters,
    }
  }

  #placeOf(parameters: Parameters): Place {
    const { sequence_id: id = 0, sequence_start: isStart, sequence_end: isEnd } = parameters
    if (id === 0 || id === '' || typeof id === 'boolean') {
      throw invalid(`inference request to model '${this.#model}' must specify a non-zero or non-empty correlation ID`)
    }
    return { key: `${typeof id === 'string' ? 's' : 'n'}${id}`, id, isStart: isStart === true, isEnd: isEnd === true }
  }

  #follow({ key, id, isStart, isEnd }: Place): void {
    const nowMs = this.#now()
    this.#forget(nowMs)
    if (!isStart && !this.#active.has(key)) {
      throw invalid(
        `inference request for sequence ${id} to model '${this.#model}' must specify the START flag on the first request of the sequence`,
      )
    }
    this.#active.delete(key)
    if (isEnd) return
    if (this.#active.size >= mostSequences) {
      const text = `model '${this.#model}' has ${mostSequences} sequences that have not ended; try again later`
      throw new InferenceError('unavailable', text, { retryAfterMs: this.#idleMs })
    }
    this.#active.set(key, nowMs)
  }

  #forget(nowMs: number): void {
    for (const [key, heardMs] of this.#active) {
      if (nowMs - heardMs <= this.#idleMs) return
      this.#active.delete(key)
    }
  }

  #tell({ name, datatype, control }: ControlTensor, { id, isStart, isEnd }: Place): Tensor {
    const shape = this.#isBatched ? [1, 1] : [1]
    if (control.kind === 'CONTROL_SEQUENCE_CORRID') return this.#correlation(name, datatype, shape, id)
    const isTrue = { START: isStart, END: isEnd, READY: true }[control.kind.replace('CONTROL_SEQUENCE_', '')] === true
    const [no = 0, yes = 1] = control.int32_false_true ?? control.fp32_false_true ?? control.bool_false_true ?? []
    const value = Number(isTrue ? yes : no)
    if (datatype === 'FP32') return tensor(name, datatype, shape, Float32Array.of(value))
    if (datatype === 'BOOL') return tensor(name, datatype, shape, Uint8Array.of(value))
    return tensor(name, 'INT32', shape, Int32Array.of(value))
  }

  #correlation(name: string, datatype: DataType, shape: readonly number[], id: Place['id']): Tensor {
    if (datatype === 'BYTES') return tensor(name, 'BYTES', shape, [new TextEncoder().encode(String(id))])
    if (typeof id === 'string') {
      throw invalid(`model '${this.#model}' takes numbers as correlation IDs, got '${id}'`)
    }
    if (datatype === 'UINT64') return tensor(name, 'UINT64', shape, BigUint64Array.of(BigInt(id)))
    if (datatype === 'INT64') return tensor(name, 'INT64', shape, BigInt64Array.of(BigInt(id)))
    if (datatype === 'UINT32') return tensor(name, 'UINT32', shape, Uint32Array.of(Number(id)))
    if (datatype === 'INT32') return tensor(name, 'INT32', shape, Int32Array.of(Number(id)))
    throw new InferenceError('internal', `control '${name}' of model '${this.#model}' cannot be ${datatype}`)
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
