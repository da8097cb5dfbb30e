/** Repeats a call for some time and prints how often per second it was done, and what it cost. */

/** Until the just-in-time compiler is done. */
const warmUpMs = 500

/** @param seconds as text, the last argument of a program */
export async function loopFor(seconds: string | undefined, call: () => unknown): Promise<void> {
  await measure(warmUpMs, call)
  console.log(JSON.stringify(await measure(Number(seconds) * 1000, call)))
}

async function measure(milliseconds: number, call: () => unknown): Promise<{ perSecond: number; cpuUs: number }> {
  const cpu = process.cpuUsage()
  const started = performance.now()
  let calls = 0
  let elapsed = 0
  for (; elapsed < milliseconds; elapsed = performance.now() - started) {
    await call()
    calls += 1
  }
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: (calls / elapsed) * 1000, cpuUs: (user + system) / calls }
}
