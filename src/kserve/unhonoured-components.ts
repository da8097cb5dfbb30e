/** What a transformer or an explainer asks and Servable does not do: told by name. */
import type { DocumentComplaints } from './complaints.ts'
import { containerFields } from './fields.ts'
import type { Component, Container, InferenceServiceSpec } from './schemas.ts'

/** What is done of a component. */
const honoured: readonly string[] = ['containers', 'servable', 'timeout', 'containerConcurrency', 'logger']
/** What is done of the container of a command. */
const honouredOfContainer: readonly string[] = ['name', 'image', 'command', 'args', 'env']

/** One warning for each thing that is not done. */
export function tellUnhonouredComponents(spec: InferenceServiceSpec, complaints: DocumentComplaints): void {
  for (const role of ['transformer', 'explainer'] as const) {
    const part = spec[role]
    if (part === undefined) continue
    const path = ['spec', role]
    const fields = given(part).filter((field) => !honoured.includes(field) && !isPlain(part, field))
    if (fields.length > 0) complaints.warn(path, `only a cluster can honour ${fields.join(', ')}`)
    const [container, ...others] = part.containers ?? []
    if (others.length > 0) {
      complaints.warn([...path, 'containers', 1], 'is not started: only one container of a component is looked at')
    }
    if (container !== undefined) tellContainer(container, [...path, 'containers', 0], complaints)
  }
}

function tellContainer(container: Container, path: readonly (string | number)[], complaints: DocumentComplaints): void {
  const known: readonly string[] = [...containerFields, 'resources']
  const fields = given(container).filter((field) => known.includes(field) && !honouredOfContainer.includes(field))
  if (fields.length > 0) complaints.warn(path, `meant for a container, without effect here: ${fields.join(', ')}`)
}

/** One replica is what there is; none is scale to zero. */
function isPlain({ minReplicas, maxReplicas }: Component, field: string): boolean {
  if (field === 'minReplicas') return minReplicas === undefined || minReplicas < 2
  return field === 'maxReplicas' && maxReplicas === 1
}

function given(part: object): readonly string[] {
  return Object.entries(part).flatMap(([field, value]) => (value === undefined ? [] : [field]))
}
