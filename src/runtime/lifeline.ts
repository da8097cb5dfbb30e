/** A thread beside the session of a process: ends the process when the server is gone, even in the midst of a native call. */
import { Socket } from 'node:net'
import { lifelineFd } from './process-messages.ts'

const lifeline = new Socket({ fd: lifelineFd })
lifeline.on('error', () => undefined) // 'close' follows
lifeline.on('close', () => process.kill(process.pid, 'SIGKILL'))
lifeline.resume() // nothing is ever sent: reading finds the end
