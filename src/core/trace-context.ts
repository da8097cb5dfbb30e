/** Where in a distributed trace a call stands: W3C Trace Context, and Zipkin's b3 where there is no other. */

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** The span that this one is part of; absent at the root, and where it is not known. */
  readonly parentSpanId?: string
  /** Whether the spans of this trace are kept; undecided where absent. */
  readonly isSampled?: boolean
  /** `tracestate`, for whoever understands it. */
  readonly state?: string
}

type Headers = Readonly<Record<string, string | undefined>>

/** What W3C asks everybody to pass on at least; longer ones are left out. */
const longestState = 512
const noTrace = '0'.repeat(32)
const noSpan = '0'.repeat(16)

/**
 * Reads where a caller stands.
 *
 * @param headers names in lower case
 * @returns undefined where no header tells it, or only malformed ones: a trace then begins here
 */
export function readTraceContext(headers: Headers): TraceContext | undefined {
  return readTraceparent(headers) ?? readB3(headers)
}

function readTraceparent(headers: Headers): TraceContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more = ''] =
    /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(headers['traceparent'] ?? '') ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== '')) return undefined
  if (traceId === noTrace || spanId === noSpan) return undefined
  const state = headers['tracestate']
  const isSampled = (parseInt(flags, 16) & 1) === 1
  const known = { traceId, spanId, isSampled }
  return state === undefined || state === '' || state.length > longestState ? known : { ...known, state }
}

/** One header, or one for each part. */
function readB3(headers: Headers): TraceContext | undefined {
  const [trace = '', span = '', decision] = headers['b3']?.split('-') ?? [
    headers['x-b3-traceid'],
    headers['x-b3-spanid'],
    headers['x-b3-flags'] === '1' ? 'd' : headers['x-b3-sampled'],
  ]
  const traceId = trace.toLowerCase().padStart(32, '0')
  const spanId = span.toLowerCase()
  if (!/^([\da-f]{16}|[\da-f]{32})$/i.test(trace) || !/^[\da-f]{16}$/.test(spanId)) return undefined
  if (traceId === noTrace || spanId === noSpan) return undefined
  return decision === undefined ? { traceId, spanId } : { traceId, spanId, isSampled: /^(1|d|true)$/.test(decision) }
}

/** The headers that tell the next service. */
export function traceHeaders({
  traceId,
  spanId,
  isSampled,
  state,
}: TraceContext): readonly (readonly [string, string])[] {
  const parent = ['traceparent', `00-${traceId}-${spanId}-${isSampled === true ? '01' : '00'}`] as const
  return state === undefined ? [parent] : [parent, ['tracestate', state]]
}
