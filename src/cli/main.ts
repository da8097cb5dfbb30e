#!/usr/bin/env node
/** The command `servable`: finds the subcommand, hands it its arguments, turns what it throws into one line and a status. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { version } from '../server/version.ts'
import type { Io } from './infer.ts'

type Command = (args: readonly string[]) => Promise<number>

/** Imported when called, so that `servable --help` loads nothing. */
const commands: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  serve: {
    summary: 'serve models: servable serve ./models',
    load: async () => (await import('./serve.ts')).runServe,
  },
  demo: {
    summary: 'serve the sample models of this package',
    load: async () => (await import('./demo.ts')).runDemo,
  },
  inspect: {
    summary: 'show what is in a model and how it would be served: servable inspect model.onnx',
    load: async () => {
      const { runInspect } = await import('./inspect.ts')
      return (args) => runInspect(args, process)
    },
  },
  init: {
    summary: 'write a small project with a passing test: servable init runtime | predictor | transformer <name>',
    load: async () => withIo((await import('./init.ts')).runInit),
  },
  apply: {
    summary: 'serve what manifests say on a running server: servable apply -f isvc.yaml',
    load: async () => withIo((await import('./apply.ts')).runApply),
  },
  get: {
    summary: 'list objects of a running server: servable get isvc | ig | runtimes [name] [-o yaml|json|wide|name]',
    load: async () => withIo((await import('./get.ts')).runGet),
  },
  describe: {
    summary: 'tell how an object does: servable describe isvc iris',
    load: async () => withIo((await import('./describe.ts')).runDescribe),
  },
  delete: {
    summary: 'take objects off a running server: servable delete isvc iris, servable delete -f isvc.yaml',
    load: async () => withIo((await import('./delete.ts')).runDelete),
  },
  rollout: {
    summary: 'move the traffic between revisions: servable rollout status | promote | undo isvc/iris',
    load: async () => withIo((await import('./rollout.ts')).runRollout),
  },
  infer: {
    summary: "ask a model: servable infer localhost:8080 iris --input '5.1,3.5,1.4,0.2'",
    load: async () => {
      const { runInfer } = await import('./infer.ts')
      return (args) => runInfer(args, process)
    },
  },
}

function withIo(run: (args: readonly string[], io: Io) => Promise<number>): Command {
  return (args) => run(args, process)
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === '--version' || name === '-v' || name === 'version') {
    process.stdout.write(`servable ${version}\n`)
    return 0
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage())
    return 0
  }
  if (Object.hasOwn(commands, name)) return ((await commands[name]?.load()) ?? unknown)(rest)
  // As KServe starts its servers: flags alone, `--model_name=iris --model_dir=/mnt/models`.
  if (name.startsWith('-')) return ((await commands['serve']?.load()) ?? unknown)(args)
  return unknown(args)
}

const unknown: Command = async ([name = '']) => {
  const meant = nearest(name, Object.keys(commands))
  process.stderr.write(
    `servable: unknown command '${name}'${meant === undefined ? '' : `, did you mean '${meant}'?`}\n\n${usage()}`,
  )
  return 2
}

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}`)
  return [
    `Servable ${version}: serves ONNX and other models over the V1 and V2 (Open Inference) protocols.`,
    '',
    'Usage: servable <command> [options]',
    '',
    ...lines,
    '',
    'Start here:',
    '  servable demo                      serve the samples, with curl lines to try',
    '  servable serve path/to/models      a model file, a model directory, or a directory of those',
    '  servable <command> --help          every option of a command',
    '',
  ].join('\n')
}

// An exit code instead of process.exit(): what is still being written to a pipe arrives.
main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status
  },
  (reason: unknown) => {
    const isMistake = reason instanceof InferenceError
    process.stderr.write(
      `servable: ${isMistake || !(reason instanceof Error) ? messageOf(reason) : (reason.stack ?? reason.message)}\n`,
    )
    process.exitCode = isMistake && reason.code === 'invalid_argument' ? 2 : 1
  },
)
