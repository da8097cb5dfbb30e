/** `servable apply`: has a running server serve what manifests say. */
import { resourceNamed } from '../kserve/index.ts'
import { pathOf, shownName, type ControlClient } from './control-client.ts'
import { filename, namespace, runControl, UsageError } from './control-command.ts'
import type { Io } from './infer.ts'
import { readDocuments, textOf, type GivenDocument } from './manifest-input.ts'

const usage = `Usage: servable apply -f PATH… [options]

Has a running server serve what KServe's manifests say. A changed InferenceService is loaded beside the one before, which
serves until the new revision is ready; spec.predictor.canaryTrafficPercent gives it a part of the traffic only.`

export function runApply(args: readonly string[], io: Io): Promise<number> {
  return runControl(
    {
      name: 'apply',
      usage,
      settings: { filename, namespace },
      run: async ({ values, positionals, given, client }) => {
        const paths = [...values.filename, ...positionals]
        if (paths.length === 0) throw new UsageError('which manifests? servable apply -f isvc.yaml')
        const documents = await readDocuments(paths, () => textOf(process.stdin))
        let status = 0
        for (const document of documents) {
          const inNamespace = given.has('namespace') ? values.namespace : document.namespace
          if (!(await applyOne(client, document, inNamespace, io))) status = 1
        }
        return status
      },
    },
    args,
    io,
  )
}

/** The others are applied even where one is refused, as kubectl does it. @returns whether it was taken */
async function applyOne(client: ControlClient, document: GivenDocument, namespace: string, io: Io): Promise<boolean> {
  const { kind, name, text, file } = document
  const resource = resourceNamed(kind)
  if (resource === undefined) return false
  try {
    const path = `${pathOf(resource, namespace, name)}?file=${encodeURIComponent(file)}`
    const { outcome = 'configured', warnings } = await client.call('PUT', path, text)
    for (const warning of warnings) io.stderr.write(`Warning: ${warning}\n`)
    io.stdout.write(`${shownName(resource, name)} ${outcome}\n`)
    return true
  } catch (reason) {
    if (!(reason instanceof Error) || reason.message.startsWith('no server answers')) throw reason
    io.stderr.write(`${reason.message}\n`)
    return false
  }
}
