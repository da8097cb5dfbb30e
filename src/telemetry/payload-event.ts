/** One request or answer as a CloudEvent, as KServe's agent writes it: binary mode of CloudEvents 1.0 over HTTP. Pure. */

export type PayloadKind = 'request' | 'response'

/** What every event of one component says. */
export interface PayloadOrigin {
  /** Name of the InferenceService; that of the model where there is none. */
  readonly service: string
  readonly namespace: string
  readonly component: 'predictor' | 'transformer' | 'explainer'
  /** Annotations of the service that go along. */
  readonly annotations: Readonly<Record<string, string>>
}

/** One body. */
export interface PayloadEvent {
  readonly kind: PayloadKind
  /** The same for a request and its answer. */
  readonly id: string
  readonly origin: PayloadOrigin
  /** Where it comes from: the name of the pod or of the machine. */
  readonly source: string
  readonly time: Date
  /** Headers that go along, by their names in lower case. */
  readonly metadata: Readonly<Record<string, string>>
  readonly contentType: string
  readonly body: Uint8Array
}

const types: Readonly<Record<PayloadKind, string>> = {
  request: 'org.kubeflow.serving.inference.request',
  response: 'org.kubeflow.serving.inference.response',
}

/** The headers of the POST that carries an event (KServe's `pkg/logger`). Values are ASCII. */
export function eventHeaders(event: PayloadEvent): Readonly<Record<string, string>> {
  const { origin, metadata } = event
  const time = event.time.toISOString()
  const canonical = Object.entries(metadata).map(([name, value]) => [canonicalName(name), [value]] as const)
  return {
    'Ce-Specversion': '1.0',
    'Ce-Id': ascii(event.id),
    'Ce-Type': types[event.kind],
    'Ce-Source': ascii(event.source),
    'Ce-Time': time,
    'Ce-Recordedtime': time,
    'Ce-Inferenceservicename': ascii(origin.service),
    'Ce-Namespace': ascii(origin.namespace),
    'Ce-Component': origin.component,
    'Ce-Endpoint': '',
    'Ce-Metadata': ascii(JSON.stringify(Object.fromEntries(canonical))),
    ...(Object.keys(origin.annotations).length === 0
      ? {}
      : { 'Ce-Annotations': ascii(JSON.stringify(origin.annotations)) }),
    'Content-Type': ascii(event.contentType),
    'Content-Length': String(event.body.byteLength),
  }
}

/** As Go writes names of headers. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
}

/** What a header cannot hold is escaped, as JSON does it. */
function ascii(text: string): string {
  return text.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
