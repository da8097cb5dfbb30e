/** What a child process takes over of the command line of Node. */

/** Flags of Node that hold for the child as well: not those that name a program or open a port. */
export function inheritedFlags(flags: readonly string[]): string[] {
  const inherited: string[] = []
  for (let index = 0; index < flags.length; index += 1) {
    const flag = flags[index] ?? ''
    if (/^(-e|--eval|-p|--print|-pe)$/.test(flag)) index += 1
    else if (
      !/^(--input-type|--eval|--print|--inspect|--debug|--watch|--test|--check|-c$|-i$|--interactive)/.test(flag)
    ) {
      inherited.push(flag)
    }
  }
  return inherited
}
