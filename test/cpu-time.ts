/** The time that this process computes, which does not grow where the machine has other work. */

/** Milliseconds of CPU that `work` takes, all threads of the process together. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
