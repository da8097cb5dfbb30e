/** `servable describe`: how an object of a running server does, for people. */
import { stringify } from 'yaml'
import { columns } from './columns.ts'
import { pathOf, readAsked, type ShownObject } from './control-client.ts'
import { namespace, runControl, UsageError } from './control-command.ts'
import type { Io } from './infer.ts'

const usage = `Usage: servable describe KIND NAME… | KIND/NAME…`

export function runDescribe(args: readonly string[], io: Io): Promise<number> {
  return runControl(
    {
      name: 'describe',
      usage,
      settings: { namespace },
      run: async ({ values, positionals, client }) => {
        const { kinds, names } = readAsked(positionals)
        const [resource] = kinds
        if (resource === undefined) throw new UsageError('which object? servable describe isvc NAME')
        const all = (await client.call('GET', pathOf(resource, values.namespace))).body.items ?? []
        const wanted = names.length > 0 ? names : all.map(({ metadata }) => metadata?.name ?? '')
        const texts: string[] = []
        for (const name of wanted)
          texts.push(described((await client.call('GET', pathOf(resource, values.namespace, name))).body))
        io.stdout.write(texts.join('\n\n'))
        return 0
      },
    },
    args,
    io,
  )
}

function described({ apiVersion, kind, metadata = {}, spec, status }: ShownObject): string {
  const { name, namespace: inNamespace, labels, annotations, creationTimestamp, generation } = metadata
  const predictor = status?.components?.predictor
  const failure = status?.modelStatus?.lastFailureInfo
  const { states, transitionStatus } = status?.modelStatus ?? {}
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Name', name],
    ['Namespace', inNamespace],
    ['Labels', pairs(labels)],
    ['Annotations', pairs(annotations)],
    ['API Version', apiVersion],
    ['Kind', kind],
    ['Created', creationTimestamp],
    ['Generation', generation === undefined ? undefined : String(generation)],
    ['URL', status?.url],
    ['Address', status?.address?.url],
    ['Runtime', status?.clusterServingRuntimeName ?? status?.servingRuntimeName],
    [
      'Model',
      states === undefined
        ? undefined
        : `active ${states.activeModelState || 'none'}, target ${states.targetModelState ?? ''}, ${transitionStatus ?? ''}`,
    ],
    [
      'Last Failure',
      failure === undefined
        ? undefined
        : `${failure.modelRevisionName ?? ''} ${failure.reason ?? ''}: ${failure.message ?? ''}`,
    ],
    [
      'Traffic',
      predictor?.traffic
        ?.map(
          ({ revisionName = '', percent = 0, tag }) =>
            `${percent} % ${revisionName}${tag === undefined ? '' : ` (${tag})`}`,
        )
        .join(', '),
    ],
  ]
  const lines = facts.flatMap(([label, text]) => (text === undefined || text === '' ? [] : [[`${label}:`, text]]))
  const conditions = status?.conditions ?? []
  return [
    columns(lines),
    ...(spec === undefined ? [] : ['Spec:\n', indented(stringify(spec, { lineWidth: 0 }))]),
    ...(conditions.length === 0
      ? []
      : [
          'Conditions:\n',
          indented(
            columns([
              ['TYPE', 'STATUS', 'SINCE', 'REASON', 'MESSAGE'],
              ...conditions.map(({ type, status: is, lastTransitionTime = '', reason = '', message = '' }) => [
                type,
                is,
                lastTransitionTime,
                reason,
                message,
              ]),
            ]),
          ),
        ]),
  ].join('')
}

function pairs(values: Readonly<Record<string, string>> | undefined): string | undefined {
  return values === undefined
    ? undefined
    : Object.entries(values)
        .map(([key, value]) => `${key}=${value}`)
        .join(', ')
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
