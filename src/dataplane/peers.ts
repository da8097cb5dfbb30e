/** Other processes behind the same ports: together with this one they are one server to their callers. */
import type { LogSettingValues } from './log-settings.ts'
import type { ModelStatistics } from './statistics.ts'

export interface Peers {
  /** Whether all of them are ready. */
  readonly isReady: boolean
  /** Tells when `isReady` changes. @returns ends the telling */
  onChange(listener: () => void): () => void
  /** What all of them have counted, per version. */
  statistics(): Promise<readonly ModelStatistics[]>
  /** Changes the trace settings of all. @throws InferenceError as {@link TraceSettings.update} */
  updateTrace(values: Readonly<Record<string, unknown>>, model?: string): Promise<void>
}

/** Log settings, of this process or of all. */
export interface LogControl {
  readonly values: LogSettingValues
  /** Changes what is named and leaves the rest. @throws InferenceError as {@link LogSettings} */
  update(values: Readonly<Record<string, unknown>>): LogSettingValues | Promise<LogSettingValues>
}
