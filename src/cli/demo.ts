/** `servable demo`: serves the sample models that come with the package. */
import { fileURLToPath } from 'node:url'
import { serveUntilSignal, settingsHelp } from './serve.ts'

export async function runDemo(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(
      `Usage: servable demo [options]\n\nServes the sample models of this package.\n\n${settingsHelp()}`,
    )
    return 0
  }
  // dist/src/cli/demo.js lies three folders below the package.
  const samples = fileURLToPath(new URL('../../../models', import.meta.url))
  return serveUntilSignal([samples, ...args])
}
