/** How a transformer or explainer of a manifest is started as a program. */
import type { ComponentWay } from '../../kserve/index.ts'
import { readLaunch, type Launch } from '../../runtime/launch.ts'

type Command = Extract<ComponentWay, { kind: 'command' }>

/** Until it takes connections: longer than any import of a Python framework. */
const startSeconds = 300

/**
 * The command with KServe's arguments where it has none of its own; its port is one that is free.
 *
 * @param model name of the service's model
 * @param predictor `host:port` under which the model answers
 * @throws InferenceError `invalid_argument` as {@link readLaunch}
 */
export function launchOf(way: Command, model: string, predictor: string): Launch {
  const own = [...way.command, ...way.args]
  const added: readonly (readonly [string, string])[] = [
    ['--model_name', model],
    ['--predictor_host', predictor],
    ['--http_port', '{port}'],
  ]
  const missing = added.filter(([flag]) => !own.some((each) => each === flag || each.startsWith(`${flag}=`)))
  return readLaunch(
    {
      command: [...own, ...missing.flat()],
      env: { PORT: '{port}', ...way.env },
      cwd: way.directory,
      start_timeout_seconds: startSeconds,
    },
    'command',
  )
}
