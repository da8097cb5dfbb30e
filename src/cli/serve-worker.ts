/** The program of one worker of `servable serve --workers`; started by its primary, never by hand. */
import { readServeConfig } from '../server/read-config.ts'
import { runWorker } from '../server/workers/worker.ts'
import { renderBanner } from './banner.ts'
import { growHeapFurther } from './heap.ts'

growHeapFurther()
runWorker(() => {
  const { values: config } = readServeConfig(process.argv.slice(2), process.env)
  return { config, banner: renderBanner }
})
