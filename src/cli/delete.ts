/** `servable delete`: takes objects off a running server. */
import { resourceNamed, type Resource } from '../kserve/index.ts'
import { pathOf, readAsked, shownKind } from './control-client.ts'
import { filename, namespace, runControl, UsageError } from './control-command.ts'
import type { Io } from './infer.ts'
import { readDocuments, textOf } from './manifest-input.ts'

const usage = `Usage: servable delete KIND NAME… | KIND/NAME… | -f PATH…

Takes objects off a running server: running requests end first.`

export function runDelete(args: readonly string[], io: Io): Promise<number> {
  return runControl(
    {
      name: 'delete',
      usage,
      settings: { filename, namespace },
      run: async ({ values, positionals, given, client }) => {
        const targets: { resource: Resource; namespace: string; name: string }[] = []
        if (values.filename.length > 0) {
          const documents = await readDocuments(values.filename, () => textOf(process.stdin))
          // Those that call others go before them.
          for (const document of documents.toReversed()) {
            const resource = resourceNamed(document.kind)
            const inNamespace = given.has('namespace') ? values.namespace : document.namespace
            if (resource !== undefined) targets.push({ resource, namespace: inNamespace, name: document.name })
          }
        } else {
          const { kinds, names } = readAsked(positionals)
          const [resource] = kinds
          if (resource === undefined || kinds.length > 1 || names.length === 0) {
            throw new UsageError('which object? servable delete isvc NAME')
          }
          for (const name of names) targets.push({ resource, namespace: values.namespace, name })
        }
        for (const { resource, namespace: inNamespace, name } of targets) {
          await client.call('DELETE', pathOf(resource, inNamespace, name))
          io.stdout.write(`${shownKind(resource)} "${name}" deleted\n`)
        }
        return 0
      },
    },
    args,
    io,
  )
}
