/** A program that launches another one and is then killed: what it launched must end with it. */
import { readLaunch } from '../../../src/runtime/launch.ts'
import { ManagedProcess } from '../../../src/runtime/managed-process.ts'
import { silentLog } from '../../../src/core/log.ts'

const launch = readLaunch({ command: process.argv.slice(2), stop_grace_seconds: 1 })
const managed = new ManagedProcess({ name: 'm', launch, log: silentLog })
const ports = await managed.start()
process.stdout.write(`${String(ports['port'])}\n`)
