/** What a proxied model looks like: as its server describes it, or as it was declared where the server tells nothing. */
import type { ModelDescription, TensorDescription } from '../../src/codec/index.ts'
import type { ModelMetadata, TensorMetadata } from '../../src/runtime/index.ts'
import type { ProxyOptions } from './options.ts'
import type { Protocol } from './profiles.ts'

/**
 * @param described undefined where the protocol tells nothing
 * @param protocol that is spoken with the upstreams
 */
export function metadataOf(
  options: ProxyOptions,
  protocol: Protocol,
  described: ModelDescription | undefined,
): ModelMetadata {
  const { profile, upstreams, decoupled } = options
  const signatures = described?.signatures?.map(({ name, methodName, inputs, outputs }) => ({
    ...{ name, methodName, inputs: signatureOf(inputs), outputs: signatureOf(outputs) },
  }))
  return {
    platform: described?.platform || `proxy_${profile}`,
    inputs: options.inputs ?? signatureOf(described?.inputs),
    outputs: options.outputs ?? signatureOf(described?.outputs),
    ...(signatures === undefined ? {} : { signatures }),
    ...(decoupled ? { isDecoupled: true } : {}),
    ...(protocol === 'openai' ? { protocols: ['openai'] } : {}),
    parameters: { device: 'remote', placement: 'remote', profile, protocol, upstreams: upstreams.length },
  }
}

/** Empty, which checks nothing, where the server does not know all the datatypes: it will check for itself. */
function signatureOf(described: readonly TensorDescription[] = []): readonly TensorMetadata[] {
  const known = described.flatMap(({ name, datatype, shape, isOptional = false, graphName }) => {
    if (datatype === undefined) return []
    const optional = { ...(isOptional ? { isOptional } : {}), ...(graphName === undefined ? {} : { graphName }) }
    return [{ name, datatype, ...(shape === undefined ? { shape: [-1], isAnyRank: true } : { shape }), ...optional }]
  })
  return known.length === described.length ? known : []
}
