/** Fetches models one after the other, counts its steps on the disk, and kills itself at one of them; 0 for never. */
import fs from 'node:fs'
import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const [steps, storage, cacheDirectory, ...uris] = process.argv.slice(2)
let count = 0

function step() {
  count += 1
  if (count === Number(steps)) process.kill(process.pid, 'SIGKILL')
}

/** Before and after: between two steps lies a third, done and not yet known of. */
function counted(work) {
  return async function (...given) {
    step()
    const done = await work.apply(this, given)
    step()
    return done
  }
}

for (const name of ['link', 'mkdir', 'rename', 'rm', 'symlink', 'writeFile', 'chmod', 'utimes']) {
  promises[name] = counted(promises[name])
}
const { open } = promises
promises.open = async (...given) => {
  const handle = await open(...given)
  handle.write = counted(handle.write)
  return handle
}
const { write } = fs
fs.write = (...given) => {
  step()
  return write(...given)
}
syncBuiltinESMExports()

const { fetchModel } = await import(storage)
for (const uri of uris) await fetchModel(uri, { cacheDirectory, limits: { pauseMs: 1 } })
process.stdout.write(String(count))
