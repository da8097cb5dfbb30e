/** What a hook module gives back or throws, checked: it is the user's code and knows nothing of our types. */
import { InferenceError, messageOf, type ErrorCode } from '../core/errors.ts'
import { allocate, elementCount, isDataType, type DataType } from '../core/tensor.ts'

const errorCodes: Readonly<Record<ErrorCode, true>> = {
  invalid_argument: true,
  not_found: true,
  already_exists: true,
  failed_precondition: true,
  resource_exhausted: true,
  unavailable: true,
  deadline_exceeded: true,
  cancelled: true,
  unimplemented: true,
  unauthenticated: true,
  permission_denied: true,
  internal: true,
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code)
}

/** What was thrown, where it is meant for the caller: an error with one of the server's codes, or a cancellation. */
export function callerError(reason: unknown): InferenceError | undefined {
  if (reason instanceof InferenceError) return reason
  if (typeof reason !== 'object' || reason === null) return undefined
  if ('code' in reason && isErrorCode(reason.code)) {
    return new InferenceError(reason.code, messageOf(reason), { cause: reason })
  }
  const wrapped = InferenceError.from(reason)
  return wrapped.code === 'internal' ? undefined : wrapped
}

/**
 * @param part where the tensors are: a request's inputs, a response's outputs
 * @throws Error that says what the hook must give back; for the log, not for callers
 */
export function checkTensors(result: unknown, part: 'inputs' | 'outputs'): void {
  const what = part === 'inputs' ? 'request' : 'response'
  const tensors: unknown = typeof result === 'object' && result !== null ? Reflect.get(result, part) : undefined
  if (!Array.isArray(tensors)) throw new Error(`it must return a ${what} with ${part}, a list of tensors`)
  tensors.forEach((item: unknown, index) => {
    const wrong = complaintAbout(item)
    if (wrong !== undefined) throw new Error(`it returned ${part}[${index}] ${wrong}`)
  })
}

function complaintAbout(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return 'that is no tensor'
  const { name, datatype, shape, data }: { name?: unknown; datatype?: unknown; shape?: unknown; data?: unknown } = item
  if (typeof name !== 'string') return 'without a name'
  if (typeof datatype !== 'string' || !isDataType(datatype)) return `'${name}' with datatype ${String(datatype)}`
  if (!Array.isArray(shape) || !shape.every((dimension) => Number.isInteger(dimension) && Number(dimension) >= 0)) {
    return `'${name}' whose shape is no list of whole numbers`
  }
  const count = elementCount(shape.map(Number))
  const length = elementsIn(data, datatype)
  if (length === undefined) return `'${name}' whose data is not what ${datatype} needs: ${arrayOf(datatype)}`
  return length === count ? undefined : `'${name}' of shape [${shape.join(',')}] with ${length} elements, not ${count}`
}

/** Elements in the data, undefined where it is of the wrong kind. */
function elementsIn(data: unknown, datatype: DataType): number | undefined {
  if (datatype === 'BYTES') {
    return Array.isArray(data) && data.every((element) => element instanceof Uint8Array) ? data.length : undefined
  }
  const array = allocate(datatype, 0).constructor
  return typeof array === 'function' && data instanceof array && ArrayBuffer.isView(data) && 'length' in data
    ? Number(data.length)
    : undefined
}

function arrayOf(datatype: DataType): string {
  return datatype === 'BYTES' ? 'a list of Uint8Array' : allocate(datatype, 0).constructor.name
}
